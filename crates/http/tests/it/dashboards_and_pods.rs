//! The Grafana and Kubernetes APIs, the metrics of a cluster's exporters, and the page.

use crate::client::{get, send};
use crate::doubles::OnePod;
use crate::served::{NOW, Served, example_state, serve};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use tidewatch_dashboard::{Catalog, Dashboard, Source};
use tidewatch_http::{ApiState, CADVISOR_METRICS_PATH, KUBE_STATE_METRICS_PATH, NODE_METRICS_PATH};
use tidewatch_manifest::{ContainerPort, PodRef, Quantity};
use tidewatch_runtime::{ContainerState, ContainerStatus, PodPhase, PodStatus};

fn catalog() -> Catalog {
    let mut catalog = Catalog::new();
    for (uid, title, folder, tags) in
        [("todo", "Todo / Application", Some("Apps"), r#"["app"]"#), ("k8s", "Kubernetes", None, "[]")]
    {
        let json = format!(
            "{{\"uid\":\"{uid}\",\"title\":\"{title}\",\"tags\":{tags}, \"panels\":[{{\"id\":1,\"type\":\"text\"}}]}}"
        );
        let origin = Source { file: "f.yaml".into(), configmap: "n/c".into(), key: uid.into() };
        catalog.add(Dashboard::parse(origin, folder, &json).unwrap()).unwrap();
    }
    catalog
}

pub(crate) fn pod() -> PodStatus {
    let pod = PodRef {
        namespace: "todo-app-prod".into(),
        name: "todo-backend-1".into(),
        uid: "u-1".into(),
        node: "local".into(),
        host_ip: "127.0.0.1".into(),
        phase: "Running".into(),
        controller_kind: "ReplicaSet".into(),
        controller_name: "todo-backend".into(),
        labels: BTreeMap::from([("app".into(), "todo-backend".into())]),
        ..PodRef::default()
    };
    let container = ContainerStatus {
        name: "backend".into(),
        image: "todo-backend:0.1.0".into(),
        state: ContainerState::Waiting { reason: "CrashLoopBackOff", message: "back-off 10s".into() },
        last_termination: None,
        ready: false,
        started: true,
        restarts: 2,
        oom_kills: 0,
        container_id: "tidewatch://1".into(),
        pid: None,
        ports: vec![ContainerPort { name: "http".into(), port: 8000, protocol: "TCP".into() }],
        requests: BTreeMap::from([("cpu".into(), Quantity::parse("100m").unwrap())]),
        limits: BTreeMap::from([("memory".into(), Quantity::parse("256Mi").unwrap())]),
    };
    PodStatus {
        pod: Arc::new(pod),
        ip: "127.64.0.1".parse().unwrap(),
        deployment: "todo-backend".into(),
        phase: PodPhase::Running,
        ready: false,
        ready_since_ms: None,
        ready_changed_ms: NOW + 250,
        created_ms: NOW + 250,
        initialized_ms: Some(NOW + 300),
        deleted_ms: None,
        init_containers: vec![],
        containers: vec![container],
    }
}

async fn serve_all() -> Served {
    let workloads: Arc<dyn tidewatch_http::Workloads> = Arc::new(OnePod(pod()));
    serve(ApiState { dashboards: Arc::new(catalog()), workloads: Some(workloads), ..example_state() }).await
}

#[tokio::test]
async fn dashboards_are_listed_found_and_served_as_written() {
    let served = serve_all().await;
    let titles = async |query: &str| {
        let list = get(served.address, &format!("/api/search?{query}")).await.json();
        list.as_array()
            .unwrap()
            .iter()
            .map(|hit| hit["title"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(titles("type=dash-db").await, ["Kubernetes", "Todo / Application"]);
    assert_eq!(titles("query=ToDo").await, ["Todo / Application"]);
    assert_eq!(titles("tag=app").await, ["Todo / Application"]);
    assert_eq!(titles("limit=1").await, ["Kubernetes"]);
    assert_eq!(titles("type=dash-folder").await, [""; 0]);
    let hit = get(served.address, "/api/search?query=todo").await.json();
    assert_eq!(
        hit[0],
        json!({
            "uid": "todo", "title": "Todo / Application", "uri": "db/todo-application", "url": "/d/todo/todo-application",
            "slug": "todo-application", "type": "dash-db", "tags": ["app"], "isStarred": false, "folderTitle": "Apps",
        })
    );
    let found = get(served.address, "/api/dashboards/uid/todo").await;
    let as_written = r#""dashboard":{"uid":"todo","title":"Todo / Application","tags":["app"], "panels":[{"id":1,"type":"text"}]}}"#;
    assert!(found.text().ends_with(as_written), "{}", found.text());
    assert_eq!(found.json()["meta"]["provisioned"], true);
    let missing = get(served.address, "/api/dashboards/uid/nope").await;
    assert_eq!((missing.status, missing.json()["message"].as_str()), (404, Some("Dashboard not found")));
    served.stop().await;
}

#[tokio::test]
async fn grafana_finds_one_data_source_and_can_query_through_it() {
    let served = serve_all().await;
    let source = get(served.address, "/api/datasources").await.json();
    assert_eq!((&source[0]["uid"], &source[0]["type"]), (&json!("prometheus"), &json!("prometheus")));
    let proxied = get(served.address, "/api/datasources/proxy/uid/prometheus/api/v1/label/job/values").await;
    assert_eq!(proxied.text(), r#"{"status":"success","data":["backend","frontend"]}"#);
    assert_eq!(get(served.address, "/api/health").await.json()["database"], "ok");
    assert_eq!(get(served.address, "/api/annotations?from=1").await.text(), "[]");
    served.stop().await;
}

#[tokio::test]
async fn pods_and_events_are_objects_of_the_kubernetes_api() {
    let served = serve_all().await;
    let list = get(served.address, "/api/v1/namespaces/todo-app-prod/pods").await.json();
    assert_eq!((&list["kind"], &list["apiVersion"]), (&json!("PodList"), &json!("v1")));
    let pod = &list["items"][0];
    assert_eq!(pod["metadata"]["name"], "todo-backend-1");
    assert_eq!(pod["metadata"]["creationTimestamp"], "2023-11-14T22:13:20Z");
    assert_eq!(pod["metadata"]["ownerReferences"][0]["kind"], "ReplicaSet");
    assert_eq!(pod["spec"]["containers"][0]["resources"]["limits"], json!({ "memory": "256Mi" }));
    assert_eq!(pod["status"]["podIP"], "127.64.0.1");
    let status = &pod["status"]["containerStatuses"][0];
    assert_eq!(status["state"]["waiting"]["reason"], "CrashLoopBackOff");
    assert_eq!((&status["restartCount"], &status["ready"]), (&json!(2), &json!(false)));
    let ready =
        pod["status"]["conditions"].as_array().unwrap().iter().find(|c| c["type"] == "Ready").unwrap();
    assert_eq!(ready["status"], "False");
    assert_eq!(get(served.address, "/api/v1/pods").await.json()["items"].as_array().unwrap().len(), 1);
    assert_eq!(get(served.address, "/api/v1/namespaces/other/pods").await.json()["items"], json!([]));
    let one = get(served.address, "/api/v1/namespaces/todo-app-prod/pods/todo-backend-1").await.json();
    assert_eq!((&one["kind"], &one["status"]["phase"]), (&json!("Pod"), &json!("Running")));
    let event = &get(served.address, "/api/v1/namespaces/todo-app-prod/events").await.json()["items"][0];
    assert_eq!(
        (&event["reason"], &event["count"], &event["type"]),
        (&json!("BackOff"), &json!(3), &json!("Warning"))
    );
    assert_eq!(event["lastTimestamp"], "2023-11-14T22:14:20Z");
    let deployments = get(served.address, "/apis/apps/v1/namespaces/todo-app-prod/deployments").await.json();
    let status = &deployments["items"][0]["status"];
    assert_eq!((&status["replicas"], &status["readyReplicas"]), (&json!(1), &json!(0)));
    served.stop().await;
}

#[tokio::test]
async fn logs_are_plain_text_and_refusals_are_status_objects() {
    let served = serve_all().await;
    let log = "/api/v1/namespaces/todo-app-prod/pods/todo-backend-1/log";
    let reply = get(served.address, &format!("{log}?container=backend&tailLines=2")).await;
    assert_eq!((reply.header("content-type"), reply.text().as_str()), ("text/plain", "two\nthree\n"));
    assert_eq!(get(served.address, log).await.text(), "one\ntwo\nthree\n");
    let refused = async |target: &str, status: u16, message: &str| {
        let reply = get(served.address, target).await;
        let object = reply.json();
        assert_eq!((reply.status, object["message"].as_str()), (status, Some(message)), "{target}");
        assert_eq!((&object["kind"], &object["status"]), (&json!("Status"), &json!("Failure")));
        assert_eq!(object["code"], status);
    };
    let follow = "follow is not supported by tidewatch; hint: use tailLines";
    refused(&format!("{log}?follow=true"), 400, follow).await;
    refused(&format!("{log}?tailLines=x"), 400, "tailLines: \"x\" is not a number of lines").await;
    let container = "pod todo-backend-1 has no container \"nope\"; hint: it has backend";
    refused(&format!("{log}?container=nope"), 400, container).await;
    refused("/api/v1/namespaces/todo-app-prod/pods/gone/log", 404, "pods \"gone\" not found").await;
    refused("/api/v1/namespaces/todo-app-prod/pods/gone", 404, "pods \"gone\" not found").await;
    served.stop().await;
    let without_pods = serve(example_state()).await;
    let reply = get(without_pods.address, "/api/v1/namespaces/x/pods").await;
    assert_eq!((reply.status, reply.json()["kind"].as_str()), (404, Some("Status")));
    without_pods.stop().await;
}

#[tokio::test]
async fn exporters_have_a_listener_of_their_own() {
    let served = serve_all().await;
    for (path, text) in [
        (KUBE_STATE_METRICS_PATH, "kube_pod_info 1\n"),
        (CADVISOR_METRICS_PATH, "container_last_seen 1\n"),
        (NODE_METRICS_PATH, "node_load1 0.5\n"),
    ] {
        let reply = get(served.cluster_metrics, path).await;
        assert_eq!((reply.status, reply.text().as_str()), (200, text), "{path}");
        assert!(reply.header("content-type").starts_with("text/plain; version=0.0.4"));
        assert_eq!(get(served.address, path).await.status, 404, "{path} on the other listener");
    }
    assert_eq!(get(served.cluster_metrics, "/api/v1/query?query=1").await.status, 404);
    served.stop().await;
}

#[tokio::test]
async fn the_page_answers_its_own_addresses_only() {
    let served = serve_all().await;
    let page = get(served.address, "/").await;
    assert!(page.header("content-type").starts_with("text/html"), "{:?}", page.headers);
    // The program may have been built without the page; then it says so.
    assert!(matches!(page.status, 200 | 503), "{}", page.status);
    assert_eq!(page.status == 503, page.text().contains("make ui"));
    for view in ["/explore", "/d/todo/todo-application", "/targets"] {
        assert_eq!(get(served.address, view).await.bytes, page.bytes, "{view}");
    }
    if page.status == 200 {
        let tag = page.header("etag").to_owned();
        let again = send(served.address, "GET", "/explore", &[("If-None-Match", &tag)], b"").await;
        assert_eq!((again.status, again.bytes.len()), (304, 0));
        let compressed = send(served.address, "GET", "/", &[("Accept-Encoding", "gzip")], b"").await;
        assert_eq!(compressed.header("content-encoding"), "gzip");
    }
    for missing in ["/assets/nope.js", "/robots.txt", "/api/nope", "/-/nope"] {
        assert_eq!(get(served.address, missing).await.status, 404, "{missing}");
    }
    served.stop().await;
}
