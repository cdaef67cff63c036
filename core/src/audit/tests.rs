//! The laws of the log, on real files: what processes write verifies, and whatever is changed afterwards is found.

use super::line::{Header, Line};
use super::*;
use crate::home::Home;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::path::Path;

fn book(home: &Path) -> Book {
    Book::unsigned(&Home::new(home), Path::new("/a/vault"))
}

fn say(log: &Log, book: &Book, path: &str) {
    log.append(book, |time, process| Record { time, process, ..line::tests::record(path) }).unwrap();
}

/// A home with the lines of four processes (each a [`Log`] of its own), `lines` of each.
fn written(dir: &Path, lines: usize) -> Book {
    let book = book(dir);
    for process in 0..4 {
        let log = Log::default();
        (0..lines).for_each(|line| say(&log, &book, &format!("p{process}/line{line}")));
    }
    book
}

/// Every file of a log by its name, without the lines' order.
fn files(book: &Book) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for day in std::fs::read_dir(book.dir()).unwrap().flatten() {
        for file in std::fs::read_dir(day.path()).unwrap().flatten() {
            let name = format!("{}/{}", day.file_name().to_str().unwrap(), file.file_name().to_str().unwrap());
            files.insert(name, std::fs::read(file.path()).unwrap());
        }
    }
    files
}

fn put(book: &Book, files: &BTreeMap<String, Vec<u8>>) {
    std::fs::remove_dir_all(book.dir()).unwrap();
    for (name, bytes) in files {
        let file = book.dir().join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, bytes).unwrap();
    }
}

/// The segments in the order in which they were begun.
fn segments(files: &BTreeMap<String, Vec<u8>>) -> Vec<String> {
    let index = files.iter().find(|(name, _)| name.ends_with(INDEX)).unwrap();
    let text = std::str::from_utf8(index.1).unwrap();
    let first = text.lines().filter(|line| line.split(' ').nth(1) == Some("1"));
    let day = index.0.split('/').next().unwrap();
    first.map(|line| format!("{day}/{}{ENDING}", line.split(' ').next().unwrap())).collect()
}

fn edited(bytes: &[u8], edit: impl FnOnce(&mut Vec<String>)) -> Vec<u8> {
    let mut lines: Vec<String> = std::str::from_utf8(bytes).unwrap().lines().map(str::to_owned).collect();
    edit(&mut lines);
    lines.iter().flat_map(|line| format!("{line}\n").into_bytes()).collect()
}

#[test]
fn what_is_written_verifies_and_reads_back_in_its_order() {
    let dir = tempfile::tempdir().unwrap();
    let book = written(dir.path(), 3);
    let report = verify(&book).unwrap();
    assert_eq!(report.violations, []);
    assert_eq!((report.segments, report.records, report.unlisted), (4, 12, 0));
    assert!(report.torn.is_empty() && !report.earlier_removed);
    let found = records(&book, &Filter::default()).unwrap();
    let paths: Vec<_> = found.entries.iter().filter_map(|entry| entry.record.path.clone()).collect();
    let expected: Vec<_> = (0..4).flat_map(|p| (0..3).map(move |line| format!("p{p}/line{line}"))).collect();
    assert_eq!(paths, expected);
    let one = Filter { path: Some("p2/*1".into()), identity: Some("ci".into()), ..Filter::default() };
    assert_eq!(records(&book, &one).unwrap().entries.len(), 1);
    let nobody = Filter { identity: Some("bob".into()), ..Filter::default() };
    assert_eq!(records(&book, &nobody).unwrap().entries, []);
}

#[cfg(unix)]
#[test]
fn the_log_is_private() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let book = written(&dir.path().join("home"), 1);
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(book.dir()), 0o700);
    for name in files(&book).keys() {
        let file = book.dir().join(name);
        assert_eq!((mode(&file), mode(file.parent().unwrap())), (0o600, 0o700), "{name}");
    }
}

#[test]
fn threads_of_a_process_share_one_segment_and_processes_do_not() {
    let dir = tempfile::tempdir().unwrap();
    let (book, log) = (book(dir.path()), Log::default());
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let (book, log) = (&book, &log);
            scope.spawn(move || (0..50).for_each(|line| say(log, book, &format!("t{thread}/{line}"))));
        }
    });
    let report = verify(&book).unwrap();
    assert_eq!(report.violations, []);
    assert_eq!((report.segments, report.records), (1, 400));
}

