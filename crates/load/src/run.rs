//! The run: sends what is due when it is due, waits for the answers, and adds up.
//!
//! Input: the description of a load, and a wish to stop. Output: a report, and progress each second. It runs on whatever tokio
//! runtime it is called on; one thread is enough.

use crate::pacer::Pacer;
use crate::pool::{Entry, Job, Pool, Reply};
use crate::recorder::{Ledger, Recorded};
use crate::report::{LoadReport, Quantiles, TaskTotals, Totals};
use crate::work::{Target, Work};
use crate::{Arrivals, Error, Schedule, SendTimes, origin, task_set};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use tidewatch_model::format_timestamp;
use tokio::sync::watch;

/// From the end of the preparations to the start of the schedule.
const LEAD: Duration = Duration::from_millis(20);
/// Requests that are sent without letting answers be read.
const BURST: u32 = 64;

/// A load.
#[derive(Clone, Debug)]
pub struct LoadSpec {
    /// How many requests are due when.
    pub schedule: Schedule,
    /// How they are spread.
    pub arrivals: Arrivals,
    /// What random choices are made from.
    pub seed: u64,
    /// What is requested.
    pub target: Target,
    /// Bounds.
    pub limits: Limits,
    /// Whether hosts other than this machine may be loaded.
    pub allow_remote: bool,
}

/// Bounds of a load.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections to each origin at most; at least 1.
    pub connections: usize,
    /// Requests under way or waiting for a connection at most; those above are missed. At least 1.
    pub in_flight: usize,
    /// How long a request may take from the moment when it is due.
    pub timeout: Duration,
    /// After which time, or half of it, a connection is replaced, so that new replicas behind a Service get their share; zero: never.
    pub connection_lifetime: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 64,
            in_flight: 4096,
            timeout: Duration::from_secs(10),
            connection_lifetime: Duration::from_secs(5),
        }
    }
}

/// How far a run is.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Since the start of the schedule.
    pub elapsed: Duration,
    /// Length of the schedule.
    pub planned: Duration,
    /// Requests a second that the schedule asks for now.
    pub rate: f64,
    /// Requests due since the last progress.
    pub scheduled: u64,
    /// Answered well since then.
    pub ok: u64,
    /// Failed since then.
    pub errors: u64,
    /// Missed since then.
    pub missed: u64,
    /// Under way now.
    pub in_flight: usize,
    /// Of requests that ended since then.
    pub latency: Quantiles,
}

/// Runs a load; `observe` is called each second. `stops` counts wishes to stop: the first ends the sending and waits for answers, the
/// second gives up on them and on tidying up.
///
/// # Errors
/// When a URL cannot be used, or the scenario's tasks cannot be made. Failed requests are no errors.
pub async fn run(
    spec: &LoadSpec,
    observe: &mut dyn FnMut(&Progress),
    mut stops: watch::Receiver<u32>,
) -> Result<LoadReport, Error> {
    let (work, origins, operations) = Work::new(&spec.target, spec.seed)?;
    let ledger = Arc::new(Ledger::new(work, operations));
    let mut pools = Vec::new();
    for (number, url) in (0..).zip(&origins) {
        let addresses = origin::resolve(url, spec.allow_remote).await?;
        let (most, lifetime) = (spec.limits.connections.max(1), spec.limits.connection_lifetime);
        let seed = spec.seed.wrapping_add(number << 32);
        pools.push(Pool::new(addresses, most, lifetime, seed, Arc::clone(&ledger)));
    }
    if let Target::Tasks(target) = &spec.target {
        task_set::prepare(&ledger, &pools[0], &target.base, target.tasks).await?;
    }
    let mut run = Run { spec, ledger, pools, start: Instant::now() + LEAD };
    let start_ms = now_ms() + LEAD.as_millis() as i64;
    let ended_early = run.send(observe, &mut stops).await?;
    let sending = run.start.elapsed().min(spec.schedule.duration());
    run.drain(observe, &mut stops).await;
    let tasks = tokio::select! {
        tasks = task_set::tidy(&run.ledger, &run.pools[0]) => tasks,
        () = stopped(&mut stops, 2) => None,
    };
    run.pools.iter().for_each(|pool| pool.close());
    let recorded = run.ledger.book().recorder.take("given up");
    Ok(report(spec, recorded, tasks, Moments { start_ms, sending, ended_early }))
}

struct Run<'a> {
    spec: &'a LoadSpec,
    ledger: Arc<Ledger>,
    pools: Vec<Arc<Pool>>,
    start: Instant,
}

