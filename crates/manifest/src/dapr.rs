//! Dapr's annotations on a pod template: the sidecar that its injector would put into the pod.
//!
//! Input: annotations `dapr.io/*`, as Dapr's sidecar injector reads them. Output: [`DaprSidecar`], or why the annotations
//! cannot be used. Components, Subscriptions and Configurations are kept whole, as [`Other`], for whoever runs the sidecar.

use crate::{Manifests, Other, Quantity};
use std::collections::BTreeMap;

/// The image of the sidecar where `dapr.io/sidecar-image` names none.
const IMAGE: &str = "daprio/daprd";

/// What the annotations of a pod ask for.
#[derive(Clone, Debug, PartialEq)]
pub struct DaprSidecar {
    /// `dapr.io/app-id`; the workload's name when there is none.
    pub app_id: String,
    /// `dapr.io/app-port`: where the application listens; none for one that is not called.
    pub app_port: Option<u16>,
    /// `dapr.io/config`: the Configuration's name.
    pub config: Option<String>,
    /// `dapr.io/sidecar-image`; `daprio/daprd` by default.
    pub image: String,
    /// `dapr.io/enable-metrics`; on by default.
    pub metrics: bool,
    /// `dapr.io/metrics-port`; 9090 by default.
    pub metrics_port: u16,
    /// Further flags of daprd that follow from annotations, each with its value: `["--log-level", "info", …]`.
    pub flags: Vec<String>,
    /// `dapr.io/env`: variables of the sidecar.
    pub env: Vec<(String, String)>,
    /// `dapr.io/sidecar-{cpu,memory}-request`.
    pub requests: BTreeMap<String, Quantity>,
    /// `dapr.io/sidecar-{cpu,memory}-limit`; what has a limit and no request requests its limit.
    pub limits: BTreeMap<String, Quantity>,
}

/// Annotations with a value that daprd takes as it is, and its flag.
const FLAGS: [(&str, &str); 10] = [
    ("dapr.io/log-level", "--log-level"),
    ("dapr.io/app-protocol", "--app-protocol"),
    ("dapr.io/app-max-concurrency", "--app-max-concurrency"),
    ("dapr.io/graceful-shutdown-seconds", "--dapr-graceful-shutdown-seconds"),
    ("dapr.io/block-shutdown-duration", "--dapr-block-shutdown-duration"),
    ("dapr.io/max-body-size", "--max-body-size"),
    ("dapr.io/app-health-check-path", "--app-health-check-path"),
    ("dapr.io/app-health-probe-interval", "--app-health-probe-interval"),
    ("dapr.io/app-health-probe-timeout", "--app-health-probe-timeout"),
    ("dapr.io/app-health-threshold", "--app-health-threshold"),
];

/// Annotations that switch something on, and its flag.
const SWITCHES: [(&str, &str); 3] = [
    ("dapr.io/log-as-json", "--log-as-json"),
    ("dapr.io/enable-api-logging", "--enable-api-logging"),
    ("dapr.io/enable-app-health-check", "--enable-app-health-check"),
];

impl DaprSidecar {
    /// The sidecar of a pod with these annotations; none when they do not enable it.
    ///
    /// # Errors
    /// The first annotation that cannot be used, its value and what it should be.
    pub fn of(annotations: &BTreeMap<String, String>, workload: &str) -> Result<Option<Self>, String> {
        let text = |key: &str| annotations.get(key).map(String::as_str).filter(|value| !value.is_empty());
        if !flag(annotations, "dapr.io/enabled", false)? {
            return Ok(None);
        }
        let (mut requests, limits) = (amounts(annotations, "request")?, amounts(annotations, "limit")?);
        for (name, limit) in &limits {
            requests.entry(name.clone()).or_insert(*limit);
        }
        let mut flags = Vec::new();
        for (key, name) in FLAGS {
            flags.extend(text(key).into_iter().flat_map(|value| [name.to_owned(), value.to_owned()]));
        }
        for (key, name) in SWITCHES {
            if flag(annotations, key, false)? {
                flags.push(name.to_owned());
            }
        }
        let pairs = text("dapr.io/env").unwrap_or_default().split(',').filter(|pair| !pair.trim().is_empty());
        let env = pairs.map(|pair| {
            let (name, value) =
                pair.split_once('=').ok_or_else(|| wrong("dapr.io/env", pair, "NAME=value"))?;
            Ok((name.trim().to_owned(), value.trim().to_owned()))
        });
        Ok(Some(Self {
            app_id: text("dapr.io/app-id").unwrap_or(workload).to_owned(),
            app_port: port(annotations, "dapr.io/app-port")?,
            config: text("dapr.io/config").map(str::to_owned),
            image: text("dapr.io/sidecar-image").unwrap_or(IMAGE).to_owned(),
            metrics: flag(annotations, "dapr.io/enable-metrics", true)?,
            metrics_port: port(annotations, "dapr.io/metrics-port")?.unwrap_or(9090),
            flags,
            env: env.collect::<Result<_, String>>()?,
            requests,
            limits,
        }))
    }
}

