//! Where a container's environment variables come from.
//!
//! Input: `env` and `envFrom` of a container. Output: [`EnvVar`] and [`EnvFrom`], unresolved: the values of fields,
//! ConfigMaps and Secrets are looked up when a pod starts.

use crate::Quantity;
use crate::fields::Fields;

/// One variable.
#[derive(Clone, Debug, PartialEq)]
pub struct EnvVar {
    /// The name.
    pub name: String,
    /// Where the value comes from.
    pub source: EnvSource,
}

/// Where a variable's value comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum EnvSource {
    /// The manifest itself; `$(OTHER)` is expanded.
    Value(String),
    /// A field of the pod, e.g. `status.podIP` or `metadata.labels['app']`.
    Field(String),
    /// A request or limit of a container, e.g. `limits.memory`.
    Resource {
        /// The container; the own one when none is named.
        container: Option<String>,
        /// E.g. `limits.cpu`.
        resource: String,
        /// What the amount is divided by.
        divisor: Quantity,
    },
    /// A key of a ConfigMap.
    ConfigMapKey(KeyRef),
    /// A key of a Secret.
    SecretKey(KeyRef),
    /// A source that is not supported, by its field's name.
    Unsupported(String),
}

/// A key of a ConfigMap or Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRef {
    /// The object.
    pub name: String,
    /// The key.
    pub key: String,
    /// Whether it may be missing; the variable is then not set.
    pub optional: bool,
}

/// All keys of an object as variables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvFrom {
    /// Put in front of each key.
    pub prefix: String,
    /// A Secret rather than a ConfigMap.
    pub secret: bool,
    /// The object.
    pub name: String,
    /// Whether it may be missing.
    pub optional: bool,
}

impl EnvVar {
    pub(crate) fn read(fields: &Fields<'_>) -> Self {
        let name = fields.required_text("name");
        let value = fields.text("value");
        let source = match fields.section("valueFrom") {
            Some(from) => {
                if value.is_some() {
                    fields.wrong("valueFrom", "may not be set together with value", "keep one of the two");
                }
                EnvSource::read(&from)
            }
            None => EnvSource::Value(value.unwrap_or_default()),
        };
        fields.finish_ref();
        Self { name, source }
    }
}

impl EnvSource {
    fn read(from: &Fields<'_>) -> Self {
        if let Some(field) = from.section("fieldRef") {
            let path = field.required_text("fieldPath");
            if !path.is_empty() && !is_known_field(&path) {
                field.wrong("fieldPath", format!("unsupported field {path:?}"), FIELDS_HINT);
            }
            return Self::Field(path);
        }
        if let Some(field) = from.section("resourceFieldRef") {
            let resource = field.required_text("resource");
            if !resource.starts_with("limits.") && !resource.starts_with("requests.") {
                field.wrong(
                    "resource",
                    format!("unsupported resource {resource:?}"),
                    "use e.g. limits.memory",
                );
            }
            let divisor = field.quantity("divisor").filter(|divisor| divisor.milli() > 0);
            return Self::Resource {
                container: field.text("containerName"),
                resource,
                divisor: divisor.unwrap_or(Quantity::from_units(1)),
            };
        }
        let key = |fields: &Fields<'_>| KeyRef {
            name: fields.required_text("name"),
            key: fields.required_text("key"),
            optional: fields.flag("optional").unwrap_or(false),
        };
        if let Some(reference) = from.section("configMapKeyRef") {
            return Self::ConfigMapKey(key(&reference));
        }
        if let Some(reference) = from.section("secretKeyRef") {
            return Self::SecretKey(key(&reference));
        }
        Self::Unsupported(from.keys().next().unwrap_or("valueFrom").to_owned())
    }
}

const FIELDS_HINT: &str = "use metadata.name, metadata.namespace, metadata.uid, metadata.labels['key'], \
                           metadata.annotations['key'], spec.nodeName, spec.serviceAccountName, status.podIP, \
                           status.podIPs, status.hostIP or status.hostIPs";

fn is_known_field(path: &str) -> bool {
    let indexed = ["metadata.labels['", "metadata.annotations['"];
    indexed.iter().any(|start| path.starts_with(start) && path.ends_with("']"))
        || [
            "metadata.name",
            "metadata.namespace",
            "metadata.uid",
            "spec.nodeName",
            "spec.serviceAccountName",
            "status.podIP",
            "status.podIPs",
            "status.hostIP",
            "status.hostIPs",
        ]
        .contains(&path)
}

impl EnvFrom {
    pub(crate) fn read(fields: &Fields<'_>) -> Option<Self> {
        let prefix = fields.text("prefix").unwrap_or_default();
        let (secret, reference) = match (fields.section("configMapRef"), fields.section("secretRef")) {
            (Some(reference), _) => (false, reference),
            (None, Some(reference)) => (true, reference),
            (None, None) => {
                fields.wrong("configMapRef", "neither configMapRef nor secretRef is set", "");
                return None;
            }
        };
        fields.finish_ref();
        let (name, optional) = (reference.required_text("name"), reference.flag("optional").unwrap_or(false));
        Some(Self { prefix, secret, name, optional })
    }
}
