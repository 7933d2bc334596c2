//! CPU and memory of pods and nodes, as metrics-server 0.9 computes them.
//!
//! Input: counters of all containers and of nodes, once a resolution. Output: for each pod the CPU rate between the last
//! two points of each container and the memory of the last. Pure: time comes with the counters.
//!
//! The rules, which decide when an autoscaler sees a new pod:
//! - a rate needs two points of one run: a restarted container has none until its second point;
//! - except that a container which is between 10 s old and one resolution old is given its start as the first point, with 0;
//! - a point that is not newer than the last one replaces it, and the one before stays, if it is older;
//! - a pod is given only when every container of its last point has a rate. One container that is not measured (no memory
//!   any more) leaves the whole pod out of the batch, and with that loses its earlier points;
//! - the pod's time and window are those of the container that was measured first.
//!
//! `tests/it/metrics_server.rs` compares this with metrics-server's own store. One mistake of it is not copied: when a batch is not
//! newer than the one before, it gives a container without an earlier point a rate since the year 1.
//!
//! metrics-server also drops containers whose CPU counter is 0, as cAdvisor's has nanoseconds and is never 0 once measured. The
//! kernel's per-process counters have 10 ms, so 0 is a measurement here.

use std::collections::BTreeMap;
use std::sync::Arc;
use tidewatch_manifest::PodRef;

/// How often counters are taken by default, in milliseconds.
pub const RESOLUTION_MS: i64 = 15_000;

/// A container younger than this is not given its start as first point, in milliseconds.
const FRESH_MS: i64 = 10_000;

/// The counters of one running container.
#[derive(Clone, Debug, PartialEq)]
pub struct ContainerCounter {
    /// Its pod: names, labels and phase.
    pub pod: Arc<PodRef>,
    /// Its name.
    pub container: String,
    /// CPU seconds since its start.
    pub cpu_seconds_total: f64,
    /// Memory in use, in bytes.
    pub working_set_bytes: u64,
    /// When this run began, in milliseconds since the Unix epoch.
    pub start_ms: i64,
}

/// The counters of a node.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NodeCounter {
    /// Its name.
    pub name: String,
    /// CPU seconds since its start, over all cores.
    pub cpu_seconds_total: f64,
    /// Memory in use, in bytes.
    pub working_set_bytes: u64,
}

/// What a pod uses.
#[derive(Clone, Debug, PartialEq)]
pub struct PodMetrics {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// The time of the later point, in milliseconds since the Unix epoch.
    pub timestamp_ms: i64,
    /// The time between the points, in milliseconds.
    pub window_ms: i64,
    /// Its containers, by name; at least one.
    pub containers: Vec<ContainerMetrics>,
}

/// What a container uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerMetrics {
    /// Its name.
    pub name: String,
    /// Billionths of a core, rounded down.
    pub cpu_nano_cores: u64,
    /// Memory in use, in bytes.
    pub memory_bytes: u64,
}

/// What a node uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeMetrics {
    /// Its name.
    pub name: String,
    /// The time of the later point, in milliseconds since the Unix epoch.
    pub timestamp_ms: i64,
    /// The time between the points, in milliseconds.
    pub window_ms: i64,
    /// Billionths of a core, rounded down.
    pub cpu_nano_cores: u64,
    /// Memory in use, in bytes.
    pub memory_bytes: u64,
}

/// The counters at one time.
#[derive(Clone, Copy, Debug)]
struct Point {
    start_ms: i64,
    time_ms: i64,
    cpu_nanoseconds: u64,
    memory_bytes: u64,
}

/// The rate between two points.
struct Usage {
    cpu_nano_cores: u64,
    memory_bytes: u64,
    timestamp_ms: i64,
    window_ms: i64,
}

impl Point {
    fn new(start_ms: i64, time_ms: i64, cpu_seconds: f64, memory_bytes: u64) -> Self {
        Self { start_ms, time_ms, cpu_nanoseconds: (cpu_seconds * 1e9) as u64, memory_bytes }
    }

    /// What was used since an earlier point; none when the counter fell or time stood still.
    fn since(&self, earlier: &Self) -> Option<Usage> {
        let window_ms = self.time_ms - earlier.time_ms;
        if self.start_ms < earlier.start_ms || window_ms <= 0 {
            return None;
        }
        let used = self.cpu_nanoseconds.checked_sub(earlier.cpu_nanoseconds)?;
        Some(Usage {
            cpu_nano_cores: (used as f64 / (window_ms as f64 / 1000.0)) as u64,
            memory_bytes: self.memory_bytes,
            timestamp_ms: self.time_ms,
            window_ms,
        })
    }

