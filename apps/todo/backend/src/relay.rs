//! Carries events from the outbox to the publisher, for ever.
//!
//! Input: rows that this replica's own commits left (at once), and what others left behind (claimed when one of this replica's is done, and at a
//! slow look). Output: published rows are removed, refused ones set aside, failed ones due again after a growing pause. When nothing
//! gets through, one attempt at a time asks whether the sidecar is back, and new rows stay in the table, for other replicas to take.
//! Deliberately holds nothing that is not in the table: being killed costs a lease, not an event.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use todo_telemetry::Lifecycle;
use tokio::{
    sync::{Notify, mpsc, watch},
    task::{JoinError, JoinHandle, JoinSet},
    time::sleep_until,
};

use crate::{
    back_off::pause_after,
    metrics::EventMetrics,
    outbox::{BATCH, Claimed, Outbox},
    outbox_metrics::OutboxGauges,
    publisher::{ATTEMPT_TIMEOUT, Attempt, Publisher},
    task::Timestamp,
};

/// Most attempts at the same time, each for another task.
const MOST_FLYING: usize = 32;
/// Most rows that go from a commit to the relay without being claimed in the table.
const MOST_FRESH: usize = 64;
/// Failures in a row after which the sidecar counts as away.
const AWAY_AFTER: u32 = 8;
/// How often the table is looked at for what others left behind.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A look takes at most this share of the time, however many rows there are to count.
const LOOK_SHARE: u32 = 50;
/// Published rows whose removal may be outstanding; further ones are published again.
const MOST_UNREMOVED: usize = 4096;

/// Where commits leave their events.
#[derive(Debug)]
pub(crate) struct RelayHandle {
    outbox: Outbox,
    gauges: OutboxGauges,
    fresh: mpsc::Sender<Claimed>,
    left: Arc<Notify>,
    /// Whether events get through.
    direct: Arc<AtomicBool>,
}

/// A place for one event on its way to the relay.
pub(crate) type Place = mpsc::OwnedPermit<Claimed>;

impl RelayHandle {
    pub(crate) fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    /// A place for the event of a change that is about to be made; `None` when the event has to wait in the table.
    pub(crate) fn place(&self) -> Option<Place> {
        if !self.direct.load(Relaxed) {
            return None;
        }
        self.fresh.clone().try_reserve_owned().ok()
    }

    /// Tells the relay of a commit. Never waits.
    pub(crate) fn committed(&self, place: Option<Place>, claimed: Option<Claimed>, now: Timestamp) {
        self.gauges.added(now);
        match (place, claimed) {
            (Some(place), Some(claimed)) => drop(place.send(claimed)),
            _ => self.left.notify_one(),
        }
    }
}

/// The background task, to be ended.
#[derive(Debug)]
pub(crate) struct RelayTask {
    closing: watch::Sender<bool>,
    running: Mutex<Option<JoinHandle<()>>>,
    gauges: OutboxGauges,
}

impl RelayTask {
    /// Ends the attempts under way, within `longest`. Everything else stays in the table.
    pub(crate) async fn close(&self, longest: Duration) {
        self.closing.send_replace(true);
        let running = self.running.lock().expect("no holder of this lock panics").take();
        let Some(mut running) = running else { return };
        if tokio::time::timeout(longest, &mut running).await.is_err() {
            running.abort();
            tracing::warn!("attempts to publish were cut; their events stay in the outbox");
        }
        let waiting = self.gauges.waiting();
        if waiting > 0 {
            tracing::info!(waiting, "events stay in the outbox");
        }
    }
}

/// Starts the relay. Without a `publisher` it only counts. Must be called within a tokio runtime.
pub(crate) fn start_relay(
    outbox: Outbox,
    publisher: Option<Publisher>,
    gauges: OutboxGauges,
    metrics: Option<EventMetrics>,
    lifecycle: Lifecycle,
) -> (RelayHandle, RelayTask) {
    let closing = watch::Sender::new(false);
    let (sender, fresh) = mpsc::channel(MOST_FRESH);
    let left = Arc::new(Notify::new());
    let direct = Arc::new(AtomicBool::new(publisher.is_some()));
    let relay = Relay {
        outbox: outbox.clone(),
        publisher: publisher.map(Arc::new),
        gauges: gauges.clone(),
        metrics,
        lifecycle,
        fresh,
        left: Arc::clone(&left),
        direct: Arc::clone(&direct),
        flying: JoinSet::new(),
        published: VecDeque::new(),
        failures: 0,
        paused_until: None,
        counts_failed: 0,
    };
    let running = Mutex::new(Some(tokio::spawn(relay.run(closing.subscribe()))));
    let handle = RelayHandle { outbox, gauges: gauges.clone(), fresh: sender, left, direct };
    (handle, RelayTask { closing, running, gauges })
}

