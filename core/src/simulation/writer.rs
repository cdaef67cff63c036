//! An owner's writes, as `set`, `rm`, `mv`, `grant` and their like make them.

use super::Deed;
use super::ledger::Entry;
use super::world::{State, World, parts};
use crate::digest::Digest;
use crate::history::document::Record;
use crate::manifest::{Agent, Manifest};
use crate::merge::names;
use crate::metadata::{Draft, Metadata, Tombstone};
use crate::name::{AgentName, SecretPath};
use crate::policy::{self, Step as Planned, Subject};
use std::collections::BTreeSet;
use std::rc::Rc;

/// A change that is being made.
struct Change {
    by: usize,
    state: State,
    touched: BTreeSet<SecretPath>,
    entries: Vec<Entry>,
}

impl World {
    pub fn write(&mut self, who: usize, deed: &Deed) {
        let Some(by) = self.people[who].owner else { return };
        if !self.remerge(who) {
            return;
        }
        let tip = self.people[who].tip();
        let state = self.state(tip);
        let foreign = self.people[who].planned != Some(state.key());
        let mut change = Change { by, state: (*state).clone(), touched: BTreeSet::new(), entries: Vec::new() };
        if !self.carry_out(&mut change, deed) {
            return;
        }
        if foreign {
            let touched = change.touched.clone();
            let others = change.state.live().filter(|metadata| !touched.contains(&metadata.name)).cloned();
            let subjects = others.map(Subject::unchanged).collect();
            self.conclude(&mut change, subjects);
        }
        let key = change.state.key();
        let commit = self.commit(&[tip], Rc::new(change.state), true, Vec::new());
        assert_eq!(self.commits[commit].broken, None, "an owner's own write is refused: {deed:?}");
        let branch = self.people[who].on;
        self.people[who].tips[branch] = Some(commit);
        self.people[who].planned = Some(key);
        self.told.writes += 1;
        self.ledger.acknowledge(commit, branch, change.entries);
    }

    /// Makes policy and fact agree in a commit of its own. Says whether there was anything to do.
    pub fn mend(&mut self, who: usize, by: usize) -> bool {
        let tip = self.people[who].tip();
        let state = (*self.state(tip)).clone();
        let mut change = Change { by, state, touched: BTreeSet::new(), entries: Vec::new() };
        let all = change.state.live().cloned().map(Subject::unchanged).collect();
        if !self.conclude(&mut change, all) {
            return false;
        }
        let key = change.state.key();
        let commit = self.commit(&[tip], Rc::new(change.state), true, Vec::new());
        assert_eq!(self.commits[commit].broken, None, "a plan that was carried out is refused");
        let branch = self.people[who].on;
        self.people[who].tips[branch] = Some(commit);
        self.people[who].planned = Some(key);
        self.told.mended += 1;
        true
    }

    fn carry_out(&mut self, change: &mut Change, deed: &Deed) -> bool {
        let all = parts();
        match *deed {
            Deed::Set { path, tick } => {
                self.pass(tick);
                self.set(change, &all.paths[path])
            }
            Deed::Remove { path } => self.remove(change, &all.paths[path]),
            Deed::Move { from, to } => self.relocate(change, &all.paths[from], &all.paths[to]),
            Deed::Describe { path, text } => self.adjust(change, &all.paths[path], |next| {
                next.description = Some(format!("text {text}"));
            }),
            Deed::Group { path, group } => {
                self.adjust(change, &all.paths[path], |next| next.group = all.groups[group].clone())
            }
            Deed::Allow { path, agent } => {
                let name = &all.agents[agent];
                let Some(key) = change.state.manifest.agent(name).map(|agent| agent.public_key.clone()) else {
                    return false;
                };
                let path = &all.paths[path];
                let there = |next: &mut Metadata| {
                    next.agents.push(name.clone());
                    next.agents.sort();
                    next.agents.dedup();
                };
                let done = self.adjust(change, path, there);
                if done {
                    let doc = change.state.secrets[path].digest;
                    change.entries.push(Entry::Allowed { path: path.clone(), name: name.clone(), key, doc });
                }
                done
            }
            Deed::Disallow { path, agent } => {
                let (path, name) = (&all.paths[path], &all.agents[agent]);
                let Some(key) = change.state.manifest.agent(name).map(|agent| agent.public_key.clone()) else {
                    return false;
                };
                let done = self.adjust(change, path, |next| next.agents.retain(|other| other != name));
                if done {
                    let doc = change.state.secrets[path].digest;
                    change.entries.push(Entry::Disallowed { path: path.clone(), key, doc });
                }
                done
            }
            Deed::AddAgent { agent, key } => self.add_agent(change, agent, key),
            Deed::RemoveAgent { agent } => self.remove_agent(change, &all.agents[agent]),
            Deed::Recover { agent, key } => self.recover(change, &all.agents[agent], key),
            Deed::Grant { agent, group } => self.grant(change, agent, group, true),
            Deed::Revoke { agent, group } => self.grant(change, agent, group, false),
        }
    }

