//! `git-credential`: what Git asks a credential helper (gitcredentials(7)).
//!
//! Nothing here looks at a remote: Git is talking to one, and would ask this helper again.

use crate::app::GitCredential;
use crate::exit::{Code, Outcome};
use crate::output;
use crate::setting::Setting;
use agent_vault_core::purpose::Host;
use agent_vault_core::vault::SetRequest;
use agent_vault_core::{Class, Error, Identities, Purpose, Result, SecretBytes, SecretPath, Timestamp, Vault};
use agent_vault_deliver::credential::{Answer, Asked, Form, LARGEST};
use std::io::{IsTerminal, Read};

/// Answers Git. What it does not know is Git's to ask elsewhere; what was tampered with ends the matter.
pub fn run(setting: &Setting, args: &GitCredential) -> Outcome {
    match args.operation.as_str() {
        "get" => get(setting),
        "store" => {
            tell_failure(store(setting));
            Ok(Code::Done)
        }
        "erase" => {
            tell_failure(heard().map(|asked| {
                output::warn(&format!(
                    "{} refused the credential, and it is not erased: an owner sets a new value, or removes the secret",
                    asked.request
                ));
            }));
            Ok(Code::Done)
        }
        // Git may learn to ask more; a helper passes over what it does not know.
        _ => Ok(Code::Done),
    }
}

/// Git goes on whatever came of it, and so does whoever pushes.
fn tell_failure(result: Result<()>) {
    if let Err(error) = result {
        output::warn(&format!("not stored in the vault: {error}"));
    }
}

fn heard() -> Result<Asked> {
    let mut input = zeroize::Zeroizing::new(Vec::with_capacity(LARGEST + 1));
    let read = std::io::stdin().lock().take(LARGEST as u64 + 1).read_to_end(&mut input);
    read.map_err(Error::io("read", "standard input"))?;
    Asked::parse(&input)
}

fn get(setting: &Setting) -> Outcome {
    if std::io::stdout().is_terminal() {
        return Err(Error::Usage {
            message: "a credential is for Git, and is not shown on a terminal".into(),
            hint: "`agent-vault get NAME` shows a value".into(),
        }
        .into());
    }
    let answered = heard().and_then(|asked| {
        let identities = setting.identities()?;
        let vault = setting.vault(Some(&identities))?;
        let found = Place::find(&vault, &identities, &asked);
        crate::setting::tell(&vault);
        found.map(|place| (place, asked))
    });
    match answered {
        Ok((Place::One(_, answer, expires), _)) => {
            output::raw(&mut std::io::stdout(), answer.render(expires).expose())?;
            Ok(Code::Done)
        }
        Ok((Place::None, _)) => Ok(Code::Done),
        Ok((Place::Many(names), asked)) => {
            output::warn(&format!(
                "{} are all for {}: none is given; name the user in the URL, or a path with a host",
                super::texts(&names).join(", "),
                asked.request
            ));
            Ok(Code::Done)
        }
        Err(error) => {
            // Nobody should be asked for a password in the place of what was tampered with.
            if error.class() == Class::Tampered {
                output::raw(&mut std::io::stdout(), b"quit=1\n")?;
            }
            Err(error.into())
        }
    }
}

/// Where the credential that is asked for lies.
enum Place {
    None,
    One(SecretPath, Answer, Option<Timestamp>),
    Many(Vec<SecretPath>),
}

