//! When who is told of what, in virtual time.

use crate::scenario::{BEGIN, Scenario, config, full_config};
use std::time::Duration;
use tidewatch_notify::{SendError, Simulation};

const QUICK: &str = "group_wait: 30s, group_interval: 5m, repeat_interval: 1h";

#[test]
fn a_group_is_told_after_its_wait_then_of_changes_then_again() {
    let mut scenario = Scenario::new(config(QUICK));
    scenario.fire(&["A"]).at(10).fire(&["B"]).at(29).told(&[]);
    scenario.at(30).told(&["+30s webhook[0] first notification: A B"]);
    scenario.at(100).fire(&["A", "B", "C"]).at(329).told(&[]);
    scenario.at(330).told(&["+5m30s webhook[0] new alerts added: A B C"]);
    // resolved because nobody spoke of them for five minutes
    scenario.at(400).fire(&["A", "C"]).at(630).told(&["+10m30s webhook[0] some alerts resolved: A -B C"]);
    for seconds in (660..4600).step_by(60) {
        scenario.at(seconds).fire(&["A", "C"]);
    }
    // more than an hour after the last one, at a turn of the group
    scenario.told(&["+1h15m30s webhook[0] repeat interval elapsed: A C"]);
    scenario.resolve(&["A", "C"]).at(10_000).told(&["+1h20m30s webhook[0] all alerts resolved: -A -C"]);
}

#[test]
fn an_old_alert_makes_a_group_that_is_told_at_once() {
    let mut scenario = Scenario::new(config(QUICK));
    scenario.post(&["A"], BEGIN - 30_001, 0).at(0).told(&["+0s webhook[0] first notification: A"]);
    let mut scenario = Scenario::new(config(QUICK));
    scenario.post(&["A"], BEGIN - 30_000, 0).at(29).told(&[]);
}

#[test]
fn what_is_over_before_the_first_turn_is_told_only_with_others() {
    let mut scenario = Scenario::new(config(QUICK));
    scenario.fire(&["A"]).at(10).resolve(&["A"]).at(1000).told(&[]);
    let mut scenario = Scenario::new(config(QUICK));
    scenario
        .fire(&["A", "B"])
        .at(10)
        .resolve(&["A"])
        .at(30)
        .told(&["+30s webhook[0] first notification: -A B"]);
    // firing, over and firing again between two turns is no change
    scenario.at(40).resolve(&["B"]).at(50).fire(&["B"]).at(340).told(&[]);
}

#[test]
fn without_send_resolved_the_end_is_not_told_but_remembered() {
    let mut scenario = Scenario::new(full_config(
        "route: {receiver: r, group_wait: 0s, group_interval: 1m}\n\
         receivers: [{name: r, webhook_configs: [{url: 'http://x', send_resolved: false}, {url: 'http://y'}]}]",
    ));
    scenario
        .fire(&["A", "B"])
        .at(0)
        .told(&["+0s webhook[0] first notification: A B", "+0s webhook[1] first notification: A B"]);
    scenario.at(10).resolve(&["A"]).at(60).told(&["+1m webhook[1] some alerts resolved: -A B"]);
    scenario.at(70).resolve(&["B"]).at(120).told(&["+2m webhook[1] all alerts resolved: -B"]);
    scenario
        .at(200)
        .fire(&["B"])
        .at(200)
        .told(&["+3m20s webhook[0] first notification: B", "+3m20s webhook[1] first notification: B"]);
}

#[test]
fn who_is_silenced_is_told_when_the_silence_is_over() {
    let mut scenario = Scenario::new(config("group_wait: 0s, group_interval: 1m"));
    let id = scenario.silence("alertname=A", 10_000);
    scenario.fire(&["A", "B"]).at(0).told(&["+0s webhook[0] first notification: B"]);
    scenario.at(70).simulation.expire_silence(&id).unwrap();
    scenario.at(120).told(&["+2m webhook[0] new alerts added: A B"]);
    // what ends while it is silenced is not told
    scenario.silence("alertname=A", 10_000);
    scenario.at(130).resolve(&["A"]).at(200).told(&[]);
}

#[test]
fn a_target_that_ends_while_inhibited_is_not_told() {
    let mut scenario = Scenario::new(full_config(
        "route: {receiver: r, group_by: [alertname], group_wait: 0s, group_interval: 1m}\n\
         inhibit_rules: [{source_matchers: [alertname=S], target_matchers: [alertname=T]}]\n\
         receivers: [{name: r, webhook_configs: [{url: 'http://x'}]}]",
    ));
    scenario.fire(&["T"]).at(0).told(&["+0s webhook[0] first notification: T"]);
    scenario.at(10).fire(&["S"]).at(20).told(&["+10s webhook[0] first notification: S"]);
    scenario.resolve(&["T"]).at(100).told(&[]);
    scenario.resolve(&["S"]).at(200).told(&["+2m10s webhook[0] all alerts resolved: -S"]);
}

