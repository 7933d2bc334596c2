//! The `OTEL_*` variables, as OpenTelemetry's specification names them.
//!
//! Input: the environment. Output: checked settings, or the error that names variable, value and remedy. What this application does
//! not serve (gRPC, JSON, compression, TLS) is refused here instead of being ignored. Deliberately exports nothing unless an endpoint
//! is given: a process that stands alone should not knock at a door.

use std::{collections::BTreeMap, time::Duration};

use axum::http::{HeaderMap, HeaderName, HeaderValue, Uri};

use crate::{Environment, Error, Result, exporter::ExportPolicy, settings::without_credentials};

const SAMPLERS: &str =
    "always_on, always_off, traceidratio, jaeger_remote, or one of them after parentbased_";

/// What tracing is started with.
#[derive(Clone, Debug)]
pub struct TraceSettings {
    /// `None`: spans are not recorded, contexts are passed on.
    pub(crate) export: Option<ExportSettings>,
    pub(crate) sampler: SamplerSettings,
    /// `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES`.
    pub(crate) resource: BTreeMap<String, String>,
    /// `POD_NAME`.
    pub(crate) pod: Option<String>,
    /// `POD_NAMESPACE`.
    pub(crate) namespace: Option<String>,
}

/// Where spans go.
#[derive(Clone, Debug)]
pub(crate) struct ExportSettings {
    pub(crate) address: Uri,
    /// With the content type.
    pub(crate) headers: HeaderMap,
    pub(crate) policy: ExportPolicy,
    pub(crate) max_queue: usize,
    pub(crate) max_batch: usize,
}

/// `OTEL_TRACES_SAMPLER` and its argument.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SamplerSettings {
    pub(crate) parent_based: bool,
    pub(crate) root: RootSettings,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum RootSettings {
    Always,
    Never,
    Share(f64),
    Remote(RemoteSettings),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RemoteSettings {
    pub(crate) endpoint: Uri,
    pub(crate) polling_interval: Duration,
    pub(crate) initial_rate: f64,
}

impl TraceSettings {
    /// Reads every variable.
    ///
    /// # Errors
    /// [`Error::Setting`] for the first variable that cannot be used.
    pub fn from_environment(environment: &Environment) -> Result<Self> {
        let mut resource = match environment.text("OTEL_RESOURCE_ATTRIBUTES") {
            None => BTreeMap::new(),
            Some(text) => pairs("OTEL_RESOURCE_ATTRIBUTES", text, text)?,
        };
        if let Some(name) = environment.text("OTEL_SERVICE_NAME") {
            resource.insert("service.name".to_owned(), name.to_owned());
        }
        check_propagators(environment)?;
        Ok(Self {
            export: export(environment)?,
            sampler: sampler(environment)?,
            resource,
            pod: environment.text("POD_NAME").map(str::to_owned),
            namespace: environment.text("POD_NAMESPACE").map(str::to_owned),
        })
    }

    /// Whether spans are recorded and sent.
    pub fn exports(&self) -> bool {
        self.export.is_some()
    }
}

fn refuse(name: &'static str, value: &str, reason: &str, hint: impl Into<String>) -> Error {
    Error::Setting { name, value: value.to_owned(), reason: reason.to_owned(), hint: hint.into() }
}

fn export(environment: &Environment) -> Result<Option<ExportSettings>> {
    let disabled = match environment.text("OTEL_SDK_DISABLED").map(str::to_ascii_lowercase).as_deref() {
        None | Some("false") => false,
        Some("true") => true,
        Some(other) => {
            return Err(refuse(
                "OTEL_SDK_DISABLED",
                other,
                "neither true nor false",
                "set OTEL_SDK_DISABLED to true or false",
            ));
        }
    };
    let wanted = match environment.text("OTEL_TRACES_EXPORTER") {
        None | Some("otlp") => true,
        Some("none") => false,
        Some(other) => {
            let hint = "set OTEL_TRACES_EXPORTER to otlp or none";
            return Err(refuse(
                "OTEL_TRACES_EXPORTER",
                other,
                "not an exporter that this application has",
                hint,
            ));
        }
    };
    let address = address(environment)?;
    let headers = headers(environment)?;
    for name in ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"] {
        one_of(
            environment,
            name,
            "http/protobuf",
            "the only protocol that this application speaks is http/protobuf",
        )?;
    }
    for name in ["OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "OTEL_EXPORTER_OTLP_COMPRESSION"] {
        one_of(environment, name, "none", "this application does not compress spans")?;
    }
    let max_queue = environment.number("OTEL_BSP_MAX_QUEUE_SIZE", 2048, 1..=1_000_000)?;
    let max_batch =
        environment.number("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", max_queue.min(512), 1..=max_queue)?;
    let default = environment.milliseconds("OTEL_EXPORTER_OTLP_TIMEOUT", 10_000, 1..=600_000)?;
    let default = u64::try_from(default.as_millis()).expect("the range was checked");
    let policy = ExportPolicy {
        schedule_delay: environment.milliseconds("OTEL_BSP_SCHEDULE_DELAY", 5_000, 0..=600_000)?,
        attempt_timeout: environment.milliseconds(
            "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT",
            default,
            1..=600_000,
        )?,
        give_up_after: environment.milliseconds("OTEL_BSP_EXPORT_TIMEOUT", 30_000, 1..=600_000)?,
    };
    let [max_queue, max_batch] =
        [max_queue, max_batch].map(|size| usize::try_from(size).expect("a million fits"));
    let settings = address.map(|address| ExportSettings { address, headers, policy, max_queue, max_batch });
    Ok(settings.filter(|_| wanted && !disabled))
}

