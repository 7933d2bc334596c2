//! `tidewatch up` with the todo application as shipped: every target up, every panel's expression answered, nothing
//! left behind.

use crate::product::{Product, eventually, get, send};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;

/// The todo application under test; its programs are built by the same `cargo test --workspace`.
pub(crate) fn todo(folder: &Path) -> Product {
    let programs = Path::new(env!("CARGO_BIN_EXE_tidewatch")).parent().unwrap();
    for name in ["todo-backend", "todo-frontend", "todo-event-service"] {
        assert!(
            programs.join(name).exists(),
            "{name} is not built; hint: run cargo test --workspace, or make build"
        );
    }
    Product::up(folder, &["--expose", "todo-backend=0", "--expose", "todo-frontend=0"])
}

/// Waits until every target is up and every pod takes requests; gives the number of targets.
pub(crate) fn all_targets_up(product: &Product) -> usize {
    let targets = eventually("every target up", || {
        let targets = product.api("/api/v1/targets");
        let active = targets["data"]["activeTargets"].as_array().cloned().unwrap_or_default();
        let up = active.iter().filter(|t| t["health"] == "up").count();
        (up == active.len() && up >= 14).then_some(up)
    });
    product.all_pods_ready();
    targets
}

/// Processes whose environment or command line mentions the data directory: the pods and helpers of one product.
fn processes_of(folder: &Path) -> Vec<String> {
    let needle = folder.display().to_string();
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
        let read = |file: &str| std::fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
        let text = [read("environ"), read("cmdline")].concat();
        let cwd = std::fs::read_link(format!("/proc/{pid}/cwd")).unwrap_or_default();
        if String::from_utf8_lossy(&text).contains(&needle) || cwd.starts_with(folder) {
            found.push(format!("{pid} {}", String::from_utf8_lossy(&read("cmdline")).replace('\0', " ")));
        }
    }
    found
}

/// POSTs JSON and gives the answer, parsed.
pub(crate) fn post(url: &str, body: &Value) -> Value {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let request = reqwest::Client::new().post(url).json(body);
        let text = request.send().await.unwrap().text().await.unwrap();
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("{url}: {e}: {text}"))
    })
}

#[test]
fn the_todo_application_runs_and_is_watched() {
    let folder = tempfile::tempdir().unwrap();
    let product = todo(folder.path());
    all_targets_up(&product);

    // the labels that the operator would give: two backends, each with its pod
    let backends = product.query("up{job=\"todo-backend\"}");
    assert_eq!(backends.len(), 2, "{backends:?}");
    for element in &backends {
        let labels = &element["metric"];
        assert_eq!(labels["namespace"], "todo-app-prod");
        assert_eq!(labels["service"], "todo-backend");
        assert_eq!(labels["container"], "backend");
        assert_eq!(labels["endpoint"], "metrics");
        assert!(labels["pod"].as_str().unwrap().starts_with("todo-backend-"), "{labels}");
    }

    // a task added through the frontend reaches the backend and the event service, and is counted
    let frontend = product.address("/services/todo-frontend");
    let task = post(&format!("{frontend}/api/tasks"), &json!({"title": "buy milk"}));
    assert!(task.get("id").is_some(), "{task}");
    eventually("the activity of the task", || {
        get(&format!("{frontend}/api/activity")).1.contains("created").then_some(())
    });
    assert!(get(&format!("{frontend}/")).1.contains("<html"));

    // the page and its dashboards
    let ui = product.address("/ui");
    assert_eq!(get(&format!("{ui}/")).0, 200);
    let found: Value = serde_json::from_str(&get(&format!("{ui}/api/search?type=dash-db")).1).unwrap();
    assert!(found.as_array().unwrap().len() >= 2, "{found}");
    let pods: Value =
        serde_json::from_str(&get(&format!("{ui}/api/v1/namespaces/todo-app-prod/pods")).1).unwrap();
    let pod = pods["items"][0]["metadata"]["name"].as_str().unwrap_or_else(|| panic!("{pods}")).to_owned();
    let (status, log) = get(&format!("{ui}/api/v1/namespaces/todo-app-prod/pods/{pod}/log?tailLines=5"));
    assert_eq!(status, 200, "{log}");
    assert!(!log.is_empty());
}

