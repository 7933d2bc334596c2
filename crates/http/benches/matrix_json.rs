//! How fast a large matrix gets from the store to a client: megabytes of JSON a second, over a loopback socket.
//!
//! 1,000 series of 1,000 samples, answered to `m[1h]`: evaluation is a copy, so that writing JSON, compressing and sending
//! are what is measured. Throughput counts the JSON before compression.

use criterion::{Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use tidewatch_dashboard::Catalog;
use tidewatch_http::{
    ApiState, ConfigStatus, HeadStats, ListenerSpec, QueryLimits, Readiness, Server, Serves,
};
use tidewatch_model::{Columns, Labels, ManualClock};
use tidewatch_promql::EngineOptions;
use tidewatch_telemetry::{BuildInfo, Registry};
use tidewatch_testkit::Memory;

const NOW: i64 = 1_700_000_000_000;
const SERIES: usize = 1000;
const SAMPLES: i64 = 1000;

fn columns() -> Columns {
    let mut columns = Columns::default();
    for number in 0..SAMPLES {
        // Half counters, half fractions, as in scraped data.
        let value = if number % 2 == 0 { (number * 17) as f64 } else { 1.0 / (number + 3) as f64 };
        columns.push(NOW - (SAMPLES - 1 - number) * 3003, value);
    }
    columns
}

fn state() -> ApiState {
    let labels = |number: usize| {
        let instance = format!("127.64.0.{number}:9464");
        Labels::from_pairs([
            ("__name__", "m"),
            ("instance", &instance),
            ("job", "todo-backend"),
            ("pod", "todo-backend-1"),
        ])
    };
    let readiness = Arc::new(Readiness::default());
    readiness.set_ready();
    let build = BuildInfo::of_version("0.0.0");
    ApiState {
        store: Arc::new((0..SERIES).map(|number| (labels(number), columns())).collect::<Memory>()),
        engine: EngineOptions::default(),
        query_limits: QueryLimits::default(),
        head: Box::new(HeadStats::default),
        targets: None,
        rules: None,
        alert_targets: None,
        alertmanager: None,
        external_url: String::new(),
        user_pages: BTreeMap::new(),
        workloads: None,
        autoscaling: None,
        resource_metrics: None,
        custom_metrics: None,
        external_metrics: None,
        simulate: None,
        kafka: None,
        traces: None,
        spans: None,
        sampling: Arc::default(),
        dashboards: Arc::new(Catalog::new()),
        registry: Arc::new(Registry::new(build.clone())),
        clock: Arc::new(ManualClock::new(NOW)),
        build,
        flags: BTreeMap::new(),
        config: Arc::new(ConfigStatus::default()),
        storage_retention: String::new(),
        start_time: NOW,
        readiness,
        lifecycle: None,
        allowed_hosts: Vec::new(),
    }
}

fn ask(address: SocketAddr, accept: &str) -> usize {
    let mut stream = TcpStream::connect(address).expect("the server listens");
    let head = format!(
        "GET /api/v1/query?query=m[1h] HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nAccept-Encoding: {accept}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).expect("the server reads");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("the server answers")
}

fn matrix(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Runtime::new().expect("threads can be started");
    let spec = ListenerSpec {
        address: "127.0.0.1:0".parse().expect("an address"),
        flag: String::new(),
        serves: Serves::Everything,
    };
    let server = runtime.block_on(Server::bind(&[spec])).expect("a free port");
    let address = server.addresses()[0];
    runtime.spawn(server.serve(state(), std::future::pending()));
    let mut group = criterion.benchmark_group("matrix of 1,000,000 samples");
    group.sampling_mode(SamplingMode::Flat).sample_size(10);
    group.throughput(Throughput::Bytes(ask(address, "identity") as u64));
    for accept in ["identity", "gzip"] {
        println!("{accept}: {} bytes on the wire", ask(address, accept));
        group.bench_function(accept, |bencher| bencher.iter(|| ask(address, accept)));
    }
    group.finish();
}

criterion_group!(benches, matrix);
criterion_main!(benches);
