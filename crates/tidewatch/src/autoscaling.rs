//! Autoscalers on the local runtime: where the scaling loop closes.
//!
//! Input: the manifests' HorizontalPodAutoscalers and ScaledObjects, the runtime, the store. Output: the loop that scales the runtime's
//! Deployments, the sampler of resource metrics, and the metrics APIs' answers for the server. No decision is taken here: the
//! traits of `autoscale` and `http` are implemented by what `runtime` and `metrics` know.

use crate::scaling_args::ScalingSpec;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tidewatch_autoscale::{
    Activation, ActivationCondition, Activator, AutoscalerView, Autoscaling, ContainerUsage, ContainerView,
    Hpa, Listener, Managed, MetricKey, MetricSource, ObjectRef, PodPhase, PodUsage, PodView, ScaleTarget,
    ScaleView, ScalingEvent, TargetPod, TargetState,
};
use tidewatch_http::MetricFailure;
use tidewatch_manifest::{
    Deployment, LabelSelector, Manifests, Quantity, SCALED_OBJECT_LABEL, ScaledObject, TriggerKind,
};
use tidewatch_metrics::{
    ContainerCounter, CustomMetrics, NodeCounter, NodeMetrics, PodMetrics, Queries, ReplicaCounts,
    ResourceMetrics, Scaler,
};
use tidewatch_model::{Clock, Select};
use tidewatch_promql::{Engine, EngineOptions};
use tidewatch_runtime::{
    AutoscalerCondition, AutoscalerCurrent, AutoscalerStatus, PodStatus, Runtime, RuntimeError,
};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::MissedTickBehavior;

/// How long an autoscaler waits for a query.
const QUERY_TIMEOUT: Duration = Duration::from_secs(10);
/// Resource metrics that were not taken so many times are as good as gone.
const STALE_AFTER: i64 = 4;
/// But not before this, in milliseconds.
const STALE_MS: i64 = 60_000;
/// How long after a sample the autoscalers sync, so that they decide by metrics that are fresh.
const SYNC_AFTER_SAMPLE: Duration = Duration::from_secs(1);

/// What runs: the loop and the sampler.
pub(crate) struct Autoscalers {
    /// The loop's handle.
    pub(crate) autoscaling: Autoscaling,
    /// The metrics APIs.
    pub(crate) metrics: Arc<ClusterMetrics>,
    /// What is wrong with autoscalers, each with its remedy; the others run.
    pub(crate) problems: Vec<String>,
    tasks: Vec<JoinHandle<()>>,
}

impl Autoscalers {
    /// Starts the autoscalers of the manifests, whose Deployments the runtime runs.
    pub(crate) fn start(
        spec: &ScalingSpec,
        manifests: &Arc<Manifests>,
        runtime: &Arc<Runtime>,
        store: Arc<dyn Select>,
        engine: EngineOptions,
        clock: &Arc<dyn Clock>,
    ) -> Self {
        let engine = Engine::new(EngineOptions { timeout: engine.timeout.min(QUERY_TIMEOUT), ..engine });
        let queries = Queries::new(engine, store);
        let now = clock.now();
        let scaler = |object: &ScaledObject| {
            let key = (object.meta.namespace.clone(), object.meta.name.clone());
            (key, Mutex::new(Scaler::new(object.clone(), queries.clone(), now)))
        };
        let metrics = Arc::new(ClusterMetrics {
            scalers: manifests.scaled_objects.iter().map(scaler).collect(),
            custom: CustomMetrics::new(queries.clone()),
            resources: Mutex::new(ResourceMetrics::new(milliseconds(spec.metric_resolution))),
            sampled_ms: AtomicI64::new(now),
            stale_ms: STALE_AFTER.saturating_mul(milliseconds(spec.metric_resolution)).max(STALE_MS),
            manifests: Arc::clone(manifests),
            runtime: Arc::clone(runtime),
            clock: Arc::clone(clock),
        });
        let (managed, mut problems) = managed(manifests, &metrics);
        problems.extend(manifests.scaled_objects.iter().flat_map(|object| wrong_queries(object, &engine)));
        let autoscaling = Autoscaling::new(
            managed,
            spec.options,
            Arc::clone(&metrics) as _,
            Arc::clone(&metrics) as _,
            Arc::clone(&metrics) as _,
            Arc::clone(clock),
        );
        let running = autoscaling.clone();
        let tasks = vec![
            tokio::spawn(sample(Arc::clone(&metrics), spec.metric_resolution)),
            tokio::spawn(async move {
                tokio::time::sleep(SYNC_AFTER_SAMPLE).await;
                running.run().await;
            }),
        ];
        Self { autoscaling, metrics, problems, tasks }
    }

