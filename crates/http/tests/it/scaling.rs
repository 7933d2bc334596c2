//! tidewatch's own API of autoscaling, and scalings as annotations.

use crate::client::{get, send};
use crate::kubernetes::scaled_state;
use crate::served::{NOW, Served, eventually, example_state, serve};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tidewatch_http::{ApiState, SimulationFailure};

const AUTOSCALERS: &str = "/api/tidewatch/v1/autoscalers";
const SIMULATION: &str = "/api/tidewatch/v1/simulation";
const JSON: (&str, &str) = ("Content-Type", "application/json");

#[tokio::test]
async fn autoscalers_are_listed_with_targets_and_current_values() {
    let served = serve(scaled_state()).await;
    let list = get(served.address, AUTOSCALERS).await.json();
    let [keda, backend] = list["autoscalers"].as_array().unwrap().as_slice() else { panic!("{list}") };
    assert_eq!(
        *backend,
        json!({
            "namespace": "todo-app-prod",
            "name": "todo-backend-hpa",
            "origin": "HorizontalPodAutoscaler",
            "target": { "kind": "Deployment", "name": "todo-backend" },
            "minReplicas": 2,
            "maxReplicas": 10,
            "currentReplicas": 2,
            "desiredReplicas": 4,
            "lastSyncTime": "2023-11-14T22:13:18.5Z",
            "lastScaleTime": "2023-11-14T22:12:20Z",
            "conditions": [{
                "type": "AbleToScale",
                "status": "True",
                "reason": "SucceededRescale",
                "message": "the HPA controller was able to update the target scale to 4",
                "lastTransitionTime": "2023-11-14T21:15:00Z",
            }],
            "metrics": [
                {
                    "type": "Resource",
                    "name": "cpu",
                    "target": { "type": "Utilization", "value": 70, "number": 70 },
                    "current": { "value": 143, "number": 143, "averageUtilization": 143, "averageValue": "143m" },
                },
                {
                    "type": "Resource",
                    "name": "memory",
                    "target": { "type": "Utilization", "value": 80, "number": 80 },
                    "current": null,
                },
            ],
        })
    );
    assert_eq!(
        (&keda["origin"], &keda["scaledObject"]["name"]),
        (&json!("ScaledObject"), &json!("event-service"))
    );
    assert_eq!(
        keda["metrics"][0]["target"],
        json!({ "type": "AverageValue", "value": "10", "number": 10.0 })
    );
    assert_eq!((&keda["lastScaleTime"], &keda["lastSyncTime"]), (&Value::Null, &Value::Null));
    let one = get(served.address, &format!("{AUTOSCALERS}/todo-app-prod/todo-backend-hpa")).await.json();
    assert_eq!(one, *backend);
    let missing = get(served.address, &format!("{AUTOSCALERS}/todo-app-prod/nope")).await;
    let text = "no autoscaler \"nope\" in namespace \"todo-app-prod\"; hint: /api/tidewatch/v1/autoscalers lists them";
    assert_eq!((missing.status, &missing.json()["error"]), (404, &json!(text)));
    served.stop().await;
    let without = serve(example_state()).await;
    let reply = get(without.address, AUTOSCALERS).await;
    assert_eq!(reply.status, 404);
    assert!(reply.json()["error"].as_str().unwrap().contains("`tidewatch up` only"));
    without.stop().await;
}

#[tokio::test]
async fn decisions_come_with_their_steps_the_latest_first() {
    let served = serve(scaled_state()).await;
    let path = format!("{AUTOSCALERS}/todo-app-prod/todo-backend-hpa/decisions");
    let list = get(served.address, &path).await.json();
    let [latest, earlier] = list["decisions"].as_array().unwrap().as_slice() else { panic!("{list}") };
    assert_eq!(
        (&latest["time"], &earlier["time"]),
        (&json!("2023-11-14T22:12:20Z"), &json!("2023-11-14T22:12:04.75Z"))
    );
    assert_eq!((&latest["scaled"], &earlier["scaled"]), (&json!(true), &json!(false)));
    assert_eq!((&latest["currentReplicas"], &latest["desiredReplicas"]), (&json!(2), &json!(4)));
    assert!(latest["sentence"].as_str().is_some_and(|sentence| !sentence.is_empty()), "{latest}");
    let step = &latest["steps"][0];
    assert_eq!((&step["kind"], &step["replicas"]), (&json!("limits"), &json!(0)));
    assert!(step["text"].as_str().is_some_and(|text| !text.is_empty()), "{step}");
    assert_eq!(latest["events"][0]["reason"], "SuccessfulRescale");
    assert_eq!(latest["conditions"][0]["lastTransitionTime"], "2023-11-14T21:15:00Z");
    let one = get(served.address, &format!("{path}?limit=1")).await.json();
    assert_eq!(one["decisions"], json!([latest]));
    for limit in ["0", "x", "10001", "-1"] {
        let reply = get(served.address, &format!("{path}?limit={limit}")).await;
        assert_eq!((reply.status, &reply.json()["field"]), (400, &json!("limit")), "{limit}");
    }
    served.stop().await;
}

