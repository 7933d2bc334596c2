//! The folder of a drill: copies of the manifests and of `tidewatch.yaml`, made for a drill.
//!
//! Input: the settings file, a [`Shortening`], where notifications are to go. Output: files of which `tidewatch up` runs the drill's own
//! stack, beside a pod of the drill's own. What differs from the originals: windows are shorter, every receiver is the capture receiver, nothing is inhibited or
//! muted, and what scales by its queue may be scaled to none. All other documents are copied byte by byte.

use super::certificate;
use super::shorten::Shortening;
use crate::failure::Failure;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tidewatch_model::format_duration;

/// The image of the pod that has a certificate.
const CERTIFICATE_IMAGE: &str = "tidewatch-drill-certificate";

/// How long what scales to none waits before it does: KEDA's usual 5 minutes would be most of a drill.
const COOLDOWN_SECONDS: u64 = 20;

/// What keeps it from scaling to none as long as the usual traffic lasts: a quick consumer's lag is 0 most of the times it is polled.
/// As a target per replica the rate is so far from the threshold that it never asks for a second one.
const WORK_THRESHOLD: &str = "1000000";
/// How long after the last task there counts as being no work, at least.
const WORK_WINDOW: Duration = Duration::from_secs(60);

/// Writes the copies into `folder` and gives the settings file for `tidewatch up`.
///
/// # Errors
/// When a file cannot be read, understood or written.
pub(crate) fn write(
    settings: &Path,
    folder: &Path,
    shortening: Shortening,
    webhook: &str,
) -> Result<PathBuf, Failure> {
    let origin = std::path::absolute(settings).map_err(|error| unreadable(settings, &error))?;
    let origin = origin.parent().unwrap_or(Path::new("/")).to_path_buf();
    let text = fs::read_to_string(settings).map_err(|error| {
        unreadable(settings, &error).hint("run it where tidewatch.yaml is, or name the file with --config")
    })?;
    let mut read: Value = parse(settings, &text)?;
    let manifests = folder.join("manifests");
    let mut count = 0;
    for path in read["manifests"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        for file in files(&origin.join(path))? {
            let text = fs::read_to_string(&file).map_err(|error| unreadable(&file, &error))?;
            let copy = manifests.join(format!("{count:03}.yaml"));
            count += 1;
            put(&copy, &copied(&file, &text, shortening, webhook)?)?;
        }
    }
    put(&manifests.join("drill.yaml"), &certificate::manifest(CERTIFICATE_IMAGE))?;
    read["images"][CERTIFICATE_IMAGE] =
        json!({"command": ["{bin}/tidewatch", "drill", "certificate", "{pod_ip}"]});
    read["manifests"] = json!(["manifests"]);
    localize(&mut read, &origin);
    let copy = folder.join("tidewatch.yaml");
    put(&copy, &read.to_string())?;
    Ok(copy)
}

/// The manifests of a path: itself, or what a folder has.
fn files(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    if !path.is_dir() {
        return Ok(vec![path.to_path_buf()]);
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(path).map_err(|error| unreadable(path, &error))?.flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path)?);
        } else if path.extension().is_some_and(|end| end == "yaml" || end == "yml") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// The copy of a file's text.
fn copied(file: &Path, text: &str, shortening: Shortening, webhook: &str) -> Result<String, Failure> {
    let mut copy = String::new();
    for document in documents(text) {
        copy.push_str("---\n");
        let mut read: Value = parse(file, &document)?;
        if !prepare(&mut read, shortening, webhook) {
            copy.push_str(&document);
            continue;
        }
        copy.push_str(&read.to_string());
        copy.push('\n');
    }
    Ok(copy)
}

