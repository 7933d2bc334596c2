//! Reading topics of Kafka as a member of a consumer group: at least once, in order within a partition, with bounds.
//!
//! Input: a component's settings, topics and what takes their messages. Output: each message delivered until it is done, then its offset
//! committed. A thread of its own polls the client; every partition has a lane, a task that delivers one message at a time. A lane that is
//! full pauses its partition, so that one message that is tried for ever holds up no other partition.

use crate::bus::{Boxed, Deliver, Incoming, Reading, Stop, stopped};
use crate::component::KafkaSettings;
use crate::kafka::{client_config, log_line};
use crate::resiliency::Retry;
use bytes::Bytes;
use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, Rebalance};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::topic_partition_list::TopicPartitionList;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot, watch};

/// Messages that wait in a lane before its partition is paused.
const LANE_MESSAGES: usize = 256;
/// Bytes that wait in a lane before its partition is paused.
const LANE_BYTES: usize = 1 << 20;
/// How often the client is polled when nothing comes.
const POLL: Duration = Duration::from_millis(250);
/// How long the messages under way may hold up a rebalance, or the end, of a sidecar that is cut off after `graceful_shutdown`: less
/// than that, so that the offsets of what is done are committed and the group is left before.
pub(crate) fn finish_timeout(graceful_shutdown: Duration) -> Duration {
    graceful_shutdown.mul_f64(0.75)
}

type Handlers = HashMap<String, Arc<dyn Deliver>>;
type LaneKey = (String, i32);
type Client = BaseConsumer<Group>;

/// A running consumer.
pub(crate) struct KafkaReading {
    stopping: Arc<AtomicBool>,
    ended: oneshot::Receiver<()>,
}

impl KafkaReading {
    /// Joins the consumer group. Must be called within a tokio runtime, whose tasks the lanes become. `finish_timeout` is how long the
    /// messages under way may hold up a rebalance, or the end.
    ///
    /// # Errors
    /// When a setting cannot be used.
    pub(crate) fn start(
        settings: &KafkaSettings,
        finish_timeout: Duration,
        topics: Vec<(String, Arc<dyn Deliver>)>,
    ) -> Result<Self, String> {
        let handlers: Handlers = topics.into_iter().collect();
        let mut config = client_config(settings);
        let heartbeat = settings.heartbeat_interval.as_millis();
        config
            .set("group.id", &settings.consumer_group)
            .set("auto.offset.reset", settings.initial_offset)
            .set("enable.auto.offset.store", "false")
            .set("enable.auto.commit", "true")
            .set("auto.commit.interval.ms", "1000")
            .set("session.timeout.ms", settings.session_timeout.as_millis().to_string())
            .set("heartbeat.interval.ms", heartbeat.to_string())
            .set("fetch.min.bytes", settings.fetch_min_bytes.to_string())
            .set("fetch.message.max.bytes", settings.fetch_bytes.to_string())
            // A topic that is created after the start is found within this time.
            .set("topic.metadata.refresh.interval.ms", "5000")
            .set("queued.max.messages.kbytes", "1024")
            .set("queued.min.messages", "1000")
            // A full queue is looked at again soon: the default, a second, would be the time for every such queue.
            .set("fetch.queue.backoff.ms", "10")
            .set("fetch.wait.max.ms", "500");
        let lanes = Arc::new(Lanes { open: Mutex::default(), finish_timeout });
        let group = Group { lanes: Arc::clone(&lanes), runtime: Handle::current() };
        let client: Client = config.create_with_context(group).map_err(|error| error.to_string())?;
        let names: Vec<&str> = handlers.keys().map(String::as_str).collect();
        client.subscribe(&names).map_err(|error| error.to_string())?;
        let stopping = Arc::new(AtomicBool::new(false));
        let (done, ended) = oneshot::channel();
        let poller = Poller {
            client: Arc::new(client),
            handlers,
            lanes,
            redelivery: settings.redelivery.clone(),
            runtime: Handle::current(),
            stopping: Arc::clone(&stopping),
        };
        let run = move || {
            poller.run();
            let _ = done.send(());
        };
        thread::Builder::new().name("kafka-poll".to_owned()).spawn(run).map_err(|error| error.to_string())?;
        Ok(Self { stopping, ended })
    }
}

impl Drop for KafkaReading {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::Release);
    }
}

impl Reading for KafkaReading {
    fn stop(mut self: Box<Self>) -> Boxed<'static, ()> {
        Box::pin(async move {
            self.stopping.store(true, Ordering::Release);
            let _ = (&mut self.ended).await;
        })
    }
}

/// Told by librdkafka, on the polling thread, what partitions come and go.
struct Group {
    lanes: Arc<Lanes>,
    runtime: Handle,
}

