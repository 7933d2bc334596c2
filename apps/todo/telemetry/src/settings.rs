//! Settings from environment variables, checked at start.
//!
//! Input: the process environment, or a table in tests. Output: typed values, or [`Error::Setting`] naming variable, value and
//! remedy. An empty variable counts as unset, because Kubernetes templates often leave one. Deliberately reads no file.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    ops::RangeInclusive,
    time::Duration,
};

use crate::{BaseUrl, Error, FaultSettings, LogLevel, Result, TraceSettings};

/// A snapshot of environment variables.
#[derive(Clone, Debug, Default)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// The variables this process was started with. Names and values that are not Unicode are read lossily.
    pub fn of_process() -> Self {
        Self(
            std::env::vars_os()
                .map(|(name, value)| {
                    (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned())
                })
                .collect(),
        )
    }

    /// The variables of a test.
    pub fn of<const N: usize>(variables: [(&str, &str); N]) -> Self {
        Self(variables.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }

    /// The variables of a test, as many as there are; a later one of the same name wins.
    #[cfg(test)]
    pub(crate) fn from_iter<'a>(variables: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        Self(variables.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }

    /// The value of `name`; `None` when unset or empty.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// A whole number within `range`, or `default` when unset.
    ///
    /// # Errors
    /// [`Error::Setting`] when the value is not a number or lies outside of `range`.
    pub fn number(&self, name: &'static str, default: u64, range: RangeInclusive<u64>) -> Result<u64> {
        let Some(value) = self.text(name) else { return Ok(default) };
        let refuse = |reason: &str| Error::Setting {
            name,
            value: value.to_owned(),
            reason: reason.to_owned(),
            hint: format!(
                "set {name} to a number from {} to {}, or unset it for {default}",
                range.start(),
                range.end()
            ),
        };
        let number: u64 = value.parse().map_err(|_| refuse("not a whole number"))?;
        if range.contains(&number) { Ok(number) } else { Err(refuse("out of range")) }
    }

    /// A duration in milliseconds within `range`, or `default` when unset.
    ///
    /// # Errors
    /// [`Error::Setting`] as for [`Environment::number`].
    pub fn milliseconds(
        &self,
        name: &'static str,
        default: u64,
        range: RangeInclusive<u64>,
    ) -> Result<Duration> {
        self.number(name, default, range).map(Duration::from_millis)
    }

    /// A TCP port; 0 lets the operating system choose.
    ///
    /// # Errors
    /// [`Error::Setting`] when the value is not a number from 0 to 65535.
    pub fn port(&self, name: &'static str, default: u16) -> Result<u16> {
        let number = self.number(name, u64::from(default), 0..=u64::from(u16::MAX))?;
        Ok(u16::try_from(number).expect("the range was checked"))
    }

    /// An IP address, or 127.0.0.1 when unset.
    ///
    /// # Errors
    /// [`Error::Setting`] when the value is not an address (host names are not looked up).
    pub fn ip(&self, name: &'static str) -> Result<IpAddr> {
        let Some(value) = self.text(name) else { return Ok(IpAddr::V4(Ipv4Addr::LOCALHOST)) };
        value.parse().map_err(|_| Error::Setting {
            name,
            value: value.to_owned(),
            reason: "not an IP address".to_owned(),
            hint: format!("set {name} to the address to listen on, such as 127.0.0.1 or 0.0.0.0"),
        })
    }

    /// The base URL of another service; `None` when unset.
    ///
    /// # Errors
    /// [`Error::Setting`] when the value is not an `http://` URL with a host.
    pub fn base_url(&self, name: &'static str) -> Result<Option<BaseUrl>> {
        let Some(value) = self.text(name) else { return Ok(None) };
        let parsed = value.parse().map_err(|reason: &'static str| Error::Setting {
            name,
            value: without_credentials(value),
            reason: reason.to_owned(),
            hint: format!("set {name} to a URL such as http://event-service:8001"),
        })?;
        Ok(Some(parsed))
    }

    /// How much is logged: `LOG_LEVEL`, by default `info`.
    ///
    /// # Errors
    /// [`Error::Setting`] when it is not one of error, warn, info, debug.
    pub fn log_level(&self) -> Result<LogLevel> {
        let Some(value) = self.text("LOG_LEVEL") else { return Ok(LogLevel::Info) };
        value.parse().map_err(|()| Error::Setting {
            name: "LOG_LEVEL",
            value: value.to_owned(),
            reason: "not a log level".to_owned(),
            hint: "set LOG_LEVEL to error, warn, info or debug".to_owned(),
        })
    }
}

