//! How the backend stops.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Instant,
};

use axum::body::Body;
use serde_json::{Value, json};
use todo_telemetry::testing::{Running, exchange, until};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::Backend;

#[tokio::test(flavor = "multi_thread")]
async fn no_request_fails_while_it_drains() {
    let mut backend = Backend::start(&[("DRAIN_DELAY_MS", "700")]).await;
    let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let callers: Vec<_> = (0..6)
        .map(|_| {
            let (stop, answered, client) = (Arc::clone(&stop), Arc::clone(&answered), backend.client.clone());
            let address = backend.address;
            tokio::spawn(async move {
                while !stop.load(Ordering::SeqCst) {
                    let request = axum::http::Request::post(format!("http://{address}/api/tasks"))
                        .header("content-type", "application/json")
                        .body(Body::from("{\"title\": \"t\"}"));
                    let answer = exchange(&client, request.unwrap()).await.expect("no request fails");
                    assert_eq!(answer.status, 201, "{answer:?}");
                    answered.fetch_add(1, Ordering::SeqCst);
                }
            })
        })
        .collect();
    until("requests are under way", async || (answered.load(Ordering::SeqCst) > 20).then_some(())).await;
    backend.terminate();
    // What a load balancer sees, and does: it takes the replica out.
    until("it says that it drains", async || {
        let answer = backend.ask("GET", "/readyz", Value::Null).await;
        (answer.status == 503)
            .then(|| assert!(answer.json()["detail"].as_str().unwrap().contains("draining")))
    })
    .await;
    let before = answered.load(Ordering::SeqCst);
    until("new requests are still served", async || {
        (answered.load(Ordering::SeqCst) > before + 12).then_some(())
    })
    .await;
    let answer = backend.ask("GET", "/healthz", Value::Null).await;
    assert_eq!((answer.status, answer.header("connection")), (200, "close"));
    stop.store(true, Ordering::SeqCst);
    for caller in callers {
        caller.await.expect("no caller saw a failure");
    }
    assert!(backend.ended().await.success());
    assert_eq!(backend.log().last().unwrap()["message"], "stopped");
}

#[tokio::test]
async fn a_request_under_way_is_finished_after_the_listener_closed() {
    let mut backend = Backend::start(&[("DRAIN_DELAY_MS", "0")]).await;
    let body = json!({"title": "slowly"}).to_string();
    let mut stream = half_a_request(&backend, &body).await;
    backend.terminate();
    until("it takes no more connections", async || TcpStream::connect(backend.address).await.err()).await;
    stream.write_all(&body.as_bytes()[4..]).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
    assert!(backend.ended().await.success());
}

#[tokio::test]
async fn a_request_that_never_ends_is_cut_at_the_timeout() {
    let mut backend = Backend::start(&[("DRAIN_DELAY_MS", "0"), ("SHUTDOWN_TIMEOUT_MS", "200")]).await;
    let _stream = half_a_request(&backend, "{\"title\": \"never\"}").await;
    let started = Instant::now();
    backend.terminate();
    let status = backend.ended().await;
    assert_eq!(status.code(), Some(1), "a cut request is not a success");
    assert!(started.elapsed().as_secs() < 9, "it did not wait for the body's own timeout");
    let log = backend.log();
    assert!(log.iter().any(|line| line["connections"] == 1), "{log:?}");
}

/// Sends the head of a request and four bytes of its body, and waits until the process has them.
async fn half_a_request(backend: &Running, body: &str) -> TcpStream {
    let mut stream = TcpStream::connect(backend.address).await.unwrap();
    let head = format!(
        "POST /api/tasks HTTP/1.1\r\nhost: test\r\ncontent-type: application/json\r\nexpect: 100-continue\r\n\
         content-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    // The server answers the expectation when the handler starts to read.
    let mut continued = [0; 25];
    stream.read_exact(&mut continued).await.unwrap();
    assert_eq!(&continued, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(&body.as_bytes()[..4]).await.unwrap();
    stream
}
