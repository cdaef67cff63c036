//! The hosts that a document names, and the place that Git asks a credential for.

use super::unusable;
use crate::error::{Error, Result};
use std::fmt;
use std::str::FromStr;

const HINT: &str = "name hosts as github.com, git.example.org:8443 or github.com/my-organisation";

/// Where a credential may be sent: `host`, `host:port`, either with `/path`, over https; with `http://` before it over
/// http instead, where everybody on the way can read it. Lower case, without wildcards. Without a port it is the protocol's
/// own; with a path it counts for what Git says is that path or lies below it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Host(String);

/// What Git asks a credential for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Whether it would go in the clear to another machine.
    clear: bool,
    /// With the port, where it is not the protocol's own.
    host: String,
    /// Only where Git says it (`credential.useHttpPath`).
    path: Option<String>,
}

impl Host {
    /// Whether a request is for this place: the very host and port, the path or one below it, and in the clear only where
    /// the owner says so.
    pub fn covers(&self, request: &Request) -> bool {
        let (clear, host, path) = self.parts();
        if clear != request.clear || host != request.host {
            return false;
        }
        match (path, &request.path) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(path), Some(asked)) => {
                let below = asked.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
                below && is_path(asked)
            }
        }
    }

    /// How closely it says what it is for: the longest path says most.
    pub fn depth(&self) -> usize {
        self.parts().2.map_or(0, str::len)
    }

    fn parts(&self) -> (bool, &str, Option<&str>) {
        parts(&self.0)
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for Host {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let refuse = |reason: &str| unusable("a host", text, reason, HINT);
        let (clear, host, path) = parts(text);
        if text.contains('*') {
            return Err(refuse("there are no wildcards: each host is named"));
        }
        if text.len() > 255 {
            return Err(refuse("it has more than 255 bytes"));
        }
        if host.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(refuse("hosts are written in lower case"));
        }
        let (name, port) = split(host).ok_or_else(|| refuse("it is no name or address with a port"))?;
        if !is_host(name) {
            return Err(refuse("it is no name or address"));
        }
        if clear && is_loopback(name) {
            return Err(refuse("leave out http:// for this very machine"));
        }
        if matches!(port, Some(443 | 80)) {
            return Err(refuse("leave out the port that is the protocol's own"));
        }
        if path.is_some_and(|path| !is_path(path)) {
            return Err(refuse(
                "its path has an empty segment, . or .., or other characters than letters, digits and ._~-",
            ));
        }
        Ok(Self(text.to_owned()))
    }
}

impl Request {
    /// A place, from what Git says of it.
    ///
    /// # Errors
    /// [`Error::Usage`] for another protocol than https and http, and for what is no host.
    pub fn new(protocol: &str, host: &str, path: Option<&str>) -> Result<Self> {
        let refuse = |reason: &str| unusable("a host", host, reason, HINT);
        let lower = host.to_ascii_lowercase();
        let (name, port) = split(&lower).ok_or_else(|| refuse("it is no name or address with a port"))?;
        if !is_host(name) {
            return Err(refuse("it is no name or address"));
        }
        let own = match protocol {
            "https" => 443,
            "http" => 80,
            other => {
                return Err(Error::Usage {
                    message: format!("no credential for the protocol {:?}", crate::error::printable(other)),
                    hint: "use https".into(),
                });
            }
        };
        let host = match port {
            Some(port) if port != own => format!("{name}:{port}"),
            _ => name.to_owned(),
        };
        let clear = protocol == "http" && !is_loopback(name);
        Ok(Self { clear, host, path: path.filter(|path| !path.is_empty()).map(str::to_owned) })
    }

    /// Whether the credential would go in the clear to another machine.
    pub fn is_clear(&self) -> bool {
        self.clear
    }

    /// The same over https.
    pub fn over_https(&self) -> Self {
        Self { clear: false, ..self.clone() }
    }

    /// The host that an owner would name for it.
    ///
    /// # Errors
    /// [`Error::Usage`] for what no owner can name, such as https on port 80.
    pub fn host(&self) -> Result<Host> {
        self.to_string().parse()
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let clear = if self.clear { CLEAR } else { "" };
        write!(f, "{clear}{}", self.host)
    }
}

/// How a host begins that an owner allows http for.
const CLEAR: &str = "http://";

/// Whether in the clear, the host with its port, and the path.
fn parts(text: &str) -> (bool, &str, Option<&str>) {
    let (clear, rest) = text.strip_prefix(CLEAR).map_or((false, text), |rest| (true, rest));
    let (host, path) = rest.split_once('/').map_or((rest, None), |(host, path)| (host, Some(path)));
    (clear, host, path)
}

