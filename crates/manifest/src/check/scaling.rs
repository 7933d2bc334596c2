//! What does not fit together between autoscalers and what they scale.
//!
//! Input: [`Manifests`]. Output: findings beside those of [`super::check`]. HorizontalPodAutoscalers and ScaledObjects are held to
//! the same rules, as KEDA makes the one of the other.

use super::Findings;
use crate::kafka::of_kind;
use crate::{
    Autoscaler, Container, Deployment, KafkaTrigger, Manifests, MetricSource, MetricTarget, ObjectMeta,
    ScaledObject, TriggerKind,
};

/// One autoscaler, whoever wrote or made it.
struct Scaler<'a> {
    /// The object that was written.
    meta: &'a ObjectMeta,
    kind: &'static str,
    /// What scales: that object, or what is made of it.
    autoscaler: Autoscaler,
}

impl Scaler<'_> {
    fn scales_the_same(&self, other: &Scaler<'_>) -> bool {
        self.meta.namespace == other.meta.namespace
            && self.autoscaler.target_name == other.autoscaler.target_name
            && self.autoscaler.target_kind == other.autoscaler.target_kind
    }
}

pub(super) fn check(manifests: &Manifests, found: &mut Findings) {
    let written = manifests.autoscalers.iter().map(|autoscaler| Scaler {
        meta: &autoscaler.meta,
        kind: "HorizontalPodAutoscaler",
        autoscaler: autoscaler.clone(),
    });
    let made = manifests.scaled_objects.iter().map(|object| Scaler {
        meta: &object.meta,
        kind: "ScaledObject",
        autoscaler: object.autoscaler(),
    });
    let scalers: Vec<Scaler<'_>> = written.chain(made).collect();
    for (index, scaler) in scalers.iter().enumerate() {
        check_target(manifests, scaler, &scalers[..index], found);
    }
    for object in &manifests.scaled_objects {
        check_partitions(manifests, object, found);
    }
}

fn check_target(manifests: &Manifests, scaler: &Scaler<'_>, earlier: &[Scaler<'_>], found: &mut Findings) {
    let (meta, kind, autoscaler) = (scaler.meta, scaler.kind, &scaler.autoscaler);
    if autoscaler.target_kind != "Deployment" {
        let message = format!("scales a {}, which is not run locally", autoscaler.target_kind);
        found.warning(meta, kind, "spec.scaleTargetRef.kind", message, "");
        return;
    }
    let Some(deployment) = manifests.deployment(&meta.namespace, &autoscaler.target_name) else {
        let message =
            format!("there is no Deployment {:?} in namespace {:?}", autoscaler.target_name, meta.namespace);
        let hint = "name a Deployment of the same namespace";
        found.error(meta, kind, "spec.scaleTargetRef.name", message, hint);
        return;
    };
    if deployment.replicas.is_some() {
        let message = format!("sets replicas although {kind}/{} decides them", meta.name);
        let hint = "remove spec.replicas: every apply would undo the autoscaler's decision";
        found.warning(&deployment.meta, "Deployment", "spec.replicas", message, hint);
    }
    if let Some(other) = earlier.iter().find(|other| other.scales_the_same(scaler)) {
        let message =
            format!("scales Deployment/{} like {}/{}", autoscaler.target_name, other.kind, other.meta.name);
        found.error(meta, kind, "spec.scaleTargetRef", message, "keep one of the two");
    }
    check_requests(scaler, deployment, found);
}

/// Utilization is a share of the requests: without one on every container it is unknown.
fn check_requests(scaler: &Scaler<'_>, deployment: &Deployment, found: &mut Findings) {
    let template = &deployment.template;
    let sidecars = template.init_containers.iter().filter(|container| container.sidecar);
    let containers: Vec<&Container> = template.containers.iter().chain(sidecars).collect();
    let field = if scaler.kind == "ScaledObject" { "spec.triggers" } else { "spec.metrics" };
    for metric in &scaler.autoscaler.metrics {
        if !matches!(metric.target, MetricTarget::Utilization(_)) {
            continue;
        }
        let (resource, only) = match &metric.source {
            MetricSource::Resource { name } => (name, None),
            MetricSource::ContainerResource { name, container } => (name, Some(container)),
            _ => continue,
        };
        if let Some(only) = only.filter(|only| !containers.iter().any(|container| container.name == **only)) {
            // Dapr's sidecar is a container that no template shows.
            if only != "daprd" {
                let message = format!("Deployment/{} has no container {only:?}", deployment.meta.name);
                found.error(scaler.meta, scaler.kind, field, message, "name one of its containers");
            }
            continue;
        }
        let counts = |container: &&&Container| only.is_none_or(|only| container.name == *only);
        let without = containers.iter().filter(counts).find(|one| !one.requests.contains_key(resource));
        if let Some(container) = without {
            let message = format!(
                "container {:?} of Deployment/{} has no {resource} request, so the utilization of its pods is unknown",
                container.name, deployment.meta.name
            );
            let hint = format!("add resources.requests.{resource} to it");
            found.error(scaler.meta, scaler.kind, field, message, &hint);
        }
    }
}

/// More replicas than partitions would be idle; the trigger never asks for them.
fn check_partitions(manifests: &Manifests, object: &ScaledObject, found: &mut Findings) {
    for trigger in &object.triggers {
        let TriggerKind::Kafka(kafka) = &trigger.kind else { continue };
        let Some(partitions) = partitions_of(manifests, kafka) else { continue };
        if !kafka.allow_idle_consumers
            && u64::from(object.max_replicas) > partitions
            && object.triggers.len() == 1
        {
            let message = format!(
                "maxReplicaCount is {}, but topic {:?} has {partitions} partitions: more replicas are never asked for",
                object.max_replicas, kafka.topic
            );
            let hint = "lower maxReplicaCount, or give the topic more partitions";
            found.warning(&object.meta, "ScaledObject", "spec.maxReplicaCount", message, hint);
        }
    }
}

fn partitions_of(manifests: &Manifests, kafka: &KafkaTrigger) -> Option<u64> {
    let topic = of_kind(manifests, "KafkaTopic").find(|topic| {
        let named = topic.raw["spec"]["topicName"].as_str().unwrap_or(&topic.meta.name);
        named == kafka.topic
    })?;
    topic.raw["spec"]["partitions"].as_u64()
}
