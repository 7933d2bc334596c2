//! JSON text to a checked [`Dashboard`]. Input: one entry of a ConfigMap. Output: the dashboard, or the first thing that
//! Grafana would refuse or silently drop, with its place. Does not parse PromQL (the level that owns it does) and does not
//! migrate old or new models.

use serde_json::Value;
use serde_json::value::RawValue;

use crate::error::{Error, Source};
use crate::interpolate::references;
use crate::model::{Dashboard, Panel, Target, Variable, VariableKind};

/// Panel types that show no query's data.
const WITHOUT_DATA: [&str; 8] =
    ["row", "text", "news", "dashlist", "annolist", "alertlist", "welcome", "gettingstarted"];
/// Grafana's limit for a uid.
const UID_MAX_LENGTH: usize = 40;

impl Dashboard {
    /// Reads and checks one dashboard.
    ///
    /// # Errors
    /// Text that is not JSON, a model that is wrapped, exported for sharing or of another schema, a missing uid or title, no
    /// panels, a panel without queries, an undeclared variable: each names its place.
    pub fn parse(origin: Source, folder: Option<&str>, json: &str) -> Result<Self, Error> {
        let not_json =
            |reason: serde_json::Error| Error::Json { origin: origin.clone(), reason: reason.to_string() };
        let raw: Box<RawValue> = serde_json::from_str(json).map_err(not_json)?;
        let model: Value = serde_json::from_str(json).map_err(not_json)?;
        check_shape(&origin, &model)?;
        let mut panels = Vec::new();
        collect_panels(&origin, &model["panels"], &mut panels)?;
        let dashboard = Dashboard {
            uid: uid(&origin, &model)?,
            title: non_empty(&origin, &model, "title")?,
            tags: strings(&model["tags"]),
            folder: folder.map(str::to_owned),
            json: raw,
            panels,
            variables: variables(&origin, &model)?,
            origin,
        };
        check_references(&dashboard)?;
        Ok(dashboard)
    }
}

fn check_shape(origin: &Source, model: &Value) -> Result<(), Error> {
    let refuse = |found, remedy| Err(Error::Shape { origin: origin.clone(), found, remedy });
    let has = |field: &str| model.get(field).is_some();
    if !model.is_object() {
        return refuse("the dashboard is not a JSON object", "put the dashboard's JSON model under the key");
    }
    if has("apiVersion") && has("spec") || has("elements") && has("layout") {
        return refuse(
            "this is a Kubernetes-style dashboard resource (schema V2 or its wrapper), not the classic model",
            "export it from Grafana as \"Classic\" JSON model",
        );
    }
    if model["dashboard"].is_object() && !has("panels") {
        return refuse(
            "the model is wrapped in \"dashboard\": {…}, which Grafana's file provisioning does not load",
            "keep only what is inside \"dashboard\"",
        );
    }
    if model["__inputs"].as_array().is_some_and(|inputs| !inputs.is_empty()) {
        return refuse(
            "the dashboard was exported for sharing (__inputs): its data source is a placeholder that provisioning leaves empty",
            "export it without that option and use a variable of type datasource",
        );
    }
    if !has("panels") && has("rows") {
        return refuse(
            "the model is older than schemaVersion 16 (rows instead of panels)",
            "open it in a current Grafana, save it and export it again",
        );
    }
    if model["panels"].as_array().is_none_or(Vec::is_empty) {
        return refuse("the dashboard has no panels", "add a non-empty list \"panels\"");
    }
    Ok(())
}

fn field_error(origin: &Source, field: &str, reason: impl Into<String>) -> Error {
    Error::Field { origin: origin.clone(), field: field.to_owned(), reason: reason.into() }
}

fn non_empty(origin: &Source, model: &Value, field: &str) -> Result<String, Error> {
    match model[field].as_str() {
        Some(text) if !text.trim().is_empty() => Ok(text.to_owned()),
        _ => Err(field_error(origin, field, "missing or empty. hint: give it a text")),
    }
}

fn uid(origin: &Source, model: &Value) -> Result<String, Error> {
    let uid = non_empty(origin, model, "uid")?;
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if uid.len() > UID_MAX_LENGTH || !uid.chars().all(legal) {
        let reason = format!("{uid:?} is not a uid. hint: at most {UID_MAX_LENGTH} letters, digits, - and _");
        return Err(field_error(origin, "uid", reason));
    }
    Ok(uid)
}

