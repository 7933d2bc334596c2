//! Which request is next, and what its answer means for those after it.
//!
//! Input: targets, or the task scenario. Output: requests, each with the name of its operation and its origin. It sends
//! nothing and measures nothing.

use crate::task_scenario::TaskScenario;
use crate::{Error, RequestTemplate, TaskAction, TaskWeights};
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Method, Request, Uri};

/// A request as it goes out.
pub(crate) type Outgoing = Request<Full<Bytes>>;

/// What is requested.
#[derive(Clone, Debug)]
pub enum Target {
    /// These requests, in turn. At least one.
    Requests(Vec<RequestTemplate>),
    /// What users of the todo application do.
    Tasks(TaskTarget),
}

/// The todo application, and how it is used.
#[derive(Clone, Debug)]
pub struct TaskTarget {
    /// Scheme, host and port of the backend, e.g. `http://127.0.0.1:8000`.
    pub base: String,
    /// How often each action is chosen.
    pub weights: TaskWeights,
    /// How many tasks are made before the load, and about how many there are during it; 1 to 10,000.
    pub tasks: usize,
    /// How many tasks a list asks for; 1 to 100.
    pub list_limit: u32,
}

/// A request that is due.
pub(crate) struct Order {
    pub(crate) origin: usize,
    pub(crate) operation: usize,
    pub(crate) request: Outgoing,
    pub(crate) meaning: Meaning,
}

/// What a request's end is told to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Meaning {
    /// To nobody.
    Nothing,
    /// To the scenario.
    Task(TaskAction, Option<u64>),
}

/// The source of requests.
pub(crate) struct Work {
    random: fastrand::Rng,
    sequence: u64,
    kind: Kind,
}

enum Kind {
    Requests { templates: Vec<RequestTemplate>, origins: Vec<usize> },
    Tasks(Box<Tasks>),
}

/// The scenario, and how its actions are requested.
struct Tasks {
    scenario: TaskScenario,
    requests: TaskRequests,
}

impl Work {
    /// The work, the origins it needs, and the names of its operations.
    pub(crate) fn new(target: &Target, seed: u64) -> Result<(Self, Vec<Uri>, Vec<String>), Error> {
        let random = fastrand::Rng::with_seed(seed ^ 0x5eed_0fc4_01ce);
        let mut all: Vec<Uri> = Vec::new();
        let (kind, names) = match target {
            Target::Requests(templates) => {
                let mut origins = Vec::new();
                for template in templates {
                    let known = all.iter().position(|origin| origin == template.origin());
                    origins.push(known.unwrap_or(all.len()));
                    if known.is_none() {
                        all.push(template.origin().clone());
                    }
                }
                let names = templates.iter().map(|template| template.name().to_owned()).collect();
                (Kind::Requests { templates: templates.clone(), origins }, names)
            }
            Target::Tasks(target) => {
                let (requests, origin) = TaskRequests::new(target, seed)?;
                all.push(origin);
                let scenario = TaskScenario::new(target.weights, target.tasks);
                let names = TaskAction::ALL.map(|action| action.name().to_owned()).to_vec();
                (Kind::Tasks(Box::new(Tasks { scenario, requests })), names)
            }
        };
        Ok((Self { random, sequence: 0, kind }, all, names))
    }

    /// The next request.
    pub(crate) fn next(&mut self) -> Order {
        self.sequence += 1;
        match &mut self.kind {
            Kind::Requests { templates, origins } => {
                let at = (self.sequence - 1) as usize % templates.len();
                let request = templates[at].request(self.sequence, &mut self.random);
                Order { origin: origins[at], operation: at, request, meaning: Meaning::Nothing }
            }
            Kind::Tasks(tasks) => {
                let Tasks { scenario, requests } = &mut **tasks;
                let (action, task) = scenario.choose(self.random.f64());
                let request = requests.request(action, task, self.sequence);
                let operation = TaskAction::ALL.iter().position(|known| *known == action).unwrap_or(0);
                Order { origin: 0, operation, request, meaning: Meaning::Task(action, task) }
            }
        }
    }

    /// A request has ended; `location` is that of the answer.
    pub(crate) fn finished(&mut self, meaning: Meaning, ok: bool, location: Option<&HeaderValue>) {
        if let (Meaning::Task(action, task), Kind::Tasks(tasks)) = (meaning, &mut self.kind) {
            let task = if action == TaskAction::Create { location.and_then(task_of) } else { task };
            tasks.scenario.finished(action, task, ok);
        }
    }

    /// The task scenario, if it is that.
    pub(crate) fn tasks(&mut self) -> Option<(&mut TaskScenario, &TaskRequests)> {
        match &mut self.kind {
            Kind::Tasks(tasks) => Some((&mut tasks.scenario, &tasks.requests)),
            Kind::Requests { .. } => None,
        }
    }
}

/// The task of `/api/tasks/17`.
pub(crate) fn task_of(location: &HeaderValue) -> Option<u64> {
    location.to_str().ok()?.rsplit('/').next()?.parse().ok()
}

/// Requests to `/api/tasks`.
#[derive(Clone, Debug)]
pub(crate) struct TaskRequests {
    host: HeaderValue,
    list: Uri,
    /// In every title, so that leftovers are found again.
    marker: String,
}

