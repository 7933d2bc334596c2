//! How alerts change, step by step.

use crate::world::{START, World, group};
use tidewatch_model::Labels;
use tidewatch_rules::{AlertState, RuleHealth};

/// The states of the alerts of a rule: `p`ending, `f`iring, `i`nactive; `.` when there are none.
fn shown(world: &World) -> String {
    let letters = world.state.alerts(0).map(|alert| match alert.state {
        AlertState::Pending => 'p',
        AlertState::Firing => 'f',
        _ => 'i',
    });
    let letters: String = letters.collect();
    if letters.is_empty() { ".".to_owned() } else { letters }
}

#[test]
fn states_follow_the_expression_minute_by_minute() {
    // a digit per minute: whether the expression holds; and the alert's state after it
    let check = |durations: &str, holds: &str, expected: &str| {
        let mut world = World::of(&format!("- {{alert: A, expr: x == 1{durations}}}"));
        let mut states = String::new();
        for (minute, value) in holds.chars().enumerate() {
            let second = minute as i64 * 60;
            world.put("x", second, if value == '1' { 1.0 } else { 0.0 });
            world.evaluate(second);
            states += &shown(&world);
        }
        assert_eq!(states, expected, "{durations} {holds}");
    };
    check("", "101", "fif");
    check(", for: 2m", "11111", "ppfff");
    check(", for: 2m", "110111", "pp.ppf");
    check(", for: 90s", "1110111", "ppfippf");
    check(", keep_firing_for: 2m", "10000", "fffii");
    check(
        ", keep_firing_for: 2m",
        "1001000",
        "fffffff".get(..5).map(|f| f.to_owned() + "fi").unwrap().as_str(),
    );
    check(", for: 2m, keep_firing_for: 5m", "10", "p.");
    check(", for: 1m, keep_firing_for: 1m", "1100", "pffi");
    // a resolved alert is kept for 15 minutes
    check("", "10000000000000000000", "fiiiiiiiiiiiiiiii...");
}

#[test]
fn the_state_of_a_rule_is_that_of_its_most_urgent_alert() {
    let mut world = World::of("- {alert: A, expr: x > 0, for: 1m}\n- {record: b, expr: x}");
    assert_eq!((world.state.state(0), world.state.state(1)), (Some(AlertState::Unknown), None));
    assert_eq!(world.state.health(0), (RuleHealth::Unknown, None));
    world.put("x{a=\"1\"}", 0, 0.0);
    world.evaluate(0);
    assert_eq!(world.state.state(0), Some(AlertState::Inactive));
    world.put("x{a=\"1\"}", 60, 1.0);
    world.evaluate(60);
    assert_eq!(world.state.state(0), Some(AlertState::Pending));
    world.put("x{a=\"2\"}", 120, 1.0);
    world.evaluate(120);
    assert_eq!(world.state.state(0), Some(AlertState::Firing));
    let alerts: Vec<_> =
        world.state.alerts(0).map(|a| (a.labels.to_string(), a.state, a.active_at)).collect();
    let of = |a: &str, state, at| (format!("{{a=\"{a}\", alertname=\"A\"}}"), state, START + at);
    assert_eq!(alerts, [of("1", AlertState::Firing, 60_000), of("2", AlertState::Pending, 120_000)]);
}

#[test]
fn a_longer_hold_after_a_reload_makes_a_firing_alert_pending_again() {
    let rule = |hold: &str| group("interval: 1m", &format!("- {{alert: A, expr: x, for: {hold}}}"));
    let mut world = World::new(rule("1m"));
    for minute in 0..3 {
        world.put("x", minute * 60, 1.0);
        world.evaluate(minute * 60);
    }
    assert_eq!(shown(&world), "f");
    world.reload(rule("10m"));
    assert_eq!(shown(&world), "f");
    world.evaluate(180);
    assert_eq!(shown(&world), "p");
    assert_eq!(world.query("ALERTS", 180), ["ALERTS{alertname=\"A\", alertstate=\"pending\"} 1"]);
}

#[test]
fn alerts_are_sent_when_they_fire_or_end_and_again_after_the_delay() {
    let mut world =
        World::of("- {alert: A, expr: x == 1, for: 1m, labels: {severity: page}, annotations: {s: text}}");
    world.external_labels = Labels::from_pairs([("cluster", "c"), ("severity", "external")]);
    let mut sent = Vec::new();
    for (half_minutes, value) in [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0].iter().enumerate() {
        let second = half_minutes as i64 * 30;
        world.put("x", second, *value);
        for alert in world.evaluate(second).alerts {
            let relative = |time: i64| (time - START) / 1000;
            sent.push((second, relative(alert.starts_at), relative(alert.ends_at)));
            assert_eq!(alert.labels.to_string(), "{alertname=\"A\", cluster=\"c\", severity=\"page\"}");
            assert_eq!(alert.annotations.to_string(), "{s=\"text\"}");
            assert_eq!(alert.generator_url, "http://here:9090/graph?g0.expr=x+%3D%3D+1&g0.tab=1");
        }
    }
    // pending ones are not sent; those that go on are valid for four times the interval; "more than" the delay has to pass
    assert_eq!(sent, [(60, 60, 300), (150, 60, 390), (180, 60, 180), (270, 60, 180)]);
    // external labels are not in the alert itself
    assert_eq!(
        world.state.alerts(0).next().unwrap().labels.to_string(),
        "{alertname=\"A\", severity=\"page\"}"
    );
}

