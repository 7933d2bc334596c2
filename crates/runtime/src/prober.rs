//! The probes of a running container, with the thresholds of the kubelet.
//!
//! Input: the probes of the manifest. Output: `started` and `ready` in the container's status, and the word to restart
//! it. One task a container, ended with its process.
//!
//! As the kubelet does it: not ready at first; the startup probe holds the others back; a result turns after as many
//! equal answers in a row as its threshold says; a startup or liveness probe that turns to failure restarts the
//! container. Two moments differ, so that a local start takes no longer than it must: a first check happens exactly
//! after `initialDelaySeconds`, and as soon as the port accepts connections (but no later than a period or 3 s).

use crate::check::{address_of, connect};
use crate::cluster::Cluster;
use crate::hook;
use crate::pod::Pod;
use crate::status::ContainerStatus;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tidewatch_manifest::{Container, Handler, Probe};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

/// The word to restart a container.
#[derive(Debug)]
pub(crate) struct Kill {
    pub(crate) message: String,
    pub(crate) grace: Duration,
}

/// The probes of one container.
#[derive(Clone)]
pub(crate) struct Prober {
    pub(crate) cluster: Arc<Cluster>,
    pub(crate) pod: Arc<Pod>,
    pub(crate) index: usize,
    pub(crate) kill: mpsc::Sender<Kill>,
}

/// Counts equal answers in a row.
#[derive(Debug)]
pub(crate) struct Threshold {
    result: bool,
    last: Option<bool>,
    run: u32,
}

impl Threshold {
    pub(crate) fn new(result: bool) -> Self {
        Self { result, last: None, run: 0 }
    }

    /// Takes an answer; tells the result when the thresholds are reached, again and again.
    pub(crate) fn take(&mut self, success: bool, probe: &Probe) -> Option<bool> {
        self.run = if self.last == Some(success) { self.run.saturating_add(1) } else { 1 };
        self.last = Some(success);
        let needed = if success { probe.success_threshold } else { probe.failure_threshold };
        if self.run < needed {
            return None;
        }
        self.result = success;
        Some(self.result)
    }
}

impl Prober {
    fn container(&self) -> &Container {
        &self.pod.workload.containers[self.index]
    }

    fn update(&self, change: impl FnOnce(&mut ContainerStatus)) {
        self.cluster.update(&self.pod, |status| change(&mut status.containers[self.index]));
    }

    /// Probes until the task is ended.
    pub(crate) async fn run(self, id: String) {
        let begun = Instant::now();
        let container = self.container();
        if let Some(probe) = self.usable("Startup", container.startup_probe.as_ref())
            && !self.start_up(probe, begun, &id).await
        {
            return;
        }
        let readiness = self.usable("Readiness", container.readiness_probe.as_ref());
        let liveness = self.usable("Liveness", container.liveness_probe.as_ref());
        self.update(|status| {
            status.started = true;
            status.ready = readiness.is_none();
        });
        tokio::join!(
            async {
                if let Some(probe) = readiness {
                    self.readiness(probe, begun, &id).await;
                }
            },
            async {
                if let Some(probe) = liveness {
                    self.liveness(probe, begun, &id).await;
                }
            }
        );
    }

    /// The probe, if it can be run here; says why not otherwise.
    fn usable<'a>(&self, kind: &str, probe: Option<&'a Probe>) -> Option<&'a Probe> {
        let probe = probe?;
        match hook::why_not(&self.cluster, self.container(), &probe.handler) {
            None => Some(probe),
            Some(why) => {
                let message = format!("{kind} probe of container {}: {why}", self.container().name);
                self.cluster.tell(&self.pod, true, "ProbeNotRun", message);
                None
            }
        }
    }

    async fn start_up(&self, probe: &Probe, begun: Instant, id: &str) -> bool {
        let mut threshold = Threshold::new(false);
        let mut ticks = self.ticks(probe, begun).await;
        loop {
            ticks.tick().await;
            let success = self.ask("Startup", probe, id).await;
            match threshold.take(success, probe) {
                Some(true) => return true,
                Some(false) => {
                    self.restart("startup", probe).await;
                    return false;
                }
                None => {}
            }
        }
    }

    async fn readiness(&self, probe: &Probe, begun: Instant, id: &str) {
        let (mut threshold, mut ready) = (Threshold::new(false), false);
        let mut ticks = self.ticks(probe, begun).await;
        loop {
            ticks.tick().await;
            let success = self.ask("Readiness", probe, id).await;
            if let Some(result) = threshold.take(success, probe).filter(|result| *result != ready) {
                ready = result;
                self.update(|status| status.ready = ready);
            }
        }
    }

    async fn liveness(&self, probe: &Probe, begun: Instant, id: &str) {
        let mut threshold = Threshold::new(true);
        let mut ticks = self.ticks(probe, begun).await;
        loop {
            ticks.tick().await;
            let success = self.ask("Liveness", probe, id).await;
            if threshold.take(success, probe) == Some(false) {
                self.restart("liveness", probe).await;
                return;
            }
        }
    }

    /// The times of the checks, beginning when the first one makes sense.
    async fn ticks(&self, probe: &Probe, begun: Instant) -> tokio::time::Interval {
        tokio::time::sleep_until(begun + probe.initial_delay).await;
        if let Some(address) = self.address(&probe.handler) {
            let _ = timeout(probe.period.min(Duration::from_secs(3)), accepts(address)).await;
        }
        let mut ticks = interval(probe.period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks
    }

    fn address(&self, handler: &Handler) -> Option<SocketAddr> {
        let (Handler::HttpGet { host, port, .. } | Handler::TcpSocket { host, port }) = handler else {
            return None;
        };
        Some(address_of(host.as_deref(), self.pod.ip, port.resolve(&self.container().ports)?))
    }

    async fn ask(&self, kind: &str, probe: &Probe, id: &str) -> bool {
        let asked = hook::run(&self.cluster, &self.pod, self.container(), &probe.handler, id);
        let answer = match timeout(probe.timeout, asked).await {
            Ok(answer) => answer,
            Err(_) => Err(format!("no answer within {} s (timeoutSeconds)", probe.timeout.as_secs())),
        };
        match answer {
            Ok(()) => true,
            Err(why) => {
                self.cluster.tell(&self.pod, true, "Unhealthy", format!("{kind} probe failed: {why}"));
                false
            }
        }
    }

    async fn restart(&self, kind: &str, probe: &Probe) {
        let message = format!("Container {} failed {kind} probe, will be restarted", self.container().name);
        let grace =
            probe.termination_grace_period.unwrap_or(self.pod.workload.template.termination_grace_period);
        let _ = self.kill.send(Kill { message, grace }).await;
    }
}

/// Waits until something accepts connections there.
async fn accepts(address: SocketAddr) {
    while connect(address).await.is_err() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_after_as_many_answers_as_the_thresholds_say() {
        let probe = Probe {
            handler: Handler::Exec { command: Vec::new() },
            initial_delay: Duration::ZERO,
            period: Duration::from_secs(10),
            timeout: Duration::from_secs(1),
            success_threshold: 2,
            failure_threshold: 3,
            termination_grace_period: None,
        };
        let mut threshold = Threshold::new(false);
        let answers = [true, false, true, true, true, false, false, true, false, false, false, false];
        let results: Vec<Option<bool>> =
            answers.iter().map(|answer| threshold.take(*answer, &probe)).collect();
        let (yes, no) = (Some(true), Some(false));
        assert_eq!(results, [None, None, None, yes, yes, None, None, None, None, None, no, no]);
    }
}
