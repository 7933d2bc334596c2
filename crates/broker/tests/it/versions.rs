//! Every version of every request that the broker says it answers is answered, with the same meaning.
//!
//! Input: requests encoded by the generated codecs. Output: answers decoded by them, compared between versions.

use crate::clients::{broker, producer, send};
use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages::*;
use kafka_protocol::protocol::{Decodable, Encodable, Request, StrBytes};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

fn text(text: &'static str) -> StrBytes {
    StrBytes::from_static_str(text)
}

/// A connection that speaks in any version.
pub(crate) struct Raw {
    pub(crate) stream: TcpStream,
    versions: Vec<api_versions_response::ApiVersion>,
}

impl Raw {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        let mut raw = Self { stream, versions: Vec::new() };
        raw.versions = raw.ask(4, &ApiVersionsRequest::default()).api_keys;
        raw
    }

    pub(crate) fn ask<R: Request>(&mut self, version: i16, request: &R) -> R::Response {
        self.send(version, request);
        self.receive::<R>(version)
    }

    pub(crate) fn send<R: Request>(&mut self, version: i16, request: &R) {
        let key = ApiKey::try_from(R::KEY).unwrap();
        let header = RequestHeader::default()
            .with_request_api_key(R::KEY)
            .with_request_api_version(version)
            .with_correlation_id(i32::from(version) + 100)
            .with_client_id(Some(text("raw")));
        let mut out = BytesMut::new();
        out.put_i32(0);
        header.encode(&mut out, key.request_header_version(version)).unwrap();
        request.encode(&mut out, version).unwrap_or_else(|e| panic!("{key:?} v{version}: {e}"));
        let length = (out.len() - 4) as i32;
        out[..4].copy_from_slice(&length.to_be_bytes());
        self.stream.write_all(&out).unwrap();
    }

    pub(crate) fn receive<R: Request>(&mut self, version: i16) -> R::Response {
        let key = ApiKey::try_from(R::KEY).unwrap();
        let mut length = [0; 4];
        self.stream
            .read_exact(&mut length)
            .unwrap_or_else(|e| panic!("no answer to {key:?} v{version}: {e}"));
        let mut frame = vec![0; i32::from_be_bytes(length) as usize];
        self.stream.read_exact(&mut frame).unwrap();
        let mut frame = Bytes::from(frame);
        let header = ResponseHeader::decode(&mut frame, key.response_header_version(version)).unwrap();
        assert_eq!(header.correlation_id, i32::from(version) + 100);
        let answer =
            R::Response::decode(&mut frame, version).unwrap_or_else(|e| panic!("{key:?} v{version}: {e}"));
        assert!(frame.is_empty(), "{key:?} v{version}: {} bytes too many", frame.len());
        answer
    }

    /// Asks in every version that is answered and checks each answer.
    fn every<R: Request>(&mut self, request: impl Fn(i16) -> R, check: impl Fn(i16, R::Response)) {
        let range = self.versions.iter().find(|range| range.api_key == R::KEY).expect("advertised").clone();
        for version in range.min_version..=range.max_version {
            let answer = self.ask(version, &request(version));
            check(version, answer);
        }
    }
}

