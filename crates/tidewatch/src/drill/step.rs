//! The parts of causes: how each is begun, kept up and undone on the drill's stack.
//!
//! Input: steps of the registry, a running stack. Output: broken pods, load, a machine that is short of something; and everything as it
//! was when [`Begun::undo`] has run. What comes later, a new pod for one, is broken too as long as the cause lasts.

use super::certificate::{self, USUAL_DAYS};
use super::machine::{self, Filler, Holding};
use super::registry::Step;
use super::stack::{Stack, VOLUME_BYTES, ask};
use super::traffic::Traffic;
use crate::failure::Failure;
use crate::fault::{Cause, FaultKind, Pods};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tidewatch_model::push_percent_encoded;
use tokio::task::JoinHandle;

/// Longer than any cause lasts; the most that a pod takes.
const LONGEST: Duration = Duration::from_secs(3600);
/// How often it is seen to it that all pods are broken.
const KEEP_EVERY: Duration = Duration::from_secs(1);
/// How often a pod is asked to undo its fault: one that crashes is there for half a second at a time.
const UNDO_EVERY: Duration = Duration::from_millis(50);
/// How long undoing may take: a container that crashed is started again after at most five minutes.
const UNDO_TIMEOUT: Duration = Duration::from_secs(360);
/// The share of the volume that is filled: less than a tenth of it is then free.
const FILLED: f64 = 0.97;
/// What the drill's users do all the time.
const USUAL: (&str, f64, &str) =
    ("todo-backend", 6.0, "list=40,get=20,create=15,update=15,complete=5,delete=5");

/// The drill's usual traffic, which a cause may pause.
#[derive(Clone, Debug, Default)]
pub(crate) struct UsualTraffic(Arc<Mutex<Option<Traffic>>>);

impl UsualTraffic {
    /// Starts it.
    ///
    /// # Errors
    /// When the Service is not exposed.
    pub(crate) fn start(&self, stack: &Stack) -> Result<(), Failure> {
        let (service, rate, weights) = USUAL;
        let traffic = Traffic::start(stack.service(service)?, rate, weights)?;
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(traffic);
        Ok(())
    }

