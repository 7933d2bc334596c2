//! Selectors as calls write them: `labelSelector=app in (a, b),!canary` and `fieldSelector=status.phase!=Running`.
//!
//! Input: parameters of a call. Output: which objects it means. The comparisons of label values as numbers (`>`, `<`) are
//! refused: nothing here has labels that are numbers.

use serde_json::Value;
use std::collections::BTreeMap;
use tidewatch_manifest::{LabelSelector, SelectorRequirement};

/// Reads a label selector; an empty text selects everything.
///
/// # Errors
/// When the text is no selector; the error names the part that is not.
pub(super) fn label_selector(text: &str) -> Result<LabelSelector, String> {
    let mut selector = LabelSelector::default();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let (part, after) = first_part(rest);
        let requirement = requirement(part.trim())
            .ok_or_else(|| format!("unable to parse requirement {:?} in {text:?}", part.trim()))?;
        selector.match_expressions.push(requirement);
        rest = after.trim_start();
        if after.is_empty() && part.len() < text.trim().len() && text.trim_end().ends_with(',') {
            return Err(format!("unable to parse requirement \"\" in {text:?}"));
        }
    }
    Ok(selector)
}

/// The text up to the first comma outside of parentheses, and what follows it.
fn first_part(text: &str) -> (&str, &str) {
    let mut depth = 0_usize;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            b',' if depth == 0 => return (&text[..at], &text[at + 1..]),
            _ => {}
        }
    }
    (text, "")
}

fn requirement(part: &str) -> Option<SelectorRequirement> {
    let made = |key: &str, operator: &str, values: Vec<String>| {
        let (key, values_are_valid) = (key.trim(), values.iter().all(|value| is_value(value)));
        (is_key(key) && values_are_valid).then(|| SelectorRequirement {
            key: key.to_owned(),
            operator: operator.to_owned(),
            values,
        })
    };
    if let Some(key) = part.strip_prefix('!') {
        return made(key, "DoesNotExist", Vec::new());
    }
    if let Some((head, list)) = part.strip_suffix(')').and_then(|part| part.split_once('(')) {
        let values = list.split(',').map(|value| value.trim().to_owned()).collect();
        let (key, operator) = head.trim_end().rsplit_once(char::is_whitespace)?;
        return match operator {
            "in" => made(key, "In", values),
            "notin" => made(key, "NotIn", values),
            _ => None,
        };
    }
    if let Some((key, value)) = part.split_once("!=") {
        return made(key, "NotIn", vec![value.trim().to_owned()]);
    }
    if let Some((key, value)) = part.split_once("==").or_else(|| part.split_once('=')) {
        return made(key, "In", vec![value.trim().to_owned()]);
    }
    made(part, "Exists", Vec::new())
}

fn is_key(key: &str) -> bool {
    let name = key.rsplit('/').next().unwrap_or_default();
    !name.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_./".contains(&b))
}

fn is_value(value: &str) -> bool {
    value.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}

/// A selector of an object as calls write it: labels first, then conditions.
pub(super) fn selector_text(selector: &Value) -> String {
    let labels = selector["matchLabels"].as_object().into_iter().flatten();
    let labels = labels.map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or_default()));
    let conditions = selector["matchExpressions"].as_array().into_iter().flatten().map(|condition| {
        let values = condition["values"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let key = condition["key"].as_str().unwrap_or_default();
        match condition["operator"].as_str().unwrap_or_default() {
            "In" => format!("{key} in ({})", values.collect::<Vec<_>>().join(",")),
            "NotIn" => format!("{key} notin ({})", values.collect::<Vec<_>>().join(",")),
            "Exists" => key.to_owned(),
            _ => format!("!{key}"),
        }
    });
    labels.chain(conditions).collect::<Vec<_>>().join(",")
}

/// A selector as objects hold it.
pub(super) fn selector_object(selector: &LabelSelector) -> Value {
    let mut object = serde_json::Map::new();
    if !selector.match_labels.is_empty() {
        object.insert("matchLabels".to_owned(), serde_json::json!(selector.match_labels));
    }
    let expressions = selector.match_expressions.iter().map(|requirement| {
        let mut expression = serde_json::json!({ "key": requirement.key, "operator": requirement.operator });
        if !requirement.values.is_empty() {
            expression["values"] = serde_json::json!(requirement.values);
        }
        expression
    });
    let expressions: Vec<Value> = expressions.collect();
    if !expressions.is_empty() {
        object.insert("matchExpressions".to_owned(), expressions.into());
    }
    object.into()
}

