//! What is read from rule files and PrometheusRules, and how mistakes are refused.

use crate::world::groups;
use std::time::Duration;
use tidewatch_manifest::load_text;
use tidewatch_rules::{LoadOptions, RuleKind, check_identities, groups_of, load_rule_file};

fn errors(text: &str) -> String {
    match load_rule_file("r.yml", text, &LoadOptions::default()) {
        Ok(_) => panic!("accepted:\n{text}"),
        Err(errors) => errors.to_string(),
    }
}

#[test]
fn a_group_is_read_with_all_it_says() {
    let text = "groups:\n- name: g\n  interval: 15s\n  query_offset: 30s\n  limit: 5\n  labels: {team: a, tier: '1'}\n  rules:\n\
                \x20 - record: job:up:sum\n    expr: sum(up)by(job)\n    labels: {team: b}\n\
                \x20 - {alert: Down, expr: up==0, for: 5m, keep_firing_for: 1m, annotations: {summary: '{{ $labels.job }}'}}\n\
                - name: h\n  rules: []\n";
    let groups = groups(text);
    let [g, h] = groups.as_slice() else { panic!("{groups:?}") };
    assert_eq!((g.key().as_str(), g.interval, g.limit), ("rules.yml;g", Duration::from_secs(15), 5));
    assert_eq!(g.query_offset, Some(Duration::from_secs(30)));
    assert_eq!((h.interval, h.query_offset), (Duration::from_secs(60), None));
    let [recording, alerting] = g.rules.as_slice() else { panic!("{g:?}") };
    assert_eq!((recording.query.as_str(), recording.line), ("sum by (job) (up)", 8));
    assert!(
        recording.labels.iter().map(|(n, v)| (n.as_str(), v.as_str())).eq([("team", "b"), ("tier", "1")])
    );
    let RuleKind::Alerting(alert) = &alerting.kind else { panic!("{alerting:?}") };
    assert_eq!((alert.hold_for.as_secs(), alert.keep_firing_for.as_secs()), (300, 60));
    assert_eq!((alerting.name.as_str(), alerting.query.as_str()), ("Down", "up == 0"));
}

#[test]
fn mistakes_are_told_in_prometheuss_words_with_their_place_and_a_remedy() {
    let check = |text: &str, expected: &[&str]| {
        let found = errors(text);
        for expected in expected {
            assert!(found.contains(expected), "{text}\n{found}\nlacks {expected}");
        }
    };
    let rule = |rule: &str| format!("groups:\n- name: g\n  rules:\n  - {rule}\n");
    check(
        &rule("{record: a, alert: b, expr: up}"),
        &[
            "r.yml:4:14: group \"g\", rule 1, \"b\": only one of 'record' and 'alert' must be set",
            "\n  hint: ",
        ],
    );
    check(
        &rule("{expr: up}"),
        &["r.yml:4:1: group \"g\", rule 1, \"\": one of 'record' or 'alert' must be set"],
    );
    check(&rule("{record: a}"), &["field 'expr' must be set in rule"]);
    check(
        &rule("{record: a, expr: 'sum(up'}"),
        &["r.yml:4:23: group \"g\", rule 1, \"a\": could not parse expression: 1:7: parse error: "],
    );
    check(
        &rule("{record: a, expr: up, for: 5m, keep_firing_for: 1m, annotations: {a: b}}"),
        &[
            "invalid field 'annotations' in recording rule",
            "invalid field 'for' in recording rule",
            "invalid field 'keep_firing_for' in recording rule",
        ],
    );
    check(
        &rule("{record: 'a{b=\"c\"}', expr: up}"),
        &["braces present in the recording rule name; should it be in expr?: a{b=\"c\"}"],
    );
    check(&rule("{record: a, expr: up, labels: {__name__: b}}"), &["invalid label name: __name__"]);
    check(&rule("{alert: a, expr: up, labels: {'': b}}"), &["invalid label name: "]);
    check(&rule("{alert: a, expr: up, annotations: {'': b}}"), &["invalid annotation name: "]);
    check(
        &rule("{alert: a, expr: up, for: 5}"),
        &["r.yml:4:31: ", "invalid duration \"5\"", "hint: write e.g."],
    );
    check(
        &rule("{alert: a, exprr: up}"),
        &["r.yml:4:16: groups[0].rules[0].exprr: unknown field", "did you mean expr?"],
    );
    check(
        &rule("{alert: a, expr: up, labels: {b: '{{ nope }}'}, annotations: {c: '{{ $nope }}', d: '{{'}}"),
        &[
            "r.yml:4:13: group \"g\", rule 1, \"a\": label \"b\": template: __alert_a:1: function \"nope\" not defined",
            "annotation \"c\": template: __alert_a:1: undefined variable \"$nope\"",
            "annotation \"d\": ",
        ],
    );
    check("groups:\n- rules: []\n", &["r.yml:2:3: Groupname must not be empty"]);
    check(
        "groups:\n- name: g\n  rules: []\n- name: g\n  rules: []\n",
        &["r.yml:4:3: groupname: \"g\" is repeated in the same file"],
    );
    check("groups: [{name: g, labels: {__name__: x}}]", &["invalid label name: __name__"]);
    check("groups:\n- name: g\n   rules: []\n", &["not valid YAML"]);
}

