//! Kafka as a bus: the client's settings, and publishing.
//!
//! Input: a component's settings, messages. Output: messages at the brokers, acknowledged by all replicas. Reading is `kafka_reading`'s. The
//! settings keep librdkafka small: no statistics, short queues.

use crate::bus::{Boxed, Bus, Deliver, Outgoing, Reading};
use crate::component::KafkaSettings;
use crate::kafka_reading::{KafkaReading, finish_timeout};
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::error::KafkaError;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{
    BaseProducer, BaseRecord, DeliveryResult, NoCustomPartitioner, Producer, ProducerContext,
};
use rdkafka::{ClientContext, util::Timeout};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::oneshot;

/// How long a message may take to be acknowledged; then the publisher is told, and may try again.
const PUBLISH_TIMEOUT: Duration = Duration::from_secs(5);
/// Memory for messages on their way to the brokers.
const PUBLISH_QUEUE_KBYTES: u32 = 4096;

/// How long the thread that waits for acknowledgements waits at a time. The library spins in the last millisecond of a wait, so its own
/// producer with futures, which waits for 100 ms, takes a hundredth of a processor when nothing happens.
const POLL: Duration = Duration::from_secs(5);

/// A connection to Kafka for one component.
pub(crate) struct KafkaBus {
    producer: Arc<BaseProducer<Acknowledged>>,
    /// Ends the thread that waits for acknowledgements.
    closed: Arc<AtomicBool>,
    settings: KafkaSettings,
    graceful_shutdown: Duration,
}

/// Whom to tell what became of a message.
type Acknowledge = oneshot::Sender<Result<(), String>>;

/// Tells publishers what became of their messages.
struct Acknowledged;

impl ClientContext for Acknowledged {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log_line(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "kafka");
    }
}

impl ProducerContext<NoCustomPartitioner> for Acknowledged {
    type DeliveryOpaque = Box<Acknowledge>;

    fn delivery(&self, result: &DeliveryResult<'_>, publisher: Box<Acknowledge>) {
        let result = result.as_ref().map(|_| ()).map_err(|(error, _)| error.to_string());
        // whoever has left will publish again
        let _ = publisher.send(result);
    }
}

/// One line of librdkafka. Lost connections are repeated for as long as a broker is away, so they are no warnings here.
pub(crate) fn log_line(level: RDKafkaLogLevel, facility: &str, message: &str) {
    match level {
        RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
            tracing::warn!(facility, "kafka: {message}");
        }
        _ => tracing::debug!(facility, "kafka: {message}"),
    }
}

/// What producer and consumer have in common.
pub(crate) fn client_config(settings: &KafkaSettings) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", &settings.brokers)
        .set("client.id", &settings.client_id)
        .set("statistics.interval.ms", "0")
        .set("topic.metadata.refresh.interval.ms", settings.metadata_refresh.as_millis().to_string())
        .set("reconnect.backoff.ms", "50")
        .set("reconnect.backoff.max.ms", "1000")
        .set("socket.keepalive.enable", "true")
        .set("allow.auto.create.topics", "true")
        .set_log_level(RDKafkaLogLevel::Warning);
    config
}

impl KafkaBus {
    /// Connects, and waits until a broker answers. Blocks up to `timeout`. `graceful_shutdown` is how long reading may take to end.
    ///
    /// # Errors
    /// When a setting cannot be used, or no broker answers in time.
    pub(crate) fn connect(
        settings: KafkaSettings,
        timeout: Duration,
        graceful_shutdown: Duration,
    ) -> Result<Self, String> {
        let mut config = client_config(&settings);
        config
            .set("acks", "all")
            .set("linger.ms", "0")
            // One request at a time for each broker: a repeated one then never overtakes the next.
            .set("max.in.flight.requests.per.connection", "1")
            .set("message.timeout.ms", PUBLISH_TIMEOUT.as_millis().to_string())
            .set("queue.buffering.max.kbytes", PUBLISH_QUEUE_KBYTES.to_string())
            .set("queue.buffering.max.messages", "10000")
            .set("message.max.bytes", settings.max_message_bytes.clamp(1_000, 1_000_000_000).to_string())
            // The partition of a key is the one Dapr's own client (sarama) chooses.
            .set("partitioner", "fnv1a_random");
        let producer: BaseProducer<Acknowledged> =
            config.create_with_context(Acknowledged).map_err(|error| error.to_string())?;
        producer.client().fetch_metadata(None, timeout).map_err(|error| {
            format!("no broker of {:?} answered within {}s: {error}", settings.brokers, timeout.as_secs_f32())
        })?;
        let (producer, closed) = (Arc::new(producer), Arc::new(AtomicBool::new(false)));
        let (polled, ended) = (Arc::clone(&producer), Arc::clone(&closed));
        let poll = move || {
            while !ended.load(Ordering::Relaxed) {
                polled.poll(POLL);
            }
        };
        let thread = std::thread::Builder::new().name("kafka-acks".to_owned()).spawn(poll);
        thread.map_err(|error| format!("no thread can be started: {error}"))?;
        Ok(Self { producer, closed, settings, graceful_shutdown })
    }
}

impl Bus for KafkaBus {
    fn publish(&self, messages: Vec<Outgoing>) -> Boxed<'_, Vec<Result<(), String>>> {
        Box::pin(async move {
            // All are handed over before the first is waited for, so that they travel together and in order.
            let sent: Vec<_> = messages
                .iter()
                .map(|message| {
                    let mut headers = OwnedHeaders::new_with_capacity(message.headers.len());
                    for (key, value) in &message.headers {
                        headers = headers.insert(Header { key, value: Some(value) });
                    }
                    let (publisher, acknowledged) = oneshot::channel();
                    let record = BaseRecord {
                        topic: &message.topic,
                        partition: None,
                        payload: Some(message.payload.as_ref()),
                        key: message.key.as_deref(),
                        timestamp: None,
                        headers: Some(headers),
                        delivery_opaque: Box::new(publisher),
                    };
                    self.producer.send(record).map(|()| acknowledged).map_err(|(error, _)| error)
                })
                .collect();
            let mut results = Vec::with_capacity(sent.len());
            for one in sent {
                results.push(match one {
                    Err(error) => Err(error.to_string()),
                    Ok(acknowledged) => {
                        acknowledged.await.unwrap_or_else(|_| Err("component is closed".to_owned()))
                    }
                });
            }
            results
        })
    }

    fn read(&self, topics: Vec<(String, Arc<dyn Deliver>)>) -> Result<Box<dyn Reading>, String> {
        Ok(Box::new(KafkaReading::start(&self.settings, finish_timeout(self.graceful_shutdown), topics)?))
    }
}

impl Drop for KafkaBus {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::Relaxed);
        // Nothing is left to send: whoever published has been answered.
        let _ = self.producer.flush(Timeout::After(Duration::ZERO));
    }
}
