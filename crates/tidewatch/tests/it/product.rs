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

/// Arguments that give the listeners of traces any free ports.
pub(crate) const ANY_TRACE_PORTS: [&str; 4] = [
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
        arguments.extend(ANY_TRACE_PORTS);
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
        arguments.extend(ANY_TRACE_PORTS);
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

/// Percent-encodes a query parameter.
pub(crate) fn escape(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}
