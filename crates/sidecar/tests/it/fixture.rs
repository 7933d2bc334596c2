//! What the tests share: a Kafka, an application that records, a sidecar between them, a way to ask.
//!
//! Input: answers an application gives. Output: what it was asked. Everything ends when it is dropped.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::{Request, Response};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tidewatch_sidecar::{Sidecar, SidecarOptions};

/// How long anything may take.
const DEADLINE: Duration = Duration::from_secs(30);

/// One request that the application or the collector was asked.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) path: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Asked {
    /// The event's `data`; empty for a request that is no event.
    pub(crate) fn data(&self) -> String {
        let event: serde_json::Value = serde_json::from_slice(&self.body).unwrap_or_default();
        event["data"].as_str().unwrap_or_default().to_owned()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("an event is JSON")
    }
}

type Rule = dyn Fn(&Asked, usize) -> (u16, String) + Send + Sync;

/// An application that records what it is asked and answers by a rule, which is given how often the same event came.
pub(crate) struct App {
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    under_way: Arc<Mutex<(usize, usize)>>,
    task: tokio::task::JoinHandle<()>,
}

impl App {
    /// Listens on a port of its own.
    pub(crate) async fn start(rule: impl Fn(&Asked, usize) -> (u16, String) + Send + Sync + 'static) -> Self {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0)), rule).await
    }

    /// Listens on a given address.
    pub(crate) async fn start_at(
        address: SocketAddr,
        rule: impl Fn(&Asked, usize) -> (u16, String) + Send + Sync + 'static,
    ) -> Self {
        let listener = tokio::net::TcpListener::bind(address).await.expect("a loopback port is free");
        let address = listener.local_addr().expect("it is bound");
        let (asked, under_way) = (Arc::default(), Arc::default());
        let rule: Arc<Rule> = Arc::new(rule);
        let task = tokio::spawn(serve(listener, Arc::clone(&asked), Arc::clone(&under_way), rule));
        Self { address, asked, under_way, task }
    }

    /// Everything asked so far, but discovery.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        let asked = self.asked.lock().expect("no test panics in it");
        asked.iter().filter(|one| one.path != "/dapr/subscribe").cloned().collect()
    }

    /// The most requests there were at once.
    pub(crate) fn most_at_once(&self) -> usize {
        self.under_way.lock().expect("no test panics in it").1
    }

    /// Waits until it was asked so often.
    pub(crate) async fn wait_for(&self, count: usize) -> Vec<Asked> {
        until(&format!("{count} requests"), || self.asked().len() >= count).await;
        self.asked()
    }
}

impl Drop for App {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    listener: tokio::net::TcpListener,
    asked: Arc<Mutex<Vec<Asked>>>,
    under_way: Arc<Mutex<(usize, usize)>>,
    rule: Arc<Rule>,
) {
    // Connections end with the application: they are its tasks.
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let (asked, under_way, rule) = (Arc::clone(&asked), Arc::clone(&under_way), Arc::clone(&rule));
        let service = hyper::service::service_fn(move |request: Request<Incoming>| {
            let (asked, under_way, rule) = (Arc::clone(&asked), Arc::clone(&under_way), Arc::clone(&rule));
            async move { Ok::<_, std::convert::Infallible>(answer(request, &asked, &under_way, &rule).await) }
        });
        connections.spawn(async move {
            let io = hyper_util::rt::TokioIo::new(stream);
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(io, service).await;
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    asked: &Mutex<Vec<Asked>>,
    under_way: &Mutex<(usize, usize)>,
    rule: &Arc<Rule>,
) -> Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes().to_vec()).unwrap_or_default();
    let text = |value: &hyper::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers = head.headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect();
    let one = Asked { path: head.uri.path().to_owned(), headers, body };
    {
        let mut under_way = under_way.lock().expect("no test panics in it");
        under_way.0 += 1;
        under_way.1 = under_way.1.max(under_way.0);
    }
    let earlier = {
        let mut asked = asked.lock().expect("no test panics in it");
        let earlier = asked.iter().filter(|other| other.path == one.path && other.body == one.body).count();
        asked.push(one.clone());
        earlier
    };
    // Others get a chance to run at once, if the sidecar lets them.
    tokio::time::sleep(Duration::from_millis(2)).await;
    let (status, body) = rule(&one, earlier);
    under_way.lock().expect("no test panics in it").0 -= 1;
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = hyper::StatusCode::from_u16(status).expect("tests give valid statuses");
    response
}

