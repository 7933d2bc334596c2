//! `tidewatch sidecar`: the pub/sub part of a Dapr sidecar, under daprd's own flags.
//!
//! Input: the command's arguments and daprd's variables. Output: a sidecar until a signal or its application ends it. Flags of daprd
//! that change nothing here are taken, so that its command lines work.

use crate::failure::Failure;
use crate::signals::{Signals, Wish};
use clap::{ArgAction, Args};
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;
use tidewatch_sidecar::{AppHealthOptions, Sidecar, SidecarOptions};

/// Settings of `sidecar`: daprd's flags.
#[derive(Args, Debug)]
pub(crate) struct SidecarArgs {
    /// The application's name, and its consumer group's
    #[arg(long, value_name = "NAME")]
    app_id: String,

    /// Port of the application. Default: it takes no events
    #[arg(long, value_name = "PORT")]
    app_port: Option<u16>,

    /// Address of the application
    #[arg(long, value_name = "IP", default_value = "127.0.0.1")]
    app_channel_address: String,

    /// How the application is spoken to
    #[arg(long, value_name = "PROTOCOL", default_value = "http")]
    app_protocol: String,

    /// Requests to the application at once; -1 is no limit
    #[arg(long, value_name = "N", default_value_t = -1, allow_hyphen_values = true)]
    app_max_concurrency: i64,

    /// Port of the API
    #[arg(long, value_name = "PORT", default_value_t = 3500)]
    dapr_http_port: u16,

    /// Addresses of the API, with commas between them
    #[arg(long, value_name = "IPS", default_value = "127.0.0.1")]
    dapr_listen_addresses: String,

    /// Port of the metrics
    #[arg(long, value_name = "PORT", default_value_t = 9090)]
    metrics_port: u16,

    /// Address of the metrics
    #[arg(long, value_name = "IP", default_value = "127.0.0.1")]
    metrics_listen_address: IpAddr,

    /// Serve metrics
    #[arg(long, value_name = "BOOL", default_value_t = true, action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    enable_metrics: bool,

    /// Folder or file with Component, Subscription and Resiliency; repeatable
    #[arg(long, visible_alias = "components-path", value_name = "PATH", value_delimiter = ',')]
    resources_path: Vec<PathBuf>,

    /// File with a Configuration, or the name of one in a resources folder
    #[arg(long, value_name = "FILE")]
    config: Option<String>,

    /// The largest body of a request
    #[arg(
        long,
        visible_alias = "dapr-http-max-request-size",
        value_name = "QUANTITY",
        default_value = "4Mi"
    )]
    max_body_size: String,

    /// Ask the application whether it is healthy; deliveries pause while it is not
    #[arg(long)]
    enable_app_health_check: bool,

    /// Where it is asked
    #[arg(long, value_name = "PATH", default_value = "/healthz")]
    app_health_check_path: String,

    /// Seconds between two questions
    #[arg(long, value_name = "SECONDS", default_value_t = 5)]
    app_health_probe_interval: u64,

    /// Milliseconds until a question counts as failed
    #[arg(long, value_name = "MS", default_value_t = 500)]
    app_health_probe_timeout: u64,

    /// Failures in a row after which it is unhealthy
    #[arg(long, value_name = "N", default_value_t = 3)]
    app_health_threshold: u32,

    /// How long deliveries under way may take at the end
    #[arg(long, value_name = "SECONDS", default_value_t = 5)]
    dapr_graceful_shutdown_seconds: u64,

    /// debug, info, warn or error
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    pub(crate) log_level: String,

    /// Log lines as JSON
    #[arg(long, value_name = "BOOL", action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true")]
    pub(crate) log_as_json: bool,

    /// What daprd has and what changes nothing here.
    #[command(flatten)]
    without_effect: WithoutEffect,
}

/// Flags of daprd for parts that are not here.
#[derive(Args, Debug)]
struct WithoutEffect {
    #[arg(long, hide = true)]
    mode: Option<String>,
    #[arg(long, hide = true)]
    dapr_grpc_port: Option<String>,
    #[arg(long, hide = true)]
    dapr_internal_grpc_port: Option<String>,
    #[arg(long, hide = true)]
    dapr_internal_grpc_listen_address: Option<String>,
    #[arg(long, hide = true)]
    dapr_public_port: Option<String>,
    #[arg(long, hide = true)]
    dapr_public_listen_address: Option<String>,
    #[arg(long, hide = true)]
    actors_service: Option<String>,
    #[arg(long, hide = true)]
    reminders_service: Option<String>,
    #[arg(long, hide = true)]
    allowed_origins: Option<String>,
    #[arg(long, hide = true)]
    placement_host_address: Option<String>,
    #[arg(long, hide = true)]
    scheduler_host_address: Option<String>,
    #[arg(long, hide = true)]
    sentry_address: Option<String>,
    #[arg(long, hide = true)]
    control_plane_address: Option<String>,
    #[arg(long, hide = true)]
    control_plane_trust_domain: Option<String>,
    #[arg(long, hide = true)]
    control_plane_namespace: Option<String>,
    #[arg(long, hide = true)]
    trust_anchors: Option<String>,
    #[arg(long, hide = true)]
    unix_domain_socket: Option<String>,
    #[arg(long, hide = true)]
    read_buffer_size: Option<String>,
    #[arg(long, hide = true)]
    dapr_http_read_buffer_size: Option<String>,
    #[arg(long, hide = true)]
    dapr_block_shutdown_duration: Option<String>,
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true)]
    enable_mtls: Option<Option<String>>,
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true)]
    enable_profiling: Option<Option<String>>,
    #[arg(long, hide = true)]
    profile_port: Option<String>,
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true)]
    enable_api_logging: Option<Option<String>>,
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true)]
    disable_builtin_k8s_secret_store: Option<Option<String>>,
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true)]
    app_ssl: Option<Option<String>>,
}

