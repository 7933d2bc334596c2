//! What the API knows of a kind of objects: names, columns, selectable fields, and where its objects come from.
//!
//! Input: one constant per kind, in the kind's own module. Output: what discovery tells of it, and what lists and tables
//! are made with. A new kind is a module with a [`Kind`] and a line in `KINDS`.

use super::status::Status;
use crate::SharedState;
use serde_json::Value;

/// A kind of objects that is served.
pub(super) struct Kind {
    /// The API group; empty for the core group.
    pub(super) group: &'static str,
    pub(super) version: &'static str,
    /// The name of the type, e.g. `Pod`.
    pub(super) name: &'static str,
    /// The name in addresses, e.g. `pods`.
    pub(super) plural: &'static str,
    pub(super) singular: &'static str,
    pub(super) short_names: &'static [&'static str],
    /// `all` where `kubectl get all` shows it.
    pub(super) categories: &'static [&'static str],
    pub(super) namespaced: bool,
    /// Subresources that are served: name and type.
    pub(super) subresources: &'static [(&'static str, &'static str)],
    /// What can be selected by, besides name and namespace.
    pub(super) fields: &'static [&'static str],
    pub(super) columns: &'static [Column],
    /// The cells of an object's row, in the order of the columns; `now` is in milliseconds since the Unix epoch.
    pub(super) row: fn(object: &Value, now: i64) -> Vec<Value>,
    /// All objects there are now, without `kind` and `apiVersion`.
    pub(super) objects: fn(&SharedState) -> Result<Vec<Value>, Status>,
}

/// A column of a table. All say that they are texts, as upstream's do; cells may be numbers nevertheless.
pub(super) struct Column {
    pub(super) name: &'static str,
    /// Shown only with `-o wide`.
    pub(super) wide: bool,
}

impl Column {
    pub(super) const fn text(name: &'static str) -> Self {
        Self { name, wide: false }
    }

    pub(super) const fn wide(name: &'static str) -> Self {
        Self { name, wide: true }
    }
}

impl Kind {
    /// `v1`, `apps/v1`.
    pub(super) fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.to_owned()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    /// The name in messages, e.g. `pods` or `deployments.apps`.
    pub(super) fn resource(&self) -> String {
        if self.group.is_empty() { self.plural.to_owned() } else { format!("{}.{}", self.plural, self.group) }
    }

    /// The address of its group and version.
    pub(super) fn base(&self) -> String {
        if self.group.is_empty() {
            format!("/api/{}", self.version)
        } else {
            format!("/apis/{}/{}", self.group, self.version)
        }
    }
}
