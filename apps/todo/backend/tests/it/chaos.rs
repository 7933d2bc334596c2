//! Everything is killed at random under load, and in the end every committed change has exactly one activity, in order.
//!
//! Two backends on one database and the event service are real processes, killed without warning. The sidecar with its broker is a
//! stand-in that refuses, hangs, takes twice, loses its answers and disappears; what it took it delivers like a partition: in order,
//! each event until it is accepted.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::State,
    http::{Request, StatusCode},
    routing::post,
};
use serde_json::{Value, json};
use sqlx::Row;
use todo_telemetry::{
    Database, HttpClient, QueryType, http_client,
    testing::{Running, exchange, until},
};
use tokio::sync::mpsc;

use crate::start_on;

const WRITERS: usize = 4;
const KILLS: usize = 10;

/// A small generator of numbers, seeded by the test so that a run can be told from another.
#[derive(Clone)]
struct Dice(Arc<Mutex<u64>>);

impl Dice {
    fn new() -> Self {
        let seed = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64 | 1;
        eprintln!("seed {seed}");
        Self(Arc::new(Mutex::new(seed)))
    }

    fn below(&self, bound: u64) -> u64 {
        let mut state = self.0.lock().unwrap();
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        *state % bound
    }
}

#[derive(Clone)]
struct Broker {
    dice: Dice,
    calm: Arc<AtomicBool>,
    log: mpsc::UnboundedSender<String>,
}

async fn publish(State(broker): State<Broker>, body: String) -> StatusCode {
    let fate = if broker.calm.load(Ordering::SeqCst) { 9 } else { broker.dice.below(10) };
    let take = || broker.log.send(body.clone()).unwrap();
    match fate {
        0 => return StatusCode::INTERNAL_SERVER_ERROR,
        1 => return StatusCode::NOT_FOUND,
        2 => {
            // Taken, but nobody hears of it.
            take();
            return StatusCode::BAD_GATEWAY;
        }
        3 if broker.dice.below(4) == 0 => {
            if broker.dice.below(2) == 0 {
                take();
            }
            std::future::pending::<()>().await;
        }
        4 => {
            take();
            take();
        }
        _ => take(),
    }
    StatusCode::NO_CONTENT
}

/// A sidecar that ends as a process does: with every connection and every request under way.
struct Sidecar {
    broker: Broker,
    address: SocketAddr,
    runtime: Option<tokio::runtime::Runtime>,
}

impl Sidecar {
    fn start(broker: Broker) -> Self {
        let address = SocketAddr::from((std::net::Ipv4Addr::LOCALHOST, 0));
        let mut sidecar = Self { broker, address, runtime: None };
        sidecar.appear();
        sidecar
    }

    /// Serves, again at the same address.
    fn appear(&mut self) {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let entered = runtime.enter();
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(self.address).unwrap();
        let listener = socket.listen(128).unwrap();
        drop(entered);
        self.address = listener.local_addr().unwrap();
        let router = Router::new().fallback(post(publish)).with_state(self.broker.clone());
        runtime.spawn(async move { axum::serve(listener, router).await });
        self.runtime = Some(runtime);
    }

    fn disappear(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Waits until its sockets are closed, off the test's own threads.
            std::thread::spawn(move || runtime.shutdown_timeout(Duration::from_secs(5))).join().unwrap();
        }
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        self.disappear();
    }
}

