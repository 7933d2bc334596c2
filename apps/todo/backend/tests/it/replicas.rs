//! Two processes on one SQLite file.

use std::{collections::BTreeSet, sync::Arc};

use serde_json::{Value, json};
use todo_telemetry::testing::Running;

use crate::{database_in, start_on};

/// Two replicas that were started at the same moment on a file that did not exist.
async fn replicas(folder: &tempfile::TempDir) -> [Arc<Running>; 2] {
    let url = database_in(folder);
    let (first, second) = tokio::join!(start_on(&url, &[]), start_on(&url, &[]));
    [Arc::new(first), Arc::new(second)]
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_writes_lose_nothing() {
    const WRITERS: usize = 8;
    const EACH: usize = 25;
    let folder = tempfile::tempdir().unwrap();
    let replicas = replicas(&folder).await;
    let writing: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let replica = Arc::clone(&replicas[writer % 2]);
            tokio::spawn(async move {
                let mut ids = Vec::new();
                for number in 0..EACH {
                    let answer = replica
                        .ask("POST", "/api/tasks", json!({"title": format!("{writer}-{number}")}))
                        .await;
                    assert_eq!(answer.status, 201, "{answer:?}");
                    ids.push(answer.json()["id"].as_i64().unwrap());
                }
                ids
            })
        })
        .collect();
    let mut ids = BTreeSet::new();
    for writer in writing {
        ids.extend(writer.await.unwrap());
    }
    assert_eq!(ids.len(), WRITERS * EACH, "every task has an id of its own");
    for replica in &replicas {
        let list = replica.ask("GET", "/api/tasks?limit=1", Value::Null).await.json();
        assert_eq!(list["total"], WRITERS * EACH);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_of_one_task_neither_overwrite_nor_repeat_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let replicas = replicas(&folder).await;
    let task = replicas[0].ask("POST", "/api/tasks", json!({"title": "t"})).await.json();
    let path = format!("/api/tasks/{}", task["id"]);
    let changing: Vec<_> = (0..20)
        .map(|number| {
            let (replica, path) = (Arc::clone(&replicas[number % 2]), path.clone());
            tokio::spawn(async move {
                let change = match number % 4 {
                    0 | 1 => {
                        return replica.ask("POST", &format!("{path}/complete"), Value::Null).await.status;
                    }
                    2 => json!({"title": "changed"}),
                    _ => json!({"description": "described"}),
                };
                replica.ask("PATCH", &path, change).await.status
            })
        })
        .collect();
    for change in changing {
        assert_eq!(change.await.unwrap(), 200);
    }
    let task = replicas[1].ask("GET", &path, Value::Null).await.json();
    assert_eq!((&task["title"], &task["description"]), (&json!("changed"), &json!("described")));
    // Created, ten changes, and completed once, whoever came first.
    assert_eq!(task["version"], 12);
    let mut completed = 0.0;
    for replica in &replicas {
        completed += replica.value("tasks_completed_total").await.unwrap();
    }
    assert_eq!(completed, 1.0);
}
