//! What answers a call: the Alertmanager of this program, if there is one and the call may be made.
//!
//! Input: the head of a request. Output: a [`Source`], or a refusal. Reads take turns: the state of every alert is found out when somebody
//! asks. Changes do not wait for reads but for the lock they share, and none comes from a page of another origin.

use super::reply::{Refusal, empty, json};
use crate::Shared;
use crate::guard::is_foreign_origin;
use crate::reply::{Encoding, on_blocking_thread};
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::Response;
use std::sync::Arc;
use std::time::Duration;
use tidewatch_notify::Alertmanager;
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// How many read at once: Alertmanager's least default of `--web.get-concurrency`.
const MAX_READS: usize = 8;
/// How long one waits for its turn, where Alertmanager does not wait at all.
const TURN_TIMEOUT: Duration = Duration::from_secs(10);

/// The places for reads.
#[derive(Clone, Debug)]
pub(super) struct Reads(Arc<Semaphore>);

impl Default for Reads {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MAX_READS)))
    }
}

/// The Alertmanager, for a call that may be made.
pub(super) struct Source {
    alertmanager: Arc<Alertmanager>,
    reads: Reads,
    accepted: Encoding,
}

impl FromRequestParts<Shared> for Source {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, shared: &Shared) -> Result<Self, Refusal> {
        if parts.method != Method::GET && is_foreign_origin(&parts.headers) {
            shared.metrics.rejected("origin");
            let text = "refused: the request comes from a page of another origin";
            return Err(Refusal::Said(StatusCode::FORBIDDEN, text.to_owned()));
        }
        let alertmanager = shared.state.alertmanager.clone().ok_or_else(none)?;
        // what is sent with a body gets an answer in its own format
        if parts.method != Method::POST && !accepts_json(&parts.headers) {
            let text = "unsupported media type requested, only [application/json] are available";
            return Err(Refusal::coded(406, text));
        }
        let reads = parts.extensions.get::<Reads>().cloned().unwrap_or_default();
        Ok(Self { alertmanager, reads, accepted: Encoding::accepted_by(&parts.headers) })
    }
}

fn none() -> Refusal {
    let text =
        "no Alertmanager runs here; hint: start tidewatch with --alertmanager.config.file=alertmanager.yml";
    Refusal::Said(StatusCode::NOT_FOUND, text.to_owned())
}

/// Whether a client takes JSON: it does when it says nothing.
fn accepts_json(headers: &HeaderMap) -> bool {
    let mut said = headers.get_all(header::ACCEPT).iter().peekable();
    let takes = |part: &str| {
        let (kind, parameters) = part.split_once(';').unwrap_or((part, ""));
        let json = ["application/json", "application/*", "*/*"];
        let weight = parameters.split(';').find_map(|parameter| parameter.trim().strip_prefix("q="));
        json.iter().any(|json| kind.trim().eq_ignore_ascii_case(json))
            && weight.is_none_or(|weight| weight.parse() != Ok(0.0))
    };
    said.peek().is_none() || said.any(|value| value.to_str().is_ok_and(|value| value.split(',').any(takes)))
}

impl Source {
    /// Answers JSON, on a thread that may block.
    pub(super) async fn read(
        self,
        make: impl FnOnce(&Alertmanager) -> Result<Vec<u8>, Refusal> + Send + 'static,
    ) -> Result<Response, Refusal> {
        let turn = timeout(TURN_TIMEOUT, Arc::clone(&self.reads.0).acquire_owned()).await;
        let busy = |_| {
            let text = format!("Limit of concurrent GET requests reached ({MAX_READS}), try again later.");
            Refusal::Said(StatusCode::SERVICE_UNAVAILABLE, text)
        };
        let turn = turn.map_err(busy)?.expect("the semaphore is never closed");
        Ok(on_blocking_thread(move || {
            let body = make(&self.alertmanager);
            drop(turn);
            body.map(|body| json(body, self.accepted))
        })
        .await)
    }

    /// Changes something, on a thread that may block: some of it goes to the disk. Answers JSON, or nothing.
    pub(super) async fn change(
        self,
        make: impl FnOnce(&Alertmanager) -> Result<Option<Vec<u8>>, Refusal> + Send + 'static,
    ) -> Response {
        on_blocking_thread(move || {
            let answer = |body: Option<Vec<u8>>| match body {
                Some(body) => json(body, self.accepted),
                None => empty(StatusCode::OK),
            };
            make(&self.alertmanager).map(answer)
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Alertmanager 0.34.2 did with the same headers.
    #[test]
    fn json_is_accepted_unless_it_is_ruled_out() {
        let check = |accept: Option<&str>, expected: bool| {
            let mut headers = HeaderMap::new();
            if let Some(accept) = accept {
                headers.insert(header::ACCEPT, accept.parse().unwrap());
            }
            assert_eq!(accepts_json(&headers), expected, "{accept:?}");
        };
        check(None, true);
        check(Some("application/json;charset=utf-8"), true);
        check(Some("APPLICATION/JSON ; q=1"), true);
        check(Some("application/*"), true);
        check(Some("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"), true);
        check(Some("text/html"), false);
        check(Some("application/json;q=0"), false);
        check(Some(""), false);
        check(Some(","), false);
    }
}
