//! KEDA's ScaledObjects (keda.sh/v1alpha1), as of KEDA 2.20.
//!
//! Input: documents of this kind. Output: [`ScaledObject`] with KEDA's defaults, and the HorizontalPodAutoscaler that KEDA would
//! make of it. What its triggers answer at run time is none of this module's business. Fields that KEDA has and tidewatch has
//! not are refused by name: a scaler that silently did something else locally would prove nothing.

use crate::autoscaler::ScalingRules;
use crate::fields::Fields;
use crate::scale_trigger::{ScaleTrigger, TriggerKind};
use crate::{
    Autoscaler, AutoscalerMetric, LabelSelector, Manifests, MetricSource, MetricTarget, ObjectMeta, Source,
    WrittenTarget,
};
use std::time::Duration;

/// The label by which the metrics of a ScaledObject's autoscaler name the ScaledObject.
pub const SCALED_OBJECT_LABEL: &str = "scaledobject.keda.sh/name";

/// What an autoscaler without `maxReplicaCount` may go up to.
const DEFAULT_MAX_REPLICAS: u32 = 100;

/// A ScaledObject.
#[derive(Clone, Debug, PartialEq)]
pub struct ScaledObject {
    /// Name, namespace, labels and place.
    pub meta: ObjectMeta,
    /// Kind of what it scales; `Deployment` by default.
    pub target_kind: String,
    /// Name of what it scales.
    pub target_name: String,
    /// How often its triggers are asked whether they are active; 30 s by default.
    pub polling_interval: Duration,
    /// How long after the last activity the target is switched off; 5 minutes by default.
    pub cooldown_period: Duration,
    /// How long after its start an object that was never active leaves its target alone; 0 by default.
    pub initial_cooldown_period: Duration,
    /// The replicas of a target that is switched off, when that is not 0.
    pub idle_replicas: Option<u32>,
    /// At least so many replicas while active; 0 by default, which lets the target be switched off.
    pub min_replicas: u32,
    /// At most so many replicas; 100 by default.
    pub max_replicas: u32,
    /// What holds while a trigger has no answer.
    pub fallback: Option<Fallback>,
    /// The name of the autoscaler that is made of it; `keda-hpa-<name>` by default.
    pub autoscaler_name: String,
    /// Whether it says anything of behaviour, be it empty.
    pub has_behavior: bool,
    /// How it may add replicas, if said.
    pub scale_up: Option<ScalingRules>,
    /// How it may remove replicas, if said.
    pub scale_down: Option<ScalingRules>,
    /// What it looks at; at least one.
    pub triggers: Vec<ScaleTrigger>,
    /// What its annotations forbid or force.
    pub pause: Pause,
}

/// What holds while a trigger has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fallback {
    /// How many failures in a row are suffered before.
    pub failure_threshold: u32,
    /// The number of replicas.
    pub replicas: u32,
    /// How that number and the current one are put together.
    pub behavior: FallbackBehavior,
}

/// How a [`Fallback`] and the current number of replicas are put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FallbackBehavior {
    /// The fallback's number.
    Static,
    /// The current number.
    CurrentReplicas,
    /// The higher of both.
    CurrentReplicasIfHigher,
    /// The lower of both.
    CurrentReplicasIfLower,
}

/// What the annotations `autoscaling.keda.sh/…` of a ScaledObject forbid or force.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pause {
    /// Nothing is scaled.
    pub paused: bool,
    /// The number of replicas it is paused at.
    pub replicas: Option<u32>,
    /// Nothing is removed.
    pub scale_in: bool,
    /// Nothing is added.
    pub scale_out: bool,
    /// The triggers count as active.
    pub force_activation: bool,
}

impl Default for ScaledObject {
    fn default() -> Self {
        Self {
            meta: ObjectMeta::default(),
            target_kind: "Deployment".to_owned(),
            target_name: String::new(),
            polling_interval: Duration::from_secs(30),
            cooldown_period: Duration::from_secs(300),
            initial_cooldown_period: Duration::ZERO,
            idle_replicas: None,
            min_replicas: 0,
            max_replicas: DEFAULT_MAX_REPLICAS,
            fallback: None,
            autoscaler_name: String::new(),
            has_behavior: false,
            scale_up: None,
            scale_down: None,
            triggers: Vec::new(),
            pause: Pause::default(),
        }
    }
}

