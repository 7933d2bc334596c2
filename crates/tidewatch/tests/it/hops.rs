//! One task, one trace: every hop from the browser's request to the activity, with its right parent, soon.
//!
//! Input: the application as shipped, but for a line of log per request; requests that bring a sampled trace context of their own, so
//! that their traces are known by id. What comes of them is asked of Jaeger's API, the Kubernetes log API and Prometheus's API. The times
//! until traces are visible are printed; only the longest that is allowed is asserted.

use crate::product::{Caller, Product, eventually, get, repository};
use crate::up::{all_targets_up, todo};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

const CALLERS: u64 = 10;
const TASKS_OF_EACH: u64 = 10;
/// Within this a trace must be visible.
const VISIBLE_WITHIN: Duration = Duration::from_secs(10);
/// So often a trace is asked for.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Service, kind and name of each span, and which one is its parent; the first one's is the browser's.
const HOPS: [(&str, &str, &str, usize); 12] = [
    ("todo-frontend", "server", "POST /api/tasks", usize::MAX),
    ("todo-frontend", "client", "POST /api/tasks", 0),
    ("todo-backend", "server", "POST /api/tasks", 1),
    ("todo-backend", "client", "BEGIN", 2),
    ("todo-backend", "client", "INSERT tasks", 2),
    ("todo-backend", "client", "INSERT task_outbox", 2),
    ("todo-backend", "client", "COMMIT", 2),
    ("todo-backend", "producer", "send task-events", 2),
    ("todo-backend", "client", "/v1.0/publish/todo-pubsub/task-events", 7),
    ("event-service", "client", "pubsub/task-events", 8),
    ("event-service", "server", "POST /events/tasks", 9),
    ("event-service", "client", "INSERT activities", 10),
];

/// A request's own context.
#[derive(Clone)]
struct Context {
    trace_id: String,
    span_id: String,
}

impl Context {
    fn new(number: u64) -> Self {
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64;
        Self { trace_id: format!("{now:016x}{number:016x}"), span_id: format!("{:016x}", now ^ number << 48) }
    }

    fn traceparent(&self) -> String {
        format!("00-{}-{}-01", self.trace_id, self.span_id)
    }
}

/// A span as Jaeger's API gives it, without what does not matter here.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    service: String,
    kind: String,
    name: String,
    id: String,
    /// Trace and span of its only reference; another number of references is written out.
    parent: (String, String),
    failed: bool,
}

impl Seen {
    fn of(span: &Value, trace: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let tag = |key: &str| {
            let tags = span["tags"].as_array().into_iter().flatten();
            tags.into_iter().find(|tag| tag["key"] == key).map(|tag| tag["value"].clone())
        };
        let parent = match span["references"].as_array().map(Vec::as_slice) {
            Some([parent]) if parent["refType"] == "CHILD_OF" => {
                (text(&parent["traceID"]), text(&parent["spanID"]))
            }
            _ => (String::new(), span["references"].to_string()),
        };
        Self {
            service: text(&trace["processes"][text(&span["processID"])]["serviceName"]),
            kind: tag("span.kind").map(|kind| text(&kind)).unwrap_or_default(),
            name: text(&span["operationName"]),
            id: text(&span["spanID"]),
            parent,
            failed: tag("error").is_some_and(|error| error != json!(false)),
        }
    }
}

fn spans(answer: &Value) -> Vec<Seen> {
    let traces = answer["data"].as_array().map(Vec::as_slice).unwrap_or_default();
    let of_trace = |trace: &Value| -> Vec<Seen> {
        let spans = trace["spans"].as_array().into_iter().flatten();
        spans.map(|span| Seen::of(span, trace)).collect()
    };
    traces.iter().flat_map(of_trace).collect()
}

/// What is missing, too much or at the wrong place in a trace, if anything.
fn fault(seen: &[Seen], context: &Context) -> Option<String> {
    let of_hop = |(service, kind, name, _): &(&str, &str, &str, usize)| -> Vec<&Seen> {
        seen.iter()
            .filter(|span| (&*span.service, &*span.kind, &*span.name) == (*service, *kind, *name))
            .collect()
    };
    for hop in &HOPS {
        let found = of_hop(hop);
        let [span] = found.as_slice() else { return Some(format!("{} times {hop:?}", found.len())) };
        let parent = HOPS.get(hop.3).and_then(|parent| of_hop(parent).first().map(|span| span.id.clone()));
        let parent = (context.trace_id.clone(), parent.unwrap_or_else(|| context.span_id.clone()));
        if span.parent != parent || span.failed {
            return Some(format!("{span:?} should be below {parent:?}"));
        }
    }
    let ids: BTreeSet<&String> = seen.iter().map(|span| &span.id).collect();
    (ids.len() != HOPS.len() || seen.len() != HOPS.len()).then(|| format!("not those spans alone: {seen:?}"))
}

