//! The files users write, as plain types: Kubernetes objects and Prometheus's own configuration.
//!
//! Input: text from files, folders or standard input. Output: checked plain types, or all errors, each with file,
//! line, field, value and remedy; [`check`] says what does not fit together between objects. It runs nothing.

mod endpoints;
mod error;

mod fields;
mod node;
mod quantity;

mod object;

mod env;
mod pod;
mod probe;

mod autoscaler;
mod config_map;
mod dapr;
mod kafka;
mod prometheus_rule;
mod scale_trigger;
mod scaled_object;
mod service;
mod service_monitor;
mod workload;

mod prometheus;
mod settings_file;

mod check;
mod duplicates;
mod load;
mod settings;

pub use autoscaler::{
    Autoscaler, AutoscalerMetric, MetricSource, MetricTarget, ScalingPolicy, ScalingRules, WrittenTarget,
};
pub use check::{Diagnostic, Severity, check};
pub use config_map::{ConfigMap, Secret, SecretValue};
pub use dapr::DaprSidecar;
pub use endpoints::{EndpointAddress, EndpointPort, Endpoints, PodRef};
pub use env::{EnvFrom, EnvSource, EnvVar, KeyRef};
pub use error::ManifestError;
pub use kafka::{KafkaCluster, KafkaPool};
pub use load::{Manifests, load, load_text, load_usable};
pub use object::{LabelSelector, ObjectMeta, Other, SelectorRequirement, Source};
pub use pod::{Container, ContainerPort, PodTemplate, PortRef, Volume, VolumeMount, VolumeSource};
pub use probe::{Handler, Probe};
pub use prometheus::{
    AlertingConfig, AlertmanagerConfig, FileDiscovery, GlobalConfig, HttpAuth, HttpSettings,
    PrometheusConfig, ScrapeConfig, ScrapeLimits, ScrapeProtocol, SecretSource, TlsConfig, TlsVersion,
    parse_bytes, parse_target_file, shown_alertmanager_config, shown_config,
};
pub use prometheus_rule::{PrometheusRule, Rule, RuleGroup, RulePlaces, parse_rule_file};
pub use quantity::{Quantity, QuantityError, QuantityFormat};
pub use scale_trigger::{KafkaTrigger, PrometheusTrigger, ScaleTrigger, TriggerKind};
pub use scaled_object::{Fallback, FallbackBehavior, Pause, SCALED_OBJECT_LABEL, ScaledObject};
pub use service::{Service, ServicePort};
pub use service_monitor::{MonitorEndpoint, MonitorPort, NamespaceSelector, ServiceMonitor};
pub use settings::{ImageCommand, Settings, short_image_name};
pub use workload::Deployment;

/// Reading settings with account of what is wrong, for the crates whose configuration is no Kubernetes object.
pub mod reading {
    pub use crate::fields::{Fields, Report};
    pub use crate::node::{Node, NodeValue, first_document};
    pub use crate::prometheus::http_client::{read_settings as read_http_settings, read_tls};
    pub use crate::prometheus::values::{duration, text, text_map, texts};
    pub use crate::settings_file::read_settings_file;
}
