//! What each receiver sends is what the real Alertmanager sent for the same configuration and alerts, byte for byte.
//!
//! Input: the files in `tests/fixtures/alertmanager`, captured by `capture.py` there. The notification is rebuilt from the captured
//! webhook. What differs by nature is left out: the order of a mail's headers, its date and its boundary, and the layout of the usual
//! mail, which is our own.

use crate::capture::{Capture, Request};
use crate::mail_server::{Behaviour, MailServer};
use crate::setup::{read, templates};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tidewatch_model::{Labels, parse_timestamp};
use tidewatch_notify::{AlertStatus, Notification, NotificationReason, NotifiedAlert, Receiver, build};

const STEPS: [&str; 3] = ["firing", "mixed", "resolved"];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/alertmanager")
}

/// A captured request: path, headers and body.
type Captured = (String, Vec<(String, String)>, String);

/// What was captured for a kind of receiver in a step.
fn captured(kind: &str, step: &str) -> Vec<Captured> {
    let text = std::fs::read_to_string(folder().join(format!("{kind}.json"))).unwrap();
    let all: Vec<Value> = serde_json::from_str(&text).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let headers = |request: &Value| {
        let headers = request["headers"].as_object().unwrap().iter();
        headers.map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned())).collect()
    };
    all.iter()
        .filter(|request| request["step"] == step)
        .map(|request| (text(&request["path"]), headers(request), text(&request["body"])))
        .collect()
}

fn labels(value: &Value) -> Labels {
    Labels::from_pairs(value.as_object().unwrap().iter().map(|(n, v)| (n.as_str(), v.as_str().unwrap())))
}

fn reason_of(text: &str) -> NotificationReason {
    use NotificationReason::{AllResolved, First, NewAlerts, Repeat, SomeResolved};
    let all = [First, NewAlerts, SomeResolved, AllResolved, Repeat];
    all.into_iter().find(|reason| reason.as_str() == text).unwrap()
}

/// The notification that Alertmanager sent.
fn notification_of(step: &str) -> Notification {
    let message: Value = serde_json::from_str(&captured("webhook", step)[0].2).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let alerts = message["alerts"].as_array().unwrap().iter().map(|alert| {
        let resolved = alert["status"] == "resolved";
        NotifiedAlert {
            status: if resolved { AlertStatus::Resolved } else { AlertStatus::Firing },
            labels: labels(&alert["labels"]),
            annotations: labels(&alert["annotations"]),
            starts_at: parse_timestamp(&text(&alert["startsAt"])).unwrap(),
            ends_at: if resolved { parse_timestamp(&text(&alert["endsAt"])).unwrap() } else { 0 },
            generator_url: text(&alert["generatorURL"]),
            fingerprint: text(&alert["fingerprint"]),
        }
    });
    Notification {
        receiver: "every.kind (1)".into(),
        group_key: text(&message["groupKey"]),
        group_labels: labels(&message["groupLabels"]),
        route_labels: labels(&message["routeLabels"]),
        reason: reason_of(&text(&message["notification_reason"])),
        alerts: alerts.collect(),
        truncated_alerts: 0,
        external_url: text(&message["externalURL"]),
        now_ms: 1_767_323_100_000,
    }
}

/// All receivers of the fixture's configuration, sending to the given servers.
fn all_receivers(web: &Capture, mail: &MailServer) -> Vec<Box<dyn Receiver>> {
    let folder = folder();
    let text = std::fs::read_to_string(folder.join("alertmanager.yml")).unwrap();
    let text = text.replace("ADDRESS", &web.address.to_string()).replace("SMTP", &mail.address.to_string());
    let config = read(&text, &folder).unwrap_or_else(|errors| panic!("{errors:#?}"));
    build(&config, &Arc::new(templates(&[&folder.join("own.tmpl")])))
}

async fn sent(step: &str, kind: &str) -> (Vec<Request>, Vec<String>) {
    let web = Capture::start().await;
    let mail = MailServer::start(Behaviour::default()).await;
    let notification = notification_of(step);
    for receiver in all_receivers(&web, &mail) {
        if receiver.name() == kind {
            receiver.notify(&notification).await.unwrap_or_else(|error| panic!("{kind}: {error}"));
        }
    }
    (web.requests(), mail.dialogue().messages)
}

#[tokio::test]
async fn requests_are_alertmanagers_byte_for_byte() {
    for step in STEPS {
        for kind in ["webhook", "slack", "discord", "pagerduty", "msteams", "msteamsv2"] {
            let expected = captured(kind, step);
            let (mut requests, _) = sent(step, kind).await;
            requests.sort_by(|a, b| a.path.cmp(&b.path));
            assert_eq!(requests.len(), expected.len(), "{kind} {step}");
            for (request, (path, headers, body)) in requests.iter().zip(&expected) {
                assert_eq!((request.method.as_str(), &request.path), ("POST", path));
                for (name, value) in headers {
                    let found = request.header(&name.to_ascii_lowercase());
                    assert_eq!(found, Some(value.as_str()), "{path} {name}");
                }
                if request.body != *body {
                    let at = request.body.bytes().zip(body.bytes()).take_while(|(a, b)| a == b).count();
                    let part = |text: &str| {
                        String::from_utf8_lossy(&text.as_bytes()[at.saturating_sub(80)..])
                            .chars()
                            .take(300)
                            .collect::<String>()
                    };
                    panic!(
                        "{step} {path} differs at byte {at}:\n{}\nis not\n{}",
                        part(&request.body),
                        part(body)
                    );
                }
            }
        }
    }
}

/// A mail with sorted headers and without what differs from mail to mail.
fn comparable(mail: &str) -> (Vec<String>, String) {
    let (head, body) = mail.split_once("\r\n\r\n").unwrap();
    let boundary = head.split_once("boundary=").unwrap().1.split("\r\n").next().unwrap();
    let mut headers: Vec<String> = head
        .replace(boundary, "BOUNDARY")
        .split("\r\n")
        .map(|line| if line.starts_with("Date: ") { "Date: DATE".to_owned() } else { line.to_owned() })
        .collect();
    headers.sort();
    (headers, body.replace(boundary, "BOUNDARY"))
}

#[tokio::test]
async fn mails_are_alertmanagers_but_for_date_and_boundary() {
    for step in STEPS {
        let expected = captured("email", step);
        let (_, mails) = sent(step, "email").await;
        assert_eq!(mails.len(), 2);
        let as_sorted = |mails: Vec<&String>| {
            let mut mails: Vec<_> = mails.into_iter().map(|mail| comparable(mail)).collect();
            mails.sort();
            mails
        };
        let expected = as_sorted(expected.iter().map(|(_, _, body)| body).collect());
        for (found, expected) in as_sorted(mails.iter().collect()).iter().zip(&expected) {
            assert_eq!(found.0, expected.0, "{step}");
            if found.0.contains(&"Message-Id: <default@example.org>".to_owned()) {
                // the layout of the usual mail is our own; its frame is not
                let frame = |body: &str| body.lines().take(4).map(str::to_owned).collect::<Vec<_>>();
                assert_eq!(frame(&found.1), frame(&expected.1), "{step}");
                assert!(found.1.ends_with("--BOUNDARY--\r\n") && found.1.contains("</html>"), "{step}");
                continue;
            }
            for (found, expected) in found.1.split("\r\n").zip(expected.1.split("\r\n")) {
                assert_eq!(found, expected, "{step}");
            }
            assert_eq!(found.1.len(), expected.1.len());
        }
    }
}
