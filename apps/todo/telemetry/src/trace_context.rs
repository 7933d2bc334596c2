//! Which span a piece of work belongs to, in the form in which it crosses processes (W3C Trace Context, level 2).
//!
//! Input: the headers `traceparent` and `tracestate`, or their texts from wherever they were kept. Output: the same, and the ids for
//! log lines and exemplars. Malformed input counts as none. Deliberately carries no baggage.

use std::{fmt, sync::Arc};

use axum::http::{HeaderMap, HeaderName, HeaderValue};

use crate::Tracer;

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
/// Longest `tracestate` passed on: the standard asks for at least 512 characters.
const MAX_STATE_BYTES: usize = 512;
/// Most members of a `tracestate`.
const MAX_STATE_MEMBERS: usize = 32;
pub(crate) const SAMPLED: u8 = 1;

/// The 16 bytes of a trace's id; never zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TraceId(pub(crate) u128);

/// The 8 bytes of a span's id; never zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SpanId(pub(crate) u64);

/// 32 hexadecimal digits.
impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// 16 hexadecimal digits.
impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// A span as others refer to it.
#[derive(Clone, Debug)]
pub struct TraceContext {
    pub(crate) trace_id: TraceId,
    pub(crate) span_id: SpanId,
    pub(crate) flags: u8,
    /// Whether it came from another process.
    pub(crate) remote: bool,
    pub(crate) state: Option<Arc<str>>,
    /// Who records spans below this one: set when this process decided that the trace is sampled.
    pub(crate) tracer: Option<Tracer>,
}

impl TraceContext {
    /// Reads a `traceparent` and, if there is one, a `tracestate`. `None` when `traceparent` is not valid; an invalid `tracestate`
    /// is left out.
    pub fn parse(traceparent: &str, tracestate: Option<&str>) -> Option<Self> {
        let (trace_id, span_id, flags) = parse_parent(traceparent.trim_matches([' ', '\t']).as_bytes())?;
        let state = tracestate.filter(|state| is_valid_state(state)).map(|state| state.trim().into());
        Some(Self { trace_id, span_id, flags, remote: true, state, tracer: None })
    }

    /// Reads the headers of a request. More than one `traceparent` is as good as none.
    pub fn from_headers(headers: &HeaderMap) -> Option<Self> {
        let mut parents = headers.get_all(TRACEPARENT).iter();
        let parent = parents.next()?.to_str().ok()?;
        if parents.next().is_some() {
            return None;
        }
        let mut states = headers.get_all(TRACESTATE).iter().filter_map(|value| value.to_str().ok());
        match (states.next(), states.next()) {
            (None, _) => Self::parse(parent, None),
            (Some(state), None) => Self::parse(parent, Some(state)),
            (Some(first), Some(second)) => {
                let joined = [first, second].into_iter().chain(states).collect::<Vec<_>>().join(",");
                Self::parse(parent, Some(&joined))
            }
        }
    }

    /// Sets the headers of a request to this span, whether sampled or not.
    pub fn inject(&self, headers: &mut HeaderMap) {
        let parent = HeaderValue::from_str(&self.traceparent()).expect("hexadecimal digits make a header");
        headers.insert(TRACEPARENT, parent);
        match self.tracestate().map(HeaderValue::from_str) {
            Some(Ok(state)) => headers.insert(TRACESTATE, state),
            _ => headers.remove(TRACESTATE),
        };
    }

    /// The value of the header `traceparent`, and of the CloudEvents extension of that name.
    pub fn traceparent(&self) -> String {
        format!("00-{}-{}-{:02x}", self.trace_id, self.span_id, self.flags)
    }

    /// The value of the header `tracestate`, if the trace has one.
    pub fn tracestate(&self) -> Option<&str> {
        self.state.as_deref()
    }

    /// The trace's id.
    pub fn trace_id(&self) -> TraceId {
        self.trace_id
    }

    /// The span's id.
    pub fn span_id(&self) -> SpanId {
        self.span_id
    }

    /// Whether the trace is recorded, by this process or the one it came from.
    pub fn is_sampled(&self) -> bool {
        self.flags & SAMPLED != 0
    }
}

fn parse_parent(text: &[u8]) -> Option<(TraceId, SpanId, u8)> {
    let version = u8::try_from(hex(text.get(..2)?)?).ok()?;
    // Later versions may append fields after another dash; 255 is not a version.
    let length_is_right = match version {
        0 => text.len() == 55,
        1..=254 => text.len() == 55 || text.get(55) == Some(&b'-'),
        255 => false,
    };
    if !length_is_right || [text[2], text[35], text[52]] != [b'-'; 3] {
        return None;
    }
    let (trace_id, span_id) = (hex(&text[3..35])?, u64::try_from(hex(&text[36..52])?).ok()?);
    let flags = u8::try_from(hex(&text[53..55])?).ok()?;
    // Of the flags only `sampled` and `random` are defined.
    (trace_id != 0 && span_id != 0).then_some((TraceId(trace_id), SpanId(span_id), flags & 3))
}

