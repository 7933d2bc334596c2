//! Groups of targets: what discovery finds and scraping uses.

use crate::Labels;

/// Targets from one source, before relabeling.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TargetGroup {
    /// Where they come from, e.g. a file's path or `endpoints/todo-app-prod/todo-backend`; unique within a job.
    pub source: String,
    /// Labels that all targets of the group have, `__meta_*` included.
    pub labels: Labels,
    /// The labels of each target; `__address__` is its host and port.
    pub targets: Vec<Labels>,
}