/// The application as shipped, with a line of log for every request.
fn todo_telling_requests(folder: &Path) -> Product {
    let repository = repository();
    let shipped = std::fs::read_to_string(repository.join("tidewatch.yaml")).unwrap();
    let manifests = format!("  - {}/kubernetes/", repository.display());
    let (telling, plain) = ("env: { LOG_LEVEL: debug, ", "command: [\"{bin}/todo-frontend\"]\n");
    let config = shipped
        .replace("  - kubernetes/", &manifests)
        .replace("env: { ", telling)
        .replace(plain, &format!("{plain}    env: {{ LOG_LEVEL: debug }}\n"));
    assert_eq!(config.matches("LOG_LEVEL: debug").count(), 3, "{config}");
    let file = folder.join("tidewatch.yaml");
    std::fs::write(&file, config).unwrap();
    let data_dir = folder.join("data");
    Product::up(&data_dir, &["--config", &file.display().to_string(), "--expose", "todo-frontend=0"])
}

fn add_task(caller: &Caller, frontend: &str, headers: &[(&str, &str)]) {
    let task = json!({"title": "buy milk"});
    let (status, answer) =
        caller.ask("POST", &format!("{frontend}/api/tasks"), headers, Some(&task)).unwrap();
    assert_eq!(status, 201, "{answer}");
}

fn trace(caller: &Caller, jaeger: &str, context: &Context) -> Vec<Seen> {
    let (status, answer) =
        caller.ask("GET", &format!("{jaeger}/api/traces/{}", context.trace_id), &[], None).unwrap();
    assert!(status == 200 || status == 404, "{status} {answer}");
    spans(&answer)
}

/// Adds tasks one after the other; gives how long after its request each trace was complete.
fn follow(product: &Product, contexts: &[Context]) -> Vec<Duration> {
    let (caller, frontend) = (Caller::new(), product.address("/services/todo-frontend"));
    let jaeger = product.address("/traces/jaeger");
    let visible = |context: &Context| {
        let sent = Instant::now();
        add_task(&caller, &frontend, &[("traceparent", &context.traceparent())]);
        while let Some(fault) = fault(&trace(&caller, &jaeger, context), context) {
            assert!(
                sent.elapsed() < VISIBLE_WITHIN,
                "{} after {VISIBLE_WITHIN:?}: {fault}",
                context.trace_id
            );
            std::thread::sleep(LOOK_EVERY);
        }
        sent.elapsed()
    };
    contexts.iter().map(visible).collect()
}

/// The ids of traces in the log of a container, of all its pods.
fn logged(product: &Product, caller: &Caller, container: &str) -> BTreeSet<String> {
    let pods = format!("{}/api/v1/namespaces/todo-app-prod/pods", product.address("/ui"));
    let (_, list) = caller.ask("GET", &pods, &[], None).unwrap();
    let name = |pod: &Value| pod["metadata"]["name"].as_str().unwrap().to_owned();
    let has = |pod: &&Value| {
        let containers = pod["spec"]["containers"].as_array().into_iter().flatten();
        containers.into_iter().any(|c| c["name"] == container)
    };
    let pods_of: Vec<String> = list["items"].as_array().unwrap().iter().filter(has).map(name).collect();
    let mut ids = BTreeSet::new();
    for pod in pods_of {
        let (status, log) = get(&format!("{pods}/{pod}/log?container={container}"));
        assert_eq!(status, 200, "{log}");
        let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        ids.extend(lines.filter_map(|line| Some(line["trace_id"].as_str()?.to_owned())));
    }
    ids
}

/// Traces that exemplars of the latency of requests lead to.
fn exemplars(product: &Product) -> BTreeSet<String> {
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let range = format!("start={}&end={}", now - 600, now + 60);
    let answer =
        product.api(&format!("/api/v1/query_exemplars?query=http_request_duration_seconds_bucket&{range}"));
    let series = answer["data"].as_array().cloned().unwrap_or_default();
    let exemplars = series.iter().flat_map(|series| series["exemplars"].as_array().into_iter().flatten());
    exemplars.filter_map(|exemplar| Some(exemplar["labels"]["trace_id"].as_str()?.to_owned())).collect()
}

