//! What this process itself uses: memory, and processor time since the last look.
//!
//! Input: `/proc/self`. Output: numbers for the status line; zero where `/proc` says nothing.

use std::time::Instant;

/// Remembers the last look.
#[derive(Debug, Default)]
pub(crate) struct Usage {
    last: Option<(Instant, f64)>,
}

impl Usage {
    /// Resident bytes, and percent of one core since the last call.
    pub(crate) fn sample(&mut self) -> (u64, f64) {
        let resident = tidewatch_telemetry::resident_bytes().unwrap_or_default();
        let now = Instant::now();
        let Some(seconds) = tidewatch_telemetry::cpu_seconds() else { return (resident, 0.0) };
        let percent = self.last.map_or(0.0, |(then, before)| {
            let passed = now.duration_since(then).as_secs_f64();
            if passed > 0.0 { (seconds - before) / passed * 100.0 } else { 0.0 }
        });
        self.last = Some((now, seconds));
        (resident, percent)
    }
}
