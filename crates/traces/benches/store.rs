//! What the store costs: CPU time and bytes per span, time of a search.
//!
//! Input: made-up traces of eight spans as three services send them, with ten attributes each of which two differ from trace to trace, in
//! requests of 512 spans; a million of them. Output: a table on standard output. `cargo bench -p tidewatch-traces`; it asserts nothing.

use std::time::{Duration, Instant};
use tidewatch_traces::*;

const NOW: u64 = 1_760_000_000_000_000_000;
const SPANS_PER_TRACE: u64 = 8;
const REQUEST: u64 = 512;

fn main() {
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let spans = std::env::var("SPANS").ok().and_then(|text| text.parse().ok()).unwrap_or(1_000_000);
    let folder = tempfile::tempdir().expect("a temporary folder");
    println!("in memory");
    run(None, spans);
    println!("in a folder");
    run(Some(folder.path().to_owned()), spans);
}

fn run(folder: Option<std::path::PathBuf>, spans: u64) {
    let mut options = StoreOptions::default();
    options.max_memory_bytes = 1 << 30;
    let resident = resident_bytes();
    let store = TraceStore::open(folder.clone(), options.clone(), NOW).expect("an empty store");
    let (mut gathering, mut committing) = (Duration::ZERO, Duration::ZERO);
    for request in 0..spans / REQUEST {
        let mut writer = store.writer(NOW);
        let begin = Instant::now();
        send(request, &mut writer);
        let middle = Instant::now();
        writer.finish().expect("an open store");
        gathering += middle - begin;
        committing += middle.elapsed();
    }
    store.maintain(NOW).expect("a folder that can be written to");
    let stats = store.stats();
    let per = |bytes: u64| bytes / stats.spans.max(1);
    println!("  spans {}, segments {}", stats.spans, stats.segments);
    println!("  making and gathering {:?} per span", gathering / stats.spans.max(1) as u32);
    println!("  committing           {:?} per span", committing / stats.spans.max(1) as u32);
    println!("  bytes per span: heap {}, disk {}", per(stats.memory_bytes), per(stats.disk_bytes));
    println!("  resident bytes per span: {}", per(resident_bytes().saturating_sub(resident)));
    search_all(&store);
    if folder.is_some() {
        drop(store);
        let begin = Instant::now();
        let store = TraceStore::open(folder, options, NOW).expect("a folder that was just written");
        println!("  opening again: {:?}, {} spans", begin.elapsed(), store.stats().spans);
    }
}

fn search_all(store: &TraceStore) {
    let service = |name: &str| Search { service: Some(name.to_owned()), limit: 20, ..Search::default() };
    let tag = |key: &str, text: &str| vec![(key.to_owned(), text.to_owned())];
    let searches = [
        ("service", service("todo-backend")),
        ("operation", Search { operation: Some("GET /tasks/{id}".into()), ..service("todo-backend") }),
        ("common tag", Search { tags: tag("http.request.method", "GET"), ..service("todo-backend") }),
        ("rare tag", Search { tags: tag("task.id", "task-1234"), ..service("todo-backend") }),
        ("absent tag", Search { tags: tag("task.id", "nowhere"), ..service("todo-backend") }),
        ("slow", Search { min_duration_ns: Some(990_000_000), ..service("todo-backend") }),
        ("none slow enough", Search { min_duration_ns: Some(9_000_000_000), ..service("todo-backend") }),
        (
            "tags never together",
            Search {
                tags: [tag("shard", "1"), tag("shard.even", "yes")].concat(),
                ..service("todo-backend")
            },
        ),
        ("1,500 traces", Search { limit: 1500, ..service("todo-backend") }),
    ];
    for (name, search) in &searches {
        let mut times: Vec<_> = (0..21)
            .map(|_| {
                let begin = Instant::now();
                std::hint::black_box(store.find(search));
                begin.elapsed()
            })
            .collect();
        times.sort_unstable();
        println!("  search {name:20} p50 {:?}, worst {:?}", times[10], times[20]);
    }
    for call in ["first", "second", "third"] {
        let begin = Instant::now();
        let edges = store.dependencies(u64::MAX, Duration::MAX);
        println!("  dependencies, {call} call: {:?}, {} edges", begin.elapsed(), edges.len());
    }
    let asking: [(&str, &(dyn Fn() + Sync)); 4] = [
        ("nothing", &|| std::thread::sleep(Duration::from_millis(1))),
        ("tags never together", &|| drop(std::hint::black_box(store.find(&searches[7].1)))),
        ("1,500 traces", &|| drop(std::hint::black_box(store.find(&searches[8].1)))),
        ("dependencies", &|| drop(std::hint::black_box(store.dependencies(u64::MAX, Duration::MAX)))),
    ];
    for (round, (name, ask)) in asking.into_iter().enumerate() {
        commit_while(store, (round as u64 + 1) << 32, name, ask);
    }
}

