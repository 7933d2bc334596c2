//! Deployments: which pods, how many.
//!
//! Input: documents of kind `Deployment` (apps/v1). Output: [`Deployment`]. How pods are replaced
//! (`strategy`, `minReadySeconds`, …) is legal and not interpreted.

use crate::fields::Fields;
use crate::{LabelSelector, ObjectMeta, PodTemplate, Source};

/// A Deployment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Deployment {
    /// Name, namespace, labels and place.
    pub meta: ObjectMeta,
    /// `spec.replicas`, if set.
    pub replicas: Option<u32>,
    /// Which pods are its own.
    pub selector: LabelSelector,
    /// What its pods are made from.
    pub template: PodTemplate,
}

impl Deployment {
    pub(crate) fn read(object: &Fields<'_>, source: Source) -> Self {
        let mut deployment = Self { meta: ObjectMeta::read(object, source, true), ..Self::default() };
        let Some(spec) = object.required_section("spec") else { return deployment };
        deployment.replicas = spec.number("replicas", 0, 10_000);
        if let Some(selector) = spec.required_section("selector") {
            deployment.selector = LabelSelector::read(&selector);
            selector.finish();
        }
        let fingerprint = spec.raw("template").map_or(0, |node| node.fingerprint());
        if let Some(template) = spec.required_section("template") {
            deployment.template = PodTemplate::read(&template, fingerprint);
            template.finish();
            if !deployment.selector.matches(&deployment.template.labels) {
                spec.wrong(
                    "selector",
                    format!(
                        "does not match the labels of the pod template: wants {:?}, the template has {:?}",
                        deployment.selector.match_labels, deployment.template.labels
                    ),
                    "give spec.template.metadata.labels what spec.selector asks for",
                );
            }
        }
        spec.known(&[
            "strategy",
            "minReadySeconds",
            "revisionHistoryLimit",
            "paused",
            "progressDeadlineSeconds",
        ]);
        spec.finish();
        deployment
    }
}
