//! How long each change of the load waited for its replicas, and scalings that nothing asked for.
//!
//! Input: the [`Trace`] of a phase. Output: [`Change`]s and the count of flaps.
//!
//! Each step of what the load needs is timed on its own: a rise until so many pods are ready, a fall until no more replicas are asked for.
//! Steps in the same direction less than a minute apart are one change, which takes as long as its slowest step. A step that the load takes
//! back before it was done is superseded; one that still waits when the run ends is unfinished.

use crate::trace::{Steps, Trace};
use crate::{Change, Direction};

/// Steps closer than this are one change.
const SAME_CHANGE_MS: i64 = 60_000;

/// One step of what the load needs.
#[derive(Clone, Copy, Debug, PartialEq)]
struct NeedStep {
    at_ms: i64,
    direction: Direction,
    from: u32,
    to: u32,
    done_ms: Option<i64>,
    /// When so many replicas were asked for.
    asked_ms: Option<i64>,
    /// When the load took it back, or the run's end.
    until_ms: i64,
    /// Whether the load took it back.
    taken_back: bool,
}

/// The needed replicas before a moment.
fn low_before(levels: &Steps<u32>, moment: i64) -> u32 {
    let before = levels.partition_point(|(at, _)| *at < moment);
    before.checked_sub(1).map_or(0, |index| levels[index].1)
}

/// The changes of a phase that ended at `end_ms`, in order of their beginnings.
pub(crate) fn changes(trace: &Trace, end_ms: i64) -> Vec<Change> {
    let low: Steps<u32> = trace.needs.iter().map(|(at, need)| (*at, need.low)).collect();
    let high: Steps<u32> = trace.needs.iter().map(|(at, need)| (*at, need.high)).collect();
    let mut changes = Vec::new();
    for (levels, reached, direction) in
        [(&low, &trace.ready, Direction::Up), (&high, &trace.replicas, Direction::Down)]
    {
        let mut run: Vec<NeedStep> = Vec::new();
        for step in need_steps(levels, (reached, &trace.replicas), direction, end_ms) {
            if run.last().is_some_and(|last| step.at_ms - last.at_ms > SAME_CHANGE_MS || last.to != step.from)
            {
                changes.push(change(&run, &trace.moves));
                run.clear();
            }
            run.push(step);
        }
        if !run.is_empty() {
            changes.push(change(&run, &trace.moves));
        }
    }
    // a fall is judged by the most that may stay, and told by what was needed before
    for change in changes.iter_mut().filter(|change| change.direction == Direction::Down) {
        let before = low_before(&low, (change.time_seconds * 1000.0).round() as i64);
        change.from = change.from.min(before.max(change.to + 1));
    }
    changes.sort_by(|a, b| a.time_seconds.total_cmp(&b.time_seconds));
    changes
}

fn need_steps(
    levels: &Steps<u32>,
    (reached, asked): (&Steps<u32>, &Steps<u32>),
    direction: Direction,
    end_ms: i64,
) -> Vec<NeedStep> {
    let wanted = |from: u32, to: u32| if direction == Direction::Up { to > from } else { to < from };
    let enough =
        |count: u32, level: u32| if direction == Direction::Up { count >= level } else { count <= level };
    let mut steps = Vec::new();
    for (at, pair) in levels.windows(2).enumerate() {
        let ((_, from), (at_ms, to)) = (pair[0], pair[1]);
        if from == to || !wanted(from, to) {
            continue;
        }
        // a load that needs less than this level again no longer waits for it
        let back = levels[at + 2..].iter().find(|(_, level)| *level != to && !wanted(to, *level));
        let until_ms = back.map_or(end_ms, |(at, _)| *at);
        let first = |counts: &Steps<u32>| {
            let now = counts.partition_point(|(moment, _)| *moment <= at_ms).saturating_sub(1);
            let found = counts[now..].iter().find(|(_, count)| enough(*count, to));
            found.map(|(moment, _)| (*moment).max(at_ms)).filter(|moment| *moment <= until_ms)
        };
        let (done_ms, asked_ms) = (first(reached), first(asked));
        steps.push(NeedStep {
            at_ms,
            direction,
            from,
            to,
            done_ms,
            asked_ms,
            until_ms,
            taken_back: back.is_some(),
        });
    }
    steps
}