fn wrong(key: &str, value: &str, wanted: &str) -> String {
    format!("annotation {key}: {value:?} cannot be used; hint: write {wanted}, in quotes")
}

/// A switch, in the words that the injector understands.
fn flag(annotations: &BTreeMap<String, String>, key: &str, default: bool) -> Result<bool, String> {
    let Some(value) = annotations.get(key) else { return Ok(default) };
    match value.to_lowercase().as_str() {
        "y" | "yes" | "true" | "on" | "1" => Ok(true),
        "n" | "no" | "false" | "off" | "0" | "" => Ok(false),
        _ => Err(wrong(key, value, "true or false")),
    }
}

fn port(annotations: &BTreeMap<String, String>, key: &str) -> Result<Option<u16>, String> {
    let Some(value) = annotations.get(key).filter(|value| !value.is_empty()) else { return Ok(None) };
    match value.parse::<u16>() {
        Ok(port) if port > 0 => Ok(Some(port)),
        _ => Err(wrong(key, value, "a port from 1 to 65535")),
    }
}

/// The sidecar's requests or limits.
fn amounts(annotations: &BTreeMap<String, String>, kind: &str) -> Result<BTreeMap<String, Quantity>, String> {
    let mut amounts = BTreeMap::new();
    for resource in ["cpu", "memory"] {
        let key = format!("dapr.io/sidecar-{resource}-{kind}");
        if let Some(value) = annotations.get(&key) {
            let amount = Quantity::parse(value).map_err(|_| wrong(&key, value, "e.g. 50m or 64Mi"))?;
            amounts.insert(resource.to_owned(), amount);
        }
    }
    Ok(amounts)
}

impl Manifests {
    /// Dapr's objects of a namespace (Component, Subscription, Configuration, Resiliency, …), whatever their scopes.
    pub fn dapr_resources<'a>(&'a self, namespace: &'a str) -> impl Iterator<Item = &'a Other> + 'a {
        let own = move |other: &&Other| {
            other.api_version.starts_with("dapr.io/") && other.meta.namespace == namespace
        };
        self.others.iter().filter(own)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(&str, &str)]) -> Result<Option<DaprSidecar>, String> {
        let pairs = pairs.iter().map(|(key, value)| (format!("dapr.io/{key}"), (*value).to_owned()));
        DaprSidecar::of(&pairs.collect(), "shop")
    }

    #[test]
    fn annotations_become_a_sidecar() {
        assert_eq!(of(&[("app-id", "x")]), Ok(None));
        assert_eq!(of(&[("enabled", "false"), ("app-port", "none")]), Ok(None));
        let plain = of(&[("enabled", "true")]).unwrap().unwrap();
        assert_eq!((plain.app_id.as_str(), plain.app_port, plain.metrics_port), ("shop", None, 9090));
        assert!(plain.metrics && plain.flags.is_empty() && plain.config.is_none());
        let full = of(&[
            ("enabled", "yes"),
            ("app-id", "orders"),
            ("app-port", "8001"),
            ("config", "tracing"),
            ("metrics-port", "9091"),
            ("log-level", "debug"),
            ("log-as-json", "true"),
            ("env", "A=1, B=x=y"),
            ("sidecar-cpu-request", "50m"),
            ("sidecar-memory-limit", "64Mi"),
        ]);
        let full = full.unwrap().unwrap();
        assert_eq!((full.app_id.as_str(), full.app_port, full.metrics_port), ("orders", Some(8001), 9091));
        assert_eq!(full.flags, ["--log-level", "debug", "--log-as-json"]);
        assert_eq!(full.env, [("A".to_owned(), "1".to_owned()), ("B".to_owned(), "x=y".to_owned())]);
        assert_eq!(full.requests["cpu"].milli(), 50);
        assert_eq!(full.requests["memory"], full.limits["memory"], "as the API server defaults it");
        assert!(!full.limits.contains_key("cpu"));
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        for (key, value) in
            [("app-port", "http"), ("metrics-port", "0"), ("env", "A"), ("sidecar-cpu-request", "lots")]
        {
            let error = of(&[("enabled", "true"), (key, value)]).unwrap_err();
            assert!(error.contains(&format!("dapr.io/{key}")) && error.contains("hint: "), "{error}");
        }
        assert!(of(&[("enabled", "perhaps")]).unwrap_err().contains("\"perhaps\""));
    }
}
