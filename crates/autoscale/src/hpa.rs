//! An autoscaler as the API server stores it: with every default filled in.
//!
//! Input: an autoscaler as written in a manifest. Output: [`Hpa`]. Whether its target exists is none of its business.

use crate::AutoscaleError;
use tidewatch_manifest::{Autoscaler, AutoscalerMetric, MetricSource, Quantity, WrittenTarget};

/// A HorizontalPodAutoscaler (autoscaling/v2), with the API server's defaults.
#[derive(Clone, Debug, PartialEq)]
pub struct Hpa {
    /// Its namespace, also that of its target and metrics.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Kind of what it scales, e.g. `Deployment`.
    pub target_kind: String,
    /// Name of what it scales.
    pub target_name: String,
    /// At least so many replicas; 0 is allowed with Object and External metrics.
    pub min_replicas: i32,
    /// At most so many replicas.
    pub max_replicas: i32,
    /// What it looks at; never empty.
    pub metrics: Vec<MetricSpec>,
    /// How fast it may move; `None` when the manifest says nothing of it, which is not the same as all defaults.
    pub behavior: Option<Behavior>,
}

/// One metric of an autoscaler.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricSpec {
    /// Where it comes from.
    pub source: MetricSource,
    /// What it is held to.
    pub target: MetricTarget,
}

/// What a metric is held to. Which field counts depends on the source, and only for some sources on the kind.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MetricTarget {
    /// The type as written.
    pub kind: TargetKind,
    /// Percent of the requests.
    pub average_utilization: Option<i32>,
    /// The whole.
    pub value: Option<Quantity>,
    /// Per pod.
    pub average_value: Option<Quantity>,
}

/// The type of a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetKind {
    /// Percent of the requests, averaged over pods.
    Utilization,
    /// The whole.
    Value,
    /// Per pod.
    AverageValue,
}

/// How fast an autoscaler may move.
#[derive(Clone, Debug, PartialEq)]
pub struct Behavior {
    /// Upwards.
    pub scale_up: ScalingRules,
    /// Downwards.
    pub scale_down: ScalingRules,
}

/// How fast an autoscaler may move in one direction.
#[derive(Clone, Debug, PartialEq)]
pub struct ScalingRules {
    /// Seconds of recommendations that are looked back at; `None`, downwards only: what the controller is set to.
    pub stabilization_window_seconds: Option<i32>,
    /// Which of several policies counts.
    pub select_policy: SelectPolicy,
    /// The policies; never empty.
    pub policies: Vec<ScalingPolicy>,
    /// How far the ratio may be off 1, instead of what the controller is set to.
    pub tolerance: Option<Quantity>,
}

/// Which of several policies counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SelectPolicy {
    /// The one that allows the largest change.
    Max,
    /// The one that allows the smallest change.
    Min,
    /// None: no change in this direction.
    Disabled,
}

/// A limit of change per time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScalingPolicy {
    /// What is counted.
    pub kind: PolicyKind,
    /// Pods, or percent of those at the period's start; at least 1.
    pub value: i32,
    /// Length of the period in seconds, 1 to 1800.
    pub period_seconds: i32,
}

/// What a policy counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyKind {
    /// Pods.
    Pods,
    /// Percent.
    Percent,
}

impl Hpa {
    /// Fills in what the API server fills in: metrics (80 % of the CPU requests), and, once `behavior` is there at all, all of
    /// its rules.
    ///
    /// # Errors
    /// When the autoscaler has `maxReplicas` below `minReplicas`, or values that a cluster refuses; the reader of
    /// manifests has already said so with its place.
    pub fn from_manifest(autoscaler: &Autoscaler) -> Result<Self, AutoscaleError> {
        let wrong = |field: &str, message: String| {
            let name = &autoscaler.meta.name;
            AutoscaleError::Autoscaler(format!("HorizontalPodAutoscaler/{name}: {field}: {message}"))
        };
        let count = |field: &str, value: u32| {
            let too_large = |_| wrong(field, format!("must be at most {}, is {value}", i32::MAX));
            i32::try_from(value).map_err(too_large)
        };
        let min_replicas = count("spec.minReplicas", autoscaler.min_replicas)?;
        let max_replicas = count("spec.maxReplicas", autoscaler.max_replicas)?;
        if max_replicas < min_replicas.max(1) {
            let message = format!("{max_replicas} is less than minReplicas {min_replicas}");
            return Err(wrong("spec.maxReplicas", format!("{message}\n  hint: raise it to {min_replicas}")));
        }
        let mut metrics: Vec<MetricSpec> = autoscaler.metrics.iter().map(MetricSpec::from_manifest).collect();
        if metrics.is_empty() {
            metrics.push(MetricSpec::default_cpu());
        }
        let behavior = autoscaler.has_behavior.then(|| Behavior {
            scale_up: ScalingRules::scale_up(autoscaler.scale_up.as_ref()),
            scale_down: ScalingRules::scale_down(autoscaler.scale_down.as_ref()),
        });
        Ok(Self {
            namespace: autoscaler.meta.namespace.clone(),
            name: autoscaler.meta.name.clone(),
            target_kind: autoscaler.target_kind.clone(),
            target_name: autoscaler.target_name.clone(),
            min_replicas,
            max_replicas,
            metrics,
            behavior,
        })
    }
}

impl MetricSpec {
    fn default_cpu() -> Self {
        Self {
            source: MetricSource::Resource { name: "cpu".to_owned() },
            target: MetricTarget {
                kind: TargetKind::Utilization,
                average_utilization: Some(80),
                value: None,
                average_value: None,
            },
        }
    }

    fn from_manifest(metric: &AutoscalerMetric) -> Self {
        Self { source: metric.source.clone(), target: MetricTarget::from_manifest(&metric.written) }
    }

