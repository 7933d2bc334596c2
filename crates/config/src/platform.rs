//! Scrape jobs for what a cluster brings along: kube-state-metrics, the kubelet's cAdvisor, node-exporter, and the
//! monitoring itself.
//!
//! Input: where tidewatch serves these pages. Output: jobs whose targets carry the labels that kube-prometheus-stack
//! gives them, so that its rules and dashboards apply.

use std::net::SocketAddr;
use std::time::Duration;
use tidewatch_manifest::ScrapeConfig;
use tidewatch_model::{Labels, TargetGroup};

/// How often targets are scraped where nothing else is said: the specification's 30 s.
pub const SCRAPE_INTERVAL: Duration = Duration::from_secs(30);

/// Where the pages are served.
#[derive(Clone, Debug)]
pub struct PlatformAddresses {
    /// The listener of the cluster metrics.
    pub cluster: SocketAddr,
    /// The listener of tidewatch's own metrics.
    pub own: SocketAddr,
    /// The node's name.
    pub node: String,
}

/// The jobs, in the order a list of targets shows them.
pub fn platform_jobs(addresses: &PlatformAddresses) -> Vec<ScrapeConfig> {
    // the pages are served at any free port: an `instance` of their own keeps the series the same across starts
    let node = addresses.node.as_str();
    let at = |port: u16| format!("{node}:{port}");
    let (state_at, kubelet_at, exporter_at) = (at(8080), at(10250), at(9100));
    let state = [("namespace", "monitoring"), ("endpoint", "http"), ("instance", state_at.as_str())];
    let kubelet = [
        ("instance", kubelet_at.as_str()),
        ("namespace", "kube-system"),
        ("endpoint", "https-metrics"),
        ("service", "kubelet"),
        ("metrics_path", "/metrics/cadvisor"),
        ("node", node),
    ];
    let mut state = job("kube-state-metrics", "/metrics/kube-state", addresses.cluster, &state);
    state.honor_labels = true;
    let mut cadvisor = job("kubelet", "/metrics/cadvisor", addresses.cluster, &kubelet);
    cadvisor.honor_labels = true;
    let exporter = [
        ("instance", exporter_at.as_str()),
        ("namespace", "monitoring"),
        ("endpoint", "http-metrics"),
        ("service", "node-exporter"),
    ];
    let own = [("namespace", "monitoring"), ("endpoint", "http")];
    vec![
        state,
        cadvisor,
        job("node-exporter", "/metrics/node", addresses.cluster, &exporter),
        job("prometheus", "/metrics", addresses.own, &own),
    ]
}

/// How often the exporter of Kafka is asked: half the usual time, so that a consumer that stands still shows soon.
const KAFKA_INTERVAL: Duration = Duration::from_secs(15);

/// The job of kafka_exporter's metrics, which tidewatch serves itself: of the broker that runs here, or of any Kafka. It has the
/// labels that the ServiceMonitor of Strimzi's own exporter gives its target in a cluster; `namespace` is that of the Kafka object,
/// empty where there is none.
pub fn kafka_exporter_job(addresses: &PlatformAddresses, namespace: &str) -> ScrapeConfig {
    let at = format!("{}:9404", addresses.node);
    let mut labels = vec![("endpoint", "tcp-prometheus"), ("instance", at.as_str())];
    if !namespace.is_empty() {
        labels.push(("namespace", namespace));
    }
    let mut config = job("kafka-exporter", "/metrics/kafka", addresses.cluster, &labels);
    config.scrape_interval = KAFKA_INTERVAL;
    config
}

/// The job of the controller of autoscalers, which in a cluster is part of kube-controller-manager.
pub fn controller_job(addresses: &PlatformAddresses) -> ScrapeConfig {
    let at = format!("{}:10257", addresses.node);
    let labels = [
        ("instance", at.as_str()),
        ("namespace", "kube-system"),
        ("endpoint", "http-metrics"),
        ("service", "kube-controller-manager"),
    ];
    job("kube-controller-manager", "/metrics/controller-manager", addresses.cluster, &labels)
}

fn job(name: &str, path: &str, address: SocketAddr, labels: &[(&str, &str)]) -> ScrapeConfig {
    let mut config = ScrapeConfig::new(name);
    config.scrape_interval = SCRAPE_INTERVAL;
    config.metrics_path = path.to_owned();
    config.static_configs = vec![TargetGroup {
        source: "0".to_owned(),
        labels: Labels::from_pairs(labels.iter().copied()),
        targets: vec![Labels::from_pairs([("__address__", address.to_string())])],
    }];
    config
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_carry_the_names_of_the_stack() {
        let addresses = PlatformAddresses {
            cluster: "127.0.0.1:1".parse().unwrap(),
            own: "127.0.0.1:2".parse().unwrap(),
            node: "n".into(),
        };
        let jobs = platform_jobs(&addresses);
        let names: Vec<&str> = jobs.iter().map(|j| j.job_name.as_str()).collect();
        assert_eq!(names, ["kube-state-metrics", "kubelet", "node-exporter", "prometheus"]);
        let kubelet = &jobs[1].static_configs[0];
        assert_eq!(kubelet.labels.get("metrics_path"), Some("/metrics/cadvisor"));
        assert_eq!(kubelet.targets[0].get("__address__"), Some("127.0.0.1:1"));
        let kafka = kafka_exporter_job(&addresses, "shop");
        assert_eq!(kafka.static_configs[0].labels.get("namespace"), Some("shop"));
        let elsewhere = kafka_exporter_job(&addresses, "");
        assert_eq!(elsewhere.static_configs[0].labels.get("namespace"), None);
        assert_eq!(
            (kafka.job_name.as_str(), kafka.metrics_path.as_str()),
            ("kafka-exporter", "/metrics/kafka")
        );
        assert_eq!(kafka.scrape_interval, Duration::from_secs(15));
        assert_eq!(kafka.static_configs[0].targets[0].get("__address__"), Some("127.0.0.1:1"));
        let controller = controller_job(&addresses);
        assert_eq!(controller.job_name, "kube-controller-manager");
        assert_eq!(controller.static_configs[0].labels.get("namespace"), Some("kube-system"));
        assert!(jobs[1].honor_labels, "pod and container are those of the measured object");
    }
}
