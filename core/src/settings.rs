//! What a person sets for this machine: `config.yaml` in the home, never in a repository.
//!
//! One `key: value` a line, in any order, which is YAML; comments and empty lines stay where they are. What is not
//! understood is an error that names file and line: a setting that is silently not in force is worse than none. An absent
//! file is the defaults.

use crate::error::{Error, Result, printable};
use crate::home::{self, Home};
use crate::name::{VaultAlias, nearest};
use crate::vault::is_address;
use crate::yaml;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

#[cfg(test)]
mod tests;

/// The largest file that is read.
const LARGEST: u64 = 64 << 10;

/// What can be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// How old a fetched state may be before a read fetches anew.
    MaxAge,
    /// Whether a change is pushed at once.
    Push,
    /// How long a fetch may take that nobody asked for.
    FetchTimeout,
}

impl Key {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Key; 3] = [Key::MaxAge, Key::Push, Key::FetchTimeout];

    /// As it stands in the file, such as `sync.max_age`.
    pub fn name(self) -> &'static str {
        match self {
            Key::MaxAge => "sync.max_age",
            Key::Push => "sync.push",
            Key::FetchTimeout => "sync.fetch_timeout",
        }
    }

    /// What it means, in a few words.
    pub fn about(self) -> &'static str {
        match self {
            Key::MaxAge => "a read fetches anew after this long",
            Key::Push => "auto: push each change; manual: with `sync`",
            Key::FetchTimeout => "when to give up a fetch nobody asked for",
        }
    }

    /// What it can be set to, in a few words.
    pub fn expects(self) -> &'static str {
        match self {
            Key::MaxAge => "a span from 0s to 30d: a whole number with s, m, h or d",
            Key::Push => "manual or auto",
            Key::FetchTimeout => "a span from 1s to 10m: a whole number with s, m, h or d",
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Key {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let known = Key::ALL.into_iter().find(|key| key.name() == name);
        known.ok_or_else(|| Error::NotFound { what: "setting", name: printable(name), near: near(name) })
    }
}

/// What a line of the file may be about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Name {
    /// One of the settings that there always are.
    Key(Key),
    /// `vaults.ALIAS`: where the vault of that alias is, an absolute path or an address that git takes.
    Vault(VaultAlias),
}

/// How the names of aliases begin.
const VAULTS: &str = "vaults.";

impl Name {
    /// What it means, in a few words.
    pub fn about(&self) -> &'static str {
        match self {
            Name::Key(key) => key.about(),
            Name::Vault(_) => "another vault, for references",
        }
    }

    /// What it can be set to, in a few words.
    pub fn expects(&self) -> &'static str {
        match self {
            Name::Key(key) => key.expects(),
            Name::Vault(_) => "the absolute path of a folder, or an address that git takes",
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Name::Key(key) => key.fmt(f),
            Name::Vault(alias) => f.pad(&format!("{VAULTS}{alias}")),
        }
    }
}

impl FromStr for Name {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        match name.strip_prefix(VAULTS) {
            Some(alias) => alias.parse().map(Name::Vault),
            None => name.parse().map(Name::Key),
        }
    }
}

fn near(name: &str) -> Option<String> {
    nearest(name, Key::ALL.map(Key::name))
}

/// A length of time as a person writes it: `60s`, `5m`, `12h`, `2d`, or `0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    count: u32,
    unit: char,
}

impl Span {
    /// So many seconds.
    const fn seconds(count: u32) -> Self {
        Self { count, unit: 's' }
    }

    /// `None` for what is none, or is longer than the longest or shorter than the shortest (in seconds).
    fn within(text: &str, shortest: u64, longest: u64) -> Option<Self> {
        let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
        let unit = match &text[digits.len()..] {
            "s" | "m" | "h" | "d" => text.chars().last()?,
            "" if digits == "0" => 's',
            _ => return None,
        };
        let is_plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        let span = Self { count: digits.parse().ok().filter(|_| is_plain)?, unit };
        (shortest..=longest).contains(&span.duration().as_secs()).then_some(span)
    }

    /// The same for a clock.
    pub fn duration(self) -> Duration {
        let unit = match self.unit {
            'm' => 60,
            'h' => 3_600,
            'd' => 86_400,
            _ => 1,
        };
        Duration::from_secs(u64::from(self.count) * unit)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.count, self.unit)
    }
}

