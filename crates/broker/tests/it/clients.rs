//! Brokers and librdkafka clients for the tests.
//!
//! Input: a broker's address. Output: clients with the settings that the tests share. Asserts nothing about the broker.

use rdkafka::ClientConfig;
use rdkafka::admin::AdminClient;
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::StreamConsumer;
use rdkafka::producer::{FutureProducer, FutureRecord};
use std::path::Path;
use std::time::{Duration, Instant};
use tidewatch_broker::{Broker, BrokerOptions, TopicSpec};

/// How long anything may take before a test fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) async fn broker(folder: &Path, topics: &[(&str, i32)]) -> Broker {
    let mut options = BrokerOptions::new(folder);
    options.topics = topics.iter().map(|(name, partitions)| TopicSpec::new(*name, *partitions)).collect();
    options.metrics_listen = Some("127.0.0.1:0".parse().unwrap());
    Broker::start(options).await.unwrap()
}

fn config(address: impl ToString) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", address.to_string());
    config.set("reconnect.backoff.max.ms", "200");
    config
}

pub(crate) fn producer(address: impl ToString, settings: &[(&str, &str)]) -> FutureProducer {
    let mut config = config(address);
    config.set("linger.ms", "1").set("message.timeout.ms", "20000");
    for (key, value) in settings {
        config.set(*key, *value);
    }
    config.create().unwrap()
}

pub(crate) fn consumer(address: impl ToString, group: &str, settings: &[(&str, &str)]) -> StreamConsumer {
    let mut config = config(address);
    config.set("group.id", group).set("auto.offset.reset", "earliest").set("enable.auto.commit", "false");
    config.set("session.timeout.ms", "6000").set("heartbeat.interval.ms", "300");
    for (key, value) in settings {
        config.set(*key, *value);
    }
    config.create().unwrap()
}

pub(crate) fn admin(address: impl ToString) -> AdminClient<DefaultClientContext> {
    config(address).create().unwrap()
}

/// Sends `values` in order to one partition and waits until each is acknowledged.
pub(crate) async fn send(
    producer: &FutureProducer,
    topic: &str,
    partition: i32,
    values: impl IntoIterator<Item = String>,
) {
    let mut pending = Vec::new();
    for value in values {
        let record = FutureRecord::<(), _>::to(topic).partition(partition).payload(&value);
        pending.push(producer.send_result(record).map_err(|(error, _)| error).unwrap());
    }
    for sent in pending {
        tokio::time::timeout(PATIENCE, sent).await.unwrap().unwrap().map_err(|(error, _)| error).unwrap();
    }
}

/// Asks again and again until the answer is there.
pub(crate) async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