fn events() -> TopicName {
    text("events").into()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn topics_and_offsets_in_every_version() {
    let folder = tempfile::tempdir().unwrap();
    let broker = broker(folder.path(), &[("events", 2)]).await;
    send(&producer(broker.address(), &[]), "events", 1, (0..3).map(|n| n.to_string())).await;
    let mut raw = Raw::connect(broker.address());
    raw.every(
        |_| {
            ApiVersionsRequest::default()
                .with_client_software_name(text("x"))
                .with_client_software_version(text("1"))
        },
        |version, answer| assert!(answer.error_code == 0 && answer.api_keys.len() > 20, "v{version}"),
    );
    raw.every(
        |version| match version {
            0 => MetadataRequest::default().with_topics(Some(Vec::new())),
            _ => MetadataRequest::default().with_topics(None),
        },
        |version, answer| {
            assert_eq!((answer.brokers.len(), answer.topics.len()), (1, 1), "v{version}");
            assert_eq!(answer.topics[0].partitions.len(), 2);
        },
    );
    raw.every(
        |_| {
            let partition = |time| {
                list_offsets_request::ListOffsetsPartition::default()
                    .with_partition_index(1)
                    .with_timestamp(time)
            };
            let topic = list_offsets_request::ListOffsetsTopic::default()
                .with_name(events())
                .with_partitions([-1, -2, 0, i64::MAX].map(partition).to_vec());
            ListOffsetsRequest::default().with_topics(vec![topic])
        },
        |version, answer| {
            let offsets: Vec<_> =
                answer.topics[0].partitions.iter().map(|partition| partition.offset).collect();
            assert_eq!(offsets, [3, 0, 0, -1], "v{version}");
        },
    );
    raw.every(
        |_| {
            let partition =
                fetch_request::FetchPartition::default().with_partition(1).with_partition_max_bytes(9_000);
            let topic =
                fetch_request::FetchTopic::default().with_topic(events()).with_partitions(vec![partition]);
            FetchRequest::default().with_max_bytes(9_000).with_topics(vec![topic])
        },
        |version, answer| {
            let partition = &answer.responses[0].partitions[0];
            assert_eq!((partition.error_code, partition.high_watermark), (0, 3), "v{version}");
            assert!(partition.records.as_ref().is_some_and(|records| records.len() > 61));
        },
    );
    raw.every(
        |_| {
            let partition =
                offset_for_leader_epoch_request::OffsetForLeaderPartition::default().with_partition(1);
            let topic = offset_for_leader_epoch_request::OffsetForLeaderTopic::default()
                .with_topic(events())
                .with_partitions(vec![partition]);
            OffsetForLeaderEpochRequest::default().with_topics(vec![topic])
        },
        |version, answer| assert_eq!(answer.topics[0].partitions[0].end_offset, 3, "v{version}"),
    );
    raw.every(
        |_| DescribeLogDirsRequest::default().with_topics(None),
        |version, answer| {
            assert!(answer.results[0].topics[0].partitions[1].partition_size > 61, "v{version}");
        },
    );
    raw.every(
        |_| DescribeClusterRequest::default(),
        |version, answer| assert_eq!(answer.brokers.len(), 1, "v{version}"),
    );
    raw.every(
        |_| InitProducerIdRequest::default().with_transactional_id(None).with_transaction_timeout_ms(1),
        |version, answer| assert!(answer.error_code == 0 && answer.producer_id.0 >= 0, "v{version}"),
    );
    raw.every(
        |_| {
            let partition = delete_records_request::DeleteRecordsPartition::default()
                .with_partition_index(1)
                .with_offset(2);
            let topic = delete_records_request::DeleteRecordsTopic::default()
                .with_name(events())
                .with_partitions(vec![partition]);
            DeleteRecordsRequest::default().with_topics(vec![topic])
        },
        |version, answer| assert_eq!(answer.topics[0].partitions[0].low_watermark, 2, "v{version}"),
    );
    broker.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn administration_in_every_version() {
    let folder = tempfile::tempdir().unwrap();
    let broker = broker(folder.path(), &[("events", 1)]).await;
    let mut raw = Raw::connect(broker.address());
    raw.every(
        |version| {
            let topic = create_topics_request::CreatableTopic::default()
                .with_name(StrBytes::from_string(format!("made-{version}")).into())
                .with_num_partitions(1)
                .with_replication_factor(1);
            CreateTopicsRequest::default().with_topics(vec![topic.clone(), topic.with_name(events())])
        },
        |version, answer| {
            let codes: Vec<_> = answer.topics.iter().map(|topic| topic.error_code).collect();
            assert_eq!(codes, [0, 36], "v{version}");
        },
    );
    raw.every(
        |version| {
            let topic = create_partitions_request::CreatePartitionsTopic::default()
                .with_name(events())
                .with_assignments(None);
            CreatePartitionsRequest::default().with_topics(vec![topic.with_count(2 + i32::from(version))])
        },
        |version, answer| assert_eq!(answer.results[0].error_code, 0, "v{version}"),
    );
    raw.every(
        |_| {
            let config = incremental_alter_configs_request::AlterableConfig::default()
                .with_name(text("retention.ms"))
                .with_value(Some(text("77")));
            let resource = incremental_alter_configs_request::AlterConfigsResource::default()
                .with_resource_type(2)
                .with_resource_name(text("events"))
                .with_configs(vec![config]);
            IncrementalAlterConfigsRequest::default().with_resources(vec![resource])
        },
        |version, answer| assert_eq!(answer.responses[0].error_code, 0, "v{version}"),
    );
    raw.every(
        |_| {
            let resource = |kind, name| {
                describe_configs_request::DescribeConfigsResource::default()
                    .with_resource_type(kind)
                    .with_resource_name(text(name))
                    .with_configuration_keys(None)
            };
            DescribeConfigsRequest::default().with_resources(vec![
                resource(2, "events"),
                resource(4, "0"),
                resource(2, "none"),
            ])
        },
        |version, answer| {
            let value = answer.results[0]
                .configs
                .iter()
                .find(|config| config.name.as_str() == "retention.ms")
                .unwrap();
            assert_eq!(value.value.as_deref(), Some("77"), "v{version}");
            assert!(answer.results[1].configs.len() > 5 && answer.results[2].error_code == 3);
        },
    );
    raw.every(
        |version| {
            let name: TopicName = StrBytes::from_string(format!("made-{}", version.max(2))).into();
            match version {
                6.. => {
                    let topic = delete_topics_request::DeleteTopicState::default().with_name(Some(name));
                    DeleteTopicsRequest::default().with_topics(vec![topic])
                }
                _ => DeleteTopicsRequest::default().with_topic_names(vec![name, text("none").into()]),
            }
        },
        |version, answer| {
            assert_eq!(answer.responses[0].error_code, if version == 2 { 3 } else { 0 }, "v{version}");
        },
    );
    broker.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn groups_in_every_version() {
    let folder = tempfile::tempdir().unwrap();
    let broker = broker(folder.path(), &[("events", 2)]).await;
    let mut raw = Raw::connect(broker.address());
    let group = || GroupId(text("g"));
    raw.every(
        |version| match version {
            0..4 => FindCoordinatorRequest::default().with_key(text("g")),
            _ => FindCoordinatorRequest::default().with_coordinator_keys(vec![text("g")]),
        },
        |version, answer| {
            let port = if version < 4 { answer.port } else { answer.coordinators[0].port };
            assert!(port > 0, "v{version}");
        },
    );
    raw.every(
        |version| {
            let partition = offset_commit_request::OffsetCommitRequestPartition::default()
                .with_partition_index(1)
                .with_committed_offset(i64::from(version));
            let unknown = partition.clone().with_partition_index(7);
            let topic = offset_commit_request::OffsetCommitRequestTopic::default()
                .with_name(events())
                .with_partitions(vec![unknown, partition]);
            OffsetCommitRequest::default().with_group_id(group()).with_topics(vec![topic])
        },
        |version, answer| {
            let codes: Vec<_> =
                answer.topics[0].partitions.iter().map(|partition| partition.error_code).collect();
            assert_eq!(codes, [3, 0], "v{version}");
        },
    );
    raw.every(
        |version| {
            let indexes = vec![0, 1];
            if version < 8 {
                let topic = offset_fetch_request::OffsetFetchRequestTopic::default().with_name(events());
                let topic = topic.with_partition_indexes(indexes);
                return OffsetFetchRequest::default().with_group_id(group()).with_topics(Some(vec![topic]));
            }
            let topic = offset_fetch_request::OffsetFetchRequestTopics::default().with_name(events());
            let asked = offset_fetch_request::OffsetFetchRequestGroup::default()
                .with_group_id(group())
                .with_topics(Some(vec![topic.with_partition_indexes(indexes)]));
            OffsetFetchRequest::default().with_groups(vec![asked])
        },
        |version, answer| {
            let offsets: Vec<_> = match version {
                0..8 => {
                    answer.topics[0].partitions.iter().map(|partition| partition.committed_offset).collect()
                }
                _ => answer.groups[0].topics[0]
                    .partitions
                    .iter()
                    .map(|partition| partition.committed_offset)
                    .collect(),
            };
            assert_eq!(offsets, [-1, 9], "v{version}");
        },
    );
    raw.every(
        |_| HeartbeatRequest::default().with_group_id(group()).with_member_id(text("nobody")),
        |version, answer| assert_eq!(answer.error_code, 25, "v{version}"),
    );
    raw.every(
        |_| SyncGroupRequest::default().with_group_id(group()).with_member_id(text("nobody")),
        |version, answer| assert_eq!(answer.error_code, 25, "v{version}"),
    );
    raw.every(
        |_| {
            let protocol = join_group_request::JoinGroupRequestProtocol::default().with_name(text("range"));
            JoinGroupRequest::default()
                .with_group_id(group())
                .with_session_timeout_ms(6_000)
                .with_member_id(text("nobody"))
                .with_protocol_type(text("consumer"))
                .with_protocols(vec![protocol])
        },
        |version, answer| assert_eq!((answer.error_code, answer.generation_id), (25, -1), "v{version}"),
    );
    raw.every(
        |version| match version {
            0..3 => LeaveGroupRequest::default().with_group_id(group()).with_member_id(text("nobody")),
            _ => {
                let member = leave_group_request::MemberIdentity::default().with_member_id(text("nobody"));
                LeaveGroupRequest::default().with_group_id(group()).with_members(vec![member])
            }
        },
        |version, answer| {
            let code = if version < 3 { answer.error_code } else { answer.members[0].error_code };
            assert_eq!(code, 25, "v{version}");
        },
    );
    raw.every(
        |_| ListGroupsRequest::default(),
        |version, answer| assert_eq!(answer.groups[0].group_id.as_str(), "g", "v{version}"),
    );
    raw.every(
        |_| DescribeGroupsRequest::default().with_groups(vec![group(), GroupId(text("none"))]),
        |version, answer| {
            let states: Vec<_> = answer.groups.iter().map(|group| group.group_state.as_str()).collect();
            assert_eq!(states, ["Empty", "Dead"], "v{version}");
        },
    );
    raw.every(
        |_| {
            let partition = offset_delete_request::OffsetDeleteRequestPartition::default();
            let mut topic = offset_delete_request::OffsetDeleteRequestTopic::default();
            (topic.name, topic.partitions) = (events(), vec![partition]);
            let mut request = OffsetDeleteRequest::default();
            (request.group_id, request.topics) = (group(), vec![topic]);
            request
        },
        |version, answer| assert_eq!(answer.topics[0].partitions[0].error_code, 0, "v{version}"),
    );
    raw.every(
        |_| DeleteGroupsRequest::default().with_groups_names(vec![group()]),
        |version, answer| {
            assert_eq!(answer.results[0].error_code, if version == 0 { 0 } else { 69 }, "v{version}");
        },
    );
    broker.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn joining_and_producing_in_every_version() {
    let folder = tempfile::tempdir().unwrap();
    let broker = broker(folder.path(), &[("events", 1)]).await;
    send(&producer(broker.address(), &[]), "events", 0, ["x".to_owned()]).await;
    let mut raw = Raw::connect(broker.address());
    let partition =
        fetch_request::FetchPartition::default().with_partition(0).with_partition_max_bytes(9_000);
    let topic = fetch_request::FetchTopic::default().with_topic(events()).with_partitions(vec![partition]);
    let fetched = raw.ask(11, &FetchRequest::default().with_max_bytes(9_000).with_topics(vec![topic]));
    let batch = fetched.responses[0].partitions[0].records.clone().unwrap();
    raw.every(
        |_| {
            let data = |index, records: Bytes| {
                produce_request::PartitionProduceData::default().with_index(index).with_records(Some(records))
            };
            let mut torn = batch.to_vec();
            *torn.last_mut().unwrap() ^= 1;
            let topic =
                produce_request::TopicProduceData::default().with_name(events()).with_partition_data(vec![
                    data(0, batch.clone()),
                    data(0, torn.into()),
                    data(9, batch.clone()),
                ]);
            ProduceRequest::default().with_acks(-1).with_topic_data(vec![topic])
        },
        |version, answer| {
            let partitions = &answer.responses[0].partition_responses;
            let codes: Vec<_> = partitions.iter().map(|partition| partition.error_code).collect();
            assert_eq!(codes, [0, 2, 3], "v{version}");
            assert_eq!(partitions[0].base_offset, i64::from(version) - 2);
        },
    );
    for version in 0..=9 {
        let group = StrBytes::from_string(format!("joined-{version}"));
        let protocol = join_group_request::JoinGroupRequestProtocol::default().with_name(text("range"));
        let mut join = JoinGroupRequest::default()
            .with_group_id(GroupId(group.clone()))
            .with_session_timeout_ms(6_000)
            .with_protocol_type(text("consumer"))
            .with_protocols(vec![protocol]);
        let mut answer = raw.ask(version, &join);
        if version >= 4 {
            assert_eq!(answer.error_code, 79, "v{version}");
            join.member_id = answer.member_id;
            answer = raw.ask(version, &join);
        }
        assert_eq!((answer.error_code, answer.generation_id, answer.members.len()), (0, 1, 1), "v{version}");
        let assignment = sync_group_request::SyncGroupRequestAssignment::default()
            .with_member_id(answer.member_id.clone())
            .with_assignment(Bytes::from_static(b"mine"));
        let mut sync = SyncGroupRequest::default()
            .with_group_id(GroupId(group))
            .with_generation_id(1)
            .with_member_id(answer.member_id)
            .with_assignments(vec![assignment]);
        if version >= 5 {
            sync = sync.with_protocol_type(answer.protocol_type).with_protocol_name(answer.protocol_name);
        }
        let answer = raw.ask(version.min(5), &sync);
        assert_eq!((answer.error_code, &answer.assignment[..]), (0, b"mine".as_slice()), "v{version}");
    }
    broker.shutdown().await;
}