fn one_of(environment: &Environment, name: &'static str, served: &str, reason: &str) -> Result<()> {
    match environment.text(name) {
        Some(other) if other != served => {
            Err(refuse(name, other, reason, format!("set {name} to {served}, or unset it")))
        }
        _ => Ok(()),
    }
}

/// The endpoint for traces is used as it is; the one for all signals gets their path appended.
fn address(environment: &Environment) -> Result<Option<Uri>> {
    if let Some(text) = environment.text("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") {
        return http_uri("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", text, text, "http://jaeger:4318/v1/traces")
            .map(Some);
    }
    let Some(text) = environment.text("OTEL_EXPORTER_OTLP_ENDPOINT") else { return Ok(None) };
    let base = http_uri("OTEL_EXPORTER_OTLP_ENDPOINT", text, text, "http://jaeger:4318")?;
    let path = format!("{}/v1/traces", base.path().trim_end_matches('/'));
    let mut parts = base.into_parts();
    parts.path_and_query = Some(path.parse().expect("a path with a plain path after it is a path"));
    Ok(Some(Uri::from_parts(parts).expect("a URL with another path is a URL")))
}

/// `shown` is what an error shows of the variable.
fn http_uri(name: &'static str, text: &str, shown: &str, example: &str) -> Result<Uri> {
    let refused = |reason: &str| {
        refuse(name, &without_credentials(shown), reason, format!("set {name} to a URL such as {example}"))
    };
    let uri: Uri = text.parse().map_err(|_| refused("not a URL"))?;
    match uri.scheme_str() {
        Some("http") => {}
        Some("https") => {
            return Err(refused("this application does not speak TLS, use a neighbour's http:// URL"));
        }
        _ => return Err(refused("not an http:// URL")),
    }
    let authority = uri.authority().ok_or_else(|| refused("a URL without a host"))?;
    if authority.as_str().contains('@') {
        return Err(refused("a URL with credentials, which belong into OTEL_EXPORTER_OTLP_HEADERS"));
    }
    Ok(uri)
}

fn headers(environment: &Environment) -> Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    for name in ["OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS"] {
        let Some(text) = environment.text(name) else { continue };
        for (key, value) in pairs(name, text, "…")? {
            let refused =
                || refuse(name, "…", "not a list of headers", format!("set {name} to name=value,name=value"));
            let key = HeaderName::from_bytes(key.as_bytes()).map_err(|_| refused())?;
            let mut value = HeaderValue::from_str(&value).map_err(|_| refused())?;
            value.set_sensitive(true);
            headers.insert(key, value);
        }
    }
    headers.insert("content-type", HeaderValue::from_static("application/x-protobuf"));
    headers.insert(
        "user-agent",
        HeaderValue::from_static(concat!("todo-telemetry/", env!("CARGO_PKG_VERSION"))),
    );
    Ok(headers)
}

