//! `examples/docker` and `examples/claude-code`: what can be said of them where neither program is.
//!
//! The container's claim is that an application has its secrets with nothing but the program, a copy of the vault's folder and
//! a key. So its folder is laid out as `Dockerfile` says, and its entrypoint runs there.
#![cfg(target_os = "linux")]

mod support;

use agent_vault_test_remotes::copy_program;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use support::{PROGRAM, VALUE, World, read_trace};

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_path_buf()
}

fn read(name: &str) -> String {
    std::fs::read_to_string(top().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The instructions of a Dockerfile, each with its arguments, comments left out.
fn instructions(name: &str) -> Vec<(String, String)> {
    let text = read(name).replace("\\\n", " ");
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| line.split_once(' ').map(|(a, b)| (a.to_owned(), b.trim().to_owned())).expect(line)).collect()
}

/// The arguments of the one instruction of that name.
fn only(name: &str, instructions: &[(String, String)]) -> String {
    let found: Vec<&str> =
        instructions.iter().filter(|(named, _)| named == name).map(|(_, arguments)| &**arguments).collect();
    assert_eq!(found.len(), 1, "{name}: {found:?}");
    found[0].to_owned()
}

const KEY: &str = "/run/secrets/agent-vault-key";

/// A container's file system, as far as `Dockerfile` makes it; in the place of the root is a folder.
struct Container {
    root: PathBuf,
}

impl Container {
    fn build(world: &World) -> Self {
        std::fs::write(world.repo.join(".agent-vault.env"), "STRIPE_KEY=av://stripe/api-key\n").unwrap();
        let root = world.root.join("container");
        let [app, bin, run, tmp] = ["app", "usr/local/bin", "run/secrets", "tmp"].map(|folder| root.join(folder));
        [&app, &bin, &run, &tmp].into_iter().for_each(|folder| std::fs::create_dir_all(folder).expect("a folder"));
        for (instruction, arguments) in instructions("examples/docker/Dockerfile") {
            if instruction != "COPY" {
                continue;
            }
            let words: Vec<&str> = arguments.split(' ').collect();
            match &words[..] {
                ["--from=agent-vault", "/agent-vault", "/usr/local/bin/agent-vault"] => {
                    copy_program(Path::new(PROGRAM), &bin.join("agent-vault"));
                }
                [".agent-vault", ".agent-vault"] => {
                    world.sh(&format!("cp -R .agent-vault {}/", app.display()));
                }
                [".agent-vault.env", "docker/app", "./"] => {
                    copy_program(&world.repo.join(".agent-vault.env"), &app.join(".agent-vault.env"));
                    copy_program(&top().join("examples/docker/app"), &app.join("app"));
                }
                other => panic!("the test does not know COPY {other:?}"),
            }
        }
        for tool in ["sh", "printenv", "setpriv", "strace"] {
            std::os::unix::fs::symlink(world.sh(&format!("command -v {tool}")), bin.join(tool)).unwrap();
        }
        std::fs::copy(world.key("ci"), root.join(&KEY[1..])).unwrap();
        Self { root }
    }

    /// Runs entrypoint and command. Modes are as in an image: everything can be read, and only `/tmp` can be written. Where the tests
    /// run as root, the container's user is the one that `Dockerfile` names; else it is who runs the tests.
    fn start(&self, command: Option<&[&str]>) -> Output {
        let made = instructions("examples/docker/Dockerfile");
        let words = |name| -> Vec<String> { serde_json::from_str(&only(name, &made)).expect("the form of a list") };
        let command = command.map_or_else(|| words("CMD"), |words| words.iter().map(|&word| word.to_owned()).collect());
        let words: Vec<String> = words("ENTRYPOINT").into_iter().chain(command).collect();
        assert!(words.contains(&KEY.to_owned()));
        let words = words.iter().map(|word| match word.as_str() {
            KEY => self.root.join(&KEY[1..]).into_os_string(),
            word => word.into(),
        });
        let user: u32 = only("USER", &made).split_once(':').expect("user and group").0.parse().expect("a number");
        let (name, value) = only("ENV", &made).split_once('=').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
        assert_eq!((&*name, &*only("WORKDIR", &made)), ("AGENT_VAULT_HOME", "/app"));
        let bin = self.root.join("usr/local/bin");
        let mut process = Command::new(bin.join("strace"));
        process.args(["-f", "-qq", "-e", "trace=execve", "-o"]).arg(self.root.join("trace")).arg("--");
        process.current_dir(self.root.join("app")).env_clear().env("PATH", &bin).env("HOME", "/nonexistent");
        process.env(name, self.root.join(value.strip_prefix('/').expect("an absolute path"))).stdin(Stdio::null());
        let another = rustix::process::geteuid().is_root() && self.is_reached_by_all();
        self.sh("chmod -R a+rX,a-w . && chmod 1777 tmp && chmod 400 run/secrets/*");
        if another {
            self.sh(&format!("chown {user} run/secrets/*"));
            let user = user.to_string();
            process.args(["setpriv", "--reuid", &user, "--regid", &user, "--clear-groups", "--"]);
        }
        let output = process.args(words).output().expect("it starts");
        self.sh("chmod -R u+w .");
        output
    }

    /// Opens the way to it, as far as that leads through folders of the tests; whether everybody then gets there.
    fn is_reached_by_all(&self) -> bool {
        let mode = |folder: &Path| folder.metadata().expect("a folder").permissions().mode();
        let above: Vec<&Path> = self.root.ancestors().skip(1).collect();
        for folder in above.iter().filter(|folder| folder.starts_with("/tmp") && **folder != Path::new("/tmp")) {
            std::fs::set_permissions(folder, std::fs::Permissions::from_mode(mode(folder) | 0o011)).expect("its mode");
        }
        above.into_iter().all(|folder| mode(folder) & 0o001 != 0)
    }

    fn sh(&self, script: &str) {
        let done = Command::new("sh").args(["-ec", script]).current_dir(&self.root).status().expect("sh runs");
        assert!(done.success(), "{script}");
    }

    /// The programs that were started, by their names, but for the one that changes the user. Who may not look into a process that
    /// wants no debugger sees only that one was started.
    fn started(&self) -> Vec<String> {
        let calls = read_trace(&self.root.join("trace"));
        let calls = calls.iter().filter(|call| call.name == "execve" && call.line.contains(" = 0"));
        let paths = calls.map(|call| call.line.split('"').nth(1).unwrap_or("?"));
        let names = paths.map(|path| path.rsplit('/').next().expect("a name").to_owned());
        names.filter(|name| name != "setpriv").collect()
    }
}

#[test]
fn a_container_starts_its_application_without_git_a_repository_or_a_place_to_write() {
    let world = World::story();
    let container = Container::build(&world);
    assert!(!container.root.join("app/.git").exists());
    let output = container.start(None);
    let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(output.status.success(), "{out}{err}");
    assert_eq!(out, format!("started with a key of {} characters: ***\n", VALUE.len()));
    assert_eq!(err, "");
    let started = container.started();
    assert!(started == ["agent-vault", "app"] || started == ["agent-vault", "?"], "{started:?}");
    let remembered = container.root.join("tmp/agent-vault");
    assert!(remembered.is_dir(), "{}", remembered.display());
}

#[test]
fn the_application_does_not_get_the_key_and_ends_the_container_with_its_own_code() {
    let world = World::story();
    let container = Container::build(&world);
    let output = container.start(Some(&["sh", "-c", "printenv; exit 7"]));
    let out = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(7), "{out}");
    assert!(
        out.contains("STRIPE_KEY=***\n") && !out.contains("AGE-SECRET-KEY") && !out.contains("AGENT_VAULT_KEY"),
        "{out}"
    );
}

