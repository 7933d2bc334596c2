//! One evaluation of a group: a function of what its rules have done so far, the series, and the time.
//!
//! Input: a [`RuleGroup`] with its state, an [`EvaluationContext`], a time. Output: samples written, alerts to be sent, and the state
//! after it. Samples of several rules go to the store together where no rule in between reads them. There is no clock, task or lock
//! here: who calls decides when, and measures how long it takes.

use crate::alert::{ActiveAlert, AlertState};
use crate::alerting::Alerts;
use crate::context::{EvaluationContext, milliseconds};
use crate::dependencies::{Needs, needs};
use crate::error::EvaluationError;
use crate::generator::graph_link;
use crate::group::{Rule, RuleGroup, RuleKind};
use crate::outputs::{Outputs, Span};
use crate::reuse::{Reuse, SharedSelectors};
use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;
use tidewatch_model::{Alert, Batch, Labels, METRIC_NAME, SeriesRef, stale_nan};
use tidewatch_promql::{QueryError, VectorElement};

/// Whether a rule could be evaluated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RuleHealth {
    /// It has not been evaluated yet.
    #[default]
    Unknown,
    /// The last evaluation worked.
    Good,
    /// The last evaluation failed.
    Bad,
}

impl RuleHealth {
    /// Its name in the API: `unknown`, `ok` or `err`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Good => "ok",
            Self::Bad => "err",
        }
    }
}

/// What a group has done so far.
#[derive(Debug)]
pub struct GroupState {
    group: Arc<RuleGroup>,
    rules: Vec<RuleState>,
    needs: Vec<Needs>,
    /// Series of rules that are gone, to be marked as ended.
    pub(crate) stale: Vec<Labels>,
    /// Whether `ALERTS` and `ALERTS_FOR_STATE` are written: not before the latter was read after a restart.
    pub(crate) restored: bool,
    batch: Batch,
    spans: Vec<Span>,
    samples: Vec<(Labels, f64)>,
    shared: SharedSelectors,
}

/// What a rule has done so far.
#[derive(Debug, Default)]
pub(crate) struct RuleState {
    pub(crate) outputs: Outputs,
    pub(crate) alerts: Alerts,
    health: RuleHealth,
    last_error: Option<String>,
    /// The path of the graph of its expression, for alerts.
    generator: String,
}

/// What came of an evaluation.
#[derive(Debug, Default)]
pub struct GroupOutcome {
    /// The alerts to be sent: those that began to fire or were resolved, and those to be said again. External labels are in them.
    pub alerts: Vec<Alert>,
    /// How many samples the rules gave.
    pub samples: usize,
    /// How many rules were evaluated.
    pub evaluations: usize,
    /// How many of them failed.
    pub failures: usize,
}

impl GroupState {
    /// A group that has done nothing yet.
    pub fn new(group: Arc<RuleGroup>) -> Self {
        let rules = group.rules.iter().map(|rule| RuleState {
            generator: if rule.alerting().is_some() { graph_link(&rule.query) } else { String::new() },
            ..RuleState::default()
        });
        Self {
            rules: rules.collect(),
            needs: needs(&group),
            shared: SharedSelectors::of(&group),
            group,
            stale: Vec::new(),
            restored: true,
            batch: Batch::default(),
            spans: Vec::new(),
            samples: Vec::new(),
        }
    }

    /// A group after a restart: until [`GroupState::restore`] it writes no samples of alerts.
    pub fn awaiting_restore(group: Arc<RuleGroup>) -> Self {
        Self { restored: false, ..Self::new(group) }
    }

    /// A group that takes the place of another one, as after a reload: rules of the same name and labels keep their alerts and
    /// series; the series of the others end with the next evaluation.
    pub fn succeeding(group: Arc<RuleGroup>, mut before: Self) -> Self {
        let mut state = Self { restored: before.restored, ..Self::new(group) };
        let group = Arc::clone(&state.group);
        let mut places: HashMap<(&str, &_), Vec<usize>> = HashMap::new();
        let former = Arc::clone(&before.group);
        for (at, rule) in former.rules.iter().enumerate().rev() {
            places.entry((&rule.name, &rule.labels)).or_default().push(at);
        }
        for (rule, into) in group.rules.iter().zip(&mut state.rules) {
            let Some(at) = places.get_mut(&(rule.name.as_str(), &rule.labels)).and_then(Vec::pop) else {
                continue;
            };
            let from = &mut before.rules[at];
            into.outputs = std::mem::take(&mut from.outputs);
            if rule.alerting().is_some() && former.rules[at].alerting().is_some() {
                into.alerts = from.alerts.inherited();
            }
        }
        before.give_up_series();
        state.stale = before.stale;
        state
    }

    /// The group.
    pub fn group(&self) -> &Arc<RuleGroup> {
        &self.group
    }

