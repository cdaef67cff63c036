//! The Node package as people get it: an addon and compiled TypeScript, packed by npm and installed into a folder of its own.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::{Context as _, Failure};
use crate::node::Node;
use crate::wheel::Profile;
use crate::workspace::{cargo, given, root, target_dir};

/// Names the folder that the package is installed in.
pub const PACKAGE: &str = "AGENT_VAULT_TEST_NODE_PACKAGE";
/// Names the folder that TypeScript is installed in.
pub const TOOLS: &str = "AGENT_VAULT_TEST_NODE_TOOLS";

/// Two folders with `node_modules`.
pub struct Installed {
    /// The package.
    pub package: PathBuf,
    /// What builds it and judges its types.
    pub tools: PathBuf,
}

/// Builds the package and installs it, unless the environment names both folders already.
///
/// # Errors
///
/// When it does not build, or npm's registry has not what the lock file names.
pub fn installed(profile: Profile) -> Result<Installed, Failure> {
    if let (Some(package), Some(tools)) = (given(PACKAGE), given(TOOLS)) {
        return Ok(Installed { package, tools });
    }
    let peers = target_dir().join("peers");
    let (node, tools) = (Node::installed()?, peers.join("node-tools"));
    node.ci(&root().join("sdk-node/tools"), &tools)?;
    let stage = target_dir().join("node-package");
    renewed(&stage)?;
    compile(&node, &tools, &stage)?;
    addon(profile, &stage)?;
    let package = peers.join(match profile {
        Profile::Dev => "node-test",
        Profile::Wheel => "node-bench",
    });
    install(&node, &stage, &package)?;
    Ok(Installed { package, tools })
}

/// The compiled TypeScript, and what lies beside it.
fn compile(node: &Node, tools: &Path, stage: &Path) -> Result<(), Failure> {
    let source = root().join("sdk-node");
    for file in ["package.json", "index.mjs", "index.d.mts", "README.md"] {
        std::fs::copy(source.join(file), stage.join(file)).context(file)?;
    }
    let mut tsc = Command::new(&node.program);
    tsc.arg(tools.join("node_modules/typescript/bin/tsc")).arg("--project").arg(source.join("tsconfig.json"));
    tsc.arg("--outDir").arg(stage.join("dist")).arg("--typeRoots").arg(tools.join("node_modules/@types"));
    ended(&mut tsc, "the package's TypeScript does not compile")
}

/// The addon, as `ts/native.ts` calls it.
fn addon(profile: Profile, stage: &Path) -> Result<(), Failure> {
    let mut build = cargo();
    build.args(["build", "--locked", "--quiet", "--package", "agent-vault-node"]);
    let folder = match profile {
        Profile::Dev => "debug",
        Profile::Wheel => {
            build.args(["--profile", "wheel"]);
            "wheel"
        }
    };
    ended(&mut build, "the addon does not build")?;
    let file = format!("{}agent_vault_node{}", env::consts::DLL_PREFIX, env::consts::DLL_SUFFIX);
    let built = target_dir().join(folder).join(file);
    let target = stage.join(format!("agent-vault.{}.node", platform()));
    std::fs::copy(&built, &target).context(built.display())?;
    Ok(())
}

/// As Node calls this platform.
fn platform() -> String {
    let system = match env::consts::OS {
        "macos" => "darwin",
        "windows" => "win32",
        other => other,
    };
    let processor = match env::consts::ARCH {
        "x86_64" => "x64",
        "aarch64" => "arm64",
        other => other,
    };
    let library = match (system, cfg!(target_env = "musl")) {
        ("linux", true) => "-musl",
        ("linux", false) => "-gnu",
        _ => "",
    };
    format!("{system}-{processor}{library}")
}

/// Packs it as for a registry, and installs the packed file alone.
fn install(node: &Node, stage: &Path, package: &Path) -> Result<(), Failure> {
    let packed = target_dir().join("node-packed");
    renewed(&packed)?;
    let mut pack = node.npm(stage);
    pack.args(["pack", "--silent", "--pack-destination"]).arg(&packed);
    ended(pack.stdout(std::process::Stdio::null()), "npm pack did not end well")?;
    let files = std::fs::read_dir(&packed).context(packed.display())?;
    let tarball =
        files.flatten().map(|entry| entry.path()).find(|file| file.extension().is_some_and(|end| end == "tgz"));
    let tarball = tarball.ok_or_else(|| Failure::new("npm left no tarball").with_hint("run this again"))?;
    renewed(package)?;
    std::fs::write(package.join("package.json"), "{\"private\": true}\n").context(package.display())?;
    let mut npm = node.npm(package);
    npm.args(["install", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error", "--silent"]).arg(tarball);
    ended(&mut npm, "the packed package does not install")
}

fn renewed(folder: &Path) -> Result<(), Failure> {
    if folder.exists() {
        std::fs::remove_dir_all(folder).context(folder.display())?;
    }
    std::fs::create_dir_all(folder).context(folder.display())
}

fn ended(command: &mut Command, failed: &str) -> Result<(), Failure> {
    let status = command.status().context(format_args!("cannot run {command:?}"))?;
    if status.success() { Ok(()) } else { Err(Failure::new(failed).with_hint("the message above says why")) }
}