#[test]
fn a_container_does_not_start_its_application_without_a_key_or_with_a_vault_that_was_changed() {
    let world = World::story();
    let container = Container::build(&world);
    let key = container.root.join(&KEY[1..]);
    std::fs::write(&key, "").unwrap();
    assert_eq!(container.start(None).status.code(), Some(6));
    std::fs::copy(world.key("ci"), &key).unwrap();
    let enc = container.root.join("app/.agent-vault/secrets/stripe/api-key.enc");
    let mut bytes = std::fs::read(&enc).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&enc, bytes).unwrap();
    let output = container.start(None);
    assert_eq!((output.status.code(), &*output.stdout), (Some(5), &b""[..]));
    assert_eq!(container.started().len(), 1);
}

#[test]
fn the_dockerfiles_hold_no_key_need_no_git_and_fit_each_other() {
    let application = instructions("examples/docker/Dockerfile");
    let program = instructions("examples/docker/program.Dockerfile");
    for (instruction, arguments) in application.iter().chain(&program) {
        let known = ["FROM", "WORKDIR", "COPY", "RUN", "ENV", "USER", "ENTRYPOINT", "CMD"];
        assert!(known.contains(&&**instruction), "{instruction} {arguments}");
        assert!(!arguments.contains("git"), "{instruction} {arguments}");
        assert!(!matches!(&**instruction, "ARG" | "ADD") && !arguments.contains("AGENT_VAULT_KEY="), "{arguments}");
    }
    assert!(application.iter().all(|(instruction, _)| instruction != "RUN"));
    assert_ne!(only("USER", &application).split(':').next(), Some("0"));
    // One Debian, and the Rust that Cargo.toml promises.
    let cargo = read("Cargo.toml");
    let rust = cargo.lines().find_map(|line| line.strip_prefix("rust-version = \"")).unwrap();
    let rust = rust.split('"').next().unwrap();
    let base = only("FROM", &application);
    let debian = base.strip_prefix("debian:").and_then(|base| base.strip_suffix("-slim")).expect("Debian");
    assert_eq!(program[0], ("FROM".into(), format!("rust:{rust}-slim-{debian} AS build")));
    // What the program loads is in every image of Debian.
    let loaded = Command::new("ldd").arg(PROGRAM).output().expect("ldd runs");
    let loaded = String::from_utf8(loaded.stdout).unwrap();
    let essential = ["linux-vdso.so", "libc.so", "libm.so", "libgcc_s.so", "/lib64/ld-linux", "/lib/ld-linux"];
    for library in loaded.lines().map(str::trim) {
        assert!(essential.iter().any(|known| library.starts_with(known)), "{library}");
    }
    // Nothing but what is copied gets into the build, so no key can.
    let let_in: Vec<String> = read("examples/docker/Dockerfile.dockerignore")
        .lines()
        .map(|line| line.trim_start_matches('!').into())
        .collect();
    assert_eq!(let_in, ["*", ".agent-vault", ".agent-vault.env", "docker/app"]);
    // The page shows what is there.
    let page = read("docs/docker.md");
    let blocks: Vec<&str> =
        page.split("```dockerfile\n").skip(1).map(|block| block.split("```").next().unwrap()).collect();
    assert_eq!(blocks.len(), 2);
    for block in blocks {
        assert!(read("examples/docker/Dockerfile").contains(block), "{block}");
    }
}

#[test]
fn claude_code_s_server_has_a_key_of_its_own_and_no_tool_that_shows_a_value() {
    let written: serde_json::Value = serde_json::from_str(&read("examples/claude-code/.mcp.json")).expect("JSON");
    let server = &written["mcpServers"]["agent-vault"];
    assert_eq!(server["command"], "agent-vault");
    let words: Vec<&str> = server["args"].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
    let expected =
        ["mcp", "--repo", ".", "--key", "${HOME}/.agent-vault/agents/claude-code.key", "--tools", "list,whoami,check"];
    assert_eq!(words, expected);
    assert!(server.get("env").is_none());
}
