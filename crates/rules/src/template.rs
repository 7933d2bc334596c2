//! The functions of Prometheus's templates.
//!
//! Input: a name and arguments, the time, the server's address, what answers queries. Output: values, with Prometheus's complaints. The
//! template engine is the template crate's.

use regex::Regex;
use std::net::IpAddr;
use std::sync::Arc;
use tidewatch_model::{Labels, parse_duration};
use tidewatch_template::{
    Calls, Object, Span, Value, humanize, humanize_1024, humanize_duration, humanize_percentage,
    humanize_timestamp, query_escaped, title, to_float, to_time,
};

/// Their names.
const NAMES: [&str; 29] = [
    "query",
    "first",
    "label",
    "value",
    "strvalue",
    "args",
    "reReplaceAll",
    "safeHtml",
    "match",
    "title",
    "toUpper",
    "toLower",
    "graphLink",
    "tableLink",
    "sortByLabel",
    "stripPort",
    "stripDomain",
    "humanize",
    "humanize1024",
    "humanizeDuration",
    "humanizePercentage",
    "humanizeTimestamp",
    "toTime",
    "toDuration",
    "now",
    "pathPrefix",
    "externalURL",
    "parseDuration",
    "urlQueryEscape",
];

/// Whether templates of rules have a function of this name.
pub(crate) fn is_function(name: &str) -> bool {
    NAMES.contains(&name)
}

/// Answers a query as the value of each series.
pub(crate) type Query<'a> = &'a dyn Fn(&str) -> Result<Vec<(Labels, f64)>, String>;

/// What the functions of one execution know.
pub(crate) struct Functions<'a> {
    pub(crate) query: Query<'a>,
    pub(crate) now: i64,
    pub(crate) external_url: &'a str,
}

/// A result of a query.
#[derive(Debug)]
struct Sample {
    labels: Value,
    value: f64,
}

impl Object for Sample {
    fn type_name(&self) -> &'static str {
        "*template.sample"
    }

    fn member(&self, name: &str, _: &[Value]) -> Option<Result<Value, String>> {
        match name {
            "Labels" => Some(Ok(self.labels.clone())),
            "Value" => Some(Ok(Value::Float(self.value))),
            _ => None,
        }
    }

    fn print(&self) -> String {
        let (labels, value) = (&self.labels, Value::Float(self.value));
        format!("{{{} {}}}", tidewatch_template::print_value(labels), tidewatch_template::print_value(&value))
    }
}

/// Labels as templates see them: a name that is not there is empty.
pub(crate) fn label_map(labels: &Labels) -> Value {
    Value::texts(labels.iter())
}

impl Calls for Functions<'_> {
    fn has(&self, name: &str) -> bool {
        is_function(name)
    }

    fn call(&mut self, name: &str, arguments: &[Value]) -> Result<Value, String> {
        match (name, arguments) {
            ("query", [query]) => self.query(text(query)?),
            ("first", [list]) => match elements(list)?.first() {
                Some(first) => Ok(first.clone()),
                None => Err("first() called on vector with no elements".to_owned()),
            },
            ("label", [name, sample]) => label(text(name)?, sample),
            ("strvalue", [sample]) => label("__value__", sample),
            ("value", [sample]) => member(sample, "Value"),
            ("args", values) => {
                let named = values.iter().enumerate().map(|(at, value)| (format!("arg{at}"), value.clone()));
                let named: Vec<(String, Value)> = named.collect();
                Ok(Value::map(named.iter().map(|(name, value)| (name.as_str(), value.clone()))))
            }
            ("sortByLabel", [name, list]) => {
                let name = text(name)?;
                let mut sorted: Vec<Value> = elements(list)?.to_vec();
                sorted.sort_by_cached_key(|sample| {
                    label(name, sample).ok().and_then(|l| l.as_text().map(str::to_owned))
                });
                Ok(Value::list(sorted))
            }
            ("now", []) => Ok(Value::Float(self.now as f64 / 1000.0)),
            ("externalURL", []) => Ok(Value::text(self.external_url)),
            ("pathPrefix", []) => Ok(Value::text(path_of(self.external_url))),
            ("toTime", [value]) => to_time(value).map(Value::from),
            ("toDuration", [value]) => Ok(Span((to_float(value)? * 1e9) as i64).into()),
            ("parseDuration", [duration]) => parsed_duration(text(duration)?).map(Value::Float),
            ("humanize", [value]) => humanize(value).map(Value::from),
            ("humanize1024", [value]) => humanize_1024(value).map(Value::from),
            ("humanizeDuration", [value]) => humanize_duration(value).map(Value::from),
            ("humanizePercentage", [value]) => humanize_percentage(value).map(Value::from),
            ("humanizeTimestamp", [value]) => humanize_timestamp(value).map(Value::from),
            (name, arguments) => of_texts(name, arguments),
        }
    }
}

