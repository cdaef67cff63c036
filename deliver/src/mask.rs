//! Takes values out of what a program prints, as it is printed.
//!
//! All forms of all values are one automaton (Aho and Corasick, 1975). Its state says at any time how many of the bytes
//! that came last may be the beginning of something masked: these alone are held back, until more comes or the stream has
//! been quiet for a while ([`Masker::patience`]). So it does not matter where a stream is cut, and a prompt is seen at once.
//!
//! This prevents accidents. A program that wants to can print a value in a form that is not looked for.

use agent_vault_core::SecretBytes;
use aho_corasick::automaton::{Automaton, StateID};
use aho_corasick::{Anchored, MatchKind, dfa, nfa};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use beginnings::Beginnings;

mod beginnings;
mod forms;
#[cfg(any(test, feature = "laws"))]
pub(crate) mod law;
#[cfg(test)]
mod tests;

/// What stands in the place of a value.
pub const MASK: &[u8] = b"***";
/// A value of fewer bytes is not masked: it would be found in text that has nothing to do with it. No form of a value that
/// is shorter is looked for either.
pub const SHORTEST: usize = 6;
/// A line of a value of several lines is masked by itself if it has so many bytes.
pub const SHORTEST_LINE: usize = 8;
/// Of a longer value, so many bytes are looked for.
pub const LONGEST: usize = forms::LONGEST;

/// So many bytes of patterns become an automaton with a table for each state, which is fastest.
const SMALL: usize = 24 << 10;
/// More than so many bytes of patterns are refused.
const MOST: usize = 16 << 20;
/// From so many held bytes on, it is likely that they are a value and not a coincidence.
const LIKELY: usize = 4;

/// The patterns of a set of values; each stream has a [`Masker`] of its own.
#[derive(Clone)]
pub struct Patterns(Arc<Machine>);

/// Why values cannot be masked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("these values are too large to be looked for in what a program prints")]
pub struct TooMuch;

impl Patterns {
    /// The patterns of all forms of these values, and the numbers of those that are too short to be masked.
    ///
    /// # Errors
    /// [`TooMuch`].
    pub fn of<'v>(values: impl IntoIterator<Item = &'v SecretBytes>) -> Result<(Self, Vec<usize>), TooMuch> {
        let mut patterns = forms::Patterns::default();
        let mut short = Vec::new();
        for (at, value) in values.into_iter().enumerate() {
            if !forms::add(value.expose(), &mut patterns) {
                short.push(at);
            }
            if patterns.bytes() > MOST {
                return Err(TooMuch);
            }
        }
        let patterns = patterns.into_vec();
        Ok((Self(Arc::new(Machine::new(&patterns).ok_or(TooMuch)?)), short))
    }

    /// Whether there is nothing to look for.
    pub fn is_empty(&self) -> bool {
        self.0.depths.is_empty()
    }
}

/// The automaton in the form that suits its size.
enum Kind {
    Fast(dfa::DFA),
    Small(nfa::contiguous::NFA),
}

struct Machine {
    kind: Kind,
    start: StateID,
    beginnings: Beginnings,
    /// How long the beginning of a pattern is that each state stands for. Not the start: it stands for none.
    depths: HashMap<StateID, u32>,
}

impl Machine {
    fn new(patterns: &[impl AsRef<[u8]>]) -> Option<Self> {
        let total: usize = patterns.iter().map(|pattern| pattern.as_ref().len()).sum();
        // Standard semantics: whatever ends at a byte is a match there.
        let kind = if total <= SMALL {
            let mut builder = dfa::Builder::new();
            builder.match_kind(MatchKind::Standard).start_kind(aho_corasick::StartKind::Unanchored).prefilter(false);
            Kind::Fast(builder.build(patterns).ok()?)
        } else {
            let mut builder = nfa::contiguous::Builder::new();
            builder.match_kind(MatchKind::Standard).prefilter(false);
            Kind::Small(builder.build(patterns).ok()?)
        };
        let (start, depths) = match &kind {
            Kind::Fast(automaton) => depths(automaton, patterns),
            Kind::Small(automaton) => depths(automaton, patterns),
        }?;
        Some(Self { kind, start, beginnings: Beginnings::of(patterns), depths })
    }

    fn depth(&self, state: StateID) -> usize {
        self.depths.get(&state).map_or(0, |depth| *depth as usize)
    }

