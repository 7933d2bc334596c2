//! A running tidewatch for a test: its process, its data directory, its API.

use serde_json::Value;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long anything that must happen may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The repository's top folder.
pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_path_buf()
}

/// A tidewatch process; killed when dropped.
pub(crate) struct Product {
    child: Child,
    data_dir: PathBuf,
    addresses: Value,
}

impl Product {
    /// Starts `tidewatch` with these arguments and waits until `addresses.json` is there.
    pub(crate) fn start(arguments: &[&str], data_dir: &Path) -> Self {
        let mut child = command(arguments).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let file = data_dir.join("addresses.json");
        let pid = child.id();
        let addresses = eventually("addresses.json of this process", || {
            if let Some(status) = child.try_wait().unwrap() {
                let mut said = String::new();
                child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
                panic!("tidewatch {arguments:?} ended with {status}: {said}");
            }
            let text = std::fs::read(&file).ok()?;
            let addresses: Value = serde_json::from_slice(&text).ok()?;
            (addresses["pid"] == pid).then_some(addresses)
        });
        Self { child, data_dir: data_dir.to_path_buf(), addresses }
    }

    /// `serve` with a prometheus.yml in the data directory.
    pub(crate) fn serve(data_dir: &Path, config: &str) -> Self {
        let file = data_dir.join("prometheus.yml");
        std::fs::write(&file, config).unwrap();
        let (file, path) = (file.display().to_string(), data_dir.display().to_string());
        Self::start(
            &[
                "serve",
                "--config.file",
                &file,
                "--storage.tsdb.path",
                &path,
                "--web.listen-address",
                "127.0.0.1:0",
            ],
            data_dir,
        )
    }

    /// `up` on free ports, with further arguments.
    pub(crate) fn up(data_dir: &Path, further: &[&str]) -> Self {
        let path = data_dir.display().to_string();
        let mut arguments = vec!["up", "--data-dir", &path, "--ui-listen-address", "127.0.0.1:0"];
        arguments.extend(["--web.listen-address", "127.0.0.1:0"]);
        arguments.extend(further);
        Self::start(&arguments, data_dir)
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

    /// Sends a signal by name, e.g. `INT`.
    pub(crate) fn signal(&self, name: &str) {
        let done = Command::new("kill").args([format!("-{name}"), self.pid().to_string()]).status().unwrap();
        assert!(done.success());
    }

    /// Waits until the process has ended and gives its exit code (`None`: by a signal) and what it wrote as errors.
    pub(crate) fn wait(&mut self) -> (Option<i32>, String) {
        let status = eventually("the end of tidewatch", || self.child.try_wait().unwrap());
        let mut said = String::new();
        if let Some(mut stderr) = self.child.stderr.take() {
            stderr.read_to_string(&mut said).unwrap();
        }
        (status.code(), said)
    }

    /// The data directory.
    pub(crate) fn data_dir(&self) -> &Path {
        &self.data_dir
    }
}

impl Drop for Product {
    fn drop(&mut self) {
        // INT lets it stop its own pods; a test that fails must not leave them either
        self.signal_quietly();
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

impl Product {
    fn signal_quietly(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let pid = self.pid().to_string();
            let _ = Command::new("kill").args(["-INT", &pid]).stderr(Stdio::null()).status();
        }
    }
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
        let response = reqwest::get(url).await.unwrap_or_else(|e| panic!("{url}: {e:?}"));
        (response.status().as_u16(), response.text().await.unwrap())
    })
}

/// Percent-encodes a query parameter.
pub(crate) fn escape(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}
