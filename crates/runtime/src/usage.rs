//! What containers use, and the memory limit.
//!
//! Input: `/proc` of the processes of each container's group. Output: sums that never fall within a run; a container
//! over its memory limit is killed. Memory is looked at once a second, for containers with a limit only; everything
//! else is read when it is asked for. Linux control groups are not used: they need rights that a developer's account
//! seldom has. So a limit can be exceeded for up to a second, CPU limits are not enforced, page cache is not charged,
//! and init containers are left alone. CPU time has the kernel's resolution, 10 ms.

use crate::cluster::{Cluster, now_ms};
use crate::pod::{Live, Pod};
use crate::procfs::{self, ProcessGroups};
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tidewatch_manifest::PodRef;
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval};

/// How long after its start a container is looked at for sockets on all addresses, in milliseconds.
const WILDCARD_WATCH_MS: i64 = 15_000;

/// A sum over processes that come and go, made to never fall.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rising {
    base: f64,
    last: f64,
}

impl Rising {
    /// Takes the sum over the processes there are now.
    pub(crate) fn take(&mut self, sum: f64) -> f64 {
        if sum < self.last {
            self.base += self.last - sum;
        }
        self.last = sum;
        self.base + sum
    }
}

/// The sums of one run of a container.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct UsageFloor {
    user: Rising,
    system: Rising,
    read: Rising,
    written: Rising,
}

/// What a container uses.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct ContainerUsage {
    pub(crate) resident_bytes: u64,
    pub(crate) shared_bytes: u64,
    pub(crate) user_seconds: f64,
    pub(crate) system_seconds: f64,
    pub(crate) read_bytes: f64,
    pub(crate) written_bytes: f64,
    pub(crate) processes: u64,
    pub(crate) threads: u64,
    pub(crate) open_files: u64,
    pub(crate) sockets: u64,
}

/// The counters of a running container, as the kubelet's page of resource metrics has them.
#[derive(Clone, Debug, PartialEq)]
pub struct ContainerReading {
    /// The pod: names, labels, phase.
    pub pod: Arc<PodRef>,
    /// The container's name.
    pub container: String,
    /// CPU seconds since it was started, in user and kernel mode; never falls within a run.
    pub cpu_seconds_total: f64,
    /// Memory in use, in bytes.
    pub working_set_bytes: u64,
    /// When this run was started, in milliseconds since the Unix epoch.
    pub started_ms: i64,
    /// How often it was started again.
    pub restarts: u32,
}

/// The counters of the node, as the kubelet's page of resource metrics has them.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeReading {
    /// The node's name.
    pub name: String,
    /// CPU seconds that all its processors were busy since it was started.
    pub cpu_seconds_total: f64,
    /// Memory in use, without files that nobody has read lately, in bytes.
    pub working_set_bytes: u64,
}

/// Measures the containers of an instance.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    groups: Mutex<ProcessGroups>,
}

/// A running container and the processes of its group.
pub(crate) struct Running {
    pub(crate) pod: Arc<Pod>,
    pub(crate) index: usize,
    pub(crate) live: Arc<Live>,
    pub(crate) members: Vec<u32>,
}

impl Meter {
    /// All running containers with their processes.
    pub(crate) fn running(&self, cluster: &Cluster) -> Vec<Running> {
        let mut running = Vec::new();
        for pod in cluster.pods() {
            for (index, live) in pod.live().into_iter().enumerate() {
                let Some(live) = live else { continue };
                running.push(Running { pod: Arc::clone(&pod), index, live, members: Vec::new() });
            }
        }
        let wanted: Vec<u32> = running.iter().map(|container| container.live.process.id()).collect();
        if !wanted.is_empty() {
            let mut members = self.groups.lock().unwrap_or_else(PoisonError::into_inner).members(&wanted);
            for container in &mut running {
                container.members = members.remove(&container.live.process.id()).unwrap_or_default();
            }
        }
        running
    }

    /// Enforces memory limits and says who listens on all addresses, once a second, for ever.
    pub(crate) async fn watch(self: Arc<Self>, cluster: Arc<Cluster>) {
        let mut ticks = interval(Duration::from_secs(1));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let (meter, cluster) = (Arc::clone(&self), Arc::clone(&cluster));
            // With many processes reading `/proc` takes milliseconds.
            let _ = spawn_blocking(move || meter.look(&cluster)).await;
        }
    }

    fn look(&self, cluster: &Cluster) {
        for container in self.running(cluster) {
            container.enforce_memory_limit(cluster);
            container.look_for_wildcards(cluster);
        }
    }
}