impl ScaledObject {
    pub(crate) fn read(object: &Fields<'_>, source: Source) -> Self {
        let mut scaled = Self { meta: ObjectMeta::read(object, source, true), ..Self::default() };
        scaled.autoscaler_name = format!("keda-hpa-{}", scaled.meta.name);
        scaled.pause = Pause::read(&scaled.meta, object);
        let Some(spec) = object.required_section("spec") else { return scaled };
        if let Some(target) = spec.required_section("scaleTargetRef") {
            scaled.target_name = target.required_text("name");
            scaled.target_kind = target.text("kind").unwrap_or(scaled.target_kind);
            target.known(&["apiVersion", "envSourceContainerName"]);
            target.finish();
        }
        scaled.read_times(&spec);
        scaled.read_bounds(&spec);
        scaled.fallback = spec.section("fallback").and_then(|fallback| Fallback::read(&fallback));
        if let Some(advanced) = spec.section("advanced") {
            scaled.read_advanced(&advanced);
        }
        if !spec.required_list_is_empty("triggers") {
            scaled.triggers = spec
                .list("triggers")
                .iter()
                .enumerate()
                .filter_map(|(index, trigger)| ScaleTrigger::read(trigger, index))
                .collect();
        }
        scaled.check_triggers(&spec);
        spec.finish();
        scaled
    }

    fn read_times(&mut self, spec: &Fields<'_>) {
        let seconds = |key, least, default: Duration| {
            spec.number(key, least, i32::MAX.into())
                .map_or(default, |seconds: u32| Duration::from_secs(seconds.into()))
        };
        self.polling_interval = seconds("pollingInterval", 1, self.polling_interval);
        self.cooldown_period = seconds("cooldownPeriod", 0, self.cooldown_period);
        self.initial_cooldown_period = seconds("initialCooldownPeriod", 0, self.initial_cooldown_period);
    }

    fn read_bounds(&mut self, spec: &Fields<'_>) {
        self.idle_replicas = spec.number("idleReplicaCount", 0, 10_000);
        self.min_replicas = spec.number("minReplicaCount", 0, 10_000).unwrap_or(0);
        self.max_replicas = spec.number("maxReplicaCount", 1, 10_000).unwrap_or(DEFAULT_MAX_REPLICAS);
        if self.min_replicas > self.max_replicas {
            let message = format!("{} is more than maxReplicaCount {}", self.min_replicas, self.max_replicas);
            spec.wrong("minReplicaCount", message, "");
        }
        if let Some(idle) = self.idle_replicas.filter(|idle| *idle >= self.min_replicas) {
            let message = format!("{idle} is not less than minReplicaCount {}", self.min_replicas);
            spec.wrong("idleReplicaCount", message, "remove it, or raise minReplicaCount");
        }
    }

    fn read_advanced(&mut self, advanced: &Fields<'_>) {
        if let Some(config) = advanced.section("horizontalPodAutoscalerConfig") {
            self.autoscaler_name = config
                .text("name")
                .filter(|name| !name.is_empty())
                .unwrap_or_else(|| std::mem::take(&mut self.autoscaler_name));
            if let Some(behavior) = config.section("behavior") {
                self.has_behavior = true;
                self.scale_up = behavior.section("scaleUp").map(|rules| ScalingRules::read(&rules));
                self.scale_down = behavior.section("scaleDown").map(|rules| ScalingRules::read(&rules));
                behavior.finish();
            }
            config.finish();
        }
        if advanced.has("scalingModifiers") {
            advanced.wrong(
                "scalingModifiers",
                "formulas over triggers are not supported",
                "compute the number in the query of one prometheus trigger",
            );
        }
        advanced.known(&["restoreToOriginalReplicaCount", "scalingModifiers"]);
        advanced.finish_ref();
    }

    fn check_triggers(&self, spec: &Fields<'_>) {
        let names: Vec<&str> = self
            .triggers
            .iter()
            .map(|trigger| trigger.name.as_str())
            .filter(|name| !name.is_empty())
            .collect();
        for (at, name) in names.iter().enumerate() {
            if names[..at].contains(name) {
                spec.wrong(
                    "triggers",
                    format!("two triggers are named {name:?}"),
                    "give each a name of its own",
                );
            }
        }
        let from_outside = |trigger: &ScaleTrigger| !matches!(trigger.kind, TriggerKind::Resource { .. });
        if self.fallback.is_some() && !self.triggers.is_empty() && !self.triggers.iter().any(from_outside) {
            let hint = "remove it: cpu and memory have no fallback";
            spec.wrong("fallback", "no trigger but cpu and memory is there", hint);
        }
    }

