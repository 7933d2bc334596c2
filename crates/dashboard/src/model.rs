//! A checked dashboard: what the API serves (the JSON as it was written) and what is known of its panels and variables.
//! Made by `load`; read by the HTTP layer, by `expressions` and by tests. Knows nothing of how a panel is drawn.

use serde_json::value::RawValue;

use crate::error::Source;

/// One dashboard in Grafana's classic model.
#[derive(Debug, Clone)]
pub struct Dashboard {
    pub(crate) origin: Source,
    pub(crate) uid: String,
    pub(crate) title: String,
    pub(crate) tags: Vec<String>,
    pub(crate) folder: Option<String>,
    pub(crate) json: Box<RawValue>,
    pub(crate) panels: Vec<Panel>,
    pub(crate) variables: Vec<Variable>,
}

impl Dashboard {
    /// Where it came from.
    pub fn source(&self) -> &Source {
        &self.origin
    }

    /// Its identity: 1 to 40 letters, digits, `-` and `_`.
    pub fn uid(&self) -> &str {
        &self.uid
    }

    /// Its title, not empty.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// Its tags, in the order of the file.
    pub fn tags(&self) -> &[String] {
        &self.tags
    }

    /// The folder it goes into, from the ConfigMap's annotation.
    pub fn folder(&self) -> Option<&str> {
        self.folder.as_deref()
    }

    /// The whole model as it was written, for `dashboard` in `GET /api/dashboards/uid/{uid}`.
    pub fn json(&self) -> &RawValue {
        &self.json
    }

    /// Every panel in reading order; the panels inside a collapsed row follow their row.
    pub fn panels(&self) -> &[Panel] {
        &self.panels
    }

    /// The declared variables, in the order of the file.
    pub fn variables(&self) -> &[Variable] {
        &self.variables
    }
}

/// One panel, or one row (`kind` is `row`).
#[derive(Debug, Clone, PartialEq)]
pub struct Panel {
    /// The id within the dashboard.
    pub id: i64,
    /// The title; empty when the panel shows none.
    pub title: String,
    /// The panel type: `timeseries`, `stat`, `gauge`, `table`, `row`, …
    pub kind: String,
    /// The title of the row the panel stands under.
    pub row: Option<String>,
    /// Its queries; none for a row or a text.
    pub targets: Vec<Target>,
}

/// One query of a panel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The reference letter.
    pub ref_id: String,
    /// The PromQL text with its variables, or `None` when the data source is not Prometheus.
    pub expr: Option<String>,
    /// The legend template; `None` when Grafana makes it up.
    pub legend: Option<String>,
    /// Asked for one instant rather than for the time range.
    pub instant: bool,
    /// Switched off in the dashboard.
    pub hidden: bool,
}

/// What a variable takes its options from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VariableKind {
    /// The data sources of one type.
    Datasource,
    /// A query of the data source, such as `label_values(up, job)`.
    Query,
    /// A fixed list, an interval, a constant or a free text: the options stand in the dashboard.
    Fixed,
}

/// One template variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    /// The name, as in `$name`.
    pub name: String,
    /// Where the options come from.
    pub kind: VariableKind,
    /// The query's text, the data source type, or the list as written.
    pub query: String,
    /// Several values may be chosen.
    pub multi: bool,
    /// "All" may be chosen.
    pub include_all: bool,
    /// What "All" stands for, put in as it is; without it, all options.
    pub all_value: Option<String>,
    /// The values chosen when the dashboard is opened; `$__all` for All.
    pub current: Vec<String>,
}
