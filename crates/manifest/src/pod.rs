//! Pod templates: containers, ports, environment, resources, volumes.
//!
//! Input: `spec.template` of a workload. Output: [`PodTemplate`]. Security contexts, affinities and the like are legal
//! and not interpreted: a process on one machine has no use for them.

use crate::Quantity;
use crate::env::{EnvFrom, EnvVar};
use crate::fields::Fields;
use crate::object::check_dns_label;
use crate::probe::{Handler, Probe};
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// What a workload makes its pods from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PodTemplate {
    /// The pods' labels.
    pub labels: BTreeMap<String, String>,
    /// The pods' annotations.
    pub annotations: BTreeMap<String, String>,
    /// Containers that run to completion, one after the other, before the others start.
    pub init_containers: Vec<Container>,
    /// The containers.
    pub containers: Vec<Container>,
    /// The volumes.
    pub volumes: Vec<Volume>,
    /// Time from SIGTERM to SIGKILL; 30 s by default.
    pub termination_grace_period: Duration,
    /// Whether `<SERVICE>_SERVICE_HOST` and the like are set; true by default.
    pub enable_service_links: bool,
    /// The service account's name; `default` by default.
    pub service_account: String,
    /// The priority class, if one is named.
    pub priority_class: String,
    /// Changes when anything of the template changes.
    pub fingerprint: u32,
}

/// A container of a pod.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Container {
    /// The name, unique in its pod.
    pub name: String,
    /// The image.
    pub image: String,
    /// Replaces the image's entry point when not empty.
    pub command: Vec<String>,
    /// The arguments.
    pub args: Vec<String>,
    /// The working directory inside the image, if given.
    pub working_dir: Option<String>,
    /// Single variables.
    pub env: Vec<EnvVar>,
    /// Whole ConfigMaps and Secrets as variables.
    pub env_from: Vec<EnvFrom>,
    /// The declared ports.
    pub ports: Vec<ContainerPort>,
    /// What it may count on, by resource (`cpu`, `memory`, …).
    pub requests: BTreeMap<String, Quantity>,
    /// What it may use at most, by resource.
    pub limits: BTreeMap<String, Quantity>,
    /// Holds the other probes back until it succeeds.
    pub startup_probe: Option<Probe>,
    /// Decides whether traffic is sent here.
    pub readiness_probe: Option<Probe>,
    /// Decides whether the container is restarted.
    pub liveness_probe: Option<Probe>,
    /// What is done before SIGTERM.
    pub pre_stop: Option<Handler>,
    /// What is done right after the start; not run locally.
    pub post_start: Option<Handler>,
    /// Where volumes are mounted.
    pub volume_mounts: Vec<VolumeMount>,
    /// An init container that keeps running beside the others (`restartPolicy: Always`).
    pub sidecar: bool,
}

/// A port that a container declares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerPort {
    /// The name; empty when it has none.
    pub name: String,
    /// The number.
    pub port: u16,
    /// `TCP`, `UDP` or `SCTP`.
    pub protocol: String,
}

/// A port by number or by the name a container gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PortRef {
    /// A number.
    Number(u16),
    /// A name.
    Name(String),
}

impl PortRef {
    /// The number, looked up among the ports of containers if it is a name.
    pub fn resolve<'a>(&self, ports: impl IntoIterator<Item = &'a ContainerPort>) -> Option<u16> {
        match self {
            Self::Number(port) => Some(*port),
            Self::Name(name) => ports.into_iter().find(|port| port.name == *name).map(|port| port.port),
        }
    }

    pub(crate) fn read(fields: &Fields<'_>, key: &'static str) -> Option<Self> {
        if fields.raw(key)?.text().is_some() {
            let name = fields.text(key)?;
            if name.parse::<u16>().is_ok() {
                fields.wrong(
                    key,
                    format!("the port {name:?} is text, which names a port"),
                    "remove the quotes",
                );
                return None;
            }
            return Some(Self::Name(name));
        }
        fields.number(key, 1, 65_535).map(Self::Number)
    }
}

