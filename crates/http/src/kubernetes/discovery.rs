//! Discovery: which groups, versions and resources there are, so that `kubectl` finds them.
//!
//! Input: the kinds that are served. Output: `APIVersions`, `APIGroupList`, `APIResourceList`, and the version, in the
//! form before aggregation, which every client falls back to. There is no OpenAPI: nothing can be written, so nothing has
//! to be validated.

use super::kind::Kind;
use super::list::respond;
use super::status::Status;
use super::{custom_metrics, external_metrics, groups, read};
use crate::{Shared, SharedState};
use axum::Router;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

/// The version whose API this is.
const KUBERNETES_MINOR: &str = "34";

pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/version", read(version))
        .route("/api", read(core_versions))
        .route("/api/v1", read(core_resources))
        .route("/apis", read(group_list))
        .route("/apis/{group}", read(one_group))
        .route("/apis/{group}/{version}", read(resources))
        .route("/openapi/v2", read(no_schema))
        .route("/openapi/v3", read(no_schema))
}

async fn version(State(shared): State<Shared>, headers: HeaderMap) -> Response {
    let build = &shared.state.build;
    let version = json!({
        "major": "1",
        "minor": KUBERNETES_MINOR,
        "gitVersion": format!("v1.{KUBERNETES_MINOR}.0+tidewatch-{}", build.version),
        "gitCommit": build.revision,
        "gitTreeState": "",
        "buildDate": "",
        "goVersion": "",
        "compiler": "rustc",
        "platform": format!("{}/{}", std::env::consts::OS, std::env::consts::ARCH),
    });
    respond(&headers, &version)
}

async fn core_versions(headers: HeaderMap) -> Response {
    let versions = json!({ "kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": [] });
    respond(&headers, &versions)
}

async fn core_resources(State(shared): State<Shared>, headers: HeaderMap) -> Response {
    answer_resources(&shared, &headers, "", "v1")
}

async fn group_list(State(shared): State<Shared>, headers: HeaderMap) -> Response {
    // kubectl takes a group without resources for a failure
    let listed = groups(&shared).into_iter().filter(|(name, _)| !resources_of(&shared, name).is_empty());
    let groups: Vec<Value> = listed.map(|(name, version)| group(name, version)).collect();
    respond(&headers, &json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": groups }))
}

async fn one_group(State(shared): State<Shared>, headers: HeaderMap, Path(name): Path<String>) -> Response {
    match groups(&shared).into_iter().find(|(group, _)| *group == name) {
        Some((name, version)) => {
            let mut object = json!({ "kind": "APIGroup", "apiVersion": "v1" });
            object["name"] = name.into();
            let rest = group(name, version);
            object["versions"] = rest["versions"].clone();
            object["preferredVersion"] = rest["preferredVersion"].clone();
            respond(&headers, &object)
        }
        None => Status::no_such_resource().into_response(),
    }
}

async fn resources(
    State(shared): State<Shared>,
    headers: HeaderMap,
    Path((group, version)): Path<(String, String)>,
) -> Response {
    if groups(&shared).contains(&(group.as_str(), version.as_str())) {
        return answer_resources(&shared, &headers, &group, &version);
    }
    Status::no_such_resource().into_response()
}

async fn no_schema() -> Status {
    Status::absent("tidewatch serves no OpenAPI schema: nothing can be written through its Kubernetes API")
}

fn group(name: &str, version: &str) -> Value {
    let version = json!({ "groupVersion": format!("{name}/{version}"), "version": version });
    json!({ "name": name, "versions": [version], "preferredVersion": version })
}

fn answer_resources(shared: &SharedState, headers: &HeaderMap, group: &str, version: &str) -> Response {
    let group_version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    let list = json!({
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": group_version,
        "resources": resources_of(shared, group),
    });
    respond(headers, &list)
}

fn resources_of(shared: &SharedState, group: &str) -> Vec<Value> {
    match group {
        custom_metrics::GROUP => custom_metrics::resources(shared),
        external_metrics::GROUP => external_metrics::resources(shared),
        _ => super::KINDS.iter().filter(|kind| kind.group == group).flat_map(|kind| of_kind(kind)).collect(),
    }
}

/// A kind and its subresources.
fn of_kind(kind: &Kind) -> Vec<Value> {
    let mut own = json!({
        "name": kind.plural,
        "singularName": kind.singular,
        "namespaced": kind.namespaced,
        "kind": kind.name,
        "verbs": ["get", "list"],
    });
    if !kind.short_names.is_empty() {
        own["shortNames"] = json!(kind.short_names);
    }
    if !kind.categories.is_empty() {
        own["categories"] = json!(kind.categories);
    }
    let below = kind.subresources.iter().map(|(name, type_name)| {
        let mut resource = json!({
            "name": format!("{}/{name}", kind.plural),
            "singularName": "",
            "namespaced": kind.namespaced,
            "kind": type_name,
            "verbs": ["get"],
        });
        if *type_name == "Scale" {
            resource["group"] = "autoscaling".into();
            resource["version"] = "v1".into();
        }
        resource
    });
    [own].into_iter().chain(below).collect()
}
