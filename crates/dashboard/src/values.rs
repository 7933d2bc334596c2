//! What a dashboard is asked for: the time range, the step, and the values chosen for its variables.
//! Input: a caller's choice, or the dashboard's own defaults. Output: read by `interpolate`. Does not ask a data source
//! for a variable's options: who wants "All" without an `allValue` brings them. Used with `expressions` and `interpolate`, by
//! the tests that hold shipped dashboards to their promises; meant for `verify`.

use std::collections::BTreeMap;

use crate::model::{Dashboard, Variable};

/// The value that stands for "All" in a dashboard's JSON.
pub(crate) const ALL: &str = "$__all";

/// The choice for one variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// One value of a variable that takes only one.
    One(String),
    /// Values of a variable that takes several (it may be one).
    Many(Vec<String>),
    /// A text that goes in as it is, such as an `allValue`.
    Verbatim(String),
}

/// The time side of a query, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Start of the range, milliseconds since the epoch.
    pub from_ms: i64,
    /// End of the range, milliseconds since the epoch, not before the start.
    pub to_ms: i64,
    /// Step between the points, above 0.
    pub interval_ms: i64,
    /// How often the targets are scraped, above 0 (the data source's `timeInterval`).
    pub scrape_interval_ms: i64,
}

impl Span {
    /// `$__rate_interval`: at least four scrapes, and a scrape more than the step.
    pub fn rate_interval_ms(&self) -> i64 {
        (self.interval_ms + self.scrape_interval_ms).max(4 * self.scrape_interval_ms)
    }
}

/// Everything an expression's variables can stand for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Values {
    /// The time range and step.
    pub span: Span,
    /// The choice for each variable, by name.
    pub chosen: BTreeMap<String, Choice>,
}

impl Values {
    /// The values that a dashboard opens with: each variable's `current`. "All" is the variable's `allValue`, or else what
    /// `options` returns for it. A variable with neither has no value.
    pub fn defaults(dashboard: &Dashboard, span: Span, options: impl Fn(&Variable) -> Vec<String>) -> Self {
        let choice = |variable: &Variable| {
            let all = variable.current.iter().any(|value| value == ALL);
            match (&variable.all_value, variable.current.as_slice()) {
                (Some(text), _) if all => Some(Choice::Verbatim(text.clone())),
                (None, _) if all => Some(Choice::Many(options(variable))),
                (_, []) => None,
                (_, [one]) if !variable.multi && !variable.include_all => Some(Choice::One(one.clone())),
                (_, many) => Some(Choice::Many(many.to_vec())),
            }
        };
        let variables = dashboard.variables().iter();
        let chosen = variables.filter_map(|v| Some((v.name.clone(), choice(v)?))).collect();
        Self { span, chosen }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Source;

    #[test]
    fn the_rate_interval_covers_four_scrapes_and_one_more_than_the_step() {
        let check = |interval_ms, scrape_interval_ms, expected| {
            let span = Span { from_ms: 0, to_ms: 0, interval_ms, scrape_interval_ms };
            assert_eq!(span.rate_interval_ms(), expected);
        };
        check(15_000, 30_000, 120_000);
        check(90_000, 30_000, 120_000);
        check(300_000, 30_000, 330_000);
    }

    #[test]
    fn a_dashboard_opens_with_its_current_values() {
        let list = r#"[{"name":"ns","type":"query","current":{"value":"prod"}},
            {"name":"job","multi":true,"includeAll":true,"allValue":".*","current":{"value":["$__all"]}},
            {"name":"pod","multi":true,"includeAll":true,"current":{"value":"$__all"}},
            {"name":"one","multi":true,"current":{"value":["x"]}},{"name":"none","current":{}}]"#;
        let json = format!(
            r#"{{"uid":"a","title":"b","panels":[{{"id":1,"type":"text"}}],"templating":{{"list":{list}}}}}"#
        );
        let origin = Source { file: "".into(), configmap: "".into(), key: "".into() };
        let dashboard = Dashboard::parse(origin, None, &json).unwrap();
        let span = Span { from_ms: 0, to_ms: 1, interval_ms: 1, scrape_interval_ms: 1 };
        let chosen =
            Values::defaults(&dashboard, span, |variable| vec![variable.name.clone(), "p2".into()]).chosen;
        assert_eq!(chosen["ns"], Choice::One("prod".into()));
        assert_eq!(chosen["job"], Choice::Verbatim(".*".into()));
        assert_eq!(chosen["pod"], Choice::Many(vec!["pod".into(), "p2".into()]));
        assert_eq!(chosen["one"], Choice::Many(vec!["x".into()]));
        assert!(!chosen.contains_key("none"));
    }
}
