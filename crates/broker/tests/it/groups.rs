//! Consumer groups: members share partitions, take over from each other, and go on from what was committed.

use crate::clients::{PATIENCE, broker, consumer, producer, send, until};
use rdkafka::consumer::{CommitMode, Consumer, StreamConsumer};
use rdkafka::message::Message;
use std::collections::HashSet;
use std::time::Duration;

fn assigned(consumer: &StreamConsumer) -> HashSet<i32> {
    consumer.assignment().unwrap().elements().iter().map(|element| element.partition()).collect()
}

/// Lets both clients run their group protocol for a moment.
async fn poll(consumers: &[&StreamConsumer]) {
    for consumer in consumers {
        let _ = tokio::time::timeout(Duration::from_millis(30), consumer.recv()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_members_share_partitions_and_one_takes_over() {
    let folder = tempfile::tempdir().unwrap();
    let broker = broker(folder.path(), &[("events", 5)]).await;
    let first = consumer(broker.address(), "service", &[]);
    first.subscribe(&["events"]).unwrap();
    until("the first member to have everything", async || {
        poll(&[&first]).await;
        (assigned(&first).len() == 5).then_some(())
    })
    .await;
    let second = consumer(broker.address(), "service", &[]);
    second.subscribe(&["events"]).unwrap();
    until("both to share", async || {
        poll(&[&first, &second]).await;
        let (a, b) = (assigned(&first), assigned(&second));
        (a.len() + b.len() == 5 && !a.is_empty() && !b.is_empty() && a.is_disjoint(&b)).then_some(())
    })
    .await;
    drop(first);
    until("the second to take over", async || {
        poll(&[&second]).await;
        (assigned(&second).len() == 5).then_some(())
    })
    .await;
    broker.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_goes_on_from_its_commit_when_member_and_broker_are_new() {
    let folder = tempfile::tempdir().unwrap();
    let first = broker(folder.path(), &[("events", 1)]).await;
    let sender = producer(first.address(), &[]);
    send(&sender, "events", 0, (0..100).map(|n| n.to_string())).await;
    let reader = consumer(first.address(), "service", &[]);
    reader.subscribe(&["events"]).unwrap();
    for n in 0..40 {
        let message = tokio::time::timeout(PATIENCE, reader.recv()).await.unwrap().unwrap();
        assert_eq!(message.payload().unwrap(), n.to_string().as_bytes());
        reader.commit_message(&message, if n == 39 { CommitMode::Sync } else { CommitMode::Async }).unwrap();
    }
    drop(reader);
    drop(sender);
    first.shutdown().await;
    let second = broker(folder.path(), &[]).await;
    let reader = consumer(second.address(), "service", &[]);
    reader.subscribe(&["events"]).unwrap();
    let message = tokio::time::timeout(PATIENCE, reader.recv()).await.unwrap().unwrap();
    assert_eq!(message.payload().unwrap(), b"40");
    drop(message);
    second.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_survive_a_restart_of_the_broker_on_the_same_port() {
    let folder = tempfile::tempdir().unwrap();
    let first = broker(folder.path(), &[("events", 2)]).await;
    let address = first.address();
    let reader = consumer(address, "service", &[]);
    reader.subscribe(&["events"]).unwrap();
    until("an assignment", async || {
        poll(&[&reader]).await;
        (assigned(&reader).len() == 2).then_some(())
    })
    .await;
    first.shutdown().await;
    let mut options = tidewatch_broker::BrokerOptions::new(folder.path());
    options.listen = address;
    let second = tidewatch_broker::Broker::start(options).await.unwrap();
    let sender = producer(address, &[]);
    send(&sender, "events", 0, ["after".to_owned()]).await;
    let message = tokio::time::timeout(PATIENCE, async {
        loop {
            if let Ok(message) = reader.recv().await {
                break message.detach();
            }
        }
    });
    let message = message.await.unwrap();
    assert_eq!(message.payload().unwrap(), b"after");
    reader.commit_consumer_state(CommitMode::Sync).unwrap();
    second.shutdown().await;
}
