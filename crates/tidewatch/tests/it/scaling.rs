//! Replicas follow load, no request fails while they do, and every decision can be asked for its reasons.
//!
//! Input: the application as shipped, with two numbers of its autoscalers changed so that a test need not wait: pods are measured and
//! decisions taken every second, scaling down looks back two seconds, and the backend is to use a tenth of its request, which a laden machine
//! gives it too. Who decides what from which numbers is tested in `autoscale`, against the real controller in `conformance/hpa`.

use crate::product::{Caller, Product, eventually, get, repository, run};
use crate::up::all_targets_up;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

const LEAST: u64 = 2;

fn hurried(folder: &Path) -> Product {
    let mut manifests = std::fs::read_to_string(repository().join("kubernetes/todo-app-prod.yaml")).unwrap();
    for (shipped, hurried) in [
        ("stabilizationWindowSeconds: 90", "stabilizationWindowSeconds: 2"),
        ("averageUtilization: 70", "averageUtilization: 10"),
    ] {
        assert!(manifests.contains(shipped), "{shipped} is no more");
        manifests = manifests.replace(shipped, hurried);
    }
    let file = folder.join("todo-app-prod.yaml");
    std::fs::write(&file, manifests).unwrap();
    let (file, monitoring) = (file.display().to_string(), "kubernetes/monitoring");
    let mut flags = vec!["--config", "tidewatch.yaml", "-f", &file, "-f", monitoring];
    flags.extend(["--expose", "todo-backend=0", "--expose", "todo-frontend=0"]);
    flags.extend(["--horizontal-pod-autoscaler-sync-period=1s", "--metric-resolution=1s"]);
    Product::up(&folder.join("data"), &flags)
}

/// Callers that go on until they are told to stop.
struct Load {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    callers: Vec<JoinHandle<Vec<String>>>,
}

impl Load {
    fn of(callers: usize, url: &str, pause: Duration) -> Self {
        let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let call = |_| {
            let (stop, answered, url) = (Arc::clone(&stop), Arc::clone(&answered), url.to_owned());
            std::thread::spawn(move || {
                let (caller, mut failed) = (Caller::new(), Vec::new());
                while !stop.load(Ordering::SeqCst) {
                    match caller.ask("GET", &url, &[], None) {
                        Some((200, _)) => drop(answered.fetch_add(1, Ordering::SeqCst)),
                        other => failed.push(format!("{other:?}")),
                    }
                    std::thread::sleep(pause);
                }
                failed
            })
        };
        let callers = (0..callers).map(call).collect();
        Self { stop, answered, callers }
    }

    /// Stops it; gives the requests that were answered, and how others failed.
    fn end(self) -> (u64, Vec<String>) {
        self.stop.store(true, Ordering::SeqCst);
        let failed = self.callers.into_iter().flat_map(|caller| caller.join().unwrap()).collect();
        (self.answered.load(Ordering::SeqCst), failed)
    }
}

fn json_of(url: &str) -> Value {
    let (status, text) = get(url);
    assert_eq!(status, 200, "{url}: {text}");
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{url}: {e}: {text}"))
}

/// Pods of the backend, those that are ending included.
fn backends(product: &Product) -> u64 {
    let pods = json_of(&format!("{}/api/v1/namespaces/todo-app-prod/pods", product.address("/ui")));
    let is_backend = |pod: &&Value| pod["metadata"]["name"].as_str().unwrap().starts_with("todo-backend-");
    pods["items"].as_array().unwrap().iter().filter(is_backend).count() as u64
}

fn ready_backends(product: &Product) -> u64 {
    let pods = json_of(&format!("{}/api/v1/namespaces/todo-app-prod/pods", product.address("/ui")));
    let ready = |pod: &&Value| {
        let conditions = pod["status"]["conditions"].as_array().into_iter().flatten();
        let is_ready = conditions.filter(|c| c["type"] == "Ready").any(|c| c["status"] == "True");
        is_ready && pod["metadata"]["name"].as_str().unwrap().starts_with("todo-backend-")
    };
    pods["items"].as_array().unwrap().iter().filter(ready).count() as u64
}

#[test]
fn replicas_follow_load_up_and_down_without_a_failed_request() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("data")).unwrap();
    let product = hurried(folder.path());
    all_targets_up(&product);
    assert_eq!(ready_backends(&product), LEAST);
    let tasks = format!("{}/api/tasks", product.address("/services/todo-backend"));

    let load = Load::of(6, &tasks, Duration::ZERO);
    eventually("four ready backends", || (ready_backends(&product) >= 4).then_some(()));
    let (answered, failed) = load.end();
    assert!(answered > 100 && failed.is_empty(), "{answered} answered, {failed:?}");

    // some go on asking until the surplus pods are gone altogether
    let trickle = Load::of(3, &format!("{tasks}?limit=1"), Duration::from_millis(40));
    let gone = || (backends(&product) < 4).then(|| backends(&product));
    let left = eventually("the end of some", gone);
    let (answered, failed) = trickle.end();
    assert!(answered > 10 && failed.is_empty(), "{answered} answered, {failed:?}, {left} left");
    eventually("two backends", || (backends(&product) == LEAST).then_some(()));

    why_is_told(&product);
    what_a_cluster_would_tell(&product);
}

