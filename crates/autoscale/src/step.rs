//! The steps of a decision, and how each reads.
//!
//! Input: filled in by the controller while it decides, as plain values. Output: kind, text and number, made only when
//! asked for. The order of steps is the controller's.

use crate::{PolicyKind, ScalingPolicy};
use serde::ser::{Serialize, SerializeStruct, Serializer};
use std::fmt;
use std::sync::Arc;
use tidewatch_manifest::{Quantity, QuantityFormat};

/// One thing that changed or confirmed the number of replicas.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// A metric was read and compared with its target.
    Measured {
        /// The metric.
        metric: MetricLabel,
        /// What it is.
        current: Amount,
        /// What it should be.
        target: Amount,
        /// The one divided by the other.
        ratio: f64,
    },
    /// A metric could not be read or computed.
    Unavailable {
        /// The metric.
        metric: MetricLabel,
        /// Why, in Kubernetes's words.
        message: Arc<str>,
    },
    /// Not all pods count for a metric.
    PodsSetAside {
        /// The metric.
        metric: MetricLabel,
        /// How many pods of which kind.
        pods: PodCounts,
    },
    /// Pods without metrics or not ready were counted after all, with an assumed usage, so as to move less.
    PodsAssumed {
        /// The metric.
        metric: MetricLabel,
        /// Pods without metrics.
        missing: usize,
        /// What they are assumed to use.
        missing_use: Assumed,
        /// Pods that are not ready, assumed to use nothing.
        unready: usize,
        /// The ratio with them.
        ratio: f64,
    },
    /// The ratio is near enough to 1.
    WithinTolerance {
        /// The metric.
        metric: MetricLabel,
        /// The ratio.
        ratio: f64,
        /// From where on a ratio is near enough.
        low: f64,
        /// Up to where.
        high: f64,
        /// The number, as it was.
        replicas: i32,
    },
    /// With the assumed pods the ratio or the number would point the other way.
    DirectionTurned {
        /// The metric.
        metric: MetricLabel,
        /// The number, as it was.
        replicas: i32,
    },
    /// The ratio times pods, rounded up.
    Rounded {
        /// The metric.
        metric: MetricLabel,
        /// The ratio.
        ratio: f64,
        /// The pods that count.
        pods: usize,
        /// The result.
        replicas: i32,
    },
    /// A total divided by the target per pod, rounded up.
    Divided {
        /// The metric.
        metric: MetricLabel,
        /// The total.
        total: Quantity,
        /// The target per pod.
        per_pod: Quantity,
        /// The result.
        replicas: i32,
    },
    /// The highest of several metrics.
    Highest {
        /// The metric.
        metric: MetricLabel,
        /// How many metrics there are.
        metrics: usize,
        /// What it asks for.
        replicas: i32,
    },
    /// Metrics failed, and what is left does not allow a decision.
    NotEnoughMetrics {
        /// How many failed.
        failed: usize,
        /// How many there are.
        metrics: usize,
    },
    /// Earlier recommendations hold the number.
    Stabilized {
        /// Which way the latest recommendation points.
        direction: Direction,
        /// How many seconds are looked back.
        window_seconds: i64,
        /// The result.
        replicas: i32,
    },
    /// Something allows only so many.
    Limited {
        /// What.
        limit: Limit,
        /// The result.
        replicas: i32,
    },
    /// The target has no replicas, which switches the autoscaler off.
    Disabled,
    /// The target has more replicas than allowed, or fewer; metrics were not looked at.
    OutOfBounds {
        /// The bound.
        limit: Limit,
        /// The number, as it was.
        current: i32,
        /// The bound's value.
        replicas: i32,
    },
    /// The target's scale could not be read.
    ScaleUnreadable {
        /// Why.
        message: Arc<str>,
    },
    /// The target's pods cannot be told from those of others.
    SelectorUnusable {
        /// Why.
        message: Arc<str>,
    },
    /// The target's scale could not be changed.
    UpdateFailed {
        /// To what.
        replicas: i32,
        /// Why.
        message: Arc<str>,
    },
}

/// A metric of the autoscaler and how it is called in texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricLabel {
    /// Its place among the autoscaler's metrics, from 0.
    pub index: usize,
    /// E.g. `CPU`, `memory of container app`, `queue_length`.
    pub text: Arc<str>,
}

/// An amount of a metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Amount {
    /// Percent of the requests.
    Percent(i32),
    /// An absolute amount.
    Quantity(Quantity),
}

