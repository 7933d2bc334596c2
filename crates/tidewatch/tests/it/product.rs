//! A running tidewatch for a test: its process, its data directory, its API.

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::fs::File;
use std::io::{Read, Seek};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long anything that must happen may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The repository's top folder.
pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_path_buf()
}

/// Arguments that give the listeners of traces and of Alertmanager's API any free ports.
pub(crate) const ANY_FURTHER_PORTS: [&str; 5] = [
    "--alertmanager.web.listen-address=127.0.0.1:0",
    "--otlp.grpc.listen-address=127.0.0.1:0",
    "--otlp.http.listen-address=127.0.0.1:0",
    "--jaeger.web.listen-address=127.0.0.1:0",
    "--jaeger.sampling.listen-address=127.0.0.1:0",
];

/// A tidewatch process; killed when dropped.
pub(crate) struct Product {
    child: Child,
    /// What it writes, and what of that as errors: files, so that it never waits for a reader.
    shown: File,
    said: File,
    data_dir: PathBuf,
    addresses: Value,
}

impl Product {
    /// Starts `tidewatch` with these arguments and waits until `addresses.json` is there.
    pub(crate) fn start(arguments: &[&str], data_dir: &Path) -> Self {
        Self::start_reading(arguments, data_dir, Stdio::null())
    }

    fn start_reading(arguments: &[&str], data_dir: &Path, input: Stdio) -> Self {
        let mut said = tempfile::tempfile().unwrap();
        let stderr = Stdio::from(said.try_clone().unwrap());
        let shown = tempfile::tempfile().unwrap();
        let stdout = Stdio::from(shown.try_clone().unwrap());
        let mut child = command(arguments).stdin(input).stdout(stdout).stderr(stderr).spawn().unwrap();
        let file = data_dir.join("addresses.json");
        let pid = child.id();
        let addresses = eventually("addresses.json of this process", || {
            if let Some(status) = child.try_wait().unwrap() {
                panic!("tidewatch {arguments:?} ended with {status}: {}", text_of(&mut said));
            }
            let text = std::fs::read(&file).ok()?;
            let addresses: Value = serde_json::from_slice(&text).ok()?;
            (addresses["pid"] == pid).then_some(addresses)
        });
        Self { child, shown, said, data_dir: data_dir.to_path_buf(), addresses }
    }

    /// `serve` with a prometheus.yml in the data directory.
    pub(crate) fn serve(data_dir: &Path, config: &str) -> Self {
        let file = data_dir.join("prometheus.yml");
        std::fs::write(&file, config).unwrap();
        let (file, path) = (file.display().to_string(), data_dir.display().to_string());
        let mut arguments = vec!["serve", "--config.file", &file, "--storage.tsdb.path", &path];
        arguments.extend(["--web.listen-address", "127.0.0.1:0"]);
        arguments.extend(ANY_FURTHER_PORTS);
        Self::start(&arguments, data_dir)
    }

    /// `up` on free ports, with further arguments.
    pub(crate) fn up(data_dir: &Path, further: &[&str]) -> Self {
        Self::up_reading(data_dir, further, Stdio::null())
    }

    /// The same with something on standard input.
    pub(crate) fn up_reading(data_dir: &Path, further: &[&str], input: Stdio) -> Self {
        let path = data_dir.display().to_string();
        let mut arguments = vec!["up", "--data-dir", &path, "--ui-listen-address", "127.0.0.1:0"];
        arguments.extend(["--web.listen-address", "127.0.0.1:0"]);
        arguments.extend(ANY_FURTHER_PORTS);
        arguments.extend(further);
        Self::start_reading(&arguments, data_dir, input)
    }

    /// The process's id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// An address from addresses.json, by JSON pointer.
    pub(crate) fn address(&self, pointer: &str) -> String {
        let address = self.addresses.pointer(pointer).and_then(Value::as_str);
        address.unwrap_or_else(|| panic!("no {pointer} in {}", self.addresses)).to_owned()
    }

    /// The answer of the Prometheus API at a path, parsed.
    pub(crate) fn api(&self, path: &str) -> Value {
        let text = get(&format!("{}{path}", self.address("/prometheus"))).1;
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("{path}: {e}: {text}"))
    }

    /// The result of an instant query.
    pub(crate) fn query(&self, expression: &str) -> Vec<Value> {
        let answer = self.api(&format!("/api/v1/query?query={}", escape(expression)));
        answer["data"]["result"].as_array().unwrap_or_else(|| panic!("{expression}: {answer}")).clone()
    }

    /// The values of an instant query.
    pub(crate) fn values(&self, expression: &str) -> Vec<f64> {
        self.query(expression).iter().map(|e| e["value"][1].as_str().unwrap().parse().unwrap()).collect()
    }

    /// Waits until every pod takes requests: a target can be up before its readiness was looked at.
    pub(crate) fn all_pods_ready(&self) {
        let pods = format!("{}/api/v1/namespaces/todo-app-prod/pods", self.address("/ui"));
        let is_ready = |pod: &Value| {
            let conditions = pod["status"]["conditions"].as_array().into_iter().flatten();
            conditions.into_iter().any(|c| c["type"] == "Ready" && c["status"] == "True")
        };
        eventually("every pod ready", || {
            let list: Value = serde_json::from_str(&get(&pods).1).ok()?;
            let items = list["items"].as_array()?;
            (items.len() >= 6 && items.iter().all(is_ready)).then_some(())
        });
    }

    /// The processes of its pods.
    pub(crate) fn pod_processes(&self) -> Vec<PodProcess> {
        let entries = std::fs::read_dir("/proc").unwrap().flatten();
        let pids = entries.filter_map(|entry| entry.file_name().to_string_lossy().parse().ok());
        pids.filter_map(|pid| PodProcess::of(pid, self.pid())).collect()
    }

    /// The addresses that a job scrapes.
    pub(crate) fn pages(&self, job: &str) -> Vec<String> {
        let targets = self.api("/api/v1/targets");
        let active = targets["data"]["activeTargets"].as_array().cloned().unwrap_or_default();
        let of_job = active.iter().filter(|target| target["labels"]["job"] == job);
        of_job.map(|target| target["scrapeUrl"].as_str().unwrap().to_owned()).collect()
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        send(self.pid(), signal);
    }

    /// What it has written so far.
    pub(crate) fn shown(&mut self) -> String {
        text_of(&mut self.shown)
    }

    /// What it has written as errors so far.
    pub(crate) fn said(&mut self) -> String {
        text_of(&mut self.said)
    }

    /// Waits until the process has ended and gives its exit code (`None`: by a signal) and what it wrote as errors.
    pub(crate) fn wait(&mut self) -> (Option<i32>, String) {
        let status = eventually("the end of tidewatch", || self.child.try_wait().unwrap());
        (status.code(), text_of(&mut self.said))
    }

    /// The data directory.
    pub(crate) fn data_dir(&self) -> &Path {
        &self.data_dir
    }
}

