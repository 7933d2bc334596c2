//! ServiceMonitors (monitoring.coreos.com/v1): which Services are scraped, and how.
//!
//! Input: documents of this kind. Output: [`ServiceMonitor`]. What follows from it for Prometheus, in the operator's
//! way, is made by discovery. Settings that would change what is scraped and are not supported are errors by name.

use crate::fields::Fields;
use crate::node::NodeValue;
use crate::prometheus::values::{RelabelKeys, bytes, duration, limit, list_map, relabel_rules, text, texts};
use crate::prometheus::{ScrapeLimits, ScrapeProtocol};
use crate::{LabelSelector, ObjectMeta, Source};
use std::collections::BTreeMap;
use std::time::Duration;
use tidewatch_model::RelabelRule;

/// A ServiceMonitor.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ServiceMonitor {
    /// Name, namespace, labels and place.
    pub meta: ObjectMeta,
    /// Which Services, by their labels.
    pub selector: LabelSelector,
    /// In which namespaces.
    pub namespaces: NamespaceSelector,
    /// The Service's label whose value becomes `job`; the Service's name when absent.
    pub job_label: Option<String>,
    /// Labels of the Service to copy to the targets.
    pub target_labels: Vec<String>,
    /// Labels of the pod to copy to the targets.
    pub pod_target_labels: Vec<String>,
    /// What fails a scrape.
    pub limits: ScrapeLimits,
    /// How many dropped targets are remembered; 0 is no limit.
    pub keep_dropped_targets: u64,
    /// The formats offered; empty for the default.
    pub scrape_protocols: Vec<ScrapeProtocol>,
    /// The format assumed when the `Content-Type` is blank or unknown.
    pub fallback_scrape_protocol: Option<ScrapeProtocol>,
    /// The ports to scrape.
    pub endpoints: Vec<MonitorEndpoint>,
}

/// The namespaces of a ServiceMonitor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum NamespaceSelector {
    /// Its own.
    #[default]
    Own,
    /// All.
    Any,
    /// These.
    Names(Vec<String>),
}

/// A port to scrape and how.
#[derive(Clone, Debug, PartialEq)]
pub struct MonitorEndpoint {
    /// Which port.
    pub port: Option<MonitorPort>,
    /// Path on the target; Prometheus's default when absent.
    pub path: Option<String>,
    /// Query parameters.
    pub params: BTreeMap<String, Vec<String>>,
    /// Time between scrapes; the global one when absent.
    pub interval: Option<Duration>,
    /// Time a scrape may take; the global one when absent.
    pub scrape_timeout: Option<Duration>,
    /// Whether labels of the page win over those of the target.
    pub honor_labels: bool,
    /// Whether timestamps of the page are used.
    pub honor_timestamps: bool,
    /// Whether series with timestamps of their own get staleness markers too.
    pub track_timestamps_staleness: bool,
    /// Whether redirects are followed.
    pub follow_redirects: bool,
    /// Whether pods that have ended are left out.
    pub filter_running: bool,
    /// A file that holds a bearer token.
    pub bearer_token_file: Option<String>,
    /// Rules applied to the target after the operator's own.
    pub relabelings: Vec<RelabelRule>,
    /// Rules applied to scraped series.
    pub metric_relabelings: Vec<RelabelRule>,
    /// The 1-based line it begins at.
    pub line: u64,
}

/// How an endpoint names its port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MonitorPort {
    /// `port`: the name of the Service's port.
    Service(String),
    /// `targetPort` as text: the name of the container's port.
    ContainerName(String),
    /// `targetPort` as number: the number of the container's port.
    ContainerNumber(u16),
}

impl MonitorPort {
    /// The value of the label `endpoint`.
    pub fn label(&self) -> String {
        match self {
            Self::Service(name) | Self::ContainerName(name) => name.clone(),
            Self::ContainerNumber(number) => number.to_string(),
        }
    }
}

