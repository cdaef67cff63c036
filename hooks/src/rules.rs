//! What is looked for, apart from the vaults' own values: private keys ([`keys`]) and provider tokens ([`tokens`]).
//!
//! Each kind begins with, or holds, a literal that nothing else has. One automaton finds all literals in one pass; a few
//! lines of code then look at the bytes around each. No regular expressions: nothing here backtracks, and every look is
//! bounded, so the time grows with the bytes and not with what they hold.

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use std::ops::Range;

pub mod keys;
pub mod tokens;

/// The rule of a vault's own values; they have no literal.
pub const VAULT_VALUE: &str = "vault-value";
/// The rule of data that is too large to look at.
pub const NOT_SCANNED: &str = "not-scanned";
/// What an inline marker begins with.
pub(crate) const MARKER: &str = "agent-vault:allow";

/// The rules, compiled. Made once, shared by threads.
pub struct Rules {
    literals: AhoCorasick,
    detectors: Vec<Detector>,
}

/// What looks at the bytes around a literal.
#[derive(Clone, Copy)]
pub(crate) enum Detector {
    Token(&'static tokens::Token),
    Key(keys::Anchor),
    Marker,
}

/// A secret that a rule found: where it lies, and what is known of its kind.
pub(crate) struct Hit {
    pub rule: &'static str,
    pub what: String,
    pub span: Range<usize>,
    /// What every secret of this kind begins with.
    pub known: String,
    /// The part that is secret; a baseline's hash is made of it.
    pub secret: Range<usize>,
}

impl Default for Rules {
    fn default() -> Self {
        Self::new()
    }
}

impl Rules {
    /// Every rule there is.
    pub fn new() -> Self {
        let mut literals: Vec<(&str, Detector)> = vec![(MARKER, Detector::Marker)];
        literals.extend(keys::ANCHORS.iter().map(|(literal, anchor)| (*literal, Detector::Key(*anchor))));
        for token in tokens::TOKENS {
            literals.extend(token.literals.iter().map(|literal| (*literal, Detector::Token(token))));
        }
        let automaton = AhoCorasick::builder()
            .kind(Some(AhoCorasickKind::DFA))
            .match_kind(MatchKind::Standard)
            .build(literals.iter().map(|(literal, _)| literal));
        let literals_found =
            automaton.unwrap_or_else(|_| unreachable!("a hundred short literals make a small automaton"));
        Self { literals: literals_found, detectors: literals.into_iter().map(|(_, detector)| detector).collect() }
    }

    /// The literals in `bytes`, in order of their ends; they may overlap.
    pub(crate) fn anchors<'b>(&'b self, bytes: &'b [u8]) -> impl Iterator<Item = (Detector, Range<usize>)> + 'b {
        self.literals
            .find_overlapping_iter(bytes)
            .map(|found| (self.detectors[found.pattern().as_usize()], found.range()))
    }
}

/// The names of all rules, sorted.
pub fn names() -> Vec<&'static str> {
    let mut names = vec![VAULT_VALUE, NOT_SCANNED];
    names.extend(keys::RULES);
    names.extend(tokens::TOKENS.iter().map(|token| token.rule));
    names.sort_unstable();
    names.dedup();
    names
}

/// Whether a finding of this rule is excused only where its rule is named: keys and values are what the hook is for.
pub fn must_be_named(rule: &str) -> bool {
    rule == VAULT_VALUE || keys::RULES.contains(&rule)
}
