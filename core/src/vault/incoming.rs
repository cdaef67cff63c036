//! What comes from elsewhere: proven commit by commit before anything of it counts.

use super::history::Range;
use super::past::{Ground, Past};
use super::{Progress, Vault};
use crate::error::{Error, Result};
use crate::history::chain::Chain;
use crate::history::{Beginning, History, Violation};
use crate::repo::Repo;
use git2::Oid;
use std::sync::Arc;

/// So many refused commits are kept. The first are the evidence; a remote can make a new one for each look.
const MOST_REFUSED: usize = 32;

impl Vault {
    /// Proves the history of a commit, as far as it is not part of what is `known` to be proven. Returns the chain of its
    /// vault; none where the commit has no vault.
    ///
    /// # Errors
    /// [`Error::Tampered`] names the first commit that breaks a rule of the format's "A proven history", and the rule. The
    /// commit is kept under `refs/agent-vault/refused`, unless that holds [`MOST_REFUSED`] already.
    pub(super) fn admit(
        &self,
        repo: &Repo,
        tip: Oid,
        known: &[Oid],
        progress: Progress<'_>,
    ) -> Result<Option<Arc<Chain>>> {
        let past = Past::new(self);
        let tree = self.prove_onto(repo, &past, tip, known, progress)?;
        match past.ground(repo, tree)? {
            Ground::Signed(chain) if chain.id == self.id => Ok(Some(chain)),
            Ground::Absent => Ok(None),
            Ground::Signed(chain) => Err(self.refuse(repo, tip, &format!("it holds another vault ({})", chain.id))),
            Ground::Unsigned => Err(self.refuse(repo, tip, "its vault has no roots and no signatures")),
            Ground::Broken(reason) => Err(self.refuse(repo, tip, &reason)),
        }
    }

    /// The proof itself; returns the vault's tree in the commit.
    fn prove_onto(
        &self,
        repo: &Repo,
        past: &Past<'_>,
        tip: Oid,
        known: &[Oid],
        progress: Progress<'_>,
    ) -> Result<Option<Oid>> {
        let known: Vec<Oid> = known.iter().copied().filter(|commit| repo.knows(*commit)).collect();
        for commit in &known {
            if repo.reaches(*commit, tip)? {
                return Ok(repo.commit(tip)?.tree);
            }
        }
        let mut proof = self.walk(repo, past, tip, Range { given: None, hidden: &known }, progress)?;
        if !known.is_empty() && !proof.history.violations.is_empty() {
            // What a merge took from a parent may descend from the other by way of what lies further back.
            proof = self.walk(repo, past, tip, Range::default(), progress)?;
        }
        match proof.history.first_violation() {
            None => Ok(proof.tree),
            Some(violation) => Err(self.refuse_violation(repo, tip, violation)),
        }
    }

    /// Proves that every commit which HEAD has and a reference has not obeys the rules: what the check of a pull request asks.
    /// The reference's own state is taken as it is.
    ///
    /// # Errors
    /// As [`Vault::verify_history`]; [`Error::NotFound`] for the reference.
    pub fn verify_against(&self, reference: &str, progress: Progress<'_>) -> Result<History> {
        let repo = Repo::open(&self.dir)?;
        let base = repo.find_commit(reference)?;
        let head = super::weave::at(&repo.head()?)?;
        let past = Past::new(self);
        let mut proof = self.walk(&repo, &past, head, Range { given: None, hidden: &[base] }, progress)?;
        if !proof.history.violations.is_empty() {
            proof = self.walk(&repo, &past, head, Range::default(), progress)?;
        }
        proof.history.begins = Beginning::Given(base.to_string());
        let ground = past.ground(&repo, proof.tree)?;
        if let (Ground::Signed(before), Ground::Signed(now)) = (past.ground(&repo, repo.commit(base)?.tree)?, &ground)
            && !now.extends(&before)
            && !before.extends(now)
        {
            let reason = format!("its chain of roots is not the one of {}", crate::error::printable(reference));
            proof.history.violations.push(Violation { commit: head.to_string(), path: None, reason });
        }
        proof.end(&ground, &self.pin());
        Ok(proof.history)
    }

    fn refuse_violation(&self, repo: &Repo, tip: Oid, violation: &Violation) -> Error {
        let path = violation.path.as_deref().map(|path| format!("{path}: ")).unwrap_or_default();
        let commit = Oid::from_str(&violation.commit).unwrap_or(tip);
        self.refuse(repo, tip, &format!("commit {commit}: {path}{}", violation.reason))
    }

    /// Keeps what was refused for whoever wants to look at it.
    fn refuse(&self, repo: &Repo, tip: Oid, reason: &str) -> Error {
        let kept = format!("refs/agent-vault/refused/{tip}");
        let told = if repo.kept("refs/agent-vault/refused/*").is_ok_and(|count| count >= MOST_REFUSED) {
            format!(
                "{reason} (nothing of it was taken; {MOST_REFUSED} refused commits are kept as refs/agent-vault/refused/…, and no more)"
            )
        } else {
            match repo.keep(&kept, tip) {
                Ok(()) => format!("{reason} (nothing of it was taken; it is kept as {kept})"),
                Err(_) => format!("{reason} (nothing of it was taken)"),
            }
        };
        Error::tampered(&self.dir, told)
    }
}