    /// The point before this one, out of what is stored.
    fn previous(&self, stored: Option<&Measured>, resolution_ms: i64) -> Option<Self> {
        let age = self.time_ms - self.start_ms;
        if (FRESH_MS..resolution_ms).contains(&age) {
            return Some(Self { time_ms: self.start_ms, cpu_nanoseconds: 0, ..*self });
        }
        let stored = stored?;
        if self.start_ms >= stored.last.time_ms {
            return None;
        }
        if self.time_ms > stored.last.time_ms {
            return Some(stored.last);
        }
        stored.previous.filter(|previous| previous.time_ms < self.time_ms)
    }
}

/// What is stored of a container or a node.
#[derive(Clone, Copy, Debug)]
struct Measured {
    last: Point,
    previous: Option<Point>,
}

impl Measured {
    fn usage(&self) -> Option<Usage> {
        self.last.since(self.previous.as_ref()?)
    }
}

/// What is stored of a pod.
#[derive(Debug)]
struct StoredPod {
    pod: Arc<PodRef>,
    containers: BTreeMap<String, Measured>,
}

/// The last two points of every container and node: nothing is kept of those that were not in the last batch.
#[derive(Debug)]
pub struct ResourceMetrics {
    resolution_ms: i64,
    pods: BTreeMap<(String, String), StoredPod>,
    nodes: BTreeMap<String, Measured>,
}

impl Default for ResourceMetrics {
    fn default() -> Self {
        Self::new(RESOLUTION_MS)
    }
}

impl ResourceMetrics {
    /// A store without points, to which counters are given once a resolution, in milliseconds.
    pub fn new(resolution_ms: i64) -> Self {
        Self { resolution_ms, pods: BTreeMap::new(), nodes: BTreeMap::new() }
    }

    /// Takes the counters of all running containers at one time, in milliseconds since the Unix epoch.
    pub fn observe(&mut self, now_ms: i64, counters: &[ContainerCounter]) {
        let mut pods: BTreeMap<(String, String), StoredPod> = BTreeMap::new();
        let mut incomplete: Vec<(String, String)> = Vec::new();
        for counter in counters {
            let key = (counter.pod.namespace.clone(), counter.pod.name.clone());
            if counter.working_set_bytes == 0 {
                incomplete.push(key);
                continue;
            }
            let point =
                Point::new(counter.start_ms, now_ms, counter.cpu_seconds_total, counter.working_set_bytes);
            let stored = self.pods.get(&key).and_then(|pod| pod.containers.get(&counter.container));
            let measured = Measured { previous: point.previous(stored, self.resolution_ms), last: point };
            let empty = || StoredPod { pod: Arc::clone(&counter.pod), containers: BTreeMap::new() };
            pods.entry(key).or_insert_with(empty).containers.insert(counter.container.clone(), measured);
        }
        for key in incomplete {
            pods.remove(&key);
        }
        self.pods = pods;
    }

    /// Takes the counters of all nodes at one time, in milliseconds since the Unix epoch.
    pub fn observe_nodes(&mut self, now_ms: i64, counters: &[NodeCounter]) {
        let nodes = counters
            .iter()
            .filter(|counter| counter.cpu_seconds_total > 0.0 && counter.working_set_bytes > 0)
            .map(|counter| {
                // Nodes are not known to restart: their rate is taken between any two points.
                let last = Point::new(i64::MIN, now_ms, counter.cpu_seconds_total, counter.working_set_bytes);
                let previous = self.nodes.get(&counter.name).and_then(|stored| {
                    if now_ms > stored.last.time_ms {
                        return Some(stored.last);
                    }
                    stored.previous.filter(|previous| previous.time_ms < now_ms)
                });
                (counter.name.clone(), Measured { last, previous })
            })
            .collect();
        self.nodes = nodes;
    }

    /// What the pods use that were running in the last batch, by namespace and name.
    pub fn pods(&self) -> Vec<PodMetrics> {
        self.pods.values().filter(|pod| pod.pod.phase == "Running").filter_map(StoredPod::metrics).collect()
    }

    /// What the nodes use, by name.
    pub fn nodes(&self) -> Vec<NodeMetrics> {
        let metrics = |(name, measured): (&String, &Measured)| {
            let usage = measured.usage()?;
            Some(NodeMetrics {
                name: name.clone(),
                timestamp_ms: usage.timestamp_ms,
                window_ms: usage.window_ms,
                cpu_nano_cores: usage.cpu_nano_cores,
                memory_bytes: usage.memory_bytes,
            })
        };
        self.nodes.iter().filter_map(metrics).collect()
    }

