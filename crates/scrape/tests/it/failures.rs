//! Targets that answer wrongly, slowly or not at all: each says why, stores nothing but its reports, and harms no other.

use crate::server::{Reply, Server, TEXT};
use crate::{Bench, hourly, job, quick, until};
use std::io::Write;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tidewatch_manifest::{ScrapeConfig, ScrapeProtocol};
use tidewatch_model::{RelabelRule, is_stale};
use tidewatch_scrape::TargetHealth;

/// Scrapes once and expects a failure whose text contains `expected`.
async fn check(config: ScrapeConfig, reply: Reply, expected: &str) {
    let server = Server::start(reply.clone()).await;
    let bench = Bench::new();
    bench.scraper.apply(vec![job(config, &[&server])]);
    let status = bench.first_scrape().await;
    assert!(status.last_error.contains(expected), "{reply:?}: {:?} lacks {expected:?}", status.last_error);
    assert_eq!(status.health, TargetHealth::Down);
    assert_eq!(bench.store.latest("up"), Some(0.0), "{reply:?}");
    assert_eq!(bench.store.series(), [""; 0], "{reply:?}");
    bench.scraper.shutdown().await;
}

#[tokio::test]
async fn answers_that_are_no_page() {
    let head = "HTTP/1.1 200 OK\nContent-Type: text/plain\n";
    for (reply, expected) in [
        (
            Reply::raw("HTTP/1.1 500 Oops\nContent-Length: 0\n\n"),
            "server returned HTTP status 500 Internal Server Error",
        ),
        (
            Reply::raw("HTTP/1.1 404 Not Found\nContent-Length: 4\n\nnope"),
            "server returned HTTP status 404 Not Found",
        ),
        (Reply::raw("HTTP/1.1 204 No Content\n\n"), "server returned HTTP status 204 No Content"),
        (Reply::raw("rubbish\n\n"), "invalid HTTP version parsed"),
        (Reply::raw(""), "connection closed before message completed"),
        (
            Reply::raw(&format!("{head}Content-Length: 100\n\na 1\n")),
            "end of file before message length reached",
        ),
        (Reply::raw(&format!("{head}Transfer-Encoding: chunked\n\n5\na 1\n\n")), "unexpected EOF"),
        (Reply::raw(&format!("{head}Transfer-Encoding: chunked\n\nzz\n")), "Invalid chunk size line"),
        (Reply::raw("HTTP/1.1 302 Found\nLocation: https://h/\nContent-Length: 0\n\n"), "scheme \"https\""),
        (
            Reply::raw("HTTP/1.1 302 Found\nLocation: /again\nContent-Length: 0\n\n"),
            "stopped after 10 redirects",
        ),
        (Reply::raw(&format!("{head}Content-Encoding: gzip\nContent-Length: 4\n\na 1\n")), "gzip: invalid"),
    ] {
        check(hourly(), reply, expected).await;
    }
}

#[tokio::test]
async fn pages_that_break_the_rules() {
    let page = |content_type, page: &str| Reply::Page(content_type, page.as_bytes().to_vec());
    for (reply, expected) in [
        (
            page("text/html", "<html>"),
            "received unsupported Content-Type \"text/html\" and no fallback_scrape_protocol",
        ),
        (page("", "a 1\n"), "non-compliant scrape target sending blank Content-Type"),
        (page("application/vnd.google.protobuf", "a"), "protobuf exposition format is not supported"),
        (page(TEXT, "a 1\nb x\n"), "line 2: invalid number \"x\" while parsing: \"b x\""),
        (page(TEXT, "<html>\n"), "line 1: expected a valid start token, got '<'"),
        (page("application/openmetrics-text", "a 1\n"), "data does not end with # EOF"),
        (page(TEXT, "a{x=\"1\",x=\"2\"} 1\n"), "label name \"x\" is not unique"),
    ] {
        check(hourly(), reply, expected).await;
    }
}

