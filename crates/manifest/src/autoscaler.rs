//! HorizontalPodAutoscalers (autoscaling/v2).
//!
//! Input: documents of this kind. Output: [`Autoscaler`] with the API's defaults for replicas; metrics and behaviour
//! as written. What a decision makes of them is none of this module's business.

use crate::fields::Fields;
use crate::{LabelSelector, ObjectMeta, Quantity, Source};

/// A HorizontalPodAutoscaler.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Autoscaler {
    /// Name, namespace, labels and place.
    pub meta: ObjectMeta,
    /// Kind of what it scales, e.g. `Deployment`.
    pub target_kind: String,
    /// Name of what it scales.
    pub target_name: String,
    /// At least so many replicas; 1 by default.
    pub min_replicas: u32,
    /// At most so many replicas.
    pub max_replicas: u32,
    /// What it looks at.
    pub metrics: Vec<AutoscalerMetric>,
    /// Whether it says anything of behaviour, be it empty: the API server then fills in the rest.
    pub has_behavior: bool,
    /// How it may add replicas, if said.
    pub scale_up: Option<ScalingRules>,
    /// How it may remove replicas, if said.
    pub scale_down: Option<ScalingRules>,
}

/// One metric of an autoscaler.
#[derive(Clone, Debug, PartialEq)]
pub struct AutoscalerMetric {
    /// Where the metric comes from.
    pub source: MetricSource,
    /// What it is held to.
    pub target: MetricTarget,
    /// The target as written: controllers go by the fields, and only for some sources by the type.
    pub written: WrittenTarget,
}

/// A metric's target field by field.
#[derive(Clone, Debug, PartialEq)]
pub struct WrittenTarget {
    /// `Utilization`, `Value` or `AverageValue`.
    pub kind: String,
    /// `averageUtilization`, percent.
    pub average_utilization: Option<u32>,
    /// `value`.
    pub value: Option<Quantity>,
    /// `averageValue`.
    pub average_value: Option<Quantity>,
}

/// Where a metric of an autoscaler comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum MetricSource {
    /// A resource of all containers, e.g. `cpu`.
    Resource {
        /// The resource.
        name: String,
    },
    /// A resource of one container.
    ContainerResource {
        /// The resource.
        name: String,
        /// The container.
        container: String,
    },
    /// A metric of each pod.
    Pods {
        /// The metric.
        name: String,
        /// Narrows it down.
        selector: Option<LabelSelector>,
    },
    /// A metric of another object.
    Object {
        /// The metric.
        name: String,
        /// Narrows it down.
        selector: Option<LabelSelector>,
        /// The object's kind.
        object_kind: String,
        /// The object's name.
        object_name: String,
    },
    /// A metric from outside.
    External {
        /// The metric.
        name: String,
        /// Narrows it down.
        selector: Option<LabelSelector>,
    },
}

/// What a metric is held to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum MetricTarget {
    /// Percent of the requests, averaged over pods.
    Utilization(u32),
    /// The whole.
    Value(Quantity),
    /// Per pod.
    AverageValue(Quantity),
}

/// How fast an autoscaler may move in one direction.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ScalingRules {
    /// Seconds of recommendations that are looked back at.
    pub stabilization_window_seconds: Option<u32>,
    /// `Max`, `Min` or `Disabled`.
    pub select_policy: Option<String>,
    /// The policies.
    pub policies: Vec<ScalingPolicy>,
    /// How far the ratio may be off before anything is done.
    pub tolerance: Option<Quantity>,
}

/// A limit of change per time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScalingPolicy {
    /// `Pods` or `Percent`.
    pub kind: String,
    /// Pods or percent.
    pub value: u32,
    /// Seconds.
    pub period_seconds: u32,
}

