//! The parameters of a call, from the query of its address and the form in its body.
//!
//! Input: a request. Output: named values, repeated ones included; those of the body come first, as in Go's
//! `FormValue`. A pair that is not valid is left out, as there. It does not read JSON bodies: no API here takes them.

use crate::error::ApiError;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, Method, header};
use std::time::Duration;
use tidewatch_model::{parse_duration, parse_timestamp, percent_decoded};

/// The longest form a body may hold, in bytes; Go's own limit.
pub(crate) const MAX_FORM_BYTES: usize = 10 << 20;
/// How long a client may take to send a body.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// Named values in the order they were sent, body first.
#[derive(Debug, Default)]
pub(crate) struct Parameters(Vec<(String, String)>);

impl<S: Send + Sync> FromRequest<S> for Parameters {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        let mut pairs = Vec::new();
        let has_form = matches!(parts.method, Method::POST | Method::PUT | Method::PATCH);
        if has_form && is_form(&parts.headers) {
            let read = tokio::time::timeout(BODY_TIMEOUT, axum::body::to_bytes(body, MAX_FORM_BYTES)).await;
            let body = match read {
                Ok(Ok(body)) => body,
                Ok(Err(_)) => return Err(ApiError::body_too_large(MAX_FORM_BYTES)),
                Err(_) => return Err(ApiError::body_too_slow(BODY_TIMEOUT)),
            };
            decode(&body, &mut pairs);
        }
        decode(parts.uri.query().unwrap_or_default().as_bytes(), &mut pairs);
        Ok(Self(pairs))
    }
}

fn is_form(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

fn decode(text: &[u8], pairs: &mut Vec<(String, String)>) {
    for pair in text.split(|byte| *byte == b'&') {
        if pair.is_empty() || pair.contains(&b';') {
            continue;
        }
        let equals = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
        let value = pair.get(equals + 1..).unwrap_or_default();
        if let (Some(name), Some(value)) =
            (percent_decoded(&pair[..equals], true), percent_decoded(value, true))
        {
            let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
            pairs.push((text(name), text(value)));
        }
    }
}

impl Parameters {
    /// The first value of a name; empty when there is none.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str()).unwrap_or_default()
    }

    /// All values of a name.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// A point in time in milliseconds since the Unix epoch, or `default` when it is not given.
    pub(crate) fn time(&self, name: &str, default: i64) -> Result<i64, ApiError> {
        let text = self.get(name);
        if text.is_empty() {
            return Ok(default);
        }
        let invalid = |error| ApiError::parameter(name, format!("invalid time value for '{name}': {error}"));
        parse_timestamp(text).map_err(invalid)
    }

    /// A point in time that must be given.
    pub(crate) fn required_time(&self, name: &str) -> Result<i64, ApiError> {
        parse_timestamp(self.get(name)).map_err(|error| ApiError::parameter(name, error))
    }

    /// How many results are wanted at most; 0 is no limit.
    pub(crate) fn limit(&self) -> Result<usize, ApiError> {
        let text = self.get("limit");
        if text.is_empty() {
            return Ok(0);
        }
        match text.parse::<i64>() {
            Ok(limit) => {
                let negative = |_| ApiError::parameter("limit", "limit must be non-negative");
                usize::try_from(limit).map_err(negative)
            }
            Err(error) => {
                use std::num::IntErrorKind::{NegOverflow, PosOverflow};
                let overflow = matches!(error.kind(), PosOverflow | NegOverflow);
                let why = if overflow { "value out of range" } else { "invalid syntax" };
                Err(ApiError::parameter("limit", format!("strconv.Atoi: parsing {text:?}: {why}")))
            }
        }
    }

    /// A whole number that may be left out.
    pub(crate) fn number(&self, name: &str) -> Result<Option<i64>, ApiError> {
        match self.get(name) {
            "" => Ok(None),
            text => match text.parse() {
                Ok(number) => Ok(Some(number)),
                Err(_) => Err(ApiError::bad_data(format!("{name} must be a number"))),
            },
        }
    }

    /// A positive time-out, if one is given.
    pub(crate) fn timeout(&self) -> Result<Option<Duration>, ApiError> {
        let text = self.get("timeout");
        if text.is_empty() {
            return Ok(None);
        }
        let nanoseconds =
            duration_nanoseconds(text).map_err(|error| ApiError::parameter("timeout", error))?;
        match u64::try_from(nanoseconds) {
            Ok(positive) if positive > 0 => Ok(Some(Duration::from_nanos(positive))),
            _ => {
                let seconds = nanoseconds as f64 / 1e9;
                Err(ApiError::parameter("timeout", format!("timeout must be positive, got {seconds}s")))
            }
        }
    }
}