/// `a=b,c=d` with percent-encoded values. `shown` is what an error shows of it.
fn pairs(name: &'static str, text: &str, shown: &str) -> Result<BTreeMap<String, String>> {
    let pair = |pair: &str| {
        let (key, value) = pair.split_once('=')?;
        let (key, value) = (percent_decoded(key.trim())?, percent_decoded(value.trim())?);
        (!key.is_empty()).then_some((key, value))
    };
    text.split(',')
        .filter(|part| !part.trim().is_empty())
        .map(|part| {
            pair(part).ok_or_else(|| {
                let hint = format!("set {name} to key=value,key=value with values percent-encoded");
                refuse(name, shown, "not a list of key=value pairs", hint)
            })
        })
        .collect()
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |byte: u8| char::from(byte).to_digit(16);
        let value = digit(rest.next()?)? * 16 + digit(rest.next()?)?;
        bytes.push(u8::try_from(value).ok()?);
    }
    String::from_utf8(bytes).ok()
}

fn check_propagators(environment: &Environment) -> Result<()> {
    let text = environment.text("OTEL_PROPAGATORS").unwrap_or("tracecontext");
    let names: Vec<&str> = text.split(',').map(str::trim).collect();
    if names.contains(&"tracecontext") && names.iter().all(|name| matches!(*name, "tracecontext" | "baggage"))
    {
        return Ok(());
    }
    let reason = "this application passes contexts on as W3C tracecontext only";
    Err(refuse("OTEL_PROPAGATORS", text, reason, "set OTEL_PROPAGATORS to tracecontext,baggage, or unset it"))
}

fn sampler(environment: &Environment) -> Result<SamplerSettings> {
    let name = environment.text("OTEL_TRACES_SAMPLER").unwrap_or("parentbased_always_on");
    let argument = environment.text("OTEL_TRACES_SAMPLER_ARG");
    let (parent_based, root) = match name.strip_prefix("parentbased_") {
        Some(root) => (true, root),
        None => (false, name),
    };
    let root = match root {
        "always_on" => RootSettings::Always,
        "always_off" => RootSettings::Never,
        "traceidratio" => RootSettings::Share(argument.map_or(Ok(1.0), |text| {
            share(text).ok_or_else(|| {
                let hint = "set OTEL_TRACES_SAMPLER_ARG to a number from 0 to 1, such as 0.1";
                refuse("OTEL_TRACES_SAMPLER_ARG", text, "not a share of traces", hint)
            })
        })?),
        "jaeger_remote" => RootSettings::Remote(remote(argument.unwrap_or_default())?),
        _ => {
            let hint = format!("set OTEL_TRACES_SAMPLER to {SAMPLERS}");
            return Err(refuse("OTEL_TRACES_SAMPLER", name, "not a sampler that this application has", hint));
        }
    };
    Ok(SamplerSettings { parent_based, root })
}

fn share(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|share| (0.0..=1.0).contains(share))
}

