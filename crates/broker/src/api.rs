//! The requests this broker answers: which versions, and of what shape.
//!
//! Input: an API key, a version and the bytes of a request's body. Output: the table that `ApiVersions` shows, and whether a body has
//! the shape of its message. The generated codecs reserve memory for whatever length an array claims to have, so the
//! shape is walked first: a body passes only when every element it claims is there.
//!
//! Shapes are those of Apache Kafka's message definitions. Meaning is checked by the handlers.

use Kind::{Blob, Fixed, Plain, Structs, Text, Texts};
use kafka_protocol::messages::ApiKey;

/// Elements of arrays in one request, all levels together.
const ELEMENTS: usize = 100_000;

/// A request this broker answers.
pub(crate) struct Api {
    pub(crate) key: ApiKey,
    pub(crate) min: i16,
    pub(crate) max: i16,
    /// The first version with compact lengths and tagged fields.
    pub(crate) flexible: i16,
    body: &'static [Field],
}

/// A field and the versions that have it.
struct Field {
    kind: Kind,
    from: i16,
    to: i16,
}

/// What a field is made of.
enum Kind {
    /// So many bytes.
    Fixed(usize),
    /// A string, perhaps null.
    Text,
    /// Bytes, perhaps null.
    Blob,
    /// An array of elements of so many bytes.
    Plain(usize),
    /// An array of strings.
    Texts,
    /// An array of structs.
    Structs(&'static [Field]),
}

const fn always(kind: Kind) -> Field {
    Field { kind, from: 0, to: i16::MAX }
}

const fn field(kind: Kind, from: i16, to: i16) -> Field {
    Field { kind, from, to }
}

/// The entry of an API key, if this broker answers it at all.
pub(crate) fn find(key: i16) -> Option<&'static Api> {
    APIS.iter().find(|api| api.key as i16 == key)
}

/// Whether `body` begins with the shape of this request in this version. Bytes behind it are ignored, as Kafka does: librdkafka
/// 2.12 leaves three there when it asks for the metadata of all topics.
pub(crate) fn has_shape(api: &Api, version: i16, body: &[u8]) -> bool {
    let mut walk = Walk { rest: body, version, flexible: version >= api.flexible, elements: ELEMENTS };
    walk.fields(api.body).is_some()
}

struct Walk<'a> {
    rest: &'a [u8],
    version: i16,
    flexible: bool,
    elements: usize,
}