impl Autoscaler {
    pub(crate) fn read(object: &Fields<'_>, source: Source) -> Self {
        let mut autoscaler = Self { meta: ObjectMeta::read(object, source, true), ..Self::default() };
        let Some(spec) = object.required_section("spec") else { return autoscaler };
        if let Some(target) = spec.required_section("scaleTargetRef") {
            autoscaler.target_kind = target.required_text("kind");
            autoscaler.target_name = target.required_text("name");
            target.known(&["apiVersion"]);
            target.finish();
        }
        autoscaler.min_replicas = spec.number("minReplicas", 0, i32::MAX.into()).unwrap_or(1);
        if spec.has("maxReplicas") {
            autoscaler.max_replicas = spec.number("maxReplicas", 1, i32::MAX.into()).unwrap_or(1);
            if autoscaler.max_replicas < autoscaler.min_replicas {
                spec.wrong(
                    "maxReplicas",
                    format!(
                        "{} is less than minReplicas {}",
                        autoscaler.max_replicas, autoscaler.min_replicas
                    ),
                    "",
                );
            }
        } else {
            spec.required_text("maxReplicas");
        }
        autoscaler.metrics = spec.list("metrics").iter().filter_map(AutoscalerMetric::read).collect();
        // the API server's rule: what is measured of pods says nothing once there are none
        let from_outside = |metric: &AutoscalerMetric| {
            matches!(metric.source, MetricSource::Object { .. } | MetricSource::External { .. })
        };
        if autoscaler.min_replicas == 0 && !autoscaler.metrics.iter().any(from_outside) {
            spec.wrong(
                "minReplicas",
                "0 without an Object or External metric: nothing would ever scale it up from there"
                    .to_owned(),
                "write at least 1, or use a ScaledObject",
            );
        }
        if let Some(behavior) = spec.section("behavior") {
            autoscaler.has_behavior = true;
            autoscaler.scale_up = behavior.section("scaleUp").map(|rules| ScalingRules::read(&rules));
            autoscaler.scale_down = behavior.section("scaleDown").map(|rules| ScalingRules::read(&rules));
            behavior.finish();
        }
        spec.finish();
        autoscaler
    }
}

impl AutoscalerMetric {
    fn read(fields: &Fields<'_>) -> Option<Self> {
        let kind = fields.required_text("type");
        fields.known(&["resource", "containerResource", "pods", "object", "external"]);
        let section = match kind.as_str() {
            "Resource" => fields.required_section("resource")?,
            "ContainerResource" => fields.required_section("containerResource")?,
            "Pods" => fields.required_section("pods")?,
            "Object" => fields.required_section("object")?,
            "External" => fields.required_section("external")?,
            "" => return None,
            other => {
                let hint = "use Resource, ContainerResource, Pods, Object or External";
                fields.wrong("type", format!("unknown metric type {other:?}"), hint);
                return None;
            }
        };
        fields.finish_ref();
        let source = match kind.as_str() {
            "Resource" => MetricSource::Resource { name: section.required_text("name") },
            "ContainerResource" => MetricSource::ContainerResource {
                name: section.required_text("name"),
                container: section.required_text("container"),
            },
            _ => {
                let metric = section.required_section("metric")?;
                let name = metric.required_text("name");
                let selector = metric.section("selector").map(|selector| LabelSelector::read(&selector));
                match kind.as_str() {
                    "Pods" => MetricSource::Pods { name, selector },
                    "External" => MetricSource::External { name, selector },
                    _ => {
                        let object = section.required_section("describedObject")?;
                        let (object_kind, object_name) =
                            (object.required_text("kind"), object.required_text("name"));
                        MetricSource::Object { name, selector, object_kind, object_name }
                    }
                }
            }
        };
        let (target, written) = WrittenTarget::read(&section.required_section("target")?, &source)?;
        section.finish();
        Some(Self { source, target, written })
    }
}

