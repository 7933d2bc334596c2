//! How long a crashed container waits before it is started again.
//!
//! Input: when it ended and what time it is, in milliseconds. Output: the wait. Pure: nothing here sleeps.
//!
//! As the kubelet does it: the first restart is immediate, the next wait 10 s, 20 s, … at most 300 s, counted from the
//! end of the container; a container that ran for more than 600 s since it was last started begins anew.

/// First wait, in milliseconds.
pub(crate) const FIRST_MS: i64 = 10_000;
/// Longest wait, in milliseconds.
pub(crate) const MOST_MS: i64 = 300_000;

/// The memory of one container.
#[derive(Debug, Default)]
pub(crate) struct CrashBackoff {
    wait_ms: i64,
    last_start_ms: i64,
}

impl CrashBackoff {
    /// For a container that ended: how long it waits counted from its end. Doubles the next wait.
    pub(crate) fn next(&mut self, ended_ms: i64) -> i64 {
        if self.wait_ms != 0 && ended_ms - self.last_start_ms > 2 * MOST_MS {
            self.wait_ms = 0;
        }
        let wait = self.wait_ms;
        self.wait_ms = if wait == 0 { FIRST_MS } else { (wait * 2).min(MOST_MS) };
        wait
    }

    /// The container was started again.
    pub(crate) fn started(&mut self, now_ms: i64) {
        self.last_start_ms = now_ms;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_to_five_minutes_and_forgets_after_ten() {
        let mut backoff = CrashBackoff::default();
        let mut now = 0;
        let waits: Vec<i64> = (0..9)
            .map(|_| {
                backoff.started(now);
                now += 1_000;
                let wait = backoff.next(now);
                now += wait;
                wait / 1_000
            })
            .collect();
        assert_eq!(waits, [0, 10, 20, 40, 80, 160, 300, 300, 300]);
        backoff.started(now);
        assert_eq!(backoff.next(now + 600_000), 300_000, "ten minutes are not enough");
        backoff.started(now);
        assert_eq!(backoff.next(now + 600_001), 0, "more than ten minutes are");
        backoff.started(now);
        assert_eq!(backoff.next(now + 1), 10_000);
    }
}
