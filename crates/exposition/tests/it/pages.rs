//! Pages and what they say; the same decisions are laid beside a running Prometheus by `conformance/scrape`.

use tidewatch_exposition::{Entry, Format, Parser};

/// A page as one line per entry: `series value [@timestamp] [# exemplar]`, or the error.
fn read(page: &[u8], format: Format) -> Result<Vec<String>, String> {
    let mut parser = Parser::new(page, format);
    let mut lines = Vec::new();
    while let Some(entry) = parser.next().map_err(|e| e.to_string())? {
        lines.push(match entry {
            Entry::Series(sample) => {
                let labels: Vec<String> = parser.labels().map(|(n, v)| format!("{n}={v:?}")).collect();
                let mut line = format!("{}{{{}}} {}", parser.metric_name(), labels.join(","), sample.value);
                if let Some(timestamp) = sample.timestamp {
                    line.push_str(&format!(" @{timestamp}"));
                }
                if let Some(exemplar) = sample.exemplar {
                    let labels = String::from_utf8_lossy(exemplar.labels);
                    line.push_str(&format!(" # {labels} {}", exemplar.value));
                    if let Some(timestamp) = exemplar.timestamp {
                        line.push_str(&format!(" @{timestamp}"));
                    }
                }
                line
            }
            Entry::Help(name, help) => format!("help {name}: {help}"),
            Entry::Type(name, kind) => format!("type {name}: {}", kind.as_str()),
            Entry::Unit(name, unit) => format!("unit {name}: {unit}"),
            Entry::Comment => "comment".to_owned(),
        });
    }
    Ok(lines)
}

fn check(format: Format, page: impl AsRef<[u8]>, expected: Result<&[&str], &str>) {
    let page = page.as_ref();
    let found = read(page, format);
    let shown = String::from_utf8_lossy(page);
    match (found, expected) {
        (Ok(lines), Ok(expected)) => assert_eq!(lines, expected, "{shown:?}"),
        (Err(error), Err(part)) => assert!(error.contains(part), "{shown:?}: {error:?} lacks {part:?}"),
        (found, expected) => panic!("{shown:?}: {found:?}, expected {expected:?}"),
    }
}

#[test]
fn text_pages_are_read() {
    let check = |page: &str, expected: &[&str]| check(Format::Text, page, Ok(expected));
    check("", &[]);
    check("\n\n \t\n", &[]);
    check("a 1", &["a{} 1"]);
    check("a 1 1700000000000\n", &["a{} 1 @1700000000000"]);
    check("a\t1\t5\t\n", &["a{} 1 @5"]);
    check("a{} 1\n", &["a{} 1"]);
    check("a{x=\"1\",y=\"2\"} +Inf\n", &["a{x=\"1\",y=\"2\"} inf"]);
    check("a { x = \"1\" , } 1\n", &["a{x=\"1\"} 1"]);
    check("a{x=\"1\" y=\"2\"}1\n", &["a{x=\"1\",y=\"2\"} 1"]);
    check("a{x=\"\\\"\\\\\\n\\x\"} 1\n", &["a{x=\"\\\"\\\\\\n\\\\x\"} 1"]);
    check("a{x=\"two\nlines\"} 1\n", &["a{x=\"two\\nlines\"} 1"]);
    check("a{x=\"nul\0\"} 1\n", &["a{x=\"nul\\0\"} 1"]);
    check("{\"a.b\",x=\"1\"} 1\n", &["a.b{x=\"1\"} 1"]);
    check("{x=\"1\",\"a.b\"} 1\n", &["a.b{x=\"1\"} 1"]);
    check("a{\"x.y\"=\"1\"} 1\n", &["a{x.y=\"1\"} 1"]);
    check("a+1\n", &["a{} 1"]);
    check("  a 1\n", &["  a{} 1"]);
    check("a 1\n\0rubbish", &["a{} 1"]);
    check(
        "# free text\n#also\n# HELP\n# HELPER x\na 1\n",
        &["comment", "comment", "comment", "comment", "a{} 1"],
    );
    check("# HELP a one \\\\ two\\nthree \\\"\n", &["help a: one \\ two\nthree \\\""]);
    check("# HELP a  \n# HELP a\n#\tHELP\ta\tx\n", &["help a: ", "help a: ", "help a: x"]);
    check("# TYPE a untyped\n# TYPE \"b.c\" gauge", &["type a: unknown", "type b.c: gauge"]);
    check(
        "# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 1\nh_bucket{le=\"x\",quantile=\"1\"} 1\n",
        &[
            "type h: histogram",
            "h_bucket{le=\"1.0\"} 1",
            "h_bucket{le=\"+Inf\"} 1",
            "h_bucket{le=\"x\",quantile=\"1\"} 1",
        ],
    );
    check(
        "# TYPE s summary\ns{quantile=\"0.50\",le=\"1\"} 1\n",
        &["type s: summary", "s{quantile=\"0.5\",le=\"1\"} 1"],
    );
}

