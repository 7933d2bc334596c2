//! Runs the real program of an application in a test.
//!
//! Input: a program, environment variables, and an ephemeral port for each socket. Output: answers, metrics, log lines and the exit
//! status. The process is killed when the test ends, however it ends. Deliberately only behind the feature `testing`.

mod collector;

use std::{
    net::SocketAddr,
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use axum::{
    body::Body,
    http::{HeaderMap, Request, header},
};
use bytes::Bytes;
use http_body_util::BodyExt;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    task::JoinHandle,
};

use crate::{HttpClient, http_client};

pub use collector::{Collector, Export, ReceivedSpan, Reply};

/// Longest wait for anything in a test.
const PATIENCE: Duration = Duration::from_secs(30);

/// An answer, read to its end.
#[derive(Clone, Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// Body.
    pub body: Bytes,
}

impl Answer {
    /// The body as JSON. Panics when it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    /// A header as text; empty when missing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("headers in tests are text"))
    }

    /// Asserts that this is a complete `problem+json` about `instance`, and returns it.
    pub fn problem(&self, status: u16, kind: &str, instance: &str) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.header("content-type"), "application/problem+json", "{self:?}");
        let problem = self.json();
        assert_eq!(problem["type"], format!("urn:todo:problem:{kind}"), "{problem}");
        assert_eq!(problem["status"], status, "{problem}");
        assert_eq!(problem["instance"], instance, "{problem}");
        assert!(problem["title"].is_string() && problem["detail"].is_string(), "{problem}");
        problem
    }
}

/// Sends one request and reads its answer; the text says why there is none.
///
/// # Errors
/// What the connection died of.
pub async fn exchange(client: &HttpClient, request: Request<Body>) -> Result<Answer, String> {
    let response = client.request(request).await.map_err(|error| format!("{error:?}"))?;
    let (parts, body) = response.into_parts();
    let body = body.collect().await.map_err(|error| format!("{error:?}"))?.to_bytes();
    Ok(Answer { status: parts.status.as_u16(), headers: parts.headers, body })
}

