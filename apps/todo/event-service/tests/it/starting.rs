//! How the event service starts and stops.

use serde_json::Value;
use todo_telemetry::testing::{Running, until};

use crate::EventService;

#[tokio::test]
async fn a_bad_value_ends_the_start_with_its_remedy() {
    let program = env!("CARGO_BIN_EXE_todo-event-service");
    let (status, log) = Running::fail(program, &[("ACTIVITY_LIMIT", "many")]).await;
    assert_eq!(status.code(), Some(1));
    assert_eq!(
        log[0]["message"],
        "ACTIVITY_LIMIT is \"many\": not a whole number; hint: set ACTIVITY_LIMIT to a number from 100 to 100000000, \
         or unset it for 100000"
    );
}

#[tokio::test]
async fn it_drains_on_sigterm() {
    let mut service = EventService::start(&[("DRAIN_DELAY_MS", "300")]).await;
    assert_eq!(service.ask("GET", "/healthz", Value::Null).await.status, 200);
    service.terminate();
    until("it says that it drains", async || {
        (service.ask("GET", "/readyz", Value::Null).await.status == 503).then_some(())
    })
    .await;
    assert_eq!(service.ask("GET", "/api/activity", Value::Null).await.status, 200);
    assert!(service.ended().await.success());
}

#[tokio::test]
async fn refusals_of_the_feed_are_problems() {
    let service = EventService::start(&[]).await;
    let answer = service.ask("GET", "/api/activity?limit=0&task=1", Value::Null).await;
    let problem = answer.problem(400, "invalid-parameters", "/api/activity");
    assert_eq!(
        (&problem["errors"][0]["field"], &problem["errors"][1]["field"]),
        (&"limit".into(), &"task".into())
    );
    service.ask("GET", "/nothing", Value::Null).await.problem(404, "not-found", "/nothing");
    service.ask("PUT", "/events/tasks", Value::Null).await.problem(
        405,
        "method-not-allowed",
        "/events/tasks",
    );
}
