//! The Kubernetes API beyond pods: discovery, tables, selectors, autoscalers, metrics, and what is refused.
//!
//! Expectations are written by hand from the API's reference; `against_kubectl` asks a real kubectl when it is installed.

use crate::client::{Reply, get, send};
use crate::dashboards_and_pods::pod;
use crate::doubles::OnePod;
use crate::scaling_doubles::{Measured, OneOfEach, TwoAutoscalers};
use crate::served::{Served, example_state, serve};
use serde_json::{Value, json};
use std::sync::Arc;
use tidewatch_http::ApiState;

const KUBECTL_ACCEPT: &str = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,\
                              application/json";
const HPAS: &str = "/apis/autoscaling/v2/namespaces/todo-app-prod/horizontalpodautoscalers";
const PODS: &str = "/api/v1/namespaces/todo-app-prod/pods";
const METRICS: &str = "/apis/metrics.k8s.io/v1beta1";

/// A server that runs one pod, scales it, and has all metrics.
pub(crate) fn scaled_state() -> ApiState {
    ApiState {
        workloads: Some(Arc::new(OnePod(pod()))),
        autoscaling: Some(Arc::new(TwoAutoscalers)),
        resource_metrics: Some(Arc::new(Measured(Ok(())))),
        custom_metrics: Some(Arc::new(OneOfEach)),
        external_metrics: Some(Arc::new(OneOfEach)),
        ..example_state()
    }
}

async fn serve_scaled() -> Served {
    serve(scaled_state()).await
}

async fn table(served: &Served, target: &str) -> Value {
    let reply = send(served.address, "GET", target, &[("Accept", KUBECTL_ACCEPT)], b"").await;
    let table = reply.json();
    assert_eq!(
        (reply.status, &table["kind"], &table["apiVersion"]),
        (200, &json!("Table"), &json!("meta.k8s.io/v1"))
    );
    table
}

/// The columns that are shown without `-o wide`, and the cells of all rows.
fn shown(table: &Value) -> (Vec<String>, Vec<Vec<Value>>) {
    let columns = table["columnDefinitions"].as_array().unwrap();
    let narrow = |at: usize| columns[at]["priority"] == 0;
    let names = columns.iter().filter(|column| column["priority"] == 0);
    let names = names.map(|column| column["name"].as_str().unwrap().to_uppercase()).collect();
    let cells = |row: &Value| {
        let cells = row["cells"].as_array().unwrap().clone();
        assert_eq!(cells.len(), columns.len());
        cells.into_iter().enumerate().filter(|(at, _)| narrow(*at)).map(|(_, cell)| cell).collect()
    };
    (names, table["rows"].as_array().unwrap().iter().map(cells).collect())
}

fn assert_status(reply: &Reply, code: u16, reason: &str, message: &str) {
    let status = reply.json();
    let found = (reply.status, status["kind"].as_str(), status["reason"].as_str(), status["code"].as_u64());
    assert_eq!(found, (code, Some("Status"), Some(reason), Some(code.into())), "{status}");
    assert!(status["message"].as_str().unwrap().contains(message), "{status} does not say {message:?}");
}

