//! From a metric's samples to the number of replicas it asks for.
//!
//! Input: samples, pods and a target. Output: a [`Proposal`], or the controller's complaint, and steps. Limits, policies and
//! earlier recommendations are not its business; neither is how a metric is read.

use crate::float::{to_i32, to_i64};
use crate::pod_groups::{self, PodGroup};
use crate::samples::Samples;
use crate::{
    Amount, Assumed, ControllerOptions, MetricLabel, MetricValue, PodCounts, PodView, Step, requests,
};
use tidewatch_manifest::{Quantity, QuantityFormat};

/// What a metric asks for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Proposal {
    pub(crate) replicas: i32,
    /// For the status.
    pub(crate) current: MetricValue,
}

/// How far a ratio may be off 1.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tolerances {
    pub(crate) scale_down: f64,
    pub(crate) scale_up: f64,
}

impl Tolerances {
    fn low(self) -> f64 {
        1.0 - self.scale_down
    }

    fn high(self) -> f64 {
        1.0 + self.scale_up
    }

    fn contain(self, ratio: f64) -> bool {
        self.low() <= ratio && ratio <= self.high()
    }
}

/// What all calculations of a sync for one metric have in common.
pub(crate) struct Calculator<'a> {
    pub(crate) options: &'a ControllerOptions,
    pub(crate) now_ms: i64,
    pub(crate) pods: &'a [PodView],
    pub(crate) tolerances: Tolerances,
    pub(crate) metric: &'a MetricLabel,
    pub(crate) steps: &'a mut Vec<Step>,
}

/// What the usage of pods is held to.
enum PodTarget {
    /// Percent of the pods' requests, in thousandths.
    Utilization { percent: i32, requests: Vec<i64> },
    /// Thousandths per pod.
    Average(Quantity),
}

/// Usage compared with its target.
struct Comparison {
    ratio: f64,
    /// Percent, when the target is a percentage.
    utilization: Option<i32>,
    /// Thousandths per pod.
    average: i64,
}

impl PodTarget {
    fn compare(&self, samples: &Samples) -> Result<Comparison, String> {
        match self {
            Self::Utilization { percent, requests } => {
                let (mut used, mut requested, mut pods) = (0_i64, 0_i64, 0_i64);
                for (pod, value) in samples.known() {
                    used = used.wrapping_add(value);
                    requested = requested.wrapping_add(requests[pod]);
                    pods += 1;
                }
                if requested == 0 {
                    return Err("no metrics returned matched known pods".to_owned());
                }
                let utilization = used.wrapping_mul(100).wrapping_div(requested) as i32;
                let ratio = f64::from(utilization) / f64::from(*percent);
                Ok(Comparison { ratio, utilization: Some(utilization), average: used / pods })
            }
            Self::Average(target) => {
                let used = samples.values().fold(0_i64, i64::wrapping_add);
                let average = used / samples.len() as i64;
                let ratio = average as f64 / target.milli_value() as f64;
                Ok(Comparison { ratio, utilization: None, average })
            }
        }
    }

    /// What pods without samples are taken to use when the others ask for fewer replicas.
    fn assumed(&self) -> Assumed {
        match self {
            Self::Utilization { percent, .. } => Assumed::PercentOfRequests((*percent).max(100).into()),
            Self::Average(_) => Assumed::Target,
        }
    }

    fn assumed_value(&self, assumed: Assumed, pod: usize) -> i64 {
        match (assumed, self) {
            (Assumed::PercentOfRequests(percent), Self::Utilization { requests, .. }) => {
                requests[pod].wrapping_mul(percent) / 100
            }
            (Assumed::Target, Self::Average(target)) => target.milli_value(),
            _ => 0,
        }
    }

    fn amounts(&self, compared: &Comparison, format: QuantityFormat) -> (Amount, Amount) {
        match (self, compared.utilization) {
            (Self::Utilization { percent, .. }, Some(current)) => {
                (Amount::Percent(current), Amount::Percent(*percent))
            }
            (Self::Average(target), _) => (average_of(compared, format), Amount::Quantity(*target)),
            (Self::Utilization { percent, .. }, None) => {
                (average_of(compared, format), Amount::Percent(*percent))
            }
        }
    }
}