    /// Ends the loop and the sampler: nothing is scaled any more but by a sync that is going on.
    pub(crate) fn stop(&self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// All autoscalers, and what is wrong with those that cannot be run.
fn managed(manifests: &Manifests, metrics: &Arc<ClusterMetrics>) -> (Vec<Managed>, Vec<String>) {
    let (mut managed, mut problems) = (Vec::new(), Vec::new());
    for autoscaler in &manifests.autoscalers {
        match Hpa::from_manifest(autoscaler) {
            Ok(hpa) => managed.push(Managed { hpa, scaled_object: None }),
            Err(error) => problems.push(format!("{}: {error}", autoscaler.meta.source)),
        }
    }
    for object in &manifests.scaled_objects {
        let activator = Arc::new(KedaActivator {
            metrics: Arc::clone(metrics),
            key: (object.meta.namespace.clone(), object.meta.name.clone()),
            interval: object.polling_interval,
            paused: object.pause.paused,
        });
        match Hpa::from_manifest(&object.autoscaler()) {
            Ok(hpa) => {
                managed.push(Managed { hpa, scaled_object: Some((object.meta.name.clone(), activator)) });
            }
            Err(error) => problems.push(format!("{}: {error}", object.meta.source)),
        }
    }
    (managed, problems)
}

/// The queries of a ScaledObject that can never be answered.
fn wrong_queries(object: &ScaledObject, engine: &Engine) -> Vec<String> {
    let wrong = object.triggers.iter().filter_map(|trigger| {
        let TriggerKind::Prometheus(prometheus) = &trigger.kind else { return None };
        let error = engine.parse(&prometheus.query).err()?;
        Some(format!(
            "{}: ScaledObject/{}: spec.triggers[{}].metadata.query: {error}\n  hint: try the query on the Explore page",
            object.meta.source, object.meta.name, trigger.index
        ))
    });
    wrong.collect()
}

fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// Takes the counters of containers and the node once a resolution, for ever.
async fn sample(metrics: Arc<ClusterMetrics>, resolution: Duration) {
    let mut ticks = tokio::time::interval(resolution);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        ticks.tick().await;
        let metrics = Arc::clone(&metrics);
        if let Err(error) = spawn_blocking(move || metrics.sample()).await {
            tracing::error!("resource metrics were not taken, they are tried again: {error}");
        }
    }
}

/// The metrics APIs of the cluster that the runtime is.
pub(crate) struct ClusterMetrics {
    /// ScaledObjects at work, by namespace and name.
    scalers: BTreeMap<(String, String), Mutex<Scaler>>,
    custom: CustomMetrics,
    resources: Mutex<ResourceMetrics>,
    /// When counters were last taken.
    sampled_ms: AtomicI64,
    /// From which age on they are as good as gone, in milliseconds.
    stale_ms: i64,
    manifests: Arc<Manifests>,
    runtime: Arc<Runtime>,
    clock: Arc<dyn Clock>,
}

impl ClusterMetrics {
    fn sample(&self) {
        let containers: Vec<ContainerCounter> = self
            .runtime
            .container_usage()
            .into_iter()
            .map(|reading| ContainerCounter {
                pod: reading.pod,
                container: reading.container,
                cpu_seconds_total: reading.cpu_seconds_total,
                working_set_bytes: reading.working_set_bytes,
                start_ms: reading.started_ms,
            })
            .collect();
        let node = self.runtime.node_usage();
        let node = NodeCounter {
            name: node.name,
            cpu_seconds_total: node.cpu_seconds_total,
            working_set_bytes: node.working_set_bytes,
        };
        let now = self.clock.now();
        let mut resources = self.resources();
        resources.observe(now, &containers);
        resources.observe_nodes(now, &[node]);
        self.sampled_ms.store(now, Ordering::Relaxed);
    }

    fn resources(&self) -> MutexGuard<'_, ResourceMetrics> {
        self.resources.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says so when counters have not been taken for a while.
    fn check_fresh(&self, resource: &str) -> Result<(), String> {
        if self.clock.now() - self.sampled_ms.load(Ordering::Relaxed) <= self.stale_ms {
            return Ok(());
        }
        Err(format!("the server is currently unable to handle the request (get {resource}.metrics.k8s.io)"))
    }

