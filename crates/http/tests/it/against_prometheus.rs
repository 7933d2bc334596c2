//! The same calls to a real Prometheus: status, content type and body must be equal.
//!
//! Runs when `prometheus` is on the PATH, otherwise says that it did not. Neither side has samples, so what is compared
//! is everything but data: parameters, limits, error texts, notation of numbers, empty answers.

use crate::client::{Reply, send, status};
use crate::served::{eventually, serve, state_over};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

const CALLS: &[&str] = &[
    "query?query=1&time=1795374310.1235",
    "query?query=1&time=-1.5",
    "query?query=vector(1)&time=-1.5",
    "query?query=vector(1)&time=2026-11-22T19:05:30.1239%2b02:00",
    "query?query=%22a%5C%22%3Cb%26%22&time=1.05",
    "query?query=vector(1e6)*5e20&time=0.001",
    "query?query=vector(1e-7)&time=1",
    "query?query=1e-7&time=1",
    "query?query=1e20&time=1",
    "query?query=123456789012345678901234567890&time=1",
    "query?query=5e-324&time=1",
    "query?query=1.7976931348623157e308&time=1",
    "query?query=vector(5e-324)&time=1",
    "query?query=vector(123456789012345678)&time=1",
    "query?query=vector(0.1)%2B0.2&time=1",
    "query?query=vector(-0)&time=1",
    "query?query=-1/0&time=1",
    "query?query=vector(NaN)&time=1",
    "query?query=label_replace(vector(1),%22a%22,%22%3C%26%3E%E2%80%A8%5Cn%22,%22%22,%22%22)&time=1",
    "query?query=nope&time=1",
    "query?query=nope[5m]&time=1",
    "query?query=up%7B&time=1",
    "query?query=&time=1",
    "query",
    "query?query=%zz",
    "query?query=a;b&time=1",
    "query?query=up&time=now",
    "query?query=up&time=2026-11-22",
    "query?query=1&timeout=abc",
    "query?query=1&timeout=-5",
    "query?query=up&limit=-1",
    "query?query=up&limit=x",
    "query?query=up&limit=99999999999999999999",
    "query?query=1&time=1&limit=1",
    "query?query=1&lookback_delta=x",
    "query?query=1&time=1&lookback_delta=-1",
    "query?query=1%2B&time=1",
    "query?query=sum(&time=1",
    "query?query=nofunc(1)&time=1",
    "query?query=rate(up)&time=1",
    "query_range?query=up&start=1&end=2&step=0",
    "query_range?query=up&start=1&end=2&step=-1",
    "query_range?query=up&start=1&end=2&step=x",
    "query_range?query=up&start=1&end=2",
    "query_range?query=up&start=2&end=1&step=1",
    "query_range?query=up&start=x&end=1&step=1",
    "query_range?query=up&end=1&step=1",
    "query_range?query=up&start=1&step=1",
    "query_range?query=up&start=0&end=11001&step=1",
    "query_range?query=up&start=0&end=11000&step=1",
    "query_range?query=1&start=0&end=3&step=1",
    "query_range?query=vector(time())&start=0&end=3&step=0.5",
    "query_range?query=%22a%22&start=0&end=3&step=1",
    "query_range?query=up[1m]&start=0&end=3&step=1",
    "query_range?query=up&start=0&end=3&step=1m&timeout=1x",
    "query_exemplars?query=up&start=1&end=2",
    "query_exemplars?query=up{",
    "format_query?query=sum(rate(up[5m]))by(job)",
    "format_query?query=sum(",
    "parse_query?query=sum(",
    "series",
    "series?match[]=up",
    "series?match[]=up{",
    "series?match[]={}",
    "series?match[]={x=~%22.*%22}",
    "series?match[]=up&start=5&end=1",
    "series?match[]=up&start=x",
    "series?match[]=up&limit=x",
    "labels",
    "labels?match[]={}",
    "labels?limit=-3",
    "label/job/values",
    "label/a.b/values",
    "label/%ff/values",
    "label/job/values?match[]=up{zone=",
    "targets",
    "targets?state=active",
    "targets?state=foo",
    "scrape_pools",
    "targets/metadata",
    "targets/metadata?match_target={job=",
    "targets/metadata?limit=x",
    "metadata",
    "metadata?limit=x",
    "metadata?limit_per_metric=x",
    "rules",
    "rules?type=x",
    "rules?type=alert",
    "alerts",
    "alertmanagers",
    "status/tsdb?limit=0",
    "status/tsdb?limit=x",
    "status/tsdb?limit=10001",
    "status/tsdb/blocks",
    "status/walreplay",
    "notifications",
    "nope",
    "admin/tsdb/snapshot",
];

/// A running Prometheus that is ended with the test.
struct Peer {
    child: Child,
    address: SocketAddr,
    _folder: tempfile::TempDir,
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn installed() -> Option<PathBuf> {
    let folders = std::env::var_os("PATH")?;
    std::env::split_paths(&folders).map(|folder| folder.join("prometheus")).find(|path| path.is_file())
}

fn start(program: PathBuf) -> Peer {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("prometheus.yml"), "scrape_configs: []\n").unwrap();
    let address = tidewatch_testkit::unused_address();
    let child = Command::new(program)
        .current_dir(folder.path())
        .args([
            "--config.file=prometheus.yml",
            "--storage.tsdb.path=data",
            &format!("--web.listen-address={address}"),
        ])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    Peer { child, address, _folder: folder }
}

#[tokio::test]
async fn calls_without_data_are_answered_alike() {
    let Some(program) = installed() else {
        eprintln!("not compared: no prometheus on the PATH");
        return;
    };
    let peer = start(program);
    // Before the peer listens, a connection may still be taken and reset: a process that is just being started by another
    // test holds a copy of the listener that found the free port, until its program runs.
    eventually("the peer is ready", async || {
        status(peer.address, "/-/ready").await.is_ok_and(|status| status == 200)
    })
    .await;
    let mut state = state_over(Arc::new(tidewatch_testkit::Memory::default()));
    state.targets = Some(Arc::new(crate::doubles::NoPools));
    let served = serve(state).await;
    let mut different = Vec::new();
    for call in CALLS {
        let target = format!("/api/v1/{call}");
        let theirs = send(peer.address, "GET", &target, &[], b"").await;
        let ours = send(served.address, "GET", &target, &[], b"").await;
        if shown(&theirs) != shown(&ours) {
            different.push(format!("GET {target}\n  theirs {}\n  ours   {}", shown(&theirs), shown(&ours)));
        }
    }
    served.stop().await;
    eprintln!("{} calls compared, {} differ", CALLS.len(), different.len());
    assert!(different.is_empty(), "{}", different.join("\n"));
}

fn shown(reply: &Reply) -> String {
    let allow = reply.header("allow");
    format!("{} {} {allow}{}", reply.status, reply.header("content-type"), reply.text())
}
