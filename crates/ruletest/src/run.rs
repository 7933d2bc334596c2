//! Runs the tests of a file: series come in, groups are evaluated, alerts and expressions are compared.
//!
//! Input: a test file and the rule files it names. Output: [`FileResult`], in promtool's words. Time is the tests' own; nothing is
//! printed here.

use crate::error::RuleTestError;
use crate::expectation::{check_alerts, check_expressions};
use crate::file::{Test, TestFile, parse_test_file};
use crate::rule_files::{load_files, resolve};
use crate::series::{Input, read_series};
use crate::shown::go_duration;
use crate::store::Store;
use regex::Regex;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tidewatch_model::Labels;
use tidewatch_promql::{Cancel, Engine, EngineOptions, Value};
use tidewatch_rules::{EvaluationContext, GroupState, LoadOptions};

/// How test files are run.
#[derive(Clone, Debug, Default)]
pub struct RunOptions {
    /// Only tests whose names match are run.
    pub only: Option<Regex>,
    /// Whether all series are told at the end of each test.
    pub dump: bool,
    /// Whether only differences of alerts are told.
    pub diff: bool,
    /// Whether unknown fields of rule files are passed over.
    pub ignore_unknown_fields: bool,
    /// Whether functions that Prometheus calls experimental may be used.
    pub experimental_functions: bool,
}

/// What came of a test file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileResult {
    /// Patterns of `rule_files` that match no file.
    pub unmatched: Vec<PathBuf>,
    /// The tests that were run, in order.
    pub tests: Vec<TestResult>,
}

impl FileResult {
    /// All that failed, in the order of the tests.
    pub fn failures(&self) -> impl Iterator<Item = &str> {
        self.tests.iter().flat_map(|test| test.failures.iter().map(String::as_str))
    }
}

/// What came of one test.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TestResult {
    /// Its name, or `unnamed#0` by its place.
    pub name: String,
    /// What is not as expected; nothing when the test passed.
    pub failures: Vec<String>,
    /// All series at the end, when they were asked for.
    pub dump: Option<String>,
}

/// Runs the tests of a file. Rule files are looked for beside it.
///
/// # Errors
/// When no test can be run.
pub fn run_file(path: &Path, options: &RunOptions) -> Result<FileResult, RuleTestError> {
    let file = path.display().to_string();
    let text = std::fs::read_to_string(path)
        .map_err(|error| RuleTestError::Unreadable { file: file.clone(), error })?;
    let tests = parse_test_file(&file, &text).map_err(RuleTestError::Fields)?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let (rules, unmatched) = resolve(folder, &tests.rule_files).map_err(RuleTestError::Pattern)?;
    if let Some((_, group)) =
        tests.group_order.iter().enumerate().find(|(at, group)| tests.group_order[..*at].contains(group))
    {
        return Err(RuleTestError::RepeatedGroup(group.clone()));
    }
    let mut result = FileResult { unmatched, tests: Vec::new() };
    for (at, test) in tests.tests.iter().enumerate() {
        if options.only.as_ref().is_some_and(|only| !only.is_match(&test.name)) {
            continue;
        }
        let name = if test.name.is_empty() { format!("unnamed#{at}") } else { test.name.clone() };
        let mut of_test = TestResult { name, ..TestResult::default() };
        run_test(test, &tests, &rules, options, &mut of_test);
        result.tests.push(of_test);
    }
    Ok(result)
}

/// Runs one test; what fails is added to its result.
fn run_test(test: &Test, file: &TestFile, rules: &[PathBuf], options: &RunOptions, result: &mut TestResult) {
    let input = match read_series(&test.series) {
        Ok(input) => input,
        Err(error) => return result.failures.push(error),
    };
    let load = LoadOptions {
        default_interval: test.interval,
        ignore_unknown_fields: options.ignore_unknown_fields,
        experimental_functions: options.experimental_functions,
        ..LoadOptions::default()
    };
    let mut groups = match load_files(rules, &load) {
        Ok(groups) => groups,
        Err(errors) => return result.failures.extend(errors.0.iter().map(ToString::to_string)),
    };
    if let Some(unnamed) = test.alerts.iter().find(|alert| alert.alert.is_empty()) {
        let of = if test.name.is_empty() { String::new() } else { format!(" (in TestGroup {})", test.name) };
        let at = tidewatch_model::format_duration(unnamed.at);
        return result.failures.push(format!(
            "an item under alert_rule_test misses required attribute alertname at eval_time {at}{of}"
        ));
    }
    groups.sort_by_key(|group| file.group_order.iter().position(|name| *name == group.name).unwrap_or(0));
    let engine = Engine::new(EngineOptions {
        experimental_functions: options.experimental_functions,
        default_step: file.evaluation_interval,
        // what promtool allows, but for the number of samples, which it limits to 10000
        timeout: Duration::from_secs(100),
        ..EngineOptions::default()
    });
    let store = Store::default();
    let states = groups.into_iter().map(|group| GroupState::new(Arc::new(group))).collect();
    let mut run = Run { test, file, engine, store, groups: states, input, options };
    let evaluated = run.evaluate(&mut result.failures);
    if evaluated {
        check_expressions(test, file.fuzzy, &run.engine, &run.store, &mut result.failures);
        if options.dump {
            result.dump = run.dump();
        }
    }
}

