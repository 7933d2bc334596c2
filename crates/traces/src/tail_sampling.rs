//! Which traces are kept when not all are: decided once the whole trace is likely to be there, the same for all its spans.
//!
//! Input: calls of decoded requests, with the time of their arrival. Output: a [`Fate`] per trace. Kept are, in this order: traces with a
//! failed span, traces with a span at or above a latency threshold, so many traces a second of every service, and of the rest a
//! share chosen by the trace id, so that every collector with the same share chooses the same traces. An error, a slow span or the
//! share decide at once; everything else when the first span is `decision_wait_ns` old. A decision is remembered, so that what
//! arrives later does as the rest of its trace did. Deliberately a function of calls and time: it holds no spans and reads no clock.

use crate::calls::Call;
use crate::{StatusCode, TraceId};
use hashbrown::HashMap;
use std::collections::VecDeque;

/// What is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct TailPolicy {
    /// Keep every trace with a span that lasted at least so many nanoseconds; `None` looks at no durations.
    pub slow_ns: Option<u64>,
    /// Keep so many traces a second of every service, whatever they are; 0 keeps none for this reason.
    pub per_service_rate: f64,
    /// Keep this share of the rest, 0 to 1.
    pub probability: f64,
    /// How long after a trace's first span it is decided, in nanoseconds.
    pub decision_wait_ns: u64,
    /// How many traces may wait for a decision; beyond, the oldest is decided early.
    pub most_waiting: usize,
    /// How many decisions are remembered.
    pub most_decisions: usize,
}

impl Default for TailPolicy {
    /// Errors, what takes half a second, a trace a second of every service, and a tenth of the rest; after 5 s.
    fn default() -> Self {
        Self {
            slow_ns: Some(500_000_000),
            per_service_rate: 1.0,
            probability: 0.1,
            decision_wait_ns: 5_000_000_000,
            most_waiting: 50_000,
            most_decisions: 200_000,
        }
    }
}

/// Why a trace is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SamplingReason {
    /// A span failed.
    Error,
    /// A span took long.
    Slow,
    /// A service had not had its traces of this second.
    Rate,
    /// Its id is among the share.
    Probability,
}

impl SamplingReason {
    /// All reasons, in the order in which they are looked at.
    pub const ALL: [Self; 4] = [Self::Error, Self::Slow, Self::Rate, Self::Probability];

    /// The reason as the value of a label.
    pub fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Slow => "slow",
            Self::Rate => "rate",
            Self::Probability => "probability",
        }
    }
}

/// What is to be done with a trace's spans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Store them.
    Keep,
    /// Forget them.
    Drop,
    /// Hold them until [`TailSampler::decide`] is asked.
    Wait,
}

/// What has been decided so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TailStats {
    /// Traces kept, by reason in the order of [`SamplingReason::ALL`].
    pub kept: [u64; SamplingReason::ALL.len()],
    /// Traces dropped.
    pub dropped: u64,
    /// Of all, those decided before their time because too many waited.
    pub early: u64,
    /// Traces that wait.
    pub waiting: usize,
}

/// A trace that waits.
#[derive(Debug)]
struct Waiting {
    services: Vec<u32>,
}

/// The decisions.
#[derive(Debug)]
pub struct TailSampler {
    policy: TailPolicy,
    waiting: HashMap<TraceId, Waiting>,
    /// When the waiting traces are due, oldest first.
    due: VecDeque<(u64, TraceId)>,
    decisions: HashMap<TraceId, bool>,
    decided: VecDeque<TraceId>,
    services: HashMap<Box<str>, u32>,
    /// Traces that each service may still have, and when that was worked out.
    allowances: Vec<(f64, u64)>,
    stats: TailStats,
}

/// Services with a rate of their own; further ones share that of the last.
const MOST_SERVICES: usize = 10_000;

impl TailSampler {
    /// No decision yet.
    pub fn new(policy: TailPolicy) -> Self {
        Self {
            policy,
            waiting: HashMap::new(),
            due: VecDeque::new(),
            decisions: HashMap::new(),
            decided: VecDeque::new(),
            services: HashMap::new(),
            allowances: Vec::new(),
            stats: TailStats::default(),
        }
    }

    /// What has been decided so far.
    pub fn stats(&self) -> TailStats {
        TailStats { waiting: self.waiting.len(), ..self.stats }
    }

