//! The environment of a container's process.
//!
//! Input: a container, its pod, ConfigMaps and Secrets, `tidewatch.yaml`. Output: the whole environment, in which
//! `$(VAR)` is expanded, Service names are addresses and placeholders are paths; or what is missing. Of tidewatch's own
//! environment a process gets `PATH`, the locale and the time zone. Values are never logged.

use crate::cluster::Cluster;
use crate::dapr;
use crate::guard::INSTANCE_VARIABLE;
use crate::pod::Pod;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use tidewatch_manifest::{Container, EnvSource, ImageCommand, KeyRef};

/// Variables that are handed on from tidewatch's own environment.
const INHERITED: [&str; 9] = [
    "PATH",
    "LANG",
    "LC_ALL",
    "TZ",
    "LD_LIBRARY_PATH",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "RUST_LOG",
    "RUST_BACKTRACE",
];

/// The mark of one run of a container, to find its processes by.
pub(crate) const CONTAINER_VARIABLE: &str = "TIDEWATCH_CONTAINER";

/// The environment of one container.
pub(crate) struct Environment<'a> {
    cluster: &'a Cluster,
    pod: &'a Pod,
    values: BTreeMap<String, OsString>,
}

impl<'a> Environment<'a> {
    /// Builds it.
    ///
    /// # Errors
    /// What is missing, e.g. a Secret, with the remedy.
    pub(crate) fn build(
        cluster: &'a Cluster,
        pod: &'a Pod,
        container: &Container,
        image: &ImageCommand,
    ) -> Result<Self, String> {
        let mut environment = Self { cluster, pod, values: BTreeMap::new() };
        environment.add_base();
        if pod.workload.template.enable_service_links {
            environment.add_service_links();
        }
        if pod.workload.dapr.is_some() && container.name != dapr::CONTAINER {
            for (name, value) in dapr::application_variables(pod) {
                environment.values.insert(name.to_owned(), value.into());
            }
        }
        environment.add_objects(container)?;
        for variable in &container.env {
            if let Some(value) = environment.value_of(container, &variable.name, &variable.source)? {
                environment.values.insert(variable.name.clone(), value);
            }
        }
        for (name, value) in &image.env {
            let value = cluster.names.replace(&cluster.fill(value, pod), &pod.namespace, name);
            environment.values.insert(name.clone(), value.into());
        }
        environment.values.insert(INSTANCE_VARIABLE.to_owned(), cluster.instance.clone().into());
        Ok(environment)
    }

    /// As it is handed to a process, with the mark of this run.
    pub(crate) fn finish(mut self, container_id: &str) -> Vec<(String, OsString)> {
        self.values.insert(CONTAINER_VARIABLE.to_owned(), container_id.into());
        self.values.into_iter().collect()
    }

    /// An argument of a command: `$(VAR)` expanded, Service names replaced.
    pub(crate) fn argument(&self, text: &str) -> String {
        let expanded = self.expand(text);
        let expanded = expanded.to_string_lossy();
        self.cluster.names.replace(&expanded, &self.pod.namespace, "")
    }

    fn add_base(&mut self) {
        for name in INHERITED {
            if let Some(value) = std::env::var_os(name) {
                self.values.insert(name.to_owned(), value);
            }
        }
        self.values.insert("HOSTNAME".to_owned(), self.pod.name.clone().into());
        self.values.insert("HOME".to_owned(), self.pod.folder.clone().into_os_string());
    }

    /// `SHOP_SERVICE_HOST`, `SHOP_SERVICE_PORT`, `SHOP_PORT_80_TCP_ADDR`, … for the Services of the namespace.
    fn add_service_links(&mut self) {
        for service in self.cluster.services.iter().filter(|service| !service.headless) {
            let key = (service.meta.namespace.clone(), service.meta.name.clone());
            let Some(address) =
                self.cluster.names.addresses.get(&key).filter(|_| key.0 == self.pod.namespace)
            else {
                continue;
            };
            let (name, ip) = (service.meta.name.to_uppercase().replace(['-', '.'], "_"), address.ip);
            let mut set = |variable: String, value: String| self.values.insert(variable, value.into());
            set(format!("{name}_SERVICE_HOST"), ip.to_string());
            for (index, port) in service.ports.iter().enumerate() {
                let moved = address.moved.iter().find(|(own, _)| *own == port.port);
                let actual = moved.map_or(port.port, |(_, instead)| *instead);
                let protocol = port.protocol.to_lowercase();
                let url = format!("{protocol}://{ip}:{actual}");
                if index == 0 {
                    set(format!("{name}_SERVICE_PORT"), actual.to_string());
                    set(format!("{name}_PORT"), url.clone());
                }
                if !port.name.is_empty() {
                    let port_name = port.name.to_uppercase().replace('-', "_");
                    set(format!("{name}_SERVICE_PORT_{port_name}"), actual.to_string());
                }
                let prefix = format!("{name}_PORT_{}_{}", port.port, port.protocol);
                set(prefix.clone(), url);
                set(format!("{prefix}_PROTO"), protocol);
                set(format!("{prefix}_PORT"), actual.to_string());
                set(format!("{prefix}_ADDR"), ip.to_string());
            }
        }
    }

