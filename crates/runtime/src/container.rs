//! One container of a pod: started, watched, ended, started again.
//!
//! Input: the container's place in the manifest, and the word to end from its pod. Output: its state in the pod's
//! status, events, its log. What probes find out comes from [`crate::prober`]; how long a crashed container waits is
//! decided in [`crate::backoff`].

use crate::backoff::CrashBackoff;
use crate::child::{Ended, Process};
use crate::cluster::{Cluster, now_ms};
use crate::environment::CONTAINER_VARIABLE;
use crate::guard::kill_marked;
use crate::pod::{Live, Pod};
use crate::prober::{Kill, Prober};
use crate::status::{ContainerState, ContainerStatus, PodStatus, Termination};
use crate::{hook, launch, logs, names};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tidewatch_manifest::Container;
use tokio::net::unix::pipe;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// The task of one container.
pub(crate) struct ContainerTask {
    cluster: Arc<Cluster>,
    pod: Arc<Pod>,
    index: usize,
    init: bool,
    stop: watch::Receiver<bool>,
}

/// How a run ended.
enum Run {
    /// The process ended.
    Ended(Termination),
    /// It cannot be started as things are.
    Blocked,
}

impl ContainerTask {
    pub(crate) fn main(cluster: &Arc<Cluster>, pod: &Arc<Pod>, index: usize) -> Self {
        let stop = pod.stopping(pod.workload.containers[index].sidecar);
        Self { cluster: Arc::clone(cluster), pod: Arc::clone(pod), index, init: false, stop }
    }

    pub(crate) fn init(cluster: &Arc<Cluster>, pod: &Arc<Pod>, index: usize) -> Self {
        let stop = pod.stopping(false);
        Self { cluster: Arc::clone(cluster), pod: Arc::clone(pod), index, init: true, stop }
    }

    fn container(&self) -> &Container {
        if self.init {
            &self.pod.workload.init[self.index]
        } else {
            &self.pod.workload.containers[self.index]
        }
    }

    fn update(&self, change: impl FnOnce(&mut ContainerStatus)) {
        let (init, index) = (self.init, self.index);
        self.cluster.update(&self.pod, |status: &mut PodStatus| {
            let list = if init { &mut status.init_containers } else { &mut status.containers };
            change(&mut list[index]);
        });
    }

    fn tell(&self, warning: bool, reason: &str, message: impl Into<String>) {
        self.cluster.tell(&self.pod, warning, reason, message);
    }

    /// Runs the container until its pod ends; an init container until it has succeeded, which is the answer.
    pub(crate) async fn run(mut self) -> bool {
        let mut backoff = CrashBackoff::default();
        let mut restarts = 0u32;
        loop {
            if *self.stop.borrow() {
                return false;
            }
            backoff.started(now_ms());
            let Run::Ended(termination) = self.run_once(restarts).await else {
                told_to_stop(&mut self.stop).await;
                return false;
            };
            let succeeded = termination.exit_code == 0;
            let (init, finished_ms) = (self.init, termination.finished_ms);
            self.update(|status| {
                status.state = ContainerState::Terminated(termination);
                status.started = false;
                status.ready = init && succeeded;
                status.pid = None;
            });
            if *self.stop.borrow() {
                return init && succeeded;
            }
            if init && succeeded {
                return true;
            }
            let wait = backoff.next(finished_ms) - (now_ms() - finished_ms);
            if wait > 0 && self.wait_out(wait).await {
                return false;
            }
            restarts += 1;
        }
    }

    /// Waits before the next start; true when the pod was told to end meanwhile.
    async fn wait_out(&mut self, wait_ms: i64) -> bool {
        let pod = &self.pod;
        let message = format!(
            "back-off {}s restarting failed container={} pod={}_{}({})",
            (wait_ms + 999) / 1000,
            self.container().name,
            pod.name,
            pod.namespace,
            pod.uid
        );
        self.tell(
            true,
            "BackOff",
            format!("Back-off restarting failed container {} in pod {}", self.container().name, pod.name),
        );
        self.update(|status| {
            if let ContainerState::Terminated(termination) = &status.state {
                status.last_termination = Some(termination.clone());
            }
            status.state = ContainerState::Waiting { reason: "CrashLoopBackOff", message };
        });
        let wait = Duration::from_millis(u64::try_from(wait_ms).unwrap_or(0));
        timeout(wait, told_to_stop(&mut self.stop)).await.is_ok()
    }

