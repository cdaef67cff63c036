//! The servers: what each needs, how it starts, and that it listens.

use crate::{Host, PATIENCE, Transport, client, processes};
use std::fs::write;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A port may be taken between our choice and the server's use of it; then another is tried.
const TRIES: usize = 5;

impl Host {
    /// Keys, passwords and all that stays as it is when the server starts anew.
    pub(crate) fn prepare(&self) {
        match self.transport {
            Transport::Ssh => {
                for key in ["host", "user", "stranger"] {
                    let keygen = ["-q", "-t", "ed25519", "-N", "", "-C", "test", "-f"];
                    self.run(Command::new("ssh-keygen").args(keygen).arg(self.path(key)));
                }
                std::fs::copy(self.path("user.pub"), self.path("authorized_keys")).expect("a copy");
                self.make_privilege_folder();
            }
            Transport::Http => {
                write(self.path("passwords"), format!("{}:{}\n", client::USER, client::PASSWORD)).expect("a file");
            }
            Transport::File | Transport::Daemon => {}
        }
    }

    /// Where sshd wants to have a folder when root starts it; Debian makes it when the machine's own sshd starts.
    fn make_privilege_folder(&self) {
        if self.run(Command::new("id").arg("-u")).trim() == "0" {
            let _ = std::fs::create_dir_all("/run/sshd");
            let _ = std::fs::set_permissions("/run/sshd", std::fs::Permissions::from_mode(0o755));
        }
    }

    /// Starts the server (anew, if it was killed), at the address it had before unless that is taken.
    ///
    /// # Panics
    /// When it does not start.
    pub fn restart(&mut self) {
        self.kill();
        if self.transport == Transport::File {
            return;
        }
        let mut said = String::new();
        for _ in 0..TRIES {
            if self.port == 0 {
                self.port = free_port();
            }
            let log = std::fs::File::create(self.path("log")).expect("a file");
            let mut command = bound_to_us(&self.server());
            command.env_clear().envs(self.environment()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
            let child = command.spawn().unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
            match self.listens(child) {
                Ok(child) => {
                    self.server = Some(child);
                    return;
                }
                Err(()) => {
                    said = self.log();
                    self.port = 0;
                }
            }
        }
        panic!("the {:?} server does not start: {said}", self.transport);
    }

    /// What the server has said since it started.
    pub fn log(&self) -> String {
        std::fs::read(self.path("log")).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// Kills the server and everything that it started, in the middle of whatever it does. The address stays the same.
    pub fn kill(&mut self) {
        self.server.take().map(processes::kill_all).unwrap_or_default();
    }

    fn listens(&self, mut child: Child) -> Result<Child, ()> {
        let started = Instant::now();
        loop {
            if child.try_wait().expect("our own child").is_some() {
                return Err(());
            }
            if TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                // Another's port would answer as well, while ours ends because it could not have it.
                std::thread::sleep(Duration::from_millis(20));
                return match child.try_wait().expect("our own child") {
                    Some(_) => Err(()),
                    None => Ok(child),
                };
            }
            if started.elapsed() > PATIENCE {
                processes::kill_all(child);
                return Err(());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn server(&self) -> Command {
        match self.transport {
            Transport::Ssh => self.sshd(),
            Transport::Http => self.lighttpd(),
            Transport::File | Transport::Daemon => self.daemon(),
        }
    }

    fn sshd(&self) -> Command {
        let file = |name: &str| self.path(name).display().to_string();
        // sshd gives a session an environment of its own.
        let variables = self.environment();
        let variables = variables.iter().filter(|(name, _)| *name != "HOME");
        let variables: String = variables.map(|(name, value)| format!(" \"{name}={value}\"")).collect();
        let config = [
            format!("ListenAddress 127.0.0.1:{}", self.port),
            format!("HostKey {}", file("host")),
            format!("AuthorizedKeysFile {}", file("authorized_keys")),
            "AuthenticationMethods publickey".into(),
            "KbdInteractiveAuthentication no".into(),
            "PasswordAuthentication no".into(),
            "PermitRootLogin prohibit-password".into(),
            "PidFile none".into(),
            "StrictModes no".into(),
            "UsePAM no".into(),
            "MaxStartups 100".into(),
            "PrintMotd no".into(),
            format!("SetEnv{variables}"),
        ];
        write(self.path("sshd_config"), config.join("\n") + "\n").expect("a configuration");
        // sshd starts itself anew for each connection, and wants to know by which path.
        let mut command = Command::new(find("sshd"));
        command.args(["-D", "-e", "-f"]).arg(self.path("sshd_config"));
        command
    }

    fn lighttpd(&self) -> Command {
        let root = self.path("").display().to_string();
        let backend = self.run(self.git().arg("--exec-path")).trim().to_owned() + "/git-http-backend";
        let mut variables = self.environment();
        variables.push(("GIT_PROJECT_ROOT", self.path("repos").display().to_string()));
        variables.push(("GIT_HTTP_EXPORT_ALL", "1".into()));
        let variables: String =
            variables.iter().map(|(name, value)| format!("  \"{name}\" => \"{value}\",\n")).collect();
        let config = format!(
            r#"server.document-root = "{root}"
server.bind = "127.0.0.1"
server.port = {}
server.errorlog = "/dev/stderr"
server.upload-dirs = ( "{root}" )
server.modules = ( "mod_alias", "mod_setenv", "mod_auth", "mod_authn_file", "mod_cgi" )
auth.backend = "plain"
auth.backend.plain.userfile = "{root}/passwords"
auth.require = ( "" => ( "method" => "basic", "realm" => "vault", "require" => "valid-user" ) )
alias.url = ( "/git" => "{backend}" )
cgi.assign = ( "" => "" )
setenv.set-environment = (
{variables})
"#,
            self.port,
        );
        write(self.path("lighttpd.conf"), config).expect("a configuration");
        let mut command = Command::new(find("lighttpd"));
        command.args(["-D", "-f"]).arg(self.path("lighttpd.conf"));
        command
    }

    fn daemon(&self) -> Command {
        let repos = self.path("repos");
        let mut command = Command::new("git");
        command.args(["daemon", "--verbose", "--listen=127.0.0.1", &format!("--port={}", self.port), "--reuseaddr"]);
        command.args(["--export-all", "--enable=receive-pack", "--informative-errors"]);
        command.arg(format!("--base-path={}", repos.display())).arg(repos);
        command
    }
}

/// The command, killed when the test that started it is: a test program that is killed drops nothing.
fn bound_to_us(server: &Command) -> Command {
    let mut command = Command::new(server.get_program());
    if cfg!(target_os = "linux") {
        command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).arg(server.get_program());
    }
    command.args(server.get_args());
    command
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address").port()
}

/// A server's program: also where only root looks.
fn find(name: &str) -> std::path::PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let known = ["/usr/sbin", "/usr/local/sbin", "/sbin"].map(Into::into);
    let mut places = std::env::split_paths(&path).chain(known).map(|dir| dir.join(name));
    places.find(|file| file.is_file()).unwrap_or_else(|| panic!("{name} is not installed; `.ci/run` installs it"))
}
