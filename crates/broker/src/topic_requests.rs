//! CreateTopics, DeleteTopics, CreatePartitions, DescribeLogDirs: administration of topics.
//!
//! Input: messages of an administrator. Output: changes of `topics.rs`, sizes of logs. More replicas than
//! the one broker can hold are refused, as Kafka refuses them.

use crate::codes;
use crate::options::TopicSpec;
use crate::shared::Shared;
use crate::topics::{Refusal, lock};
use crate::wire::text;
use kafka_protocol::messages::create_partitions_response::{
    CreatePartitionsResponse, CreatePartitionsTopicResult,
};
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::create_topics_response::{CreatableTopicResult, CreateTopicsResponse};
use kafka_protocol::messages::delete_topics_response::{DeletableTopicResult, DeleteTopicsResponse};
use kafka_protocol::messages::describe_log_dirs_response::{
    DescribeLogDirsPartition, DescribeLogDirsResponse, DescribeLogDirsResult, DescribeLogDirsTopic,
};
use kafka_protocol::messages::{
    CreatePartitionsRequest, CreateTopicsRequest, DeleteTopicsRequest, DescribeLogDirsRequest, TopicName,
};
use std::collections::HashSet;
use uuid::Uuid;

fn spec_of(shared: &Shared, topic: &CreatableTopic) -> Result<TopicSpec, Refusal> {
    if !topic.assignments.is_empty() {
        return Err((codes::INVALID_REPLICA_ASSIGNMENT, "one broker places everything itself".to_owned()));
    }
    if topic.replication_factor == 0 || topic.replication_factor < -1 {
        let text = format!("replication factor {} is not -1 and not at least 1", topic.replication_factor);
        return Err((codes::INVALID_REPLICATION_FACTOR, text));
    }
    if topic.replication_factor > 1 {
        let text = format!(
            "Unable to replicate the partition {0} time(s): The target replication factor of {0} cannot be reached because \
             only 1 broker(s) are registered.",
            topic.replication_factor
        );
        return Err((codes::INVALID_REPLICATION_FACTOR, text));
    }
    let partitions =
        if topic.num_partitions == -1 { shared.options.default_partitions } else { topic.num_partitions };
    let configs = topic
        .configs
        .iter()
        .filter_map(|config| config.value.as_ref().map(|value| (config.name.to_string(), value.to_string())));
    Ok(TopicSpec { name: topic.name.to_string(), partitions, configs: configs.collect() })
}

pub(crate) fn create(shared: &Shared, message: CreateTopicsRequest) -> CreateTopicsResponse {
    let only_check = message.validate_only;
    let topics = message.topics.into_iter().map(|topic| {
        let spec = spec_of(shared, &topic);
        let partitions = spec.as_ref().map_or(-1, |spec| spec.partitions);
        let made = spec.and_then(|spec| shared.topics.create(&spec, only_check));
        let answer = CreatableTopicResult::default().with_name(topic.name);
        match made {
            Ok(made) => answer
                .with_topic_id(made.map_or(Uuid::nil(), |topic| topic.id))
                .with_num_partitions(partitions)
                .with_replication_factor(1)
                .with_configs(Some(Vec::new())),
            Err((code, why)) => answer
                .with_error_code(code)
                .with_error_message(Some(text(why)))
                .with_num_partitions(-1)
                .with_replication_factor(-1),
        }
    });
    CreateTopicsResponse::default().with_topics(topics.collect())
}

pub(crate) fn delete(shared: &Shared, version: i16, message: DeleteTopicsRequest) -> DeleteTopicsResponse {
    let asked: Vec<(Option<TopicName>, Uuid)> = if version >= 6 {
        message.topics.into_iter().map(|topic| (topic.name, topic.topic_id)).collect()
    } else {
        message.topic_names.into_iter().map(|name| (Some(name), Uuid::nil())).collect()
    };
    let responses = asked.into_iter().map(|(name, id)| {
        let by_id = || shared.topics.by_id(id).map(|topic| topic.name.clone());
        let found = name.as_ref().map(|name| name.to_string()).or_else(by_id);
        let deleted = match &found {
            Some(name) => shared.topics.delete(name).map(|()| shared.groups.forget_topic(name)),
            None => Err((codes::UNKNOWN_TOPIC_ID, "there is no topic of this id".to_owned())),
        };
        let answer = DeletableTopicResult::default()
            .with_name(found.map(|name| TopicName(text(name))))
            .with_topic_id(id);
        match deleted {
            Ok(()) => answer,
            Err((code, why)) => {
                answer.with_error_code(code).with_error_message((version >= 5).then(|| text(why)))
            }
        }
    });
    DeleteTopicsResponse::default().with_responses(responses.collect())
}

pub(crate) fn create_partitions(
    shared: &Shared,
    message: CreatePartitionsRequest,
) -> CreatePartitionsResponse {
    let results = message.topics.into_iter().map(|topic| {
        let changed = match &topic.assignments {
            Some(assignments) if !assignments.is_empty() => {
                Err((codes::INVALID_REPLICA_ASSIGNMENT, "one broker places everything itself".to_owned()))
            }
            _ => shared.topics.change(&topic.name, Some(topic.count), None, message.validate_only),
        };
        let answer = CreatePartitionsTopicResult::default().with_name(topic.name);
        match changed {
            Ok(()) => answer,
            Err((code, why)) => answer.with_error_code(code).with_error_message(Some(text(why))),
        }
    });
    CreatePartitionsResponse::default().with_results(results.collect())
}

pub(crate) fn describe_log_dirs(
    shared: &Shared,
    message: &DescribeLogDirsRequest,
) -> DescribeLogDirsResponse {
    let asked: Option<HashSet<(&str, i32)>> = message.topics.as_ref().map(|topics| {
        let pairs = topics.iter().flat_map(|t| t.partitions.iter().map(|&index| (t.topic.as_str(), index)));
        pairs.collect()
    });
    let wanted = |topic: &str, index: i32| asked.as_ref().is_none_or(|asked| asked.contains(&(topic, index)));
    let topics = shared.topics.all().into_iter().map(|topic| {
        let partitions = (0_i32..).zip(&topic.partitions).filter(|(index, _)| wanted(&topic.name, *index));
        let partitions = partitions.map(|(index, partition)| {
            let size = i64::try_from(lock(&partition.log).size()).unwrap_or(i64::MAX);
            DescribeLogDirsPartition::default().with_partition_index(index).with_partition_size(size)
        });
        let partitions: Vec<_> = partitions.collect();
        DescribeLogDirsTopic::default().with_name(TopicName(text(&*topic.name))).with_partitions(partitions)
    });
    let topics = topics.filter(|topic| !topic.partitions.is_empty()).collect();
    let result = DescribeLogDirsResult::default()
        .with_log_dir(text(shared.options.data_folder.display().to_string()))
        .with_topics(topics)
        .with_total_bytes(-1)
        .with_usable_bytes(-1);
    DescribeLogDirsResponse::default().with_results(vec![result])
}