    fn replicas(&self, namespace: &str, deployment: &str) -> ReplicaCounts {
        let Ok(state) = self.runtime.scale_state(namespace, deployment) else {
            return ReplicaCounts::default();
        };
        let ready = state.pods.iter().filter(|pod| pod.ready).count() as u32;
        ReplicaCounts { wanted: state.spec_replicas, ready }
    }

    /// The value of an external metric: of a ScaledObject's trigger, or of series.
    fn external_values(
        &self,
        namespace: &str,
        metric: &str,
        selector: Option<&LabelSelector>,
    ) -> Result<Vec<Quantity>, tidewatch_metrics::MetricsError> {
        let now = self.clock.now();
        let object = selector.and_then(scaled_object_of);
        let scaler = object.and_then(|name| self.scalers.get(&(namespace.to_owned(), name.to_owned())));
        let Some(scaler) = scaler else { return self.custom.external(metric, selector, now) };
        let mut scaler = scaler.lock().unwrap_or_else(PoisonError::into_inner);
        let replicas = self.replicas(namespace, &scaler.object().target_name.clone());
        scaler.metric(metric, now, replicas).map(|value| vec![value])
    }
}

/// The ScaledObject that a selector names, as label or as requirement.
fn scaled_object_of(selector: &LabelSelector) -> Option<&str> {
    let required = selector.match_expressions.iter().find_map(|requirement| match &requirement.values[..] {
        [only] if requirement.operator == "In" && requirement.key == SCALED_OBJECT_LABEL => Some(only),
        _ => None,
    });
    selector.match_labels.get(SCALED_OBJECT_LABEL).or(required).map(String::as_str)
}

impl ScaleTarget for ClusterMetrics {
    fn observe(&self, target: &ObjectRef) -> Result<TargetState, String> {
        if target.kind != "Deployment" {
            return Err(format!(
                "no matches for kind {:?}: only Deployments are run here; hint: scale a Deployment",
                target.kind
            ));
        }
        let state = self.runtime.scale_state(&target.namespace, &target.name);
        let state = state.map_err(|error| api_text(&error, target))?;
        let deployment = self.manifests.deployment(&target.namespace, &target.name);
        let pods = state
            .pods
            .iter()
            .map(|status| TargetPod { view: view_of(status, deployment), labels: status.pod.labels.clone() });
        Ok(TargetState {
            scale: ScaleView {
                spec_replicas: state.spec_replicas as i32,
                status_replicas: state.status_replicas as i32,
            },
            selector: Some(state.selector),
            pods: pods.collect(),
        })
    }

    fn scale(&self, target: &ObjectRef, replicas: i32) -> Result<(), String> {
        let wanted = u32::try_from(replicas).unwrap_or(0);
        self.runtime.scale(&target.namespace, &target.name, wanted).map_err(|error| api_text(&error, target))
    }
}

/// An error as the API server would put it.
fn api_text(error: &RuntimeError, target: &ObjectRef) -> String {
    match error {
        RuntimeError::NoSuchDeployment { .. } => format!("deployments.apps {:?} not found", target.name),
        other => other.to_string(),
    }
}

/// Kubernetes has whole seconds.
fn whole_seconds(milliseconds: i64) -> i64 {
    milliseconds.div_euclid(1000) * 1000
}

fn view_of(status: &PodStatus, deployment: Option<&Deployment>) -> PodView {
    let is_sidecar = |name: &str| {
        let init = deployment.iter().flat_map(|deployment| &deployment.template.init_containers);
        init.into_iter().any(|container| container.sidecar && container.name == name)
    };
    let containers = status.containers.iter().map(|container| ContainerView {
        name: container.name.as_str().into(),
        sidecar: is_sidecar(&container.name),
        requests: container.requests.iter().map(|(name, amount)| (name.as_str().into(), *amount)).collect(),
    });
    PodView {
        name: status.pod.name.as_str().into(),
        phase: match status.phase {
            tidewatch_runtime::PodPhase::Pending => PodPhase::Pending,
            tidewatch_runtime::PodPhase::Running => PodPhase::Running,
            tidewatch_runtime::PodPhase::Succeeded => PodPhase::Succeeded,
            tidewatch_runtime::PodPhase::Failed => PodPhase::Failed,
        },
        ready: Some(status.ready),
        ready_transition_ms: Some(whole_seconds(status.ready_changed_ms)),
        start_ms: Some(whole_seconds(status.created_ms)),
        deleted: status.deleted_ms.is_some(),
        requests: [].into(),
        containers: containers.collect(),
    }
}

impl MetricSource for ClusterMetrics {
    fn resource(&self, namespace: &str, pods: &[PodView]) -> Result<Vec<PodUsage>, String> {
        self.check_fresh("pods")?;
        let listed = self.resources().pods().into_iter().filter(|metrics| metrics.namespace == namespace);
        let usage = |metrics: PodMetrics| {
            let pod = pods.iter().find(|pod| *pod.name == *metrics.name)?;
            let containers = metrics.containers.into_iter().map(|container| {
                let cpu = i64::try_from(container.cpu_nano_cores).unwrap_or(i64::MAX);
                let usage = vec![
                    ("cpu".into(), Quantity::from_nano(cpu)),
                    ("memory".into(), Quantity::from_bytes(container.memory_bytes)),
                ];
                ContainerUsage { name: container.name.as_str().into(), usage }
            });
            Some(PodUsage {
                pod: Arc::clone(&pod.name),
                timestamp_ms: whole_seconds(metrics.timestamp_ms),
                window_ms: metrics.window_ms,
                containers: containers.collect(),
            })
        };
        Ok(listed.filter_map(usage).collect())
    }

