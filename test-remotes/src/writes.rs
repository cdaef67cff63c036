//! What machines write that compete for one vault: every kind of change, and what must be there once all have synced.
//!
//! The names of one machine are its own, so that what must be there follows from its own writes alone. What all quarrel
//! over is [`QUARREL`], and the group [`GROUP`], which every machine writes into and gives to its agents.

use std::collections::{BTreeMap, BTreeSet};

/// The secret that every machine sets.
pub const QUARREL: &str = "shared/value";
/// The group of what every machine writes.
pub const GROUP: &str = "own";
/// The group of [`QUARREL`].
pub const QUARREL_GROUP: &str = "shared";

/// So many writes are a turn: one of values or one of access. Two turns in a row hold every kind.
pub const TURN: usize = 8;

/// One change of a vault, as a call of the program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// `set`, with a value.
    Set(String, String),
    /// `set`, with a description and an expiry.
    Describe(String),
    /// `mv`
    Move(String, String),
    /// `rm`
    Remove(String),
    /// `restore` of the first revision.
    Restore(String),
    /// `add-agent`
    AddAgent(String),
    /// `recover-agent`
    RecoverAgent(String),
    /// `remove-agent`
    RemoveAgent(String),
    /// `grant`
    Grant(String, &'static str),
    /// `revoke`
    Revoke(String, &'static str),
}

impl Write {
    /// The words of its command line.
    pub fn words(&self) -> Vec<String> {
        let line = match self {
            Write::Set(path, _) => format!("set {path}"),
            Write::Describe(path) => format!("set {path} --description described --expires 90d"),
            Write::Move(from, to) => format!("mv {from} {to} --yes"),
            Write::Remove(path) => format!("rm {path} --yes"),
            Write::Restore(path) => format!("restore {path}@r1"),
            Write::AddAgent(agent) => format!("add-agent {agent}"),
            Write::RecoverAgent(agent) => format!("recover-agent {agent}"),
            Write::RemoveAgent(agent) => format!("remove-agent {agent}"),
            Write::Grant(agent, group) => format!("grant {agent} {group}"),
            Write::Revoke(agent, group) => format!("revoke {agent} {group}"),
        };
        line.split(' ').map(str::to_owned).collect()
    }

    /// What is piped in.
    pub fn input(&self) -> Option<&str> {
        match self {
            Write::Set(_, value) => Some(value),
            _ => None,
        }
    }
}

/// The first so many writes of a machine. Machines with an even number begin with values, others with access.
pub fn writes(machine: usize, count: usize) -> Vec<Write> {
    let turns = (0..).map(|turn| {
        let name = format!("{machine}-{}", turn / 2);
        if (machine + turn).is_multiple_of(2) { of_values(&name) } else { of_access(&name) }
    });
    turns.flatten().take(count).collect()
}

fn of_values(name: &str) -> [Write; TURN] {
    let (kept, gone) = (format!("{GROUP}/{name}-kept"), format!("{GROUP}/{name}-gone"));
    let moved = format!("{GROUP}/{name}-moved");
    [
        Write::Set(kept.clone(), format!("{name} first")),
        Write::Set(gone.clone(), format!("{name} moved")),
        Write::Set(QUARREL.into(), format!("{name} wants this")),
        Write::Set(kept.clone(), format!("{name} second")),
        Write::Describe(kept.clone()),
        Write::Move(gone, moved.clone()),
        Write::Restore(kept),
        Write::Remove(moved),
    ]
}

fn of_access(name: &str) -> [Write; TURN] {
    let (agent, brief) = (format!("agent-{name}"), format!("brief-{name}"));
    [
        Write::AddAgent(agent.clone()),
        Write::AddAgent(brief.clone()),
        Write::Grant(agent.clone(), GROUP),
        Write::Grant(brief.clone(), GROUP),
        Write::Grant(agent.clone(), QUARREL_GROUP),
        Write::RecoverAgent(agent.clone()),
        Write::Revoke(agent, QUARREL_GROUP),
        Write::RemoveAgent(brief),
    ]
}

/// What must be there when every write that was acknowledged is everywhere.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Acknowledged {
    /// Secrets, with all values that were theirs at some time, the newest last.
    pub values: BTreeMap<String, Vec<String>>,
    /// Secrets that have a description and an expiry.
    pub described: BTreeSet<String>,
    /// Secrets that are no more.
    pub gone: BTreeSet<String>,
    /// Agents, and the groups that each may read.
    pub agents: BTreeMap<String, BTreeSet<String>>,
    /// Agents that are no more.
    pub former: BTreeSet<String>,
    /// Any one of these is the value of [`QUARREL`].
    pub quarrel: BTreeSet<String>,
}