/// Hands each event to the event service until it says that it has it.
async fn deliver(mut log: mpsc::UnboundedReceiver<String>, receiver: Arc<Mutex<SocketAddr>>) {
    let client = http_client(Duration::from_secs(1));
    while let Some(event) = log.recv().await {
        loop {
            let address = *receiver.lock().unwrap();
            let request = Request::post(format!("http://{address}/events/tasks"))
                .header("content-type", "application/cloudevents+json")
                .body(Body::from(event.clone()));
            let answer =
                tokio::time::timeout(Duration::from_secs(5), exchange(&client, request.unwrap())).await;
            if answer.is_ok_and(|answer| answer.is_ok_and(|answer| answer.json()["status"] == "SUCCESS")) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

async fn ask(
    client: &HttpClient,
    method: &str,
    address: SocketAddr,
    path: &str,
    body: Value,
) -> Option<Value> {
    let request = Request::builder()
        .method(method)
        .uri(format!("http://{address}{path}"))
        .header("content-type", "application/json")
        .body(Body::from(body.to_string()));
    let answer =
        tokio::time::timeout(Duration::from_secs(10), exchange(client, request.unwrap())).await.ok()?.ok()?;
    (answer.status < 300).then(|| answer.json())
}

/// Makes tasks and changes them, at one replica or the other, until told to stop.
async fn write(
    replicas: Arc<Mutex<[SocketAddr; 2]>>,
    dice: Dice,
    stop: Arc<AtomicBool>,
    made: Arc<AtomicUsize>,
) {
    let client = http_client(Duration::from_secs(1));
    let somewhere = || replicas.lock().unwrap()[dice.below(2) as usize];
    while !stop.load(Ordering::SeqCst) {
        let task = json!({"title": "0000"});
        let Some(task) = ask(&client, "POST", somewhere(), "/api/tasks", task).await else { continue };
        made.fetch_add(1, Ordering::SeqCst);
        let path = format!("/api/tasks/{}", task["id"]);
        for number in 1..=1 + dice.below(5) {
            let title = json!({"title": format!("{number:04}")});
            if ask(&client, "PATCH", somewhere(), &path, title).await.is_some() {
                made.fetch_add(1, Ordering::SeqCst);
            }
        }
        if ask(&client, "POST", somewhere(), &format!("{path}/complete"), Value::Null).await.is_some() {
            made.fetch_add(1, Ordering::SeqCst);
        }
        tokio::time::sleep(Duration::from_millis(dice.below(20))).await;
    }
}

fn event_service() -> String {
    let program = Path::new(env!("CARGO_BIN_EXE_todo-backend")).with_file_name("todo-event-service");
    assert!(program.exists(), "todo-event-service is not built; hint: run cargo build -p todo-event-service");
    program.to_str().unwrap().to_owned()
}

async fn start_event_service(program: &str, url: &str) -> Running {
    Running::start(program, &[("DATABASE_URL", url), ("ACTIVITY_LIMIT", "1000000")]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    nothing_is_lost(&crate::database_in(&folder), &folder).await;
}

/// Needs a database in `TEST_POSTGRES_URL`; makes a schema of its own there, beside the other tests.
#[tokio::test(flavor = "multi_thread")]
async fn on_postgres() {
    let Ok(url) = std::env::var("TEST_POSTGRES_URL") else {
        eprintln!("skipped: set TEST_POSTGRES_URL to an empty PostgreSQL database to run this on it");
        return;
    };
    let database = Database::open("DATABASE_URL", &url).unwrap();
    database.rows(QueryType::Update, sqlx::query("CREATE SCHEMA chaos")).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    nothing_is_lost(&format!("{url}?options=-csearch_path%3Dchaos"), &folder).await;
}

async fn nothing_is_lost(database: &str, folder: &tempfile::TempDir) {
    let (dice, calm) = (Dice::new(), Arc::new(AtomicBool::new(false)));
    let (program, activities) = (event_service(), format!("sqlite:{}/activity.db", folder.path().display()));
    let mut service = start_event_service(&program, &activities).await;
    let receiver = Arc::new(Mutex::new(service.address));
    let (log, delivered) = mpsc::unbounded_channel();
    let delivering = tokio::spawn(deliver(delivered, Arc::clone(&receiver)));
    let broker = Broker { dice: dice.clone(), calm: Arc::clone(&calm), log };
    let mut sidecar = Sidecar::start(broker);
    let endpoint = format!("http://{}", sidecar.address);
    let variables = [("DAPR_HTTP_ENDPOINT", endpoint.as_str()), ("PUBSUB_NAME", "todo-pubsub")];
    let mut backends = [start_on(database, &variables).await, start_on(database, &variables).await];
    let replicas = Arc::new(Mutex::new([backends[0].address, backends[1].address]));
    let (stop, made) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let writers: Vec<_> = (0..WRITERS)
        .map(|_| {
            tokio::spawn(write(Arc::clone(&replicas), dice.clone(), Arc::clone(&stop), Arc::clone(&made)))
        })
        .collect();
    for kill in 0..KILLS {
        let enough = made.load(Ordering::SeqCst) + 15;
        until("changes are made", async || (made.load(Ordering::SeqCst) >= enough).then_some(())).await;
        match kill % 4 {
            0 => {
                sidecar.disappear();
                // Long enough for replicas to find it gone; what they do meanwhile waits.
                tokio::time::sleep(Duration::from_millis(dice.below(800))).await;
                sidecar.appear();
            }
            1 => {
                service.kill().await;
                service = start_event_service(&program, &activities).await;
                *receiver.lock().unwrap() = service.address;
            }
            other => {
                let which = other - 2;
                // Killed first: the new one must not find its claims given up.
                backends[which].kill().await;
                backends[which] = start_on(database, &variables).await;
                replicas.lock().unwrap()[which] = backends[which].address;
            }
        }
    }
    stop.store(true, Ordering::SeqCst);
    for writer in writers {
        writer.await.unwrap();
    }
    calm.store(true, Ordering::SeqCst);
    // of the table itself: between two looks a replica's own count is an estimate
    let table = Database::open("DATABASE_URL", database).unwrap();
    let waiting = async || {
        let counted =
            table.rows(QueryType::Select, sqlx::query("SELECT COUNT(*) FROM task_outbox")).await.ok()?;
        counted.first()?.try_get::<i64, _>(0).ok()
    };
    until("the outbox is empty", async || (waiting().await == Some(0)).then_some(())).await;
    let depth = || async {
        (backends[0].value("events_outbox_depth").await, backends[1].value("events_outbox_depth").await)
    };
    until("both see an empty outbox", async || (depth().await == (Some(0.0), Some(0.0))).then_some(())).await;
    drop(sidecar);
    tokio::time::timeout(Duration::from_secs(30), delivering)
        .await
        .expect("everything is delivered")
        .unwrap();
    let committed = versions(&backends[0]).await;
    let changes: i64 = committed.values().sum();
    assert!(changes >= i64::try_from(made.load(Ordering::SeqCst)).unwrap(), "what was answered is committed");
    for (task, version) in &committed {
        check_activities(&service, *task, *version).await;
    }
    eprintln!("{changes} changes of {} tasks, each with one activity", committed.len());
}

/// How many changes each task has seen: its version.
async fn versions(backend: &Running) -> BTreeMap<i64, i64> {
    let mut versions = BTreeMap::new();
    loop {
        let path = format!("/api/tasks?limit=100&offset={}", versions.len());
        let page = backend.ask("GET", &path, Value::Null).await.json();
        let tasks = page["items"].as_array().unwrap();
        if tasks.is_empty() {
            return versions;
        }
        versions.extend(
            tasks.iter().map(|task| (task["id"].as_i64().unwrap(), task["version"].as_i64().unwrap())),
        );
    }
}

async fn check_activities(service: &Running, task: i64, version: i64) {
    let path = format!("/api/activity?limit=200&task_id={task}");
    let page = service.ask("GET", &path, Value::Null).await.json();
    let newest_first = page["items"].as_array().unwrap();
    assert_eq!(newest_first.len() as i64, version, "task {task}: {page}");
    let arrivals: Vec<i64> = newest_first.iter().map(|item| item["id"].as_i64().unwrap()).collect();
    assert!(arrivals.is_sorted_by(|newer, older| newer > older), "task {task} arrived in order: {page}");
    let titles: Vec<&str> = newest_first.iter().map(|item| item["title"].as_str().unwrap()).collect();
    assert!(titles.is_sorted_by(|newer, older| newer >= older), "task {task} is shown in order: {page}");
    assert_eq!(newest_first.last().unwrap()["type"], "task.created", "{page}");
}
