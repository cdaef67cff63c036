//! Points in time.

use crate::time::Timestamp;

/// The clock of the law: a real one would make inputs mean something else tomorrow.
const NOW: &str = "2026-11-22T10:00:00Z";

/// A time is in range and renders to the text that it was read from; a person's expiry becomes such a time, and one that
/// is counted from now is not before it.
pub fn time(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    if let Ok(time) = text.parse::<Timestamp>() {
        assert_eq!(time.to_string(), text);
        whole(time);
    }
    let now: Timestamp = NOW.parse().expect("a time");
    if let Ok(expiry) = Timestamp::parse_expiry(text, now) {
        whole(expiry);
        assert!(expiry >= now || !text.ends_with(['h', 'd', 'w']), "{text:?} from {now} is {expiry}");
    }
}

fn whole(time: Timestamp) {
    assert_eq!(Timestamp::from_unix(time.unix()), Some(time), "{time} is out of range");
    assert_eq!(time.to_string().parse::<Timestamp>().ok(), Some(time), "{time} does not read back");
    assert_eq!(time.plus_days(0), time);
}
