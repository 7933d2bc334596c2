//! `load` as a process: its report, its exit code, and its end.
//!
//! Input: a server of this test that answers 200, or 503 to every path that says so. What is measured and how is tested in `load`.

use crate::product::{command, eventually, run, send};
use rustix::process::Signal;
use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Its URL, and how many requests it has answered.
fn server() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let answered = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&answered);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let count = Arc::clone(&count);
            std::thread::spawn(move || answer(stream, &count));
        }
    });
    (url, answered)
}

fn answer(stream: TcpStream, count: &AtomicUsize) -> Option<()> {
    let mut writer = stream.try_clone().ok()?;
    let mut first = None;
    for line in BufReader::new(stream).lines() {
        let line = line.ok()?;
        if !line.is_empty() {
            first.get_or_insert(line);
            continue;
        }
        count.fetch_add(1, Ordering::SeqCst);
        let status = if first.take()?.contains("unavailable") { "503 X" } else { "200 OK" };
        writer.write_all(format!("HTTP/1.1 {status}\r\ncontent-length: 2\r\n\r\nok").as_bytes()).ok()?;
    }
    None
}

#[test]
fn the_report_is_json_with_a_line_for_each_second_and_is_saved() {
    let (url, answered) = server();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("load.json");
    let schedule = ["--stage", "40/s:1s", "--stage", "ramp:40..80/s:1s"];
    let more = ["--fail-if", "errors>0", "--fail-if", "missed>0", "--output", "json", "--save"];
    let (code, told, said) =
        run(&[&["load", &url][..], &schedule, &more, &[file.to_str().unwrap()]].concat());
    assert_eq!((code, said.as_str()), (Some(0), ""), "{told}");
    let report: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(report["totals"]["ok"], 100);
    let due: Vec<u64> =
        report["timeline"].as_array().unwrap().iter().map(|s| s["scheduled"].as_u64().unwrap()).collect();
    assert_eq!(due, [40, 60]);
    assert!(report["latency"]["p99"].as_f64().unwrap() > 0.0 && report["checks"][1]["failed"] == false);
    assert_eq!(answered.load(Ordering::SeqCst), 100);
    assert_eq!(std::fs::read_to_string(file).unwrap(), told);
}

#[test]
fn a_crossed_limit_is_told_and_is_the_exit_code() {
    let (url, _) = server();
    let wrong = format!("{url}/unavailable");
    let line = ["load", &url, &wrong, "--rate", "50", "--for", "1s"];
    let (code, told, said) = run(&[&line[..], &["--fail-if", "errors>10", "--fail-if", "missed>0"]].concat());
    assert_eq!(code, Some(1));
    assert_eq!(said, "tidewatch: the load crossed errors>10\n");
    assert!(told.contains("25 ok") && told.contains("25 x status 503") && told.contains("p99.9"), "{told}");
    let (code, ..) = run(&line);
    assert_eq!(code, Some(0), "without a limit nothing is judged");
}

#[test]
fn an_interrupt_ends_it_early_with_its_report() {
    let (url, answered) = server();
    let mut child = command(&["load", &url, "--rate", "100", "--for", "10m", "--output", "json"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    eventually("requests", || (answered.load(Ordering::SeqCst) > 20).then_some(()));
    send(child.id(), Signal::INT);
    let report: Value = serde_json::from_reader(child.stdout.take().unwrap()).unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!((&report["endedEarly"], &report["totals"]["errors"]), (&true.into(), &0.into()));
    assert!(report["totals"]["ok"].as_u64().unwrap() > 20);
}

#[test]
fn another_machine_is_not_loaded_by_mistake() {
    let (code, told, said) = run(&["load", "http://192.0.2.1:9/", "--rate", "1", "--for", "1s"]);
    assert_eq!((code, told.as_str()), (Some(1), ""));
    assert!(said.contains("192.0.2.1 is not this machine") && said.contains("--allow-remote"), "{said}");
}
