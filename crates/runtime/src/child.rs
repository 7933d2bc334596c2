//! A running process: waiting for its end, signals to it and its group, its pipes.
//!
//! Input: a child of this process that leads its own group. Output: how it ended. When the leader ends, the rest of
//! its group is killed before the leader is reaped, as the end of the first process of a container ends the others.

use crate::process::watch_end;
use rustix::io::Errno;
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, kill_process, kill_process_group, pidfd_open, waitid,
};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::process::Child;
use std::sync::{Mutex, PoisonError};
use tokio::io::unix::AsyncFd;
use tokio::net::unix::pipe;

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// With an exit code.
    Code(i32),
    /// By a signal.
    Signal(i32),
}

impl Ended {
    /// The exit code as a shell gives it: 128 and the signal's number after a signal.
    pub(crate) fn exit_code(self) -> i32 {
        match self {
            Self::Code(code) => code,
            Self::Signal(signal) => 128 + signal,
        }
    }

    pub(crate) fn signal(self) -> Option<i32> {
        match self {
            Self::Code(_) => None,
            Self::Signal(signal) => Some(signal),
        }
    }
}

/// A process and its group.
#[derive(Debug)]
pub(crate) struct Process {
    pid: Pid,
    handle: AsyncFd<OwnedFd>,
    /// While this is none, the pid is not used for another process.
    ended: Mutex<Option<Ended>>,
    pipes: Mutex<Option<(pipe::Receiver, pipe::Receiver)>>,
}

impl Process {
    /// Takes over a child that was just started with both outputs piped.
    pub(crate) fn adopt(mut child: Child) -> io::Result<Self> {
        let pid = i32::try_from(child.id())
            .ok()
            .and_then(Pid::from_raw)
            .ok_or_else(|| io::Error::other("no pid"))?;
        let take = |fd: Option<OwnedFd>| {
            fd.ok_or_else(|| io::Error::other("output is not piped")).and_then(pipe::Receiver::from_owned_fd)
        };
        let adopted = (|| {
            let out = take(child.stdout.take().map(OwnedFd::from))?;
            let err = take(child.stderr.take().map(OwnedFd::from))?;
            let handle = watch_end(pidfd_open(pid, PidfdFlags::NONBLOCK)?)?;
            Ok((out, err, handle))
        })();
        match adopted {
            Ok((out, err, handle)) => {
                Ok(Self { pid, handle, ended: Mutex::default(), pipes: Mutex::new(Some((out, err))) })
            }
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                Err(error)
            }
        }
    }

    /// The number of the process and of its group.
    pub(crate) fn id(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// Standard output and standard error, once.
    pub(crate) fn take_pipes(&self) -> Option<(pipe::Receiver, pipe::Receiver)> {
        self.pipes.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Waits for the end, kills what is left of the group, and reaps the process. May be called again.
    pub(crate) async fn wait(&self) -> io::Result<Ended> {
        loop {
            let mut ready = self.handle.readable().await?;
            if let Some(ended) = self.reap()? {
                return Ok(ended);
            }
            ready.clear_ready();
        }
    }

    fn reap(&self) -> io::Result<Option<Ended>> {
        let mut known = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        if known.is_some() {
            return Ok(*known);
        }
        let id = || WaitId::PidFd(self.handle.get_ref().as_fd());
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        if waitid(id(), look)?.is_none() {
            return Ok(None);
        }
        // The leader is a zombie now and keeps the group's number from being used again.
        let _ = kill_process_group(self.pid, Signal::KILL);
        let Some(status) = waitid(id(), WaitIdOptions::EXITED)? else { return Ok(None) };
        let ended = match (status.exit_status(), status.terminating_signal()) {
            (Some(code), _) => Ended::Code(code),
            (None, Some(signal)) => Ended::Signal(signal),
            (None, None) => Ended::Signal(Signal::KILL.as_raw()),
        };
        *known = Some(ended);
        Ok(Some(ended))
    }

    /// Asks the process to end; its group is told nothing, like the processes beside the first one of a container.
    pub(crate) fn terminate(&self) {
        self.unless_ended(|pid| kill_process(pid, Signal::TERM));
    }

    /// Kills the process and its group.
    pub(crate) fn kill(&self) {
        self.unless_ended(|pid| kill_process_group(pid, Signal::KILL));
    }

    fn unless_ended(&self, signal: impl Fn(Pid) -> Result<(), Errno>) {
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        if ended.is_none() {
            // The only failure is that it has ended meanwhile, which `wait` will tell.
            let _ = signal(self.pid);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if self.ended.get_mut().unwrap_or_else(PoisonError::into_inner).is_none() {
            // SIGKILL was just sent, so this does not take long.
            let _ = waitid(WaitId::PidFd(self.handle.get_ref().as_fd()), WaitIdOptions::EXITED);
        }
    }
}
