//! F3, F4: `sync` over ssh, smart HTTP and `git://`, with real servers that die and come back.
#![cfg(unix)]

mod support;

use agent_vault_test_remotes::{Credentials, Host, Transport};
use support::{VALUE, World, check_same, set_mode};

/// One more machine of the same owner, which knows the way to the host.
fn join(world: &World, host: &Host, name: &str) -> World {
    let machine = world.machine(name);
    std::fs::create_dir(&machine.repo).unwrap();
    machine.git("init -q -b main");
    host.connect(&machine.repo, Credentials::Right);
    machine.git("pull -q origin main && git branch -q --set-upstream-to=origin/main");
    std::fs::create_dir(machine.keys()).unwrap();
    set_mode(&machine.keys(), 0o700);
    std::fs::copy(world.owner_key(), machine.owner_key()).unwrap();
    machine.run("sync").ok();
    machine
}

/// Two machines work, meet at the host, lose it, and meet again.
fn meet(transport: Transport) {
    let mut host = Host::start(transport);
    let world = World::story();
    host.connect(&world.repo, Credentials::Right);
    world.run("sync").ok().shows("added: stripe/api-key");
    let machines = [join(&world, &host, "second"), world];
    for (at, machine) in machines.iter().enumerate() {
        machine.set(&format!("of/{at}"), "new");
        machine.set("stripe/api-key", format!("value {at}"));
    }
    machines[0].run("sync").ok();
    machines[1].run("sync").ok().says("stripe/api-key was set on both sides");
    machines[0].run("sync").ok();
    check_same(&machines);

    machines[1].set("of/1", "while it is away");
    host.kill();
    let before = machines[1].state();
    machines[1].run("sync").fails(8);
    assert_eq!(machines[1].state(), before);
    machines[0].run("get of/1 --fresh").fails(8);
    machines[0].run("get of/1 --offline").ok().prints("new");
    host.restart();
    machines.iter().for_each(|machine| host.connect(&machine.repo, Credentials::Right));
    host.hook("pre-receive", "kill -9 $PPID");
    machines[1].run("sync").fails(8);
    host.unhook("pre-receive");
    machines[1].run("sync").ok();
    machines[0].run("get of/1 --fresh").ok().prints("while it is away");
    machines[0].run("sync").ok();
    check_same(&machines);
    assert_eq!(machines[0].get("stripe/api-key"), machines[1].get("stripe/api-key"));
    assert_ne!(machines[0].get("stripe/api-key"), VALUE.as_bytes());

    // Whoever is not let in is told so and asked nothing; what is here is read.
    if transport != Transport::Daemon {
        for credentials in [Credentials::Wrong, Credentials::None] {
            host.connect(&machines[0].repo, credentials);
            machines[0].run("get of/1 --fresh").fails(8);
            machines[0].run("get of/1 --offline").ok().prints("while it is away");
        }
    }
}

#[test]
fn f4_machines_meet_over_ssh() {
    meet(Transport::Ssh);
}

#[test]
fn f4_machines_meet_over_smart_http() {
    meet(Transport::Http);
}

#[test]
fn f4_machines_meet_at_a_git_daemon() {
    meet(Transport::Daemon);
}