impl Run<'_> {
    /// Sends until the schedule ends; whether someone ended it before.
    async fn send(
        &mut self,
        observe: &mut dyn FnMut(&Progress),
        stops: &mut watch::Receiver<u32>,
    ) -> Result<bool, Error> {
        let mut pacer = Pacer::new().map_err(Error::Timer)?;
        let mut times = SendTimes::new(&self.spec.schedule, self.spec.arrivals, self.spec.seed).peekable();
        let mut next_look = self.start + Duration::from_secs(1);
        let end = self.start + self.spec.schedule.duration();
        let mut burst = 0;
        loop {
            let due = times.peek().map_or(end, |offset| self.start + *offset);
            let wake = due.min(next_look);
            if Instant::now() < wake {
                burst = 0;
                tokio::select! {
                    biased;
                    () = stopped(stops, 1) => return Ok(true),
                    woken = pacer.until(wake) => woken.map_err(Error::Timer)?,
                }
            }
            if wake == next_look {
                self.look(observe);
                next_look += Duration::from_secs(1);
            } else if let Some(offset) = times.next() {
                self.dispatch(offset);
            } else {
                return Ok(false);
            }
            burst += 1;
            if burst == BURST {
                burst = 0;
                if *stops.borrow() > 0 {
                    return Ok(true);
                }
                tokio::task::yield_now().await;
            }
        }
    }

    fn dispatch(&self, offset: Duration) {
        let due = self.start + offset;
        let second = u32::try_from(offset.as_secs()).unwrap_or(u32::MAX);
        let late = due.elapsed();
        let Some(order) = self.ledger.due(second, late, self.spec.limits.in_flight.max(1)) else { return };
        let entry = Entry { second, operation: order.operation, meaning: order.meaning, due };
        self.pools[order.origin].submit(Job {
            request: order.request,
            due,
            timeout: self.spec.limits.timeout,
            reply: Reply::Measured(entry),
        });
    }

    fn look(&self, observe: &mut dyn FnMut(&Progress)) {
        let elapsed = self.start.elapsed();
        let mut book = self.ledger.book();
        let recent = book.recorder.recent();
        let in_flight = book.in_flight;
        drop(book);
        observe(&Progress {
            elapsed,
            planned: self.spec.schedule.duration(),
            rate: self.spec.schedule.rate_at(elapsed),
            scheduled: recent.scheduled,
            ok: recent.ok,
            errors: recent.errors,
            missed: recent.missed,
            in_flight,
            latency: recent.latency,
        });
    }

    /// Waits until nothing is under way. Every request ends by its own timeout, so this does.
    async fn drain(&self, observe: &mut dyn FnMut(&Progress), stops: &mut watch::Receiver<u32>) {
        let mut looks = tokio::time::interval(Duration::from_secs(1));
        looks.tick().await;
        while self.ledger.book().in_flight > 0 {
            tokio::select! {
                () = self.ledger.empty.notified() => {}
                () = stopped(stops, 2) => return,
                _ = looks.tick() => self.look(observe),
            }
        }
    }
}

/// Waits for so many wishes to stop.
async fn stopped(stops: &mut watch::Receiver<u32>, wishes: u32) {
    if stops.wait_for(|count| *count >= wishes).await.is_err() {
        // nobody is there to wish any more
        std::future::pending::<()>().await;
    }
}

fn now_ms() -> i64 {
    SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

#[derive(Clone, Copy)]
struct Moments {
    start_ms: i64,
    sending: Duration,
    ended_early: bool,
}

fn report(spec: &LoadSpec, recorded: Recorded, tasks: Option<TaskTotals>, moments: Moments) -> LoadReport {
    let seconds = moments.sending.as_secs_f64();
    let rate = |count: u64| if seconds > 0.0 { count as f64 / seconds } else { 0.0 };
    LoadReport {
        start_time: format_timestamp(moments.start_ms),
        start_ms: moments.start_ms,
        planned_seconds: spec.schedule.duration().as_secs_f64(),
        sending_seconds: seconds,
        ended_early: moments.ended_early,
        seed: spec.seed,
        totals: Totals {
            scheduled: recorded.scheduled,
            sent: recorded.sent,
            missed: recorded.missed,
            ok: recorded.ok,
            errors: recorded.errors.values().sum(),
            errors_by_kind: recorded.errors,
            statuses: recorded.statuses,
            received_bytes: recorded.bytes,
            connections: recorded.connections,
            scheduled_rate: rate(recorded.scheduled),
            ok_rate: rate(recorded.ok),
        },
        latency: recorded.latency,
        service: recorded.service,
        lateness: recorded.lateness,
        operations: recorded.operations,
        tasks,
        checks: Vec::new(),
        timeline: recorded.seconds,
    }
}