    async fn run_once(&self, restarts: u32) -> Run {
        let id = format!("{}-{}", names::uid().replace('-', ""), restarts);
        let started_ms = now_ms();
        self.update(|status| {
            status.container_id.clone_from(&id);
            status.restarts = restarts;
            if let ContainerState::Terminated(termination) = &status.state {
                status.last_termination = Some(termination.clone());
            }
        });
        let launch = match launch::prepare(&self.cluster, &self.pod, self.container(), &id).await {
            Ok(launch) => launch,
            Err(blocked) => {
                self.block(&blocked);
                return Run::Blocked;
            }
        };
        let program = launch.program.clone();
        let process = match self.cluster.spawner.spawn(launch).await {
            Ok(process) => Arc::new(process),
            Err(error) => {
                let message = launch::start_error(&program, &self.container().image, &error);
                self.tell(true, "Failed", format!("Error: container {}: {message}", self.container().name));
                let reason = "StartError";
                let finished_ms = now_ms();
                return Run::Ended(Termination {
                    exit_code: 128,
                    signal: None,
                    reason,
                    message,
                    started_ms,
                    finished_ms,
                });
            }
        };
        Run::Ended(self.watch(process, &id, restarts).await)
    }

    fn block(&self, blocked: &launch::Blocked) {
        let pull = blocked.reason == "ErrImagePull";
        self.tell(true, if pull { "ErrImagePull" } else { "Failed" }, blocked.message.clone());
        let reason = if pull { "ImagePullBackOff" } else { blocked.reason };
        self.update(|status| {
            status.state = ContainerState::Waiting { reason, message: blocked.message.clone() };
        });
    }

    /// From the start of the process to its end.
    async fn watch(&self, process: Arc<Process>, id: &str, restarts: u32) -> Termination {
        let live = Arc::new(Live {
            process: Arc::clone(&process),
            started_ms: now_ms(),
            out_of_memory: false.into(),
            told_of_wildcard: false.into(),
            floor: Default::default(),
        });
        let pid = process.id();
        if let Some(guard) = &self.cluster.guard {
            guard.add(pid);
        }
        let log = process.take_pipes().map(|(out, err)| self.keep_log(restarts, out, err));
        if !self.init {
            self.pod.set_live(self.index, Some(Arc::clone(&live)));
        }
        self.update(|status| {
            status.pid = Some(pid);
            status.state = ContainerState::Running { started_ms: live.started_ms };
        });
        self.tell(false, "Started", format!("Started container {}", self.container().name));
        if self.container().post_start.is_some() {
            self.tell(
                true,
                "HookNotRun",
                format!("postStart of container {} is not run locally", self.container().name),
            );
        }
        let (kill, mut kills) = mpsc::channel(1);
        let prober = Prober {
            cluster: Arc::clone(&self.cluster),
            pod: Arc::clone(&self.pod),
            index: self.index,
            kill,
        };
        let probes = (!self.init).then(|| tokio::spawn(prober.run(id.to_owned())));

        let mut stop = self.stop.clone();
        let ended = tokio::select! {
            ended = process.wait() => ended,
            () = told_to_stop(&mut stop) => {
                self.update(|status| status.ready = false);
                self.tell(false, "Killing", format!("Stopping container {}", self.container().name));
                self.end(&process, self.pod.grace(self.container().sidecar), id).await
            }
            Some(Kill { message, grace }) = kills.recv() => {
                self.update(|status| status.ready = false);
                self.tell(false, "Killing", message);
                self.end(&process, grace, id).await
            }
        };
        if let Some(probes) = probes {
            probes.abort();
        }
        self.pod.set_live(self.index, None);
        self.clean_up(pid, id).await;
        if let Some(log) = log {
            // Both pipes are closed when the last process of the group is gone; one that left it may hold them.
            let _ = timeout(Duration::from_secs(2), log).await;
        }
        self.judge(&ended.unwrap_or(Ended::Signal(9)), &live, restarts).await
    }

