//! What is bounded: time, queries at once, bodies; and what happens when a client leaves or the server stops.

use crate::client::{get, post_form, start};
use crate::doubles::{Slow, StuckPools};
use crate::served::{Served, eventually, example_state, serve, serve_within, state_over};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tidewatch_http::{ApiState, ConnectionLimits, QueryLimits};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const SLOW_QUERY: &str = "/api/v1/query?query=slow";

async fn serve_slow(max_concurrency: usize) -> (Served, Slow) {
    let store = Slow::default();
    let state = state_over(Arc::new(store.clone()));
    let query_limits = QueryLimits { max_concurrency, timeout: Duration::from_secs(60) };
    (serve(ApiState { query_limits, ..state }).await, store)
}

async fn queries_under_way(served: &Served) -> String {
    let metrics = get(served.address, "/metrics").await.text();
    let line = metrics.lines().find(|line| line.starts_with("prometheus_engine_queries ")).map(str::to_owned);
    line.expect("the gauge is always there")
}

#[tokio::test]
async fn a_client_that_leaves_stops_its_query() {
    let (served, store) = serve_slow(4).await;
    let connection = start(served.address, "GET", SLOW_QUERY, &[], b"").await;
    eventually("the query runs", async || store.reads.load(Ordering::SeqCst) > 0).await;
    assert_eq!(queries_under_way(&served).await, "prometheus_engine_queries 1");
    drop(connection);
    eventually("the query has ended", async || queries_under_way(&served).await.ends_with(" 0")).await;
    assert!(store.reads.load(Ordering::SeqCst) < Slow::SERIES, "the query read everything");
    served.stop().await;
}

#[tokio::test]
async fn a_query_ends_at_its_time_out() {
    let (served, store) = serve_slow(4).await;
    let began = Instant::now();
    let reply = get(served.address, &format!("{SLOW_QUERY}&timeout=200ms")).await;
    let text =
        r#"{"status":"error","errorType":"timeout","error":"query timed out in expression evaluation"}"#;
    assert_eq!((reply.status, reply.text().as_str()), (503, text));
    assert!(began.elapsed() < Duration::from_secs(10));
    eventually("the query has ended", async || queries_under_way(&served).await.ends_with(" 0")).await;
    assert!(store.reads.load(Ordering::SeqCst) < Slow::SERIES, "the query read everything");
    served.stop().await;
}

#[tokio::test]
async fn more_queries_than_allowed_wait_for_their_turn() {
    let (served, store) = serve_slow(1).await;
    let first = start(served.address, "GET", SLOW_QUERY, &[], b"").await;
    eventually("the first query runs", async || store.reads.load(Ordering::SeqCst) > 0).await;
    let reply = get(served.address, "/api/v1/query?query=1&timeout=200ms").await;
    let text = r#"{"status":"error","errorType":"timeout","error":"query timed out in query queue"}"#;
    assert_eq!((reply.status, reply.text().as_str()), (503, text));
    // Once the first is gone, the next finds its place.
    drop(first);
    let reply = get(served.address, "/api/v1/query?query=1&timeout=20s").await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    served.stop().await;
}

#[tokio::test]
async fn forms_have_a_size() {
    let served = serve(example_state()).await;
    let filler = |length: usize| format!("query=1&filler={}", "x".repeat(length - "query=1&filler=".len()));
    let most = 10 << 20;
    assert_eq!(post_form(served.address, "/api/v1/query", &filler(most)).await.status, 200);
    let reply = post_form(served.address, "/api/v1/query", &filler(most + 1)).await;
    let text = r#"{"status":"error","errorType":"bad_data","error":"error parsing form values: the request body is larger than 10485760 bytes"}"#;
    assert_eq!((reply.status, reply.text().as_str()), (413, text));
    served.stop().await;
}

