//! What the server asks of rules and of whoever tells people, each behind a trait so that routes are tested without them.
//!
//! Input: handles of the rules and notify crates, which implement these traits here with their own methods of the same names. Output:
//! snapshots for the routes. Nothing here keeps state or waits.

use tidewatch_notify::{Alertmanagers, Sender};
use tidewatch_rules::{GroupStatus, Rules};

/// The rules that are in force.
pub trait RuleGroups: Send + Sync {
    /// How all groups are doing, in order of file and name.
    fn groups(&self) -> Vec<GroupStatus>;
}

impl RuleGroups for Rules {
    fn groups(&self) -> Vec<GroupStatus> {
        self.groups()
    }
}

/// Where alerts are sent.
pub trait AlertTargets: Send + Sync {
    /// The Alertmanagers that alerts go to, and those that relabeling dropped, as URLs.
    fn alertmanagers(&self) -> Alertmanagers;
}

impl AlertTargets for Sender {
    fn alertmanagers(&self) -> Alertmanagers {
        self.alertmanagers()
    }
}