#[test]
fn the_configuration_of_notifications_comes_from_the_manifests() {
    let folder = tempfile::tempdir().unwrap();
    let mut product = todo(folder.path());
    let receivers = get(&format!("{}/api/v2/receivers", product.address("/alertmanager"))).1;
    for name in ["nobody", "dead-mans-switch", "pager", "chat"] {
        assert!(receivers.contains(&format!("{name:?}")), "{name}: {receivers}");
    }
    let known = product.api("/api/v1/alertmanagers").to_string();
    assert!(known.contains(&product.address("/alertmanager")), "{known}");
    // nobody has these files on the machine that runs the tests
    let said = product.said();
    assert!(said.contains("pager-url") && said.contains("TIDEWATCH_SECRET_PAGER_URL"), "{said}");
    eventually("Watchdog in the Alertmanager", || {
        let alerts = get(&format!("{}/api/v2/alerts", product.address("/alertmanager"))).1;
        alerts.contains("\"alertname\":\"Watchdog\"").then_some(())
    });
}

#[test]
fn ctrl_c_leaves_no_process_behind() {
    let folder = tempfile::tempdir().unwrap();
    let mut product = todo(folder.path());
    all_targets_up(&product);
    assert!(processes_of(folder.path()).len() >= 6, "{:?}", processes_of(folder.path()));
    product.signal(Signal::INT);
    let (code, said) = product.wait();
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(processes_of(folder.path()), Vec::<String>::new());
}

#[test]
fn kill_nine_leaves_no_process_behind_and_loses_no_sample() {
    let folder = tempfile::tempdir().unwrap();
    let mut product = todo(folder.path());
    all_targets_up(&product);
    let series = || "up{job=\"todo-backend\"}[1h]".to_owned();
    let before: BTreeSet<String> = product.query(&series()).iter().map(|e| e["values"].to_string()).collect();
    product.signal(Signal::KILL);
    product.wait();
    eventually("the end of all pods", || processes_of(folder.path()).is_empty().then_some(()));

    let product = todo(folder.path());
    all_targets_up(&product);
    let after: Vec<String> = product.query(&series()).iter().map(|e| e["values"].to_string()).collect();
    for values in before {
        let start = values.trim_end_matches(']');
        assert!(after.iter().any(|a| a.starts_with(start)), "{values} lost: {after:?}");
    }
}

#[test]
fn the_pods_of_the_run_before_are_gone_from_every_query() {
    let folder = tempfile::tempdir().unwrap();
    for signal in [Signal::INT, Signal::KILL] {
        let mut product = todo(folder.path());
        all_targets_up(&product);
        product.signal(signal);
        product.wait();
        eventually("the end of all pods", || processes_of(folder.path()).is_empty().then_some(()));
    }
    let product = todo(folder.path());
    all_targets_up(&product);
    assert_eq!(product.values("count(up{job=\"todo-backend\"})"), [2.0]);
    // two backends, two frontends, the event service, the broker
    eventually("six pods", || (product.values("count(kube_pod_info)") == [6.0]).then_some(()));
}

#[test]
fn a_killed_pod_is_restarted_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let product = todo(folder.path());
    all_targets_up(&product);
    let victim =
        processes_of(folder.path()).into_iter().find(|p| p.trim_end().ends_with("/todo-backend")).unwrap();
    let pid = victim.split(' ').next().unwrap().to_owned();
    send(pid.parse().unwrap(), Signal::KILL);
    let ui = product.address("/ui");
    eventually("a restart", || {
        let pods: Value =
            serde_json::from_str(&get(&format!("{ui}/api/v1/namespaces/todo-app-prod/pods")).1).ok()?;
        let restarts = pods["items"]
            .as_array()?
            .iter()
            .filter_map(|p| p.pointer("/status/containerStatuses/0/restartCount").and_then(Value::as_u64));
        (restarts.sum::<u64>() == 1).then_some(())
    });
}

#[test]
fn a_closed_terminal_ends_everything() {
    let folder = tempfile::tempdir().unwrap();
    let mut product = todo(folder.path());
    all_targets_up(&product);
    product.signal(Signal::HUP);
    let (code, said) = product.wait();
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(processes_of(folder.path()), Vec::<String>::new());
}

#[test]
fn every_target_is_up_soon_and_the_program_stays_small() {
    let folder = tempfile::tempdir().unwrap();
    let product = todo(folder.path());
    all_targets_up(&product);
    // the page's own figures: what the program says of itself is what people see
    let resident = eventually("its own memory", || {
        product.values("process_resident_memory_bytes{job=\"prometheus\"}").pop()
    });
    assert!(resident < 60e6, "{resident} bytes resident");
    let down = product.query("up == 0 unless up offset 1m");
    assert!(down.is_empty(), "{down:?}");
}
