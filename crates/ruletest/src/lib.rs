//! Unit tests of rules in the format of promtool 3.16.
//!
//! A test file names rule files, series and what is expected; [`run_file`] evaluates the rules over these series in the tests' own time
//! and says what differs. [`load_rules`] also takes PrometheusRules, so that what a cluster is given is what is tested. Printing is the
//! caller's.
//!
//! ```text
//! test file ─► file ─► series, values ─► store ─► GroupState::evaluate ─► expectation ─► FileResult
//!                └──► rule_files ─► RuleGroup ────────────┘
//! ```

mod error;

mod file;
mod values;
mod series;
mod rule_files;

mod store;
mod run;
mod expectation;
mod shown;

pub use error::RuleTestError;
pub use rule_files::{LoadedRules, load_rules};
pub use run::{FileResult, RunOptions, TestResult, run_file};
