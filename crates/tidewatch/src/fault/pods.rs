//! The pods of a running tidewatch, and what they are asked about faults.
//!
//! Input: the Kubernetes API of the server (Deployments by selector, pods with their addresses and ports), and each pod's `/faults` on
//! its port named `metrics`. Output: what was started, is active, was undone. A pod that refuses fails the command; one
//! that is not reachable while its faults are undone is named, as it forgets them by itself.

use super::{Cause, FaultKind};
use crate::failure::Failure;
use crate::query::innermost;
use reqwest::{Client, Method};
use serde_json::Value;
use std::time::Duration;

/// The port of `/faults` where no port is named `metrics`.
const DEFAULT_PORT: u64 = 9464;
/// How long a pod may take to answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A pod as the API shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pod {
    pub(crate) namespace: String,
    pub(crate) name: String,
    /// Where its faults are asked for: `http://ip:port/faults`.
    url: String,
    labels: Vec<(String, String)>,
    running: bool,
}

/// The way to the pods of one server.
#[derive(Clone, Debug)]
pub(crate) struct Pods {
    server: String,
    client: Client,
}

/// An answer of a pod.
enum Answer {
    Ok(Value),
    /// It refuses, with its own words.
    Refused(u16, String),
    /// There is nobody.
    Unreachable(String),
}

impl Pods {
    /// Those of the tidewatch at a URL.
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub(crate) fn of(server: &str) -> Result<Self, Failure> {
        // a proxy of the environment is for the world outside, not for pods of this machine
        let client = Client::builder().no_proxy().timeout(TIMEOUT).build();
        Ok(Self { server: server.to_owned(), client: client.map_err(|e| Failure::from_error(&e))? })
    }

    /// Causes a fault in a workload's pods, or in a pod. Gives their names.
    ///
    /// # Errors
    /// When there is no such target, or a pod refuses; then it was caused in none of those after it.
    pub(crate) async fn start(&self, target: &str, cause: &Cause) -> Result<Vec<String>, Failure> {
        let pods = self.select(target).await?;
        let mut started = Vec::new();
        for pod in pods.iter().filter(|pod| pod.running) {
            let url = format!("{}/{}", pod.url, cause.kind.name());
            match self.ask(Method::POST, &url, Some(&cause.body())).await {
                Answer::Ok(_) => started.push(pod.full_name()),
                Answer::Refused(status, text) => return Err(refusal(pod, status, &text)),
                Answer::Unreachable(text) => return Err(unreachable(pod, &text)),
            }
        }
        if started.is_empty() {
            return Err(Failure::new(format!("no pod of {target} is running"))
                .hint("wait until one is, or see tidewatch fault list"));
        }
        Ok(started)
    }

    /// The faults of every pod that can have any.
    ///
    /// # Errors
    /// When tidewatch does not answer, or no pod lets faults be caused.
    pub(crate) async fn active(&self) -> Result<Vec<(String, Vec<Value>)>, Failure> {
        let (mut active, mut refused) = (Vec::new(), None);
        for pod in self.all().await?.iter().filter(|pod| pod.running) {
            match self.ask(Method::GET, &pod.url, None).await {
                Answer::Ok(answer) => {
                    active.push((pod.full_name(), answer["faults"].as_array().cloned().unwrap_or_default()));
                }
                Answer::Refused(status @ 403, text) => refused = Some(refusal(pod, status, &text)),
                // a pod of something else, or one that ends
                Answer::Refused(..) | Answer::Unreachable(_) => {}
            }
        }
        match refused {
            Some(failure) if active.is_empty() => Err(failure),
            _ => Ok(active),
        }
    }

    /// Undoes the faults of a target, or of every pod: all of them or those of a kind. Gives pods and faults that were active.
    ///
    /// # Errors
    /// When there is no such target, or one that was named refuses or is not reachable.
    pub(crate) async fn stop(
        &self,
        target: Option<&str>,
        kind: Option<FaultKind>,
    ) -> Result<Vec<(String, Vec<String>)>, Failure> {
        let pods = match target {
            Some(target) => self.select(target).await?,
            None => self.all().await?,
        };
        let (mut undone, mut failed) = (Vec::new(), None);
        for pod in &pods {
            let url = kind.map_or(pod.url.clone(), |kind| format!("{}/{}", pod.url, kind.name()));
            match self.ask(Method::DELETE, &url, None).await {
                Answer::Ok(answer) => {
                    let kinds = answer["undone"].as_array().into_iter().flatten();
                    let kinds: Vec<String> =
                        kinds.filter_map(|kind| Some(kind.as_str()?.to_owned())).collect();
                    if !kinds.is_empty() {
                        undone.push((pod.full_name(), kinds));
                    }
                }
                Answer::Refused(status, text) if target.is_some() => {
                    failed = Some(refusal(pod, status, &text));
                }
                Answer::Unreachable(text) if target.is_some() => failed = Some(unreachable(pod, &text)),
                Answer::Refused(..) | Answer::Unreachable(_) => {}
            }
        }
        failed.map_or(Ok(undone), Err)
    }

