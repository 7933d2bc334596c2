//! What is asked: ids, times, numbers and searches, read as Jaeger reads them.
//!
//! Input: the parameters of a call. Output: values, or the text of Jaeger's error. It does not look anything up.

use super::duration;
use super::envelope::Refusal;
use crate::parameters::Parameters;
use std::num::IntErrorKind::{NegOverflow, PosOverflow};
use tidewatch_model::parse_hex;
use tidewatch_traces::{Search, SpanKind, TraceId};

/// Most traces that a search may ask for.
pub(super) const MAX_LIMIT: i64 = 10_000;
/// Traces that a search gives when it does not say how many.
pub(super) const DEFAULT_LIMIT: i64 = 100;
/// How far a legacy search looks back when it does not say.
const DEFAULT_LOOKBACK_NS: u64 = 48 * 3600 * 1_000_000_000;

fn quoted(text: &str) -> String {
    format!("{text:?}")
}

/// 64 bits in hexadecimal digits.
fn hexadecimal(text: &str) -> Result<u64, String> {
    parse_hex(text).ok_or_else(|| format!("strconv.ParseUint: parsing {}: invalid syntax", quoted(text)))
}

/// A trace id of up to 32 digits, leading zeros left out or not.
pub(super) fn trace_id(text: &str) -> Result<TraceId, String> {
    if text.len() > 32 {
        return Err(format!("TraceID cannot be longer than 32 hex characters: {text}"));
    }
    let split = text.len().saturating_sub(16);
    let Some((high, low)) = text.split_at_checked(split) else {
        return Err(format!("strconv.ParseUint: parsing {}: invalid syntax", quoted(text)));
    };
    let high = if split > 0 { hexadecimal(high)? } else { 0 };
    let mut id = [0; 16];
    id[..8].copy_from_slice(&high.to_be_bytes());
    id[8..].copy_from_slice(&hexadecimal(low)?.to_be_bytes());
    Ok(TraceId(id))
}

/// A whole number, with Go's errors; `function` is the one that Go names in them.
pub(super) fn integer(text: &str, function: &str, bits: u32) -> Result<i64, String> {
    let failed = |why: &str| Err(format!("strconv.{function}: parsing {}: {why}", quoted(text)));
    match text.parse::<i64>() {
        Ok(number) if bits >= 64 || i32::try_from(number).is_ok() => Ok(number),
        Ok(_) => failed("value out of range"),
        Err(error) if matches!(error.kind(), PosOverflow | NegOverflow) => failed("value out of range"),
        Err(_) => failed("invalid syntax"),
    }
}

/// Yes or no, with Go's spellings.
pub(super) fn boolean(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Ok(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Ok(false),
        _ => Err(format!("strconv.ParseBool: parsing {}: invalid syntax", quoted(text))),
    }
}

fn parameter(name: &str, error: impl std::fmt::Display) -> Refusal {
    Refusal::bad(format!("unable to parse param '{name}': {error}"))
}

/// A point in time as a number of units of `unit_ns` since the Unix epoch, in nanoseconds.
pub(super) fn time(asked: &Parameters, name: &str, unit_ns: i64, default_ns: u64) -> Result<u64, Refusal> {
    match asked.get(name) {
        "" => Ok(default_ns),
        text => {
            let number = integer(text, "ParseInt", 64).map_err(|error| parameter(name, error))?;
            Ok(u64::try_from(number.saturating_mul(unit_ns)).unwrap_or_default())
        }
    }
}

/// A number of milliseconds, in nanoseconds.
pub(super) fn milliseconds(asked: &Parameters, name: &str, default_ns: i64) -> Result<i64, Refusal> {
    match asked.get(name) {
        "" => Ok(default_ns),
        text => {
            let number = integer(text, "ParseInt", 64).map_err(|error| parameter(name, error))?;
            Ok(number.saturating_mul(1_000_000))
        }
    }
}

/// Yes or no; no when it is not said.
pub(super) fn flag(asked: &Parameters, name: &str) -> Result<bool, Refusal> {
    match asked.get(name) {
        "" => Ok(false),
        text => boolean(text).map_err(|error| parameter(name, error)),
    }
}

/// Bounds of a search on the durations of spans; 0 is none.
pub(super) fn bounds(search: &mut Search, shortest: i64, longest: i64) {
    search.min_duration_ns = u64::try_from(shortest).ok().filter(|bound| *bound > 0);
    // Nothing is shorter than nothing: a negative bound finds no span.
    search.max_duration_ns = (longest != 0).then(|| u64::try_from(longest).unwrap_or_default());
}

/// How many traces are asked for.
pub(super) fn limit(number: i64) -> Result<usize, Refusal> {
    match usize::try_from(number) {
        Ok(limit) if (1..=MAX_LIMIT).contains(&number) => Ok(limit),
        _ => Err(Refusal::bad(format!(
            "search depth must be greater than 0 and at most {MAX_LIMIT}, not {number}; hint: ask for a part of the time"
        ))),
    }
}

/// A legacy search, or traces by their ids.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) search: Search,
    pub(super) ids: Vec<TraceId>,
    pub(super) raw: bool,
}

