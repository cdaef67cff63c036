//! Fetch and push through the user's own `git`: what it knows of credential helpers, ssh and proxies works here too.
//!
//! Everything on the command line is ours or checked: a remote goes by its name and never by its address, branches are
//! full names that Git allows, commits are ids. What happened is read from exit codes, from `push --porcelain` and from
//! references; text is for people, with two exceptions that have no other form: that the remote has no such branch, and
//! that somebody else was updating it.
//!
//! Nothing that is fetched is trusted here: it lies under `refs/agent-vault/fetched/` until somebody verifies it.
//!
//! Needs Git 2.29 (October 2020) or newer.

mod program;
mod ssh;
#[cfg(all(test, unix))]
mod tests;
mod words;

use crate::error::{Error, Result};
use crate::home;
use crate::repo::{Reach, Repo, check_branch};
use git2::{Direction, ErrorCode, ObjectType, Oid, Repository};
use program::{Call, Ended};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// So many objects are named in one call.
const NAMED: usize = 1000;
/// So long does a fetch that a person asked for wait for another of this repository.
const PATIENCE: Duration = Duration::from_secs(60);

/// Talks to a remote through the user's own `git`.
pub(crate) struct Remote {
    /// Where git starts: it finds the repository, and judges whether it may trust its configuration, by itself.
    workdir: PathBuf,
    git_dir: PathBuf,
    name: String,
    /// As configured: may hold a password.
    url: String,
    progress: Option<Sink>,
}

/// Takes git's progress, line by line with its ending (`\n`, or `\r` for one that the next line replaces), fit for a
/// terminal.
pub(crate) type Sink = Arc<dyn Fn(&str) + Send + Sync>;

/// On whose behalf a remote is talked to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// A person asked for it and waits: git, ssh and helpers may ask on the terminal, for as long as it takes.
    Asked,
    /// It happens on the way to something else: nobody is asked anything, and after the limit it is stopped, with
    /// everything that it started.
    Implicit {
        /// So long at most.
        limit: Duration,
    },
}

/// What a push came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Pushed {
    /// The branch is at the commit.
    Done,
    /// Somebody else was first, or was about to be: fetch, merge, try again.
    Rejected,
    /// A hook or a protected branch refused, here or there: what it said, on one line.
    Refused(String),
}

impl Remote {
    /// The remote that HEAD's branch follows, and the branch there (`refs/heads/…`): `branch.<name>.remote` and `.merge`,
    /// else the branch of the same name at the only remote, or at `origin`. `None` when there is no remote, on a detached
    /// HEAD, and for a branch that follows a local one.
    ///
    /// # Errors
    /// [`Error::Conflict`] when the remote that is named is not there, or several could be meant; [`Error::Usage`] when
    /// what is followed is no branch; [`Error::Git`].
    pub(crate) fn of(repo: &Repo) -> Result<Option<(Remote, String)>> {
        let Some(upstream) = repo.upstream()? else { return Ok(None) };
        let (workdir, git_dir) = repo.dirs();
        let remote = Remote {
            workdir: workdir.to_path_buf(),
            git_dir: git_dir.to_path_buf(),
            name: upstream.remote,
            url: upstream.url,
            progress: None,
        };
        Ok(Some((remote, upstream.branch)))
    }

    /// Hands git's progress to `sink`, for a face on a terminal.
    pub(crate) fn telling(self, sink: Sink) -> Self {
        Self { progress: Some(sink), ..self }
    }

    /// The remote's name, such as `origin`.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The configured address without user and password, fit for a terminal.
    pub(crate) fn url(&self) -> String {
        words::without_credentials(&self.url)
    }