#[tokio::test]
async fn a_target_whose_page_meets_a_defect_is_down_and_goes_on() {
    // the page only, and the report of the failure as well
    for (defective, up) in [("a", Some(0.0)), ("up", None)] {
        let server = Server::start(Reply::text("# TYPE a gauge\na 1\n")).await;
        let bench = Bench::new();
        *bench.store.panic_on.lock().unwrap() = Some(defective);
        bench.scraper.apply(vec![job(quick(), &[&server])]);
        let status = bench.first_scrape().await;
        assert_eq!(status.health, TargetHealth::Down);
        let expected = "defect while ingesting the page: a defect for the test; hint: ";
        assert!(status.last_error.starts_with(expected), "{}", status.last_error);
        until("the second try", || (server.requests().len() >= 2).then_some(())).await;
        assert_eq!(bench.store.latest("up"), up);
        *bench.store.panic_on.lock().unwrap() = None;
        until("a sample", || bench.store.latest("a")).await;
        assert_eq!(bench.store.latest("up"), Some(1.0));
        assert_eq!(bench.scraper.metadata().len(), 1);
        bench.scraper.shutdown().await;
    }
}

#[tokio::test]
async fn time_is_up_while_connecting_waiting_or_reading() {
    let mut config = hourly();
    config.scrape_timeout = Duration::from_millis(200);
    let expected = "context deadline exceeded: no complete answer within the scrape timeout of 200ms";
    check(config.clone(), Reply::Hang, expected).await;
    let page = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 400\r\n\r\n".to_vec();
    check(config.clone(), Reply::Drip(page, Duration::from_millis(10)), expected).await;
    let body = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n".to_vec();
    let endless = body.into_iter().chain("a 1\n".repeat(100).into_bytes()).collect();
    check(config, Reply::Drip(endless, Duration::from_millis(2)), expected).await;
}

#[tokio::test]
async fn nobody_listens() {
    let server = Server::start(Reply::Hang).await;
    let target = job(hourly(), &[&server]);
    drop(server);
    let bench = Bench::new();
    // the port is closed once the listener's task has ended
    until("the listener to end", || {
        std::net::TcpStream::connect(target.1[0].targets[0].get("__address__").unwrap()).err()
    })
    .await;
    bench.scraper.apply(vec![target]);
    let status = bench.first_scrape().await;
    assert!(status.last_error.starts_with("Get \"http://127.0.0.1:"), "{}", status.last_error);
    assert!(status.last_error.contains("Connection refused"), "{}", status.last_error);
}

#[tokio::test]
async fn limits_fail_the_scrape_as_a_whole() {
    let page = "a{x=\"1\"} 1\nb{long_name=\"v\"} 1\nc 1\n";
    let limited = |set: fn(&mut ScrapeConfig)| {
        let mut config = hourly();
        set(&mut config);
        config
    };
    check(limited(|c| c.limits.samples = 2), Reply::text(page), "sample limit exceeded").await;
    check(limited(|c| c.limits.body_bytes = 10), Reply::text(page), "body size limit exceeded").await;
    check(limited(|c| c.limits.body_bytes = page_length()), Reply::text(page), "body size limit exceeded")
        .await;
    check(
        limited(|c| c.limits.labels = 3),
        Reply::text(page),
        "label_limit exceeded (metric: a, number of labels: 4, limit: 3)",
    )
    .await;
    check(
        limited(|c| c.limits.label_name_bytes = 8),
        Reply::text(page),
        "label_name_length_limit exceeded (metric: b, label name: long_name",
    )
    .await;
}

/// As in Prometheus a page of exactly the limit is too large.
const fn page_length() -> u64 {
    "a{x=\"1\"} 1\nb{long_name=\"v\"} 1\nc 1\n".len() as u64
}

#[tokio::test]
async fn compressed_pages_count_uncompressed() {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all("a 1\n".repeat(10_000).as_bytes()).unwrap();
    let packed = encoder.finish().unwrap();
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
        packed.len()
    );
    let reply: Vec<u8> = head.into_bytes().into_iter().chain(packed).collect();
    let mut config = hourly();
    config.limits.body_bytes = 39_000;
    check(config, Reply::Raw(reply), "body size limit exceeded").await;
}