#[test]
fn logs_that_write_at_once_without_a_lock_all_verify() {
    let dir = tempfile::tempdir().unwrap();
    let book = book(dir.path());
    std::thread::scope(|scope| {
        for _ in 0..32 {
            scope.spawn(|| {
                let log = Log::default();
                (0..20).for_each(|line| say(&log, &book, &format!("a/{line}")));
            });
        }
    });
    let report = verify(&book).unwrap();
    assert_eq!(report.violations, []);
    assert_eq!((report.segments, report.records, report.unlisted), (32, 640, 0));
}

#[test]
fn a_line_that_is_removed_altered_inserted_or_moved_is_found_with_its_file_and_number() {
    let dir = tempfile::tempdir().unwrap();
    let book = written(dir.path(), 4);
    let whole = files(&book);
    let name = segments(&whole)[1].clone();
    type Edit = Box<dyn Fn(&mut Vec<String>)>;
    let edits: Vec<(&str, usize, Edit)> = vec![
        ("removed", 2, Box::new(|lines| drop(lines.remove(1)))),
        ("the first removed", 1, Box::new(|lines| drop(lines.remove(0)))),
        ("the last removed", 4, Box::new(|lines| drop(lines.pop()))),
        ("altered", 3, Box::new(|lines| lines[2] = lines[2].replace("\"ok\"", "\"no\""))),
        ("inserted", 3, Box::new(|lines| lines.insert(2, lines[1].clone()))),
        ("added", 0, Box::new(|lines| lines.push(lines[3].clone()))),
        ("moved", 2, Box::new(|lines| lines.swap(1, 2))),
        ("no record", 2, Box::new(|lines| lines[1] = "nothing".into())),
    ];
    for (what, line, edit) in edits {
        let mut changed = whole.clone();
        changed.insert(name.clone(), edited(&whole[&name], |lines| edit(lines)));
        put(&book, &changed);
        let violations = verify(&book).unwrap().violations;
        assert!(!violations.is_empty(), "{what}");
        assert!(violations.iter().all(|violation| violation.file == name), "{what}: {violations:?}");
        assert!(line == 0 || violations.iter().any(|found| found.line == Some(line)), "{what}: {violations:?}");
    }
}

#[test]
fn a_chain_made_anew_after_an_alteration_is_found_by_the_index() {
    let dir = tempfile::tempdir().unwrap();
    let book = written(dir.path(), 4);
    let whole = files(&book);
    let name = segments(&whole)[1].clone();
    let mut changed = whole.clone();
    changed.insert(
        name.clone(),
        edited(&whole[&name], |lines| {
            let mut before = None;
            for text in lines.iter_mut() {
                let mut line = Line::parse(text.as_bytes()).unwrap();
                line.record.outcome = "not-found".into();
                line.prev = before;
                let bytes = line.render();
                before = Some(crate::digest::Digest::of(&bytes));
                *text = String::from_utf8(bytes).unwrap();
            }
        }),
    );
    put(&book, &changed);
    let violations = verify(&book).unwrap().violations;
    assert_eq!(violations.iter().filter_map(|found| found.line).collect::<Vec<_>>(), [1, 2, 3, 4]);
}

#[test]
fn a_segment_that_is_gone_copied_or_from_elsewhere_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let book = written(dir.path(), 2);
    let whole = files(&book);
    let names = segments(&whole);
    let found = |changed: &BTreeMap<String, Vec<u8>>| {
        put(&book, changed);
        verify(&book).unwrap().violations
    };
    let mut without = whole.clone();
    without.remove(&names[0]);
    assert_eq!(found(&without)[0].file, names[0]);

    // The index is made to fit: those that were begun later know better.
    let index = whole.keys().find(|name| name.ends_with(INDEX)).unwrap();
    let stem = names[0].split('/').nth(1).unwrap().trim_end_matches(ENDING).to_owned();
    without.insert(index.clone(), edited(&whole[index], |lines| lines.retain(|line| !line.starts_with(&stem))));
    let violations = found(&without);
    assert!(violations.iter().any(|violation| violation.reason.contains("is not what it was")), "{violations:?}");
    assert!(violations.iter().all(|violation| names[1..].contains(&violation.file)));

    let mut without = whole.clone();
    without.remove(index);
    assert!(found(&without).iter().any(|violation| violation.file == *index));

    let mut copied = whole.clone();
    let copy = names[0].replace(&stem, "235959-1-0000000000000000");
    copied.insert(copy.clone(), whole[&names[0]].clone());
    assert_eq!(found(&copied)[0].file, copy);

    let elsewhere = tempfile::tempdir().unwrap();
    let other = Book { vault: "another".into(), ..Book::unsigned(&Home::new(elsewhere.path()), Path::new("/b")) };
    say(&Log::default(), &other, "a/b");
    let (name, bytes) = files(&other).into_iter().find(|(name, _)| name.ends_with(ENDING)).unwrap();
    let mut mixed = whole.clone();
    mixed.insert(name.clone(), bytes);
    let violations = found(&mixed);
    assert!(
        violations.iter().any(|found| found.file == name && found.reason.contains("another vault")),
        "{violations:?}"
    );
}

