//! What is the same for every span of a process: who it is, as the outer messages of an export.
//!
//! Input: the application's name and version, the pod it runs in, and what the environment adds. Output: protobuf bytes, written once,
//! into which a batch of spans is put. Deliberately finds out nothing by itself: no host name, no command line.

use std::collections::BTreeMap;

use crate::{
    random_ids,
    span_encoding::{put_attribute, put_bytes, put_length},
};

/// The conventions that names of attributes follow.
const SCHEMA: &str = "https://opentelemetry.io/schemas/1.37.0";

/// Attributes of this process. What the environment says wins over what the program knows.
pub(crate) fn resource(
    service: &str,
    version: &str,
    pod: Option<&str>,
    namespace: Option<&str>,
    given: &BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let mut resource = BTreeMap::from(
        [
            ("service.name", service),
            ("service.version", version),
            ("telemetry.sdk.name", "todo-telemetry"),
            ("telemetry.sdk.language", "rust"),
            ("telemetry.sdk.version", env!("CARGO_PKG_VERSION")),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned())),
    );
    let instance = pod.map_or_else(|| random_ids::trace_id().to_string(), str::to_owned);
    resource.insert("service.instance.id".to_owned(), instance);
    if let Some(pod) = pod {
        resource.insert("k8s.pod.name".to_owned(), pod.to_owned());
    }
    if let Some(namespace) = namespace {
        resource.insert("k8s.namespace.name".to_owned(), namespace.to_owned());
        resource.insert("service.namespace".to_owned(), namespace.to_owned());
    }
    resource.extend(given.iter().map(|(key, value)| (key.clone(), value.clone())));
    resource
}

/// The messages around the spans of an `ExportTraceServiceRequest`.
#[derive(Debug)]
pub(crate) struct Envelope {
    /// Field `resource` of `ResourceSpans`.
    resource: Vec<u8>,
    /// Field `scope` of `ScopeSpans`.
    scope: Vec<u8>,
}

impl Envelope {
    pub(crate) fn new(resource: &BTreeMap<String, String>) -> Self {
        let mut attributes = Vec::new();
        for (key, value) in resource {
            put_attribute(&mut attributes, 1, key, value.into());
        }
        let mut of_resource = Vec::new();
        put_bytes(&mut of_resource, 1, &attributes);
        let mut scope = Vec::new();
        put_bytes(&mut scope, 1, b"todo-telemetry");
        put_bytes(&mut scope, 2, env!("CARGO_PKG_VERSION").as_bytes());
        let mut of_scope = Vec::new();
        put_bytes(&mut of_scope, 1, &scope);
        Self { resource: of_resource, scope: of_scope }
    }

    /// The whole request around `spans`, each of which is a field of `ScopeSpans`.
    pub(crate) fn around(&self, spans: &[u8]) -> Vec<u8> {
        let mut schema = Vec::with_capacity(SCHEMA.len() + 2);
        put_bytes(&mut schema, 3, SCHEMA.as_bytes());
        let mut head = Vec::with_capacity(self.resource.len() + self.scope.len() + 16);
        head.extend_from_slice(&self.resource);
        put_length(&mut head, 2, self.scope.len() + spans.len() + schema.len());
        head.extend_from_slice(&self.scope);
        let mut request = Vec::with_capacity(head.len() + spans.len() + 2 * schema.len() + 8);
        put_length(&mut request, 1, head.len() + spans.len() + 2 * schema.len());
        for part in [&head, spans, &schema, &schema] {
            request.extend_from_slice(part);
        }
        request
    }
}
