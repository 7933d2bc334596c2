//! Stand-ins for the store, the scraper and the runtime.

use crate::served::NOW;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tidewatch_exposition::MetricKind;
use tidewatch_http::{Targets, Workloads};
use tidewatch_manifest::{Autoscaler, Container, LabelSelector, Manifests, Quantity, load_text};
use tidewatch_model::{Columns, LabelQuery, Labels, Select, SelectError, Selection, Series};
use tidewatch_runtime::{DeploymentStatus, NodeStatus, PodStatus, RuntimeError, RuntimeEvent};
use tidewatch_scrape::{DroppedTarget, MetricMetadata, TargetHealth, TargetStatus};
use tidewatch_testkit::Memory;

/// `up` of two jobs, `http_requests_total` with a value to escape, around `now`.
pub(crate) fn example(now: i64) -> Memory {
    let series = |pairs: &[(&str, &str)], values: &[f64]| {
        let mut columns = Columns::default();
        for (before, value) in (0..values.len() as i64).rev().zip(values) {
            columns.push(now - before * 1000, *value);
        }
        (Labels::from_pairs(pairs.iter().copied()), columns)
    };
    let all = [
        series(&[("__name__", "up"), ("job", "backend")], &[1.0, 1.0]),
        series(&[("__name__", "up"), ("job", "frontend")], &[1.0, 0.0]),
        series(&[("__name__", "http_requests_total"), ("path", "/a<b>&\"c")], &[1.5, 1e21]),
    ];
    all.into_iter().collect()
}

/// A store that answers, but takes milliseconds for each of very many series.
#[derive(Clone, Default)]
pub(crate) struct Slow {
    /// Series read so far.
    pub(crate) reads: Arc<AtomicUsize>,
}

impl Slow {
    /// How many series there are: reading all takes far longer than any test.
    pub(crate) const SERIES: usize = 100_000;
}

struct SlowSeries {
    labels: Labels,
    reads: Arc<AtomicUsize>,
}

impl Series for SlowSeries {
    fn labels(&self) -> &Labels {
        &self.labels
    }

    fn sample_bound(&self) -> usize {
        0
    }

    fn read(&self, _: &mut Columns) -> Result<(), SelectError> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        // This is what is simulated, not a wait for something else.
        std::thread::sleep(Duration::from_millis(2));
        Ok(())
    }
}

impl Select for Slow {
    fn select(&self, _: &Selection<'_>) -> Result<Vec<Box<dyn Series>>, SelectError> {
        let series = |number: usize| -> Box<dyn Series> {
            let labels = Labels::from_pairs([("__name__", "slow".to_owned()), ("n", format!("{number:06}"))]);
            Box::new(SlowSeries { labels, reads: Arc::clone(&self.reads) })
        };
        Ok((0..Self::SERIES).map(series).collect())
    }

    fn label_names(&self, _: &LabelQuery<'_>) -> Result<Vec<String>, SelectError> {
        Ok(Vec::new())
    }

    fn label_values(&self, _: &str, _: &LabelQuery<'_>) -> Result<Vec<String>, SelectError> {
        Ok(Vec::new())
    }
}

/// Two pools: one with a target that is up and one that is down, one whose only target was dropped.
pub(crate) struct TwoPools;

impl Targets for TwoPools {
    fn pools(&self) -> Vec<String> {
        vec!["todo".to_owned(), "empty".to_owned()]
    }

    fn active(&self) -> Vec<TargetStatus> {
        let target = |instance: &str, health, last_error: &str, last_scrape| TargetStatus {
            pool: "todo".to_owned(),
            discovered_labels: Labels::from_pairs([("__address__", instance), ("job", "todo")]),
            labels: Labels::from_pairs([("instance", instance), ("job", "todo")]),
            scrape_url: format!("http://{instance}/metrics"),
            global_url: format!("http://{instance}/metrics"),
            last_error: last_error.to_owned(),
            last_scrape,
            last_scrape_duration: Duration::from_micros(1500),
            health,
            scrape_interval: Duration::from_secs(30),
            scrape_timeout: Duration::from_secs(10),
        };
        vec![
            target("127.64.0.2:9464", TargetHealth::Down, "connection <refused>", Some(1_700_000_000_120)),
            target("127.64.0.1:9464", TargetHealth::Unknown, "", None),
        ]
    }