impl Place {
    /// The secret that is signed for this place, most closely, and for this user. One that these keys do not open is not
    /// there.
    fn find(vault: &Vault, identities: &Identities, asked: &Asked) -> Result<Self> {
        let mut signed: Vec<(usize, SecretPath)> = Vec::new();
        let mut only_https = false;
        let over_https = asked.request.over_https();
        let listing = vault.list(None)?;
        if let Some(broken) = listing.broken.into_iter().next() {
            return Err(broken);
        }
        for row in listing.rows {
            let hosts: Vec<Host> = row.hosts.iter().filter_map(|host| host.parse().ok()).collect();
            only_https |= asked.request.is_clear() && hosts.iter().any(|host| host.covers(&over_https));
            let depth = hosts.iter().filter(|host| host.covers(&asked.request)).map(|host| host.depth()).max();
            if let Some(depth) = depth {
                signed.push((depth, row.name.parse()?));
            }
        }
        if only_https && signed.is_empty() {
            output::warn(&format!(
                "{0}: over http the credential could be read on its way, and is not given; an owner who wants that says --hosts {0}",
                asked.request
            ));
        }
        signed.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        for closest in signed.chunk_by(|a, b| a.0 == b.0) {
            let mut found = Vec::new();
            for (_, path) in closest {
                let secret = match vault.get_for(path, identities, Purpose::Host(&asked.request)) {
                    Ok(secret) => secret,
                    Err(Error::NotAuthorized { .. } | Error::NotFound { .. }) => continue,
                    Err(error) => return Err(error),
                };
                match Answer::of(&secret.value, asked.username.as_deref()) {
                    Ok(Some(answer)) => found.push((path.clone(), answer, secret.metadata.expires)),
                    Ok(None) => {}
                    Err(error) => output::warn(&format!("{path}: {error}")),
                }
            }
            match found.len() {
                0 => {}
                1 => return Ok(found.pop().map_or(Place::None, |(path, answer, at)| Place::One(path, answer, at))),
                _ => return Ok(Place::Many(found.into_iter().map(|(path, ..)| path).collect())),
            }
        }
        Ok(Place::None)
    }
}

/// Stores what a server accepted: nothing where it is what the vault has.
fn store(setting: &Setting) -> Result<()> {
    let asked = heard()?;
    let (Some(username), Some(password), false) = (&asked.username, &asked.password, asked.passing) else {
        return Ok(());
    };
    let identities = setting.identities()?;
    let vault = setting.vault(Some(&identities))?;
    let found = Place::find(&vault, &identities, &asked);
    crate::setting::tell(&vault);
    let (path, request) = match found? {
        Place::One(_, answer, _) if answer.password.expose() == password.expose() => return Ok(()),
        Place::One(path, answer, _) => {
            let value = match answer.form {
                Form::Made => Answer::value(username, password)?,
                Form::Whole => SecretBytes::new(password.expose().to_vec()),
                Form::Fields => {
                    return Err(Error::Conflict {
                        message: format!(
                            "{path} holds other fields, too, and a new password is not written among them"
                        ),
                        hint: format!("`agent-vault edit {path}`"),
                    });
                }
            };
            (path, SetRequest { value: Some(value), ..SetRequest::default() })
        }
        Place::Many(names) => {
            return Err(Error::Conflict {
                message: format!("{} are all for {}", super::texts(&names).join(", "), asked.request),
                hint: "name the user in the URL".into(),
            });
        }
        Place::None if asked.request.is_clear() => {
            return Err(Error::Conflict {
                message: format!("over {} everybody on the way can read it", asked.request),
                hint: "use https".into(),
            });
        }
        Place::None => {
            let value = Some(Answer::value(username, password)?);
            let hosts = Some(vec![asked.request.host()?]);
            (name(&asked)?, SetRequest { value, hosts, expect: Some(0), ..SetRequest::default() })
        }
    };
    let outcome = vault.unlock(&identities).and_then(|owner| owner.set(&path, request, false));
    crate::setting::tell(&vault);
    outcome.map(|outcome| {
        let done = if outcome.created { "added" } else { "changed" };
        output::note(&format!("{done} {path}: the credential for {}", asked.request));
    })
}

/// What a new secret for a host is called: `git/github.com`.
fn name(asked: &Asked) -> Result<SecretPath> {
    let host: String = asked.request.to_string().chars().filter(|c| !"[]".contains(*c)).collect();
    format!("git/{}", host.replace(':', "-")).parse()
}
