//! What targets are asked: headers, authentication, redirects, connections.

use crate::server::{Reply, Server};
use crate::{Bench, hourly, job, quick, until};
use std::collections::BTreeMap;
use std::io::Write;
use tidewatch_manifest::{HttpAuth, ScrapeConfig, SecretSource};

/// The request of one scrape, its header names in lower case.
async fn request(config: ScrapeConfig) -> String {
    let server = Server::start(Reply::text("a 1\n")).await;
    let bench = Bench::new();
    bench.scraper.apply(vec![job(config, &[&server])]);
    assert_eq!(bench.first_scrape().await.last_error, "");
    server.requests().remove(0)
}

#[tokio::test]
async fn prometheuss_headers_are_sent() {
    let mut config = hourly();
    config.params = BTreeMap::from([("module".to_owned(), vec!["http 2xx".to_owned()])]);
    let request = request(config).await;
    assert!(request.starts_with("GET /metrics?module=http+2xx HTTP/1.1\r\n"), "{request}");
    for line in [
        "accept: application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
        "accept-encoding: gzip",
        "x-prometheus-scrape-timeout-seconds: 5",
        concat!("user-agent: tidewatch/", env!("CARGO_PKG_VERSION")),
    ] {
        assert!(request.contains(&format!("\r\n{line}\r\n")), "{request} lacks {line}");
    }
    assert!(!request.contains("protobuf"));
}

#[tokio::test]
async fn secrets_come_from_the_configuration_or_files() {
    let file = std::env::temp_dir().join(format!("tidewatch-scrape-token-{}", std::process::id()));
    std::fs::write(&file, "from-file\n").unwrap();
    let inline = |text: &str| SecretSource::Inline(text.to_owned());
    let basic = HttpAuth::Basic { username: inline("Aladdin"), password: inline("open sesame") };
    let bearer =
        HttpAuth::Header { kind: "Bearer".to_owned(), credentials: SecretSource::File(file.clone()) };
    for (auth, line) in [
        // RFC 7617, section 2
        (basic, "authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
        (bearer, "authorization: Bearer from-file"),
    ] {
        let mut config = hourly();
        config.auth = Some(auth);
        config.http_headers = BTreeMap::from([("X-Scope".to_owned(), vec![inline("a")])]);
        let request = request(config).await;
        assert!(request.contains(&format!("\r\n{line}\r\n")), "{request} lacks {line}");
        assert!(request.contains("\r\nx-scope: a\r\n"), "{request}");
    }
    std::fs::remove_file(&file).unwrap();
    let mut config = hourly();
    config.auth = Some(HttpAuth::Header { kind: "Bearer".to_owned(), credentials: SecretSource::File(file) });
    let server = Server::start(Reply::text("a 1\n")).await;
    let bench = Bench::new();
    bench.scraper.apply(vec![job(config, &[&server])]);
    let error = bench.first_scrape().await.last_error;
    assert!(error.contains("unable to read") && error.contains("hint:"), "{error}");
}

#[tokio::test]
async fn redirects_are_followed_without_the_secret_unless_told_not_to() {
    let target = Server::start(Reply::text("a 1\n")).await;
    let location =
        format!("HTTP/1.1 302 Found\nLocation: http://{}/elsewhere\nContent-Length: 0\n\n", target.address());
    let server = Server::start(Reply::raw(&location)).await;
    let mut config = hourly();
    config.auth =
        Some(HttpAuth::Header { kind: "Bearer".into(), credentials: SecretSource::Inline("hush".into()) });
    let bench = Bench::new();
    bench.scraper.apply(vec![job(config.clone(), &[&server])]);
    assert_eq!(bench.first_scrape().await.last_error, "");
    assert!(server.requests()[0].contains("hush"));
    let followed = target.requests().remove(0);
    assert!(followed.starts_with("GET /elsewhere ") && !followed.contains("hush"), "{followed}");
    // the labels are those of the target that was configured
    assert_eq!(bench.store.series(), [format!("a{{instance=\"{}\", job=\"j\"}}", server.address())]);

    config.follow_redirects = false;
    let bench = Bench::new();
    bench.scraper.apply(vec![job(config, &[&server])]);
    assert_eq!(bench.first_scrape().await.last_error, "server returned HTTP status 302 Found");
}

#[tokio::test]
async fn gzip_is_unpacked_and_connections_are_kept() {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(b"a 7\n").unwrap();
    let packed = encoder.finish().unwrap();
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
        packed.len()
    );
    let server = Server::start(Reply::Raw(head.into_bytes().into_iter().chain(packed).collect())).await;
    let bench = Bench::new();
    bench.scraper.apply(vec![job(quick(), &[&server])]);
    until("the value", || bench.store.latest("a").filter(|value| *value == 7.0)).await;

    server.answer(Reply::text("a 8\n"));
    until("the plain page", || bench.store.latest("a").filter(|value| *value == 8.0)).await;
    let (requests, connections) = (server.requests().len(), server.connections());
    until("ten more scrapes", || (server.requests().len() >= requests + 10).then_some(())).await;
    assert!(
        server.connections() <= connections + 1,
        "{} new connections",
        server.connections() - connections
    );
}
