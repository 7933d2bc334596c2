//! How groups and rules are doing, for the API.
//!
//! Input: what the live loop notes after each rule. Output: everything `/api/v1/rules` and `/api/v1/alerts` show. It is a copy: reading
//! it never waits for an evaluation.

use crate::alert::{ActiveAlert, AlertState};
use crate::evaluate::{GroupState, RuleHealth};
use crate::group::{Rule, RuleGroup};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A group and how it is doing.
#[derive(Clone, Debug)]
pub struct GroupStatus {
    /// The group.
    pub group: Arc<RuleGroup>,
    /// How far back in time it is evaluated.
    pub query_offset: Duration,
    /// How long its last evaluation took; zero before the first.
    pub evaluation_time: Duration,
    /// When its last evaluation began, in milliseconds since the Unix epoch.
    pub last_evaluation: Option<i64>,
    /// Its rules, in the order of their evaluation.
    pub rules: Vec<RuleStatus>,
}

/// How a rule is doing.
#[derive(Clone, Debug, Default)]
pub struct RuleStatus {
    /// Whether it could be evaluated.
    pub health: RuleHealth,
    /// Why not.
    pub last_error: Option<String>,
    /// How long its last evaluation took; zero before the first.
    pub evaluation_time: Duration,
    /// When its last evaluation began, in milliseconds since the Unix epoch.
    pub last_evaluation: Option<i64>,
    /// The state of an alerting rule.
    pub state: Option<AlertState>,
    /// Its alerts that are pending or firing, in order of their labels.
    pub alerts: Vec<ActiveAlert>,
}

impl GroupStatus {
    /// Its rules with how they are doing.
    pub fn rules(&self) -> impl Iterator<Item = (&Rule, &RuleStatus)> {
        self.group.rules.iter().zip(&self.rules)
    }
}

/// Where the live loop notes how a group is doing.
#[derive(Debug)]
pub(crate) struct View {
    group: Arc<RuleGroup>,
    totals: Mutex<Totals>,
    rules: Vec<Mutex<RuleStatus>>,
}

/// What is counted of a group.
#[derive(Clone, Debug, Default)]
pub(crate) struct Totals {
    pub(crate) iterations: u64,
    pub(crate) missed: u64,
    pub(crate) evaluations: u64,
    pub(crate) failures: u64,
    pub(crate) samples: usize,
    pub(crate) evaluation_time: Duration,
    pub(crate) rule_time: Duration,
    pub(crate) restore_time: Duration,
    pub(crate) last_evaluation: Option<i64>,
}

fn guard<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl View {
    pub(crate) fn new(group: Arc<RuleGroup>) -> Self {
        let unknown = |rule: &Rule| {
            let state = rule.alerting().map(|_| AlertState::Unknown);
            Mutex::new(RuleStatus { state, ..RuleStatus::default() })
        };
        let rules = group.rules.iter().map(unknown).collect();
        Self { group, totals: Mutex::default(), rules }
    }

    pub(crate) fn group(&self) -> &Arc<RuleGroup> {
        &self.group
    }

    pub(crate) fn totals(&self) -> MutexGuard<'_, Totals> {
        guard(&self.totals)
    }

    /// Notes how a rule is doing after its evaluation.
    pub(crate) fn note_rule(&self, state: &GroupState, at: usize, began: i64, took: Duration) {
        let mut status = guard(&self.rules[at]);
        (status.evaluation_time, status.last_evaluation) = (took, Some(began));
        note_state(&mut status, state, at);
    }

    /// Notes what became of the rules when their samples were stored or their alerts restored.
    pub(crate) fn note_states(&self, state: &GroupState) {
        for (at, status) in self.rules.iter().enumerate() {
            let mut status = guard(status);
            if status.last_evaluation.is_some() {
                note_state(&mut status, state, at);
            }
        }
    }

    /// Notes what failed only when samples were stored.
    pub(crate) fn note_failures(&self, state: &GroupState) {
        for (at, status) in self.rules.iter().enumerate() {
            if state.health(at).0 == RuleHealth::Bad {
                note_state(&mut guard(status), state, at);
            }
        }
    }

    pub(crate) fn status(&self, query_offset: Duration) -> GroupStatus {
        let (evaluation_time, last_evaluation) = {
            let totals = self.totals();
            (totals.evaluation_time, totals.last_evaluation)
        };
        GroupStatus {
            group: Arc::clone(&self.group),
            query_offset: self.group.query_offset.unwrap_or(query_offset),
            evaluation_time,
            last_evaluation,
            rules: self.rules.iter().map(|rule| guard(rule).clone()).collect(),
        }
    }

    /// The time that all rules took together.
    pub(crate) fn rule_time(&self) -> Duration {
        self.rules.iter().map(|rule| guard(rule).evaluation_time).sum()
    }
}

fn note_state(status: &mut RuleStatus, state: &GroupState, at: usize) {
    let (health, error) = state.health(at);
    status.health = health;
    if status.last_error.as_deref() != error {
        status.last_error = error.map(str::to_owned);
    }
    if status.state.is_some() {
        status.state = state.state(at);
        status.alerts.clear();
        if state.has_alerts(at) {
            let active = state.alerts(at).filter(|alert| alert.resolved_at.is_none());
            status.alerts.extend(active.cloned());
        }
    }
}