    fn pods(
        &self,
        namespace: &str,
        metric: &MetricKey,
        pods: &[PodView],
    ) -> Result<Vec<(Arc<str>, Quantity)>, String> {
        let names: Vec<&str> = pods.iter().map(|pod| &*pod.name).collect();
        let selector = metric.selector.as_ref();
        let found = self.custom.pods(namespace, &metric.name, selector, &names, self.clock.now());
        let found = found.map_err(|error| error.to_string())?;
        Ok(found.into_iter().map(|(pod, value)| (pod.into(), value)).collect())
    }

    fn object(&self, namespace: &str, metric: &MetricKey) -> Result<Quantity, String> {
        let (kind, name) = metric.object.as_ref().ok_or("the metric names no object")?;
        let (now, selector) = (self.clock.now(), metric.selector.as_ref());
        let value = self.custom.object(namespace, (kind, name), &metric.name, selector, now);
        value.map_err(|error| error.to_string())
    }

    fn external(&self, namespace: &str, metric: &MetricKey) -> Result<Vec<Quantity>, String> {
        let values = self.external_values(namespace, &metric.name, metric.selector.as_ref());
        values.map_err(|error| error.to_string())
    }
}

impl Listener for ClusterMetrics {
    fn event(&self, about: &ObjectRef, event: &ScalingEvent) {
        let ObjectRef { kind, namespace, name } = about;
        self.runtime.add_event(event.warning, kind, namespace, name, event.reason, &event.message);
        if event.reason == "SuccessfulRescale" {
            tracing::info!(autoscaler = %format!("{namespace}/{name}"), "{}", event.message);
        }
    }

    fn synced(&self, autoscaler: &AutoscalerView) {
        let status = status_of(autoscaler);
        self.runtime.set_autoscaler_status(&autoscaler.namespace, &autoscaler.name, status);
    }
}

/// What kube-state-metrics tells of an autoscaler.
fn status_of(view: &AutoscalerView) -> AutoscalerStatus {
    let conditions = view.conditions.iter().map(|condition| AutoscalerCondition {
        kind: condition.kind.name().to_owned(),
        status: condition.status_text().to_owned(),
    });
    let metrics = view.metrics.iter().filter_map(|metric| {
        let current = metric.current?;
        let container = match &metric.spec.source {
            tidewatch_manifest::MetricSource::ContainerResource { container, .. } => Some(container.clone()),
            _ => None,
        };
        Some(AutoscalerCurrent {
            name: metric.spec.name().to_owned(),
            container,
            value: current.value.map(Quantity::as_f64),
            average_value: current.average_value.map(Quantity::as_f64),
            average_utilization: current.average_utilization,
        })
    });
    AutoscalerStatus {
        current_replicas: u32::try_from(view.current_replicas).unwrap_or(0),
        desired_replicas: u32::try_from(view.desired_replicas).unwrap_or(0),
        conditions: conditions.collect(),
        metrics: metrics.collect(),
    }
}

/// Switches the target of a ScaledObject on and off.
struct KedaActivator {
    metrics: Arc<ClusterMetrics>,
    key: (String, String),
    interval: Duration,
    paused: bool,
}

impl Activator for KedaActivator {
    fn interval(&self) -> Duration {
        self.interval
    }

    fn paused(&self) -> bool {
        self.paused
    }