/// Counts of calls and of connections of services become series every 15 s.
fn is_counted(product: &Product, tasks: f64) -> Option<()> {
    let calls = |service: &str, kind: &str, name: &str| {
        let kind = kind.to_uppercase();
        let series =
            format!("service_name=\"{service}\",span_kind=\"SPAN_KIND_{kind}\",span_name=\"{name}\"");
        product.values(&format!("traces_span_metrics_calls_total{{{series}}}"))
    };
    let connection = |client: &str, server: &str| {
        product
            .values(&format!("traces_service_graph_request_total{{client=\"{client}\",server=\"{server}\"}}"))
    };
    let all = HOPS.iter().all(|(service, kind, name, _)| calls(service, kind, name) == [tasks]);
    let connected = connection("todo-frontend", "todo-backend") == [tasks]
        && connection("todo-backend", "event-service") == [tasks];
    (all && connected).then_some(())
}

#[test]
fn every_hop_of_a_hundred_tasks_is_in_its_trace() {
    let folder = tempfile::tempdir().unwrap();
    let product = todo_telling_requests(folder.path());
    all_targets_up(&product);
    let contexts: Vec<Context> = (1..=CALLERS * TASKS_OF_EACH).map(Context::new).collect();
    let mut times: Vec<Duration> = std::thread::scope(|scope| {
        let callers = contexts.chunks(TASKS_OF_EACH as usize);
        let following: Vec<_> = callers.map(|own| scope.spawn(|| follow(&product, own))).collect();
        following.into_iter().flat_map(|caller| caller.join().unwrap()).collect()
    });
    times.sort_unstable();
    eprintln!(
        "{} traces complete: first after {:?}, median {:?}, longest {:?}",
        times.len(),
        times[0],
        times[times.len() / 2],
        times[times.len() - 1]
    );

    let caller = Caller::new();
    let ids: BTreeSet<String> = contexts.iter().map(|context| context.trace_id.clone()).collect();
    for container in ["frontend", "backend", "event-service"] {
        let logged = logged(&product, &caller, container);
        assert!(ids.is_subset(&logged), "{container}: {:?}", ids.difference(&logged).collect::<Vec<_>>());
    }
    eventually("calls and connections", || is_counted(&product, ids.len() as f64));
    let shown =
        eventually("an exemplar", || Some(exemplars(&product)).filter(|shown| !shown.is_disjoint(&ids)));
    let jaeger = product.address("/traces/jaeger");
    for trace_id in shown {
        let (status, answer) =
            caller.ask("GET", &format!("{jaeger}/api/traces/{trace_id}"), &[], None).unwrap();
        assert!(
            status == 200 && !spans(&answer).is_empty(),
            "an exemplar leads nowhere: {trace_id} {answer}"
        );
    }

    // nothing has come twice, or later
    for context in &contexts {
        assert_eq!(fault(&trace(&caller, &jaeger, context), context), None, "{}", context.trace_id);
    }
}

#[test]
fn a_single_click_gives_a_trace_at_the_sampling_shipped() {
    let folder = tempfile::tempdir().unwrap();
    let product = todo(folder.path());
    all_targets_up(&product);
    let caller = Caller::new();
    eventually("what to sample", || {
        let pages = product.pages("todo-frontend");
        let polls = pages.iter().flat_map(|page| caller.metrics(page, "otel_sampler_polls_total"));
        let polls: Vec<f64> =
            polls.filter(|(series, _)| series.contains("true")).map(|(_, polls)| polls).collect();
        (polls.len() == 2 && polls.iter().all(|polls| *polls > 0.0)).then_some(())
    });
    add_task(&caller, &product.address("/services/todo-frontend"), &[]);
    let jaeger = product.address("/traces/jaeger");
    let search =
        format!("{jaeger}/api/traces?service=event-service&operation=POST%20%2Fevents%2Ftasks&limit=20");
    let root = eventually("the trace", || {
        let (_, answer) = caller.ask("GET", &search, &[], None)?;
        let roots = answer["data"].as_array()?.first()?["spans"].as_array()?.clone();
        roots.into_iter().find(|span| span["references"] == json!([]))
    });
    let context = Context {
        trace_id: root["traceID"].as_str().unwrap().to_owned(),
        span_id: root["references"].to_string(),
    };
    eventually("all hops", || {
        let mut seen = trace(&caller, &jaeger, &context);
        // the first one has no parent: what stands for that is what is expected of it
        let root = seen.iter_mut().find(|span| span.parent.0.is_empty())?;
        root.parent.0 = context.trace_id.clone();
        fault(&seen, &context).is_none().then_some(())
    });
}