/// `endpoint=…,pollingIntervalMs=…,initialSamplingRate=…`, each of which may be left out.
fn remote(argument: &str) -> Result<RemoteSettings> {
    const NAME: &str = "OTEL_TRACES_SAMPLER_ARG";
    const EXAMPLE: &str =
        "endpoint=http://jaeger:5778/sampling,pollingIntervalMs=5000,initialSamplingRate=0.1";
    let refused = |reason: &str| {
        refuse(NAME, &without_credentials(argument), reason, format!("set {NAME} to {EXAMPLE}"))
    };
    let mut settings = RemoteSettings {
        endpoint: Uri::from_static("http://localhost:5778/sampling"),
        polling_interval: Duration::from_secs(60),
        initial_rate: 0.001,
    };
    for part in argument.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        match part.split_once('=').map(|(key, value)| (key.trim(), value.trim())) {
            Some(("endpoint", value)) => {
                settings.endpoint = http_uri(NAME, value, argument, "http://jaeger:5778/sampling")
                    .map_err(|_| refused("endpoint is not an http:// URL without credentials"))?;
            }
            Some(("pollingIntervalMs", value)) => {
                let milliseconds = value.parse().ok().filter(|number| (100..=86_400_000).contains(number));
                let milliseconds = milliseconds
                    .ok_or_else(|| refused("pollingIntervalMs is not a number from 100 to 86400000"))?;
                settings.polling_interval = Duration::from_millis(milliseconds);
            }
            Some(("initialSamplingRate", value)) => {
                settings.initial_rate =
                    share(value).ok_or_else(|| refused("initialSamplingRate is not a number from 0 to 1"))?;
            }
            _ => return Err(refused("not one of endpoint=, pollingIntervalMs=, initialSamplingRate=")),
        }
    }
    Ok(settings)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<const N: usize>(variables: [(&str, &str); N]) -> std::result::Result<TraceSettings, String> {
        TraceSettings::from_environment(&Environment::of(variables)).map_err(|error| error.to_string())
    }

    #[test]
    fn every_standard_sampler_is_understood() {
        let check = |name: &str, argument: &str, parent_based: bool, root: RootSettings| {
            let read = read([("OTEL_TRACES_SAMPLER", name), ("OTEL_TRACES_SAMPLER_ARG", argument)]).unwrap();
            assert_eq!(read.sampler, SamplerSettings { parent_based, root }, "{name} {argument}");
        };
        check("", "", true, RootSettings::Always);
        check("always_on", "", false, RootSettings::Always);
        check("always_off", "", false, RootSettings::Never);
        check("traceidratio", "0.25", false, RootSettings::Share(0.25));
        check("traceidratio", "", false, RootSettings::Share(1.0));
        check("parentbased_always_on", "", true, RootSettings::Always);
        check("parentbased_always_off", "ignored", true, RootSettings::Never);
        check("parentbased_traceidratio", "0.1", true, RootSettings::Share(0.1));
        let remote = |endpoint: &'static str, milliseconds, initial_rate| {
            let polling_interval = Duration::from_millis(milliseconds);
            RootSettings::Remote(RemoteSettings {
                endpoint: Uri::from_static(endpoint),
                polling_interval,
                initial_rate,
            })
        };
        check("jaeger_remote", "", false, remote("http://localhost:5778/sampling", 60_000, 0.001));
        check(
            "parentbased_jaeger_remote",
            "endpoint=http://jaeger:5778/sampling, pollingIntervalMs=5000, initialSamplingRate=0.1",
            true,
            remote("http://jaeger:5778/sampling", 5000, 0.1),
        );
    }

    #[test]
    fn spans_are_exported_only_to_an_endpoint_that_is_given() {
        let check = |variables: [(&str, &str); 2], expected: Option<&str>| {
            let address = read(variables).unwrap().export.map(|export| export.address.to_string());
            assert_eq!(address.as_deref(), expected, "{variables:?}");
        };
        const ALL: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://jaeger:4318");
        check([("", ""), ("", "")], None);
        check([ALL, ("", "")], Some("http://jaeger:4318/v1/traces"));
        check(
            [("OTEL_EXPORTER_OTLP_ENDPOINT", "http://jaeger/otlp/"), ("", "")],
            Some("http://jaeger/otlp/v1/traces"),
        );
        check([ALL, ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://tempo:1/t")], Some("http://tempo:1/t"));
        check([ALL, ("OTEL_TRACES_EXPORTER", "none")], None);
        check([ALL, ("OTEL_TRACES_EXPORTER", "otlp")], Some("http://jaeger:4318/v1/traces"));
        check([ALL, ("OTEL_SDK_DISABLED", "TRUE")], None);
        check([ALL, ("OTEL_SDK_DISABLED", "false")], Some("http://jaeger:4318/v1/traces"));
        check([ALL, ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")], Some("http://jaeger:4318/v1/traces"));
    }

    #[test]
    fn sizes_and_times_have_the_specifications_defaults() {
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://jaeger:4318");
        let export = read([endpoint]).unwrap().export.unwrap();
        assert_eq!((export.max_queue, export.max_batch), (2048, 512));
        let ExportPolicy { schedule_delay, attempt_timeout, give_up_after } = export.policy;
        assert_eq!([schedule_delay, attempt_timeout, give_up_after].map(|time| time.as_secs()), [5, 10, 30]);
        let export = read([
            endpoint,
            ("OTEL_BSP_MAX_QUEUE_SIZE", "100"),
            ("OTEL_BSP_SCHEDULE_DELAY", "200"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "300"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Basic%20c2VjcmV0,x-a=1"),
            ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "x-a=2"),
        ]);
        let export = export.unwrap().export.unwrap();
        assert_eq!((export.max_queue, export.max_batch), (100, 100));
        assert_eq!(export.policy.schedule_delay, Duration::from_millis(200));
        assert_eq!(export.policy.attempt_timeout, Duration::from_millis(300));
        assert_eq!(
            (&export.headers["authorization"], &export.headers["x-a"]),
            (&"Basic c2VjcmV0".parse().unwrap(), &"2".parse().unwrap())
        );
        assert!(!format!("{export:?}").contains("c2VjcmV0"), "a secret is printed");
    }

    #[test]
    fn resource_attributes_are_decoded_and_the_name_wins() {
        let settings = read([
            ("OTEL_RESOURCE_ATTRIBUTES", "service.name=a,deployment.environment.name=pre%2Cprod, x = y"),
            ("OTEL_SERVICE_NAME", "b"),
        ]);
        let expected = [("deployment.environment.name", "pre,prod"), ("service.name", "b"), ("x", "y")];
        let expected = expected.map(|(key, value)| (key.to_owned(), value.to_owned()));
        assert_eq!(settings.unwrap().resource, BTreeMap::from(expected));
    }

    #[test]
    fn what_cannot_be_used_is_named_with_its_remedy() {
        let check = |name: &'static str, value: &str, expected: &str| {
            let sampler = if name == "OTEL_TRACES_SAMPLER_ARG" && value.contains("://")
                || value.contains("Ms=")
                || value.contains("Rate=")
            {
                "jaeger_remote"
            } else if name == "OTEL_TRACES_SAMPLER_ARG" {
                "traceidratio"
            } else {
                ""
            };
            let text = match name {
                "OTEL_TRACES_SAMPLER" => read([(name, value)]),
                _ => read([(name, value), ("OTEL_TRACES_SAMPLER", sampler)]),
            };
            let text = text.expect_err(value);
            assert!(text.starts_with(&format!("{name} is \"")), "{text}");
            assert!(text.contains(expected) && text.contains(&format!("hint: set {name} to ")), "{text}");
            assert!(!text.contains("secret"), "{text}");
        };
        check("OTEL_SDK_DISABLED", "yes", "neither true nor false");
        check("OTEL_TRACES_EXPORTER", "zipkin", "otlp or none");
        check("OTEL_EXPORTER_OTLP_ENDPOINT", "jaeger:4318", "not an http:// URL");
        check("OTEL_EXPORTER_OTLP_ENDPOINT", "https://jaeger:4318", "TLS");
        check("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://me:secret@jaeger", "OTEL_EXPORTER_OTLP_HEADERS");
        check("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "http/protobuf");
        check("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json", "http/protobuf");
        check("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip", "does not compress");
        check("OTEL_EXPORTER_OTLP_TIMEOUT", "10s", "not a whole number");
        check("OTEL_EXPORTER_OTLP_HEADERS", "secret", "key=value");
        check("OTEL_EXPORTER_OTLP_HEADERS", "a b=secret", "not a list of headers");
        check("OTEL_RESOURCE_ATTRIBUTES", "a=%zz", "percent-encoded");
        check("OTEL_PROPAGATORS", "b3", "W3C");
        check("OTEL_PROPAGATORS", "none", "W3C");
        check("OTEL_BSP_MAX_QUEUE_SIZE", "0", "out of range");
        check("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "4096", "from 1 to 2048");
        check("OTEL_BSP_SCHEDULE_DELAY", "-1", "not a whole number");
        check("OTEL_TRACES_SAMPLER", "xray", "parentbased_");
        check("OTEL_TRACES_SAMPLER", "parentbased_", "not a sampler");
        check("OTEL_TRACES_SAMPLER_ARG", "1.5", "from 0 to 1");
        check("OTEL_TRACES_SAMPLER_ARG", "ten", "from 0 to 1");
        check("OTEL_TRACES_SAMPLER_ARG", "endpoint=https://jaeger", "http:// URL");
        check("OTEL_TRACES_SAMPLER_ARG", "pollingIntervalMs=1", "from 100");
        check("OTEL_TRACES_SAMPLER_ARG", "initialSamplingRate=2", "from 0 to 1");
        check("OTEL_TRACES_SAMPLER_ARG", "http://jaeger:5778", "not one of endpoint=");
    }
}
