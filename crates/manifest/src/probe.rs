//! Probes and lifecycle hooks.
//!
//! Input: `startupProbe`, `readinessProbe`, `livenessProbe`, `preStop`. Output: [`Probe`] and [`Handler`] with the
//! defaults of Kubernetes filled in. Whether a handler can be run is decided where it is run.

use crate::PortRef;
use crate::fields::Fields;
use std::time::Duration;

/// A regular check of a container.
#[derive(Clone, Debug, PartialEq)]
pub struct Probe {
    /// What is done.
    pub handler: Handler,
    /// No check before the container has run this long; 0 s by default.
    pub initial_delay: Duration,
    /// Time between checks; 10 s by default.
    pub period: Duration,
    /// A check that takes longer has failed; 1 s by default.
    pub timeout: Duration,
    /// Successes in a row after which the result turns to success; 1 by default.
    pub success_threshold: u32,
    /// Failures in a row after which the result turns to failure; 3 by default.
    pub failure_threshold: u32,
    /// Replaces the pod's grace period when this probe restarts the container.
    pub termination_grace_period: Option<Duration>,
}

/// What a probe or hook does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Handler {
    /// A GET request; 200 to 399 is success.
    HttpGet {
        /// The host to ask instead of the pod's address.
        host: Option<String>,
        /// The port.
        port: PortRef,
        /// The path with its query; `/` by default.
        path: String,
        /// Whether TLS is asked for.
        tls: bool,
        /// Further headers.
        headers: Vec<(String, String)>,
    },
    /// A connection that is opened and closed.
    TcpSocket {
        /// The host instead of the pod's address.
        host: Option<String>,
        /// The port.
        port: PortRef,
    },
    /// A command in the container; exit code 0 is success.
    Exec {
        /// Program and arguments.
        command: Vec<String>,
    },
    /// A gRPC health check.
    Grpc {
        /// The port.
        port: u16,
        /// The service asked for.
        service: String,
    },
    /// Waiting (hooks only).
    Sleep {
        /// How long.
        duration: Duration,
    },
}

impl Probe {
    pub(crate) fn read(container: &Fields<'_>, key: &'static str, single_success: bool) -> Option<Self> {
        let fields = container.section(key)?;
        let handler = Handler::read(&fields);
        let seconds = |key, default: u32, least| {
            Duration::from_secs(fields.number(key, least, 86_400 * 365).unwrap_or(default).into())
        };
        let success_threshold: u32 = fields.number("successThreshold", 1, i32::MAX.into()).unwrap_or(1);
        if single_success && success_threshold != 1 {
            fields.wrong("successThreshold", format!("must be 1 for a {key}, is {success_threshold}"), "");
        }
        let probe = Self {
            initial_delay: seconds("initialDelaySeconds", 0, 0),
            period: seconds("periodSeconds", 10, 1),
            timeout: seconds("timeoutSeconds", 1, 1),
            success_threshold,
            failure_threshold: fields.number("failureThreshold", 1, i32::MAX.into()).unwrap_or(3),
            termination_grace_period: fields
                .number("terminationGracePeriodSeconds", 1, 86_400 * 365)
                .map(|seconds: u32| Duration::from_secs(seconds.into())),
            handler: handler?,
        };
        fields.finish();
        Some(probe)
    }
}

impl Handler {
    pub(crate) fn read_whole(fields: &Fields<'_>) -> Option<Self> {
        let handler = Self::read(fields);
        fields.finish_ref();
        handler
    }

    fn read(fields: &Fields<'_>) -> Option<Self> {
        fields.known(&["httpGet", "tcpSocket", "exec", "grpc", "sleep"]);
        let port = |fields: &Fields<'_>| {
            if !fields.has("port") {
                fields.required_text("port");
            }
            PortRef::read(fields, "port")
        };
        if let Some(http) = fields.section("httpGet") {
            let scheme = http.text("scheme").unwrap_or_else(|| "HTTP".to_owned());
            if scheme != "HTTP" && scheme != "HTTPS" {
                http.wrong("scheme", format!("unknown scheme {scheme:?}"), "use HTTP or HTTPS");
            }
            let headers = http.list("httpHeaders");
            let headers = headers
                .iter()
                .map(|header| (header.required_text("name"), header.required_text("value")))
                .collect();
            let handler = Self::HttpGet {
                host: http.text("host"),
                port: port(&http)?,
                path: http.text("path").filter(|path| !path.is_empty()).unwrap_or_else(|| "/".to_owned()),
                tls: scheme == "HTTPS",
                headers,
            };
            http.finish();
            return Some(handler);
        }
        if let Some(tcp) = fields.section("tcpSocket") {
            let handler = Self::TcpSocket { host: tcp.text("host"), port: port(&tcp)? };
            tcp.finish();
            return Some(handler);
        }
        if let Some(exec) = fields.section("exec") {
            return Some(Self::Exec { command: exec.text_list("command") });
        }
        if let Some(grpc) = fields.section("grpc") {
            let service = grpc.text("service").unwrap_or_default();
            return Some(Self::Grpc { port: grpc.number("port", 1, 65_535)?, service });
        }
        if let Some(sleep) = fields.section("sleep") {
            let seconds: u32 = sleep.number("seconds", 0, 86_400)?;
            return Some(Self::Sleep { duration: Duration::from_secs(seconds.into()) });
        }
        fields.wrong("httpGet", "no handler is given", "set one of httpGet, tcpSocket, exec, grpc");
        None
    }
}
