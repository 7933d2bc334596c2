//! Alertmanager's API v2 and the list of notifications, over an Alertmanager that keeps everything in memory.
//!
//! Answers are those of Alertmanager 0.34.2 to the same requests; conformance/alertmanager-api asks a real one.

use crate::client::{Reply, send};
use crate::served::{NOW, Served, eventually, example_state, serve};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use tidewatch_http::{ApiState, Readiness};
use tidewatch_model::ManualClock;
use tidewatch_notify::{Alertmanager, AlertmanagerOptions, Config};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const CONFIG: &str = "
route:
  receiver: all
  group_by: [alertname]
  group_wait: 1h
  routes:
    - {matchers: ['team=\"a\"'], receiver: <a>, mute_time_intervals: [always]}
inhibit_rules:
  - {source_matchers: [severity=critical], target_matchers: [severity=warning]}
time_intervals:
  - {name: always, time_intervals: [{}]}
receivers:
  - name: all
    webhook_configs: [{url: 'http://127.0.0.1:9/token'}]
  - {name: <a>, labels: {owner: x}}
";
const JSON: (&str, &str) = ("Content-Type", "application/json");
const NOBODY: &str = "018f0000-0000-7000-8000-000000000000";

async fn served_with(config: &str, options: AlertmanagerOptions) -> Served {
    let config = Config::parse(Path::new("alertmanager.yml"), config).unwrap();
    let alertmanager = Some(Alertmanager::start(config, options).unwrap());
    // it needs no store
    let readiness = Arc::new(Readiness::default());
    serve(ApiState { alertmanager, readiness, ..example_state() }).await
}

async fn served() -> Served {
    let clock = Arc::new(ManualClock::new(NOW));
    served_with(CONFIG, AlertmanagerOptions { clock, ..AlertmanagerOptions::default() }).await
}

async fn call(served: &Served, method: &str, path: &str, body: &str) -> Reply {
    let headers: &[(&str, &str)] = if body.is_empty() { &[] } else { &[JSON] };
    send(served.address, method, &format!("/api/v2{path}"), headers, body.as_bytes()).await
}

async fn get(served: &Served, path: &str) -> Value {
    let reply = call(served, "GET", path, "").await;
    assert_eq!(reply.status, 200, "{path}: {}", reply.text());
    assert_eq!(
        (reply.header("content-type"), reply.header("cache-control")),
        ("application/json", "no-store")
    );
    reply.json()
}

async fn post(served: &Served, path: &str, body: Value) -> Reply {
    call(served, "POST", path, &body.to_string()).await
}

fn alert(name: &str, more: &Value) -> Value {
    let mut labels = json!({ "alertname": name });
    labels.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({ "labels": labels })
}

fn silence(matchers: &Value) -> Value {
    json!({
        "matchers": matchers, "startsAt": "2023-11-14T22:00:00Z", "endsAt": "2023-11-15T00:00:00.5+01:00",
        "createdBy": "somebody", "comment": "<why>",
    })
}

/// A matcher for equality.
fn is(name: &str, value: &str) -> Value {
    json!({ "name": name, "value": value, "isRegex": false })
}