    /// Takes note of a call that arrives; `now_ns` is in nanoseconds since the Unix epoch.
    pub fn observe(&mut self, call: &Call<'_>, now_ns: u64) {
        if self.decisions.contains_key(&call.trace_id) {
            return;
        }
        let reason = match () {
            () if call.status == StatusCode::Error => Some(SamplingReason::Error),
            () if self.policy.slow_ns.is_some_and(|slow| call.duration_ns >= slow) => {
                Some(SamplingReason::Slow)
            }
            () if is_in_share(call.trace_id, self.policy.probability) => Some(SamplingReason::Probability),
            () => None,
        };
        if let Some(reason) = reason {
            self.waiting.remove(&call.trace_id);
            return self.keep(call.trace_id, reason);
        }
        let service = self.service(call.service, now_ns);
        if let Some(waiting) = self.waiting.get_mut(&call.trace_id) {
            if !waiting.services.contains(&service) {
                waiting.services.push(service);
            }
            return;
        }
        while self.waiting.len() >= self.policy.most_waiting.max(1) {
            let Some((_, oldest)) = self.due.pop_front() else { break };
            if self.waiting.contains_key(&oldest) {
                self.stats.early += 1;
                self.settle(oldest, now_ns);
            }
        }
        self.waiting.insert(call.trace_id, Waiting { services: vec![service] });
        self.due.push_back((now_ns.saturating_add(self.policy.decision_wait_ns), call.trace_id));
    }

    /// What is known of a trace now.
    pub fn fate(&self, trace_id: TraceId) -> Fate {
        match self.decisions.get(&trace_id) {
            Some(true) => Fate::Keep,
            Some(false) => Fate::Drop,
            None => Fate::Wait,
        }
    }

    /// Decides the traces whose time has come.
    pub fn expire(&mut self, now_ns: u64) {
        while self.due.front().is_some_and(|(due, _)| *due <= now_ns) {
            if let Some((_, trace_id)) = self.due.pop_front() {
                self.settle(trace_id, now_ns);
            }
        }
    }

    /// Decides a trace now, if it is not decided yet, and says whether it is kept.
    pub fn decide(&mut self, trace_id: TraceId, now_ns: u64) -> bool {
        self.settle(trace_id, now_ns);
        // one that is not remembered any more was kept or dropped by its share alone
        self.decisions
            .get(&trace_id)
            .copied()
            .unwrap_or_else(|| is_in_share(trace_id, self.policy.probability))
    }

    /// Decides a trace that waits: for its service's rate or against it.
    fn settle(&mut self, trace_id: TraceId, now_ns: u64) {
        let Some(waiting) = self.waiting.remove(&trace_id) else { return };
        let rate = self.policy.per_service_rate;
        let mut allowed = false;
        for service in waiting.services {
            let Some((left, since)) = self.allowances.get_mut(service as usize) else { continue };
            // a service may save up to a second's traces, and at least one
            *left = (*left + now_ns.saturating_sub(*since) as f64 / 1e9 * rate).min(rate.max(1.0));
            *since = now_ns;
            if !allowed && rate > 0.0 && *left >= 1.0 {
                *left -= 1.0;
                allowed = true;
            }
        }
        if allowed {
            self.keep(trace_id, SamplingReason::Rate);
        } else {
            self.stats.dropped += 1;
            self.remember(trace_id, false);
        }
    }

    fn keep(&mut self, trace_id: TraceId, reason: SamplingReason) {
        self.stats.kept[reason as usize] += 1;
        self.remember(trace_id, true);
    }

    fn remember(&mut self, trace_id: TraceId, kept: bool) {
        while self.decided.len() >= self.policy.most_decisions.max(1) {
            let Some(oldest) = self.decided.pop_front() else { break };
            self.decisions.remove(&oldest);
        }
        self.decided.push_back(trace_id);
        self.decisions.insert(trace_id, kept);
    }

    /// The number of a service; a new one may have its first trace at once.
    fn service(&mut self, name: &str, now_ns: u64) -> u32 {
        if let Some(at) = self.services.get(name) {
            return *at;
        }
        if self.allowances.len() >= MOST_SERVICES {
            return u32::try_from(self.allowances.len() - 1).expect("the bound is below 2^32");
        }
        let at = u32::try_from(self.allowances.len()).expect("the bound is below 2^32");
        self.allowances.push((self.policy.per_service_rate.max(1.0), now_ns));
        self.services.insert(name.into(), at);
        at
    }
}

