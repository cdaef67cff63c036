//! Git's credential protocol (git-credential(1), "INPUT/OUTPUT FORMAT"), read strictly: what a URL could smuggle into a
//! line must not become another line's meaning (CVE-2020-5260, CVE-2024-52006).

use crate::field;
use crate::reference::Field;
use agent_vault_core::purpose::Request;
use agent_vault_core::{Error, Result, SecretBytes, Timestamp};

/// The user where neither the URL nor the value names one: forges take any with a token.
pub const USER: &str = "git";
/// The most bytes that Git is listened to for.
pub const LARGEST: usize = 64 << 10;

/// What Git says.
#[derive(Debug)]
pub struct Asked {
    /// For which place.
    pub request: Request,
    /// For which user, if the URL says so.
    pub username: Option<String>,
    /// What a server accepted or refused; only `store` and `erase` have one.
    pub password: Option<SecretBytes>,
    /// Whether it is good for a while only, and not worth keeping.
    pub passing: bool,
}

/// What Git is answered.
#[derive(Debug)]
pub struct Answer {
    /// The user.
    pub username: String,
    /// The password.
    pub password: SecretBytes,
    /// How the value says it.
    pub form: Form,
}

/// How a value says a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// All of it is the password.
    Whole,
    /// As [`Answer::value`] makes it.
    Made,
    /// In fields, beside whatever else there is.
    Fields,
}

impl Asked {
    /// Reads what Git writes. Keys that are not known (`capability[]`, `wwwauth[]`) are passed over.
    ///
    /// # Errors
    /// [`Error::Usage`] for a line that is none, a carriage return or NUL, a key that comes twice, and a place that no
    /// credential is sent to ([`Request::new`]).
    pub fn parse(input: &[u8]) -> Result<Self> {
        let [mut protocol, mut host, mut path, mut username, mut password, mut expiry] = [const { None }; 6];
        if input.len() > LARGEST {
            return Err(malformed("it is longer than 64 KiB"));
        }
        if input.iter().any(|byte| matches!(byte, b'\r' | b'\0')) {
            return Err(malformed("it holds a carriage return or NUL"));
        }
        let body = match input.windows(2).position(|pair| pair == b"\n\n") {
            Some(end) => &input[..end],
            None => input.strip_suffix(b"\n").ok_or_else(|| malformed("its last line does not end"))?,
        };
        for line in body.split(|byte| *byte == b'\n') {
            let at = line.iter().position(|byte| *byte == b'=').ok_or_else(|| malformed("a line has no ="))?;
            let (key, value) = (&line[..at], &line[at + 1..]);
            let place = match key {
                b"protocol" => &mut protocol,
                b"host" => &mut host,
                b"path" => &mut path,
                b"username" => &mut username,
                b"password" => &mut password,
                b"password_expiry_utc" => &mut expiry,
                _ => continue,
            };
            if place.replace(value).is_some() {
                return Err(malformed("a key comes twice"));
            }
        }
        let text = |value: Option<&[u8]>| -> Result<Option<String>> {
            let text = value.map(|value| std::str::from_utf8(value).map(str::to_owned)).transpose();
            text.map_err(|_| malformed("it is not UTF-8"))
        };
        let (Some(protocol), Some(host)) = (text(protocol)?, text(host)?) else {
            return Err(malformed("it names no protocol and host"));
        };
        Ok(Self {
            request: Request::new(&protocol, &host, text(path)?.as_deref())?,
            username: text(username)?.filter(|name| !name.is_empty()),
            password: password.map(|value| SecretBytes::new(value.to_vec())),
            passing: expiry.is_some(),
        })
    }
}

fn malformed(what: &str) -> Error {
    Error::Usage {
        message: format!("this is not what Git asks: {what}"),
        hint: "git calls this command: see docs/git-credential.md".into(),
    }
}

impl Answer {
    /// What a value says: its fields `password` (or `token`) and `user` (or `username`), or all of it as the password, but
    /// for one trailing newline. Nothing for the value of another user than the one who is asked for.
    ///
    /// # Errors
    /// [`Error::Usage`] for a value that has neither field and is no single line.
    pub fn of(value: &SecretBytes, asked: Option<&str>) -> Result<Option<Self>> {
        let first = |names: [&str; 2]| {
            let found = names.iter().map(|name| field::of(value, &Field::named(name)));
            found.into_iter().find_map(Result::ok)
        };
        let password = first(["password", "token"]);
        let user = password.as_ref().and_then(|_| first(["user", "username"]));
        let username = match user {
            Some(user) => {
                let user = String::from_utf8(user.expose().to_vec()).map_err(|_| unfit("its user is not UTF-8"))?;
                if asked.is_some_and(|asked| asked != user) {
                    return Ok(None);
                }
                user
            }
            None => asked.unwrap_or(USER).to_owned(),
        };
        let mut form = Form::Fields;
        let password = match password {
            Some(password) => password,
            None if value.expose().starts_with(b"{") => return Err(unfit("it has no field password or token")),
            None => {
                let mut whole = SecretBytes::new(value.expose().to_vec());
                whole.trim_newline();
                form = Form::Whole;
                whole
            }
        };
        let breaks = |bytes: &[u8]| bytes.iter().any(|byte| matches!(byte, b'\n' | b'\r' | b'\0'));
        if breaks(password.expose()) || breaks(username.as_bytes()) {
            return Err(unfit("a password of several lines cannot be said to Git"));
        }
        if password.is_empty() || username.is_empty() {
            return Err(unfit("its user or password is empty"));
        }
        if Self::value(&username, &password).is_ok_and(|made| made.expose() == value.expose()) {
            form = Form::Made;
        }
        Ok(Some(Self { username, password, form }))
    }

