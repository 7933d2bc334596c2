//! Silences: found, set, ended.
//!
//! Input: filters, ids, silences. Output: silences with whether they hold. What is set or ended is on the disk when it is answered. Who set
//! a silence and why is told to nobody but who asks here: it is in no log.

use super::date_time::written;
use super::postable::PostableSilence;
use super::reply::Refusal;
use super::source::Source;
use super::{asked, body};
use crate::json::{push_escaped_text, push_list, push_texts_by_name};
use crate::parameters::Parameters;
use axum::body::Body;
use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use tidewatch_model::{MatchOp, Matcher};
use tidewatch_notify::{NotifyError, SilenceView};

/// Bytes a silence takes in JSON, about.
const SILENCE_BYTES: usize = 500;

pub(super) async fn list(source: Source, asked: Parameters) -> Result<Response, Refusal> {
    let filter = asked::silences(&asked)?;
    source
        .read(move |alertmanager| {
            let silences = alertmanager.silences(&filter);
            let mut body = Vec::with_capacity(silences.len() * SILENCE_BYTES + 8);
            push_list(&mut body, &silences, push_silence);
            Ok(body)
        })
        .await
}

pub(super) async fn one(source: Source, Path(id): Path<String>) -> Result<Response, Refusal> {
    check_id(&id)?;
    source
        .read(move |alertmanager| {
            let silence = alertmanager.silence(&id).ok_or(Refusal::Silent(StatusCode::NOT_FOUND))?;
            let mut body = Vec::with_capacity(SILENCE_BYTES);
            push_silence(&mut body, &silence);
            Ok(body)
        })
        .await
}

pub(super) async fn set(source: Source, headers: HeaderMap, body: Body) -> Result<Response, Refusal> {
    let body = body::read(&headers, body, "silence").await?;
    let set = source.change(move |alertmanager| {
        let text = String::from_utf8_lossy(&body);
        let silence = body::decode::<PostableSilence>(&text, "silence")?.checked()?;
        let id = alertmanager.set_silence(silence).map_err(|error| match error {
            NotifyError::SilenceNotFound => Refusal::Said(StatusCode::NOT_FOUND, error.to_string()),
            error => failed(error),
        })?;
        Ok(Some(format!("{{\"silenceID\":\"{id}\"}}").into_bytes()))
    });
    Ok(set.await)
}

pub(super) async fn expire(source: Source, Path(id): Path<String>) -> Result<Response, Refusal> {
    check_id(&id)?;
    let expire = source.change(move |alertmanager| match alertmanager.expire_silence(&id) {
        Ok(()) => Ok(None),
        Err(NotifyError::SilenceNotFound) => Err(Refusal::Silent(StatusCode::NOT_FOUND)),
        Err(error) => Err(failed(error)),
    });
    Ok(expire.await)
}

/// A silence that is wrong, or a disk that does not take it.
fn failed(error: NotifyError) -> Refusal {
    if let NotifyError::InvalidSilence(why) = error {
        return Refusal::bad(why);
    }
    tracing::error!(%error, "a silence cannot be written");
    Refusal::Said(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
}

/// An id is a UUID, in one of the notations that Go's library reads.
fn check_id(id: &str) -> Result<(), Refusal> {
    let inside = match id.len() {
        45 => id.get(..9).filter(|front| front.eq_ignore_ascii_case("urn:uuid:")).and_then(|_| id.get(9..)),
        38 => id.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')),
        _ => Some(id),
    };
    let is_hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_uuid = inside.is_some_and(|inside| match inside.len() {
        32 => id.len() == 32 && is_hex(inside),
        36 => inside.split('-').map(str::len).eq([8, 4, 4, 4, 12]) && inside.split('-').all(is_hex),
        _ => false,
    });
    let wrong = || Refusal::coded(601, format!("silenceID in path must be of type uuid: {id:?}"));
    if is_uuid { Ok(()) } else { Err(wrong()) }
}

fn push_silence(out: &mut Vec<u8>, view: &SilenceView) {
    let silence = &view.silence;
    let (state, updated_at) = (view.state.as_str(), written(silence.updated_at));
    out.extend_from_slice(b"{\"id\":");
    push_escaped_text(out, &silence.id);
    let front = format!(",\"status\":{{\"state\":\"{state}\"}},\"updatedAt\":\"{updated_at}\",");
    out.extend_from_slice(front.as_bytes());
    if !silence.annotations.is_empty() {
        out.extend_from_slice(b"\"annotations\":");
        let annotations = silence.annotations.iter().map(|(name, text)| (&**name, &**text));
        push_texts_by_name(out, annotations, push_escaped_text);
        out.push(b',');
    }
    out.extend_from_slice(b"\"comment\":");
    push_escaped_text(out, &silence.comment);
    out.extend_from_slice(b",\"createdBy\":");
    push_escaped_text(out, &silence.created_by);
    out.extend_from_slice(format!(",\"endsAt\":\"{}\",\"matchers\":", written(silence.ends_at)).as_bytes());
    push_list(out, &silence.matchers, push_matcher);
    out.extend_from_slice(format!(",\"startsAt\":\"{}\"}}", written(silence.starts_at)).as_bytes());
}

fn push_matcher(out: &mut Vec<u8>, matcher: &Matcher) {
    let is_equal = !matcher.is_negative();
    let is_regex = matches!(matcher.op(), MatchOp::Regex | MatchOp::NotRegex);
    out.extend_from_slice(format!("{{\"isEqual\":{is_equal},\"isRegex\":{is_regex},\"name\":").as_bytes());
    push_escaped_text(out, matcher.name());
    out.extend_from_slice(b",\"value\":");
    push_escaped_text(out, matcher.value());
    out.push(b'}');
}
