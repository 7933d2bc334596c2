//! DescribeConfigs and IncrementalAlterConfigs: configuration of topics; the broker's is shown only.
//!
//! Input: keys in Kafka's words. Output: values with their source, changed topics. Changing the broker's own configuration is refused: it comes
//! from the program's flags.

use crate::codes;
use crate::shared::Shared;
use crate::topic_config::{KEYS, value};
use crate::topics::Refusal;
use crate::wire::text;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResponse, DescribeConfigsResult,
};
use kafka_protocol::messages::incremental_alter_configs_request::AlterConfigsResource;
use kafka_protocol::messages::incremental_alter_configs_response::{
    AlterConfigsResourceResponse, IncrementalAlterConfigsResponse,
};
use kafka_protocol::messages::{DescribeConfigsRequest, IncrementalAlterConfigsRequest};
use std::collections::HashSet;

const TOPIC: i8 = 2;
const BROKER: i8 = 4;
/// Sources of a value: set on the topic, set when the broker was started, default.
const DYNAMIC_TOPIC: i8 = 1;
const STATIC_BROKER: i8 = 4;
const DEFAULT: i8 = 5;

pub(crate) fn describe(shared: &Shared, message: DescribeConfigsRequest) -> DescribeConfigsResponse {
    // Each once: a request that names a resource again and again would get a far larger answer.
    let mut named = HashSet::new();
    let resources = message.resources.into_iter();
    let resources =
        resources.filter(|asked| named.insert((asked.resource_type, asked.resource_name.clone())));
    let results = resources.map(|resource| {
        let rows = match resource.resource_type {
            TOPIC => topic_rows(shared, &resource),
            BROKER => broker_named(shared, &resource.resource_name).map(|()| broker_rows(shared)),
            other => {
                Err((codes::INVALID_REQUEST, format!("resource type {other} has no configuration here")))
            }
        };
        let answer = DescribeConfigsResult::default()
            .with_resource_type(resource.resource_type)
            .with_resource_name(resource.resource_name.clone());
        match rows {
            Ok(mut rows) => {
                if let Some(keys) = &resource.configuration_keys {
                    rows.retain(|row| keys.contains(&row.name));
                }
                answer.with_configs(rows)
            }
            Err((code, why)) => answer.with_error_code(code).with_error_message(Some(text(why))),
        }
    });
    DescribeConfigsResponse::default().with_results(results.collect())
}

fn row(name: &str, value: String, source: i8, kind: i8, read_only: bool) -> DescribeConfigsResourceResult {
    DescribeConfigsResourceResult::default()
        .with_name(text(name))
        .with_value(Some(text(value)))
        .with_config_source(source)
        .with_config_type(kind)
        .with_read_only(read_only)
}

fn topic_rows(
    shared: &Shared,
    resource: &DescribeConfigsResource,
) -> Result<Vec<DescribeConfigsResourceResult>, Refusal> {
    let name = &resource.resource_name;
    let unknown = || (codes::UNKNOWN_TOPIC_OR_PARTITION, format!("topic {:?} does not exist", name.as_str()));
    let topic = shared.topics.get(name).ok_or_else(unknown)?;
    let rows = KEYS.iter().map(|key| {
        let source = if topic.configs.contains_key(key.name) { DYNAMIC_TOPIC } else { DEFAULT };
        row(key.name, value(&topic.configs, key.name).to_owned(), source, key.kind, false)
    });
    Ok(rows.collect())
}

/// Refuses another name than this broker's id; an empty one means all brokers.
fn broker_named(shared: &Shared, name: &str) -> Result<(), Refusal> {
    let node = shared.options.node_id;
    if name.is_empty() || name == node.to_string() {
        return Ok(());
    }
    Err((
        codes::INVALID_REQUEST,
        format!("Unexpected broker id, expected {node} or empty string, but received {name}"),
    ))
}

fn broker_rows(shared: &Shared) -> Vec<DescribeConfigsResourceResult> {
    let (options, limits) = (&shared.options, &shared.options.limits);
    let rows: [(&str, String, i8); 9] = [
        ("auto.create.topics.enable", options.auto_create_topics.to_string(), 1),
        ("fetch.max.bytes", limits.fetch_bytes.to_string(), 3),
        ("group.initial.rebalance.delay.ms", options.initial_rebalance_delay_ms.to_string(), 3),
        ("group.max.session.timeout.ms", limits.session_timeout_max_ms.to_string(), 3),
        ("group.min.session.timeout.ms", limits.session_timeout_min_ms.to_string(), 3),
        ("log.dirs", options.data_folder.display().to_string(), 2),
        ("max.connections", limits.connections.to_string(), 3),
        ("node.id", options.node_id.to_string(), 3),
        ("num.partitions", options.default_partitions.to_string(), 3),
    ];
    rows.into_iter().map(|(name, value, kind)| row(name, value, STATIC_BROKER, kind, true)).collect()
}

pub(crate) fn alter(
    shared: &Shared,
    message: IncrementalAlterConfigsRequest,
) -> IncrementalAlterConfigsResponse {
    let responses = message.resources.into_iter().map(|resource| {
        let altered = match resource.resource_type {
            TOPIC => alter_topic(shared, &resource, message.validate_only),
            _ => Err((
                codes::INVALID_REQUEST,
                "only a topic's configuration can be changed; the broker's comes from its flags".to_owned(),
            )),
        };
        let answer = AlterConfigsResourceResponse::default()
            .with_resource_type(resource.resource_type)
            .with_resource_name(resource.resource_name);
        match altered {
            Ok(()) => answer,
            Err((code, why)) => answer.with_error_code(code).with_error_message(Some(text(why))),
        }
    });
    IncrementalAlterConfigsResponse::default().with_responses(responses.collect())
}

fn alter_topic(shared: &Shared, resource: &AlterConfigsResource, only_check: bool) -> Result<(), Refusal> {
    let name = resource.resource_name.as_str();
    let Some(topic) = shared.topics.get(name) else {
        return Err((codes::UNKNOWN_TOPIC_OR_PARTITION, format!("topic {name:?} does not exist")));
    };
    let mut configs = topic.configs.clone();
    for change in &resource.configs {
        match (change.config_operation, &change.value) {
            (0, Some(value)) => drop(configs.insert(change.name.to_string(), value.to_string())),
            (1, _) => drop(configs.remove(change.name.as_str())),
            (operation, _) => {
                let why = format!(
                    "operation {operation} on {:?} is not set (0) or delete (1)",
                    change.name.as_str()
                );
                return Err((codes::INVALID_REQUEST, why));
            }
        }
    }
    shared.topics.change(name, None, Some(configs), only_check)
}
