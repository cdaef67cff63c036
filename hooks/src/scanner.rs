//! Bytes in, findings out. Nothing else is touched.

use crate::baseline;
use crate::finding::{Finding, Marker, excerpt};
use crate::fingerprints::{Fingerprints, Found};
use crate::rules::{self, Detector, Hit, MARKER, Rules, VAULT_VALUE};
use std::borrow::Cow;
use std::ops::Range;

/// How far Git looks for a NUL byte to tell data from text.
const GITS_LOOK: usize = 8000;
/// How much of a marker's reason is looked at.
const REASON: usize = 200;

/// Finds every secret in `bytes`, in the order in which they begin.
///
/// The law, for whoever fuzzes this: it never panics, takes time in proportion to the bytes, the same bytes give the same
/// findings, every span lies within the bytes (or their UTF-8 form), no finding shows a byte of what makes a secret
/// secret, and a value whose fingerprint is in the set is found wherever it stands.
pub fn scan(bytes: &[u8], rules: &Rules, fingerprints: &Fingerprints) -> Vec<Finding> {
    let mut findings = scan_plain(bytes, rules, fingerprints);
    // As well, not instead: two bytes at the beginning must not hide the rest.
    if let Some(text) = utf16(bytes) {
        findings.extend(scan_plain(text.as_bytes(), rules, fingerprints));
        findings.sort_by_key(|finding| finding.span.start);
    }
    findings
}

