//! What a client can make the broker hold is bounded: answers, requests that do not come whole, answers that are not read, and
//! topics that are gone.

use crate::clients::{PATIENCE, producer, send, until};
use crate::versions::Raw;
use kafka_protocol::messages::*;
use kafka_protocol::protocol::StrBytes;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use tidewatch_broker::{Broker, BrokerOptions, Limits, TopicSpec};
use uuid::Uuid;

fn text(text: &'static str) -> StrBytes {
    StrBytes::from_static_str(text)
}

async fn broker(folder: &Path, limits: Limits) -> Broker {
    let mut options = BrokerOptions::new(folder);
    options.topics = vec![TopicSpec::new("events", 2)];
    options.metrics_listen = Some("127.0.0.1:0".parse().unwrap());
    options.limits = limits;
    Broker::start(options).await.unwrap()
}

/// The value of a counter on the metrics page.
fn counted(broker: &Broker, name: &str) -> u64 {
    let mut stream = TcpStream::connect(broker.metrics_address().unwrap()).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut page = String::new();
    stream.read_to_string(&mut page).unwrap();
    let line = page.lines().find(|line| line.starts_with(&format!("{name} "))).expect(name);
    line[name.len()..].trim().parse().unwrap()
}

/// Whether the broker closes the connection before the test's patience ends.
fn is_closed(stream: &mut TcpStream) -> bool {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut byte = [0];
    match stream.read(&mut byte) {
        Ok(read) => read == 0,
        Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
    }
}

