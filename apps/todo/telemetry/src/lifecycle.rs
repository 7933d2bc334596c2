//! Where a process is between start and stop.
//!
//! Input: the start-up code and SIGTERM or SIGINT. Output: what `/readyz` answers and when the server begins to drain.
//! Deliberately only moves forward: a process that drains never becomes ready again.

use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};

use tokio::signal::unix::{SignalKind, signal};

use crate::{Error, Result};

const STARTING: u8 = 0;
const READY: u8 = 1;
const DRAINING: u8 = 2;

/// The phase of this process, shared by everything that serves.
#[derive(Clone, Debug, Default)]
pub struct Lifecycle(Arc<AtomicU8>);

impl Lifecycle {
    /// Starts in the phase in which `/readyz` answers 503.
    pub fn new() -> Self {
        Self::default()
    }

    /// Declares the start finished, unless draining has begun.
    pub fn ready(&self) {
        self.0.fetch_max(READY, Ordering::SeqCst);
    }

    /// Begins to drain.
    pub fn drain(&self) {
        self.0.fetch_max(DRAINING, Ordering::SeqCst);
    }

    /// Whether draining has begun.
    pub fn is_draining(&self) -> bool {
        self.0.load(Ordering::Relaxed) == DRAINING
    }

    /// Why the process takes no new work; `None` when it does.
    pub fn unready_reason(&self) -> Option<&'static str> {
        match self.0.load(Ordering::Relaxed) {
            STARTING => Some("starting: the database is being prepared"),
            READY => None,
            _ => Some("draining: this process is stopping"),
        }
    }
}

/// How this process was asked to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// SIGTERM: by an orchestrator that first has to take it out of its load balancing.
    Terminate,
    /// SIGINT: by a person who is waiting.
    Interrupt,
}

/// Prepares to wait for SIGTERM and SIGINT; each call of the result waits for the next one.
///
/// # Errors
/// [`Error::Signal`] when the handlers cannot be installed.
pub fn stop_signal() -> Result<impl AsyncFnMut() -> Stop> {
    let mut terminate = signal(SignalKind::terminate()).map_err(Error::Signal)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Error::Signal)?;
    Ok(async move || {
        tokio::select! {
            _ = terminate.recv() => Stop::Terminate,
            _ = interrupt.recv() => Stop::Interrupt,
        }
    })
}
