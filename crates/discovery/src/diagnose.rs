//! Why a ServiceMonitor finds nothing, or finds what another one finds as well.
//!
//! Input: monitors and the endpoints of all Services. Output: what is odd, each with the monitor's place and a remedy that
//! names what does exist. It changes nothing: a monitor that finds nothing is legal, and usually a mistake.

use crate::monitor::{job_name, namespaces};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use tidewatch_manifest::{
    EndpointPort, Endpoints, LabelSelector, MonitorEndpoint, MonitorPort, Other, ServiceMonitor,
};

/// Something odd about a monitor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnosis {
    /// Where the monitor was read, `file:line`.
    pub source: String,
    /// `namespace/name`.
    pub monitor: String,
    /// What is odd.
    pub message: String,
    /// What to do about it.
    pub hint: String,
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: monitor {}: {}\n  hint: {}", self.source, self.monitor, self.message, self.hint)
    }
}

impl Diagnosis {
    fn new(monitor: &ServiceMonitor, message: String, hint: String) -> Self {
        let name = format!("{}/{}", monitor.meta.namespace, monitor.meta.name);
        Self { source: monitor.meta.source.to_string(), monitor: name, message, hint }
    }
}

/// Everything odd about monitors, given all Services. Services without pods are not judged by their ports.
pub fn diagnose(monitors: &[ServiceMonitor], endpoints: &[Endpoints]) -> Vec<Diagnosis> {
    let mut found = Vec::new();
    for monitor in monitors {
        let namespaces = namespaces(monitor);
        let visible: Vec<&Endpoints> = endpoints
            .iter()
            .filter(|service| namespaces.as_ref().is_none_or(|names| names.contains(&service.namespace)))
            .collect();
        if visible.is_empty() {
            found.push(no_namespace(monitor, namespaces.as_deref(), endpoints));
            continue;
        }
        let selected: Vec<&Endpoints> =
            visible.iter().copied().filter(|service| monitor.selector.matches(&service.labels)).collect();
        if selected.is_empty() {
            found.push(no_service(monitor, &visible));
            continue;
        }
        for endpoint in &monitor.endpoints {
            found.extend(selected.iter().filter_map(|service| no_port(monitor, endpoint, service)));
        }
    }
    found.extend(scraped_twice(monitors, endpoints));
    found
}

/// Objects of the Prometheus operator that ask for scraping and are not read yet.
pub fn not_scraped(others: &[Other]) -> Vec<Diagnosis> {
    let asks = |other: &&Other| {
        other.api_version.starts_with("monitoring.coreos.com/")
            && matches!(other.kind.as_str(), "PodMonitor" | "Probe" | "ScrapeConfig")
    };
    let report = |other: &Other| Diagnosis {
        source: other.meta.source.to_string(),
        monitor: format!("{}/{}", other.meta.namespace, other.meta.name),
        message: format!("{} is not supported yet, nothing is scraped for it", other.kind),
        hint: "use a ServiceMonitor, or scrape_configs in a prometheus.yml".to_owned(),
    };
    others.iter().filter(asks).map(report).collect()
}

fn no_namespace(monitor: &ServiceMonitor, names: Option<&[String]>, all: &[Endpoints]) -> Diagnosis {
    let existing: BTreeSet<&str> = all.iter().map(|service| service.namespace.as_str()).collect();
    let message = match names {
        Some(names) => format!("there is no Service in namespace {}", names.join(", ")),
        None => "there is no Service at all".to_owned(),
    };
    let hint = if existing.is_empty() {
        "add a Service that selects the pods to scrape".to_owned()
    } else {
        let list = existing.into_iter().collect::<Vec<_>>().join(", ");
        format!("there are Services in {list}; set spec.namespaceSelector.matchNames, or any: true")
    };
    Diagnosis::new(monitor, message, hint)
}

/// How many conditions of the selector a Service meets, and those it does not.
fn unmet(monitor: &ServiceMonitor, service: &Endpoints) -> (usize, Vec<String>) {
    let (mut met, mut unmet) = (0, Vec::new());
    for (key, value) in &monitor.selector.match_labels {
        match service.labels.get(key) {
            Some(found) if found == value => met += 1,
            Some(found) => unmet.push(format!("{key} is {found:?}, not {value:?}")),
            None => unmet.push(format!("it has no label {key}")),
        }
    }
    for requirement in &monitor.selector.match_expressions {
        let single =
            LabelSelector { match_expressions: vec![requirement.clone()], ..LabelSelector::default() };
        if single.matches(&service.labels) {
            met += 1;
        } else {
            unmet.push(format!(
                "{} {} {:?} does not hold",
                requirement.key, requirement.operator, requirement.values
            ));
        }
    }
    (met, unmet)
}

