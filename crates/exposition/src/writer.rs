//! Writes metric families as Prometheus text 0.0.4.
//!
//! Input: names, labels and values that the caller holds. Output: text at the end of the caller's string, so that a
//! page is one buffer that grows once. It neither sorts nor checks for duplicates: the caller knows its families.

use crate::kind::MetricKind;
use tidewatch_model::push_go_float;

/// Writes one page, family by family.
///
/// ```
/// # use tidewatch_exposition::{MetricKind, TextWriter};
/// let mut page = String::new();
/// let mut writer = TextWriter::new(&mut page);
/// writer.family("kube_pod_info", MetricKind::Gauge, "Information about pod.");
/// writer.sample("kube_pod_info", &[("namespace", "shop"), ("pod", "web-1")], 1.0);
/// assert_eq!(page, "# HELP kube_pod_info Information about pod.\n# TYPE kube_pod_info gauge\n\
///                   kube_pod_info{namespace=\"shop\",pod=\"web-1\"} 1\n");
/// ```
#[derive(Debug)]
pub struct TextWriter<'a> {
    out: &'a mut String,
}

impl<'a> TextWriter<'a> {
    /// A writer that appends to `out`.
    pub fn new(out: &'a mut String) -> Self {
        Self { out }
    }

    /// Begins a family: its help and type. All of its samples must follow before the next family.
    ///
    /// `name` must be a legal metric name (`[a-zA-Z_:][a-zA-Z0-9_:]*`).
    pub fn family(&mut self, name: &str, kind: MetricKind, help: &str) -> &mut Self {
        for part in ["# HELP ", name, " "] {
            self.out.push_str(part);
        }
        push_escaped(self.out, help, false);
        for part in ["\n# TYPE ", name, " ", kind.as_text_004(), "\n"] {
            self.out.push_str(part);
        }
        self
    }

    /// Writes a sample. Label names must be legal (`[a-zA-Z_][a-zA-Z0-9_]*`) and unique; values may be any text.
    pub fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: f64) -> &mut Self {
        self.series(name, labels);
        push_go_float(self.out, value);
        self.out.push('\n');
        self
    }

    /// Writes a sample with the time it was taken, in milliseconds since the Unix epoch.
    pub fn sample_at(
        &mut self,
        name: &str,
        labels: &[(&str, &str)],
        value: f64,
        timestamp: i64,
    ) -> &mut Self {
        self.series(name, labels);
        push_go_float(self.out, value);
        self.out.push(' ');
        self.out.push_str(&timestamp.to_string());
        self.out.push('\n');
        self
    }

    fn series(&mut self, name: &str, labels: &[(&str, &str)]) {
        self.out.push_str(name);
        let mut separator = '{';
        for (label, value) in labels {
            self.out.push(separator);
            self.out.push_str(label);
            self.out.push_str("=\"");
            push_escaped(self.out, value, true);
            self.out.push('"');
            separator = ',';
        }
        self.out.push_str(if labels.is_empty() { " " } else { "} " });
    }
}

/// Backslashes and line feeds are escaped everywhere, quotes only inside quotes.
fn push_escaped(out: &mut String, text: &str, quoted: bool) {
    let mut from = 0;
    for (at, byte) in text.bytes().enumerate() {
        let escaped = match byte {
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'"' if quoted => "\\\"",
            _ => continue,
        };
        out.push_str(&text[from..at]);
        out.push_str(escaped);
        from = at + 1;
    }
    out.push_str(&text[from..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_families() {
        let mut page = String::from("# kept\n");
        TextWriter::new(&mut page)
            .family("a_total", MetricKind::Counter, "One \"help\"\nwith \\.")
            .sample("a_total", &[("path", "C:\\x\n\"é\""), ("empty", "")], 3.0)
            .sample_at("a_total", &[], f64::INFINITY, 1_700_000_000_000)
            .family("b", MetricKind::Unknown, "")
            .sample("b", &[], 0.5);
        assert_eq!(
            page,
            "# kept\n\
             # HELP a_total One \"help\"\\nwith \\\\.\n\
             # TYPE a_total counter\n\
             a_total{path=\"C:\\\\x\\n\\\"é\\\"\",empty=\"\"} 3\n\
             a_total +Inf 1700000000000\n\
             # HELP b \n\
             # TYPE b untyped\n\
             b 0.5\n"
        );
    }
}
