//! What reaches the services behind, what comes back, and what is said when nothing does.

use std::{
    convert::Infallible,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use axum::{
    Json, Router,
    body::{Body, Bytes, HttpBody},
    extract::Request,
    http::StatusCode,
    response::IntoResponse,
};
use http_body_util::BodyExt;
use hyper::body::Frame;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    sync::mpsc,
};

use crate::start;

async fn listener() -> (TcpListener, String) {
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    (listener, url)
}

/// A service that answers every request with a description of it.
async fn echo(name: &'static str) -> String {
    let (listener, url) = listener().await;
    let describe = async move |request: Request| {
        let (parts, body) = request.into_parts();
        let header = |name: &str| parts.headers.get(name).map(|value| value.to_str().unwrap().to_owned());
        let body = body.collect().await.unwrap().to_bytes();
        let described = json!({
            "service": name, "method": parts.method.as_str(), "uri": parts.uri.to_string(),
            "host": header("host"), "traceparent": header("traceparent"), "private-hop": header("private-hop"),
            "body": String::from_utf8(body.to_vec()).unwrap(),
        });
        (StatusCode::IM_A_TEAPOT, [("x-from", name)], Json(described))
    };
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(describe)).await });
    url
}

/// Without a receiver of spans a context passes through as it came.
const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

#[tokio::test]
async fn requests_reach_the_right_service_unchanged() {
    let (backend, events) = (echo("backend").await, echo("events").await);
    let frontend = start(&backend, &events, &[]).await;
    let check = async |method: &str, path: &str, body: &str, service: &str| {
        let request = frontend.request(method, path).header("traceparent", PARENT).header("private-hop", "1");
        let request = request.header("connection", "private-hop").body(Body::from(body.to_owned()));
        let answer = frontend.send(request.unwrap()).await;
        assert_eq!((answer.status, answer.header("x-from")), (418, service), "{path}");
        let told = answer.json();
        let url = if service == "backend" { &backend } else { &events };
        assert_eq!(
            told,
            json!({
                "service": service, "method": method, "uri": path, "host": url.trim_start_matches("http://"),
                "traceparent": PARENT, "private-hop": null, "body": body,
            })
        );
    };
    check("GET", "/api/tasks?q=a%20b&limit=3", "", "backend").await;
    check("POST", "/api/tasks", "{\"title\":\"ä\"}", "backend").await;
    check("PATCH", "/api/tasks/7", "{}", "backend").await;
    check("PUT", "/api/tasks/7", "{}", "backend").await;
    check("DELETE", "/api/tasks/7", "", "backend").await;
    check("POST", "/api/tasks/7/complete", "", "backend").await;
    check("POST", "/api/tasks/7/reopen", "", "backend").await;
    check("GET", "/api/activity?task_id=7", "", "events").await;
    frontend.has(r#"http_requests_total{method="GET",endpoint="/api/activity",status="418"}"#, 1.0).await;
    frontend.ask("GET", "/api/secrets", Value::Null).await.problem(404, "not-found", "/api/secrets");
    frontend.ask("POST", "/events/tasks", json!({})).await.problem(404, "not-found", "/events/tasks");
}

#[tokio::test]
async fn a_service_that_is_away_is_a_502() {
    let events = echo("events").await;
    let frontend = start("http://127.0.0.1:9", &events, &[]).await;
    frontend.has(r#"http_requests_total{method="GET",endpoint="/api/tasks",status="502"}"#, 0.0).await;
    let problem = frontend.ask("GET", "/api/tasks", Value::Null).await;
    let problem = problem.problem(502, "upstream-unreachable", "/api/tasks");
    assert!(
        problem["detail"].as_str().unwrap().starts_with("the backend cannot be connected to"),
        "{problem}"
    );
    frontend.has(r#"http_requests_total{method="GET",endpoint="/api/tasks",status="502"}"#, 1.0).await;
    assert_eq!(frontend.ask("GET", "/api/activity", Value::Null).await.status, 418);
}

#[tokio::test]
async fn a_service_that_is_slow_is_a_504() {
    let (listener, url) = listener().await;
    let never = async || std::future::pending::<()>().await;
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(never)).await });
    let frontend = start(&url, &url, &[("UPSTREAM_TIMEOUT_MS", "100")]).await;
    let problem = frontend.ask("POST", "/api/tasks", json!({})).await;
    let problem = problem.problem(504, "upstream-timeout", "/api/tasks");
    assert_eq!(problem["detail"], "the backend did not answer within 100 ms");
    frontend.has(r#"http_requests_total{method="POST",endpoint="/api/tasks",status="504"}"#, 1.0).await;
}

#[tokio::test]
async fn an_answer_is_passed_on_while_it_is_made() {
    let (listener, url) = listener().await;
    let (sender, chunks) = mpsc::channel::<Bytes>(1);
    let chunks = Arc::new(Mutex::new(Some(chunks)));
    let answer = async move || Body::new(Chunks(chunks.lock().unwrap().take().unwrap())).into_response();
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(answer)).await });
    let frontend = start(&url, &url, &[]).await;
    let request = frontend.request("GET", "/api/tasks").body(Body::empty()).unwrap();
    sender.send(Bytes::from_static(b"first")).await.unwrap();
    let mut response = frontend.client.request(request).await.unwrap();
    let first = response.frame().await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(first, "first");
    // Only now is the rest made.
    sender.send(Bytes::from_static(b"second")).await.unwrap();
    drop(sender);
    assert_eq!(response.collect().await.unwrap().to_bytes(), "second");
}

