//! A running instance in a temporary folder, and ways to wait for what is to happen.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tidewatch_manifest::{Settings, load_text};
use tidewatch_runtime::{ContainerStatus, ExternalService, PodStatus, Runtime, RuntimeEvent, RuntimeSpec};

/// Nothing a test waits for takes longer, unless something is wrong.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct World {
    pub(crate) runtime: Runtime,
    pub(crate) folder: TempDir,
}

/// The program that acts as a pod.
pub(crate) fn fixture() -> PathBuf {
    env!("CARGO_BIN_EXE_pod-fixture").into()
}

/// A Deployment `name` of image `name:1` with these lines in its pod template and container.
pub(crate) fn deployment(name: &str, replicas: u32, pod: &str, container: &str) -> String {
    let indented = |text: &str, width: usize| {
        text.lines().map(|line| format!("{:width$}{line}\n", "")).collect::<String>()
    };
    format!(
        "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}, namespace: shop}}\nspec:\n  replicas: {replicas}\n  \
         selector: {{matchLabels: {{app: {name}}}}}\n  template:\n    metadata: {{labels: {{app: {name}}}}}\n    spec:\n{}      \
         containers:\n        - name: main\n          image: registry.example/{name}:1\n{}",
        indented(pod, 6),
        indented(container, 10)
    )
}

pub(crate) fn service(name: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: shop, labels: {{app: {name}}}}}\n\
         spec: {{selector: {{app: {name}}}, ports: [{{name: http, port: 8000, targetPort: http}}]}}\n"
    )
}

/// Container lines of the fixture's server: its address, port and a quick readiness probe.
pub(crate) const SERVER: &str = "\
ports: [{name: http, containerPort: 8000}]
env:
  - {name: POD_IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
readinessProbe: {httpGet: {path: /readyz, port: http}, periodSeconds: 1, failureThreshold: 1}
";

/// The line of `tidewatch.yaml` that runs the fixture's server for an image.
pub(crate) fn serves(image: &str) -> String {
    format!("  {image}: {{command: [\"{{bin}}/pod-fixture\", serve]}}\n")
}

/// The line that runs a shell script for an image.
pub(crate) fn runs(image: &str, script: &str) -> String {
    format!("  {image}: {{command: [sh, -c, {script:?}]}}\n")
}

impl World {
    /// Starts these manifests with these images.
    pub(crate) fn start(manifests: &str, images: &str, expose: &[(&str, u16)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let runtime = Runtime::start(spec(manifests, images, expose, folder.path())).unwrap();
        Self { runtime, folder }
    }

    /// Asks again and again until there is an answer; shows the whole state when there is none in time.
    pub(crate) async fn until<T>(&self, what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(answer) = ask() {
                return answer;
            }
            if Instant::now() > deadline {
                panic!(
                    "{what}: not in time\npods: {:#?}\nevents: {:#?}",
                    self.runtime.pods(),
                    self.runtime.events()
                );
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The pods of a Deployment.
    pub(crate) fn pods(&self, deployment: &str) -> Vec<PodStatus> {
        self.runtime.pods().into_iter().filter(|pod| pod.deployment == deployment).collect()
    }

    /// The only container of the only pod.
    pub(crate) fn container(&self, deployment: &str) -> ContainerStatus {
        self.pods(deployment).remove(0).containers.remove(0)
    }

    /// Waits until a Deployment has just this many pods and all are ready.
    pub(crate) async fn ready(&self, deployment: &str, count: usize) -> Vec<PodStatus> {
        self.until(&format!("{count} ready pods of {deployment}"), || {
            let pods = self.pods(deployment);
            (pods.len() == count && pods.iter().all(|pod| pod.ready)).then_some(pods)
        })
        .await
    }

    /// Waits for an event with this reason.
    pub(crate) async fn event(&self, reason: &str) -> RuntimeEvent {
        self.until(reason, || self.runtime.events().into_iter().find(|event| event.reason == reason)).await
    }

    /// The ready addresses behind a Service.
    pub(crate) fn ready_addresses(&self, service: &str) -> usize {
        let endpoints = Arc::clone(&self.runtime.endpoints().borrow());
        let service = endpoints.iter().find(|endpoints| endpoints.service == service).unwrap();
        service.addresses.iter().filter(|address| address.ready).count()
    }
}

pub(crate) fn spec(manifests: &str, images: &str, expose: &[(&str, u16)], folder: &Path) -> RuntimeSpec {
    let manifests = load_text("app.yaml", manifests).unwrap_or_else(|errors| panic!("{errors:#?}"));
    assert_eq!(manifests.warnings, []);
    RuntimeSpec {
        manifests: Arc::new(manifests),
        settings: Settings::parse("tidewatch.yaml", &format!("images:\n{images}")).unwrap(),
        settings_folder: folder.to_owned(),
        program: fixture(),
        external: vec![ExternalService {
            namespace: "monitoring".to_owned(),
            name: "jaeger".to_owned(),
            ip: std::net::Ipv4Addr::LOCALHOST.into(),
            ports: vec![(4318, 40_318)],
        }],
        bin_folder: fixture().parent().unwrap().to_owned(),
        data_folder: folder.join("data"),
        expose: expose.iter().map(|(name, port)| ((*name).to_owned(), *port)).collect(),
        ..RuntimeSpec::default()
    }
}

/// A GET request: status and body, or nothing when there is no answer.
pub(crate) fn get(address: SocketAddr, path: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
}

/// A GET request to a pod's server.
pub(crate) fn ask(pod: &PodStatus, path: &str) -> Option<(u16, String)> {
    get(SocketAddr::new(pod.ip, 8000), path)
}

/// Whether a process is there and not just waiting to be reaped.
pub(crate) fn alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

/// Processes whose command line has this text.
pub(crate) fn processes_with(text: &str) -> Vec<u32> {
    let pids = std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter(|pid: &u32| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains(text) && alive(*pid)
    })
    .collect()
}