impl Acknowledged {
    /// Takes in a write that succeeded. Those of one machine come in their order; those of different machines do not meet.
    pub fn take(&mut self, write: &Write) {
        match write {
            Write::Set(path, value) if path == QUARREL => drop(self.quarrel.insert(value.clone())),
            Write::Set(path, value) => self.values.entry(path.clone()).or_default().push(value.clone()),
            Write::Describe(path) => drop(self.described.insert(path.clone())),
            Write::Move(from, to) => {
                if let Some(values) = self.values.remove(from) {
                    self.values.insert(to.clone(), values);
                }
                self.gone.insert(from.clone());
            }
            Write::Remove(path) => {
                self.values.remove(path);
                self.gone.insert(path.clone());
            }
            Write::Restore(path) => {
                if let Some(values) = self.values.get_mut(path) {
                    values.extend(values.first().cloned());
                }
            }
            Write::AddAgent(agent) => drop(self.agents.insert(agent.clone(), BTreeSet::new())),
            Write::RecoverAgent(_) => {}
            Write::RemoveAgent(agent) => {
                self.agents.remove(agent);
                self.former.insert(agent.clone());
            }
            Write::Grant(agent, group) => {
                self.agents.entry(agent.clone()).or_default().insert((*group).to_owned());
            }
            Write::Revoke(agent, group) => {
                self.agents.entry(agent.clone()).or_default().remove(*group);
            }
        }
    }

    /// The value that a secret must have.
    pub fn value(&self, path: &str) -> Option<&str> {
        self.values.get(path)?.last().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KINDS: [&str; 11] = [
        "set",
        "--description",
        "--expires",
        "mv",
        "rm",
        "restore",
        "add-agent",
        "grant",
        "revoke",
        "recover-agent",
        "remove-agent",
    ];

    #[test]
    fn two_turns_of_one_machine_and_one_turn_of_two_hold_every_kind() {
        let kinds = |writes: Vec<Write>| -> BTreeSet<String> {
            writes.iter().flat_map(Write::words).filter(|word| KINDS.contains(&word.as_str())).collect()
        };
        let all = KINDS.iter().map(ToString::to_string).collect();
        assert_eq!(kinds(writes(0, 2 * TURN)), all);
        assert_eq!(kinds(writes(0, TURN).into_iter().chain(writes(1, TURN)).collect()), all);
    }

    #[test]
    fn what_is_acknowledged_follows_from_the_writes_in_their_order() {
        let mut all = Acknowledged::default();
        writes(0, 2 * TURN).iter().chain(&writes(1, TURN + 1)).for_each(|write| all.take(write));
        assert_eq!(all.value("own/0-0-kept"), Some("0-0 first"), "restored");
        assert_eq!(all.value("own/1-0-kept"), Some("1-0 first"));
        assert_eq!(all.gone.len(), 2);
        assert!(all.values.keys().all(|path| !all.gone.contains(path)));
        assert_eq!(all.agents["agent-0-0"], BTreeSet::from([GROUP.to_owned()]));
        assert!(all.former.contains("brief-1-0") && !all.agents.contains_key("brief-1-0"));
        assert_eq!(all.quarrel, BTreeSet::from(["0-0 wants this".to_owned()]));
    }
}