/// How many pods count for a metric, and how many do not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PodCounts {
    /// Pods that count.
    pub ready: usize,
    /// Pods that are pending, or whose CPU does not count yet.
    pub unready: usize,
    /// Pods without metrics.
    pub missing: usize,
    /// Pods that have failed or are being deleted.
    pub ignored: usize,
}

/// What pods without metrics are assumed to use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Assumed {
    /// Nothing was assumed.
    Unknown,
    /// Nothing, as the others ask for more.
    Nothing,
    /// So many percent of their requests, as the others ask for fewer.
    PercentOfRequests(i64),
    /// Just the target, as the others ask for fewer.
    Target,
}

/// Which way a number moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// More replicas.
    Up,
    /// Fewer replicas.
    Down,
}

/// What holds a number back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// `maxReplicas`.
    MaxReplicas,
    /// `minReplicas`.
    MinReplicas,
    /// A policy of `behavior`.
    Policy {
        /// The policy.
        policy: ScalingPolicy,
        /// Its direction.
        direction: Direction,
    },
    /// `selectPolicy: Disabled`.
    Disabled(
        /// Its direction.
        Direction,
    ),
    /// Without `behavior`: at most twice as many, or 4.
    Doubling,
}

impl Step {
    /// One word: `metric`, `pods`, `tolerance`, `rounding`, `highest`, `stabilization`, `policy`, `limits` or `scale`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Measured { .. } | Self::Unavailable { .. } => "metric",
            Self::PodsSetAside { .. } | Self::PodsAssumed { .. } | Self::DirectionTurned { .. } => "pods",
            Self::WithinTolerance { .. } => "tolerance",
            Self::Rounded { .. } | Self::Divided { .. } => "rounding",
            Self::Highest { .. } | Self::NotEnoughMetrics { .. } => "highest",
            Self::Stabilized { .. } => "stabilization",
            Self::Limited { limit: Limit::Policy { .. } | Limit::Disabled(_) | Limit::Doubling, .. } => {
                "policy"
            }
            Self::Limited { .. } | Self::Disabled | Self::OutOfBounds { .. } => "limits",
            Self::ScaleUnreadable { .. } | Self::SelectorUnusable { .. } | Self::UpdateFailed { .. } => {
                "scale"
            }
        }
    }

    /// The number after this step, where it has one.
    pub fn replicas(&self) -> Option<i32> {
        match self {
            Self::WithinTolerance { replicas, .. }
            | Self::DirectionTurned { replicas, .. }
            | Self::Rounded { replicas, .. }
            | Self::Divided { replicas, .. }
            | Self::Highest { replicas, .. }
            | Self::Stabilized { replicas, .. }
            | Self::Limited { replicas, .. }
            | Self::OutOfBounds { replicas, .. } => Some(*replicas),
            Self::Disabled => Some(0),
            _ => None,
        }
    }

    /// The metric this step is about, if it is about one.
    pub fn metric(&self) -> Option<&MetricLabel> {
        match self {
            Self::Measured { metric, .. }
            | Self::Unavailable { metric, .. }
            | Self::PodsSetAside { metric, .. }
            | Self::PodsAssumed { metric, .. }
            | Self::WithinTolerance { metric, .. }
            | Self::DirectionTurned { metric, .. }
            | Self::Rounded { metric, .. }
            | Self::Divided { metric, .. } => Some(metric),
            _ => None,
        }
    }

    /// The step in words.
    pub fn text(&self) -> String {
        match self {
            Self::Measured { metric, current, target, ratio } => {
                format!("{metric} is {current}, the target {target}: ratio {}", Ratio(*ratio))
            }
            Self::Unavailable { metric, message } => format!("{metric} cannot be computed: {message}"),
            Self::PodsSetAside { metric, pods } => format!("for {metric} {pods}"),
            Self::PodsAssumed { missing, missing_use, unready, ratio, .. } => {
                let mut parts = Vec::new();
                if *missing > 0 && *missing_use != Assumed::Unknown {
                    parts.push(format!("{} without metrics taken as using {missing_use}", Pods(*missing)));
                }
                if *unready > 0 {
                    parts.push(format!("{} not ready taken as using nothing", Pods(*unready)));
                }
                let what = if parts.is_empty() { "nothing assumed".to_owned() } else { parts.join(", ") };
                format!("{what}: ratio {}", Ratio(*ratio))
            }
            Self::WithinTolerance { ratio, low, high, replicas, .. } => {
                let (ratio, low, high) = (Ratio(*ratio), Ratio(*low), Ratio(*high));
                format!("ratio {ratio} lies within the tolerance of {low} to {high}: stays at {replicas}")
            }
            Self::DirectionTurned { replicas, .. } => {
                format!("with the assumed pods the direction would turn: stays at {replicas}")
            }
            Self::Rounded { ratio, pods, replicas, .. } => {
                let product = Ratio(ratio * *pods as f64);
                format!("{} × {} = {product}, rounded up: {replicas}", Ratio(*ratio), Pods(*pods))
            }
            Self::Divided { total, per_pod, replicas, .. } => {
                let (total, per_pod) = (Amount::Quantity(*total), Amount::Quantity(*per_pod));
                format!("{total} in all, {per_pod} per pod, rounded up: {replicas}")
            }
            Self::Highest { metric, metrics, replicas } => {
                format!("{metric} asks for the most of {metrics} metrics: {replicas}")
            }
            Self::NotEnoughMetrics { failed, metrics } if failed == metrics => {
                "no metric can be computed: nothing is changed".to_owned()
            }
            Self::NotEnoughMetrics { failed, metrics } => format!(
                "{failed} of {metrics} metrics cannot be computed and the others ask for fewer replicas: nothing is changed"
            ),
            Self::Stabilized { .. } | Self::Limited { .. } => self.clause(),
            Self::Disabled => "the target has 0 replicas, which switches the autoscaler off".to_owned(),
            Self::OutOfBounds { limit, current, replicas } => {
                let (side, name) = match limit {
                    Limit::MinReplicas => ("below", "minReplicas"),
                    _ => ("above", "maxReplicas"),
                };
                format!("{side} {name} {replicas} with {current}: metrics are not looked at")
            }
            Self::ScaleUnreadable { message } => format!("the target's scale cannot be read: {message}"),
            Self::SelectorUnusable { message } => message.to_string(),
            Self::UpdateFailed { replicas, message } => {
                format!("scaling to {replicas} failed: {message}")
            }
        }
    }

    /// What holds the number back, as a part of a sentence.
    pub(crate) fn clause(&self) -> String {
        match self {
            Self::Stabilized { direction: Direction::Down, window_seconds, replicas } => {
                format!("the highest recommendation of the last {window_seconds} s holds {replicas}")
            }
            Self::Stabilized { window_seconds, replicas, .. } => {
                format!("the lowest recommendation of the last {window_seconds} s holds {replicas}")
            }
            Self::Limited { limit, replicas } => match limit {
                Limit::MaxReplicas => format!("maxReplicas allows {replicas}"),
                Limit::MinReplicas => format!("minReplicas keeps {replicas}"),
                Limit::Policy { policy, direction: Direction::Up } => {
                    format!("the {policy} policy allows {replicas}")
                }
                Limit::Policy { policy, direction: Direction::Down } => {
                    format!("the {policy} policy keeps {replicas}")
                }
                Limit::Disabled(Direction::Up) => format!("scaling up is disabled, {replicas} stay"),
                Limit::Disabled(Direction::Down) => format!("scaling down is disabled, {replicas} stay"),
                Limit::Doubling => format!("at most twice as many or 4 at once, {replicas} are allowed"),
            },
            other => other.text(),
        }
    }
}