/// When a change is pushed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Push {
    /// When a person says so.
    Manual,
    /// At once.
    Auto,
}

impl fmt::Display for Push {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Push::Manual => "manual",
            Push::Auto => "auto",
        })
    }
}

/// The settings that are in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// `sync.max_age`: a state that was fetched longer ago is fetched anew before a read. 60 s unless set, 30 days at most;
    /// zero fetches before every read.
    pub max_age: Span,
    /// `sync.push`: manual unless set.
    pub push: Push,
    /// `sync.fetch_timeout`: a fetch that nobody asked for is given up after this long. 5 s unless set, 1 s to 10 minutes.
    pub fetch_timeout: Span,
    /// `vaults.ALIAS`: other vaults, by the names that references call them by. None unless set.
    pub vaults: BTreeMap<VaultAlias, String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_age: Span::seconds(60),
            push: Push::Manual,
            fetch_timeout: Span::seconds(5),
            vaults: BTreeMap::new(),
        }
    }
}

impl Settings {
    /// What is set in a home; the defaults where nothing is.
    ///
    /// # Errors
    /// [`Error::Usage`] with file and line for what is not understood; [`Error::Io`].
    pub fn load(home: &Home) -> Result<Self> {
        Ok(File::read(home)?.settings()?.0)
    }

    /// The text of a setting; none for an alias that is not set.
    pub fn text(&self, name: &Name) -> Option<String> {
        match name {
            Name::Key(key) => Some(self.text_of(*key)),
            Name::Vault(alias) => self.vaults.get(alias).cloned(),
        }
    }

    fn text_of(&self, key: Key) -> String {
        match key {
            Key::MaxAge => self.max_age.to_string(),
            Key::Push => self.push.to_string(),
            Key::FetchTimeout => self.fetch_timeout.to_string(),
        }
    }

    /// Takes a value; nothing changes when it is none of this setting's.
    fn take(&mut self, name: &Name, value: &str) -> Option<()> {
        let key = match name {
            Name::Key(key) => *key,
            Name::Vault(alias) => {
                // A relative path would be another vault in another folder.
                let named = is_address(value) || Path::new(value).is_absolute();
                let plain = value.chars().all(yaml::is_plain) && value.trim() == value;
                return (named && plain).then(|| drop(self.vaults.insert(alias.clone(), value.to_owned())));
            }
        };
        match key {
            Key::MaxAge => self.max_age = Span::within(value, 0, 30 * 86_400)?,
            Key::FetchTimeout => self.fetch_timeout = Span::within(value, 1, 600)?,
            Key::Push => {
                self.push = [Push::Manual, Push::Auto].into_iter().find(|push| push.to_string() == value)?;
            }
        }
        Some(())
    }
}

/// One setting as it is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Which.
    pub name: Name,
    /// What holds.
    pub value: String,
    /// What holds where nothing is set.
    pub default: String,
    /// Whether the file says so.
    pub is_set: bool,
}

/// Every setting, in the order of [`Key::ALL`], then the aliases.
///
/// # Errors
/// As [`Settings::load`].
pub fn all(home: &Home) -> Result<Vec<Entry>> {
    let (settings, set) = File::read(home)?.settings()?;
    let default = Settings::default();
    let names = Key::ALL.into_iter().map(Name::Key).chain(settings.vaults.keys().cloned().map(Name::Vault));
    let entry = |name: Name| Entry {
        value: settings.text(&name).unwrap_or_default(),
        default: default.text(&name).unwrap_or_default(),
        is_set: set.contains(&name),
        name,
    };
    Ok(names.map(entry).collect())
}

/// Sets a value and returns it as it was written. The other lines stay as they are.
///
/// # Errors
/// [`Error::Usage`] for a value that the setting does not take, and for a file that is not understood as it is;
/// [`Error::Io`].
pub fn set(home: &Home, name: &Name, value: &str) -> Result<String> {
    let mut settings = Settings::default();
    settings.take(name, value).ok_or_else(|| Error::Usage {
        message: format!("{name} cannot be {:?}", printable(value)),
        hint: format!("give {}", name.expects()),
    })?;
    let value = settings.text(name).unwrap_or_default();
    let mut file = File::read(home)?;
    file.settings()?;
    let name = name.to_string();
    let line = format!("{name}: {value}");
    match file.lines.iter_mut().find(|line| name_of(line) == Some(&name)) {
        Some(old) => *old = line,
        None => file.lines.push(line),
    }
    file.write()?;
    Ok(value)
}