/// Waits until something holds.
pub(crate) async fn until(what: &str, holds: impl Fn() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < DEADLINE, "{what}: not there after {DEADLINE:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A Kafka, and the files of a sidecar.
pub(crate) struct World {
    pub(crate) kafka: MockCluster<'static, DefaultProducerContext>,
    folder: TempDir,
}

impl World {
    /// With a component `bus` that redelivers after 50 ms, and these further files.
    pub(crate) fn new(files: &[&str]) -> Self {
        let kafka = MockCluster::new(1).expect("librdkafka has a mock cluster");
        let folder = tempfile::tempdir().expect("a folder can be made");
        let component = format!(
            "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: {{name: bus}}\nspec:\n  type: pubsub.kafka\n  version: v1\n  metadata:\n  - {{name: brokers, value: '{}'}}\n  - {{name: authType, value: none}}\n  - {{name: initialOffset, value: oldest}}\n  - {{name: backOffDuration, value: 50ms}}\n  - {{name: sessionTimeout, value: 6s}}\n",
            kafka.bootstrap_servers()
        );
        for (index, text) in [component.as_str()].iter().chain(files).enumerate() {
            std::fs::write(folder.path().join(format!("{index}.yaml")), text).expect("a file can be written");
        }
        Self { kafka, folder }
    }

    /// With topics of so many partitions, too.
    pub(crate) fn with_topics(files: &[&str], topics: &[(&str, i32)]) -> Self {
        let world = Self::new(files);
        for (topic, partitions) in topics {
            world.kafka.create_topic(topic, *partitions, 1).expect("a topic can be made");
        }
        world
    }

    /// Writes a file beside the resources.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).expect("a file can be written");
        path
    }

    pub(crate) fn options(&self, app: Option<&App>) -> SidecarOptions {
        SidecarOptions {
            app_port: app.map(|app| app.address.port()),
            http_port: 0,
            metrics_port: 0,
            namespace: Some("ns".to_owned()),
            resources_paths: vec![self.folder.path().to_owned()],
            ..SidecarOptions::new("app")
        }
    }

    /// A sidecar that is ready.
    pub(crate) async fn start(&self, app: Option<&App>) -> Sidecar {
        start(self.options(app)).await
    }
}

/// Starts a sidecar and waits until it is ready.
pub(crate) async fn start(options: SidecarOptions) -> Sidecar {
    let sidecar = Sidecar::start(options).await.expect("it starts");
    let address = sidecar.api_addresses()[0];
    let ready = tokio::task::spawn_blocking(move || {
        let start = Instant::now();
        while ask_blocking(address, "GET", "/v1.0/healthz", "", b"").0 != 204 {
            assert!(start.elapsed() < DEADLINE, "it is not ready after {DEADLINE:?}");
            std::thread::sleep(Duration::from_millis(5));
        }
    });
    ready.await.expect("it becomes ready");
    sidecar
}

/// Waits until the metrics page has all of these lines.
pub(crate) async fn until_counted(sidecar: &Sidecar, lines: &[String]) {
    let address = sidecar.metrics_address().expect("metrics are on");
    let start = Instant::now();
    loop {
        let page = ask(address, "GET", "/any/path", "", "").await.2;
        if lines.iter().all(|line| page.lines().any(|one| one == line)) {
            return;
        }
        assert!(start.elapsed() < DEADLINE, "{lines:?} are not all in\n{page}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A declarative subscription of `bus`.
pub(crate) fn subscription(topic: &str, path: &str, dead_letters: Option<&str>) -> String {
    let dead_letters = dead_letters.map(|topic| format!("  deadLetterTopic: {topic}\n")).unwrap_or_default();
    format!(
        "apiVersion: dapr.io/v2alpha1\nkind: Subscription\nmetadata: {{name: {topic}}}\nspec:\n  pubsubname: bus\n  topic: {topic}\n  routes: {{default: {path}}}\n{dead_letters}"
    )
}

/// Asks the sidecar: status, head, body. `head` are further lines, each ended by `\r\n`.
pub(crate) async fn ask(
    address: SocketAddr,
    method: &str,
    path: &str,
    head: &str,
    body: &str,
) -> (u16, String, String) {
    let (method, path, head, body) = (method.to_owned(), path.to_owned(), head.to_owned(), body.to_owned());
    let asking =
        tokio::task::spawn_blocking(move || ask_blocking(address, &method, &path, &head, body.as_bytes()));
    asking.await.expect("asking does not panic")
}

fn ask_blocking(
    address: SocketAddr,
    method: &str,
    path: &str,
    head: &str,
    body: &[u8],
) -> (u16, String, String) {
    let mut stream = std::net::TcpStream::connect(address).expect("the sidecar listens");
    stream.set_read_timeout(Some(DEADLINE)).expect("a timeout can be set");
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: sidecar\r\nConnection: close\r\nContent-Length: {length}\r\n{head}\r\n"
    );
    stream.write_all(request.as_bytes()).expect("the sidecar reads");
    // A body that is too large may be answered before it is read.
    let _ = stream.write_all(body);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").expect("an answer has a head");
    let status =
        head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("an answer has a status");
    (status, head.to_ascii_lowercase(), body.to_owned())
}

/// Publishes text with a key; it must be taken.
pub(crate) async fn publish(sidecar: &Sidecar, topic: &str, key: &str, text: &str) {
    let path = format!("/v1.0/publish/bus/{topic}?metadata.partitionKey={key}");
    let (status, _, body) =
        ask(sidecar.api_addresses()[0], "POST", &path, "Content-Type: text/plain\r\n", text).await;
    assert_eq!(status, 204, "{body}");
}