/// Whether an object's labels satisfy a selector.
pub(super) fn selects(selector: &LabelSelector, object: &Value) -> bool {
    let labels = object["metadata"]["labels"].as_object();
    let labels: BTreeMap<String, String> = labels
        .into_iter()
        .flatten()
        .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
        .collect();
    selector.matches(&labels)
}

/// What fields of an object must be, or must not be.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct FieldSelector(Vec<(String, bool, String)>);

impl FieldSelector {
    /// Reads a field selector; an empty text selects everything. Besides name and namespace only `known` fields can be
    /// selected by.
    ///
    /// # Errors
    /// When the text is no selector, or names another field.
    pub(super) fn parse(text: &str, known: &[&str]) -> Result<Self, String> {
        let mut terms = Vec::new();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let equal = || part.split_once("==").or_else(|| part.split_once('='));
            let (field, wanted, value) = match part.split_once("!=") {
                Some((field, value)) => (field, false, value),
                None => {
                    let (field, value) = equal()
                        .ok_or_else(|| format!("invalid selector: {text:?}; can't understand {part:?}"))?;
                    (field, true, value)
                }
            };
            let field = field.trim();
            if !["metadata.name", "metadata.namespace"].contains(&field) && !known.contains(&field) {
                return Err(format!("field label not supported: {field}"));
            }
            terms.push((field.to_owned(), wanted, value.trim().to_owned()));
        }
        Ok(Self(terms))
    }

    /// Whether an object's fields are as asked for; a field that is not there is empty.
    pub(super) fn selects(&self, object: &Value) -> bool {
        self.0.iter().all(|(field, wanted, value)| {
            let found = field.split('.').fold(object, |at, name| &at[name]);
            (found.as_str().unwrap_or_default() == value) == *wanted
        })
    }

    /// Whether everything is selected.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn label_selectors_select() {
        let labels = json!({ "metadata": { "labels": { "app": "web", "tier": "front", "a.b/c": "" } } });
        let check = |text: &str, expected: bool| {
            assert_eq!(selects(&label_selector(text).unwrap(), &labels), expected, "{text}");
        };
        check("", true);
        check("app=web", true);
        check("app==web,tier=front", true);
        check("app=web,tier=back", false);
        check("app!=web", false);
        check("other!=web", true);
        check("app in (api, web),tier", true);
        check("app in (api)", false);
        check("app notin (api,web)", false);
        check("other notin (x)", true);
        check("!app", false);
        check("!other , app", true);
        check("a.b/c=", true);
        check("a.b/c", true);
    }

    #[test]
    fn texts_that_are_no_label_selectors_are_refused() {
        let check = |text: &str, part: &str| {
            let expected = format!("unable to parse requirement {part:?} in {text:?}");
            assert_eq!(label_selector(text), Err(expected));
        };
        check("app>1", "app>1");
        check("app=web,", "");
        check(",app=web", "");
        check("app like (x)", "app like (x)");
        check("app in (x", "app in (x");
        check("=web", "=web");
        check("app=a b", "app=a b");
    }

    #[test]
    fn selectors_are_written_as_kubernetes_writes_them() {
        let check = |text: &str| {
            assert_eq!(selector_text(&selector_object(&label_selector(text).unwrap())), text);
        };
        check("app in (web),tier,!canary,zone notin (a,b)");
        let labels = LabelSelector {
            match_labels: BTreeMap::from([("tier".into(), "x".into()), ("app".into(), "y".into())]),
            ..LabelSelector::default()
        };
        assert_eq!(selector_text(&selector_object(&labels)), "app=y,tier=x");
        assert_eq!(selector_object(&labels), json!({ "matchLabels": { "app": "y", "tier": "x" } }));
        let expression = json!({ "matchExpressions": [{ "key": "a", "operator": "Exists" }] });
        assert_eq!(selector_object(&label_selector("a").unwrap()), expression);
    }

    #[test]
    fn field_selectors_select_by_known_fields() {
        let object =
            json!({ "metadata": { "name": "a", "namespace": "n" }, "status": { "phase": "Running" } });
        let check = |text: &str, expected: Result<bool, &str>| {
            let found = FieldSelector::parse(text, &["status.phase", "spec.nodeName"]);
            let found = found.map(|selector| selector.selects(&object));
            assert_eq!(found, expected.map_err(str::to_owned), "{text}");
        };
        check("", Ok(true));
        check("metadata.name=a,metadata.namespace==n", Ok(true));
        check("status.phase!=Running", Ok(false));
        check("status.phase=Running,spec.nodeName=", Ok(true));
        check("spec.host=x", Err("field label not supported: spec.host"));
        check("x", Err("invalid selector: \"x\"; can't understand \"x\""));
    }
}
