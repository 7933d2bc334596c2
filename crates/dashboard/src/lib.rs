//! Grafana dashboards as they lie in Kubernetes ConfigMaps: read, checked, and taken apart into PromQL expressions.
//!
//! Input: the `data` of ConfigMaps that carry the label [`DASHBOARD_LABEL`], as text (whoever read the manifest hands it
//! over). Output: [`Dashboard`]s in a [`Catalog`] for the Grafana API of the UI, and every panel's [`Expression`], with
//! its variables put in as Grafana would, for `verify` and for tests.
//!
//! Deliberately not here: drawing (the UI's), running queries, reading YAML, and dashboards that are not the classic
//! bare model: those are refused with the way to turn them into one.

mod catalog;
mod configmap;
mod error;
mod expressions;
mod interpolate;
mod load;
mod model;
mod values;

pub use catalog::Catalog;
pub use configmap::{
    DASHBOARD_LABEL, DASHBOARD_LABEL_VALUE, FOLDER_ANNOTATION, is_dashboard, load_configmap,
};
pub use error::{Error, Source};
pub use expressions::Expression;
pub use interpolate::interpolate;
pub use model::{Dashboard, Panel, Target, Variable, VariableKind};
pub use values::{Choice, Span, Values};
