//! The task of one group: waits for its moments and has it evaluated.
//!
//! Input: the group's state, a clock, a wish to stop. Output: the state, evaluated again and again, and given back in the end. A
//! moment that passes while the group is busy is counted and left out.

use crate::context::EvaluationContext;
use crate::error::EvaluationError;
use crate::evaluate::{GroupOutcome, GroupState};
use crate::live::Shared;
use crate::schedule::{Schedule, in_milliseconds};
use crate::status::View;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tidewatch_promql::VectorElement;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

/// A group that runs.
pub(crate) struct GroupTask {
    pub(crate) view: Arc<View>,
    stop: watch::Sender<bool>,
    task: JoinHandle<GroupState>,
}

impl GroupTask {
    /// Starts a group. What is counted goes on from `before`, if the group takes the place of another.
    pub(crate) fn start(state: GroupState, before: Option<Arc<View>>, shared: Arc<Shared>) -> Self {
        let view = Arc::new(View::new(Arc::clone(state.group())));
        if let Some(before) = before {
            *view.totals() = before.totals().clone();
        }
        let stop = watch::Sender::new(false);
        let task = tokio::spawn(run(state, Arc::clone(&view), stop.subscribe(), shared));
        Self { view, stop, task }
    }

    /// Asks it to stop after the rule that is evaluated now.
    pub(crate) fn ask_to_stop(&self) {
        self.stop.send_replace(true);
    }

    /// Waits until it has stopped.
    pub(crate) async fn stopped(self) -> (GroupState, Arc<View>) {
        self.ask_to_stop();
        let Self { view, task, .. } = self;
        let state = task.await.unwrap_or_else(|error| {
            let group = view.group();
            tracing::error!(file = %group.file, group = %group.name, %error, "a rule group ended; its alerts begin anew");
            GroupState::new(Arc::clone(group))
        });
        (state, view)
    }
}

async fn run(
    mut state: GroupState,
    view: Arc<View>,
    mut stop: watch::Receiver<bool>,
    shared: Arc<Shared>,
) -> GroupState {
    let schedule = Schedule::new(state.group());
    let clock = Arc::clone(&shared.deps.clock);
    let mut slot = schedule.after(schedule.slot(clock.now()));
    if !wait_until(slot, state.group().interval, &mut stop, &shared).await {
        return state;
    }
    let mut evaluations = 0u32;
    loop {
        state = evaluate(state, slot, &view, &stop, &shared).await;
        evaluations = evaluations.saturating_add(1);
        // before the second evaluation there may not be enough scraped and recorded for the alerts to be there
        if evaluations == 2 && !state.restored && !*stop.borrow() {
            state = restore(state, &view, &shared).await;
        }
        if !wait_until(schedule.after(slot), state.group().interval, &mut stop, &shared).await {
            return state;
        }
        let missed = schedule.missed(slot, clock.now());
        slot = schedule.due(slot, missed);
        let mut totals = view.totals();
        let missed = missed.unsigned_abs();
        (totals.missed, totals.iterations) = (totals.missed + missed, totals.iterations + missed);
    }
}

/// Waits for a moment, but no longer than an interval, however the clock is set; false when it is time to stop.
async fn wait_until(
    slot: i64,
    interval: Duration,
    stop: &mut watch::Receiver<bool>,
    shared: &Shared,
) -> bool {
    let wait = in_milliseconds(slot).saturating_sub(shared.deps.clock.now());
    let wait = Duration::from_millis(u64::try_from(wait).unwrap_or_default()).min(interval);
    tokio::select! {
        biased;
        _ = stop.wait_for(|stop| *stop) => false,
        () = tokio::time::sleep(wait) => true,
    }
}

async fn evaluate(
    state: GroupState,
    slot: i64,
    view: &Arc<View>,
    stop: &watch::Receiver<bool>,
    shared: &Arc<Shared>,
) -> GroupState {
    let (view, stop) = (Arc::clone(view), stop.clone());
    blocking(state, shared, move |state, shared| {
        evaluate_now(state, in_milliseconds(slot), &view, &stop, shared);
    })
    .await
}

/// Runs something on a blocking thread, when it is this group's turn. A state that is lost by a panic begins anew.
async fn blocking(
    mut state: GroupState,
    shared: &Arc<Shared>,
    run: impl FnOnce(&mut GroupState, &Shared) + Send + 'static,
) -> GroupState {
    let permit = Arc::clone(&shared.permits).acquire_owned().await;
    let (group, shared) = (Arc::clone(state.group()), Arc::clone(shared));
    let task = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        run(&mut state, &shared);
        state
    });
    task.await.unwrap_or_else(|error| {
        tracing::error!(file = %group.file, group = %group.name, %error, "evaluating a rule group failed; its alerts begin anew");
        GroupState::new(group)
    })
}

