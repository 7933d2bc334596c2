//! What sends, for each receiver of a configuration.
//!
//! Input: a configuration and its templates. Output: the integrations of a receiver by position. Each has its own limit of attempts at a
//! time and its own time until which the other side wants to be left alone, so that one that is slow, down or full delays only itself.

use crate::config::Config;
use crate::{Receiver, Templates, build};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Semaphore;
use tokio::time::Instant;

/// Attempts of one integration at a time; more wait.
const MOST_ATTEMPTS: usize = 32;

/// One way a receiver is told.
#[derive(Debug)]
pub(super) struct Integration {
    pub(super) receiver: Box<dyn Receiver>,
    pub(super) attempts: Semaphore,
    quiet_until: Mutex<Option<Instant>>,
    complaint: Mutex<Option<String>>,
}

/// The integrations of all receivers.
#[derive(Debug)]
pub(super) struct Integrations(HashMap<String, Vec<Arc<Integration>>>);

impl Integrations {
    pub(super) fn new(config: &Config, templates: &Arc<Templates>) -> Self {
        let of_receiver =
            |receiver| build(receiver, templates).into_iter().map(Integration::new).map(Arc::new);
        let receivers = config.receivers.iter();
        Self(receivers.map(|receiver| (receiver.name.clone(), of_receiver(receiver).collect())).collect())
    }

    pub(super) fn get(&self, receiver: &str, position: usize) -> Option<Arc<Integration>> {
        self.0.get(receiver)?.get(position).cloned()
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.0.values().map(Vec::len).sum()
    }
}

impl Integration {
    fn new(receiver: Box<dyn Receiver>) -> Self {
        Self {
            receiver,
            attempts: Semaphore::new(MOST_ATTEMPTS),
            quiet_until: Mutex::new(None),
            complaint: Mutex::new(None),
        }
    }

    /// Notes why a delivery failed, or that it did not; whether that is news. A receiver that is away for a night would fill the log.
    pub(super) fn is_news(&self, complaint: Option<&str>) -> bool {
        let mut last = self.complaint.lock().unwrap_or_else(PoisonError::into_inner);
        let news = last.as_deref() != complaint;
        *last = complaint.map(str::to_owned);
        news
    }

    /// Whether its last delivery failed.
    pub(super) fn is_failing(&self) -> bool {
        self.complaint.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// When the next attempt may be made.
    pub(super) fn quiet_until(&self) -> Option<Instant> {
        *self.quiet_until.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nothing is sent before this time.
    pub(super) fn be_quiet_until(&self, time: Instant) {
        let mut quiet_until = self.quiet_until.lock().unwrap_or_else(PoisonError::into_inner);
        *quiet_until = (*quiet_until).max(Some(time));
    }
}
