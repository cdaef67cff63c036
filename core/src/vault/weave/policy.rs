//! Everything of a merged vault but its secrets: roots, manifest, and what belongs to them.

use super::{Content, Files, State, Weaver};
use crate::error::{Error, Result};
use crate::escrow;
use crate::layout::{self, limit};
use crate::manifest::Manifest;
use crate::merge::policy::{Merged, merge};
use crate::merge::{Remark, Side};
use crate::name::AgentName;
use crate::repo::Repo;
use crate::signing::Namespace;
use crate::vault::past::judged;
use std::collections::BTreeMap;

impl Weaver<'_> {
    /// Decides the policy, and puts its files among `files`.
    pub(super) fn policy(&self, repo: &Repo, files: &mut Files) -> Result<Merged> {
        let (ours, theirs) = (&self.ours, &self.theirs);
        let is_base = |state: &State| self.bases.iter().any(|base| base.digest == state.digest);
        let whole = |side: Side| Merged {
            manifest: self.side(side).manifest.clone(),
            origins: BTreeMap::new(),
            remarks: Vec::new(),
        };
        if ours.digest == theirs.digest || is_base(theirs) {
            return Ok(whole(Side::Ours));
        }
        if is_base(ours) {
            self.take_theirs(repo, files)?;
            return Ok(whole(Side::Theirs));
        }
        let bases: Vec<&Manifest> = self.bases.iter().map(|base| &base.manifest).collect();
        let of = |state| self.counted(repo, state);
        let ((ours_counts, first), (theirs_counts, second)) = (of(ours)?, of(theirs)?);
        let root = &self.chain.root;
        let mut merged = merge(&bases, (&first, ours.digest), (&second, theirs.digest), root);
        for (counts, state) in [(ours_counts, ours), (theirs_counts, theirs)] {
            if !counts {
                merged.remarks.push(Remark::Quarantined { path: None, commit: state.commit.to_string() });
            }
        }
        self.write_policy(repo, &merged, files)?;
        Ok(merged)
    }

    /// A state's manifest, unless an owner signed it whom the other side has removed: then what the base's says, under its
    /// number, which the merged one has to come after.
    fn counted(&self, repo: &Repo, state: &State) -> Result<(bool, Manifest)> {
        if state.chain.len() == self.chain.len() {
            return Ok((true, state.manifest.clone()));
        }
        let signed = |root| self.past.manifest_signed(repo, state.tree, root);
        if judged(signed(&self.chain.root))?.is_ok() {
            return Ok((true, state.manifest.clone()));
        }
        let mut said = self.bases.first().map_or(&state.manifest, |base| &base.manifest).clone();
        said.serial = state.manifest.serial;
        Ok((false, said))
    }

    /// All that is theirs.
    fn take_theirs(&self, repo: &Repo, files: &mut Files) -> Result<()> {
        let differences = repo.changed_files(Some(self.ours.tree), Some(self.theirs.tree))?;
        let others = differences.into_iter().filter(|(path, _)| layout::parse_secret(path).is_none());
        files.extend(others.map(|(path, (_, new))| (path, new.map(Content::Object))));
        Ok(())
    }

    /// A manifest of both, and what follows from it.
    fn write_policy(&self, repo: &Repo, merged: &Merged, files: &mut Files) -> Result<()> {
        let root = &self.chain.root;
        let newer = if self.theirs.chain.len() > self.ours.chain.len() { Side::Theirs } else { Side::Ours };
        merged.manifest.check_names().map_err(|reason| Error::Conflict {
            message: format!("the two policies do not merge: {reason}"),
            hint: "remove one of the agents on one side, then sync again".into(),
        })?;
        let text = merged.manifest.render();
        let signature = self.owner.key.sign(Namespace::Manifest, text.as_bytes())?.armored()?;
        let mut put = |path: String, bytes: Vec<u8>| drop(files.insert(path, Some(Content::Bytes(bytes))));
        put(layout::MANIFEST.into(), text.into_bytes());
        put(layout::MANIFEST_SIG.into(), signature.into_bytes());
        put(layout::OWNER_PUB.into(), root.owner_pub().into_bytes());
        put(layout::ALLOWED_SIGNERS.into(), root.allowed_signers().into_bytes());
        for agent in &merged.manifest.agents {
            put(layout::agent_public(&agent.name), format!("{}\n", agent.public_key).into_bytes());
        }
        // What has its place in neither is gone; what only the newer root knows comes with it.
        for (path, (ours, theirs)) in repo.changed_files(Some(self.ours.tree), Some(self.theirs.tree))? {
            let parts: Vec<&str> = path.split('/').collect();
            if matches!(parts.as_slice(), [layout::ROOTS | layout::OWNERS, ..]) && newer == Side::Theirs {
                files.insert(path.clone(), theirs.map(Content::Object));
            }
            if let [layout::AGENTS, name, _] = parts.as_slice()
                && ours.is_some()
                && !AgentName::parse(name).is_ok_and(|name| merged.manifest.agent(&name).is_some())
            {
                files.insert(path, None);
            }
        }
        merged.origins.iter().try_for_each(|(now, (side, then))| self.escrow(repo, now, *side, then, files))
    }

    /// An agent's escrow, from the side that has its key; sealed anew where the other side has more owners or fewer.
    fn escrow(&self, repo: &Repo, now: &AgentName, side: Side, then: &AgentName, files: &mut Files) -> Result<()> {
        let (state, path) = (self.side(side), layout::agent_escrow(then));
        let Some(entry) = repo.entry(state.tree, &path)? else {
            files.insert(layout::agent_escrow(now), None);
            return Ok(());
        };
        let mut content = Content::Object(entry.oid);
        if state.chain.len() < self.chain.len() {
            let sealed = judged(self.past.file(repo, state.tree, &path, limit::SMALL))?.ok().flatten();
            let (vault, identities) = (self.owner.vault, self.owner.identities);
            let (file, prompt) = (vault.folder.path(&path), &vault.context.prompt);
            let Some(agent) = state.manifest.agent(then) else { return Ok(()) };
            let sealed = sealed.ok_or_else(|| Error::tampered(&file, "the escrow cannot be read"))?;
            let old = &state.chain.root;
            let opened =
                escrow::open_sealed_agent_key(&sealed, &file, then, &agent.public_key, old, identities, prompt)?;
            let bytes = escrow::seal_agent_key(&opened, &self.owner.hints(now), &self.chain.root, prompt)?;
            content = Content::Bytes(bytes);
        }
        files.insert(layout::agent_escrow(now), Some(content));
        Ok(())
    }
}
