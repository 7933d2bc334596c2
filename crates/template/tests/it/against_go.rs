//! The same templates and data as Go 1.26's text/template was given; `fixtures/go.jsonl` has its outputs and errors.

use serde::Deserialize;
use tidewatch_template::{Calls, Escape, Templates, Value, print_value};

#[derive(Deserialize)]
struct Case {
    template: String,
    output: Option<String>,
    #[serde(default)]
    error: String,
}

/// The functions that both sides have.
pub(crate) struct Example;

impl Calls for Example {
    fn has(&self, name: &str) -> bool {
        matches!(name, "up" | "two" | "fail")
    }

    fn call(&mut self, name: &str, arguments: &[Value]) -> Result<Value, String> {
        match (name, arguments) {
            ("up", [Value::Text(text)]) => Ok(Value::from(format!("{text}!"))),
            ("up", [other]) => {
                Err(format!("wrong type for value; expected string; got {}", other.type_name()))
            }
            ("two", [a, b]) => Ok(Value::from(format!("{}/{}", print_value(a), print_value(b)))),
            ("fail", []) => Err("no luck".to_owned()),
            _ => Err(format!("wrong number of args for {name}: want 1 got {}", arguments.len())),
        }
    }
}

/// What the templates are given.
pub(crate) fn data() -> Value {
    let texts = |list: &[&str]| Value::list(list.iter().map(Value::text));
    Value::map([
        ("s", Value::text("hello world")),
        ("u", Value::text("héllo <b>\"q\"</b> & 'x'")),
        ("n", Value::Int(42)),
        ("neg", Value::Int(-7)),
        ("f", Value::Float(1_234_567.5)),
        ("small", Value::Float(0.000_012)),
        ("big", Value::Float(1e6)),
        ("third", Value::Float(1.0 / 3.0)),
        ("t", Value::Bool(true)),
        ("z", Value::Int(0)),
        ("e", Value::text("")),
        ("list", texts(&["a", "b", "c"])),
        ("nums", Value::list([1, 2, 3].map(Value::Int))),
        ("none", Value::list([])),
        ("labels", Value::texts([("job", "api"), ("instance", "x:90")])),
        ("m", Value::map([("a", Value::Int(1)), ("b", Value::map([("c", Value::text("deep"))]))])),
    ])
}

pub(crate) fn rendered(template: &str) -> Result<String, String> {
    let mut templates = Templates::default();
    templates.parse("t", template, &|name| Example.has(name)).map_err(|error| error.to_string())?;
    templates.execute("t", &data(), &mut Example, Escape::No).map_err(|error| error.to_string())
}

#[test]
fn output_is_gos_and_what_go_refuses_is_refused() {
    let (mut wrong, mut asked, mut words) = (Vec::new(), 0, Vec::new());
    for line in include_str!("../fixtures/go.jsonl").lines() {
        let case: Case = serde_json::from_str(line).unwrap();
        asked += 1;
        let got = rendered(&case.template);
        let alike = match (&case.output, &got) {
            (Some(output), Ok(text)) => output == text,
            (None, Err(_)) => true,
            _ => false,
        };
        if let Err(error) = &got
            && *error != case.error
        {
            words.push(format!("  Go   {}\n  here {error}", case.error));
        }
        if !alike {
            wrong.push(format!(
                "{:?}\n  Go   {:?} {}\n  here {got:?}",
                case.template, case.output, case.error
            ));
        }
    }
    // Go knows types before it runs, and so says some things in other words
    assert!(words.len() <= 20, "{} errors in other words:\n{}", words.len(), words.join("\n"));
    assert!(wrong.is_empty() && asked > 100, "{} of {asked} differ:\n{}", wrong.len(), wrong.join("\n"));
}
