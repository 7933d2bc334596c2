//! What daprd takes as flags, as plain values.
//!
//! Input: the command line of `tidewatch sidecar`, as text where daprd takes text. Output: [`SidecarOptions`]. Flags of daprd that have no
//! effect here are the command line's to accept; they do not come this far.

use crate::SidecarError;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;
use tidewatch_manifest::Quantity;

/// How a sidecar is started. Defaults are daprd's, except that it listens on loopback.
#[derive(Clone, Debug)]
pub struct SidecarOptions {
    /// `--app-id`: the application's name; also the consumer group's, unless the component says otherwise.
    pub app_id: String,
    /// The namespace of the pod (daprd's variable `NAMESPACE`); a label of the component metrics. Manifests of other namespaces are left
    /// out. `None` where it is not known: then the label is empty and manifests of all namespaces are taken.
    pub namespace: Option<String>,
    /// The pod's name, for `{podName}` in component metadata.
    pub pod_name: Option<String>,
    /// `--app-port`: where the application listens; `None` when it takes no events.
    pub app_port: Option<u16>,
    /// `--app-channel-address`: the application's address.
    pub app_channel_address: String,
    /// `--app-max-concurrency`: requests to the application at once; `None` for no limit.
    pub app_max_concurrency: Option<usize>,
    /// `--dapr-http-port`: the port of the API; 0 for any.
    pub http_port: u16,
    /// `--dapr-listen-addresses`: the addresses of the API.
    pub listen_addresses: Vec<IpAddr>,
    /// `--metrics-port`; 0 for any.
    pub metrics_port: u16,
    /// `--metrics-listen-address`.
    pub metrics_listen_address: IpAddr,
    /// `--enable-metrics`.
    pub enable_metrics: bool,
    /// `--resources-path`: folders or files with Component, Subscription and Resiliency.
    pub resources_paths: Vec<PathBuf>,
    /// `--config`: a file with a Configuration, or the name of one that is in a resources folder.
    pub config: Option<String>,
    /// `--max-body-size`: the largest request body in bytes.
    pub max_body_bytes: usize,
    /// `--enable-app-health-check`: whether the application is probed; deliveries pause while it is unhealthy.
    pub app_health: Option<AppHealthOptions>,
    /// `--dapr-graceful-shutdown-seconds`: how long deliveries under way may take at the end; three quarters of it in a
    /// rebalance.
    pub graceful_shutdown: Duration,
    /// daprd's variable `DAPR_API_TOKEN`: what callers must send as `dapr-api-token`.
    pub api_token: Option<String>,
    /// daprd's variable `APP_API_TOKEN`: sent to the application as `dapr-api-token`.
    pub app_api_token: Option<String>,
    /// The variable `OTEL_RESOURCE_ATTRIBUTES`, `key=value` with commas between them: attributes of the resource in traces.
    pub resource_attributes: String,
    /// The variable `OTEL_SERVICE_NAME`: the service's name in traces, where it is not the app id.
    pub service_name: Option<String>,
}

/// How the application's health is probed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppHealthOptions {
    /// `--app-health-check-path`.
    pub path: String,
    /// `--app-health-probe-interval`, given in seconds.
    pub interval: Duration,
    /// `--app-health-probe-timeout`, given in milliseconds; shorter than the interval.
    pub timeout: Duration,
    /// `--app-health-threshold`: failures in a row after which it is unhealthy; at least 1.
    pub threshold: u32,
}

impl Default for AppHealthOptions {
    fn default() -> Self {
        Self {
            path: "/healthz".to_owned(),
            interval: Duration::from_secs(5),
            timeout: Duration::from_millis(500),
            threshold: 3,
        }
    }
}

impl SidecarOptions {
    /// daprd's defaults for an application.
    pub fn new(app_id: impl Into<String>) -> Self {
        let loopback = IpAddr::from([127, 0, 0, 1]);
        Self {
            app_id: app_id.into(),
            namespace: None,
            pod_name: None,
            app_port: None,
            app_channel_address: "127.0.0.1".to_owned(),
            app_max_concurrency: None,
            http_port: 3500,
            listen_addresses: vec![loopback],
            metrics_port: 9090,
            metrics_listen_address: loopback,
            enable_metrics: true,
            resources_paths: Vec::new(),
            config: None,
            max_body_bytes: 4 << 20,
            app_health: None,
            graceful_shutdown: Duration::from_secs(5),
            api_token: None,
            app_api_token: None,
            resource_attributes: String::new(),
            service_name: None,
        }
    }

