//! The page and the frame around it.

use axum::body::Body;
use serde_json::Value;
use todo_telemetry::testing::{Running, until};

use crate::{PROGRAM, start};

/// Nothing listens there.
const NOBODY: &str = "http://127.0.0.1:9";

#[tokio::test]
async fn the_page_is_served_with_a_strict_policy_and_revalidated() {
    let frontend = start(NOBODY, NOBODY, &[]).await;
    for (path, content_type) in [
        ("/", "text/html; charset=utf-8"),
        ("/app.js", "text/javascript; charset=utf-8"),
        ("/style.css", "text/css; charset=utf-8"),
        ("/icon.svg", "image/svg+xml"),
    ] {
        let answer = frontend.ask("GET", path, Value::Null).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, content_type));
        let policy = answer.header("content-security-policy");
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        let again = frontend.request("GET", path).header("if-none-match", answer.header("etag"));
        let again = frontend.send(again.body(Body::empty()).unwrap()).await;
        assert_eq!((again.status, again.body.len()), (304, 0));
        let series = format!("http_requests_total{{method=\"GET\",endpoint=\"{path}\",status=\"304\"}}");
        frontend.has(&series, 1.0).await;
    }
    frontend.ask("GET", "/../etc/passwd", Value::Null).await.problem(404, "not-found", "/../etc/passwd");
    frontend.has(r#"http_requests_total{method="GET",endpoint="unmatched",status="404"}"#, 1.0).await;
}

#[tokio::test]
async fn it_starts_without_its_services_and_drains_on_sigterm() {
    let mut frontend = start(NOBODY, NOBODY, &[("DRAIN_DELAY_MS", "300")]).await;
    frontend.terminate();
    until("it says that it drains", async || {
        (frontend.ask("GET", "/readyz", Value::Null).await.status == 503).then_some(())
    })
    .await;
    assert_eq!(frontend.ask("GET", "/", Value::Null).await.status, 200);
    assert!(frontend.ended().await.success());
}

#[tokio::test]
async fn a_bad_value_ends_the_start_with_its_remedy() {
    let (status, log) = Running::fail(PROGRAM, &[("BACKEND_URL", "https://backend")]).await;
    assert_eq!(status.code(), Some(1));
    assert_eq!(
        log[0]["message"],
        "BACKEND_URL is \"https://backend\": not an http:// URL; hint: set BACKEND_URL to a URL such as \
         http://event-service:8001"
    );
}