/// The value of up to 32 lower-case hexadecimal digits.
fn hex(digits: &[u8]) -> Option<u128> {
    digits.iter().try_fold(0_u128, |value, digit| {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(value << 4 | u128::from(digit))
    })
}

fn is_valid_state(state: &str) -> bool {
    let mut members = 0;
    let valid = state.split(',').map(str::trim).filter(|member| !member.is_empty()).all(|member| {
        members += 1;
        member.split_once('=').is_some_and(|(key, value)| {
            let key_char = |c: u8| {
                c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, b'_' | b'-' | b'*' | b'/' | b'@')
            };
            let value_char = |c: u8| (0x20..=0x7e).contains(&c) && c != b'=';
            !key.is_empty()
                && key.len() <= 256
                && key.bytes().all(key_char)
                && !value.is_empty()
                && value.len() <= 256
                && value.bytes().all(value_char)
        })
    });
    valid && (1..=MAX_STATE_MEMBERS).contains(&members) && state.len() <= MAX_STATE_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn a_traceparent_is_read_or_refused() {
        let check = |text: &str, expected: Option<&str>| {
            let read = TraceContext::parse(text, None).map(|context| context.traceparent());
            assert_eq!(read.as_deref(), expected, "{text}");
        };
        check(PARENT, Some(PARENT));
        check(&PARENT.replace("-01", "-00"), Some(&PARENT.replace("-01", "-00")));
        check(&PARENT.replace("-01", "-ff"), Some(&PARENT.replace("-01", "-03")));
        check(&format!(" {PARENT} "), Some(PARENT));
        check(&format!("cc{}", &PARENT[2..]), Some(PARENT));
        check(&format!("cc{}-what-ever", &PARENT[2..]), Some(PARENT));
        check(&format!("cc{}.what", &PARENT[2..]), None);
        check(&format!("{PARENT}-more"), None);
        check(&format!("ff{}", &PARENT[2..]), None);
        check(&PARENT.to_uppercase(), None);
        check("00-00000000000000000000000000000000-b7ad6b7169203331-01", None);
        check("00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01", None);
        check(&PARENT.replace('-', "_"), None);
        check(&PARENT[..54], None);
        check("00-0af7651916cd43dd8448eb211c80319c-b7ad6b716920333é1-0", None);
        check("", None);
    }

    #[test]
    fn a_tracestate_is_kept_or_left_out_whole() {
        let check = |state: &str, expected: Option<&str>| {
            let context = TraceContext::parse(PARENT, Some(state)).unwrap();
            assert_eq!(context.tracestate(), expected, "{state}");
        };
        check("congo=t61rcWkgMzE,rojo=00f067aa0ba902b7", Some("congo=t61rcWkgMzE,rojo=00f067aa0ba902b7"));
        check(" a@b=1 , ", Some("a@b=1 ,"));
        check("", None);
        check("no-value", None);
        check("Upper=1", None);
        check("a=b=c", None);
        check(&format!("a={}", "x".repeat(257)), None);
        check(&vec!["a=1"; 33].join(","), None);
        check(
            &["a=1".to_owned(), format!("b={}", "x".repeat(250)), format!("c={}", "y".repeat(256))].join(","),
            None,
        );
    }

    #[test]
    fn headers_are_read_and_written() {
        let mut headers = HeaderMap::new();
        assert!(TraceContext::from_headers(&headers).is_none());
        headers.insert("traceparent", HeaderValue::from_static(PARENT));
        headers.append("tracestate", HeaderValue::from_static("a=1"));
        headers.append("tracestate", HeaderValue::from_static("b=2"));
        let context = TraceContext::from_headers(&headers).unwrap();
        let mut written = HeaderMap::new();
        written.insert("tracestate", HeaderValue::from_static("old=1"));
        context.inject(&mut written);
        assert_eq!(written["traceparent"], PARENT);
        assert_eq!(written["tracestate"], "a=1,b=2");
        TraceContext::parse(PARENT, None).unwrap().inject(&mut written);
        assert!(!written.contains_key("tracestate"));
        headers.append("traceparent", HeaderValue::from_static(PARENT));
        assert!(TraceContext::from_headers(&headers).is_none());
    }
}