    /// Evaluates all rules, one after the other, at `now` in milliseconds since the Unix epoch.
    pub fn evaluate(&mut self, now: i64, context: &EvaluationContext<'_>) -> GroupOutcome {
        let mut outcome = GroupOutcome::default();
        for at in 0..self.rules.len() {
            self.evaluate_rule(at, now, context, &mut outcome);
        }
        self.finish(now, context);
        outcome
    }

    /// The rules from a place on that do not read what others of them write: their queries may run in any order, or at once.
    pub(crate) fn independent(&self, from: usize) -> Range<usize> {
        let reads_them = |at: &usize| match self.needs[*at] {
            Needs::All => true,
            Needs::UpTo(last) => last.is_some_and(|last| last >= from),
        };
        from..(from + 1..self.rules.len()).find(reads_them).unwrap_or(self.rules.len())
    }

    /// Sees to it that a rule finds in the store what it reads.
    pub(crate) fn prepare(&mut self, at: usize, context: &EvaluationContext<'_>) {
        let waits = match self.needs[at] {
            Needs::All => true,
            Needs::UpTo(last) => last.zip(self.spans.first()).is_some_and(|(last, span)| last >= span.rule),
        };
        if waits {
            self.flush(context);
        }
    }

    /// The result of a rule's expression at `now`.
    pub(crate) fn query(
        &self,
        at: usize,
        now: i64,
        context: &EvaluationContext<'_>,
    ) -> Result<Vec<VectorElement>, EvaluationError> {
        let read = &Reuse { store: context.read, shared: &self.shared };
        let time = now.saturating_sub(self.offset(context));
        EvaluationContext { read, ..*context }.query(&self.group.rules[at].expression, time)
    }

    /// Evaluates one rule. When all are evaluated, or no more are to be, [`GroupState::finish`] has to follow.
    pub(crate) fn evaluate_rule(
        &mut self,
        at: usize,
        now: i64,
        context: &EvaluationContext<'_>,
        outcome: &mut GroupOutcome,
    ) {
        self.prepare(at, context);
        let results = self.query(at, now, context);
        self.apply(at, now, results, context, outcome);
    }

    /// Does with the result of a rule's expression what the rule says.
    pub(crate) fn apply(
        &mut self,
        at: usize,
        now: i64,
        results: Result<Vec<VectorElement>, EvaluationError>,
        context: &EvaluationContext<'_>,
        outcome: &mut GroupOutcome,
    ) {
        let start = self.batch.rows.len();
        outcome.evaluations += 1;
        let applied = results.and_then(|results| match &self.group.rules[at].kind {
            RuleKind::Recording => self.record(at, &results, now, context),
            RuleKind::Alerting(_) => self.alert(at, &results, now, context, outcome),
        });
        let (rule, state) = (&self.group.rules[at], &mut self.rules[at]);
        match applied {
            Ok(()) => {
                (state.health, state.last_error) = (RuleHealth::Good, None);
                outcome.samples += state.outputs.len();
                self.spans.push(Span { rule: at, rows: start..self.batch.rows.len() });
            }
            Err(error) => {
                outcome.failures += 1;
                self.batch.rows.truncate(start);
                state.outputs.lost();
                match error {
                    // it was asked for
                    EvaluationError::Query(QueryError::Canceled) => state.note_failure(error.to_string()),
                    error => state.fail(&self.group, rule, &error.to_string()),
                }
            }
        }
    }

    fn record(
        &mut self,
        at: usize,
        results: &[VectorElement],
        now: i64,
        context: &EvaluationContext<'_>,
    ) -> Result<(), EvaluationError> {
        let time = now.saturating_sub(self.offset(context));
        let (rule, limit, found) = (&self.group.rules[at], self.group.limit, results.len());
        let rows = results.iter().map(|element| (&element.labels, element.sample.value));
        let labels_of = |labels: &Labels| rule.recorded(labels);
        self.rules[at].outputs.write(rows, labels_of, time, &mut self.batch)?;
        if limit > 0 && found > limit {
            return Err(EvaluationError::TooManySeries { limit, found });
        }
        Ok(())
    }

    fn alert(
        &mut self,
        at: usize,
        results: &[VectorElement],
        now: i64,
        context: &EvaluationContext<'_>,
        outcome: &mut GroupOutcome,
    ) -> Result<(), EvaluationError> {
        let time = now.saturating_sub(self.offset(context));
        let (rule, state) = (&self.group.rules[at], &mut self.rules[at]);
        state.alerts.update(rule, results, now, self.group.limit, context)?;
        let interval = milliseconds(self.group.interval);
        state.alerts.send(&state.generator, interval, now, context, &mut outcome.alerts);
        self.samples.clear();
        if self.restored {
            state.alerts.samples(rule, &mut self.samples);
        }
        let rows = self.samples.iter().map(|(labels, value)| (labels, *value));
        let written = state.outputs.write(rows, Labels::clone, time, &mut self.batch);
        let Err(EvaluationError::SameSeries) = written else { return written };
        // alerts about ALERTS have an `alertstate` of their own, so two of them can end in one series: the first sample counts
        let mut seen = HashSet::with_capacity(self.samples.len());
        self.samples.retain(|(labels, _)| seen.insert(labels.clone()));
        let rows = self.samples.iter().map(|(labels, value)| (labels, *value));
        state.outputs.write(rows, Labels::clone, time, &mut self.batch)
    }