#[test]
fn outside_of_its_times_a_route_tells_nothing() {
    // the first of January 2026 is a Thursday, midnight UTC
    let text = |which: &str| {
        format!(
            "route: {{receiver: r, routes: [{{group_wait: 0s, group_interval: 1h, {which}: [n]}}]}}\n\
             time_intervals: [{{name: n, time_intervals: [{{times: [{{start_time: '00:00', end_time: '02:30'}}]}}]}}]\n\
             receivers: [{{name: r, webhook_configs: [{{url: 'http://x'}}]}}]"
        )
    };
    let check = |which: &str, expected: &[&str]| {
        let mut scenario = Scenario::new(full_config(&text(which)));
        scenario.post(&["A"], BEGIN, BEGIN + 86_400_000).at(4 * 3600).told(expected);
    };
    check("mute_time_intervals", &["+3h webhook[0] first notification: A"]);
    check("active_time_intervals", &["+0s webhook[0] first notification: A"]);
}

fn flaky(
    until: i64,
    error: impl Fn() -> SendError + 'static,
) -> impl FnMut(tidewatch_notify::Attempt<'_>) -> tidewatch_notify::Reply {
    move |attempt| {
        let fails = attempt.time < BEGIN + until * 1000 && attempt.integration == "webhook[0]";
        (Duration::ZERO, if fails { Err(error()) } else { Ok(()) })
    }
}

const TWO: &str = "route: {receiver: r, group_wait: 0s, group_interval: 1m, repeat_interval: 1h}\n\
    receivers: [{name: r, webhook_configs: [{url: 'http://x'}, {url: 'http://y'}]}]";

#[test]
fn a_receiver_that_is_down_is_tried_again_and_delays_only_itself() {
    let down = flaky(3, || SendError::recoverable("down"));
    let mut scenario = Scenario::of(Simulation::new(full_config(TWO), BEGIN).with_receivers(down));
    scenario.fire(&["A"]).at(30).told(&[
        "+0s webhook[0] first notification: A failed: down",
        "+0s webhook[1] first notification: A",
        "+500ms webhook[0] first notification: A failed: down",
        "+1s250ms webhook[0] first notification: A failed: down",
        "+2s375ms webhook[0] first notification: A failed: down",
        "+4s62ms webhook[0] first notification: A",
    ]);
}

#[test]
fn what_is_refused_is_told_again_at_the_next_turn() {
    let refusing = flaky(61, || SendError::unrecoverable("no"));
    let mut scenario = Scenario::of(Simulation::new(full_config(TWO), BEGIN).with_receivers(refusing));
    scenario.fire(&["A"]).at(200).told(&[
        "+0s webhook[0] first notification: A failed: no",
        "+0s webhook[1] first notification: A",
        "+1m webhook[0] first notification: A failed: no",
        "+2m webhook[0] first notification: A",
    ]);
}

#[test]
fn who_asks_to_be_left_alone_is() {
    let busy = flaky(1, || SendError {
        retry_after: Some(Duration::from_secs(20)),
        ..SendError::recoverable("busy")
    });
    let mut scenario = Scenario::of(Simulation::new(full_config(TWO), BEGIN).with_receivers(busy));
    scenario.fire(&["A"]).at(50).told(&[
        "+0s webhook[0] first notification: A failed: busy",
        "+0s webhook[1] first notification: A",
        "+20s webhook[0] first notification: A",
    ]);
}

#[test]
fn one_that_is_slow_gets_the_group_as_it_is_when_it_is_free() {
    let config = full_config(
        "route: {receiver: r, group_wait: 0s, group_interval: 2s}\n\
         receivers: [{name: r, webhook_configs: [{url: 'http://x'}, {url: 'http://y'}]}]",
    );
    let slow = |attempt: tidewatch_notify::Attempt<'_>| {
        (Duration::from_secs(if attempt.integration == "webhook[0]" { 5 } else { 0 }), Ok(()))
    };
    let mut scenario = Scenario::of(Simulation::new(config, BEGIN).with_receivers(slow));
    scenario.fire(&["A"]).at(1).fire(&["B"]).at(30).told(&[
        "+0s webhook[0] first notification: A",
        "+0s webhook[1] first notification: A",
        "+2s webhook[1] new alerts added: A B",
        "+5s webhook[0] new alerts added: A B",
    ]);
    // everybody knows in the end that both are over, and the group ends
    scenario
        .resolve(&["A", "B"])
        .at(60)
        .told(&["+32s webhook[0] all alerts resolved: -A -B", "+32s webhook[1] all alerts resolved: -A -B"]);
}

