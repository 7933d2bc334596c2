//! A consumer that is stopped on demand: events wait, and none is lost.

use serde_json::{Value, json};

use crate::{EventService, event};

#[tokio::test]
async fn events_wait_while_the_consumer_is_stopped() {
    let service = EventService::start(&[("FAULTS_ENABLED", "true")]).await;
    assert_eq!(service.manage("POST", "/faults/stopped-consumer", json!({})).await.status, 200);
    service.has(r#"todo_fault_active{fault="stopped-consumer"}"#, 1.0).await;
    let consumed = r#"events_consumed_total{event_type="task.created",success="true"}"#;

    let delivery = service.ask("POST", "/events/tasks", event("a", "task.created", 1));
    let undo = async {
        // the feed is read as ever
        let feed = service.ask("GET", "/api/activity", Value::Null).await.json();
        assert_eq!(feed["items"], json!([]));
        service.has(consumed, 0.0).await;
        service.manage("DELETE", "/faults/stopped-consumer", Value::Null).await
    };
    let (delivered, undone) = tokio::join!(delivery, undo);
    assert_eq!((delivered.status, undone.status), (200, 200));
    service.has(consumed, 1.0).await;
}