#[test]
fn every_mistake_of_a_file_is_told_at_once() {
    let text = "groups:\n- name: g\n  rules:\n  - {record: a, expr: '('}\n  - {alert: b, expr: ')'}\n";
    let found = errors(text);
    assert!(found.contains("rule 1, \"a\"") && found.contains("rule 2, \"b\""), "{found}");
}

#[test]
fn names_outside_the_classic_syntax_are_taken_unless_it_is_asked_for() {
    let text = "groups: [{name: g, rules: [{record: a.b, expr: up, labels: {c.d: e}}]}]";
    assert_eq!(groups(text)[0].rules[0].name, "a.b");
    let legacy = LoadOptions { legacy_names: true, ..LoadOptions::default() };
    let found = load_rule_file("r.yml", text, &legacy).unwrap_err().to_string();
    assert!(found.contains("invalid recording rule name: a.b") && found.contains("invalid label name: c.d"));
}

#[test]
fn experimental_functions_need_to_be_switched_on() {
    let text = "groups: [{name: g, rules: [{record: a, expr: 'sort_by_label(up, \"job\")'}]}]";
    assert!(errors(text).contains("could not parse expression"));
    let options = LoadOptions { experimental_functions: true, ..LoadOptions::default() };
    load_rule_file("r.yml", text, &options).unwrap();
}

#[test]
fn the_file_of_a_prometheus_rule_is_named_after_it() {
    let text = "apiVersion: monitoring.coreos.com/v1\nkind: PrometheusRule\nmetadata: {name: todo, namespace: prod}\nspec:\n\
                \x20 groups:\n  - name: g\n    rules:\n    - {record: a, expr: up}\n    - {alert: b, expr: 'up ='}\n";
    let read = |text: &str| {
        let manifests = load_text("dir/m.yaml", text).unwrap();
        groups_of(&manifests.prometheus_rules[0], &LoadOptions::default())
    };
    let error = read(text).unwrap_err().to_string();
    assert!(error.starts_with("dir/m.yaml:9:24: group \"g\", rule 2, \"b\": could not parse"), "{error}");
    let groups = read(&text.replace("up =", "up")).unwrap();
    assert_eq!(groups[0].key(), "prod-todo.yaml;g");
    assert!(check_identities(groups.iter().chain(&groups)).unwrap_err().to_string().contains("is repeated"));
}

#[test]
fn a_template_that_fails_only_when_it_runs_is_taken() {
    groups(
        "groups: [{name: g, rules: [{alert: a, expr: up, annotations: {s: '{{ query \"(\" | first }}'}}]}]",
    );
}