    fn dropped(&self) -> Vec<DroppedTarget> {
        vec![DroppedTarget {
            pool: "empty".to_owned(),
            discovered_labels: Labels::from_pairs([("__address__", "127.0.0.1:2")]),
        }]
    }

    fn metadata(&self) -> Vec<MetricMetadata> {
        let entry = |instance: &str, metric: &str, help: &str| MetricMetadata {
            metric: metric.to_owned(),
            kind: MetricKind::Gauge,
            help: help.to_owned(),
            unit: String::new(),
            target: Labels::from_pairs([("instance", instance), ("job", "todo")]),
        };
        vec![entry("a", "up_time", "Time."), entry("a", "size", "Size."), entry("b", "size", "Other size.")]
    }
}

/// One pod of a Deployment of two, with a log and an event, and an event of its autoscaler.
pub(crate) struct OnePod(pub(crate) PodStatus);

impl Workloads for OnePod {
    fn pods(&self) -> Vec<PodStatus> {
        vec![self.0.clone()]
    }

    fn deployments(&self) -> Vec<DeploymentStatus> {
        let labels: BTreeMap<String, String> = [("app".to_owned(), "todo-backend".to_owned())].into();
        let container = |name: &str| Container {
            name: name.to_owned(),
            image: format!("{name}:0.1.0"),
            requests: [("cpu".to_owned(), Quantity::parse("100m").unwrap())].into(),
            ..Container::default()
        };
        vec![DeploymentStatus {
            namespace: self.0.pod.namespace.clone(),
            name: "todo-backend".to_owned(),
            labels: labels.clone(),
            selector: LabelSelector { match_labels: labels.clone(), ..LabelSelector::default() },
            template_labels: labels,
            containers: vec![container("backend"), container("daprd")],
            created_ms: NOW - 125_000,
            replicas: 2,
            present: 1,
            ready: 0,
            ..DeploymentStatus::default()
        }]
    }

    fn autoscalers(&self) -> Vec<Autoscaler> {
        manifests().all_autoscalers()
    }

    fn node(&self) -> NodeStatus {
        NodeStatus {
            name: "local".to_owned(),
            ip: "127.0.0.1".parse().unwrap(),
            cores: 2,
            memory_bytes: 4 << 30,
            started_ms: NOW - 86_400_000 * 3,
        }
    }

    fn events(&self) -> Vec<RuntimeEvent> {
        let of_pod = RuntimeEvent {
            warning: true,
            reason: "BackOff".to_owned(),
            message: "Back-off restarting failed container".to_owned(),
            kind: "Pod".to_owned(),
            namespace: self.0.pod.namespace.clone(),
            name: self.0.pod.name.clone(),
            count: 3,
            first_ms: 1_700_000_000_000,
            last_ms: 1_700_000_060_500,
        };
        let of_autoscaler = RuntimeEvent {
            warning: false,
            reason: "SuccessfulRescale".to_owned(),
            message: "New size: 4".to_owned(),
            kind: "HorizontalPodAutoscaler".to_owned(),
            name: "todo-backend-hpa".to_owned(),
            count: 1,
            first_ms: NOW - 60_000,
            last_ms: NOW - 60_000,
            ..of_pod.clone()
        };
        vec![of_pod, of_autoscaler]
    }

    fn log(
        &self,
        namespace: &str,
        pod: &str,
        container: Option<&str>,
        tail_lines: Option<usize>,
    ) -> Result<Vec<u8>, RuntimeError> {
        if namespace != self.0.pod.namespace || pod != self.0.pod.name {
            return Err(RuntimeError::NoSuchPod { namespace: namespace.to_owned(), name: pod.to_owned() });
        }
        if container.is_some_and(|container| container != "backend") {
            let (container, known) = (container.unwrap_or_default().to_owned(), "backend".to_owned());
            return Err(RuntimeError::NoSuchContainer { pod: pod.to_owned(), container, known });
        }
        let lines = ["one\n", "two\n", "three\n"];
        Ok(lines[lines.len().saturating_sub(tail_lines.unwrap_or(lines.len()))..].concat().into_bytes())
    }

