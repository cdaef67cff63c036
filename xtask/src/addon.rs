//! The Node packages as people get them, packed by npm and installed into a folder of their own: one of compiled TypeScript for
//! every platform, and one with the addon for this one.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use crate::failure::{Context as _, Failure};
use crate::node::Node;
use crate::wheel::Profile;
use crate::workspace::{cargo, given, root, target_dir};

/// Names the folder that the package is installed in.
pub const PACKAGE: &str = "AGENT_VAULT_TEST_NODE_PACKAGE";
/// Names the folder that TypeScript is installed in.
pub const TOOLS: &str = "AGENT_VAULT_TEST_NODE_TOOLS";

/// The addon's file in its package.
const ADDON: &str = "agent-vault.node";

/// Two folders with `node_modules`.
pub struct Installed {
    /// The packages.
    pub package: PathBuf,
    /// What builds it and judges its types.
    pub tools: PathBuf,
}

/// Builds the packages and installs them, unless the environment names both folders already.
///
/// # Errors
///
/// When it does not build, or npm's registry has not what the lock file names.
pub fn installed(profile: Profile) -> Result<Installed, Failure> {
    if let (Some(package), Some(tools)) = (given(PACKAGE), given(TOOLS)) {
        return Ok(Installed { package, tools });
    }
    let node = Node::installed()?;
    let (tools, tarballs) = packed(&node, profile)?;
    let package = target_dir().join("peers").join(match profile {
        Profile::Dev => "node-test",
        Profile::Wheel => "node-bench",
    });
    install(&node, &tarballs, &package)?;
    Ok(Installed { package, tools })
}

/// Builds the packages as people get them, and says where they are.
///
/// # Errors
///
/// As [`installed`].
pub fn run(args: &[String]) -> Result<ExitCode, Failure> {
    if let Some(word) = args.first() {
        return Err(Failure::usage(format!("`node-package` takes no `{word}`")));
    }
    for tarball in packed(&Node::installed()?, Profile::Wheel)?.1 {
        println!("{}", tarball.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// The folder of the tools, and the two tarballs.
fn packed(node: &Node, profile: Profile) -> Result<(PathBuf, [PathBuf; 2]), Failure> {
    let tools = target_dir().join("peers").join("node-tools");
    node.ci(&root().join("sdk-node/tools"), &tools)?;
    // What people install lies apart from what is built for tests.
    let out = target_dir().join(match profile {
        Profile::Dev => "node-test-packed",
        Profile::Wheel => "node-packed",
    });
    let stage = out.join("stage");
    let (any, here) = (stage.join("any"), stage.join("here"));
    for folder in [&out, &any, &here] {
        renewed(folder)?;
    }
    compile(node, &tools, &any)?;
    addon(profile, &here)?;
    let tarballs = [pack(node, &any, &out, "agent-vault")?, pack(node, &here, &out, &Platform::here().package())?];
    Ok((tools, tarballs))
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

/// The package of the addon.
fn addon(profile: Profile, stage: &Path) -> Result<(), Failure> {
    let mut build = cargo();
    build.args(["build", "--locked"]);
    let folder = match profile {
        // As the tests are built, which needs all of it: for one package alone its dependencies would have other features,
        // and be built twice.
        Profile::Dev => {
            build.args(["--workspace", "--all-targets"]);
            "debug"
        }
        Profile::Wheel => {
            build.args(["--quiet", "--package", "agent-vault-node", "--profile", "wheel"]);
            "wheel"
        }
    };
    ended(&mut build, "the addon does not build")?;
    let file = format!("{}agent_vault_node{}", env::consts::DLL_PREFIX, env::consts::DLL_SUFFIX);
    let built = target_dir().join(folder).join(file);
    let here = Platform::here();
    std::fs::copy(&built, stage.join(ADDON)).context(built.display())?;
    std::fs::write(stage.join("package.json"), here.manifest()).context(stage.display())?;
    let readme = format!("# {}\n\nThe addon of the package `agent-vault` for this platform.\n", here.package());
    std::fs::write(stage.join("README.md"), readme).context(stage.display())
}

/// A platform as Node and npm name it.
struct Platform {
    os: &'static str,
    cpu: &'static str,
    /// The C library, which only Linux has several of.
    libc: Option<&'static str>,
}

impl Platform {
    fn here() -> Self {
        let os = match env::consts::OS {
            "macos" => "darwin",
            "windows" => "win32",
            other => other,
        };
        let cpu = match env::consts::ARCH {
            "x86_64" => "x64",
            "aarch64" => "arm64",
            other => other,
        };
        let libc = if cfg!(target_env = "musl") { "musl" } else { "glibc" };
        Self { os, cpu, libc: (os == "linux").then_some(libc) }
    }

    /// The name of the package, as `ts/native.ts` asks for it.
    fn package(&self) -> String {
        let libc = self.libc.map_or("", |libc| if libc == "musl" { "-musl" } else { "-gnu" });
        format!("agent-vault-{}-{}{libc}", self.os, self.cpu)
    }

    /// Its `package.json` (docs.npmjs.com, "package.json": `os`, `cpu`, `libc`): npm installs it nowhere else.
    fn manifest(&self) -> String {
        let libc = self.libc.map_or(String::new(), |libc| format!("  \"libc\": [\"{libc}\"],\n"));
        format!(
            "{{\n  \"name\": \"{}\",\n  \"version\": \"{}\",\n  \"description\": \"The addon of agent-vault for one \
             platform\",\n  \"license\": \"MIT\",\n  \"author\": \"the agent-vault authors\",\n  \"os\": [\"{}\"],\n  \
             \"cpu\": [\"{}\"],\n{libc}  \"main\": \"{ADDON}\",\n  \"files\": [\"{ADDON}\", \"README.md\"]\n}}\n",
            self.package(),
            env!("CARGO_PKG_VERSION"),
            self.os,
            self.cpu,
        )
    }
}

/// Packs a folder as for a registry; where the tarball is then.
fn pack(node: &Node, stage: &Path, out: &Path, name: &str) -> Result<PathBuf, Failure> {
    let mut pack = node.npm(stage);
    pack.args(["pack", "--silent", "--pack-destination"]).arg(out);
    ended(pack.stdout(Stdio::null()), "npm pack did not end well")?;
    let tarball = out.join(format!("{name}-{}.tgz", env!("CARGO_PKG_VERSION")));
    match tarball.is_file() {
        true => Ok(tarball),
        false => Err(Failure::new(format!("npm did not leave {}", tarball.display()))
            .with_hint("sdk-node/package.json has another version than this workspace")),
    }
}

/// Installs the packed files alone.
fn install(node: &Node, tarballs: &[PathBuf], package: &Path) -> Result<(), Failure> {
    renewed(package)?;
    std::fs::write(package.join("package.json"), "{\"private\": true}\n").context(package.display())?;
    let mut npm = node.npm(package);
    npm.args(["install", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error", "--silent"]).args(tarballs);
    ended(&mut npm, "the packed packages do not install")
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
