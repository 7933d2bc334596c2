//! A task, as it is stored and as it is answered.
//!
//! Input: rows from the store. Output: JSON with RFC 3339 times in UTC. Deliberately has no owner and no tenant: there are no
//! users in this application.

use std::time::SystemTime;

use serde::{Serialize, Serializer, ser::Error as _};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// How urgent a task is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Priority {
    Low,
    #[default]
    Medium,
    High,
}

impl Priority {
    pub(crate) const NAMES: &'static str = "low, medium or high";

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }

    pub(crate) fn of_name(name: &str) -> Option<Self> {
        [Self::Low, Self::Medium, Self::High].into_iter().find(|priority| priority.name() == name)
    }
}

/// One thing to do.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Task {
    pub(crate) id: i64,
    pub(crate) title: String,
    pub(crate) description: String,
    pub(crate) priority: Priority,
    /// `YYYY-MM-DD`, without a time zone: a date on somebody's calendar.
    pub(crate) due_date: Option<String>,
    pub(crate) completed: bool,
    pub(crate) completed_at: Option<Timestamp>,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
    /// Grows by one with every change.
    pub(crate) version: i64,
}

/// Milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Timestamp(pub(crate) i64);

impl Timestamp {
    pub(crate) fn now() -> Self {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    /// RFC 3339 in UTC; `None` beyond the year 9999.
    pub(crate) fn rfc3339(self) -> Option<String> {
        let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1_000_000).ok()?;
        time.format(&Rfc3339).ok()
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = self.rfc3339().ok_or_else(|| S::Error::custom("a time beyond the year 9999"))?;
        serializer.serialize_str(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rfc3339_in_utc() {
        let check = |milliseconds: i64, expected: Option<&str>| {
            assert_eq!(Timestamp(milliseconds).rfc3339().as_deref(), expected);
        };
        check(0, Some("1970-01-01T00:00:00Z"));
        check(951_782_400_250, Some("2000-02-29T00:00:00.25Z"));
        check(i64::MAX, None);
    }

    #[test]
    fn priorities_are_read_by_the_name_they_are_written_with() {
        for priority in [Priority::Low, Priority::Medium, Priority::High] {
            assert_eq!(Priority::of_name(priority.name()), Some(priority));
            assert_eq!(serde_json::json!(priority), priority.name());
        }
        assert_eq!(Priority::of_name("High"), None);
    }
}