/// Takes a setting out of the file, also one of a name that is none (any more) or with a value that is not understood.
/// Whether it was there.
///
/// # Errors
/// [`Error::NotFound`] for a name that neither is a setting nor stands in the file; [`Error::Io`].
pub fn unset(home: &Home, name: &str) -> Result<bool> {
    let mut file = File::read(home)?;
    let before = file.lines.len();
    file.lines.retain(|line| name_of(line) != Some(name));
    if file.lines.len() == before {
        return name.parse::<Name>().map(|_| false);
    }
    file.write()?;
    Ok(true)
}

/// The file's lines, understood or not.
struct File {
    path: PathBuf,
    lines: Vec<String>,
}

impl File {
    fn read(home: &Home) -> Result<Self> {
        let path = home.config();
        let lines = match std::fs::File::open(&path) {
            Ok(file) => lines(&path, file)?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(Error::Io { action: "read", path, source: error }),
        };
        Ok(Self { path, lines })
    }

    /// What the lines say, and of which settings.
    fn settings(&self) -> Result<(Settings, Vec<Name>)> {
        let mut settings = Settings::default();
        let mut set = Vec::new();
        for (number, line) in self.lines.iter().enumerate() {
            let wrong = |what: String, hint: String| Error::Usage {
                message: format!("{}, line {}: {what}", self.path.display(), number + 1),
                hint,
            };
            if line.trim().is_empty() || line.trim_start().starts_with('#') {
                continue;
            }
            let Some((name, value)) = line.split_once(':').map(|(name, value)| (name, value.trim())) else {
                return Err(wrong("this is no setting".into(), "write `key: value`, such as `sync.push: auto`".into()));
            };
            let name = match name.parse::<Name>() {
                Ok(name) => name,
                Err(error @ Error::InvalidName { .. }) => return Err(wrong(error.to_string(), error.hint())),
                Err(_) => {
                    let hint = match near(name) {
                        Some(near) => format!("did you mean {near:?}?"),
                        None => {
                            format!("remove the line; there are {}, {VAULTS}ALIAS", Key::ALL.map(Key::name).join(", "))
                        }
                    };
                    return Err(wrong(format!("there is no setting {:?}", printable(name)), hint));
                }
            };
            if set.contains(&name) {
                return Err(wrong(format!("{name} is set twice"), "remove one of the lines".into()));
            }
            let taken = settings.take(&name, value);
            taken.ok_or_else(|| {
                wrong(format!("{name} cannot be {:?}", printable(value)), format!("give {}", name.expects()))
            })?;
            set.push(name);
        }
        Ok((settings, set))
    }

    fn write(&self) -> Result<()> {
        let text: String = self.lines.iter().map(|line| format!("{line}\n")).collect();
        home::replace_private(&self.path, text.as_bytes(), true)
    }
}

/// The name before the colon of a line that is no comment.
fn name_of(line: &str) -> Option<&str> {
    line.split_once(':').map(|(name, _)| name).filter(|name| !name.trim_start().starts_with('#'))
}

/// The lines of a file of text; hidden characters are refused with their line.
fn lines(path: &Path, file: std::fs::File) -> Result<Vec<String>> {
    use std::io::Read;
    let mut bytes = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(Error::io("read", path))?;
    let wrong = |what: String| Error::Usage {
        message: format!("{}{what}", path.display()),
        hint: "write it anew as plain text, or remove it: the defaults hold without it".into(),
    };
    if bytes.len() as u64 > LARGEST {
        return Err(wrong(format!(" has more than {LARGEST} bytes")));
    }
    let text = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let line = |(number, line): (usize, &[u8])| {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let text = std::str::from_utf8(line).ok().filter(|text| text.chars().all(|c| yaml::is_plain(c) || c == '\t'));
        text.map(str::to_owned).ok_or_else(|| wrong(format!(", line {}: this is no plain text", number + 1)))
    };
    text.split(|byte| *byte == b'\n').enumerate().map(line).collect()
}
