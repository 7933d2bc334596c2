//! A server that stalls cannot hide it: requests that were due during the stall show it, although they were not sent.

use crate::server::{Reply, Server};
use crate::{load, report};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// From the first request on.
const STALL_FROM: Duration = Duration::from_millis(1000);
const STALL_TO: Duration = Duration::from_millis(1800);

fn stalling() -> Server {
    let first = Mutex::new(None);
    Server::start(move |_| {
        let start = *first.lock().unwrap().get_or_insert_with(Instant::now);
        let passed = start.elapsed();
        if passed >= STALL_FROM && passed < STALL_TO {
            std::thread::sleep(STALL_TO - passed);
        }
        Reply::Answer(200, String::new(), "ok".into())
    })
}

#[tokio::test]
async fn requests_due_during_a_stall_show_it_also_when_they_could_not_be_sent() {
    let server = stalling();
    let mut spec = load(&server.url, "100/s:3s");
    // one connection: a closed-loop generator would send one request into the stall and none until its end
    spec.limits.connections = 1;
    let report = report(&spec).await.unwrap();
    assert_eq!((report.totals.ok, report.totals.errors, report.totals.missed), (300, 0, 0));
    let stalled = &report.timeline[1];
    // of the 80 requests that are due during the 800 ms, half wait 400 ms or more
    assert!(stalled.latency.max >= 750.0, "{stalled:?}");
    assert!(stalled.latency.p50 >= 250.0, "{stalled:?}");
    assert!(stalled.service.p50 < 100.0, "the server itself was slow for one request only: {stalled:?}");
    assert!(report.timeline[0].latency.p50 < 100.0, "{:?}", report.timeline[0]);
    // over all, more than a tenth of the requests waited long, of which service times show nothing
    assert!(report.latency.p90 >= 300.0, "{:?}", report.latency);
    assert!(report.service.p95 < 100.0, "{:?}", report.service);
}

#[tokio::test]
async fn what_finds_too_many_under_way_is_missed_and_counted() {
    let server = Server::start(|_| {
        std::thread::sleep(Duration::from_secs(5));
        Reply::Close
    });
    let mut spec = load(&server.url, "100/s:1s");
    (spec.limits.connections, spec.limits.in_flight) = (2, 10);
    spec.limits.timeout = Duration::from_millis(600);
    let report = report(&spec).await.unwrap();
    let totals = &report.totals;
    let timeouts = totals.errors_by_kind.get("timeout").copied().unwrap_or_default();
    assert_eq!((totals.scheduled, totals.ok), (100, 0));
    assert_eq!(timeouts + totals.missed, 100, "{totals:?}");
    // ten at the start, ten more when these have timed out
    assert_eq!(timeouts, 20, "{totals:?}");
    assert!(report.latency.p50 >= 599.0, "a timeout counts with the time waited: {:?}", report.latency);
    let sums = report.timeline.iter().fold((0, 0), |sums, s| (sums.0 + s.scheduled, sums.1 + s.missed));
    assert_eq!(sums, (100, totals.missed));
}