#[test]
fn after_kill_9_nobody_is_told_early_and_silences_hold() {
    let mut scenario = Scenario::new(config(
        "group_by: [alertname], group_wait: 30s, group_interval: 5m, repeat_interval: 1h",
    ));
    scenario.silence("alertname=S", 100_000);
    scenario.fire(&["A,i=1", "A,i=2", "S"]).at(30).told(&["+30s webhook[0] first notification: A,i=1 A,i=2"]);
    scenario.at(100).simulation.restart();
    for seconds in (110..4000).step_by(60) {
        let now = seconds * 1000 + BEGIN;
        scenario.at(seconds).post(&["A,i=1", "A,i=2", "S"], BEGIN, now + 240_000);
    }
    // the group begins anew with the alerts that come again, the repetition does not
    scenario.told(&["+1h1m50s webhook[0] repeat interval elapsed: A,i=1 A,i=2"]);
    // what ended while nobody looked is told when its source says so
    scenario.simulation.restart();
    scenario.at(4100).post(&["A,i=1", "A,i=2"], BEGIN, BEGIN + 4_050_000).at(4100);
    scenario.told(&["+1h8m20s webhook[0] all alerts resolved: -A,i=1 -A,i=2"]);
}

#[test]
fn a_reload_keeps_groups_and_tells_new_receivers_at_once() {
    let text = |receiver: &str, routes: &str| {
        full_config(&format!(
            "route: {{receiver: {receiver}, {QUICK}, routes: [{routes}]}}\nreceivers:\n\
             - {{name: r, webhook_configs: [{{url: 'http://x'}}]}}\n- {{name: q, webhook_configs: [{{url: 'http://y'}}]}}"
        ))
    };
    let mut scenario = Scenario::new(text("r", ""));
    scenario.fire(&["A", "B"]).at(30).told(&["+30s webhook[0] first notification: A B"]);
    scenario.at(40).simulation.reload(text("r", "{matchers: [x=y]}"));
    scenario.fire(&["C"]).at(329).told(&[]);
    scenario.at(330).told(&["+5m30s webhook[0] new alerts added: -A -B C"]);
    scenario.at(331).simulation.reload(text("q", ""));
    scenario.at(331).told(&["+5m31s webhook[0] first notification: C"]);
    assert_eq!(scenario.simulation.attempts()[2].notification.receiver, "q");
    // a branch of its own takes the alert out of the group
    scenario
        .at(340)
        .fire(&["A", "B", "C"])
        .simulation
        .reload(text("q", "{matchers: [alertname=A], receiver: r}"));
    scenario.at(370).told(&["+6m10s webhook[0] first notification: A"]);
}

#[test]
fn a_delivery_whose_receiver_changes_is_made_anew() {
    let config = |url: &str| {
        full_config(&format!(
            "route: {{receiver: r, group_wait: 0s, group_interval: 10m}}\n\
             receivers: [{{name: r, webhook_configs: [{{url: '{url}'}}]}}]"
        ))
    };
    let down = flaky(60, || SendError::recoverable("down"));
    let mut scenario = Scenario::of(Simulation::new(config("http://x"), BEGIN).with_receivers(down));
    scenario.fire(&["A"]).at(100).simulation.reload(config("http://y"));
    assert!(scenario.simulation.delivered().next().is_some(), "it is tried again until it is taken");
    let mut scenario = Scenario::of(
        Simulation::new(config("http://x"), BEGIN)
            .with_receivers(flaky(500, || SendError::recoverable("down"))),
    );
    scenario.fire(&["A"]).at(70).simulation.reload(config("http://y"));
    let before = scenario.simulation.attempts().len();
    scenario.at(70);
    let attempts = scenario.simulation.attempts();
    assert_eq!((attempts.len(), attempts[before].number), (before + 1, 1));
}

#[test]
fn alerts_of_several_routes_and_groups_are_told_to_each() {
    let mut scenario = Scenario::new(full_config(
        "route:\n  receiver: r\n  group_wait: 0s\n  routes:\n  - {matchers: [team=a], continue: true, group_by: [x]}\n  \
         - {matchers: ['team=~a|b'], receiver: q, group_by: ['...']}\nreceivers:\n\
         - {name: r, webhook_configs: [{url: 'http://x'}]}\n- {name: q, slack_configs: [{api_url: 'http://y'}]}",
    ));
    scenario.fire(&["A,team=a,x=1", "B,team=a,x=1", "C,team=b", "D"]).at(0).told(&[
        "+0s webhook[0] first notification: D",
        "+0s webhook[0] first notification: A,team=a,x=1 B,team=a,x=1",
        "+0s slack[0] first notification: A,team=a,x=1",
        "+0s slack[0] first notification: B,team=a,x=1",
        "+0s slack[0] first notification: C,team=b",
    ]);
    let keys: Vec<&str> =
        scenario.simulation.attempts().iter().map(|a| a.notification.group_key.as_str()).collect();
    assert_eq!(keys[1], "{}/{team=\"a\"}:{x=\"1\"}");
    assert_eq!(keys[4], "{}/{team=~\"a|b\"}:{alertname=\"C\", team=\"b\"}");
}
