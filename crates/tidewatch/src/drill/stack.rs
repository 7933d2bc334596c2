//! The stack of a drill: a `tidewatch up` of its own, on free ports, with its data in the drill's folder.
//!
//! Input: the settings file made for the drill, how much windows are shortened. Output: addresses of a stack of which every pod is ready
//! and every target is up. It ends with everything it started when it is stopped or dropped.

use super::copies::USUAL_GROUP_WAIT;
use super::machine;
use super::shorten::Shortening;
use crate::addresses::Addresses;
use crate::failure::Failure;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tidewatch_model::format_duration;

/// How long the stack may take until everything in it is up.
const START_TIMEOUT: Duration = Duration::from_secs(180);
/// How long it may take to end everything in order.
const STOP_TIMEOUT: Duration = Duration::from_secs(60);
/// How often it is looked at meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Memory that a cause may take at most.
const MOST_MEMORY: u64 = 3 << 30;
/// The size that the volume of the samples is said to have.
pub(crate) const VOLUME_BYTES: u64 = 512 << 20;
/// How far back an instant selector looks, unless windows are shortened.
const LOOKBACK: Duration = Duration::from_secs(5 * 60);
/// How often targets are scraped, unless windows are shortened.
const SCRAPE_INTERVAL: Duration = Duration::from_secs(30);

/// A running stack.
#[derive(Debug)]
pub(crate) struct Stack {
    child: Child,
    data_dir: PathBuf,
    addresses: Addresses,
    /// Below so many bytes of free memory the node says that it is under pressure.
    pub(crate) memory_threshold: u64,
    /// How much memory may be taken to get there.
    pub(crate) most_memory: u64,
}

impl Stack {
    /// Starts it in a folder, and waits until every pod is ready and every target is up.
    ///
    /// # Errors
    /// When it cannot be started, ends, or is not ready in time; the text has its last words.
    pub(crate) async fn start(
        settings: &Path,
        folder: &Path,
        shortening: Shortening,
    ) -> Result<Self, Failure> {
        let data_dir = folder.join("data");
        let log = folder.join("tidewatch.log");
        let most_memory = (machine::available_memory() / 4).min(MOST_MEMORY);
        let memory_threshold = machine::available_memory() - most_memory;
        let program = std::env::current_exe().map_err(|error| Failure::from_error(&error))?;
        let output = File::create(&log).map_err(|error| Failure::from_error(&error))?;
        let errors = output.try_clone().map_err(|error| Failure::from_error(&error))?;
        let child = Command::new(program)
            .args(arguments(settings, &data_dir, shortening, memory_threshold))
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .spawn()
            .map_err(|error| Failure::new(format!("the drill's stack cannot be started: {error}")))?;
        let most_memory = most_memory + (1 << 30);
        let mut stack =
            Self { child, data_dir, addresses: Addresses::default(), memory_threshold, most_memory };
        stack.come_up(&log).await?;
        Ok(stack)
    }

