//! No text and no data exhaust anything.

use crate::against_go::{Example, data, rendered};
use proptest::prelude::*;
use tidewatch_template::{Calls, Escape, Templates};

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

/// What html/template of Go 1.26 makes of the same.
#[test]
fn html_is_escaped_and_urls_run_nothing() {
    let check = |template: &str, expected: &str| {
        let mut templates = Templates::default();
        templates.parse("t", template, &|name| Example.has(name)).unwrap();
        let got = templates.execute("t", &data(), &mut Example, Escape::Html);
        assert_eq!(got.unwrap(), expected, "{template}");
    };
    check("<p title=\"{{ .u }}\">{{ .u }}+</p>", &"<p title=\"X\">X+</p>".replace('X', ESCAPED));
    check("{{ \"1+2\" }}", "1&#43;2");
    check("<a href=\"{{ \"javascript:alert(1)\" }}\">x</a>", "<a href=\"#ZgotmplZ\">x</a>");
    check("<img SRC = '{{ \"data:x\" }}'>", "<img SRC = '#ZgotmplZ'>");
    check(
        "<a href=\"{{ \"HTTPS://h/a:b\" }}\" title=\"{{ \"a:b\" }}\">",
        "<a href=\"HTTPS://h/a:b\" title=\"a:b\">",
    );
    check("<a href=\"/{{ \"a:b\" }}\">{{ .nope }}", "<a href=\"/a:b\">");
}

const ESCAPED: &str = "héllo &lt;b&gt;&#34;q&#34;&lt;/b&gt; &amp; &#39;x&#39;";

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
