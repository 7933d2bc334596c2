//! A scenario: an autoscaler, and all it sees at each sync, as one JSON file.
//!
//! Input: the file's text. Output: [`Scenario`], checked, or the first mistake with its field, tick, value and remedy.
//! Nothing is decided here.

use crate::json_fields::Field;
use crate::{
    AutoscaleError, ContainerUsage, ContainerView, ControllerOptions, Hpa, MetricKey, Observed, PodPhase,
    PodUsage, PodView,
};
use serde_json::{Map, Value, json};
use std::collections::HashSet;
use std::sync::Arc;
use tidewatch_manifest::{MetricSource, Quantity, load_text};

/// A scenario to replay.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// The autoscaler, with the API server's defaults.
    pub hpa: Hpa,
    /// How the controller is set up.
    pub options: ControllerOptions,
    pub(crate) ticks: Vec<Tick>,
}

/// One sync.
#[derive(Clone, Debug)]
pub(crate) struct Tick {
    /// The time as written, in seconds.
    pub(crate) t: Value,
    pub(crate) time_ms: i64,
    /// `spec.replicas`, when it changes.
    pub(crate) replicas: Option<i32>,
    pub(crate) status_replicas: Option<i32>,
    pub(crate) scale_get_error: Option<String>,
    pub(crate) scale_update_error: Option<String>,
    /// All but the scale.
    pub(crate) observed: Observed,
}

type Found<T> = Result<T, AutoscaleError>;
type Amounts = Vec<(Arc<str>, Quantity)>;

impl Scenario {
    /// Reads a scenario.
    ///
    /// # Errors
    /// When the text is no JSON, the autoscaler is wrong, or a field of a tick is missing or wrong.
    pub fn parse(text: &str) -> Found<Self> {
        let document: Value = serde_json::from_str(text).map_err(|error| AutoscaleError::Scenario {
            place: format!("line {} column {}", error.line(), error.column()),
            message: format!("no JSON: {error}"),
            hint: "a scenario is one JSON object with hpa, controller and ticks".to_owned(),
        })?;
        let root = Field::root(&document);
        if !document.is_object() {
            let message = "the document is no JSON object";
            return Err(root.wrong(message, "a scenario is one JSON object with hpa, controller and ticks"));
        }
        let hpa = read_hpa(&root.get("hpa"))?;
        let options = read_options(&root.get("controller"))?;
        let ticks = root.get("ticks");
        if ticks.is_absent() {
            return Err(ticks.wrong("required field is missing", "give a list of ticks"));
        }
        let mut earlier = None;
        let ticks = ticks.list(|tick| {
            let tick = read_tick(tick, &hpa, earlier)?;
            earlier = Some(tick.time_ms);
            Ok(tick)
        })?;
        Ok(Self { hpa, options, ticks })
    }
}

/// The autoscaler, read as any manifest is.
fn read_hpa(hpa: &Field<'_>) -> Found<Hpa> {
    let Value::Object(object) = hpa.raw() else {
        return Err(hpa.wrong("required field is missing or no object", "give a HorizontalPodAutoscaler"));
    };
    let mut object: Map<String, Value> = object.clone();
    object.entry("apiVersion").or_insert_with(|| json!("autoscaling/v2"));
    object.entry("kind").or_insert_with(|| json!("HorizontalPodAutoscaler"));
    object.entry("metadata").or_insert_with(|| json!({"name": "scenario"}));
    let manifests = load_text("hpa", &Value::Object(object).to_string()).map_err(|errors| {
        let lines: Vec<String> = errors
            .iter()
            .map(|error| {
                let field = error.field.as_deref().map(|field| format!(".{field}")).unwrap_or_default();
                let hint = error.hint.as_deref().unwrap_or("write it as the API server takes it");
                format!("hpa{field}: {}\n  hint: {hint}", error.message)
            })
            .collect();
        AutoscaleError::Autoscaler(lines.join("\n"))
    })?;
    match manifests.autoscalers.first() {
        Some(autoscaler) => Hpa::from_manifest(autoscaler),
        None => Err(hpa.get("kind").wrong(
            "is no HorizontalPodAutoscaler of autoscaling/v2",
            "write apiVersion: autoscaling/v2 and kind: HorizontalPodAutoscaler",
        )),
    }
}

fn read_options(controller: &Field<'_>) -> Found<ControllerOptions> {
    let defaults = ControllerOptions::default();
    let period = |key: &str, default: i64| -> Found<i64> {
        let field = controller.get(key);
        let period = field.optional(Field::milliseconds)?.unwrap_or(default);
        if period < 0 {
            return Err(field.wrong(format!("must not be negative, is {}", field.raw()), "give seconds"));
        }
        Ok(period)
    };
    let gates = controller.get("featureGates");
    let gate = |name: &str, default: bool| Ok(gates.get(name).optional(Field::flag)?.unwrap_or(default));
    Ok(ControllerOptions {
        sync_period_ms: period("syncPeriodSeconds", defaults.sync_period_ms)?,
        tolerance: controller.get("tolerance").optional(Field::number)?.unwrap_or(defaults.tolerance),
        cpu_initialization_period_ms: period(
            "cpuInitializationPeriodSeconds",
            defaults.cpu_initialization_period_ms,
        )?,
        initial_readiness_delay_ms: period(
            "initialReadinessDelaySeconds",
            defaults.initial_readiness_delay_ms,
        )?,
        downscale_stabilization_ms: period(
            "downscaleStabilizationSeconds",
            defaults.downscale_stabilization_ms,
        )?,
        configurable_tolerance: gate("HPAConfigurableTolerance", defaults.configurable_tolerance)?,
        pod_level_resources: gate("PodLevelResources", defaults.pod_level_resources)?,
    })
}

