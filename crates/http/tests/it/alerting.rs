//! Rules, alerts, objectives and runbooks, as the APIs tell them.

use crate::client::get;
use crate::served::{NOW, Served, example_state, serve};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tidewatch_http::{AlertTargets, ApiState, RuleGroups};
use tidewatch_model::Labels;
use tidewatch_notify::Alertmanagers;
use tidewatch_rules::{
    ActiveAlert, AlertState, GroupStatus, LoadOptions, RuleHealth, RuleStatus, load_rule_file,
};

const RULES: &str = "groups:
  - name: a
    limit: 5
    rules:
      - {record: 'job:up:sum', expr: 'sum by (job)(up)', labels: {team: x}}
      - alert: Down
        expr: up == 0
        for: 5m
        keep_firing_for: 1m
        labels: {severity: page}
        annotations: {summary: 'gone <now>'}
  - name: b
    interval: 15s
    rules:
      - {alert: Other, expr: vector(1)}
      - record: slo:info
        expr: vector(1)
        labels: {slo: fast}
";

struct Example;

impl RuleGroups for Example {
    fn groups(&self) -> Vec<GroupStatus> {
        let groups = load_rule_file("r.yml", RULES, &LoadOptions::default()).unwrap();
        groups.into_iter().map(|group| status(Arc::new(group))).collect()
    }
}

fn status(group: Arc<tidewatch_rules::RuleGroup>) -> GroupStatus {
    let alert = ActiveAlert {
        labels: Labels::from_pairs([("alertname", "Down"), ("job", "api")]),
        annotations: Labels::from_pairs([("summary", "gone <now>")]),
        state: AlertState::Firing,
        value: 0.25,
        active_at: NOW - 600_000,
        fired_at: Some(NOW - 300_000),
        resolved_at: None,
        last_sent_at: None,
        keep_firing_since: Some(NOW - 1_500),
    };
    let rules = group.rules.iter().map(|rule| {
        let down = rule.name == "Down";
        RuleStatus {
            health: if rule.name == "Other" { RuleHealth::Bad } else { RuleHealth::Good },
            last_error: (rule.name == "Other").then(|| "no luck".to_owned()),
            evaluation_time: Duration::from_micros(1500),
            last_evaluation: Some(NOW - 15_000),
            state: rule.alerting().map(|_| if down { AlertState::Firing } else { AlertState::Inactive }),
            alerts: if down { vec![alert.clone()] } else { Vec::new() },
        }
    });
    GroupStatus {
        query_offset: Duration::ZERO,
        evaluation_time: Duration::from_millis(2),
        last_evaluation: (group.name == "a").then_some(NOW - 15_000),
        rules: rules.collect(),
        group,
    }
}

impl AlertTargets for Example {
    fn alertmanagers(&self) -> Alertmanagers {
        let url = |host: &str| vec![format!("http://{host}:9093/api/v2/alerts")];
        Alertmanagers { active: url("am"), dropped: url("old") }
    }
}

async fn served() -> Served {
    serve(ApiState {
        rules: Some(Arc::new(Example)),
        alert_targets: Some(Arc::new(Example)),
        external_url: "http://h:3000".to_owned(),
        user_pages: BTreeMap::from([("Down.md".to_owned(), "# Down\n".to_owned())]),
        ..example_state()
    })
    .await
}

async fn data(served: &Served, target: &str) -> Value {
    get(served.address, target).await.json()["data"].clone()
}

