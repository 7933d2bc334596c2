//! Mail servers: encryption, authentication, refusals.

use crate::certificates::SelfSigned;
use crate::mail_server::{Behaviour, Dialogue, MailServer};
use crate::setup::{notification, receiver};
use std::time::Duration;
use tidewatch_notify::SendError;

/// One attempt with further settings, and what was said.
async fn attempt(behaviour: Behaviour, settings: &str) -> (Result<(), SendError>, Dialogue) {
    let server = MailServer::start(behaviour).await;
    let entry = format!(
        "email_configs: [{{to: 'a@b, c@d', from: e@f, smarthost: 'localhost:{}', html: '<p>h</p>', \
         headers: {{subject: s}}, {settings}}}]",
        server.address.port()
    );
    let outcome = receiver(&entry).notify(&notification()).await;
    if outcome.is_ok() {
        // nobody waits for the good-bye
        let said = async || {
            while server.dialogue().lines.last().is_none_or(|line| line != "QUIT") {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), said()).await.expect("no good-bye");
    }
    (outcome, server.dialogue())
}

#[tokio::test]
async fn a_mail_that_was_taken_is_sent_even_if_the_good_bye_has_no_answer() {
    let (outcome, dialogue) =
        attempt(Behaviour { stays: true, ..Behaviour::default() }, "require_tls: false").await;
    outcome.unwrap();
    assert_eq!(dialogue.messages.len(), 1);
}

const LOGIN: &str = "auth_username: tim, auth_password: s3cret-tanstaaf, auth_secret: tanstaaftanstaaf";

#[tokio::test]
async fn starttls_comes_before_anything_that_matters() {
    let certificate = SelfSigned::new("localhost");
    let tls = format!("tls_config: {{ca_file: '{}'}}", certificate.ca_file().display());
    let behaviour =
        Behaviour { tls: Some(certificate.acceptor.clone()), auth: "PLAIN", ..Behaviour::default() };
    let (outcome, dialogue) = attempt(behaviour.clone(), &format!("{tls}, hello: me.example, {LOGIN}")).await;
    outcome.unwrap();
    // "\0tim\0s3cret-tanstaaf"
    let expected = [
        "EHLO me.example",
        "STARTTLS",
        "TLS",
        "EHLO me.example",
        "AUTH PLAIN AHRpbQBzM2NyZXQtdGFuc3RhYWY=",
        "MAIL FROM:<e@f> BODY=8BITMIME",
        "RCPT TO:<a@b>",
        "RCPT TO:<c@d>",
        "DATA",
        "QUIT",
    ];
    assert_eq!(dialogue.lines, expected);
    assert!(dialogue.messages[0].contains("<p>h</p>"), "{dialogue:?}");
    // without the certificate there is no mail
    let (outcome, dialogue) = attempt(behaviour.clone(), "tls_config: {server_name: localhost}").await;
    assert!(outcome.unwrap_err().message.starts_with("send STARTTLS command: tls: "));
    assert!(!dialogue.lines.iter().any(|line| line.starts_with("MAIL")), "{dialogue:?}");
    // nor with one who speaks before the handshake
    let (outcome, _) = attempt(Behaviour { injects: true, ..behaviour }, &tls).await;
    assert!(outcome.unwrap_err().message.contains("the server spoke before the handshake"));
}

#[tokio::test]
async fn a_server_without_encryption_is_refused_unless_it_is_wanted() {
    let (outcome, dialogue) = attempt(Behaviour::default(), "").await;
    let error = outcome.unwrap_err();
    assert!(error.message.contains("'require_tls' is true (default) but \"localhost:"), "{error}");
    assert!(error.retry && dialogue.lines == ["EHLO localhost"], "{dialogue:?}");
    let (outcome, dialogue) = attempt(Behaviour::default(), "require_tls: false").await;
    outcome.unwrap();
    assert_eq!(dialogue.messages.len(), 1);
}

#[tokio::test]
async fn implicit_tls_begins_with_the_first_byte() {
    let certificate = SelfSigned::new("localhost");
    let behaviour =
        Behaviour { tls: Some(certificate.acceptor.clone()), implicit: true, ..Behaviour::default() };
    let settings =
        format!("force_implicit_tls: true, tls_config: {{ca_file: '{}'}}", certificate.ca_file().display());
    let (outcome, dialogue) = attempt(behaviour, &settings).await;
    outcome.unwrap();
    assert!(!dialogue.lines.iter().any(|line| line == "STARTTLS"));
    assert_eq!(dialogue.messages.len(), 1);
}

