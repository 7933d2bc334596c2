//! What instrumentation costs: the backend's real router with and without metrics and traces, in one run.
//!
//! Input: nothing; `cargo bench -p todo-backend`, with `-- <pairs>` for more or fewer than the default. Output: for each kind of
//! request the ratio of throughput and of CPU time per request, median with its 95 % interval and quartiles over many alternating pairs of rounds. Load comes
//! from keep-alive connections over loopback in the same process; spans go to a process of its own that takes and discards them, and
//! answers with the sampling strategy that the product has by default: one trace in ten, and one per second of each operation. The load's cost is the same on both sides, so the CPU figures also
//! hold for a process of its own only as an upper bound of the difference per request, which is printed in microseconds.
//! Deliberately no statistics library: the order of rounds alternates, and medians of ratios do the rest.

use std::{
    io::BufRead,
    net::SocketAddr,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use axum::Router;
use todo_backend::{App, BackendSettings, Instrumentation};
use todo_telemetry::Environment;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

const CONNECTIONS: usize = 4;
const REQUESTS_PER_CONNECTION: usize = 200;
const DEFAULT_PAIRS: usize = 150;
/// Set for the process that is to be the receiver of spans.
const BE_THE_SINK: &str = "BENCH_BE_THE_SINK";
const STRATEGY: &str = r#"{"strategyType":"PROBABILISTIC","probabilisticSampling":{"samplingRate":0.1},"operationSampling":{"defaultSamplingProbability":0.1,"defaultLowerBoundTracesPerSecond":1}}"#;

/// One kind of request.
struct Scenario {
    name: &'static str,
    request: String,
    status: &'static str,
}

/// What one round took, per request.
#[derive(Clone, Copy)]
struct Round {
    wall: Duration,
    cpu: Duration,
}

fn main() {
    if std::env::var_os(BE_THE_SINK).is_some() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        return runtime.expect("a runtime can be built").block_on(sink());
    }
    let pairs = std::env::args().filter_map(|argument| argument.parse().ok()).next().unwrap_or(DEFAULT_PAIRS);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime can be built").block_on(measure(pairs));
}

async fn measure(pairs: usize) {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let sink = Sink::start();
    let [with, without] = [
        serve(&folder, "with", Instrumentation::On, &sink).await,
        serve(&folder, "without", Instrumentation::Off, &sink).await,
    ];
    let body = "{\"title\":\"Buy milk\",\"priority\":\"high\"}";
    let scenarios = [
        Scenario { name: "read one task", request: get("/api/tasks/1"), status: "200" },
        Scenario { name: "list 20 tasks", request: get("/api/tasks"), status: "200" },
        Scenario { name: "refuse a path (no database)", request: get("/nothing"), status: "404" },
        Scenario { name: "create a task", request: post("/api/tasks", body), status: "201" },
    ];
    let create = post("/api/tasks", body);
    for server in [with, without] {
        round(server, &create, "201", 50).await;
        // Reads that overlap open every database connection: one connection and several differ by more than what is measured.
        round(server, &scenarios[1].request, "200", REQUESTS_PER_CONNECTION).await;
    }
    println!(
        "{CONNECTIONS} connections, {REQUESTS_PER_CONNECTION} requests each per round, {pairs} pairs of rounds"
    );
    for scenario in &scenarios {
        compare(scenario, with, without, pairs).await;
    }
}

/// The receiver of spans, ended when dropped.
struct Sink {
    process: Child,
    address: String,
}

impl Sink {
    fn start() -> Self {
        let program = std::env::current_exe().expect("this program has a path");
        let mut process = Command::new(program)
            .env(BE_THE_SINK, "1")
            .stdout(Stdio::piped())
            .spawn()
            .expect("this program can be started again");
        let output = process.stdout.take().expect("it is piped");
        let mut address = String::new();
        std::io::BufReader::new(output).read_line(&mut address).expect("the receiver says where it is");
        Self { process, address: address.trim().to_owned() }
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Takes every request and keeps nothing of it.
async fn sink() {
    let listener = TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).await.expect("a port is free");
    println!("{}", listener.local_addr().expect("a bound socket has an address"));
    loop {
        let Ok((mut stream, _)) = listener.accept().await else { return };
        tokio::spawn(async move {
            let mut buffer = Vec::new();
            loop {
                while answer_length(&buffer).is_none_or(|length| buffer.len() < length) {
                    match stream.read_buf(&mut buffer).await {
                        Ok(read) if read > 0 => {}
                        _ => return,
                    }
                }
                let body = if buffer.starts_with(b"GET") { STRATEGY } else { "" };
                let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
                buffer.clear();
                if stream.write_all(answer.as_bytes()).await.is_err() {
                    return;
                }
            }
        });
    }
}

async fn serve(
    folder: &tempfile::TempDir,
    name: &str,
    instrumentation: Instrumentation,
    sink: &Sink,
) -> SocketAddr {
    let url = format!("sqlite:{}/{name}.db", folder.path().display());
    let endpoint = format!("http://{}", sink.address);
    let argument = format!("endpoint={endpoint}/sampling,pollingIntervalMs=5000,initialSamplingRate=0.1");
    let environment = Environment::of([
        ("DATABASE_URL", url.as_str()),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint),
        ("OTEL_TRACES_SAMPLER", "parentbased_jaeger_remote"),
        ("OTEL_TRACES_SAMPLER_ARG", &argument),
    ]);
    let settings = BackendSettings::from_environment(&environment).expect("the settings are right");
    let app = App::new(&settings, instrumentation).expect("the database can be opened");
    app.prepare().await.expect("the database can be migrated");
    let listener = TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).await.expect("a port is free");
    let address = listener.local_addr().expect("a bound socket has an address");
    let router: Router = app.router();
    tokio::spawn(async move {
        // Kept for as long as it serves.
        let _app = app;
        axum::serve(listener, router).await
    });
    address
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: bench\r\n\r\n")
}

