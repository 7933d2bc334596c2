//! Summaries: quantiles that a stage has worked out itself, with a sum and a count.
//!
//! Input: a function that gives them at a scrape. Output: their text, which is the same in both formats.
//! `prometheus-client` has no summaries, as they cannot be aggregated; these exist for metrics that Prometheus has as
//! summaries, such as `prometheus_target_interval_length_seconds`.

use std::fmt::Write;

/// One summary of a family.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Summary {
    /// Its labels.
    pub labels: Vec<(&'static str, String)>,
    /// Quantiles, from 0 to 1, and their values.
    pub quantiles: Vec<(f64, f64)>,
    /// The sum of all values.
    pub sum: f64,
    /// How many values there were.
    pub count: u64,
}

/// A family of summaries, observed at a scrape.
pub(crate) struct SummaryFamily {
    pub(crate) name: String,
    pub(crate) help: String,
    pub(crate) observe: Box<dyn Fn() -> Vec<Summary> + Send + Sync>,
}

impl SummaryFamily {
    pub(crate) fn encode(&self, out: &mut String) {
        let Self { name, help, .. } = self;
        out.push_str(&format!("# HELP {name} {help}.\n# TYPE {name} summary\n"));
        for summary in (self.observe)() {
            for (quantile, value) in &summary.quantiles {
                sample(out, name, "", &summary.labels, Some(*quantile), *value);
            }
            sample(out, name, "_sum", &summary.labels, None, summary.sum);
            sample(out, name, "_count", &summary.labels, None, summary.count as f64);
        }
    }
}

fn sample(
    out: &mut String,
    name: &str,
    suffix: &str,
    labels: &[(&str, String)],
    quantile: Option<f64>,
    value: f64,
) {
    out.push_str(name);
    out.push_str(suffix);
    let quantile = quantile.map(|quantile| ("quantile", quantile.to_string()));
    let mut separator = '{';
    for (name, value) in labels.iter().chain(&quantile) {
        let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        write!(out, "{separator}{name}=\"{value}\"").expect("writing into a String does not fail");
        separator = ',';
    }
    if separator == ',' {
        out.push('}');
    }
    writeln!(out, " {value}").expect("writing into a String does not fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_sum_and_count_are_written() {
        let summary = Summary {
            labels: vec![("interval", "3\"0\\s".to_owned())],
            quantiles: vec![(0.5, 30.01), (0.99, f64::NAN)],
            sum: 60.5,
            count: 2,
        };
        let bare = Summary { sum: 1.0, count: 1, ..Summary::default() };
        let observe = Box::new(move || vec![summary.clone(), bare.clone()]);
        let family = SummaryFamily { name: "x_seconds".to_owned(), help: "X".to_owned(), observe };
        let mut out = String::new();
        family.encode(&mut out);
        assert_eq!(
            out,
            "# HELP x_seconds X.\n# TYPE x_seconds summary\n\
             x_seconds{interval=\"3\\\"0\\\\s\",quantile=\"0.5\"} 30.01\n\
             x_seconds{interval=\"3\\\"0\\\\s\",quantile=\"0.99\"} NaN\n\
             x_seconds_sum{interval=\"3\\\"0\\\\s\"} 60.5\n\
             x_seconds_count{interval=\"3\\\"0\\\\s\"} 2\n\
             x_seconds_sum 1\nx_seconds_count 1\n"
        );
    }
}
