//! A store, a group and a time that only moves when it is told to.
//!
//! Input: rules as text, samples, moments in seconds. Output: what was written, sent and shown.

use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tidewatch_model::{Append, Batch, Labels, SeriesRef};
use tidewatch_promql::{Cancel, Engine, EngineOptions, Value, parse_selector};
use tidewatch_rules::{
    EvaluationContext, GroupOutcome, GroupState, LoadOptions, RestoreOptions, RuleGroup, load_rule_file,
};
use tidewatch_tsdb::{Tsdb, TsdbOptions};

/// When time begins, in milliseconds: a multiple of a second, so that seconds are whole.
pub(crate) const START: i64 = 1_700_000_000_000;

pub(crate) struct World {
    pub(crate) tsdb: Arc<Tsdb>,
    pub(crate) state: GroupState,
    pub(crate) external_labels: Labels,
    engine: Engine,
    _folder: TempDir,
}

/// The groups of a rule file.
pub(crate) fn groups(text: &str) -> Vec<RuleGroup> {
    load_rule_file("rules.yml", text, &LoadOptions::default()).unwrap_or_else(|error| panic!("{error}"))
}

/// The group with these rules, each `- …` at the start of a line.
pub(crate) fn group(head: &str, rules: &str) -> Arc<RuleGroup> {
    let rules = rules.lines().map(|line| format!("  {}\n", line.trim())).collect::<String>();
    Arc::new(groups(&format!("groups:\n- name: g\n  {head}\n  rules:\n{rules}")).remove(0))
}

/// A folder with a store.
pub(crate) fn store() -> (TempDir, Arc<Tsdb>) {
    let folder = tempfile::tempdir().unwrap();
    let tsdb = Tsdb::open(folder.path(), TsdbOptions::default()).unwrap();
    (folder, Arc::new(tsdb))
}

/// Labels from `name{a="1"}`.
pub(crate) fn labels(text: &str) -> Labels {
    let matchers = parse_selector(text).unwrap();
    Labels::from_pairs(matchers.iter().map(|matcher| (matcher.name(), matcher.value())))
}

impl World {
    pub(crate) fn new(group: Arc<RuleGroup>) -> Self {
        let (folder, tsdb) = store();
        Self {
            tsdb,
            state: GroupState::new(group),
            external_labels: Labels::empty(),
            engine: Engine::new(EngineOptions::default()),
            _folder: folder,
        }
    }

    /// A world with one group of rules.
    pub(crate) fn of(rules: &str) -> Self {
        Self::new(group("interval: 1m", rules))
    }

    /// Writes a sample, seconds after the start.
    pub(crate) fn put(&self, series: &str, second: i64, value: f64) {
        let mut batch = Batch::default();
        batch.push(SeriesRef::UNKNOWN, labels(series), START + second * 1000, value);
        self.tsdb.append(&mut batch).unwrap();
        assert_eq!(batch.rows[0].rejected, None, "{series} at {second}");
    }

    /// Runs something on the state with what an evaluation is given.
    pub(crate) fn with<T>(&mut self, run: impl FnOnce(&mut GroupState, &EvaluationContext<'_>) -> T) -> T {
        let context = EvaluationContext {
            engine: &self.engine,
            read: &*self.tsdb,
            append: &*self.tsdb,
            external_labels: &self.external_labels,
            external_url: "http://here:9090",
            query_offset: Duration::ZERO,
            resend_delay: Duration::from_secs(60),
            cancel: &Cancel::new(),
        };
        run(&mut self.state, &context)
    }

    /// Evaluates the group, seconds after the start.
    pub(crate) fn evaluate(&mut self, second: i64) -> GroupOutcome {
        self.with(|state, context| state.evaluate(START + second * 1000, context))
    }

    /// Restores the alerts, seconds after the start.
    pub(crate) fn restore(&mut self, second: i64) {
        let options = RestoreOptions::default();
        self.with(|state, context| state.restore(START + second * 1000, context.read, options));
    }

    /// Puts another group in the place of this one.
    pub(crate) fn reload(&mut self, group: Arc<RuleGroup>) {
        let before = std::mem::replace(&mut self.state, GroupState::new(Arc::clone(&group)));
        self.state = GroupState::succeeding(group, before);
    }

    /// The result of a query, seconds after the start: a line for each series.
    pub(crate) fn query(&self, query: &str, second: i64) -> Vec<String> {
        let time = START + second * 1000;
        let answer = self.engine.instant(&*self.tsdb, query, time, &Cancel::new()).unwrap();
        let Value::Vector(elements) = answer.value else { panic!("{query} gives no series") };
        let mut lines: Vec<_> =
            elements.iter().map(|element| format!("{} {}", element.labels, element.sample.value)).collect();
        lines.sort();
        lines
    }

    /// The last error of a rule.
    pub(crate) fn error(&self, rule: usize) -> Option<&str> {
        self.state.health(rule).1
    }
}
