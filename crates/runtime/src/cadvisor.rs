//! The metrics of containers, with the names and labels of the kubelet's cAdvisor endpoint.
//!
//! Input: `/proc` of the processes there are now. Output: text exposition. Left out because nothing here can know it:
//! `container_network_*` (pods share the machine's network), `container_cpu_cfs_*` (CPU limits are not enforced),
//! `container_fs_usage_bytes`, swap and huge pages.
//!
//! A run of a container has its own `id` and `name`, so counters begin anew after a restart, as in a cluster. A child
//! that its parent never waited for takes its CPU time with it; sums then stand still rather than fall.

use crate::cluster::{Cluster, now_ms};
use crate::kube_state::seconds;
use crate::usage::{ContainerUsage, Meter, Running};
use crate::volume_stats;
use tidewatch_exposition::{MetricKind, TextWriter};
use tidewatch_manifest::Quantity;

use MetricKind::{Counter, Gauge};

struct Row {
    namespace: String,
    pod: String,
    container: String,
    image: String,
    id: String,
    name: String,
    started_ms: i64,
    out_of_memory: u32,
    cpu_limit: Option<Quantity>,
    cpu_request: Option<Quantity>,
    memory_limit: u64,
    memory_request: u64,
    usage: ContainerUsage,
}

impl Row {
    fn of(running: &Running) -> Option<Self> {
        let status = running.pod.status();
        let container = status.containers.get(running.index)?.clone();
        drop(status);
        let (pod, amount) =
            (&running.pod, |list: &std::collections::BTreeMap<String, Quantity>, name: &str| {
                list.get(name).copied()
            });
        Some(Self {
            namespace: pod.namespace.clone(),
            pod: pod.name.clone(),
            id: format!("/kubepods/pod{}/{}", pod.uid, container.container_id),
            name: container.container_id,
            started_ms: running.live.started_ms,
            out_of_memory: container.oom_kills,
            cpu_limit: amount(&container.limits, "cpu"),
            cpu_request: amount(&container.requests, "cpu"),
            memory_limit: amount(&container.limits, "memory").map_or(0, Quantity::units),
            memory_request: amount(&container.requests, "memory").map_or(0, Quantity::units),
            container: container.name,
            image: container.image,
            usage: running.usage(),
        })
    }

    fn labels(&self) -> [(&str, &str); 6] {
        [
            ("container", &self.container),
            ("id", &self.id),
            ("image", &self.image),
            ("name", &self.name),
            ("namespace", &self.namespace),
            ("pod", &self.pod),
        ]
    }
}

pub(crate) fn write(cluster: &Cluster, meter: &Meter, out: &mut String) {
    let rows: Vec<Row> = meter.running(cluster).iter().filter_map(Row::of).collect();
    let mut page = Page { writer: TextWriter::new(out), rows: &rows };
    page.cpu();
    page.memory();
    page.processes();
    volume_stats::write(&mut page.writer, &cluster.claims);
    let node = &cluster.node;
    let machine = [("node", node.name.as_str())];
    page.writer
        .family("machine_cpu_cores", Gauge, "Number of logical CPU cores.")
        .sample("machine_cpu_cores", &machine, node.cores as f64)
        .family("machine_memory_bytes", Gauge, "Amount of memory installed on the machine.")
        .sample("machine_memory_bytes", &machine, node.memory_bytes as f64);
}

struct Page<'a> {
    writer: TextWriter<'a>,
    rows: &'a [Row],
}

