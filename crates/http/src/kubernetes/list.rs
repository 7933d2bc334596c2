//! Lists, single objects and tables of a kind, in the forms that `kubectl` and client libraries ask for.
//!
//! Input: a kind's objects, what a call asks for. Output: `PodList`, `Pod` or `Table` and their like. Objects are put in
//! the order of namespace and name. It knows nothing of any kind beyond its [`Kind`].

use super::asked::{Asked, Form, Include};
use super::kind::{Column, Kind};
use super::selector::selects;
use super::status::Status;
use super::{read, refused};
use crate::Shared;
use crate::json::to_go_json;
use crate::parameters::Parameters;
use crate::reply::{EncodedBody, Encoding, on_blocking_thread};
use axum::Router;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::{Value, json};

/// The addresses of a kind's lists and objects.
pub(super) fn routes_of(kind: &'static Kind) -> Router<Shared> {
    let (base, plural) = (kind.base(), kind.plural);
    let everywhere = async move |State(shared): State<Shared>, headers: HeaderMap, parameters: Parameters| {
        list(&shared, kind, None, headers, &parameters).await
    };
    let all = Router::new().route(&format!("{base}/{plural}"), read(everywhere));
    if !kind.namespaced {
        let one = async move |State(shared): State<Shared>,
                              headers: HeaderMap,
                              Path(name): Path<String>,
                              parameters: Parameters| {
            object(&shared, kind, None, name, headers, &parameters).await
        };
        return all.route(&format!("{base}/{plural}/{{name}}"), read(one));
    }
    let within = async move |State(shared): State<Shared>,
                             headers: HeaderMap,
                             Path(namespace): Path<String>,
                             parameters: Parameters| {
        list(&shared, kind, Some(namespace), headers, &parameters).await
    };
    let one = async move |State(shared): State<Shared>,
                          headers: HeaderMap,
                          Path((namespace, name)): Path<(String, String)>,
                          parameters: Parameters| {
        object(&shared, kind, Some(namespace), name, headers, &parameters).await
    };
    all.route(&format!("{base}/namespaces/{{namespace}}/{plural}"), read(within))
        .route(&format!("{base}/namespaces/{{namespace}}/{plural}/{{name}}"), read(one))
}

async fn list(
    shared: &Shared,
    kind: &'static Kind,
    namespace: Option<String>,
    headers: HeaderMap,
    parameters: &Parameters,
) -> Response {
    let asked = match Asked::of(kind, &headers, parameters) {
        Ok(asked) => asked,
        Err(status) => return refused(status),
    };
    let shared = Shared::clone(shared);
    on_blocking_thread(move || {
        let mut objects = (kind.objects)(&shared)?;
        objects.retain(|object| {
            namespace.as_deref().is_none_or(|namespace| object["metadata"]["namespace"] == namespace)
                && selects(&asked.labels, object)
                && asked.fields.selects(object)
        });
        let body = listed(kind, &asked, objects, shared.state.clock.now());
        Ok::<_, Status>(respond(&headers, &body))
    })
    .await
}

async fn object(
    shared: &Shared,
    kind: &'static Kind,
    namespace: Option<String>,
    name: String,
    headers: HeaderMap,
    parameters: &Parameters,
) -> Response {
    let asked = match Asked::of(kind, &headers, parameters) {
        Ok(asked) => asked,
        Err(status) => return refused(status),
    };
    let shared = Shared::clone(shared);
    on_blocking_thread(move || {
        let found = find(&shared, kind, namespace.as_deref(), &name)?;
        let now = shared.state.clock.now();
        let body = match asked.form {
            Form::Objects => typed(kind, found),
            Form::Table { version, include } => table(kind, version, include, &json!({}), vec![found], now),
        };
        Ok::<_, Status>(respond(&headers, &body))
    })
    .await
}

/// The object of a name.
pub(super) fn find(
    shared: &Shared,
    kind: &Kind,
    namespace: Option<&str>,
    name: &str,
) -> Result<Value, Status> {
    let own = |object: &Value| {
        object["metadata"]["name"] == name
            && namespace.is_none_or(|namespace| object["metadata"]["namespace"] == namespace)
    };
    let found = (kind.objects)(shared)?.into_iter().find(own);
    found.ok_or_else(|| Status::not_found(&kind.resource(), name))
}

/// A finished answer.
pub(super) fn respond(headers: &HeaderMap, body: &Value) -> Response {
    EncodedBody::new(to_go_json(body), Encoding::accepted_by(headers)).into_response("application/json")
}

fn key(object: &Value) -> String {
    let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default();
    format!("{}/{}", text("namespace"), text("name"))
}

/// A list or table of the objects that are left after selecting.
fn listed(kind: &Kind, asked: &Asked, mut objects: Vec<Value>, now: i64) -> Value {
    objects.sort_by_cached_key(key);
    if !asked.after.is_empty() {
        objects.retain(|object| key(object) > asked.after);
    }
    let mut metadata = json!({ "resourceVersion": "" });
    if let Some(limit) = asked.limit
        && objects.len() > limit
        && limit > 0
    {
        let rest = objects.len() - limit;
        objects.truncate(limit);
        metadata["continue"] = Asked::continue_after(&key(&objects[limit - 1])).into();
        if asked.fields.is_empty() && asked.labels == Default::default() {
            metadata["remainingItemCount"] = rest.into();
        }
    }
    match asked.form {
        Form::Objects => json!({
            "kind": format!("{}List", kind.name),
            "apiVersion": kind.api_version(),
            "metadata": metadata,
            "items": objects,
        }),
        Form::Table { version, include } => table(kind, version, include, &metadata, objects, now),
    }
}

fn typed(kind: &Kind, object: Value) -> Value {
    let mut typed = json!({ "kind": kind.name, "apiVersion": kind.api_version() });
    if let (Value::Object(typed), Value::Object(object)) = (&mut typed, object) {
        typed.extend(object);
    }
    typed
}

fn table(
    kind: &Kind,
    version: &str,
    include: Include,
    metadata: &Value,
    objects: Vec<Value>,
    now: i64,
) -> Value {
    let column = |column: &Column| {
        json!({
            "name": column.name,
            "type": "string",
            "format": if column.name == "Name" { "name" } else { "" },
            "description": "",
            "priority": i32::from(column.wide),
        })
    };
    let columns: Vec<Value> = kind.columns.iter().map(column).collect();
    let row = |mut object: Value| {
        let cells = (kind.row)(&object, now);
        let own = match include {
            Include::Nothing => Value::Null,
            Include::Object => typed(kind, object),
            Include::Metadata => json!({
                "kind": "PartialObjectMetadata",
                "apiVersion": version,
                "metadata": object["metadata"].take(),
            }),
        };
        json!({ "cells": cells, "object": own })
    };
    json!({
        "kind": "Table",
        "apiVersion": version,
        "metadata": metadata,
        "columnDefinitions": columns,
        "rows": objects.into_iter().map(row).collect::<Vec<_>>(),
    })
}
