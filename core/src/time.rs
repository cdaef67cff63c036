//! Points in time as documents carry them: whole seconds, UTC, RFC 3339 with `Z`.

use crate::error::{Error, Result, printable};
use std::fmt;
use std::str::FromStr;

/// A second in UTC, from year 1 to 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// Seconds of a day.
pub const DAY: i64 = 86_400;

impl Timestamp {
    /// The timestamp of that many seconds since 1970, or `None` outside years 1 to 9999.
    pub fn from_unix(seconds: i64) -> Option<Self> {
        (-62_135_596_800..=253_402_300_799).contains(&seconds).then_some(Self(seconds))
    }

    /// The system clock's time.
    pub fn now() -> Self {
        Self(jiff::Timestamp::now().as_second())
    }

    /// Seconds since 1970.
    pub fn unix(self) -> i64 {
        self.0
    }

    /// This time and `days` more; stays in range.
    pub fn plus_days(self, days: i64) -> Self {
        let seconds = self.0.saturating_add(days.saturating_mul(DAY));
        Self(seconds.clamp(-62_135_596_800, 253_402_300_799))
    }

    /// Any RFC 3339 time, such as other programs write: with an offset or a fraction, which is cut off. `Err` says what
    /// is wrong.
    pub(crate) fn parse_any(text: &str) -> Result<Self, String> {
        let time: jiff::Timestamp = text.parse().map_err(|_| format!("{:?} is not a time", printable(text)))?;
        Self::from_unix(time.as_second()).ok_or_else(|| format!("{:?} is out of range", printable(text)))
    }

    /// What a person means by "since": a date, a time, or a number of minutes, hours, days or weeks before `now`
    /// (`90m`, `36h`, `2d`, `1w`).
    ///
    /// # Errors
    /// [`Error::Usage`] for anything else.
    pub fn parse_since(text: &str, now: Timestamp) -> Result<Self> {
        let wrong = || Error::Usage {
            message: format!("{:?} is not a date", printable(text)),
            hint: "give a date (2027-01-31), a time (2027-01-31T12:00:00Z), or how long ago (90m, 36h, 2d, 1w)".into(),
        };
        let minutes = || text.strip_suffix('m')?.parse().ok().filter(|count: &i64| *count >= 0)?.checked_mul(60);
        point(text)
            .or_else(|| now.0.checked_sub(span(text).or_else(minutes)?).and_then(Timestamp::from_unix))
            .ok_or_else(wrong)
    }

    /// What a person means by an expiry: a date (`2027-01-31`), a time (`2027-01-31T12:00:00Z`), or a
    /// number of days, weeks or hours from `now` (`90d`, `12w`, `36h`).
    ///
    /// # Errors
    /// [`Error::Usage`] for anything else.
    pub fn parse_expiry(text: &str, now: Timestamp) -> Result<Self> {
        let wrong = || Error::Usage {
            message: format!("{:?} is not a date", printable(text)),
            hint: "give a date (2027-01-31), a time (2027-01-31T12:00:00Z), or a span from now (90d, 12w, 36h)".into(),
        };
        point(text).or_else(|| now.0.checked_add(span(text)?).and_then(Timestamp::from_unix)).ok_or_else(wrong)
    }
}

/// A time or a date, which is its first second.
fn point(text: &str) -> Option<Timestamp> {
    if let Ok(time) = text.parse() {
        return Some(time);
    }
    let date = text.parse::<jiff::civil::Date>().ok().filter(|_| text.len() == 10)?;
    format!("{date}T00:00:00Z").parse().ok()
}

/// The seconds of `36h`, `90d` or `12w`.
fn span(text: &str) -> Option<i64> {
    let unit = text.chars().last()?;
    let seconds = match unit {
        'h' => 3_600,
        'd' => DAY,
        'w' => 7 * DAY,
        _ => return None,
    };
    let count: i64 = text[..text.len() - 1].parse().ok()?;
    count.checked_mul(seconds).filter(|_| count >= 0)
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = jiff::Timestamp::from_second(self.0).map_err(|_| fmt::Error)?;
        f.pad(&time.to_string())
    }
}

impl FromStr for Timestamp {
    type Err = Error;
    /// Only the canonical form, `2026-11-22T10:00:00Z`.
    fn from_str(text: &str) -> Result<Self> {
        text.parse::<jiff::Timestamp>()
            .ok()
            .and_then(|time| Self::from_unix(time.as_second()))
            .filter(|time| time.to_string() == text)
            .ok_or_else(|| Error::Usage {
                message: format!("{:?} is not a time", printable(text)),
                hint: "write it as 2026-11-22T10:00:00Z".into(),
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_canonical_form_is_a_timestamp() {
        assert_eq!("2026-11-22T10:00:00Z".parse::<Timestamp>().unwrap().to_string(), "2026-11-22T10:00:00Z");
        for text in [
            "2026-11-22T10:00:00+00:00",
            "2026-11-22 10:00:00Z",
            "2026-11-22T10:00:00.5Z",
            "0000-01-01T00:00:00Z",
            "-000001-01-01T00:00:00Z",
            "2026-11-22",
            "",
        ] {
            assert!(text.parse::<Timestamp>().is_err(), "{text}");
        }
    }

    #[test]
    fn expiries_are_dates_or_spans() {
        let now = "2026-11-22T10:00:00Z".parse().unwrap();
        let at = |text| Timestamp::parse_expiry(text, now).unwrap().to_string();
        assert_eq!(at("90d"), "2027-02-20T10:00:00Z");
        assert_eq!(at("2027-01-31"), "2027-01-31T00:00:00Z");
        assert_eq!(at("36h"), "2026-11-23T22:00:00Z");
        for text in ["", "d", "-3d", "90", "90m", "soon", "2027-02-31", "99999999999999999999d", "é"] {
            assert!(Timestamp::parse_expiry(text, now).is_err(), "{text}");
        }
    }

    #[test]
    fn since_is_a_date_or_how_long_ago() {
        let now = "2026-11-22T10:00:00Z".parse().unwrap();
        let at = |text| Timestamp::parse_since(text, now).unwrap().to_string();
        assert_eq!(at("2d"), "2026-11-20T10:00:00Z");
        assert_eq!(at("90m"), "2026-11-22T08:30:00Z");
        assert_eq!(at("2026-11-01"), "2026-11-01T00:00:00Z");
        assert_eq!(at("2026-11-01T12:00:00Z"), "2026-11-01T12:00:00Z");
        for text in ["", "m", "-3d", "-1m", "2", "yesterday", "9999999w", "é"] {
            assert!(Timestamp::parse_since(text, now).is_err(), "{text}");
        }
    }
}