fn read_tick(tick: &Field<'_>, hpa: &Hpa, earlier_ms: Option<i64>) -> Found<Tick> {
    let t = tick.get("t");
    let time_ms = t.milliseconds()?;
    if earlier_ms.is_some_and(|earlier| time_ms <= earlier) {
        let message = format!("{} is not later than the tick before", t.raw());
        return Err(t.wrong(message, "put the ticks in the order of their times"));
    }
    let replicas = tick.get("replicas").optional(Field::replicas)?;
    if earlier_ms.is_none() && replicas.is_none() {
        let hint = "say how many replicas the target has at the first tick";
        return Err(tick.get("replicas").wrong("required field is missing", hint));
    }
    let mut observed = Observed::of_scale(0, 0);
    read_pods(tick, time_ms, &mut observed)?;
    if let Some(error) = tick.get("metricsError").message()? {
        observed.resource = Err(error);
    }
    read_metrics(tick, hpa, &mut observed)?;
    Ok(Tick {
        t: t.raw().clone(),
        time_ms,
        replicas,
        status_replicas: tick.get("statusReplicas").optional(Field::replicas)?,
        scale_get_error: tick.get("scaleGetError").message()?,
        scale_update_error: tick.get("scaleUpdateError").message()?,
        observed,
    })
}

fn read_pods(tick: &Field<'_>, time_ms: i64, observed: &mut Observed) -> Found<()> {
    let timestamp_ms = tick.get("metricsTimestamp").optional(Field::whole_seconds)?;
    let window_ms = tick.get("metricsWindowSeconds").optional(Field::whole_seconds)?;
    let (timestamp_ms, window_ms) =
        (timestamp_ms.unwrap_or(time_ms.div_euclid(1000) * 1000), window_ms.unwrap_or(15_000));
    let mut names = HashSet::new();
    let pods = tick.get("pods").list(|pod| {
        let (view, containers) = read_pod(pod)?;
        if !names.insert(Arc::clone(&view.name)) {
            let message = format!("{:?} is the name of another pod of this tick", view.name);
            return Err(pod.get("name").wrong(message, "give each pod its own name"));
        }
        let usage = (!containers.is_empty()).then(|| PodUsage {
            pod: Arc::clone(&view.name),
            timestamp_ms,
            window_ms,
            containers,
        });
        Ok((view, usage))
    })?;
    let (pods, usages): (Vec<PodView>, Vec<Option<PodUsage>>) = pods.into_iter().unzip();
    observed.pods = pods;
    observed.resource = Ok(usages.into_iter().flatten().collect());
    Ok(())
}

fn read_pod(pod: &Field<'_>) -> Found<(PodView, Vec<ContainerUsage>)> {
    let phase = pod.get("phase");
    let phase = match phase.text()? {
        "Pending" => PodPhase::Pending,
        "Running" => PodPhase::Running,
        "Succeeded" => PodPhase::Succeeded,
        "Failed" => PodPhase::Failed,
        other => {
            let hint = "use Running, Pending, Failed or Succeeded";
            return Err(phase.wrong(format!("unknown phase {other:?}"), hint));
        }
    };
    let containers = pod.get("containers").list(read_container)?;
    let (containers, usages): (Vec<ContainerView>, Vec<Option<ContainerUsage>>) =
        containers.into_iter().unzip();
    let view = PodView {
        name: pod.get("name").text()?.into(),
        phase,
        ready: pod.get("ready").optional(Field::flag)?,
        ready_transition_ms: pod.get("readyTransitionTime").optional(Field::whole_seconds)?,
        start_ms: pod.get("startTime").optional(Field::whole_seconds)?,
        deleted: pod.get("deleted").optional(Field::flag)?.unwrap_or(false),
        requests: read_amounts(&pod.get("requests"))?.into(),
        containers: containers.into(),
    };
    Ok((view, usages.into_iter().flatten().collect()))
}

fn read_container(container: &Field<'_>) -> Found<(ContainerView, Option<ContainerUsage>)> {
    let name: Arc<str> = container.get("name").text()?.into();
    let usage = container.get("usage").optional(read_amounts)?;
    let usage = usage.map(|usage| ContainerUsage { name: Arc::clone(&name), usage });
    let sidecar = container.get("sidecar").optional(Field::flag)?.unwrap_or(false);
    let requests = read_amounts(&container.get("requests"))?;
    Ok((ContainerView { name, sidecar, requests }, usage))
}

fn read_amounts(amounts: &Field<'_>) -> Found<Amounts> {
    amounts.map(|name, amount| Ok((name.into(), amount.quantity()?)))
}

/// What the custom and external metrics APIs answer for each metric of the autoscaler; selectors are not looked at.
fn read_metrics(tick: &Field<'_>, hpa: &Hpa, observed: &mut Observed) -> Found<()> {
    for spec in &hpa.metrics {
        let Some(key) = MetricKey::of(&spec.source) else { continue };
        match &spec.source {
            MetricSource::Pods { name, .. } => {
                let metrics = tick.get("podsMetrics");
                let values = read_amounts(&metrics.get(name))?;
                observed.pods_metrics.set(key, Ok(values));
            }
            MetricSource::Object { name, .. } => {
                let metrics = tick.get("objectMetrics");
                if let Some(value) = metrics.get(name).optional(Field::quantity)? {
                    observed.object_metrics.set(key, Ok(value));
                }
            }
            MetricSource::External { name, .. } => {
                let metrics = tick.get("externalMetrics");
                let values = metrics.get(name).list(|value| value.quantity())?;
                observed.external_metrics.set(key, Ok(values));
            }
            MetricSource::Resource { .. } | MetricSource::ContainerResource { .. } => {}
        }
    }
    Ok(())
}
