//! From what metrics ask for to what is done: earlier recommendations, rates, and the autoscaler's bounds.
//!
//! Input: the current number and the one asked for. Output: the number to scale to, the reasons of two conditions, and
//! steps. It knows nothing of metrics.

use crate::scaling_rate::{ScaleHistory, doubled};
use crate::stabilization::{Recommendations, Windows};
use crate::{Behavior, ControllerOptions, Direction, Limit, Step};

/// What one autoscaler remembers of earlier syncs.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    pub(crate) recommendations: Recommendations,
    pub(crate) changes: ScaleHistory,
}

/// The numbers that are normalised.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Numbers {
    pub(crate) current: i32,
    /// What metrics ask for.
    pub(crate) desired: i32,
    pub(crate) min: i32,
    pub(crate) max: i32,
}

/// A reason and its message.
pub(crate) type Reason = (&'static str, &'static str);

/// What comes out.
pub(crate) struct Normalized {
    pub(crate) replicas: i32,
    /// Of `AbleToScale`, which is true.
    pub(crate) able_to_scale: Reason,
    /// Whether `ScalingLimited` is true.
    pub(crate) limited: bool,
    /// Of `ScalingLimited`.
    pub(crate) scaling_limited: Reason,
}

const READY: Reason = ("ReadyForNewScale", "recommended size matches current size");
const UP_STABILIZED: Reason = (
    "ScaleUpStabilized",
    "recent recommendations were lower than current one, applying the lowest recent recommendation",
);
const DOWN_STABILIZED: Reason = (
    "ScaleDownStabilized",
    "recent recommendations were higher than current one, applying the highest recent recommendation",
);
const WITHIN_RANGE: Reason = ("DesiredWithinRange", "the desired count is within the acceptable range");
const UP_LIMIT: Reason =
    ("ScaleUpLimit", "the desired replica count is increasing faster than the maximum scale rate");
const DOWN_LIMIT: Reason =
    ("ScaleDownLimit", "the desired replica count is decreasing faster than the maximum scale rate");
const TOO_MANY: Reason =
    ("TooManyReplicas", "the desired replica count is more than the maximum replica count");
const TOO_FEW: Reason =
    ("TooFewReplicas", "the desired replica count is less than the minimum replica count");

impl History {
    /// Normalises for an autoscaler without `behavior`.
    pub(crate) fn normalize(
        &mut self,
        numbers: Numbers,
        options: &ControllerOptions,
        now_ms: i64,
        steps: &mut Vec<Step>,
    ) -> Normalized {
        let window_ms = options.downscale_stabilization_ms;
        let stabilized = self.recommendations.highest(numbers.desired, window_ms, now_ms);
        let able_to_scale = if stabilized == numbers.desired { READY } else { DOWN_STABILIZED };
        if stabilized != numbers.desired {
            let (direction, window_seconds) = (Direction::Down, window_ms / 1000);
            steps.push(Step::Stabilized { direction, window_seconds, replicas: stabilized });
        }
        let (replicas, reason, limit) = within_rules(numbers, stabilized);
        finish(stabilized, replicas, able_to_scale, reason, limit, steps)
    }

    /// Normalises for an autoscaler with `behavior`.
    pub(crate) fn normalize_with_behavior(
        &mut self,
        numbers: Numbers,
        behavior: &Behavior,
        options: &ControllerOptions,
        now_ms: i64,
        steps: &mut Vec<Step>,
    ) -> Normalized {
        let default_window = i32::try_from(options.downscale_stabilization_ms / 1000).unwrap_or(i32::MAX);
        let windows = Windows {
            scale_up_seconds: behavior.scale_up.stabilization_window_seconds.unwrap_or(0),
            scale_down_seconds: behavior.scale_down.stabilization_window_seconds.unwrap_or(default_window),
        };
        let Numbers { current, desired, .. } = numbers;
        let stabilized = self.recommendations.stabilized(current, desired, windows, now_ms);
        let able_to_scale = if stabilized == desired {
            READY
        } else {
            let (direction, window_seconds, reason) = if desired >= current {
                (Direction::Up, windows.scale_up_seconds.into(), UP_STABILIZED)
            } else {
                (Direction::Down, windows.scale_down_seconds.into(), DOWN_STABILIZED)
            };
            steps.push(Step::Stabilized { direction, window_seconds, replicas: stabilized });
            reason
        };
        let (replicas, reason, limit) = self.within_behavior(numbers, stabilized, behavior, now_ms);
        finish(stabilized, replicas, able_to_scale, reason, limit, steps)
    }

    fn within_behavior(
        &self,
        numbers: Numbers,
        desired: i32,
        behavior: &Behavior,
        now_ms: i64,
    ) -> (i32, Reason, Option<Limit>) {
        let Numbers { current, min, max, .. } = numbers;
        if desired > current {
            let (allowed, limit) = self.changes.allowed(Direction::Up, current, &behavior.scale_up, now_ms);
            let (most, reason, limit) =
                if max > allowed { (allowed, UP_LIMIT, limit) } else { (max, TOO_MANY, Limit::MaxReplicas) };
            if desired > most {
                return (most, reason, Some(limit));
            }
        } else if desired < current {
            let (allowed, limit) =
                self.changes.allowed(Direction::Down, current, &behavior.scale_down, now_ms);
            let (least, reason, limit) =
                if min < allowed { (allowed, DOWN_LIMIT, limit) } else { (min, TOO_FEW, Limit::MinReplicas) };
            if desired < least {
                return (least, reason, Some(limit));
            }
        }
        (desired, WITHIN_RANGE, None)
    }
}

fn within_rules(numbers: Numbers, desired: i32) -> (i32, Reason, Option<Limit>) {
    let Numbers { current, min, max, .. } = numbers;
    let allowed = doubled(current);
    let (most, reason, limit) = if max > allowed {
        (allowed, UP_LIMIT, Limit::Doubling)
    } else {
        (max, TOO_MANY, Limit::MaxReplicas)
    };
    if desired < min {
        (min, TOO_FEW, Some(Limit::MinReplicas))
    } else if desired > most {
        (most, reason, Some(limit))
    } else {
        (desired, WITHIN_RANGE, None)
    }
}

fn finish(
    stabilized: i32,
    replicas: i32,
    able_to_scale: Reason,
    scaling_limited: Reason,
    limit: Option<Limit>,
    steps: &mut Vec<Step>,
) -> Normalized {
    steps.extend(limit.map(|limit| Step::Limited { limit, replicas }));
    Normalized { replicas, able_to_scale, limited: replicas != stabilized, scaling_limited }
}
