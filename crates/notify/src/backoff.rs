//! How long to wait before the next attempt.
//!
//! Input: the attempts so far, a random number, what the other side asks for. Output: a time. It is the exponential back-off of
//! Alertmanager: half a second, then half as long again each time, up to a minute, each half as much more or less.

use crate::SendError;
use std::time::Duration;

const FIRST: f64 = 0.5;
const FACTOR: f64 = 1.5;
const LONGEST: f64 = 60.0;
const SPREAD: f64 = 0.5;

/// The waits of one notification.
#[derive(Clone, Debug)]
pub(crate) struct Backoff {
    seconds: f64,
}

/// What follows a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Another, after this time.
    Retry(Duration),
    /// Nothing in this flush.
    GiveUp,
}

impl Backoff {
    pub(crate) fn new() -> Self {
        Self { seconds: FIRST }
    }

    /// What follows an attempt that failed, with `left` of the flush to go; `random` is from 0 to 1.
    pub(crate) fn after(&mut self, error: &SendError, left: Duration, random: f64) -> Next {
        if !error.retry {
            return Next::GiveUp;
        }
        let spread = 1.0 - SPREAD + 2.0 * SPREAD * random;
        let own = Duration::from_secs_f64(self.seconds * spread);
        self.seconds = (self.seconds * FACTOR).min(LONGEST);
        let wait = own.max(error.retry_after.unwrap_or_default());
        if wait < left { Next::Retry(wait) } else { Next::GiveUp }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_minute() {
        let mut backoff = Backoff::new();
        let error = SendError::recoverable("x");
        let long = Duration::from_secs(1000);
        let waits: Vec<u128> = (0..14)
            .map(|_| match backoff.after(&error, long, 0.5) {
                Next::Retry(wait) => wait.as_millis(),
                Next::GiveUp => panic!("there was time"),
            })
            .collect();
        assert_eq!(waits[..4], [500, 750, 1125, 1687]);
        assert_eq!(waits[13], 60_000);
    }

    #[test]
    fn the_other_side_and_the_flush_decide_too() {
        let check = |retry: bool, retry_after: Option<u64>, left: u64, random: f64, expected: Next| {
            let retry_after = retry_after.map(Duration::from_secs);
            let error = SendError { message: "x".into(), retry, retry_after };
            assert_eq!(Backoff::new().after(&error, Duration::from_secs(left), random), expected);
        };
        check(true, None, 10, 0.0, Next::Retry(Duration::from_millis(250)));
        check(true, None, 10, 1.0, Next::Retry(Duration::from_millis(750)));
        check(true, Some(5), 10, 0.0, Next::Retry(Duration::from_secs(5)));
        check(true, Some(10), 10, 0.0, Next::GiveUp);
        check(false, None, 10, 0.0, Next::GiveUp);
        check(true, None, 0, 0.0, Next::GiveUp);
    }
}