impl fmt::Display for PortRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(port) => write!(f, "{port}"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// A volume of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Volume {
    /// The name.
    pub name: String,
    /// What is in it.
    pub source: VolumeSource,
}

/// What a volume holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VolumeSource {
    /// An empty folder that lives as long as the pod.
    EmptyDir,
    /// The keys of a ConfigMap as files.
    ConfigMap {
        /// The ConfigMap.
        name: String,
        /// Whether it may be missing.
        optional: bool,
    },
    /// The keys of a Secret as files.
    Secret {
        /// The Secret.
        name: String,
        /// Whether it may be missing.
        optional: bool,
    },
    /// Anything else, by its field's name; not provided locally.
    Other(String),
}

/// A volume as a container sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VolumeMount {
    /// The volume's name.
    pub name: String,
    /// The path in the container.
    pub path: String,
}

const UNINTERPRETED_SPEC: [&str; 24] = [
    "activeDeadlineSeconds",
    "affinity",
    "automountServiceAccountToken",
    "dnsConfig",
    "dnsPolicy",
    "hostAliases",
    "hostIPC",
    "hostNetwork",
    "hostPID",
    "hostUsers",
    "hostname",
    "imagePullSecrets",
    "nodeName",
    "nodeSelector",
    "os",
    "preemptionPolicy",
    "priority",
    "runtimeClassName",
    "schedulerName",
    "securityContext",
    "serviceAccount",
    "shareProcessNamespace",
    "subdomain",
    "tolerations",
];

impl PodTemplate {
    pub(crate) fn read(template: &Fields<'_>, fingerprint: u32) -> Self {
        let mut pod = Self { fingerprint, ..Self::default() };
        if let Some(metadata) = template.section("metadata") {
            pod.labels = metadata.texts("labels");
            pod.annotations = metadata.texts("annotations");
            metadata.known(&["creationTimestamp", "name", "namespace"]);
            metadata.finish();
        }
        let Some(spec) = template.required_section("spec") else { return pod };
        pod.init_containers = spec.list("initContainers").iter().map(Container::read).collect();
        if spec.required_list_is_empty("containers") {
            return pod;
        }
        pod.containers = spec.list("containers").iter().map(Container::read).collect();
        let mut names: Vec<&str> = pod
            .init_containers
            .iter()
            .chain(&pod.containers)
            .map(|container| container.name.as_str())
            .collect();
        names.sort_unstable();
        if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            spec.wrong("containers", format!("two containers are named {:?}", twice[0]), "");
        }
        pod.volumes = spec.list("volumes").iter().map(Volume::read).collect();
        let grace = spec.number("terminationGracePeriodSeconds", 0, 86_400 * 365).unwrap_or(30u32);
        pod.termination_grace_period = Duration::from_secs(grace.into());
        pod.enable_service_links = spec.flag("enableServiceLinks").unwrap_or(true);
        pod.service_account = spec.text("serviceAccountName").unwrap_or_else(|| "default".to_owned());
        pod.priority_class = spec.text("priorityClassName").unwrap_or_default();
        if let Some(policy) = spec.text("restartPolicy").filter(|policy| policy != "Always") {
            spec.wrong(
                "restartPolicy",
                format!("unsupported value {policy:?}"),
                "a Deployment's pods restart Always",
            );
        }
        spec.known(&UNINTERPRETED_SPEC);
        spec.known(&[
            "topologySpreadConstraints",
            "readinessGates",
            "overhead",
            "setHostnameAsFQDN",
            "resources",
        ]);
        spec.known(&["resourceClaims", "schedulingGates", "ephemeralContainers"]);
        spec.finish();
        template.known(&["apiVersion", "kind"]);
        pod
    }
}