    /// When counters were last taken, in milliseconds since the Unix epoch; none before the first time, and when nothing ran.
    pub fn last_observed_ms(&self) -> Option<i64> {
        let points = self.pods.values().flat_map(|pod| pod.containers.values()).chain(self.nodes.values());
        points.map(|measured| measured.last.time_ms).max()
    }
}

impl StoredPod {
    fn metrics(&self) -> Option<PodMetrics> {
        let mut containers = Vec::with_capacity(self.containers.len());
        let mut earliest: Option<(i64, i64)> = None;
        for (name, measured) in &self.containers {
            measured.previous.as_ref()?;
            // A counter that fell leaves out the container, not the pod.
            let Some(usage) = measured.usage() else { continue };
            if earliest.is_none_or(|(time, _)| usage.timestamp_ms < time) {
                earliest = Some((usage.timestamp_ms, usage.window_ms));
            }
            containers.push(ContainerMetrics {
                name: name.clone(),
                cpu_nano_cores: usage.cpu_nano_cores,
                memory_bytes: usage.memory_bytes,
            });
        }
        let (timestamp_ms, window_ms) = earliest?;
        Some(PodMetrics {
            namespace: self.pod.namespace.clone(),
            name: self.pod.name.clone(),
            labels: self.pod.labels.clone(),
            timestamp_ms,
            window_ms,
            containers,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(name: &str, phase: &str) -> Arc<PodRef> {
        Arc::new(PodRef {
            namespace: "shop".to_owned(),
            name: name.to_owned(),
            phase: phase.to_owned(),
            labels: [("app".to_owned(), "web".to_owned())].into(),
            ..PodRef::default()
        })
    }

    /// A container's counters at a time: (container, started, CPU seconds, bytes).
    type Counter = (&'static str, i64, f64, u64);

    /// A pod's metrics: (timestamp, window, containers as (name, nano cores, bytes)).
    type Expected<'a> = (i64, i64, &'a [(&'a str, u64, u64)]);

    /// Takes counters at times, in seconds, and gives the pod's metrics.
    fn check(batches: &[(i64, &[Counter])], expected: Option<Expected<'_>>) {
        let mut store = ResourceMetrics::default();
        for (time, counters) in batches {
            let counters: Vec<ContainerCounter> = counters
                .iter()
                .map(|(container, start, cpu, memory)| ContainerCounter {
                    pod: pod("web-1", "Running"),
                    container: (*container).to_owned(),
                    cpu_seconds_total: *cpu,
                    working_set_bytes: *memory,
                    start_ms: start * 1000,
                })
                .collect();
            store.observe(time * 1000, &counters);
        }
        let found = store.pods();
        let expected: Vec<PodMetrics> = expected
            .into_iter()
            .map(|(time, window, containers)| PodMetrics {
                namespace: "shop".to_owned(),
                name: "web-1".to_owned(),
                labels: [("app".to_owned(), "web".to_owned())].into(),
                timestamp_ms: time * 1000,
                window_ms: window * 1000,
                containers: containers
                    .iter()
                    .map(|(name, cpu, memory)| ContainerMetrics {
                        name: (*name).to_owned(),
                        cpu_nano_cores: *cpu,
                        memory_bytes: *memory,
                    })
                    .collect(),
            })
            .collect();
        assert_eq!(found, expected, "{batches:?}");
    }

    #[test]
    fn two_points_make_a_rate() {
        check(&[], None);
        check(&[(100, &[("a", 0, 5.0, 10)])], None);
        check(
            &[(100, &[("a", 0, 5.0, 10)]), (115, &[("a", 0, 8.0, 20)])],
            Some((115, 15, &[("a", 200_000_000, 20)])),
        );
        // Only the last two count, and their distance is the window, not the resolution.
        check(
            &[(100, &[("a", 0, 5.0, 10)]), (115, &[("a", 0, 8.0, 20)]), (145, &[("a", 0, 8.001, 30)])],
            Some((145, 30, &[("a", 33_333, 30)])),
        );
    }

    #[test]
    fn a_young_container_begins_at_its_start() {
        // 12 s old: what it used so far, over 12 s.
        check(&[(112, &[("a", 100, 6.0, 10)])], Some((112, 12, &[("a", 500_000_000, 10)])));
        check(&[(110, &[("a", 100, 1.0, 10)])], Some((110, 10, &[("a", 100_000_000, 10)])));
        // 9 s old: too young; 15 s old: old enough for two points.
        check(&[(109, &[("a", 100, 6.0, 10)])], None);
        check(&[(115, &[("a", 100, 6.0, 10)])], None);
        check(
            &[(105, &[("a", 100, 1.0, 10)]), (120, &[("a", 100, 4.0, 10)])],
            Some((120, 15, &[("a", 200_000_000, 10)])),
        );
        // The start wins over a point that is there.
        check(
            &[(109, &[("a", 100, 1.0, 10)]), (114, &[("a", 100, 7.0, 10)])],
            Some((114, 14, &[("a", 500_000_000, 10)])),
        );
    }

    #[test]
    fn a_restarted_container_begins_anew() {
        check(&[(100, &[("a", 0, 50.0, 10)]), (115, &[("a", 109, 1.0, 10)])], None);
        check(
            &[(100, &[("a", 0, 50.0, 10)]), (115, &[("a", 109, 1.0, 10)]), (130, &[("a", 109, 2.5, 10)])],
            Some((130, 15, &[("a", 100_000_000, 10)])),
        );
        // A counter that falls within a run leaves the container out; the pod then has none.
        check(&[(100, &[("a", 0, 50.0, 10)]), (115, &[("a", 0, 1.0, 10)])], None);
    }

    #[test]
    fn a_pod_is_whole_or_left_out() {
        let both: &[Counter] = &[("a", 0, 1.0, 10), ("b", 0, 1.0, 10)];
        check(
            &[(100, both), (115, &[("a", 0, 2.5, 10), ("b", 0, 1.0, 11)])],
            Some((115, 15, &[("a", 100_000_000, 10), ("b", 0, 11)])),
        );
        // One container has one point only.
        check(&[(100, &[("a", 0, 1.0, 10)]), (115, both)], None);
        // One is restarted: the pod comes back with its second point.
        check(&[(100, both), (115, &[("a", 0, 2.0, 10), ("b", 110, 0.1, 10)])], None);
        // One is not measured: the pod's points are lost, so the next batch gives none either.
        let without: &[Counter] = &[("a", 0, 1.0, 10), ("b", 0, 1.0, 0)];
        check(&[(100, both), (115, without)], None);
        check(&[(100, both), (115, without), (130, both)], None);
        // A container that is gone does not count.
        check(&[(100, both), (115, &[("a", 0, 2.5, 10)])], Some((115, 15, &[("a", 100_000_000, 10)])));
    }

    #[test]
    fn a_point_that_is_not_newer_keeps_the_one_before() {
        let first: &[Counter] = &[("a", 0, 5.0, 10)];
        let second: &[Counter] = &[("a", 0, 8.0, 20)];
        check(&[(100, first), (115, second), (115, second)], Some((115, 15, &[("a", 200_000_000, 20)])));
        check(&[(100, first), (115, second), (100, first)], None);
        check(&[(100, first), (100, first)], None);
    }

    #[test]
    fn only_running_pods_are_given() {
        let mut store = ResourceMetrics::default();
        for (time, phase) in [(100, "Pending"), (115, "Pending"), (130, "Running")] {
            let counter = |name: &str| ContainerCounter {
                pod: pod(name, phase),
                container: "a".to_owned(),
                cpu_seconds_total: time as f64,
                working_set_bytes: 1,
                start_ms: 0,
            };
            store.observe(time * 1000, &[counter("web-2"), counter("web-1")]);
            let names: Vec<String> = store.pods().into_iter().map(|pod| pod.name).collect();
            let expected: &[&str] = if phase == "Running" { &["web-1", "web-2"] } else { &[] };
            assert_eq!(names, expected, "{time}");
        }
        store.observe(145_000, &[]);
        assert_eq!(store.pods(), []);
    }

    #[test]
    fn nodes_have_rates_too() {
        let mut store = ResourceMetrics::default();
        let counter =
            |cpu| NodeCounter { name: "n".to_owned(), cpu_seconds_total: cpu, working_set_bytes: 7 };
        store.observe_nodes(0, &[counter(10.0)]);
        assert_eq!(store.nodes(), []);
        store.observe_nodes(15_000, &[counter(25.0)]);
        let expected = NodeMetrics {
            name: "n".to_owned(),
            timestamp_ms: 15_000,
            window_ms: 15_000,
            cpu_nano_cores: 1_000_000_000,
            memory_bytes: 7,
        };
        assert_eq!((store.nodes(), store.last_observed_ms()), (vec![expected], Some(15_000)));
    }
}