    async fn come_up(&mut self, log: &Path) -> Result<(), Failure> {
        let deadline = Instant::now() + START_TIMEOUT;
        let mut missing = "its addresses".to_owned();
        while Instant::now() < deadline {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(ended(status, log));
            }
            if let Some(addresses) = Addresses::read(&self.data_dir) {
                self.addresses = addresses;
                match self.not_ready().await {
                    Some(what) => missing = what,
                    None => return Ok(()),
                }
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        let waited = format_duration(START_TIMEOUT);
        Err(Failure::new(format!(
            "the drill's stack is not up after {waited}: it lacks {missing}{}",
            last_words(log)
        )))
    }

    /// What is still missing.
    async fn not_ready(&self) -> Option<String> {
        let pods = ask(&format!("{}/api/v1/pods", self.page())).await;
        let pods = pods["items"].as_array().cloned().unwrap_or_default();
        let is_ready = |pod: &&Value| {
            let mut conditions = pod["status"]["conditions"].as_array().into_iter().flatten();
            conditions.any(|one| one["type"] == "Ready" && one["status"] == "True")
        };
        let ready = pods.iter().filter(is_ready).count();
        if pods.is_empty() || ready < pods.len() {
            return Some(format!("{} of {} pods", pods.len() - ready, pods.len()));
        }
        let targets = ask(&format!("{}/api/v1/targets", self.prometheus())).await;
        let targets = targets["data"]["activeTargets"].as_array().cloned().unwrap_or_default();
        let up = targets.iter().filter(|target| target["health"] == "up").count();
        (targets.is_empty() || up < targets.len())
            .then(|| format!("{} of {} targets", targets.len() - up, targets.len()))
    }

    /// The base URL of the page and all APIs.
    pub(crate) fn page(&self) -> &str {
        self.addresses.ui.as_deref().unwrap_or(&self.addresses.prometheus)
    }

    /// The base URL of Prometheus's API.
    pub(crate) fn prometheus(&self) -> &str {
        &self.addresses.prometheus
    }

    /// The base URL of an exposed Service.
    ///
    /// # Errors
    /// When it is not exposed.
    pub(crate) fn service(&self, name: &str) -> Result<&str, Failure> {
        let found = self.addresses.services.get(name).map(String::as_str);
        found.ok_or_else(|| Failure::new(format!("the drill's stack does not expose the Service {name}")))
    }

    /// Where the samples are.
    pub(crate) fn samples(&self) -> PathBuf {
        self.data_dir.join("metrics")
    }

    /// The process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends everything in order.
    pub(crate) async fn stop(mut self) {
        signal(self.child.id(), Signal::TERM);
        let deadline = Instant::now() + STOP_TIMEOUT;
        while Instant::now() < deadline {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        // what is left is ended by the drop
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            // its guard ends the pods
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

fn arguments(settings: &Path, data_dir: &Path, shortening: Shortening, memory: u64) -> Vec<String> {
    let flag = |name: &str, value: String| [format!("--{name}"), value];
    let any_port = || "127.0.0.1:0".to_owned();
    let mut arguments = ["up", "--enable-faults", "--end-with-parent"].map(str::to_owned).to_vec();
    arguments.extend(flag("config", settings.display().to_string()));
    arguments.extend(flag("data-dir", data_dir.display().to_string()));
    for listener in [
        "ui-listen-address",
        "web.listen-address",
        "alertmanager.web.listen-address",
        "otlp.grpc.listen-address",
        "otlp.http.listen-address",
        "jaeger.web.listen-address",
        "jaeger.sampling.listen-address",
    ] {
        arguments.extend(flag(listener, any_port()));
    }
    for service in ["todo-backend", "todo-frontend"] {
        arguments.extend(flag("expose", format!("{service}=0")));
    }
    arguments.extend(flag("scrape-interval", format_duration(shortening.interval(SCRAPE_INTERVAL))));
    // a series that is gone is gone as soon as its windows say, but between two scrapes it is there
    let lookback = shortening.window(LOOKBACK).max(shortening.interval(SCRAPE_INTERVAL) * 5);
    arguments.extend(flag("query.lookback-delta", format_duration(lookback)));
    arguments.extend(flag("eviction-hard", format!("memory.available<{memory}")));
    arguments.extend(flag("storage.volume-size", VOLUME_BYTES.to_string()));
    arguments
}

/// The waits of notifications that nothing shortens but the drill.
pub(crate) fn usual_waits() -> Duration {
    USUAL_GROUP_WAIT + super::copies::USUAL_GROUP_INTERVAL
}

/// A JSON answer; null when there is none.
pub(crate) async fn ask(url: &str) -> Value {
    let Ok(client) = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(10)).build() else {
        return Value::Null;
    };
    match client.get(url).send().await {
        Ok(answer) => answer.json().await.unwrap_or_default(),
        Err(_) => Value::Null,
    }
}

fn signal(process: u32, signal: Signal) {
    if let Some(process) = i32::try_from(process).ok().and_then(Pid::from_raw) {
        // one that has ended is what is wanted
        let _ = kill_process(process, signal);
    }
}

fn ended(status: ExitStatus, log: &Path) -> Failure {
    Failure::new(format!("the drill's stack ended with {status}{}", last_words(log)))
}

/// The last lines of a log, indented.
fn last_words(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let last = &lines[lines.len().saturating_sub(8)..];
    last.iter().map(|line| format!("\n    {line}")).collect()
}
