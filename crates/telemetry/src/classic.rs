//! OpenMetrics text turned into text 0.0.4, for scrapers that ask for nothing newer.
//!
//! Input: the text `prometheus-client` writes. Output: the same samples under the older rules: a family of counters is
//! called by its samples' name, with `_total`; there are no units and no end marker. Samples pass unchanged.

/// Rewrites the comments of OpenMetrics text; `text` has each family's HELP before its TYPE.
pub(crate) fn to_classic(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 256);
    let mut help: Option<(&str, &str)> = None;
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            help = rest.split_once(' ');
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' '))
        {
            let (suffix, kind) = match kind {
                "counter" => ("_total", "counter"),
                "info" => ("_info", "gauge"),
                "unknown" => ("", "untyped"),
                other => ("", other),
            };
            if let Some((_, help)) = help.take().filter(|(of, _)| *of == name) {
                out.push_str(&format!("# HELP {name}{suffix} {help}\n"));
            }
            out.push_str(&format!("# TYPE {name}{suffix} {kind}\n"));
        } else if !line.starts_with('#') {
            out.push_str(line);
            out.push('\n');
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_are_rewritten_and_samples_kept() {
        let check = |open_metrics: &str, classic: &str| assert_eq!(to_classic(open_metrics), classic);
        check(
            "# HELP a Things.\n# TYPE a counter\na_total{x=\"# y\"} 3\n# EOF\n",
            "# HELP a_total Things.\n# TYPE a_total counter\na_total{x=\"# y\"} 3\n",
        );
        check(
            "# HELP b_seconds Time.\n# TYPE b_seconds gauge\n# UNIT b_seconds seconds\nb_seconds 1.5\n",
            "# HELP b_seconds Time.\n# TYPE b_seconds gauge\nb_seconds 1.5\n",
        );
        check(
            "# HELP c Build.\n# TYPE c info\nc_info{v=\"1\"} 1\n",
            "# HELP c_info Build.\n# TYPE c_info gauge\nc_info{v=\"1\"} 1\n",
        );
        check("# TYPE d unknown\nd 1\n", "# TYPE d untyped\nd 1\n");
        check("# EOF\n", "");
    }
}
