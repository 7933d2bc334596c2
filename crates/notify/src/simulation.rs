//! Alertmanager in virtual time: the same decisions, with deliveries that happen when and as the caller says.
//!
//! Input: a configuration, alerts, silences and reloads at any time of a clock that only moves when told to, and a function that plays the
//! receivers. Output: every attempt to tell somebody, with its time and what became of it. Nothing is sent and nothing waits, so that days
//! pass in milliseconds. What it tells can be laid beside what a real Alertmanager told.

use crate::alerts::AlertProblem;
use crate::backoff::{Backoff, Next};
use crate::config::Config;
use crate::engine::{Delivery, Effects, Engine, EngineOptions};
use crate::error::NotifyError;
use crate::notification_log::LogEntry;
use crate::silences::Silence;
use crate::{Notification, SendError};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tidewatch_model::Alert;

/// An attempt to tell somebody, as the function that plays the receivers sees it.
#[derive(Clone, Copy, Debug)]
pub struct Attempt<'a> {
    /// What is told.
    pub notification: &'a Notification,
    /// How, with the position among those of its kind, e.g. `slack[0]`.
    pub integration: &'a str,
    /// Which attempt of this notification, from 1.
    pub number: u32,
    /// When, in milliseconds since the Unix epoch.
    pub time: i64,
}

/// What a receiver does with an attempt: how long it takes, and what comes of it.
pub type Reply = (Duration, Result<(), SendError>);

/// An attempt and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimulatedAttempt {
    /// When it began, in milliseconds since the Unix epoch.
    pub time: i64,
    /// When it ended.
    pub ended: i64,
    /// How, e.g. `slack[0]`.
    pub integration: String,
    /// Which attempt of this notification, from 1.
    pub number: u32,
    /// What was told.
    pub notification: Notification,
    /// Why it was not taken.
    pub error: Option<String>,
}

/// Alertmanager in virtual time.
pub struct Simulation {
    engine: Engine,
    options: EngineOptions,
    external_url: String,
    config: Config,
    now: i64,
    receivers: Box<dyn FnMut(Attempt<'_>) -> Reply>,
    /// By time, in the order they were planned.
    planned: BTreeMap<(i64, u64), Step>,
    next: u64,
    attempts: Vec<SimulatedAttempt>,
    silences: u64,
}

/// What happens to a delivery at a time.
enum Step {
    Attempt(UnderWay),
    End(UnderWay, Option<SendError>),
}

struct UnderWay {
    delivery: Arc<Delivery>,
    attempts: u32,
    backoff: Backoff,
}

impl Simulation {
    /// A simulation that begins at `now`, in milliseconds since the Unix epoch, with receivers that take everything at once.
    pub fn new(config: Config, now: i64) -> Self {
        let options = EngineOptions::default();
        let external_url = "http://alertmanager.example:9093".to_owned();
        Self {
            engine: Engine::new(&config, None, &external_url, options),
            options,
            external_url,
            config,
            now,
            receivers: Box::new(|_| (Duration::ZERO, Ok(()))),
            planned: BTreeMap::new(),
            next: 0,
            attempts: Vec::new(),
            silences: 0,
        }
    }

