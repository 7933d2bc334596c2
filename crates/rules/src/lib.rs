//! Recording and alerting rules as Prometheus 3.16 evaluates them.
//!
//! Rule files and PrometheusRules are loaded and checked into [`RuleGroup`]s ([`load_rule_file`], [`groups_of`]); a [`GroupState`]
//! evaluates one as a function of its state, the series and the time; [`Rules`] runs them all, restores what was pending before a
//! restart, and keeps the state of what a reload does not change. Telling people of alerts is the notify crate's.
//!
//! ```text
//! rule files, PrometheusRules ─► load ─► check ─► RuleGroup ─► GroupState::evaluate ─► samples ─► store
//!                                                                 ▲      └► alerts ─► AlertSink
//!                                                     Rules (moments, reload, restore)
//! ```

mod error;

mod group;
mod check;
mod load;
mod files;

mod context;
mod dependencies;
mod outputs;
mod reuse;
mod template;
mod expansion;
mod generator;
mod alert;
mod alerting;
mod evaluate;
mod restore;

mod schedule;
mod status;
mod lengths;
mod group_task;
mod live;
mod metrics;

pub use alert::{ActiveAlert, AlertState};
pub use context::EvaluationContext;
pub use error::{EvaluationError, RuleError, RuleErrors};
pub use evaluate::{GroupOutcome, GroupState, RuleHealth};
pub use files::{load_rule_files, matching_files};
pub use group::{AlertingRule, Rule, RuleGroup, RuleKind};
pub use live::{Rules, RulesDeps, RulesOptions};
pub use load::{LoadOptions, check_identities, groups_of, load_rule_file};
pub use restore::RestoreOptions;
pub use status::{GroupStatus, RuleStatus};
