//! Reads a CloudEvent 1.0 in structured JSON form.
//!
//! Input: a JSON body. Output: the attributes and the part of the data that a feed shows, or every attribute that is wrong.
//! Extension attributes are allowed, as the standard wants. Deliberately accepts types it does not know: a newer backend may send
//! them, and an activity is worth keeping.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use todo_telemetry::{FieldError, Problem};

/// Longest id, source or type, in characters.
const MAX_ATTRIBUTE: usize = 256;
/// Sequence numbers of one task that can be told apart within a millisecond.
const SEQUENCES: i64 = 1_000_000;
/// Longest title kept, in characters.
const MAX_TITLE: usize = 200;

/// What is kept of an event.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct CloudEvent {
    /// `source` and `id` together identify an event.
    pub(crate) source: String,
    pub(crate) id: String,
    pub(crate) event_type: String,
    /// Id of the task, from `subject`.
    pub(crate) task_id: i64,
    /// RFC 3339, as the sender wrote it.
    pub(crate) time: Option<String>,
    /// Where it belongs in the feed: ascends with `time`, and within a millisecond with the extension `sequence`.
    pub(crate) position: i64,
    /// Title of the task at that time.
    pub(crate) title: Option<String>,
    /// Names of the fields that were changed, joined by commas.
    pub(crate) changed: String,
}

impl CloudEvent {
    pub(crate) fn of(body: &Value) -> Result<Self, Problem> {
        let Value::Object(_) = body else {
            let error = FieldError::new("", body.clone(), "send a CloudEvent as a JSON object");
            return Err(Problem::invalid_fields(vec![error]));
        };
        let mut errors = Vec::new();
        if body["specversion"] != "1.0" {
            errors.push(FieldError::new("specversion", body["specversion"].clone(), "give \"1.0\""));
        }
        let mut attribute = |name: &str| {
            let text = body[name].as_str().unwrap_or_default();
            if text.is_empty() || text.chars().count() > MAX_ATTRIBUTE || text.chars().any(char::is_control) {
                let remedy = format!("give a text of 1 to {MAX_ATTRIBUTE} characters");
                errors.push(FieldError::new(name, body[name].clone(), remedy));
            }
            text.to_owned()
        };
        let (source, id, event_type) = (attribute("source"), attribute("id"), attribute("type"));
        let task_id = body["subject"].as_str().and_then(|subject| subject.parse().ok()).filter(|id| *id > 0);
        if task_id.is_none() {
            let remedy = "give the id of a task, a whole number above 0 as a text";
            errors.push(FieldError::new("subject", body["subject"].clone(), remedy));
        }
        let time = body["time"].as_str().map(str::to_owned);
        if time.as_deref().is_some_and(|time| !looks_like_a_time(time)) {
            errors.push(FieldError::new(
                "time",
                body["time"].clone(),
                "give an RFC 3339 time, or leave it out",
            ));
        }
        if !errors.is_empty() {
            return Err(Problem::invalid_fields(errors));
        }
        let data = &body["data"];
        let title = data["task"]["title"].as_str();
        let changed = data["changed"].as_array().map(Vec::as_slice).unwrap_or_default();
        Ok(Self {
            position: position(time.as_deref(), body["sequence"].as_str()),
            source,
            id,
            event_type,
            task_id: task_id.expect("an event without a task was refused"),
            time,
            title: title
                .map(|title| title.chars().filter(|letter| *letter != '\0').take(MAX_TITLE).collect()),
            changed: changed
                .iter()
                .filter_map(Value::as_str)
                .filter(|name| is_name(name))
                .take(16)
                .collect::<Vec<_>>()
                .join(","),
        })
    }
}