    /// Reads `--dapr-listen-addresses`: addresses with commas between them.
    ///
    /// # Errors
    /// When one is no IP address.
    pub fn parse_listen_addresses(text: &str) -> Result<Vec<IpAddr>, SidecarError> {
        let parse = |part: &str| {
            part.trim().trim_matches(['[', ']']).parse().map_err(|_| SidecarError::Option {
                flag: "dapr-listen-addresses",
                value: text.to_owned(),
                reason: format!("{part:?} is no IP address"),
                hint: "give addresses such as 127.0.0.1, with commas between them",
            })
        };
        text.split(',').filter(|part| !part.trim().is_empty()).map(parse).collect()
    }

    /// Reads `--max-body-size`: a quantity of bytes as Kubernetes writes them, such as `4Mi`.
    ///
    /// # Errors
    /// When it is no quantity of at least one byte.
    pub fn parse_body_size(text: &str) -> Result<usize, SidecarError> {
        let bytes = Quantity::parse(text).ok().and_then(|quantity| usize::try_from(quantity.units()).ok());
        bytes.filter(|bytes| *bytes > 0).ok_or_else(|| SidecarError::Option {
            flag: "max-body-size",
            value: text.to_owned(),
            reason: "it is no quantity of bytes".to_owned(),
            hint: "write e.g. 4Mi",
        })
    }

    /// Refuses values that cannot work together.
    ///
    /// # Errors
    /// Names the flag, its value and the remedy.
    pub(crate) fn check(&self) -> Result<(), SidecarError> {
        let refuse = |flag, value: String, reason: &str, hint| {
            Err(SidecarError::Option { flag, value, reason: reason.to_owned(), hint })
        };
        if self.app_id.is_empty() || self.app_id.contains('.') {
            return refuse(
                "app-id",
                self.app_id.clone(),
                "an app id is not empty and has no dots",
                "give the value of the pod's annotation dapr.io/app-id",
            );
        }
        if let Some(health) = &self.app_health
            && (health.timeout > health.interval || health.interval.is_zero() || health.threshold == 0)
        {
            return refuse(
                "app-health-probe-timeout",
                format!("{}ms", health.timeout.as_millis()),
                "a probe's timeout must be at most its interval, and interval and threshold above 0",
                "lower --app-health-probe-timeout or raise --app-health-probe-interval",
            );
        }
        if self.listen_addresses.is_empty() {
            return refuse("dapr-listen-addresses", String::new(), "no address is given", "give 127.0.0.1");
        }
        Ok(())
    }

    /// Where the application listens.
    ///
    /// # Errors
    /// When its address cannot be resolved.
    pub(crate) fn app_address(&self) -> Result<Option<SocketAddr>, SidecarError> {
        let Some(port) = self.app_port else { return Ok(None) };
        let found =
            (self.app_channel_address.as_str(), port).to_socket_addrs().ok().and_then(|mut all| all.next());
        found.map(Some).ok_or_else(|| SidecarError::Option {
            flag: "app-channel-address",
            value: self.app_channel_address.clone(),
            reason: "it cannot be resolved".to_owned(),
            hint: "give the pod's own IP address",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_addresses_are_read() {
        let size = |text: &str, expected: Option<usize>| {
            assert_eq!(SidecarOptions::parse_body_size(text).ok(), expected, "{text}");
        };
        size("4Mi", Some(4 << 20));
        size("16k", Some(16_000));
        size("12", Some(12));
        size("0", None);
        size("-1", None);
        size("4MB", None);
        size("1.5Mi", Some(3 << 19));
        size("2e3", Some(2000));
        size("", None);
        let addresses =
            SidecarOptions::parse_listen_addresses("127.0.0.1,[::1]").expect("both are addresses");
        assert_eq!(addresses.len(), 2);
        let error = SidecarOptions::parse_listen_addresses("here").unwrap_err().to_string();
        assert!(error.contains("--dapr-listen-addresses=\"here\"") && error.contains("hint:"), "{error}");
    }

    #[test]
    fn options_that_cannot_work_are_refused() {
        let check = |change: fn(&mut SidecarOptions), expected: Option<&str>| {
            let mut options = SidecarOptions::new("app");
            change(&mut options);
            let error = options.check().err().map(|error| error.to_string());
            assert_eq!(error.is_some(), expected.is_some(), "{error:?}");
            if let (Some(error), Some(expected)) = (error, expected) {
                assert!(error.contains(expected), "{error}");
            }
        };
        check(|_| {}, None);
        check(|options| options.app_id = String::new(), Some("--app-id"));
        check(|options| options.app_id = "a.b".to_owned(), Some("no dots"));
        check(|options| options.listen_addresses.clear(), Some("--dapr-listen-addresses"));
        let slow = |options: &mut SidecarOptions| {
            let timeout = Duration::from_secs(9);
            options.app_health = Some(AppHealthOptions { timeout, ..AppHealthOptions::default() });
        };
        check(slow, Some("--app-health-probe-timeout"));
    }
}