#[tokio::test]
async fn rules_are_listed_as_prometheus_lists_them() {
    let served = served().await;
    let groups = data(&served, "/api/v1/rules").await["groups"].clone();
    let alert = json!({
        "labels": {"alertname": "Down", "job": "api"}, "annotations": {"summary": "gone <now>"}, "state": "firing",
        "activeAt": "2023-11-14T22:03:20Z", "keepFiringSince": "2023-11-14T22:13:18.5Z", "value": "2.5e-01",
    });
    assert_eq!(
        groups[0],
        json!({
            "name": "a", "file": "r.yml", "interval": 60.0, "limit": 5, "evaluationTime": 0.002,
            "lastEvaluation": "2023-11-14T22:13:05Z",
            "rules": [
                {"name": "job:up:sum", "query": "sum by (job) (up)", "labels": {"team": "x"}, "health": "ok",
                 "evaluationTime": 0.0015, "lastEvaluation": "2023-11-14T22:13:05Z", "type": "recording"},
                {"state": "firing", "name": "Down", "query": "up == 0", "duration": 300.0, "keepFiringFor": 60.0,
                 "labels": {"severity": "page"}, "annotations": {"summary": "gone <now>"}, "alerts": [alert], "health": "ok",
                 "evaluationTime": 0.0015, "lastEvaluation": "2023-11-14T22:13:05Z", "type": "alerting"},
            ],
        })
    );
    assert_eq!(groups[1]["lastEvaluation"], "0001-01-01T00:00:00Z");
    assert_eq!(
        (&groups[1]["rules"][0]["health"], &groups[1]["rules"][0]["lastError"]),
        (&json!("err"), &json!("no luck"))
    );
    assert_eq!(data(&served, "/api/v1/alerts").await, json!({ "alerts": [alert] }));
    let known = json!({
        "activeAlertmanagers": [{"url": "http://am:9093/api/v2/alerts"}],
        "droppedAlertmanagers": [{"url": "http://old:9093/api/v2/alerts"}],
    });
    assert_eq!(data(&served, "/api/v1/alertmanagers").await, known);
    served.stop().await;
}

#[tokio::test]
async fn rules_are_found_by_kind_name_group_file_and_label() {
    let served = served().await;
    let check = async |query: &str, expected: &[&str]| {
        let groups = data(&served, &format!("/api/v1/rules?{query}")).await["groups"].clone();
        let rules = groups.as_array().unwrap().iter().flat_map(|group| group["rules"].as_array().unwrap());
        let names: Vec<&str> = rules.map(|rule| rule["name"].as_str().unwrap()).collect();
        assert_eq!(names, expected, "{query}");
    };
    check("type=alert", &["Down", "Other"]).await;
    check("type=record", &["job:up:sum", "slo:info"]).await;
    check("rule_name[]=Down&rule_name[]=slo:info", &["Down", "slo:info"]).await;
    check("rule_group[]=b", &["Other", "slo:info"]).await;
    check("file[]=other.yml", &[]).await;
    // {team="x"}, {severity=~"p.*"}
    let either = "match[]=%7Bteam%3D%22x%22%7D&match[]=%7Bseverity%3D~%22p.*%22%7D";
    check(either, &["job:up:sum", "Down"]).await;
    let without = data(&served, "/api/v1/rules?exclude_alerts=true&rule_name[]=Down").await;
    assert_eq!(without["groups"][0]["rules"][0]["alerts"], Value::Null);
    served.stop().await;
}

#[tokio::test]
async fn groups_come_in_pages() {
    let served = served().await;
    let first = data(&served, "/api/v1/rules?group_limit=1").await;
    let token = first["groupNextToken"].as_str().unwrap().to_owned();
    let second = data(&served, &format!("/api/v1/rules?group_limit=1&group_next_token={token}")).await;
    let name = |page: &Value| page["groups"][0]["name"].clone();
    assert_eq!((name(&first), name(&second)), (json!("a"), json!("b")));
    assert_eq!(second["groupNextToken"], Value::Null);
    for (query, word) in [
        ("type=none", "not supported value"),
        ("group_limit=0", "greater than 0"),
        ("group_limit=x", "valid number"),
        ("group_next_token=00", "group_limit needs to be present"),
        ("group_limit=1&group_next_token=00", "invalid group_next_token"),
        ("exclude_alerts=perhaps", "exclude_alerts"),
        ("match[]=%7B", "parse error"),
    ] {
        let refused = get(served.address, &format!("/api/v1/rules?{query}")).await;
        assert!(refused.status == 400 && refused.text().contains(word), "{query}: {}", refused.text());
    }
    served.stop().await;
}

#[tokio::test]
async fn runbooks_and_objectives_have_addresses() {
    let served = served().await;
    let page = get(served.address, "/user/Down.md").await;
    assert_eq!((page.status, page.text()), (200, "# Down\n".to_owned()));
    let missing = get(served.address, "/user/Nope.md").await;
    assert!(missing.status == 404 && missing.text().contains("hint:"), "{}", missing.text());
    assert!(get(served.address, "/api/tidewatch/v1/slos").await.json()["slos"].is_array());
    served.stop().await;
}