impl TaskRequests {
    fn new(target: &TaskTarget, seed: u64) -> Result<(Self, Uri), Error> {
        if !(1..=10_000).contains(&target.tasks) {
            let given = target.tasks.to_string();
            return Err(Error::invalid("tasks", &given, "is not within 1 and 10000", "50 is the default"));
        }
        if !(1..=100).contains(&target.list_limit) {
            let given = target.list_limit.to_string();
            return Err(Error::invalid("list limit", &given, "is not within 1 and 100", "20 is the default"));
        }
        let template = RequestTemplate::parse(&target.base, "GET", &[], "")?;
        let host = template.request(0, &mut fastrand::Rng::with_seed(0)).headers()[HOST].clone();
        let list = format!("/api/tasks?limit={}", target.list_limit);
        let list = list.parse().expect("digits in a path are a path");
        let now = std::time::SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_millis() as u64);
        let marker = format!("load {:x}", now ^ seed.rotate_left(40));
        Ok((Self { host, list, marker }, template.origin().clone()))
    }

    pub(crate) fn request(&self, action: TaskAction, task: Option<u64>, sequence: u64) -> Outgoing {
        let task = task.unwrap_or_default();
        let (method, path, text) = match action {
            TaskAction::List => return self.bare(Method::GET, self.list.clone()),
            TaskAction::Get => (Method::GET, format!("/api/tasks/{task}"), None),
            TaskAction::Create => (Method::POST, "/api/tasks".to_owned(), Some("to be done")),
            TaskAction::Update => (Method::PUT, format!("/api/tasks/{task}"), Some("changed")),
            TaskAction::Complete => (Method::POST, format!("/api/tasks/{task}/complete"), None),
            TaskAction::Delete => (Method::DELETE, format!("/api/tasks/{task}"), None),
        };
        let mut request = self.bare(method, path.parse().expect("digits in a path are a path"));
        if let Some(text) = text {
            let body = format!(
                "{{\"title\":\"{} #{sequence}\",\"description\":\"{text} by a load test\",\"priority\":\"low\"}}",
                self.marker
            );
            *request.body_mut() = Full::new(Bytes::from(body));
            request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        request
    }

    /// A page of the tasks that this run has made.
    pub(crate) fn own(&self) -> Outgoing {
        let path = format!("/api/tasks?limit=100&q={}", self.marker.replace(' ', "%20"));
        self.bare(Method::GET, path.parse().expect("hexadecimal digits in a path are a path"))
    }

    fn bare(&self, method: Method, uri: Uri) -> Outgoing {
        let mut request = Request::new(Full::default());
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        request.headers_mut().insert(HOST, self.host.clone());
        request
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_urls_are_taken_in_turn_and_share_an_origin() {
        let urls =
            ["GET http://127.0.0.1:1/a", "POST http://127.0.0.1:2/b", "http://127.0.0.1:1/{{sequence}}"];
        let templates = urls.map(|url| RequestTemplate::parse(url, "GET", &[], "").unwrap());
        let (mut work, origins, names) = Work::new(&Target::Requests(templates.to_vec()), 1).unwrap();
        assert_eq!((origins.len(), names.as_slice()), (2, urls.map(str::to_owned).map(named).as_slice()));
        let lines: Vec<String> = (0..4)
            .map(|_| work.next())
            .map(|order| format!("{} {} {}", order.origin, order.request.method(), order.request.uri()))
            .collect();
        assert_eq!(lines, ["0 GET /a", "1 POST /b", "0 GET /3", "0 GET /a"]);
    }

    fn named(url: String) -> String {
        if url.contains(' ') { url } else { format!("GET {url}") }
    }

    #[test]
    fn each_action_has_its_request() {
        let weights = TaskWeights::default();
        let target = TaskTarget { base: "http://localhost:8000".into(), weights, tasks: 5, list_limit: 30 };
        let (requests, origin) = TaskRequests::new(&target, 1).unwrap();
        assert_eq!(origin, "http://localhost:8000/");
        let check = |action: TaskAction, expected: &str, has_body: bool| {
            let request = requests.request(action, Some(9), 3);
            assert_eq!(format!("{} {}", request.method(), request.uri()), expected);
            assert_eq!(request.headers().contains_key(CONTENT_TYPE), has_body);
            assert_eq!(request.headers()[HOST], "localhost:8000");
        };
        check(TaskAction::List, "GET /api/tasks?limit=30", false);
        check(TaskAction::Get, "GET /api/tasks/9", false);
        check(TaskAction::Create, "POST /api/tasks", true);
        check(TaskAction::Update, "PUT /api/tasks/9", true);
        check(TaskAction::Complete, "POST /api/tasks/9/complete", false);
        check(TaskAction::Delete, "DELETE /api/tasks/9", false);
        assert!(requests.own().uri().to_string().starts_with("/api/tasks?limit=100&q=load%20"));
        assert!(TaskRequests::new(&TaskTarget { tasks: 0, ..target.clone() }, 1).is_err());
        assert!(TaskRequests::new(&TaskTarget { list_limit: 101, ..target }, 1).is_err());
    }

    #[test]
    fn the_new_task_is_read_from_the_answer() {
        let check = |location: &str, expected: Option<u64>| {
            assert_eq!(task_of(&HeaderValue::from_str(location).unwrap()), expected);
        };
        check("/api/tasks/17", Some(17));
        check("http://127.0.0.1:8000/api/tasks/17", Some(17));
        check("/api/tasks/new", None);
    }
}