#[tokio::test]
async fn the_first_mechanism_with_credentials_is_used() {
    let check = async |auth: &'static str, settings: &str, expected: Result<&[&str], &str>| {
        let behaviour = Behaviour { auth, ..Behaviour::default() };
        let (outcome, dialogue) = attempt(behaviour, &format!("require_tls: false, {settings}")).await;
        match expected {
            Ok(lines) => {
                outcome.unwrap_or_else(|error| panic!("{auth}: {error}"));
                let spoken = &dialogue.lines[1..=lines.len()];
                assert_eq!(spoken, lines, "{auth}");
                assert!(dialogue.lines[lines.len() + 1].starts_with("MAIL"), "{dialogue:?}");
            }
            Err(expected) => {
                let error = outcome.unwrap_err();
                assert!(error.retry && error.message.contains(expected), "{error}");
                assert!(dialogue.messages.is_empty());
            }
        }
    };
    let digest = "dGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw";
    check("CRAM-MD5 PLAIN", LOGIN, Ok(&["AUTH CRAM-MD5", digest])).await;
    check("LOGIN PLAIN", LOGIN, Ok(&["AUTH LOGIN", "dGlt", "czNjcmV0LXRhbnN0YWFm"])).await;
    check("PLAIN", LOGIN, Ok(&["AUTH PLAIN AHRpbQBzM2NyZXQtdGFuc3RhYWY="])).await;
    let only_password = "auth_username: tim, auth_password: s3cret-tanstaaf";
    check("CRAM-MD5 PLAIN", only_password, Ok(&["AUTH PLAIN AHRpbQBzM2NyZXQtdGFuc3RhYWY="])).await;
    check("CRAM-MD5", only_password, Err("missing secret for CRAM-MD5 auth mechanism")).await;
    check("XOAUTH2", LOGIN, Err("unknown auth mechanism: XOAUTH2")).await;
    check("PLAIN", "", Ok(&[])).await;
    check("", LOGIN, Ok(&[])).await;
}

#[tokio::test]
async fn refusals_name_the_step_and_no_secret() {
    let check = async |refuses: &'static str, expected: &str| {
        let behaviour = Behaviour { auth: "PLAIN", refuses, ..Behaviour::default() };
        let (outcome, dialogue) = attempt(behaviour, &format!("require_tls: false, {LOGIN}")).await;
        let error = outcome.unwrap_err();
        assert!(error.retry && error.message.starts_with(expected), "{error}");
        // the server repeats what it refuses: the password, plain and in base64, must not come back
        assert!(!error.message.contains("s3cret") && !error.message.contains("czNjcmV0"), "{error}");
        assert!(!error.message.contains("AHRpbQBz"), "{error}");
        assert!(dialogue.messages.is_empty());
    };
    check("AUTH", "PLAIN auth: 550 no: ").await;
    check("MAIL", "send MAIL command: 550 no: MAIL FROM:<e@f>").await;
    check("RCPT", "send RCPT command: 550 no: RCPT TO:<a@b>").await;
    check("DATA", "send DATA command: 550 no: DATA").await;
}

#[tokio::test]
async fn addresses_and_headers_cannot_add_lines() {
    let settings = "require_tls: false, text: \"a\\n.\\nb\"";
    let (outcome, dialogue) = attempt(Behaviour::default(), settings).await;
    outcome.unwrap();
    assert!(dialogue.messages[0].contains("\r\n..\r\n"), "{dialogue:?}");
    let server = MailServer::start(Behaviour::default()).await;
    let entry = format!(
        "email_configs: [{{to: \"a@b\\r\\nDATA\", from: e@f, smarthost: '{}', require_tls: false}}]",
        server.address
    );
    let error = receiver(&entry).notify(&notification()).await.unwrap_err();
    assert!(!error.retry && error.message.contains("is no mail address"), "{error}");
    assert!(server.dialogue().lines.iter().all(|line| !line.starts_with("DATA")));
}
