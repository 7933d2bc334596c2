//! No text and no data exhaust anything.

use crate::against_go::rendered;
use proptest::prelude::*;

#[test]
fn endless_templates_end_with_an_error() {
    for (template, expected) in [
        ("{{define \"a\"}}{{template \"a\"}}{{end}}{{template \"a\"}}", "exceeded maximum template depth"),
        ("{{range 100000000}}{{end}}", "the number of steps"),
        ("{{range 100000000}}0123456789{{end}}", "exceeds the limit"),
        ("{{printf \"%1000000d\" 1}}{{range 100}}{{printf \"%1000000d\" 1}}{{end}}", "the output in bytes"),
    ] {
        let error = rendered(template).unwrap_err();
        assert!(error.contains(expected), "{template}: {error}");
    }
    let deep = format!("{{{{{}1{}}}}}", "(".repeat(5_000), ")".repeat(5_000));
    assert!(rendered(&deep).unwrap_err().contains("depth"));
}

#[test]
fn mistakes_name_line_and_column() {
    let error = rendered("one\n{{.s}}\n  {{.n.x}}").unwrap_err();
    assert_eq!(error, "template: t:3:6: executing \"t\" at <.n.x>: can't evaluate field x in type int");
    assert_eq!(rendered("a\n\n{{ nosuch }}").unwrap_err(), "template: t:3: function \"nosuch\" not defined");
    assert_eq!(rendered("{{$nope}}").unwrap_err(), "template: t:1: undefined variable \"$nope\"");
}

proptest! {
    #[test]
    fn nothing_panics(template in "(\\{\\{|\\}\\}|-| |\\.|\\$x|range|if|end|else|with|:=|=|\\||\\(|\\)|\"|`|'|[0-9]|eq|printf|\\.list|%d|é|\n){0,40}") {
        let _ = rendered(&template);
    }

    #[test]
    fn text_without_actions_is_copied(text in "[^{]{0,60}") {
        prop_assert_eq!(rendered(&text), Ok(text));
    }
}
