//! Random ids for traces and spans.
//!
//! Input: per thread a seed from the operating system (by way of the standard library's hash keys). Output: ids that are unique for
//! all practical purposes. Deliberately not unpredictable: nobody is admitted anywhere by knowing one.

use std::{
    cell::Cell,
    hash::{BuildHasher, RandomState},
};

use crate::trace_context::{SpanId, TraceId};

thread_local! {
    static STATE: Cell<[u64; 2]> = Cell::new([seed(), seed()]);
}

fn seed() -> u64 {
    // Keys are random per thread and differ from call to call; a zero state would stay zero.
    RandomState::new().hash_one(std::process::id()) | 1
}

/// The generator xoroshiro128++ (Blackman and Vigna).
fn next() -> u64 {
    STATE.with(|state| {
        let [a, b] = state.get();
        let result = a.wrapping_add(b).rotate_left(17).wrapping_add(a);
        let mixed = a ^ b;
        state.set([a.rotate_left(49) ^ mixed ^ (mixed << 21), mixed.rotate_left(28)]);
        result
    })
}

/// An id for a new trace.
pub(crate) fn trace_id() -> TraceId {
    TraceId((u128::from(next()) << 64 | u128::from(next())).max(1))
}

/// An id for a new span.
pub(crate) fn span_id() -> SpanId {
    SpanId(next().max(1))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_of_several_threads_differ_and_use_every_bit() {
        let threads: Vec<_> = (0..4)
            .map(|_| {
                std::thread::spawn(|| (0..10_000).map(|_| (trace_id().0, span_id().0)).collect::<Vec<_>>())
            })
            .collect();
        let ids: Vec<_> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        let traces: HashSet<u128> = ids.iter().map(|(trace, _)| *trace).collect();
        let spans: HashSet<u64> = ids.iter().map(|(_, span)| *span).collect();
        assert_eq!((traces.len(), spans.len()), (40_000, 40_000));
        for bit in 0..128 {
            let set = traces.iter().filter(|id| **id >> bit & 1 == 1).count();
            assert!((19_000..21_000).contains(&set), "bit {bit} is set in {set} of 40000");
        }
    }
}
