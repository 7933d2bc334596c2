//! Dapr on this machine: the container that its injector adds, the Service that its operator makes, the sidecar's files.
//!
//! Input: the annotations of a pod template, and Dapr's objects of the namespace. Output: a container `daprd` that runs
//! `tidewatch sidecar` with daprd's own flags (or what `tidewatch.yaml` names for its image: a real daprd takes the same), and
//! a folder with the objects as JSON, in which Service names are addresses. It reads neither Components nor Subscriptions:
//! which of them are the sidecar's (`scopes`) the sidecar decides.
//!
//! ```text
//! <pod>/_dapr/component-<name>.yaml       one object a file; JSON is YAML, and daprd reads only *.yaml
//! <pod>/_dapr/configuration-<name>.yaml   the one of dapr.io/config is named to the sidecar by --config
//! ```

use crate::cluster::Cluster;
use crate::pod::Pod;
use crate::resolve::ServiceNames;
use crate::{launch, names};
use serde_json::Value;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::Duration;
use tidewatch_manifest::{
    Container, ContainerPort, DaprSidecar, Deployment, EnvSource, EnvVar, Handler, ObjectMeta, PodTemplate,
    PortRef, Probe, Service, ServicePort,
};

/// The sidecar's container, and what `tidewatch` is asked to be for it.
pub(crate) const CONTAINER: &str = "daprd";
pub(crate) const SUBCOMMAND: &str = "sidecar";
/// The variable that Dapr's injector gives the sidecar for the pod's address (with its downward API enabled).
const HOST_IP: &str = "DAPR_HOST_IP";
const HTTP_PORT: u16 = 3500;
const GRPC_PORT: u16 = 50_001;
const INTERNAL_PORT: u16 = 50_002;
/// The pod's folder of Dapr's objects.
const FOLDER: &str = "_dapr";

/// The sidecar of a template; none when it asks for none, or has a container of that name already.
pub(crate) fn of_template(template: &PodTemplate, workload: &str) -> Result<Option<DaprSidecar>, String> {
    let has_own = template.containers.iter().any(|container| container.name == CONTAINER);
    Ok(DaprSidecar::of(&template.annotations, workload)?.filter(|_| !has_own))
}

/// The container that the injector would add. It ends after the others, as a native sidecar does.
pub(crate) fn container(sidecar: &DaprSidecar) -> Container {
    let field =
        |name: &str, path: &str| EnvVar { name: name.to_owned(), source: EnvSource::Field(path.to_owned()) };
    let mut env = vec![
        field("NAMESPACE", "metadata.namespace"),
        field("POD_NAME", "metadata.name"),
        field(HOST_IP, "status.podIP"),
        // what a collector's k8sattributes processor adds in a cluster, so that a span leads to its pod
        EnvVar {
            name: "OTEL_RESOURCE_ATTRIBUTES".to_owned(),
            source: EnvSource::Value(
                "k8s.namespace.name=$(NAMESPACE),k8s.pod.name=$(POD_NAME),k8s.container.name=daprd"
                    .to_owned(),
            ),
        },
    ];
    env.extend(
        sidecar
            .env
            .iter()
            .map(|(name, value)| EnvVar { name: name.clone(), source: EnvSource::Value(value.clone()) }),
    );
    let port = |name: &str, port| ContainerPort { name: name.to_owned(), port, protocol: "TCP".to_owned() };
    let mut ports = vec![
        port("dapr-http", HTTP_PORT),
        port("dapr-grpc", GRPC_PORT),
        port("dapr-internal", INTERNAL_PORT),
    ];
    if sidecar.metrics {
        ports.push(port("dapr-metrics", sidecar.metrics_port));
    }
    Container {
        name: CONTAINER.to_owned(),
        image: sidecar.image.clone(),
        args: arguments(sidecar),
        env,
        ports,
        requests: sidecar.requests.clone(),
        limits: sidecar.limits.clone(),
        readiness_probe: Some(health(Duration::ZERO, Duration::from_secs(1))),
        liveness_probe: Some(health(Duration::from_secs(3), Duration::from_secs(6))),
        sidecar: true,
        ..Container::default()
    }
}

