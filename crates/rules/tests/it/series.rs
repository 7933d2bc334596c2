//! What rules write: recorded series, the series of alerts, and the marks that end them.

use crate::world::{World, group};

#[test]
fn results_are_recorded_under_the_rules_name_and_labels() {
    let check = |rule: &str, expected: &[&str]| {
        let mut world = World::of(&format!("- {{record: r, {rule}}}"));
        world.put("x{a=\"1\",b=\"2\"}", 0, 5.0);
        world.evaluate(0);
        assert_eq!(world.error(0), None);
        assert_eq!(world.query("r", 0), expected, "{rule}");
    };
    check("expr: x", &["r{a=\"1\", b=\"2\"} 5"]);
    check("expr: x, labels: {a: '', c: '3'}", &["r{b=\"2\", c=\"3\"} 5"]);
    check("expr: sum(x)", &["r 5"]);
    check("expr: scalar(x) + 1", &["r 6"]);
    check("expr: x, labels: {a: '{{ 1 }}'}", &["r{a=\"{{ 1 }}\", b=\"2\"} 5"]);
}

#[test]
fn a_rule_reads_what_earlier_rules_of_its_group_wrote_at_that_moment() {
    let mut world = World::of(
        "- {record: a, expr: x + 1}\n- {record: b, expr: a * 2}\n- {record: c, expr: '{__name__=~\"a|b\"}', labels: {of: c}}\n\
         - {record: d, expr: 'count({__name__=~\".+\"})'}",
    );
    // the names differ, the labels do not: recorded under one name they would be the same series
    for second in [0, 60] {
        world.put("x", second, second as f64);
        world.evaluate(second);
        assert_eq!(world.query("b", second), [format!("b {}", (second + 1) * 2)]);
    }
    assert_eq!(
        world.error(2),
        Some("vector contains metrics with the same labelset after applying rule labels")
    );
    assert_eq!(world.query("d", 60), ["d 4"]);
}

#[test]
fn series_that_vanish_end_at_once_and_come_back() {
    let mut world = World::of("- {record: r, expr: x > 0}");
    for (second, a, b, expected) in [
        (0, 1.0, 1.0, vec!["r{s=\"a\"} 1", "r{s=\"b\"} 1"]),
        (60, 2.0, 0.0, vec!["r{s=\"a\"} 2"]),
        (120, 0.0, 3.0, vec!["r{s=\"b\"} 3"]),
        (180, 0.0, 0.0, vec![]),
        (240, 4.0, 4.0, vec!["r{s=\"a\"} 4", "r{s=\"b\"} 4"]),
        (300, 5.0, 5.0, vec!["r{s=\"a\"} 5", "r{s=\"b\"} 5"]),
    ] {
        world.put("x{s=\"a\"}", second, a);
        world.put("x{s=\"b\"}", second, b);
        world.evaluate(second);
        assert_eq!(world.query("r", second), expected, "{second}");
    }
}

#[test]
fn results_that_become_the_same_series_fail_the_rule() {
    let mut world = World::of("- {record: r, expr: x, labels: {a: same}}");
    world.put("x{a=\"1\"}", 0, 1.0);
    world.put("x{a=\"2\"}", 0, 2.0);
    assert_eq!(world.evaluate(0).failures, 1);
    assert_eq!(
        world.error(0),
        Some("vector contains metrics with the same labelset after applying rule labels")
    );
    assert_eq!(world.query("r", 0), [""; 0]);
}

#[test]
fn a_result_that_is_no_vector_fails_the_rule() {
    let mut world = World::of("- {record: r, expr: '\"text\"'}\n- {record: s, expr: 'x[5m]'}");
    world.evaluate(0);
    for rule in [0, 1] {
        assert_eq!(world.error(rule), Some("rule result is not a vector or scalar"));
    }
}

#[test]
fn alerts_are_written_with_their_state_and_since_when() {
    let mut world = World::of("- {alert: A, expr: x > 0, for: 1m, labels: {severity: page, a: ''}}");
    let state = |state: &str| {
        vec![format!("ALERTS{{alertname=\"A\", alertstate=\"{state}\", b=\"2\", severity=\"page\"}} 1")]
    };
    for (second, value, expected) in
        [(0, 1.0, state("pending")), (60, 1.0, state("firing")), (120, 0.0, vec![])]
    {
        world.put("x{a=\"1\",b=\"2\"}", second, value);
        world.evaluate(second);
        assert_eq!(world.query("ALERTS", second), expected);
        let since: &[&str] = match second {
            120 => &[],
            _ => &["ALERTS_FOR_STATE{alertname=\"A\", b=\"2\", severity=\"page\"} 1700000000"],
        };
        assert_eq!(world.query("ALERTS_FOR_STATE", second), since);
    }
}

#[test]
fn samples_refused_by_the_store_show_as_the_rules_last_error() {
    let mut world = World::of("- {record: r, expr: x}");
    world.put("x", 0, 1.0);
    world.put("r", 60, 9.0);
    let outcome = world.evaluate(60);
    // the rule as such did not fail
    assert_eq!((outcome.failures, world.error(0)), (0, Some("duplicate sample for timestamp")));
    world.evaluate(30);
    assert_eq!(world.error(0), Some("out of order sample"));
    world.put("x", 90, 2.0);
    world.evaluate(90);
    assert_eq!((world.error(0), world.query("r", 90)), (None, vec!["r 2".to_owned()]));
}