/// Settings of an endpoint that cannot be left out silently.
const UNSUPPORTED_ENDPOINT: [(&str, &str); 10] = [
    ("tlsConfig", "https targets are not supported yet; scrape them over http"),
    ("basicAuth", "use bearerTokenFile"),
    ("oauth2", "use bearerTokenFile"),
    ("authorization", "use bearerTokenFile"),
    ("bearerTokenSecret", "use bearerTokenFile"),
    ("proxyUrl", "scrape the target directly"),
    ("noProxy", "remove it: no proxy is used"),
    ("proxyFromEnvironment", "scrape the target directly"),
    ("proxyConnectHeader", "scrape the target directly"),
    ("httpHeaders", "remove it"),
];

impl ServiceMonitor {
    pub(crate) fn read(object: &Fields<'_>, source: Source) -> Self {
        let mut monitor = Self { meta: ObjectMeta::read(object, source, true), ..Self::default() };
        let Some(spec) = object.required_section("spec") else { return monitor };
        if let Some(selector) = spec.required_section("selector") {
            monitor.selector = LabelSelector::read(&selector);
            selector.finish();
        }
        if let Some(namespaces) = spec.section("namespaceSelector") {
            let names = texts(&namespaces, "matchNames");
            monitor.namespaces = match (namespaces.flag("any"), names.is_empty()) {
                (Some(true), _) => NamespaceSelector::Any,
                (_, true) => NamespaceSelector::Own,
                (_, false) => NamespaceSelector::Names(names),
            };
            namespaces.finish();
        }
        monitor.job_label = text(&spec, "jobLabel").filter(|label| !label.is_empty());
        monitor.target_labels = texts(&spec, "targetLabels");
        monitor.pod_target_labels = texts(&spec, "podTargetLabels");
        monitor.limits = ScrapeLimits {
            body_bytes: bytes(&spec, "bodySizeLimit").unwrap_or_default(),
            samples: limit(&spec, "sampleLimit"),
            targets: limit(&spec, "targetLimit"),
            labels: limit(&spec, "labelLimit"),
            label_name_bytes: limit(&spec, "labelNameLengthLimit"),
            label_value_bytes: limit(&spec, "labelValueLengthLimit"),
        };
        monitor.keep_dropped_targets = limit(&spec, "keepDroppedTargets");
        monitor.read_protocols(&spec);
        if !spec.has("endpoints") {
            spec.wrong(
                "endpoints",
                "required field is missing",
                "list the ports to scrape, e.g. - port: metrics",
            );
        }
        monitor.endpoints = spec.list("endpoints").into_iter().map(MonitorEndpoint::read).collect();
        if spec.flag("scrapeNativeHistograms") == Some(true) {
            let hint = "targets are asked for classic histograms";
            spec.warn("scrapeNativeHistograms", "not supported yet: native histograms", hint);
        }
        if spec.flag("convertClassicHistogramsToNHCB") == Some(true) {
            let hint = "remove it or set it to false";
            spec.wrong("convertClassicHistogramsToNHCB", "native histograms are not supported yet", hint);
        }
        spec.known(&["scrapeClassicHistograms"]);
        if text(&spec, "scrapeClass").is_some() {
            spec.wrong("scrapeClass", "not supported yet", "write its settings into the ServiceMonitor");
        }
        // how the operator asks the API server, not what it finds
        spec.known(&["selectorMechanism", "serviceDiscoveryRole"]);
        spec.known(&["attachMetadata", "nativeHistogramBucketLimit", "nativeHistogramMinBucketFactor"]);
        spec.finish();
        monitor
    }

    fn read_protocols(&mut self, spec: &Fields<'_>) {
        let read = |key: &'static str, name: &str| {
            let protocol = ScrapeProtocol::from_name(name);
            if protocol.is_none() {
                spec.wrong(
                    key,
                    format!("unknown or unsupported scrape protocol {name:?}"),
                    "use OpenMetricsText1.0.0, OpenMetricsText0.0.1, PrometheusText1.0.0 or PrometheusText0.0.4",
                );
            }
            protocol
        };
        let names = texts(spec, "scrapeProtocols");
        self.scrape_protocols = names.iter().filter_map(|name| read("scrapeProtocols", name)).collect();
        self.fallback_scrape_protocol =
            text(spec, "fallbackScrapeProtocol").and_then(|name| read("fallbackScrapeProtocol", &name));
    }
}

