//! What can be seen of a vault by those who may: compared before and after.

use super::World;
use agent_vault_core::{Class, Context, Home, Identities, SecretPath, Vault};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What one reader gets of one secret: its value, or nothing because it is not there or not for that reader.
pub type Cell = Option<String>;

/// A vault as owner and agents see it. Equal for two vaults that differ in times and ciphertexts only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// How many commits the branch has.
    pub commits: usize,
    /// By reader and secret.
    pub values: BTreeMap<(String, String), Cell>,
    /// Each secret's metadata.
    pub secrets: Vec<String>,
    /// Each agent, its groups, and which file of the home holds its key.
    pub agents: Vec<String>,
}

impl State {
    /// Looks through all eyes. `Err` is a failure that is neither "not there" nor "not for you".
    pub fn of(world: &World, names: &[&str]) -> Result<Self, String> {
        let mut values = BTreeMap::new();
        let readers = readers(world);
        for (reader, file) in &readers {
            let identities = identities(file);
            for name in names {
                let cell = match &identities {
                    Some(identities) => read(world, identities, name).map_err(|text| format!("{reader}: {text}"))?,
                    None => None,
                };
                values.insert((reader.clone(), (*name).to_owned()), cell);
            }
        }
        let vault = open(world, None)?;
        let listing = vault.list(None).map_err(|error| format!("list: {error}"))?;
        if let Some(error) = listing.broken.first() {
            return Err(format!("list: {error}"));
        }
        let secrets = listing.rows.iter().map(|row| {
            let row = agent_vault_core::vault::Row { created: 0, rotated: 0, ..row.clone() };
            format!("{row:?}")
        });
        let agents = vault.agents().map_err(|error| format!("list-agents: {error}"))?;
        let agents = agents.iter().map(|agent| {
            let groups: Vec<&str> = agent.groups.iter().map(|group| group.as_str()).collect();
            let holds = |file: &Path| {
                identities(file).is_some_and(|found| found.recipients().any(|key| *key == agent.public_key))
            };
            let holder = readers.iter().find(|(_, file)| holds(file)).map_or("nobody", |(reader, _)| reader);
            format!("{}: {groups:?}, escrow {}, key held by {holder}", agent.name, agent.escrow)
        });
        Ok(Self { commits: world.commits(), secrets: secrets.collect(), agents: agents.collect(), values })
    }

    /// What it was before the last commit, which set a new secret.
    pub fn without(mut self, name: &str) -> Self {
        self.commits -= 1;
        self.secrets.retain(|row| !row.contains(&format!("name: {name:?}")));
        self.values.iter_mut().filter(|((_, secret), _)| secret == name).for_each(|(_, cell)| *cell = None);
        self
    }
}

/// Owner and agents by the files of their keys. Every key that was made later is `another`.
fn readers(world: &World) -> Vec<(String, PathBuf)> {
    let keys = world.keys();
    let mut readers = vec![("owner".to_owned(), keys.join("owner.key"))];
    readers.extend(["ci", "bob"].map(|agent| (agent.to_owned(), PathBuf::from(world.key(agent)))));
    let other = std::fs::read_dir(keys.join("agents")).into_iter().flatten().flatten().map(|entry| entry.path());
    let other = other.into_iter().find(|path| readers.iter().all(|(_, known)| known != path));
    readers.push(("another".to_owned(), other.unwrap_or_else(|| keys.join("agents/none.key"))));
    readers
}

/// The identity in a file; `None` where there is none, or a part of one.
fn identities(file: &Path) -> Option<Identities> {
    Identities::from_file(file, &Context::new(Home::new("/nonexistent")).prompt).ok()
}

fn open(world: &World, identities: Option<&Identities>) -> Result<Vault, String> {
    Vault::open(&world.repo(), Context::new(Home::new(world.keys())), identities).map_err(|error| error.to_string())
}

fn read(world: &World, identities: &Identities, name: &str) -> Result<Cell, String> {
    let path = SecretPath::parse(name).map_err(|error| error.to_string())?;
    match open(world, Some(identities))?.get(&path, identities) {
        Ok(secret) => Ok(Some(String::from_utf8_lossy(secret.value.expose()).into_owned())),
        Err(error) if matches!(error.class(), Class::NotFound | Class::NotAuthorized) => Ok(None),
        Err(error) => Err(format!("get {name}: {error}")),
    }
}