/// Reads a legacy search at `now_ns`.
pub(super) fn legacy_search(asked: &Parameters, now_ns: u64) -> Result<Asked, Refusal> {
    let text = |name: &str| Some(asked.get(name)).filter(|text| !text.is_empty()).map(str::to_owned);
    let mut search = Search {
        service: text("service"),
        operation: text("operation"),
        start_ns: time(asked, "start", 1000, now_ns.saturating_sub(DEFAULT_LOOKBACK_NS))?,
        end_ns: time(asked, "end", 1000, now_ns)?,
        tags: tags(asked)?,
        ..Search::default()
    };
    let number = match asked.get("limit") {
        "" => DEFAULT_LIMIT,
        text => integer(text, "ParseInt", 32).map_err(Refusal::bad)?,
    };
    let bound = |name| match asked.get(name) {
        "" => Ok(0),
        text => duration::parse(text).map_err(|error| parameter(name, error)),
    };
    let (shortest, longest) = (bound("minDuration")?, bound("maxDuration")?);
    bounds(&mut search, shortest, longest);
    let ids: Result<Vec<TraceId>, String> = asked.all("traceID").map(trace_id).collect();
    let ids = ids.map_err(|error| Refusal::bad(format!("cannot parse traceID param: {error}")))?;
    let raw = flag(asked, "raw")?;
    if ids.is_empty() && search.service.is_none() {
        return Err(Refusal::bad("parameter 'service' is required"));
    }
    if shortest != 0 && longest != 0 && longest < shortest {
        return Err(Refusal::bad("'maxDuration' should be greater than 'minDuration'"));
    }
    if ids.is_empty() {
        search.limit = limit(number)?;
    }
    Ok(Asked { search, ids, raw })
}

/// `tag=key:value`, repeated, and `tags={"key":"value"}`; what comes later replaces what has the same key.
fn tags(asked: &Parameters) -> Result<Vec<(String, String)>, Refusal> {
    let mut found: Vec<(String, String)> = Vec::new();
    let mut put = |key: &str, value: String| match found.iter_mut().find(|(other, _)| other == key) {
        Some((_, other)) => *other = value,
        None => found.push((key.to_owned(), value)),
    };
    for tag in asked.all("tag") {
        let Some((key, value)) = tag.split_once(':') else {
            let text = format!("malformed 'tag' parameter, expecting key:value, received: {tag}");
            return Err(Refusal::bad(text));
        };
        put(key, value.to_owned());
    }
    for json in asked.all("tags") {
        type Map = Option<std::collections::BTreeMap<String, Option<String>>>;
        let map: Map = serde_json::from_str(json).map_err(|error| {
            Refusal::bad(format!("malformed 'tags' parameter, cannot unmarshal JSON: {error}"))
        })?;
        for (key, value) in map.unwrap_or_default() {
            put(&key, value.unwrap_or_default());
        }
    }
    Ok(found)
}

/// A kind as the APIs name it; the empty one is not said.
pub(super) fn kind_name(kind: SpanKind) -> &'static str {
    match kind {
        SpanKind::Unspecified => "",
        SpanKind::Internal => "internal",
        SpanKind::Server => "server",
        SpanKind::Client => "client",
        SpanKind::Producer => "producer",
        SpanKind::Consumer => "consumer",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_short_long_and_of_any_case() {
        let check = |text: &str, expected: Result<&str, &str>| {
            assert_eq!(
                trace_id(text).map(|id| id.to_string()),
                expected.map(str::to_owned).map_err(str::to_owned)
            );
        };
        check("aBc", Ok("00000000000000000000000000000abc"));
        check("1ffffffffffffffff", Ok("0000000000000001ffffffffffffffff"));
        check("0123456789ABCDEF0123456789abcdef", Ok("0123456789abcdef0123456789abcdef"));
        check("", Err("strconv.ParseUint: parsing \"\": invalid syntax"));
        check("+1", Err("strconv.ParseUint: parsing \"+1\": invalid syntax"));
        check("zz", Err("strconv.ParseUint: parsing \"zz\": invalid syntax"));
        check("x0123456789abcdef", Err("strconv.ParseUint: parsing \"x\": invalid syntax"));
        let long = "0".repeat(33);
        check(&long, Err(&format!("TraceID cannot be longer than 32 hex characters: {long}")));
        assert!(trace_id("ééééééééééé").is_err());
    }

    #[test]
    fn numbers_have_gos_errors() {
        let check = |text: &str, bits: u32, expected: Result<i64, &str>| {
            assert_eq!(integer(text, "ParseInt", bits), expected.map_err(str::to_owned));
        };
        check("+7", 64, Ok(7));
        check("x", 64, Err("strconv.ParseInt: parsing \"x\": invalid syntax"));
        check("2147483648", 32, Err("strconv.ParseInt: parsing \"2147483648\": value out of range"));
        check(
            "99999999999999999999",
            64,
            Err("strconv.ParseInt: parsing \"99999999999999999999\": value out of range"),
        );
    }
}
