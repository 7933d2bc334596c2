//! What is simulated: an autoscaler and the pods of its Deployment, out of manifests.
//!
//! Input: the request's `hpa`. Output: [`Subject`]: the autoscaler with all defaults, the containers of a pod with their requests, and
//! the metrics that follow the load, in numbers.

use crate::{QueueModel, ServiceModel, Signal, SimulationError, SimulationRequest};
use tidewatch_autoscale::{Behavior, Hpa, MetricSpec, TargetKind};
use tidewatch_manifest::{
    Autoscaler, DaprSidecar, Deployment, ManifestError, Manifests, MetricSource, Quantity, ScaleTrigger,
    ScaledObject, TriggerKind, load_text,
};

/// CPU and memory request of a pod of which nothing is known.
const DEFAULT_CPU_CORES: f64 = 0.25;
const DEFAULT_MEMORY_BYTES: f64 = 268_435_456.0;
/// Cores a pod may use when nothing limits it.
const DEFAULT_LIMIT_CORES: f64 = 1.0;
/// Pods that one simulation may have.
const MOST_PODS: i32 = 5000;

/// What is simulated.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    pub(crate) hpa: Hpa,
    /// The autoscaler's behavior, or the API server's default where it has none.
    pub(crate) default_behavior: Behavior,
    /// The name in the manifests: of the HorizontalPodAutoscaler or of the ScaledObject.
    pub(crate) name: String,
    pub(crate) origin: &'static str,
    /// Of a pod; the first one does the work.
    pub(crate) containers: Vec<PodContainer>,
    /// Cores that the first container may use.
    pub(crate) cpu_limit: f64,
    /// By External metric: the value above which KEDA's kafka trigger does not go, since more replicas than partitions would be idle.
    pub(crate) lag_limits: Vec<(String, f64)>,
    /// The queue that a trigger looks at, for a service model without one.
    pub(crate) queue: Option<QueueModel>,
    /// External metrics that are rates by their query.
    pub(crate) rates: Vec<String>,
    pub(crate) warnings: Vec<String>,
}

/// A container of each pod.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PodContainer {
    pub(crate) name: String,
    pub(crate) sidecar: bool,
    /// By resource.
    pub(crate) requests: Vec<(String, Quantity)>,
}

impl Subject {
    /// Picks the request's autoscaler among the manifests.
    pub(crate) fn of(manifests: &Manifests, request: &SimulationRequest) -> Result<Self, SimulationError> {
        let candidates = candidates(manifests);
        let named =
            |candidate: &&Candidate<'_>| request.name.as_ref().is_none_or(|name| candidate.name() == name);
        let mut chosen = candidates.iter().filter(named);
        let names = || candidates.iter().map(Candidate::name).collect::<Vec<_>>().join(", ");
        let Some(candidate) = chosen.next() else {
            let problem = match &request.name {
                Some(name) => format!("no autoscaler is named {name:?}"),
                None => "holds no HorizontalPodAutoscaler and no ScaledObject".to_owned(),
            };
            let hint = if candidates.is_empty() {
                "give one, as a JSON object or YAML text".to_owned()
            } else {
                format!("there is {}", names())
            };
            return Err(SimulationError::field("hpa", problem, hint));
        };
        if chosen.next().is_some() {
            return Err(SimulationError::field(
                "name",
                "is needed, as there are several autoscalers",
                format!("give one of {}", names()),
            ));
        }
        Self::from_candidate(candidate, manifests, &request.service)
    }

    fn from_candidate(
        candidate: &Candidate<'_>,
        manifests: &Manifests,
        service: &ServiceModel,
    ) -> Result<Self, SimulationError> {
        let autoscaler = candidate.autoscaler();
        let defaulted = |autoscaler: &Autoscaler| {
            Hpa::from_manifest(autoscaler).map_err(|error| SimulationError::Manifest(error.to_string()))
        };
        let hpa = defaulted(&autoscaler)?;
        let behavior = defaulted(&Autoscaler { has_behavior: true, ..autoscaler.clone() })?.behavior;
        let default_behavior = behavior.expect("an autoscaler that says so has a behavior");
        if hpa.max_replicas > MOST_PODS {
            return Err(SimulationError::field(
                "hpa.spec.maxReplicas",
                format!("{} pods are more than {MOST_PODS}", hpa.max_replicas),
                "lower it for the simulation",
            ));
        }
        let target = |deployment: &&Deployment| {
            autoscaler.target_kind == "Deployment"
                && deployment.meta.name == autoscaler.target_name
                && deployment.meta.namespace == autoscaler.meta.namespace
        };
        let deployment = manifests.deployments.iter().find(target);
        let containers = containers_of(deployment, service, &hpa)?;
        let limit =
            deployment.and_then(|deployment| deployment.template.containers.first()?.limits.get("cpu"));
        let mut subject = Self {
            hpa,
            default_behavior,
            name: candidate.name().to_owned(),
            origin: candidate.origin(),
            containers,
            cpu_limit: service
                .cpu_limit_cores
                .unwrap_or_else(|| limit.map_or(DEFAULT_LIMIT_CORES, |limit| limit.as_f64())),
            lag_limits: Vec::new(),
            rates: Vec::new(),
            queue: None,
            warnings: Vec::new(),
        };
        if let Candidate::Scaled(object) = candidate {
            subject.read_scaled_object(object, manifests, service);
        }
        subject.warn_of_missing_requests();
        Ok(subject)
    }