impl ClientContext for Group {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log_line(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "kafka");
    }
}

impl ConsumerContext for Group {
    fn pre_rebalance(&self, client: &Client, rebalance: &Rebalance<'_>) {
        match rebalance {
            Rebalance::Assign(partitions) => {
                tracing::info!(partitions = partitions.count(), "partitions are assigned");
            }
            Rebalance::Revoke(partitions) => {
                let keys = partitions
                    .elements()
                    .iter()
                    .map(|one| (one.topic().to_owned(), one.partition()))
                    .collect();
                // While this waits, the partitions are still ours and their offsets can be stored.
                let paused = self.runtime.block_on(self.lanes.close(Some(keys)));
                // A pause outlives the assignment: were the partition to come back, nobody would resume it.
                if paused.count() > 0 {
                    let _ = client.resume(&paused);
                }
            }
            Rebalance::Error(error) => tracing::warn!(%error, "rebalancing failed"),
        }
    }
}

/// The partitions that messages came from.
struct Lanes {
    open: Mutex<HashMap<LaneKey, Lane>>,
    finish_timeout: Duration,
}

struct Lane {
    sender: mpsc::UnboundedSender<Arc<Incoming>>,
    load: Arc<Load>,
    stop: watch::Sender<bool>,
    task: tokio::task::JoinHandle<()>,
}

/// What waits in a lane.
#[derive(Default)]
struct Load {
    messages: AtomicUsize,
    bytes: AtomicUsize,
    paused: AtomicBool,
}

impl Load {
    fn is_full(&self) -> bool {
        self.messages.load(Ordering::Acquire) >= LANE_MESSAGES
            || self.bytes.load(Ordering::Acquire) >= LANE_BYTES
    }

    fn is_low(&self) -> bool {
        self.messages.load(Ordering::Acquire) <= LANE_MESSAGES / 2
            && self.bytes.load(Ordering::Acquire) <= LANE_BYTES / 2
    }
}

fn size_of(message: &Incoming) -> usize {
    message.payload.as_ref().map_or(0, Bytes::len)
}

impl Lanes {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<LaneKey, Lane>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets lanes finish the message under way, and forgets what waits behind it; `None` for all. Gives the partitions that are
    /// still paused.
    async fn close(&self, keys: Option<Vec<LaneKey>>) -> TopicPartitionList {
        let closing: Vec<(LaneKey, Lane)> = {
            let mut lanes = self.lock();
            let keys = keys.unwrap_or_else(|| lanes.keys().cloned().collect());
            keys.iter().filter_map(|key| lanes.remove_entry(key)).collect()
        };
        for (_, lane) in &closing {
            lane.stop.send_replace(true);
        }
        let until = tokio::time::Instant::now() + self.finish_timeout;
        let mut paused = TopicPartitionList::new();
        for ((topic, partition), mut lane) in closing {
            if tokio::time::timeout_at(until, &mut lane.task).await.is_err() {
                tracing::warn!(
                    "a delivery was not finished in {}s and will be repeated",
                    self.finish_timeout.as_secs_f32()
                );
                lane.task.abort();
            }
            if lane.load.paused.swap(false, Ordering::AcqRel) {
                paused.add_partition(&topic, partition);
            }
        }
        paused
    }
}

/// The thread that polls.
struct Poller {
    client: Arc<Client>,
    handlers: Handlers,
    lanes: Arc<Lanes>,
    redelivery: Option<Retry>,
    runtime: Handle,
    stopping: Arc<AtomicBool>,
}

impl Poller {
    fn run(self) {
        while !self.stopping.load(Ordering::Acquire) {
            match self.client.poll(POLL) {
                None => {}
                Some(Ok(message)) => self.take(incoming(&message)),
                Some(Err(error)) => {
                    tracing::debug!(%error, "kafka could not be read");
                    thread::sleep(POLL);
                }
            }
        }
        self.runtime.block_on(self.lanes.close(None));
        if let Err(error) = self.client.commit_consumer_state(CommitMode::Sync)
            && !matches!(error, KafkaError::ConsumerCommit(rdkafka::types::RDKafkaErrorCode::NoOffset))
        {
            tracing::warn!(%error, "the last offsets could not be committed; some events will be delivered again");
        }
        // The last handle: closing the client leaves the group.
        drop(self.client);
    }