    fn add_objects(&mut self, container: &Container) -> Result<(), String> {
        for from in &container.env_from {
            let (kind, entries) = self.object(from.secret, &from.name);
            let Some(entries) = entries else {
                if from.optional {
                    continue;
                }
                return Err(missing_object(kind, &from.name, &self.pod.namespace));
            };
            for (key, value) in entries {
                let name = format!("{}{key}", from.prefix);
                let value = self.replace_names(value, &name);
                self.values.insert(name, value);
            }
        }
        Ok(())
    }

    /// The entries of a ConfigMap or Secret.
    fn object(&self, secret: bool, name: &str) -> (&'static str, Option<Vec<(String, OsString)>>) {
        let (manifests, namespace) = (&self.cluster.manifests, &self.pod.namespace);
        if secret {
            let bytes = |value: &[u8]| OsString::from_vec(value.to_vec());
            let entries = manifests.secret(namespace, name).map(|secret| {
                secret.data.iter().map(|(key, value)| (key.clone(), bytes(value.reveal()))).collect()
            });
            return ("Secret", entries);
        }
        let entries = manifests
            .config_map(namespace, name)
            .map(|map| map.data.iter().map(|(key, value)| (key.clone(), value.into())).collect());
        ("ConfigMap", entries)
    }

    fn key(&self, secret: bool, reference: &KeyRef) -> Result<Option<OsString>, String> {
        let (kind, entries) = self.object(secret, &reference.name);
        let found =
            entries.as_ref().and_then(|entries| entries.iter().find(|(key, _)| *key == reference.key));
        match (found, entries.is_some()) {
            (Some((_, value)), _) => Ok(Some(value.clone())),
            _ if reference.optional => Ok(None),
            (None, true) => Err(format!(
                "couldn't find key {} in {kind} {}/{}",
                reference.key, self.pod.namespace, reference.name
            )),
            (None, false) => Err(missing_object(kind, &reference.name, &self.pod.namespace)),
        }
    }

    fn value_of(
        &self,
        container: &Container,
        name: &str,
        source: &EnvSource,
    ) -> Result<Option<OsString>, String> {
        let value = match source {
            EnvSource::Value(text) => Some(self.expand(text)),
            EnvSource::Field(path) => {
                Some(self.pod.field(path, &self.cluster.node).unwrap_or_default().into())
            }
            EnvSource::Resource { container: other, resource, divisor } => {
                let of =
                    other.as_ref().and_then(|name| self.pod.workload.container(name)).unwrap_or(container);
                Some(self.cluster.resource(of, resource, *divisor).into())
            }
            EnvSource::ConfigMapKey(reference) => self.key(false, reference)?,
            EnvSource::SecretKey(reference) => self.key(true, reference)?,
            EnvSource::Unsupported(kind) => {
                return Err(format!("variable {name}: valueFrom.{kind} is not supported locally"));
            }
        };
        Ok(value.map(|value| self.replace_names(value, name)))
    }

    fn replace_names(&self, value: OsString, variable: &str) -> OsString {
        match value.to_str() {
            Some(text) => self.cluster.names.replace(text, &self.pod.namespace, variable).into(),
            None => value,
        }
    }

    /// `$(VAR)` becomes the value of a variable that is already set, `$$` becomes `$`, anything else stays.
    fn expand(&self, text: &str) -> OsString {
        let mut out = Vec::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            out.extend_from_slice(&rest.as_bytes()[..at]);
            let after = &rest[at + 1..];
            if let Some(tail) = after.strip_prefix('$') {
                out.push(b'$');
                rest = tail;
                continue;
            }
            let reference = after.strip_prefix('(').and_then(|inner| inner.split_once(')'));
            match reference.and_then(|(name, tail)| Some((self.values.get(name)?, tail))) {
                Some((value, tail)) => {
                    out.extend_from_slice(value.as_bytes());
                    rest = tail;
                }
                None => {
                    out.push(b'$');
                    rest = after;
                }
            }
        }
        out.extend_from_slice(rest.as_bytes());
        OsStr::from_bytes(&out).to_owned()
    }
}

fn missing_object(kind: &str, name: &str, namespace: &str) -> String {
    let lower = kind.to_lowercase();
    format!("{lower} \"{name}\" not found in namespace {namespace}; hint: add the {kind} to the manifests")
}
