//! Waits for moments to the microsecond: tokio's own timers round up to milliseconds, which would be counted as latency.
//!
//! Input: a moment. Output: nothing, at that moment. One timer of the operating system (`timerfd_create(2)`).

use rustix::fs::Timespec;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, timerfd_create, timerfd_settime,
};
use std::io;
use std::time::Instant;
use tokio::net::unix::pipe::Receiver;

/// A timer. It is read like a pipe, because tokio offers no other safe way to wait for a descriptor of one's own.
pub(crate) struct Pacer {
    timer: Receiver,
}

impl Pacer {
    pub(crate) fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        Ok(Self { timer: Receiver::from_owned_fd_unchecked(timer)? })
    }

    /// Waits until a moment; not at all when it has passed. A wait that is given up leaves nothing behind.
    pub(crate) async fn until(&mut self, moment: Instant) -> io::Result<()> {
        loop {
            let left = moment.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            let it_value = Timespec {
                tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
                tv_nsec: i64::from(left.subsec_nanos()),
            };
            let it_interval = Timespec { tv_sec: 0, tv_nsec: 0 };
            timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &Itimerspec { it_interval, it_value })?;
            self.timer.readable().await?;
            // an expiry of an earlier wait is read too; the loop looks at the clock
            match self.timer.try_read(&mut [0; 8]) {
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test]
    async fn it_never_wakes_early_also_after_a_wait_that_was_given_up() {
        let mut pacer = Pacer::new().unwrap();
        pacer.until(Instant::now()).await.unwrap();
        let given_up = tokio::time::timeout(
            Duration::from_millis(1),
            pacer.until(Instant::now() + Duration::from_millis(50)),
        );
        assert!(given_up.await.is_err());
        for _ in 0..20 {
            let moment = Instant::now() + Duration::from_micros(300);
            pacer.until(moment).await.unwrap();
            assert!(Instant::now() >= moment);
        }
    }
}