    /// Causes a fault in a pod unless it has one of this kind. A pod that is not reachable is left for later.
    ///
    /// # Errors
    /// When the pod refuses.
    pub(crate) async fn ensure(&self, pod: &Pod, cause: &Cause) -> Result<(), Failure> {
        let Answer::Ok(answer) = self.ask(Method::GET, &pod.url, None).await else { return Ok(()) };
        let mut active = answer["faults"].as_array().into_iter().flatten();
        if active.any(|fault| fault["kind"] == cause.kind.name()) {
            return Ok(());
        }
        let url = format!("{}/{}", pod.url, cause.kind.name());
        match self.ask(Method::POST, &url, Some(&cause.body())).await {
            Answer::Refused(status, text) => Err(refusal(pod, status, &text)),
            Answer::Ok(_) | Answer::Unreachable(_) => Ok(()),
        }
    }

    /// Undoes a fault of a pod; `false` when it is not reachable now.
    pub(crate) async fn undo(&self, pod: &Pod, kind: FaultKind) -> bool {
        let url = format!("{}/{}", pod.url, kind.name());
        matches!(self.ask(Method::DELETE, &url, None).await, Answer::Ok(_))
    }

    /// The pods of the Deployment of this name, or the pod.
    ///
    /// # Errors
    /// When there is neither; the text names those that are there.
    pub(crate) async fn select(&self, target: &str) -> Result<Vec<Pod>, Failure> {
        let deployments = self.list("/apis/apps/v1/deployments").await?;
        let pods = self.all().await?;
        let matches = |object: &Value| {
            is_named(target, &text(&object["metadata"]["namespace"]), &text(&object["metadata"]["name"]))
        };
        if let Some(deployment) = deployments.iter().find(|deployment| matches(deployment)) {
            let namespace = text(&deployment["metadata"]["namespace"]);
            let wanted = strings(&deployment["spec"]["selector"]["matchLabels"]);
            let of_it = |pod: &&Pod| {
                pod.namespace == namespace && wanted.iter().all(|label| pod.labels.contains(label))
            };
            return Ok(pods.iter().filter(of_it).cloned().collect());
        }
        let found: Vec<Pod> =
            pods.iter().filter(|pod| is_named(target, &pod.namespace, &pod.name)).cloned().collect();
        if found.is_empty() {
            let names: Vec<String> = deployments.iter().map(|one| text(&one["metadata"]["name"])).collect();
            return Err(Failure::new(format!("there is no workload or pod {target:?} at {}", self.server))
                .hint(format!("the workloads are {}", names.join(", "))));
        }
        Ok(found)
    }

    async fn all(&self) -> Result<Vec<Pod>, Failure> {
        Ok(self.list("/api/v1/pods").await?.iter().filter_map(Pod::of).collect())
    }

    async fn list(&self, path: &str) -> Result<Vec<Value>, Failure> {
        let url = format!("{}{path}", self.server);
        let remedy = "start it with `tidewatch up --enable-faults`, or name another with --server URL";
        match self.ask(Method::GET, &url, None).await {
            Answer::Ok(list) => Ok(list["items"].as_array().cloned().unwrap_or_default()),
            Answer::Refused(status, text) => {
                Err(Failure::new(format!("{url} answers with status {status}: {text}")).hint(remedy))
            }
            Answer::Unreachable(text) => {
                Err(Failure::new(format!("no answer from {}: {text}", self.server)).hint(remedy))
            }
        }
    }

    async fn ask(&self, method: Method, url: &str, body: Option<&Value>) -> Answer {
        let request = self.client.request(method, url);
        let request = match body {
            Some(body) => request.json(body),
            None => request,
        };
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) => return Answer::Unreachable(innermost(&error)),
        };
        let status = response.status();
        let text = match response.text().await {
            Ok(text) => text,
            Err(error) => return Answer::Unreachable(innermost(&error)),
        };
        match serde_json::from_str::<Value>(&text) {
            Ok(answer) if status.is_success() => Answer::Ok(answer),
            Ok(problem) => Answer::Refused(status.as_u16(), in_words(&problem)),
            Err(_) => Answer::Refused(status.as_u16(), "no explanation".to_owned()),
        }
    }
}