/// Where a process listens and how it stops.
#[derive(Clone, Debug)]
pub struct ListenSettings {
    /// Address for requests: `POD_IP` and `PORT`.
    pub requests: SocketAddr,
    /// Address for metrics: `POD_IP` and `METRICS_PORT`.
    pub metrics: SocketAddr,
    /// How long new requests are still served after SIGTERM, while `/readyz` already answers 503: `DRAIN_DELAY_MS`.
    pub drain_delay: Duration,
    /// How long requests under way may still take after that: `SHUTDOWN_TIMEOUT_MS`.
    pub shutdown_timeout: Duration,
    /// How much is logged: `LOG_LEVEL`.
    pub log_level: LogLevel,
    /// Which traces are recorded and where they go: `OTEL_*`.
    pub tracing: TraceSettings,
    /// Whether faults may be caused on demand: `FAULTS_*`.
    pub faults: FaultSettings,
}

impl ListenSettings {
    /// Reads the variables every process has; `default_port` is used when `PORT` is unset.
    ///
    /// # Errors
    /// [`Error::Setting`] for the first variable that cannot be used.
    pub fn from_environment(environment: &Environment, default_port: u16) -> Result<Self> {
        let ip = environment.ip("POD_IP")?;
        Ok(Self {
            requests: SocketAddr::new(ip, environment.port("PORT", default_port)?),
            metrics: SocketAddr::new(ip, environment.port("METRICS_PORT", 9464)?),
            drain_delay: environment.milliseconds("DRAIN_DELAY_MS", 1_000, 0..=600_000)?,
            shutdown_timeout: environment.milliseconds("SHUTDOWN_TIMEOUT_MS", 20_000, 0..=600_000)?,
            log_level: environment.log_level()?,
            tracing: TraceSettings::from_environment(environment)?,
            faults: FaultSettings::from_environment(environment)?,
        })
    }
}

/// `url` with user, password and query replaced, fit for an error message.
pub(crate) fn without_credentials(url: &str) -> String {
    let (url, query) = match url.split_once('?') {
        Some((url, _)) => (url, "?…"),
        None => (url, ""),
    };
    let Some((scheme, rest)) = url.split_once("://") else {
        // Without an authority there is no telling where a password would be, unless there is nothing to hide.
        return if url.contains('@') { format!("…{query}") } else { format!("{url}{query}") };
    };
    match rest.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}://…@{host}{query}"),
        None => format!("{scheme}://{rest}{query}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(variables: [(&str, &str); 1], expected: &str) {
        let environment = Environment::of(variables);
        let outcome = ListenSettings::from_environment(&environment, 8000)
            .and_then(|_| environment.base_url("BACKEND_URL").map(drop));
        let text = outcome.map_or_else(|error| error.to_string(), |()| "accepted".to_owned());
        assert_eq!(text, expected, "{variables:?}");
    }

    #[test]
    fn a_bad_value_is_named_with_its_remedy() {
        check(
            [("PORT", "abc")],
            "PORT is \"abc\": not a whole number; hint: set PORT to a number from 0 to 65535, or unset it for 8000",
        );
        check(
            [("METRICS_PORT", "70000")],
            "METRICS_PORT is \"70000\": out of range; hint: set METRICS_PORT to a number from 0 to 65535, or unset it for 9464",
        );
        check(
            [("POD_IP", "localhost")],
            "POD_IP is \"localhost\": not an IP address; hint: set POD_IP to the address to listen on, such as 127.0.0.1 or 0.0.0.0",
        );
        check(
            [("LOG_LEVEL", "loud")],
            "LOG_LEVEL is \"loud\": not a log level; hint: set LOG_LEVEL to error, warn, info or debug",
        );
        check(
            [("BACKEND_URL", "ftp://me:secret@host?password=secret")],
            "BACKEND_URL is \"ftp://…@host?…\": not an http:// URL; hint: set BACKEND_URL to a URL such as http://event-service:8001",
        );
        check([("PORT", "")], "accepted");
        check([("PORT", "0")], "accepted");
    }

    #[test]
    fn credentials_never_reach_a_message() {
        let check = |url: &str, expected: &str| assert_eq!(without_credentials(url), expected);
        check("postgres://me:secret@db:5432/todo", "postgres://…@db:5432/todo");
        check("postgres://me:se@cret@db/todo?password=x", "postgres://…@db/todo?…");
        check("postgres:me:secret@db", "…");
        check("sqlite:todo.db", "sqlite:todo.db");
    }
}
