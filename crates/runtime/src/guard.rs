//! The guard: a small process that outlives this one by a moment and kills what it left behind.
//!
//! Input: a pipe from tidewatch with the numbers of process groups; it ends when tidewatch ends, however it does.
//! Output: no process of the instance is left. Children die of the parent-death signal already; the guard is for their
//! children: it kills the groups, and every process that carries the instance's mark in its environment, which also
//! finds those that left their group. What drops the mark *and* leaves the group cannot be found.
//!
//! ```text
//! +4711\n    a group is there
//! -4711\n    it is gone
//! ```

use crate::procfs;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use std::collections::HashSet;
use std::io::{BufRead, Write};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Mutex, PoisonError};

/// The variable that marks every process of an instance.
pub(crate) const INSTANCE_VARIABLE: &str = "TIDEWATCH_INSTANCE";

/// How to start the guard: the program must call [`run_guard`] with the last argument, which is added here.
#[derive(Clone, Debug)]
pub struct GuardCommand {
    /// The program, usually the own executable.
    pub program: PathBuf,
    /// Its arguments in front of the instance's id.
    pub args: Vec<String>,
}

/// The running guard.
#[derive(Debug)]
pub(crate) struct Guard {
    child: Mutex<(Child, Option<ChildStdin>)>,
}

impl Guard {
    pub(crate) fn start(command: &GuardCommand, instance: &str) -> std::io::Result<Self> {
        let mut child = Command::new(&command.program)
            .args(&command.args)
            .arg(instance)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .process_group(0)
            .spawn()?;
        let pipe = child.stdin.take();
        Ok(Self { child: Mutex::new((child, pipe)) })
    }

    pub(crate) fn add(&self, group: u32) {
        self.tell(&format!("+{group}\n"));
    }

    pub(crate) fn remove(&self, group: u32) {
        self.tell(&format!("-{group}\n"));
    }

    fn tell(&self, line: &str) {
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pipe) = &mut child.1 {
            // A guard that was killed is no reason to stop: the kernel still ends the children.
            let _ = pipe.write_all(line.as_bytes());
        }
    }

    /// Lets the guard do its work and waits for its end.
    pub(crate) fn finish(&self) {
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        child.1 = None;
        let _ = child.0.wait();
    }
}

/// The guard's whole life: reads groups from standard input until it ends, then kills what is left of the instance.
/// To be called by the program that [`GuardCommand`] names.
pub fn run_guard(instance: &str) {
    let mut groups = HashSet::new();
    for line in std::io::stdin().lock().lines() {
        let Ok(line) = line else { break };
        let (sign, number) = line.split_at(line.len().min(1));
        let Some(group) = number.parse().ok().and_then(Pid::from_raw) else { continue };
        if sign == "+" {
            groups.insert(group)
        } else {
            groups.remove(&group)
        };
    }
    for group in &groups {
        let _ = kill_process_group(*group, Signal::KILL);
    }
    kill_marked(&format!("{INSTANCE_VARIABLE}={instance}"));
}

/// Kills every process whose environment has this entry, until there is none; a process may fork meanwhile, so it
/// looks again, but not for ever.
pub(crate) fn kill_marked(entry: &str) {
    for _ in 0..20 {
        let left = procfs::processes_with_variable(entry);
        let own = std::process::id();
        let left: Vec<u32> = left.into_iter().filter(|pid| *pid != own).collect();
        if left.is_empty() {
            return;
        }
        for pid in left {
            if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}
