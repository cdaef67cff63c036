//! Tokens of well-known providers that say by their form what they are.
//!
//! Only forms that a provider has published, or prints in each token it gives out, and that are long enough for a match
//! by chance to be out of the question. The forms are facts from the named sources; see docs/decisions.md for why this is
//! a table of our own.

use super::Hit;
use crate::entropy;
use std::ops::Range;

/// A kind of token.
pub struct Token {
    /// The rule's name.
    pub rule: &'static str,
    /// What it is.
    pub what: &'static str,
    /// Where its form is published.
    pub source: &'static str,
    /// What it begins with (or, with `before`, what it holds); one of these.
    pub literals: &'static [&'static str],
    /// What stands before the literal, read backwards, where the literal is not the beginning.
    pub before: Option<Before>,
    /// What follows the literal.
    pub parts: &'static [Part],
}

/// A token whose literal is not its beginning.
pub enum Before {
    /// It begins with this text, within that many bytes of the alphabet before the literal.
    Text(&'static str, Alphabet, usize),
    /// Exactly this many bytes of the alphabet.
    Exactly(Alphabet, usize),
    /// A name, and up to eight bytes that assign: `=`, `:`, quotes, spaces. The name is no part of the secret.
    Name,
}

/// A stretch of a token.
pub enum Part {
    /// This many bytes of an alphabet, from and to.
    Run(Alphabet, usize, usize),
    /// This text.
    Text(&'static str),
}

/// A set of bytes.
#[derive(Clone, Copy)]
pub enum Alphabet {
    /// A-Z a-z 0-9
    Letters,
    /// A-Z 0-9
    Upper,
    /// a-z 0-9
    Lower,
    /// 0-9 a-f
    Hex,
    /// A-Z a-z 0-9 _
    Word,
    /// A-Z a-z 0-9 _ -
    Url,
    /// A-Z a-z 0-9 + / =
    Base64,
    /// What stands between a name and its value.
    Assign,
}

use Alphabet::{Base64, Hex, Letters, Lower, Upper, Url, Word};
use Part::{Run, Text};

/// More than any token has: a run ends here, so that no look is long.
const LONG: usize = 512;

impl Alphabet {
    fn has(self, byte: u8) -> bool {
        match self {
            Letters => byte.is_ascii_alphanumeric(),
            Upper => byte.is_ascii_uppercase() || byte.is_ascii_digit(),
            Lower => byte.is_ascii_lowercase() || byte.is_ascii_digit(),
            Hex => byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte),
            Word => byte.is_ascii_alphanumeric() || byte == b'_',
            Url => byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'),
            Base64 => byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'='),
            Alphabet::Assign => matches!(byte, b' ' | b'\t' | b'=' | b':' | b'"' | b'\'' | b'>' | b',' | b'\\'),
        }
    }

    fn run(self, bytes: &[u8], most: usize) -> usize {
        bytes.iter().take(most).take_while(|byte| self.has(**byte)).count()
    }
}

/// A row of the table for a token that begins with its literal.
const fn token(
    rule: &'static str,
    what: &'static str,
    source: &'static str,
    literals: &'static [&'static str],
    parts: &'static [Part],
) -> Token {
    Token { rule, what, source, literals, before: None, parts }
}

