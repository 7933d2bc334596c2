//! How long to wait after failures.
//!
//! Input: how many there were. Output: a pause that doubles up to a bound, minus a random part, so that replicas do not knock in step.
//! Deliberately without an end: what waits is bounded by nothing but its table.

use std::time::Duration;

use uuid::Uuid;

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(5);

/// The pause after the `failures`-th failure in a row: about 0.1 s, 0.2 s, 0.4 s, ... 5 s.
pub(crate) fn pause_after(failures: u32) -> Duration {
    // The last bits of a UUID are random.
    shortened(failures, Uuid::now_v7().as_bytes()[15])
}

/// `dice` takes off up to a quarter.
fn shortened(failures: u32, dice: u8) -> Duration {
    let pause = FIRST.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(LONGEST);
    pause - pause / 4 * u32::from(dice) / 256
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_bound() {
        let check = |failures: u32, dice: u8, expected: u128| {
            assert_eq!(shortened(failures, dice).as_millis(), expected, "{failures} failures");
        };
        check(0, 0, 100);
        check(1, 0, 100);
        check(1, 128, 87);
        check(3, 0, 400);
        check(7, 0, 5000);
        check(u32::MAX, 0, 5000);
        check(u32::MAX, 255, 3754);
    }
}
