//! Events on their way to the event service.
//!
//! Input: one event per committed change, put in without waiting. Output: CloudEvents by HTTP POST, those of one task in the order
//! they happened, repeated with growing pauses while the receiver is away. The queue is bounded: what does not fit is counted and
//! logged. Deliberately in memory only: an event is lost when the process is killed.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{
    body::Body,
    http::{Method, Request, StatusCode, Uri, header},
};
use http_body_util::BodyExt;
use todo_telemetry::{BaseUrl, HttpClient, http_client};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
};

use crate::{
    event::TaskEvent,
    metrics::{DropReason, EventMetrics},
};

/// Lanes that send at the same time; all events of one task take the same lane.
const LANES: usize = 4;

/// How often and how long an event is offered to a receiver that does not take it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RetryPolicy {
    /// Pause after the first failure; each further one doubles it.
    pub(crate) first_pause: Duration,
    /// Longest pause.
    pub(crate) longest_pause: Duration,
    /// Age at which an event is given up.
    pub(crate) give_up_after: Duration,
    /// Longest wait for one answer.
    pub(crate) attempt_timeout: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            first_pause: Duration::from_millis(100),
            longest_pause: Duration::from_secs(5),
            give_up_after: Duration::from_secs(300),
            attempt_timeout: Duration::from_secs(5),
        }
    }
}

/// The bounded queue and its lanes.
#[derive(Debug)]
pub(crate) struct EventQueue {
    lanes: Vec<mpsc::Sender<TaskEvent>>,
    senders: Mutex<JoinSet<()>>,
    closing: watch::Sender<bool>,
    waiting: Arc<AtomicUsize>,
    metrics: Option<EventMetrics>,
}

impl EventQueue {
    /// A queue of at most `size` events to `{receiver}/events/tasks`. Without a receiver events go nowhere.
    ///
    /// Must be called within a tokio runtime.
    pub(crate) fn new(
        receiver: Option<&BaseUrl>,
        size: usize,
        policy: RetryPolicy,
        metrics: Option<EventMetrics>,
    ) -> Self {
        let closing = watch::Sender::new(false);
        let waiting = Arc::new(AtomicUsize::new(0));
        let mut senders = JoinSet::new();
        let mut lanes = Vec::new();
        if let Some(address) = receiver.and_then(|receiver| receiver.join("/events/tasks")) {
            let client = http_client(Duration::from_secs(2));
            for _ in 0..LANES {
                let (lane, events) = mpsc::channel(size.div_ceil(LANES));
                lanes.push(lane);
                let sender = Sender {
                    client: client.clone(),
                    address: address.clone(),
                    policy,
                    metrics: metrics.clone(),
                    waiting: Arc::clone(&waiting),
                };
                senders.spawn(sender.run(events, closing.subscribe()));
            }
        }
        Self { lanes, senders: Mutex::new(senders), closing, waiting, metrics }
    }

    /// Puts an event in the queue, or counts and logs that it does not fit. Never waits.
    pub(crate) fn publish(&self, event: TaskEvent) {
        if self.lanes.is_empty() {
            return;
        }
        let lane = &self.lanes[event.task_id.unsigned_abs() as usize % self.lanes.len()];
        self.waiting.fetch_add(1, Ordering::Relaxed);
        if let Err(refused) = lane.try_send(event) {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            let event = refused.into_inner();
            dropped(self.metrics.as_ref(), &event, DropReason::QueueFull);
        }
    }

    /// Takes no more events and sends the waiting ones for at most `longest`. Returns how many were left over.
    pub(crate) async fn close(&self, longest: Duration) -> usize {
        self.closing.send_replace(true);
        let mut senders = std::mem::take(&mut *self.senders.lock().expect("no holder of this lock panics"));
        let all_sent = async { while senders.join_next().await.is_some() {} };
        if tokio::time::timeout(longest, all_sent).await.is_ok() {
            return 0;
        }
        senders.abort_all();
        let lost = self.waiting.load(Ordering::Relaxed);
        tracing::error!(lost, "events were not sent before the end; hint: raise SHUTDOWN_TIMEOUT_MS");
        lost
    }
}

