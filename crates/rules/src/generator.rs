//! The link from an alert to the graph of its expression.
//!
//! Input: an expression. Output: the path and query of Prometheus's page that shows it as a table; the server's own address comes
//! before it.

use tidewatch_template::query_escaped;

/// The link of an expression, as Prometheus writes it.
pub(crate) fn graph_link(expression: &str) -> String {
    format!("/graph?g0.expr={}&g0.tab=1", query_escaped(expression))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_link_is_prometheuss() {
        assert_eq!(
            graph_link("rate(x{a=\"b c\"}[5m]) > 0.5"),
            "/graph?g0.expr=rate%28x%7Ba%3D%22b+c%22%7D%5B5m%5D%29+%3E+0.5&g0.tab=1"
        );
    }
}
