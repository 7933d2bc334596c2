//! `tidewatch simulate` as a process: exit codes, a recorded load from a server, a calibration from files.

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::{Command, Output};
use tidewatch_testkit::repository;

fn simulate(arguments: &[&str]) -> Output {
    let manifest = repository().join("crates/simulate/tests/it/specified_backend.yaml");
    let program = env!("CARGO_BIN_EXE_tidewatch");
    Command::new(program).args(["simulate", "-f"]).arg(manifest).args(arguments).output().unwrap()
}

fn reports(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&output.stderr)))
}

/// The answer of a Prometheus to a range query, a sample each 15 s.
fn answer(values: impl Iterator<Item = f64>) -> String {
    let values: Vec<Value> =
        values.enumerate().map(|(at, value)| json!([1_700_000_000 + at * 15, value.to_string()])).collect();
    json!({"status": "success", "data": {"resultType": "matrix", "result": [{"metric": {}, "values": values}]}}).to_string()
}

/// Two minutes of rest, five of load, ten of rest.
fn rates() -> impl Iterator<Item = f64> {
    (0..68).map(|at| if (8..28).contains(&at) { 240.0 } else { 30.0 })
}

#[test]
fn a_missed_target_is_exit_code_1_and_a_met_one_0() {
    let load = ["--load", "30 for 2m, 240 for 5m, 30 for 10m", "--output", "json"];
    let missed = simulate(&[&load[..], &["--target", "down within 5m"]].concat());
    assert_eq!(missed.status.code(), Some(1));
    assert_eq!(reports(&missed)[0]["verdict"]["passed"], false);
    let complaint = String::from_utf8_lossy(&missed.stderr).into_owned();
    assert!(
        complaint.contains("targets are missed by todo-backend-hpa") && complaint.contains("hint: --sweep"),
        "{complaint}"
    );
    let met = simulate(&[&load[..], &["--target", "up within 2m"]].concat());
    assert_eq!((met.status.code(), &reports(&met)[0]["verdict"]["passed"]), (Some(0), &Value::Bool(true)));
}

#[test]
fn a_load_is_taken_from_any_prometheus() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", server.local_addr().unwrap());
    let asked = std::thread::spawn(move || {
        let (mut stream, _) = server.accept().unwrap();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let (mut line, mut length) = (String::new(), 0);
        while reader.read_line(&mut line).unwrap() > 2 {
            if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            line.clear();
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        let text = answer(rates());
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", text.len());
        stream.write_all((head + &text).as_bytes()).unwrap();
        String::from_utf8(body).unwrap()
    });
    let range = ["--start", "1700000000", "--end", "1700001005", "--output", "json"];
    let output = simulate(&[&["--prometheus", &address, "--query", "sum(rate(x[1m]))"], &range[..]].concat());
    let form = asked.join().unwrap();
    assert!(form.contains("query=sum%28rate%28x%5B1m%5D%29%29") && form.contains("&step=15"), "{form}");
    let report = &reports(&output)[0];
    assert_eq!(report["durationSeconds"], 1005.0);
    assert_eq!(report["load"]["segments"][0]["kind"], "recorded");
    assert!(report["summary"]["mostReplicas"].as_u64().unwrap() >= 7, "{}", report["summary"]);
}

#[test]
fn a_service_model_is_fitted_to_recorded_series() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: String| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let rate = file("rate.json", answer(rates()));
    let cpu = file("cpu.json", answer(rates().map(|rate| 0.003 * rate + 0.02)));
    let (fit_rate, fit_cpu) = (format!("rate={rate}"), format!("cpu={cpu}"));
    let calibrate = ["--calibrate", &fit_rate, "--calibrate", &fit_cpu];
    let fit_pods = format!("replicas={}", file("replicas.json", answer(rates().map(|_| 2.0))));
    let check = |more: &[&str], idle: &str, warned: bool| {
        let output = simulate(&[&calibrate[..], more, &["--recorded", &rate]].concat());
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let found =
            format!("calibrated from 68 samples: 0.0030 core-seconds a request, {idle} idle, R² 1.000");
        assert!(text.starts_with(&found), "{text}");
        assert_eq!(text.contains("note: calibrated without replicas"), warned, "{text}");
    };
    check(&["--calibrate", &fit_pods], "0.0100 cores", false);
    check(&[], "?", true);
    let output = simulate(&calibrate[..2]);
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(complaint.contains("--calibrate needs cpu=") && complaint.contains("hint: "), "{complaint}");
}
