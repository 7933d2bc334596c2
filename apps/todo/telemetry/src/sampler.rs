//! Which traces are recorded.
//!
//! Input: a trace's id, the decision of the process it came from, and the name of the span that begins it here. Output: yes or no.
//! The decision falls where a trace enters the process; spans below follow it. Deliberately lock-free: a request that is not
//! sampled pays a few nanoseconds.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Instant,
};

use crate::{
    SpanKind,
    remote_sampler::Strategies,
    trace_context::{TraceContext, TraceId},
};

/// A share of all traces, as a bound on 63 bits of their ids: processes that use the same share choose the same traces.
#[derive(Debug)]
pub(crate) struct Share(AtomicU64);

impl Share {
    /// `probability` is taken as 0 to 1.
    pub(crate) fn new(probability: f64) -> Self {
        let share = Self(AtomicU64::new(0));
        share.set(probability);
        share
    }

    pub(crate) fn set(&self, probability: f64) {
        self.0.store((probability.clamp(0.0, 1.0) * (1_u64 << 63) as f64) as u64, Relaxed);
    }

    fn has(&self, trace_id: TraceId) -> bool {
        (trace_id.0 as u64 >> 1) < self.0.load(Relaxed)
    }
}

/// At most so many traces per second, of which one second's worth (at least one) may come at once.
#[derive(Debug, Default)]
pub(crate) struct Limiter {
    /// Nanoseconds between two traces; 0 lets none pass.
    interval: AtomicU64,
    /// How far ahead of time traces may come.
    tolerance: AtomicU64,
    /// When the next one would be due, in nanoseconds since the first use of this module.
    due: AtomicU64,
}

impl Limiter {
    /// `per_second` at or below 0, or not finite, lets none pass.
    pub(crate) fn set(&self, per_second: f64) {
        let passes = per_second.is_finite() && per_second > 0.0;
        let interval = if passes { (1e9 / per_second).clamp(1.0, 1e18) as u64 } else { 0 };
        self.tolerance.store((interval as f64 * (per_second.max(1.0) - 1.0)) as u64, Relaxed);
        self.interval.store(interval, Relaxed);
    }

    /// Whether one may pass at `now`; then it has.
    fn take(&self, now: Instant) -> bool {
        let interval = self.interval.load(Relaxed);
        if interval == 0 {
            return false;
        }
        let now = since_start(now);
        let latest = now + self.tolerance.load(Relaxed);
        let pass = |due: u64| (due <= latest).then(|| due.max(now) + interval);
        self.due.fetch_update(Relaxed, Relaxed, pass).is_ok()
    }
}

fn since_start(now: Instant) -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    u64::try_from(now.saturating_duration_since(*START.get_or_init(|| now)).as_nanos())
        .unwrap_or(u64::MAX / 2)
}

/// What a remotely controlled sampler does with one kind of span.
#[derive(Debug)]
pub(crate) struct Strategy {
    pub(crate) share: Share,
    /// Passes beyond the share, so that what is rarely asked for is seen as well.
    pub(crate) lower_bound: Limiter,
}

/// A name under which spans begin in this process, made once at the start by [`Tracer::operation`](crate::Tracer::operation).
#[derive(Clone, Debug)]
pub struct Operation {
    pub(crate) name: Arc<str>,
    pub(crate) kind: SpanKind,
    /// Only for a remotely controlled sampler.
    pub(crate) strategy: Option<Arc<Strategy>>,
}

/// What decides when the process that a trace came from has not.
#[derive(Debug)]
pub(crate) enum Root {
    Always,
    Never,
    Share(Share),
    Remote(Arc<Strategies>),
}

/// The sampler of a process.
#[derive(Debug)]
pub(crate) struct Sampler {
    /// Whether the decision of the process that a trace came from holds here.
    pub(crate) parent_based: bool,
    pub(crate) root: Root,
}

impl Sampler {
    pub(crate) fn operation(&self, name: &str, kind: SpanKind) -> Operation {
        let strategy = match &self.root {
            Root::Remote(strategies) => Some(strategies.of(name)),
            _ => None,
        };
        Operation { name: name.into(), kind, strategy }
    }

