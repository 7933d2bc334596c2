//! Everything the backend refuses, and how it says so.

use axum::body::Body;
use serde_json::{Value, json};
use todo_telemetry::testing::Running;

use crate::Backend;

#[tokio::test]
async fn every_refusal_is_a_problem() {
    let backend = Backend::start(&[]).await;
    bodies(&backend).await;
    fields(&backend).await;
    parameters(&backend).await;
    routes(&backend).await;
}

async fn bodies(backend: &Running) {
    let check = async |content_type: &str, body: String, status: u16, kind: &str, detail: &str| {
        let request = backend.request("POST", "/api/tasks").header("content-type", content_type);
        let answer = backend.send(request.body(Body::from(body)).unwrap()).await;
        let problem = answer.problem(status, kind, "/api/tasks");
        assert!(problem["detail"].as_str().unwrap().contains(detail), "{problem}");
    };
    let json = "application/json";
    check("text/plain", "{}".to_owned(), 415, "unsupported-media-type", "text/plain").await;
    check(json, "{\"title\": \n oops}".to_owned(), 400, "malformed-json", "line 2 column 2").await;
    check(json, String::new(), 400, "malformed-json", "empty").await;
    check(json, "x".repeat(10_000_000), 413, "body-too-large", "65536 bytes").await;
    check(json, format!("\"{}\"", "x".repeat(70_000)), 413, "body-too-large", "65536 bytes").await;
}

async fn fields(backend: &Running) {
    let check = async |method: &str, path: &str, body: Value, refused: &[&str]| {
        let problem = backend.ask(method, path, body).await.problem(422, "invalid-fields", path);
        let errors = problem["errors"].as_array().unwrap();
        let named: Vec<&str> = errors.iter().map(|error| error["field"].as_str().unwrap()).collect();
        assert_eq!(named, refused, "{problem}");
        for error in errors {
            assert!(!error["remedy"].as_str().unwrap().is_empty(), "{problem}");
            assert!(error.get("value").is_some(), "{problem}");
        }
    };
    let id = backend.ask("POST", "/api/tasks", json!({"title": "a"})).await.json()["id"].clone();
    let task = format!("/api/tasks/{id}");
    check("POST", "/api/tasks", json!({}), &["title"]).await;
    check("POST", "/api/tasks", json!({"title": ""}), &["title"]).await;
    check("POST", "/api/tasks", json!({"title": "x".repeat(201)}), &["title"]).await;
    check("POST", "/api/tasks", json!({"title": "a", "description": "x".repeat(2001)}), &["description"])
        .await;
    check("POST", "/api/tasks", json!({"title": "a", "priority": "urgent"}), &["priority"]).await;
    check("POST", "/api/tasks", json!({"title": "a", "due_date": "2026-02-30"}), &["due_date"]).await;
    check("POST", "/api/tasks", json!({"title": "a", "owner": "me"}), &["owner"]).await;
    check("POST", "/api/tasks", json!({"title": 1, "priority": 2, "x": 3}), &["title", "priority", "x"])
        .await;
    check("POST", "/api/tasks", json!(["a"]), &[""]).await;
    check("PUT", &task, json!({"description": "no title"}), &["title"]).await;
    check("PATCH", &task, json!({}), &[""]).await;
    check("PATCH", &task, json!({"completed": true}), &["completed"]).await;
    check("PATCH", &task, json!({"id": 9}), &["id"]).await;
    let unchanged = backend.ask("GET", &task, Value::Null).await.json();
    assert_eq!((&unchanged["title"], &unchanged["version"]), (&json!("a"), &json!(1)));
}

async fn parameters(backend: &Running) {
    let check = async |path: &str, query: &str, refused: &[(&str, &str)]| {
        let answer = backend.ask("GET", &format!("{path}{query}"), Value::Null).await;
        let problem = answer.problem(400, "invalid-parameters", path);
        let errors = problem["errors"].as_array().unwrap().iter();
        let named: Vec<(&str, &str)> = errors
            .map(|error| (error["field"].as_str().unwrap(), error["value"].as_str().unwrap_or_default()))
            .collect();
        assert_eq!(named, refused, "{problem}");
    };
    check("/api/tasks", "?limit=0", &[("limit", "0")]).await;
    check("/api/tasks", "?limit=101&offset=-1", &[("limit", "101"), ("offset", "-1")]).await;
    check("/api/tasks", "?completed=maybe", &[("completed", "maybe")]).await;
    check("/api/tasks", "?complete=true", &[("complete", "true")]).await;
    check("/api/tasks/abc", "", &[("id", "abc")]).await;
    check("/api/tasks/0", "", &[("id", "0")]).await;
    check("/api/tasks/%FF", "", &[("id", "")]).await;
    check("/api/tasks/99999999999999999999", "", &[("id", "99999999999999999999")]).await;
}

async fn routes(backend: &Running) {
    backend.ask("GET", "/api/nothing", Value::Null).await.problem(404, "not-found", "/api/nothing");
    let refused = backend.ask("DELETE", "/api/tasks", Value::Null).await;
    let problem = refused.problem(405, "method-not-allowed", "/api/tasks");
    assert!(problem["detail"].as_str().unwrap().contains("GET, POST"), "{problem}");
    assert_eq!(refused.header("allow"), "GET,HEAD,POST");
    backend.ask("BREW", "/api/tasks/1", Value::Null).await.problem(405, "method-not-allowed", "/api/tasks/1");
}