type Finished = Result<(Claimed, Attempt), JoinError>;

struct Relay {
    outbox: Outbox,
    publisher: Option<Arc<Publisher>>,
    gauges: OutboxGauges,
    metrics: Option<EventMetrics>,
    lifecycle: Lifecycle,
    fresh: mpsc::Receiver<Claimed>,
    left: Arc<Notify>,
    direct: Arc<AtomicBool>,
    flying: JoinSet<(Claimed, Attempt)>,
    /// Published, not removed yet.
    published: VecDeque<i64>,
    /// In a row, of whatever event.
    failures: u32,
    paused_until: Option<Instant>,
    /// Looks in a row at which the database did not answer.
    counts_failed: u32,
}

impl Relay {
    async fn run(mut self, mut closing: watch::Receiver<bool>) {
        let mut next_look = Instant::now();
        let left = Arc::clone(&self.left);
        loop {
            let room = self.room() > 0;
            tokio::select! {
                biased;
                _ = closing.changed() => break,
                Some(finished) = self.flying.join_next(), if !self.flying.is_empty() => {
                    self.settle(finished).await;
                    self.claim_what_waits().await;
                }
                Some(claimed) = self.fresh.recv(), if room => self.launch(claimed).await,
                () = left.notified(), if room => self.claim_what_waits().await,
                () = sleep_until(next_look.into()) => {
                    let started = Instant::now();
                    self.look().await;
                    next_look = Instant::now() + (started.elapsed() * LOOK_SHARE).max(LOOK_EVERY);
                }
                () = paused(self.paused_until), if self.paused_until.is_some() => {
                    self.paused_until = None;
                    self.claim_what_waits().await;
                }
            }
        }
        self.end().await;
    }

    /// How many attempts may be begun now.
    fn room(&self) -> usize {
        let most = match (&self.publisher, self.paused_until) {
            (None, _) | (_, Some(_)) => 0,
            _ if self.failures >= AWAY_AFTER => 1,
            _ => MOST_FLYING,
        };
        most.saturating_sub(self.flying.len())
    }

    /// Begins an attempt, unless the claim is about to end: a row that waited so long here is any replica's again.
    async fn launch(&mut self, claimed: Claimed) {
        let Some(publisher) = self.publisher.clone() else { return };
        // As long again as an attempt takes, for clocks that differ and machines that pause.
        let needed = 2 * i64::try_from(ATTEMPT_TIMEOUT.as_millis()).expect("seconds fit");
        if claimed.lease_until - Timestamp::now().0 < needed {
            self.release(claimed.id, 0, false).await;
            return self.left.notify_one();
        }
        self.flying.spawn(async move {
            let attempt = publisher.attempt(&claimed.event).await;
            (claimed, attempt)
        });
    }

    async fn claim_what_waits(&mut self) {
        let room = self.room();
        let waiting = usize::try_from(self.gauges.waiting()).unwrap_or(0);
        if room == 0 || waiting <= self.flying.len() + self.fresh.len() {
            return;
        }
        match self.outbox.claim(room).await {
            Ok(claimed) => {
                for claimed in claimed {
                    self.launch(claimed).await;
                }
            }
            // Said by the next look, if it lasts.
            Err(error) => tracing::debug!(%error, "the outbox cannot be claimed from"),
        }
    }

    /// Counts the table, and takes what others left behind.
    async fn look(&mut self) {
        if self.lifecycle.unready_reason().is_some() && !self.lifecycle.is_draining() {
            return;
        }
        match self.outbox.depth().await {
            Ok(depth) => {
                self.counts_failed = 0;
                self.gauges.set(depth);
            }
            Err(error) => {
                self.counts_failed += 1;
                if self.counts_failed.is_power_of_two() {
                    tracing::warn!(%error, times = self.counts_failed, "the outbox cannot be read");
                }
                return;
            }
        }
        self.remove_published().await;
        self.claim_what_waits().await;
    }