    fn read_scaled_object(&mut self, object: &ScaledObject, manifests: &Manifests, service: &ServiceModel) {
        if object.min_replicas == 0 {
            self.warnings.push("minReplicaCount is 0: the way from 0 to 1 and back is KEDA's and is not simulated; at least 1 replica stays".to_owned());
        }
        self.rates = object
            .triggers
            .iter()
            .filter(|trigger| is_rate(&trigger.kind))
            .map(ScaleTrigger::metric_name)
            .collect();
        if service.queue.is_none()
            && let Some(topic) = object.triggers.iter().find_map(|trigger| topic_of(&trigger.kind))
        {
            let partitions = partitions_of(manifests, &object.meta.namespace, topic);
            let told = partitions.unwrap_or(QueueModel::default().partitions);
            self.queue = Some(QueueModel { partitions: told, ..QueueModel::default() });
            self.warnings.push(format!("the load is taken as events of topic {topic:?} with {told} partitions: service.queue says more of it"));
        }
        let partitions = service.queue.as_ref().or(self.queue.as_ref()).map_or(0, |queue| queue.partitions);
        for trigger in &object.triggers {
            if let TriggerKind::Kafka(kafka) = &trigger.kind
                && !kafka.allow_idle_consumers
                && partitions > 0
            {
                self.lag_limits
                    .push((trigger.metric_name(), f64::from(partitions) * kafka.lag_threshold as f64));
            }
        }
    }

    fn warn_of_missing_requests(&mut self) {
        for metric in &self.hpa.metrics {
            let (MetricSource::Resource { name }, TargetKind::Utilization) =
                (&metric.source, metric.target.kind)
            else {
                continue;
            };
            let without = self.containers.iter().filter(|container| container.request(name).is_none());
            self.warnings.extend(without.map(|container| {
                format!("container {:?} requests no {name}: the utilization is unknown and nothing will be scaled by it", container.name)
            }));
        }
    }

    /// Sum of the containers' requests of a resource; none as soon as one has none.
    pub(crate) fn request(&self, resource: &str) -> Option<f64> {
        self.containers.iter().map(|container| container.request(resource)).sum()
    }

    /// Containers beside the first.
    pub(crate) fn sidecars(&self) -> f64 {
        (self.containers.len() - 1) as f64
    }

    /// What an own metric of the autoscaler measures.
    pub(crate) fn signal(&self, metric: &MetricSpec, service: &ServiceModel) -> Signal {
        let default = if service.queue.is_some() { Signal::QueueLag } else { Signal::RequestRate };
        let stated = service.signals.get(metric.name()).copied();
        stated.unwrap_or_else(|| {
            if self.rates.iter().any(|name| name == metric.name()) { Signal::RequestRate } else { default }
        })
    }
}

impl PodContainer {
    pub(crate) fn request(&self, resource: &str) -> Option<f64> {
        self.requests.iter().find(|(name, _)| name == resource).map(|(_, amount)| amount.as_f64())
    }
}

/// An autoscaler of the manifests.
enum Candidate<'a> {
    Plain(&'a Autoscaler),
    Scaled(&'a ScaledObject),
}

impl Candidate<'_> {
    fn name(&self) -> &str {
        match self {
            Self::Plain(autoscaler) => &autoscaler.meta.name,
            Self::Scaled(object) => &object.meta.name,
        }
    }

    fn origin(&self) -> &'static str {
        match self {
            Self::Plain(_) => "HorizontalPodAutoscaler",
            Self::Scaled(_) => "ScaledObject",
        }
    }

    fn autoscaler(&self) -> Autoscaler {
        match self {
            Self::Plain(autoscaler) => (*autoscaler).clone(),
            Self::Scaled(object) => object.autoscaler(),
        }
    }
}

/// The topic whose lag a trigger looks at.
fn topic_of(kind: &TriggerKind) -> Option<&str> {
    match kind {
        TriggerKind::Kafka(trigger) => Some(&trigger.topic),
        _ => None,
    }
}