fn post(path: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    )
}

async fn compare(scenario: &Scenario, with: SocketAddr, without: SocketAddr, pairs: usize) {
    let run = async |server| round(server, &scenario.request, scenario.status, REQUESTS_PER_CONNECTION).await;
    for server in [with, without] {
        run(server).await;
    }
    let (mut throughput, mut cpu, mut extra, mut base) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for pair in 0..pairs {
        // Whoever comes first in one pair comes second in the next.
        let (on, off) = if pair % 2 == 0 {
            let on = run(with).await;
            (on, run(without).await)
        } else {
            let off = run(without).await;
            (run(with).await, off)
        };
        throughput.push(off.wall.as_secs_f64() / on.wall.as_secs_f64());
        cpu.push(on.cpu.as_secs_f64() / off.cpu.as_secs_f64());
        extra.push((on.cpu.as_secs_f64() - off.cpu.as_secs_f64()) * 1e6);
        base.push(off.cpu.as_secs_f64() * 1e6);
    }
    println!(
        "{}\n  throughput with/without {}\n  CPU        with/without {}\n  CPU per request {:.1} µs without, {:+.2} µs with",
        scenario.name,
        spread(&mut throughput),
        spread(&mut cpu),
        median(&mut base),
        median(&mut extra),
    );
}

/// Sends the same request over a few connections and waits for every answer.
async fn round(server: SocketAddr, request: &str, status: &'static str, each: usize) -> Round {
    let mut streams = Vec::new();
    for _ in 0..CONNECTIONS {
        let stream = TcpStream::connect(server).await.expect("the server listens");
        stream.set_nodelay(true).expect("a socket option");
        streams.push(stream);
    }
    let (started, cpu) = (Instant::now(), cpu_time());
    let callers: Vec<_> = streams
        .into_iter()
        .map(|stream| tokio::spawn(call(stream, request.as_bytes().to_vec(), status, each)))
        .collect();
    for caller in callers {
        caller.await.expect("every answer is as expected");
    }
    let requests = u32::try_from(CONNECTIONS * each).expect("a few thousand");
    Round { wall: started.elapsed() / requests, cpu: (cpu_time() - cpu) / requests }
}

async fn call(mut stream: TcpStream, request: Vec<u8>, status: &str, each: usize) {
    let mut buffer = Vec::with_capacity(64 * 1024);
    for _ in 0..each {
        stream.write_all(&request).await.expect("the server reads");
        buffer.clear();
        let length = loop {
            assert_ne!(stream.read_buf(&mut buffer).await.expect("the server answers"), 0, "it hung up");
            if let Some(length) = answer_length(&buffer) {
                break length;
            }
        };
        while buffer.len() < length {
            assert_ne!(stream.read_buf(&mut buffer).await.expect("the server answers"), 0, "it hung up");
        }
        assert_eq!(&buffer[9..12], status.as_bytes(), "{}", String::from_utf8_lossy(&buffer));
    }
}

/// Bytes of head and body together, once the head is complete. A request without a body has no length.
fn answer_length(buffer: &[u8]) -> Option<usize> {
    let head = buffer.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let text = std::str::from_utf8(&buffer[..head]).expect("a head is text");
    let length = text.lines().find_map(|line| line.strip_prefix("content-length: "));
    Some(head + length.map_or(0, |length| length.trim().parse::<usize>().expect("a number")))
}

/// User and system time of this process so far.
fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).expect("less than a second"))
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Median, its 95 % confidence interval from order statistics, and the quartiles.
fn spread(values: &mut [f64]) -> String {
    let middle = median(values);
    let count = values.len();
    let reach = (0.98 * (count as f64).sqrt()).ceil() as usize;
    let low = values[(count / 2).saturating_sub(reach)];
    let high = values[(count / 2 + reach).min(count - 1)];
    format!(
        "{middle:.4} ({low:.4} to {high:.4}; quartiles {:.4}, {:.4})",
        values[count / 4],
        values[count * 3 / 4]
    )
}
