//! From alerts to messages that someone reads, as Alertmanager 0.34 does it.
//!
//! A [`Config`] says who is told of what. An [`Alertmanager`] takes alerts, keeps silences and a log of notifications across restarts, and
//! tells the receivers; a [`Simulation`] takes the same decisions in virtual time. A [`Sender`] passes alerts on to other Alertmanagers.
//!
//! ```text
//! alerts ─► merged ─► routes ─► groups ─► inhibited? muted? silenced? ─► told before? ─► receivers
//!                                                       silences ┘   notification log ┘
//! ```

mod error;
mod fingerprint;
mod matchers;

mod config;
mod time_interval;
mod route;

mod alerts;
mod dispatcher;
mod inhibition;
mod silences;
mod notification_log;
mod engine;

mod journal;
mod storage;

mod backoff;
mod history;

mod notification;
mod template;

mod receivers;

mod alertmanager;

mod simulation;

mod sender;

pub use alertmanager::{
    AlertFilter, AlertView, AlertViewState, Alertmanager, AlertmanagerOptions, GroupFilter, GroupView,
    ReceiverView, SilenceFilter, SilenceView, Status,
};
pub use alerts::{AlertProblem, StoredAlert};
pub use config::{Config, GroupBy, InhibitRule, RouteConfig};
pub use error::{ConfigErrors, NotifyError};
pub use fingerprint::fingerprint;
pub use history::{NotificationRecord, Outcome};
pub use matchers::{Matchers, parse_matcher, parse_matchers};
pub use notification::{
    AlertStatus, BoxFuture, Notification, NotificationReason, NotifiedAlert, Receiver, SendError,
};
pub use receivers::{
    Defaults, DiscordConfig, EmailConfig, IntegrationConfig, MsTeamsConfig, MsTeamsV2Config, PagerdutyConfig,
    ReceiverConfig, SlackAction, SlackAttachment, SlackConfig, SlackConfirmation, SlackField, SmtpDefaults,
    Threading, WebhookConfig, build, variable_of,
};
pub use route::{Route, Routes};
pub use sender::{Alertmanagers, Sender, SenderOptions};
pub use silences::{Silence, SilenceState};
pub use simulation::{Attempt, Reply, SimulatedAttempt, Simulation};
pub use template::Templates;
pub use time_interval::{TimeInterval, TimeIntervals};