impl Pod {
    /// Reads an object of the API; `None` for one without an address.
    fn of(object: &Value) -> Option<Self> {
        let ip = object["status"]["podIP"].as_str().filter(|ip| !ip.is_empty())?;
        let containers = object["spec"]["containers"].as_array().into_iter().flatten();
        let own = containers.filter(|container| container["name"] != "daprd");
        let mut ports = own.flat_map(|container| container["ports"].as_array().into_iter().flatten());
        let port =
            ports.find(|port| port["name"] == "metrics").and_then(|port| port["containerPort"].as_u64());
        Some(Self {
            namespace: text(&object["metadata"]["namespace"]),
            name: text(&object["metadata"]["name"]),
            url: format!("http://{ip}:{}/faults", port.unwrap_or(DEFAULT_PORT)),
            labels: strings(&object["metadata"]["labels"]),
            running: object["status"]["phase"] == "Running"
                && object["metadata"]["deletionTimestamp"].is_null(),
        })
    }

    /// Its address.
    pub(crate) fn ip(&self) -> &str {
        let host = self.url.trim_start_matches("http://");
        host.split(':').next().unwrap_or(host)
    }

    pub(crate) fn is_running(&self) -> bool {
        self.running
    }

    pub(crate) fn full_name(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }
}

fn is_named(target: &str, namespace: &str, name: &str) -> bool {
    match target.split_once('/') {
        Some((in_namespace, target)) => in_namespace == namespace && target == name,
        None => target == name,
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn strings(members: &Value) -> Vec<(String, String)> {
    members.as_object().into_iter().flatten().map(|(name, value)| (name.clone(), text(value))).collect()
}

/// What a problem says, with each wrong field.
fn in_words(problem: &Value) -> String {
    let detail = problem["detail"].as_str().or_else(|| problem["message"].as_str());
    let mut words = detail.unwrap_or("no explanation").to_owned();
    for error in problem["errors"].as_array().into_iter().flatten() {
        words.push_str(&format!(
            "; {} = {}: {}",
            text(&error["field"]),
            error["value"],
            text(&error["remedy"])
        ));
    }
    words
}

fn refusal(pod: &Pod, status: u16, text: &str) -> Failure {
    let failure = Failure::new(format!("pod {} refuses ({status}): {text}", pod.full_name()));
    if status == 404 && !text.contains("hint:") {
        return failure.hint("only pods of the todo application can be broken on demand");
    }
    failure
}

fn unreachable(pod: &Pod, text: &str) -> Failure {
    Failure::new(format!("pod {} does not answer: {text}", pod.full_name()))
        .hint("it may be restarting; faults undo themselves when their time is over")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_pod_is_asked_on_its_port_for_metrics() {
        let check = |containers: Value, expected: &str| {
            let object = json!({
                "metadata": {"namespace": "shop", "name": "web-1", "labels": {"app": "web"}},
                "spec": {"containers": containers},
                "status": {"phase": "Running", "podIP": "127.1.2.3"},
            });
            assert_eq!(Pod::of(&object).unwrap().url, expected);
        };
        let port = |name: &str, port: u16| json!({"name": name, "containerPort": port});
        check(
            json!([{"name": "web", "ports": [port("http", 80), port("metrics", 9000)]}]),
            "http://127.1.2.3:9000/faults",
        );
        check(json!([{"name": "daprd", "ports": [port("metrics", 9090)]}]), "http://127.1.2.3:9464/faults");
        assert_eq!(Pod::of(&json!({"status": {}})), None, "no address yet");
    }

    #[test]
    fn targets_are_named_with_or_without_a_namespace() {
        for (target, expected) in [("web", true), ("shop/web", true), ("other/web", false), ("we", false)] {
            assert_eq!(is_named(target, "shop", "web"), expected, "{target}");
        }
    }

    #[test]
    fn a_refusal_has_the_pods_words_and_a_remedy() {
        let problem = json!({"detail": "1 field is refused", "errors": [{"field": "ratio", "value": 2, "remedy": "give a number"}]});
        assert_eq!(in_words(&problem), "1 field is refused; ratio = 2: give a number");
        let object =
            json!({"metadata": {"namespace": "shop", "name": "web-1"}, "status": {"podIP": "127.1.2.3"}});
        let pod = Pod::of(&object).unwrap();
        let text = refusal(&pod, 403, "faults are not enabled").to_string();
        assert!(text.starts_with("pod shop/web-1 refuses (403): faults are not enabled"), "{text}");
        let text = refusal(&pod, 404, "no explanation").to_string();
        assert!(text.contains("\n  hint: only pods of the todo application"), "{text}");
    }
}
