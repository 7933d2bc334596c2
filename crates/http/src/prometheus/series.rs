//! `series`, `labels` and `label/<name>/values`: what is in the store.
//!
//! Input: selectors, a time range, a limit. Output: label sets, names or values. Reads the index only, no samples.

use super::selection::SeriesRange;
use crate::Shared;
use crate::answer::{push_texts, truncate_list};
use crate::error::{ApiError, ErrorType};
use crate::gate::Work;
use crate::json::{push_labels, push_list};
use crate::parameters::Parameters;
use crate::reply::{EncodedBody, Encoding, success_body};
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use tidewatch_model::{LabelQuery, Labels, Select, SelectError, parse_hex, percent_decoded};

pub(crate) async fn series(
    State(shared): State<Shared>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, ApiError> {
    if parameters.all("match[]").next().is_none() {
        return Err(ApiError::bad_data("no match[] parameter provided"));
    }
    let limit = parameters.limit()?;
    let range = SeriesRange::read(&parameters, |error| ApiError::parameter("match[]", error))?;
    let (store, encoding) = (shared.state.store.clone(), Encoding::accepted_by(&headers));
    let work = move |_: &_, _| {
        let mut found = label_sets(&*store, &range).map_err(storage_error)?;
        let warnings = truncate_list(&mut found, limit);
        let body = success_body(found.len() * 160, &warnings, &[], |out| push_list(out, &found, push_labels));
        Ok(EncodedBody::new(body, encoding))
    };
    Ok(shared.gate.run(Work::Lookup, None, work).await?.into_response("application/json"))
}

/// Sorted and without repetitions.
fn label_sets(store: &dyn Select, range: &SeriesRange) -> Result<Vec<Labels>, SelectError> {
    let mut found = Vec::new();
    if range.is_empty() {
        return Ok(found);
    }
    for selection in range.selections() {
        found.extend(store.select(&selection)?.iter().map(|series| series.labels().clone()));
    }
    if range.matcher_sets.len() > 1 {
        found.sort_unstable();
        found.dedup();
    }
    Ok(found)
}

pub(crate) async fn label_names(
    State(shared): State<Shared>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, ApiError> {
    texts(&shared, &headers, &parameters, |store, query| store.label_names(query)).await
}

pub(crate) async fn label_values(
    State(shared): State<Shared>,
    headers: HeaderMap,
    uri: Uri,
    parameters: Parameters,
) -> Result<Response, ApiError> {
    let name = label_name(uri.path())?;
    texts(&shared, &headers, &parameters, move |store, query| store.label_values(&name, query)).await
}

async fn texts(
    shared: &Shared,
    headers: &HeaderMap,
    parameters: &Parameters,
    read: impl FnOnce(&dyn Select, &LabelQuery<'_>) -> Result<Vec<String>, SelectError> + Send + 'static,
) -> Result<Response, ApiError> {
    let limit = parameters.limit()?;
    let range = SeriesRange::read(parameters, ApiError::bad_data)?;
    let (store, encoding) = (shared.state.store.clone(), Encoding::accepted_by(headers));
    let work = move |_: &_, _| {
        let query = LabelQuery { matcher_sets: &range.matcher_sets, start: range.start, end: range.end };
        let found = if range.is_empty() { Ok(Vec::new()) } else { read(&*store, &query) };
        let mut found = found.map_err(storage_error)?;
        let warnings = truncate_list(&mut found, limit);
        let body = success_body(found.len() * 24, &warnings, &[], |out| push_texts(out, &found));
        Ok(EncodedBody::new(body, encoding))
    };
    Ok(shared.gate.run(Work::Lookup, None, work).await?.into_response("application/json"))
}

fn storage_error(error: SelectError) -> ApiError {
    ApiError::new(ErrorType::Execution, error)
}

/// The label in `…/label/<name>/values`, percent-encoding and `U__` notation undone.
fn label_name(path: &str) -> Result<String, ApiError> {
    let segment = path.trim_end_matches("/values").rsplit('/').next().unwrap_or_default();
    let bytes = percent_decoded(segment.as_bytes(), false).unwrap_or_default();
    let invalid = |bytes: &[u8]| ApiError::bad_data(format!("invalid label name: {}", quoted(bytes)));
    let name = String::from_utf8(bytes).map_err(|error| invalid(error.as_bytes()))?;
    if name.is_empty() {
        return Err(invalid(b""));
    }
    Ok(from_escaped_name(&name).unwrap_or(name))
}

/// Bytes between quotes, those that are no text as `\xff`.
fn quoted(bytes: &[u8]) -> String {
    let mut text = String::from("\"");
    for chunk in bytes.utf8_chunks() {
        text.extend(chunk.valid().escape_debug());
        text.extend(chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}")));
    }
    text + "\""
}

/// Undoes the `U__` notation of names beyond `[a-zA-Z0-9_]`: `__` is `_`, `_2e_` the character 0x2e; `None` when the
/// name is not in that notation.
fn from_escaped_name(name: &str) -> Option<String> {
    let mut rest = name.strip_prefix("U__")?;
    let mut out = String::with_capacity(rest.len());
    while let Some(at) = rest.find('_') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('_') {
            out.push('_');
            rest = after;
            continue;
        }
        let (digits, after) = rest.split_once('_')?;
        let code = u32::try_from(parse_hex(digits)?).ok()?;
        out.push(char::from_u32(code)?);
        rest = after;
    }
    out.push_str(rest);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_addresses_are_decoded() {
        let check = |path: &str, expected: Result<&str, &str>| {
            let found = label_name(path).map_err(|error| error.to_string());
            assert_eq!(found, expected.map(str::to_owned).map_err(str::to_owned), "{path}");
        };
        check("/api/v1/label/job/values", Ok("job"));
        check("/label/__name__/values", Ok("__name__"));
        check("/label/a.b/values", Ok("a.b"));
        check("/label/caf%C3%A9%2Fx/values", Ok("café/x"));
        check("/label/U__a_2e_b__c/values", Ok("a.b_c"));
        check("/label/U__a_zz_b/values", Ok("U__a_zz_b"));
        check("/label/U__job/values", Ok("job"));
        check("/label/%ff/values", Err("invalid label name: \"\\xff\""));
        check("/label/a%22%fe/values", Err("invalid label name: \"a\\\"\\xfe\""));
    }
}
