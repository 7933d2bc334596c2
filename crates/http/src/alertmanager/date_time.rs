//! Points in time as Alertmanager's API reads and writes them.
//!
//! Input: text. Output: milliseconds since the Unix epoch, and back. RFC 3339 is what clients send; of the other notations of ISO 8601 those
//! are read that Alertmanager reads. Both the empty text and Go's zero time are 0, which is "not said".

use serde::{Deserialize, Deserializer, de};
use tidewatch_model::{format_timestamp, parse_timestamp};

/// 0001-01-01T00:00:00Z.
const GO_ZERO: i64 = -62_135_596_800_000;

/// A point in time in a body, in milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct DateTime(pub(super) i64);

impl<'de> Deserialize<'de> for DateTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let wrong = || {
            let text = format!("parsing time {text:?}: not RFC 3339, such as 2026-11-23T10:00:00Z");
            de::Error::custom(text)
        };
        read(&text).map(Self).ok_or_else(wrong)
    }
}

fn read(text: &str) -> Option<i64> {
    if text.is_empty() {
        return Some(0);
    }
    // what is no date could be read as a number
    let bytes = text.as_bytes();
    if bytes.get(4) != Some(&b'-') || bytes.get(7) != Some(&b'-') {
        return None;
    }
    let time = parse_timestamp(&spelled_out(text)?).ok()?;
    Some(if time == GO_ZERO { 0 } else { time })
}

/// The same time with what it leaves out: the time of day, seconds, the zone, the colon of the zone.
fn spelled_out(text: &str) -> Option<String> {
    let (date, clock) = text.split_at_checked(10)?;
    if clock.is_empty() {
        return Some(format!("{date}T00:00:00Z"));
    }
    let (clock, zone) = clock.split_at(clock.find(['Z', '+', '-']).unwrap_or(clock.len()));
    let has_t = clock.starts_with('T');
    if !(has_t || clock.starts_with(' ') && zone.is_empty()) {
        return None;
    }
    let seconds = match clock.len() {
        6 if has_t && matches!(zone, "" | "Z") => ":00",
        6 => return None,
        _ => "",
    };
    let zone = match (zone.len(), zone.get(..3), zone.get(3..)) {
        (0, ..) => "Z".to_owned(),
        // without a colon only after three or six decimals
        (5, Some(hours), Some(minutes)) if matches!(clock.len(), 13 | 16) => format!("{hours}:{minutes}"),
        (5, ..) => return None,
        _ => zone.to_owned(),
    };
    // a comma may stand before decimals
    Some(format!("{date}T{}{seconds}{zone}", clock[1..].replacen(',', ".", 1)))
}

/// RFC 3339 in UTC with three decimals.
pub(super) fn written(milliseconds: i64) -> String {
    let second = format_timestamp(milliseconds - milliseconds.rem_euclid(1000));
    format!("{}.{:03}Z", second.trim_end_matches('Z'), milliseconds.rem_euclid(1000))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Alertmanager 0.34.2 took and refused.
    #[test]
    fn several_notations_are_read() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(read(text).map(written).as_deref(), expected, "{text}");
        };
        check("2026-11-23T10:00:00Z", Some("2026-11-23T10:00:00.000Z"));
        check("2026-11-23T10:00:00.123456789Z", Some("2026-11-23T10:00:00.123Z"));
        check("2026-11-23T10:00:00.5+02:00", Some("2026-11-23T08:00:00.500Z"));
        check("2026-11-23T10:00:00.123-0530", Some("2026-11-23T15:30:00.123Z"));
        check("2026-11-23T10:00:00-0530", None);
        check("2026-11-23T10:00:00", Some("2026-11-23T10:00:00.000Z"));
        check("2026-11-23T10:00Z", Some("2026-11-23T10:00:00.000Z"));
        check("2026-11-23T10:00", Some("2026-11-23T10:00:00.000Z"));
        check("2026-11-23 10:00:00", Some("2026-11-23T10:00:00.000Z"));
        check("2026-11-23T10:00:00,5Z", Some("2026-11-23T10:00:00.500Z"));
        check("2026-11-23", Some("2026-11-23T00:00:00.000Z"));
        check("9999-12-31T23:59:59Z", Some("9999-12-31T23:59:59.000Z"));
        check("1969-12-31T23:59:59.999Z", Some("1969-12-31T23:59:59.999Z"));
        check("", Some("1970-01-01T00:00:00.000Z"));
        check("0001-01-01T00:00:00Z", Some("1970-01-01T00:00:00.000Z"));
        check("2026-13-23T10:00:00Z", None);
        check("2026-02-30", None);
        check("2026-11-23 10:00:00Z", None);
        check("2026-11-23t10:00:00Z", None);
        check("2026-11-23T10:00+02:00", None);
        check("yesterday", None);
        check("1795374310", None);
        check("123e-45678", None);
        check("2026-11-2é", None);
    }
}