    /// Copies what the process prints into its log, and says when that cannot be done.
    fn keep_log(&self, restarts: u32, out: pipe::Receiver, err: pipe::Receiver) -> JoinHandle<()> {
        let name = self.container().name.clone();
        let (cluster, pod) = (Arc::clone(&self.cluster), Arc::clone(&self.pod));
        let folder = pod.container_folder(&name);
        tokio::spawn(logs::keep(folder, restarts, out, err, move |error| {
            let hint = "free space in the data directory, or choose another with --data-dir";
            cluster.tell(
                &pod,
                true,
                "LogNotKept",
                format!("container {name}: log not kept: {error}; hint: {hint}"),
            );
        }))
    }

    /// preStop, SIGTERM, and SIGKILL when the time is over.
    async fn end(&self, process: &Process, grace: Duration, id: &str) -> std::io::Result<Ended> {
        let deadline = tokio::time::Instant::now() + grace;
        if let Some(handler) = &self.container().pre_stop {
            let ran = tokio::select! {
                ended = process.wait() => return ended,
                ran = timeout(grace, hook::run(&self.cluster, &self.pod, self.container(), handler, id)) => ran,
            };
            if let Ok(Err(message)) = ran {
                self.tell(
                    true,
                    "FailedPreStopHook",
                    format!("container {}: {message}", self.container().name),
                );
            }
        }
        process.terminate();
        // As the kubelet does it: two seconds are left even when the hook has used up the time.
        let after_hook = tokio::time::Instant::now() + Duration::from_secs(2);
        let deadline = if self.container().pre_stop.is_some() { deadline.max(after_hook) } else { deadline };
        if let Ok(ended) = tokio::time::timeout_at(deadline, process.wait()).await {
            return ended;
        }
        process.kill();
        process.wait().await
    }

    /// Ends processes of this run that left the group.
    async fn clean_up(&self, pid: u32, id: &str) {
        if !self.cluster.ending.load(Ordering::Relaxed) {
            let entry = format!("{CONTAINER_VARIABLE}={id}");
            let _ = tokio::task::spawn_blocking(move || kill_marked(&entry)).await;
        }
        if let Some(guard) = &self.cluster.guard {
            guard.remove(pid);
        }
    }

    async fn judge(&self, ended: &Ended, live: &Live, restarts: u32) -> Termination {
        let name = &self.container().name;
        let out_of_memory = live.out_of_memory.load(Ordering::Relaxed);
        let reason = match ended.exit_code() {
            _ if out_of_memory => "OOMKilled",
            0 => "Completed",
            _ => "Error",
        };
        if out_of_memory {
            self.update(|status| status.oom_kills += 1);
        }
        let mut message = String::new();
        if reason == "Error" && !*self.stop.borrow() {
            let log = logs::path_of(&self.pod.container_folder(name), restarts);
            let last = logs::last_lines(log, 20).await;
            if says_address_in_use(&last) {
                message = format!(
                    "container {name} could not listen on its port; hint: every local pod has an address of its own, so \
                     the program must listen on that, not on 0.0.0.0: take it from the variable POD_IP (valueFrom: \
                     fieldRef: status.podIP), or set it in tidewatch.yaml, e.g. env: {{ HOST: \"{{pod_ip}}\" }}"
                );
                self.tell(true, "AddressInUse", message.clone());
            } else {
                last.lines()
                    .last()
                    .unwrap_or_default()
                    .chars()
                    .take(500)
                    .collect::<String>()
                    .clone_into(&mut message);
            }
        }
        Termination {
            exit_code: ended.exit_code(),
            signal: ended.signal(),
            reason,
            message,
            started_ms: live.started_ms,
            finished_ms: now_ms(),
        }
    }
}

/// Waits until the pod is told to end.
async fn told_to_stop(stop: &mut watch::Receiver<bool>) {
    // The sender lives in the pod, which every task of it holds.
    let _ = stop.wait_for(|stop| *stop).await.map(drop);
}

fn says_address_in_use(log: &str) -> bool {
    let log = log.to_lowercase();
    ["address already in use", "address in use", "addrinuse"].iter().any(|text| log.contains(text))
}