/// The documents of a text, without the lines between them.
fn documents(text: &str) -> Vec<String> {
    let mut documents = vec![String::new()];
    for line in text.split_inclusive('\n') {
        if line.trim_end() == "---" {
            documents.push(String::new());
        } else if let Some(last) = documents.last_mut() {
            last.push_str(line);
        }
    }
    documents.retain(|text| {
        text.lines().any(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'))
    });
    documents
}

/// Changes a document for the drill; `false` when it stays as it is.
fn prepare(document: &mut Value, shortening: Shortening, webhook: &str) -> bool {
    match document["kind"].as_str() {
        Some("PrometheusRule" | "ServiceMonitor" | "PodMonitor") => {
            shortening.document(document);
            true
        }
        Some("ScaledObject") => {
            document["spec"]["minReplicaCount"] = json!(0);
            document["spec"]["cooldownPeriod"] = json!(COOLDOWN_SECONDS);
            if let Some(triggers) = document["spec"]["triggers"].as_array_mut() {
                triggers.push(work(shortening));
            }
            true
        }
        Some("Secret" | "ConfigMap") => notification_configs(document, shortening, webhook),
        _ => false,
    }
}

/// A trigger that is active while tasks are created.
fn work(shortening: Shortening) -> Value {
    let window = format_duration(shortening.window(WORK_WINDOW * 5).max(WORK_WINDOW));
    let query = format!("sum(rate(tasks_created_total[{window}]))");
    // the address is that of the stack itself, whatever is written
    let metadata = json!({"serverAddress": "http://localhost", "query": query, "threshold": WORK_THRESHOLD});
    json!({"type": "prometheus", "metadata": metadata})
}

/// Changes what looks like Alertmanager's configuration in a Secret or ConfigMap.
fn notification_configs(document: &mut Value, shortening: Shortening, webhook: &str) -> bool {
    let mut changed = false;
    for data in ["stringData", "data"] {
        let Some(entries) = document[data].as_object_mut() else { continue };
        for (name, value) in entries {
            let is_one = ["alertmanager.yaml", "alertmanager.yml"].contains(&name.as_str());
            let Some(text) = value.as_str().filter(|_| is_one) else { continue };
            let Ok(config) = serde_saphyr::from_str::<Value>(text) else { continue };
            *value = json!(captured(config, shortening, webhook).to_string());
            changed = true;
        }
    }
    if let Some(members) = document.as_object_mut() {
        members.retain(|_, value| !value.is_null());
    }
    changed
}

/// The configuration with the same routes, in which every receiver is the capture receiver.
fn captured(mut config: Value, shortening: Shortening, webhook: &str) -> Value {
    let mut route = config["route"].take();
    shortening.route(&mut route);
    unmuted(&mut route);
    let names = config["receivers"].as_array().into_iter().flatten();
    let receiver =
        |name: &Value| json!({"name": name, "webhook_configs": [{"url": webhook, "send_resolved": true}]});
    let receivers: Vec<Value> = names.map(|one| receiver(&one["name"])).collect();
    let mut global = json!({"resolve_timeout": "5m"});
    shortening.text(&mut global["resolve_timeout"], Shortening::window);
    json!({"global": global, "route": route, "receivers": receivers})
}

/// A drill is held at any hour.
fn unmuted(route: &mut Value) {
    if let Some(members) = route.as_object_mut() {
        members.retain(|name, _| !name.ends_with("_time_intervals"));
    }
    route["routes"].as_array_mut().into_iter().flatten().for_each(unmuted);
    if let Some(members) = route.as_object_mut() {
        members.retain(|_, value| !value.is_null());
    }
}

/// Paths that were relative to the original file.
fn localize(settings: &mut Value, origin: &Path) {
    for image in settings["images"].as_object_mut().into_iter().flatten().map(|(_, image)| image) {
        let Some(program) = image["command"][0].as_str() else { continue };
        if program.contains('/') && !program.starts_with(['/', '{']) {
            image["command"][0] = json!(origin.join(program));
        }
    }
    replace(settings, "{dir}", &origin.display().to_string());
}

fn replace(value: &mut Value, what: &str, with: &str) {
    match value {
        Value::String(text) => *text = text.replace(what, with),
        Value::Array(list) => list.iter_mut().for_each(|one| replace(one, what, with)),
        Value::Object(members) => members.values_mut().for_each(|one| replace(one, what, with)),
        _ => {}
    }
}

fn parse(file: &Path, text: &str) -> Result<Value, Failure> {
    serde_saphyr::from_str(text)
        .map_err(|error| Failure::new(format!("{}: {error}", file.display())).hint("tidewatch up says more"))
}

fn put(file: &Path, text: &str) -> Result<(), Failure> {
    let folder = file.parent().unwrap_or(Path::new("."));
    let written = fs::create_dir_all(folder).and_then(|()| fs::write(file, text));
    written.map_err(|error| Failure::new(format!("cannot write {}: {error}", file.display())))
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(format!("cannot read {}: {error}", path.display()))
}

/// How long to wait for a group's first notification, where the configuration says nothing.
pub(crate) const USUAL_GROUP_WAIT: Duration = Duration::from_secs(30);
/// How long between notifications of a group, where the configuration says nothing.
pub(crate) const USUAL_GROUP_INTERVAL: Duration = Duration::from_secs(5 * 60);

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFESTS: &str = "# a comment\n---\nkind: Deployment\nmetadata: {name: web} # stays\n---\n\
        kind: ScaledObject\nspec: {minReplicaCount: 1, triggers: [{type: cpu}]}\n---\nkind: Secret\nstringData:\n  alertmanager.yaml: |\n    \
        route:\n      receiver: people\n      group_wait: 30s\n      routes:\n      - receiver: none\n        \
        mute_time_intervals: [nights]\n    receivers:\n    - name: people\n      slack_configs: [{api_url_file: /x}]\n    \
        - name: none\n    inhibit_rules: [{equal: [a]}]\n";

    #[test]
    fn only_what_a_drill_needs_is_changed() {
        let folder = tempfile::tempdir().unwrap();
        let origin = folder.path().join("origin");
        fs::create_dir_all(origin.join("k8s")).unwrap();
        fs::write(origin.join("k8s/all.yaml"), MANIFESTS).unwrap();
        let settings = origin.join("tidewatch.yaml");
        let text =
            "manifests: [k8s]\nimages:\n  web: {command: [\"./web\", \"{dir}/page\"], env: {PORT: \"80\"}}\n";
        fs::write(&settings, text).unwrap();
        let target = folder.path().join("copy");
        let copy = write(&settings, &target, Shortening::by(10.0), "http://127.0.0.1:1/").unwrap();

        let written: Value = serde_json::from_str(&fs::read_to_string(copy).unwrap()).unwrap();
        assert_eq!(written["manifests"], json!(["manifests"]));
        let program = written["images"]["web"]["command"][0].as_str().unwrap();
        assert!(Path::new(program).is_absolute() && program.ends_with("origin/./web"), "{program}");
        assert_eq!(written["images"]["web"]["command"][1], format!("{}/page", origin.display()));
        assert_eq!(written["images"]["web"]["env"]["PORT"], "80");

        let text = fs::read_to_string(target.join("manifests/000.yaml")).unwrap();
        assert!(text.contains("---\nkind: Deployment\nmetadata: {name: web} # stays\n---\n"), "{text}");
        let last: Value = serde_json::from_str(text.rsplit("---\n").next().unwrap()).unwrap();
        let config: Value =
            serde_json::from_str(last["stringData"]["alertmanager.yaml"].as_str().unwrap()).unwrap();
        let receiver = |name: &str| json!({"name": name, "webhook_configs": [{"url": "http://127.0.0.1:1/", "send_resolved": true}]});
        let expected = json!({
            "global": {"resolve_timeout": "30s"},
            "route": {"receiver": "people", "group_wait": "3s", "routes": [{"receiver": "none"}]},
            "receivers": [receiver("people"), receiver("none")],
        });
        assert_eq!(config, expected);
        let scaled = text.split("---\n").find(|text| text.contains("ScaledObject")).unwrap();
        let work = json!({"type": "prometheus", "metadata": {
            "serverAddress": "http://localhost", "query": "sum(rate(tasks_created_total[1m]))", "threshold": "1000000",
        }});
        let expected = json!({"kind": "ScaledObject", "spec": {
            "minReplicaCount": 0, "triggers": [{"type": "cpu"}, work], "cooldownPeriod": 20,
        }});
        assert_eq!(serde_json::from_str::<Value>(scaled).unwrap(), expected);
    }

    #[test]
    fn a_missing_settings_file_is_named_with_a_remedy() {
        let failed =
            write(Path::new("/no/such.yaml"), Path::new("/tmp"), Shortening::by(1.0), "").unwrap_err();
        assert!(
            failed.to_string().contains("/no/such.yaml") && failed.to_string().contains("--config"),
            "{failed}"
        );
    }
}