impl Serialize for Step {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let replicas = self.replicas();
        let mut fields = serializer.serialize_struct("Step", 2 + usize::from(replicas.is_some()))?;
        fields.serialize_field("kind", self.kind())?;
        fields.serialize_field("text", &self.text())?;
        if let Some(replicas) = replicas {
            fields.serialize_field("replicas", &replicas)?;
        }
        fields.end()
    }
}

impl fmt::Display for MetricLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Percent(percent) => write!(f, "{percent} %"),
            Self::Quantity(quantity) => write_quantity(*quantity, f),
        }
    }
}

/// For people: `22.5` and not `22500m`, `100Mi` and not `104857600500m`; below 1 as in manifests, `250m`.
fn write_quantity(quantity: Quantity, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let text = quantity.to_string();
    let number = quantity.as_f64();
    if !text.ends_with('m') || number.abs() < 1.0 {
        return f.write_str(&text);
    }
    if quantity.format() == QuantityFormat::BinarySi {
        return write!(f, "{:.1}Mi", number / f64::from(1 << 20));
    }
    write!(f, "{}", Ratio(number))
}

impl fmt::Display for Assumed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown | Self::Nothing => f.write_str("nothing"),
            Self::PercentOfRequests(percent) => write!(f, "{percent} % of their requests"),
            Self::Target => f.write_str("the target"),
        }
    }
}