#[tokio::test]
async fn a_client_that_dawdles_is_cut_off() {
    let limits = ConnectionLimits { head_timeout: Duration::from_millis(200), ..ConnectionLimits::default() };
    let served = serve_within(limits, example_state()).await;
    let mut slow = TcpStream::connect(served.address).await.unwrap();
    slow.write_all(b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\nX-Slow: ").await.unwrap();
    let mut answer = Vec::new();
    tokio::time::timeout(Duration::from_secs(10), slow.read_to_end(&mut answer)).await.unwrap().unwrap();
    assert!(!String::from_utf8_lossy(&answer).contains("200 OK"));
    served.stop().await;
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_for_one_to_close() {
    let limits = ConnectionLimits { max_connections: 1, ..ConnectionLimits::default() };
    let served = serve_within(limits, example_state()).await;
    let mut first = TcpStream::connect(served.address).await.unwrap();
    first.write_all(b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    assert!(first.read_u8().await.is_ok());
    let mut second = start(served.address, "GET", "/-/healthy", &[], b"").await;
    let unanswered = tokio::time::timeout(Duration::from_millis(300), second.read_u8()).await;
    assert!(unanswered.is_err(), "the second connection was answered");
    drop(first);
    tokio::time::timeout(Duration::from_secs(10), second.read_u8()).await.unwrap().unwrap();
    drop(second);
    served.stop().await;
}

#[tokio::test]
async fn silent_connections_give_their_places_back() {
    let limits = ConnectionLimits { max_connections: 2, head_timeout: Duration::from_millis(200) };
    let served = serve_within(limits, example_state()).await;
    let silent = [TcpStream::connect(served.address).await, TcpStream::connect(served.address).await];
    let mut asking = start(served.address, "GET", "/-/healthy", &[], b"").await;
    tokio::time::timeout(Duration::from_secs(10), asking.read_u8()).await.unwrap().unwrap();
    for silent in silent {
        assert_eq!(silent.unwrap().read_to_end(&mut Vec::new()).await.unwrap(), 0);
    }
    served.stop().await;
}

#[tokio::test]
async fn stopping_closes_idle_connections_and_cuts_off_what_never_ends() {
    let (mut served, store) = serve_slow(4).await;
    let mut idle = TcpStream::connect(served.address).await.unwrap();
    let mut busy = start(served.address, "GET", SLOW_QUERY, &[], b"").await;
    eventually("the query runs", async || store.reads.load(Ordering::SeqCst) > 0).await;
    let began = Instant::now();
    served.begin_to_stop();
    let mut rest = Vec::new();
    idle.read_to_end(&mut rest).await.unwrap();
    assert_eq!(rest, b"");
    served.stop().await;
    assert!(began.elapsed() < Duration::from_secs(15), "the end took {:?}", began.elapsed());
    let read = busy.read_to_end(&mut rest).await;
    assert!(rest.is_empty(), "{read:?}");
}

/// What the server asks of other stages may take its time: a lock, a folder. The test has one thread for all sockets.
#[tokio::test]
async fn a_stage_that_is_slow_to_answer_holds_up_nobody_else() {
    let (release, held) = std::sync::mpsc::channel::<()>();
    let stuck = Arc::new(StuckPools::new(held));
    let state = example_state();
    let observed = Arc::clone(&stuck);
    state.registry.observe(move |_| observed.wait());
    let asked = Arc::clone(&stuck);
    let head = Box::new(move || {
        asked.wait();
        Default::default()
    });
    let served = serve(ApiState { targets: Some(stuck.clone()), head, ..state }).await;
    let paths = [
        "/metrics",
        "/api/v1/targets",
        "/api/v1/metadata",
        "/api/v1/targets/metadata",
        "/api/v1/scrape_pools",
        "/api/v1/status/tsdb",
    ];
    let mut waiting = Vec::new();
    for (before, path) in paths.into_iter().enumerate() {
        waiting.push(start(served.address, "GET", path, &[], b"").await);
        eventually("the stage is asked", async || stuck.asked.load(Ordering::SeqCst) > before).await;
        assert_eq!(get(served.address, "/-/healthy").await.status, 200, "while {path} waits");
    }
    drop(release);
    for mut waiting in waiting {
        let mut answer = String::new();
        waiting.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    served.stop().await;
}
