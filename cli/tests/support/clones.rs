//! A hub and machines that share a vault over it: each has a HOME and a clone of its own.

use super::{Done, World};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Where the machines meet: any address that Git takes, and the bare repository behind it.
pub struct Hub {
    /// As `git clone` takes it.
    pub url: String,
    /// The bare repository.
    pub dir: PathBuf,
}

impl Hub {
    /// An empty bare repository, reached as `file://`, which speaks Git's protocol as a network does.
    pub fn bare(world: &World) -> Self {
        let dir = world.root.join("hub.git");
        world.sh(&format!("git init -q --bare -b main {}", dir.display()));
        Self { url: format!("file://{}", dir.display()), dir }
    }

    /// Runs the words of a Git command line in it, as whoever owns the host.
    #[track_caller]
    pub fn git(&self, world: &World, line: &str) -> String {
        world.sh(&format!("git -C {} {line}", self.dir.display()))
    }

    /// The commit of its branch `main`.
    #[track_caller]
    pub fn tip(&self, world: &World) -> String {
        self.git(world, "rev-parse main")
    }

    /// Installs a hook.
    #[track_caller]
    pub fn hook(&self, name: &str, script: &str) {
        executable(&self.dir.join("hooks").join(name), script);
    }

    /// Takes a hook away.
    pub fn unhook(&self, name: &str) {
        std::fs::remove_file(self.dir.join("hooks").join(name)).expect("it was there");
    }
}

/// Writes a script that can be run.
#[track_caller]
pub fn executable(file: &Path, script: &str) {
    agent_vault_test_remotes::executable(file, &format!("#!/bin/bash\n{script}\n"));
}

/// Makes a folder that nobody else can look into, unless it is there.
fn private(dir: &Path) {
    std::fs::create_dir_all(dir).expect("a folder");
    set_mode(dir, 0o700);
}

/// Sets a file's mode, where files have one.
pub fn set_mode(file: &Path, mode: u32) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(file, std::fs::Permissions::from_mode(mode)).expect("its mode");
    }
    #[cfg(not(unix))]
    let _ = (file, mode);
}

/// Machines with a clone each, and their hub.
pub struct Clones {
    /// Where they meet.
    pub hub: Hub,
    machines: Vec<World>,
}

impl std::ops::Index<usize> for Clones {
    type Output = World;

    fn index(&self, at: usize) -> &World {
        &self.machines[at]
    }
}

impl Clones {
    /// The story's vault on the machines of one owner, whose key all of them have.
    pub fn of_one_owner(count: usize) -> Self {
        let world = World::story();
        let hub = Hub::bare(&world);
        Self::around(world, hub, count)
    }

    /// A vault and its hub, and machines of the same owner up to this number; all of them synced.
    pub fn around(world: World, hub: Hub, count: usize) -> Self {
        world.sh(&format!("git remote add origin {}", hub.url));
        world.run("sync").ok();
        let mut clones = Self { hub, machines: vec![world] };
        for number in 1..count {
            clones.join(&format!("machine{number}"));
        }
        clones
    }

    /// One machine whose vault is at the hub already.
    pub fn only(world: World, hub: Hub) -> Self {
        Self { hub, machines: vec![world] }
    }

    /// The story's vault of the owner `eric` on the first machine, and one more owner with a machine for each name.
    pub fn of_owners(names: &[&str]) -> Self {
        let mut clones = Self::of_one_owner(1);
        for name in names {
            let machine = clones.stranger(name);
            let card = machine.tmp(&format!("{name}.card")).display().to_string();
            machine.run(&format!("owner card --name {name} -o {card}")).ok();
            clones[0].run(&format!("add-owner --card {card} --yes")).ok();
            clones.machines.push(machine);
        }
        clones.settle();
        clones
    }

    /// One more machine of the first one's owner.
    pub fn join(&mut self, name: &str) {
        let machine = self.stranger(name);
        self.lend_key(&machine);
        self.machines.push(machine);
        self.machines.last().expect("it").run("sync").ok();
    }

    /// Gives a machine the first one's owner key.
    pub fn lend_key(&self, machine: &World) {
        private(&machine.keys());
        std::fs::copy(self[0].owner_key(), machine.owner_key()).expect("the owner's key");
    }

    /// A clone on a machine that has no key of the vault, which is not counted among the machines.
    pub fn stranger(&self, name: &str) -> World {
        let machine = self[0].machine(name);
        let (url, repo) = (&self.hub.url, machine.repo.display());
        // The folder is not there yet, and a shell has to start somewhere.
        machine.within(&machine.root).sh(&format!("git clone -q {url} {repo}"));
        machine
    }

    /// All machines.
    pub fn all(&self) -> &[World] {
        &self.machines
    }

    /// Syncs one after the other until a round brings nothing, and checks that all have come to the same.
    #[track_caller]
    pub fn settle(&self) {
        let heads = || self.machines.iter().map(head).chain([self.hub.tip(&self[0])]).collect::<Vec<_>>();
        for _ in 0..4 {
            let before = heads();
            self.machines.iter().for_each(|machine| drop(machine.run("sync").ok()));
            if before == heads() {
                break;
            }
        }
        check_same(&self.machines);
        assert_eq!(self.hub.tip(&self[0]), head(&self[0]), "the hub has what all have");
    }

    /// Runs a command on several machines at once; waits for all of them.
    pub fn at_once(&self, line: &str) -> Vec<Done> {
        std::thread::scope(|scope| {
            let runs: Vec<_> = self.machines.iter().map(|machine| scope.spawn(|| machine.run(line))).collect();
            runs.into_iter().map(|run| run.join().expect("it ends")).collect()
        })
    }
}

/// The commit of HEAD.
#[track_caller]
pub fn head(world: &World) -> String {
    world.git("rev-parse HEAD")
}

/// All have one commit, with an unbroken history, a vault without errors and a clean work tree.
#[track_caller]
pub fn check_same(machines: &[World]) {
    let heads: BTreeSet<String> = machines.iter().map(head).collect();
    assert_eq!(heads.len(), 1, "all have one commit");
    for machine in machines {
        machine.run("verify --history").ok();
        machine.run("verify").ok();
        machine.run("check").ok();
        assert_eq!(machine.git("status --porcelain"), "", "{}", machine.repo.display());
        machine.git("fsck --connectivity-only --no-dangling");
    }
}

/// Whether stock `age` opens any ciphertext of a work tree with a key.
pub fn opens_anything(world: &World, key: &Path) -> Vec<String> {
    let secrets = world.sh("git ls-files '.agent-vault/secrets/*.enc'");
    let opens = |file: &&str| world.age_opens(&world.repo.join(file), key).is_some();
    secrets.lines().filter(opens).map(str::to_owned).collect()
}

/// A PATH with the program on it, for Git's merge driver.
pub fn with_program() -> String {
    let folder = Path::new(super::PROGRAM).parent().expect("a folder").display().to_string();
    format!("{folder}:{}", std::env::var("PATH").unwrap_or_default())
}