impl Running {
    fn enforce_memory_limit(&self, cluster: &Cluster) {
        let container = &self.pod.workload.containers[self.index];
        let Some(limit) = container.limits.get("memory").map(|limit| limit.units()) else { return };
        let resident: u64 =
            self.members.iter().filter_map(|pid| procfs::resident_bytes(*pid)).map(|(bytes, _)| bytes).sum();
        if resident <= limit || self.live.out_of_memory.load(Ordering::Relaxed) {
            return;
        }
        // Pages that processes share after a fork are in the sum more than once; counting them right is dear.
        let used = if self.members.len() > 1 {
            self.members.iter().filter_map(|pid| procfs::proportional_bytes(*pid)).sum()
        } else {
            resident
        };
        if used <= limit {
            return;
        }
        self.live.out_of_memory.store(true, Ordering::Relaxed);
        let message = format!(
            "container {} uses {} MiB, its limit is {} MiB: killed; hint: raise resources.limits.memory",
            container.name,
            used >> 20,
            limit >> 20
        );
        cluster.tell(&self.pod, true, "OOMKilling", message);
        self.live.process.kill();
    }

    fn look_for_wildcards(&self, cluster: &Cluster) {
        if now_ms() - self.live.started_ms > WILDCARD_WATCH_MS
            || self.live.told_of_wildcard.load(Ordering::Relaxed)
        {
            return;
        }
        let found = procfs::wildcard_listeners(&self.members);
        if found.is_empty() {
            return;
        }
        self.live.told_of_wildcard.store(true, Ordering::Relaxed);
        let container = &self.pod.workload.containers[self.index];
        let addresses: Vec<String> = found.iter().map(SocketAddr::to_string).collect();
        let message = format!(
            "container {} listens on {}: it answers for every pod and Service, and a second replica cannot start; hint: \
             listen on the pod's address instead: the variable POD_IP (valueFrom: fieldRef: status.podIP), or set it in \
             tidewatch.yaml, e.g. env: {{ HOST: \"{{pod_ip}}\" }}",
            container.name,
            addresses.join(", ")
        );
        cluster.tell(&self.pod, true, "ListensOnAllAddresses", message);
    }

    /// CPU and memory only: two files a process instead of a folder.
    pub(crate) fn reading(&self) -> Option<ContainerReading> {
        let (pod, container) = {
            let status = self.pod.status();
            (Arc::clone(&status.pod), status.containers.get(self.index)?.clone())
        };
        let (mut resident, mut user, mut system) = (0, 0.0, 0.0);
        for process in self.members.iter().filter_map(|pid| procfs::usage(*pid)) {
            resident += process.resident;
            user += process.user_seconds;
            system += process.system_seconds;
        }
        let mut floor = self.live.floor.lock().unwrap_or_else(PoisonError::into_inner);
        Some(ContainerReading {
            pod,
            container: container.name,
            cpu_seconds_total: floor.user.take(user) + floor.system.take(system),
            working_set_bytes: resident,
            started_ms: self.live.started_ms,
            restarts: container.restarts,
        })
    }

    /// Everything that is measured.
    pub(crate) fn usage(&self) -> ContainerUsage {
        let mut sum = ContainerUsage { processes: self.members.len() as u64, ..ContainerUsage::default() };
        for pid in &self.members {
            let Some(process) = procfs::usage(*pid) else { continue };
            sum.resident_bytes += process.resident;
            sum.shared_bytes += process.shared;
            sum.user_seconds += process.user_seconds;
            sum.system_seconds += process.system_seconds;
            sum.threads += process.threads;
            let (files, sockets) = procfs::open_files(*pid);
            sum.open_files += files;
            sum.sockets += sockets;
            let (read, written) = procfs::disk_bytes(*pid).unwrap_or_default();
            sum.read_bytes += read as f64;
            sum.written_bytes += written as f64;
        }
        let mut floor = self.live.floor.lock().unwrap_or_else(PoisonError::into_inner);
        sum.user_seconds = floor.user.take(sum.user_seconds);
        sum.system_seconds = floor.system.take(sum.system_seconds);
        sum.read_bytes = floor.read.take(sum.read_bytes);
        sum.written_bytes = floor.written.take(sum.written_bytes);
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_never_fall() {
        let mut rising = Rising::default();
        let taken: Vec<f64> =
            [1.0, 3.0, 2.0, 2.5, 0.0, 1.0].into_iter().map(|sum| rising.take(sum)).collect();
        assert_eq!(taken, [1.0, 3.0, 3.0, 3.5, 3.5, 4.5]);
    }
}