fn scan_plain(bytes: &[u8], rules: &Rules, fingerprints: &Fingerprints) -> Vec<Finding> {
    let (mut hits, mut markers) = look(bytes, rules);
    let values = merge(fingerprints.find(bytes));
    if hits.is_empty() && values.is_empty() {
        return Vec::new();
    }
    hits.sort_by_key(|hit| (hit.span.start, hit.span.end));
    let binary = is_binary(bytes);
    if binary {
        markers.clear();
    }
    let mut places = Places::new(bytes);
    let markers: Vec<(usize, Cow<'_, str>)> = markers
        .into_iter()
        .map(|at| (places.at(at).0, String::from_utf8_lossy(reason(&bytes[at + MARKER.len()..]))))
        .collect();
    let mut findings: Vec<Finding> = hits.into_iter().map(|hit| of_hit(hit, bytes)).collect();
    findings.extend(values.into_iter().map(|found| of_value(found, bytes, fingerprints)));
    findings.sort_by_key(|finding| (finding.span.start, finding.span.end));
    let mut places = Places::new(bytes);
    for finding in &mut findings {
        let (line, column) = places.at(finding.span.start);
        (finding.line, finding.column) = if binary { (None, finding.span.start + 1) } else { (Some(line), column) };
        let first = markers.partition_point(|(at, _)| *at < line);
        let here = markers[first..].iter().take_while(|(at, _)| *at == line);
        finding.marker = here.map(|(_, text)| judge(finding.rule, text)).max_by_key(rank).unwrap_or_default();
    }
    findings
}

/// What the rules find, and where the markers stand.
fn look(bytes: &[u8], rules: &Rules) -> (Vec<Hit>, Vec<usize>) {
    let (mut hits, mut markers): (Vec<Hit>, Vec<usize>) = (Vec::new(), Vec::new());
    let mut putty = None;
    for (detector, literal) in rules.anchors(bytes) {
        let hit = match detector {
            Detector::Marker => {
                markers.push(literal.start);
                None
            }
            // A literal inside a token of its own kind begins no other.
            Detector::Token(token) if is_inside(&hits, token.rule, literal.start) => None,
            Detector::Token(token) => token.look(bytes, literal),
            Detector::Key(anchor) => rules::keys::look(anchor, bytes, literal, &mut putty),
        };
        hits.extend(hit);
    }
    (hits, markers)
}

/// Whether a place lies in one of the last findings of a rule; kinds that begin alike are few.
fn is_inside(hits: &[Hit], rule: &str, at: usize) -> bool {
    hits.iter().rev().take(4).any(|hit| hit.rule == rule && hit.span.contains(&at))
}

fn of_hit(hit: Hit, bytes: &[u8]) -> Finding {
    let hash = baseline::hash(hit.rule, &bytes[hit.secret]);
    finding(hit.rule, hit.what, excerpt(&hit.known, hit.span.len()), hit.span, hash)
}

fn of_value(found: Found, bytes: &[u8], fingerprints: &Fingerprints) -> Finding {
    let what = if found.gave_up { "part of a vault's value, many times over" } else { "value of a vault" };
    let hash = fingerprints.key().map(|key| baseline::keyed(key, &bytes[found.span.clone()])).unwrap_or_default();
    let shown = excerpt("", found.span.len());
    Finding { secret: Some(found.secret), ..finding(VAULT_VALUE, what.into(), shown, found.span, hash) }
}

fn finding(rule: &'static str, what: String, excerpt: String, span: Range<usize>, hash: String) -> Finding {
    Finding { rule, what, line: None, column: 0, span, excerpt, marker: Marker::None, hash, secret: None }
}

/// One finding for a value and its lines: what lies within another goes.
fn merge(mut found: Vec<Found>) -> Vec<Found> {
    found.sort_by_key(|found| (found.span.start, std::cmp::Reverse(found.span.end)));
    let mut end = 0;
    found.retain(|found| {
        let is_new = found.span.end > end || found.gave_up;
        end = end.max(found.span.end);
        is_new
    });
    found
}

/// Whether Git would call it binary (`xdiff-interface.c`, `buffer_is_binary`). UTF-16 is read as text besides.
fn is_binary(bytes: &[u8]) -> bool {
    memchr::memchr(0, &bytes[..bytes.len().min(GITS_LOOK)]).is_some()
}

/// What follows a marker, up to the end of the line.
fn reason(after: &[u8]) -> &[u8] {
    let after = &after[..after.len().min(REASON)];
    &after[..memchr::memchr2(b'\n', b'\r', after).unwrap_or(after.len())]
}

/// What a marker says of a finding of this rule: `agent-vault:allow REASON`, or `agent-vault:allow(RULE) REASON`.
fn judge(rule: &str, after: &str) -> Marker {
    let (named, reason) = match after.strip_prefix('(').and_then(|after| after.split_once(')')) {
        Some((named, reason)) => (Some(named.trim()), reason),
        None => (None, after),
    };
    if reason.chars().filter(|c| c.is_alphanumeric()).count() < 3 {
        return Marker::Useless("the marker on its line gives no reason");
    }
    match named {
        Some(named) if named == rule => Marker::Excused,
        Some(_) => Marker::Useless("the marker on its line names another rule"),
        None if rules::must_be_named(rule) => {
            Marker::Useless("the marker on its line does not name the rule, and for this one it must")
        }
        None => Marker::Excused,
    }
}

/// Of several markers on a line the most useful counts.
fn rank(marker: &Marker) -> u8 {
    match marker {
        Marker::None => 0,
        Marker::Useless(_) => 1,
        Marker::Excused => 2,
    }
}

/// Lines and columns of offsets that rise.
struct Places<'b> {
    bytes: &'b [u8],
    line: usize,
    start: usize,
    at: usize,
}

impl<'b> Places<'b> {
    fn new(bytes: &'b [u8]) -> Self {
        Self { bytes, line: 1, start: 0, at: 0 }
    }

    fn at(&mut self, offset: usize) -> (usize, usize) {
        for newline in memchr::memchr_iter(b'\n', &self.bytes[self.at..offset]) {
            self.line += 1;
            self.start = self.at + newline + 1;
        }
        self.at = offset;
        (self.line, offset - self.start + 1)
    }
}

/// The text of bytes that begin with UTF-16's byte order mark; what is no text in them becomes U+FFFD.
pub(crate) fn utf16(bytes: &[u8]) -> Option<String> {
    let read: fn([u8; 2]) -> u16 = match bytes.first_chunk::<2>()? {
        [0xff, 0xfe] => u16::from_le_bytes,
        [0xfe, 0xff] => u16::from_be_bytes,
        _ => return None,
    };
    let units = bytes[2..].as_chunks::<2>().0.iter().map(|unit| read(*unit));
    Some(char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect())
}
