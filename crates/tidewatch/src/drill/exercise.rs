//! One cause from its begin to the end of all its alerts.
//!
//! Input: a cause with the alerts that it leads to, a running stack, what the capture receiver was told. Output: for each alert when it
//! went pending, fired, was delivered, was resolved and told to be, or why not. A cause is undone whatever happens.

use super::capture::Capture;
use super::registry::{Cause, Course, Entry};
use super::shipped::ShippedRule;
use super::shorten::Shortening;
use super::stack::usual_waits;
use super::step::{Begun, Place};
use super::watch::{ActiveAlert, AlertWatch};
use crate::failure::Failure;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// How often deliveries are looked at, which wake nobody.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What is known of an alert so far; times are those of being seen.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Timeline {
    pub(crate) pending: Option<Duration>,
    pub(crate) fired: Option<Duration>,
    pub(crate) delivered: Option<Duration>,
    /// From here on after the cause's end.
    pub(crate) resolved: Option<Duration>,
    pub(crate) resolution_delivered: Option<Duration>,
}

/// How an alert did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Passed,
    Failed(String),
}

/// An alert's drill.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    pub(crate) entry: &'static Entry,
    pub(crate) factor: f64,
    pub(crate) timeline: Timeline,
    pub(crate) verdict: Verdict,
}

/// What exercises of one stack share.
#[derive(Clone, Debug)]
pub(crate) struct Ground {
    pub(crate) place: Place,
    pub(crate) capture: Arc<Capture>,
    pub(crate) alerts: Arc<AlertWatch>,
    pub(crate) shortening: Shortening,
    pub(crate) started: Instant,
}

/// An alert that is expected.
#[derive(Debug)]
pub(crate) struct Expected {
    pub(crate) entry: &'static Entry,
    pub(crate) rule: ShippedRule,
}

struct Running {
    expected: Expected,
    timeline: Timeline,
    failed: Option<String>,
}

impl Running {
    fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        let entry = self.expected.entry;
        let has = |(name, value): &(&str, &str)| labels.get(*name).is_some_and(|own| own == value);
        has(&("alertname", entry.alert)) && entry.labels.iter().all(has)
    }

    fn is_active(&self, active: &[ActiveAlert]) -> bool {
        active.iter().any(|alert| self.matches(&alert.labels))
    }

    fn say(&self, what: &str, after: Duration) {
        let entry = self.expected.entry;
        eprintln!("{}{}: {what} after {:.1} s", entry.alert, labels_of(entry), after.as_secs_f64());
    }

    /// Looks whether it has come further since the cause began.
    fn look_for_fire(&mut self, ground: &Ground, active: &[ActiveAlert], began: Instant) {
        let after = began.elapsed();
        if self.timeline.pending.is_none() && self.is_active(active) {
            self.timeline.pending = Some(after);
            self.say("pending", after);
        }
        let firing = active.iter().any(|alert| alert.firing && self.matches(&alert.labels));
        if self.timeline.fired.is_none() && firing {
            self.timeline.fired = Some(after);
            self.say("fired", after);
        }
        if self.timeline.delivered.is_none()
            && let Some(at) = ground.capture.first(began, false, |labels| self.matches(labels))
        {
            let after = at.saturating_duration_since(began);
            self.timeline.delivered = Some(after);
            self.say("delivered", after);
        }
    }

    /// Looks whether it has come further since the cause ended.
    fn look_for_end(&mut self, ground: &Ground, active: &[ActiveAlert], ending: Instant, ended: Instant) {
        if self.timeline.resolved.is_none() && !self.is_active(active) {
            self.timeline.resolved = Some(ended.elapsed());
            self.say("resolved", ended.elapsed());
        }
        if self.timeline.resolved.is_some()
            && self.timeline.resolution_delivered.is_none()
            && let Some(at) = ground.capture.first(ending, true, |labels| self.matches(labels))
        {
            let after = at.saturating_duration_since(ended);
            self.timeline.resolution_delivered = Some(after);
            self.say("its end was delivered", after);
        }
    }

    fn has_fired(&self) -> bool {
        self.timeline.fired.is_some() && self.timeline.delivered.is_some()
    }

    fn has_ended(&self) -> bool {
        self.timeline.resolved.is_some() && self.timeline.resolution_delivered.is_some()
    }

    fn outcome(self, factor: f64) -> Outcome {
        let verdict = self.failed.map_or(Verdict::Passed, Verdict::Failed);
        Outcome { entry: self.expected.entry, factor, timeline: self.timeline, verdict }
    }
}

/// Labels of an entry's instance, in braces.
pub(crate) fn labels_of(entry: &Entry) -> String {
    if entry.labels.is_empty() {
        return String::new();
    }
    let labels: Vec<String> =
        entry.labels.iter().map(|(name, value)| format!("{name}=\"{value}\"")).collect();
    format!("{{{}}}", labels.join(", "))
}

