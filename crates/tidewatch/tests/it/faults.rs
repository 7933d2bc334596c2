//! Faults on demand over the whole product: refused unless the stack lets them, seen in its metrics, undone; and a node under pressure.

use crate::product::{Product, eventually, repository, run};
use serde_json::Value;

/// `tidewatch fault` for a running product: exit code, what it shows, what it says.
fn fault(product: &Product, arguments: &[&str]) -> (Option<i32>, String, String) {
    let server = product.address("/ui");
    run(&[&["fault", "--server", &server], arguments].concat())
}

fn up(folder: &std::path::Path, further: &[&str]) -> Product {
    let config = repository().join("tidewatch.yaml").display().to_string();
    let flags = [
        &["--config", &config, "--expose", "todo-backend=0", "--expose", "todo-frontend=0"][..],
        &["--scrape-interval", "1s"],
        further,
    ];
    let product = Product::up(&folder.join("data"), &flags.concat());
    product.all_pods_ready();
    product
}

#[test]
fn a_workload_is_broken_and_mended_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let product = up(folder.path(), &["--enable-faults", "--eviction-hard", "memory.available<100%"]);
    let (code, shown, said) = fault(&product, &["start", "error-ratio", "todo-backend", "--ratio", "1"]);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(shown.matches("todo-app-prod/todo-backend-").count(), 2, "both pods: {shown}");
    let tasks = format!("{}/api/tasks", product.address("/services/todo-backend"));
    assert_eq!(crate::product::get(&tasks).0, 500);

    let (_, shown, _) = fault(&product, &["list", "-o", "json"]);
    let listed: Value = serde_json::from_str(&shown).unwrap();
    let broken = |pod: &&Value| pod["faults"][0]["kind"] == "error-ratio";
    assert_eq!(listed.as_array().unwrap().iter().filter(broken).count(), 2, "{listed}");

    let (code, shown, said) = fault(&product, &["stop", "todo-app-prod/todo-backend"]);
    assert_eq!((code, shown.matches("undone in").count()), (Some(0), 2), "{shown}{said}");
    assert_eq!(crate::product::get(&tasks).0, 200);
    assert_eq!(fault(&product, &["list"]).1, "no fault is active\n");

    let (code, _, said) = fault(&product, &["start", "crash", "todo-banana"]);
    assert_eq!(code, Some(1));
    assert!(said.contains("no workload or pod \"todo-banana\"") && said.contains("todo-backend"), "{said}");
    let (code, _, said) = fault(&product, &["start", "stopped-consumer", "todo-frontend"]);
    assert!(code == Some(1) && said.contains("takes no events"), "{said}");

    eventually("the node says that it is under pressure", || {
        let pressure = "kube_node_status_condition{condition=\"MemoryPressure\", status=\"true\"}";
        (product.values(pressure) == [1.0]).then_some(())
    });
    let available = "kubelet_volume_stats_available_bytes{namespace=\"monitoring\"}";
    assert!(product.values(available).iter().all(|bytes| *bytes > 0.0));
}

#[test]
fn a_stack_that_was_not_asked_to_lets_nothing_be_broken() {
    let folder = tempfile::tempdir().unwrap();
    let product = up(folder.path(), &[]);
    for arguments in [&["start", "crash", "todo-frontend"][..], &["list"]] {
        let (code, _, said) = fault(&product, arguments);
        assert!(code == Some(1) && said.contains("tidewatch up --enable-faults"), "{arguments:?}: {said}");
    }
    let (code, _, said) = run(&["up", "--eviction-hard", "memory.available"]);
    assert!(code == Some(2) && said.contains("hint: write e.g. memory.available<500Mi"), "{said}");
}