#[test]
fn too_many_alerts_fail_the_rule_and_forget_them_all() {
    let mut world = World::new(group("limit: 1", "- {alert: A, expr: x}\n- {record: r, expr: x}"));
    world.put("x{a=\"1\"}", 0, 1.0);
    assert_eq!(world.evaluate(0).failures, 0);
    world.put("x{a=\"2\"}", 60, 1.0);
    let outcome = world.evaluate(60);
    assert_eq!((outcome.failures, outcome.evaluations, outcome.alerts.len()), (2, 2, 0));
    assert_eq!(world.error(0), Some("exceeded limit of 1 with 2 alerts"));
    assert_eq!(world.error(1), Some("exceeded limit of 1 with 2 series"));
    assert_eq!(shown(&world), ".");
    // nothing is written, and nothing is ended either
    assert_eq!(world.query("r", 60), ["r{a=\"1\"} 1"]);
    assert_eq!(world.query("r", 60).len(), 1);
}

#[test]
fn results_that_become_the_same_alert_fail_the_rule_and_change_nothing() {
    let mut world = World::of("- {alert: A, expr: x, labels: {a: same}}");
    world.put("x{a=\"1\"}", 0, 1.0);
    world.evaluate(0);
    world.put("x{a=\"2\"}", 60, 1.0);
    world.evaluate(60);
    let expected = "vector contains metrics with the same labelset after applying alert labels";
    assert_eq!((world.error(0), shown(&world).as_str()), (Some(expected), "f"));
}

#[test]
fn a_failing_query_leaves_everything_as_it_was() {
    let mut world = World::of("- {alert: A, expr: x * on () y}\n- {record: r, expr: x * on () y}");
    world.put("x", 0, 1.0);
    world.put("y{a=\"1\"}", 0, 1.0);
    world.evaluate(0);
    world.put("y{a=\"2\"}", 30, 1.0);
    let outcome = world.evaluate(30);
    assert_eq!((outcome.failures, shown(&world).as_str()), (2, "f"));
    assert!(world.error(1).unwrap().contains("many-to-many"), "{:?}", world.error(1));
    assert_eq!(world.query("r", 30), ["r 1"]);
}

/// The alerts of a rule with their labels and annotations.
fn told(world: &World) -> Vec<String> {
    world.state.alerts(0).map(|alert| format!("{} {}", alert.labels, alert.annotations)).collect()
}

#[test]
fn templates_see_the_results_labels_and_what_expands_to_nothing_is_dropped() {
    let mut world = World::of(
        "- {alert: A, expr: x > 0, labels: {a: fixed, none: '{{ $labels.nope }}', of: '{{ $labels.a }}'}, annotations: {s: '{{ $labels.a }} {{ $value | humanize }} {{ $externalLabels.cluster }} {{ $externalURL }}', bad: '{{ query \"nothing\" | first | value }}'}}",
    );
    world.external_labels = Labels::from_pairs([("cluster", "c")]);
    world.put("x{a=\"1\",alertname=\"other\"}", 0, 1500.0);
    world.evaluate(0);
    let [told] = told(&world).try_into().unwrap();
    assert!(
        told.starts_with("{a=\"fixed\", alertname=\"A\", of=\"1\"} {bad=\"<error expanding template: "),
        "{told}"
    );
    assert!(told.ends_with("s=\"1 1.5k c http://here:9090\"}"), "{told}");
    // the series begins with the labels as they are written
    let series = "ALERTS{a=\"fixed\", alertname=\"A\", alertstate=\"firing\", none=\"{{ $labels.nope }}\", of=\"1\"} 1";
    assert_eq!(world.query("ALERTS", 0), [series]);
}

#[test]
fn a_label_with_the_value_makes_another_alert_of_every_value() {
    let mut world = World::of("- {alert: A, expr: x > 0, for: 1m, labels: {v: '{{ $value }}'}}");
    for (minute, value, expected) in [(0, 1.0, "p"), (1, 1.0, "f"), (2, 2.0, "ip"), (3, 2.0, "if")] {
        world.put("x", minute * 60, value);
        world.evaluate(minute * 60);
        assert_eq!(shown(&world), expected, "{minute}");
    }
}

#[test]
fn annotations_keep_the_last_active_value_while_an_alert_is_kept_firing() {
    let mut world =
        World::of("- {alert: A, expr: x > 0, keep_firing_for: 5m, annotations: {s: '{{ $value }}'}}");
    for (minute, value, expected) in [(0, 1.0, "1"), (1, 2.0, "2"), (2, 0.0, "2")] {
        world.put("x", minute * 60, value);
        world.evaluate(minute * 60);
        assert_eq!(told(&world), [format!("{{alertname=\"A\"}} {{s=\"{expected}\"}}")]);
    }
    assert_eq!(world.state.alerts(0).next().unwrap().keep_firing_since, Some(START + 120_000));
}

#[test]
fn templates_can_query_what_earlier_rules_recorded() {
    let mut world = World::of(
        "- {record: r, expr: x * 2}\n- {alert: A, expr: x, annotations: {s: '{{ with query \"r\" }}{{ . | first | value }}{{ end }}'}}",
    );
    world.put("x", 0, 21.0);
    world.evaluate(0);
    assert_eq!(world.state.alerts(1).next().unwrap().annotations.to_string(), "{s=\"42\"}");
}