    /// The number below which its autoscaler never goes: `minReplicaCount`, but at least 1.
    pub fn autoscaler_min_replicas(&self) -> u32 {
        self.min_replicas.max(1)
    }

    /// The autoscaler that KEDA would make of it, of the same namespace.
    pub fn autoscaler(&self) -> Autoscaler {
        let disabled = |rules: &Option<ScalingRules>, disabled: bool| {
            let mut rules = rules.clone();
            if disabled {
                rules.get_or_insert_default().select_policy = Some("Disabled".to_owned());
            }
            rules
        };
        let mut metrics: Vec<AutoscalerMetric> =
            self.triggers.iter().map(|trigger| self.metric_of(trigger)).collect();
        // As KEDA sorts them, by the name of their type; equal ones keep the order of the triggers.
        metrics.sort_by_key(|metric| match metric.source {
            MetricSource::ContainerResource { .. } => 0,
            MetricSource::External { .. } => 1,
            _ => 2,
        });
        let mut meta = ObjectMeta { name: self.autoscaler_name.clone(), ..self.meta.clone() };
        meta.labels.insert("app.kubernetes.io/managed-by".to_owned(), "keda-operator".to_owned());
        meta.labels.insert("app.kubernetes.io/part-of".to_owned(), self.meta.name.clone());
        let (scale_up, scale_down) =
            (disabled(&self.scale_up, self.pause.scale_out), disabled(&self.scale_down, self.pause.scale_in));
        Autoscaler {
            meta,
            has_behavior: self.has_behavior || scale_up.is_some() || scale_down.is_some(),
            target_kind: self.target_kind.clone(),
            target_name: self.target_name.clone(),
            min_replicas: self.autoscaler_min_replicas(),
            max_replicas: self.max_replicas,
            metrics,
            scale_up,
            scale_down,
        }
    }

    fn metric_of(&self, trigger: &ScaleTrigger) -> AutoscalerMetric {
        let source = match &trigger.kind {
            TriggerKind::Resource { resource, container: None, .. } => {
                MetricSource::Resource { name: resource.clone() }
            }
            TriggerKind::Resource { resource, container: Some(container), .. } => {
                MetricSource::ContainerResource { name: resource.clone(), container: container.clone() }
            }
            TriggerKind::Prometheus(_) | TriggerKind::Kafka(_) => {
                let own = (SCALED_OBJECT_LABEL.to_owned(), self.meta.name.clone());
                let selector = LabelSelector { match_labels: [own].into(), match_expressions: Vec::new() };
                MetricSource::External { name: trigger.metric_name(), selector: Some(selector) }
            }
        };
        held_to(source, trigger.target())
    }

    /// The trigger whose metric has this name.
    pub fn trigger(&self, metric_name: &str) -> Option<&ScaleTrigger> {
        self.triggers.iter().find(|trigger| {
            !matches!(trigger.kind, TriggerKind::Resource { .. }) && trigger.metric_name() == metric_name
        })
    }

    /// Whether every trigger is cpu or memory: then it is always active, as KEDA cannot know it at zero replicas.
    pub fn only_resources(&self) -> bool {
        self.triggers.iter().all(|trigger| matches!(trigger.kind, TriggerKind::Resource { .. }))
    }
}

/// A metric whose target is written in the field that its type asks for, as KEDA writes it.
fn held_to(source: MetricSource, target: MetricTarget) -> AutoscalerMetric {
    let written = |kind: &str| WrittenTarget {
        kind: kind.to_owned(),
        average_utilization: None,
        value: None,
        average_value: None,
    };
    let written = match target {
        MetricTarget::Utilization(percent) => {
            WrittenTarget { average_utilization: Some(percent), ..written("Utilization") }
        }
        MetricTarget::Value(value) => WrittenTarget { value: Some(value), ..written("Value") },
        MetricTarget::AverageValue(value) => {
            WrittenTarget { average_value: Some(value), ..written("AverageValue") }
        }
    };
    AutoscalerMetric { source, target, written }
}

