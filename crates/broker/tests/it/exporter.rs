//! The exporter and the broker's own page: lag appears when a consumer stops and is gone when it is back.

use crate::clients::{PATIENCE, broker, consumer, producer, send, until};
use rdkafka::consumer::{CommitMode, Consumer, StreamConsumer};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use tidewatch_broker::{Exporter, ExporterOptions};

async fn page(exporter: &Exporter) -> String {
    let mut out = String::new();
    exporter.page(&mut out).await;
    out
}

fn has(page: &str, line: &str) {
    assert!(page.lines().any(|found| found == line), "{line} is not in\n{page}");
}

async fn read_and_commit(reader: &StreamConsumer, count: usize) {
    for _ in 0..count {
        let message = tokio::time::timeout(PATIENCE, reader.recv()).await.unwrap().unwrap();
        reader.commit_message(&message, CommitMode::Sync).unwrap();
    }
}

fn scrape(address: SocketAddr) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(b"GET /any/path HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lag_shows_a_stopped_consumer_and_returns_to_zero() {
    let folder = tempfile::tempdir().unwrap();
    let broker = broker(folder.path(), &[("task-events", 2)]).await;
    let exporter = Exporter::new(vec![broker.address().to_string()], ExporterOptions::default());
    let sender = producer(broker.address(), &[]);
    send(&sender, "task-events", 0, (0..5).map(|n| n.to_string())).await;
    let reader = consumer(broker.address(), "event-service", &[]);
    reader.subscribe(&["task-events"]).unwrap();
    read_and_commit(&reader, 5).await;
    let text = page(&exporter).await;
    for line in [
        "kafka_exporter_up 1",
        "kafka_brokers 1",
        "kafka_topic_partitions{topic=\"task-events\"} 2",
        "kafka_topic_partition_current_offset{topic=\"task-events\",partition=\"0\"} 5",
        "kafka_topic_partition_oldest_offset{topic=\"task-events\",partition=\"0\"} 0",
        "kafka_topic_partition_in_sync_replica{topic=\"task-events\",partition=\"1\"} 1",
        "kafka_consumergroup_members{consumergroup=\"event-service\"} 1",
        "kafka_consumergroup_lag{consumergroup=\"event-service\",topic=\"task-events\",partition=\"0\"} 0",
        "kafka_consumergroup_lag{consumergroup=\"event-service\",topic=\"task-events\",partition=\"1\"} -1",
        "kafka_consumergroup_lag_sum{consumergroup=\"event-service\",topic=\"task-events\"} 0",
    ] {
        has(&text, line);
    }
    drop(reader);
    send(&sender, "task-events", 0, (0..7).map(|n| n.to_string())).await;
    let text = page(&exporter).await;
    has(&text, "kafka_consumergroup_lag_sum{consumergroup=\"event-service\",topic=\"task-events\"} 7");
    until("the member to be gone", async || {
        page(&exporter)
            .await
            .contains("kafka_consumergroup_members{consumergroup=\"event-service\"} 0")
            .then_some(())
    })
    .await;
    let reader = consumer(broker.address(), "event-service", &[]);
    reader.subscribe(&["task-events"]).unwrap();
    read_and_commit(&reader, 7).await;
    has(
        &page(&exporter).await,
        "kafka_consumergroup_lag_sum{consumergroup=\"event-service\",topic=\"task-events\"} 0",
    );

    let own = scrape(broker.metrics_address().unwrap());
    for line in [
        "kafka_server_brokertopicmetrics_messagesin_total{topic=\"task-events\"} 12",
        "kafka_server_brokertopicmetrics_messagesin_total{topic=\"\"} 12",
        "kafka_server_brokertopicmetrics_failedproducerequests_total{topic=\"\"} 0",
        "kafka_server_replicamanager_partitioncount 2",
        "kafka_controller_kafkacontroller_activecontrollercount 1",
        "kafka_log_log_logendoffset{topic=\"task-events\",partition=\"0\"} 12",
    ] {
        has(&own, line);
    }
    broker.shutdown().await;
}