fn why_is_told(product: &Product) {
    let page = product.address("/ui");
    let decisions = json_of(&format!(
        "{page}/api/tidewatch/v1/autoscalers/todo-app-prod/todo-backend-hpa/decisions?limit=1000"
    ));
    let decisions = decisions["decisions"].as_array().unwrap();
    let up = decisions.iter().rfind(|one| one["scaled"] == true).unwrap();
    assert_eq!(up["currentReplicas"], LEAST, "{up}");
    assert!(up["desiredReplicas"].as_u64().unwrap() > LEAST, "{up}");
    assert!(up["sentence"].as_str().unwrap().starts_with("CPU "), "{up}");
    let kinds: Vec<&str> =
        up["steps"].as_array().unwrap().iter().filter_map(|step| step["kind"].as_str()).collect();
    assert!(kinds.contains(&"metric") && kinds.contains(&"rounding"), "{kinds:?}");

    let (code, told, said) = run(&["autoscale", "explain", "todo-backend-hpa", "--server", &page]);
    assert_eq!(code, Some(0), "{said}");
    assert!(told.contains("todo-backend-hpa") && told.contains("CPU "), "{told}");

    let annotations = json_of(&format!("{page}/api/annotations?from=0&to=99999999999999"));
    let annotations = annotations.as_array().unwrap();
    assert!(annotations.len() >= 2, "up and down: {annotations:?}");
    let tags = json!(["scaling", "todo-app-prod", "todo-backend"]);
    assert!(annotations.iter().any(|one| one["tags"] == tags), "{annotations:?}");
}

fn what_a_cluster_would_tell(product: &Product) {
    let page = product.address("/ui");
    // scraped every 30 s: what kube-state-metrics would show now is asked of its page
    let shown = product.pages("kube-state-metrics").first().map(|page| get(page).1).unwrap();
    let series = "kube_horizontalpodautoscaler_status_condition{namespace=\"todo-app-prod\",horizontalpodautoscaler=\"todo-backend-hpa\"";
    assert!(shown.contains(series), "{shown}");

    let controller = product.pages("kube-controller-manager").first().map(|page| get(page).1).unwrap();
    let scaled =
        "horizontal_pod_autoscaler_controller_reconciliations_total{action=\"scale_up\",error=\"none\"}";
    assert!(controller.contains(scaled), "{controller}");

    let pods = json_of(&format!("{page}/apis/metrics.k8s.io/v1beta1/namespaces/todo-app-prod/pods"));
    let measured = pods["items"].as_array().unwrap();
    assert!(measured.len() >= 5, "{pods}");
    assert!(measured.iter().all(|pod| pod["containers"][0]["usage"]["cpu"].is_string()), "{pods}");
    let hpas = format!("{page}/apis/autoscaling/v2/namespaces/todo-app-prod/horizontalpodautoscalers");
    // the status is of the last sync, which saw the replicas of before
    eventually("a sync after the scaling", || {
        let hpas = json_of(&hpas);
        let mut all = hpas["items"].as_array().unwrap().iter();
        let backend = all.find(|one| one["metadata"]["name"] == "todo-backend-hpa").unwrap();
        (backend["status"]["currentReplicas"] == LEAST).then_some(())
    });
    let lag = format!(
        "{page}/apis/external.metrics.k8s.io/v1beta1/namespaces/todo-app-prod/s0-kafka-task-events?labelSelector=scaledobject.keda.sh%2Fname%3Devent-service"
    );
    eventually("the depth of the queue, a scrape after the topic's making", || {
        let (status, text) = get(&lag);
        let items = serde_json::from_str::<Value>(&text).ok()?["items"].as_array().map(Vec::len);
        (status == 200 && items == Some(1)).then_some(())
    });
}

#[test]
fn scaling_can_be_switched_off() {
    let folder = tempfile::tempdir().unwrap();
    let product = Product::up(
        folder.path(),
        &["--no-autoscaling", "--expose", "todo-backend=0", "--expose", "todo-frontend=0"],
    );
    product.all_pods_ready();
    let (status, text) = get(&format!("{}/api/tidewatch/v1/autoscalers", product.address("/ui")));
    assert_eq!(status, 404, "{text}");
    assert!(text.contains("no-autoscaling") || text.contains("autoscal"), "{text}");
    assert_eq!(ready_backends(&product), LEAST);
}