impl fmt::Display for ScalingPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (value, seconds) = (self.value, self.period_seconds);
        match self.kind {
            PolicyKind::Percent => write!(f, "{value} %/{seconds} s"),
            PolicyKind::Pods if value == 1 => write!(f, "1 pod/{seconds} s"),
            PolicyKind::Pods => write!(f, "{value} pods/{seconds} s"),
        }
    }
}

impl fmt::Display for PodCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = self.ready + self.unready + self.missing + self.ignored;
        write!(f, "{} of {} count", self.ready, Pods(all))?;
        let rest = [
            (self.unready, "not ready"),
            (self.missing, "without metrics"),
            (self.ignored, "failed or being deleted"),
        ];
        rest.iter()
            .filter(|(count, _)| *count > 0)
            .try_for_each(|(count, what)| write!(f, ", {count} {what}"))
    }
}

/// A number of pods.
pub(crate) struct Pods(pub(crate) usize);

impl fmt::Display for Pods {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let noun = if self.0 == 1 { "pod" } else { "pods" };
        write!(f, "{} {noun}", self.0)
    }
}

/// A number with at most three decimals.
pub(crate) struct Ratio(pub(crate) f64);

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{:.3}", self.0);
        f.write_str(text.trim_end_matches('0').trim_end_matches('.'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metric() -> MetricLabel {
        MetricLabel { index: 0, text: "CPU".into() }
    }

    #[test]
    fn amounts_read_well() {
        let check = |text: &str, format: QuantityFormat, printed: &str| {
            let milli = Quantity::parse_signed(text).unwrap().milli_value();
            assert_eq!(Amount::Quantity(Quantity::from_milli(milli, format)).to_string(), printed);
        };
        check("250m", QuantityFormat::DecimalSi, "250m");
        check("22500m", QuantityFormat::DecimalSi, "22.5");
        check("45", QuantityFormat::DecimalSi, "45");
        check("64Mi", QuantityFormat::BinarySi, "64Mi");
        check("104857600500m", QuantityFormat::BinarySi, "100.0Mi");
    }

    #[test]
    fn steps_read_well() {
        let check = |step: Step, kind: &str, text: &str| {
            assert_eq!((step.kind(), step.text().as_str()), (kind, text));
        };
        let (current, target) = (Amount::Percent(143), Amount::Percent(70));
        let measured = Step::Measured { metric: metric(), current, target, ratio: 143.0 / 70.0 };
        check(measured, "metric", "CPU is 143 %, the target 70 %: ratio 2.043");
        let rounded = Step::Rounded { metric: metric(), ratio: 143.0 / 70.0, pods: 2, replicas: 5 };
        check(rounded, "rounding", "2.043 × 2 pods = 4.086, rounded up: 5");
        let pods = PodCounts { ready: 2, unready: 1, missing: 0, ignored: 1 };
        check(
            Step::PodsSetAside { metric: metric(), pods },
            "pods",
            "for CPU 2 of 4 pods count, 1 not ready, 1 failed or being deleted",
        );
        let assumed = Step::PodsAssumed {
            metric: metric(),
            missing: 1,
            missing_use: Assumed::PercentOfRequests(100),
            unready: 0,
            ratio: 0.8,
        };
        check(assumed, "pods", "1 pod without metrics taken as using 100 % of their requests: ratio 0.8");
        let within =
            Step::WithinTolerance { metric: metric(), ratio: 1.05, low: 0.9, high: 1.1, replicas: 2 };
        check(within, "tolerance", "ratio 1.05 lies within the tolerance of 0.9 to 1.1: stays at 2");
        let policy = ScalingPolicy { kind: PolicyKind::Percent, value: 100, period_seconds: 30 };
        let limit = Limit::Policy { policy, direction: Direction::Up };
        check(Step::Limited { limit, replicas: 4 }, "policy", "the 100 %/30 s policy allows 4");
        check(Step::Limited { limit: Limit::MaxReplicas, replicas: 8 }, "limits", "maxReplicas allows 8");
        let bounds = Step::OutOfBounds { limit: Limit::MinReplicas, current: 1, replicas: 2 };
        check(bounds, "limits", "below minReplicas 2 with 1: metrics are not looked at");
        let held = Step::Stabilized { direction: Direction::Down, window_seconds: 300, replicas: 6 };
        check(held, "stabilization", "the highest recommendation of the last 300 s holds 6");
    }
}
