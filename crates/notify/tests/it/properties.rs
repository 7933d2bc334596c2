//! What holds whatever happens: no alert is lost, and nobody is told twice.
//!
//! Random alerts fire and end, are silenced and inhibited, receivers fail, the program is killed and the configuration reloaded. Afterwards
//! the notifications are laid beside what happened.

use crate::scenario::{BEGIN, full_config, labels};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tidewatch_model::{Alert, Labels};
use tidewatch_notify::{
    AlertStatus, NotificationReason, SendError, Silence, SimulatedAttempt, Simulation, parse_matchers,
};

const GROUP_WAIT: i64 = 10_000;
const GROUP_INTERVAL: i64 = 60_000;
const REPEAT: i64 = 600_000;
/// How often sources send alerts that fire.
const RESEND: i64 = 20_000;
const LENGTH: i64 = 40;

fn text(extra: &str) -> String {
    format!(
        "route:\n  receiver: all\n  group_by: [g]\n  group_wait: 10s\n  group_interval: 1m\n  repeat_interval: 10m\n{extra}\n\
         inhibit_rules: [{{source_matchers: [n=0], target_matchers: [n=1], equal: [g]}}]\n\
         receivers: [{{name: all, webhook_configs: [{{url: 'http://x'}}, {{url: 'http://y', send_resolved: false}}]}}]\n"
    )
}

#[derive(Clone, Debug)]
enum Event {
    /// An alert fires from here on, or no longer.
    Fire(u8),
    Resolve(u8),
    Silence(u8),
    Kill,
    Reload,
    /// The first webhook is down for so many steps.
    Down(u8),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => (0u8..9).prop_map(Event::Fire),
        5 => (0u8..9).prop_map(Event::Resolve),
        1 => (0u8..9).prop_map(Event::Silence),
        1 => Just(Event::Kill),
        1 => Just(Event::Reload),
        1 => (1u8..8).prop_map(Event::Down),
    ]
}

fn labels_of(alert: u8) -> Labels {
    labels(&format!("A,g={},n={}", alert / 3, alert % 3))
}

/// What was the case at each step.
#[derive(Clone, Debug, Default)]
struct Moment {
    time: i64,
    firing: BTreeSet<u8>,
    silenced: BTreeSet<u8>,
    killed: bool,
    down: bool,
}

struct Run {
    moments: Vec<Moment>,
    attempts: Vec<SimulatedAttempt>,
}

fn play(events: &[(u8, Event)]) -> Run {
    let down_until = std::rc::Rc::new(std::cell::Cell::new(0));
    let seen = std::rc::Rc::clone(&down_until);
    let mut simulation = Simulation::new(full_config(&text("")), BEGIN).with_receivers(move |attempt| {
        let down = attempt.integration == "webhook[0]" && attempt.time < seen.get();
        (Duration::ZERO, if down { Err(SendError::recoverable("down")) } else { Ok(()) })
    });
    let mut firing = BTreeMap::<u8, i64>::new();
    let mut silenced = BTreeMap::<u8, i64>::new();
    let mut moments = Vec::new();
    for step in 0..LENGTH {
        let now = BEGIN + step * RESEND;
        simulation.advance_to(now);
        let mut moment = Moment { time: now, ..Moment::default() };
        for (_, event) in events.iter().filter(|(at, _)| i64::from(*at) == step) {
            match event {
                Event::Fire(alert) => {
                    firing.entry(*alert).or_insert(now);
                }
                Event::Resolve(alert) => {
                    if let Some(since) = firing.remove(alert) {
                        let alert = Alert {
                            labels: labels_of(*alert),
                            starts_at: since,
                            ends_at: now,
                            ..Alert::default()
                        };
                        simulation.put_alerts([alert]);
                    }
                }
                Event::Silence(alert) => {
                    let matchers =
                        parse_matchers(&format!("g=\"{}\",n=\"{}\"", alert / 3, alert % 3)).unwrap();
                    let ends_at = now + 5 * RESEND;
                    simulation.set_silence(Silence { matchers, ends_at, ..Silence::default() }).unwrap();
                    silenced.insert(*alert, ends_at);
                }
                Event::Kill => {
                    simulation.restart();
                    moment.killed = true;
                }
                Event::Reload => {
                    simulation.reload(full_config(&text("  routes: [{matchers: [never=here]}]")));
                }
                Event::Down(steps) => down_until.set(now + i64::from(*steps) * RESEND),
            }
        }
        let fires = firing.iter().map(|(alert, since)| Alert {
            labels: labels_of(*alert),
            starts_at: *since,
            ends_at: now + 4 * RESEND,
            ..Alert::default()
        });
        simulation.put_alerts(fires);
        moment.firing = firing.keys().copied().collect();
        moment.silenced =
            silenced.iter().filter(|(_, until)| **until > now).map(|(alert, _)| *alert).collect();
        moment.down = down_until.get() > now;
        moments.push(moment);
    }
    simulation.advance_to(BEGIN + LENGTH * RESEND);
    Run { moments, attempts: simulation.attempts().to_vec() }
}