    fn kube_state_metrics(&self, out: &mut String) {
        out.push_str("kube_pod_info 1\n");
    }

    fn cadvisor_metrics(&self, out: &mut String) {
        out.push_str("container_last_seen 1\n");
    }

    fn node_metrics(&self, out: &mut String) {
        out.push_str("node_load1 0.5\n");
    }
}

/// The backend's autoscaler as it is written.
fn manifests() -> Manifests {
    let text = "
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: { name: todo-backend-hpa, namespace: todo-app-prod, labels: { app: todo-backend } }
spec:
  scaleTargetRef: { apiVersion: apps/v1, kind: Deployment, name: todo-backend }
  minReplicas: 2
  maxReplicas: 10
  metrics:
    - { type: Resource, resource: { name: cpu, target: { type: Utilization, averageUtilization: 70 } } }
    - { type: Resource, resource: { name: memory, target: { type: Utilization, averageUtilization: 80 } } }
  behavior:
    scaleDown:
      stabilizationWindowSeconds: 120
      policies: [{ type: Percent, value: 50, periodSeconds: 30 }]
";
    load_text("hpa.yaml", text).unwrap()
}

/// A scraper with nothing to scrape.
pub(crate) struct NoPools;

impl Targets for NoPools {
    fn pools(&self) -> Vec<String> {
        Vec::new()
    }

    fn active(&self) -> Vec<TargetStatus> {
        Vec::new()
    }

    fn dropped(&self) -> Vec<DroppedTarget> {
        Vec::new()
    }

    fn metadata(&self) -> Vec<MetricMetadata> {
        Vec::new()
    }
}

/// A scraper that gives no answer until the test lets it.
pub(crate) struct StuckPools {
    held: Mutex<Receiver<()>>,
    /// How often it was asked.
    pub(crate) asked: AtomicUsize,
}

impl StuckPools {
    /// Answers once the other end of `held` is dropped.
    pub(crate) fn new(held: Receiver<()>) -> Self {
        Self { held: Mutex::new(held), asked: AtomicUsize::new(0) }
    }

    pub(crate) fn wait(&self) {
        self.asked.fetch_add(1, Ordering::SeqCst);
        // Bounded, so that a server that waits here on its only thread fails the test and does not hang it.
        let released = self.held.lock().unwrap().recv_timeout(Duration::from_secs(20));
        assert_eq!(released, Err(RecvTimeoutError::Disconnected), "the test has ended without an answer");
    }
}

impl Targets for StuckPools {
    fn pools(&self) -> Vec<String> {
        self.wait();
        Vec::new()
    }

    fn active(&self) -> Vec<TargetStatus> {
        self.wait();
        Vec::new()
    }

    fn dropped(&self) -> Vec<DroppedTarget> {
        Vec::new()
    }

    fn metadata(&self) -> Vec<MetricMetadata> {
        self.wait();
        Vec::new()
    }
}

/// A store that cannot be read: it fails for `damaged`, and has a defect otherwise.
pub(crate) struct Broken;

impl Select for Broken {
    fn select(&self, selection: &Selection<'_>) -> Result<Vec<Box<dyn Series>>, SelectError> {
        assert_eq!(selection.matchers[0].value(), "damaged", "the defect that a test asks for");
        Err(SelectError::Storage("chunk 7: checksum does not match".into()))
    }

    fn label_names(&self, _: &LabelQuery<'_>) -> Result<Vec<String>, SelectError> {
        Err(SelectError::Storage("no index".into()))
    }

    fn label_values(&self, _: &str, _: &LabelQuery<'_>) -> Result<Vec<String>, SelectError> {
        Ok(Vec::new())
    }
}