/// A test that runs.
struct Run<'a> {
    test: &'a Test,
    file: &'a TestFile,
    engine: Engine,
    store: Store,
    groups: Vec<GroupState>,
    input: Vec<Input>,
    options: &'a RunOptions,
}

impl Run<'_> {
    /// How long the test lasts, in milliseconds: until the last moment something is expected at.
    fn length(&self) -> i64 {
        let alerts = self.test.alerts.iter().map(|alert| alert.at);
        let expressions = self.test.expressions.iter().map(|expression| expression.at);
        alerts.chain(expressions).max().map_or(0, milliseconds)
    }

    /// Evaluates all groups at each interval and checks alerts. False when a rule could not be evaluated: nothing more is to be checked.
    fn evaluate(&mut self, failures: &mut Vec<String>) -> bool {
        let (interval, length) = (milliseconds(self.file.evaluation_interval), self.length());
        let external_labels = Labels::from_pairs(self.test.external_labels.clone());
        let mut since = 0;
        while since <= length {
            let now = self.test.start.saturating_add(since);
            if let Err(error) = self.append_till(now) {
                failures.push(error);
            } else {
                let context = EvaluationContext {
                    engine: &self.engine,
                    read: &self.store,
                    append: &self.store,
                    external_labels: &external_labels,
                    external_url: &self.test.external_url,
                    query_offset: Duration::ZERO,
                    resend_delay: Duration::ZERO,
                    cancel: &Cancel::new(),
                };
                let before = failures.len();
                for group in &mut self.groups {
                    group.evaluate(now, &context);
                    for (at, rule) in group.group().rules.iter().enumerate() {
                        if let (_, Some(error)) = group.health(at) {
                            let (rule, time) = (&rule.name, go_duration(now));
                            failures.push(format!("    rule: {rule}, time: {time}, err: {error}"));
                        }
                    }
                }
                if failures.len() > before {
                    return false;
                }
            }
            let window = since..since.saturating_add(interval);
            check_alerts(self.test, &window, &self.groups, self.options.diff, failures);
            since = window.end;
        }
        true
    }

    /// Writes the samples of the test's series up to a time.
    fn append_till(&mut self, now: i64) -> Result<(), String> {
        let step = milliseconds(self.test.interval);
        for series in &mut self.input {
            while let Some(value) = series.values.get(series.written) {
                let steps = i64::try_from(series.written).unwrap_or(i64::MAX);
                let time = self.test.start.saturating_add(step.saturating_mul(steps));
                if time > now {
                    break;
                }
                series.written += 1;
                let Some(value) = value else { continue };
                self.store.add(&series.labels, time, *value).map_err(|error| {
                    format!("{error}: series {} at {}", series.labels, go_duration(time - self.test.start))
                })?;
            }
        }
        Ok(())
    }

    /// All series with their samples at the end.
    fn dump(&self) -> Option<String> {
        // whole seconds, as PromQL has them, and one that is past what is expected
        let end = self.length() / 1000 * 1000 + 1000;
        let query = format!("{{__name__=~\".+\"}}[{}ms]", end + 1);
        let at = self.test.start.saturating_add(end);
        let Ok(Value::Matrix(all)) =
            self.engine.instant(&self.store, &query, at, &Cancel::new()).map(|answer| answer.value)
        else {
            return None;
        };
        let mut lines = Vec::new();
        for series in all {
            let samples: Vec<String> = series
                .samples
                .iter()
                .map(|sample| format!("{} @[{}]", sample.value, sample.timestamp))
                .collect();
            lines.push(format!("{} =>\n{}", series.labels, samples.join("\n")));
        }
        Some(lines.join("\n"))
    }
}

pub(crate) fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
