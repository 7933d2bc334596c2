//! What does not fit together between objects: references that lead nowhere.
//!
//! Input: [`Manifests`]. Output: [`Diagnostic`]s in the order of the files. Nothing is looked up outside of the
//! manifests, so what a cluster provides besides them cannot be known here and is at most a warning.

mod messaging;
mod scaling;

use crate::pod::{Container, VolumeSource};
use crate::probe::Handler;
use crate::{Deployment, EnvSource, ManifestError, Manifests, ObjectMeta, PortRef, Service};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It will not work.
    Error,
    /// It may not be what was meant.
    Warning,
}

/// Something that does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// Where, what and the remedy.
    pub error: ManifestError,
}

/// Checks references between objects. Errors come first, each group in the order of the files.
pub fn check(manifests: &Manifests) -> Vec<Diagnostic> {
    let mut found = Findings(Vec::new());
    for service in &manifests.services {
        check_service(manifests, service, &mut found);
    }
    for deployment in &manifests.deployments {
        check_deployment(manifests, deployment, &mut found);
    }
    scaling::check(manifests, &mut found);
    messaging::check(manifests, &mut found);
    for other in &manifests.others {
        if ["StatefulSet", "DaemonSet", "Job", "CronJob", "Pod", "ReplicaSet"].contains(&other.kind.as_str())
        {
            let message = format!("{} is not run locally: tidewatch runs Deployments", other.kind);
            found.warning(
                &other.meta,
                &other.kind,
                "",
                message,
                "its pods are missing here; in a cluster they run",
            );
        }
    }
    found.0.sort_by_key(|diagnostic| diagnostic.severity);
    found.0
}

struct Findings(Vec<Diagnostic>);

impl Findings {
    fn push(
        &mut self,
        severity: Severity,
        meta: &ObjectMeta,
        kind: &str,
        field: &str,
        message: String,
        hint: &str,
    ) {
        let mut error = ManifestError::new(&meta.source.file, message)
            .at(meta.source.line, 1)
            .object(format!("{kind}/{}", meta.name));
        if !field.is_empty() {
            error = error.field(field);
        }
        if !hint.is_empty() {
            error = error.hint(hint);
        }
        self.0.push(Diagnostic { severity, error });
    }

    fn error(&mut self, meta: &ObjectMeta, kind: &str, field: &str, message: String, hint: &str) {
        self.push(Severity::Error, meta, kind, field, message, hint);
    }

    fn warning(&mut self, meta: &ObjectMeta, kind: &str, field: &str, message: String, hint: &str) {
        self.push(Severity::Warning, meta, kind, field, message, hint);
    }
}

fn check_service(manifests: &Manifests, service: &Service, found: &mut Findings) {
    if service.selector.is_empty() {
        return;
    }
    let pods: Vec<&Deployment> = manifests
        .deployments
        .iter()
        .filter(|deployment| deployment.meta.namespace == service.meta.namespace)
        .filter(|deployment| service.selects(&deployment.template.labels))
        .collect();
    if pods.is_empty() && !selects_kafka(manifests, service) {
        let message = format!(
            "selects no pods: no Deployment's pods in {:?} have {:?}",
            service.meta.namespace, service.selector
        );
        found.warning(
            &service.meta,
            "Service",
            "spec.selector",
            message,
            "compare it with spec.template.metadata.labels",
        );
    }
    for (index, port) in service.ports.iter().enumerate() {
        if port.protocol != "TCP" {
            let message = format!("{} is not carried to pods locally", port.protocol);
            found.warning(&service.meta, "Service", &format!("spec.ports[{index}].protocol"), message, "");
        }
        let PortRef::Name(name) = &port.target else { continue };
        for deployment in &pods {
            let declared = || deployment.template.containers.iter().flat_map(|container| &container.ports);
            if port.target.resolve(declared()).is_none() {
                let names: Vec<&str> =
                    declared().map(|port| port.name.as_str()).filter(|name| !name.is_empty()).collect();
                let message = format!(
                    "no container of Deployment/{} declares a port named {name:?}",
                    deployment.meta.name
                );
                let hint = format!("declared are: {}", names.join(", "));
                found.error(
                    &service.meta,
                    "Service",
                    &format!("spec.ports[{index}].targetPort"),
                    message,
                    &hint,
                );
            }
        }
    }
}