#[test]
fn a_day_that_is_gone_is_found_and_only_the_oldest_can_be_taken_away() {
    let dir = tempfile::tempdir().unwrap();
    let book = book(dir.path());
    let log = Log::default();
    for day in ["2026-11-20", "2026-11-21", "2026-11-23"] {
        let time = format!("{day}T10:00:00.000000Z").parse().unwrap();
        for path in ["a/b", "a/c"] {
            log.append(&book, |_, process| Record { time, process, ..line::tests::record(path) }).unwrap();
        }
    }
    let whole = files(&book);
    let report = verify(&book).unwrap();
    assert_eq!(report.violations, []);
    assert_eq!((report.days, report.segments, report.begins.as_deref()), (3, 3, Some("2026-11-20")));
    let without = |day: &str| {
        put(
            &book,
            &whole.iter().filter(|(name, _)| !name.starts_with(day)).map(|(n, b)| (n.clone(), b.clone())).collect(),
        );
        verify(&book).unwrap()
    };
    assert!(without("2026-11-21").violations.iter().any(|found| found.reason.contains("2026-11-21 is gone")));
    let shortened = without("2026-11-20");
    assert_eq!(shortened.violations, []);
    assert!(shortened.earlier_removed && shortened.begins.as_deref() == Some("2026-11-21"));
    assert_eq!(without("2026-11-23").violations, [], "what was written last cannot be missed");
}

#[test]
fn a_segment_goes_on_in_another_one_and_its_lost_end_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let (book, log) = (book(dir.path()), Log::default());
    (0..3).for_each(|_| say(&log, &book, "a/b"));
    // Somebody takes the file away from under the process: it notices.
    let whole = files(&book);
    let first = segments(&whole)[0].clone();
    std::fs::remove_file(book.dir().join(&first)).unwrap();
    say(&log, &book, "a/c");
    let mut now = files(&book);
    if cfg!(unix) {
        assert_eq!(now.len(), 2, "the new segment, and the index");
        let header: Vec<Header> =
            now.values().filter_map(|bytes| Line::parse(bytes.split(|b| *b == b'\n').next()?).ok()?.segment).collect();
        assert!(first.contains(&header[0].continues.as_ref().unwrap().file));
        assert!(verify(&book).unwrap().violations.len() >= 2, "gone by the index, and by what follows it");
        now.insert(first.clone(), edited(&whole[&first], |lines| drop(lines.pop())));
        put(&book, &now);
        let violations = verify(&book).unwrap().violations;
        assert!(violations.iter().any(|found| found.reason.contains("does not end as it did")), "{violations:?}");
    }
}

#[test]
fn a_line_that_was_cut_short_is_told_as_such_and_the_others_stand() {
    let dir = tempfile::tempdir().unwrap();
    let book = written(dir.path(), 2);
    let mut files = files(&book);
    let name = segments(&files)[3].clone();
    // A third line, of which the kill left the beginning.
    let torn = files[&name].split(|byte| *byte == b'\n').nth(1).unwrap()[..40].to_vec();
    files.get_mut(&name).unwrap().extend(torn);
    put(&book, &files);
    let report = verify(&book).unwrap();
    assert_eq!(report.violations, []);
    assert_eq!(report.torn, [name]);
    assert_eq!(records(&book, &Filter::default()).unwrap().unreadable, 0);
    // The next process begins a segment of its own.
    say(&Log::default(), &book, "a/b");
    assert_eq!(verify(&book).unwrap().violations, []);
}

