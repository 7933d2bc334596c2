//! From alerts to messages that someone reads, as Alertmanager 0.34 does it.

mod notification;
mod template;

mod receivers;

mod sender;

pub use notification::{
    AlertStatus, BoxFuture, Notification, NotificationReason, NotifiedAlert, Receiver, SendError,
};
pub use receivers::{
    Defaults, DiscordConfig, EmailConfig, IntegrationConfig, MsTeamsConfig, MsTeamsV2Config, PagerdutyConfig,
    ReceiverConfig, SlackAction, SlackAttachment, SlackConfig, SlackConfirmation, SlackField, SmtpDefaults,
    Threading, WebhookConfig, build, variable_of,
};
pub use sender::{Alertmanagers, Sender, SenderOptions};
pub use template::Templates;
