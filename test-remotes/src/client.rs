//! What a clone has to know to be let in, or not.

use crate::{Host, Transport};
use std::path::Path;
use std::process::Command;

/// Whom the HTTP server lets in.
pub const USER: &str = "ann";
/// What it wants to hear.
pub const PASSWORD: &str = "correct-horse";

/// With what a clone comes to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Credentials {
    /// What the server accepts.
    Right,
    /// What it does not accept: another key, another password.
    Wrong,
    /// None: Git would have to ask.
    None,
}

impl Host {
    /// Makes this host the remote `origin` of a work tree (again), with credentials in the work tree's own configuration.
    ///
    /// # Panics
    /// When the configuration cannot be written.
    pub fn connect(&self, work_tree: &Path, credentials: Credentials) {
        self.configure(work_tree, "remote.origin.url", &self.url());
        self.configure(work_tree, "remote.origin.fetch", "+refs/heads/*:refs/remotes/origin/*");
        match self.transport {
            Transport::File | Transport::Daemon => {}
            Transport::Ssh => self.configure(work_tree, "core.sshCommand", &self.ssh_command(credentials)),
            Transport::Http => {
                let helper = |password: &str| format!("!f() {{ echo username={USER}; echo password={password}; }}; f");
                let helper = match credentials {
                    Credentials::Right => helper(PASSWORD),
                    Credentials::Wrong => helper("battery-staple"),
                    // Nothing of the user's own, either.
                    Credentials::None => String::new(),
                };
                self.configure(work_tree, "credential.helper", &helper);
            }
        }
    }

    /// An ssh command that knows this host, trusts its key, and has no configuration and no agent of the user's. Without
    /// credentials its key is locked, so that ssh would have to ask.
    pub fn ssh_command(&self, credentials: Credentials) -> String {
        let file = |name: &str| self.path(name).display().to_string();
        let key = match credentials {
            Credentials::Right => file("user"),
            Credentials::Wrong => file("stranger"),
            Credentials::None => {
                let locked = self.path("locked");
                let _ = std::fs::copy(self.path("user"), &locked);
                self.run(Command::new("ssh-keygen").args(["-q", "-p", "-P", "", "-N", PASSWORD, "-f"]).arg(locked));
                file("locked")
            }
        };
        let host_key = std::fs::read_to_string(self.path("host.pub")).expect("a key");
        std::fs::write(self.path("known_hosts"), format!("* {host_key}")).expect("a file");
        format!(
            "ssh -F none -oIdentitiesOnly=yes -oIdentityAgent=none -oUserKnownHostsFile={} -i {key}",
            file("known_hosts")
        )
    }

    fn configure(&self, work_tree: &Path, key: &str, value: &str) {
        self.run(self.git().arg("-C").arg(work_tree).args(["config", "--replace-all", key, value]));
    }
}

/// Who runs the tests, and as whom sshd lets in.
pub(crate) fn user() -> String {
    let output = Command::new("id").arg("-un").output().expect("id");
    String::from_utf8(output.stdout).expect("text").trim().to_owned()
}