fn no_service(monitor: &ServiceMonitor, visible: &[&Endpoints]) -> Diagnosis {
    let nearest = visible.iter().map(|service| (unmet(monitor, service), service));
    let nearest = nearest.min_by_key(|((met, unmet), _)| (unmet.len(), std::cmp::Reverse(*met)));
    let hint = nearest.map_or_else(String::new, |((_, unmet), service)| {
        let labels: Vec<String> = service.labels.iter().map(|(k, v)| format!("{k}={v}")).collect();
        format!(
            "nearest is Service {}/{} with labels {{{}}}: {}; the selector is for labels of the Service, not of its pods",
            service.namespace,
            service.service,
            labels.join(", "),
            unmet.join("; ")
        )
    });
    let message = format!("no Service matches its selector {}", selector_text(monitor));
    Diagnosis::new(monitor, message, hint)
}

fn selector_text(monitor: &ServiceMonitor) -> String {
    let labels = monitor.selector.match_labels.iter().map(|(key, value)| format!("{key}={value}"));
    let expressions = monitor.selector.match_expressions.iter();
    let expressions = expressions.map(|r| format!("{} {} {:?}", r.key, r.operator, r.values));
    format!("{{{}}}", labels.chain(expressions).collect::<Vec<_>>().join(", "))
}

fn is_port(endpoint: &MonitorEndpoint, port: &EndpointPort) -> bool {
    match &endpoint.port {
        None => true,
        Some(MonitorPort::Service(name)) => port.name == *name,
        Some(MonitorPort::ContainerName(name)) => port.container_port_name.as_ref() == Some(name),
        Some(MonitorPort::ContainerNumber(number)) => port.container.is_some() && port.port == *number,
    }
}

fn no_port(monitor: &ServiceMonitor, endpoint: &MonitorEndpoint, service: &Endpoints) -> Option<Diagnosis> {
    let mut ports = service.addresses.iter().flat_map(|address| &address.ports);
    if service.addresses.is_empty() || ports.any(|port| is_port(endpoint, port)) {
        return None;
    }
    let (wanted, field) = match endpoint.port.as_ref()? {
        MonitorPort::Service(name) => (format!("no port named {name:?}"), "port"),
        MonitorPort::ContainerName(name) => {
            (format!("no port that leads to a container port named {name:?}"), "targetPort")
        }
        MonitorPort::ContainerNumber(number) => {
            (format!("no port that leads to container port {number}"), "targetPort")
        }
    };
    let existing: BTreeSet<String> = service
        .addresses
        .iter()
        .flat_map(|address| &address.ports)
        .map(|port| match &port.container_port_name {
            Some(name) => format!("{:?} ({} {name:?})", port.name, port.port),
            None => format!("{:?} ({})", port.name, port.port),
        })
        .collect();
    let existing = existing.into_iter().collect::<Vec<_>>().join(", ");
    let message = format!("Service {}/{} has {wanted}", service.namespace, service.service);
    let hint = if existing.is_empty() {
        "the Service has no ports; add one with a name".to_owned()
    } else {
        format!("it has {existing}; change endpoints[].{field}, or name the Service's port so")
    };
    Some(Diagnosis::new(monitor, message, hint))
}

/// A pod as `namespace/name`, its port, and a path.
type Page<'a> = (String, u16, &'a str);
/// A monitor by its index, and its job and Service in words.
type Scrapes = Vec<(usize, String)>;

/// Pods whose port and path more than one job, or one job through more than one Service, would scrape.
fn scraped_twice(monitors: &[ServiceMonitor], endpoints: &[Endpoints]) -> Vec<Diagnosis> {
    let mut scraped: BTreeMap<Page<'_>, Scrapes> = BTreeMap::new();
    for (at, monitor) in monitors.iter().enumerate() {
        let namespaces = namespaces(monitor);
        for service in endpoints {
            let visible = namespaces.as_ref().is_none_or(|names| names.contains(&service.namespace));
            if !visible || !monitor.selector.matches(&service.labels) {
                continue;
            }
            for (index, endpoint) in monitor.endpoints.iter().enumerate() {
                let path = endpoint.path.as_deref().unwrap_or("/metrics");
                for address in &service.addresses {
                    for port in address.ports.iter().filter(|port| is_port(endpoint, port)) {
                        let pod = format!("{}/{}", address.pod.namespace, address.pod.name);
                        let by = format!("{} (Service {})", job_name(monitor, index), service.service);
                        scraped.entry((pod, port.port, path)).or_default().push((at, by));
                    }
                }
            }
        }
    }
    // one report for each set of jobs, not for each pod
    let mut sets: BTreeMap<Scrapes, Vec<String>> = BTreeMap::new();
    for ((pod, port, path), mut by) in scraped {
        by.sort();
        by.dedup();
        if by.len() > 1 {
            sets.entry(by).or_default().push(format!("{pod}:{port}{path}"));
        }
    }
    let report = |(by, targets): (Scrapes, Vec<String>)| {
        let names: Vec<&str> = by.iter().map(|(_, name)| name.as_str()).collect();
        let more = if targets.len() > 1 { format!(" and {} more", targets.len() - 1) } else { String::new() };
        let message =
            format!("{}{more} is scraped {} times: by {}", targets[0], names.len(), names.join(", "));
        let hint = "keep one of them, or narrow its selector: sums over both count twice".to_owned();
        Diagnosis::new(&monitors[by[0].0], message, hint)
    };
    sets.into_iter().map(report).collect()
}
