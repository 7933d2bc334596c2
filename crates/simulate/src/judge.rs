//! Phases against targets.
//!
//! Input: the changes and sums of all phases, and what is wanted. Output: a [`Verdict`] and the spread of the times.

use crate::trace::Trace;
use crate::{Change, Check, Direction, PhaseTimes, Spread, Targets, Verdict};

/// A phase that has been run.
pub(crate) struct Finished {
    pub(crate) trace: Trace,
    pub(crate) changes: Vec<Change>,
}

/// Judges all phases.
pub(crate) fn verdict(targets: &Targets, phases: &[Finished]) -> Verdict {
    let mut checks = Vec::new();
    for (name, limit, direction) in
        [("up", targets.up_seconds, Direction::Up), ("down", targets.down_seconds, Direction::Down)]
    {
        if let Some(limit) = limit {
            checks.push(check_times(name, limit, direction, phases));
        }
    }
    let worst = |figure: &dyn Fn(&Finished) -> f64| phases.iter().map(figure).fold(0.0, f64::max);
    if let Some(limit) = targets.failed_share {
        let share = worst(&|phase| phase.trace.summary.failed / phase.trace.summary.arrived.max(1.0));
        let target = format!("at most {} % fail", limit * 100.0);
        let any = phases.iter().any(|phase| phase.trace.summary.arrived > 0.0);
        checks.push(if any {
            check(target, limit, share, &format!("{:.3} % fail", share * 100.0))
        } else {
            not_judged(target, limit, "nothing arrives; hint: give a load")
        });
    }
    if let Some(limit) = targets.latency_p99_seconds {
        let target = format!("99 % within {}", duration(limit));
        let found = phases.iter().filter_map(|phase| phase.trace.settled_p99).reduce(f64::max);
        checks.push(match found {
            Some(found) => {
                check(target, limit, found, &format!("{} at worst with enough pods", duration(found)))
            }
            None => not_judged(
                target,
                limit,
                "at no point of the timeline were enough pods ready; hint: lengthen the load or --duration, or shorten timelineSeconds",
            ),
        });
    }
    if let Some(limit) = targets.flaps {
        let flaps = worst(&|phase| f64::from(phase.trace.summary.flaps));
        checks.push(check(
            format!("at most {limit} flaps"),
            f64::from(limit),
            flaps,
            &format!("{flaps} flaps"),
        ));
    }
    Verdict { passed: checks.iter().all(|check| check.passed), checks }
}

fn check(target: String, limit: f64, worst: f64, found: &str) -> Check {
    Check { target, limit, worst: Some(worst), passed: worst <= limit, text: found.to_owned() }
}

/// A target of which nothing can be said is not met.
fn not_judged(target: String, limit: f64, why: &str) -> Check {
    Check { target, limit, worst: None, passed: false, text: format!("not judged: {why}") }
}

/// A change that was superseded within the limit says nothing; one that had waited longer misses it. One that the run's end cut off within
/// the limit leaves the target without a judgement, unless another misses it.
fn check_times(name: &str, limit: f64, direction: Direction, phases: &[Finished]) -> Check {
    let own =
        || phases.iter().flat_map(|phase| &phase.changes).filter(|change| change.direction == direction);
    let judged = own().filter(|change| change.seconds.is_some() || change.waited_seconds > limit);
    let cut_off = own().find(|change| change.unfinished && change.waited_seconds <= limit);
    let still_waits = |change: &Change| {
        format!(
            "{} to {} replicas at {} was not done after {}, when the run ended; hint: lengthen the load or --duration",
            change.from,
            change.to,
            duration(change.time_seconds),
            duration(change.waited_seconds)
        )
    };
    let worst = judged.max_by(|a, b| a.waited_seconds.total_cmp(&b.waited_seconds));
    let target = format!("{name} within {}", duration(limit));
    let Some(worst) = worst else {
        return not_judged(target, limit, &cut_off.map_or_else(
            || format!("no change {name}; hint: give a load that goes {name} and stays there for longer, or lengthen --duration"),
            still_waits,
        ));
    };
    let passed = worst.seconds.is_some() && worst.waited_seconds <= limit;
    if let (true, Some(change)) = (passed, cut_off) {
        return not_judged(target, limit, &still_waits(change));
    }
    let took = if worst.seconds.is_some() { "took" } else { "not done after" };
    let text = format!(
        "{} to {} replicas at {} {took} {}",
        worst.from,
        worst.to,
        duration(worst.time_seconds),
        duration(worst.waited_seconds)
    );
    Check { target, limit, worst: Some(worst.waited_seconds), passed, text }
}

/// Seconds as people write them: `45s`, `2m`, `1m30s`, `2h5m`; below a second `120ms`.
pub(crate) fn duration(seconds: f64) -> String {
    if seconds < 1.0 {
        return if seconds <= 0.0 { "0s".to_owned() } else { format!("{}ms", (seconds * 1000.0).round()) };
    }
    let whole = seconds.round() as u64;
    let parts = [(whole / 3600, "h"), (whole / 60 % 60, "m"), (whole % 60, "s")];
    let text: Vec<String> =
        parts.iter().filter(|(count, _)| *count > 0).map(|(count, unit)| format!("{count}{unit}")).collect();
    text.concat()
}