    /// The lines for Git. It passes over what expired.
    pub fn render(&self, expires: Option<Timestamp>) -> SecretBytes {
        let expires = expires.map(|time| format!("password_expiry_utc={}\n", time.unix())).unwrap_or_default();
        let password = [b"\npassword=", self.password.expose(), b"\n"];
        let lines = [&[&b"username="[..], self.username.as_bytes()][..], &password[..], &[expires.as_bytes()]].concat();
        SecretBytes::new(lines.concat())
    }

    /// The value that says this: a JSON object with `user` and `password`.
    ///
    /// # Errors
    /// [`Error::Usage`] for a password that is not UTF-8.
    pub fn value(username: &str, password: &SecretBytes) -> Result<SecretBytes> {
        let password = std::str::from_utf8(password.expose()).map_err(|_| unfit("it is not UTF-8"))?;
        let quoted = |text: &str| serde_json::to_vec(text).map(SecretBytes::new).map_err(|_| unfit("it is no text"));
        let (user, password) = (quoted(username)?, quoted(password)?);
        Ok(SecretBytes::new([b"{\"user\":", user.expose(), b",\"password\":", password.expose(), b"}"].concat()))
    }
}

fn unfit(what: &str) -> Error {
    Error::Usage {
        message: format!("the value is no credential for Git: {what}"),
        hint: "store the token alone, or {\"user\": …, \"password\": …}".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> SecretBytes {
        SecretBytes::new(text.as_bytes().to_vec())
    }

    fn said(value: &str, user: Option<&str>) -> Option<String> {
        let answer = Answer::of(&secret(value), user).unwrap()?;
        Some(String::from_utf8(answer.render(None).expose().to_vec()).unwrap())
    }

    #[test]
    fn what_git_says_is_read() {
        let asked = Asked::parse(
            b"capability[]=authtype\nprotocol=https\nhost=github.com\npath=a/b.git\nusername=ann\nwwwauth[]=Basic realm=\"=\"\n\n",
        );
        let asked = asked.unwrap();
        assert_eq!((asked.request.to_string(), asked.username.as_deref()), ("github.com".into(), Some("ann")));
        assert_eq!(Asked::parse(b"protocol=https\nhost=a\npassword=x=y\n").unwrap().password.unwrap().expose(), b"x=y");
    }

    #[test]
    fn a_line_that_was_smuggled_in_is_refused() {
        for input in [
            &b"protocol=https\nhost=evil.org\nhost=github.com\n"[..],
            b"protocol=https\nhost=evil.org\rhost=github.com\n",
            b"protocol=https\nhost=evil.org\r\n",
            b"protocol=https\nhost=github.com\0evil.org\n",
            b"protocol=https\nhost=github.com",
            b"protocol=https\nhost=\n",
            b"protocol=https\n\nhost=github.com\n",
            b"protocol=https\nhost\n",
            b"protocol=https\nprotocol=https\nhost=github.com\n",
            b"host=github.com\n",
            b"protocol=https\nhost=git\xffhub.com\n",
            b"protocol=https\nhost=a@github.com\n",
            b"",
            b"\n",
        ] {
            assert!(Asked::parse(input).is_err(), "{:?}", String::from_utf8_lossy(input));
        }
    }

    #[test]
    fn a_value_says_who_and_with_what() {
        assert_eq!(said("tok\n", None).unwrap(), "username=git\npassword=tok\n");
        assert_eq!(said("tok", Some("ann")).unwrap(), "username=ann\npassword=tok\n");
        assert_eq!(said("{\"user\": \"bob\", \"token\": \"t\"}", None).unwrap(), "username=bob\npassword=t\n");
        assert_eq!(said("username=bob\npassword=p\n", Some("bob")).unwrap(), "username=bob\npassword=p\n");
        assert_eq!(said("{\"user\": \"bob\", \"password\": \"p\"}", Some("ann")), None);
    }

    #[test]
    fn a_value_cannot_say_another_line() {
        for value in [
            "tok\nquit=1",
            "{\"password\": \"a\\nhost=evil\"}",
            "{\"user\": \"a\\nb\", \"password\": \"p\"}",
            "{\"x\": 1}",
            "",
            "a\rb",
        ] {
            assert!(Answer::of(&secret(value), None).is_err(), "{value:?}");
        }
    }

    #[test]
    fn what_is_stored_is_answered() {
        let value = Answer::value("a\"b", &secret("p\\q")).unwrap();
        let answer = Answer::of(&value, None).unwrap().unwrap();
        assert_eq!(answer.form, Form::Made);
        assert_eq!((answer.username.as_str(), answer.password.expose()), ("a\"b", &b"p\\q"[..]));
    }
}