    fn take(&self, message: Incoming) {
        let Some(handler) = self.handlers.get(&message.topic) else { return };
        let key = (message.topic.clone(), message.partition);
        let mut lanes = self.lanes.lock();
        let lane = lanes.entry(key).or_insert_with(|| self.open(Arc::clone(handler)));
        lane.load.messages.fetch_add(1, Ordering::AcqRel);
        lane.load.bytes.fetch_add(size_of(&message), Ordering::AcqRel);
        let partition = partition_of(&message);
        let _ = lane.sender.send(Arc::new(message));
        if lane.load.is_full() && !lane.load.paused.swap(true, Ordering::AcqRel) {
            let _ = self.client.pause(&partition);
            // The lane may have emptied before it could see the pause.
            if lane.load.is_low() && lane.load.paused.swap(false, Ordering::AcqRel) {
                let _ = self.client.resume(&partition);
            }
        }
    }

    fn open(&self, handler: Arc<dyn Deliver>) -> Lane {
        let (sender, messages) = mpsc::unbounded_channel();
        let (stop, stopped) = watch::channel(false);
        let load = Arc::new(Load::default());
        let worker = Worker {
            client: Arc::clone(&self.client),
            handler,
            redelivery: self.redelivery.clone(),
            load: Arc::clone(&load),
            stop: stopped,
        };
        Lane { sender, load, stop, task: self.runtime.spawn(worker.run(messages)) }
    }
}

/// Delivers the messages of one partition.
struct Worker {
    client: Arc<Client>,
    handler: Arc<dyn Deliver>,
    redelivery: Option<Retry>,
    load: Arc<Load>,
    stop: Stop,
}

impl Worker {
    async fn run(mut self, mut messages: mpsc::UnboundedReceiver<Arc<Incoming>>) {
        loop {
            let next = tokio::select! {
                biased;
                () = stopped(&mut self.stop) => return,
                next = messages.recv() => next,
            };
            let Some(message) = next else { return };
            match self.deliver(&message).await {
                Outcome::Done => {
                    if let Err(error) =
                        self.client.store_offset(&message.topic, message.partition, message.offset)
                    {
                        tracing::debug!(%error, "the partition is no longer ours; the event may be delivered again");
                    }
                }
                Outcome::GivenUp => {}
                Outcome::Stopped => return,
            }
            self.load.messages.fetch_sub(1, Ordering::AcqRel);
            self.load.bytes.fetch_sub(size_of(&message), Ordering::AcqRel);
            if self.load.is_low() && self.load.paused.swap(false, Ordering::AcqRel) {
                let _ = self.client.resume(&partition_of(&message));
            }
        }
    }

    async fn deliver(&mut self, message: &Arc<Incoming>) -> Outcome {
        let first = Instant::now();
        let mut number = 0;
        loop {
            let Err(error) = self.handler.deliver(Arc::clone(message), self.stop.clone()).await else {
                if number > 0 {
                    tracing::info!(
                        topic = message.topic,
                        offset = message.offset,
                        "an event was delivered after it had failed"
                    );
                }
                return Outcome::Done;
            };
            let wait = self.redelivery.as_ref().and_then(|retry| retry.wait_before(number, first.elapsed()));
            let Some(wait) = wait else {
                tracing::error!(
                    topic = message.topic,
                    offset = message.offset,
                    error,
                    "an event is given up"
                );
                return Outcome::GivenUp;
            };
            if number == 0 {
                tracing::warn!(
                    topic = message.topic,
                    offset = message.offset,
                    error,
                    "an event is delivered again"
                );
            }
            number = number.saturating_add(1);
            tokio::select! {
                () = stopped(&mut self.stop) => return Outcome::Stopped,
                () = tokio::time::sleep(wait) => {}
            }
        }
    }
}

/// How the delivery of a message ended.
enum Outcome {
    Done,
    /// Not delivered, and not to be tried again: later messages of the partition take its offset along.
    GivenUp,
    Stopped,
}

fn partition_of(message: &Incoming) -> TopicPartitionList {
    let mut list = TopicPartitionList::with_capacity(1);
    list.add_partition(&message.topic, message.partition);
    list
}

fn incoming(message: &BorrowedMessage<'_>) -> Incoming {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let headers = message.headers().map(|headers| {
        headers
            .iter()
            .map(|header| (header.key.to_owned(), header.value.map(text).unwrap_or_default()))
            .collect()
    });
    Incoming {
        topic: message.topic().to_owned(),
        partition: message.partition(),
        offset: message.offset(),
        timestamp: message.timestamp().to_millis().unwrap_or(0),
        key: message.key().map(text),
        payload: message.payload().map(Bytes::copy_from_slice),
        headers: headers.unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_ends_before_it_is_cut_off() {
        for graceful in [1, 5, 30].map(Duration::from_secs) {
            let finish = finish_timeout(graceful);
            // 200 ms are left to commit and to leave, of a second too
            assert!(finish >= graceful / 2 && finish + Duration::from_millis(200) < graceful, "{finish:?}");
        }
        assert_eq!(finish_timeout(Duration::ZERO), Duration::ZERO);
    }
}