/// The partitions that Strimzi's KafkaTopic asks for.
fn partitions_of(manifests: &Manifests, namespace: &str, topic: &str) -> Option<u32> {
    let mut topics = manifests
        .others
        .iter()
        .filter(|other| other.kind == "KafkaTopic" && other.meta.namespace == namespace);
    let named = topics.find(|other| {
        let name = other.raw["spec"]["topicName"].as_str();
        name.unwrap_or(&other.meta.name) == topic
    })?;
    named.raw["spec"]["partitions"]
        .as_u64()
        .and_then(|count| u32::try_from(count).ok())
        .filter(|count| (1..=1000).contains(count))
}

/// Whether a trigger asks for a rate: of requests, or of events that come.
fn is_rate(kind: &TriggerKind) -> bool {
    matches!(kind, TriggerKind::Prometheus(trigger) if trigger.query.contains("rate(") || trigger.query.contains("increase("))
}

fn candidates(manifests: &Manifests) -> Vec<Candidate<'_>> {
    let plain = manifests.autoscalers.iter().map(Candidate::Plain);
    plain.chain(manifests.scaled_objects.iter().map(Candidate::Scaled)).collect()
}

/// The names of all HorizontalPodAutoscalers and ScaledObjects, in this order.
pub fn autoscaler_names(manifests: &Manifests) -> Vec<String> {
    candidates(manifests).iter().map(|candidate| candidate.name().to_owned()).collect()
}

/// The manifests of a request's `hpa`.
pub(crate) fn manifests_of(hpa: &serde_json::Value) -> Result<Manifests, SimulationError> {
    let text = match hpa {
        serde_json::Value::String(text) => text.clone(),
        // JSON is YAML
        serde_json::Value::Object(_) => hpa.to_string(),
        serde_json::Value::Array(objects) => {
            objects.iter().map(|object| format!("{object}\n---\n")).collect()
        }
        _ => {
            return Err(SimulationError::field(
                "hpa",
                "is missing",
                "give a HorizontalPodAutoscaler, as a JSON object or YAML text",
            ));
        }
    };
    let all =
        |errors: Vec<ManifestError>| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    load_text("hpa", &text).map_err(|errors| SimulationError::Manifest(all(errors)))
}

fn containers_of(
    deployment: Option<&Deployment>,
    service: &ServiceModel,
    hpa: &Hpa,
) -> Result<Vec<PodContainer>, SimulationError> {
    let mut containers = deployment.map_or_else(|| Ok(containers_by_name(hpa)), containers_of_deployment)?;
    let without = deployment.is_none();
    let cpu = service.cpu_request_cores.or(without.then_some(DEFAULT_CPU_CORES));
    let memory = service.memory_request_bytes.or(without.then_some(DEFAULT_MEMORY_BYTES));
    let cpu = cpu.map(|cores| ("cpu", Quantity::from_nano((cores * 1e9).round() as i64)));
    let memory = memory.map(|bytes| ("memory", Quantity::from_bytes(bytes as u64)));
    if let Some(first) = containers.first_mut() {
        for (resource, amount) in [cpu, memory].into_iter().flatten() {
            first.requests.retain(|(name, _)| name != resource);
            first.requests.push((resource.to_owned(), amount));
        }
    }
    Ok(containers)
}

/// Without a Deployment: the container that the autoscaler names, else one of any name.
fn containers_by_name(hpa: &Hpa) -> Vec<PodContainer> {
    let named = hpa.metrics.iter().find_map(|metric| match &metric.source {
        MetricSource::ContainerResource { container, .. } => Some(container.clone()),
        _ => None,
    });
    vec![PodContainer {
        name: named.unwrap_or_else(|| "app".to_owned()),
        sidecar: false,
        requests: Vec::new(),
    }]
}

fn containers_of_deployment(deployment: &Deployment) -> Result<Vec<PodContainer>, SimulationError> {
    let template = &deployment.template;
    let own = template.containers.iter().map(|container| (container, false));
    let kept = template
        .init_containers
        .iter()
        .filter(|container| container.sidecar)
        .map(|container| (container, true));
    let mut containers: Vec<PodContainer> = own
        .chain(kept)
        .map(|(container, sidecar)| PodContainer {
            name: container.name.clone(),
            sidecar,
            requests: container.requests.iter().map(|(name, amount)| (name.clone(), *amount)).collect(),
        })
        .collect();
    let dapr =
        DaprSidecar::of(&template.annotations, &deployment.meta.name).map_err(SimulationError::Manifest)?;
    if let Some(dapr) = dapr {
        let requests = dapr.requests.iter().map(|(name, amount)| (name.clone(), *amount)).collect();
        containers.push(PodContainer { name: "daprd".to_owned(), sidecar: false, requests });
    }
    Ok(containers)
}