fn arguments(sidecar: &DaprSidecar) -> Vec<String> {
    let ip = format!("$({HOST_IP})");
    let folder = format!("$(HOME)/{FOLDER}");
    let mut args = vec!["--app-id".to_owned(), sidecar.app_id.clone()];
    let mut add = |name: &str, value: String| args.extend([name.to_owned(), value]);
    if let Some(port) = sidecar.app_port {
        add("--app-port", port.to_string());
    }
    // A local pod has no loopback of its own: what would be 127.0.0.1 in a cluster is the pod's address here.
    add("--app-channel-address", ip.clone());
    add("--dapr-http-port", HTTP_PORT.to_string());
    add("--dapr-listen-addresses", ip.clone());
    if sidecar.metrics {
        add("--metrics-port", sidecar.metrics_port.to_string());
        add("--metrics-listen-address", ip);
    } else {
        add("--enable-metrics=false", String::new());
    }
    add("--resources-path", folder.clone());
    if let Some(config) = &sidecar.config {
        add("--config", format!("{folder}/{}", file_name("Configuration", config)));
    }
    args.retain(|argument| !argument.is_empty());
    args.extend(sidecar.flags.iter().map(|flag| flag.replace('$', "$$")));
    args
}

fn health(initial_delay: Duration, period: Duration) -> Probe {
    Probe {
        handler: Handler::HttpGet {
            host: None,
            port: PortRef::Number(HTTP_PORT),
            path: "/v1.0/healthz".to_owned(),
            tls: false,
            headers: Vec::new(),
        },
        initial_delay,
        period,
        timeout: Duration::from_secs(3),
        success_threshold: 1,
        failure_threshold: 3,
        termination_grace_period: None,
    }
}