#[test]
fn a_kill_between_the_line_and_its_listing_or_within_that_is_no_tampering() {
    let dir = tempfile::tempdir().unwrap();
    let book = written(dir.path(), 2);
    let whole = files(&book);
    let index = whole.keys().find(|name| name.ends_with(INDEX)).unwrap();
    let last = whole[index].len() - whole[index].split(|b| *b == b'\n').rev().nth(1).unwrap().len() - 1;
    for kept in [last, last + 1, last + 30, whole[index].len() - 1] {
        let mut cut = whole.clone();
        cut.get_mut(index).unwrap().truncate(kept);
        put(&book, &cut);
        let report = verify(&book).unwrap();
        assert_eq!((report.violations, report.unlisted), (vec![], 1), "{kept}");
        say(&Log::default(), &book, "a/b");
        let report = verify(&book).unwrap();
        // One that only lacks its end gets it from the next.
        let unlisted = usize::from(kept < whole[index].len() - 1);
        assert_eq!((report.violations, report.unlisted), (vec![], unlisted), "{kept}, and another process after it");
    }
}

#[test]
fn hostile_files_are_told_and_neither_followed_nor_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let book = written(dir.path(), 1);
    let whole = files(&book);
    let name = segments(&whole)[0].clone();
    let file = book.dir().join(&name);
    for bytes in [vec![b'\n'; 4096], vec![0xff; 4096], vec![b'{'; (SEGMENT as usize) + LINE + 2], b"{}\n".repeat(1000)]
    {
        std::fs::write(&file, bytes).unwrap();
        let violations = verify(&book).unwrap().violations;
        assert!((1..100).contains(&violations.len()), "{}", violations.len());
        assert_eq!(records(&book, &Filter::default()).unwrap().entries.len(), 3, "the others are shown");
    }
    #[cfg(unix)]
    {
        std::fs::remove_file(&file).unwrap();
        std::os::unix::fs::symlink("/dev/zero", &file).unwrap();
        assert_eq!(verify(&book).unwrap().violations[0].file, name);
        std::fs::remove_file(&file).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(&file).status().unwrap().success());
        assert_eq!(verify(&book).unwrap().violations[0].file, name);
    }
}

#[test]
fn nothing_is_there_before_the_first_line() {
    let dir = tempfile::tempdir().unwrap();
    let book = book(dir.path());
    let _log = Log::default();
    assert!(!book.dir().exists());
    assert_eq!(verify(&book).unwrap().violations, []);
    assert_eq!(records(&book, &Filter::default()).unwrap().entries, []);
}

/// One change to one byte, or to one place.
#[derive(Debug, Clone)]
enum Change {
    Flip(u8),
    Remove,
    Insert(u8),
    SwapWithNext,
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        (1..=255u8).prop_map(Change::Flip),
        Just(Change::Remove),
        any::<u8>().prop_map(Change::Insert),
        Just(Change::SwapWithNext),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn any_change_of_a_single_byte_is_found(which in 0..5usize, at in any::<prop::sample::Index>(), change in change()) {
        use std::sync::OnceLock;
        static WRITTEN: OnceLock<(Book, BTreeMap<String, Vec<u8>>, tempfile::TempDir)> = OnceLock::new();
        let (book, whole, _dir) = WRITTEN.get_or_init(|| {
            let dir = tempfile::tempdir().unwrap();
            let book = written(dir.path(), 3);
            let files = files(&book);
            (book, files, dir)
        });
        let name = whole.keys().nth(which).unwrap();
        let mut bytes = whole[name].clone();
        let at = at.index(bytes.len());
        match change {
            Change::Flip(bits) => bytes[at] ^= bits,
            Change::Remove => drop(bytes.remove(at)),
            // An empty line of an index says nothing.
            Change::Insert(byte) => bytes.insert(at, if byte == b'\n' { b' ' } else { byte }),
            Change::SwapWithNext => bytes.swap(at, (at + 1) % whole[name].len()),
        }
        // A tail that is lost is the one thing that nobody can tell: here, the end of the index's last line.
        let lost_end = name.ends_with(INDEX) && whole[name].starts_with(&bytes);
        prop_assume!(bytes != whole[name] && !lost_end);
        let day = name.split('/').next().unwrap();
        let changed = |other: &String| if other == name { bytes.clone() } else { whole[other].clone() };
        let segments: Vec<(String, Vec<u8>)> = whole
            .keys()
            .filter(|other| other.ends_with(ENDING))
            .map(|other| (other.split('/').nth(1).unwrap().to_owned(), changed(other)))
            .collect();
        let index = changed(whole.keys().find(|other| other.ends_with(INDEX)).unwrap());
        let mut verifier = verify::Verifier::new(&book.vault);
        verifier.day(day, verify::Index { before: Some(&index), after: Some(&index) }, &segments);
        let report = verifier.end();
        prop_assert!(!report.violations.is_empty(), "{name} at {at}: {report:?}");
    }
}
