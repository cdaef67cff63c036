//! Which remote, and which of its branches, the checked-out branch follows.

use super::Repo;
use crate::error::{Error, Result, printable};
use git2::{Config, ErrorCode};

/// A branch of a remote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Upstream {
    /// The remote's name.
    pub remote: String,
    /// Its address as configured, which may hold a user and a password.
    pub url: String,
    /// `refs/heads/…`
    pub branch: String,
}

const BRANCHES: &str = "refs/heads/";

impl Repo {
    /// What the branch of HEAD follows: `branch.<name>.remote` and `.merge`; else the branch of the same name at the only
    /// remote, or at `origin`. `None` without a remote, on a detached HEAD, and for a branch that follows a local one.
    pub(crate) fn upstream(&self) -> Result<Option<Upstream>> {
        let head = self.head()?.reference;
        let Some(branch) = head.strip_prefix(BRANCHES) else { return Ok(None) };
        let config = self.git.config().map_err(fail())?;
        let remote = match text(&config, &format!("branch.{branch}.remote"))? {
            Some(local) if local == "." => return Ok(None),
            Some(remote) => remote,
            None => match self.usual_remote(branch)? {
                Some(remote) => remote,
                None => return Ok(None),
            },
        };
        let url = match is_usable(&remote) {
            true => first(&config, &format!("remote.{remote}.url"))?,
            false => None,
        };
        let Some(url) = url else {
            return Err(Error::Conflict {
                message: format!("the branch {branch:?} follows {:?}, which is no remote's name", printable(&remote)),
                hint:
                    "name the address with `git remote add NAME URL`, then `git branch --set-upstream-to=NAME/BRANCH`"
                        .into(),
            });
        };
        let branch = text(&config, &format!("branch.{branch}.merge"))?.unwrap_or(head);
        check_branch(&branch)?;
        Ok(Some(Upstream { remote, url, branch }))
    }

    /// Whether this is a partial clone that gets what it lacks from a remote (git-clone(1), `--filter`).
    pub(crate) fn is_partial(&self, remote: &str) -> Result<bool> {
        let config = self.git.config().map_err(fail())?;
        let promises = text(&config, &format!("remote.{remote}.promisor"))?;
        Ok(promises.is_some() || text(&config, "extensions.partialclone")?.is_some_and(|name| name == remote))
    }

    /// Whether this is a partial clone, whichever remote it gets from what it lacks.
    pub(crate) fn leaves_out(&self) -> Result<bool> {
        let config = self.git.config().map_err(fail())?;
        let mut promisors = config.entries(Some("remote\\..*\\.promisor")).map_err(fail())?;
        Ok(promisors.next().is_some() || text(&config, "extensions.partialclone")?.is_some())
    }

    /// Whether a partial clone was told to leave out folders, too (git-rev-list(1), `--filter=tree:<depth>`).
    pub(crate) fn lacks_trees(&self, remote: &str) -> Result<bool> {
        let config = self.git.config().map_err(fail())?;
        let filter = text(&config, &format!("remote.{remote}.partialclonefilter"))?;
        Ok(filter.is_some_and(|filter| filter.contains("tree:")))
    }

    /// The remote of a branch that names none.
    fn usual_remote(&self, branch: &str) -> Result<Option<String>> {
        let remotes = self.git.remotes().map_err(fail())?;
        let names: Vec<&str> = remotes.iter().filter_map(|name| name.ok().flatten()).collect();
        match names.as_slice() {
            [] => Ok(None),
            [only] => Ok(Some((*only).to_owned())),
            several if several.contains(&"origin") => Ok(Some("origin".into())),
            _ => Err(Error::Conflict {
                message: format!("the branch {branch:?} follows no remote, there are several, and none is `origin`"),
                hint: "choose one: `git branch --set-upstream-to=REMOTE/BRANCH`".into(),
            }),
        }
    }
}

fn fail() -> impl FnOnce(git2::Error) -> Error {
    Error::git("read the configuration")
}

/// A remote's name that git takes as one, whatever stands in front of it on the command line.
fn is_usable(remote: &str) -> bool {
    !remote.starts_with('-') && git2::Remote::is_valid_name(remote)
}

/// Refuses what is not a branch's full name, and with that everything that git would read as an option or a pattern.
///
/// # Errors
/// [`Error::Usage`].
pub(crate) fn check_branch(branch: &str) -> Result<()> {
    // Git takes `refs/heads/-x` for a reference and refuses to make such a branch.
    let is_branch = branch.strip_prefix(BRANCHES).is_some_and(|name| !name.starts_with('-'));
    if is_branch && git2::Reference::is_valid_name(branch) {
        return Ok(());
    }
    Err(Error::Usage {
        message: format!("{:?} is not the name of a branch", printable(branch)),
        hint: "choose the remote's branch: `git branch --set-upstream-to=REMOTE/BRANCH`".into(),
    })
}

fn text(config: &Config, key: &str) -> Result<Option<String>> {
    match config.get_string(key) {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
        Err(error) => Err(fail()(error)),
    }
}

/// The first of several values: the address that git fetches from.
fn first(config: &Config, key: &str) -> Result<Option<String>> {
    let mut values = match config.multivar(key, None) {
        Ok(values) => values,
        Err(error) if error.code() == ErrorCode::NotFound => return Ok(None),
        Err(error) => return Err(fail()(error)),
    };
    let value = values.next().transpose().map_err(fail())?;
    Ok(value.and_then(|entry| entry.value().ok().map(str::to_owned)))
}
