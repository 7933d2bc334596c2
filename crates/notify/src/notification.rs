//! What a receiver is told, and what became of the attempt.
//!
//! Made when a group is flushed; read by receivers and templates. Plain data.

use std::fmt;
use std::pin::Pin;
use std::time::Duration;
use tidewatch_model::Labels;

/// A future that can be stored.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// One way of telling someone.
pub trait Receiver: fmt::Debug + Send + Sync {
    /// The kind, e.g. `slack`.
    fn name(&self) -> &'static str;

    /// Whether resolved alerts are told too.
    fn send_resolved(&self) -> bool;

    /// Makes one attempt. The future may be dropped at any time.
    ///
    /// # Errors
    /// When the notification was not taken.
    fn notify<'a>(&'a self, notification: &'a Notification) -> BoxFuture<'a, Result<(), SendError>>;
}

/// A flush of a group for one receiver.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notification {
    /// The receiver's name.
    pub receiver: String,
    /// The group's key, e.g. `{}:{alertname="X"}`.
    pub group_key: String,
    /// The labels the group is made by.
    pub group_labels: Labels,
    /// The rendered labels of the route.
    pub route_labels: Labels,
    /// Why it is sent, e.g. `FirstNotification`.
    pub reason: NotificationReason,
    /// The alerts.
    pub alerts: Vec<NotifiedAlert>,
    /// How many more there are.
    pub truncated_alerts: u64,
    /// Where Alertmanager can be reached.
    pub external_url: String,
    /// When it is made, in milliseconds since the Unix epoch.
    pub now_ms: i64,
}

/// Why a notification is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NotificationReason {
    /// Not known.
    #[default]
    Unknown,
    /// The group is told of for the first time.
    First,
    /// Further alerts fire.
    NewAlerts,
    /// Some alerts are over.
    SomeResolved,
    /// All alerts are over.
    AllResolved,
    /// It was long ago that the group was told of.
    Repeat,
}

impl NotificationReason {
    /// As it stands in templates and webhooks.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::First => "first notification",
            Self::NewAlerts => "new alerts added",
            Self::SomeResolved => "some alerts resolved",
            Self::AllResolved => "all alerts resolved",
            Self::Repeat => "repeat interval elapsed",
        }
    }
}

/// An alert of a notification.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NotifiedAlert {
    /// Firing or resolved.
    pub status: AlertStatus,
    /// Its labels.
    pub labels: Labels,
    /// What is said of it.
    pub annotations: Labels,
    /// Since when, in milliseconds since the Unix epoch.
    pub starts_at: i64,
    /// Until when; 0 while it fires.
    pub ends_at: i64,
    /// Where its cause can be looked at.
    pub generator_url: String,
    /// Its name, 16 hexadecimal digits.
    pub fingerprint: String,
}

/// Whether an alert fires.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AlertStatus {
    /// It fires.
    #[default]
    Firing,
    /// It is over.
    Resolved,
}

impl AlertStatus {
    /// `firing` or `resolved`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Firing => "firing",
            Self::Resolved => "resolved",
        }
    }
}

/// Why an attempt failed. Holds no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SendError {
    /// What happened.
    pub message: String,
    /// Whether the same attempt may succeed later in this flush.
    pub retry: bool,
    /// How long the other side asks to be left alone.
    pub retry_after: Option<Duration>,
}

impl SendError {
    /// An error after which trying again may help.
    pub fn recoverable(message: impl Into<String>) -> Self {
        Self { message: message.into(), retry: true, retry_after: None }
    }

    /// An error that would come again.
    pub fn unrecoverable(message: impl Into<String>) -> Self {
        Self { message: message.into(), retry: false, retry_after: None }
    }
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for SendError {}
