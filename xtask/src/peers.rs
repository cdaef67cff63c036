//! Other people's programs that we test with and measure beside, built from crates.io at a fixed version.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::{Context as _, Failure};
use crate::workspace::{cargo, exe, target_dir};

/// The version of rage that the tests and the benchmarks stand beside.
const RAGE_VERSION: &str = "0.12.1";
/// The version of cargo-fuzz that builds the fuzz targets.
const CARGO_FUZZ_VERSION: &str = "0.13.2";
/// The version of cargo-mutants that looks for what no test notices.
const CARGO_MUTANTS_VERSION: &str = "27.1.0";
/// The program that came before this one.
pub const BEFORE_VERSION: &str = "0.1.0";

/// How a peer is built.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Build {
    /// Quickly; good enough to see whether the formats agree.
    Quick,
    /// As its users get it.
    Release,
    /// Quickly, into a place of its own: what works on our code rather than beside it.
    Tool,
}

/// A program on crates.io.
pub struct Peer {
    /// The crate, and the program in it.
    pub name: &'static str,
    /// Exactly this version, with the dependencies that its own lock file names.
    pub version: &'static str,
    /// An environment variable that names a binary to use instead of building one.
    pub instead: &'static str,
}

impl Peer {
    /// rage, for the tests.
    pub const TEST_RAGE: Peer = Peer { name: "rage", version: RAGE_VERSION, instead: "AGENT_VAULT_TEST_RAGE" };
    /// rage, for the benchmarks.
    pub const BENCH_RAGE: Peer = Peer { name: "rage", version: RAGE_VERSION, instead: "AGENT_VAULT_BENCH_RAGE" };
    /// agent-vault 0.1.0, for `cargo xtask interop`.
    pub const TEST_BEFORE: Peer =
        Peer { name: "agent-vault", version: BEFORE_VERSION, instead: "AGENT_VAULT_TEST_010" };
    /// agent-vault 0.1.0, for the benchmarks.
    pub const BENCH_BEFORE: Peer =
        Peer { name: "agent-vault", version: BEFORE_VERSION, instead: "AGENT_VAULT_BENCH_010" };
    /// cargo-fuzz, which builds programs around libFuzzer.
    pub const CARGO_FUZZ: Peer =
        Peer { name: "cargo-fuzz", version: CARGO_FUZZ_VERSION, instead: "AGENT_VAULT_CARGO_FUZZ" };

    /// cargo-mutants, which changes the code to test the tests.
    pub const CARGO_MUTANTS: Peer =
        Peer { name: "cargo-mutants", version: CARGO_MUTANTS_VERSION, instead: "AGENT_VAULT_CARGO_MUTANTS" };

    /// The peer's program, built on the first call and kept below the target directory.
    ///
    /// # Errors
    ///
    /// When the binary that the environment names is not there, or the build fails.
    pub fn ensure(&self, build: Build) -> Result<PathBuf, Failure> {
        if let Some(given) = env::var_os(self.instead).filter(|given| !given.is_empty()) {
            let given = PathBuf::from(given);
            if !given.is_file() {
                return Err(Failure::usage(format!("{} names no file: {}", self.instead, given.display()))
                    .with_hint(format!("unset {} to have {} {} built", self.instead, self.name, self.version)));
            }
            return std::path::absolute(&given).context(given.display());
        }
        let home = self.home(build);
        let program = home.join("bin").join(exe(self.name));
        if !(program.is_file() && self.is_recorded(&home)) {
            self.install(build, &home)?;
        }
        Ok(program)
    }

    /// `target/peers` for tests, `target/peers-release` for benchmarks and `target/tools` for the rest; one more level for
    /// what came before us.
    fn home(&self, build: Build) -> PathBuf {
        let top = match build {
            Build::Quick => "peers",
            Build::Release => "peers-release",
            Build::Tool => "tools",
        };
        let top = target_dir().join(top);
        if self.name == Peer::BENCH_BEFORE.name { top.join("av010") } else { top }
    }

    /// Whether cargo's own record says that exactly this version lies there.
    fn is_recorded(&self, home: &Path) -> bool {
        let entry = format!("\"{} {} (", self.name, self.version);
        std::fs::read_to_string(home.join(".crates.toml")).is_ok_and(|text| text.contains(&entry))
    }

    fn install(&self, build: Build, home: &Path) -> Result<(), Failure> {
        eprintln!("xtask: building {} {} from crates.io (once, into {})", self.name, self.version, home.display());
        let status = self.install_command(build, home).status().context("cannot run cargo install")?;
        if status.success() {
            return Ok(());
        }
        Err(Failure::new(format!("cannot build {} {} from crates.io", self.name, self.version)).with_hint(format!(
            "look at cargo's message above; without a network, set {} to a {} that is already there",
            self.instead, self.name
        )))
    }

    fn install_command(&self, build: Build, home: &Path) -> Command {
        let mut command = cargo();
        command.args(["install", self.name, "--version", self.version, "--locked"]);
        command.args(["--quiet", "--force", "--root"]).arg(home);
        // A target directory of its own: the flags differ, and one would rebuild the other.
        let suffix = match build {
            Build::Quick => {
                command.arg("--debug").env("CARGO_PROFILE_DEV_DEBUG", "0");
                "peers-build"
            }
            Build::Release => "peers-release-build",
            Build::Tool => {
                command.arg("--debug").env("CARGO_PROFILE_DEV_DEBUG", "0");
                "tools/build"
            }
        };
        command.arg("--target-dir").arg(target_dir().join(suffix));
        command
    }
}
