//! A pod of a drill that has a certificate: it serves TLS, and tells when the certificate that it is shown expires.
//!
//! Input: an address to listen on; `POST /renew/{days}` gives it a new certificate that is valid for so long. Output: TLS on port 8443, and on port
//! 9115 a page with `probe_ssl_earliest_cert_expiry`, as the blackbox exporter has it, of a handshake that is made for each scrape. It stands for what
//! a cluster has and one machine has not; it trusts every certificate, as only the dates are asked for.

use crate::failure::Failure;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, ServerConfig, SignatureScheme};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};
use time::OffsetDateTime;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// Where TLS is served.
const TLS_PORT: u16 = 8443;
/// Where the page is served, and the certificate renewed.
pub(crate) const PROBE_PORT: u16 = 9115;
/// The days that the first certificate is valid.
pub(crate) const USUAL_DAYS: u32 = 90;
/// The name in the certificate.
const NAME: &str = "drill.example";

/// The manifest of the pod, for the drill's copies; `image` is to run `tidewatch drill certificate`.
pub(crate) fn manifest(image: &str) -> String {
    format!(
        r#"---
{{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {{"name": "drill-certificate", "namespace": "todo-app-prod"}},
 "spec": {{"replicas": 1, "selector": {{"matchLabels": {{"app": "drill-certificate"}}}},
  "template": {{"metadata": {{"labels": {{"app": "drill-certificate"}}}}, "spec": {{"containers": [
   {{"name": "certificate", "image": "{image}", "ports": [{{"name": "metrics", "containerPort": {PROBE_PORT}}}],
     "readinessProbe": {{"httpGet": {{"path": "/metrics", "port": "metrics"}}, "periodSeconds": 1}}}}]}}}}}}}}
---
{{"apiVersion": "v1", "kind": "Service", "metadata": {{"name": "drill-certificate", "namespace": "todo-app-prod", "labels": {{"app": "drill-certificate"}}}},
 "spec": {{"selector": {{"app": "drill-certificate"}}, "ports": [{{"name": "metrics", "port": {PROBE_PORT}, "targetPort": "metrics"}}]}}}}
---
{{"apiVersion": "monitoring.coreos.com/v1", "kind": "ServiceMonitor", "metadata": {{"name": "drill-certificate", "namespace": "todo-app-prod"}},
 "spec": {{"selector": {{"matchLabels": {{"app": "drill-certificate"}}}}, "endpoints": [{{"port": "metrics", "interval": "1s", "scrapeTimeout": "1s"}}]}}}}
"#
    )
}

#[derive(Clone)]
struct Pod {
    tls: SocketAddr,
    serves: Arc<Mutex<Arc<ServerConfig>>>,
}

/// Runs the pod's process for ever.
///
/// # Errors
/// When a port is taken, or no certificate can be made.
pub(crate) async fn run(ip: IpAddr) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::from_error(&error);
    let tls = TcpListener::bind((ip, TLS_PORT)).await.map_err(failed)?;
    let page = TcpListener::bind((ip, PROBE_PORT)).await.map_err(failed)?;
    let pod =
        Pod { tls: tls.local_addr().map_err(failed)?, serves: Arc::new(Mutex::new(valid_for(USUAL_DAYS)?)) };
    tokio::spawn(serve_tls(tls, pod.clone()));
    serve_page(page, pod).await;
    Ok(())
}

/// What a server presents that has a new certificate of its own.
fn valid_for(days: u32) -> Result<Arc<ServerConfig>, Failure> {
    let failed = |error: &dyn std::error::Error| Failure::new(format!("no certificate can be made: {error}"));
    let key = rcgen::KeyPair::generate().map_err(|error| failed(&error))?;
    let mut parameters = rcgen::CertificateParams::new([NAME.to_owned()]).map_err(|error| failed(&error))?;
    let now = OffsetDateTime::from(SystemTime::now());
    parameters.not_before = now - Duration::from_secs(60);
    parameters.not_after = now + Duration::from_secs(u64::from(days) * 86_400);
    let certificate = parameters.self_signed(&key).map_err(|error| failed(&error))?;
    let key = PrivateKeyDer::try_from(key.serialize_der()).map_err(Failure::new)?;
    let config =
        ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().and_then(
            |builder| builder.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key),
        );
    config.map(Arc::new).map_err(|error| failed(&error))
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

async fn serve_tls(listener: TcpListener, pod: Pod) {
    while let Ok((stream, _)) = listener.accept().await {
        let serves = Arc::clone(&pod.serves.lock().unwrap_or_else(PoisonError::into_inner));
        tokio::spawn(async move {
            // a handshake that breaks off is the prober's to tell
            let _ = TlsAcceptor::from(serves).accept(stream).await;
        });
    }
}

