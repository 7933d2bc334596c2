//! The state of the program, and the receivers.
//!
//! Input: calls. Output: the configuration as it is written, with secrets left out; which Alertmanager this is like; receivers with the
//! labels to find them by. There is no cluster.

use super::asked;
use super::date_time::written;
use super::reply::Refusal;
use super::source::Source;
use crate::Shared;
use crate::json::{push_list, push_text, push_texts_by_name};
use crate::parameters::Parameters;
use axum::extract::State;
use axum::response::Response;
use serde_json::json;
use tidewatch_notify::ReceiverView;

/// The release whose API this is; amtool compares it with its own.
const COMPATIBLE_WITH: &str = "0.34.2";

pub(super) async fn status(State(shared): State<Shared>, source: Source) -> Result<Response, Refusal> {
    source
        .read(move |alertmanager| {
            let (status, build) = (alertmanager.status(), &shared.state.build);
            let body = json!({
                "cluster": { "peers": [], "status": "disabled" },
                "config": { "original": status.config },
                "uptime": written(status.started_at),
                "versionInfo": {
                    "branch": build.branch,
                    "buildDate": build.build_date,
                    "buildUser": format!("tidewatch {}", build.version),
                    "goVersion": "",
                    "revision": build.revision,
                    "version": COMPATIBLE_WITH,
                },
            });
            Ok(serde_json::to_vec(&body).expect("plain data with string keys is always JSON"))
        })
        .await
}

pub(super) async fn receivers(source: Source, asked: Parameters) -> Result<Response, Refusal> {
    let matchers = asked::receiver_matchers(&asked)?;
    source
        .read(move |alertmanager| {
            let receivers = alertmanager.receivers(&matchers);
            let mut body = Vec::with_capacity(receivers.len() * 96);
            push_list(&mut body, &receivers, push_receiver);
            Ok(body)
        })
        .await
}

fn push_receiver(out: &mut Vec<u8>, receiver: &ReceiverView) {
    out.extend_from_slice(b"{\"labels\":");
    push_texts_by_name(out, receiver.labels.iter().map(|(name, text)| (&**name, &**text)), push_text);
    out.extend_from_slice(b",\"name\":");
    push_text(out, &receiver.name);
    out.push(b'}');
}
