//! What the metrics page says before, during and after requests.

use serde_json::{Value, json};
use sqlx::query;
use todo_telemetry::{Database, QueryType, testing::until};

use crate::{Backend, database_in};

#[tokio::test]
async fn every_series_is_there_at_zero_before_the_first_request() {
    let backend = Backend::start(&[("PUBSUB_NAME", "p"), ("DAPR_HTTP_PORT", "9")]).await;
    for series in [
        r#"http_requests_total{method="GET",endpoint="/api/tasks",status="200"}"#,
        r#"http_requests_total{method="GET",endpoint="/api/tasks",status="500"}"#,
        r#"http_requests_total{method="POST",endpoint="/api/tasks",status="201"}"#,
        r#"http_requests_total{method="POST",endpoint="/api/tasks",status="422"}"#,
        r#"http_requests_total{method="POST",endpoint="/api/tasks/{id}/complete",status="500"}"#,
        r#"http_requests_total{method="DELETE",endpoint="/api/tasks/{id}",status="204"}"#,
        r#"http_requests_total{method="DELETE",endpoint="/api/tasks",status="405"}"#,
        r#"http_requests_total{method="GET",endpoint="unmatched",status="404"}"#,
        r#"http_requests_total{method="other",endpoint="unmatched",status="404"}"#,
        r#"http_request_duration_seconds_bucket{le="0.075",method="GET",endpoint="/api/tasks/{id}"}"#,
        r#"http_request_duration_seconds_count{method="POST",endpoint="/api/tasks"}"#,
        "tasks_created_total",
        "tasks_updated_total",
        "tasks_completed_total",
        "tasks_deleted_total",
        r#"events_published_total{event_type="task.created",success="true"}"#,
        r#"events_published_total{event_type="task.deleted",success="false"}"#,
        r#"events_publish_duration_seconds_count{event_type="task.updated"}"#,
        r#"events_refused_total{event_type="task.completed"}"#,
        "events_outbox_depth",
        "events_outbox_oldest_age_seconds",
        "events_outbox_refused",
        "db_connections_active",
        r#"db_query_duration_seconds_count{query_type="insert"}"#,
        r#"db_query_duration_seconds_bucket{le="+Inf",query_type="delete"}"#,
    ] {
        backend.has(series, 0.0).await;
    }
    for series in ["process_cpu_seconds_total", "process_resident_memory_bytes", "process_start_time_seconds"]
    {
        assert!(backend.value(series).await.is_some(), "{series}");
    }
}

#[tokio::test]
async fn requests_are_counted_by_template_and_probes_are_not() {
    let backend = Backend::start(&[]).await;
    let secret = "a very private title";
    let id = backend.ask("POST", "/api/tasks", json!({"title": secret})).await.json()["id"].clone();
    for path in [format!("/api/tasks/{id}"), format!("/api/tasks/{id}?x={secret}").replace(' ', "+")] {
        assert_eq!(backend.ask("GET", &path, Value::Null).await.status, 200);
    }
    assert_eq!(backend.ask("GET", "/api/tasks/777777", Value::Null).await.status, 404);
    assert_eq!(backend.ask("GET", "/some/private/path", Value::Null).await.status, 404);
    assert_eq!(backend.ask("GET", "/healthz", Value::Null).await.status, 200);
    backend.has(r#"http_requests_total{method="POST",endpoint="/api/tasks",status="201"}"#, 1.0).await;
    backend.has(r#"http_requests_total{method="GET",endpoint="/api/tasks/{id}",status="200"}"#, 2.0).await;
    backend.has(r#"http_requests_total{method="GET",endpoint="/api/tasks/{id}",status="404"}"#, 1.0).await;
    backend.has(r#"http_requests_total{method="GET",endpoint="unmatched",status="404"}"#, 1.0).await;
    backend.has(r#"http_request_duration_seconds_count{method="GET",endpoint="/api/tasks/{id}"}"#, 3.0).await;
    backend.has("tasks_created_total", 1.0).await;
    // The task and its event.
    backend.has(r#"db_query_duration_seconds_count{query_type="insert"}"#, 2.0).await;
    let page = String::from_utf8(backend.metrics("").await.body.to_vec()).unwrap();
    for private in ["private", "777777", "healthz", "readyz", secret] {
        assert!(!page.contains(private), "{private} is on the metrics page");
        assert!(
            !backend.log().iter().any(|line| line.to_string().contains("777777")),
            "{private} is in the log"
        );
    }
}

#[tokio::test]
async fn the_first_500_is_an_increase_and_its_cause_is_in_the_log_only() {
    let backend = Backend::start(&[]).await;
    let series = r#"http_requests_total{method="GET",endpoint="/api/tasks",status="500"}"#;
    backend.has(series, 0.0).await;
    let database = Database::open("DATABASE_URL", &database_in(&backend.folder)).unwrap();
    database.rows(QueryType::Update, query("ALTER TABLE tasks RENAME TO gone")).await.unwrap();
    let answer = backend.ask("GET", "/api/tasks", Value::Null).await;
    let problem = answer.problem(500, "internal-error", "/api/tasks");
    assert!(!problem.to_string().contains("no such table"), "{problem}");
    backend.has(series, 1.0).await;
    until("the cause is logged", async || {
        let told = |line: &Value| line["error"].as_str().is_some_and(|error| error.contains("no such table"));
        backend.log().iter().any(told).then_some(())
    })
    .await;
}

#[tokio::test]
async fn both_formats_are_served_and_agree() {
    let backend = Backend::start(&[]).await;
    let text = backend.metrics("text/plain").await;
    assert_eq!(text.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    let open = backend.metrics("application/openmetrics-text;version=1.0.0,text/plain;q=0.5").await;
    assert_eq!(open.header("content-type"), "application/openmetrics-text; version=1.0.0; charset=utf-8");
    let (text, open) = (String::from_utf8_lossy(&text.body), String::from_utf8_lossy(&open.body));
    assert!(open.ends_with("# EOF\n") && !text.contains("# EOF"));
    assert!(open.contains("# TYPE http_requests counter\n"));
    assert!(text.contains("# TYPE http_requests_total counter\n"));
    assert!(text.contains("# HELP http_requests_total HTTP requests answered"));
    let series = |page: &str| {
        let lines = page.lines().filter(|line| !line.starts_with('#') && !line.starts_with("process_"));
        let mut names: Vec<String> = lines.map(|line| line.rsplit_once(' ').unwrap().0.to_owned()).collect();
        names.sort_unstable();
        names
    };
    assert_eq!(series(&text), series(&open));
}
