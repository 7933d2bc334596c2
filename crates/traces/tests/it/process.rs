//! A process of its own for what cannot be done in the one that tests: to be killed, to have little disk, to have its memory measured.
//!
//! The child is this same test binary, told by a variable of the environment which part to play.

use crate::requests::{NOW, Sent, plain, send};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tidewatch_traces::{StoreOptions, TraceStore, Value};

const FOLDER: &str = "TIDEWATCH_TRACES_TEST_FOLDER";

/// The folder to play in, for a child only.
fn folder() -> Option<PathBuf> {
    std::env::var_os(FOLDER).map(PathBuf::from)
}

/// A command that runs one test of this binary, behind some shell.
fn child(test: &str, before: &str, folder: &Path) -> Command {
    let mut command = Command::new("sh");
    let script = format!("{before} exec \"$0\" --exact process::{test} --nocapture --test-threads=1");
    command.arg("-c").arg(script).arg(std::env::current_exe().unwrap()).env(FOLDER, folder);
    command
}

fn commit(store: &TraceStore, spans: &[Sent]) {
    let mut writer = store.writer(NOW);
    send(spans, &mut writer);
    assert_eq!(writer.finish().unwrap().accepted, spans.len() as u64);
}

fn trace(number: u64) -> Vec<Sent> {
    (0..4).map(|span| plain(number, span)).collect()
}

fn small() -> StoreOptions {
    let mut options = StoreOptions::default();
    options.segment_bytes = 256 << 10;
    options
}

/// Says the number of every request that was accepted.
#[test]
fn child_that_is_killed() {
    let Some(folder) = folder() else { return };
    let store = TraceStore::open(Some(folder), small(), NOW).unwrap();
    let mut out = std::io::stdout();
    for number in 0..u64::MAX {
        commit(&store, &trace(number));
        if number.is_multiple_of(50) {
            store.maintain(NOW).unwrap();
        }
        writeln!(out, "accepted {number}").unwrap();
    }
}

#[test]
fn what_was_accepted_outlives_a_kill() {
    for kill_after in [1, 40, 900, 2500] {
        let folder = tempfile::tempdir().unwrap();
        let mut command = child("child_that_is_killed", "", folder.path());
        let mut running = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(running.stdout.take().unwrap()).lines();
        let number = |line: &str| line.rsplit("accepted ").next().and_then(|text| text.parse::<u64>().ok());
        let mut accepted = 0;
        for line in lines.by_ref() {
            let line = line.unwrap();
            if line.contains("accepted ") {
                accepted = number(&line).unwrap();
            }
            if accepted >= kill_after {
                break;
            }
        }
        running.kill().unwrap();
        running.wait().unwrap();
        // what was said before the end; the last line may be torn
        for line in lines.map_while(Result::ok).filter(|line| line.contains("accepted ")) {
            accepted = accepted.max(number(&line).unwrap_or_default().min(accepted + 1));
        }
        assert!(accepted >= kill_after);
        let store = TraceStore::open(Some(folder.path().to_owned()), small(), NOW).unwrap();
        assert_eq!(store.stats().damaged_segments, 0);
        for number in 0..=accepted {
            let found = store.trace(plain(number, 0).trace);
            assert_eq!(found.map_or(0, |trace| trace.spans.len()), 4, "trace {number} of {accepted}");
        }
        assert!(kill_after < 2500 || store.stats().segments > 2, "some segments were sealed");
    }
}

/// Files may have 100 KiB: neither the log nor what seals a segment fits.
#[test]
fn child_with_little_disk() {
    let Some(folder) = folder() else { return };
    let store = TraceStore::open(Some(folder), small(), NOW).unwrap();
    let mut number = 0;
    while store.stats().segments < 3 {
        commit(&store, &trace(number));
        number += 1;
    }
    let stats = store.stats();
    assert!(stats.failed_writes > 2, "{stats:?}");
    assert_eq!(stats.spans, number * 4);
    for number in 0..number {
        assert_eq!(store.trace(plain(number, 0).trace).unwrap().spans.len(), 4);
    }
    while store.maintain(NOW).is_ok() {
        commit(&store, &trace(number));
        number += 1;
    }
    println!("held {number}");
}

#[test]
fn spans_are_taken_while_files_cannot_grow() {
    let folder = tempfile::tempdir().unwrap();
    // 512 bytes each; a write beyond fails instead of ending the process
    let mut command = child("child_with_little_disk", "trap '' XFSZ; ulimit -f 200;", folder.path());
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("held "), "{text}");
    let store = TraceStore::open(Some(folder.path().to_owned()), small(), NOW).unwrap();
    let spans = store.stats().spans;
    assert!(spans > 400, "what was written before is there: {spans}");
    assert_eq!(store.trace(plain(0, 0).trace).unwrap().spans.len(), 4);
    commit(&store, &trace(9_999_999));
    assert_eq!((store.stats().spans, store.stats().failed_writes), (spans + 4, 0));
}

const BOUND: u64 = 8 << 20;

/// Bytes of this process in memory, and of those the ones that are no pages of files.
fn resident() -> (u64, u64) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let of = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().trim_end_matches(" kB").trim().parse::<u64>().unwrap() * 1024
    };
    (of("VmRSS:"), of("RssAnon:"))
}

/// A span of which nothing occurs twice.
fn unique(number: u64) -> Sent {
    let mut sent = plain(number, number % 50);
    sent.resource.attributes = vec![("service.name".into(), Value::Text(format!("service-{number}")))];
    sent.span.name = format!("operation-{number}");
    let text = |at| Value::Text(format!("{number}-{at}-{}", "x".repeat(200)));
    sent.span.attributes = (0..5).map(|at| (format!("key-{number}-{at}"), text(at))).collect();
    sent
}

#[test]
fn child_that_measures_its_memory() {
    let Some(folder) = folder() else { return };
    for (name, folder) in [("memory", None), ("folder", Some(folder))] {
        let mut options = StoreOptions::default();
        (options.max_memory_bytes, options.max_disk_bytes) = (BOUND, BOUND);
        let before = resident();
        let store = TraceStore::open(folder, options, NOW).unwrap();
        let mut most = (0, 0);
        // some 1.2 KB each: ten times the bound, and no upkeep
        for request in 0..BOUND * 10 / 1200 / 50 {
            let spans: Vec<_> = (request * 50..request * 50 + 50).map(unique).collect();
            commit(&store, &spans);
            if request.is_multiple_of(20) {
                store.find(&tidewatch_traces::Search { limit: 5, ..Default::default() });
                store.dependencies(u64::MAX, std::time::Duration::MAX);
                let now = resident();
                most.0 = most.0.max(now.0.saturating_sub(before.0));
                most.1 = most.1.max(now.1.saturating_sub(before.1));
                assert!(store.stats().memory_bytes <= BOUND);
            }
        }
        assert!(store.stats().evicted_spans > 0);
        println!("{name}: {} KiB in memory, {} KiB not of files", most.0 >> 10, most.1 >> 10);
        assert!(most.1 <= BOUND * 3 / 2 + (4 << 20), "{name}: {most:?}");
        assert!(most.0 <= BOUND * 5 / 2 + (4 << 20), "{name}: {most:?}");
    }
    println!("measured");
}

#[test]
fn memory_of_the_process_is_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let output = child("child_that_measures_its_memory", "", folder.path()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("measured"), "{text}{output:?}");
}