    /// Writes what is left to be written, and ends the series of rules that are gone.
    pub(crate) fn finish(&mut self, now: i64, context: &EvaluationContext<'_>) {
        self.flush(context);
        self.shared.finish();
        self.end_stale_series(now, context);
    }

    /// Marks series of rules that are gone as ended; they are tried again when the store cannot take them.
    pub(crate) fn end_stale_series(&mut self, now: i64, context: &EvaluationContext<'_>) {
        if self.stale.is_empty() {
            return;
        }
        let time = now.saturating_sub(self.offset(context));
        self.batch.clear();
        for labels in &self.stale {
            self.batch.push(SeriesRef::UNKNOWN, labels.clone(), time, stale_nan());
        }
        match context.append.append(&mut self.batch) {
            // what is refused has a sample of another rule already
            Ok(_) => self.stale.clear(),
            Err(error) => {
                let (file, group) = (&self.group.file, &self.group.name);
                tracing::warn!(%file, %group, %error, "series of rules that are gone could not be ended");
            }
        }
        self.batch.clear();
    }

    /// Hands the rows of the rules evaluated so far to the store.
    fn flush(&mut self, context: &EvaluationContext<'_>) {
        if self.batch.rows.is_empty() {
            for span in self.spans.drain(..) {
                self.rules[span.rule].outputs.stored(&[]);
            }
            return;
        }
        self.shared.forget();
        let appended = context.append.append(&mut self.batch);
        for Span { rule: at, rows } in self.spans.drain(..) {
            let (rule, state) = (&self.group.rules[at], &mut self.rules[at]);
            let rows = &self.batch.rows[rows];
            match &appended {
                Ok(_) => {
                    let written = state.outputs.len();
                    state.outputs.stored(rows);
                    let refused = rows[..written].iter().filter_map(|row| row.rejected).next_back();
                    if let Some(rejection) = refused {
                        state.fail(&self.group, rule, &rejection.to_string());
                    }
                }
                Err(error) => {
                    state.outputs.lost();
                    state.fail(&self.group, rule, &error.to_string());
                }
            }
        }
        self.batch.clear();
    }

    pub(crate) fn offset(&self, context: &EvaluationContext<'_>) -> i64 {
        milliseconds(self.group.query_offset.unwrap_or(context.query_offset))
    }

    /// Has all series end that were written and not ended.
    pub(crate) fn give_up_series(&mut self) {
        for rule in &mut self.rules {
            self.stale.extend(rule.outputs.series().map(|(labels, _)| labels.clone()));
            rule.outputs = Outputs::default();
        }
    }

    pub(crate) fn rule_states(&mut self) -> impl Iterator<Item = (&Rule, &mut RuleState)> {
        self.group.rules.iter().zip(&mut self.rules)
    }

    /// How the rule of this place, from 0, is doing: its health and last error.
    ///
    /// # Panics
    /// When there is no such rule.
    pub fn health(&self, rule: usize) -> (RuleHealth, Option<&str>) {
        let state = &self.rules[rule];
        (state.health, state.last_error.as_deref())
    }

    /// The alerts of the rule of this place, from 0, in order of their labels: pending and firing ones, and those that were resolved
    /// in the last 15 minutes.
    ///
    /// # Panics
    /// When there is no such rule.
    pub fn alerts(&self, rule: usize) -> impl Iterator<Item = &ActiveAlert> {
        self.rules[rule].alerts.iter()
    }

    /// The state of the rule of this place, from 0; `None` for a recording rule.
    ///
    /// # Panics
    /// When there is no such rule.
    pub fn state(&self, rule: usize) -> Option<AlertState> {
        self.group.rules[rule].alerting()?;
        let state = &self.rules[rule];
        let evaluated = state.health != RuleHealth::Unknown;
        Some(if evaluated { state.alerts.state() } else { AlertState::Unknown })
    }

    pub(crate) fn has_alerts(&self, rule: usize) -> bool {
        !self.rules[rule].alerts.is_empty()
    }
}

impl RuleState {
    fn fail(&mut self, group: &RuleGroup, rule: &Rule, error: &str) {
        tracing::warn!(file = %group.file, group = %group.name, rule = %rule.name, error, "evaluating rule failed");
        self.note_failure(error.to_owned());
    }

    fn note_failure(&mut self, error: String) {
        (self.health, self.last_error) = (RuleHealth::Bad, Some(error));
    }
}

impl Rule {
    /// The labels of the series a result is recorded as.
    fn recorded(&self, result: &Labels) -> Labels {
        let mut builder = result.to_builder();
        builder.set(METRIC_NAME, &self.name);
        for (name, value) in &self.labels {
            builder.set(name, value);
        }
        builder.build()
    }
}