    /// Fetches one branch, given by its full name, to [`Remote::fetched`]; `None` when the remote has no such branch, as
    /// when it is empty. No branch of the user's moves, and `FETCH_HEAD` stays as it is. The remote-tracking branch follows
    /// only when a person asked: one that moves unseen takes the meaning from their next `push --force-with-lease`.
    ///
    /// # Errors
    /// [`Error::Remote`], [`Error::GitProgram`]; [`Error::Usage`] for a name that is no branch's; [`Error::Git`].
    pub(crate) fn fetch(&self, branch: &str, manner: Manner) -> Result<Option<Oid>> {
        let target = self.fetched(branch)?;
        let mut call = self.call("fetch", manner)?;
        call.arguments(["--no-write-fetch-head", "--no-tags", "--no-prune", "--no-recurse-submodules"]);
        // Nothing but the reference of ours: what somebody else holds, or left locked, is no reason to fail.
        call.arguments(["--refmap=", "--", &self.name, &format!("+{branch}:{target}")]);
        let git = Repository::open(&self.git_dir).map_err(Error::git("open the repository"))?;
        let turn = turn(&git, manner);
        if turn.is_some() {
            unlock(&git, &target);
        }
        let ended = self.run(call)?;
        drop(turn);
        if ended.status.success() {
            let commit = self.commit_at(&git, &target)?;
            if manner == Manner::Asked {
                self.follow(&git, branch, commit);
            }
            return Ok(Some(commit));
        }
        if words::lacks_branch(&ended.said, branch) {
            // Nobody shall take what was there once for what is there now.
            match git.find_reference(&target).and_then(|mut stale| stale.delete()) {
                Err(error) if error.code() != ErrorCode::NotFound => return Err(Error::git("forget a branch")(error)),
                _ => return Ok(None),
            }
        }
        Err(self.failed(&ended))
    }

    /// Where [`Remote::fetch`] leaves a branch: `refs/agent-vault/fetched/<remote>/<branch>`.
    ///
    /// # Errors
    /// [`Error::Usage`] for a name that is no branch's.
    pub(crate) fn fetched(&self, branch: &str) -> Result<String> {
        check_branch(branch)?;
        Ok(format!("refs/agent-vault/fetched/{}/{}", self.name, branch.trim_start_matches("refs/heads/")))
    }

    /// Moves a branch of the remote, given by its full name, to a commit, if that is a fast-forward; makes the branch if it
    /// is not there. The user's `pre-push` hook runs, as for any push of theirs.
    ///
    /// After an error the commit may have arrived all the same: what the remote has, the next fetch tells.
    ///
    /// # Errors
    /// [`Error::Remote`], [`Error::GitProgram`]; [`Error::Usage`] for a name that is no branch's.
    pub(crate) fn push(&self, commit: Oid, branch: &str, manner: Manner) -> Result<Pushed> {
        check_branch(branch)?;
        let mut call = self.call("push", manner)?;
        call.arguments(["--porcelain", "--no-follow-tags", "--no-recurse-submodules"]);
        if manner != Manner::Asked {
            call.arguments(["--no-signed"]);
        }
        call.arguments(["--", &self.name, &format!("{commit}:{branch}")]);
        let ended = self.run(call)?;
        if ended.status.success() {
            return Ok(Pushed::Done);
        }
        match words::refusal(&ended, branch) {
            Some(words::Refusal::TooLate) => Ok(Pushed::Rejected),
            Some(words::Refusal::ByRemote(reason)) => Ok(Pushed::Refused(words::refused(reason, &ended.said))),
            Some(words::Refusal::ByHookHere) => Ok(Pushed::Refused(words::refused("", &ended.said))),
            None => Err(self.failed(&ended)),
        }
    }

