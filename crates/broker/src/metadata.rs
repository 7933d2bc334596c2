//! Metadata, DescribeCluster, FindCoordinator: where everything is. On a single broker: here.
//!
//! Input: names of topics and groups. Output: this broker's id and address for each. A named topic that does not exist is made when
//! client and options allow it.

use crate::batch::LEADER_EPOCH;
use crate::codes;
use crate::options::TopicSpec;
use crate::shared::Shared;
use crate::topics::Topic;
use crate::wire::text;
use kafka_protocol::messages::describe_cluster_response::{DescribeClusterBroker, DescribeClusterResponse};
use kafka_protocol::messages::find_coordinator_response::{Coordinator, FindCoordinatorResponse};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::metadata_response::{
    MetadataResponse, MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::{BrokerId, DescribeClusterRequest, FindCoordinatorRequest, MetadataRequest};
use kafka_protocol::protocol::StrBytes;
use std::collections::HashSet;
use std::sync::Arc;
use uuid::Uuid;

/// The broker and the topics that were asked for, all of them when none was named.
pub(crate) fn metadata(shared: &Shared, version: i16, message: MetadataRequest) -> MetadataResponse {
    let may_create = shared.options.auto_create_topics && (version < 4 || message.allow_auto_topic_creation);
    let topics = match message.topics {
        // In version 0 an empty list means all topics, later null does.
        Some(topics) if version > 0 || !topics.is_empty() => {
            // Each once: a request that names a topic again and again would get a far larger answer.
            let mut named = HashSet::new();
            let topics = topics.into_iter().filter(|asked| {
                let id = if asked.name.is_some() { Uuid::nil() } else { asked.topic_id };
                named.insert((asked.name.clone(), id))
            });
            topics.map(|asked| asked_topic(shared, asked, may_create)).collect()
        }
        _ => shared.topics.all().iter().map(|topic| known(shared, topic)).collect(),
    };
    let broker = MetadataResponseBroker::default()
        .with_node_id(shared.node())
        .with_host(text(&*shared.host))
        .with_port(i32::from(shared.port));
    MetadataResponse::default()
        .with_brokers(vec![broker])
        .with_cluster_id(Some(text(&*shared.cluster_id)))
        .with_controller_id(shared.node())
        .with_topics(topics)
}

fn asked_topic(shared: &Shared, asked: MetadataRequestTopic, may_create: bool) -> MetadataResponseTopic {
    let Some(name) = asked.name else {
        return match shared.topics.by_id(asked.topic_id) {
            Some(topic) => known(shared, &topic),
            None => MetadataResponseTopic::default()
                .with_error_code(codes::UNKNOWN_TOPIC_ID)
                .with_topic_id(asked.topic_id)
                .with_name(Some(StrBytes::new().into())),
        };
    };
    let found = match shared.topics.get(&name) {
        Some(topic) => Ok(topic),
        None if may_create => made(shared, &name),
        None => Err(codes::UNKNOWN_TOPIC_OR_PARTITION),
    };
    match found {
        Ok(topic) => known(shared, &topic),
        Err(code) => MetadataResponseTopic::default().with_error_code(code).with_name(Some(name)),
    }
}

fn made(shared: &Shared, name: &str) -> Result<Arc<Topic>, i16> {
    match shared.topics.create(&TopicSpec::new(name, shared.options.default_partitions), false) {
        Ok(Some(topic)) => {
            tracing::info!(topic = name, "made a topic that a client named");
            Ok(topic)
        }
        Ok(None) => Err(codes::UNKNOWN_TOPIC_OR_PARTITION),
        Err((codes::TOPIC_ALREADY_EXISTS, _)) => {
            shared.topics.get(name).ok_or(codes::UNKNOWN_TOPIC_OR_PARTITION)
        }
        Err((code, why)) => {
            tracing::warn!(topic = name, why, "cannot make a topic that a client named");
            Err(code)
        }
    }
}

fn known(shared: &Shared, topic: &Topic) -> MetadataResponseTopic {
    let node = shared.node();
    let partition = |index: usize| {
        MetadataResponsePartition::default()
            .with_partition_index(i32::try_from(index).unwrap_or(i32::MAX))
            .with_leader_id(node)
            .with_leader_epoch(LEADER_EPOCH)
            .with_replica_nodes(vec![node])
            .with_isr_nodes(vec![node])
    };
    MetadataResponseTopic::default()
        .with_name(Some(text(&*topic.name).into()))
        .with_topic_id(topic.id)
        .with_partitions((0..topic.partitions.len()).map(partition).collect())
}

/// The cluster: this broker.
pub(crate) fn describe_cluster(shared: &Shared, message: &DescribeClusterRequest) -> DescribeClusterResponse {
    let broker = DescribeClusterBroker::default()
        .with_broker_id(shared.node())
        .with_host(text(&*shared.host))
        .with_port(i32::from(shared.port));
    DescribeClusterResponse::default()
        .with_endpoint_type(message.endpoint_type)
        .with_cluster_id(text(&*shared.cluster_id))
        .with_controller_id(shared.node())
        .with_brokers(vec![broker])
}

/// The coordinator of each group: this broker. Of transactions: none, said by a code that ends the client's attempts.
pub(crate) fn find_coordinator(
    shared: &Shared,
    version: i16,
    message: &FindCoordinatorRequest,
) -> FindCoordinatorResponse {
    let code = match message.key_type {
        0 => codes::NONE,
        1 => codes::TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
        _ => codes::INVALID_REQUEST,
    };
    let why = match code {
        codes::NONE => None,
        codes::INVALID_REQUEST => Some(text("only groups have a coordinator here")),
        _ => Some(text(codes::NO_TRANSACTIONS)),
    };
    let (node, host, port) = match code {
        codes::NONE => (shared.node(), text(&*shared.host), i32::from(shared.port)),
        _ => (BrokerId(-1), StrBytes::new(), -1),
    };
    if version < 4 {
        let message = if version == 0 { None } else { why };
        return FindCoordinatorResponse::default()
            .with_error_code(code)
            .with_error_message(message)
            .with_node_id(node)
            .with_host(host)
            .with_port(port);
    }
    let coordinator = |key: &StrBytes| {
        Coordinator::default()
            .with_key(key.clone())
            .with_node_id(node)
            .with_host(host.clone())
            .with_port(port)
            .with_error_code(code)
            .with_error_message(why.clone())
    };
    let mut named = HashSet::new();
    let keys = message.coordinator_keys.iter().filter(|key| named.insert(*key));
    FindCoordinatorResponse::default().with_coordinators(keys.map(coordinator).collect())
}