/// The variables that the injector gives the application, and the endpoint that Dapr's SDKs read besides.
pub(crate) fn application_variables(pod: &Pod) -> [(&'static str, String); 3] {
    [
        ("DAPR_HTTP_PORT", HTTP_PORT.to_string()),
        ("DAPR_GRPC_PORT", GRPC_PORT.to_string()),
        ("DAPR_HTTP_ENDPOINT", format!("http://{}", std::net::SocketAddr::new(pod.ip, HTTP_PORT))),
    ]
}

/// The headless Service `<app-id>-dapr` that Dapr's operator makes of a Deployment.
pub(crate) fn service(deployment: &Deployment, sidecar: &DaprSidecar) -> Service {
    let port = |name: &str, port, target| ServicePort {
        name: name.to_owned(),
        port,
        target: PortRef::Number(target),
        protocol: "TCP".to_owned(),
    };
    let mut annotations = vec![("dapr.io/app-id".to_owned(), sidecar.app_id.clone())];
    let metrics_port = sidecar.metrics_port.to_string();
    if sidecar.metrics {
        let scrape = [("probe", "true"), ("scrape", "true"), ("port", &metrics_port), ("path", "/")];
        annotations.extend(scrape.map(|(key, value)| (format!("prometheus.io/{key}"), value.to_owned())));
    }
    Service {
        meta: ObjectMeta {
            name: format!("{}-dapr", sidecar.app_id),
            namespace: deployment.meta.namespace.clone(),
            labels: [("dapr.io/enabled".to_owned(), "true".to_owned())].into(),
            annotations: annotations.into_iter().collect(),
            source: deployment.meta.source.clone(),
        },
        kind: "ClusterIP".to_owned(),
        selector: deployment.selector.match_labels.clone(),
        ports: vec![
            port("dapr-http", 80, HTTP_PORT),
            port("dapr-grpc", GRPC_PORT, GRPC_PORT),
            port("dapr-internal", INTERNAL_PORT, INTERNAL_PORT),
            port("dapr-metrics", sidecar.metrics_port, sidecar.metrics_port),
        ],
        headless: true,
        external_name: None,
    }
}

/// Whether a Service is one of those: headless, so that it needs neither an address nor a proxy.
pub(crate) fn is_sidecars(service: &Service) -> bool {
    service.headless && service.meta.labels.get("dapr.io/enabled").is_some_and(|enabled| enabled == "true")
}

/// Writes Dapr's objects of the pod's namespace where the sidecar's flags say.
///
/// # Errors
/// What is missing or cannot be written, with the remedy.
pub(crate) fn provide_files(cluster: &Cluster, pod: &Pod, sidecar: &DaprSidecar) -> Result<(), String> {
    let folder = folder_of(pod);
    let write = || -> io::Result<()> {
        fs::create_dir_all(&folder)?;
        for object in cluster.manifests.dapr_resources(&pod.namespace) {
            let name = file_name(&object.kind, &object.meta.name);
            let text = with_addresses(&object.raw, &cluster.names, &pod.namespace).to_string();
            launch::write_private(&folder.join(name), text.as_bytes())?;
        }
        Ok(())
    };
    write().map_err(|error| format!("cannot fill the folder {}: {error}", folder.display()))?;
    match &sidecar.config {
        Some(config) if !folder.join(file_name("Configuration", config)).is_file() => Err(format!(
            "configuration {config:?} not found in namespace {}; hint: add the Configuration to the manifests, or \
             change the annotation dapr.io/config",
            pod.namespace
        )),
        _ => Ok(()),
    }
}

/// The pod's folder of Dapr's objects.
pub(crate) fn folder_of(pod: &Pod) -> PathBuf {
    pod.folder.join(FOLDER)
}

fn file_name(kind: &str, name: &str) -> String {
    let plain = if names::is_file_name(name) { name } else { "unnamed" };
    format!("{}-{plain}.yaml", kind.to_lowercase())
}

/// The object with the Service names in its `spec` replaced; the key of a text counts as the variable's name.
fn with_addresses(object: &Value, service_names: &ServiceNames, namespace: &str) -> Value {
    fn walk(value: &Value, key: &str, replace: &impl Fn(&str, &str) -> String) -> Value {
        match value {
            Value::String(text) => Value::String(replace(text, key)),
            Value::Array(items) => items.iter().map(|item| walk(item, "", replace)).collect(),
            Value::Object(entries) => {
                entries.iter().map(|(key, value)| (key.clone(), walk(value, key, replace))).collect()
            }
            other => other.clone(),
        }
    }
    let mut object = object.clone();
    if let Some(spec) = object.get_mut("spec") {
        *spec = walk(spec, "", &|text, key| service_names.replace(text, namespace, key));
    }
    object
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resolve::ServiceAddress;
    use std::net::IpAddr;

    #[test]
    fn service_names_in_a_component_become_addresses() {
        let mut service_names = ServiceNames::default();
        let address = |last, moved: &[(u16, u16)]| ServiceAddress {
            ip: IpAddr::from([127, 64, 240, last]),
            moved: moved.to_vec(),
        };
        service_names.addresses.insert(("shop".into(), "kafka".into()), address(1, &[]));
        service_names.addresses.insert(("monitoring".into(), "jaeger".into()), address(2, &[(4318, 40_318)]));
        let object = serde_json::json!({
            "metadata": {"name": "kafka:9092"},
            "spec": {
                "metadata": [{"name": "brokers", "value": "kafka:9092,other:9092"}, {"name": "group", "value": "kafka"}],
                "tracing": {"otel": {"endpointAddress": "jaeger.monitoring:4318", "isSecure": false}},
            },
        });
        let expected = serde_json::json!({
            "metadata": {"name": "kafka:9092"},
            "spec": {
                "metadata": [{"name": "brokers", "value": "127.64.240.1:9092,other:9092"}, {"name": "group", "value": "kafka"}],
                "tracing": {"otel": {"endpointAddress": "127.64.240.2:40318", "isSecure": false}},
            },
        });
        assert_eq!(with_addresses(&object, &service_names, "shop"), expected);
    }
}
