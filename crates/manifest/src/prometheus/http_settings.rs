//! How a client talks HTTP: redirects, headers, authentication and TLS, as Prometheus and Alertmanager name them.
//!
//! Made from `http_config` of Alertmanager's receivers and from the entries of `alerting.alertmanagers`; read by what sends. Plain
//! data: secrets do not print, and files with secrets or certificates are read when they are used.

use super::scrape_config::{HttpAuth, SecretSource};
use std::collections::BTreeMap;

/// Settings of an HTTP client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpSettings {
    /// How requests are authenticated.
    pub auth: Option<HttpAuth>,
    /// Further request headers.
    pub headers: BTreeMap<String, Vec<SecretSource>>,
    /// Whether answers 3xx with a location are followed, ten at most.
    pub follow_redirects: bool,
    /// How `https` is spoken.
    pub tls: TlsConfig,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self { auth: None, headers: BTreeMap::new(), follow_redirects: true, tls: TlsConfig::default() }
    }
}

/// `tls_config`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsConfig {
    /// Whom to trust, in PEM; the machine's own list if absent.
    pub ca: Option<SecretSource>,
    /// The client's certificate, in PEM; only together with `key`.
    pub cert: Option<SecretSource>,
    /// The client's private key, in PEM; only together with `cert`.
    pub key: Option<SecretSource>,
    /// The name that the server's certificate has to have; that of the address if absent.
    pub server_name: Option<String>,
    /// Whether any certificate is believed.
    pub insecure_skip_verify: bool,
    /// The least version.
    pub min_version: Option<TlsVersion>,
    /// The greatest version.
    pub max_version: Option<TlsVersion>,
}

/// A version of TLS that is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// `TLS12`
    Tls12,
    /// `TLS13`
    Tls13,
}