    /// Goes over bytes; calls `found` with the end of each match and the length of the longest pattern that ends there.
    fn run(&self, state: StateID, bytes: &[u8], found: impl FnMut(usize, usize)) -> StateID {
        match &self.kind {
            Kind::Fast(automaton) => self.run_on(automaton, state, bytes, found),
            Kind::Small(automaton) => self.run_on(automaton, state, bytes, found),
        }
    }

    fn run_on(
        &self,
        automaton: &impl Automaton,
        mut state: StateID,
        bytes: &[u8],
        mut found: impl FnMut(usize, usize),
    ) -> StateID {
        let mut at = 0;
        while at < bytes.len() {
            if state == self.start {
                // Where no pattern begins, the automaton would be back at its start before it had found anything.
                at = self.beginnings.next(bytes, at);
                if at == bytes.len() {
                    break;
                }
            }
            state = automaton.next_state(Anchored::No, state, bytes[at]);
            at += 1;
            if automaton.is_special(state) && automaton.is_match(state) {
                let lengths =
                    (0..automaton.match_len(state)).map(|n| automaton.pattern_len(automaton.match_pattern(state, n)));
                found(at, lengths.max().unwrap_or(0));
            }
        }
        state
    }
}

/// Where an automaton starts, and the length of what each state stands for.
fn depths(automaton: &impl Automaton, patterns: &[impl AsRef<[u8]>]) -> Option<(StateID, HashMap<StateID, u32>)> {
    let start = automaton.start_state(Anchored::No).ok()?;
    let mut depths = HashMap::new();
    for pattern in patterns {
        let mut state = start;
        for (depth, byte) in (1..).zip(pattern.as_ref()) {
            state = automaton.next_state(Anchored::No, state, *byte);
            depths.insert(state, depth);
        }
    }
    Some((start, depths))
}

/// Bytes that are masked, counted from the first that is held.
#[derive(Debug, Clone, Copy)]
struct Run {
    start: usize,
    end: usize,
    /// Whether its mask was written, when bytes of it were certain before the rest was.
    written: bool,
}

/// One stream.
pub struct Masker {
    machine: Arc<Machine>,
    state: StateID,
    /// The bytes that may belong to a match to come.
    held: Vec<u8>,
    /// What of them is masked already, in order, apart from each other.
    runs: Vec<Run>,
}

impl Masker {
    /// A stream of which nothing was seen yet.
    pub fn new(patterns: &Patterns) -> Self {
        let machine = patterns.0.clone();
        Self { state: machine.start, machine, held: Vec::new(), runs: Vec::new() }
    }

    /// Takes what was printed, and adds to `out` what is certain by now. Values that overlap have one mask.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        let (before, runs) = (self.held.len(), &mut self.runs);
        self.state = self.machine.run(self.state, bytes, |end, length| {
            let end = before + end;
            // What was let go because the stream was quiet can no longer be masked.
            let mut run = Run { start: end.saturating_sub(length), end, written: false };
            while let Some(last) = runs.pop_if(|last| last.end > run.start) {
                run = Run { start: run.start.min(last.start), end, written: last.written };
            }
            runs.push(run);
        });
        self.held.extend_from_slice(bytes);
        let open = self.machine.depth(self.state).min(self.held.len());
        self.write(self.held.len() - open, out);
    }

    /// Writes the first `certain` bytes and keeps the rest.
    fn write(&mut self, certain: usize, out: &mut Vec<u8>) {
        let mut at = 0;
        for run in self.runs.iter_mut().take_while(|run| run.start < certain || run.written) {
            out.extend_from_slice(&self.held[at..run.start]);
            if !run.written {
                out.extend_from_slice(MASK);
            }
            run.written = true;
            at = run.end.min(certain);
        }
        out.extend_from_slice(&self.held[at..certain]);
        self.held.drain(..certain);
        self.runs.retain_mut(|run| {
            let stays = run.end > certain;
            *run = Run { start: run.start.saturating_sub(certain), end: run.end.saturating_sub(certain), ..*run };
            stays
        });
    }

    /// How long a stream may be quiet before what is held back has to be let go; nothing where nothing is held. A few bytes
    /// that happen to begin like a value, at the end of a prompt, are soon seen; what looks like a value in the making
    /// is given more time.
    pub fn patience(&self) -> Option<Duration> {
        match self.held.len() {
            0 => None,
            held if held < LIKELY => Some(Duration::from_millis(50)),
            _ => Some(Duration::from_secs(1)),
        }
    }

    /// Lets go what is held back: the stream ended, or has been quiet. What goes on from there is masked as far as it can.
    pub fn flush(&mut self, out: &mut Vec<u8>) {
        self.write(self.held.len(), out);
    }
}
