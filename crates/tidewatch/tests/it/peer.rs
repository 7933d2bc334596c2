//! A real Prometheus beside the product, and the comparison of their answers.

use crate::product::{Caller, eventually, get};
use serde_json::Value;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A Prometheus process; killed when dropped.
pub(crate) struct Prometheus {
    child: Child,
    /// Its base address.
    pub(crate) url: String,
}

impl Prometheus {
    /// Starts it on a free port and waits until it is ready.
    pub(crate) fn start(config: &Path, data: &Path) -> Self {
        let free = tidewatch_testkit::unused_address();
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", data.display()))
            .arg(format!("--web.listen-address={free}"))
            .arg("--enable-feature=exemplar-storage")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let prometheus = Self { child, url: format!("http://{free}") };
        let (caller, ready) = (Caller::new(), format!("{}/-/ready", prometheus.url));
        eventually("a ready Prometheus", || {
            caller.ask("GET", &ready, &[], None).filter(|(status, _)| *status == 200).map(drop)
        });
        prometheus
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether there is a `prometheus` on the PATH; says so if not.
pub(crate) fn peer_is_there() -> bool {
    let there = Command::new("prometheus")
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok();
    if !there {
        eprintln!("skipped: no prometheus on the PATH (make conformance tells how to get one)");
    }
    there
}

/// The answer of an API at a path, parsed.
pub(crate) fn ask(base: &str, path: &str) -> Value {
    let (_, body) = get(&format!("{base}{path}"));
    serde_json::from_str(&body).unwrap_or_else(|e| panic!("{base}{path}: {e}: {body}"))
}

/// Differences between two answers; the order of series is not specified, so both are sorted.
pub(crate) fn compare(path: &str, ours: &str, theirs: &str) -> Option<String> {
    let (ours, theirs) = (sorted(ask(ours, path)), sorted(ask(theirs, path)));
    (ours != theirs).then(|| format!("{path}\n  tidewatch  {ours}\n  prometheus {theirs}"))
}

/// An answer with its lists in an order of their own.
pub(crate) fn sorted(mut answer: Value) -> Value {
    for list in ["/data", "/data/result"] {
        if let Some(result) = answer.pointer_mut(list).and_then(Value::as_array_mut) {
            result.sort_by_key(Value::to_string);
        }
    }
    answer
}
