//! Who may reach the server, and what answers forbid a browser to do.

use crate::client::{get, send};
use crate::served::{example_state, listener, serve};
use std::net::TcpListener;
use tidewatch_http::{ApiState, LifecycleRequest, Server, Serves};
use tokio::sync::mpsc;

#[tokio::test]
async fn only_loopback_addresses_are_bound() {
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0", "[::ffff:192.0.2.1]:0"] {
        let error = Server::bind(&[listener(address, Serves::Everything)]).await.unwrap_err().to_string();
        assert!(error.contains("--web.listen-address") && error.contains("hint:"), "{error}");
        assert!(error.contains("not supported yet"), "{error}");
    }
}

#[tokio::test]
async fn a_port_in_use_names_flag_and_holder() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let free = listener("127.0.0.1:0", Serves::ClusterMetrics);
    let error = Server::bind(&[free, listener(&address.to_string(), Serves::Everything)]).await.unwrap_err();
    let pid = std::process::id();
    let text = error.to_string();
    assert!(text.starts_with(&format!("{address} is in use by ")), "{text}");
    assert!(text.contains(&format!("(pid {pid})")) && text.contains("--web.listen-address"), "{text}");
}

#[tokio::test]
async fn names_of_other_sites_are_refused() {
    let served = serve(example_state()).await;
    let check = async |host: &str, status: u16| {
        let reply = send(served.address, "GET", "/api/v1/query?query=1", &[("Host", host)], b"").await;
        assert_eq!(reply.status, status, "{host}: {}", reply.text());
    };
    check("evil.example", 403).await;
    check(&format!("evil.example:{}", served.address.port()), 403).await;
    check("localhost:1", 200).await;
    check("127.0.0.1", 200).await;
    check("monitor.test", 200).await;
    let metrics = get(served.address, "/metrics").await.text();
    assert!(metrics.contains("tidewatch_http_rejected_total{reason=\"host\"} 2\n"), "{metrics}");
    served.stop().await;
}

#[tokio::test]
async fn no_other_origin_may_read_and_no_frame_may_show() {
    let served = serve(example_state()).await;
    for (method, target) in
        [("GET", "/api/v1/query?query=1"), ("OPTIONS", "/api/v1/query"), ("GET", "/"), ("GET", "/x.y")]
    {
        let reply = send(served.address, method, target, &[("Origin", "http://x.y")], b"").await;
        assert!(!reply.headers.keys().any(|name| name.starts_with("access-control")), "{method} {target}");
        let policy = reply.header("content-security-policy");
        assert!(
            policy.starts_with("default-src 'self'; ") && policy.ends_with("frame-ancestors 'none'"),
            "{policy}"
        );
        assert_eq!(reply.header("x-content-type-options"), "nosniff");
        assert_eq!(reply.header("referrer-policy"), "no-referrer");
    }
    served.stop().await;
}

#[tokio::test]
async fn reload_and_quit_reach_the_program_but_not_from_other_pages() {
    let (requests, mut received) = mpsc::channel(4);
    let served = serve(ApiState { lifecycle: Some(requests), ..example_state() }).await;
    let program = tokio::spawn(async move {
        let mut reloads = 0;
        while let Some(request) = received.recv().await {
            match request {
                LifecycleRequest::Reload(answer) => {
                    reloads += 1;
                    let outcome =
                        if reloads == 1 { Ok(()) } else { Err("prometheus.yml:3: no such job".to_owned()) };
                    answer.send(outcome).unwrap();
                }
                LifecycleRequest::Quit => return reloads,
            }
        }
        panic!("nobody asked to quit");
    });
    let post = async |target: &str, headers: &[(&str, &str)]| {
        let reply = send(served.address, "POST", target, headers, b"").await;
        (reply.status, reply.text())
    };
    let foreign = [("Origin", "http://evil.example")];
    assert_eq!(post("/-/reload", &foreign).await.0, 403);
    assert_eq!(post("/-/quit", &[("Sec-Fetch-Site", "cross-site")]).await.0, 403);
    assert_eq!(post("/-/reload", &[]).await, (200, String::new()));
    let own = format!("http://{}", served.address);
    let failed = "failed to reload config: prometheus.yml:3: no such job\n";
    assert_eq!(post("/-/reload", &[("Origin", &own)]).await, (500, failed.to_owned()));
    assert_eq!(post("/-/quit", &[]).await, (200, "Requesting termination... Goodbye!".to_owned()));
    assert_eq!(program.await.unwrap(), 2);
    served.stop().await;
}
