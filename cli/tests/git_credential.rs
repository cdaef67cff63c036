//! `git-credential`: which host gets what, what Git cannot be made to ask, and real Git over smart HTTP.
#![cfg(unix)]

mod support;

use agent_vault_test_remotes::{Host, PASSWORD, Transport, USER};
use support::{Done, PROGRAM, VALUE, World};

/// A story whose secret is for github.com.
fn with_host() -> World {
    let world = World::story();
    world.run("set stripe/api-key --hosts github.com").ok();
    world
}

fn ask(world: &World, what: &str) -> Done {
    world.pipe(what, "git-credential get")
}

fn commits(world: &World) -> String {
    world.git("rev-list --count HEAD")
}

#[test]
fn the_listed_host_gets_the_value_and_no_other_host_does() {
    let world = with_host();
    let said = format!("username=git\npassword={VALUE}\n");
    ask(&world, "capability[]=authtype\nprotocol=https\nhost=github.com\n\n").ok().prints(&said);
    ask(&world, "protocol=https\nhost=github.com:443\npath=a/b.git\n\n").ok().prints(&said);
    for host in [
        "github.com.evil.org",
        "evil.github.com",
        "github.com:8443",
        "gist.github.com",
        "github.org",
        "xn--gthub-n4a.com",
    ] {
        ask(&world, &format!("protocol=https\nhost={host}\n\n")).ok().prints("");
    }
    ask(&world, "protocol=https\nhost=GitHub.com\n\n").ok().prints(&said);
    world.pipe("protocol=https\nhost=github.com\n\n", "git-credential capability").ok().prints("");
}

#[test]
fn what_was_smuggled_into_a_request_and_what_goes_in_the_clear_is_refused() {
    let world = with_host();
    for request in [
        "protocol=https\nhost=evil.org\nhost=github.com\n\n",
        "protocol=https\nhost=evil.org\rhost=github.com\n\n",
        "protocol=https\nhost=github.com\0\n\n",
        "protocol=https\nhost=github.com",
        "protocol=https\nhost=github.com.\n\n",
        "protocol=https\nhost=g\u{131}thub.com\n\n",
        "protocol=https\nhost=github.com\nusername=a\nusername=b\n\n",
        "protocol=ftp\nhost=github.com\n\n",
        "host=github.com\n\n",
        "url=https://github.com\n\n",
        "",
    ] {
        ask(&world, request).fails(2).prints("").keeps_silent_about(VALUE);
    }
}

#[test]
fn over_http_only_what_an_owner_allowed_for_http_is_given() {
    let world = with_host();
    world.pipe("of-lan", "set git/lan --hosts http://git.lan:3000").ok();
    ask(&world, "protocol=http\nhost=git.lan:3000\n\n").ok().prints("username=git\npassword=of-lan\n");
    ask(&world, "protocol=https\nhost=git.lan:3000\n\n").ok().prints("");
    ask(&world, "protocol=http\nhost=github.com\n\n").ok().prints("").says("--hosts http://github.com");
    assert_eq!(ask(&world, "protocol=http\nhost=other.org\n\n").ok().prints("").err(), "");
}

#[test]
fn git_hears_when_a_credential_expires_and_passing_ones_are_not_stored() {
    let world = with_host();
    world.run("set stripe/api-key --expires 1d").ok();
    let done = ask(&world, "protocol=https\nhost=github.com\n\n").ok();
    let said = done.out();
    assert!(said.contains("\npassword_expiry_utc=1") || said.contains("\npassword_expiry_utc=2"), "{said}");
    let before = commits(&world);
    let passing = "protocol=https\nhost=github.com\nusername=git\npassword=x\npassword_expiry_utc=99\n\n";
    world.pipe(passing, "git-credential store").ok().prints("");
    assert_eq!(commits(&world), before);
}

#[test]
fn the_user_and_the_path_choose_among_secrets() {
    let world = World::vault();
    world.pipe("{\"user\":\"ann\",\"password\":\"of-ann\"}", "set git/ann --hosts github.com").ok();
    world.pipe("user=bob\ntoken=of-bob\n", "set git/bob --hosts github.com").ok();
    world.pipe("of-acme\n", "set git/acme --hosts github.com/acme").ok();
    let ask = |more: &str| ask(&world, &format!("protocol=https\nhost=github.com\n{more}\n")).ok();
    ask("username=bob\n").prints("username=bob\npassword=of-bob\n");
    ask("username=eve\n").prints("");
    ask("").prints("").says("git/ann, git/bob");
    ask("path=acme/tool.git\n").prints("username=git\npassword=of-acme\n");
    ask("path=acme/../other/x\nusername=ann\n").prints("username=ann\npassword=of-ann\n");
}

#[test]
fn a_use_only_value_is_for_its_hosts_and_an_agent_gets_what_it_may_read() {
    let world = with_host();
    world.pipe("owners-only", "set other/key --hosts git.example.org").ok();
    world.run("set stripe/api-key --use-only").ok();
    world.run("get stripe/api-key").fails(4).says("for Git at github.com");
    let ci = |host: &str| {
        let asked = world.line("git-credential get --key").arg(world.key("ci"));
        asked.input(format!("protocol=https\nhost={host}\n\n")).run().ok()
    };
    ci("github.com").prints(format!("username=git\npassword={VALUE}\n"));
    ci("git.example.org").prints("");
    world.run("run --env T=stripe/api-key -- true").fails(4);
}