    /// Fetches what a partial clone lacks of the vault's folder in the histories of these commits. libgit2 reads what is
    /// there, and asks nobody for more. In a clone without trees (`--filter=tree:0`), also all folders of the commits in
    /// which these differ: whoever merges or moves forward has to know which other files do. Where a person asked for it,
    /// also the other files that both of two commits changed.
    ///
    /// # Errors
    /// [`Error::Remote`], [`Error::GitProgram`]; [`Error::Git`].
    pub(crate) fn complete(&self, repo: &Repo, commits: &[Oid], manner: Manner) -> Result<()> {
        if !repo.is_partial(&self.name)? {
            return Ok(());
        }
        if repo.lacks_trees(&self.name)? {
            // What is named is given whatever a filter says: whole folders without files here, single ones there.
            self.fill("blob:none", manner, || repo.missing_trees(commits, Reach::Parting))?;
            self.fill("tree:0", manner, || repo.missing_trees(commits, Reach::Vault))?;
        }
        self.fill("blob:none", manner, || self.lacking(repo, commits, manner))?;
        match (manner, commits) {
            (Manner::Asked, [ours, theirs]) => self.fill("blob:none", manner, || repo.missing_blobs(*ours, *theirs)),
            _ => Ok(()),
        }
    }

    /// Fetches what is missing until nothing is.
    fn fill(&self, filter: &str, manner: Manner, missing: impl Fn() -> Result<Vec<Oid>>) -> Result<()> {
        let mut before = Vec::new();
        loop {
            let lacking = missing()?;
            if lacking.is_empty() {
                return Ok(());
            }
            if lacking == before {
                return Err(self.error("it does not give what this partial clone lacks of the vault's history".into()));
            }
            // So many names fit on a command line everywhere.
            for some in lacking.chunks(NAMED) {
                let mut call = self.call("fetch", manner)?;
                call.arguments(["--no-write-fetch-head", "--no-tags", "--no-prune", "--no-recurse-submodules"]);
                call.arguments(["--refmap=", &format!("--filter={filter}"), "--", &self.name]);
                call.arguments(some.iter().map(Oid::to_string));
                let ended = self.run(call)?;
                if !ended.status.success() {
                    return Err(self.failed(&ended));
                }
            }
            before = lacking;
        }
    }

    /// The objects of the vault's folder that are not here, or some of them: git names them last, and the end of what it
    /// says is kept.
    fn lacking(&self, repo: &Repo, commits: &[Oid], manner: Manner) -> Result<Vec<Oid>> {
        let mut call = Call::new(&self.workdir, manner);
        if manner != Manner::Asked {
            call.never_ask(None);
        }
        call.arguments(["rev-list", "--objects", "--missing=print"]);
        call.arguments(commits.iter().map(Oid::to_string));
        call.arguments(["--", &format!(":(top,literal){}", repo.folder())]);
        let ended = self.run(call)?;
        if !ended.status.success() {
            return Err(self.failed(&ended));
        }
        let lines = ended.out.split(|byte| *byte == b'\n').filter_map(|line| line.strip_prefix(b"?"));
        Ok(lines.filter_map(|line| Oid::from_str(std::str::from_utf8(line).ok()?).ok()).collect())
    }

    fn call(&self, command: &'static str, manner: Manner) -> Result<Call> {
        let mut call = Call::new(&self.workdir, manner);
        if manner != Manner::Asked {
            call.never_ask(ssh::configured(&self.git_dir)?);
        }
        call.arguments([command, if self.progress.is_some() { "--progress" } else { "--no-progress" }]);
        Ok(call)
    }

    fn run(&self, call: Call) -> Result<Ended> {
        let ended = call.run(self.progress.clone()).map_err(|source| Error::GitProgram {
            reason: match source.kind() {
                std::io::ErrorKind::NotFound => "there is none".into(),
                _ => source.to_string(),
            },
        })?;
        let ended = ended.map_err(|limit| self.error(format!("no answer within {} s", limit.as_secs_f32())))?;
        if ended.status.code() == Some(program::USAGE) {
            let reason = words::reason(&ended.said);
            return Err(Error::GitProgram { reason: reason.split("; ").next().unwrap_or_default().to_owned() });
        }
        Ok(ended)
    }

    /// What a branch holds must be a commit: the other side can have put anything there.
    fn commit_at(&self, git: &Repository, reference: &str) -> Result<Oid> {
        let fail = || Error::git("read what was fetched");
        let oid = git.refname_to_id(reference).map_err(fail())?;
        let (_, kind) = git.odb().and_then(|odb| odb.read_header(oid)).map_err(fail())?;
        match kind {
            ObjectType::Commit => Ok(oid),
            _ => Err(self.error("its branch holds something that is no commit".into())),
        }
    }

