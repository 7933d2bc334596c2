//! Service level objectives: a declaration becomes recording rules, alerts and series of the error budget.
//!
//! Input: a declaration ([`Declaration::parse`]) or rules that were made of one ([`slos_of`]). Output: rules as plain
//! values ([`expand`]) and as the text of a PrometheusRule ([`prometheus_rule`]); the list of objectives as a server
//! tells it ([`Slo`]). Everything is a function of its input: no file is read or written, nothing is evaluated.

mod percentage;
mod indicator;
mod objective;
mod declaration;

mod windows;
mod recordings;
mod alerts;
mod expand;
mod yaml;

mod catalog;

pub use alerts::{FAST_BURN, SLOW_BURN};
pub use catalog::{RuleView, Slo, SloSeries, slos_of};
pub use declaration::Declaration;
pub use expand::{GeneratedGroup, GeneratedRule, RuleName, expand};
pub use indicator::{Indicator, SloKind};
pub use objective::Objective;
pub use percentage::Percentage;
pub use windows::INDICATOR_WINDOWS;
pub use yaml::prometheus_rule;
