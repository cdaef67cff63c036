//! Names of environment variables, and those that no env file may set.

use agent_vault_core::error::printable;
use agent_vault_core::{Error, Result};
use std::fmt;
use std::str::FromStr;

/// The name of a variable: letters, digits and `_`, not beginning with a digit (POSIX.1-2017, 3.235), 255 bytes at most.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(String);

impl Name {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a variable of this name decides what code programs run: where they are found, what is loaded into them,
    /// what shells and interpreters run before they begin. No env file sets one.
    pub fn runs_code(&self) -> bool {
        // Windows takes any case, and so do some readers elsewhere.
        let name = self.0.to_ascii_uppercase();
        EXACT.contains(&&*name) || BEGINNINGS.iter().any(|beginning| name.starts_with(beginning))
    }

    /// Whether a variable of this name is kept from a program that gets use-only values: all that [`Name::runs_code`] names,
    /// but for those without which hardly a program runs.
    pub fn is_kept_from_receivers(&self) -> bool {
        self.runs_code() && !["HOME", "PATH", "SYSTEMROOT", "TMPDIR"].contains(&&*self.0.to_ascii_uppercase())
    }
}

impl FromStr for Name {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let first = name.bytes().next().is_some_and(|byte| byte == b'_' || byte.is_ascii_alphabetic());
        let rest = name.bytes().all(|byte| byte == b'_' || byte.is_ascii_alphanumeric());
        if first && rest && name.len() <= 255 {
            return Ok(Self(name.to_owned()));
        }
        Err(Error::Usage {
            message: format!("{:?} is no name of a variable", printable(name)),
            hint: "use letters, digits and '_', and no digit at the beginning, such as DB_PASSWORD".into(),
        })
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// How names begin that loaders, Git, interpreters and this program keep to themselves.
const BEGINNINGS: [&str; 15] = [
    "AGENT_VAULT_",
    "BASH_FUNC_",
    "CORECLR_",
    "COR_",
    "DOTNET_",
    "DYLD_",
    "GIT_",
    "LD_",
    "LUA_",
    "MALLOC_",
    "NPM_CONFIG_",
    "PERL5",
    "PYTHON",
    "RUBY",
    "_RLD",
];

const EXACT: [&str; 51] = [
    "BASHOPTS",
    "BASH_ENV",
    "BROWSER",
    "CDPATH",
    "CLASSPATH",
    "COMSPEC",
    "EDITOR",
    "ENV",
    "FPATH",
    "GCONV_PATH",
    "GLOBIGNORE",
    "GRADLE_OPTS",
    "HOME",
    "HOSTALIASES",
    "IFS",
    "JAVA_OPTS",
    "JAVA_TOOL_OPTIONS",
    "JDK_JAVA_OPTIONS",
    "LESSCLOSE",
    "LESSOPEN",
    "LOCPATH",
    "MANPAGER",
    "MAVEN_OPTS",
    "NLSPATH",
    "NODE_EXTRA_CA_CERTS",
    "NODE_OPTIONS",
    "NODE_PATH",
    "OPENSSL_CONF",
    "OPENSSL_MODULES",
    "PAGER",
    "PATH",
    "PATHEXT",
    "PERLLIB",
    "PHPRC",
    "PHP_INI_SCAN_DIR",
    "PROMPT_COMMAND",
    "PS4",
    "PSMODULEPATH",
    "RUSTC",
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTC_WRAPPER",
    "RUSTFLAGS",
    "SHELL",
    "SHELLOPTS",
    "SSH_ASKPASS",
    "SUDO_ASKPASS",
    "SYSTEMROOT",
    "TMPDIR",
    "VISUAL",
    "ZDOTDIR",
    "_JAVA_OPTIONS",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_decides_which_code_runs_is_told_from_what_does_not() {
        for name in
            ["PATH", "Path", "LD_PRELOAD", "DYLD_INSERT_LIBRARIES", "GIT_SSH_COMMAND", "BASH_ENV", "NODE_OPTIONS"]
        {
            assert!(name.parse::<Name>().unwrap().runs_code(), "{name}");
        }
        for name in [
            "PYTHONPATH",
            "PYTHONSTARTUP",
            "PERL5OPT",
            "RUBYOPT",
            "AGENT_VAULT_KEY",
            "ld_audit",
            "npm_config_script_shell",
        ] {
            assert!(name.parse::<Name>().unwrap().runs_code(), "{name}");
        }
        for name in ["DB_PASSWORD", "GITHUB_TOKEN", "PATHS", "OLD_KEY", "HOMEPAGE", "ENVIRONMENT", "SHELL_TOKEN", "_"] {
            assert!(!name.parse::<Name>().unwrap().runs_code(), "{name}");
        }
        assert!(EXACT.is_sorted() && BEGINNINGS.is_sorted());
    }

    #[test]
    fn a_name_is_letters_digits_and_underscores() {
        for name in ["", "1A", "A-B", "A B", "A=B", "É", "A\n", "BASH_FUNC_x%%", &"A".repeat(256)] {
            assert!(name.parse::<Name>().is_err(), "{name:?}");
        }
    }
}