async fn serve_page(listener: TcpListener, pod: Pod) {
    while let Ok((stream, _)) = listener.accept().await {
        let pod = pod.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| answer(request, pod.clone()));
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer(request: Request<Incoming>, pod: Pod) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let renewed = request.uri().path().strip_prefix("/renew/").and_then(|days| days.parse().ok());
    let (status, text) = match (request.method(), renewed) {
        (&Method::POST, Some(days)) => match valid_for(days) {
            Ok(serves) => {
                *pod.serves.lock().unwrap_or_else(PoisonError::into_inner) = serves;
                (StatusCode::OK, String::new())
            }
            Err(failure) => (StatusCode::INTERNAL_SERVER_ERROR, failure.to_string()),
        },
        (&Method::GET, None) => match expiry_of(pod.tls).await {
            Some(expiry) => (StatusCode::OK, page(expiry)),
            None => (StatusCode::SERVICE_UNAVAILABLE, "no handshake\n".to_owned()),
        },
        _ => (StatusCode::NOT_FOUND, String::new()),
    };
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; version=0.0.4"));
    Ok(response)
}

fn page(expiry: i64) -> String {
    format!(
        "# HELP probe_ssl_earliest_cert_expiry Returns last SSL chain expiry in unixtime\n\
         # TYPE probe_ssl_earliest_cert_expiry gauge\nprobe_ssl_earliest_cert_expiry {expiry}\n"
    )
}

/// When the certificate that a server presents expires, in seconds since the epoch.
async fn expiry_of(server: SocketAddr) -> Option<i64> {
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .ok()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyCertificate))
        .with_no_client_auth();
    let stream = TcpStream::connect(server).await.ok()?;
    let name = ServerName::try_from(NAME).ok()?;
    let connection = TlsConnector::from(Arc::new(config)).connect(name, stream).await.ok()?;
    not_after(connection.get_ref().1.peer_certificates()?.first()?)
}

/// Only dates are looked at.
#[derive(Debug)]
struct AnyCertificate;

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}

/// `notAfter` of an X.509 certificate: the second time of its validity, which is the only sequence of two times in it.
///
/// ```text
/// 30 len { 17 0d "YYMMDDHHMMSSZ" | 18 0f "YYYYMMDDHHMMSSZ" }{2}
/// ```
fn not_after(certificate: &[u8]) -> Option<i64> {
    (0..certificate.len()).find_map(|at| {
        let (_, rest) = time_at(certificate.get(at..)?)?;
        let (expiry, _) = time_at(rest)?;
        Some(expiry)
    })
}

/// A time at the begin of the bytes, and what is behind it.
fn time_at(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let (digits, rest, two_digit_year) = match bytes {
        [0x17, 13, rest @ ..] => (rest.get(..13)?, &rest[13..], true),
        [0x18, 15, rest @ ..] => (rest.get(..15)?, &rest[15..], false),
        _ => return None,
    };
    let text = std::str::from_utf8(digits).ok()?.strip_suffix('Z')?;
    let (year, others) = text.split_at_checked(if two_digit_year { 2 } else { 4 })?;
    let year: i32 = year.parse().ok()?;
    let year = match (two_digit_year, year) {
        (true, 50..) => 1900 + year,
        (true, _) => 2000 + year,
        (false, _) => year,
    };
    let part = |at: usize| others.get(at..at + 2)?.parse::<u8>().ok();
    let month = time::Month::try_from(part(0)?).ok()?;
    let day = time::Date::from_calendar_date(year, month, part(2)?).ok()?;
    let moment = day.with_hms(part(4)?, part(6)?, part(8)?).ok()?;
    Some((moment.assume_utc().unix_timestamp(), rest))
}

/// Gives the pod at an address a certificate that is valid for so many days.
///
/// # Errors
/// When it does not answer, or cannot.
pub(crate) async fn renew(ip: &str, days: u32) -> Result<(), Failure> {
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(10)).build();
    let client = client.map_err(|error| Failure::from_error(&error))?;
    let answer = client.post(format!("http://{ip}:{PROBE_PORT}/renew/{days}")).send().await;
    match answer.map_err(|error| Failure::from_error(&error))?.status() {
        StatusCode::OK => Ok(()),
        status => Err(Failure::new(format!("the drill's certificate cannot be renewed: status {status}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::UNIX_EPOCH;

    #[tokio::test]
    async fn a_handshake_tells_when_the_certificate_expires() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let pod =
            Pod { tls: listener.local_addr().unwrap(), serves: Arc::new(Mutex::new(valid_for(7).unwrap())) };
        tokio::spawn(serve_tls(listener, pod.clone()));
        let days = async || {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
            (expiry_of(pod.tls).await.unwrap() as f64 - now) / 86_400.0
        };
        assert!((days().await - 7.0).abs() < 0.01);
        *pod.serves.lock().unwrap() = valid_for(90).unwrap();
        assert!((days().await - 90.0).abs() < 0.01);
        assert!(page(5).ends_with("probe_ssl_earliest_cert_expiry 5\n"));
    }

    #[test]
    fn rubbish_has_no_date() {
        for rubbish in
            [&b""[..], b"\x17\x0d", b"\x17\x0d260101000000Z", b"\x17\x0d261301000000Z\x17\x0d261301000000Z"]
        {
            assert_eq!(not_after(rubbish), None, "{rubbish:?}");
        }
        assert_eq!(not_after(b"\x30\x1e\x17\x0d260101000000Z\x18\x0f20500101000000Z"), Some(2_524_608_000));
    }
}
