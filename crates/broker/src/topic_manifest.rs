//! A Strimzi `KafkaTopic` as a topic of this broker.
//!
//! Input: the object as JSON, as the files that deploy it to a cluster hold it. Output: a [`TopicSpec`], or an error that names
//! field, value and remedy. Reads no file; metadata other than the name is not looked at.

use crate::error::BrokerError;
use crate::options::TopicSpec;
use crate::topic_config::TopicConfig;
use crate::topics::is_topic_name;
use serde_json::Value;
use std::collections::BTreeMap;

/// The topic that a `KafkaTopic` object (`kafka.strimzi.io/v1` or `v1beta2`) describes: `spec.topicName` or `metadata.name`,
/// `spec.partitions`, `spec.config`. `spec.replicas` may be any number of at least 1: one machine has one copy.
///
/// # Errors
/// [`BrokerError::Topic`] when the object is of another kind, or a field is missing or not usable.
pub fn topic_of_manifest(object: &Value) -> Result<TopicSpec, BrokerError> {
    let metadata_name = object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
    let fail = |reason: String| BrokerError::topic(metadata_name, reason);
    let text = |pointer| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    if text("/kind") != "KafkaTopic" || !text("/apiVersion").starts_with("kafka.strimzi.io/") {
        let found = format!("{} {}", text("/apiVersion"), text("/kind"));
        return Err(fail(format!(
            "apiVersion and kind are {found:?}; hint: expected kafka.strimzi.io/v1 KafkaTopic"
        )));
    }
    let name = match object.pointer("/spec/topicName") {
        None | Some(Value::Null) => metadata_name,
        Some(value) => {
            value.as_str().ok_or_else(|| fail(format!("spec.topicName is {value}; hint: give a string")))?
        }
    };
    if !is_topic_name(name) {
        let hint = "hint: use 1 to 249 letters, digits, '.', '_' and '-'";
        return Err(fail(format!("the name {name:?} cannot be a topic's; {hint}")));
    }
    let count = |pointer: &str, field: &str, most: i64| match object.pointer(pointer) {
        None | Some(Value::Null) => Ok(1),
        Some(value) => value
            .as_i64()
            .filter(|count| (1..=most).contains(count))
            .ok_or_else(|| fail(format!("{field} is {value}; hint: give a whole number from 1 to {most}"))),
    };
    count("/spec/replicas", "spec.replicas", i64::from(i16::MAX))?;
    let partitions = count("/spec/partitions", "spec.partitions", 1024)? as i32;
    let mut configs = BTreeMap::new();
    match object.pointer("/spec/config") {
        None | Some(Value::Null) => {}
        Some(Value::Object(pairs)) => {
            for (key, value) in pairs {
                let value = match value {
                    Value::String(text) => text.clone(),
                    Value::Number(_) | Value::Bool(_) => value.to_string(),
                    _ => {
                        return Err(fail(format!(
                            "spec.config.{key} is {value}; hint: give a string or a number"
                        )));
                    }
                };
                configs.insert(key.clone(), value);
            }
        }
        Some(value) => {
            return Err(fail(format!("spec.config is {value}; hint: give an object of keys and values")));
        }
    }
    TopicConfig::parse(&configs).map_err(|reason| fail(format!("spec.{reason}")))?;
    Ok(TopicSpec { name: name.to_owned(), partitions, configs })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(spec: &Value, expected: Result<(&str, i32), &str>) {
        let object = json!({
            "apiVersion": "kafka.strimzi.io/v1", "kind": "KafkaTopic", "metadata": {"name": "task-events"}, "spec": spec,
        });
        match (topic_of_manifest(&object), expected) {
            (Ok(topic), Ok((name, partitions))) => {
                assert_eq!((&*topic.name, topic.partitions), (name, partitions));
            }
            (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{error}"),
            (result, _) => panic!("{spec}: {result:?}"),
        }
    }

    #[test]
    fn manifests_become_topics_or_say_which_field_is_wrong() {
        check(
            &json!({"partitions": 5, "replicas": 3, "config": {"retention.ms": 7_200_000}}),
            Ok(("task-events", 5)),
        );
        check(&json!({"topicName": "Task_Events"}), Ok(("Task_Events", 1)));
        check(&json!({"partitions": 0}), Err("spec.partitions is 0; hint"));
        check(&json!({"partitions": "five"}), Err("spec.partitions is \"five\"; hint"));
        check(&json!({"topicName": "a b"}), Err("\"a b\" cannot be a topic's"));
        check(
            &json!({"config": {"cleanup.policy": "compact"}}),
            Err("spec.config cleanup.policy is \"compact\""),
        );
        check(&json!({"config": {"retention.ms": [1]}}), Err("spec.config.retention.ms is [1]; hint"));
        check(&json!({"config": 3}), Err("spec.config is 3; hint"));
        let other = json!({"apiVersion": "v1", "kind": "Service"});
        assert!(topic_of_manifest(&other).unwrap_err().to_string().contains("\"v1 Service\""));
    }
}
