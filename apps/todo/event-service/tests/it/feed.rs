//! The feed: order, pages, filter, on SQLite and PostgreSQL.

use serde_json::{Value, json};
use todo_telemetry::testing::Running;

use crate::{database_in, event, start_on};

#[tokio::test]
async fn on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let url = database_in(&folder);
    replicas_share_a_feed(&start_on(&url, &[]).await, &start_on(&url, &[]).await).await;
    what_made_room_stays_away(&url).await;
}

/// Needs a PostgreSQL database without activities in `TEST_POSTGRES_URL`.
#[tokio::test]
async fn on_postgres() {
    let Ok(url) = std::env::var("TEST_POSTGRES_URL") else {
        eprintln!("skipped: set TEST_POSTGRES_URL to an empty PostgreSQL database to run this on it");
        return;
    };
    let (first, second) = tokio::join!(start_on(&url, &[]), start_on(&url, &[]));
    replicas_share_a_feed(&first, &second).await;
    drop((first, second));
    what_made_room_stays_away(&url).await;
}

async fn what_made_room_stays_away(url: &str) {
    let limit = [("ACTIVITY_LIMIT", "100")];
    let replicas = [start_on(url, &limit).await, start_on(url, &limit).await];
    let send = async |number: usize| {
        let event = event(&format!("old{number}"), "task.updated", 77);
        assert_eq!(replicas[number % 2].ask("POST", "/events/tasks", event).await.status, 200);
    };
    for number in 0..300 {
        send(number).await;
    }
    let kept = async || {
        let page = replicas[0].ask("GET", "/api/activity?task_id=77&limit=200", Value::Null).await.json();
        let items = page["items"].as_array().unwrap().iter();
        items.map(|item| item["event_id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let before = kept().await;
    assert!((100..=164).contains(&before.len()), "{}", before.len());
    // Of what is kept, what is about to go and what is gone, all comes again.
    for number in (0..300).step_by(7) {
        send(number).await;
    }
    assert_eq!(kept().await, before);
}

async fn replicas_share_a_feed(first: &Running, second: &Running) {
    for number in 0..5_usize {
        let replica = if number % 2 == 0 { first } else { second };
        // The fourth one arrives before the third.
        let number = [0, 1, 3, 2, 4][number];
        let mut event = event(&format!("e{number}"), "task.updated", i64::from(number % 2) + 1);
        event["sequence"] = json!(format!("{number:010}"));
        assert_eq!(replica.ask("POST", "/events/tasks", event).await.status, 200);
    }
    // A repeated event, at the other replica too, is taken and changes nothing.
    for replica in [first, second] {
        let answer = replica.ask("POST", "/events/tasks", event("e0", "task.updated", 1)).await;
        assert_eq!((answer.status, answer.json()), (200, json!({"status": "SUCCESS"})));
    }
    let feed = async |query: &str| {
        let page = second.ask("GET", &format!("/api/activity{query}"), Value::Null).await.json();
        let items = page["items"].as_array().unwrap().iter();
        let ids: Vec<String> = items.map(|item| item["event_id"].as_str().unwrap().to_owned()).collect();
        (ids.join(" "), page["next_before"].clone())
    };
    let after = |limit: i64, before: &Value| format!("?limit={limit}&before={}", before.as_str().unwrap());
    assert_eq!(feed("").await, ("e4 e3 e2 e1 e0".to_owned(), Value::Null));
    assert_eq!(feed("?task_id=2").await.0, "e3 e1");
    assert_eq!(feed("?task_id=99").await.0, "");
    let (newest, before) = feed("?limit=2").await;
    assert_eq!(newest, "e4 e3");
    let (older, before) = feed(&after(2, &before)).await;
    assert_eq!(older, "e2 e1");
    assert_eq!(feed(&after(2, &before)).await, ("e0".to_owned(), Value::Null));
    assert_eq!(feed(&format!("?task_id=1&before={}", before.as_str().unwrap())).await.0, "e0");
    let page = first.ask("GET", "/api/activity?limit=1", Value::Null).await.json();
    let mut newest = page["items"][0].clone();
    assert!(newest["id"].take().is_i64());
    assert_eq!(
        newest,
        json!({
            "id": null, "event_id": "e4", "type": "task.updated", "task_id": 1, "time": "2026-01-01T10:00:00Z",
            "title": "Buy milk", "changed": ["title"],
        })
    );
}
