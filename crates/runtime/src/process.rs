//! Starts processes, each the leader of a process group of its own and bound to the life of this process.
//!
//! Input: a [`Launch`]. Output: a [`Process`](crate::child::Process) with its pipes. All are started from one thread
//! that lives as long as the runtime: Linux sends the parent-death signal when the *thread* that forked ends, so
//! ending the thread also ends whatever is left.
//!
//! This module is allowed `unsafe` for two calls: what runs between fork and exec, and the registration of a process
//! handle with the reactor.
#![allow(unsafe_code)]

use crate::child::Process;
use crate::open_files::OpenFiles;
use rustix::process::{Signal, getppid, set_parent_process_death_signal};
use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use tokio::io::unix::AsyncFd;
use tokio::sync::oneshot;

/// What to start.
#[derive(Clone, Debug)]
pub(crate) struct Launch {
    pub(crate) program: PathBuf,
    pub(crate) args: Vec<String>,
    /// The whole environment: nothing is inherited.
    pub(crate) env: Vec<(String, OsString)>,
    pub(crate) folder: PathBuf,
}

struct Request {
    launch: Launch,
    reply: oneshot::Sender<io::Result<Process>>,
}

/// The thread that starts processes. When it is dropped, every process it started is killed by the kernel.
#[derive(Debug)]
pub(crate) struct Spawner {
    requests: mpsc::Sender<Request>,
}

impl Spawner {
    pub(crate) fn new() -> io::Result<Self> {
        let (requests, inbox) = mpsc::channel::<Request>();
        let runtime = tokio::runtime::Handle::current();
        std::thread::Builder::new().name("spawner".to_owned()).stack_size(256 << 10).spawn(move || {
            for request in inbox {
                // The pipes register with the reactor.
                let _entered = runtime.enter();
                let _ = request.reply.send(start(&request.launch));
            }
        })?;
        Ok(Self { requests })
    }

    /// Starts a process.
    pub(crate) async fn spawn(&self, launch: Launch) -> io::Result<Process> {
        let (reply, answer) = oneshot::channel();
        let ended = || io::Error::other("the runtime is ending");
        self.requests.send(Request { launch, reply }).map_err(|_| ended())?;
        answer.await.map_err(|_| ended())?
    }
}

fn start(launch: &Launch) -> io::Result<Process> {
    let parent = rustix::process::getpid();
    let files = OpenFiles::raised();
    let mut command = Command::new(&launch.program);
    command
        .args(&launch.args)
        .env_clear()
        .envs(launch.env.iter().map(|(name, value)| (name, value)))
        .current_dir(&launch.folder)
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let before_exec = move || {
        files.restore()?;
        set_parent_process_death_signal(Some(Signal::KILL))?;
        // The parent may have died before the line above: then nobody is left to send the signal.
        if getppid() == Some(parent) { Ok(()) } else { Err(io::Error::from(io::ErrorKind::BrokenPipe)) }
    };
    // SAFETY: the closure makes three system calls (prlimit, prctl, getppid) and builds an `io::Error` without allocation, which
    // is allowed between fork and exec of a multi-threaded process; it touches no memory shared with other threads.
    unsafe { command.pre_exec(before_exec) };
    Process::adopt(command.spawn()?)
}

/// Registers the handle of a process with the reactor, which tells when the process has ended.
pub(crate) fn watch_end(handle: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: the descriptor is owned by the value that is returned, which gives out shared references only: it stays
    // open and the same for as long as it is registered.
    let registered = unsafe { AsyncFd::register(handle) };
    registered.map_err(io::Error::from)
}