    /// Notes what became of an attempt, and of all others that have ended.
    async fn settle(&mut self, finished: Finished) {
        let mut next = Some(finished);
        while let Some(finished) = next {
            match finished {
                Ok((claimed, Attempt::Taken)) => {
                    self.got_through();
                    self.published.push_back(claimed.id);
                }
                Ok((claimed, Attempt::Refused(reason))) => {
                    self.got_through();
                    self.set_aside(&claimed, &reason).await;
                }
                Ok((claimed, Attempt::Failed(reason))) => self.failed(&claimed, &reason).await,
                Err(error) => tracing::error!(%error, "an attempt to publish ended by itself"),
            }
            next = self.flying.try_join_next();
        }
        self.remove_published().await;
    }

    fn got_through(&mut self) {
        if self.failures >= AWAY_AFTER {
            tracing::info!(
                failures = self.failures,
                waiting = self.gauges.waiting(),
                "events are published again"
            );
        }
        self.failures = 0;
        self.paused_until = None;
        self.direct.store(true, Relaxed);
    }

    async fn failed(&mut self, claimed: &Claimed, reason: &str) {
        self.failures = self.failures.saturating_add(1);
        if self.failures.is_power_of_two() {
            tracing::warn!(
                reason,
                failures = self.failures,
                waiting = self.gauges.waiting(),
                oldest_seconds = self.gauges.oldest_age(Timestamp::now()),
                "events cannot be published yet; they wait in the outbox"
            );
        }
        let attempts = u32::try_from(claimed.attempts + 1).unwrap_or(u32::MAX);
        let pause = i64::try_from(pause_after(attempts).as_millis()).expect("seconds fit");
        self.release(claimed.id, Timestamp::now().0 + pause, true).await;
        if self.failures >= AWAY_AFTER {
            self.paused_until = Some(Instant::now() + pause_after(self.failures - AWAY_AFTER + 1));
            if self.direct.swap(false, Relaxed) {
                while let Ok(claimed) = self.fresh.try_recv() {
                    self.release(claimed.id, 0, false).await;
                }
            }
        }
    }

    async fn set_aside(&mut self, claimed: &Claimed, reason: &str) {
        let event = &claimed.event;
        // Not set aside, it is offered again when its lease ends.
        match self.outbox.set_aside(claimed.id, reason).await {
            Ok(true) => {}
            Ok(false) => {
                tracing::warn!(reason, event_id = event.id, "a refused event is another replica's by now");
                return;
            }
            Err(error) => {
                tracing::warn!(%error, event_id = event.id, "a refused event cannot be set aside yet");
                return;
            }
        }
        self.gauges.removed(1);
        if let Some(metrics) = &self.metrics {
            metrics.refused(event.event_type);
        }
        tracing::error!(
            reason,
            event_type = event.event_type.name(),
            event_id = event.id,
            "an event was refused; it is kept in the table task_outbox_refused"
        );
    }

    /// A claim that cannot be given up ends by itself.
    async fn release(&self, id: i64, not_before: i64, attempted: bool) {
        if let Err(error) = self.outbox.release(id, not_before, attempted).await {
            tracing::debug!(%error, "a claim cannot be given up");
        }
    }

    async fn remove_published(&mut self) {
        while !self.published.is_empty() {
            let batch: Vec<i64> = self.published.iter().take(BATCH).copied().collect();
            if let Err(error) = self.outbox.remove(&batch).await {
                tracing::debug!(%error, "published events cannot be removed yet");
                let excess = self.published.len().saturating_sub(MOST_UNREMOVED);
                self.published.drain(..excess);
                return;
            }
            self.published.drain(..batch.len());
            self.gauges.removed(batch.len());
        }
    }

    /// Finishes what was taken on while events got through, and gives up every other claim.
    async fn end(mut self) {
        let gets_through = self.direct.swap(false, Relaxed);
        self.fresh.close();
        while let Ok(claimed) = self.fresh.try_recv() {
            if gets_through {
                self.launch(claimed).await;
            }
        }
        while let Some(finished) = self.flying.join_next().await {
            self.settle(finished).await;
        }
        if self.publisher.is_some()
            && let Err(error) = self.outbox.release_all().await
        {
            tracing::debug!(%error, "claims cannot be given up");
        }
    }
}

async fn paused(until: Option<Instant>) {
    if let Some(until) = until {
        sleep_until(until.into()).await;
    }
}