/// How long requests of eight spans take while another thread asks the same question again and again.
fn commit_while(store: &TraceStore, first: u64, name: &str, ask: &(dyn Fn() + Sync)) {
    let done = std::sync::atomic::AtomicBool::new(false);
    let mut times = Vec::new();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                ask();
            }
        });
        for request in 0..400u64 {
            let mut writer = store.writer(NOW);
            (0..8).for_each(|span| send_span(first + request * 8 + span, &mut writer));
            let begin = Instant::now();
            writer.finish().expect("an open store");
            times.push(begin.elapsed());
            std::thread::sleep(Duration::from_millis(2));
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    times.sort_unstable();
    println!(
        "  a commit during {name:20} p50 {:?}, p99 {:?}, worst {:?}",
        times[200], times[396], times[399]
    );
}

fn send(request: u64, sink: &mut impl SpanSink) {
    let services = ["todo-frontend", "todo-backend", "event-service"];
    for (number, name) in services.into_iter().enumerate() {
        let text = |key, value| AttributeRef { key, value: ValueRef::Text(value) };
        let resource = [
            text("service.name", name),
            text("service.version", "0.1.0"),
            text("k8s.pod.name", "todo-backend-5d4f8c7b9-x2x4z"),
            text("k8s.namespace.name", "todo-app-prod"),
        ];
        sink.resource(&ResourceRef { attributes: &resource, ..ResourceRef::default() });
        sink.scope(&ScopeRef { name: "todo", version: "0.1.0", ..ScopeRef::default() });
        for span in (request * REQUEST..(request + 1) * REQUEST).filter(|span| span % 3 == number as u64) {
            send_span(span, sink);
        }
    }
}

fn send_span(span: u64, sink: &mut impl SpanSink) {
    let trace = span / SPANS_PER_TRACE;
    let mixed = (trace + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let text = |key, value| AttributeRef { key, value: ValueRef::Text(value) };
    let number = |key, value: u64| AttributeRef { key, value: ValueRef::Int(value.cast_signed()) };
    let task = format!("task-{trace}");
    let shard = if trace.is_multiple_of(2) { "2" } else { "1" };
    let attributes = [
        text("http.request.method", if span.is_multiple_of(5) { "POST" } else { "GET" }),
        text("url.path", &task),
        text("url.scheme", "http"),
        text("http.route", "/tasks/{id}"),
        number("http.response.status_code", if mixed.is_multiple_of(50) { 500 } else { 200 }),
        text("server.address", "todo-backend"),
        number("server.port", 8000),
        text("task.id", &task),
        text("shard", shard),
        text("shard.even", if shard == "2" { "yes" } else { "no" }),
    ];
    let id = |span: u64| SpanId((span + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    let start_ns = NOW + trace * 50_000;
    sink.span(&SpanRef {
        trace_id: TraceId((u128::from(mixed) << 64 | u128::from(mixed.rotate_left(17))).to_be_bytes()),
        span_id: id(span),
        parent_span_id: if span.is_multiple_of(SPANS_PER_TRACE) { SpanId::default() } else { id(span - 1) },
        flags: 0x101,
        name: ["GET /tasks/{id}", "SELECT tasks", "publish task-events"][(span / 3 % 3) as usize],
        kind: SpanKind::Server,
        start_ns,
        end_ns: start_ns + mixed % 1_000_000_000,
        attributes: &attributes,
        ..SpanRef::default()
    });
}

/// Bytes of this process in memory, as Linux tells.
fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes: Option<u64> =
        line.and_then(|rest| rest.trim().strip_suffix(" kB")).and_then(|n| n.trim().parse().ok());
    kilobytes.unwrap_or_default() * 1024
}