    fn put(&mut self, change: &mut Change, record: Record) -> Digest {
        let doc = self.sign(record, change.by);
        let name = match &doc.record {
            Record::Meta(metadata) => metadata.name.clone(),
            Record::Gone(gone) => gone.name.clone(),
        };
        let digest = doc.digest;
        change.touched.insert(name.clone());
        change.state.secrets.insert(name, doc);
        digest
    }

    fn set(&mut self, change: &mut Change, path: &SecretPath) -> bool {
        let value = self.fresh();
        let now = self.now();
        let found = change.state.secrets.get(path).cloned();
        let mut next = match found.as_ref().and_then(|doc| doc.metadata().map(|old| (old, doc.digest))) {
            Some((old, digest)) => Metadata {
                revision: old.revision + 1,
                value_revision: old.value_revision + 1,
                parents: vec![digest],
                rotated: now,
                exposed_to: Vec::new(),
                ..old.clone()
            },
            None => {
                if !free(&change.state, path) {
                    return false;
                }
                let draft = Draft {
                    vault: parts().vault,
                    name: path.clone(),
                    group: path.default_group(),
                    created: now,
                    rotated: now,
                    expires: None,
                    description: None,
                    agents: Vec::new(),
                };
                let (revision, parents) =
                    found.as_ref().map_or((1, Vec::new()), |gone| (gone.number() + 1, vec![gone.digest]));
                Metadata { revision, value_revision: revision, parents, ..Metadata::new(draft) }
            }
        };
        self.encrypt(&mut next, &change.state, value);
        let doc = self.put(change, Record::Meta(Box::new(next)));
        change.entries.push(Entry::Value { path: path.clone(), value, doc });
        true
    }

    /// Encrypts for those who may read.
    fn encrypt(&mut self, next: &mut Metadata, state: &State, value: u64) {
        let readers = state.policy().readers(&next.group, &next.agents);
        next.recipients = readers.ids();
        next.authorized_agents = readers.agents;
        next.digest = self.seal(value, next.recipients.clone());
    }

    fn remove(&mut self, change: &mut Change, path: &SecretPath) -> bool {
        let Some(doc) = change.state.secrets.get(path).cloned() else { return false };
        let Some(metadata) = doc.metadata() else { return false };
        let doc = self.put(change, Record::Gone(Tombstone::of(metadata, doc.digest)));
        change.entries.push(Entry::Removal { path: path.clone(), doc });
        true
    }

    fn relocate(&mut self, change: &mut Change, from: &SecretPath, to: &SecretPath) -> bool {
        let there = |path| change.state.secrets.get(path).cloned();
        let (Some(old), target) = (there(from), there(to)) else { return false };
        let Some(current) = old.metadata() else { return false };
        if target.as_ref().is_some_and(|doc| doc.metadata().is_some()) || !free(&change.state, to) {
            return false;
        }
        let group = if current.group == from.default_group() { to.default_group() } else { current.group.clone() };
        let (parents, last) = target.map_or((Vec::new(), 0), |gone| (vec![gone.digest], gone.number()));
        let moved = Metadata { name: to.clone(), revision: last.max(current.revision) + 1, parents, ..current.clone() };
        let value = self.sealed[&current.digest].value;
        let subject = Subject { fact: moved.clone(), group, agents: current.agents.clone() };
        let mut next = match policy::plan(&change.state.policy(), [subject]).pop() {
            None => moved,
            Some(step) => Metadata { group: step.group.clone(), exposed_to: step.exposed_to(), ..moved },
        };
        self.encrypt(&mut next, &change.state, value);
        let arrived = self.put(change, Record::Meta(Box::new(next)));
        self.family.entry(arrived).or_default().push(old.digest);
        let left = self.put(change, Record::Gone(Tombstone::of(current, old.digest)));
        change.entries.push(Entry::Removal { path: from.clone(), doc: left });
        change.entries.push(Entry::Value { path: to.clone(), value, doc: arrived });
        true
    }

    /// Changes what is known of a secret, and its readers with it.
    fn adjust(&mut self, change: &mut Change, path: &SecretPath, set: impl FnOnce(&mut Metadata)) -> bool {
        let Some(doc) = change.state.secrets.get(path).cloned() else { return false };
        let Some(current) = doc.metadata() else { return false };
        let mut next = current.clone();
        set(&mut next);
        let subject = Subject { fact: current.clone(), group: next.group.clone(), agents: next.agents.clone() };
        let step = policy::plan(&change.state.policy(), [subject]).pop();
        let reencrypt = step.filter(|step| step.reencrypt);
        if reencrypt.is_none() && next == *current {
            return false;
        }
        (next.revision, next.parents) = (current.revision + 1, vec![doc.digest]);
        if let Some(step) = reencrypt {
            next.exposed_to = step.exposed_to();
            let value = self.sealed[&current.digest].value;
            self.encrypt(&mut next, &change.state, value);
        }
        self.put(change, Record::Meta(Box::new(next)));
        true
    }