/// An event without a time that can be understood belongs where it arrived.
fn position(time: Option<&str>, sequence: Option<&str>) -> i64 {
    let time = time.and_then(|time| OffsetDateTime::parse(time, &Rfc3339).ok());
    let nanoseconds = match time {
        Some(time) => time.unix_timestamp_nanos(),
        None => {
            SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos().cast_signed())
        }
    };
    // Times beyond the year 2262 count as the last one that fits.
    let milliseconds = i64::try_from(nanoseconds / 1_000_000).unwrap_or(0).clamp(0, i64::MAX / SEQUENCES - 1);
    let sequence: i64 = sequence.and_then(|sequence| sequence.parse().ok()).unwrap_or(0);
    milliseconds * SEQUENCES + sequence.clamp(0, SEQUENCES - 1)
}

fn is_name(text: &str) -> bool {
    text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Shape of RFC 3339: enough to keep nonsense out of the feed.
fn looks_like_a_time(text: &str) -> bool {
    let bytes = text.as_bytes();
    (20..=40).contains(&bytes.len())
        && bytes.iter().enumerate().take(19).all(|(at, byte)| match at {
            4 | 7 => *byte == b'-',
            10 => matches!(byte, b'T' | b't' | b' '),
            13 | 16 => *byte == b':',
            _ => byte.is_ascii_digit(),
        })
        && bytes[19..].iter().all(|byte| byte.is_ascii_digit() || b".+-:Zz".contains(byte))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn sample() -> Value {
        json!({
            "specversion": "1.0", "id": "1", "source": "/todo-backend", "type": "task.updated", "subject": "7",
            "time": "2026-01-01T10:00:00.5Z", "sequence": "0000000003", "traceparent": "00-1-2-3",
            "data": {"task_id": 7, "changed": ["title", "due_date", "<b>"], "task": {"title": "Buy milk"}},
        })
    }

    #[test]
    fn what_a_feed_shows_is_kept() {
        assert_eq!(
            CloudEvent::of(&sample()).unwrap(),
            CloudEvent {
                source: "/todo-backend".to_owned(),
                id: "1".to_owned(),
                event_type: "task.updated".to_owned(),
                task_id: 7,
                time: Some("2026-01-01T10:00:00.5Z".to_owned()),
                position: 1_767_261_600_500_000_003,
                title: Some("Buy milk".to_owned()),
                changed: "title,due_date".to_owned(),
            }
        );
    }

    #[test]
    fn a_position_ascends_with_time_then_sequence() {
        let check = |earlier: (&str, &str), later: (&str, &str)| {
            let of = |(time, sequence)| position(Some(time), Some(sequence));
            assert!(of(earlier) < of(later), "{earlier:?} before {later:?}");
        };
        check(("2026-01-01T10:00:00Z", "0000000009"), ("2026-01-01T10:00:00.001Z", "0000000001"));
        check(("2026-01-01T10:00:00Z", "0000000009"), ("2026-01-01T10:00:00Z", "0000000010"));
        check(("2026-01-01T12:00:00+02:00", "1"), ("2026-01-01T10:00:00Z", "2"));
        check(("1960-01-01T10:00:00Z", "-5"), ("1970-01-01T00:00:00Z", "2"));
        check(("2026-01-01T10:00:00Z", "x"), ("9999-01-01T00:00:00Z", "99999999999"));
        let now = position(None, None);
        assert!((now..now + 60_000 * SEQUENCES).contains(&position(Some("nonsense"), None)));
    }

    #[test]
    fn every_wrong_attribute_is_named() {
        let check = |name: &str, value: Value| {
            let mut event = sample();
            event[name] = value;
            let text = format!("{:?}", CloudEvent::of(&event).unwrap_err());
            assert!(text.contains(&format!("field: \"{name}\"")), "{text}");
        };
        check("specversion", json!("0.3"));
        check("id", json!(""));
        check("id", json!(5));
        check("source", json!("s".repeat(257)));
        check("type", json!(null));
        check("subject", json!("seven"));
        check("subject", json!(7));
        check("time", json!("yesterday"));
        assert!(format!("{:?}", CloudEvent::of(&json!([])).unwrap_err()).contains("JSON object"));
    }
}
