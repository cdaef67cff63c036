//! What goes wrong on the way, on demand.

use crate::{Host, executable, until};
use std::path::PathBuf;

/// Calls that the server holds: each waits until this is released or dropped.
#[must_use = "what is held goes on when this is dropped"]
pub struct Held {
    /// One line for each call that came so far.
    arrived: PathBuf,
    /// While this exists, calls wait.
    closed: PathBuf,
}

impl Held {
    /// Waits until a call has come and is held.
    ///
    /// # Panics
    /// When none comes within a minute.
    pub fn wait(&self) {
        until("a call that is held", || self.arrived.exists());
    }

    /// Lets all of them go on.
    pub fn release(self) {}
}

impl Drop for Held {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.closed);
    }
}

impl Host {
    /// Installs a hook of the bare repository: a shell script without its first line.
    pub fn hook(&self, name: &str, text: &str) {
        let hooks = self.bare().join("hooks");
        std::fs::create_dir_all(&hooks).expect("a folder");
        executable(&hooks.join(name), &format!("#!/bin/sh\n{text}\n"));
    }

    /// Removes a hook.
    pub fn unhook(&self, name: &str) {
        let _ = std::fs::remove_file(self.bare().join("hooks").join(name));
    }

    /// Holds every push when all of it has been received and before a branch moves.
    pub fn hold_push(&self) -> Held {
        let (held, wait) = self.gate("push");
        self.hook("pre-receive", &wait);
        held
    }

    /// Holds every fetch between what the server advertised and the objects. Not over `file://`, where the client itself
    /// is the server.
    pub fn hold_fetch(&self) -> Held {
        let (held, wait) = self.gate("fetch");
        let hook = self.path("pack-hook");
        executable(&hook, &format!("#!/bin/sh\n{wait}\nexec \"$@\"\n"));
        self.run(self.git().args(["config", "--global", "uploadpack.packObjectsHook"]).arg(hook));
        held
    }

    /// From now on a push is taken, and the connection ends before the answer. [`Host::answer`] ends it.
    pub fn lose_answers(&self) {
        // The hook's parent is the server's end of the push.
        self.hook("post-receive", "cat >/dev/null; kill -9 $PPID");
    }

    /// Ends [`Host::lose_answers`].
    pub fn answer(&self) {
        self.unhook("post-receive");
    }

    fn gate(&self, name: &str) -> (Held, String) {
        let held =
            Held { arrived: self.path(&format!("{name}-arrived")), closed: self.path(&format!("{name}-closed")) };
        let _ = std::fs::remove_file(&held.arrived);
        std::fs::write(&held.closed, "").expect("a file");
        let (arrived, closed) = (held.arrived.display(), held.closed.display());
        let wait = format!("echo >>'{arrived}'\nwhile [ -e '{closed}' ]; do sleep 0.02; done");
        (held, wait)
    }
}
