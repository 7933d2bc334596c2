//! The task scenario against a todo backend of the tests: nothing is asked for that does not exist, and nothing is left.

use crate::server::{Reply, Request, Server};
use crate::{load, report};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use tidewatch_load::{Error, Target, TaskTarget, TaskWeights};

#[derive(Default)]
struct Todo {
    tasks: BTreeMap<u64, String>,
    made: u64,
    most: usize,
    posts: u64,
}

impl Todo {
    fn answer(&mut self, request: &Request, lose_every: u64) -> Reply {
        let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
        let id = path.split('/').nth(3).and_then(|id| id.parse::<u64>().ok());
        let empty = |status| Reply::Answer(status, String::new(), String::new());
        match (request.method.as_str(), id) {
            ("GET", None) => self.list(query),
            ("POST", None) => {
                self.made += 1;
                self.posts += 1;
                self.tasks.insert(self.made, request.body.clone());
                self.most = self.most.max(self.tasks.len());
                // the first ones are made before the load
                if self.posts > 20 && self.posts.is_multiple_of(lose_every) {
                    return Reply::Close;
                }
                Reply::Answer(201, format!("location: /api/tasks/{}\r\n", self.made), "{}".into())
            }
            ("DELETE", Some(id)) => empty(if self.tasks.remove(&id).is_some() { 204 } else { 404 }),
            (_, Some(id)) => empty(if self.tasks.contains_key(&id) { 200 } else { 404 }),
            _ => empty(405),
        }
    }

    fn list(&self, query: &str) -> Reply {
        let search = query.split("q=").nth(1).unwrap_or_default().replace("%20", " ");
        let found: Vec<u64> =
            self.tasks.iter().filter(|(_, body)| body.contains(&search)).map(|(id, _)| *id).collect();
        let items: Vec<String> = found.iter().take(100).map(|id| format!("{{\"id\":{id}}}")).collect();
        let body = format!("{{\"items\":[{}],\"total\":{}}}", items.join(","), found.len());
        Reply::Answer(200, String::new(), body)
    }
}

fn backend(lose_every: u64) -> (Server, Arc<Mutex<Todo>>) {
    let todo = Arc::new(Mutex::new(Todo::default()));
    let shared = Arc::clone(&todo);
    (Server::start(move |request| shared.lock().unwrap().answer(&request, lose_every)), todo)
}

fn target(url: &str, weights: &str) -> Target {
    let weights = TaskWeights::parse(weights).unwrap();
    Target::Tasks(TaskTarget { base: url.to_owned(), weights, tasks: 20, list_limit: 20 })
}

#[tokio::test]
async fn every_action_finds_its_task_and_none_is_left() {
    let (server, todo) = backend(u64::MAX);
    // somebody's own task stays
    todo.lock().unwrap().tasks.insert(900_000, "mine".to_owned());
    let mut spec = load(&server.url, "400/s:2s");
    spec.target = target(&server.url, "list=2,get=2,create=2,update=2,complete=2,delete=2");
    let report = report(&spec).await.unwrap();
    assert_eq!((report.totals.ok, report.totals.errors), (800, 0), "{:?}", report.totals);
    assert!(report.operations.iter().all(|operation| operation.ok > 50), "{:?}", report.operations);
    let tasks = report.tasks.unwrap();
    assert!(tasks.created > 50 && tasks.deleted == tasks.created && tasks.left_behind == 0, "{tasks:?}");
    let todo = todo.lock().unwrap();
    assert_eq!(todo.tasks.keys().copied().collect::<Vec<_>>(), [900_000]);
    assert_eq!(todo.made, tasks.created);
    assert!(todo.most <= 20 + 3 + 1 + 64, "{} tasks at a time", todo.most);
}

#[tokio::test]
async fn tasks_whose_creation_was_never_answered_are_found_and_deleted() {
    let (server, todo) = backend(5);
    let mut spec = load(&server.url, "200/s:1s");
    spec.target = target(&server.url, "create=1,delete=1");
    let report = report(&spec).await.unwrap();
    let lost = report.totals.errors_by_kind.get("closed").copied().unwrap_or_default();
    assert!(lost >= 5 && lost == report.totals.errors, "{:?}", report.totals);
    let tasks = report.tasks.unwrap();
    assert_eq!((tasks.left_behind, tasks.created), (0, tasks.deleted));
    assert!(todo.lock().unwrap().tasks.is_empty());
}

#[tokio::test]
async fn what_is_no_todo_backend_is_told_before_the_load() {
    let server = Server::start(|_| Reply::Answer(404, String::new(), String::new()));
    let mut spec = load(&server.url, "200/s:1m");
    spec.target = target(&server.url, "list=1");
    let error = report(&spec).await.unwrap_err();
    assert!(matches!(error, Error::Prepare { .. }));
    let text = error.to_string();
    assert!(text.contains("POST answered 404") && text.contains("/api/tasks the todo backend"), "{text}");
}