/// Whether a Service selects pods that Strimzi makes: brokers, or the exporter.
fn selects_kafka(manifests: &Manifests, service: &Service) -> bool {
    manifests.kafka_clusters().iter().any(|cluster| {
        let brokers = cluster.pools.iter().map(|pool| cluster.pod_labels(pool));
        let exporter = cluster.exporter.then(|| cluster.exporter_labels());
        cluster.meta.namespace == service.meta.namespace
            && brokers.chain(exporter).any(|labels| service.selects(&labels))
    })
}

fn check_deployment(manifests: &Manifests, deployment: &Deployment, found: &mut Findings) {
    let template = &deployment.template;
    let groups = [("initContainers", &template.init_containers), ("containers", &template.containers)];
    for (list, containers) in groups {
        for (index, container) in containers.iter().enumerate() {
            let path = format!("spec.template.spec.{list}[{index}]");
            check_probes(deployment, container, &path, found);
            check_environment(manifests, deployment, container, &path, found);
            for (mount_index, mount) in container.volume_mounts.iter().enumerate() {
                if !template.volumes.iter().any(|volume| volume.name == mount.name) {
                    let message = format!("no volume is named {:?}", mount.name);
                    let field = format!("{path}.volumeMounts[{mount_index}].name");
                    found.error(
                        &deployment.meta,
                        "Deployment",
                        &field,
                        message,
                        "add it under spec.template.spec.volumes",
                    );
                }
            }
        }
    }
    for (index, volume) in template.volumes.iter().enumerate() {
        if let VolumeSource::Other(kind) = &volume.source {
            let message = format!("volume {:?} is a {kind}, which is not provided locally", volume.name);
            let field = format!("spec.template.spec.volumes[{index}]");
            found.warning(
                &deployment.meta,
                "Deployment",
                &field,
                message,
                "the folder is missing for local pods",
            );
        }
    }
}

fn check_probes(deployment: &Deployment, container: &Container, path: &str, found: &mut Findings) {
    let probes = [
        ("startupProbe", &container.startup_probe),
        ("readinessProbe", &container.readiness_probe),
        ("livenessProbe", &container.liveness_probe),
    ];
    for (name, probe) in probes {
        let Some(probe) = probe else { continue };
        let (kind, port) = match &probe.handler {
            Handler::HttpGet { port, .. } => ("httpGet", port),
            Handler::TcpSocket { port, .. } => ("tcpSocket", port),
            _ => continue,
        };
        if port.resolve(&container.ports).is_none() {
            let message = format!("container {:?} declares no port named \"{port}\"", container.name);
            let names: Vec<&str> = container.ports.iter().map(|port| port.name.as_str()).collect();
            let hint = format!("use a number or one of the declared names: {}", names.join(", "));
            found.error(
                &deployment.meta,
                "Deployment",
                &format!("{path}.{name}.{kind}.port"),
                message,
                &hint,
            );
        }
    }
}

fn check_environment(
    manifests: &Manifests,
    deployment: &Deployment,
    container: &Container,
    path: &str,
    found: &mut Findings,
) {
    let namespace = &deployment.meta.namespace;
    for (index, variable) in container.env.iter().enumerate() {
        let (kind, reference, known) = match &variable.source {
            EnvSource::ConfigMapKey(key) => (
                "ConfigMap",
                key,
                manifests.config_map(namespace, &key.name).map(|map| map.data.contains_key(&key.key)),
            ),
            EnvSource::SecretKey(key) => (
                "Secret",
                key,
                manifests.secret(namespace, &key.name).map(|secret| secret.data.contains_key(&key.key)),
            ),
            _ => continue,
        };
        if reference.optional || known == Some(true) {
            continue;
        }
        let what = if known.is_none() { "is not among the manifests" } else { "has no such key" };
        let message = format!(
            "variable {} needs key {:?} of {kind}/{}, which {what}",
            variable.name, reference.key, reference.name
        );
        let hint = format!(
            "add the {kind} to the manifests, or set {} under images: …: env: in tidewatch.yaml",
            variable.name
        );
        found.warning(&deployment.meta, "Deployment", &format!("{path}.env[{index}]"), message, &hint);
    }
}