impl WithoutEffect {
    /// The flags that were given although they ask for something.
    fn given(&self) -> Vec<&'static str> {
        let flags = [
            ("--app-ssl", self.app_ssl.is_some()),
            ("--enable-profiling", self.enable_profiling.is_some()),
            ("--unix-domain-socket", self.unix_domain_socket.is_some()),
            ("--dapr-block-shutdown-duration", self.dapr_block_shutdown_duration.is_some()),
            ("--enable-api-logging", self.enable_api_logging.is_some()),
        ];
        flags.into_iter().filter(|(_, given)| *given).map(|(flag, _)| flag).collect()
    }
}

impl SidecarArgs {
    fn options(&self) -> Result<SidecarOptions, Failure> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let health = || AppHealthOptions {
            path: self.app_health_check_path.clone(),
            interval: Duration::from_secs(self.app_health_probe_interval),
            timeout: Duration::from_millis(self.app_health_probe_timeout),
            threshold: self.app_health_threshold,
        };
        if self.app_protocol != "http" {
            let text = format!("--app-protocol={} is not supported: only http is", self.app_protocol);
            return Err(Failure::new(text).hint("let the application take events over HTTP"));
        }
        let listen_addresses = SidecarOptions::parse_listen_addresses(&self.dapr_listen_addresses);
        let max_body_bytes = SidecarOptions::parse_body_size(&self.max_body_size);
        Ok(SidecarOptions {
            namespace: variable("NAMESPACE"),
            pod_name: variable("POD_NAME"),
            app_port: self.app_port,
            app_channel_address: self.app_channel_address.clone(),
            app_max_concurrency: usize::try_from(self.app_max_concurrency).ok().filter(|most| *most > 0),
            http_port: self.dapr_http_port,
            listen_addresses: listen_addresses.map_err(|e| Failure::from_error(&e))?,
            metrics_port: self.metrics_port,
            metrics_listen_address: self.metrics_listen_address,
            enable_metrics: self.enable_metrics,
            resources_paths: self.resources_path.clone(),
            config: self.config.clone(),
            max_body_bytes: max_body_bytes.map_err(|e| Failure::from_error(&e))?,
            app_health: self.enable_app_health_check.then(health),
            graceful_shutdown: Duration::from_secs(self.dapr_graceful_shutdown_seconds),
            api_token: variable("DAPR_API_TOKEN"),
            app_api_token: variable("APP_API_TOKEN"),
            service_name: variable("OTEL_SERVICE_NAME"),
            resource_attributes: variable("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default(),
            ..SidecarOptions::new(&self.app_id)
        })
    }
}

/// Runs the command until a signal or the application ends it.
///
/// # Errors
/// When the sidecar cannot start; the text names the thing and the remedy.
pub(crate) async fn run(args: &SidecarArgs) -> Result<(), Failure> {
    let mut signals = Signals::new()?;
    for flag in args.without_effect.given() {
        tracing::warn!("{flag} has no effect here");
    }
    let mut sidecar = Sidecar::start(args.options()?).await.map_err(|e| Failure::from_error(&e))?;
    let stop = async { while signals.next().await != Wish::Stop {} };
    tokio::select! {
        () = stop => {}
        () = sidecar.asked_to_end() => {}
    }
    sidecar.shutdown().await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};
    use clap::Parser;

    fn parsed(line: &str) -> Result<SidecarOptions, String> {
        let arguments = std::iter::once("tidewatch").chain(line.split_whitespace());
        match Cli::try_parse_from(arguments).map_err(|e| e.to_string())?.command {
            Command::Sidecar(args) => args.options().map_err(|e| e.to_string()),
            command => panic!("{command:?}"),
        }
    }

    #[test]
    fn a_command_line_of_daprd_is_taken() {
        let options = parsed(
            "sidecar --app-id shop --app-port 8000 --app-channel-address 127.9.0.1 --dapr-http-port 3500 \
             --dapr-grpc-port 50001 --dapr-listen-addresses 127.9.0.1 --metrics-port 9090 --enable-mtls=false \
             --metrics-listen-address 127.9.0.1 --resources-path /r --config /c.yaml --log-level info --log-as-json \
             --enable-metrics --mode kubernetes --placement-host-address p:1 --sentry-address s:1 --max-body-size 1Mi \
             --app-max-concurrency -1 --dapr-graceful-shutdown-seconds 10 --enable-app-health-check",
        );
        let options = options.unwrap();
        assert_eq!(
            (options.app_id.as_str(), options.app_port, options.max_body_bytes),
            ("shop", Some(8000), 1 << 20)
        );
        assert_eq!((options.app_max_concurrency, options.enable_metrics), (None, true));
        assert!(options.app_health.is_some());
        assert!(!parsed("sidecar --app-id a --enable-metrics=false").unwrap().enable_metrics);
    }

    #[test]
    fn what_is_not_here_is_refused() {
        let error = parsed("sidecar --app-id a --app-protocol grpc").unwrap_err();
        assert!(error.contains("--app-protocol=grpc") && error.contains("hint:"), "{error}");
        assert!(parsed("sidecar").unwrap_err().contains("--app-id"));
    }
}