    fn poll(&self, now_ms: i64, replicas: tidewatch_autoscale::ReplicaCounts) -> Activation {
        let Some(scaler) = self.metrics.scalers.get(&self.key) else { return Activation::default() };
        let count = |count| u32::try_from(count).unwrap_or(0);
        let counts = ReplicaCounts { wanted: count(replicas.wanted), ready: count(replicas.ready) };
        let poll = scaler.lock().unwrap_or_else(PoisonError::into_inner).poll(now_ms, counts);
        let event = poll.event.map(|event| ScalingEvent {
            reason: event.reason,
            message: event.message,
            warning: event.warning,
        });
        let conditions = poll.conditions.into_iter().map(|condition| ActivationCondition {
            kind: condition.kind,
            status: condition.status,
            reason: condition.reason,
            message: condition.message,
        });
        Activation {
            scale_to: poll.scale_to.and_then(|replicas| i32::try_from(replicas).ok()),
            event,
            conditions: conditions.collect(),
            failures: poll.failures,
        }
    }
}

impl tidewatch_http::ResourceMetrics for ClusterMetrics {
    fn pods(&self) -> Result<Vec<PodMetrics>, String> {
        self.check_fresh("pods")?;
        let there = self.runtime.pods();
        let listed = |metrics: &PodMetrics| {
            there.iter().any(|pod| pod.pod.namespace == metrics.namespace && pod.pod.name == metrics.name)
        };
        Ok(self.resources().pods().into_iter().filter(listed).collect())
    }

    fn nodes(&self) -> Result<Vec<NodeMetrics>, String> {
        self.check_fresh("nodes")?;
        Ok(self.resources().nodes())
    }
}

impl tidewatch_http::CustomMetrics for ClusterMetrics {
    fn pods(
        &self,
        namespace: &str,
        metric: &str,
        selector: Option<&LabelSelector>,
        pods: &[&str],
    ) -> Result<Vec<(String, Quantity)>, MetricFailure> {
        self.custom.pods(namespace, metric, selector, pods, self.clock.now()).map_err(MetricFailure::from)
    }

    fn object(
        &self,
        namespace: &str,
        kind: &str,
        name: &str,
        metric: &str,
        selector: Option<&LabelSelector>,
    ) -> Result<Quantity, MetricFailure> {
        let value = self.custom.object(namespace, (kind, name), metric, selector, self.clock.now());
        value.map_err(MetricFailure::from)
    }
}

impl tidewatch_http::ExternalMetrics for ClusterMetrics {
    fn values(
        &self,
        namespace: &str,
        metric: &str,
        selector: Option<&LabelSelector>,
    ) -> Result<Vec<Quantity>, MetricFailure> {
        self.external_values(namespace, metric, selector).map_err(MetricFailure::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidewatch_manifest::{SelectorRequirement, load_text};

    #[test]
    fn a_selector_names_a_scaled_object_in_either_form() {
        let label = LabelSelector {
            match_labels: [(SCALED_OBJECT_LABEL.to_owned(), "lag".to_owned())].into(),
            ..LabelSelector::default()
        };
        let requirement = |operator: &str, values: &[&str]| LabelSelector {
            match_expressions: vec![SelectorRequirement {
                key: SCALED_OBJECT_LABEL.to_owned(),
                operator: operator.to_owned(),
                values: values.iter().map(|value| (*value).to_owned()).collect(),
            }],
            ..LabelSelector::default()
        };
        assert_eq!(scaled_object_of(&label), Some("lag"));
        assert_eq!(scaled_object_of(&requirement("In", &["lag"])), Some("lag"));
        for none in [requirement("In", &["a", "b"]), requirement("NotIn", &["lag"]), LabelSelector::default()]
        {
            assert_eq!(scaled_object_of(&none), None, "{none:?}");
        }
    }

    #[test]
    fn a_query_that_is_none_is_told_with_its_place() {
        let text = "apiVersion: keda.sh/v1alpha1\nkind: ScaledObject\nmetadata: {name: w}\nspec:\n  scaleTargetRef: {name: w}\n  \
                    triggers:\n    - {type: prometheus, metadata: {serverAddress: 'http://p', query: 'sum(', threshold: '1'}}\n    \
                    - {type: prometheus, metadata: {serverAddress: 'http://p', query: 'sum(x)', threshold: '1'}}\n";
        let manifests = load_text("so.yaml", text).unwrap();
        let found = wrong_queries(&manifests.scaled_objects[0], &Engine::new(EngineOptions::default()));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(
            found[0].starts_with("so.yaml:1: ScaledObject/w: spec.triggers[0].metadata.query: ")
                && found[0].contains("hint:"),
            "{found:?}"
        );
    }

    #[test]
    fn times_are_whole_seconds() {
        assert_eq!([1_999, 2_000, -1].map(whole_seconds), [1_000, 2_000, -1_000]);
    }
}
