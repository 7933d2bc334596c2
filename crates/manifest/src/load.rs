//! Files, folders and standard input → all objects in them, with every mistake at once.
//!
//! Input: paths as users give them. Output: [`Manifests`], or all errors of all files. It interprets an object by its
//! `apiVersion` and `kind`; references between objects are checked elsewhere.

use crate::duplicates;
use crate::fields::{Fields, Report};
use crate::node::{self, Node, NodeValue};
use crate::{
    Autoscaler, ConfigMap, Deployment, ManifestError, ObjectMeta, Other, PrometheusRule, ScaledObject,
    Secret, Service, ServiceMonitor, Source,
};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

/// No manifest is larger; a file beyond it was given by mistake.
const MOST_BYTES: u64 = 64 << 20;

/// Everything read.
#[derive(Clone, Debug, Default)]
pub struct Manifests {
    /// Namespaces.
    pub namespaces: Vec<ObjectMeta>,
    /// Deployments.
    pub deployments: Vec<Deployment>,
    /// Services.
    pub services: Vec<Service>,
    /// HorizontalPodAutoscalers.
    pub autoscalers: Vec<Autoscaler>,
    /// KEDA's ScaledObjects.
    pub scaled_objects: Vec<ScaledObject>,
    /// ConfigMaps.
    pub config_maps: Vec<ConfigMap>,
    /// Secrets.
    pub secrets: Vec<Secret>,
    /// PrometheusRules.
    pub prometheus_rules: Vec<PrometheusRule>,
    /// ServiceMonitors.
    pub service_monitors: Vec<ServiceMonitor>,
    /// Objects of all other kinds.
    pub others: Vec<Other>,
    /// Fields that are ignored because they are unknown, and the like.
    pub warnings: Vec<ManifestError>,
}

/// Reads files, folders (`*.yaml`, `*.yml`, `*.json`, sorted, without subfolders) and `-` for standard input.
///
/// # Errors
/// All mistakes of all files: what cannot be read or parsed, wrong types and values, missing fields, and objects that
/// are there twice.
pub fn load(paths: &[PathBuf]) -> Result<Manifests, Vec<ManifestError>> {
    let (manifests, errors) = load_usable(paths);
    if errors.is_empty() { Ok(manifests) } else { Err(errors) }
}

/// As [`load`], but what can be used is: a file with a mistake is left out whole and its mistakes are listed;
/// of objects with the same kind, namespace and name only the first is kept.
pub fn load_usable(paths: &[PathBuf]) -> (Manifests, Vec<ManifestError>) {
    let (mut manifests, mut errors) = (Manifests::default(), Vec::new());
    for path in paths {
        let files = files_of(path).unwrap_or_else(|error| {
            errors.push(*error);
            Vec::new()
        });
        for file in files {
            let (mut one, mut mistakes) = (Manifests::default(), Vec::new());
            one.read_file(&file, &mut mistakes);
            if mistakes.is_empty() {
                manifests.add(one);
            }
            errors.append(&mut mistakes);
        }
    }
    duplicates::leave_out(&mut manifests, &mut errors);
    (manifests, errors)
}

/// Reads one text that is not in a file.
///
/// # Errors
/// As [`load`].
pub fn load_text(name: &str, text: &str) -> Result<Manifests, Vec<ManifestError>> {
    let (mut manifests, mut errors) = (Manifests::default(), Vec::new());
    manifests.read_text(name, text, &mut errors);
    duplicates::leave_out(&mut manifests, &mut errors);
    if errors.is_empty() { Ok(manifests) } else { Err(errors) }
}

fn files_of(path: &Path) -> Result<Vec<PathBuf>, Box<ManifestError>> {
    let shown = path.display().to_string();
    if shown == "-" || !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    if path.join("Chart.yaml").is_file() {
        return Err(Box::new(ManifestError::new(&shown, "is a Helm chart, not a folder of manifests").hint(
            format!("render it first (helm template {shown} > rendered.yaml) and give the rendered file"),
        )));
    }
    let entries = std::fs::read_dir(path).map_err(|error| Box::new(unreadable(&shown, &error)))?;
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|file| {
            let extension = file.extension().and_then(|extension| extension.to_str());
            file.is_file() && matches!(extension, Some("yaml" | "yml" | "json"))
        })
        .collect();
    files.sort();
    if files.is_empty() {
        return Err(Box::new(
            ManifestError::new(&shown, "has no *.yaml, *.yml or *.json file")
                .hint("name the files, or a folder that holds them (subfolders are not searched)"),
        ));
    }
    Ok(files)
}