async fn set(served: &Served, silence: Value) -> String {
    let reply = post(served, "/silences", silence).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()["silenceID"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn alerts_and_groups_are_shown_to_the_byte() {
    let served = served().await;
    let one = json!([{
        "labels": {"alertname": "Down <&>", "team": "a", "empty": ""}, "annotations": {"summary": "é <b>"},
        "startsAt": "2023-11-14T23:00:00.25+01:00", "generatorURL": "http://p/?a&b",
    }]);
    let taken = post(&served, "/alerts", one).await;
    assert_eq!((taken.status, taken.text().as_str(), taken.header("cache-control")), (200, "", "no-store"));
    let shown = |state: &str, muted_by: &str| {
        format!(
            r#"[{{"annotations":{{"summary":"é \u003cb\u003e"}},"endsAt":"2023-11-14T22:18:20.000Z","fingerprint":"4729e88ea60e5922","receivers":[{{"name":"\u003ca\u003e"}}],"startsAt":"2023-11-14T22:00:00.250Z","status":{{"inhibitedBy":[],"mutedBy":[{muted_by}],"silencedBy":[],"state":"{state}"}},"updatedAt":"2023-11-14T22:13:20.000Z","generatorURL":"http://p/?a\u0026b","labels":{{"alertname":"Down \u003c\u0026\u003e","team":"a"}}}}]"#
        )
    };
    let alerts = call(&served, "GET", "/alerts", "").await.text();
    assert_eq!(alerts, shown("active", "") + "\n");
    let groups = call(&served, "GET", "/alerts/groups", "").await.text();
    let muted = shown("suppressed", "\"always\"");
    let group = r#""labels":{"alertname":"Down <&>"},"receiver":{"name":"<a>"},"routeLabels":{}}]"#;
    assert_eq!(groups, format!("[{{\"alerts\":{muted},{group}\n"));
    served.stop().await;
}

#[tokio::test]
async fn alerts_are_found_by_labels_receivers_and_state() {
    let served = served().await;
    let sent = json!([
        alert("Critical", &json!({"severity": "critical"})),
        alert("Warning", &json!({"severity": "warning"})),
        alert("Page", &json!({"severity": "page", "team": "a"})),
        alert("Silenced", &json!({"team": "b"})),
        {"labels": {"alertname": "Over"}, "startsAt": "2023-11-14T20:00:00Z", "endsAt": "2023-11-14T21:00:00Z"},
    ]);
    assert_eq!(post(&served, "/alerts", sent).await.status, 200);
    set(&served, silence(&json!([is("alertname", "Silenced")]))).await;
    let names = |alerts: &Value| {
        let mut names: Vec<String> = alerts
            .as_array()
            .unwrap()
            .iter()
            .map(|alert| alert["labels"]["alertname"].as_str().unwrap().to_owned())
            .collect();
        names.sort_unstable();
        names.join(" ")
    };
    let check = async |query: &str, expected: &str| {
        assert_eq!(names(&get(&served, &format!("/alerts?{query}")).await), expected, "{query}");
        let groups = get(&served, &format!("/alerts/groups?{query}")).await;
        let of_groups: Vec<Value> = groups
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|group| group["alerts"].as_array().unwrap().clone())
            .collect();
        assert_eq!(names(&json!(of_groups)), expected, "groups {query}");
    };
    check("", "Critical Page Silenced Warning").await;
    check("active=false", "Silenced Warning").await;
    check("silenced=false", "Critical Page Warning").await;
    check("inhibited=0&unprocessed=x", "Critical Page Silenced").await;
    check("active=no&active=yes&silenced=off&inhibited=false", "Critical Page").await;
    check("filter=severity%3D~%22crit.*%7Cpage%22", "Critical Page").await;
    check("filter=team%3D%22%22&filter=severity!%3D%22warning%22", "Critical").await;
    check("receiver=%3Ca%3E", "Page").await;
    check("receiver=al", "").await;
    check("receiver_matchers=owner%3D%22%22", "Critical Silenced Warning").await;
    let muted = get(&served, "/alerts/groups?muted=false").await;
    assert_eq!(muted.as_array().unwrap().len(), 3, "{muted}");
    served.stop().await;
}

#[tokio::test]
async fn silences_are_set_changed_and_ended() {
    let served = served().await;
    let id = set(&served, silence(&json!([is("a", "<b>")]))).await;
    let shown = call(&served, "GET", &format!("/silence/{id}"), "").await.text();
    let expected = format!(
        r#"{{"id":"{id}","status":{{"state":"active"}},"updatedAt":"2023-11-14T22:13:20.000Z","comment":"\u003cwhy\u003e","createdBy":"somebody","endsAt":"2023-11-14T23:00:00.500Z","matchers":[{{"isEqual":true,"isRegex":false,"name":"a","value":"\u003cb\u003e"}}],"startsAt":"2023-11-14T22:13:20.000Z"}}"#
    );
    assert_eq!(shown, expected + "\n");
    let mut later = silence(&json!([{"name": "c", "value": "x|y", "isRegex": true, "isEqual": false}]));
    later["startsAt"] = json!("2023-11-14T22:30:00Z");
    later["annotations"] = json!({"ticket": "1"});
    let pending = set(&served, later).await;
    let check = async |query: &str, expected: &[&str]| {
        let found = get(&served, &format!("/silences?{query}")).await;
        let ids: Vec<&str> =
            found.as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect();
        assert_eq!(ids, expected, "{query}");
    };
    check("", &[&id, &pending]).await;
    check("active=false", &[&pending]).await;
    check("pending=false&expired=false", &[&id]).await;
    check("filter=c!~%22x%7Cy%22", &[&pending]).await;
    check("filter=c%3D%22x%22", &[]).await;

    let mut longer = silence(&json!([is("a", "<b>")]));
    longer["id"] = json!(id);
    longer["startsAt"] = json!("2023-11-14T22:13:20Z");
    longer["endsAt"] = json!("2023-11-15T22:00:00Z");
    assert_eq!(set(&served, longer.clone()).await, id);
    longer["matchers"] = json!([is("a", "other")]);
    let replaced = set(&served, longer).await;
    assert_ne!(replaced, id);
    check("expired=false", &[&replaced, &pending]).await;

    for (id, status) in [(pending.as_str(), 200), (&pending, 200), (NOBODY, 404)] {
        let ended = call(&served, "DELETE", &format!("/silence/{id}"), "").await;
        assert_eq!((ended.status, ended.text()), (status, String::new()), "{id}");
    }
    assert_eq!(get(&served, &format!("/silence/{pending}")).await["status"], json!({"state": "expired"}));
    served.stop().await;
}

#[tokio::test]
async fn what_is_wrong_is_said_in_alertmanagers_words() {
    let served = served().await;
    let check = async |method: &str, path: &str, body: &str, status: u16, expected: &str| {
        let reply = call(&served, method, path, body).await;
        let text = reply.text();
        assert_eq!(reply.status, status, "{method} {path} {body}: {text}");
        let found = if expected.ends_with('…') {
            text.starts_with(expected.trim_end_matches('…'))
        } else {
            text == expected
        };
        assert!(found, "{method} {path} {body}: {text}");
        assert_eq!(reply.header("cache-control"), "no-store", "{method} {path}");
    };
    let coded = |code: u16, message: &str| format!(r#"{{"code":{code},"message":"{message}"}}"#);
    for (body, code, message) in [
        (" ", 602, "alerts in body is required"),
        ("[{}]", 602, "0.labels in body is required"),
        (r#"[{"labels":{"a":"b"}},{"labels":null}]"#, 602, "1.labels in body is required"),
        ("[null]", 602, "0.labels in body is required"),
        (r#"[{"generatorURL":"x"}]"#, 601, r#"0.generatorURL in body must be of type uri: \"x\""#),
    ] {
        check("POST", "/alerts", body, 422, &coded(code, message)).await;
    }
    for body in
        ["{}", "[1]", "[", r#"[{"labels":{"a":1}}]"#, r#"[{"labels":{"a":"b"},"startsAt":"yesterday"}]"#]
    {
        check(
            "POST",
            "/alerts",
            body,
            400,
            r#"{"code":400,"message":"parsing alerts body from \"\" failed, because …"#,
        )
        .await;
    }
    let wrong_order = r#"[{"labels":{}},{"labels":{"kept":"1"}},{"labels":{"a":"b"},"startsAt":"2023-11-15T00:00:00Z","endsAt":"2023-11-14T00:00:00Z"}]"#;
    check(
        "POST",
        "/alerts",
        wrong_order,
        400,
        "\"at least one label pair required\\nstart time must be before end time\"\n",
    )
    .await;
    assert_eq!(get(&served, "/alerts").await[0]["labels"], json!({"kept": "1"}));
    for body in ["null", "[]", "[] more", r#"[{"Labels":{"b":"c"},"more":{}}]"#] {
        check("POST", "/alerts", body, 200, "").await;
    }

    check("POST", "/silences", "{}", 422, &coded(602, "comment in body is required")).await;
    for (field, code, message) in [
        ("createdBy", 602, "createdBy in body is required"),
        ("endsAt", 602, "endsAt in body is required"),
        ("matchers", 602, "matchers in body is required"),
        ("startsAt", 602, "startsAt in body is required"),
    ] {
        let mut without = silence(&json!([is("a", "b")]));
        without[field] = Value::Null;
        check("POST", "/silences", &without.to_string(), 422, &coded(code, message)).await;
    }
    for (matchers, code, message) in [
        (json!([]), 612, "matchers in body should have at least 1 items"),
        (json!([is("a", "b"), {}]), 602, "matchers.1.isRegex in body is required"),
        (json!([{"isRegex": false}]), 602, "matchers.0.name in body is required"),
        (json!([{"isRegex": false, "name": "a"}]), 602, "matchers.0.value in body is required"),
    ] {
        check("POST", "/silences", &silence(&matchers).to_string(), 422, &coded(code, message)).await;
    }
    for (field, value, status, text) in [
        (
            "matchers",
            json!([is("a", "")]),
            400,
            "\"invalid silence: matcher set 0: at least one matcher must not match the empty string\"\n",
        ),
        (
            "matchers",
            json!([is("", "b")]),
            400,
            "\"invalid silence: invalid label matcher 0 in set 0: invalid label name \\\"\\\"\"\n",
        ),
        (
            "matchers",
            json!([{"name": "a", "value": "(", "isRegex": true}]),
            400,
            "\"invalid silence: invalid label matcher 0 in set 0: invalid regular expression \\\"(\\\": …",
        ),
        (
            "endsAt",
            json!("2023-11-14T21:00:00Z"),
            400,
            "\"Failed to create silence: start time must be before end time\"\n",
        ),
        (
            "startsAt",
            json!("2024-11-14T21:00:00Z"),
            400,
            "\"Failed to create silence: start time must be before end time\"\n",
        ),
        ("id", json!(NOBODY), 404, "\"silence not found\"\n"),
        (
            "comment",
            json!(5),
            400,
            r#"{"code":400,"message":"parsing silence body from \"\" failed, because …"#,
        ),
    ] {
        let mut wrong = silence(&json!([is("a", "b")]));
        wrong[field] = value;
        check("POST", "/silences", &wrong.to_string(), status, text).await;
    }
    for method in ["GET", "DELETE"] {
        check(method, &format!("/silence/{NOBODY}"), "", 404, "").await;
        check(
            method,
            "/silence/x%3C",
            "",
            422,
            &coded(601, r#"silenceID in path must be of type uuid: \"x\u003c\""#),
        )
        .await;
    }

    for path in ["/alerts", "/alerts/groups", "/silences"] {
        check("GET", &format!("{path}?filter=x"), "", 400, "\"bad matcher format: x\"\n").await;
        check(
            "GET",
            &format!("{path}?filter=%7Ba%3Db%7D"),
            "",
            400,
            "\"unexpected open or close brace: {a=b}\"\n",
        )
        .await;
    }
    for path in ["/alerts", "/alerts/groups", "/receivers"] {
        let text = "\"failed to parse receiver_matchers param: bad matcher format: \"\n";
        check("GET", &format!("{path}?receiver_matchers="), "", 400, text).await;
    }
    check("GET", "/alerts?receiver=(", "", 400, "\"failed to parse receiver param: …").await;
    check("GET", "/nothing", "", 404, &coded(404, "path /api/v2/nothing was not found")).await;
    check("GET", "/silence/a/b", "", 404, &coded(404, "path /api/v2/silence/a/b was not found")).await;
    check("PUT", "/alerts", "", 405, &coded(405, "method PUT is not allowed, but [POST,GET] are")).await;
    check("HEAD", "/status", "", 405, "").await;
    check(
        "POST",
        &format!("/silence/{NOBODY}"),
        "",
        405,
        &coded(405, "method POST is not allowed, but [DELETE,GET] are"),
    )
    .await;
    served.stop().await;
}

#[tokio::test]
async fn types_are_json_in_both_directions() {
    let served = served().await;
    let check = async |method: &str, name: &str, value: &str, status: u16, expected: &str| {
        let body: &[u8] = if method == "POST" { b"[]" } else { b"" };
        let reply = send(served.address, method, "/api/v2/alerts", &[(name, value)], body).await;
        assert_eq!(
            (reply.status, reply.text().contains(expected)),
            (status, true),
            "{name}: {value}: {}",
            reply.text()
        );
    };
    check("POST", "Content-Type", "application/json; charset=utf-8", 200, "").await;
    check("POST", "Content-Type", "text/plain", 415, r#"{"code":415,"message":"unsupported media type \"text/plain\", only [application/json] are allowed"}"#).await;
    check("POST", "X-Nothing", "", 415, "application/octet-stream").await;
    check(
        "POST",
        "Content-Type",
        "bad/",
        400,
        r#"{"code":400,"message":"parsing Content-Type header from \"bad/\" failed, because "#,
    )
    .await;
    check(
        "GET",
        "Accept",
        "text/html",
        406,
        r#"{"code":406,"message":"unsupported media type requested, only [application/json] are available"}"#,
    )
    .await;
    check("GET", "Accept", "text/html, */*;q=0.1", 200, "[]").await;
    served.stop().await;
}

#[tokio::test]
async fn status_and_receivers_hold_no_secret() {
    let served = served().await;
    let status = get(&served, "/status").await;
    assert_eq!(status["cluster"], json!({"peers": [], "status": "disabled"}));
    assert_eq!(status["uptime"], "2023-11-14T22:13:20.000Z");
    assert_eq!(status["versionInfo"]["version"], "0.34.2");
    assert_eq!(status["versionInfo"]["buildUser"], "tidewatch 0.1.0");
    let shown = status["config"]["original"].as_str().unwrap();
    assert!(shown.contains("receiver: all") && shown.contains("url: <secret>"), "{shown}");
    assert!(!shown.contains("token"), "{shown}");
    let receivers = call(&served, "GET", "/receivers", "").await.text();
    let expected =
        r#"[{"labels":{"name":"all"},"name":"all"},{"labels":{"name":"<a>","owner":"x"},"name":"<a>"}]"#;
    assert_eq!(receivers, format!("{expected}\n"));
    let names =
        async |matchers: &str| get(&served, &format!("/receivers?receiver_matchers={matchers}")).await;
    assert_eq!(names("owner%3Dx").await[0]["name"], "<a>");
    assert_eq!(names("owner%3D%22%22").await[0]["name"], "all");
    assert_eq!(names("owner%3Dnobody").await, json!([]));
    served.stop().await;
}

#[tokio::test]
async fn without_an_alertmanager_the_answer_says_how_to_get_one() {
    let served = serve(example_state()).await;
    for (method, path) in [
        ("GET", "/api/v2/status"),
        ("GET", "/api/v2/receivers"),
        ("GET", "/api/v2/alerts"),
        ("POST", "/api/v2/alerts"),
        ("GET", "/api/v2/alerts/groups"),
        ("GET", "/api/v2/silences"),
        ("POST", "/api/v2/silences"),
        ("DELETE", "/api/v2/silence/x"),
        ("GET", "/api/tidewatch/v1/notifications"),
    ] {
        let reply = send(served.address, method, path, &[JSON], b"").await;
        let text = reply.text();
        assert_eq!(reply.status, 404, "{method} {path}: {text}");
        assert!(text.contains("hint: start tidewatch with --alertmanager.config.file"), "{text}");
        assert!(reply.json().is_string() || reply.json()["error"].is_string(), "{text}");
    }
    served.stop().await;
}

#[tokio::test]
async fn pages_of_other_origins_change_nothing() {
    let served = served().await;
    let id = set(&served, silence(&json!([is("a", "b")]))).await;
    let own = format!("http://{}", served.address);
    let body = json!([alert("Sent", &json!({}))]).to_string();
    let silence = silence(&json!([is("c", "d")])).to_string();
    let one = format!("/silence/{id}");
    let check = async |origin: (&str, &str), status: u16| {
        for (method, path, body) in
            [("POST", "/alerts", body.as_str()), ("POST", "/silences", &silence), ("DELETE", &one, "")]
        {
            let headers = [JSON, origin];
            let path = format!("/api/v2{path}");
            let reply = send(served.address, method, &path, &headers, body.as_bytes()).await;
            assert_eq!(reply.status, status, "{method} {path} {origin:?}: {}", reply.text());
        }
    };
    check(("Origin", "http://evil.example"), 403).await;
    check(("Origin", "null"), 403).await;
    check(("Sec-Fetch-Site", "cross-site"), 403).await;
    assert_eq!(get(&served, "/alerts").await, json!([]));
    assert_eq!(get(&served, "/silences?active=true").await.as_array().unwrap().len(), 1);
    check(("Origin", &own), 200).await;
    assert_eq!(get(&served, "/alerts").await[0]["labels"]["alertname"], "Sent");
    let metrics = send(served.address, "GET", "/metrics", &[], b"").await.text();
    assert!(metrics.contains("tidewatch_http_rejected_total{reason=\"origin\"} 9\n"), "{metrics}");
    served.stop().await;
}

#[tokio::test]
async fn what_is_too_much_is_refused_by_name() {
    let clock = Arc::new(ManualClock::new(NOW));
    let options = AlertmanagerOptions { clock, max_alerts: 1, ..AlertmanagerOptions::default() };
    let served = served_with(CONFIG, options).await;
    let sent = json!([alert("A", &json!({})), alert("B", &json!({})), alert("C", &json!({}))]);
    let refused = post(&served, "/alerts", sent).await;
    assert_eq!(
        (refused.status, refused.text().as_str()),
        (429, "\"1 alerts are known; hint: raise --alerts.limit\"\n")
    );
    let mixed = json!([{"labels": {}}, alert("B", &json!({}))]);
    let refused = post(&served, "/alerts", mixed).await;
    let text = "\"at least one label pair required\\n1 alerts are known; hint: raise --alerts.limit\"\n";
    assert_eq!((refused.status, refused.text().as_str()), (400, text));
    let long = silence(&json!([is("a", &"x".repeat(70_000))]));
    let refused = post(&served, "/silences", long).await;
    assert!(
        refused.status == 400 && refused.text().contains("--silences.max-silence-size-bytes"),
        "{refused:?}"
    );
    let huge = vec![b' '; (4 << 20) + 1];
    for path in ["/api/v2/alerts", "/api/v2/silences"] {
        let refused = send(served.address, "POST", path, &[JSON], &huge).await;
        assert!(
            refused.status == 413 && refused.text().contains("4194304 bytes"),
            "{path}: {}",
            refused.text()
        );
    }
    assert_eq!(get(&served, "/alerts").await.as_array().unwrap().len(), 1);
    served.stop().await;
}

/// Answers every request with a status.
async fn hook(status: u16) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = [0; 4096];
            let _ = stream.read(&mut head).await;
            let answer = format!("HTTP/1.1 {status} -\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    format!("http://{address}/token")
}

#[tokio::test]
async fn notifications_are_listed_newest_first() {
    let (good, bad) = (hook(200).await, hook(400).await);
    let config = format!(
        "route: {{receiver: good, group_by: [alertname], group_wait: 0s, routes: [{{matchers: [to=bad], receiver: bad}}]}}\n\
         receivers:\n  - {{name: good, webhook_configs: [{{url: '{good}'}}]}}\n  - {{name: bad, webhook_configs: [{{url: '{bad}'}}]}}\n"
    );
    let served = served_with(&config, AlertmanagerOptions::default()).await;
    let listed = async |query: &str| {
        let target = format!("/api/tidewatch/v1/notifications{query}");
        let reply = send(served.address, "GET", &target, &[], b"").await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.json()["notifications"].as_array().unwrap().clone()
    };
    assert!(listed("").await.is_empty());
    for (name, to, outcome) in [("First", "good", "delivered"), ("Second", "bad", "failed")] {
        assert_eq!(post(&served, "/alerts", json!([alert(name, &json!({"to": to}))])).await.status, 200);
        eventually(outcome, async || {
            listed("")
                .await
                .first()
                .is_some_and(|first| first["receiver"] == to && first["outcome"] == outcome)
        })
        .await;
    }
    let both = listed("?limit=1000").await;
    assert_eq!(both.len(), 2);
    assert_eq!(listed("?limit=1").await, both[..1]);
    let mut first = both[1].clone();
    assert!(first["time"].as_str().unwrap().ends_with('Z') && first["durationMs"].is_i64(), "{first}");
    first.as_object_mut().unwrap().retain(|name, _| name != "time" && name != "durationMs");
    let expected = json!({
        "receiver": "good", "integration": "webhook[0]", "groupKey": "{}:{alertname=\"First\"}",
        "groupLabels": {"alertname": "First"},
        "alerts": [{"labels": {"alertname": "First", "to": "good"}, "status": "firing"}],
        "furtherAlerts": 0, "attempts": 1, "outcome": "delivered",
    });
    assert_eq!(first, expected);
    let error = both[0]["error"].as_str().unwrap();
    assert!(error.contains("400") && !error.contains("token"), "{error}");
    for limit in ["0", "-1", "1001", "x", "1.5"] {
        let target = format!("/api/tidewatch/v1/notifications?limit={limit}");
        let refused = send(served.address, "GET", &target, &[], b"").await;
        let text = format!("limit: \"{limit}\" is not a number from 1 to 1000");
        assert_eq!((refused.status, refused.json()), (400, json!({"error": text, "field": "limit"})));
    }
    served.stop().await;
}
