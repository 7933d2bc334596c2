//! A silence as it is written on disk.
//!
//! Input: a [`Silence`], or a line of JSON. Output: the other. Matchers have the fields that the API gives them.

use super::Silence;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tidewatch_model::{MatchOp, Matcher};

/// A silence on disk. Times are in milliseconds since the Unix epoch.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SilenceRecord {
    id: String,
    matchers: Vec<MatcherRecord>,
    starts_at: i64,
    ends_at: i64,
    updated_at: i64,
    created_by: String,
    comment: String,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<String, String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct MatcherRecord {
    name: String,
    value: String,
    is_regex: bool,
    is_equal: bool,
}

impl SilenceRecord {
    /// One line of JSON.
    pub(crate) fn write(silence: &Silence) -> String {
        let matcher = |matcher: &Matcher| MatcherRecord {
            name: matcher.name().to_owned(),
            value: matcher.value().to_owned(),
            is_regex: matches!(matcher.op(), MatchOp::Regex | MatchOp::NotRegex),
            is_equal: !matcher.is_negative(),
        };
        let record = Self {
            id: silence.id.clone(),
            matchers: silence.matchers.iter().map(matcher).collect(),
            starts_at: silence.starts_at,
            ends_at: silence.ends_at,
            updated_at: silence.updated_at,
            created_by: silence.created_by.clone(),
            comment: silence.comment.clone(),
            annotations: silence.annotations.clone(),
        };
        serde_json::to_string(&record).expect("texts and numbers can be written")
    }

    /// The silence of a line.
    pub(crate) fn read(line: &str) -> Result<Silence, String> {
        let record: Self = serde_json::from_str(line).map_err(|error| error.to_string())?;
        let matcher = |matcher: MatcherRecord| {
            let op = match (matcher.is_equal, matcher.is_regex) {
                (true, false) => MatchOp::Equal,
                (false, false) => MatchOp::NotEqual,
                (true, true) => MatchOp::Regex,
                (false, true) => MatchOp::NotRegex,
            };
            Matcher::new(matcher.name, op, matcher.value).map_err(|error| error.to_string())
        };
        Ok(Silence {
            id: record.id,
            matchers: record.matchers.into_iter().map(matcher).collect::<Result<_, _>>()?,
            starts_at: record.starts_at,
            ends_at: record.ends_at,
            created_by: record.created_by,
            comment: record.comment,
            annotations: record.annotations,
            updated_at: record.updated_at,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matchers::parse_matchers;

    #[test]
    fn what_is_written_is_read() {
        let silence = Silence {
            id: "x".to_owned(),
            matchers: parse_matchers("a=1,b!=2,c=~\"3|4\",d!~\"5\"").unwrap(),
            starts_at: 1,
            ends_at: 2,
            created_by: "me\n".to_owned(),
            comment: "\"why\"".to_owned(),
            annotations: BTreeMap::from([("k".to_owned(), "v".to_owned())]),
            updated_at: 3,
        };
        let line = SilenceRecord::write(&silence);
        assert!(!line.contains('\n'), "{line}");
        assert_eq!(SilenceRecord::read(&line).unwrap(), silence);
        assert!(SilenceRecord::read("{}").is_err());
    }
}