#[test]
fn text_pages_are_refused() {
    let check = |page: &str, part: &str| check(Format::Text, page, Err(part));
    check("a\n", "line 1: expected value after metric, got '\\n' while parsing: \"a\\n\"");
    check("a 1\nb{c} 1\n", "line 2: expected equal, got '}'");
    check("a{x=1} 1\n", "expected label value, got '1'");
    check("a{x=\"1} 1\n", "expected label value");
    check("a{x=\"\\\n\"} 1\n", "expected label value");
    check("a{,} 1\n", "expected label name");
    check("a{x=\"1\",,} 1\n", "expected label name");
    check("a{x=\"1\"\n", "expected label name");
    check("a{1x=\"1\"} 1\n", "expected label name");
    check("a{x:y=\"1\"} 1\n", "expected equal");
    check("{x=\"1\"} 1\n", "metric name not set");
    check("{\"a\",\"b\"} 1\n", "metric name already set");
    check("a{\"b\"} 1\n", "metric name already set");
    check("a{}{} 1\n", "expected value after metric");
    check("a x\n", "invalid number \"x\"");
    check("a 0x1p-2\n", "invalid number");
    check("a 1_0\n", "invalid number");
    check("a 1e400\n", "invalid number \"1e400\"");
    check("a 1 -5\n", "expected timestamp or new record, got '-'");
    check("a 1 5 6\n", "expected next entry after timestamp, got '6'");
    check("a 1 99999999999999999999\n", "timestamp out of range");
    check("a 1 # {} 1\n", "expected timestamp or new record");
    check("a 1\r\n", "invalid number \"1\\r\"");
    check("é 1\n", "expected a valid start token");
    check("1 1\n", "expected a valid start token");
    check("# HELP \n", "expected metric name after HELP");
    check("# TYPE a\n", "invalid metric type \"\"");
    check("# TYPE a  counter\n", "invalid metric type \" counter\"");
    check("# TYPE a info\n", "invalid metric type \"info\"");
}

#[test]
fn bytes_that_are_no_text_are_refused_only_where_they_count() {
    check(Format::Text, b"# \xff\na 1\n", Ok(&["comment", "a{} 1"]));
    check(Format::Text, b"a{x=\"\xff\"} 1\n", Err("label value is not valid UTF-8"));
    check(Format::Text, b"{\"\xff\"} 1\n", Err("metric name is not valid UTF-8"));
    check(Format::Text, b"# HELP a \xff\n", Err("help text is not valid UTF-8"));
}

#[test]
fn open_metrics_pages_are_read() {
    let check = |page: &str, expected: &[&str]| check(Format::OpenMetrics, page, Ok(expected));
    check("# EOF", &[]);
    check("# EOF\n", &[]);
    check("a 1\n# EOF\n", &["a{} 1"]);
    check("a 1 1.5\nb{x=\"1\",} -1e3 -2\n# EOF\n", &["a{} 1 @1500", "b{x=\"1\"} -1000 @-2000"]);
    check(
        "# TYPE a counter\n# UNIT a_seconds seconds\n# UNIT b \n# HELP a it is \\\"it\\\"\na_total 1\na_created 5\n# EOF",
        &[
            "type a: counter",
            "unit a_seconds: seconds",
            "unit b: ",
            "help a: it is \"it\"",
            "a_total{} 1",
            "a_created{} 5",
        ],
    );
    check(
        "a_total 1 # {trace_id=\"x\"} 0.5\na_total{} 2 3 # {} 1 4\n# EOF\n",
        &["a_total{} 1 # {trace_id=\"x\"} 0.5", "a_total{} 2 @3000 # {} 1 @4000"],
    );
    check("{\"a.b\",\"x.y\"=\"1\"} 1\n# EOF\n", &["a.b{x.y=\"1\"} 1"]);
    check(
        "# TYPE h histogram\nh_bucket{le=\"5\"} 1\n# EOF\n",
        &["type h: histogram", "h_bucket{le=\"5.0\"} 1"],
    );
    check(
        "# TYPE a stateset\n# TYPE b info\n# TYPE c gaugehistogram\n# TYPE d unknown\n# EOF\n",
        &["type a: stateset", "type b: info", "type c: gaugehistogram", "type d: unknown"],
    );
}

#[test]
fn open_metrics_pages_are_refused() {
    let check = |page: &str, part: &str| check(Format::OpenMetrics, page, Err(part));
    check("", "data does not end with # EOF");
    check("a 1\n", "data does not end with # EOF");
    check("a 1", "data does not end with # EOF");
    check("a 1\n# EOF\n\n", "unexpected data after # EOF");
    check("# EOF\na 1\n", "unexpected data after # EOF");
    check("\n# EOF\n", "expected a valid start token");
    check("# free text\n# EOF\n", "expected HELP, TYPE, UNIT or EOF after #");
    check(" a 1\n# EOF\n", "expected a valid start token");
    check("a {} 1\n# EOF\n", "invalid number \"{}\"");
    check("a  1\n# EOF\n", "expected value after metric");
    check("a 1 \n# EOF\n", "expected timestamp or new record");
    check("a{x=\"1\" ,y=\"2\"} 1\n# EOF\n", "expected comma or brace close");
    check("a{ x=\"1\"} 1\n# EOF\n", "expected label name");
    check("a{x=\"1\"}1\n# EOF\n", "expected value after metric");
    check("a{x=\"two\nlines\"} 1\n# EOF\n", "expected label value");
    check("a 1 NaN\n# EOF\n", "invalid timestamp NaN");
    check("a 1 x\n# EOF\n", "invalid number \"x\"");
    check("a 1 # {x} 1\n# EOF\n", "expected equal");
    check("a 1 # {\"x\"} 1\n# EOF\n", "expected equal");
    check("a 1 # {x=\"1\"}\n# EOF\n", "expected value after exemplar labels");
    check("a 1 # {x=\"1\"} 1 2 3\n# EOF\n", "expected next entry after exemplar timestamp");
    check("# TYPE a untyped\n# EOF\n", "invalid metric type \"untyped\"");
    check("# UNIT a_bytes seconds\n# EOF\n", "unit \"seconds\" not a suffix of metric \"a_bytes\"");
    check("# HELP a\n# EOF\n", "expected text in HELP");
}
