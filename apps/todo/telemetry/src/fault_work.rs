//! Faults that are work of this process: cores that are kept busy, memory that is held.
//!
//! Input: how much, and until when. Output: load that the machine sees. A thread looks at the time itself, so that the fault ends
//! although everything else is starved by it. Deliberately bounded by what was asked for; dropping [`Work`] ends it.

use std::{
    hint::black_box,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use crate::fault::{Fault, FaultKind};

/// How often a thread looks whether it is to end.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Memory is reserved in one piece of at least this size, which the allocator maps by itself: so it goes back to the system at once.
const LEAST_RESERVED: usize = 64 * 1024 * 1024;
/// Bytes between two touched ones: the smallest page there is.
const PAGE: usize = 4096;

/// Threads that work until the fault's end.
#[derive(Debug)]
pub(crate) struct Work(Arc<AtomicBool>);

impl Work {
    /// Starts what `fault` needs; `None` when that is no thread.
    pub(crate) fn start(fault: &Fault, until: Instant) -> Option<Self> {
        let over = Arc::new(AtomicBool::new(false));
        let stop = Stop { over: Arc::clone(&over), until };
        match fault.kind {
            FaultKind::CpuBurn => {
                for _ in 0..fault.number("cores") as usize {
                    spawn(stop.clone(), |stop| burn(&stop));
                }
            }
            FaultKind::MemoryLeak => {
                let (bytes, rate) = (fault.number("bytes") as usize, fault.number("bytes_per_second"));
                spawn(stop, move |stop| leak(&stop, bytes, rate));
            }
            _ => return None,
        }
        Some(Self(over))
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[derive(Clone)]
struct Stop {
    over: Arc<AtomicBool>,
    until: Instant,
}

impl Stop {
    fn is_due(&self) -> bool {
        self.over.load(Ordering::Relaxed) || Instant::now() >= self.until
    }
}

fn spawn(stop: Stop, work: impl FnOnce(Stop) + Send + 'static) {
    let started = thread::Builder::new().name("fault".to_owned()).spawn(move || work(stop));
    if let Err(error) = started {
        tracing::error!(%error, "a thread of a fault could not be started");
    }
}

fn burn(stop: &Stop) {
    let mut sum = 0_u64;
    while !stop.is_due() {
        for number in 0..100_000_u64 {
            sum = black_box(sum.rotate_left(5) ^ number);
        }
    }
}

fn leak(stop: &Stop, bytes: usize, rate: f64) {
    // Reserved pages cost nothing until they are written to.
    let mut held = Vec::new();
    if held.try_reserve_exact(bytes.max(LEAST_RESERVED)).is_err() {
        tracing::error!(bytes, "the memory of a fault could not be reserved");
        return;
    }
    let started = Instant::now();
    while !stop.is_due() {
        let wanted = ((started.elapsed().as_secs_f64() * rate) as usize).min(bytes);
        while held.len() + PAGE <= wanted {
            held.resize(held.len() + PAGE, 1_u8);
        }
        thread::sleep(LOOK_EVERY);
    }
    drop(black_box(held));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn resident_bytes() -> u64 {
        let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
        let pages: u64 = pages.split(' ').nth(1).unwrap().parse().unwrap();
        pages * rustix::param::page_size() as u64
    }

    fn cpu_seconds() -> f64 {
        let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split(' ').collect();
        (fields[12].parse::<f64>().unwrap() + fields[13].parse::<f64>().unwrap())
            / rustix::param::clock_ticks_per_second() as f64
    }

    fn until(what: &str, mut holds: impl FnMut() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !holds() {
            assert!(Instant::now() < deadline, "{what}");
            thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn leaked_memory_is_resident_and_given_back() {
        const LEAKED: u64 = 256 << 20;
        let parameters = json!({"bytes": LEAKED, "bytes_per_second": LEAKED * 16});
        let fault = Fault::of(FaultKind::MemoryLeak, &parameters).unwrap();
        let before = resident_bytes();
        let work = Work::start(&fault, Instant::now() + fault.lasts).unwrap();
        until("the memory is resident", || resident_bytes() > before + LEAKED * 9 / 10);
        assert!(resident_bytes() < before + LEAKED * 3 / 2, "more than was asked for");
        drop(work);
        until("the memory is given back", || resident_bytes() < before + LEAKED / 2);
    }

    #[test]
    fn a_busy_core_ends_by_itself() {
        let fault = Fault::of(FaultKind::CpuBurn, &json!({"cores": 1})).unwrap();
        let before = cpu_seconds();
        let _work = Work::start(&fault, Instant::now() + Duration::from_secs(60)).unwrap();
        until("a core is busy", || cpu_seconds() > before + 0.2);
        let started = Instant::now();
        burn(&Stop { over: Arc::default(), until: started + Duration::from_millis(30) });
        assert!(started.elapsed() >= Duration::from_millis(30));
        assert!(Work::start(&Fault::of(FaultKind::Latency, &json!({})).unwrap(), started).is_none());
    }
}