impl Container {
    fn read(fields: &Fields<'_>) -> Self {
        let mut container = Self {
            name: fields.required_text("name"),
            image: fields.required_text("image"),
            command: fields.text_list("command"),
            args: fields.text_list("args"),
            working_dir: fields.text("workingDir"),
            env: fields.list("env").iter().map(EnvVar::read).collect(),
            env_from: fields.list("envFrom").iter().filter_map(EnvFrom::read).collect(),
            ports: fields.list("ports").iter().filter_map(ContainerPort::read).collect(),
            startup_probe: Probe::read(fields, "startupProbe", true),
            readiness_probe: Probe::read(fields, "readinessProbe", false),
            liveness_probe: Probe::read(fields, "livenessProbe", true),
            volume_mounts: fields.list("volumeMounts").iter().map(VolumeMount::read).collect(),
            sidecar: fields.text("restartPolicy").as_deref() == Some("Always"),
            ..Self::default()
        };
        check_dns_label(fields, "name", "container", &container.name);
        if let Some(resources) = fields.section("resources") {
            container.read_resources(&resources);
        }
        if let Some(lifecycle) = fields.section("lifecycle") {
            container.pre_stop = lifecycle.section("preStop").and_then(|hook| Handler::read_whole(&hook));
            container.post_start = lifecycle.section("postStart").and_then(|hook| Handler::read_whole(&hook));
            lifecycle.known(&["stopSignal"]);
            lifecycle.finish();
        }
        fields.known(&[
            "imagePullPolicy",
            "securityContext",
            "stdin",
            "stdinOnce",
            "tty",
            "terminationMessagePath",
        ]);
        fields.known(&["terminationMessagePolicy", "volumeDevices", "resizePolicy", "restartPolicyRules"]);
        fields.finish_ref();
        container
    }

    fn read_resources(&mut self, resources: &Fields<'_>) {
        self.limits = resources.quantities("limits");
        self.requests = resources.quantities("requests");
        resources.known(&["claims"]);
        for (name, limit) in &self.limits {
            match self.requests.get(name) {
                Some(request) if request > limit => resources.wrong(
                    "requests",
                    format!("{name} request {request} is more than its limit {limit}"),
                    "lower the request or raise the limit",
                ),
                Some(_) => {}
                // As the API server defaults it.
                None => {
                    self.requests.insert(name.clone(), *limit);
                }
            }
        }
        resources.finish_ref();
    }
}

impl ContainerPort {
    fn read(fields: &Fields<'_>) -> Option<Self> {
        if !fields.has("containerPort") {
            fields.required_text("containerPort");
            return None;
        }
        let port = fields.number("containerPort", 1, 65_535)?;
        let name = fields.text("name").unwrap_or_default();
        if name.len() > 15 {
            fields.wrong("name", format!("port name {name:?} has more than 15 characters"), "");
        }
        let protocol = fields.text("protocol").unwrap_or_else(|| "TCP".to_owned());
        fields.known(&["hostPort", "hostIP"]);
        fields.finish_ref();
        Some(Self { name, port, protocol })
    }
}

impl Volume {
    fn read(fields: &Fields<'_>) -> Self {
        let name = fields.required_text("name");
        check_dns_label(fields, "name", "volume", &name);
        let optional = |section: &Fields<'_>| section.flag("optional").unwrap_or(false);
        let source = if fields.has("emptyDir") {
            VolumeSource::EmptyDir
        } else if let Some(section) = fields.section("configMap") {
            VolumeSource::ConfigMap { name: section.required_text("name"), optional: optional(&section) }
        } else if let Some(section) = fields.section("secret") {
            VolumeSource::Secret { name: section.required_text("secretName"), optional: optional(&section) }
        } else {
            VolumeSource::Other(fields.keys().find(|key| *key != "name").unwrap_or("emptyDir").to_owned())
        };
        if source == VolumeSource::Other("emptyDir".to_owned()) {
            return Self { name, source: VolumeSource::EmptyDir };
        }
        Self { name, source }
    }
}

impl VolumeMount {
    fn read(fields: &Fields<'_>) -> Self {
        let mount = Self { name: fields.required_text("name"), path: fields.required_text("mountPath") };
        fields.known(&["readOnly", "subPath", "subPathExpr", "mountPropagation", "recursiveReadOnly"]);
        fields.finish_ref();
        mount
    }
}
