//! Declarations become rules, and rules become the list of objectives.

#![allow(clippy::unwrap_used)] // a test that cannot read its input has failed

mod catalog;
mod declaration;
mod rules;
mod shipped;

/// A declaration with one objective; `fields` are lines of its entry, indented by six.
pub(crate) fn declaration(fields: &str) -> String {
    format!(
        "apiVersion: tidewatch/v1\nkind: ServiceLevelObjectives\nmetadata: {{name: shop-slos, namespace: monitoring}}\n\
         spec:\n  objectives:\n    - name: api\n      service: api\n      namespace: shop\n{fields}"
    )
}

/// The fields of an availability objective.
pub(crate) const AVAILABILITY: &str = "      objective: 99.9\n      window: 28d\n      labels: {team: core}\n      \
     availability:\n        total: hits_total{job=\"api\"}\n        failed: hits_total{job=\"api\", code=~\"5..\"}\n";