/// The times of all phases.
pub(crate) fn phase_times(phases: &[Finished]) -> PhaseTimes {
    let times = |direction: Direction, figure: &dyn Fn(&Change) -> Option<f64>| {
        let changes = phases.iter().flat_map(|phase| &phase.changes);
        spread(changes.filter(|change| change.direction == direction).filter_map(figure).collect())
    };
    let of =
        |figure: &dyn Fn(&Finished) -> f64| spread(phases.iter().map(figure).collect()).unwrap_or_default();
    PhaseTimes {
        count: phases.len() as u32,
        up_seconds: times(Direction::Up, &|change| change.seconds),
        up_asked_seconds: times(Direction::Up, &|change| change.asked_seconds),
        down_seconds: times(Direction::Down, &|change| change.seconds),
        pod_minutes: of(&|phase| phase.trace.summary.pod_minutes),
        superseded: phases.iter().flat_map(|phase| &phase.changes).filter(|change| change.superseded).count()
            as u32,
        flaps: of(&|phase| f64::from(phase.trace.summary.flaps)),
    }
}

/// Least, middle and most; none of nothing.
pub(crate) fn spread(mut values: Vec<f64>) -> Option<Spread> {
    values.sort_by(f64::total_cmp);
    let (min, max) = (*values.first()?, *values.last()?);
    let middle = values.len() / 2;
    let median = if values.len().is_multiple_of(2) {
        f64::midpoint(values[middle - 1], values[middle])
    } else {
        values[middle]
    };
    Some(Spread { min, median, max })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(direction: Direction, seconds: Option<f64>, waited: f64) -> Change {
        Change {
            time_seconds: 120.0,
            direction,
            from: 2,
            to: 8,
            seconds,
            asked_seconds: None,
            first_scaling_seconds: None,
            superseded: seconds.is_none(),
            unfinished: false,
            waited_seconds: waited,
        }
    }

    fn judged(changes: Vec<Change>) -> Verdict {
        let targets = Targets { up_seconds: Some(120.0), ..Targets::default() };
        verdict(&targets, &[Finished { trace: Trace::default(), changes }])
    }

    #[test]
    fn the_slowest_change_decides() {
        let (up, down) = (Direction::Up, Direction::Down);
        let passed = judged(vec![
            change(up, Some(62.0), 62.0),
            change(up, Some(120.0), 120.0),
            change(down, None, 999.0),
        ]);
        assert!(passed.passed);
        assert_eq!(passed.checks[0].text, "2 to 8 replicas at 2m took 2m");
        let missed = judged(vec![change(up, Some(62.0), 62.0), change(up, Some(121.0), 121.0)]);
        assert_eq!((missed.passed, missed.checks[0].worst), (false, Some(121.0)));
    }

    #[test]
    fn what_was_superseded_counts_once_it_waited_too_long() {
        let done = change(Direction::Up, Some(10.0), 10.0);
        assert!(judged(vec![done, change(Direction::Up, None, 119.0)]).passed);
        let missed = judged(vec![change(Direction::Up, None, 121.0)]);
        assert!(!missed.passed);
        assert_eq!(missed.checks[0].text, "2 to 8 replicas at 2m not done after 2m1s");
    }

    #[test]
    fn a_target_with_nothing_to_judge_is_not_met() {
        let cut_off = |waited: f64| Change {
            superseded: false,
            unfinished: true,
            ..change(Direction::Up, None, waited)
        };
        let check = |changes: Vec<Change>, worst: Option<f64>, text: &str| {
            let verdict = judged(changes);
            let check = &verdict.checks[0];
            assert_eq!((verdict.passed, check.passed, check.worst), (false, false, worst));
            assert!(check.text.contains(text), "{}", check.text);
        };
        check(vec![], None, "not judged: no change up; hint: ");
        check(vec![change(Direction::Down, Some(1.0), 1.0)], None, "not judged: no change up");
        check(vec![change(Direction::Up, None, 119.0)], None, "not judged: no change up");
        let text =
            "not judged: 2 to 8 replicas at 2m was not done after 1m30s, when the run ended; hint: lengthen";
        check(vec![cut_off(90.0)], None, text);
        check(vec![change(Direction::Up, Some(10.0), 10.0), cut_off(90.0)], None, text);
        check(vec![cut_off(90.0), cut_off(121.0)], Some(121.0), "not done after 2m1s");
        let targets =
            Targets { latency_p99_seconds: Some(1.0), failed_share: Some(0.1), ..Targets::default() };
        let nothing = verdict(&targets, &[Finished { trace: Trace::default(), changes: vec![] }]);
        assert!(nothing.checks.iter().all(|check| !check.passed && check.worst.is_none()), "{nothing:?}");
        assert_eq!(nothing.checks.len(), 2);
    }

    #[test]
    fn durations_read_well() {
        let check = |seconds: f64, text: &str| assert_eq!(duration(seconds), text);
        check(0.0, "0s");
        check(0.12, "120ms");
        check(45.0, "45s");
        check(120.0, "2m");
        check(90.0, "1m30s");
        check(7500.0, "2h5m");
    }

    #[test]
    fn the_middle_of_an_even_count_is_the_mean_of_two() {
        let expected = Spread { min: 1.0, median: 2.5, max: 9.0 };
        assert_eq!(spread(vec![9.0, 1.0, 2.0, 3.0]), Some(expected));
        assert_eq!(spread(vec![]), None);
    }
}
