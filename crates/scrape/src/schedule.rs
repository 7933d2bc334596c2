//! When a target is scraped, and which time its samples get.
//!
//! Input: the interval, a number that belongs to the target, the time. Output: the next moment. It waits for nothing itself.

use std::time::Duration;
use tokio::time::Instant;

/// How late a scrape may start and still count as made on time, in milliseconds.
const TOLERANCE: i64 = 2;

/// The pause before a target that has never answered is tried again.
const FIRST_RETRY: Duration = Duration::from_millis(500);

/// When scrapes happen.
pub(crate) struct Schedule {
    interval: Duration,
    pub(crate) next: Instant,
    /// The time the latest scrape should have had, once the loop is at its place in the interval.
    aligned: Option<i64>,
    first: bool,
    /// The next try of a target that has never answered.
    retry: Option<Instant>,
    /// The pause before the try after that.
    pause: Duration,
}

impl Schedule {
    /// The first scrape is due at once.
    pub(crate) fn new(interval: Duration, now: Instant) -> Self {
        Self { interval, next: now, aligned: None, first: true, retry: None, pause: FIRST_RETRY }
    }

    /// When something is to be done next.
    pub(crate) fn wake(&self) -> Instant {
        self.retry.map_or(self.next, |at| at.min(self.next))
    }

    /// Whether what is done next is a regular scrape.
    pub(crate) fn is_regular(&self) -> bool {
        self.retry.is_none_or(|at| self.next <= at)
    }

    /// Plans another try of a target that has never answered, with twice the pause, until that exceeds half the interval.
    pub(crate) fn retry_unless(&mut self, answered: bool, now: Instant) {
        self.retry = (!answered && self.pause <= self.interval / 2).then(|| now + self.pause);
        self.pause = self.pause.saturating_mul(2);
    }

    /// The time that samples of a scrape starting now get.
    pub(crate) fn scrape_time(&mut self, now: i64) -> i64 {
        if self.first {
            return now;
        }
        let interval = i64::try_from(self.interval.as_millis()).unwrap_or(i64::MAX).max(1);
        let Some(aligned) = &mut self.aligned else {
            self.aligned = Some(now);
            return now;
        };
        if now - *aligned >= interval {
            *aligned += (now - *aligned) / interval * interval;
        }
        let late = now - *aligned;
        if (0..=TOLERANCE.min(interval / 100)).contains(&late) { *aligned } else { now }
    }

    /// Sets the next scrape: after the first one at the target's place within the interval, then every interval.
    pub(crate) fn advance(&mut self, now: i64, instant: Instant, seed: u64) {
        if self.first {
            self.first = false;
            self.next = instant + offset(self.interval, now, seed);
            return;
        }
        self.next += self.interval;
        while self.next <= instant {
            self.next += self.interval;
        }
    }
}

/// The time until the target's place in the interval comes round; not less than a tenth of it.
fn offset(interval: Duration, now: i64, seed: u64) -> Duration {
    let length = i64::try_from(interval.as_millis()).unwrap_or(i64::MAX).max(1);
    let place = (seed % length.unsigned_abs()) as i64;
    let until = (place - now).rem_euclid(length);
    let until = if until < length / 10 { until + length } else { until };
    Duration::from_millis(until.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_in_the_interval_is_kept() {
        let interval = Duration::from_secs(30);
        for now in [0, 1_700_000_000_123, 29_999] {
            let until = offset(interval, now, 12_345).as_millis() as i64;
            assert_eq!((now + until).rem_euclid(30_000), 12_345);
            assert!((3_000..33_000).contains(&until), "{until}");
        }
    }

    #[test]
    fn times_are_aligned_within_the_tolerance() {
        let start = Instant::now();
        let interval = Duration::from_secs(10);
        let mut schedule = Schedule::new(interval, start);
        assert_eq!(schedule.scrape_time(1_003), 1_003);
        schedule.advance(1_003, start, 5_000);
        assert_eq!(schedule.next - start, Duration::from_millis(3_997));
        assert_eq!(schedule.scrape_time(5_000), 5_000);
        schedule.advance(5_000, schedule.next, 5_000);
        assert_eq!(schedule.scrape_time(15_002), 15_000);
        assert_eq!(schedule.scrape_time(25_003), 25_003);
        // a slow machine: two rounds are missed, the raster stays
        assert_eq!(schedule.scrape_time(55_001), 55_000);
        let late = schedule.next + Duration::from_secs(25);
        schedule.advance(60_000, late, 5_000);
        assert_eq!(schedule.next - late, Duration::from_secs(5));
    }

    #[test]
    fn a_target_that_never_answered_is_tried_with_growing_pauses() {
        let start = Instant::now();
        let mut schedule = Schedule::new(Duration::from_secs(10), start);
        schedule.advance(0, start, 9_000);
        let mut pauses = Vec::new();
        for _ in 0..5 {
            schedule.retry_unless(false, start);
            pauses.push((schedule.wake() - start).as_millis());
        }
        // after 4 s the pause would exceed half the interval: only the regular scrape is left
        assert_eq!(pauses, [500, 1000, 2000, 4000, 9000]);
        assert!(schedule.is_regular());
        schedule.retry_unless(false, start);
        assert!(schedule.is_regular(), "the pauses do not begin again");
        schedule.retry_unless(true, start);
        assert_eq!(schedule.wake(), schedule.next);
    }
}
