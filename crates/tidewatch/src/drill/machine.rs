//! Causes that are on the machine, not in a pod: memory that is taken, a volume that is filled, processes that are stopped.
//!
//! Input: thresholds, folders, the pods' processes. Output: the state of the machine that an alert is about; dropping what is returned
//! undoes it. Only processes are stopped that the drill's own stack has started.

use crate::failure::Failure;
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// How often a cause is renewed: what was stopped may have been restarted, what was taken given back.
const RENEW_EVERY: Duration = Duration::from_millis(250);
/// Memory is taken in pieces of this size: so large that each is mapped by itself and goes back at once.
const PIECE: usize = 64 << 20;
/// How far below the threshold the machine's free memory is brought.
const MARGIN: u64 = 256 << 20;

/// Work that goes on in a thread until it is dropped.
#[derive(Debug)]
pub(crate) struct Holding {
    over: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Holding {
    fn start(work: impl FnOnce(&AtomicBool) + Send + 'static) -> Result<Self, Failure> {
        let over = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&over);
        let thread = thread::Builder::new().name("drill".to_owned()).spawn(move || work(&seen));
        Ok(Self { over, thread: Some(thread.map_err(|e| Failure::from_error(&e))?) })
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // a panic there has ended the cause already
            let _ = thread.join();
        }
    }
}

/// Bytes of memory that the machine could still give.
pub(crate) fn available_memory() -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kilobytes.unwrap_or_default() * 1024
}

/// Takes memory until the machine has less than `threshold` bytes left, at most `most` bytes.
///
/// # Errors
/// When no thread can be had.
pub(crate) fn take_memory(threshold: u64, most: u64) -> Result<Holding, Failure> {
    Holding::start(move |over| {
        let mut held: Vec<Vec<u8>> = Vec::new();
        while !over.load(Ordering::Relaxed) {
            let taken = held.len() as u64 * PIECE as u64;
            if available_memory() + MARGIN > threshold && taken < most {
                held.push(vec![1; PIECE]);
            } else {
                thread::sleep(RENEW_EVERY);
            }
        }
    })
}

/// A file that takes `bytes` of a folder until it is dropped.
#[derive(Debug)]
pub(crate) struct Filler(PathBuf);

impl Filler {
    /// Writes the file.
    ///
    /// # Errors
    /// When the disk has no room for it.
    pub(crate) fn write(folder: &Path, bytes: u64) -> Result<Self, Failure> {
        let filler = Self(folder.join("drill.filler"));
        let failed = |error: &dyn std::error::Error| {
            Failure::new(format!("cannot write {bytes} bytes to {}: {error}", filler.0.display()))
                .hint("choose a disk with more room by TMPDIR")
        };
        let file = fs::File::create(&filler.0).map_err(|error| failed(&error))?;
        rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, bytes)
            .map_err(|error| failed(&error))?;
        Ok(filler)
    }
}

impl Drop for Filler {
    fn drop(&mut self) {
        // the whole folder goes at the drill's end
        let _ = fs::remove_file(&self.0);
    }
}

/// Keeps processes stopped (SIGSTOP): children of `parent` whose pod's name begins with `pods` and whose command has the word. New ones
/// are stopped too. They go on when it is dropped.
///
/// # Errors
/// When there is none at the start.
pub(crate) fn stop_processes(parent: u32, pods: &str, word: &str) -> Result<Holding, Failure> {
    if processes(parent, pods, word).is_empty() {
        return Err(Failure::new(format!("no process {word:?} of a pod {pods}* runs")));
    }
    let (pods, word) = (pods.to_owned(), word.to_owned());
    Holding::start(move |over| {
        while !over.load(Ordering::Relaxed) {
            signal_all(&processes(parent, &pods, &word), Signal::STOP);
            thread::sleep(RENEW_EVERY);
        }
        signal_all(&processes(parent, &pods, &word), Signal::CONT);
    })
}

fn signal_all(processes: &[u32], signal: Signal) {
    for process in processes.iter().filter_map(|process| Pid::from_raw(i32::try_from(*process).ok()?)) {
        // one that has ended meanwhile is none
        let _ = kill_process(process, signal);
    }
}

fn processes(parent: u32, pods: &str, word: &str) -> Vec<u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let all = entries.filter_map(|entry| entry.file_name().to_string_lossy().parse().ok());
    all.filter(|process| is_wanted(*process, parent, pods, word)).collect()
}

fn is_wanted(process: u32, parent: u32, pods: &str, word: &str) -> bool {
    let read = |file: &str| {
        let bytes = fs::read(format!("/proc/{process}/{file}")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).replace('\0', "\n")
    };
    read("status").lines().any(|line| line == format!("PPid:\t{parent}"))
        && read("cmdline").lines().any(|argument| argument == word)
        && read("environ")
            .lines()
            .any(|line| line.strip_prefix("HOSTNAME=").is_some_and(|name| name.starts_with(pods)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};
    use std::time::Instant;

    fn until(what: &str, mut holds: impl FnMut() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !holds() {
            assert!(Instant::now() < deadline, "{what}");
            thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn processes_of_a_pod_stand_still_until_the_cause_ends() {
        let mut child = Command::new("sleep")
            .arg("600")
            .env("HOSTNAME", "todo-kafka-0")
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let state = |process: u32| {
            let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
            status.lines().find_map(|line| line.strip_prefix("State:\t")).unwrap_or_default().to_owned()
        };
        let own = std::process::id();
        until("it runs its program", || !processes(own, "todo-kafka", "600").is_empty());
        assert!(stop_processes(own, "todo-backend", "600").is_err(), "of another pod");
        assert!(stop_processes(own, "todo-kafka", "700").is_err(), "with another argument");
        let holding = stop_processes(own, "todo-kafka", "600").unwrap();
        until("it is stopped", || state(child.id()).starts_with('T'));
        drop(holding);
        until("it goes on", || !state(child.id()).starts_with('T'));
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn memory_is_taken_up_to_the_bound_and_given_back() {
        let resident = || {
            let text = fs::read_to_string("/proc/self/status").unwrap();
            let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
            line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
        };
        let before = resident();
        let holding = take_memory(0, 2 * PIECE as u64).unwrap();
        until("two pieces are taken", || resident() > before + PIECE as u64 * 3 / 2);
        drop(holding);
        until("they are given back", || resident() < before + PIECE as u64);
        drop(take_memory(u64::MAX, u64::MAX).unwrap());
    }

    #[test]
    fn a_filler_takes_room_until_it_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let filler = Filler::write(folder.path(), 100_000).unwrap();
        assert_eq!(fs::metadata(&filler.0).unwrap().len(), 100_000);
        drop(filler);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
