//! What does not fit together between Deployments, Dapr's objects and Kafka's.
//!
//! Input: [`Manifests`]. Output: findings beside those of [`super::check`]. Most of these mistakes are silent in a cluster: a
//! sidecar without its Configuration traces nothing, an HPA whose pods have an injected container without a request never scales.

use super::Findings;
use crate::kafka::of_kind;
use crate::{DaprSidecar, Deployment, Manifests, MetricSource, MetricTarget, Other};
use serde_json::Value;

/// Annotations of Dapr's that change what a sidecar does and are not followed on one machine.
const WITHOUT_EFFECT: [&str; 8] = [
    "dapr.io/api-token-secret",
    "dapr.io/app-token-secret",
    "dapr.io/component-container",
    "dapr.io/inject-pluggable-components",
    "dapr.io/pluggable-components",
    "dapr.io/unix-domain-socket-path",
    "dapr.io/volume-mounts",
    "dapr.io/volume-mounts-rw",
];

pub(super) fn check(manifests: &Manifests, found: &mut Findings) {
    for deployment in &manifests.deployments {
        check_sidecar(manifests, deployment, found);
    }
    for object in &manifests.others {
        if object.api_version.starts_with("kafka.strimzi.io/v1")
            && object.api_version != "kafka.strimzi.io/v1"
        {
            let message = format!("{} is not known to Strimzi 1.0 and later", object.api_version);
            found.warning(
                &object.meta,
                &object.kind,
                "apiVersion",
                message,
                "write apiVersion: kafka.strimzi.io/v1",
            );
        }
        match object.kind.as_str() {
            "Configuration" if object.api_version.starts_with("dapr.io/") => check_tracing(object, found),
            "Subscription" if object.api_version.starts_with("dapr.io/") => {
                check_subscription(manifests, object, found);
            }
            _ => {}
        }
    }
    check_kafka(manifests, found);
}

fn check_sidecar(manifests: &Manifests, deployment: &Deployment, found: &mut Findings) {
    let (meta, field) = (&deployment.meta, "spec.template.metadata.annotations");
    let sidecar = match DaprSidecar::of(&deployment.template.annotations, &meta.name) {
        Ok(Some(sidecar)) => sidecar,
        Ok(None) => return,
        Err(message) => return found.error(meta, "Deployment", field, message, ""),
    };
    for annotation in WITHOUT_EFFECT {
        if deployment.template.annotations.contains_key(annotation) {
            let message = format!("{annotation} has no effect locally");
            found.warning(meta, "Deployment", field, message, "in a cluster Dapr's injector reads it");
        }
    }
    if let Some(config) = &sidecar.config {
        let mut resources = manifests.dapr_resources(&meta.namespace);
        if !resources.any(|other| other.kind == "Configuration" && other.meta.name == *config) {
            let message =
                format!("dapr.io/config names Configuration/{config}, which is not among the manifests");
            found.error(meta, "Deployment", field, message, "add it in the Deployment's namespace");
        }
    }
    let Some(autoscaler) = manifests.autoscaler_of(deployment) else { return };
    for metric in &autoscaler.metrics {
        let (MetricSource::Resource { name }, MetricTarget::Utilization(_)) =
            (&metric.source, &metric.target)
        else {
            continue;
        };
        if !sidecar.requests.contains_key(name) {
            let message = format!(
                "HorizontalPodAutoscaler/{} needs a {name} request of every container, and the sidecar has none",
                autoscaler.meta.name
            );
            let hint = format!(
                "add the annotation dapr.io/sidecar-{name}-request, or use a ContainerResource metric"
            );
            found.error(meta, "Deployment", field, message, &hint);
        }
    }
}

fn check_tracing(object: &Other, found: &mut Findings) {
    let tracing = &object.raw["spec"]["tracing"];
    if !tracing.is_object() {
        return;
    }
    let mut warn = |field: &str, message: &str, hint: &str| {
        found.warning(&object.meta, "Configuration", field, message.to_owned(), hint);
    };
    let rate = tracing["samplingRate"].as_str().unwrap_or_default();
    if rate.parse::<f64>().is_err() {
        warn(
            "spec.tracing.samplingRate",
            "is no number, so 0.0001 is used",
            "write e.g. samplingRate: \"1\"",
        );
    }
    let otel = &tracing["otel"];
    if otel.is_object() && otel["isSecure"].is_null() {
        warn(
            "spec.tracing.otel.isSecure",
            "is true when it is left out",
            "write isSecure: false for plain text",
        );
    }
    if otel["endpointAddress"].as_str().is_some_and(|address| address.contains("://")) {
        warn(
            "spec.tracing.otel.endpointAddress",
            "is host:port, without a scheme",
            "remove everything up to ://",
        );
    }
}

fn check_subscription(manifests: &Manifests, object: &Other, found: &mut Findings) {
    let (spec, meta) = (&object.raw["spec"], &object.meta);
    let pubsub = spec["pubsubname"].as_str().unwrap_or_default();
    let mut resources = manifests.dapr_resources(&meta.namespace);
    if !resources.any(|other| other.kind == "Component" && other.meta.name == pubsub) {
        let message = format!("there is no Component {pubsub:?} in namespace {:?}", meta.namespace);
        found.error(
            meta,
            "Subscription",
            "spec.pubsubname",
            message,
            "name a Component of the same namespace",
        );
    }
    let scopes = object.raw["scopes"].as_array().into_iter().flatten().filter_map(Value::as_str);
    for scope in scopes {
        let runs = |deployment: &&Deployment| {
            let sidecar = DaprSidecar::of(&deployment.template.annotations, &deployment.meta.name);
            deployment.meta.namespace == meta.namespace
                && matches!(sidecar, Ok(Some(sidecar)) if sidecar.app_id == scope)
        };
        if !manifests.deployments.iter().any(|deployment| runs(&deployment)) {
            let message = format!("no Deployment has the app id {scope:?}");
            found.warning(meta, "Subscription", "scopes", message, "compare it with dapr.io/app-id");
        }
    }
}

fn check_kafka(manifests: &Manifests, found: &mut Findings) {
    let clusters = manifests.kafka_clusters();
    for cluster in &clusters {
        if cluster.pools.is_empty() {
            let message = format!(
                "no KafkaNodePool with the role broker has the label strimzi.io/cluster: {}",
                cluster.meta.name
            );
            found.error(&cluster.meta, "Kafka", "", message, "add one; without it no broker runs");
        }
        let brokers: u64 = cluster.pools.iter().map(|pool| pool.replicas).sum();
        if brokers > 1 {
            let message = format!("asks for {brokers} brokers, of which one is run locally");
            found.warning(&cluster.meta, "Kafka", "", message, "in a cluster all of them run");
        }
    }
    for kind in ["KafkaNodePool", "KafkaTopic"] {
        for object in of_kind(manifests, kind) {
            let label = object.meta.labels.get("strimzi.io/cluster");
            let belongs = clusters.iter().any(|cluster| {
                cluster.meta.namespace == object.meta.namespace && label == Some(&cluster.meta.name)
            });
            if !belongs {
                let message = "its label strimzi.io/cluster names no Kafka of its namespace".to_owned();
                found.warning(&object.meta, kind, "metadata.labels", message, "Strimzi ignores it");
            }
        }
    }
}