impl Walk<'_> {
    fn fields(&mut self, fields: &'static [Field]) -> Option<()> {
        let version = self.version;
        for field in fields.iter().filter(|field| (field.from..=field.to).contains(&version)) {
            match field.kind {
                Fixed(size) => self.skip(size)?,
                Text => self.text()?,
                Blob => {
                    let length = self.length(4)?;
                    self.skip(length.unwrap_or(0))?;
                }
                Plain(size) => {
                    let count = self.count()?;
                    self.skip(count * size)?;
                }
                Texts => {
                    for _ in 0..self.count()? {
                        self.text()?;
                    }
                }
                Structs(inner) => {
                    for _ in 0..self.count()? {
                        self.fields(inner)?;
                    }
                }
            }
        }
        if self.flexible { self.tags() } else { Some(()) }
    }

    fn text(&mut self) -> Option<()> {
        let length = self.length(2)?;
        self.skip(length.unwrap_or(0))
    }

    fn count(&mut self) -> Option<usize> {
        let count = self.length(4)?.unwrap_or(0);
        self.elements = self.elements.checked_sub(count)?;
        Some(count)
    }

    fn tags(&mut self) -> Option<()> {
        for _ in 0..self.varint()? {
            self.varint()?;
            let size = self.varint()?;
            self.skip(size)?;
        }
        Some(())
    }

    /// A length of `width` bytes, or of a varint counted from one; none inside means null.
    fn length(&mut self, width: usize) -> Option<Option<usize>> {
        if self.flexible {
            return Some(self.varint()?.checked_sub(1));
        }
        let bytes = self.rest.get(..width)?;
        let length = match width {
            2 => i32::from(i16::from_be_bytes(bytes.try_into().ok()?)),
            _ => i32::from_be_bytes(bytes.try_into().ok()?),
        };
        self.rest = &self.rest[width..];
        match length {
            -1 => Some(None),
            _ => Some(Some(usize::try_from(length).ok()?)),
        }
    }

    fn varint(&mut self) -> Option<usize> {
        let mut value = 0_usize;
        for index in 0..5 {
            let byte = *self.rest.first()?;
            self.rest = &self.rest[1..];
            value |= usize::from(byte & 0x7f) << (7 * index);
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn skip(&mut self, size: usize) -> Option<()> {
        self.rest = self.rest.get(size..)?;
        Some(())
    }
}

/// The requests this broker answers, in the order of their keys. Versions that were left out bring nothing to a single broker:
/// topic ids in produce, fetch and commit, transactions, and the consumer protocol of KIP-848.
#[rustfmt::skip]
pub(crate) const APIS: &[Api] = &[
    Api { key: ApiKey::Produce, min: 3, max: 10, flexible: 9, body: &[always(Text), always(Fixed(2)), always(Fixed(4)), always(Structs(&[always(Text), always(Structs(&[always(Fixed(4)), always(Blob)]))]))] },
    Api { key: ApiKey::Fetch, min: 4, max: 12, flexible: 12, body: &[always(Fixed(4)), always(Fixed(4)), always(Fixed(4)), always(Fixed(4)), always(Fixed(1)), field(Fixed(4), 7, 99), field(Fixed(4), 7, 99), always(Structs(&[always(Text), always(Structs(&[always(Fixed(4)), field(Fixed(4), 9, 99), always(Fixed(8)), field(Fixed(4), 12, 99), field(Fixed(8), 5, 99), always(Fixed(4))]))])), field(Structs(&[field(Text, 7, 12), field(Plain(4), 7, 99)]), 7, 99), field(Text, 11, 99)] },
    Api { key: ApiKey::ListOffsets, min: 1, max: 9, flexible: 6, body: &[always(Fixed(4)), field(Fixed(1), 2, 99), always(Structs(&[always(Text), always(Structs(&[always(Fixed(4)), field(Fixed(4), 4, 99), always(Fixed(8))]))]))] },
    Api { key: ApiKey::Metadata, min: 0, max: 12, flexible: 9, body: &[always(Structs(&[field(Fixed(16), 10, 99), always(Text)])), field(Fixed(1), 4, 99), field(Fixed(1), 8, 10), field(Fixed(1), 8, 99)] },
    Api { key: ApiKey::OffsetCommit, min: 2, max: 9, flexible: 8, body: &[always(Text), always(Fixed(4)), always(Text), field(Text, 7, 99), field(Fixed(8), 0, 4), always(Structs(&[always(Text), always(Structs(&[always(Fixed(4)), always(Fixed(8)), field(Fixed(4), 6, 99), always(Text)]))]))] },
    Api { key: ApiKey::OffsetFetch, min: 1, max: 9, flexible: 6, body: &[field(Text, 0, 7), field(Structs(&[field(Text, 0, 7), field(Plain(4), 0, 7)]), 0, 7), field(Structs(&[field(Text, 8, 99), field(Text, 9, 99), field(Fixed(4), 9, 99), field(Structs(&[field(Text, 8, 99), field(Plain(4), 8, 99)]), 8, 99)]), 8, 99), field(Fixed(1), 7, 99)] },
    Api { key: ApiKey::FindCoordinator, min: 0, max: 6, flexible: 3, body: &[field(Text, 0, 3), field(Fixed(1), 1, 99), field(Texts, 4, 99)] },
    Api { key: ApiKey::JoinGroup, min: 0, max: 9, flexible: 6, body: &[always(Text), always(Fixed(4)), field(Fixed(4), 1, 99), always(Text), field(Text, 5, 99), always(Text), always(Structs(&[always(Text), always(Blob)])), field(Text, 8, 99)] },
    Api { key: ApiKey::Heartbeat, min: 0, max: 4, flexible: 4, body: &[always(Text), always(Fixed(4)), always(Text), field(Text, 3, 99)] },
    Api { key: ApiKey::LeaveGroup, min: 0, max: 5, flexible: 4, body: &[always(Text), field(Text, 0, 2), field(Structs(&[field(Text, 3, 99), field(Text, 3, 99), field(Text, 5, 99)]), 3, 99)] },
    Api { key: ApiKey::SyncGroup, min: 0, max: 5, flexible: 4, body: &[always(Text), always(Fixed(4)), always(Text), field(Text, 3, 99), field(Text, 5, 99), field(Text, 5, 99), always(Structs(&[always(Text), always(Blob)]))] },
    Api { key: ApiKey::DescribeGroups, min: 0, max: 6, flexible: 5, body: &[always(Texts), field(Fixed(1), 3, 99)] },
    Api { key: ApiKey::ListGroups, min: 0, max: 5, flexible: 3, body: &[field(Texts, 4, 99), field(Texts, 5, 99)] },
    Api { key: ApiKey::ApiVersions, min: 0, max: 4, flexible: 3, body: &[field(Text, 3, 99), field(Text, 3, 99)] },
    Api { key: ApiKey::CreateTopics, min: 2, max: 7, flexible: 5, body: &[always(Structs(&[always(Text), always(Fixed(4)), always(Fixed(2)), always(Structs(&[always(Fixed(4)), always(Plain(4))])), always(Structs(&[always(Text), always(Text)]))])), always(Fixed(4)), always(Fixed(1))] },
    Api { key: ApiKey::DeleteTopics, min: 1, max: 6, flexible: 4, body: &[field(Structs(&[field(Text, 6, 99), field(Fixed(16), 6, 99)]), 6, 99), field(Texts, 0, 5), always(Fixed(4))] },
    Api { key: ApiKey::DeleteRecords, min: 0, max: 2, flexible: 2, body: &[always(Structs(&[always(Text), always(Structs(&[always(Fixed(4)), always(Fixed(8))]))])), always(Fixed(4))] },
    Api { key: ApiKey::InitProducerId, min: 0, max: 5, flexible: 2, body: &[always(Text), always(Fixed(4)), field(Fixed(8), 3, 99), field(Fixed(2), 3, 99)] },
    Api { key: ApiKey::OffsetForLeaderEpoch, min: 2, max: 4, flexible: 4, body: &[field(Fixed(4), 3, 99), always(Structs(&[always(Text), always(Structs(&[always(Fixed(4)), always(Fixed(4)), always(Fixed(4))]))]))] },
    Api { key: ApiKey::DescribeConfigs, min: 1, max: 4, flexible: 4, body: &[always(Structs(&[always(Fixed(1)), always(Text), always(Texts)])), always(Fixed(1)), field(Fixed(1), 3, 99)] },
    Api { key: ApiKey::DescribeLogDirs, min: 1, max: 4, flexible: 2, body: &[always(Structs(&[always(Text), always(Plain(4))]))] },
    Api { key: ApiKey::CreatePartitions, min: 0, max: 3, flexible: 2, body: &[always(Structs(&[always(Text), always(Fixed(4)), always(Structs(&[always(Plain(4))]))])), always(Fixed(4)), always(Fixed(1))] },
    Api { key: ApiKey::DeleteGroups, min: 0, max: 2, flexible: 2, body: &[always(Texts)] },
    Api { key: ApiKey::IncrementalAlterConfigs, min: 0, max: 1, flexible: 1, body: &[always(Structs(&[always(Fixed(1)), always(Text), always(Structs(&[always(Text), always(Fixed(1)), always(Text)]))])), always(Fixed(1))] },
    Api { key: ApiKey::OffsetDelete, min: 0, max: 0, flexible: 99, body: &[always(Text), always(Structs(&[always(Text), always(Structs(&[always(Fixed(4))]))]))] },
    Api { key: ApiKey::DescribeCluster, min: 0, max: 2, flexible: 0, body: &[always(Fixed(1)), field(Fixed(1), 1, 99), field(Fixed(1), 2, 99)] },
];

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::BytesMut;
    use kafka_protocol::messages::*;
    use kafka_protocol::protocol::{Request, StrBytes};

    fn api<R: Request>() -> &'static Api {
        find(R::KEY).expect("an answered request")
    }

    /// Every version of the message passes, and so does no prefix of it; the generated codec agrees.
    fn check<R: Request + Clone + std::fmt::Debug>(fill: impl Fn(i16) -> R) {
        let api = api::<R>();
        for version in api.min..=api.max {
            let mut bytes = BytesMut::new();
            fill(version)
                .encode(&mut bytes, version)
                .unwrap_or_else(|e| panic!("{:?} v{version}: {e}", api.key));
            assert!(has_shape(api, version, &bytes), "{:?} v{version}: {bytes:02x?}", api.key);
            for end in 0..bytes.len() {
                assert!(!has_shape(api, version, &bytes[..end]), "{:?} v{version} cut at {end}", api.key);
            }
            let mut longer = bytes.clone();
            longer.extend_from_slice(&[0]);
            assert!(has_shape(api, version, &longer), "{:?} v{version} with a byte behind it", api.key);
            let mut whole = bytes.freeze();
            R::decode(&mut whole, version).expect("the codec reads what it wrote");
        }
    }

    fn text(text: &'static str) -> StrBytes {
        StrBytes::from_static_str(text)
    }

    #[test]
    fn shapes_are_those_of_the_generated_codecs() {
        check::<ProduceRequest>(|_| {
            let partition =
                produce_request::PartitionProduceData::default().with_records(Some(vec![1; 200].into()));
            let topic = produce_request::TopicProduceData::default()
                .with_name(text("t").into())
                .with_partition_data(vec![partition.clone(), partition]);
            ProduceRequest::default().with_topic_data(vec![topic])
        });
        check::<FetchRequest>(|version| {
            let topic = fetch_request::FetchTopic::default()
                .with_topic(text("t").into())
                .with_partitions(vec![fetch_request::FetchPartition::default(); 2]);
            let mut request = FetchRequest::default().with_topics(vec![topic.clone(), topic]);
            if version >= 7 {
                let gone = fetch_request::ForgottenTopic::default()
                    .with_topic(text("u").into())
                    .with_partitions(vec![1]);
                request = request.with_forgotten_topics_data(vec![gone]);
            }
            request
        });
        check::<JoinGroupRequest>(|_| {
            let protocol = join_group_request::JoinGroupRequestProtocol::default()
                .with_name(text("range"))
                .with_metadata(vec![1, 2, 3].into());
            JoinGroupRequest::default().with_group_id(text("g").into()).with_protocols(vec![protocol])
        });
        check::<SyncGroupRequest>(|_| {
            let assignment = sync_group_request::SyncGroupRequestAssignment::default()
                .with_member_id(text("m"))
                .with_assignment(vec![9; 40].into());
            SyncGroupRequest::default().with_assignments(vec![assignment])
        });
        check::<OffsetCommitRequest>(|_| {
            let partition = offset_commit_request::OffsetCommitRequestPartition::default();
            let topic =
                offset_commit_request::OffsetCommitRequestTopic::default().with_partitions(vec![partition]);
            OffsetCommitRequest::default().with_topics(vec![topic])
        });
        check::<OffsetFetchRequest>(|version| {
            if version >= 8 {
                let topic = offset_fetch_request::OffsetFetchRequestTopics::default()
                    .with_partition_indexes(vec![1, 2]);
                let group =
                    offset_fetch_request::OffsetFetchRequestGroup::default().with_topics(Some(vec![topic]));
                OffsetFetchRequest::default().with_groups(vec![group])
            } else {
                let topic = offset_fetch_request::OffsetFetchRequestTopic::default()
                    .with_partition_indexes(vec![1, 2]);
                OffsetFetchRequest::default().with_topics(Some(vec![topic]))
            }
        });
        check::<CreateTopicsRequest>(|_| {
            let assignment = create_topics_request::CreatableReplicaAssignment::default()
                .with_broker_ids(vec![BrokerId(0)]);
            let config = create_topics_request::CreatableTopicConfig::default().with_value(Some(text("1")));
            let topic = create_topics_request::CreatableTopic::default()
                .with_assignments(vec![assignment])
                .with_configs(vec![config]);
            CreateTopicsRequest::default().with_topics(vec![topic])
        });
        check::<OffsetDeleteRequest>(|_| {
            let partition = offset_delete_request::OffsetDeleteRequestPartition::default();
            let topic =
                offset_delete_request::OffsetDeleteRequestTopic::default().with_partitions(vec![partition]);
            OffsetDeleteRequest::default().with_topics(vec![topic])
        });
        check::<MetadataRequest>(|_| {
            let topic = metadata_request::MetadataRequestTopic::default().with_name(Some(text("t").into()));
            MetadataRequest::default().with_topics(Some(vec![topic]))
        });
        check::<ListOffsetsRequest>(|_| {
            let partition = list_offsets_request::ListOffsetsPartition::default();
            let topic = list_offsets_request::ListOffsetsTopic::default().with_partitions(vec![partition]);
            ListOffsetsRequest::default().with_topics(vec![topic])
        });
        check::<LeaveGroupRequest>(|version| match version {
            0..3 => LeaveGroupRequest::default(),
            _ => LeaveGroupRequest::default()
                .with_members(vec![leave_group_request::MemberIdentity::default()]),
        });
        check::<DescribeConfigsRequest>(|_| {
            let resource = describe_configs_request::DescribeConfigsResource::default()
                .with_configuration_keys(Some(vec![text("retention.ms")]));
            DescribeConfigsRequest::default().with_resources(vec![resource])
        });
        check::<IncrementalAlterConfigsRequest>(|_| {
            let config = incremental_alter_configs_request::AlterableConfig::default();
            let resource =
                incremental_alter_configs_request::AlterConfigsResource::default().with_configs(vec![config]);
            IncrementalAlterConfigsRequest::default().with_resources(vec![resource])
        });
    }

    #[test]
    fn shapes_without_elements_are_those_of_the_generated_codecs() {
        check::<HeartbeatRequest>(|_| HeartbeatRequest::default());
        check::<FindCoordinatorRequest>(|_| FindCoordinatorRequest::default());
        check::<DescribeGroupsRequest>(|_| {
            DescribeGroupsRequest::default().with_groups(vec![text("g").into()])
        });
        check::<ListGroupsRequest>(|_| ListGroupsRequest::default());
        check::<ApiVersionsRequest>(|_| ApiVersionsRequest::default());
        check::<DeleteTopicsRequest>(|_| DeleteTopicsRequest::default());
        check::<DeleteRecordsRequest>(|_| DeleteRecordsRequest::default());
        check::<InitProducerIdRequest>(|_| InitProducerIdRequest::default());
        check::<OffsetForLeaderEpochRequest>(|_| OffsetForLeaderEpochRequest::default());
        check::<DescribeLogDirsRequest>(|_| DescribeLogDirsRequest::default().with_topics(None));
        check::<CreatePartitionsRequest>(|_| CreatePartitionsRequest::default());
        check::<DeleteGroupsRequest>(|_| {
            DeleteGroupsRequest::default().with_groups_names(vec![text("g").into()])
        });
        check::<DescribeClusterRequest>(|_| DescribeClusterRequest::default());
    }

    #[test]
    fn an_array_that_claims_more_than_there_is_has_no_shape() {
        let api = api::<MetadataRequest>();
        assert!(!has_shape(api, 0, &[0x7f, 0xff, 0xff, 0xff]));
        assert!(!has_shape(api, 9, &[0xff, 0xff, 0xff, 0xff, 0x0f]));
        assert!(has_shape(api, 1, &[0xff, 0xff, 0xff, 0xff]), "null is no array");
    }
}
