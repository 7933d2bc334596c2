//! The configuration of a topic in Kafka's words, and what of it this broker does.
//!
//! Input: pairs of key and value, from a manifest, a client or the topics file. Output: numbers for the log, or an error that names
//! key, value and remedy. A key that would change what a consumer sees and is not implemented is refused, not ignored.

use std::collections::BTreeMap;

/// A known key.
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) default: &'static str,
    /// Kafka's type number in DescribeConfigs: 2 string, 3 int, 5 long, 7 list.
    pub(crate) kind: i8,
    rule: Rule,
}

enum Rule {
    /// A whole number from this one up.
    AtLeast(i64),
    /// One of these values; others name a thing that is not there.
    OneOf(&'static [&'static str]),
}

/// Known keys. Those without an effect on a single broker are accepted, so that a manifest for a cluster can be used as it is.
pub(crate) const KEYS: &[Key] = &[
    Key { name: "cleanup.policy", default: "delete", kind: 7, rule: Rule::OneOf(&["delete"]) },
    Key { name: "compression.type", default: "producer", kind: 2, rule: Rule::OneOf(&["producer"]) },
    Key { name: "max.message.bytes", default: "1048588", kind: 3, rule: Rule::AtLeast(0) },
    Key {
        name: "message.timestamp.type",
        default: "CreateTime",
        kind: 2,
        rule: Rule::OneOf(&["CreateTime"]),
    },
    Key { name: "min.insync.replicas", default: "1", kind: 3, rule: Rule::AtLeast(1) },
    Key { name: "retention.bytes", default: "1073741824", kind: 5, rule: Rule::AtLeast(-1) },
    Key { name: "retention.ms", default: "604800000", kind: 5, rule: Rule::AtLeast(-1) },
    Key { name: "segment.bytes", default: "67108864", kind: 3, rule: Rule::AtLeast(14) },
    Key { name: "segment.ms", default: "604800000", kind: 5, rule: Rule::AtLeast(1) },
];

/// What a partition's log needs of a topic's configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TopicConfig {
    /// Milliseconds after which a segment is removed; none, never.
    pub(crate) retention_ms: Option<i64>,
    /// Bytes of a partition above which segments are removed; none, never.
    pub(crate) retention_bytes: Option<u64>,
    pub(crate) segment_bytes: u64,
    /// Bytes of the largest batch.
    pub(crate) max_message_bytes: usize,
}

/// The value of a key: the given one or the default.
pub(crate) fn value<'a>(configs: &'a BTreeMap<String, String>, name: &str) -> &'a str {
    let default = KEYS.iter().find(|key| key.name == name).map_or("", |key| key.default);
    configs.get(name).map_or(default, String::as_str)
}

impl TopicConfig {
    /// Checks every pair; the error names key, value and remedy.
    pub(crate) fn parse(configs: &BTreeMap<String, String>) -> Result<Self, String> {
        for (name, value) in configs {
            let Some(key) = KEYS.iter().find(|key| key.name == name) else {
                let known: Vec<_> = KEYS.iter().map(|key| key.name).collect();
                return Err(format!(
                    "config {name:?} is not known here; hint: remove it, known are {}",
                    known.join(", ")
                ));
            };
            check(key, value)?;
        }
        let number = |name| value(configs, name).parse::<i64>().unwrap_or(0);
        let unbounded = |name| u64::try_from(number(name)).ok();
        Ok(Self {
            retention_ms: Some(number("retention.ms")).filter(|ms| *ms >= 0),
            retention_bytes: unbounded("retention.bytes"),
            segment_bytes: unbounded("segment.bytes").unwrap_or(64 << 20).min(1 << 30),
            max_message_bytes: usize::try_from(number("max.message.bytes")).unwrap_or(0),
        })
    }
}

fn check(key: &Key, value: &str) -> Result<(), String> {
    let name = key.name;
    match key.rule {
        Rule::AtLeast(least) => match value.trim().parse::<i64>() {
            Ok(number) if number >= least => Ok(()),
            _ => Err(format!("config {name} is {value:?}; hint: give a whole number of at least {least}")),
        },
        Rule::OneOf(values) if values.contains(&value) => Ok(()),
        Rule::OneOf(values) => Err(format!(
            "config {name} is {value:?}, which this broker does not do; hint: use {}",
            values.join(" or ")
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pairs: &[(&str, &str)], expected: Result<(Option<i64>, Option<u64>), &str>) {
        let configs = pairs.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect();
        let parsed = TopicConfig::parse(&configs).map(|config| (config.retention_ms, config.retention_bytes));
        match expected {
            Ok(values) => assert_eq!(parsed, Ok(values), "{pairs:?}"),
            Err(part) => {
                assert!(parsed.as_ref().is_err_and(|text| text.contains(part)), "{pairs:?}: {parsed:?}");
            }
        }
    }

    #[test]
    fn values_are_numbers_or_refused_with_a_remedy() {
        check(&[], Ok((Some(604_800_000), Some(1 << 30))));
        check(&[("retention.ms", "-1"), ("retention.bytes", "-1")], Ok((None, None)));
        check(
            &[("retention.ms", "3600000"), ("min.insync.replicas", "2")],
            Ok((Some(3_600_000), Some(1 << 30))),
        );
        check(&[("retention.ms", "1h")], Err("config retention.ms is \"1h\"; hint: give a whole number"));
        check(&[("cleanup.policy", "compact")], Err("hint: use delete"));
        check(&[("retention.minutes", "1")], Err("config \"retention.minutes\" is not known here"));
    }
}
