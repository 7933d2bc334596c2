//! Since when alerts are active, after a restart.

use crate::world::{START, World, group};
use std::sync::Arc;
use tidewatch_model::Labels;
use tidewatch_rules::{AlertState, GroupState};

/// Runs an alert from 0 until `down` minutes, restarts after `outage` minutes, and gives the alert's state after the restoration with
/// the minute it counts as active from, and the minute it fires.
fn restart(hold: &str, down: i64, outage: i64) -> (AlertState, i64, Option<i64>) {
    let rule = group(
        "interval: 1m",
        &format!("- {{alert: A, expr: x > 0, for: {hold}, labels: {{s: '{{{{ $labels.s }}}}'}}}}"),
    );
    let mut world = World::new(Arc::clone(&rule));
    let step = |world: &mut World, minute: i64| {
        world.put("x{s=\"1\"}", minute * 60, 1.0);
        world.evaluate(minute * 60);
    };
    (0..=down).for_each(|minute| step(&mut world, minute));
    let up = down + outage;
    world.state = GroupState::awaiting_restore(rule);
    step(&mut world, up - 1);
    step(&mut world, up);
    let written = world.query("timestamp(ALERTS_FOR_STATE)", down * 60);
    assert_eq!(written, [format!("{{alertname=\"A\", s=\"1\"}} {}", START / 1000 + down * 60)]);
    world.restore(up * 60);
    let alert = world.state.alerts(0).next().unwrap();
    let (state, active) = (alert.state, (alert.active_at - START) / 60_000);
    let fires = (up + 1..up + 200).find(|minute| {
        step(&mut world, *minute);
        world.state.state(0) == Some(AlertState::Firing)
    });
    (state, active, fires)
}

#[test]
fn what_was_pending_waits_for_the_rest_of_its_time() {
    let check = |hold: &str, down: i64, outage: i64, active: i64, fires: i64| {
        let found = restart(hold, down, outage);
        assert_eq!(found, (AlertState::Pending, active, Some(fires)), "{hold} {down} {outage}");
    };
    // it was firing: it fires with the next evaluation
    check("10m", 12, 20, 0, 33);
    // 25 of 30 minutes are left: the outage is added
    check("30m", 5, 20, 20, 50);
    // 5 of 30 minutes are left: the grace period of 10 minutes has to pass
    check("30m", 25, 20, 25, 55);
    // shorter than the grace period: it begins anew
    check("5m", 3, 20, 22, 27);
    // the outage was longer than is tolerated: it begins anew
    check("30m", 5, 70, 74, 104);
}

#[test]
fn an_alert_that_had_ended_before_the_outage_begins_anew() {
    let rule = group("interval: 1m", "- {alert: A, expr: x > 0, for: 30m}");
    let mut world = World::new(Arc::clone(&rule));
    for (minute, value) in [(0, 1.0), (1, 1.0), (2, 0.0)] {
        world.put("x", minute * 60, value);
        world.evaluate(minute * 60);
    }
    world.state = GroupState::awaiting_restore(rule);
    world.put("x", 600, 1.0);
    world.evaluate(600);
    world.restore(600);
    assert_eq!(world.state.alerts(0).next().unwrap().active_at, START + 600_000);
}

#[test]
fn until_it_is_restored_a_group_writes_no_alerts_but_sends_them() {
    let rule = group("interval: 1m", "- {alert: A, expr: x > 0}\n- {record: r, expr: x}");
    let mut world = World::new(Arc::clone(&rule));
    world.state = GroupState::awaiting_restore(rule);
    world.put("x", 0, 1.0);
    assert_eq!(world.evaluate(0).alerts.len(), 1);
    assert_eq!((world.query("ALERTS", 0).len(), world.query("r", 0).len()), (0, 1));
    world.restore(0);
    world.evaluate(60);
    assert_eq!(world.query("ALERTS", 60).len(), 1);
    assert_eq!(world.state.alerts(0).next().unwrap().labels, Labels::from_pairs([("alertname", "A")]));
}