/// Whether a text is a Helm template: a line or value that begins with an action on the chart's own names. Templates of
/// alerts and dashboards have the same braces and other names.
fn is_template(text: &str) -> bool {
    text.lines().any(|line| {
        let value = line.split_once(": ").map_or(line, |(_, value)| value).trim();
        let own = [".Values", ".Release", ".Chart", ".Capabilities", "include ", "{{/*"];
        value.starts_with("{{") && own.iter().any(|name| value.contains(name))
    })
}

fn unreadable(file: &str, error: &std::io::Error) -> ManifestError {
    let hint = match error.kind() {
        std::io::ErrorKind::NotFound => {
            "check the path; it is relative to the folder of tidewatch.yaml or to yours"
        }
        std::io::ErrorKind::PermissionDenied => "check the file's permissions",
        std::io::ErrorKind::InvalidData => "manifests are UTF-8 text",
        _ => "check the file",
    };
    ManifestError::new(file, format!("cannot be read: {error}")).hint(hint)
}

fn read_limited(path: &Path) -> std::io::Result<String> {
    let source: Box<dyn Read> = if path.as_os_str() == "-" {
        Box::new(std::io::stdin())
    } else {
        Box::new(std::fs::File::open(path)?)
    };
    let mut text = String::new();
    source.take(MOST_BYTES + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MOST_BYTES {
        return Err(std::io::Error::other(format!("more than {} MiB", MOST_BYTES >> 20)));
    }
    Ok(text)
}

impl Manifests {
    fn read_file(&mut self, path: &Path, errors: &mut Vec<ManifestError>) {
        let file = path.display().to_string();
        match read_limited(path) {
            Ok(text) => self.read_text(&file, &text, errors),
            Err(error) => errors.push(unreadable(&file, &error)),
        }
    }

    fn read_text(&mut self, file: &str, text: &str, errors: &mut Vec<ManifestError>) {
        if is_template(text) {
            errors.push(ManifestError::new(file, "is a Helm template, not a manifest").hint(
                "render the chart first (helm template CHART > rendered.yaml) and give the rendered file",
            ));
            return;
        }
        let report = RefCell::new(Report { file: file.to_owned(), ..Report::default() });
        for (document, parsed) in node::kubernetes_documents(file, text) {
            match parsed {
                Ok(node) => self.read_node(&node, document, &report),
                Err(error) => report.borrow_mut().errors.push(error),
            }
        }
        let report = report.into_inner();
        errors.extend(report.errors);
        self.warnings.extend(report.warnings);
    }

    fn read_node(&mut self, node: &Node, document: usize, report: &RefCell<Report>) {
        if node.is_null() {
            return;
        }
        report.borrow_mut().object = None;
        let Some(object) = Fields::open(node, "", report) else { return };
        let (api_version, kind) = (object.required_text("apiVersion"), object.required_text("kind"));
        if kind.is_empty() || api_version.is_empty() {
            return;
        }
        if kind == "List" || (kind.ends_with("List") && object.has("items")) {
            if let Some(Node { value: NodeValue::List(items), .. }) = object.raw("items") {
                items.iter().for_each(|item| self.read_node(item, document, report));
            }
            return;
        }
        let name = node.get("metadata").and_then(|meta| meta.get("name")).and_then(Node::text).unwrap_or("?");
        {
            let mut report = report.borrow_mut();
            report.object = Some(format!("{kind}/{name}"));
            report.private = kind == "Secret";
        }
        let source = Source { file: report.borrow().file.clone(), document, line: node.line };
        self.read_object(&object, node, api_version, kind, source);
    }

    fn read_object(
        &mut self,
        object: &Fields<'_>,
        node: &Node,
        api_version: String,
        kind: String,
        source: Source,
    ) {
        object.known(&["status"]);
        match (api_version.as_str(), kind.as_str()) {
            ("apps/v1", "Deployment") => self.deployments.push(Deployment::read(object, source)),
            ("v1", "Service") => self.services.push(Service::read(object, source)),
            ("autoscaling/v2", "HorizontalPodAutoscaler") => {
                self.autoscalers.push(Autoscaler::read(object, source));
            }
            ("keda.sh/v1alpha1", "ScaledObject") => {
                self.scaled_objects.push(ScaledObject::read(object, source));
            }
            ("v1", "ConfigMap") => self.config_maps.push(ConfigMap::read(object, source)),
            ("v1", "Secret") => self.secrets.push(Secret::read(object, source)),
            ("monitoring.coreos.com/v1", "PrometheusRule") => {
                self.prometheus_rules.push(PrometheusRule::read(object, source));
            }
            ("monitoring.coreos.com/v1", "ServiceMonitor") => {
                self.service_monitors.push(ServiceMonitor::read(object, source));
            }
            ("v1", "Namespace") => {
                self.namespaces.push(ObjectMeta::read(object, source, false));
                object.known(&["spec"]);
            }
            _ => {
                if let Some(current) = current_version(&kind).filter(|current| *current != api_version) {
                    object.wrong(
                        "apiVersion",
                        format!("{kind} of {api_version:?} is not supported"),
                        &format!("write apiVersion: {current}"),
                    );
                    return;
                }
                let meta = ObjectMeta::read(object, source, true);
                self.others.push(Other { api_version, kind, meta, raw: node.to_json() });
                return;
            }
        }
        object.finish_ref();
    }

    fn add(&mut self, other: Self) {
        self.namespaces.extend(other.namespaces);
        self.deployments.extend(other.deployments);
        self.services.extend(other.services);
        self.autoscalers.extend(other.autoscalers);
        self.scaled_objects.extend(other.scaled_objects);
        self.config_maps.extend(other.config_maps);
        self.secrets.extend(other.secrets);
        self.prometheus_rules.extend(other.prometheus_rules);
        self.service_monitors.extend(other.service_monitors);
        self.others.extend(other.others);
        self.warnings.extend(other.warnings);
    }

    /// How many objects there are of each kind.
    pub fn counts(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        let typed = [
            ("Namespace", self.namespaces.len()),
            ("Deployment", self.deployments.len()),
            ("Service", self.services.len()),
            ("HorizontalPodAutoscaler", self.autoscalers.len()),
            ("ScaledObject", self.scaled_objects.len()),
            ("ConfigMap", self.config_maps.len()),
            ("Secret", self.secrets.len()),
            ("PrometheusRule", self.prometheus_rules.len()),
            ("ServiceMonitor", self.service_monitors.len()),
        ];
        for (kind, count) in typed.into_iter().filter(|(_, count)| *count > 0) {
            counts.insert(kind.to_owned(), count);
        }
        for other in &self.others {
            *counts.entry(other.kind.clone()).or_default() += 1;
        }
        counts
    }

    /// The Deployment of that name.
    pub fn deployment(&self, namespace: &str, name: &str) -> Option<&Deployment> {
        self.deployments.iter().find(|deployment| is(&deployment.meta, namespace, name))
    }

    /// The autoscaler that scales a Deployment.
    pub fn autoscaler_of(&self, deployment: &Deployment) -> Option<&Autoscaler> {
        self.autoscalers.iter().find(|autoscaler| {
            autoscaler.target_kind == "Deployment"
                && autoscaler.meta.namespace == deployment.meta.namespace
                && autoscaler.target_name == deployment.meta.name
        })
    }

    /// The ConfigMap of that name.
    pub fn config_map(&self, namespace: &str, name: &str) -> Option<&ConfigMap> {
        self.config_maps.iter().find(|config_map| is(&config_map.meta, namespace, name))
    }

    /// The Secret of that name.
    pub fn secret(&self, namespace: &str, name: &str) -> Option<&Secret> {
        self.secrets.iter().find(|secret| is(&secret.meta, namespace, name))
    }
}

fn is(meta: &ObjectMeta, namespace: &str, name: &str) -> bool {
    meta.namespace == namespace && meta.name == name
}

/// The version a kind must have to be interpreted.
fn current_version(kind: &str) -> Option<&'static str> {
    Some(match kind {
        "Deployment" => "apps/v1",
        "HorizontalPodAutoscaler" => "autoscaling/v2",
        "ScaledObject" => "keda.sh/v1alpha1",
        "Service" | "ConfigMap" | "Secret" | "Namespace" => "v1",
        "PrometheusRule" | "ServiceMonitor" | "PodMonitor" => "monitoring.coreos.com/v1",
        _ => return None,
    })
}