/// Repeats `attempt` until it gives something. Panics with `what` when that takes too long.
pub async fn until<T>(what: &str, mut attempt: impl AsyncFnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = attempt().await {
            return found;
        }
        assert!(started.elapsed() < PATIENCE, "waited {PATIENCE:?} in vain: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A running application.
#[derive(Debug)]
pub struct Running {
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
    reading: JoinHandle<()>,
    /// Where it serves requests.
    pub address: SocketAddr,
    /// Where it serves metrics.
    pub metrics_address: SocketAddr,
    /// A client of its own.
    pub client: HttpClient,
}

impl Running {
    /// Starts `program` with only `variables` (and port 0 for both sockets unless they say otherwise), and waits until it listens.
    pub async fn start(program: &str, variables: &[(&str, &str)]) -> Self {
        let (child, lines, reading) = spawn(program, variables);
        let listening = until("the process listens", async || {
            let lines = lines.lock().expect("no holder panics").clone();
            let listening = lines.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            listening.into_iter().find(|line| line["message"] == "listening")
        });
        let line = listening.await;
        let address =
            |name: &str| line[name].as_str().and_then(|text| text.parse().ok()).expect("an address");
        let (address, metrics_address) = (address("address"), address("metrics_address"));
        Self { child, lines, reading, address, metrics_address, client: http_client(Duration::from_secs(5)) }
    }

    /// Starts `program`, which is expected to give up: its exit status and its log.
    pub async fn fail(program: &str, variables: &[(&str, &str)]) -> (ExitStatus, Vec<Value>) {
        let (mut child, lines, mut reading) = spawn(program, variables);
        let status = ended(&mut child, &mut reading).await;
        let log = parsed(&lines.lock().expect("no holder panics"));
        (status, log)
    }

    /// A request to the application, built by the caller from method and path.
    pub fn request(&self, method: &str, path: &str) -> axum::http::request::Builder {
        Request::builder().method(method).uri(format!("http://{}{path}", self.address))
    }

    /// Sends JSON, or nothing for `Value::Null`.
    pub async fn ask(&self, method: &str, path: &str, body: Value) -> Answer {
        let request = self.request(method, path);
        let request = match body {
            Value::Null => request.body(Body::empty()),
            body => {
                request.header(header::CONTENT_TYPE, "application/json").body(Body::from(body.to_string()))
            }
        };
        self.send(request.expect("a request")).await
    }

    /// Sends JSON, or nothing for `Value::Null`, to the port for metrics.
    pub async fn manage(&self, method: &str, path: &str, body: Value) -> Answer {
        let request = Request::builder().method(method).uri(format!("http://{}{path}", self.metrics_address));
        let request = match body {
            Value::Null => request.body(Body::empty()),
            body => {
                request.header(header::CONTENT_TYPE, "application/json").body(Body::from(body.to_string()))
            }
        };
        self.send(request.expect("a request")).await
    }

    /// Sends any request.
    pub async fn send(&self, request: Request<Body>) -> Answer {
        exchange(&self.client, request).await.expect("an answer")
    }

    /// Waits until `/readyz` answers 200.
    pub async fn ready(self) -> Self {
        until("the process is ready", async || {
            (self.ask("GET", "/readyz", Value::Null).await.status == 200).then_some(())
        })
        .await;
        self
    }

    /// The metrics page in the format that `accept` prefers.
    pub async fn metrics(&self, accept: &str) -> Answer {
        let request = Request::builder()
            .uri(format!("http://{}/metrics", self.metrics_address))
            .header(header::ACCEPT, accept)
            .body(Body::empty());
        self.send(request.expect("a request")).await
    }

    /// The value of one series, written as on the metrics page; `None` when it is not there.
    pub async fn value(&self, series: &str) -> Option<f64> {
        let page = self.metrics("text/plain").await.body;
        let page = String::from_utf8(page.to_vec()).expect("metrics are text");
        let found = page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))?;
        Some(found.parse().expect("a number"))
    }

    /// Asserts that `series` is there with `expected`.
    pub async fn has(&self, series: &str, expected: f64) {
        assert_eq!(self.value(series).await, Some(expected), "{series}");
    }

    /// The log so far, one object per line. Panics when a line is not JSON.
    pub fn log(&self) -> Vec<Value> {
        parsed(&self.lines.lock().expect("no holder panics"))
    }

    /// Sends SIGTERM.
    pub fn terminate(&self) {
        let id = self.child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)).expect("it runs");
        kill_process(id, Signal::TERM).expect("it can be signalled");
    }

    /// Ends it without warning (SIGKILL), and waits until it is gone.
    pub async fn kill(&mut self) {
        self.child.kill().await.expect("it can be killed");
    }

    /// Waits for its end, and for the last line of its log.
    pub async fn ended(&mut self) -> ExitStatus {
        ended(&mut self.child, &mut self.reading).await
    }
}

async fn ended(child: &mut Child, reading: &mut JoinHandle<()>) -> ExitStatus {
    let end = async {
        let status = child.wait().await.expect("it was started");
        reading.await.expect("reading its log does not panic");
        status
    };
    tokio::time::timeout(PATIENCE, end).await.expect("it ends")
}

fn parsed(lines: &[String]) -> Vec<Value> {
    let parse = |line: &String| serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}"));
    lines.iter().map(parse).collect()
}

fn spawn(program: &str, variables: &[(&str, &str)]) -> (Child, Arc<Mutex<Vec<String>>>, JoinHandle<()>) {
    let mut child = Command::new(program)
        .env_clear()
        .envs([("PORT", "0"), ("METRICS_PORT", "0")])
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("the program can be started");
    let lines = Arc::new(Mutex::new(Vec::new()));
    let collected = Arc::clone(&lines);
    let mut output = BufReader::new(child.stdout.take().expect("it is piped")).lines();
    let reading = tokio::spawn(async move {
        while let Ok(Some(line)) = output.next_line().await {
            collected.lock().expect("no holder panics").push(line);
        }
    });
    (child, lines, reading)
}
