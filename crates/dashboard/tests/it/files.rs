//! The repository's files as the tests need them. Input: the source tree. Output: dashboards, rules and text. Reads only
//! the fields that the tests look at.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use tidewatch_dashboard::{Dashboard, FOLDER_ANNOTATION, Span, Values, is_dashboard, load_configmap};

/// The files that hold dashboards.
pub(crate) const DASHBOARDS: [&str; 6] = [
    "kubernetes/monitoring/grafana-dashboard.yaml",
    "kubernetes/monitoring/kubernetes-dashboard.yaml",
    "kubernetes/monitoring/kafka-dashboard.yaml",
    "kubernetes/monitoring/dapr-dashboard.yaml",
    "kubernetes/monitoring/autoscaling-dashboard.yaml",
    "kubernetes/monitoring/slo-dashboard.yaml",
];

/// The files that hold rules.
const RULES: [&str; 2] =
    ["kubernetes/monitoring/prometheus-rules.yaml", "kubernetes/monitoring/slo-rules.yaml"];

/// How often the shipped ServiceMonitors scrape.
pub(crate) const SCRAPE_INTERVAL: Duration = Duration::from_secs(30);

pub(crate) fn path(relative: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").join(relative)
}

pub(crate) fn read(relative: &str) -> String {
    std::fs::read_to_string(path(relative)).unwrap_or_else(|error| panic!("{relative}: {error}"))
}

#[derive(Deserialize)]
struct ConfigMap {
    metadata: Metadata,
    data: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Metadata {
    name: String,
    namespace: String,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

/// The dashboards of one manifest.
pub(crate) fn dashboards(relative: &str) -> Vec<Dashboard> {
    let map: ConfigMap = serde_saphyr::from_str(&read(relative)).unwrap();
    let labels = map.metadata.labels.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    assert!(is_dashboard(labels), "{relative}: the sidecar would not find it");
    let name = format!("{}/{}", map.metadata.namespace, map.metadata.name);
    let folder = map.metadata.annotations.get(FOLDER_ANNOTATION).map(String::as_str);
    let data = map.data.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    load_configmap(relative, &name, folder, data).into_iter().map(|loaded| loaded.unwrap()).collect()
}

/// All shipped dashboards.
pub(crate) fn all_dashboards() -> Vec<Dashboard> {
    DASHBOARDS.iter().flat_map(|file| dashboards(file)).collect()
}

/// What a dashboard opens with, for the last half hour.
pub(crate) fn opening_values(dashboard: &Dashboard) -> Values {
    let to_ms = 1_800_000_000_000;
    let span = Span {
        from_ms: to_ms - 1_800_000,
        to_ms,
        interval_ms: 15_000,
        scrape_interval_ms: SCRAPE_INTERVAL.as_millis() as i64,
    };
    Values::defaults(dashboard, span, |_| Vec::new())
}

/// One rule of the shipped PrometheusRules.
#[derive(Deserialize)]
pub(crate) struct Rule {
    #[serde(default)]
    pub(crate) alert: String,
    #[serde(default)]
    pub(crate) record: String,
    pub(crate) expr: String,
    #[serde(rename = "for", default)]
    pub(crate) hold: String,
    #[serde(default)]
    pub(crate) labels: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) annotations: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Rules {
    spec: Groups,
}

#[derive(Deserialize)]
struct Groups {
    groups: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    rules: Vec<Rule>,
}

/// The shipped rules, in order.
pub(crate) fn rules() -> Vec<Rule> {
    let groups = |file: &&str| serde_saphyr::from_str::<Rules>(&read(file)).unwrap().spec.groups;
    RULES.iter().flat_map(groups).flat_map(|group| group.rules).collect()
}

/// Those of them that alert.
pub(crate) fn alerts() -> Vec<Rule> {
    rules().into_iter().filter(|rule| !rule.alert.is_empty()).collect()
}

/// The texts of a ConfigMap, or of a Secret that is written as text.
pub(crate) fn texts(relative: &str) -> BTreeMap<String, String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Object {
        #[serde(default)]
        data: BTreeMap<String, String>,
        #[serde(default)]
        string_data: BTreeMap<String, String>,
    }
    let object: Object = serde_saphyr::from_str(&read(relative)).unwrap();
    object.data.into_iter().chain(object.string_data).collect()
}