#[test]
fn an_offset_evaluates_in_the_past_and_writes_there() {
    let mut world =
        World::new(group("query_offset: 30s", "- {record: r, expr: x}\n- {alert: A, expr: x > 1, for: 1m}"));
    world.put("x", 0, 1.0);
    world.put("x", 30, 2.0);
    world.evaluate(30);
    assert_eq!((world.query("r", 0), world.query("r", 29)), (vec!["r 1".to_owned()], vec!["r 1".to_owned()]));
    assert_eq!(world.query("ALERTS", 30), [""; 0]);
    world.evaluate(60);
    assert_eq!(world.query("r", 30), ["r 2"]);
    // written in the past, active as of now
    assert_eq!(world.query("ALERTS", 30), ["ALERTS{alertname=\"A\", alertstate=\"pending\"} 1"]);
    assert_eq!(world.query("ALERTS_FOR_STATE", 30), ["ALERTS_FOR_STATE{alertname=\"A\"} 1700000060"]);
}

#[test]
fn a_reload_keeps_rules_that_stay_and_ends_the_series_of_those_that_go() {
    let mut world = World::of(
        "- {record: stays, expr: x}\n- {record: goes, expr: x}\n- {record: twice, expr: x}\n- {record: twice, expr: x + 1}\n\
         - {alert: A, expr: x, for: 2m}\n- {alert: B, expr: x}",
    );
    world.put("x", 0, 1.0);
    world.evaluate(0);
    assert_eq!(world.query("ALERTS", 0).len(), 2);
    world.reload(group(
        "interval: 30s",
        "- {record: new, expr: x}\n- {alert: A, expr: x + 0, for: 2m}\n- {record: twice, expr: x}\n- {record: stays, expr: x + 1}",
    ));
    world.evaluate(120);
    let of = |query: &str| world.query(query, 120);
    assert_eq!((of("stays"), of("goes")), (vec!["stays 2".to_owned()], vec![]));
    assert_eq!(of("new"), ["new 1"]);
    // the second of two equal rules went; the mark of its series comes after the first one's sample and is refused
    assert_eq!(of("twice"), ["twice 1"]);
    // A was pending for two minutes, over the reload
    assert_eq!(of("ALERTS"), ["ALERTS{alertname=\"A\", alertstate=\"firing\"} 1"]);
}

#[test]
fn rules_that_read_the_same_series_over_different_ranges_give_what_each_gives_alone() {
    let expressions = [
        "x",
        "rate(x[1m])",
        "x offset 2m",
        "rate(x[5m])",
        "sum_over_time(x[10m])",
        "rate(x[2m] offset 3m)",
        "max_over_time(x[4m:30s])",
        "x @ 1700000100",
        "count_over_time(x[1m])",
        "sum without (s) (x) * 2",
    ];
    let rules: Vec<_> = expressions
        .iter()
        .enumerate()
        .map(|(at, e)| format!("- {{record: 'r:{at}', expr: '{e}'}}"))
        .collect();
    // a rule that reads what was just recorded comes in between
    let rules = rules.join("\n")
        + "\n- {record: 'r:sum', expr: 'sum({__name__=~\"r:[0-9]\"})'}\n- {record: 'r:again', expr: 'rate(x[5m])'}";
    let mut world = World::of(&rules);
    for round in 0..40 {
        let second = round * 30;
        for series in 0..4 {
            if (round + series * 3) % 11 > 4 {
                world.put(&format!("x{{s=\"{series}\"}}"), second, (round * round + series) as f64);
            }
        }
        world.evaluate(second);
        let values = |lines: Vec<String>| -> Vec<String> {
            let without_name = |line: &String| {
                let (labels, value) = line.rsplit_once(' ').unwrap();
                let labels = labels.split_once('{').map_or("", |(_, rest)| rest.trim_end_matches('}'));
                format!("{labels} {value}")
            };
            lines.iter().map(without_name).collect()
        };
        for (at, expression) in expressions.iter().enumerate() {
            let recorded = values(world.query(&format!("r:{at}"), second));
            assert_eq!(recorded, values(world.query(expression, second)), "{expression} at {second}");
        }
        assert_eq!(values(world.query("r:again", second)), values(world.query("rate(x[5m])", second)));
        assert_eq!(
            world.query("r:sum - scalar(sum({__name__=~\"r:[0-9]\"}))", second),
            if world.query("r:sum", second).is_empty() { vec![] } else { vec!["{} 0".to_owned()] }
        );
    }
}

#[test]
fn alerts_that_end_in_one_series_do_not_fail() {
    let mut world = World::of("- {alert: Meta, expr: m}");
    world.put("m{alertstate=\"pending\", x=\"1\"}", 0, 1.0);
    world.put("m{alertstate=\"firing\", x=\"1\"}", 0, 2.0);
    for second in [0, 60] {
        let outcome = world.evaluate(second);
        assert_eq!((world.error(0), outcome.failures), (None, 0));
    }
    let series = world.query("ALERTS", 60);
    assert_eq!(series, ["ALERTS{alertname=\"Meta\", alertstate=\"firing\", x=\"1\"} 1"]);
}