/// A body of the chunks that the test sends.
struct Chunks(mpsc::Receiver<Bytes>);

impl HttpBody for Chunks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|chunk| chunk.map(|chunk| Ok(Frame::data(chunk))))
    }
}

#[tokio::test]
async fn a_body_that_is_too_large_stops_here() {
    let backend = echo("backend").await;
    let frontend = start(&backend, &backend, &[]).await;
    let series = r#"http_requests_total{method="POST",endpoint="/api/tasks",status="413"}"#;
    let announced = frontend.request("POST", "/api/tasks").body(Body::from("x".repeat(10_000_000)));
    frontend.send(announced.unwrap()).await.problem(413, "body-too-large", "/api/tasks");
    frontend.has(series, 1.0).await;

    let (sender, chunks) = mpsc::channel::<Bytes>(1);
    let chunked = frontend.request("POST", "/api/tasks").body(Body::new(Chunks(chunks))).unwrap();
    let (answered, answer) = tokio::sync::oneshot::channel::<()>();
    let sending = tokio::spawn(async move {
        for _ in 0..5 {
            sender.send(Bytes::from(vec![b'x'; 16_384])).await.unwrap();
        }
        // The body does not end before the answer.
        answer.await.unwrap();
    });
    frontend.send(chunked).await.problem(413, "body-too-large", "/api/tasks");
    frontend.has(series, 2.0).await;
    answered.send(()).unwrap();
    sending.await.unwrap();

    // What just fits is passed on.
    let fits = frontend.request("POST", "/api/tasks").body(Body::from("x".repeat(65_536))).unwrap();
    assert_eq!(frontend.send(fits).await.status, 418);
}

#[tokio::test]
async fn a_connection_that_ends_under_a_get_is_replaced_but_a_post_is_not_repeated() {
    let (listener, url) = listener().await;
    let seen = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&seen);
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let counted = Arc::clone(&counted);
            tokio::spawn(async move {
                // The first request of each kind meets a connection that ends without an answer.
                let mut head = [0; 4096];
                let read = stream.read(&mut head).await.unwrap();
                let nth = counted.fetch_add(1, Ordering::SeqCst);
                if head[..read].starts_with(b"GET") && nth == 1 {
                    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n[]";
                    stream.write_all(answer).await.unwrap();
                }
            });
        }
    });
    let frontend = start(&url, &url, &[]).await;
    assert_eq!(frontend.ask("GET", "/api/tasks", Value::Null).await.status, 200);
    assert_eq!(seen.load(Ordering::SeqCst), 2);
    let answer = frontend.ask("POST", "/api/tasks", json!({})).await;
    let problem = answer.problem(502, "upstream-unreachable", "/api/tasks");
    assert!(problem["detail"].as_str().unwrap().contains("broke the connection off"), "{problem}");
    assert_eq!(seen.load(Ordering::SeqCst), 3);
}
