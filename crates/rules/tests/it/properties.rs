//! What holds for every course of values: alerts do not fire too early, and what is written is what the state says.

use crate::world::{START, World, group};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;
use tidewatch_rules::{AlertState, GroupState};

const SERIES: [&str; 3] = ["x{s=\"a\"}", "x{s=\"b\"}", "x{s=\"c\"}"];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// An alert fires only when the expression held at every evaluation for at least `for`, or because it is kept firing; each label
    /// set has one alert and one series that says its state.
    #[test]
    fn no_alert_fires_before_its_time(
        courses in proptest::collection::vec(proptest::collection::vec(any::<bool>(), SERIES.len()), 1..40),
        hold in 0i64..5,
        keep in 0i64..4,
    ) {
        let rule = format!("- {{alert: A, expr: x > 0, for: {}s, keep_firing_for: {}s}}", hold * 60, keep * 60);
        let mut world = World::of(&rule);
        let mut held: BTreeMap<usize, i64> = BTreeMap::new();
        let mut ended: BTreeMap<usize, i64> = BTreeMap::new();
        for (minute, holds) in courses.iter().enumerate() {
            let minute = minute as i64;
            for (at, holds) in holds.iter().enumerate() {
                world.put(SERIES[at], minute * 60, f64::from(u8::from(*holds)));
                if *holds {
                    held.entry(at).or_insert(minute);
                    ended.remove(&at);
                } else if held.remove(&at).is_some() {
                    ended.insert(at, minute);
                }
            }
            world.evaluate(minute * 60);
            let mut seen = Vec::new();
            for alert in world.state.alerts(0) {
                let at = SERIES.iter().position(|s| s.contains(&format!("{:?}", alert.labels.get("s").unwrap()))).unwrap();
                prop_assert!(!seen.contains(&at), "two alerts of {}", SERIES[at]);
                seen.push(at);
                match alert.state {
                    AlertState::Firing => match held.get(&at) {
                        Some(since) => prop_assert!(minute - since >= hold || alert.active_at < START + since * 60_000),
                        None => prop_assert!(minute - ended[&at] < keep),
                    },
                    AlertState::Pending => prop_assert!(minute - held[&at] < hold),
                    _ => prop_assert!(!held.contains_key(&at)),
                }
            }
            let expected: usize = world.state.alerts(0).filter(|a| a.resolved_at.is_none()).count();
            prop_assert_eq!(world.query("ALERTS", minute * 60).len(), expected);
            prop_assert_eq!(world.query("ALERTS_FOR_STATE", minute * 60).len(), expected);
            prop_assert!(held.keys().all(|at| seen.contains(at)));
        }
    }

    /// After a restart an alert fires no earlier than it would have without the outage, and no later than if it began anew, apart
    /// from the grace period.
    #[test]
    fn a_restored_alert_keeps_within_its_bounds(hold in 0i64..60, down in 0i64..50, outage in 2i64..50) {
        let rule = group("interval: 1m", &format!("- {{alert: A, expr: x > 0, for: {hold}m}}"));
        let mut world = World::new(Arc::clone(&rule));
        let step = |world: &mut World, minute: i64| {
            world.put("x", minute * 60, 1.0);
            world.evaluate(minute * 60);
            world.state.state(0) == Some(AlertState::Firing)
        };
        let fired_before = (0..=down).map(|minute| step(&mut world, minute)).last() == Some(true);
        let up = down + outage;
        world.state = GroupState::awaiting_restore(rule);
        step(&mut world, up - 1);
        let fired_at_once = step(&mut world, up);
        prop_assert_eq!(fired_at_once, hold <= 1);
        world.restore(up * 60);
        let fires = (up + 1..).find(|minute| step(&mut world, *minute)).unwrap();
        if fired_before || hold <= 1 {
            prop_assert_eq!(fires, up + 1);
        } else {
            prop_assert!(fires >= hold, "earlier than without the outage");
            prop_assert!(fires <= (up + hold).max(up + 10), "later than anew: {}", fires);
        }
    }

    /// Whatever a rule records, the series that are there afterwards are its results, under its name.
    #[test]
    fn what_is_recorded_is_what_the_expression_gives(
        courses in proptest::collection::vec(proptest::collection::vec(0i8..4, SERIES.len()), 1..25),
        reload_at in 0usize..25,
    ) {
        let rules = "- {record: r, expr: 'x > 1', labels: {l: v}}\n- {record: q, expr: 'count by (s) (r) or sum(x)'}";
        let mut world = World::of(rules);
        for (minute, values) in courses.iter().enumerate() {
            let second = minute as i64 * 60;
            for (series, value) in SERIES.iter().zip(values) {
                world.put(series, second, f64::from(*value));
            }
            if minute == reload_at {
                let state = std::mem::replace(&mut world.state, GroupState::new(group("interval: 30s", rules)));
                world.state = GroupState::succeeding(group("interval: 30s", rules), state);
            }
            world.evaluate(second);
            let expected: Vec<String> = world.query("x > 1", second).iter().map(|line| {
                line.replace("x{", "r{l=\"v\", ")
            }).collect();
            prop_assert_eq!(world.query("r", second), expected);
            let of_expression = world.query("count by (s) (r) or sum(x)", second).len();
            prop_assert_eq!(world.query("q", second).len(), of_expression);
        }
    }
}
