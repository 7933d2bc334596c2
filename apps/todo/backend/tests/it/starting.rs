//! Starts that must fail with a remedy, and starts that must wait.

use serde_json::Value;
use todo_telemetry::testing::Running;

use crate::Backend;

const PROGRAM: &str = env!("CARGO_BIN_EXE_todo-backend");

#[tokio::test]
async fn a_bad_value_ends_the_start_with_its_remedy() {
    let check = async |variables: &[(&str, &str)], expected: &[&str]| {
        let (status, log) = Running::fail(PROGRAM, variables).await;
        assert_eq!(status.code(), Some(1));
        let message = log.last().unwrap()["message"].as_str().unwrap();
        for text in expected.iter().chain(&["hint: "]) {
            assert!(message.contains(text), "{text} is not in {message}");
        }
        assert!(!log.iter().any(|line| line.to_string().contains("secret")), "{log:?}");
    };
    check(&[("PORT", "abc")], &["PORT is \"abc\"", "0 to 65535"]).await;
    check(&[("SHUTDOWN_TIMEOUT_MS", "-5")], &["SHUTDOWN_TIMEOUT_MS is \"-5\""]).await;
    check(&[("DATABASE_URL", "mysql://me:secret@db/todo")], &["DATABASE_URL is \"mysql://…@db/todo\""]).await;
    check(&[("DATABASE_URL", "sqlite:/nowhere/at/all/todo.db")], &["DATABASE_URL is", "must exist"]).await;
    check(&[("PUBSUB_NAME", "p"), ("DAPR_HTTP_ENDPOINT", "sidecar")], &["DAPR_HTTP_ENDPOINT is \"sidecar\""])
        .await;
    check(&[("PUBSUB_NAME", "a/b")], &["PUBSUB_NAME is \"a/b\": not a name"]).await;
    let other = Backend::start(&[]).await;
    let taken = other.address.port().to_string();
    let folder = tempfile::tempdir().unwrap();
    let url = crate::database_in(&folder);
    check(&[("PORT", &taken), ("DATABASE_URL", &url)], &["cannot listen on 127.0.0.1:", "set PORT"]).await;
}

#[tokio::test]
async fn a_database_that_is_away_is_awaited_alive_and_not_ready() {
    let url = "postgres://me:secret@127.0.0.1:9/todo";
    let backend = Running::start(PROGRAM, &[("DATABASE_URL", url)]).await;
    assert_eq!(backend.ask("GET", "/healthz", Value::Null).await.status, 200);
    let problem = backend.ask("GET", "/readyz", Value::Null).await.problem(503, "unavailable", "/readyz");
    assert!(problem["detail"].as_str().unwrap().contains("database"), "{problem}");
    let answer = backend.ask("GET", "/api/tasks", Value::Null).await;
    answer.problem(503, "unavailable", "/api/tasks");
    assert_eq!(answer.header("retry-after"), "1");
    backend.has(r#"http_requests_total{method="GET",endpoint="/api/tasks",status="503"}"#, 1.0).await;
    assert!(!backend.log().iter().any(|line| line.to_string().contains("secret")));
}