impl MonitorEndpoint {
    /// An endpoint with the operator's defaults.
    pub fn new(port: Option<MonitorPort>) -> Self {
        Self {
            port,
            path: None,
            params: BTreeMap::new(),
            interval: None,
            scrape_timeout: None,
            honor_labels: false,
            honor_timestamps: true,
            track_timestamps_staleness: false,
            follow_redirects: true,
            filter_running: true,
            bearer_token_file: None,
            relabelings: Vec::new(),
            metric_relabelings: Vec::new(),
            line: 0,
        }
    }

    // takes the fields, because reading them ends with checking that none is left
    #[allow(clippy::needless_pass_by_value)]
    fn read(fields: Fields<'_>) -> Self {
        let nonzero = |key| duration(&fields, key).filter(|given| !given.is_zero());
        let endpoint = Self {
            path: text(&fields, "path").filter(|path| !path.is_empty()),
            params: list_map(&fields, "params"),
            interval: nonzero("interval"),
            scrape_timeout: nonzero("scrapeTimeout"),
            honor_labels: fields.flag("honorLabels").unwrap_or(false),
            honor_timestamps: fields.flag("honorTimestamps").unwrap_or(true),
            track_timestamps_staleness: fields.flag("trackTimestampsStaleness").unwrap_or(false),
            follow_redirects: fields.flag("followRedirects").unwrap_or(true),
            filter_running: fields.flag("filterRunning").unwrap_or(true),
            bearer_token_file: text(&fields, "bearerTokenFile").filter(|path| !path.is_empty()),
            relabelings: relabel_rules(&fields, "relabelings", &RelabelKeys::OPERATOR),
            metric_relabelings: relabel_rules(&fields, "metricRelabelings", &RelabelKeys::OPERATOR),
            line: fields.line(),
            ..Self::new(read_port(&fields))
        };
        if let (Some(interval), Some(timeout)) = (endpoint.interval, endpoint.scrape_timeout)
            && timeout > interval
        {
            let hint = "lower scrapeTimeout or raise interval";
            fields.wrong("scrapeTimeout", "scrape timeout greater than scrape interval", hint);
        }
        let scheme = text(&fields, "scheme").unwrap_or_default();
        if !matches!(scheme.as_str(), "" | "http" | "HTTP") {
            let message = format!("scheme {scheme:?} is not supported yet");
            fields.wrong("scheme", message, "only http targets are scraped; use scheme: http");
        }
        for (key, hint) in UNSUPPORTED_ENDPOINT {
            if fields.raw(key).is_some() {
                fields.wrong(key, "not supported yet", hint);
            }
        }
        fields.known(&["enableHttp2"]);
        fields.finish();
        endpoint
    }
}

fn read_port(fields: &Fields<'_>) -> Option<MonitorPort> {
    let service = text(fields, "port").filter(|port| !port.is_empty()).map(MonitorPort::Service);
    let target = match fields.raw("targetPort").map(|node| &node.value) {
        Some(NodeValue::Integer(number)) => match u16::try_from(*number) {
            Ok(number) if number > 0 => Some(MonitorPort::ContainerNumber(number)),
            _ => {
                fields.wrong("targetPort", format!("{number} is no port number"), "write 1 to 65535");
                None
            }
        },
        Some(NodeValue::Text(name)) => Some(MonitorPort::ContainerName(name.clone())),
        _ => None,
    };
    if service.is_some() && target.is_some() {
        fields.warn("targetPort", "ignored, because port is given", "keep one of port and targetPort");
    }
    service.or(target)
}