fn average_of(compared: &Comparison, format: QuantityFormat) -> Amount {
    Amount::Quantity(Quantity::from_milli(compared.average, format))
}

/// Which samples a calculation over pods is about.
pub(crate) struct PodMetric<'a> {
    pub(crate) samples: Samples,
    /// The resource; empty for custom metrics.
    pub(crate) resource: &'a str,
    /// The container, when only one counts.
    pub(crate) container: Option<&'a str>,
    /// How its values are printed.
    pub(crate) format: QuantityFormat,
}

impl Calculator<'_> {
    /// The replicas that bring the pods' average utilisation of a resource to a percentage.
    pub(crate) fn utilization(
        &mut self,
        current: i32,
        metric: PodMetric<'_>,
        percent: i32,
    ) -> Result<Proposal, String> {
        let read_requests = |calculator: &Self| {
            let pod_level = calculator.options.pod_level_resources;
            let requests = requests::of_pods(calculator.pods, metric.resource, metric.container, pod_level)?;
            Ok(PodTarget::Utilization { percent, requests })
        };
        self.over_pods(current, metric.samples, metric.resource, metric.format, read_requests)
    }

    /// The replicas that bring the pods' average to an amount.
    pub(crate) fn average(
        &mut self,
        current: i32,
        metric: PodMetric<'_>,
        target: Quantity,
    ) -> Result<Proposal, String> {
        let target = |_: &Self| Ok(PodTarget::Average(target));
        self.over_pods(current, metric.samples, metric.resource, metric.format, target)
    }

    fn over_pods(
        &mut self,
        current: i32,
        mut samples: Samples,
        resource: &str,
        format: QuantityFormat,
        target: impl FnOnce(&Self) -> Result<PodTarget, String>,
    ) -> Result<Proposal, String> {
        self.require_pods()?;
        let (groups, counts) = pod_groups::group(self.pods, &samples, resource, self.options, self.now_ms);
        let left_out = |group: &PodGroup| matches!(group, PodGroup::Ignored | PodGroup::Unready);
        for (pod, _) in groups.iter().enumerate().filter(|(_, group)| left_out(group)) {
            samples.remove(pod);
        }
        if counts.ready != groups.len() {
            self.steps.push(Step::PodsSetAside { metric: self.metric.clone(), pods: counts });
        }
        if samples.len() == 0 {
            return Err("did not receive metrics for targeted pods (pods might be unready)".to_owned());
        }
        let target = target(self)?;
        let compared = target.compare(&samples)?;
        let (is, should_be) = target.amounts(&compared, format);
        self.measured(is, should_be, compared.ratio);
        let replicas = self.over_samples(current, samples, &groups, counts, &target, &compared)?;
        let average_value = Some(Quantity::from_milli(compared.average, format));
        let average_utilization = compared.utilization;
        Ok(Proposal { replicas, current: MetricValue { average_utilization, average_value, value: None } })
    }

    fn over_samples(
        &mut self,
        current: i32,
        mut samples: Samples,
        groups: &[PodGroup],
        counts: PodCounts,
        target: &PodTarget,
        compared: &Comparison,
    ) -> Result<i32, String> {
        let ratio = compared.ratio;
        let up_with_unready = counts.unready > 0 && ratio > 1.0;
        if !up_with_unready && counts.missing == 0 {
            if self.tolerances.contain(ratio) {
                return Ok(self.within_tolerance(ratio, current));
            }
            return Ok(self.rounded(ratio, counts.ready));
        }
        let missing_use = if counts.missing == 0 {
            Assumed::Unknown
        } else if ratio < 1.0 {
            target.assumed()
        } else if ratio > 1.0 {
            Assumed::Nothing
        } else {
            Assumed::Unknown
        };
        for (pod, group) in groups.iter().enumerate() {
            match group {
                PodGroup::Missing if missing_use != Assumed::Unknown => {
                    samples.set(pod, target.assumed_value(missing_use, pod));
                }
                PodGroup::Unready if up_with_unready => samples.set(pod, 0),
                _ => {}
            }
        }
        let assumed_ratio = target.compare(&samples)?.ratio;
        self.steps.push(Step::PodsAssumed {
            metric: self.metric.clone(),
            missing: counts.missing,
            missing_use,
            unready: if up_with_unready { counts.unready } else { 0 },
            ratio: assumed_ratio,
        });
        if self.tolerances.contain(assumed_ratio) {
            return Ok(self.within_tolerance(assumed_ratio, current));
        }
        if (ratio < 1.0 && assumed_ratio > 1.0) || (ratio > 1.0 && assumed_ratio < 1.0) {
            return Ok(self.direction_turned(current));
        }
        let replicas = self.rounded(assumed_ratio, samples.len());
        if (assumed_ratio < 1.0 && replicas > current) || (assumed_ratio > 1.0 && replicas < current) {
            return Ok(self.direction_turned(current));
        }
        Ok(replicas)
    }

    /// The replicas for a total that is held to an amount as a whole.
    pub(crate) fn whole(&mut self, current: i32, usage: i64, target: Quantity) -> Result<Proposal, String> {
        let ratio = usage as f64 / target.milli_value() as f64;
        let value = Quantity::from_milli(usage, QuantityFormat::DecimalSi);
        self.measured(Amount::Quantity(value), Amount::Quantity(target), ratio);
        let replicas = if current == 0 {
            self.rounded(ratio, 1)
        } else if self.tolerances.contain(ratio) {
            self.within_tolerance(ratio, current)
        } else {
            self.require_pods().map_err(|error| format!("unable to calculate ready pods: {error}"))?;
            self.rounded(ratio, pod_groups::ready_pods(self.pods))
        };
        Ok(Proposal { replicas, current: MetricValue { value: Some(value), ..MetricValue::default() } })
    }

    /// The replicas for a total that is held to an amount per replica; `bounded` where results beyond 32 bits are cut, not
    /// wrapped.
    pub(crate) fn per_replica(
        &mut self,
        status_replicas: i32,
        usage: i64,
        target: Quantity,
        bounded: bool,
    ) -> Proposal {
        let target_milli = target.milli_value() as f64;
        let ratio = usage as f64 / (target_milli * f64::from(status_replicas));
        let average = if bounded && usage as f64 >= i64::MAX as f64 {
            i64::MAX
        } else {
            to_i64((usage as f64 / f64::from(status_replicas)).ceil())
        };
        let average = Quantity::from_milli(average, QuantityFormat::DecimalSi);
        self.measured(Amount::Quantity(average), Amount::Quantity(target), ratio);
        let replicas = if self.tolerances.contain(ratio) {
            self.within_tolerance(ratio, status_replicas)
        } else {
            let wanted = (usage as f64 / target_milli).ceil();
            let replicas = if bounded && wanted > f64::from(i32::MAX) { i32::MAX } else { to_i32(wanted) };
            self.steps.push(Step::Divided {
                metric: self.metric.clone(),
                total: Quantity::from_milli(usage, QuantityFormat::DecimalSi),
                per_pod: target,
                replicas,
            });
            replicas
        };
        Proposal { replicas, current: MetricValue { average_value: Some(average), ..MetricValue::default() } }
    }

    fn require_pods(&self) -> Result<(), String> {
        if self.pods.is_empty() {
            return Err("no pods returned by selector while calculating replica count".to_owned());
        }
        Ok(())
    }

    fn measured(&mut self, current: Amount, target: Amount, ratio: f64) {
        self.steps.push(Step::Measured { metric: self.metric.clone(), current, target, ratio });
    }

    fn within_tolerance(&mut self, ratio: f64, replicas: i32) -> i32 {
        let (low, high) = (self.tolerances.low(), self.tolerances.high());
        self.steps.push(Step::WithinTolerance { metric: self.metric.clone(), ratio, low, high, replicas });
        replicas
    }

    fn rounded(&mut self, ratio: f64, pods: usize) -> i32 {
        let replicas = to_i32((ratio * pods as f64).ceil());
        self.steps.push(Step::Rounded { metric: self.metric.clone(), ratio, pods, replicas });
        replicas
    }

    fn direction_turned(&mut self, replicas: i32) -> i32 {
        self.steps.push(Step::DirectionTurned { metric: self.metric.clone(), replicas });
        replicas
    }
}