    /// Moves the remote-tracking branch to what was fetched, as the user's own fetch would. It is a convenience: where it is
    /// locked, it stays.
    fn follow(&self, git: &Repository, branch: &str, commit: Oid) {
        let Ok(remote) = git.find_remote(&self.name) else { return };
        let tracking = remote
            .refspecs()
            .filter(|spec| spec.direction() == Direction::Fetch && spec.src_matches(branch))
            .find_map(|spec| Some(spec.transform(branch).ok()?.as_str().ok()?.to_owned()));
        if let Some(tracking) = tracking.filter(|name| name.starts_with("refs/remotes/")) {
            let _ = git.reference(&tracking, commit, true, "agent-vault: fetch");
        }
    }

    fn failed(&self, ended: &Ended) -> Error {
        let reason = words::reason(&ended.said);
        self.error(if reason.is_empty() { format!("git ended with {}", ended.status) } else { reason })
    }

    fn error(&self, reason: String) -> Error {
        Error::Remote { url: self.url(), reason }
    }
}

/// Takes away the lock that a killed `git` left on a reference which nobody but us writes. While it is our turn to fetch, none of
/// ours is alive.
fn unlock(git: &Repository, reference: &str) {
    let _ = std::fs::remove_file(git.commondir().join(format!("{reference}.lock")));
}

/// Waits until no other process of ours fetches into this repository: two would trip over each other's references. Where
/// that takes too long, or nothing can be written, they may.
fn turn(git: &Repository, manner: Manner) -> Option<std::fs::File> {
    let limit = match manner {
        Manner::Asked => PATIENCE,
        Manner::Implicit { limit } => limit,
    };
    home::try_lock(&git.commondir().join("agent-vault").join("fetching"), Some(limit)).ok().flatten()
}

/// Moves HEAD's branch, index and work tree forward to a commit that comes after HEAD, by the user's own `git`: it knows
/// their filters, and overwrites none of their changes.
///
/// # Errors
/// [`Error::Conflict`] with what git said when it refused; [`Error::GitProgram`].
pub(crate) fn fast_forward(repo: &Repo, to: Oid) -> Result<()> {
    let (workdir, _) = repo.dirs();
    let mut call = Call::new(workdir, Manner::Asked);
    call.arguments(["merge", "--ff-only", "--no-edit", "--quiet", &to.to_string()]);
    let ended = call.run(None).map_err(|source| Error::GitProgram { reason: source.to_string() })?;
    match ended {
        Ok(ended) if ended.status.success() => Ok(()),
        Ok(ended) => Err(Error::Conflict {
            message: format!("git could not bring the work tree forward: {}", words::reason(&ended.said)),
            hint: "commit or put away what is changed here (`git stash`), then sync again".into(),
        }),
        Err(_) => Err(Error::GitProgram { reason: "it did not answer".into() }),
    }
}

/// Clones a repository into `dir`, on behalf of somebody who waits.
///
/// # Errors
/// [`Error::Remote`], [`Error::GitProgram`].
pub(crate) fn clone(url: &str, dir: &Path, progress: Option<Sink>) -> Result<()> {
    let failed = |reason: String| Error::Remote { url: words::without_credentials(url), reason };
    let here = std::env::current_dir().map_err(Error::io("find", "."))?;
    let mut call = Call::new(&here, Manner::Asked);
    call.arguments(["clone", "--no-recurse-submodules", "--origin", "origin"]);
    call.arguments([if progress.is_some() { "--progress" } else { "--quiet" }, "--", url]);
    call.arguments([dir]);
    let ended = call.run(progress).map_err(|source| Error::GitProgram { reason: source.to_string() })?;
    match ended {
        Ok(ended) if ended.status.success() => Ok(()),
        Ok(ended) => Err(failed(words::reason(&ended.said))),
        Err(_) => Err(failed("it did not answer".into())),
    }
}
