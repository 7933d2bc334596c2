//! Tasks from creation to deletion, the same on SQLite and PostgreSQL.

use serde_json::{Value, json};
use todo_telemetry::testing::Running;

use crate::{database_in, start_on};

#[tokio::test]
async fn on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    a_task_lives(&start_on(&database_in(&folder), &[]).await).await;
}

/// Needs an empty database in `TEST_POSTGRES_URL`.
#[tokio::test]
async fn on_postgres() {
    let Ok(url) = std::env::var("TEST_POSTGRES_URL") else {
        eprintln!("skipped: set TEST_POSTGRES_URL to an empty PostgreSQL database to run this on it");
        return;
    };
    // Two replicas that start at once must not trip over each other's migrations.
    let (first, second) = tokio::join!(start_on(&url, &[]), start_on(&url, &[]));
    a_task_lives(&first).await;
    let created = first.ask("POST", "/api/tasks", json!({"title": "shared"})).await.json();
    let path = format!("/api/tasks/{}", created["id"]);
    assert_eq!(second.ask("GET", &path, Value::Null).await.json(), created);
    assert_eq!(second.ask("DELETE", &path, Value::Null).await.status, 204);
}

async fn a_task_lives(backend: &Running) {
    let created =
        backend.ask("POST", "/api/tasks", json!({"title": " Buy MILK ", "due_date": "2030-02-28"})).await;
    assert_eq!(created.status, 201, "{created:?}");
    let task = created.json();
    let path = format!("/api/tasks/{}", task["id"]);
    assert_eq!(created.header("location"), path);
    assert_eq!(
        (&task["title"], &task["description"], &task["priority"], &task["due_date"], &task["completed"]),
        (&json!("Buy MILK"), &json!(""), &json!("medium"), &json!("2030-02-28"), &json!(false))
    );
    assert_eq!(backend.ask("GET", &path, Value::Null).await.json(), task);

    changed_in_part_and_in_whole(backend, &path).await;
    completed_and_reopened(backend, &path).await;
    listed(backend).await;

    assert_eq!(backend.ask("DELETE", &path, Value::Null).await.status, 204);
    backend.ask("GET", &path, Value::Null).await.problem(404, "not-found", &path);
    backend.ask("DELETE", &path, Value::Null).await.problem(404, "not-found", &path);
    backend.ask("PATCH", &path, json!({"title": "x"})).await.problem(404, "not-found", &path);
    let complete = format!("{path}/complete");
    backend.ask("POST", &complete, Value::Null).await.problem(404, "not-found", &complete);
}

async fn changed_in_part_and_in_whole(backend: &Running, path: &str) {
    let patched =
        backend.ask("PATCH", path, json!({"description": "two\nlitres", "priority": "high"})).await.json();
    assert_eq!(
        (&patched["title"], &patched["description"], &patched["priority"], &patched["due_date"]),
        (&json!("Buy MILK"), &json!("two\nlitres"), &json!("high"), &json!("2030-02-28"))
    );
    assert_eq!(patched["version"], 2);
    let cleared = backend.ask("PATCH", path, json!({"due_date": null})).await.json();
    assert_eq!((&cleared["due_date"], &cleared["priority"]), (&Value::Null, &json!("high")));
    let replaced = backend.ask("PUT", path, json!({"title": "Buy milk"})).await.json();
    assert_eq!(
        (&replaced["title"], &replaced["description"], &replaced["priority"], &replaced["version"]),
        (&json!("Buy milk"), &json!(""), &json!("medium"), &json!(4))
    );
}

async fn completed_and_reopened(backend: &Running, path: &str) {
    let complete = format!("{path}/complete");
    let completed = backend.ask("POST", &complete, Value::Null).await.json();
    assert_eq!(completed["completed"], true);
    assert!(completed["completed_at"].is_string(), "{completed}");
    let again = backend.ask("POST", &complete, Value::Null).await.json();
    assert_eq!(again, completed, "completing twice changes nothing");
    let reopened = backend.ask("POST", &format!("{path}/reopen"), Value::Null).await.json();
    assert_eq!((&reopened["completed"], &reopened["completed_at"]), (&json!(false), &Value::Null));
}

/// Starts from one open task and leaves one.
async fn listed(backend: &Running) {
    let mut made = Vec::new();
    for number in 0..7 {
        let title = format!("Überraschung {number} 100%_!");
        made.push(backend.ask("POST", "/api/tasks", json!({"title": title})).await.json()["id"].clone());
    }
    for id in &made[..3] {
        backend.ask("POST", &format!("/api/tasks/{id}/complete"), Value::Null).await;
    }
    let list = async |query: &str| {
        let answer = backend.ask("GET", &format!("/api/tasks{query}"), Value::Null).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let list = answer.json();
        let ids: Vec<i64> =
            list["items"].as_array().unwrap().iter().map(|task| task["id"].as_i64().unwrap()).collect();
        (ids, list["total"].as_i64().unwrap())
    };
    let (all, total) = list("").await;
    assert_eq!((all.len(), total), (8, 8));
    assert!(all.is_sorted_by(|newer, older| newer > older), "newest first: {all:?}");
    assert_eq!(list("?completed=true").await.1, 3);
    assert_eq!(list("?completed=false").await.1, 5);
    // Whatever the case, also beyond ASCII; and the letters of LIKE are letters.
    assert_eq!(list("?q=%C3%BCBERRASCHUNG").await.1, 7);
    assert_eq!(list("?q=100%25_!").await.1, 7);
    assert_eq!(list("?q=1%25%25").await.1, 0);
    // The completed ones are the three oldest of the seven; a page of two shows the two newer of them.
    assert_eq!(list("?q=berraschung&completed=true&limit=2").await, (all[4..6].to_vec(), 3));
    let (first, _) = list("?limit=3").await;
    let (second, total) = list("?limit=3&offset=3").await;
    let (last, _) = list("?limit=3&offset=6").await;
    assert_eq!(([first, second, last].concat(), total), (all, 8));
    assert_eq!(list("?offset=50").await, (Vec::new(), 8));
    for id in made {
        assert_eq!(backend.ask("DELETE", &format!("/api/tasks/{id}"), Value::Null).await.status, 204);
    }
}