fn evaluate_now(
    state: &mut GroupState,
    now: i64,
    view: &View,
    stop: &watch::Receiver<bool>,
    shared: &Shared,
) {
    let (began, start) = (shared.deps.clock.now(), Instant::now());
    view.totals().iterations += 1;
    let mut outcome = GroupOutcome::default();
    shared.with_context(|context| {
        let mut next = 0;
        while next < state.group().rules.len() && !*stop.borrow() {
            state.prepare(next, context);
            let at_once =
                if shared.options.rule_concurrency > 0 { state.independent(next) } else { next..next + 1 };
            let mut results = query_at_once(state, at_once.clone(), now, context, &shared.rule_permits);
            for at in at_once.clone() {
                let (rule_began, rule_start) = (shared.deps.clock.now(), Instant::now());
                let (results, queried) = match results.get_mut(at - next).and_then(Option::take) {
                    Some(queried) => queried,
                    None => (state.query(at, now, context), Duration::ZERO),
                };
                state.apply(at, now, results, context, &mut outcome);
                let took = queried + rule_start.elapsed();
                shared.rule_lengths.note(took);
                view.note_rule(state, at, rule_began, took);
                if !outcome.alerts.is_empty() {
                    shared.deps.sink.send(&outcome.alerts);
                    outcome.alerts.clear();
                }
            }
            next = at_once.end;
        }
        state.finish(now, context);
    });
    let took = start.elapsed();
    shared.group_lengths.note(took);
    view.note_failures(state);
    let rule_time = view.rule_time();
    let mut totals = view.totals();
    totals.evaluations += outcome.evaluations as u64;
    totals.failures += outcome.failures as u64;
    totals.samples = outcome.samples;
    (totals.evaluation_time, totals.rule_time, totals.last_evaluation) = (took, rule_time, Some(began));
}

/// A rule's result, and how long the query took.
type Queried = Option<(Result<Vec<VectorElement>, EvaluationError>, Duration)>;

/// Runs the queries of rules that do not depend on each other, on as many threads as are free; nothing when there is none to spare,
/// or only one rule.
fn query_at_once(
    state: &GroupState,
    rules: Range<usize>,
    now: i64,
    context: &EvaluationContext<'_>,
    permits: &Semaphore,
) -> Vec<Queried> {
    let spare: Vec<_> = (1..rules.len()).map_while(|_| permits.try_acquire().ok()).collect();
    if spare.is_empty() {
        return Vec::new();
    }
    let results: Vec<Mutex<Queried>> = rules.clone().map(|_| Mutex::default()).collect();
    let next = AtomicUsize::new(0);
    let work = || {
        loop {
            let place = next.fetch_add(1, Ordering::Relaxed);
            let Some(into) = results.get(place) else { break };
            let start = Instant::now();
            let result = state.query(rules.start + place, now, context);
            *into.lock().unwrap_or_else(PoisonError::into_inner) = Some((result, start.elapsed()));
        }
    };
    std::thread::scope(|scope| {
        for _ in &spare {
            scope.spawn(work);
        }
        work();
    });
    results.into_iter().map(|result| result.into_inner().unwrap_or_else(PoisonError::into_inner)).collect()
}

async fn restore(state: GroupState, view: &Arc<View>, shared: &Arc<Shared>) -> GroupState {
    let view = Arc::clone(view);
    blocking(state, shared, move |state, shared| {
        let start = Instant::now();
        state.restore(shared.deps.clock.now(), &*shared.deps.read, shared.options.restore);
        view.note_states(state);
        view.totals().restore_time = start.elapsed();
    })
    .await
}

/// Ends the series of a group that is gone, after two of its intervals: a group that writes them under another name has begun by
/// then, and its samples count. They end as of now.
pub(crate) async fn end_series_later(mut state: GroupState, shared: Arc<Shared>) {
    let now = shared.deps.clock.now();
    let mut closing = shared.closing.subscribe();
    tokio::select! {
        biased;
        _ = closing.wait_for(|closing| *closing) => return,
        () = tokio::time::sleep(state.group().interval * 2) => {}
    }
    state.give_up_series();
    let _ended = blocking(state, &shared, move |state, shared| {
        shared.with_context(|context| state.end_stale_series(now, context));
    })
    .await;
}