/// A process of a pod, as the operating system shows it.
#[derive(Clone, Debug)]
pub(crate) struct PodProcess {
    /// Its id.
    pub(crate) pid: u32,
    /// The pod's name.
    pub(crate) pod: String,
    /// Program and arguments, with spaces between them.
    pub(crate) command: String,
}

impl PodProcess {
    /// `None` when it is not a child of that process, or no pod's.
    fn of(pid: u32, parent: u32) -> Option<Self> {
        let read = |file: &str| {
            let bytes = std::fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
            String::from_utf8_lossy(&bytes).replace('\0', "\n")
        };
        let is_child = read("status").lines().any(|line| line == format!("PPid:\t{parent}"));
        let environment = if is_child { read("environ") } else { String::new() };
        let pod = environment.lines().find_map(|line| line.strip_prefix("POD_NAME="))?.to_owned();
        Some(Self { pid, pod, command: read("cmdline").trim_end().replace('\n', " ") })
    }

    /// Stops it, and waits until none of its threads runs on: on a busy machine that takes a moment.
    pub(crate) fn stop(&self) {
        self.signal(Signal::STOP);
        let is_stopped = |thread: std::fs::DirEntry| {
            let status = std::fs::read_to_string(thread.path().join("status")).unwrap_or_default();
            status.lines().any(|line| line.starts_with("State:\tT"))
        };
        eventually("a stopped process", || {
            let mut threads = std::fs::read_dir(format!("/proc/{}/task", self.pid)).unwrap().flatten();
            threads.all(is_stopped).then_some(())
        });
    }

    /// Sends a signal; it may have ended meanwhile.
    pub(crate) fn signal(&self, signal: Signal) {
        let _ = kill_process(Pid::from_raw(i32::try_from(self.pid).unwrap()).unwrap(), signal);
    }
}

impl Drop for Product {
    fn drop(&mut self) {
        // INT lets it stop its own pods; a test that fails must not leave them either
        if matches!(self.child.try_wait(), Ok(None)) {
            self.signal(Signal::INT);
        }
        let deadline = Instant::now() + Duration::from_secs(10);
        while Instant::now() < deadline {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a signal to a process.
pub(crate) fn send(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    kill_process(pid, signal).unwrap();
}

fn text_of(file: &mut File) -> String {
    let mut text = String::new();
    file.rewind().unwrap();
    file.read_to_string(&mut text).unwrap();
    text
}

/// The program with arguments, run from the repository's top folder.
pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidewatch"));
    command.args(arguments).current_dir(repository()).env("NO_COLOR", "1").stdin(Stdio::null());
    command
}

/// Runs the program to its end: exit code, standard output, standard error.
pub(crate) fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = command(arguments).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// Asks again and again until there is an answer.
pub(crate) fn eventually<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "{what}: not within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// GET over one connection: status and body. The tests need no more of HTTP.
pub(crate) fn get(url: &str) -> (u16, String) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let response = client.get(url).send().await.unwrap_or_else(|e| panic!("{url}: {e:?}"));
        (response.status().as_u16(), response.text().await.unwrap())
    })
}

/// Asks over HTTP where an answer may be missing; keeps its connections.
pub(crate) struct Caller {
    runtime: tokio::runtime::Runtime,
    client: reqwest::Client,
}

impl Caller {
    /// Waits at most [`PATIENCE`] for an answer.
    pub(crate) fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
        Self { runtime, client }
    }

    /// Status and body, `null` where that is no JSON; `None` when the connection failed.
    pub(crate) fn ask(
        &self,
        method: &str,
        url: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Option<(u16, Value)> {
        let mut request = self.client.request(method.parse().unwrap(), url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        self.runtime.block_on(async {
            let response = request.send().await.ok()?;
            let status = response.status().as_u16();
            let text = response.bytes().await.ok()?;
            Some((status, serde_json::from_slice(&text).unwrap_or_default()))
        })
    }

    /// The lines of a page of metrics that begin with a name; none when it cannot be read.
    pub(crate) fn metrics(&self, url: &str, name: &str) -> Vec<(String, f64)> {
        let text = self.runtime.block_on(async {
            let response = self.client.get(url).send().await.ok()?;
            response.text().await.ok()
        });
        let series = |line: &str| {
            let (series, value) = line.rsplit_once(' ')?;
            Some((series.to_owned(), value.parse().ok()?))
        };
        let named = |line: &&str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '{']));
        text.unwrap_or_default().lines().filter(named).filter_map(series).collect()
    }
}

/// Percent-encodes a query parameter.
pub(crate) fn escape(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}
