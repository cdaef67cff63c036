//! Whether a commit may follow its parents: the walk of `verify --history`, over documents in memory.

use super::world::State;
use crate::digest::Digest;
use crate::history::document::{Doc, Record};
use crate::history::lineage::Lineage;
use crate::history::rules;
use crate::metadata::Metadata;
use crate::name::SecretPath;
use std::collections::BTreeSet;

/// `Err` says which rule it breaks.
pub(super) fn judge(lineage: &Lineage, parents: &[&State], state: &State, signed: bool) -> Result<(), String> {
    let mut attested = false;
    let (mut arrived, mut left): (Vec<(Metadata, u64)>, Vec<Metadata>) = (Vec::new(), Vec::new());
    let paths: BTreeSet<&SecretPath> =
        parents.iter().flat_map(|parent| parent.secrets.keys()).chain(state.secrets.keys()).collect();
    for path in paths {
        let new = state.secrets.get(path).map(|doc| &**doc);
        let olds: Vec<Option<&Doc>> = parents.iter().map(|old| old.secrets.get(path).map(|doc| &**doc)).collect();
        let same = |old: &Option<&Doc>| old.map(|doc| doc.digest) == new.map(|doc| doc.digest);
        if olds.iter().all(same) {
            continue;
        }
        let before: Vec<&Doc> = olds.iter().filter(|old| !same(old)).filter_map(|old| *old).collect();
        let fails = |reason: String| Err(format!("{path}: {reason}"));
        let after = |new: &Doc, olds: &[Digest]| match olds.iter().all(|old| lineage.continues(new.digest, *old)) {
            true => Ok(()),
            false => Err(format!("{path}: it does not come after what another parent has")),
        };
        if olds.iter().any(same) {
            match new {
                Some(new) => after(new, &before.iter().map(|old| old.digest).collect::<Vec<_>>())?,
                None => return fails("it vanished".into()),
            }
            continue;
        }
        attested = true;
        let fit = rules::secret(new, &before).map_err(|reason| format!("{path}: {reason}"))?;
        let Some(new) = new else { return fails("it vanished".into()) };
        after(new, &fit.after)?;
        match &new.record {
            Record::Meta(metadata) if fit.moved => {
                arrived.push(((**metadata).clone(), before.iter().map(|old| old.number()).max().unwrap_or(0)));
            }
            Record::Meta(_) => {}
            Record::Gone(_) => left.extend(before.iter().filter_map(|old| old.metadata()).cloned()),
        }
    }
    for (new, last) in arrived {
        rules::arrival(&new, last, &left).map_err(|reason| format!("{}: {reason}", new.name))?;
    }
    attested |= policy(lineage, parents, state)?;
    if attested && !signed { Err("it changes the vault, and no owner signed it".into()) } else { Ok(()) }
}

/// Says whether the policy is another than that of every parent.
fn policy(lineage: &Lineage, parents: &[&State], state: &State) -> Result<bool, String> {
    let olds: Vec<_> = parents.iter().filter(|old| old.digest != state.digest).collect();
    let attested = !olds.is_empty() && olds.len() == parents.len();
    let after = if attested {
        rules::manifest(&state.manifest, &olds.iter().map(|old| (&*old.manifest, old.digest)).collect::<Vec<_>>())?
    } else {
        olds.iter().map(|old| old.digest).collect()
    };
    match after.into_iter().find(|old| !lineage.continues(state.digest, *old)) {
        Some(_) => Err("the policy does not come after what another parent has".into()),
        None => Ok(attested),
    }
}