    /// Lets a function play the receivers.
    #[must_use]
    pub fn with_receivers(mut self, receivers: impl FnMut(Attempt<'_>) -> Reply + 'static) -> Self {
        self.receivers = Box::new(receivers);
        self
    }

    /// What time it is, in milliseconds since the Unix epoch.
    pub fn now(&self) -> i64 {
        self.now
    }

    /// Takes alerts.
    pub fn put_alerts(&mut self, alerts: impl IntoIterator<Item = Alert>) -> Vec<AlertProblem> {
        self.engine.put(alerts, self.now)
    }

    /// Sets a silence and returns its id: `silence-1` and so on.
    ///
    /// # Errors
    /// When it is wrong.
    pub fn set_silence(&mut self, silence: Silence) -> Result<String, NotifyError> {
        let next = format!("silence-{}", self.silences + 1);
        let (id, changed) = self.engine.silences.set(silence, self.now, || next)?;
        self.silences += 1;
        changed.into_iter().for_each(|silence| self.engine.silences.apply(silence));
        Ok(id)
    }

    /// Ends a silence.
    ///
    /// # Errors
    /// When there is none with this id.
    pub fn expire_silence(&mut self, id: &str) -> Result<(), NotifyError> {
        let changed = self.engine.silences.expire(id, self.now)?;
        changed.into_iter().for_each(|silence| self.engine.silences.apply(silence));
        Ok(())
    }

    /// Takes a new configuration.
    pub fn reload(&mut self, config: Config) {
        let ended = self.engine.reload(&config, None, self.now);
        self.planned.retain(|_, step| !ended.contains(&step.under_way().delivery.id));
        self.config = config;
    }

    /// Ends and begins again as after kill -9: silences and the log are there, alerts, groups and deliveries under way are not.
    pub fn restart(&mut self) {
        let mut engine = Engine::new(&self.config, None, &self.external_url, self.options);
        self.engine.silences.iter().for_each(|silence| engine.silences.apply(silence.clone()));
        let entries: Vec<LogEntry> = self.engine.log.iter().cloned().collect();
        entries.into_iter().for_each(|entry| engine.log.apply(entry));
        self.engine = engine;
        self.planned.clear();
    }

    /// Lets time pass until `time`, in milliseconds since the Unix epoch, and everything happen that is due until then.
    pub fn advance_to(&mut self, time: i64) {
        loop {
            let planned = self.planned.first_key_value().map(|((at, _), _)| *at);
            let due = self.engine.next_due();
            let Some(next) = [planned, due].into_iter().flatten().min().filter(|next| *next <= time) else {
                break;
            };
            self.now = self.now.max(next);
            if planned.is_some_and(|at| at <= self.now) {
                let (_, step) = self.planned.pop_first().expect("one was seen");
                self.take_step(step);
            } else {
                let effects = self.engine.due(self.now);
                self.begin(effects);
            }
        }
        self.now = self.now.max(time);
    }

    /// Lets time pass.
    pub fn advance(&mut self, by: Duration) {
        self.advance_to(self.now.saturating_add(crate::engine::milliseconds(by)));
    }

    /// Every attempt that ended, in this order.
    pub fn attempts(&self) -> &[SimulatedAttempt] {
        &self.attempts
    }

    /// The attempts that were taken.
    pub fn delivered(&self) -> impl Iterator<Item = &SimulatedAttempt> {
        self.attempts.iter().filter(|attempt| attempt.error.is_none())
    }

    fn plan(&mut self, time: i64, step: Step) {
        self.next += 1;
        self.planned.insert((time, self.next), step);
    }

    fn begin(&mut self, effects: Effects) {
        for delivery in effects.deliveries {
            let step = Step::Attempt(UnderWay { delivery, attempts: 0, backoff: Backoff::new() });
            self.plan(self.now, step);
        }
    }

    fn take_step(&mut self, step: Step) {
        match step {
            Step::Attempt(under_way) => self.attempt(under_way),
            Step::End(under_way, error) => self.end_attempt(under_way, error.as_ref()),
        }
    }

    fn attempt(&mut self, mut under_way: UnderWay) {
        under_way.attempts += 1;
        let delivery = &under_way.delivery;
        let spec = &delivery.integration;
        let integration = format!("{}[{}]", spec.name, spec.index);
        let attempt = Attempt {
            notification: &delivery.notification,
            integration: &integration,
            number: under_way.attempts,
            time: self.now,
        };
        let (took, reply) = (self.receivers)(attempt);
        let ends = self.now.saturating_add(crate::engine::milliseconds(took));
        let (ended, error) = match reply {
            _ if ends > delivery.deadline => {
                (delivery.deadline, Some(SendError::recoverable("no answer before the group's next turn")))
            }
            Ok(()) => (ends, None),
            Err(error) => (ends, Some(error)),
        };
        self.attempts.push(SimulatedAttempt {
            time: self.now,
            ended,
            integration,
            number: under_way.attempts,
            notification: delivery.notification.clone(),
            error: error.as_ref().map(|error| error.message.clone()),
        });
        self.plan(ended, Step::End(under_way, error));
    }

    fn end_attempt(&mut self, mut under_way: UnderWay, error: Option<&SendError>) {
        let left = under_way.delivery.deadline.saturating_sub(self.now).max(0);
        let next = error.map(|error| {
            // the waits of a simulation are all of the middle length
            under_way.backoff.after(error, Duration::from_millis(left.unsigned_abs()), 0.5)
        });
        match next {
            Some(Next::Retry(wait)) => {
                let time = self.now.saturating_add(crate::engine::milliseconds(wait));
                self.plan(time, Step::Attempt(under_way));
            }
            ended => {
                let effects = self.engine.finished(&under_way.delivery, ended.is_none(), self.now);
                self.begin(effects);
            }
        }
    }
}

impl Step {
    fn under_way(&self) -> &UnderWay {
        match self {
            Self::Attempt(under_way) | Self::End(under_way, _) => under_way,
        }
    }
}

impl fmt::Debug for Simulation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Simulation")
            .field("now", &self.now)
            .field("attempts", &self.attempts.len())
            .finish_non_exhaustive()
    }
}
