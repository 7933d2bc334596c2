//! Events that are kept, refused or cannot be stored, and what is counted for each.

use axum::body::Body;
use serde_json::{Value, json};
use sqlx::query;
use todo_telemetry::{Database, QueryType};

use crate::{EventService, database_in, event};

#[tokio::test]
async fn every_outcome_is_counted_from_zero() {
    let service = EventService::start(&[]).await;
    let consumed = |event_type: &str, success: bool| {
        format!("events_consumed_total{{event_type=\"{event_type}\",success=\"{success}\"}}")
    };
    for event_type in ["task.created", "task.updated", "task.completed", "task.deleted", "other"] {
        service.has(&consumed(event_type, true), 0.0).await;
        service.has(&consumed(event_type, false), 0.0).await;
    }
    service.has(r#"http_requests_total{method="POST",endpoint="/events/tasks",status="500"}"#, 0.0).await;
    service.has(r#"db_query_duration_seconds_count{query_type="insert"}"#, 0.0).await;

    for _ in 0..3 {
        assert_eq!(service.ask("POST", "/events/tasks", event("same", "task.created", 1)).await.status, 200);
    }
    assert_eq!(service.ask("POST", "/events/tasks", event("new", "task.archived", 1)).await.status, 200);
    service.has(&consumed("task.created", true), 3.0).await;
    service.has(&consumed("other", true), 1.0).await;
    let feed = service.ask("GET", "/api/activity", Value::Null).await.json();
    assert_eq!(feed["items"].as_array().unwrap().len(), 2);

    let mut wrong = event("w", "task.deleted", 1);
    wrong["subject"] = json!("one");
    wrong["specversion"] = json!("0.3");
    let dropped = service.ask("POST", "/events/tasks", wrong).await;
    assert_eq!((dropped.status, &dropped.json()["status"]), (200, &json!("DROP")), "{dropped:?}");
    assert_eq!(dropped.json()["errors"][0]["field"], "specversion");
    assert_eq!(
        dropped.json()["errors"][1],
        json!({
            "field": "subject", "value": "one", "remedy": "give the id of a task, a whole number above 0 as a text",
        })
    );
    service.has(&consumed("task.deleted", false), 1.0).await;
    let garbage =
        service.request("POST", "/events/tasks").header("content-type", "application/cloudevents+json");
    let answer = service.send(garbage.body(Body::from("{")).unwrap()).await;
    assert_eq!((answer.status, &answer.json()["status"]), (200, &json!("DROP")));
    service.has(&consumed("other", false), 1.0).await;

    let database = Database::open("DATABASE_URL", &database_in(&service.folder)).unwrap();
    database.rows(QueryType::Update, query("ALTER TABLE activities RENAME TO gone")).await.unwrap();
    let answer = service.ask("POST", "/events/tasks", event("lost", "task.completed", 1)).await;
    answer.problem(500, "internal-error", "/events/tasks");
    service.has(&consumed("task.completed", false), 1.0).await;
    service.has(r#"http_requests_total{method="POST",endpoint="/events/tasks",status="500"}"#, 1.0).await;
}

#[tokio::test]
async fn the_same_event_sent_many_times_at_once_is_kept_once() {
    let service = EventService::start(&[]).await;
    let repeated = (0..10).map(|_| {
        let body = Body::from(event("same", "task.created", 1).to_string());
        let request =
            service.request("POST", "/events/tasks").header("content-type", "application/json").body(body);
        let client = service.client.clone();
        tokio::spawn(async move { todo_telemetry::testing::exchange(&client, request.unwrap()).await })
    });
    for answer in repeated.collect::<Vec<_>>() {
        assert_eq!(answer.await.unwrap().unwrap().status, 200);
    }
    let feed = service.ask("GET", "/api/activity", Value::Null).await.json();
    assert_eq!(feed["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn the_oldest_activities_make_room() {
    let service = EventService::start(&[("ACTIVITY_LIMIT", "100")]).await;
    for number in 0..192 {
        service.ask("POST", "/events/tasks", event(&format!("e{number}"), "task.updated", 1)).await;
    }
    let feed = service.ask("GET", "/api/activity?limit=200", Value::Null).await.json();
    let items = feed["items"].as_array().unwrap();
    assert_eq!((items.len(), &items[0]["event_id"]), (100, &json!("e191")));
}

#[tokio::test]
async fn what_a_restart_interrupts_is_kept_once() {
    let folder = tempfile::tempdir().unwrap();
    let url = database_in(&folder);
    for _ in 0..2 {
        // Dropping it kills it.
        let service = crate::start_on(&url, &[]).await;
        assert_eq!(service.ask("POST", "/events/tasks", event("same", "task.created", 1)).await.status, 200);
    }
    let service = crate::start_on(&url, &[]).await;
    let feed = service.ask("GET", "/api/activity", Value::Null).await.json();
    assert_eq!(feed["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_sidecar_is_told_of_the_subscription_when_that_is_wanted() {
    let check = async |variables: &[(&str, &str)], expected: Value| {
        let service = EventService::start(variables).await;
        let answer = service.ask("GET", "/dapr/subscribe", Value::Null).await;
        assert_eq!((answer.status, answer.json()), (200, expected));
    };
    check(&[], json!([])).await;
    check(
        &[("DAPR_SUBSCRIBE", "true"), ("PUBSUB_TOPIC", "t")],
        json!([{
            "pubsubname": "todo-pubsub", "topic": "t", "route": "/events/tasks",
            "deadLetterTopic": "task-events-dead-letter",
        }]),
    )
    .await;
}