    fn pause(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// Where steps are taken.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) stack: Arc<Stack>,
    pub(crate) pods: Pods,
    pub(crate) usual: UsualTraffic,
}

/// Work that ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A step that was taken.
#[derive(Debug)]
pub(crate) enum Begun {
    Fault { keeping: Task, target: String, kind: FaultKind },
    Traffic(#[expect(dead_code, reason = "it lasts as long as it is held")] Traffic),
    Paused,
    Certificate,
    Machine(Holding),
    Volume(#[expect(dead_code, reason = "it lasts as long as it is held")] Filler),
    Publishing(#[expect(dead_code, reason = "it lasts as long as it is held")] Task),
}

impl Step {
    /// Takes the step.
    ///
    /// # Errors
    /// When it cannot be taken; the text says what of.
    pub(crate) async fn begin(self, place: &Place) -> Result<Begun, Failure> {
        match self {
            Self::Fault(kind, deployment, numbers) => fault(place, deployment, of(kind, numbers)).await,
            Self::FaultInOnePod(kind, deployment, numbers) => {
                let pod = first_pod(place, deployment).await?;
                fault(place, &pod, of(kind, numbers)).await
            }
            Self::FillMemory { deployment, container, share } => {
                let pod = first_pod(place, deployment).await?;
                let bytes = missing_memory(place, &pod, container, share).await?;
                fault(
                    place,
                    &pod,
                    of(FaultKind::MemoryLeak, &[("bytes", bytes), ("bytes_per_second", bytes)]),
                )
                .await
            }
            Self::Traffic { service, rate, weights } => {
                Traffic::start(place.stack.service(service)?, rate, weights).map(Begun::Traffic)
            }
            Self::NoTraffic => {
                place.usual.pause();
                Ok(Begun::Paused)
            }
            Self::StopProcesses { pods, word } => {
                machine::stop_processes(place.stack.pid(), pods, word).map(Begun::Machine)
            }
            Self::PublishRubbish { per_second } => publish_rubbish(place, per_second).await,
            Self::TakeMemory => machine::take_memory(place.stack.memory_threshold, place.stack.most_memory)
                .map(Begun::Machine),
            Self::ShortCertificate { days } => {
                certificate::renew(&certificate_ip(place).await?, days).await?;
                Ok(Begun::Certificate)
            }
            Self::FillVolume => Filler::write(&place.stack.samples(), (VOLUME_BYTES as f64 * FILLED) as u64)
                .map(Begun::Volume),
        }
    }
}

impl Begun {
    /// Makes everything as it was.
    ///
    /// # Errors
    /// When a pod could not be reached for so long that its fault has to end by itself.
    pub(crate) async fn undo(self, place: &Place) -> Result<(), Failure> {
        match self {
            Self::Fault { keeping, target, kind } => {
                drop(keeping);
                undo_fault(place, &target, kind).await
            }
            Self::Certificate => certificate::renew(&certificate_ip(place).await?, USUAL_DAYS).await,
            Self::Paused => place.usual.start(&place.stack),
            // waits for the thread that holds it
            Self::Machine(holding) => {
                let waited = tokio::task::spawn_blocking(move || drop(holding)).await;
                waited.map_err(|error| Failure::from_error(&error))
            }
            Self::Traffic(_) | Self::Volume(_) | Self::Publishing(_) => Ok(()),
        }
    }
}

fn of(kind: FaultKind, numbers: &[(&str, f64)]) -> Cause {
    numbers.iter().fold(Cause::of(kind, LONGEST), |cause, (name, number)| cause.with(name, *number))
}

async fn fault(place: &Place, target: &str, cause: Cause) -> Result<Begun, Failure> {
    place.pods.start(target, &cause).await?;
    let (pods, name, kind) = (place.pods.clone(), target.to_owned(), cause.kind);
    let keeping = tokio::spawn(async move {
        loop {
            tokio::time::sleep(KEEP_EVERY).await;
            // a pod that cannot be asked now is asked again
            let Ok(found) = pods.select(&name).await else { continue };
            for pod in found.iter().filter(|pod| pod.is_running()) {
                let _ = pods.ensure(pod, &cause).await;
            }
        }
    });
    Ok(Begun::Fault { keeping: Task(keeping), target: target.to_owned(), kind })
}

async fn undo_fault(place: &Place, target: &str, kind: FaultKind) -> Result<(), Failure> {
    let deadline = Instant::now() + UNDO_TIMEOUT;
    let mut undone = BTreeSet::new();
    loop {
        // a pod that is gone has no fault
        let pods = place.pods.select(target).await.unwrap_or_default();
        for pod in &pods {
            if !undone.contains(&pod.name) && place.pods.undo(pod, kind).await {
                undone.insert(pod.name.clone());
            }
        }
        match pods.iter().find(|pod| !undone.contains(&pod.name)) {
            None => return Ok(()),
            Some(pod) if Instant::now() >= deadline => {
                let name = pod.full_name();
                return Err(Failure::new(format!("{} of {name} could not be undone", kind.name())));
            }
            Some(_) => tokio::time::sleep(UNDO_EVERY).await,
        }
    }
}

/// The first running pod of a Deployment, by its full name.
async fn first_pod(place: &Place, deployment: &str) -> Result<String, Failure> {
    let pods = place.pods.select(deployment).await?;
    let running = pods.iter().find(|pod| pod.is_running());
    running
        .map(|pod| pod.full_name())
        .ok_or_else(|| Failure::new(format!("no pod of {deployment} is running")))
}

async fn certificate_ip(place: &Place) -> Result<String, Failure> {
    let pods = place.pods.select("drill-certificate").await?;
    let pod = pods.iter().find(|pod| pod.is_running());
    pod.map(|pod| pod.ip().to_owned()).ok_or_else(|| Failure::new("no pod of drill-certificate is running"))
}

/// The bytes that a container lacks to a share of its limit.
async fn missing_memory(place: &Place, pod: &str, container: &str, share: f64) -> Result<f64, Failure> {
    let name = pod.rsplit('/').next().unwrap_or(pod);
    let labels = format!("pod=\"{name}\", container=\"{container}\"");
    let used = value(place, &format!("max(container_memory_working_set_bytes{{{labels}}})")).await?;
    let limits = format!("max(kube_pod_container_resource_limits{{resource=\"memory\", {labels}}})");
    let limit = value(place, &limits).await?;
    Ok((limit * share - used).max(1024.0 * 1024.0).floor())
}

async fn value(place: &Place, expression: &str) -> Result<f64, Failure> {
    let mut url = format!("{}/api/v1/query?query=", place.stack.prometheus());
    push_percent_encoded(&mut url, expression, |byte| b"-_.~".contains(&byte));
    let answer = ask(&url).await;
    let text = answer["data"]["result"][0]["value"][1].as_str().and_then(|text| text.parse().ok());
    text.ok_or_else(|| Failure::new(format!("the drill's stack has no value of {expression}")))
}

/// Publishes through a backend's sidecar, as any application with access to the topic could.
async fn publish_rubbish(place: &Place, per_second: f64) -> Result<Begun, Failure> {
    let pods = place.pods.select("todo-backend").await?;
    let pod = pods.iter().find(|pod| pod.is_running());
    let pod = pod.ok_or_else(|| Failure::new("no pod of todo-backend is running"))?;
    let url = format!("http://{}:3500/v1.0/publish/todo-pubsub/task-events", pod.ip());
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(10)).build();
    let client = client.map_err(|error| Failure::from_error(&error))?;
    let send = move || client.post(&url).json(&serde_json::json!({"rubbish": "of a drill"})).send();
    let answer = send().await.map_err(|error| Failure::from_error(&error))?;
    if !answer.status().is_success() {
        return Err(Failure::new(format!("the sidecar refuses to publish: status {}", answer.status())));
    }
    let publishing = tokio::spawn(async move {
        let mut ticks = tokio::time::interval(Duration::from_secs_f64(1.0 / per_second));
        loop {
            ticks.tick().await;
            // one that is not taken is not missed
            let _ = send().await;
        }
    });
    Ok(Begun::Publishing(Task(publishing)))
}
