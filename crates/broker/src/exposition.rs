//! Prometheus' text format, as the broker's page and the exporter write it.
//!
//! Input: names, labels, numbers. Output: text of version 0.0.4. It checks no names: they are constants of this crate.

use std::fmt::{Display, Write};

/// Writes HELP and TYPE of a metric.
pub(crate) fn head(out: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

/// Writes one sample.
pub(crate) fn sample(out: &mut String, name: &str, labels: &[(&str, &dyn Display)], value: impl Display) {
    out.push_str(name);
    for (index, (label, text)) in labels.iter().enumerate() {
        let _ = write!(out, "{}{label}=\"", if index == 0 { '{' } else { ',' });
        push_escaped(out, &text.to_string());
        out.push('"');
    }
    if !labels.is_empty() {
        out.push('}');
    }
    let _ = writeln!(out, " {value}");
}

fn push_escaped(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped() {
        let mut out = String::new();
        sample(&mut out, "m", &[("a", &"x\"\\\ny"), ("b", &7)], 1.5);
        sample(&mut out, "n", &[], 2);
        assert_eq!(out, "m{a=\"x\\\"\\\\\\ny\",b=\"7\"} 1.5\nn 2\n");
    }
}
