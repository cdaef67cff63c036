//! What the model may do: which tools, which secrets, which programs. Said when the server starts; nothing that is sent to it
//! changes them.

use agent_vault_core::error::printable;
use agent_vault_core::name::{matches, nearest};
use agent_vault_core::purpose::Program;
use agent_vault_core::{Error, Result, SecretPath};
use std::ffi::OsStr;
use std::path::PathBuf;

/// A tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tool {
    /// `agent_vault_get`
    Get,
    /// `agent_vault_list`
    List,
    /// `agent_vault_whoami`
    Whoami,
    /// `agent_vault_check`
    Check,
    /// `agent_vault_exec`
    Exec,
}

/// What the tools' names begin with.
const PREFIX: &str = "agent_vault_";

impl Tool {
    /// All of them, in the order in which they are listed.
    pub const ALL: [Tool; 5] = [Tool::Get, Tool::List, Tool::Whoami, Tool::Check, Tool::Exec];

    /// Its name on the command line.
    pub fn short(self) -> &'static str {
        &self.name()[PREFIX.len()..]
    }

    /// Its name in the protocol.
    pub fn name(self) -> &'static str {
        match self {
            Tool::Get => "agent_vault_get",
            Tool::List => "agent_vault_list",
            Tool::Whoami => "agent_vault_whoami",
            Tool::Check => "agent_vault_check",
            Tool::Exec => "agent_vault_exec",
        }
    }

    /// The tool of a name in the protocol.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|tool| tool.name() == name)
    }

    /// Reads either name.
    ///
    /// # Errors
    /// What is wrong, and what there is.
    pub fn parse(name: &str) -> Result<Self, String> {
        let bare = name.strip_prefix(PREFIX).unwrap_or(name);
        Self::ALL.into_iter().find(|tool| tool.short() == bare).ok_or_else(|| {
            let near = nearest(bare, Self::ALL.iter().map(|tool| tool.short()));
            let meant = near.map(|near| format!("; did you mean {near:?}?")).unwrap_or_default();
            format!("there is no tool {:?}{meant} There are get, list, whoami, check, exec", printable(name))
        })
    }
}

/// A program that may be run: as it was named, and the file that was found then.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Allowed {
    name: String,
    file: PathBuf,
}

/// The rules of one server.
#[derive(Debug, Clone)]
pub struct Rules {
    tools: Vec<Tool>,
    /// Patterns of secrets; all secrets where there are none.
    secrets: Vec<String>,
    programs: Vec<Allowed>,
}

impl Rules {
    /// The rules of these flags. Programs are found now, so that what `PATH` holds later does not count.
    ///
    /// # Errors
    /// [`Error::Usage`] for what contradicts itself; [`Error::NotFound`] for a program that is not there.
    pub fn new(tools: &[Tool], secrets: &[String], programs: &[String]) -> Result<Self> {
        let mut tools = tools.to_vec();
        if tools.is_empty() {
            tools = Tool::ALL.into_iter().filter(|tool| *tool != Tool::Exec || !programs.is_empty()).collect();
        }
        tools.sort_unstable();
        tools.dedup();
        if tools.contains(&Tool::Exec) && programs.is_empty() {
            return Err(Error::Usage {
                message: "the tool exec runs only programs that --exec-allow names, and none is named".into(),
                hint: "add --exec-allow PROGRAM, or leave exec out of --tools".into(),
            });
        }
        if !programs.is_empty() && !tools.contains(&Tool::Exec) {
            return Err(Error::Usage {
                message: "--exec-allow names programs, and the tool exec is not among --tools".into(),
                hint: "add exec to --tools, or leave --exec-allow out".into(),
            });
        }
        if let Some(pattern) = secrets.iter().find(|pattern| pattern.is_empty()) {
            return Err(Error::Usage {
                message: format!("--allow {pattern:?} fits no secret"),
                hint: "name a secret, or a pattern such as 'stripe/*'".into(),
            });
        }
        let programs = programs.iter().map(|name| Allowed::find(name)).collect::<Result<_>>()?;
        Ok(Self { tools, secrets: secrets.to_vec(), programs })
    }

    /// The tools that there are.
    pub fn tools(&self) -> &[Tool] {
        &self.tools
    }

    /// Whether there are secrets that the server has nothing to do with.
    pub fn is_narrow(&self) -> bool {
        !self.secrets.is_empty()
    }

    /// Whether the server has anything to do with a secret.
    pub fn allows(&self, path: &str) -> bool {
        self.secrets.is_empty() || self.secrets.iter().any(|pattern| matches(pattern, path))
    }