fn dropped(metrics: Option<&EventMetrics>, event: &TaskEvent, reason: DropReason) {
    if let Some(metrics) = metrics {
        metrics.dropped(event.event_type, reason);
    }
    tracing::error!(
        event_type = event.event_type.name(),
        event_id = %event.id,
        reason = reason.name(),
        "an event is lost"
    );
}

/// One lane's end.
struct Sender {
    client: HttpClient,
    address: Uri,
    policy: RetryPolicy,
    metrics: Option<EventMetrics>,
    waiting: Arc<AtomicUsize>,
}

/// What an attempt came to.
enum Attempt {
    Taken,
    /// The receiver will not take it, however often it is offered.
    Refused(String),
    Failed(String),
}

impl Sender {
    async fn run(self, mut events: mpsc::Receiver<TaskEvent>, mut closing: watch::Receiver<bool>) {
        let closed = async move {
            let _ = closing.wait_for(|closing| *closing).await;
        };
        let mut closed = std::pin::pin!(closed);
        let mut open = true;
        loop {
            let event = tokio::select! {
                biased;
                () = &mut closed, if open => {
                    events.close();
                    open = false;
                    continue;
                }
                event = events.recv() => event,
            };
            let Some(event) = event else { return };
            self.deliver(event).await;
            self.waiting.fetch_sub(1, Ordering::Relaxed);
        }
    }

    async fn deliver(&self, event: TaskEvent) {
        let started = Instant::now();
        let body = bytes::Bytes::from(event.cloud_event().to_string());
        let mut pause = self.policy.first_pause;
        let mut failures: u32 = 0;
        loop {
            let attempt_started = Instant::now();
            let attempt = self.attempt(body.clone()).await;
            let taken = matches!(attempt, Attempt::Taken);
            if let Some(metrics) = &self.metrics {
                metrics.attempted(event.event_type, taken, attempt_started.elapsed());
            }
            match attempt {
                Attempt::Taken => return,
                Attempt::Refused(reason) => {
                    tracing::error!(reason, "the event service refused an event");
                    return dropped(self.metrics.as_ref(), &event, DropReason::Refused);
                }
                Attempt::Failed(reason) => {
                    failures += 1;
                    if failures.is_power_of_two() {
                        tracing::warn!(reason, failures, "an event could not be sent yet");
                    }
                }
            }
            if started.elapsed() >= self.policy.give_up_after {
                return dropped(self.metrics.as_ref(), &event, DropReason::Expired);
            }
            tokio::time::sleep(jittered(pause, &event, failures)).await;
            pause = (pause * 2).min(self.policy.longest_pause);
        }
    }

    async fn attempt(&self, body: bytes::Bytes) -> Attempt {
        let request = Request::builder()
            .method(Method::POST)
            .uri(self.address.clone())
            .header(header::CONTENT_TYPE, "application/cloudevents+json")
            .body(Body::from(body))
            .expect("a checked address and a fixed header make a request");
        let answer = async {
            let response = self.client.request(request).await.map_err(|error| error.to_string())?;
            let status = response.status();
            // Read to its end, so that the connection can be used again.
            let read = response.into_body().collect().await;
            read.map(|_| status).map_err(|error| error.to_string())
        };
        match tokio::time::timeout(self.policy.attempt_timeout, answer).await {
            Ok(Ok(status)) if status.is_success() => Attempt::Taken,
            Ok(Ok(status)) if is_final(status) => Attempt::Refused(format!("status {status}")),
            Ok(Ok(status)) => Attempt::Failed(format!("status {status}")),
            Ok(Err(error)) => Attempt::Failed(error),
            Err(_) => Attempt::Failed("no answer in time".to_owned()),
        }
    }
}

/// Whether a status says that the event itself is unwelcome. 404 does not: a receiver may be starting behind a proxy.
fn is_final(status: StatusCode) -> bool {
    matches!(status.as_u16(), 400 | 405 | 409 | 410 | 413 | 415 | 422)
}

/// `pause` minus up to a quarter, so that lanes and replicas do not knock in step. The event's random id is the dice.
fn jittered(pause: Duration, event: &TaskEvent, failures: u32) -> Duration {
    let dice = (event.id.as_u128() as u64).rotate_left(failures * 7) % 256;
    pause - pause / 4 * u32::try_from(dice).expect("less than 256") / 256
}