    pub(crate) fn samples(
        &self,
        parent: Option<&TraceContext>,
        trace_id: TraceId,
        operation: &Operation,
        now: Instant,
    ) -> bool {
        match parent {
            // What this process has decided stays.
            Some(parent) if !parent.remote => return parent.is_sampled(),
            Some(parent) if self.parent_based => return parent.is_sampled(),
            _ => {}
        }
        match (&self.root, &operation.strategy) {
            (Root::Always, _) => true,
            (Root::Never, _) => false,
            (Root::Share(share), _) => share.has(trace_id),
            (Root::Remote(strategies), Some(strategy)) => {
                if strategy.share.has(trace_id) {
                    // It counts towards the lower bound.
                    strategy.lower_bound.take(now);
                    return true;
                }
                strategy.lower_bound.take(now) || strategies.rate_limit.take(now)
            }
            (Root::Remote(_), None) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::random_ids;

    fn parent(flags: u8) -> TraceContext {
        TraceContext::parse(&format!("00-{:032x}-{:016x}-{flags:02x}", 7, 8), None).unwrap()
    }

    #[test]
    fn the_parent_decides_only_where_the_sampler_says_so() {
        let check = |parent_based, root: Root, expected: [bool; 3]| {
            let sampler = Sampler { parent_based, root };
            let operation = sampler.operation("x", SpanKind::Server);
            let asked = [None, Some(parent(0)), Some(parent(1))]
                .map(|parent| sampler.samples(parent.as_ref(), TraceId(5), &operation, Instant::now()));
            assert_eq!(asked, expected, "{sampler:?}: no parent, unsampled, sampled");
        };
        check(false, Root::Always, [true; 3]);
        check(false, Root::Never, [false; 3]);
        check(true, Root::Always, [true, false, true]);
        check(true, Root::Never, [false, false, true]);
        check(false, Root::Share(Share::new(0.0)), [false; 3]);
        check(true, Root::Share(Share::new(1.0)), [true, false, true]);
    }

    #[test]
    fn a_local_parent_is_followed_whatever_the_sampler() {
        let sampler = Sampler { parent_based: false, root: Root::Always };
        let operation = sampler.operation("x", SpanKind::Server);
        let local = TraceContext { remote: false, ..parent(0) };
        assert!(!sampler.samples(Some(&local), TraceId(7), &operation, Instant::now()));
    }

    #[test]
    fn a_share_is_a_share_of_all_ids() {
        let check = |probability: f64, expected: std::ops::RangeInclusive<usize>| {
            let share = Share::new(probability);
            let chosen = (0..100_000).filter(|_| share.has(random_ids::trace_id())).count();
            assert!(expected.contains(&chosen), "{probability} chose {chosen} of 100000");
        };
        check(0.0, 0..=0);
        check(0.1, 9_500..=10_500);
        check(1.0, 100_000..=100_000);
        check(7.0, 100_000..=100_000);
    }

    #[test]
    fn a_limiter_passes_a_seconds_worth_at_once_and_its_rate_after() {
        let start = Instant::now();
        let check = |per_second: f64, at: Duration, expected: usize| {
            let limiter = Limiter::default();
            limiter.set(per_second);
            since_start(start);
            let at_once = (0..1000).filter(|_| limiter.take(start)).count();
            let later = (0..1000).filter(|_| limiter.take(start + at)).count();
            assert_eq!(at_once + later, expected, "{per_second} per second after {at:?}");
        };
        check(0.0, Duration::from_secs(10), 0);
        check(-1.0, Duration::from_secs(10), 0);
        check(f64::NAN, Duration::from_secs(10), 0);
        check(1.0, Duration::from_millis(900), 1);
        check(1.0, Duration::from_millis(1100), 2);
        check(0.5, Duration::from_millis(1100), 1);
        check(0.5, Duration::from_millis(2100), 2);
        check(10.0, Duration::from_millis(510), 15);
        check(10.0, Duration::from_secs(60), 20);
    }
}