/// A duration in nanoseconds, possibly negative: a number of seconds, or Prometheus's notation.
pub(crate) fn duration_nanoseconds(text: &str) -> Result<i64, String> {
    if let Some(seconds) = go_float(text) {
        let nanoseconds = seconds * 1e9;
        if nanoseconds.is_nan() || nanoseconds >= i64::MAX as f64 || nanoseconds < i64::MIN as f64 {
            return Err(format!("cannot parse {text:?} to a valid duration. It overflows int64"));
        }
        return Ok(nanoseconds as i64);
    }
    let duration = parse_duration(text).map_err(|_| format!("cannot parse {text:?} to a valid duration"))?;
    let overflow = |_| format!("cannot parse {text:?} to a valid duration");
    i64::try_from(duration.as_nanos()).map_err(overflow)
}

fn go_float(text: &str) -> Option<f64> {
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters(query: &str) -> Parameters {
        let mut pairs = Vec::new();
        decode(query.as_bytes(), &mut pairs);
        Parameters(pairs)
    }

    #[test]
    fn pairs_are_decoded_and_broken_ones_left_out() {
        let found = parameters("a=1&b=%zz&match[]=up%7B%7D&match%5B%5D=x+y&c=1;d=2&e&&f=%C3%A9&g=%");
        assert_eq!(found.get("a"), "1");
        assert_eq!(found.get("b"), "");
        assert_eq!(found.all("match[]").collect::<Vec<_>>(), ["up{}", "x y"]);
        assert_eq!(found.get("c"), "");
        assert_eq!(found.get("f"), "é");
        assert_eq!(found.all("g").count(), 0);
    }

    #[test]
    fn limits_are_counts() {
        let check = |text: &str, expected: Result<usize, &str>| {
            let found = parameters(&format!("limit={text}")).limit();
            assert_eq!(found.map_err(|error| error.to_string()), expected.map_err(str::to_owned));
        };
        check("", Ok(0));
        check("7", Ok(7));
        check("-1", Err("invalid parameter \"limit\": limit must be non-negative"));
        check("x", Err("invalid parameter \"limit\": strconv.Atoi: parsing \"x\": invalid syntax"));
        check(
            "99999999999999999999",
            Err(
                "invalid parameter \"limit\": strconv.Atoi: parsing \"99999999999999999999\": value out of range",
            ),
        );
    }

    #[test]
    fn durations_are_seconds_or_units() {
        let check = |text: &str, expected: Result<i64, &str>| {
            assert_eq!(duration_nanoseconds(text), expected.map_err(str::to_owned));
        };
        check("1.5", Ok(1_500_000_000));
        check("-1", Ok(-1_000_000_000));
        check("5m", Ok(300_000_000_000));
        check("1ms", Ok(1_000_000));
        check("", Err("cannot parse \"\" to a valid duration"));
        check("x", Err("cannot parse \"x\" to a valid duration"));
        check("1e12", Err("cannot parse \"1e12\" to a valid duration. It overflows int64"));
        check("NaN", Err("cannot parse \"NaN\" to a valid duration. It overflows int64"));
    }
}
