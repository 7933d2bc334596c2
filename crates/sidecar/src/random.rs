//! Identifiers that no other process makes: traces, spans, events.
//!
//! Input: the operating system's randomness, once, and a counter. Output: bits. They are unique, not secret.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

static KEYS: LazyLock<RandomState> = LazyLock::new(RandomState::new);
static COUNTER: AtomicU64 = AtomicU64::new(0);

/// 64 bits, never all zero.
pub(crate) fn bits() -> u64 {
    let mut hasher = KEYS.build_hasher();
    hasher.write_u64(COUNTER.fetch_add(1, Ordering::Relaxed));
    hasher.write_u32(std::process::id());
    hasher.finish().max(1)
}

/// The id of an event: a version 4 UUID, as daprd's.
pub(crate) fn event_id() -> String {
    let wide = (u128::from(bits()) << 64) | u128::from(bits());
    uuid::Builder::from_random_bytes(wide.to_be_bytes()).into_uuid().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn no_two_are_the_same() {
        let ids: HashSet<String> = (0..10_000).map(|_| event_id()).collect();
        assert_eq!(ids.len(), 10_000);
        assert!(ids.iter().all(|id| id.len() == 36 && id.as_bytes()[14] == b'4'));
    }
}