/// Whether an alert fires at a moment and nothing keeps it from being told.
fn is_to_be_told(moment: &Moment, alert: u8) -> bool {
    let inhibited = alert % 3 == 1 && moment.firing.contains(&(alert - 1));
    moment.firing.contains(&alert) && !moment.silenced.contains(&alert) && !inhibited
}

fn told_firing(attempt: &SimulatedAttempt, alert: u8) -> bool {
    let is_it = |told: &tidewatch_notify::NotifiedAlert| {
        told.labels == labels_of(alert) && told.status == AlertStatus::Firing
    };
    attempt.error.is_none() && attempt.notification.alerts.iter().any(is_it)
}

/// An alert that fires undisturbed for a wait and an interval is in the last notification then: `webhook[1]` is never down.
fn no_alert_is_lost(run: &Run) -> Result<(), TestCaseError> {
    let steps = usize::try_from((GROUP_WAIT + GROUP_INTERVAL) / RESEND + 2).expect("small");
    for window in run.moments.windows(steps) {
        let (first, last) = (&window[0], &window[steps - 1]);
        for alert in (0..9).filter(|alert| window.iter().all(|moment| is_to_be_told(moment, *alert))) {
            let told = run.attempts.iter().any(|attempt| {
                attempt.integration == "webhook[1]"
                    && attempt.time <= last.time
                    && told_firing(attempt, alert)
            });
            prop_assert!(told, "{alert} fires since {} and is not told", (first.time - BEGIN) / 1000);
        }
    }
    Ok(())
}

/// Two notifications of a group to one integration that say the same are a repeat interval apart.
fn nobody_is_told_twice(run: &Run) -> Result<(), TestCaseError> {
    let mut last = BTreeMap::<(String, String), (&SimulatedAttempt, Vec<Labels>)>::new();
    for attempt in run.attempts.iter().filter(|attempt| attempt.error.is_none()) {
        let key = (attempt.notification.group_key.clone(), attempt.integration.clone());
        let notification = &attempt.notification;
        let said: Vec<Labels> = notification
            .alerts
            .iter()
            .filter(|a| a.status == AlertStatus::Firing)
            .map(|a| a.labels.clone())
            .collect();
        if let Some((before, said_before)) = last.get(&key) {
            let same = said == *said_before && notification.alerts == before.notification.alerts;
            let apart = attempt.time - before.time;
            let interrupted =
                run.moments.iter().filter(|m| (before.time..=attempt.time).contains(&m.time)).any(|moment| {
                    (0..9).any(|alert| said.contains(&labels_of(alert)) && !is_to_be_told(moment, alert))
                });
            prop_assert!(
                !same || apart > REPEAT || interrupted,
                "told twice within {}s: {attempt:?}",
                apart / 1000
            );
            if notification.reason == NotificationReason::Repeat {
                prop_assert!(apart > REPEAT, "repeated after {}s: {attempt:?}", apart / 1000);
            }
            prop_assert!(
                apart >= GROUP_INTERVAL || disturbed(run, before.time, attempt.time),
                "told again after {}s: {attempt:?}",
                apart / 1000
            );
        }
        last.insert(key, (attempt, said));
    }
    Ok(())
}

/// Whether something happened that lets a group be told earlier than its interval: a start, an outage, or the end of the group.
fn disturbed(run: &Run, from: i64, to: i64) -> bool {
    let between = |moment: &&Moment| moment.time >= from - GROUP_INTERVAL && moment.time <= to;
    run.moments.iter().filter(between).any(|moment| moment.killed || moment.down)
        || run.attempts.iter().any(|attempt| {
            (from..=to).contains(&attempt.time)
                && attempt.notification.alerts.iter().any(|alert| alert.status == AlertStatus::Resolved)
        })
        || run.moments.windows(2).any(|pair| {
            pair[1].time <= to
                && pair[0].time >= from - GROUP_INTERVAL
                && pair[1].firing.len() < pair[0].firing.len()
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens(events in prop::collection::vec((0u8..LENGTH as u8, event()), 0..60)) {
        let run = play(&events);
        no_alert_is_lost(&run)?;
        nobody_is_told_twice(&run)?;
    }
}

#[test]
fn what_is_lost_or_told_twice_would_be_noticed() {
    let right = || play(&[(0, Event::Fire(0)), (0, Event::Fire(5))]);
    no_alert_is_lost(&right()).unwrap();
    nobody_is_told_twice(&right()).unwrap();
    let mut lossy = right();
    lossy
        .attempts
        .iter_mut()
        .for_each(|attempt| attempt.notification.alerts.retain(|alert| alert.labels != labels_of(5)));
    no_alert_is_lost(&lossy).unwrap_err();
    let mut repeated = right();
    let again = SimulatedAttempt { time: repeated.attempts[0].time + REPEAT, ..repeated.attempts[0].clone() };
    repeated.attempts.push(again);
    repeated.attempts.sort_by_key(|attempt| attempt.time);
    nobody_is_told_twice(&repeated).unwrap_err();
}
