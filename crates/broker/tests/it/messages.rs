//! Producing and consuming: what comes out is what went in, in order, also after a restart.

use crate::clients::{PATIENCE, admin, broker, consumer, producer, send};
use rdkafka::admin::{AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::consumer::{BaseConsumer, Consumer, StreamConsumer};
use rdkafka::message::{Header, Headers, Message, OwnedHeaders};
use rdkafka::producer::FutureRecord;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use std::time::Duration;

async fn read(consumer: &StreamConsumer, count: usize) -> Vec<String> {
    let mut values = Vec::new();
    while values.len() < count {
        let message =
            tokio::time::timeout(PATIENCE, consumer.recv()).await.expect("a message in time").unwrap();
        values.push(String::from_utf8(message.payload().unwrap().to_vec()).unwrap());
    }
    values
}

fn assign(consumer: &StreamConsumer, topic: &str, partition: i32, offset: Offset) {
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, partition, offset).unwrap();
    consumer.assign(&list).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_keep_bytes_order_headers_and_times_over_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let first = broker(folder.path(), &[("events", 2)]).await;
    let sender = producer(first.address(), &[]);
    let headers = OwnedHeaders::new().insert(Header { key: "traceparent", value: Some("00-abc") });
    let record = FutureRecord::to("events")
        .partition(1)
        .key("task 7")
        .payload("created")
        .headers(headers)
        .timestamp(1_234);
    let delivery = sender.send(record, PATIENCE).await.map_err(|(error, _)| error).unwrap();
    assert_eq!((delivery.partition, delivery.offset), (1, 0));
    send(&sender, "events", 1, (1..500).map(|n| n.to_string())).await;
    drop(sender);
    first.shutdown().await;

    let second = broker(folder.path(), &[("events", 2)]).await;
    let reader = consumer(second.address(), "unused", &[]);
    assign(&reader, "events", 1, Offset::Beginning);
    let message = tokio::time::timeout(PATIENCE, reader.recv()).await.unwrap().unwrap();
    assert_eq!(message.key(), Some(b"task 7".as_slice()));
    assert_eq!(message.timestamp().to_millis(), Some(1_234));
    let header = message.headers().unwrap().get(0);
    assert_eq!((header.key, header.value), ("traceparent", Some(b"00-abc".as_slice())));
    drop(message);
    assert_eq!(read(&reader, 499).await, (1..500).map(|n| n.to_string()).collect::<Vec<_>>());
    let (low, high) = reader.fetch_watermarks("events", 1, PATIENCE).unwrap();
    assert_eq!((low, high), (0, 500));
    second.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_acks_level_and_idempotence_deliver_once_and_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let broker = broker(folder.path(), &[("all", 1), ("one", 1), ("none", 1), ("idempotent", 1)]).await;
    let cases = [
        ("all", ("acks", "all")),
        ("one", ("acks", "1")),
        ("none", ("acks", "0")),
        ("idempotent", ("enable.idempotence", "true")),
    ];
    for (topic, setting) in cases {
        let sender = producer(broker.address(), &[setting]);
        send(&sender, topic, 0, (0..2_000).map(|n| n.to_string())).await;
        let reader = consumer(broker.address(), "unused", &[]);
        assign(&reader, topic, 0, Offset::Beginning);
        assert_eq!(
            read(&reader, 2_000).await,
            (0..2_000).map(|n| n.to_string()).collect::<Vec<_>>(),
            "{topic}"
        );
        assert_eq!(reader.fetch_watermarks(topic, 0, PATIENCE).unwrap(), (0, 2_000), "{topic}");
    }
    broker.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_waiting_consumer_hears_of_a_message_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let broker = broker(folder.path(), &[("events", 1)]).await;
    let sender = producer(broker.address(), &[("linger.ms", "0")]);
    let reader = consumer(broker.address(), "unused", &[("fetch.wait.max.ms", "10000")]);
    assign(&reader, "events", 0, Offset::Beginning);
    send(&sender, "events", 0, ["warm".to_owned()]).await;
    assert_eq!(read(&reader, 1).await, ["warm"]);
    let mut slowest = Duration::ZERO;
    for n in 0..20 {
        let begun = std::time::Instant::now();
        send(&sender, "events", 0, [n.to_string()]).await;
        assert_eq!(read(&reader, 1).await, [n.to_string()]);
        slowest = slowest.max(begun.elapsed());
    }
    assert!(slowest < Duration::from_secs(3), "{slowest:?}, although a fetch may wait for ten seconds");
    broker.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn times_find_offsets_and_topics_come_and_go() {
    let folder = tempfile::tempdir().unwrap();
    let broker = broker(folder.path(), &[]).await;
    let admin = admin(broker.address());
    let options = AdminOptions::new();
    let topic = NewTopic::new("made", 3, TopicReplication::Fixed(1)).set("retention.ms", "-1");
    let made = admin.create_topics([&topic], &options).await.unwrap();
    assert_eq!(made, [Ok("made".to_owned())]);
    assert!(admin.create_topics([&topic], &options).await.unwrap()[0].is_err(), "it exists already");
    let wrong = NewTopic::new("wrong", 1, TopicReplication::Fixed(1)).set("cleanup.policy", "compact");
    assert!(admin.create_topics([&wrong], &options).await.unwrap()[0].is_err());
    let configs = admin.describe_configs([&ResourceSpecifier::Topic("made")], &options).await.unwrap();
    let configs = configs[0].as_ref().unwrap().entry_map();
    assert_eq!(configs["retention.ms"].value.as_deref(), Some("-1"));

    let sender = producer(broker.address(), &[]);
    for n in 0..10 {
        let record = FutureRecord::<(), _>::to("made").partition(2).payload("x").timestamp(1_000 + n * 10);
        sender.send(record, PATIENCE).await.map_err(|(error, _)| error).unwrap();
    }
    let reader: BaseConsumer = {
        let mut config = rdkafka::ClientConfig::new();
        config.set("bootstrap.servers", broker.address().to_string()).create().unwrap()
    };
    let mut times = TopicPartitionList::new();
    times.add_partition_offset("made", 2, Offset::Offset(1_045)).unwrap();
    let found = reader.offsets_for_times(times, PATIENCE).unwrap();
    assert_eq!(found.find_partition("made", 2).unwrap().offset(), Offset::Offset(5));

    assert_eq!(admin.delete_topics(&["made"], &options).await.unwrap(), [Ok("made".to_owned())]);
    assert!(!folder.path().join("made-2").exists());
    let auto = sender.send(FutureRecord::<(), _>::to("auto").payload("x"), PATIENCE).await;
    assert_eq!(auto.map_err(|(error, _)| error).unwrap().offset, 0, "a topic that a producer names is made");
    broker.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transactions_are_refused_for_good() {
    use rdkafka::producer::Producer;
    let folder = tempfile::tempdir().unwrap();
    let broker = broker(folder.path(), &[("events", 1)]).await;
    let sender = producer(broker.address(), &[("transactional.id", "t")]);
    let error =
        tokio::task::spawn_blocking(move || sender.init_transactions(PATIENCE)).await.unwrap().unwrap_err();
    assert_eq!(
        error.rdkafka_error_code(),
        Some(rdkafka::types::RDKafkaErrorCode::TransactionalIdAuthorizationFailed),
        "{error:?}"
    );
    broker.shutdown().await;
}