fn strings(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Panels in reading order: a collapsed row holds its panels itself, an open one is followed by them.
fn collect_panels(origin: &Source, list: &Value, into: &mut Vec<Panel>) -> Result<(), Error> {
    let mut row = None;
    for json in list.as_array().into_iter().flatten() {
        let panel = panel(origin, json, row.clone())?;
        if into.iter().any(|other| other.id == panel.id) {
            let reason = format!("id {} is used twice. hint: give each panel its own id", panel.id);
            return Err(panel_error(origin, &panel, reason));
        }
        let is_row = panel.kind == "row";
        if is_row {
            row = Some(panel.title.clone());
        }
        into.push(panel);
        if is_row {
            let first = into.len();
            collect_panels(origin, &json["panels"], into)?;
            into[first..].iter_mut().for_each(|inner| inner.row.clone_from(&row));
        }
    }
    Ok(())
}

fn panel_error(origin: &Source, panel: &Panel, reason: impl Into<String>) -> Error {
    let name = if panel.title.is_empty() { format!("id {}", panel.id) } else { panel.title.clone() };
    Error::Panel { origin: origin.clone(), panel: name, reason: reason.into() }
}

fn panel(origin: &Source, json: &Value, row: Option<String>) -> Result<Panel, Error> {
    let mut panel = Panel {
        id: json["id"].as_i64().unwrap_or_default(),
        title: text(&json["title"]),
        kind: text(&json["type"]),
        row,
        targets: Vec::new(),
    };
    if json["id"].as_i64().is_none() {
        return Err(panel_error(origin, &panel, "has no id. hint: number the panels from 1"));
    }
    if json["libraryPanel"].is_object() {
        let reason = "is a library panel, whose model is not in this file. hint: unlink it in Grafana and export again";
        return Err(panel_error(origin, &panel, reason));
    }
    if panel.kind.is_empty() {
        return Err(panel_error(origin, &panel, "has no type. hint: timeseries, stat, gauge, table, …"));
    }
    for (index, target) in json["targets"].as_array().into_iter().flatten().enumerate() {
        panel.targets.push(self::target(origin, &panel, json, target, index)?);
    }
    if panel.targets.is_empty() && !WITHOUT_DATA.contains(&panel.kind.as_str()) {
        return Err(panel_error(origin, &panel, "has no queries. hint: add at least one to \"targets\""));
    }
    Ok(panel)
}

fn target(
    origin: &Source,
    panel: &Panel,
    parent: &Value,
    json: &Value,
    index: usize,
) -> Result<Target, Error> {
    let default_ref = char::from(b'A' + u8::try_from(index % 26).expect("below 26")).to_string();
    let ref_id = json["refId"].as_str().map_or(default_ref, str::to_owned);
    let kind = json["datasource"]["type"].as_str().or(parent["datasource"]["type"].as_str());
    let prometheus = kind.is_none_or(|kind| kind == "prometheus");
    let expr = json["expr"].as_str().filter(|expr| !expr.trim().is_empty()).map(str::to_owned);
    if prometheus && expr.is_none() {
        return Err(panel_error(
            origin,
            panel,
            format!("query {ref_id} has no expression. hint: set \"expr\""),
        ));
    }
    if panel.targets.iter().any(|other| other.ref_id == ref_id) {
        return Err(panel_error(
            origin,
            panel,
            format!("two queries are called {ref_id}. hint: give each its own refId"),
        ));
    }
    Ok(Target {
        ref_id,
        expr: expr.filter(|_| prometheus),
        legend: json["legendFormat"].as_str().map(str::to_owned),
        instant: json["instant"].as_bool().unwrap_or_default()
            && !json["range"].as_bool().unwrap_or_default(),
        hidden: json["hide"].as_bool().unwrap_or_default(),
    })
}

fn variables(origin: &Source, model: &Value) -> Result<Vec<Variable>, Error> {
    let list = model["templating"]["list"].as_array().into_iter().flatten();
    list.enumerate()
        .map(|(index, json)| {
            let name = text(&json["name"]);
            if name.is_empty() {
                return Err(field_error(
                    origin,
                    &format!("templating.list[{index}].name"),
                    "missing. hint: name it",
                ));
            }
            Ok(Variable {
                name,
                kind: match json["type"].as_str() {
                    Some("datasource") => VariableKind::Datasource,
                    Some("query") => VariableKind::Query,
                    _ => VariableKind::Fixed,
                },
                query: json["query"]
                    .as_str()
                    .or(json["query"]["query"].as_str())
                    .unwrap_or_default()
                    .to_owned(),
                multi: json["multi"].as_bool().unwrap_or_default(),
                include_all: json["includeAll"].as_bool().unwrap_or_default(),
                all_value: json["allValue"].as_str().filter(|value| !value.is_empty()).map(str::to_owned),
                current: match &json["current"]["value"] {
                    Value::String(one) if !one.is_empty() => vec![one.clone()],
                    many => strings(many),
                },
            })
        })
        .collect()
}

fn check_references(dashboard: &Dashboard) -> Result<(), Error> {
    for panel in &dashboard.panels {
        for target in &panel.targets {
            let names = references(target.expr.as_deref().unwrap_or_default());
            let declared =
                |name: &str| name.starts_with("__") || dashboard.variables.iter().any(|v| v.name == name);
            if let Some(variable) = names.into_iter().find(|name| !declared(name)) {
                return Err(Error::UndeclaredVariable {
                    origin: dashboard.origin.clone(),
                    panel: panel.title.clone(),
                    ref_id: target.ref_id.clone(),
                    variable,
                });
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> Result<Dashboard, Error> {
        let origin = Source { file: "a.yaml".into(), configmap: "monitoring/c".into(), key: "d.json".into() };
        Dashboard::parse(origin, None, json)
    }

    #[track_caller]
    fn check(json: &str, expected: &[&str]) {
        let error = parse(json).expect_err("refused").to_string();
        for part in ["a.yaml: ConfigMap monitoring/c: d.json"].iter().chain(expected) {
            assert!(error.contains(part), "{error:?} should contain {part:?}");
        }
    }

    #[test]
    fn what_grafana_would_not_load_is_refused_with_its_place_and_a_remedy() {
        check("{", &["not valid JSON", "line 1 column 1"]);
        check("[]", &["not a JSON object", "hint:"]);
        check(r#"{"dashboard":{"title":"x","panels":[]}}"#, &["wrapped", "keep only what is inside"]);
        check(
            r#"{"apiVersion":"dashboard.grafana.app/v2beta1","kind":"Dashboard","spec":{}}"#,
            &["V2", "Classic"],
        );
        check(r#"{"title":"x","elements":{},"layout":{}}"#, &["V2", "Classic"]);
        check(r#"{"__inputs":[{"name":"DS_PROMETHEUS"}],"panels":[{}]}"#, &["__inputs", "datasource"]);
        check(r#"{"uid":"a","title":"b","rows":[]}"#, &["schemaVersion 16", "hint:"]);
        check(r#"{"uid":"a","title":"b","panels":[]}"#, &["no panels", "hint:"]);
        check(r#"{"title":"b","panels":[{"id":1,"type":"text"}]}"#, &["field uid", "hint:"]);
        check(r#"{"uid":"a b","title":"b","panels":[{"id":1,"type":"text"}]}"#, &["\"a b\" is not a uid"]);
        check(r#"{"uid":"a","title":" ","panels":[{"id":1,"type":"text"}]}"#, &["field title", "hint:"]);
    }

    #[track_caller]
    fn check_panels(panels: &str, expected: &[&str]) {
        check(&format!(r#"{{"uid":"a","title":"b","panels":[{panels}]}}"#), expected);
    }

    #[test]
    fn an_incomplete_panel_is_named() {
        check_panels(r#"{"type":"stat","title":"P"}"#, &["panel \"P\"", "has no id"]);
        check_panels(r#"{"id":1,"title":"P"}"#, &["panel \"P\"", "has no type"]);
        check_panels(r#"{"id":7,"type":"stat"}"#, &["panel \"id 7\"", "has no queries"]);
        check_panels(
            r#"{"id":1,"type":"stat","title":"P","targets":[{"refId":"B","expr":" "}]}"#,
            &["query B"],
        );
        check_panels(
            r#"{"id":1,"type":"stat","title":"P","targets":[{"expr":"1"},{"refId":"A","expr":"2"}]}"#,
            &["A"],
        );
        check_panels(r#"{"id":1,"type":"text"},{"id":1,"type":"text","title":"P"}"#, &["id 1 is used twice"]);
        check_panels(r#"{"id":1,"type":"stat","title":"P","libraryPanel":{"uid":"x"}}"#, &["library panel"]);
        let nested = r#"{"id":1,"type":"row","title":"R","panels":[{"id":2,"type":"stat","title":"P"}]}"#;
        check_panels(nested, &["panel \"P\"", "has no queries"]);
        let undeclared =
            r#"{"id":1,"type":"stat","title":"P","targets":[{"expr":"up{job=~\"${job:regex}\"}"}]}"#;
        check_panels(undeclared, &["panel \"P\", query A", "variable $job is not declared", "hint:"]);
    }

    #[test]
    fn panels_know_their_row_and_other_data_sources_have_no_expression() {
        let dashboard = parse(
            r#" {"uid":"a","title":"b","tags":["t"],"panels":[
                {"id":1,"type":"row","title":"open"},
                {"id":2,"type":"stat","title":"p","targets":[{"expr":"up","instant":true}]},
                {"id":3,"type":"row","title":"closed","collapsed":true,"panels":[
                    {"id":4,"type":"logs","title":"q","datasource":{"type":"loki"},"targets":[{"expr":"{a=\"b\"}"}]}]}]} "#,
        )
        .unwrap();
        let rows: Vec<(i64, Option<&str>)> =
            dashboard.panels().iter().map(|p| (p.id, p.row.as_deref())).collect();
        assert_eq!(rows[1], (2, Some("open")));
        assert_eq!(rows[3], (4, Some("closed")));
        assert!(dashboard.panels()[1].targets[0].instant);
        assert_eq!(dashboard.panels()[3].targets[0].expr, None);
        assert!(dashboard.json().get().starts_with("{\"uid\""), "kept as written, without the space around");
    }
}
