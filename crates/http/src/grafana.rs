//! Grafana's HTTP API as far as dashboards need it.
//!
//! Input: the catalog of dashboards. Output: the list and the models for the UI and for scripts, one data source, and the
//! Prometheus API once more below it, and annotations: scalings and alerts. Nothing can be saved: dashboards are files.

mod alert_annotations;
mod annotations;

use crate::Shared;
use crate::endpoint::Takes::Get;
use crate::endpoint::endpoint;
use crate::json::to_go_json;
use crate::parameters::Parameters;
use crate::prometheus;
use crate::reply::{EncodedBody, Encoding, on_blocking_thread};
use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Serialize;
use serde_json::json;
use serde_json::value::RawValue;
use tidewatch_dashboard::Dashboard;

/// Where dashboards without a folder are.
const DEFAULT_FOLDER: &str = "General";

pub(crate) fn routes(shared: &Shared) -> Router<Shared> {
    Router::new()
        .route("/api/health", endpoint(Get, health))
        .route("/api/search", endpoint(Get, search))
        .route("/api/dashboards/uid/{uid}", endpoint(Get, dashboard))
        .route("/api/datasources", endpoint(Get, datasources))
        .route("/api/annotations", endpoint(Get, annotations::annotations))
        .nest("/api/datasources/proxy/uid/prometheus/api/v1", prometheus::routes(shared))
}

fn answer<T: Serialize + ?Sized>(status: StatusCode, headers: &HeaderMap, value: &T) -> Response {
    let body = EncodedBody::new(to_go_json(value), Encoding::accepted_by(headers));
    let mut response = body.into_response("application/json; charset=UTF-8");
    *response.status_mut() = status;
    response
}

async fn health(State(shared): State<Shared>, headers: HeaderMap) -> Response {
    let build = &shared.state.build;
    let health = json!({ "commit": build.revision, "database": "ok", "version": build.version });
    answer(StatusCode::OK, &headers, &health)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Hit<'a> {
    uid: &'a str,
    title: &'a str,
    uri: String,
    url: String,
    slug: String,
    r#type: &'static str,
    tags: &'a [String],
    is_starred: bool,
    folder_title: &'a str,
}

/// `query` is looked for in titles; every `tag` must be there; other types than `dash-db` find nothing.
async fn search(State(shared): State<Shared>, headers: HeaderMap, parameters: Parameters) -> Response {
    on_blocking_thread(move || found(&shared, &headers, &parameters)).await
}

fn found(shared: &Shared, headers: &HeaderMap, parameters: &Parameters) -> Response {
    let text = parameters.get("query").to_lowercase();
    let kind = parameters.get("type");
    let limit = parameters.get("limit").parse().unwrap_or(1000);
    let wanted = |dashboard: &&Dashboard| {
        matches!(kind, "" | "dash-db")
            && dashboard.title().to_lowercase().contains(&text)
            && parameters.all("tag").all(|tag| dashboard.tags().iter().any(|own| own == tag))
    };
    let all = shared.state.dashboards.sorted();
    let hits: Vec<Hit<'_>> = all.into_iter().filter(wanted).take(limit).map(hit).collect();
    answer(StatusCode::OK, headers, &hits)
}

fn hit(dashboard: &Dashboard) -> Hit<'_> {
    let slug = slug(dashboard.title());
    Hit {
        uid: dashboard.uid(),
        title: dashboard.title(),
        uri: format!("db/{slug}"),
        url: format!("/d/{}/{slug}", dashboard.uid()),
        slug,
        r#type: "dash-db",
        tags: dashboard.tags(),
        is_starred: false,
        folder_title: dashboard.folder().unwrap_or(DEFAULT_FOLDER),
    }
}

/// A title as a part of an address: lower case, `-` for runs of anything but letters and digits.
fn slug(title: &str) -> String {
    let lower = title.to_lowercase();
    let words: Vec<&str> =
        lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    words.join("-")
}

async fn dashboard(State(shared): State<Shared>, headers: HeaderMap, Path(uid): Path<String>) -> Response {
    on_blocking_thread(move || model(&shared, &headers, &uid)).await
}

fn model(shared: &Shared, headers: &HeaderMap, uid: &str) -> Response {
    #[derive(Serialize)]
    struct Model<'a> {
        meta: serde_json::Value,
        dashboard: &'a RawValue,
    }
    let Some(found) = shared.state.dashboards.get(uid) else {
        let refusal = json!({ "message": "Dashboard not found", "status": "not-found" });
        return answer(StatusCode::NOT_FOUND, headers, &refusal);
    };
    let slug = slug(found.title());
    let meta = json!({
        "type": "db",
        "canSave": false,
        "canEdit": false,
        "canAdmin": false,
        "canStar": false,
        "canDelete": false,
        "slug": slug,
        "url": format!("/d/{uid}/{slug}"),
        "version": 1,
        "isFolder": false,
        "folderTitle": found.folder().unwrap_or(DEFAULT_FOLDER),
        "provisioned": true,
        "provisionedExternalId": found.source().file,
    });
    answer(StatusCode::OK, headers, &Model { meta, dashboard: found.json() })
}

async fn datasources(headers: HeaderMap) -> Response {
    let list = json!([{
        "id": 1,
        "uid": "prometheus",
        "orgId": 1,
        "name": "Prometheus",
        "type": "prometheus",
        "typeName": "Prometheus",
        "access": "proxy",
        "url": "/api/datasources/proxy/uid/prometheus",
        "isDefault": true,
        "jsonData": { "httpMethod": "POST" },
        "readOnly": true,
    }]);
    answer(StatusCode::OK, &headers, &list)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_become_slugs() {
        let check = |title: &str, expected: &str| assert_eq!(slug(title), expected);
        check("Todo application", "todo-application");
        check("Kubernetes / Pods (CPU & memory)", "kubernetes-pods-cpu-memory");
        check("--", "");
    }
}
