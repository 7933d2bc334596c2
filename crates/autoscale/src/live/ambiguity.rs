//! Whether several autoscalers scale the same pods.
//!
//! Input: the selector of each autoscaler's target, as it was last seen, and the pods of one of them. Output: what is wrong, as
//! Kubernetes finds it: by the pods, not by the target's name, so that two Deployments with overlapping selectors count too.

use super::cluster::TargetState;
use crate::SelectorState;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use tidewatch_manifest::LabelSelector;

/// The selectors of the targets of all autoscalers, by namespace and name of the autoscaler.
#[derive(Debug, Default)]
pub(crate) struct Selectors {
    known: Mutex<BTreeMap<(String, String), LabelSelector>>,
}

impl Selectors {
    /// Notes the selector of an autoscaler's target, and says whether its pods are its own.
    pub(crate) fn check(&self, namespace: &str, name: &str, state: &TargetState) -> SelectorState {
        let Some(selector) = &state.selector else { return SelectorState::Missing };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert((namespace.to_owned(), name.to_owned()), selector.clone());
        let mut autoscalers: Vec<String> = known
            .iter()
            .filter(|((other, _), _)| other == namespace)
            .filter(|(_, selector)| state.pods.iter().any(|pod| selector.matches(&pod.labels)))
            .map(|((namespace, name), _)| format!("{namespace}/{name}"))
            .collect();
        autoscalers.dedup();
        if autoscalers.len() < 2 {
            return SelectorState::Unique;
        }
        SelectorState::Ambiguous { selector: text_of(selector), autoscalers }
    }
}

/// A selector as the API server writes it: `app=web,tier in (a,b)`.
fn text_of(selector: &LabelSelector) -> String {
    let labels = selector.match_labels.iter().map(|(key, value)| (key, format!("{key}={value}")));
    let expressions = selector.match_expressions.iter().map(|requirement| {
        let key = &requirement.key;
        let mut values = requirement.values.clone();
        values.sort();
        let values = values.join(",");
        let text = match requirement.operator.as_str() {
            "In" => format!("{key} in ({values})"),
            "NotIn" => format!("{key} notin ({values})"),
            "Exists" => key.clone(),
            _ => format!("!{key}"),
        };
        (key, text)
    });
    let mut all: Vec<(&String, String)> = labels.chain(expressions).collect();
    all.sort();
    all.into_iter().map(|(_, text)| text).collect::<Vec<_>>().join(",")
}