fn fetch(bytes: i32, wait_ms: i32) -> FetchRequest {
    let partition =
        fetch_request::FetchPartition::default().with_partition(0).with_partition_max_bytes(bytes);
    let topic = fetch_request::FetchTopic::default()
        .with_topic(text("events").into())
        .with_partitions(vec![partition]);
    FetchRequest::default()
        .with_max_bytes(bytes)
        .with_min_bytes(1)
        .with_max_wait_ms(wait_ms)
        .with_topics(vec![topic])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_said_a_thousand_times_is_answered_once() {
    const TIMES: usize = 1_000;
    let folder = tempfile::tempdir().unwrap();
    let broker = broker(folder.path(), Limits::default()).await;
    let mut raw = Raw::connect(broker.address());
    let partition = |index| {
        offset_commit_request::OffsetCommitRequestPartition::default()
            .with_partition_index(index)
            .with_committed_offset(7)
            .with_committed_metadata(Some(text("m")))
    };
    let topic = offset_commit_request::OffsetCommitRequestTopic::default()
        .with_name(text("events").into())
        .with_partitions(vec![partition(0), partition(1)]);
    let commit = OffsetCommitRequest::default().with_group_id(text("g").into()).with_topics(vec![topic]);
    assert_eq!(raw.ask(8, &commit).topics[0].partitions[0].error_code, 0);

    let group = offset_fetch_request::OffsetFetchRequestGroup::default().with_group_id(text("g").into());
    let all = OffsetFetchRequest::default().with_groups(vec![group.clone().with_topics(None); TIMES]);
    let answer = raw.ask(8, &all);
    assert_eq!((answer.groups.len(), answer.groups[0].topics[0].partitions.len()), (1, 2));
    let topic = offset_fetch_request::OffsetFetchRequestTopics::default()
        .with_name(text("events").into())
        .with_partition_indexes([1].repeat(TIMES));
    let one = OffsetFetchRequest::default().with_groups(vec![group.with_topics(Some(vec![topic; 9]))]);
    let answer = raw.ask(8, &one);
    assert_eq!((answer.groups[0].topics.len(), answer.groups[0].topics[0].partitions.len()), (1, 1));
    assert_eq!(answer.groups[0].topics[0].partitions[0].committed_offset, 7);
    let topic = offset_fetch_request::OffsetFetchRequestTopic::default()
        .with_name(text("events").into())
        .with_partition_indexes([0, 1, 1, 0].repeat(TIMES));
    let old = OffsetFetchRequest::default().with_group_id(text("g").into()).with_topics(Some(vec![topic]));
    assert_eq!(raw.ask(7, &old).topics[0].partitions.len(), 2);

    let resource = |kind, name: &'static str| {
        describe_configs_request::DescribeConfigsResource::default()
            .with_resource_type(kind)
            .with_resource_name(text(name))
            .with_configuration_keys(None)
    };
    let three = [resource(2, "events"), resource(4, "0"), resource(4, "1")];
    let resources = three.iter().cycle().take(3 * TIMES).cloned().collect();
    let answer = raw.ask(4, &DescribeConfigsRequest::default().with_resources(resources));
    let codes: Vec<_> = answer.results.iter().map(|result| result.error_code).collect();
    assert_eq!(codes, [0, 0, 42], "another broker's configuration is not this one's");
    let keys = FindCoordinatorRequest::default().with_coordinator_keys(vec![text("g"); TIMES]);
    assert_eq!(raw.ask(4, &keys).coordinators.len(), 1);
    let topic = |id| {
        metadata_request::MetadataRequestTopic::default()
            .with_name(Some(text("events").into()))
            .with_topic_id(Uuid::from_u128(id))
    };
    let topics = MetadataRequest::default().with_topics(Some((0..TIMES as u128).map(topic).collect()));
    assert_eq!(raw.ask(12, &topics).topics.len(), 1, "the id beside a name does not make it another topic");
    broker.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_above_the_limit_closes_its_connection_only() {
    let folder = tempfile::tempdir().unwrap();
    let broker = broker(folder.path(), Limits { answer_bytes: 1_000, ..Limits::default() }).await;
    let mut raw = Raw::connect(broker.address());
    let unknown = |n: usize| {
        metadata_request::MetadataRequestTopic::default()
            .with_name(Some(StrBytes::from_string(format!("unknown-{n}")).into()))
    };
    let ask = |count| {
        MetadataRequest::default()
            .with_allow_auto_topic_creation(false)
            .with_topics(Some((0..count).map(unknown).collect()))
    };
    assert_eq!(raw.ask(9, &ask(3)).topics.len(), 3);
    raw.send(9, &ask(200));
    assert!(is_closed(&mut raw.stream));
    assert_eq!(counted(&broker, "tidewatch_broker_oversized_answers_total"), 1);
    assert_eq!(counted(&broker, "tidewatch_broker_malformed_requests_total"), 0);
    let mut other = Raw::connect(broker.address());
    assert_eq!(other.ask(9, &ask(3)).topics.len(), 3);
    broker.shutdown().await;
}

fn unfinished(address: SocketAddr, claimed: u32) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(&claimed.to_be_bytes()).unwrap();
    stream.write_all(&[0, 0, 0, 9, 0, 0]).unwrap();
    stream
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_trickles_in_does_not_hold_memory_for_long() {
    let folder = tempfile::tempdir().unwrap();
    let (request_bytes, in_flight_bytes) = (1 << 20, 1 << 20);
    let limits = Limits { request_bytes, in_flight_bytes, body_ms: 1_000, ..Limits::default() };
    let broker = broker(folder.path(), limits).await;
    let mut slow = unfinished(broker.address(), 1 << 20);
    // Another that asks for the same memory gets it once the first one is gone.
    send(&producer(broker.address(), &[]), "events", 0, ["x".repeat(500_000)]).await;
    assert!(is_closed(&mut slow));
    assert_eq!(counted(&broker, "tidewatch_broker_slow_connections_total"), 1);
    broker.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_is_not_read_is_not_held_for_long() {
    let folder = tempfile::tempdir().unwrap();
    let broker = broker(folder.path(), Limits { answer_ms: 300, ..Limits::default() }).await;
    send(&producer(broker.address(), &[]), "events", 0, ["x".repeat(900_000)]).await;
    let mut deaf = Raw::connect(broker.address());
    for _ in 0..100 {
        deaf.send(11, &fetch(1 << 20, 0));
    }
    let slow = "tidewatch_broker_slow_connections_total";
    until("the connection's end", async || (counted(&broker, slow) == 1).then_some(())).await;
    let mut other = Raw::connect(broker.address());
    assert_eq!(other.ask(11, &fetch(1 << 20, 0)).responses[0].partitions[0].high_watermark, 1);
    broker.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_waiting_consumer_hears_that_its_topic_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let broker = broker(folder.path(), Limits::default()).await;
    let mut waiting = Raw::connect(broker.address());
    let before = counted(&broker, "tidewatch_broker_requests_total");
    waiting.send(11, &fetch(1 << 20, 120_000));
    let arrived = async || (counted(&broker, "tidewatch_broker_requests_total") > before).then_some(());
    until("the fetch's arrival", arrived).await;
    let mut admin = Raw::connect(broker.address());
    let names = DeleteTopicsRequest::default().with_topic_names(vec![text("events").into()]);
    assert_eq!(admin.ask(5, &names).responses[0].error_code, 0);
    waiting.stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let answer = waiting.receive::<FetchRequest>(11);
    assert_eq!(answer.responses[0].partitions[0].error_code, 3);
    broker.shutdown().await;
}
