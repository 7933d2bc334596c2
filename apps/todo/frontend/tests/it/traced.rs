//! One trace through the real frontend and the real backend to the database, as the receiver of spans sees it.

use std::process::Command;

use serde_json::{Value, json};
use todo_telemetry::testing::{Collector, ReceivedSpan, Running};

use crate::start;

/// Set for the process that is to be a backend: this same test program.
const BE_A_BACKEND: &str = "TEST_BE_A_BACKEND";

/// Not a test of its own: what [`backend`] starts in another process.
#[test]
fn a_backend_of_its_own() {
    if std::env::var_os(BE_A_BACKEND).is_none() {
        return;
    }
    let settings =
        todo_backend::BackendSettings::from_environment(&todo_telemetry::Environment::of_process());
    let _ = todo_telemetry::start(settings, |settings| settings.listen.log_level, todo_backend::run);
}

/// A script that runs this test program as a backend: what starts a program gives it no arguments.
fn backend_program(folder: &tempfile::TempDir) -> String {
    let program = std::env::current_exe().unwrap();
    let path = folder.path().join("backend");
    let script = format!(
        "#!/bin/sh\nexec '{}' --exact traced::a_backend_of_its_own --nocapture --test-threads 1\n",
        program.display()
    );
    std::fs::write(&path, script).unwrap();
    assert!(Command::new("/bin/chmod").arg("+x").arg(&path).status().unwrap().success());
    path.display().to_string()
}

async fn chain(collector: &Collector, sampler: &str) -> (Running, Running, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let tracing = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint.as_str()),
        ("OTEL_BSP_SCHEDULE_DELAY", "10"),
        ("OTEL_TRACES_SAMPLER", sampler),
        ("LOG_LEVEL", "debug"),
        ("DRAIN_DELAY_MS", "0"),
    ];
    let database = format!("sqlite:{}/todo.db", folder.path().display());
    let own = [("DATABASE_URL", database.as_str()), (BE_A_BACKEND, "1"), ("POD_NAME", "todo-backend-0")];
    let backend =
        Running::start(&backend_program(&folder), &[&tracing[..], &own].concat()).await.ready().await;
    let url = format!("http://{}", backend.address);
    let frontend = start(&url, &url, &tracing).await;
    (frontend, backend, folder)
}

fn find<'a>(spans: &'a [ReceivedSpan], service: &str, kind: i32, name: &str) -> &'a ReceivedSpan {
    let is_it = |span: &&ReceivedSpan| {
        span.resource["service.name"] == service && span.kind == kind && span.name == name
    };
    let mut found = spans.iter().filter(is_it);
    let first = found.next().unwrap_or_else(|| panic!("no {name} of {service} in {spans:#?}"));
    assert!(found.next().is_none(), "two of {name} of {service} in {spans:#?}");
    first
}

#[tokio::test]
async fn a_click_is_one_trace_from_the_frontend_to_the_database() {
    let collector = Collector::start().await;
    let (mut frontend, mut backend, _folder) = chain(&collector, "parentbased_always_on").await;
    let secret = "a very private title";
    let created = frontend.ask("POST", "/api/tasks", json!({"title": secret})).await;
    assert_eq!(created.status, 201);
    let path = format!("/api/tasks?q={}", secret.replace(' ', "+"));
    assert_eq!(frontend.ask("GET", &path, Value::Null).await.status, 200);
    for process in [&mut frontend, &mut backend] {
        process.terminate();
        process.ended().await;
    }
    let spans = collector.spans();
    let (server, client) = (2, 3);
    for (method, statement, status) in [("POST", "INSERT tasks", "201"), ("GET", "SELECT tasks", "200")] {
        let name = format!("{method} /api/tasks");
        let entry = find(&spans, "todo-frontend", server, &name);
        let call = find(&spans, "todo-frontend", client, &name);
        let answer = find(&spans, "todo-backend", server, &name);
        let query = find(&spans, "todo-backend", client, statement);
        assert_eq!(entry.parent_id, "");
        assert!([call, answer, query].iter().all(|span| span.trace_id == entry.trace_id), "{spans:#?}");
        assert_eq!(call.parent_id, entry.span_id);
        assert_eq!(answer.parent_id, call.span_id);
        // Between the two there may be what groups statements, such as a transaction.
        let parent = spans.iter().find(|span| span.span_id == query.parent_id).unwrap();
        assert!(query.parent_id == answer.span_id || parent.parent_id == answer.span_id, "{spans:#?}");
        assert!(
            [entry, call, answer].iter().all(|span| span.attributes["http.response.status_code"] == status)
        );
        assert!(entry.start <= call.start && call.start <= answer.start && answer.end <= call.end);
        assert_eq!(answer.resource["k8s.pod.name"], "todo-backend-0");
        assert_eq!(query.attributes["db.system.name"], "sqlite");
    }
    let all = format!("{spans:?}");
    assert!(!all.contains("private"), "{all}");
}

#[tokio::test]
async fn an_unsampled_trace_is_nowhere_but_in_the_logs() {
    let collector = Collector::start().await;
    let (mut frontend, mut backend, _folder) = chain(&collector, "parentbased_always_on").await;
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let parent = format!("00-{trace}-b7ad6b7169203331-00");
    let request = frontend.request("GET", "/api/tasks").header("traceparent", parent);
    let answer = frontend.send(request.body(axum::body::Body::empty()).unwrap()).await;
    assert_eq!(answer.status, 200);
    // The probes of the start were not traced either.
    for process in [&mut frontend, &mut backend] {
        process.terminate();
        process.ended().await;
    }
    assert!(collector.spans().is_empty(), "{:?}", collector.spans());
    let answered = |line: &Value| line["message"] == "answered" && line["trace_id"] == trace;
    assert_eq!(frontend.log().into_iter().filter(answered).count(), 1);
}
