//! That a test can rely on its remotes, and that nothing of them stays behind.
#![cfg(target_os = "linux")]

use agent_vault_test_remotes::{Credentials, Host, Silence, Transport};
use std::io::{ErrorKind, Read};
use std::net::TcpStream;
use std::panic::catch_unwind;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// The processes that have a text in their arguments.
fn processes(text: &str) -> Vec<String> {
    let output = Command::new("ps").args(["-A", "-ww", "-o", "args="]).output().expect("ps");
    String::from_utf8_lossy(&output.stdout).lines().filter(|line| line.contains(text)).map(str::to_owned).collect()
}

#[test]
fn a_panic_leaves_no_process_and_no_file() {
    for transport in Transport::ALL {
        let seen = std::sync::Mutex::new(String::new());
        let panicked = catch_unwind(|| {
            let host = Host::start(transport);
            let dir = host.bare().ancestors().nth(2).expect("the host's folder").display().to_string();
            assert_eq!(processes(&dir).is_empty(), transport == Transport::File);
            *seen.lock().expect("only here") = dir;
            panic!("a test fails");
        });
        assert!(panicked.is_err());
        let dir = seen.into_inner().expect("its folder");
        assert!(!Path::new(&dir).exists());
        assert_eq!(processes(&dir), [""; 0], "{transport:?}");
    }
}

#[test]
fn a_host_comes_back_where_it_was() {
    for transport in [Transport::Ssh, Transport::Http, Transport::Daemon] {
        let mut host = Host::start(transport);
        let work = tempfile::tempdir().expect("a folder");
        let git = |line: &str| {
            let mut command = Command::new("git");
            command.args(line.split_whitespace()).current_dir(work.path()).env("GIT_TERMINAL_PROMPT", "0");
            command.env("GIT_CONFIG_GLOBAL", "/dev/null").output().expect("git").status.success()
        };
        assert!(git("init -q -b main"));
        host.connect(work.path(), Credentials::Right);
        assert!(git("ls-remote origin"), "{transport:?}: {}", host.log());
        let url = host.url();
        host.kill();
        assert!(!git("ls-remote origin"));
        host.restart();
        assert_eq!(host.url(), url);
        assert!(git("ls-remote origin"), "{transport:?}: {}", host.log());
    }
}

#[test]
fn silence_takes_connections_and_says_nothing_until_it_is_dropped() {
    let silence = Silence::start();
    let url = silence.url("http");
    let address = url.split('/').nth(2).expect("an address");
    let mut connection = TcpStream::connect(address).expect("a connection");
    connection.set_read_timeout(Some(Duration::from_millis(100))).expect("a limit");
    let waited = connection.read(&mut [0]).expect_err("nothing to read");
    assert!(matches!(waited.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut));
    assert_eq!(silence.connections(), 1);
    drop(silence);
    assert_eq!(connection.read(&mut [0]).expect("the end"), 0);
}