/// The table.
pub const TOKENS: &[Token] = &[
    token(
        "aws-access-key",
        "AWS access key",
        "AWS IAM User Guide, \"IAM identifiers\": unique ID prefixes",
        &["AKIA", "ASIA"],
        &[Run(Upper, 16, 16)],
    ),
    Token {
        before: Some(Before::Name),
        ..token(
            "aws-secret-key",
            "AWS secret key",
            "AWS General Reference: 40 characters, named in profiles, environments and SDK answers",
            &[
                "aws_secret_access_key",
                "AWS_SECRET_ACCESS_KEY",
                "aws_secret_key",
                "AWS_SECRET_KEY",
                "SecretAccessKey",
                "secretAccessKey",
            ],
            &[Run(Alphabet::Assign, 1, 8), Run(Base64, 40, 40)],
        )
    },
    token(
        "github-token",
        "GitHub token",
        "GitHub Docs, \"About authentication to GitHub\": token formats; GitHub blog, 2021-04-05",
        &["ghp_", "gho_", "ghu_", "ghs_", "ghr_"],
        &[Run(Word, 36, LONG)],
    ),
    token(
        "github-token",
        "GitHub fine-grained token",
        "GitHub Docs, \"About authentication to GitHub\": token formats",
        &["github_pat_"],
        &[Run(Word, 82, LONG)],
    ),
    token(
        "gitlab-token",
        "GitLab token",
        "GitLab Docs, \"GitLab token overview\": token prefixes",
        &[
            "glpat-", "gldt-", "glrt-", "glcbt-", "glptt-", "glft-", "glimt-", "glagent-", "gloas-", "glsoat-",
            "glffct-", "glwt-",
        ],
        &[Run(Url, 20, LONG)],
    ),
    token(
        "slack-token",
        "Slack token",
        "Slack developer docs, \"Token types\"",
        &["xoxb-", "xoxp-", "xoxa-", "xoxr-", "xoxs-", "xoxe-", "xoxe.xoxb-", "xoxe.xoxp-"],
        &[Run(Url, 24, LONG)],
    ),
    token(
        "slack-token",
        "Slack app-level token",
        "Slack developer docs, \"Token types\"",
        &["xapp-"],
        &[Run(Hex, 1, 1), Text("-A"), Run(Url, 24, LONG)],
    ),
    token(
        "slack-webhook",
        "Slack webhook",
        "Slack developer docs, \"Sending messages using incoming webhooks\"",
        &["hooks.slack.com/services/T"],
        &[Run(Upper, 8, 14), Text("/B"), Run(Upper, 8, 14), Text("/"), Run(Letters, 20, 32)],
    ),
    token(
        "stripe-key",
        "Stripe key",
        "Stripe Docs, \"API keys\"",
        &["sk_live_", "rk_live_", "sk_test_", "rk_test_"],
        &[Run(Letters, 24, LONG)],
    ),
    token(
        "stripe-webhook",
        "Stripe webhook secret",
        "Stripe Docs, \"Webhooks\"",
        &["whsec_"],
        &[Run(Base64, 32, LONG)],
    ),
    Token {
        before: Some(Before::Text("sk-", Url, 200)),
        ..token(
            "openai-key",
            "OpenAI key",
            "OpenAI's keys carry this mark (Base64 of \"OpenAI\") in their middle",
            &["T3BlbkFJ"],
            &[Run(Url, 20, LONG)],
        )
    },
    token(
        "anthropic-key",
        "Anthropic key",
        "Anthropic API documentation, \"Getting started\" and Admin API: key prefixes",
        &["sk-ant-"],
        &[Run(Lower, 5, 8), Text("-"), Run(Url, 60, LONG)],
    ),
    token("google-api-key", "Google API key", "Google Cloud Docs, \"Manage API keys\"", &["AIza"], &[Run(Url, 35, 35)]),
    token(
        "google-oauth-secret",
        "Google OAuth client secret",
        "Google Cloud console: prefix of client secrets",
        &["GOCSPX-"],
        &[Run(Url, 28, 28)],
    ),
    token(
        "npm-token",
        "npm token",
        "GitHub changelog, 2021-09-23: npm's new access token format",
        &["npm_"],
        &[Run(Letters, 36, 36)],
    ),
    token(
        "pypi-token",
        "PyPI token",
        "PyPI help, \"API tokens\"; a macaroon that begins with its site",
        &["pypi-AgEIcHlwaS5vcmc", "pypi-AgENdGVzdC5weXBpLm9yZw"],
        &[Run(Url, 50, LONG)],
    ),
    token("crates-io-token", "crates.io token", "crates.io source, token prefix", &["cio"], &[Run(Letters, 32, 32)]),
    token("rubygems-key", "RubyGems key", "RubyGems guides, \"API keys\"", &["rubygems_"], &[Run(Hex, 48, 48)]),
    token(
        "docker-token",
        "Docker Hub token",
        "Docker Docs, \"Access tokens\"",
        &["dckr_pat_", "dckr_oat_"],
        &[Run(Url, 27, LONG)],
    ),
    token(
        "hugging-face-token",
        "Hugging Face token",
        "Hugging Face Docs, \"User access tokens\"",
        &["hf_"],
        &[Run(Letters, 34, 34)],
    ),
    token(
        "digitalocean-token",
        "DigitalOcean token",
        "DigitalOcean Docs, \"Personal access tokens\": prefixes",
        &["dop_v1_", "doo_v1_", "dor_v1_"],
        &[Run(Hex, 64, 64)],
    ),
    token(
        "sendgrid-key",
        "SendGrid key",
        "Twilio SendGrid Docs, \"API keys\"",
        &["SG."],
        &[Run(Url, 22, 22), Text("."), Run(Url, 43, 43)],
    ),
    token(
        "shopify-token",
        "Shopify token",
        "Shopify developer changelog: token prefixes",
        &["shpat_", "shpca_", "shppa_", "shpss_"],
        &[Run(Hex, 32, 32)],
    ),
    token("linear-key", "Linear key", "Linear developer docs", &["lin_api_"], &[Run(Letters, 40, 40)]),
    token(
        "databricks-token",
        "Databricks token",
        "Databricks Docs: personal access tokens",
        &["dapi"],
        &[Run(Hex, 32, 32)],
    ),
    token(
        "hashicorp-vault-token",
        "HashiCorp Vault token",
        "HashiCorp Vault Docs, \"Tokens\": token prefixes",
        &["hvs.", "hvb."],
        &[Run(Url, 24, LONG)],
    ),
    Token {
        before: Some(Before::Exactly(Letters, 14)),
        ..token(
            "terraform-token",
            "HCP Terraform token",
            "HashiCorp: API tokens",
            &[".atlasv1."],
            &[Run(Url, 60, LONG)],
        )
    },
    token(
        "grafana-token",
        "Grafana service account token",
        "Grafana Docs, \"Service accounts\"",
        &["glsa_"],
        &[Run(Letters, 32, 32), Text("_"), Run(Hex, 8, 8)],
    ),
    token("sentry-token", "Sentry token", "Sentry Docs, \"Auth tokens\"", &["sntryu_"], &[Run(Hex, 64, 64)]),
    token("postman-key", "Postman key", "Postman Docs", &["PMAK-"], &[Run(Hex, 24, 24), Text("-"), Run(Hex, 34, 34)]),
    token("pulumi-token", "Pulumi token", "Pulumi Docs, \"Access tokens\"", &["pul-"], &[Run(Hex, 40, 40)]),
    token("supabase-token", "Supabase token", "Supabase Docs: access tokens", &["sbp_"], &[Run(Hex, 40, 40)]),
    token(
        "tailscale-key",
        "Tailscale key",
        "Tailscale Docs, \"Key prefixes\"",
        &["tskey-auth-", "tskey-api-", "tskey-client-"],
        &[Run(Letters, 10, 24), Text("-"), Run(Letters, 20, LONG)],
    ),
    token("groq-key", "Groq key", "Groq console: key prefix", &["gsk_"], &[Run(Letters, 52, 52)]),
    token("xai-key", "xAI key", "xAI console: key prefix", &["xai-"], &[Run(Letters, 80, 80)]),
    token(
        "azure-storage-key",
        "Azure storage key",
        "Microsoft Learn, \"Configure Azure Storage connection strings\"",
        &["AccountKey="],
        &[Run(Base64, 88, 88)],
    ),
    token(
        "atlassian-token",
        "Atlassian token",
        "Atlassian support: form of API tokens",
        &["ATATT3xFfGF0", "ATCTT3xFfGN0"],
        &[Run(Base64, 20, 20), Run(Url, 20, LONG)],
    ),
];