    /// The metric's own name, e.g. `cpu` or `http_requests`.
    pub fn name(&self) -> &str {
        match &self.source {
            MetricSource::Resource { name }
            | MetricSource::ContainerResource { name, .. }
            | MetricSource::Pods { name, .. }
            | MetricSource::Object { name, .. }
            | MetricSource::External { name, .. } => name,
        }
    }
}

impl MetricTarget {
    fn from_manifest(written: &WrittenTarget) -> Self {
        let kind = match written.kind.as_str() {
            "Value" => TargetKind::Value,
            "AverageValue" => TargetKind::AverageValue,
            _ => TargetKind::Utilization,
        };
        let percent = |percent| i32::try_from(percent).unwrap_or(i32::MAX);
        Self {
            kind,
            average_utilization: written.average_utilization.map(percent),
            value: written.value,
            average_value: written.average_value,
        }
    }
}

impl ScalingRules {
    fn scale_up(written: Option<&tidewatch_manifest::ScalingRules>) -> Self {
        let defaults = Self {
            stabilization_window_seconds: Some(0),
            select_policy: SelectPolicy::Max,
            policies: vec![
                ScalingPolicy { kind: PolicyKind::Pods, value: 4, period_seconds: 15 },
                ScalingPolicy { kind: PolicyKind::Percent, value: 100, period_seconds: 15 },
            ],
            tolerance: None,
        };
        defaults.overridden(written)
    }

    fn scale_down(written: Option<&tidewatch_manifest::ScalingRules>) -> Self {
        let defaults = Self {
            stabilization_window_seconds: None,
            select_policy: SelectPolicy::Max,
            policies: vec![ScalingPolicy { kind: PolicyKind::Percent, value: 100, period_seconds: 15 }],
            tolerance: None,
        };
        defaults.overridden(written)
    }

    fn overridden(mut self, written: Option<&tidewatch_manifest::ScalingRules>) -> Self {
        let Some(written) = written else { return self };
        let seconds = |seconds| i32::try_from(seconds).unwrap_or(i32::MAX);
        if let Some(window) = written.stabilization_window_seconds {
            self.stabilization_window_seconds = Some(seconds(window));
        }
        match written.select_policy.as_deref() {
            Some("Max") => self.select_policy = SelectPolicy::Max,
            Some("Min") => self.select_policy = SelectPolicy::Min,
            Some("Disabled") => self.select_policy = SelectPolicy::Disabled,
            _ => {}
        }
        if !written.policies.is_empty() {
            let policy = |policy: &tidewatch_manifest::ScalingPolicy| ScalingPolicy {
                kind: if policy.kind == "Pods" { PolicyKind::Pods } else { PolicyKind::Percent },
                value: seconds(policy.value),
                period_seconds: seconds(policy.period_seconds),
            };
            self.policies = written.policies.iter().map(policy).collect();
        }
        self.tolerance = written.tolerance.or(self.tolerance);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidewatch_manifest::load_text;

    fn hpa(spec: &str) -> Hpa {
        let head = "{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {name: web}";
        let target = "scaleTargetRef: {kind: Deployment, name: web}, maxReplicas: 3";
        let text = format!("{head}, spec: {{{target}{spec}}}}}");
        Hpa::from_manifest(&load_text("hpa.yaml", &text).unwrap().autoscalers[0]).unwrap()
    }

    #[test]
    fn what_is_not_said_is_filled_in() {
        let bare = hpa("");
        assert_eq!((bare.min_replicas, bare.max_replicas, bare.namespace.as_str()), (1, 3, "default"));
        assert_eq!(bare.metrics, [MetricSpec::default_cpu()]);
        assert_eq!(bare.behavior, None);
        assert_eq!(hpa(", metrics: [], behavior: null").metrics, [MetricSpec::default_cpu()]);
    }

    #[test]
    fn behavior_is_completed_as_soon_as_it_is_there() {
        let check = |text: &str, up: ScalingRules, down: ScalingRules| {
            let behavior = hpa(&format!(", behavior: {text}")).behavior.unwrap();
            assert_eq!(behavior, Behavior { scale_up: up, scale_down: down }, "{text}");
        };
        let (up, down) = (|| ScalingRules::scale_up(None), || ScalingRules::scale_down(None));
        check("{}", up(), down());
        check(
            "{scaleUp: {selectPolicy: Min}}",
            ScalingRules { select_policy: SelectPolicy::Min, ..up() },
            down(),
        );
        let window = ScalingRules { stabilization_window_seconds: Some(60), ..down() };
        check("{scaleDown: {stabilizationWindowSeconds: 60}}", up(), window);
        let policy = ScalingPolicy { kind: PolicyKind::Pods, value: 1, period_seconds: 30 };
        check(
            "{scaleDown: {policies: [{type: Pods, value: 1, periodSeconds: 30}], tolerance: 50m}}",
            up(),
            ScalingRules { policies: vec![policy], tolerance: Quantity::parse("0.05").ok(), ..down() },
        );
        assert_eq!((up().stabilization_window_seconds, down().stabilization_window_seconds), (Some(0), None));
        assert_eq!((up().policies.len(), down().policies.len()), (2, 1));
    }

    #[test]
    fn more_at_least_than_at_most_is_refused() {
        let mut autoscaler = Autoscaler { min_replicas: 5, max_replicas: 4, ..Autoscaler::default() };
        autoscaler.meta.name = "web".into();
        let error = Hpa::from_manifest(&autoscaler).unwrap_err().to_string();
        assert!(
            error.contains("spec.maxReplicas: 4 is less than minReplicas 5\n  hint: raise it to 5"),
            "{error}"
        );
    }
}