/// Whether a trace is among a share of all. The last seven bytes of an id are random (W3C Trace Context level 2), and are compared
/// with the rejected share as OpenTelemetry's consistent probability sampling does.
fn is_in_share(trace_id: TraceId, probability: f64) -> bool {
    let randomness = trace_id.0[9..].iter().fold(0_u64, |value, byte| value << 8 | u64::from(*byte));
    let rejected = (1.0 - probability.clamp(0.0, 1.0)) * (1_u64 << 56) as f64;
    randomness >= rejected as u64 && probability > 0.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SpanKind;
    use crate::calls::testing::call;
    use proptest::prelude::*;

    const SECOND: u64 = 1_000_000_000;

    fn of(trace: u64, service: &'static str) -> Call<'static> {
        let mut id = [0; 16];
        // low randomness, so that no share includes it
        id[8..].copy_from_slice(&trace.to_be_bytes());
        id[0] = 1;
        Call { service, trace_id: TraceId(id), duration_ns: 1, ..call(SpanKind::Server, 1, 0) }
    }

    fn policy() -> TailPolicy {
        TailPolicy { slow_ns: Some(100), per_service_rate: 0.0, probability: 0.0, ..TailPolicy::default() }
    }

    #[test]
    fn errors_and_slow_spans_keep_their_trace_at_once() {
        let mut sampler = TailSampler::new(policy());
        let (failed, slow, plain) = (of(1, "a"), of(2, "a"), of(3, "a"));
        for call in [failed, slow, plain] {
            sampler.observe(&call, 0);
            assert_eq!(sampler.fate(call.trace_id), Fate::Wait);
        }
        sampler.observe(&Call { status: StatusCode::Error, ..failed }, 1);
        sampler.observe(&Call { duration_ns: 100, ..slow }, 1);
        sampler.expire(5 * SECOND);
        let fates = [failed, slow, plain].map(|call| sampler.fate(call.trace_id));
        assert_eq!(fates, [Fate::Keep, Fate::Keep, Fate::Drop]);
        sampler.observe(&Call { status: StatusCode::Error, ..plain }, 6 * SECOND);
        assert_eq!(sampler.fate(plain.trace_id), Fate::Drop, "a decision stands");
        assert_eq!(sampler.stats(), TailStats { kept: [1, 1, 0, 0], dropped: 1, ..TailStats::default() });
    }

    #[test]
    fn every_service_has_its_traces() {
        let mut sampler = TailSampler::new(TailPolicy { per_service_rate: 2.0, ..policy() });
        for trace in 0..100 {
            sampler.observe(&of(trace, "busy"), trace * SECOND / 100);
        }
        sampler.observe(&of(200, "quiet"), SECOND);
        // both are in one trace
        sampler.observe(&of(201, "busy"), SECOND);
        sampler.observe(&of(201, "late"), SECOND);
        sampler.expire(6 * SECOND);
        let kept = |id| sampler.fate(of(id, "").trace_id) == Fate::Keep;
        assert!(kept(200) && kept(201));
        let busy = (0..100).filter(|id| kept(*id)).count();
        assert!((2..=4).contains(&busy), "{busy} of a second's traces at 2 a second");
        assert_eq!(sampler.stats().waiting, 0);
    }

    #[test]
    fn bounds_decide_early_and_forget() {
        let policy = TailPolicy { most_waiting: 2, most_decisions: 2, ..policy() };
        let mut sampler = TailSampler::new(policy);
        for trace in 0..5 {
            sampler.observe(&of(trace, "a"), 0);
        }
        assert_eq!((sampler.stats().early, sampler.stats().waiting, sampler.stats().dropped), (3, 2, 3));
        assert_eq!(sampler.fate(of(0, "").trace_id), Fate::Wait, "forgotten");
        assert!(!sampler.decide(of(0, "").trace_id, 0));
        assert!(!sampler.decide(of(4, "").trace_id, 0), "decided before its time");
    }

    proptest! {
        #[test]
        fn all_spans_of_a_trace_share_its_fate(
            spans in proptest::collection::vec((0_u64..6, any::<bool>(), 0_u64..200, 0_u64..10), 1..60),
            probability in 0.0..1.0,
        ) {
            let mut sampler = TailSampler::new(TailPolicy { probability, per_service_rate: 1.0, ..policy() });
            let (mut now, mut fates) = (0, HashMap::new());
            for (trace, failed, duration_ns, pause) in spans {
                now += pause * SECOND / 2;
                let status = if failed { StatusCode::Error } else { StatusCode::Unset };
                let call = Call { status, duration_ns, ..of(trace, "a") };
                sampler.expire(now);
                sampler.observe(&call, now);
                let fate = sampler.fate(call.trace_id);
                match fates.insert(trace, fate) {
                    None | Some(Fate::Wait) => {}
                    Some(before) => prop_assert_eq!(before, fate, "a decision changed"),
                }
                if failed && fates[&trace] == Fate::Wait {
                    prop_assert!(false, "a failed span waits");
                }
            }
        }

        #[test]
        fn the_share_is_the_share(ids in proptest::collection::vec(any::<[u8; 16]>(), 2000), probability in 0.0..1.0) {
            let kept = ids.iter().filter(|id| is_in_share(TraceId(**id), probability)).count() as f64;
            prop_assert!((kept / 2000.0 - probability).abs() < 0.1);
            prop_assert!(ids.iter().all(|id| is_in_share(TraceId(*id), 1.0) && !is_in_share(TraceId(*id), 0.0)));
        }
    }
}