#[tokio::test]
async fn too_many_targets_fail_all_of_the_job() {
    let (a, b) = (Server::start(Reply::text("a 1\n")).await, Server::start(Reply::text("a 1\n")).await);
    let bench = Bench::new();
    let mut config = quick();
    config.limits.targets = 1;
    bench.scraper.apply(vec![job(config.clone(), &[&a, &b])]);
    until("both to fail", || {
        let targets = bench.scraper.targets();
        targets
            .iter()
            .all(|t| t.last_error == "target_limit exceeded (number of targets: 2, limit: 1)")
            .then_some(())
    })
    .await;
    assert_eq!((a.requests().len(), b.requests().len()), (0, 0));
    bench.scraper.apply(vec![job(config, &[&a])]);
    until("the remaining one to be scraped", || {
        // the other one's series may be the first, and has ended
        (bench.store.latest_of("up", &a.address()) == Some(1.0)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_full_disk_is_the_targets_error_and_passes() {
    let server = Server::start(Reply::text("a 1\n")).await;
    let bench = Bench::new();
    bench.store.fail.store(true, Ordering::SeqCst);
    bench.scraper.apply(vec![job(quick(), &[&server])]);
    let status = bench.first_scrape().await;
    assert_eq!(status.last_error, "samples not stored: no space left on device");
    assert!(bench.scraper.stats().append_failures >= 1);
    bench.store.fail.store(false, Ordering::SeqCst);
    until("samples to be stored again", || (bench.store.latest("a") == Some(1.0)).then_some(())).await;
    until("the target to be up again", || {
        (bench.scraper.targets()[0].health == TargetHealth::Up).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_failing_target_harms_no_other() {
    let (bad, good) = (Server::start(Reply::Hang).await, Server::start(Reply::text("a 1\n")).await);
    let bench = Bench::new();
    bench.scraper.apply(vec![job(quick(), &[&bad, &good])]);
    until("five scrapes of the good one", || (good.requests().len() >= 5).then_some(())).await;
    let series = format!("a{{instance=\"{}\", job=\"j\"}}", good.address());
    assert!(bench.store.samples(&series).len() >= 4);
}

#[tokio::test]
async fn a_failing_page_ends_the_series() {
    let server = Server::start(Reply::text("a 1\n")).await;
    let bench = Bench::new();
    bench.scraper.apply(vec![job(quick(), &[&server])]);
    until("a sample", || bench.store.latest("a").filter(|value| *value == 1.0)).await;
    server.answer(Reply::text("a 1\nbroken\n"));
    until("the marker", || bench.store.latest("a").filter(|value| is_stale(*value))).await;
    server.answer(Reply::text("a 2\n"));
    until("the series to be back", || bench.store.latest("a").filter(|value| *value == 2.0)).await;
}

#[tokio::test]
async fn a_fallback_protocol_reads_what_has_no_type() {
    let server = Server::start(Reply::Page("", b"a 1\n".to_vec())).await;
    let bench = Bench::new();
    let mut config = hourly();
    config.fallback_scrape_protocol = Some(ScrapeProtocol::PrometheusText0_0_4);
    bench.scraper.apply(vec![job(config, &[&server])]);
    assert_eq!(bench.first_scrape().await.last_error, "");
    assert_eq!(bench.store.latest("a"), Some(1.0));
}

#[tokio::test]
async fn targets_that_relabeling_breaks_are_named() {
    let server = Server::start(Reply::Hang).await;
    let bench = Bench::new();
    let mut config = hourly();
    config.relabel_configs = vec![RelabelRule::replace(&[], "(.*)", "__scrape_timeout__", "2h").unwrap()];
    let failures = bench.scraper.apply(vec![job(config, &[&server])]);
    assert_eq!(
        failures[0].to_string(),
        "job \"j\": target in group \"test\": scrape timeout cannot be greater than scrape interval (\"2h\" > \"1h\")"
    );
    assert_eq!(bench.scraper.stats().pools[0].sync_failed, 1);
}