impl Page<'_> {
    fn family(&mut self, name: &str, kind: MetricKind, help: &str, value: impl Fn(&Row) -> Option<f64>) {
        if self.rows.is_empty() {
            return;
        }
        self.writer.family(name, kind, help);
        for row in self.rows {
            if let Some(value) = value(row) {
                self.writer.sample(name, &row.labels(), value);
            }
        }
    }

    fn cpu(&mut self) {
        let name = "container_cpu_usage_seconds_total";
        if !self.rows.is_empty() {
            self.writer.family(name, Counter, "Cumulative cpu time consumed in seconds.");
        }
        for row in self.rows {
            let [container, rest @ ..] = row.labels();
            let mut labels = vec![container, ("cpu", "total")];
            labels.extend(rest);
            self.writer.sample(name, &labels, row.usage.user_seconds + row.usage.system_seconds);
        }
        self.family(
            "container_cpu_user_seconds_total",
            Counter,
            "Cumulative user cpu time consumed in seconds.",
            |row| Some(row.usage.user_seconds),
        );
        self.family(
            "container_cpu_system_seconds_total",
            Counter,
            "Cumulative system cpu time consumed in seconds.",
            |row| Some(row.usage.system_seconds),
        );
        self.family("container_spec_cpu_period", Gauge, "CPU period of the container.", |row| {
            row.cpu_limit.map(|_| 100_000.0)
        });
        self.family("container_spec_cpu_quota", Gauge, "CPU quota of the container.", |row| {
            row.cpu_limit.map(|limit| limit.milli() as f64 * 100.0)
        });
        self.family("container_spec_cpu_shares", Gauge, "CPU share of the container.", |row| {
            let milli = row.cpu_request.map_or(0, Quantity::milli);
            Some(((milli * 1024 / 1000).max(2)) as f64)
        });
    }

    fn memory(&mut self) {
        self.family(
            "container_memory_usage_bytes",
            Gauge,
            "Current memory usage in bytes, including all memory regardless of when it was accessed.",
            |row| Some(row.usage.resident_bytes as f64),
        );
        self.family("container_memory_working_set_bytes", Gauge, "Current working set in bytes.", |row| {
            Some(row.usage.resident_bytes as f64)
        });
        self.family("container_memory_rss", Gauge, "Size of RSS in bytes.", |row| {
            Some(row.usage.resident_bytes.saturating_sub(row.usage.shared_bytes) as f64)
        });
        self.family("container_memory_cache", Gauge, "Number of bytes of page cache memory.", |row| {
            Some(row.usage.shared_bytes as f64)
        });
        self.family("container_spec_memory_limit_bytes", Gauge, "Memory limit for the container.", |row| {
            Some(row.memory_limit as f64)
        });
        self.family(
            "container_spec_memory_reservation_limit_bytes",
            Gauge,
            "Memory reservation limit for the container.",
            |row| Some(row.memory_request as f64),
        );
        self.family(
            "container_oom_events_total",
            Counter,
            "Count of out of memory events observed for the container",
            |row| Some(f64::from(row.out_of_memory)),
        );
    }

    fn processes(&mut self) {
        let now = seconds(now_ms());
        self.family("container_fs_reads_bytes_total", Counter, "Cumulative count of bytes read", |row| {
            Some(row.usage.read_bytes)
        });
        self.family("container_fs_writes_bytes_total", Counter, "Cumulative count of bytes written", |row| {
            Some(row.usage.written_bytes)
        });
        self.family(
            "container_processes",
            Gauge,
            "Number of processes running inside the container.",
            |row| Some(row.usage.processes as f64),
        );
        self.family("container_threads", Gauge, "Number of threads running inside the container", |row| {
            Some(row.usage.threads as f64)
        });
        self.family(
            "container_file_descriptors",
            Gauge,
            "Number of open file descriptors for the container.",
            |row| Some(row.usage.open_files as f64),
        );
        self.family("container_sockets", Gauge, "Number of open sockets for the container.", |row| {
            Some(row.usage.sockets as f64)
        });
        self.family(
            "container_start_time_seconds",
            Gauge,
            "Start time of the container since unix epoch in seconds.",
            |row| Some(seconds(row.started_ms)),
        );
        self.family(
            "container_last_seen",
            Gauge,
            "Last time a container was seen by the exporter",
            move |_| Some(now.floor()),
        );
    }
}