impl Fallback {
    fn read(fields: &Fields<'_>) -> Option<Self> {
        let behavior = match fields.text("behavior").as_deref() {
            None | Some("static") => FallbackBehavior::Static,
            Some("currentReplicas") => FallbackBehavior::CurrentReplicas,
            Some("currentReplicasIfHigher") => FallbackBehavior::CurrentReplicasIfHigher,
            Some("currentReplicasIfLower") => FallbackBehavior::CurrentReplicasIfLower,
            Some(other) => {
                let hint = "use static, currentReplicas, currentReplicasIfHigher or currentReplicasIfLower";
                fields.wrong("behavior", format!("unsupported behavior {other:?}"), hint);
                return None;
            }
        };
        let required = |key| {
            if !fields.has(key) {
                fields.required_text(key);
            }
            fields.number(key, 0, i32::MAX.into())
        };
        let (failure_threshold, replicas) = (required("failureThreshold"), required("replicas"));
        fields.finish_ref();
        Some(Self { failure_threshold: failure_threshold?, replicas: replicas?, behavior })
    }
}

impl Pause {
    fn read(meta: &ObjectMeta, object: &Fields<'_>) -> Self {
        let annotation = |name: &str| meta.annotations.get(&format!("autoscaling.keda.sh/{name}"));
        // As KEDA reads them: what is no boolean counts as yes.
        let flag = |name: &str| {
            annotation(name)
                .is_some_and(|value| !["0", "f", "F", "FALSE", "false", "False"].contains(&value.as_str()))
        };
        let replicas = annotation("paused-replicas").and_then(|value| {
            let parsed = value.parse().ok();
            if parsed.is_none() {
                let message = format!("autoscaling.keda.sh/paused-replicas is no number: {value:?}");
                object.wrong("metadata", message, "write a whole number in quotes");
            }
            parsed
        });
        Self {
            paused: flag("paused") || annotation("paused-replicas").is_some(),
            replicas,
            scale_in: flag("paused-scale-in"),
            scale_out: flag("paused-scale-out"),
            force_activation: flag("force-activation"),
        }
    }
}

impl Manifests {
    /// All autoscalers: those that are written, and those that KEDA would make of ScaledObjects.
    pub fn all_autoscalers(&self) -> Vec<Autoscaler> {
        let made = self.scaled_objects.iter().map(ScaledObject::autoscaler);
        self.autoscalers.iter().cloned().chain(made).collect()
    }

    /// The ScaledObject of that name.
    pub fn scaled_object(&self, namespace: &str, name: &str) -> Option<&ScaledObject> {
        self.scaled_objects
            .iter()
            .find(|object| object.meta.namespace == namespace && object.meta.name == name)
    }
}