/// The name and the port; nothing where the port is no port.
fn split(host: &str) -> Option<(&str, Option<u16>)> {
    let at = match host.strip_prefix('[') {
        Some(_) => host.find(']')? + 1,
        None => host.find(':').unwrap_or(host.len()),
    };
    let (name, rest) = host.split_at(at);
    if rest.is_empty() {
        return Some((name, None));
    }
    let digits = rest.strip_prefix(':')?;
    let port: u16 = digits.parse().ok()?;
    (port > 0 && digits == port.to_string()).then_some((name, Some(port)))
}

fn is_host(name: &str) -> bool {
    if let Some(address) = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
        return address.parse::<std::net::Ipv6Addr>().is_ok_and(|parsed| parsed.to_string() == address);
    }
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.len() <= 253 && name.split('.').all(label)
}

fn is_path(path: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._~-".contains(&byte);
    path.split('/').all(|segment| !matches!(segment, "" | "." | "..") && segment.bytes().all(plain))
}

fn is_loopback(name: &str) -> bool {
    let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    name == "localhost" || bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(text: &str) -> Host {
        text.parse().expect(text)
    }

    fn covers(entry: &str, protocol: &str, asked: &str, path: Option<&str>) -> bool {
        let entry = entry.parse::<Host>();
        Request::new(protocol, asked, path).is_ok_and(|request| entry.is_ok_and(|entry| entry.covers(&request)))
    }

    #[test]
    fn a_host_is_exactly_the_one_that_is_listed() {
        assert!(covers("github.com", "https", "github.com", None));
        assert!(covers("github.com", "https", "GitHub.com:443", Some("a/b.git")));
        assert!(covers("localhost:8080", "http", "localhost:8080", None));
        for asked in [
            "evil.github.com",
            "github.com.evil.org",
            "github.com:8443",
            "github.org",
            "github.com.",
            "xgithub.com",
            "gıthub.com",
            "xn--gthub-n4a.com",
            "github.com:80",
        ] {
            assert!(!covers("github.com", "https", asked, None), "{asked}");
        }
        assert!(!covers("git.example.org:8443", "https", "git.example.org", None));
    }

    #[test]
    fn nothing_is_sent_in_the_clear_but_to_this_machine() {
        for name in ["github.com", "localhost.evil.org", "127.0.0.1.evil.org", "localhost.", "10.0.0.1", "[::2]"] {
            assert!(!covers(name, "http", name, None), "{name}");
        }
        assert!(covers("http://git.lan:3000/a", "http", "git.lan:3000", Some("a/b")));
        assert!(covers("http://git.lan", "http", "git.lan:80", None));
        assert!(!covers("http://git.lan", "https", "git.lan", None));
        assert!(!covers("http://git.lan", "http", "git.lan:3000", None));
        for protocol in ["ftp", "ssh", "", "HTTPS", "cert"] {
            assert!(Request::new(protocol, "github.com", None).is_err(), "{protocol}");
        }
        for name in ["localhost", "127.0.0.1:81", "[::1]:8080"] {
            assert!(covers(name, "http", name, None), "{name}");
        }
    }

    #[test]
    fn a_path_counts_for_itself_and_what_lies_below() {
        let asks = |path| covers("github.com/acme", "https", "github.com", path);
        assert!(asks(Some("acme")) && asks(Some("acme/tool.git")));
        for path in [
            None,
            Some("acmeevil/x"),
            Some("acme/../evil/x"),
            Some("acme//x"),
            Some("acme/%2e%2e/evil"),
            Some("ACME/x"),
        ] {
            assert!(!asks(path), "{path:?}");
        }
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for text in [
            "",
            "*.example.org",
            "GitHub.com",
            "github.com:443",
            "github.com:0",
            "github.com:08",
            "a b",
            "a..b",
            "-a.org",
            "user@github.com",
            "https://github.com",
            "http://localhost",
            "http://127.0.0.1:8080",
            "http://git.lan:80",
            "http://",
            "HTTP://git.lan",
            "http:///x",
            "github.com/",
            "github.com/../x",
            "[::1",
            "[0::1]",
            "a\nb",
            "é.org",
        ] {
            assert!(text.parse::<Host>().is_err(), "{text:?}");
        }
        for text in [
            "github.com",
            "localhost:8080",
            "[::1]:8080",
            "10.0.0.1",
            "github.com/acme/tool.git",
            "http://git.lan:3000/x",
        ] {
            assert_eq!(host(text).to_string(), text);
        }
    }
}