impl WrittenTarget {
    /// Reads a target, and says which of its fields counts.
    fn read(fields: &Fields<'_>, source: &MetricSource) -> Option<(MetricTarget, Self)> {
        let kind = fields.required_text("type");
        if !["", "Utilization", "Value", "AverageValue"].contains(&kind.as_str()) {
            let hint = "use Utilization, Value or AverageValue";
            fields.wrong("type", format!("unknown target type {kind:?}"), hint);
        }
        let positive = |key| {
            let quantity = fields.quantity(key)?;
            if quantity <= Quantity::default() {
                fields.wrong(key, format!("must be more than 0, is {quantity}"), "");
                return None;
            }
            Some(quantity)
        };
        let written = Self {
            average_utilization: fields.number("averageUtilization", 1, i32::MAX.into()),
            value: positive("value"),
            average_value: positive("averageValue"),
            kind,
        };
        fields.finish_ref();
        let target = written.effective(fields, source)?;
        Some((target, written))
    }

    /// The field that a controller goes by.
    fn effective(&self, fields: &Fields<'_>, source: &MetricSource) -> Option<MetricTarget> {
        let utilization = self.average_utilization.map(MetricTarget::Utilization);
        let value = self.value.map(MetricTarget::Value);
        let average = self.average_value.map(MetricTarget::AverageValue);
        let (first, second, wanted) = match source {
            MetricSource::Resource { .. } | MetricSource::ContainerResource { .. } => {
                (average, utilization, ["averageUtilization", "averageValue"])
            }
            MetricSource::Pods { .. } => (average, None, ["averageValue", "averageValue"]),
            MetricSource::Object { .. } if self.kind == "Value" => {
                (value, average, ["value", "averageValue"])
            }
            MetricSource::Object { .. } | MetricSource::External { .. } => {
                (average, value, ["averageValue", "value"])
            }
        };
        if first.is_some() && second.is_some() && !matches!(source, MetricSource::Object { .. }) {
            let hint = "keep one of the two";
            fields.wrong(wanted[0], format!("stands beside {}, and only one may be set", wanted[1]), hint);
            return None;
        }
        let Some(target) = first.or(second) else {
            if !wanted.iter().any(|field| fields.has(field)) {
                let [first, second] = wanted;
                let hint = if first == second { first.to_owned() } else { format!("{first} or {second}") };
                let message = format!("type {} needs a field that is missing", self.kind);
                fields.wrong("type", message, &format!("add {hint}"));
            }
            return None;
        };
        if target.kind() != self.kind && !self.kind.is_empty() {
            let consequence = match source {
                MetricSource::Object { .. } => "a cluster cannot compute this metric",
                _ => "the field counts and the type is ignored",
            };
            let message = format!("type {} does not fit the field given: {consequence}", self.kind);
            fields.warn("type", message, &format!("write type: {}", target.kind()));
        }
        Some(target)
    }
}

impl MetricTarget {
    /// The type that goes with it.
    fn kind(&self) -> &'static str {
        match self {
            Self::Utilization(_) => "Utilization",
            Self::Value(_) => "Value",
            Self::AverageValue(_) => "AverageValue",
        }
    }
}

impl ScalingRules {
    pub(crate) fn read(fields: &Fields<'_>) -> Self {
        let rules = Self {
            stabilization_window_seconds: fields.number("stabilizationWindowSeconds", 0, 3600),
            select_policy: fields.text("selectPolicy"),
            policies: fields.list("policies").iter().filter_map(ScalingPolicy::read).collect(),
            tolerance: fields.quantity("tolerance"),
        };
        if fields.has("policies") && fields.list("policies").is_empty() {
            let hint = "add one, or leave policies out for the defaults";
            fields.wrong("policies", "must have at least one policy", hint);
        }
        if let Some(policy) = &rules.select_policy
            && !["Max", "Min", "Disabled"].contains(&policy.as_str())
        {
            fields.wrong("selectPolicy", format!("unknown policy {policy:?}"), "use Max, Min or Disabled");
        }
        fields.finish_ref();
        rules
    }
}