/// Drills a cause.
pub(crate) async fn exercise(ground: Ground, cause: &'static Cause, expected: Vec<Expected>) -> Vec<Outcome> {
    let factor = ground.shortening.factor();
    let mut all: Vec<Running> = expected
        .into_iter()
        .map(|expected| Running { expected, timeline: Timeline::default(), failed: None })
        .collect();
    let alerts = ground.alerts.subscribe();
    match cause.course {
        Course::AlwaysFires => {
            let began = ground.started;
            fires(&ground, &alerts, &mut all, began, cause.patience).await;
        }
        Course::Resolves => {
            if let Err(failure) = course(&ground, &alerts, cause, &mut all).await {
                let text = failure.to_string().replace('\n', "; ");
                all.iter_mut().for_each(|one| one.failed = one.failed.take().or_else(|| Some(text.clone())));
            }
        }
    }
    all.into_iter().map(|one| one.outcome(factor)).collect()
}

type Alerts = watch::Receiver<Arc<Vec<ActiveAlert>>>;

async fn course(ground: &Ground, alerts: &Alerts, cause: &Cause, all: &mut [Running]) -> Result<(), Failure> {
    silent(ground, alerts, cause, all).await?;
    eprintln!("{}: begins", cause.sentence);
    let began = Instant::now();
    let mut begun = Vec::new();
    let mut outcome = Ok(());
    for step in cause.steps {
        match step.begin(&ground.place).await {
            Ok(step) => begun.push(step),
            Err(failure) => {
                outcome = Err(failure);
                break;
            }
        }
    }
    if outcome.is_ok() {
        fires(ground, alerts, all, began, cause.patience).await;
    }
    let ending = Instant::now();
    let undone = undo(begun, &ground.place).await;
    eprintln!("{}: ends", cause.sentence);
    outcome.and(undone)?;
    ends(ground, alerts, all, ending, cause.patience).await;
    Ok(())
}

async fn undo(begun: Vec<Begun>, place: &Place) -> Result<(), Failure> {
    let mut outcome = Ok(());
    for step in begun.into_iter().rev() {
        outcome = outcome.and(step.undo(place).await);
    }
    outcome
}

/// Waits until none of the alerts is active: what another cause has left would be taken for this one's.
async fn silent(ground: &Ground, alerts: &Alerts, cause: &Cause, all: &[Running]) -> Result<(), Failure> {
    let patience = |one: &Running| one.expected.rule.to_end(ground.shortening, usual_waits(), cause.patience);
    let deadline = Instant::now() + all.iter().map(patience).max().unwrap_or_default();
    loop {
        let active = alerts.borrow().clone();
        let Some(one) = all.iter().find(|one| one.is_active(&active)) else { return Ok(()) };
        if Instant::now() >= deadline {
            let entry = one.expected.entry;
            return Err(Failure::new(format!(
                "{}{} is active without its cause",
                entry.alert,
                labels_of(entry)
            )));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

async fn fires(ground: &Ground, alerts: &Alerts, all: &mut [Running], began: Instant, patience: Duration) {
    loop {
        let active = alerts.borrow().clone();
        for one in all.iter_mut().filter(|one| one.failed.is_none()) {
            one.look_for_fire(ground, &active, began);
            let longest = one.expected.rule.to_fire(ground.shortening, usual_waits(), patience);
            if !one.has_fired() && began.elapsed() > longest {
                let missing = match one.timeline {
                    Timeline { pending: None, .. } => "not pending",
                    Timeline { fired: None, .. } => "pending, not firing",
                    _ => "firing, not delivered",
                };
                one.failed = Some(format!("{missing} {:.0} s after its cause began", longest.as_secs_f64()));
            }
        }
        if all.iter().all(|one| one.failed.is_some() || one.has_fired()) {
            return;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

async fn ends(ground: &Ground, alerts: &Alerts, all: &mut [Running], ending: Instant, patience: Duration) {
    let ended = Instant::now();
    loop {
        let active = alerts.borrow().clone();
        for one in all.iter_mut().filter(|one| one.failed.is_none()) {
            one.look_for_end(ground, &active, ending, ended);
            let longest = one.expected.rule.to_end(ground.shortening, usual_waits(), patience);
            if !one.has_ended() && ended.elapsed() > longest {
                let missing = match one.timeline.resolved {
                    None => "still active",
                    Some(_) => "resolved, but nobody was told",
                };
                one.failed = Some(format!("{missing} {:.0} s after its cause ended", longest.as_secs_f64()));
            }
        }
        if all.iter().all(|one| one.failed.is_some() || one.has_ended()) {
            return;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