impl ScaleTrigger {
    /// What the metric of this trigger is held to.
    pub fn target(&self) -> MetricTarget {
        match &self.kind {
            TriggerKind::Resource { target, .. } => *target,
            TriggerKind::Prometheus(trigger) => self.hold_to(trigger.threshold_quantity()),
            TriggerKind::Kafka(trigger) => self.hold_to(trigger.lag_threshold_quantity()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Quantity, load_text};

    const HEAD: &str = "\
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata: {name: worker, namespace: shop, annotations: {}}
spec:
  scaleTargetRef: {name: worker}
";
    const KAFKA: &str = "  triggers:
    - type: kafka
      metadata: {bootstrapServers: kafka:9092, consumerGroup: g, topic: task.events, lagThreshold: '50'}
";

    fn read(more: &str) -> ScaledObject {
        load_text("so.yaml", &format!("{HEAD}{more}")).unwrap().scaled_objects.remove(0)
    }

    #[test]
    fn becomes_the_autoscaler_that_keda_makes() {
        let triggers = "    - {type: cpu, metricType: Utilization, metadata: {value: '60'}}
    - {type: prometheus, metricType: Value, metadata: {serverAddress: 'http://p', query: up, threshold: '2.5'}}
    - {type: memory, metricType: AverageValue, metadata: {value: 1Gi, containerName: app}}
";
        let object = read(&format!("  minReplicaCount: 0\n  maxReplicaCount: 5\n{KAFKA}{triggers}"));
        assert_eq!(object.polling_interval, Duration::from_secs(30));
        let hpa = object.autoscaler();
        assert_eq!((hpa.meta.name.as_str(), hpa.meta.namespace.as_str()), ("keda-hpa-worker", "shop"));
        assert_eq!((hpa.min_replicas, hpa.max_replicas), (1, 5));
        assert_eq!((hpa.target_kind.as_str(), hpa.target_name.as_str()), ("Deployment", "worker"));
        let selector = LabelSelector {
            match_labels: [(SCALED_OBJECT_LABEL.to_owned(), "worker".to_owned())].into(),
            ..LabelSelector::default()
        };
        let external = |name: &str, target| {
            held_to(
                MetricSource::External { name: name.to_owned(), selector: Some(selector.clone()) },
                target,
            )
        };
        let quantity = |text| Quantity::parse(text).unwrap();
        let container = MetricSource::ContainerResource { name: "memory".into(), container: "app".into() };
        assert_eq!(
            hpa.metrics,
            [
                held_to(container, MetricTarget::AverageValue(quantity("1Gi"))),
                external("s0-kafka-task-events", MetricTarget::AverageValue(quantity("50"))),
                external("s2-prometheus", MetricTarget::Value(quantity("2500m"))),
                held_to(MetricSource::Resource { name: "cpu".into() }, MetricTarget::Utilization(60)),
            ]
        );
        assert!(object.trigger("s2-prometheus").is_some() && object.trigger("s1-cpu").is_none());
        assert!(!object.only_resources());
    }

    #[test]
    fn annotations_pause_and_force() {
        let with = |annotations: &str| {
            let text = format!("{HEAD}{KAFKA}")
                .replace("annotations: {}", &format!("annotations: {{{annotations}}}"));
            load_text("so.yaml", &text).unwrap().scaled_objects.remove(0)
        };
        let check = |annotations: &str, expected: Pause| {
            assert_eq!(with(annotations).pause, expected, "{annotations}");
        };
        check("autoscaling.keda.sh/paused: 'false'", Pause::default());
        check("autoscaling.keda.sh/paused: maybe", Pause { paused: true, ..Pause::default() });
        check(
            "autoscaling.keda.sh/paused-replicas: '3'",
            Pause { paused: true, replicas: Some(3), ..Pause::default() },
        );
        check(
            "autoscaling.keda.sh/force-activation: 'true'",
            Pause { force_activation: true, ..Pause::default() },
        );
        let hpa = with("autoscaling.keda.sh/paused-scale-in: 'true'").autoscaler();
        assert_eq!(hpa.scale_down.unwrap().select_policy.as_deref(), Some("Disabled"));
        assert_eq!(hpa.scale_up, None);
    }

    #[test]
    fn mistakes_are_refused_with_place_and_remedy() {
        let check = |more: &str, expected: &str| {
            let errors = load_text("so.yaml", &format!("{HEAD}{more}")).unwrap_err();
            let shown: Vec<String> = errors.iter().map(ToString::to_string).collect();
            assert!(shown.iter().any(|error| error.contains(expected)), "{more}: {shown:#?}");
        };
        check("", "so.yaml:5:3: ScaledObject/worker: spec.triggers: required field is missing");
        check(
            "  triggers: [{type: rabbitmq, metadata: {}}]\n",
            "so.yaml:6:21: ScaledObject/worker: spec.triggers[0].type: unsupported trigger type \"rabbitmq\"\n  hint: ",
        );
        check(
            &format!("  minReplicaCount: 2\n  maxReplicaCount: 1\n{KAFKA}"),
            "so.yaml:6:20: ScaledObject/worker: spec.minReplicaCount: 2 is more than maxReplicaCount 1",
        );
        check(
            &format!("  idleReplicaCount: 0\n{KAFKA}"),
            "spec.idleReplicaCount: 0 is not less than minReplicaCount 0\n  hint: remove it",
        );
        check(
            &format!("  fallback: {{replicas: 3}}\n{KAFKA}"),
            "spec.fallback.failureThreshold: required field is missing",
        );
        check(
            &format!("  fallback: {{replicas: 3, failureThreshold: 1, behavior: scalingModifiers}}\n{KAFKA}"),
            "spec.fallback.behavior: unsupported behavior \"scalingModifiers\"",
        );
        check(
            &format!("  advanced: {{scalingModifiers: {{formula: a + b}}}}\n{KAFKA}"),
            "spec.advanced.scalingModifiers: formulas over triggers are not supported\n  hint: compute",
        );
        check(
            "  fallback: {replicas: 3, failureThreshold: 1}\n  triggers: [{type: cpu, metricType: Utilization, metadata: {value: '60'}}]\n",
            "spec.fallback: no trigger but cpu and memory is there",
        );
        check(
            "  triggers: [{type: cpu, metricType: Utilization, metadata: {value: 60}}]\n",
            "spec.triggers[0].metadata.value: must be text, is number 60\n  hint: put the value in quotes",
        );
    }
}