#[test]
fn what_was_tampered_with_stops_git_from_asking_elsewhere() {
    let world = with_host();
    let meta = world.text("secrets/stripe/api-key.meta").replace("github.com", "evil.org");
    world.plant("secrets/stripe/api-key.meta", meta);
    ask(&world, "protocol=https\nhost=evil.org\n\n").fails(5).prints("quit=1\n");
}

#[test]
fn an_owner_stores_what_a_server_accepted_and_a_reader_does_not() {
    let world = with_host();
    let before = commits(&world);
    let store = |words: &str, what: &str| world.line(&format!("git-credential store {words}")).input(what).run().ok();
    let known = format!("protocol=https\nhost=github.com\nusername=git\npassword={VALUE}\n\n");
    store("", &known).prints("");
    let ci = format!("--key {}", world.key("ci"));
    store(&ci, &known).prints("");
    store(&ci, "protocol=https\nhost=github.com\nusername=git\npassword=other\n\n").says("only an owner");
    store(&ci, "protocol=https\nhost=new.example.org\nusername=ann\npassword=other\n\n").says("only an owner");
    assert_eq!(commits(&world), before, "nothing was stored");
    store("", "protocol=https\nhost=github.com\nusername=git\npassword=rotated\n\n");
    assert_eq!(world.get("stripe/api-key"), b"rotated");
    let new = "protocol=https\nhost=new.example.org:8443\nusername=ann\npassword=p\"w\n\n";
    store("", new).says("added git/new.example.org-8443").keeps_silent_about("p\"w");
    let after = commits(&world);
    store("", new).prints("");
    assert_eq!(commits(&world), after, "an equal one changes nothing");
    ask(&world, "protocol=https\nhost=new.example.org:8443\n\n").prints("username=ann\npassword=p\"w\n");
    store("", "protocol=https\nhost=new.example.org:8443\nusername=ann\npassword=two\n\n").says("changed");
    ask(&world, "protocol=https\nhost=new.example.org:8443\n\n").prints("username=ann\npassword=two\n");
    world.pipe("user=bob\ntoken=t\nnote=mine\n", "set git/fields --hosts fields.org").ok();
    store("", "protocol=https\nhost=fields.org\nusername=bob\npassword=x\n\n").says("other fields");
    store("", "protocol=http\nhost=clear.org\nusername=bob\npassword=x\n\n").says("everybody on the way");
}

#[test]
fn nothing_is_erased() {
    let world = with_host();
    let before = commits(&world);
    let what = format!("protocol=https\nhost=github.com\nusername=git\npassword={VALUE}\n\n");
    world.pipe(what, "git-credential erase").ok().prints("").says("not erased").keeps_silent_about(VALUE);
    assert_eq!(commits(&world), before);
}

#[test]
fn git_clones_fetches_and_pushes_with_it_over_http_and_a_wrong_password_stays() {
    let host = Host::start(Transport::Http);
    let world = World::vault();
    let place = host.url().trim_start_matches("http://").split('/').next().unwrap().to_owned();
    let value = format!("{{\"user\":\"{USER}\",\"password\":\"{PASSWORD}\"}}");
    world.pipe(&value, &format!("set git/test --use-only --hosts {place}")).ok();
    let helper = format!("!{PROGRAM} -C {} git-credential", world.repo.display());
    world.line("config get").run().ok();
    world.sh(&format!("git config --global credential.helper '{helper}'"));
    let before = commits(&world);
    let (url, one, two) = (host.url(), world.tmp("one"), world.tmp("two"));
    let (one, two) = (one.display(), two.display());
    world.sh(&format!(
        "export GIT_TERMINAL_PROMPT=0; git clone -q {url} {one}; cd {one}; git commit -q --allow-empty -m first;
         git push -q origin HEAD:main; git clone -q {url} {two}; git commit -q --allow-empty -m second;
         git push -q origin HEAD:main; git -C {two} fetch -q; git -C {two} log --format=%s origin/main"
    ));
    assert_eq!(host.tip("main"), world.sh(&format!("git -C {one} rev-parse HEAD")));
    assert_eq!(commits(&world), before, "what Git was given is stored already");
    let wrong = format!("{{\"user\":\"{USER}\",\"password\":\"battery-staple\"}}");
    world.pipe(&wrong, "set git/test").ok();
    let before = commits(&world);
    let said = world.sh(&format!("GIT_TERMINAL_PROMPT=0 git -C {two} fetch 2>&1 || true"));
    assert!(said.contains("not erased") && said.contains("Authentication failed"), "{said}");
    assert_eq!(commits(&world), before, "it is still there");
    assert!(!said.contains("battery-staple"), "{said}");
}

#[test]
fn git_says_the_path_where_it_is_told_to_and_only_that_repository_gets_the_credential() {
    let host = Host::start(Transport::Http);
    let world = World::vault();
    let place = host.url().trim_start_matches("http://").to_owned();
    let value = format!("{{\"user\":\"{USER}\",\"password\":\"{PASSWORD}\"}}");
    world.pipe(&value, &format!("set git/test --use-only --hosts {place}")).ok();
    let helper = format!("!{PROGRAM} -C {} git-credential", world.repo.display());
    world.sh(&format!("git config --global credential.helper '{helper}'"));
    let ask = |options: &str, url: &str| {
        world.sh(&format!("GIT_TERMINAL_PROMPT=0 git {options} ls-remote {url} >/dev/null 2>&1 && echo in || echo out"))
    };
    let by_path = "-c credential.useHttpPath=true";
    assert_eq!(ask(by_path, &host.url()), "in");
    assert_eq!(ask("", &host.url()), "out", "without the path it is for no repository");
    assert_eq!(ask(by_path, &format!("{}-other", host.url())), "out");
}