fn change(run: &[NeedStep], moves: &[(i64, u32, u32)]) -> Change {
    let (first, last) = (run[0], run[run.len() - 1]);
    let seconds = |milliseconds: i64| milliseconds as f64 / 1000.0;
    let waits = run.iter().map(|step| step.done_ms.unwrap_or(step.until_ms) - step.at_ms);
    let waited = waits.max().unwrap_or(0);
    let done = run.iter().all(|step| step.done_ms.is_some());
    let unfinished = run.iter().any(|step| step.done_ms.is_none() && !step.taken_back);
    let asked: Option<Vec<i64>> = run.iter().map(|step| step.asked_ms.map(|at| at - step.at_ms)).collect();
    let acts = |(_, from, to): &(i64, u32, u32)| {
        if first.direction == Direction::Up { to > from } else { to < from }
    };
    let ended = run.iter().map(|step| step.done_ms.unwrap_or(step.until_ms)).max().unwrap_or(first.at_ms);
    let acted = moves.iter().find(|action| action.0 >= first.at_ms && action.0 <= ended && acts(action));
    Change {
        time_seconds: seconds(first.at_ms),
        direction: first.direction,
        from: first.from,
        to: last.to,
        seconds: done.then_some(seconds(waited)),
        asked_seconds: asked.and_then(|waits| waits.into_iter().max()).map(seconds),
        first_scaling_seconds: acted.map(|(at, ..)| seconds(at - first.at_ms)),
        superseded: !done && !unfinished,
        unfinished,
        waited_seconds: seconds(waited),
    }
}

/// Scalings against the direction of the one before although the load needs nothing of the kind.
pub(crate) fn flaps(trace: &Trace) -> u32 {
    let need = |at: i64| {
        let after = trace.needs.partition_point(|(moment, _)| *moment <= at);
        after.checked_sub(1).map_or_else(Default::default, |index| trace.needs[index].1)
    };
    let unasked = trace.moves.windows(2).filter(|pair| {
        let ((before, from, to), (now, next_from, next_to)) = (pair[0], pair[1]);
        match (to > from, next_to > next_from) {
            (true, false) => need(now).high >= need(before).high,
            (false, true) => need(now).low <= need(before).low,
            _ => false,
        }
    });
    unasked.count() as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::need::Need;

    fn trace(needs: &[(i64, u32)], ready: &[(i64, u32)], replicas: &[(i64, u32)]) -> Trace {
        let milli =
            |steps: &[(i64, u32)]| steps.iter().map(|(at, count)| (at * 1000, *count)).collect::<Vec<_>>();
        let moves = replicas.windows(2).map(|pair| (pair[1].0 * 1000, pair[0].1, pair[1].1)).collect();
        let need = |(at, low): (i64, u32)| (at, Need { low, high: low, unlimited: low });
        Trace {
            needs: milli(needs).into_iter().map(need).collect(),
            ready: milli(ready),
            replicas: milli(replicas),
            moves,
            ..Trace::default()
        }
    }

    #[test]
    fn a_step_is_timed_from_the_load_to_the_ready_pods_and_back() {
        let trace = trace(
            &[(0, 2), (100, 8), (500, 2)],
            &[(0, 2), (130, 4), (160, 8), (900, 2)],
            &[(0, 2), (120, 4), (150, 8), (850, 2)],
        );
        let found = changes(&trace, 1_000_000);
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].direction, found[0].from, found[0].to), (Direction::Up, 2, 8));
        let first = &found[0];
        assert_eq!(
            (first.seconds, first.asked_seconds, first.first_scaling_seconds),
            (Some(60.0), Some(50.0), Some(20.0))
        );
        assert_eq!((found[1].direction, found[1].seconds), (Direction::Down, Some(350.0)));
        assert!(!found[1].superseded);
        assert_eq!(flaps(&trace), 0);
    }

    #[test]
    fn a_ramp_is_one_change_that_takes_as_long_as_its_slowest_step() {
        let trace =
            trace(&[(0, 1), (10, 2), (40, 3), (70, 4)], &[(0, 1), (30, 2), (90, 3), (95, 4)], &[(0, 1)]);
        let found = changes(&trace, 200_000);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].from, found[0].to, found[0].seconds), (1, 4, Some(50.0)));
    }

    #[test]
    fn what_the_load_takes_back_is_superseded() {
        let trace = trace(&[(0, 1), (10, 4), (50, 1)], &[(0, 1)], &[(0, 1)]);
        let found = changes(&trace, 200_000);
        assert_eq!((found[0].seconds, found[0].superseded, found[0].waited_seconds), (None, true, 40.0));
        // no replica had come, so none is too many
        assert_eq!((found[1].direction, found[1].seconds), (Direction::Down, Some(0.0)));
    }

    #[test]
    fn replicas_that_never_go_are_not_done() {
        let trace = trace(&[(0, 4), (10, 1)], &[(0, 4)], &[(0, 4)]);
        let found = changes(&trace, 100_000);
        assert_eq!((found[0].seconds, found[0].waited_seconds), (None, 90.0));
        assert_eq!((found[0].superseded, found[0].unfinished), (false, true));
    }

    #[test]
    fn flaps_are_scalings_that_the_load_did_not_ask_for() {
        let restless = trace(&[(0, 2)], &[(0, 2)], &[(0, 2), (15, 4), (300, 2), (330, 4)]);
        assert_eq!(flaps(&restless), 2);
    }
}
