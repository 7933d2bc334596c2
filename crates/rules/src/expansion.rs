//! The texts of an alert: its templates with what they are told.
//!
//! Input: a result, the time, the server's own labels and address. Output: expanded text; where a template fails, the failure in its
//! place, as in Prometheus. Templates are read once, when rules are loaded; a text without an action costs nothing.

use crate::context::EvaluationContext;
use crate::template::{Functions, Query, is_function, label_map};
use std::cell::OnceCell;
use std::sync::Arc;
use tidewatch_model::Labels;
use tidewatch_template::{Escape, Object, Templates, Value, print_value};

/// What stands before every template, as in Prometheus, so that its places are counted as there.
const PREAMBLE: &str = "{{$labels := .Labels}}{{$externalLabels := .ExternalLabels}}{{$externalURL := .ExternalURL}}\
                        {{$value := .Value}}";

/// What the templates of one alert are told.
pub(crate) struct Expansion<'a> {
    labels: &'a Labels,
    value: f64,
    now: i64,
    context: &'a EvaluationContext<'a>,
    data: OnceCell<Value>,
}

impl<'a> Expansion<'a> {
    pub(crate) fn new(labels: &'a Labels, value: f64, now: i64, context: &'a EvaluationContext<'a>) -> Self {
        Self { labels, value, now, context, data: OnceCell::new() }
    }

    pub(crate) fn expand(&self, template: &RuleTemplate) -> String {
        if template.is_constant() {
            return template.text.to_string();
        }
        let context = self.context;
        let make = || data(self.labels, context.external_labels, context.external_url, self.value);
        let query = |query: &str| self.query(query);
        let rendered = template.rendered(self.data.get_or_init(make), &query, self.now, context.external_url);
        rendered.unwrap_or_else(|error| {
            tracing::warn!("expanding a template of an alert failed: {error}");
            format!("<error expanding template: {error}>")
        })
    }

    /// The series of a query at the time of the evaluation.
    fn query(&self, query: &str) -> Result<Vec<(Labels, f64)>, String> {
        let expression = self.context.engine.parse(query).map_err(|error| error.to_string())?;
        let elements = self.context.query(&expression, self.now).map_err(|error| error.to_string())?;
        Ok(elements.into_iter().map(|element| (element.labels, element.sample.value)).collect())
    }
}

/// What templates see as `.`.
pub(crate) fn data(labels: &Labels, external_labels: &Labels, external_url: &str, value: f64) -> Value {
    Value::Object(Arc::new(Told {
        labels: label_map(labels),
        external_labels: label_map(external_labels),
        external_url: Value::text(external_url),
        value,
    }))
}

/// What templates see, with the fields of Prometheus's struct; another field is a mistake.
#[derive(Debug)]
struct Told {
    labels: Value,
    external_labels: Value,
    external_url: Value,
    value: f64,
}

impl Object for Told {
    fn type_name(&self) -> &'static str {
        "struct { Labels map[string]string; ExternalLabels map[string]string; ExternalURL string; Value interface {} }"
    }

    fn member(&self, name: &str, _: &[Value]) -> Option<Result<Value, String>> {
        Some(Ok(match name {
            "Labels" => self.labels.clone(),
            "ExternalLabels" => self.external_labels.clone(),
            "ExternalURL" => self.external_url.clone(),
            "Value" => Value::Float(self.value),
            _ => return None,
        }))
    }

    fn print(&self) -> String {
        let Self { labels, external_labels, external_url, value } = self;
        let value = &Value::Float(*value);
        let shown = [labels, external_labels, external_url, value].map(print_value);
        format!("{{{}}}", shown.join(" "))
    }
}

/// A template that has been read.
#[derive(Clone, Debug)]
pub(crate) struct RuleTemplate {
    text: Arc<str>,
    /// How the template is called in errors, and the set it is in; none for a text without an action.
    parsed: Option<(Arc<str>, Arc<Templates>)>,
}

impl RuleTemplate {
    /// Reads a template of an alert.
    ///
    /// # Errors
    /// Prometheus's complaint.
    pub(crate) fn parse(alert: &str, text: &str) -> Result<Self, String> {
        if !text.contains("{{") {
            return Ok(Self { text: text.into(), parsed: None });
        }
        let name = format!("__alert_{alert}");
        let mut templates = Templates::default();
        let parsed = templates.parse(&name, &format!("{PREAMBLE}{text}"), &is_function);
        parsed.map_err(|error| error.to_string())?;
        Ok(Self { text: text.into(), parsed: Some((name.into(), Arc::new(templates))) })
    }

    /// Whether it says the same of everything.
    pub(crate) fn is_constant(&self) -> bool {
        self.parsed.is_none()
    }

    /// Its text for what it is told.
    pub(crate) fn rendered(
        &self,
        data: &Value,
        query: Query<'_>,
        now: i64,
        external_url: &str,
    ) -> Result<String, String> {
        let Some((name, templates)) = &self.parsed else { return Ok(self.text.to_string()) };
        let mut functions = Functions { query, now, external_url };
        let rendered = templates.execute(name, data, &mut functions, Escape::No);
        rendered.map_err(|error| format!("error executing template {name}: {error}"))
    }
}