#[tokio::test]
async fn scalings_are_annotations_of_every_dashboard() {
    let served = serve(scaled_state()).await;
    let found = async |query: &str| get(served.address, &format!("/api/annotations?{query}")).await.json();
    let times = async |query: &str| {
        let list = found(query).await;
        list.as_array().unwrap().iter().map(|one| NOW - one["time"].as_i64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(times("").await, [60_000, 600_000]);
    let (from, to) = (NOW - 600_000, NOW - 60_001);
    assert_eq!(times(&format!("from={from}&to={to}")).await, [600_000]);
    assert_eq!(times(&format!("from={}", from + 1)).await, [60_000]);
    assert_eq!(times("limit=1").await, [60_000]);
    assert_eq!(times("tags=scaling&tags=todo-backend").await.len(), 2);
    assert_eq!(times("tags=scaling&tags=other").await.len(), 0);
    assert_eq!(times("tags=scaling&tags=other&matchAny=true").await.len(), 2);
    let list = found("dashboardUID=todo").await;
    let text = "todo-backend: 2 → 4 replicas: CPU 143 % of 70 % asks for 5; the 100 %/30 s policy allows 4";
    assert_eq!((&list[0]["text"], &list[0]["timeEnd"]), (&json!(text), &list[0]["time"]));
    assert_eq!(list[0]["tags"], json!(["scaling", "todo-app-prod", "todo-backend"]));
    assert_ne!(list[0]["id"], list[1]["id"]);
    let wrong = get(served.address, "/api/annotations?from=now").await;
    assert_eq!(
        (wrong.status, wrong.text().as_str()),
        (400, r#"{"message":"from: \"now\" is not a number of milliseconds"}"#)
    );
    served.stop().await;
}

/// Answers with what it was sent; refuses what is no list; has a defect for `[13]`.
fn echo(body: &[u8]) -> Result<Vec<u8>, SimulationFailure> {
    assert_ne!(body, b"[13]", "the defect that a test asks for");
    if body.starts_with(b"[") {
        return Ok(body.to_vec());
    }
    let (message, field) =
        ("load.segments[1].rate: -1 is negative; hint: use 0".to_owned(), "load.segments[1].rate".to_owned());
    Err(SimulationFailure { message, field: Some(field), is_request: true })
}

async fn serve_simulations() -> Served {
    serve(ApiState { simulate: Some(Arc::new(echo)), ..example_state() }).await
}

#[tokio::test]
async fn simulations_answer_or_name_the_field() {
    let served = serve_simulations().await;
    let post = async |headers: &[(&str, &str)], body: &[u8]| {
        send(served.address, "POST", SIMULATION, headers, body).await
    };
    let reply = post(&[JSON], b"[1,2]").await;
    assert_eq!(
        (reply.status, reply.text().as_str(), reply.header("content-type")),
        (200, "[1,2]", "application/json")
    );
    let reply = post(&[JSON], b"{}").await;
    let refusal = json!({ "error": "load.segments[1].rate: -1 is negative; hint: use 0", "field": "load.segments[1].rate" });
    assert_eq!((reply.status, reply.json()), (400, refusal));
    assert_eq!(post(&[JSON], b"[13]").await.status, 500);
    assert_eq!(post(&[("Content-Type", "text/plain")], b"[]").await.status, 415);
    let foreign = post(&[JSON, ("Origin", "http://evil.example")], b"[]").await;
    assert_eq!((foreign.status, foreign.text().contains("another origin")), (403, true));
    assert_eq!(get(served.address, SIMULATION).await.status, 405);
    let mut body = vec![b' '; 1 << 20];
    body[0] = b'[';
    assert_eq!(post(&[JSON], &body).await.status, 200);
    body.push(b' ');
    let large = post(&[JSON], &body).await;
    assert_eq!((large.status, large.text().contains("larger than 1048576 bytes")), (413, true));
    served.stop().await;
    let without = serve(example_state()).await;
    let reply = send(without.address, "POST", SIMULATION, &[JSON], b"[]").await;
    assert_eq!((reply.status, reply.text().contains("`tidewatch simulate`")), (404, true));
    without.stop().await;
}

/// Waits in every simulation until the other end is dropped.
struct Stuck {
    held: Mutex<Receiver<()>>,
    running: AtomicUsize,
}

#[tokio::test]
async fn two_simulations_run_at_once_and_more_wait() {
    let (release, held) = channel();
    let stuck = Arc::new(Stuck { held: Mutex::new(held), running: AtomicUsize::new(0) });
    let inside = Arc::clone(&stuck);
    let simulate = move |_: &[u8]| {
        inside.running.fetch_add(1, Ordering::SeqCst);
        // Bounded, so that a test that fails does not hang.
        let released = inside.held.lock().unwrap().recv_timeout(Duration::from_secs(20));
        assert_eq!(released, Err(RecvTimeoutError::Disconnected), "the test has ended without an answer");
        Ok(b"{}".to_vec())
    };
    let served = serve(ApiState { simulate: Some(Arc::new(simulate)), ..example_state() }).await;
    let address = served.address;
    let asked: Vec<_> = (0..3)
        .map(|_| tokio::spawn(async move { send(address, "POST", SIMULATION, &[JSON], b"{}").await.status }))
        .collect();
    eventually("two run", async || stuck.running.load(Ordering::SeqCst) == 2).await;
    // Other calls are answered meanwhile, and the third is still not begun.
    assert_eq!(get(address, "/-/healthy").await.status, 200);
    assert_eq!(stuck.running.load(Ordering::SeqCst), 2);
    drop(release);
    for one in asked {
        assert_eq!(one.await.unwrap(), 200);
    }
    assert_eq!(stuck.running.load(Ordering::SeqCst), 3);
    served.stop().await;
}
