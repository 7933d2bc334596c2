//! TLS for what notifications are sent over: `tls_config`, and the handshake over a connection.
//!
//! Input: a [`TlsConfig`] and an open connection. Output: the encrypted connection, or a text that says why there is none. The
//! certificates trusted by default are those of the machine (`SSL_CERT_FILE` and `SSL_CERT_DIR` are honoured), as in Alertmanager.
//! Files are read for each connection, so a renewed certificate needs no reload. One provider of cryptography (ring), TLS 1.2 and
//! 1.3; older versions are not spoken.

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme, SupportedProtocolVersion};
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tidewatch_manifest::{SecretSource, TlsConfig, TlsVersion};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Time for a handshake, as in Go's client.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Encrypts a connection to `host`.
///
/// # Errors
/// When a certificate or key cannot be used, the host is not who it should be, or the handshake takes longer than 10 s.
pub(crate) async fn connect<S: AsyncRead + AsyncWrite + Unpin>(
    config: &TlsConfig,
    host: &str,
    stream: S,
) -> Result<TlsStream<S>, String> {
    let name = config.server_name.as_deref().unwrap_or(host);
    let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    let server = ServerName::try_from(bare.to_owned())
        .map_err(|_| format!("tls: {bare:?} is neither a host name nor an address"))?;
    let connector = TlsConnector::from(Arc::new(client_config(config).await?));
    match tokio::time::timeout(HANDSHAKE_TIMEOUT, connector.connect(server, stream)).await {
        Ok(connected) => connected.map_err(|error| format!("tls: {error}")),
        Err(_) => Err("tls: handshake timed out after 10s".to_owned()),
    }
}

/// The settings as rustls takes them.
///
/// # Errors
/// When a certificate or key cannot be read or used.
pub(crate) async fn client_config(config: &TlsConfig) -> Result<ClientConfig, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&versions(config))
        .map_err(|error| format!("tls_config: {error}"))?;
    let builder = if config.insecure_skip_verify {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
    } else {
        let verifier = WebPkiServerVerifier::builder_with_provider(roots(config).await?, provider)
            .build()
            .map_err(|error| format!("tls_config: {error}"))?;
        builder.with_webpki_verifier(verifier)
    };
    let (Some(cert), Some(key)) = (&config.cert, &config.key) else {
        return Ok(builder.with_no_client_auth());
    };
    let chain = certificates("cert", &pem("cert", cert).await?)?;
    let key = PrivateKeyDer::from_pem_slice(&pem("key", key).await?)
        .map_err(|_| "tls_config.key: no private key in PEM format".to_owned())?;
    builder.with_client_auth_cert(chain, key).map_err(|error| format!("tls_config.cert and key: {error}"))
}

fn versions(config: &TlsConfig) -> Vec<&'static SupportedProtocolVersion> {
    [(TlsVersion::Tls12, &rustls::version::TLS12), (TlsVersion::Tls13, &rustls::version::TLS13)]
        .into_iter()
        .filter(|(version, _)| config.min_version.is_none_or(|least| *version >= least))
        .filter(|(version, _)| config.max_version.is_none_or(|most| *version <= most))
        .map(|(_, supported)| supported)
        .collect()
}

async fn roots(config: &TlsConfig) -> Result<Arc<RootCertStore>, String> {
    let Some(ca) = &config.ca else { return machine_roots().await };
    let mut roots = RootCertStore::empty();
    for certificate in certificates("ca", &pem("ca", ca).await?)? {
        roots.add(certificate).map_err(|error| format!("tls_config.ca: {error}"))?;
    }
    Ok(Arc::new(roots))
}

/// What the machine trusts, read once.
async fn machine_roots() -> Result<Arc<RootCertStore>, String> {
    static ROOTS: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    let load = || {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        Arc::new(roots)
    };
    let roots = tokio::task::spawn_blocking(move || Arc::clone(ROOTS.get_or_init(load)));
    let roots = roots.await.map_err(|error| format!("tls: {error}"))?;
    if roots.is_empty() {
        return Err("tls: this machine trusts no certificate authority\n\
                    hint: install ca-certificates, or set tls_config.ca_file or SSL_CERT_FILE"
            .to_owned());
    }
    Ok(roots)
}

async fn pem(field: &str, source: &SecretSource) -> Result<Vec<u8>, String> {
    match source {
        SecretSource::Inline(text) => Ok(text.clone().into_bytes()),
        SecretSource::File(path) => {
            tokio::fs::read(path).await.map_err(|error| unreadable(field, path, &error))
        }
    }
}

fn unreadable(field: &str, path: &Path, error: &std::io::Error) -> String {
    format!("tls_config.{field}_file: {}: {error}", path.display())
}

fn certificates(field: &str, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let found = found.map_err(|error| format!("tls_config.{field}: {error}"))?;
    if found.is_empty() {
        return Err(format!("tls_config.{field}: no certificate in PEM format"));
    }
    Ok(found)
}

/// `insecure_skip_verify`: whoever answers is believed, as long as the handshake itself is sound.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