impl Functions<'_> {
    fn query(&self, query: &str) -> Result<Value, String> {
        let samples = (self.query)(query)?
            .into_iter()
            .map(|(labels, value)| Value::Object(Arc::new(Sample { labels: label_map(&labels), value })));
        Ok(Value::list(samples))
    }
}

/// Functions that only know texts.
fn of_texts(name: &str, arguments: &[Value]) -> Result<Value, String> {
    let texts: Vec<&str> = arguments.iter().map(text).collect::<Result<_, _>>()?;
    match (name, &texts[..]) {
        ("reReplaceAll", [pattern, replacement, text]) => {
            Ok(Value::from(regex(pattern)?.replace_all(text, *replacement).into_owned()))
        }
        ("match", [pattern, text]) => Ok(Value::Bool(regex(pattern)?.is_match(text))),
        ("safeHtml", [text]) => Ok(Value::Html((*text).into())),
        ("title", [text]) => Ok(Value::from(title(text, false))),
        ("toUpper", [text]) => Ok(Value::from(text.to_uppercase())),
        ("toLower", [text]) => Ok(Value::from(text.to_lowercase())),
        ("graphLink", [query]) => {
            Ok(Value::from(format!("/graph?g0.expr={}&g0.tab=0", query_escaped(query))))
        }
        ("tableLink", [query]) => {
            Ok(Value::from(format!("/graph?g0.expr={}&g0.tab=1", query_escaped(query))))
        }
        ("urlQueryEscape", [text]) => Ok(Value::from(query_escaped(text))),
        ("stripPort", [address]) => {
            Ok(Value::text(host_and_port(address).map_or(*address, |(host, _)| host)))
        }
        ("stripDomain", [address]) => Ok(Value::from(without_domain(address))),
        (name, texts) => Err(wrong_number(name, texts.len())),
    }
}

fn wrong_number(name: &str, got: usize) -> String {
    let want = match name {
        "now" | "externalURL" | "pathPrefix" => 0,
        "label" | "sortByLabel" | "match" => 2,
        "reReplaceAll" => 3,
        _ => 1,
    };
    format!("wrong number of args for {name}: want {want} got {got}")
}

fn text(value: &Value) -> Result<&str, String> {
    let wrong = || format!("wrong type for value; expected string; got {}", value.type_name());
    value.as_text().ok_or_else(wrong)
}

fn elements(value: &Value) -> Result<&[Value], String> {
    match value {
        Value::List(list) => Ok(list),
        other => {
            Err(format!("wrong type for value; expected template.queryResult; got {}", other.type_name()))
        }
    }
}

fn member(sample: &Value, name: &str) -> Result<Value, String> {
    let wrong = || format!("wrong type for value; expected *template.sample; got {}", sample.type_name());
    match sample {
        Value::Object(object) => object.member(name, &[]).ok_or_else(wrong)?,
        _ => Err(wrong()),
    }
}

fn label(name: &str, sample: &Value) -> Result<Value, String> {
    match member(sample, "Labels")? {
        Value::Map(map) => Ok(map.get(name)),
        _ => Ok(Value::text("")),
    }
}

fn regex(pattern: &str) -> Result<Regex, String> {
    Regex::new(pattern).map_err(|error| {
        let reason = error.to_string();
        format!(
            "error parsing regexp: {}",
            reason.lines().last().unwrap_or_default().trim_start_matches("error: ")
        )
    })
}

/// Seconds of a duration such as `1h30m` or `-5m`.
fn parsed_duration(text: &str) -> Result<f64, String> {
    let (sign, duration) = text.strip_prefix('-').map_or((1.0, text), |rest| (-1.0, rest));
    match parse_duration(duration) {
        Ok(duration) => Ok(sign * duration.as_secs_f64()),
        Err(error) => Err(error.to_string()),
    }
}

/// The host and the port of an address, as Go's SplitHostPort takes them apart.
fn host_and_port(address: &str) -> Option<(&str, &str)> {
    if let Some(rest) = address.strip_prefix('[') {
        let (host, rest) = rest.split_once(']')?;
        return rest
            .strip_prefix(':')
            .map(|port| (host, port))
            .filter(|(_, port)| !port.contains([':', '[', ']']));
    }
    let (host, port) = address.rsplit_once(':')?;
    (!host.contains([':', '[', ']']) && !port.contains(['[', ']'])).then_some((host, port))
}

fn without_domain(address: &str) -> String {
    let (host, port) = host_and_port(address).unwrap_or((address, ""));
    if host.parse::<IpAddr>().is_ok() {
        return address.to_owned();
    }
    let host = host.split('.').next().unwrap_or_default();
    if port.is_empty() { host.to_owned() } else { format!("{host}:{port}") }
}

