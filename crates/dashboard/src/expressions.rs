//! Every PromQL expression of a dashboard with the panel it belongs to, so that all of them can be parsed, run and
//! reported on. Input: a [`Dashboard`]. Output: [`Expression`]s in reading order. Runs nothing itself. Used by the tests that
//! hold shipped dashboards to their promises, and meant for `verify`; nothing that serves needs it.

use crate::error::Error;
use crate::interpolate::interpolate;
use crate::model::Dashboard;
use crate::values::Values;

/// One query of one panel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expression {
    /// The panel's id.
    pub panel_id: i64,
    /// The panel's title.
    pub panel: String,
    /// The panel's type.
    pub panel_kind: String,
    /// The query's reference letter.
    pub ref_id: String,
    /// The text as written, with its variables.
    pub text: String,
    /// Asked for one instant rather than for the time range.
    pub instant: bool,
}

impl Expression {
    /// The PromQL that Grafana would send for these values.
    ///
    /// # Errors
    /// See [`interpolate`].
    pub fn interpolated(&self, values: &Values) -> Result<String, Error> {
        interpolate(&self.text, values)
    }
}

impl Dashboard {
    /// Every Prometheus query of every panel that is not switched off, those in collapsed rows included.
    pub fn expressions(&self) -> Vec<Expression> {
        let of_panels =
            self.panels.iter().flat_map(|panel| panel.targets.iter().map(move |target| (panel, target)));
        of_panels
            .filter(|(_, target)| !target.hidden)
            .filter_map(|(panel, target)| {
                Some(Expression {
                    panel_id: panel.id,
                    panel: panel.title.clone(),
                    panel_kind: panel.kind.clone(),
                    ref_id: target.ref_id.clone(),
                    text: target.expr.clone()?,
                    instant: target.instant,
                })
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Source;

    #[test]
    fn all_panels_are_visited_and_hidden_queries_left_out() {
        let json = r#"{"uid":"a","title":"b","panels":[
            {"id":1,"type":"row","title":"r","collapsed":true,"panels":[
                {"id":2,"type":"stat","title":"inner","targets":[{"refId":"A","expr":"up","instant":true}]}]},
            {"id":3,"type":"timeseries","title":"outer","targets":[
                {"refId":"A","expr":"a","hide":true},{"refId":"B","expr":"b"}]}]}"#;
        let origin = Source { file: "".into(), configmap: "".into(), key: "".into() };
        let all = Dashboard::parse(origin, None, json).unwrap().expressions();
        let found: Vec<_> = all.iter().map(|e| (&*e.panel, &*e.ref_id, &*e.text, e.instant)).collect();
        assert_eq!(found, [("inner", "A", "up", true), ("outer", "B", "b", false)]);
    }
}
