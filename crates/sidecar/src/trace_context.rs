//! W3C trace context as daprd reads, makes and samples it.
//!
//! Input: `traceparent` and `tracestate` texts, the sampling rate. Output: the context of a new span. It sends nothing:
//! `spans` does.

use crate::random;
use std::fmt;
use tidewatch_model::{read_hex, write_hex};

/// daprd's rate where the Configuration gives none, or one that is no number.
const DEFAULT_RATE: f64 = 0.0001;

/// Where in which trace something happens.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SpanContext {
    pub(crate) trace_id: [u8; 16],
    pub(crate) span_id: [u8; 8],
    pub(crate) flags: u8,
    /// As it came; empty where there is none.
    pub(crate) state: String,
}

impl SpanContext {
    /// Reads a `traceparent`; `None` where daprd would not take it.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split('-').collect();
        let [version, trace_id, span_id, flags, ..] = parts.as_slice() else { return None };
        let version = hex::<1>(version)?[0];
        if version > 254 || version == 0 && parts.len() != 4 || flags.len() < 2 {
            return None;
        }
        let context = Self {
            trace_id: hex(trace_id)?,
            span_id: hex(span_id)?,
            flags: hex::<1>(flags.get(..2)?)?[0],
            state: String::new(),
        };
        (context.trace_id != [0; 16] && context.span_id != [0; 8]).then_some(context)
    }

    /// Whether it is to be recorded.
    pub(crate) fn is_sampled(&self) -> bool {
        self.flags & 1 != 0
    }
}

/// The `traceparent` text.
impl fmt::Display for SpanContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("00-")?;
        write_hex(f, &self.trace_id)?;
        f.write_str("-")?;
        write_hex(f, &self.span_id)?;
        write!(f, "-{:02x}", self.flags)
    }
}

fn hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut out = [0; N];
    read_hex(text.as_bytes(), &mut out).map(|()| out)
}

/// Whether and how spans are made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Tracing {
    /// `samplingRate: "0"`: no context is read, made or passed on.
    Off,
    /// No sampling rate and no exporter: contexts are passed on and no span is made.
    PassOn,
    /// Spans are made; those without a parent are recorded with this probability, 0 to 1.
    Sampled(f64),
}

impl Tracing {
    /// What a Configuration's `samplingRate` means.
    pub(crate) fn of(sampling_rate: &str, has_exporter: bool) -> Self {
        let rate = sampling_rate.parse::<f64>().unwrap_or(DEFAULT_RATE);
        if rate == 0.0 {
            Self::Off
        } else if sampling_rate.is_empty() && !has_exporter {
            Self::PassOn
        } else {
            Self::Sampled(rate)
        }
    }

    /// The context of a new span below `parent`; `None` where there is none to tell.
    pub(crate) fn start(self, parent: Option<SpanContext>) -> Option<SpanContext> {
        let rate = match self {
            Self::Off => return None,
            Self::PassOn => return parent,
            Self::Sampled(rate) => rate,
        };
        let span_id = random::bits().to_be_bytes();
        Some(match parent {
            Some(parent) => SpanContext { span_id, flags: parent.flags & 1, ..parent },
            None => {
                let (high, low) = (random::bits(), random::bits());
                let mut trace_id = [0; 16];
                trace_id[..8].copy_from_slice(&high.to_be_bytes());
                trace_id[8..].copy_from_slice(&low.to_be_bytes());
                let flags = u8::from(is_below(low, rate));
                SpanContext { trace_id, span_id, flags, state: String::new() }
            }
        })
    }
}

/// OpenTelemetry's ratio sampler: the lower half of the trace id against the rate.
fn is_below(low: u64, rate: f64) -> bool {
    rate >= 1.0 || (low >> 1) < (rate.max(0.0) * (1u64 << 63) as f64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn parents_are_read_as_by_daprd() {
        let check = |text: &str, taken: bool| assert_eq!(SpanContext::parse(text).is_some(), taken, "{text}");
        check(PARENT, true);
        check(&PARENT.to_uppercase(), true);
        check(&format!("{PARENT}-more"), false);
        check(&format!("01{}-more", &PARENT[2..]), true);
        check(&format!("ff{}", &PARENT[2..]), false);
        check("00-00000000000000000000000000000000-b7ad6b7169203331-01", false);
        check("00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01", false);
        check("00-0af7651916cd43dd8448eb211c80319-b7ad6b7169203331-01", false);
        check("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0", false);
        check("", false);
        check("é", false);
        assert_eq!(SpanContext::parse(PARENT).expect("it is well formed").to_string(), PARENT);
    }

    #[test]
    fn a_rate_decides_what_is_made() {
        let check =
            |rate: &str, exporter, expected| assert_eq!(Tracing::of(rate, exporter), expected, "{rate}");
        check("0", true, Tracing::Off);
        check("0.0", true, Tracing::Off);
        check("", false, Tracing::PassOn);
        check("", true, Tracing::Sampled(0.0001));
        check("much", false, Tracing::Sampled(0.0001));
        check("0.5", false, Tracing::Sampled(0.5));
    }

    #[test]
    fn a_parent_decides_for_its_children() {
        let parent =
            SpanContext { state: "a=b".to_owned(), ..SpanContext::parse(PARENT).expect("it is well formed") };
        let child = Tracing::Sampled(1e-9).start(Some(parent.clone())).expect("spans are made");
        assert_eq!((child.trace_id, child.flags, child.state.as_str()), (parent.trace_id, 1, "a=b"));
        assert_ne!(child.span_id, parent.span_id);
        let unsampled = SpanContext { flags: 0, ..parent.clone() };
        assert!(!Tracing::Sampled(1.0).start(Some(unsampled)).expect("spans are made").is_sampled());
        assert_eq!(Tracing::PassOn.start(Some(parent.clone())), Some(parent.clone()));
        assert_eq!(Tracing::PassOn.start(None), None);
        assert_eq!(Tracing::Off.start(Some(parent)), None);
    }

    #[test]
    fn roots_are_sampled_at_the_rate() {
        let sampled = |rate| {
            (0..20_000)
                .filter(|_| Tracing::Sampled(rate).start(None).is_some_and(|context| context.is_sampled()))
                .count()
        };
        assert_eq!(sampled(1.0), 20_000);
        assert_eq!(sampled(1e-12), 0);
        let tenth = sampled(0.1);
        assert!((1_700..2_300).contains(&tenth), "{tenth} of 20000 at 10 %");
    }
}