impl ScalingPolicy {
    fn read(fields: &Fields<'_>) -> Option<Self> {
        let kind = fields.required_text("type");
        if kind != "Pods" && kind != "Percent" {
            fields.wrong("type", format!("unknown policy type {kind:?}"), "use Pods or Percent");
            return None;
        }
        let policy = Self {
            kind,
            value: fields.number("value", 1, i32::MAX.into())?,
            period_seconds: fields.number("periodSeconds", 1, 1800)?,
        };
        fields.finish_ref();
        Some(policy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load_text;

    /// The errors, or the effective target and the warnings, of a metric of the given source.
    fn read(source: &str) -> Result<(MetricTarget, Vec<String>), Vec<String>> {
        let text = format!(
            "{{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {{name: web}}, spec: {{maxReplicas: 3, \
             scaleTargetRef: {{kind: Deployment, name: web}}, metrics: [{{{source}}}]}}}}"
        );
        let texts =
            |errors: &[crate::ManifestError]| errors.iter().map(|error| error.message.clone()).collect();
        let manifests = load_text("hpa.yaml", &text).map_err(|errors| texts(&errors))?;
        Ok((manifests.autoscalers[0].metrics[0].target, texts(&manifests.warnings)))
    }

    #[test]
    fn the_field_counts_and_not_the_type() {
        let check = |source: &str, target: MetricTarget, warning: &str| {
            let (found, warnings) = read(source).unwrap();
            assert_eq!(found, target, "{source}");
            assert_eq!(warnings.is_empty(), warning.is_empty(), "{source}: {warnings:?}");
            assert!(warnings.concat().contains(warning), "{source}: {warnings:?}");
        };
        let cpu = |target: &str| format!("type: Resource, resource: {{name: cpu, target: {{{target}}}}}");
        let object = |target: &str| {
            format!(
                "type: Object, object: {{metric: {{name: m}}, describedObject: {{kind: Service, name: s}}, \
                 target: {{{target}}}}}"
            )
        };
        let amount = |text: &str| Quantity::parse(text).unwrap();
        check(&cpu("type: Utilization, averageUtilization: 70"), MetricTarget::Utilization(70), "");
        let average = MetricTarget::AverageValue(amount("500m"));
        check(&cpu("type: AverageValue, averageValue: 0.5"), average, "");
        check(
            &cpu("type: Utilization, averageValue: 0.5"),
            average,
            "the field counts and the type is ignored",
        );
        check(&object("type: Value, value: 3"), MetricTarget::Value(amount("3")), "");
        check(
            &object("type: AverageValue, value: 3"),
            MetricTarget::Value(amount("3")),
            "a cluster cannot compute this metric",
        );
        let both = object("type: AverageValue, value: 3, averageValue: 4");
        check(&both, MetricTarget::AverageValue(amount("4")), "");
    }

    #[test]
    fn zero_needs_a_metric_from_outside() {
        let check = |metric: &str, expected: bool| {
            let text = format!(
                "{{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {{name: web}}, spec: {{minReplicas: 0, \
                 maxReplicas: 3, scaleTargetRef: {{kind: Deployment, name: web}}, metrics: [{metric}]}}}}"
            );
            assert_eq!(load_text("hpa.yaml", &text).is_ok(), expected, "{metric}");
        };
        let cpu =
            "{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 70}}}";
        let lag = "{type: External, external: {metric: {name: lag}, target: {type: AverageValue, averageValue: 5}}}";
        check(cpu, false);
        check("", false);
        check(lag, true);
        check(&format!("{cpu}, {lag}"), true);
    }

    #[test]
    fn what_an_api_server_refuses_is_refused() {
        let check = |source: &str, message: &str| {
            let errors = read(source).unwrap_err().join("; ");
            assert!(errors.contains(message), "{errors}");
        };
        let cpu = |target: &str| format!("type: Resource, resource: {{name: cpu, target: {{{target}}}}}");
        check(&cpu("type: Utilization"), "type Utilization needs a field that is missing");
        check(&cpu("type: Average, averageValue: 1"), "unknown target type \"Average\"");
        check(
            &cpu("type: Utilization, averageUtilization: 70, averageValue: 1"),
            "stands beside averageValue, and only one may be set",
        );
        check(&cpu("type: AverageValue, averageValue: 0"), "must be more than 0, is 0");
        check(&cpu("type: Utilization, averageUtilization: 0"), "must be from 1 to 2147483647, is 0");
    }
}