#[tokio::test]
async fn kubectl_finds_groups_and_resources() {
    let served = serve_scaled().await;
    assert_eq!(get(served.address, "/api").await.json()["versions"], json!(["v1"]));
    let groups = get(served.address, "/apis").await.json();
    let names: Vec<&str> =
        groups["groups"].as_array().unwrap().iter().map(|group| group["name"].as_str().unwrap()).collect();
    let all = ["apps", "autoscaling", "metrics.k8s.io", "external.metrics.k8s.io"];
    // No autoscaler here looks at a custom metric; kubectl takes a group without resources for a failure.
    assert_eq!((names, &groups["kind"]), (all.to_vec(), &json!("APIGroupList")));
    assert_eq!(
        groups["groups"][1]["preferredVersion"],
        json!({ "groupVersion": "autoscaling/v2", "version": "v2" })
    );
    let group = get(served.address, "/apis/autoscaling").await.json();
    assert_eq!((&group["kind"], &group["name"]), (&json!("APIGroup"), &json!("autoscaling")));
    let resources = async |path: &str| {
        let list = get(served.address, path).await.json();
        assert_eq!(list["kind"], "APIResourceList");
        let names = list["resources"].as_array().unwrap().iter();
        (
            list["groupVersion"].clone(),
            names.map(|one| one["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>(),
        )
    };
    let core = ["namespaces", "nodes", "pods", "pods/log", "events"].map(str::to_owned).to_vec();
    assert_eq!(resources("/api/v1").await, (json!("v1"), core));
    let scaled = ["horizontalpodautoscalers", "horizontalpodautoscalers/status"].map(str::to_owned).to_vec();
    assert_eq!(resources("/apis/autoscaling/v2").await, (json!("autoscaling/v2"), scaled));
    let apps = ["deployments", "deployments/scale"].map(str::to_owned).to_vec();
    assert_eq!(resources("/apis/apps/v1").await.1, apps);
    assert_eq!(resources(METRICS).await.1, ["nodes", "pods"]);
    assert_eq!(resources("/apis/external.metrics.k8s.io/v1beta1").await.1, ["s0-kafka-task-events"]);
    assert_eq!(resources("/apis/custom.metrics.k8s.io/v1beta2").await.1, [""; 0]);
    let hpa = &get(served.address, "/apis/autoscaling/v2").await.json()["resources"][0];
    assert_eq!((&hpa["shortNames"], &hpa["verbs"]), (&json!(["hpa"]), &json!(["get", "list"])));
    assert_eq!(get(served.address, "/version").await.json()["minor"], "34");
    for unknown in ["/apis/batch", "/apis/batch/v1", "/apis/apps/v2", "/apis/apps/v1/statefulsets"] {
        let reply = get(served.address, unknown).await;
        assert_status(&reply, 404, "NotFound", "the server could not find the requested resource");
    }
    served.stop().await;
}

#[tokio::test]
async fn autoscalers_have_the_specification_and_status_of_the_api() {
    let served = serve_scaled().await;
    let list = get(served.address, HPAS).await.json();
    assert_eq!(
        (&list["kind"], &list["apiVersion"]),
        (&json!("HorizontalPodAutoscalerList"), &json!("autoscaling/v2"))
    );
    let names =
        list["items"].as_array().unwrap().iter().map(|item| item["metadata"]["name"].as_str().unwrap());
    assert_eq!(names.collect::<Vec<_>>(), ["keda-hpa-event-service", "todo-backend-hpa"]);
    let hpa = get(served.address, &format!("{HPAS}/todo-backend-hpa")).await.json();
    assert_eq!(hpa["kind"], "HorizontalPodAutoscaler");
    assert_eq!(hpa["metadata"]["creationTimestamp"], "2023-11-14T21:13:20Z");
    assert_eq!(hpa["metadata"]["labels"], json!({ "app": "todo-backend" }));
    let resource = |name: &str, percent: i32| {
        json!({ "type": "Resource", "resource": {
            "name": name, "target": { "type": "Utilization", "averageUtilization": percent } } })
    };
    let policy = |kind: &str, value: i32, seconds: i32| json!({ "type": kind, "value": value, "periodSeconds": seconds });
    assert_eq!(
        hpa["spec"],
        json!({
            "scaleTargetRef": { "kind": "Deployment", "name": "todo-backend", "apiVersion": "apps/v1" },
            "minReplicas": 2,
            "maxReplicas": 10,
            "metrics": [resource("cpu", 70), resource("memory", 80)],
            "behavior": {
                "scaleUp": {
                    "stabilizationWindowSeconds": 0,
                    "selectPolicy": "Max",
                    "policies": [policy("Pods", 4, 15), policy("Percent", 100, 15)],
                },
                "scaleDown": {
                    "stabilizationWindowSeconds": 120,
                    "selectPolicy": "Max",
                    "policies": [policy("Percent", 50, 30)],
                },
            },
        })
    );
    assert_eq!(
        hpa["status"],
        json!({
            "currentReplicas": 2,
            "desiredReplicas": 4,
            "lastScaleTime": "2023-11-14T22:12:20Z",
            "currentMetrics": [
                { "type": "Resource", "resource": {
                    "name": "cpu", "current": { "averageUtilization": 143, "averageValue": "143m" } } },
                { "type": "" },
            ],
            "conditions": [{
                "type": "AbleToScale",
                "status": "True",
                "reason": "SucceededRescale",
                "message": "the HPA controller was able to update the target scale to 4",
                "lastTransitionTime": "2023-11-14T21:15:00Z",
            }],
        })
    );
    let keda = get(served.address, &format!("{HPAS}/keda-hpa-event-service")).await.json();
    assert_eq!(keda["metadata"]["ownerReferences"][0]["name"], "event-service");
    let selector = json!({ "matchLabels": { "scaledobject.keda.sh/name": "event-service" } });
    assert_eq!(keda["spec"]["metrics"][0]["external"]["metric"]["selector"], selector);
    assert_eq!(keda["status"]["currentMetrics"], Value::Null);
    let missing = get(served.address, &format!("{HPAS}/gone")).await;
    assert_status(&missing, 404, "NotFound", "horizontalpodautoscalers.autoscaling \"gone\" not found");
    let details = json!({ "name": "gone", "kind": "horizontalpodautoscalers", "group": "autoscaling" });
    assert_eq!(missing.json()["details"], details);
    served.stop().await;
}

#[tokio::test]
async fn tables_have_kubectls_columns() {
    let served = serve_scaled().await;
    let check = async |target: &str, names: &[&str], rows: Value| {
        let table = table(&served, target).await;
        let (columns, cells) = shown(&table);
        assert_eq!((columns, json!(cells)), (names.iter().map(|name| (*name).to_owned()).collect(), rows));
        assert_eq!(table["rows"][0]["object"]["kind"], "PartialObjectMetadata");
    };
    check(
        "/apis/autoscaling/v2/horizontalpodautoscalers?limit=500",
        &["NAME", "REFERENCE", "TARGETS", "MINPODS", "MAXPODS", "REPLICAS", "AGE"],
        json!([
            ["keda-hpa-event-service", "Deployment/event-service", "<unknown>/10 (avg)", "1", 5, 0, "60m"],
            [
                "todo-backend-hpa",
                "Deployment/todo-backend",
                "cpu: 143%/70%, memory: <unknown>/80%",
                "2",
                10,
                2,
                "60m"
            ],
        ]),
    )
    .await;
    check(
        PODS,
        &["NAME", "READY", "STATUS", "RESTARTS", "AGE"],
        json!([["todo-backend-1", "0/1", "CrashLoopBackOff", "2", "0s"]]),
    )
    .await;
    check(
        "/apis/apps/v1/deployments",
        &["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE"],
        json!([["todo-backend", "0/2", 1, 0, "2m5s"]]),
    )
    .await;
    let message = "Back-off restarting failed container";
    check(
        "/api/v1/events",
        &["LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"],
        json!([
            ["<invalid>", "Warning", "BackOff", "pod/todo-backend-1", message],
            ["60s", "Normal", "SuccessfulRescale", "horizontalpodautoscaler/todo-backend-hpa", "New size: 4"],
        ]),
    )
    .await;
    check("/api/v1/namespaces", &["NAME", "STATUS", "AGE"], json!([["todo-app-prod", "Active", "5s"]])).await;
    let nodes = table(&served, "/api/v1/nodes/local").await;
    assert_eq!(shown(&nodes).1[0][..4], ["local", "Ready", "<none>", "3d"].map(Value::from));
    let wide = table(&served, "/apis/apps/v1/namespaces/todo-app-prod/deployments/todo-backend").await;
    let last = ["backend,daprd", "backend:0.1.0,daprd:0.1.0", "app=todo-backend"].map(Value::from);
    assert_eq!(wide["rows"][0]["cells"].as_array().unwrap()[5..], last);
    let pods = table(&served, &format!("{METRICS}/pods?includeObject=Object")).await;
    assert_eq!(pods["rows"][0]["cells"], json!(["todo-backend-1", "145256789n", "53662800", "15.012s"]));
    assert_eq!(pods["rows"][0]["object"]["kind"], "PodMetrics");
    served.stop().await;
}

#[tokio::test]
async fn selectors_and_limits_narrow_lists_down() {
    let served = serve_scaled().await;
    let count =
        async |target: &str| get(served.address, target).await.json()["items"].as_array().unwrap().len();
    for (query, expected) in [
        ("labelSelector=app%3Dtodo-backend", 1),
        ("labelSelector=app%20in%20(x,y)", 0),
        ("labelSelector=!app", 0),
        ("fieldSelector=status.phase%3DRunning,spec.nodeName%3Dlocal", 1),
        ("fieldSelector=status.phase!%3DRunning", 0),
        ("fieldSelector=metadata.name%3Dother", 0),
    ] {
        assert_eq!(count(&format!("{PODS}?{query}")).await, expected, "{query}");
    }
    let of_pod = "involvedObject.kind%3DPod,involvedObject.name%3Dtodo-backend-1,involvedObject.uid%3Du-1";
    assert_eq!(count(&format!("/api/v1/namespaces/todo-app-prod/events?fieldSelector={of_pod}")).await, 1);
    assert_eq!(count("/api/v1/events?fieldSelector=involvedObject.uid%3Du-2").await, 0);
    let first = get(served.address, &format!("{HPAS}?limit=1")).await.json();
    let next = first["metadata"]["continue"].as_str().unwrap();
    assert_eq!(
        (&first["metadata"]["remainingItemCount"], first["items"].as_array().unwrap().len()),
        (&json!(1), 1)
    );
    let second = get(served.address, &format!("{HPAS}?limit=1&continue={next}")).await.json();
    assert_eq!(second["items"][0]["metadata"]["name"], "todo-backend-hpa");
    assert_eq!(second["metadata"]["continue"], Value::Null);
    for (query, message) in [
        ("labelSelector=app%3E1", "unable to parse requirement \"app>1\""),
        ("fieldSelector=spec.host%3Dx", "field label not supported: spec.host"),
        ("limit=x", "limit: \"x\" is not a number"),
        ("continue=%21", "continue key is not valid"),
    ] {
        assert_status(&get(served.address, &format!("{PODS}?{query}")).await, 400, "BadRequest", message);
    }
    served.stop().await;
}

#[tokio::test]
async fn the_scale_of_a_deployment_is_what_an_autoscaler_reads() {
    let served = serve_scaled().await;
    let path = "/apis/apps/v1/namespaces/todo-app-prod/deployments/todo-backend/scale";
    let scale = get(served.address, path).await.json();
    assert_eq!((&scale["kind"], &scale["apiVersion"]), (&json!("Scale"), &json!("autoscaling/v1")));
    assert_eq!(scale["spec"], json!({ "replicas": 2 }));
    assert_eq!(scale["status"], json!({ "replicas": 1, "selector": "app=todo-backend" }));
    let gone = get(served.address, &path.replace("todo-backend", "gone")).await;
    assert_status(&gone, 404, "NotFound", "deployments.apps \"gone\" not found");
    served.stop().await;
}

#[tokio::test]
async fn resource_metrics_are_spelled_as_metrics_server_spells_them() {
    let served = serve_scaled().await;
    let list = get(served.address, &format!("{METRICS}/namespaces/todo-app-prod/pods")).await.json();
    assert_eq!(
        (&list["kind"], &list["apiVersion"]),
        (&json!("PodMetricsList"), &json!("metrics.k8s.io/v1beta1"))
    );
    let pod = json!({
        "metadata": {
            "name": "todo-backend-1",
            "namespace": "todo-app-prod",
            "creationTimestamp": "2023-11-14T22:13:20Z",
            "labels": { "app": "todo-backend" },
        },
        "timestamp": "2023-11-14T22:13:15Z",
        "window": "15.012s",
        "containers": [
            { "name": "backend", "usage": { "cpu": "143256789n", "memory": "50Mi" } },
            { "name": "daprd", "usage": { "cpu": "2m", "memory": "1234000" } },
        ],
    });
    assert_eq!(list["items"], json!([pod]));
    let one =
        get(served.address, &format!("{METRICS}/namespaces/todo-app-prod/pods/todo-backend-1")).await.json();
    assert_eq!((&one["kind"], &one["containers"]), (&json!("PodMetrics"), &pod["containers"]));
    let node = get(served.address, &format!("{METRICS}/nodes/local")).await.json();
    assert_eq!(
        (&node["kind"], &node["usage"]),
        (&json!("NodeMetrics"), &json!({ "cpu": "500m", "memory": "1Gi" }))
    );
    let none = get(served.address, &format!("{METRICS}/pods?labelSelector=app%3Dother")).await.json();
    assert_eq!(none["items"], json!([]));
    let gone = get(served.address, &format!("{METRICS}/namespaces/todo-app-prod/pods/gone")).await;
    assert_status(&gone, 404, "NotFound", "\"gone\" not found");
    served.stop().await;

    let down = Measured(Err("no counters were taken for 90 s".to_owned()));
    let served = serve(ApiState { resource_metrics: Some(Arc::new(down)), ..scaled_state() }).await;
    let reply = get(served.address, &format!("{METRICS}/pods")).await;
    let message = "the server is currently unable to handle the request: no counters were taken for 90 s";
    assert_status(&reply, 503, "ServiceUnavailable", message);
    served.stop().await;

    let served = serve(ApiState { resource_metrics: None, ..scaled_state() }).await;
    assert_status(&get(served.address, &format!("{METRICS}/pods")).await, 404, "NotFound", "could not find");
    assert!(!get(served.address, "/apis").await.text().contains("\"metrics.k8s.io\""));
    served.stop().await;
}

#[tokio::test]
async fn custom_and_external_metrics_are_lists_of_values() {
    let served = serve_scaled().await;
    let custom = "/apis/custom.metrics.k8s.io/v1beta2/namespaces/todo-app-prod";
    let list = get(served.address, &format!("{custom}/pods/*/http_requests")).await.json();
    assert_eq!(
        (&list["kind"], &list["apiVersion"]),
        (&json!("MetricValueList"), &json!("custom.metrics.k8s.io/v1beta2"))
    );
    let described =
        json!({ "kind": "Pod", "namespace": "todo-app-prod", "name": "todo-backend-1", "apiVersion": "/v1" });
    let item = json!({
        "describedObject": described,
        "metric": { "name": "http_requests", "selector": null },
        "timestamp": "2023-11-14T22:13:20Z",
        "value": "1200m",
    });
    assert_eq!(list["items"], json!([item]));
    let value = async |path: &str| {
        get(served.address, &format!("{custom}/{path}")).await.json()["items"][0]["value"].clone()
    };
    assert_eq!(value("pods/*/http_requests?labelSelector=app%3Dother").await, Value::Null);
    assert_eq!(value("pods/todo-backend-7/http_requests").await, "1200m");
    assert_eq!(value("services/web/queue_length").await, "7");
    assert_eq!(value("services/web/queue_length?metricLabelSelector=queue%3Dmail").await, "3");
    assert_eq!(value("metrics/pods_ready").await, "2k");
    let refused = async |path: &str, code: u16, reason: &str, message: &str| {
        assert_status(&get(served.address, &format!("{custom}/{path}")).await, code, reason, message);
    };
    refused("pods/*/nope", 404, "NotFound", "no series for metric \"nope\"").await;
    refused("services/*/queue_length", 400, "BadRequest", "tidewatch cannot list services").await;
    refused("services/api/queue_length", 503, "ServiceUnavailable", "the store is closed").await;
    let external = "/apis/external.metrics.k8s.io/v1beta1/namespaces/todo-app-prod/s0-kafka-task-events";
    let of = "labelSelector=scaledobject.keda.sh%2Fname%3Devent-service";
    let list = get(served.address, &format!("{external}?{of}")).await.json();
    assert_eq!(list["kind"], "ExternalMetricValueList");
    let item = json!({
        "metricName": "s0-kafka-task-events",
        "metricLabels": null,
        "timestamp": "2023-11-14T22:13:20Z",
        "value": "42",
    });
    assert_eq!(list["items"], json!([item]));
    assert_status(&get(served.address, external).await, 404, "NotFound", "no metric");
    served.stop().await;
}

#[tokio::test]
async fn writes_and_watches_are_refused_with_the_reason() {
    let served = serve_scaled().await;
    let pod = format!("{PODS}/todo-backend-1");
    let scale = "/apis/apps/v1/namespaces/todo-app-prod/deployments/todo-backend/scale".to_owned();
    for (method, target) in [
        ("DELETE", &pod),
        ("PATCH", &scale),
        ("PUT", &scale),
        ("POST", &HPAS.to_owned()),
        ("POST", &"/apis/batch/v1/namespaces/x/jobs".to_owned()),
        ("POST", &"/api/v1/namespaces/x/configmaps".to_owned()),
    ] {
        let reply =
            send(served.address, method, target, &[("Content-Type", "application/json")], b"{}").await;
        assert_status(&reply, 405, "MethodNotAllowed", "tidewatch's Kubernetes API only reads");
        assert_eq!(reply.header("allow"), "GET", "{method} {target}");
    }
    let watch = get(served.address, &format!("{PODS}?watch=true")).await;
    assert_status(&watch, 405, "MethodNotAllowed", "watch is not supported");
    let protobuf = [("Accept", "application/vnd.kubernetes.protobuf")];
    let reply = send(served.address, "GET", PODS, &protobuf, b"").await;
    assert_status(
        &reply,
        406,
        "NotAcceptable",
        "only the following media types are accepted: application/json",
    );
    served.stop().await;
}

#[tokio::test]
async fn what_is_not_run_here_is_said() {
    let served = serve(example_state()).await;
    let reply = get(served.address, "/apis/autoscaling/v2/horizontalpodautoscalers").await;
    assert_status(
        &reply,
        404,
        "NotFound",
        "nothing is scaled here: this API exists with `tidewatch up` only",
    );
    let reply = get(served.address, "/apis/apps/v1/deployments").await;
    assert_status(&reply, 404, "NotFound", "no pods are run here: this API exists with `tidewatch up` only");
    let reply = get(served.address, "/apis/custom.metrics.k8s.io/v1beta2/namespaces/x/pods/*/y").await;
    assert_status(&reply, 404, "NotFound", "the server could not find the requested resource");
    served.stop().await;
}
