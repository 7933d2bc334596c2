//! One alert of a rule: its state, and how it changes from one evaluation to the next.
//!
//! Input: whether the rule's expression holds for its labels, and the time. Output: the state, and when it has to be sent. All of it
//! is arithmetic on times; the rule that owns the alert is in [`crate::alerting`].

use tidewatch_model::Labels;

/// How long a resolved alert is kept and sent again, in milliseconds.
const RESOLVED_RETENTION: i64 = 15 * 60 * 1000;

/// The state of an alert, and of a rule: that of its most urgent alert.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AlertState {
    /// The rule has not been evaluated yet.
    #[default]
    Unknown,
    /// The expression does not hold.
    Inactive,
    /// The expression holds, but not for long enough.
    Pending,
    /// The expression has held for long enough.
    Firing,
}

impl AlertState {
    /// Its name in the API and in the label `alertstate`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Inactive => "inactive",
            Self::Pending => "pending",
            Self::Firing => "firing",
        }
    }
}

/// An alert as it stands; times in milliseconds since the Unix epoch.
#[derive(Clone, Debug, PartialEq)]
pub struct ActiveAlert {
    /// What identifies it, `alertname` included; external labels are not in it.
    pub labels: Labels,
    /// What is said of it, as of the last evaluation in which the expression held.
    pub annotations: Labels,
    /// Pending or firing; inactive for the time it is kept after it was resolved.
    pub state: AlertState,
    /// The expression's value when it held last.
    pub value: f64,
    /// Since when the expression holds.
    pub active_at: i64,
    /// Since when it fires or fired.
    pub fired_at: Option<i64>,
    /// When it was resolved.
    pub resolved_at: Option<i64>,
    /// When it was sent last.
    pub last_sent_at: Option<i64>,
    /// Since when it fires only because of `keep_firing_for`.
    pub keep_firing_since: Option<i64>,
}

/// The durations of a rule, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Durations {
    pub(crate) hold_for: i64,
    pub(crate) keep_firing_for: i64,
}

/// What is to become of an alert after an evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is pending or firing.
    Active,
    /// It is resolved and kept for a while.
    Resolved,
    /// It is forgotten.
    Forgotten,
}

impl ActiveAlert {
    /// An alert whose expression begins to hold.
    pub(crate) fn new(labels: Labels, annotations: Labels, value: f64, now: i64) -> Self {
        Self {
            labels,
            annotations,
            state: AlertState::Pending,
            value,
            active_at: now,
            fired_at: None,
            resolved_at: None,
            last_sent_at: None,
            keep_firing_since: None,
        }
    }

    /// Brings the state up to date: `holds` says whether the expression does at `now`.
    pub(crate) fn advance(&mut self, holds: bool, now: i64, durations: Durations) -> Fate {
        if holds {
            self.keep_firing_since = None;
        } else if !self.is_kept_firing(now, durations.keep_firing_for) {
            return self.end(now);
        }
        let held = now.saturating_sub(self.active_at);
        if self.state == AlertState::Pending && held >= durations.hold_for {
            self.state = AlertState::Firing;
            self.fired_at = Some(now);
        }
        // a rule that was reloaded with a longer `for`, or a restored alert that was not active for long enough
        if self.state == AlertState::Firing && held < durations.hold_for {
            self.state = AlertState::Pending;
            self.fired_at = None;
            self.last_sent_at = None;
            self.keep_firing_since = None;
        }
        Fate::Active
    }

    fn is_kept_firing(&mut self, now: i64, keep_firing_for: i64) -> bool {
        if self.state != AlertState::Firing || keep_firing_for <= 0 {
            return false;
        }
        now.saturating_sub(*self.keep_firing_since.get_or_insert(now)) < keep_firing_for
    }

    fn end(&mut self, now: i64) -> Fate {
        let outlived = |resolved: i64| now.saturating_sub(resolved) > RESOLVED_RETENTION;
        if self.state == AlertState::Pending || self.resolved_at.is_some_and(outlived) {
            return Fate::Forgotten;
        }
        if self.state != AlertState::Inactive {
            self.state = AlertState::Inactive;
            self.resolved_at = Some(now);
        }
        Fate::Resolved
    }

    /// Whether it has to be sent at `now`; firing ones are sent again after `resend_delay` milliseconds.
    pub(crate) fn needs_sending(&self, now: i64, resend_delay: i64) -> bool {
        if self.state == AlertState::Pending {
            return false;
        }
        let Some(sent) = self.last_sent_at else { return true };
        self.resolved_at.is_some_and(|resolved| resolved > sent) || sent.saturating_add(resend_delay) < now
    }
}