impl Token {
    /// Looks whether a token stands around its literal at `literal`.
    pub(crate) fn look(&self, bytes: &[u8], literal: Range<usize>) -> Option<Hit> {
        let start = self.start(bytes, &literal)?;
        let mut end = literal.end;
        let mut value = literal.end;
        let mut last = None;
        for part in self.parts {
            let rest = &bytes[end..];
            end += match part {
                Text(text) => rest.starts_with(text.as_bytes()).then_some(text.len())?,
                Run(alphabet, least, most) => {
                    let length = alphabet.run(rest, *most);
                    last = (*most < LONG).then_some(*alphabet);
                    (length >= *least).then_some(length)?
                }
            };
            if matches!(part, Run(Alphabet::Assign, ..)) {
                value = end;
            }
        }
        // A longer run of the same alphabet is something else.
        let ends = last.is_none_or(|alphabet| bytes.get(end).is_none_or(|next| !alphabet.has(*next)));
        let body = &bytes[value..end];
        if !ends || is_placeholder(body) {
            return None;
        }
        let named = matches!(self.before, Some(Before::Name));
        let (span, known) = match self.before {
            None => (start..end, String::from_utf8_lossy(&bytes[literal]).into_owned()),
            Some(Before::Text(text, ..)) => (start..end, text.to_owned()),
            Some(_) => (if named { value } else { start }..end, String::new()),
        };
        Some(Hit { rule: self.rule, what: self.what.to_owned(), known, secret: span.clone(), span })
    }

    /// Where the token begins; none when what stands before the literal says that it is no token.
    fn start(&self, bytes: &[u8], literal: &Range<usize>) -> Option<usize> {
        let before = &bytes[..literal.start];
        let free = |at: usize| at == 0 || !bytes[at - 1].is_ascii_alphanumeric();
        match &self.before {
            None => free(literal.start).then_some(literal.start),
            Some(Before::Name) => Some(literal.start),
            Some(Before::Exactly(alphabet, length)) => {
                let start = literal.start.checked_sub(*length)?;
                (before[start..].iter().all(|byte| alphabet.has(*byte)) && free(start)).then_some(start)
            }
            Some(Before::Text(start, alphabet, most)) => {
                let run = before.iter().rev().take(*most).take_while(|byte| alphabet.has(**byte)).count();
                let from = literal.start - run;
                let found = memchr::memmem::find(&before[from..], start.as_bytes())? + from;
                Some(found)
            }
        }
    }
}

/// Whether a token's secret part is made up: filler, or AWS's and others' documented `…EXAMPLE…`. A real one has seven
/// given letters once in 10^11. Nothing cleverer: what merely looks made up is told, and can be excused.
fn is_placeholder(body: &[u8]) -> bool {
    let example = |word: &str| memchr::memmem::find(body, word.as_bytes()).is_some();
    entropy::is_filler(body) || example("EXAMPLE") || example("example")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_says_where_its_form_is_published_and_has_a_name_that_can_be_written() {
        for token in TOKENS {
            assert!(token.source.len() > 10 && !token.what.is_empty(), "{}", token.rule);
            assert!(token.rule.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{}", token.rule);
            assert!(token.literals.iter().all(|literal| literal.len() >= 3), "{}", token.rule);
        }
    }
}
