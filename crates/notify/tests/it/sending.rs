//! One attempt and its outcome: answers, redirects, time limits, TLS, secrets.

use crate::capture::{Capture, Reply};
use crate::certificates::SelfSigned;
use crate::setup::{notification, receiver, receivers};
use std::time::Duration;
use tidewatch_notify::SendError;

async fn attempt(entry: &str) -> Result<(), SendError> {
    receiver(entry).notify(&notification()).await
}

/// An entry of each kind that goes to `url`.
fn every_kind(url: &str) -> [(&'static str, String); 6] {
    [
        ("webhook", format!("webhook_configs: [{{url: '{url}'}}]")),
        ("slack", format!("slack_configs: [{{api_url: '{url}', channel: c}}]")),
        ("discord", format!("discord_configs: [{{webhook_url: '{url}'}}]")),
        ("pagerduty", format!("pagerduty_configs: [{{routing_key: s3cret-routing-key, url: '{url}'}}]")),
        ("msteams", format!("msteams_configs: [{{webhook_url: '{url}'}}]")),
        ("msteamsv2", format!("msteamsv2_configs: [{{webhook_url: '{url}'}}]")),
    ]
}

#[tokio::test]
async fn overload_is_tried_again_and_refusal_is_not() {
    for (status, retry, wait) in [
        (400, false, None),
        (403, false, None),
        (404, false, None),
        (429, true, Some(7)),
        (500, true, Some(7)),
        (503, true, Some(7)),
    ] {
        let server =
            Capture::answering(move |_| Reply::new(status, "because").header("Retry-After", "7")).await;
        for (kind, entry) in every_kind(&format!("http://{}/x", server.address)) {
            let error = attempt(&entry).await.unwrap_err();
            assert_eq!(error.retry, retry, "{kind} {status}: {error}");
            assert_eq!(error.retry_after, wait.map(Duration::from_secs), "{kind} {status}");
            assert!(error.message.contains(&format!("unexpected status code {status}")), "{error}");
            assert_eq!(error.message.contains("because"), kind != "pagerduty", "{kind}: {error}");
        }
        assert_eq!(server.requests().len(), 6);
    }
}

#[tokio::test]
async fn discord_pagerduty_and_teams_take_any_2xx() {
    let server = Capture::answering(|_| Reply::new(204, "")).await;
    for (kind, entry) in every_kind(&format!("http://{}/x", server.address)) {
        if kind != "slack" {
            attempt(&entry).await.unwrap_or_else(|error| panic!("{kind}: {error}"));
        }
    }
}

#[tokio::test]
async fn slack_says_in_the_body_what_is_wrong() {
    let check = async |content_type: &'static str, body: &'static str, expected: Option<(bool, &str)>| {
        let server =
            Capture::answering(move |_| Reply::new(200, body).header("Content-Type", content_type)).await;
        let entry = format!("slack_configs: [{{api_url: 'http://{}', channel: '#c'}}]", server.address);
        let found = attempt(&entry).await.err();
        let found = found.as_ref().map(|error| (error.retry, error.message.as_str()));
        assert_eq!(found, expected, "{body}");
    };
    check("text/plain", "ok", None).await;
    check("application/json; charset=utf-8", r#"{"ok":true,"ts":"1"}"#, None).await;
    let message = "channel \"#c\": received an error response from Slack: no_channel";
    check("text/html", "no_channel", Some((false, message))).await;
    let message = "channel \"#c\": error response from Slack: channel_not_found";
    check("application/json", r#"{"ok":false,"error":"channel_not_found"}"#, Some((false, message))).await;
}

#[tokio::test]
async fn pagerduty_says_what_is_wrong_with_an_event() {
    let body = r#"{"status":"invalid event","message":"Event object is invalid","errors":["a","b"]}"#;
    let server = Capture::answering(move |_| Reply::new(400, body)).await;
    let entry = format!("pagerduty_configs: [{{routing_key: k, url: 'http://{}'}}]", server.address);
    let error = attempt(&entry).await.unwrap_err();
    assert_eq!(error.message, "unexpected status code 400: Event object is invalid: a,b");
}

#[tokio::test]
async fn a_receivers_own_time_limit_ends_an_attempt() {
    let slow =
        Capture::answering(|_| Reply { delay: Duration::from_secs(60), ..Reply::new(200, "ok") }).await;
    let stalling = Capture::answering(|_| Reply { stalls: true, ..Reply::new(200, "o") }).await;
    for (server, kinds) in [(&slow, &["webhook", "slack", "pagerduty"][..]), (&stalling, &["slack"])] {
        for (kind, entry) in every_kind(&format!("http://{}", server.address)) {
            if kinds.contains(&kind) {
                let entry = entry.replace("}]", ", timeout: 50ms}]");
                let error = attempt(&entry).await.unwrap_err();
                assert!(error.retry, "{error}");
                assert_eq!(error.message, format!("configured {kind} timeout reached (50ms)"));
            }
        }
    }
}

#[tokio::test]
async fn what_was_taken_is_taken_even_if_the_answer_never_ends() {
    let stalling = Capture::answering(|_| Reply { stalls: true, ..Reply::new(202, "o") }).await;
    for (kind, entry) in every_kind(&format!("http://{}", stalling.address)) {
        if !["slack", "email"].contains(&kind) {
            let sent = tokio::time::timeout(Duration::from_secs(4), attempt(&entry)).await;
            assert!(matches!(sent, Ok(Ok(()))), "{kind}: {sent:?}");
        }
    }
}

#[tokio::test]
async fn of_an_answer_without_end_only_the_beginning_is_read() {
    let endless =
        Capture::answering(|_| Reply { stalls: true, ..Reply::new(500, &"x".repeat(1 << 20)) }).await;
    let error =
        attempt(&format!("webhook_configs: [{{url: 'http://{}'}}]", endless.address)).await.unwrap_err();
    assert!(error.message.len() < 600 && error.message.ends_with("xx…"), "{}", error.message.len());
}

#[tokio::test]
async fn nobody_there_is_tried_again() {
    let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    for (kind, entry) in every_kind(&format!("http://{gone}/s3cret-path")) {
        let error = attempt(&entry).await.unwrap_err();
        assert!(error.retry && error.message.contains("Connection refused"), "{kind}: {error}");
        assert!(!error.message.contains("s3cret"), "{kind}: {error}");
    }
}

#[tokio::test]
async fn redirects_are_followed_as_gos_client_does() {
    let target = Capture::start().await;
    let to = format!("http://localhost:{}/there", target.address.port());
    for (status, method, has_body) in
        [(302, "GET", false), (303, "GET", false), (307, "POST", true), (308, "POST", true)]
    {
        let to = to.clone();
        let first = Capture::answering(move |_| Reply::new(status, "").header("Location", to.clone())).await;
        let entry = format!(
            "webhook_configs: [{{url: 'http://{}', http_config: {{authorization: {{credentials: s3cret-token}}, \
             http_headers: {{X-Key: {{secrets: [s3cret-key]}}}}}}}}]",
            first.address
        );
        attempt(&entry).await.unwrap();
        let (came, went) = (first.requests().remove(0), target.requests().pop().unwrap());
        assert_eq!(came.header("authorization"), Some("Bearer s3cret-token"));
        assert_eq!(came.header("x-key"), Some("s3cret-key"));
        assert_eq!((went.method.as_str(), went.path.as_str()), (method, "/there"));
        assert_eq!(!went.body.is_empty(), has_body, "{status}");
        // another host gets neither credentials nor headers
        assert_eq!((went.header("authorization"), went.header("x-key")), (None, None));
        let entry = entry.replace("http_config: {", "http_config: {follow_redirects: false, ");
        let error = attempt(&entry).await.unwrap_err();
        assert!(!error.retry && error.message.contains(&status.to_string()), "{error}");
    }
    let around = Capture::answering(|_| Reply::new(307, "").header("Location", "/again")).await;
    let error =
        attempt(&format!("webhook_configs: [{{url: 'http://{}'}}]", around.address)).await.unwrap_err();
    assert!(error.message.contains("stopped after 10 redirects"), "{error}");
    assert_eq!(around.requests().len(), 11);
}

#[tokio::test]
async fn https_is_spoken_with_whom_the_configuration_trusts() {
    let certificate = SelfSigned::new("localhost");
    let server = Capture::serving(|_| Reply::new(200, "ok"), Some(certificate.acceptor.clone())).await;
    let ca = certificate.ca_file().display().to_string();
    let port = server.address.port();
    let check = async |host: &str, tls: &str, expected: Result<(), &str>| {
        let entry = format!(
            "webhook_configs: [{{url: 'https://{host}:{port}/x', http_config: {{tls_config: {{{tls}}}}}}}]"
        );
        match (attempt(&entry).await, expected) {
            (Ok(()), Ok(())) => {}
            (Err(error), Err(expected)) => {
                assert!(error.retry && error.message.contains(expected), "{error}");
            }
            (found, expected) => panic!("{host} {tls}: {found:?}, not {expected:?}"),
        }
    };
    check("localhost", &format!("ca_file: '{ca}'"), Ok(())).await;
    check("127.0.0.1", &format!("ca_file: '{ca}', server_name: localhost"), Ok(())).await;
    check("127.0.0.1", "insecure_skip_verify: true", Ok(())).await;
    check("localhost", "insecure_skip_verify: true, max_version: TLS12", Ok(())).await;
    assert_eq!(server.requests().len(), 4);
    check("127.0.0.1", &format!("ca_file: '{ca}'"), Err("certificate not valid for name")).await;
    check("localhost", "", Err("tls: ")).await;
    check("localhost", "ca_file: /nowhere/ca.pem", Err("tls_config.ca_file: /nowhere/ca.pem: No such file"))
        .await;
    check("localhost", "ca: nothing", Err("tls_config.ca: no certificate in PEM format")).await;
    let plain = Capture::start().await;
    let entry = format!("webhook_configs: [{{url: 'https://{}/x'}}]", plain.address);
    assert!(attempt(&entry).await.unwrap_err().retry);
    assert_eq!(server.requests().len(), 4);
}

#[tokio::test]
async fn files_with_secrets_are_read_at_each_attempt() {
    let server = Capture::start().await;
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let entry = format!(
        "webhook_configs: [{{url_file: '{}', http_config: {{basic_auth: {{username: u, password_file: '{}'}}}}}}]",
        path("url"),
        path("password")
    );
    let webhook = receiver(&entry);
    let error = webhook.notify(&notification()).await.unwrap_err();
    assert!(error.message.contains("TIDEWATCH_SECRET_URL") && !error.retry, "{error}");
    std::fs::write(folder.path().join("url"), format!("http://{}/one\n", server.address)).unwrap();
    let error = webhook.notify(&notification()).await.unwrap_err();
    assert!(error.message.contains("TIDEWATCH_SECRET_PASSWORD") && error.retry, "{error}");
    for (path, password, expected) in [("/one", "p", "Basic dTpw"), ("/two", "q", "Basic dTpx")] {
        std::fs::write(folder.path().join("url"), format!("http://{}{path}", server.address)).unwrap();
        std::fs::write(folder.path().join("password"), password).unwrap();
        webhook.notify(&notification()).await.unwrap();
        let request = server.requests().pop().unwrap();
        assert_eq!((request.path.as_str(), request.header("authorization")), (path, Some(expected)));
    }
}

#[tokio::test]
async fn secrets_are_in_no_error_and_print_nowhere() {
    // a server that repeats all it was told in its refusal, as proxies and debugging servers do
    let gossip = Capture::answering(|request| {
        let headers: Vec<String> =
            request.headers.iter().map(|(name, value)| format!("{name}={value}")).collect();
        Reply::new(400, &format!("{} {} {}", request.path, headers.join(" "), request.body))
    })
    .await;
    let url = format!("http://user:s3cret-password@{}/services/s3cret-path?key=s3cret-query", gossip.address);
    let tls = "tls_config: {key: s3cret-pem, cert: c}";
    let clients = [
        String::new(),
        format!(", http_config: {{authorization: {{credentials: s3cret-token}}, {tls}}}"),
        format!(", http_config: {{basic_auth: {{username: u, password: s3cret-basic}}, {tls}}}"),
        format!(", http_config: {{http_headers: {{X-Key: {{secrets: [s3cret-header]}}}}, {tls}}}"),
    ];
    for client in clients {
        for (kind, entry) in every_kind(&url) {
            let entry = entry.replace("}]", &format!("{client}}}]"));
            let receiver = receiver(&entry);
            let error = receiver.notify(&notification()).await.unwrap_err();
            let shown = format!("{error} {error:?} {receiver:?}");
            assert!(shown.contains("unexpected status code 400"), "{kind}: {shown}");
            // "dTpzM2NyZXQ" is how "u:s3cret" begins in base64, "dXNlcjpzM2NyZXQ" "user:s3cret"
            for secret in ["s3cret", "dTpzM2NyZXQ", "dXNlcjpzM2NyZXQ"] {
                assert!(!shown.contains(secret), "{kind} {client}: {shown}");
            }
        }
    }
    assert!(!gossip.requests().is_empty());
}

#[tokio::test]
async fn a_wrong_template_is_an_error_that_is_not_tried_again() {
    let server = Capture::start().await;
    let address = server.address;
    for entry in [
        format!("webhook_configs: [{{url: 'http://{address}/{{{{ template \"none\" . }}}}'}}]"),
        format!(
            "webhook_configs: [{{url: 'http://{address}', payload: {{a: '{{{{ template \"none\" . }}}}'}}}}]"
        ),
        format!("slack_configs: [{{api_url: 'http://{address}', text: '{{{{ template \"none\" . }}}}'}}]"),
        format!(
            "discord_configs: [{{webhook_url: 'http://{address}', title: '{{{{ template \"none\" . }}}}'}}]"
        ),
    ] {
        let error = attempt(&entry).await.unwrap_err();
        assert!(!error.retry && error.message.contains("template"), "{error}");
    }
    assert!(server.requests().is_empty());
}

#[test]
fn receivers_send_resolved_alerts_as_alertmanagers_do() {
    let entry = "webhook_configs: [{url: 'http://h'}]\n    slack_configs: [{api_url: 'http://h'}]\n    \
                 discord_configs: [{webhook_url: 'http://h'}]\n    pagerduty_configs: [{routing_key: k}]\n    \
                 msteams_configs: [{webhook_url: 'http://h'}]\n    msteamsv2_configs: [{webhook_url: 'http://h'}]\n    \
                 email_configs: [{to: a@b, from: c@d, smarthost: 'h:25'}]";
    let found: Vec<_> = receivers(entry).iter().map(|r| (r.name(), r.send_resolved())).collect();
    let expected = [
        ("webhook", true),
        ("email", false),
        ("pagerduty", true),
        ("slack", false),
        ("discord", true),
        ("msteams", true),
        ("msteamsv2", true),
    ];
    assert_eq!(found, expected);
}
