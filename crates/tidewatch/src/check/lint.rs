//! What is not wrong, and yet hardly meant: promtool's `--lint`.
//!
//! Input: checked rules, scrape jobs. Output: promtool's words about rules that write the same series, and about jobs so slow that their
//! series are stale between two scrapes.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;
use tidewatch_manifest::ScrapeConfig;
use tidewatch_model::format_duration;
use tidewatch_rules::RuleGroup;

/// Whether a check is asked for; `none` takes back all others.
pub(super) fn asks_for(lint: &[String], check: &str) -> bool {
    let named = |name: &str| lint.iter().any(|one| one == name);
    !named("none") && (named(check) || named("all"))
}

/// Rules of the same name with the same labels, each named once.
pub(super) fn duplicate_rules(groups: &[RuleGroup]) -> Option<String> {
    let rules = groups.iter().flat_map(|group| &group.rules);
    let mut seen = BTreeSet::new();
    let repeated = rules.map(|rule| (&rule.name, &rule.labels)).filter(|rule| !seen.insert(*rule));
    let duplicates: BTreeSet<_> = repeated.collect();
    if duplicates.is_empty() {
        return None;
    }
    let mut text = format!("lint error {} duplicate rule(s) found.\n", duplicates.len());
    for (name, labels) in duplicates {
        let _ = write!(text, "Metric: {name}\nLabel(s):\n");
        for (label, value) in labels {
            let _ = writeln!(text, "\t{label}: {value}");
        }
    }
    text.push_str("Might cause inconsistency while recording expressions");
    Some(text)
}

/// The first job whose samples are as old as `lookback` when the next ones come.
pub(super) fn too_long_interval(jobs: &[ScrapeConfig], lookback: Duration) -> Option<String> {
    let job = jobs.iter().find(|job| job.scrape_interval >= lookback)?;
    let interval = format_duration(job.scrape_interval);
    Some(format!(
        "too long scrape interval found, data point will be marked as stale - job: {}, interval: {interval}",
        job.job_name
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidewatch_rules::{LoadOptions, load_rule_file};

    #[test]
    fn none_takes_back_what_is_asked_for() {
        let check = |lint: &[&str], expected: bool| {
            let lint: Vec<String> = lint.iter().map(|one| (*one).to_owned()).collect();
            assert_eq!(asks_for(&lint, "duplicate-rules"), expected, "{lint:?}");
        };
        check(&["duplicate-rules"], true);
        check(&["all"], true);
        check(&["too-long-scrape-interval"], false);
        check(&["all", "none"], false);
    }

    #[test]
    fn rules_that_write_the_same_are_told_once() {
        let of =
            |text: &str| duplicate_rules(&load_rule_file("r.yml", text, &LoadOptions::default()).unwrap());
        let rules = "groups:\n- {name: g, labels: {z: '1'}, rules: [{record: b, expr: x}, {record: a, expr: x, labels: {y: '2'}}]}\n";
        assert_eq!(of(rules), None);
        let more = "- {name: h, rules: [{alert: a, expr: y, labels: {y: '2', z: '1'}}, {record: a, expr: y, labels: {y: '2', z: '1'}}, {record: b, expr: x, labels: {z: '1'}}]}\n";
        // printed by promtool 3.16 for this text
        let expected = "lint error 2 duplicate rule(s) found.\nMetric: a\nLabel(s):\n\ty: 2\n\tz: 1\nMetric: b\nLabel(s):\n\tz: 1\n\
                        Might cause inconsistency while recording expressions";
        assert_eq!(of(&format!("{rules}{more}")).as_deref(), Some(expected));
    }

    #[test]
    fn a_job_slower_than_the_lookback_is_told() {
        let slow = ScrapeConfig { scrape_interval: Duration::from_secs(300), ..ScrapeConfig::new("slow") };
        let jobs = [ScrapeConfig::new("a"), slow];
        let told = too_long_interval(&jobs, Duration::from_secs(300)).unwrap();
        assert!(told.ends_with("job: slow, interval: 5m"), "{told}");
        assert_eq!(too_long_interval(&jobs, Duration::from_secs(301)), None);
    }
}