    /// The same, as an error that says what to do.
    ///
    /// # Errors
    /// [`Error::Withheld`].
    pub fn check(&self, path: &SecretPath) -> Result<()> {
        if self.allows(path.as_str()) {
            return Ok(());
        }
        Err(Error::Withheld {
            name: path.to_string(),
            reason: "this server was started for other secrets".into(),
            hint: format!("ask the user to add --allow {path} to the server's command line"),
        })
    }

    /// The file that runs for a program that the model names: as the user named it, or by its whole path.
    ///
    /// # Errors
    /// [`Error::Usage`].
    pub fn program(&self, named: &str) -> Result<&std::path::Path> {
        let found = self.programs.iter().find(|allowed| allowed.name == named || allowed.file.as_os_str() == named);
        found.map(|allowed| allowed.file.as_path()).ok_or_else(|| {
            let names: Vec<&str> = self.programs.iter().map(|allowed| allowed.name.as_str()).collect();
            Error::Usage {
                message: format!("{:?} is not among the programs that this server runs", printable(named)),
                hint: format!("it runs {}; the user can add --exec-allow", names.join(", ")),
            }
        })
    }

    /// The names of the programs, as the user gave them.
    pub fn programs(&self) -> impl Iterator<Item = &str> {
        self.programs.iter().map(|allowed| allowed.name.as_str())
    }
}

impl Allowed {
    fn find(name: &str) -> Result<Self> {
        let program = Program::find(OsStr::new(name), std::env::var_os("PATH").as_deref())?;
        Ok(Self { name: name.to_owned(), file: program.path().to_path_buf() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(tools: &[Tool], secrets: &[&str], programs: &[&str]) -> Result<Rules> {
        let texts = |texts: &[&str]| texts.iter().map(ToString::to_string).collect::<Vec<_>>();
        Rules::new(tools, &texts(secrets), &texts(programs))
    }

    #[test]
    fn without_a_program_there_is_no_exec_and_with_one_there_is() {
        assert_eq!(rules(&[], &[], &[]).unwrap().tools(), &Tool::ALL[..4]);
        assert_eq!(rules(&[], &[], &["cargo"]).unwrap().tools(), &Tool::ALL[..]);
        assert!(rules(&[Tool::Exec], &[], &[]).is_err());
        assert!(rules(&[Tool::List], &[], &["cargo"]).is_err());
        assert!(rules(&[], &[], &["no-such-program-anywhere"]).is_err());
        assert_eq!(rules(&[Tool::List, Tool::Get, Tool::List], &[], &[]).unwrap().tools(), [Tool::Get, Tool::List]);
    }

    #[test]
    fn only_secrets_that_fit_a_pattern_are_the_servers_business() {
        let rules = rules(&[], &["stripe/*", "db/password"], &[]).unwrap();
        for (path, allowed) in [
            ("stripe/api-key", true),
            ("stripe/a/b", true),
            ("db/password", true),
            ("db/password2", false),
            ("x/stripe/a", false),
        ] {
            assert_eq!(rules.check(&path.parse().unwrap()).is_ok(), allowed, "{path}");
        }
        let Err(error) = rules.check(&"db/x".parse().unwrap()) else { panic!("allowed") };
        assert_eq!((error.code(), error.class().to_string()), ("withheld", "not-authorized".into()));
        assert!(super::Rules::new(&[], &[String::new()], &[]).is_err());
    }

    #[test]
    fn a_program_runs_by_its_name_or_its_path_and_by_nothing_else() {
        let rules = rules(&[], &[], &["cargo"]).unwrap();
        let file = rules.program("cargo").unwrap().to_owned();
        assert!(file.is_absolute());
        assert_eq!(rules.program(file.to_str().unwrap()).unwrap(), file);
        for other in ["sh", "./cargo", "../cargo", "cargo ", "CARGO", "", "/tmp/cargo", "cargo\0", "cargo; sh"] {
            assert!(rules.program(other).is_err(), "{other:?}");
        }
    }

    #[test]
    fn tools_have_two_names_and_a_mistyped_one_is_told_what_there_is() {
        assert_eq!(Tool::parse("get"), Ok(Tool::Get));
        assert_eq!(Tool::parse("agent_vault_exec"), Ok(Tool::Exec));
        assert!(Tool::parse("lst").unwrap_err().contains("did you mean \"list\"?"));
        assert_eq!(Tool::named("get"), None, "the protocol knows the whole name only");
    }
}
