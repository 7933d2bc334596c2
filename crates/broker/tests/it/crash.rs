//! What was acknowledged is there after the process was killed.

use crate::clients::{PATIENCE, broker, consumer, producer};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::producer::FutureRecord;
use std::collections::HashSet;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A broker in a process of its own, killed at the latest when the test ends.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(folder: &Path, listen: &str) -> (Process, String) {
    let program = std::env::current_exe().unwrap();
    let program = program.parent().and_then(Path::parent).unwrap().join("examples/broker");
    let mut command = Command::new(program);
    command.arg(folder).args([listen, "127.0.0.1:0", "events:3"]).stdout(Stdio::piped());
    let mut child = command.spawn().expect("cargo builds the examples with the tests");
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.split(' ').next().unwrap().to_owned();
    (Process(child), address)
}

/// Every value in all partitions, in the order of each partition.
fn values(address: &str) -> Vec<(i32, i64)> {
    let reader: BaseConsumer = {
        let mut config = rdkafka::ClientConfig::new();
        config.set("bootstrap.servers", address).set("group.id", "unused").create().unwrap()
    };
    let mut list = rdkafka::TopicPartitionList::new();
    let mut left = 0;
    for partition in 0..3 {
        let (low, high) = reader.fetch_watermarks("events", partition, PATIENCE).unwrap();
        left += high - low;
        list.add_partition_offset("events", partition, rdkafka::Offset::Beginning).unwrap();
    }
    reader.assign(&list).unwrap();
    let mut found = Vec::new();
    let deadline = Instant::now() + PATIENCE;
    while left > 0 {
        assert!(Instant::now() < deadline, "{left} messages cannot be read");
        let Some(message) = reader.poll(Duration::from_millis(200)) else { continue };
        let message = message.unwrap();
        let value = std::str::from_utf8(message.payload().unwrap()).unwrap().parse().unwrap();
        found.push((message.partition(), value));
        left -= 1;
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_under_load_nothing_acknowledged_is_lost_doubled_or_out_of_order() {
    let folder = tempfile::tempdir().unwrap();
    let (mut process, address) = start(folder.path(), "127.0.0.1:0");
    let sender =
        producer(&address, &[("enable.idempotence", "true"), ("queue.buffering.max.messages", "20000")]);
    let mut acknowledged = HashSet::new();
    let mut number = 0_i64;
    for _ in 0..3 {
        let mut pending = Vec::new();
        for _ in 0..3_000 {
            let value = number.to_string();
            let record = FutureRecord::<(), _>::to("events").partition((number % 3) as i32).payload(&value);
            pending.push((number, sender.send_result(record).map_err(|(error, _)| error).unwrap()));
            number += 1;
            if number % 500 == 0 {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        }
        drop(process);
        (process, _) = start(folder.path(), &address);
        for (number, sent) in pending {
            let sent =
                tokio::time::timeout(PATIENCE, sent).await.expect("delivered or refused in time").unwrap();
            if sent.is_ok() {
                acknowledged.insert(number);
            }
        }
    }
    let found = values(&address);
    let mut seen = HashSet::new();
    let mut last = [-1; 3];
    for (partition, value) in found {
        assert!(seen.insert(value), "{value} is there twice");
        assert!(value > last[partition as usize], "{value} is out of order");
        last[partition as usize] = value;
    }
    assert_eq!(acknowledged.len(), 9_000, "a producer that may retry loses nothing");
    assert!(acknowledged.is_subset(&seen), "{} are lost", acknowledged.difference(&seen).count());
    drop(process);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_broker_on_the_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let first = broker(folder.path(), &[]).await;
    let second = tidewatch_broker::Broker::start(tidewatch_broker::BrokerOptions::new(folder.path())).await;
    assert!(second.unwrap_err().to_string().contains("in use by another broker"));
    first.shutdown().await;
    let third = broker(folder.path(), &[]).await;
    drop(consumer(third.address(), "g", &[]));
    third.shutdown().await;
}