    fn put_manifest(&mut self, change: &mut Change, set: impl FnOnce(&mut Manifest)) -> Digest {
        let mut next = change.state.manifest.successor(change.state.digest);
        set(&mut next);
        (change.state.manifest, change.state.digest) = self.sign_manifest(next, change.by);
        change.state.digest
    }

    fn add_agent(&mut self, change: &mut Change, agent: usize, key: usize) -> bool {
        let (name, key) = (&parts().agents[agent], &parts().keys[key]);
        let manifest = &change.state.manifest;
        let taken = |other: &Agent| other.public_key == *key || other.name.as_str().eq_ignore_ascii_case(name.as_str());
        if manifest.agents.iter().any(taken) {
            return false;
        }
        let agent = Agent { name: name.clone(), public_key: key.clone(), groups: Vec::new(), created: self.now() };
        self.put_manifest(change, |manifest| manifest.insert_agent(agent));
        change.entries.push(Entry::Added { name: name.clone(), key: key.clone(), instead: None });
        true
    }

    fn remove_agent(&mut self, change: &mut Change, name: &AgentName) -> bool {
        let Some(agent) = change.state.manifest.agent(name).cloned() else { return false };
        self.put_manifest(change, |manifest| manifest.agents.retain(|other| other.name != *name));
        let subjects = change.state.live().cloned().map(|secret| without(name, secret, |_| true)).collect();
        self.conclude(change, subjects);
        change.entries.push(Entry::Left { key: agent.public_key });
        true
    }

    fn recover(&mut self, change: &mut Change, name: &AgentName, key: usize) -> bool {
        let key = &parts().keys[key];
        let taken = change.state.manifest.agents.iter().any(|agent| agent.public_key == *key);
        let Some(agent) = change.state.manifest.agent(name).cloned().filter(|_| !taken) else { return false };
        self.put_manifest(change, |manifest| {
            manifest.agent_mut(name).unwrap().public_key = key.clone();
        });
        let subjects = change.state.live().cloned().map(Subject::unchanged).collect();
        self.conclude(change, subjects);
        let (name, key, old) = (name.clone(), key.clone(), agent.public_key);
        change.entries.push(Entry::Left { key: old.clone() });
        change.entries.push(Entry::Added { name, key, instead: Some(old) });
        true
    }

    fn grant(&mut self, change: &mut Change, agent: usize, group: usize, give: bool) -> bool {
        let (name, group) = (&parts().agents[agent], &parts().groups[group]);
        let Some(agent) = change.state.manifest.agent(name).cloned() else { return false };
        let explicit = change.state.live().any(|secret| secret.group == *group && secret.agents.contains(name));
        if agent.groups.contains(group) == give && (give || !explicit)
            || !give && !agent.groups.contains(group) && !explicit
        {
            return false;
        }
        self.put_manifest(change, |manifest| {
            let agent = manifest.agent_mut(name).unwrap();
            agent.groups.retain(|other| other != group);
            if give {
                agent.groups.push(group.clone());
                agent.groups.sort();
                manifest.insert_group(group);
            }
        });
        let subject = |secret: Metadata| match give {
            true => Subject::unchanged(secret),
            false => without(name, secret, |secret| secret.group == *group),
        };
        let subjects = change.state.live().cloned().map(subject).collect();
        self.conclude(change, subjects);
        let (key, group) = (agent.public_key, group.clone());
        change.entries.push(match give {
            true => Entry::Granted { key, group },
            false => Entry::Revoked { key, group },
        });
        true
    }

    /// Plans and applies. Says whether there was anything to do.
    fn conclude(&mut self, change: &mut Change, subjects: Vec<Subject>) -> bool {
        let steps = policy::plan(&change.state.policy(), subjects);
        let some = !steps.is_empty();
        steps.into_iter().for_each(|step| self.apply(change, &step));
        some
    }

    fn apply(&mut self, change: &mut Change, step: &Planned) {
        let doc = change.state.secrets[step.path()].clone();
        let mut next = Metadata {
            group: step.group.clone(),
            agents: step.agents.clone(),
            revision: step.fact.revision + 1,
            parents: vec![doc.digest],
            exposed_to: step.exposed_to(),
            ..step.fact.clone()
        };
        if step.reencrypt {
            let value = self.sealed[&step.fact.digest].value;
            self.encrypt(&mut next, &change.state, value);
        }
        self.put(change, Record::Meta(Box::new(next)));
    }
}

/// Whether a name may be used beside those that are.
fn free(state: &State, path: &SecretPath) -> bool {
    let mut live: BTreeSet<SecretPath> = state.live().map(|metadata| metadata.name.clone()).collect();
    let before = names::collisions(&live, &BTreeSet::new()).len();
    live.insert(path.clone());
    names::collisions(&live, &BTreeSet::new()).len() == before
}

fn without(name: &AgentName, secret: Metadata, concerned: impl Fn(&Metadata) -> bool) -> Subject {
    let drop = concerned(&secret);
    let mut subject = Subject::unchanged(secret);
    if drop {
        subject.agents.retain(|other| other != name);
    }
    subject
}
