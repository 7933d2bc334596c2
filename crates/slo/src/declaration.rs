//! A file of objectives.
//!
//! Input: its text. Output: a [`Declaration`], or every mistake with line, field and remedy.
//!
//! ```yaml
//! apiVersion: tidewatch/v1
//! kind: ServiceLevelObjectives
//! metadata: { name: shop-slos, namespace: monitoring, labels: { prometheus: kube-prometheus } }
//! spec:
//!   interval: 30s                                  # between evaluations; 30s if left out
//!   objectives:
//!     - name: api-availability                     # label slo
//!       description: Requests are answered without a server error.
//!       service: api                               # labels service and namespace
//!       namespace: shop
//!       objective: 99.5                            # percent of good events
//!       window: 7d                                 # at most as long as samples are kept
//!       minimumFailures: 5                         # in an alert's long window; 5 if left out
//!       availability:
//!         total: http_requests_total{job="api"}    # counters, as series selectors
//!         failed: http_requests_total{job="api", status=~"5.."}
//!     - name: api-latency
//!       …
//!       latency:
//!         histogram: http_request_duration_seconds{job="api"}
//!         threshold: 500ms                         # the bound of a bucket
//! ```

use crate::objective::Objective;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tidewatch_manifest::ManifestError;
use tidewatch_manifest::reading::{Fields, duration, read_settings_file, text_map};

/// The version of the declaration.
const API_VERSION: &str = "tidewatch/v1";
/// Its kind.
const KIND: &str = "ServiceLevelObjectives";
/// How often rules are evaluated where nothing is said.
const INTERVAL: Duration = Duration::from_secs(30);

/// Objectives that become one PrometheusRule.
#[derive(Clone, Debug, PartialEq)]
pub struct Declaration {
    /// The PrometheusRule's name.
    pub name: String,
    /// Its namespace; empty for none.
    pub namespace: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Time between evaluations: whole seconds, at most a minute.
    pub interval: Duration,
    /// The objectives, in order.
    pub objectives: Vec<Objective>,
}

impl Declaration {
    /// Reads the text of `file`.
    ///
    /// # Errors
    /// All mistakes, each with its place and a remedy.
    pub fn parse(file: &str, text: &str) -> Result<Self, Vec<ManifestError>> {
        read_settings_file(file, text, false, read).map(|(declaration, _)| declaration)
    }
}

fn read(fields: &Fields<'_>) -> Declaration {
    for (key, expected) in [("apiVersion", API_VERSION), ("kind", KIND)] {
        let found = fields.required_text(key);
        if !found.is_empty() && found != expected {
            fields.wrong(key, format!("{found:?} is not supported"), &format!("write {key}: {expected}"));
        }
    }
    let mut declaration = Declaration {
        name: String::new(),
        namespace: String::new(),
        labels: BTreeMap::new(),
        interval: INTERVAL,
        objectives: Vec::new(),
    };
    if let Some(metadata) = fields.required_section("metadata") {
        declaration.name = metadata.required_text("name");
        declaration.namespace = metadata.text("namespace").unwrap_or_default();
        declaration.labels = text_map(&metadata, "labels");
        metadata.finish();
    }
    if let Some(spec) = fields.required_section("spec") {
        read_spec(&spec, &mut declaration);
        spec.finish();
    }
    declaration
}

fn read_spec(spec: &Fields<'_>, declaration: &mut Declaration) {
    if let Some(interval) = duration(spec, "interval") {
        if interval.subsec_nanos() != 0 || interval.is_zero() || interval > Duration::from_secs(60) {
            // the shortest window, 5 minutes, needs several points
            spec.wrong("interval", "must be whole seconds, from 1s to 1m", "leave it out for 30s");
        }
        declaration.interval = interval;
    }
    if spec.required_list_is_empty("objectives") {
        return;
    }
    let mut names = BTreeSet::new();
    for entry in spec.list("objectives") {
        let Some(objective) = Objective::read(&entry) else { continue };
        if !names.insert(objective.name.clone()) {
            let message = format!("a second objective is named {:?}", objective.name);
            entry.wrong("name", message, "rename one of the two");
        }
        declaration.objectives.push(objective);
    }
}