/// The path of a URL, without host.
fn path_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.find('/').map_or("", |at| rest[at..].split(['?', '#']).next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expansion::RuleTemplate;

    fn answer(query: &str) -> Result<Vec<(Labels, f64)>, String> {
        let series =
            |instance: &str, value| (Labels::from_pairs([("instance", instance), ("__name__", "up")]), value);
        match query {
            "up" => Ok(vec![series("b:9090", 1.0), series("a:9090", 0.0)]),
            "none" => Ok(Vec::new()),
            _ => Err("parse error".to_owned()),
        }
    }

    fn rendered(template: &str) -> Result<String, String> {
        let labels = Labels::from_pairs([("job", "api"), ("instance", "web.example.com:80")]);
        let external = Labels::from_pairs([("cluster", "x")]);
        let parsed = RuleTemplate::parse("Test", template)?;
        let data = crate::expansion::data(&labels, &external, "http://h:9090/p", 1234.5);
        parsed.rendered(&data, &answer, 1_767_323_045_120, "http://h:9090/p")
    }

    /// What Prometheus 3.16 rendered for the same data.
    #[test]
    fn templates_render_what_prometheus_rendered() {
        let mut wrong = Vec::new();
        for line in include_str!("../tests/fixtures/templates.jsonl").lines() {
            let case: serde_json::Value = serde_json::from_str(line).unwrap();
            let got = rendered(case["template"].as_str().unwrap());
            let alike = match &got {
                Ok(text) => case["error"].is_null() && case["output"].as_str().unwrap_or_default() == text,
                Err(_) => !case["error"].is_null(),
            };
            if !alike {
                wrong.push(format!("{case}\n  here {got:?}"));
            }
        }
        assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
    }

    fn check(template: &str, expected: &str) {
        let got = rendered(template);
        assert_eq!(got.unwrap_or_else(|error| error), expected, "{template}");
    }

    #[test]
    fn templates_know_labels_values_and_functions() {
        check("{{ $labels.job }} {{ .Labels.job }} {{ $labels.nope }}|", "api api |");
        check("{{ $value }} {{ .Value | humanize }} {{ printf \"%.1f\" $value }}", "1234.5 1.234k 1234.5");
        check(
            "{{ $externalLabels.cluster }} {{ $externalURL }} {{ externalURL }} {{ pathPrefix }}",
            "x http://h:9090/p http://h:9090/p /p",
        );
        check(
            "{{ range query \"up\" | sortByLabel \"instance\" }}{{ .Labels.instance }}={{ .Value }},{{ end }}",
            "a:9090=0,b:9090=1,",
        );
        check(
            "{{ query \"up\" | first | value }} {{ with query \"none\" }}x{{ else }}empty{{ end }}",
            "1 empty",
        );
        check(
            "{{ query \"up\" | first | label \"instance\" }} {{ query \"up\" | first | strvalue }}|",
            "b:9090 |",
        );
        check(
            "{{ title \"aBc d\" }} {{ toUpper \"a\" }} {{ toLower \"A\" }} {{ reReplaceAll \"(a)b\" \"$1-\" \"abab\" }}",
            "ABc D A a a-a-",
        );
        check(
            "{{ match \"^a.c$\" \"abc\" }} {{ stripPort \"a.b:1\" }} {{ stripDomain \"a.b.c:1\" }} {{ stripDomain \"1.2.3.4:5\" }}",
            "true a.b a:1 1.2.3.4:5",
        );
        check(
            "{{ graphLink \"a b\" }} {{ tableLink \"x\" }} {{ urlQueryEscape \"a&b\" }}",
            "/graph?g0.expr=a+b&g0.tab=0 /graph?g0.expr=x&g0.tab=1 a%26b",
        );
        check(
            "{{ (toTime $value).Year }} {{ now }} {{ parseDuration \"-1m30s\" }} {{ toDuration 90 }}",
            "1970 1.76732304512e+09 -90 1m30s",
        );
        check("{{ define \"d\" }}<{{ .arg0 }}>{{ end }}{{ template \"d\" (args 1 2) }}", "<1>");
    }

    #[test]
    fn failures_are_told_in_prometheuss_words() {
        check(
            "{{ query \"none\" | first }}",
            "error executing template __alert_Test: template: __alert_Test:1:130: executing \"__alert_Test\" at <first>: \
             error calling first: first() called on vector with no elements",
        );
        let error = RuleTemplate::parse("Test", "{{ nosuch }}").unwrap_err();
        assert_eq!(error, "template: __alert_Test:1: function \"nosuch\" not defined");
        assert!(RuleTemplate::parse("Test", "{{ $nope }}").unwrap_err().contains("undefined variable"));
    }
}
