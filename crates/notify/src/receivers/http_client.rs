//! Posts JSON to another server, as `http_config` says.
//!
//! Input: a URL, a body and [`HttpSettings`]. Output: an [`Answer`] with at most 64 KiB of body, or an error that says whether trying
//! again may help. A connection for each request: notifications are rare, and one that was idle for hours is of no use. Redirects are
//! followed as Go's client does: at most ten, 301 to 303 with GET and without the body; secrets stay with the host they were meant for.
//! HTTP/1.1 only. URLs, headers and credentials never appear in an error.

use super::secret::{self, Redactor};
use super::tls;
use crate::SendError;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{
    AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, LOCATION, RETRY_AFTER, USER_AGENT,
};
use hyper::{Method, Request, Response, Uri};
use hyper_util::rt::TokioIo;
use std::error::Error;
use std::time::{Duration, SystemTime};
use tidewatch_manifest::{HttpAuth, HttpSettings};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// How requests name themselves.
const AGENT: &str = concat!("tidewatch/", env!("CARGO_PKG_VERSION"));

/// Redirects followed at most, as in Go's client.
const MAX_REDIRECTS: usize = 10;

/// Bytes of an answer that are read; what follows is dropped with the connection.
const MAX_ANSWER: usize = 64 * 1024;

/// Time for the body of an answer that says what is wrong, or of one that nobody waits for.
const BODY_TIMEOUT: Duration = Duration::from_secs(5);

/// The longest wait that a server may ask for.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(3600);

/// What a server answered.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) content_type: String,
    /// How long the server asks to be left alone.
    pub(crate) retry_after: Option<Duration>,
    pub(crate) body: String,
    /// Why the body is not whole.
    pub(crate) cut_off: Option<String>,
}

/// Which answers' bodies are of interest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// Of those that are not 2xx. What was taken is taken, even if the body never ends.
    Errors,
    /// Of all.
    Everything,
}

/// A URL that requests can go to.
///
/// # Errors
/// When it is none, has no host, or is neither `http` nor `https`. The text does not hold the URL.
pub(crate) fn parse_url(url: &str) -> Result<Uri, String> {
    let uri: Uri = url.parse().map_err(|_| "not a valid URL".to_owned())?;
    match (uri.scheme_str(), uri.host()) {
        (Some("http" | "https"), Some(host)) if !host.is_empty() => Ok(uri),
        (Some("http" | "https"), _) => Err("missing host for URL".to_owned()),
        (scheme, _) => Err(format!("unsupported scheme {:?} for URL", scheme.unwrap_or_default())),
    }
}

/// Posts JSON to `url`. What must stay secret about the request is added to `redactor`, and taken out of the answer's body.
///
/// # Errors
/// When there is no answer. All but a malformed URL may be tried again.
pub(crate) async fn post_json(
    settings: &HttpSettings,
    url: &str,
    body: Vec<u8>,
    reading: Reading,
    redactor: &mut Redactor,
) -> Result<Answer, SendError> {
    redactor.hide_url(url);
    let uri = parse_url(url).map_err(SendError::unrecoverable)?;
    let host = uri.host().unwrap_or_default().to_owned();
    let failed = |reason: String| SendError::recoverable(format!("post to {host}: {reason}"));
    let secrets = secret_headers(settings, &uri, redactor).await?;
    let response = follow(settings, uri, body.into(), reading, secrets).await;
    let mut answer = response.map_err(|reason| redactor.redact_error(failed(reason)))?;
    answer.body = redactor.redact(&answer.body);
    Ok(answer)
}

/// Authentication and further headers, with the secrets of this moment.
async fn secret_headers(
    settings: &HttpSettings,
    uri: &Uri,
    redactor: &mut Redactor,
) -> Result<HeaderMap, SendError> {
    let mut headers = HeaderMap::new();
    if let Some(text) = authorization(settings.auth.as_ref(), uri, redactor).await? {
        headers.insert(AUTHORIZATION, sensitive("authorization", &text)?);
    }
    for (name, values) in &settings.headers {
        let header = HeaderName::from_bytes(name.as_bytes());
        let header = header
            .map_err(|_| SendError::unrecoverable(format!("http_headers: {name:?} is no header name")))?;
        for value in values {
            let text = read(&format!("http_headers {name:?}"), value).await?;
            redactor.hide(&text);
            headers.append(header.clone(), sensitive(name, &text)?);
        }
    }
    Ok(headers)
}

/// A secret that the client, not the receiver, needs: a file that is being replaced is there a moment later.
async fn read(field: &str, source: &tidewatch_manifest::SecretSource) -> Result<String, SendError> {
    secret::read(field, source).await.map_err(|error| SendError { retry: true, ..error })
}

async fn authorization(
    auth: Option<&HttpAuth>,
    uri: &Uri,
    redactor: &mut Redactor,
) -> Result<Option<String>, SendError> {
    let (user, password) = match auth {
        Some(HttpAuth::Header { kind, credentials }) => {
            let credentials = read("authorization credentials_file", credentials).await?;
            redactor.hide(&credentials);
            return Ok(Some(format!("{kind} {credentials}")));
        }
        Some(HttpAuth::Basic { username, password }) => (
            read("basic_auth username_file", username).await?,
            read("basic_auth password_file", password).await?,
        ),
        None => {
            let authority = uri.authority().map_or("", |authority| authority.as_str());
            let Some((user_info, _)) = authority.rsplit_once('@') else { return Ok(None) };
            let (user, password) = user_info.split_once(':').unwrap_or((user_info, ""));
            let decoded = |text: &str| {
                let bytes = tidewatch_model::percent_decoded_leniently(text.as_bytes(), false);
                String::from_utf8_lossy(&bytes).into_owned()
            };
            (decoded(user), decoded(password))
        }
    };
    let encoded = STANDARD.encode(format!("{user}:{password}"));
    redactor.hide(&password);
    redactor.hide(&encoded);
    Ok(Some(format!("Basic {encoded}")))
}

fn sensitive(name: &str, text: &str) -> Result<HeaderValue, SendError> {
    let value = HeaderValue::from_str(text);
    let mut value =
        value.map_err(|_| SendError::unrecoverable(format!("{name}: the value cannot stand in a header")))?;
    value.set_sensitive(true);
    Ok(value)
}

async fn follow(
    settings: &HttpSettings,
    first: Uri,
    body: Bytes,
    reading: Reading,
    mut secrets: HeaderMap,
) -> Result<Answer, String> {
    let (mut uri, mut method, mut body) = (first.clone(), Method::POST, body);
    for _ in 0..=MAX_REDIRECTS {
        let mut request = Request::new(Full::new(body.clone()));
        *request.method_mut() = method.clone();
        let target = uri.path_and_query().map_or("/", |target| target.as_str());
        *request.uri_mut() = target.parse().map_err(|_| "not a valid URL".to_owned())?;
        let headers = request.headers_mut();
        headers.insert(HOST, host_header(&uri)?);
        headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        if method == Method::POST {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        headers.extend(secrets.clone());
        let (answer, location) = exchange(settings, &uri, request, reading).await?;
        let Some(location) = location.filter(|_| settings.follow_redirects) else { return Ok(answer) };
        match answer.status {
            301..=303 => (method, body) = (Method::GET, Bytes::new()),
            307 | 308 => {}
            _ => return Ok(answer),
        }
        uri = redirect(&uri, &location)?;
        if !is_domain_or_subdomain(uri.host().unwrap_or_default(), first.host().unwrap_or_default()) {
            secrets.clear();
        }
    }
    Err(format!("stopped after {MAX_REDIRECTS} redirects"))
}

fn host_header(uri: &Uri) -> Result<HeaderValue, String> {
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    HeaderValue::from_str(host).map_err(|_| "not a valid URL".to_owned())
}

/// Where `location`, given by an answer from `from`, leads.
fn redirect(from: &Uri, location: &str) -> Result<Uri, String> {
    let location = location.split('#').next().unwrap_or_default();
    let scheme = from.scheme_str().unwrap_or("http");
    let authority = from.authority().map_or("", |authority| authority.as_str());
    let absolute = if location.contains("://") {
        location.to_owned()
    } else if let Some(rest) = location.strip_prefix("//") {
        format!("{scheme}://{rest}")
    } else if location.starts_with('/') {
        format!("{scheme}://{authority}{location}")
    } else {
        let folder = from.path().rsplit_once('/').map_or("", |(folder, _)| folder);
        format!("{scheme}://{authority}{folder}/{location}")
    };
    parse_url(&absolute).map_err(|reason| format!("redirected to what is {reason}"))
}

/// Whether secrets for `parent` may go to `host`, as in Go's client.
fn is_domain_or_subdomain(host: &str, parent: &str) -> bool {
    let (host, parent) = (host.to_ascii_lowercase(), parent.to_ascii_lowercase());
    host == parent
        || !host.contains([':', '%'])
            && host.strip_suffix(parent.as_str()).is_some_and(|rest| rest.ends_with('.'))
}

async fn exchange(
    settings: &HttpSettings,
    uri: &Uri,
    request: Request<Full<Bytes>>,
    reading: Reading,
) -> Result<(Answer, Option<String>), String> {
    let host = uri.host().unwrap_or_default();
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let encrypted = uri.scheme_str() == Some("https");
    let port = uri.port_u16().unwrap_or(if encrypted { 443 } else { 80 });
    let stream = TcpStream::connect((bare, port)).await.map_err(|error| error.to_string())?;
    stream.set_nodelay(true).map_err(|error| error.to_string())?;
    if encrypted {
        send(tls::connect(&settings.tls, bare, stream).await?, request, reading).await
    } else {
        send(stream, request, reading).await
    }
}

async fn send<S: AsyncRead + AsyncWrite + Send + Unpin + 'static>(
    stream: S,
    request: Request<Full<Bytes>>,
    reading: Reading,
) -> Result<(Answer, Option<String>), String> {
    let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(|error| innermost(&error))?;
    // ends with this request, however that ends
    let mut connected = JoinSet::new();
    connected.spawn(connection);
    let response = sender.send_request(request).await.map_err(|error| innermost(&error))?;
    let (mut answer, location) = head_of(&response);
    let mut body = response.into_body();
    let taken = (200..300).contains(&answer.status);
    if taken && reading == Reading::Errors {
        tokio::spawn(async move {
            let _connected = connected;
            // a server that is cut off while it answers would call that an error; what it says does not matter
            let _ = tokio::time::timeout(BODY_TIMEOUT, read_body(&mut body, &mut Vec::new())).await;
        });
        return Ok((answer, location));
    }
    let mut bytes = Vec::new();
    let ended = match taken {
        true => read_body(&mut body, &mut bytes).await,
        false => match tokio::time::timeout(BODY_TIMEOUT, read_body(&mut body, &mut bytes)).await {
            Ok(ended) => ended,
            Err(_) => Err(format!("no end within {BODY_TIMEOUT:?}")),
        },
    };
    answer.cut_off = ended.err();
    answer.body = String::from_utf8_lossy(&bytes).into_owned();
    Ok((answer, location))
}

fn head_of(response: &Response<Incoming>) -> (Answer, Option<String>) {
    let header = |name| response.headers().get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let answer = Answer {
        status: response.status().as_u16(),
        content_type: header(CONTENT_TYPE).unwrap_or_default().to_owned(),
        retry_after: header(RETRY_AFTER).and_then(|text| retry_after(text, SystemTime::now())),
        ..Answer::default()
    };
    (answer, header(LOCATION).map(str::to_owned))
}

/// Reads up to [`MAX_ANSWER`].
async fn read_body(incoming: &mut Incoming, bytes: &mut Vec<u8>) -> Result<(), String> {
    while let Some(frame) = incoming.frame().await {
        let frame = frame.map_err(|error| format!("read the answer: {}", innermost(&error)))?;
        let Ok(data) = frame.into_data() else { continue };
        let room = MAX_ANSWER.saturating_sub(bytes.len()).min(data.len());
        bytes.extend_from_slice(&data[..room]);
        if room < data.len() {
            break;
        }
    }
    Ok(())
}

/// The time of a `Retry-After` header: seconds, or a date. At most an hour.
fn retry_after(text: &str, now: SystemTime) -> Option<Duration> {
    let text = text.trim();
    let wait = match text.parse::<f64>() {
        Ok(seconds) => Duration::try_from_secs_f64(seconds).ok()?,
        Err(_) => httpdate::parse_http_date(text).ok()?.duration_since(now).unwrap_or_default(),
    };
    Some(wait.min(MAX_RETRY_AFTER))
}

/// The innermost cause says most: `Connection refused (os error 111)` rather than `client error (Connect)`.
fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut innermost = error;
    while let Some(cause) = innermost.source() {
        innermost = cause;
    }
    innermost.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_checked_without_showing_them() {
        let check = |url: &str, expected: Result<(), &str>| {
            assert_eq!(parse_url(url).map(drop), expected.map_err(str::to_owned), "{url}");
        };
        check("http://h", Ok(()));
        check("https://h:1/x?y", Ok(()));
        check("ftp://h/secret", Err("unsupported scheme \"ftp\" for URL"));
        check("/only/a/path", Err("unsupported scheme \"\" for URL"));
        check("http:// h/secret", Err("not a valid URL"));
    }

    #[test]
    fn waits_are_seconds_or_dates() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777 - 5);
        let check = |text: &str, expected: Option<u64>| {
            assert_eq!(retry_after(text, now), expected.map(Duration::from_millis), "{text}");
        };
        check("3", Some(3000));
        check(" 0.25 ", Some(250));
        check("Sun, 06 Nov 1994 08:49:37 GMT", Some(5000));
        check("Sun, 06 Nov 1994 08:00:00 GMT", Some(0));
        check("999999999", Some(3_600_000));
        check("-1", None);
        check("soon", None);
    }

    #[test]
    fn secrets_stay_with_their_domain() {
        let check = |host: &str, parent: &str, expected: bool| {
            assert_eq!(is_domain_or_subdomain(host, parent), expected, "{host} {parent}");
        };
        check("a.example", "A.example", true);
        check("b.a.example", "a.example", true);
        check("ba.example", "a.example", false);
        check("example", "a.example", false);
        check("evil", "", false);
        check("::1%.a.example", "a.example", false);
    }

    #[test]
    fn redirects_lead_somewhere() {
        let check = |location: &str, expected: &str| {
            let from = Uri::from_static("https://h:1/a/b?q");
            assert_eq!(redirect(&from, location).map_or_else(|e| e, |uri| uri.to_string()), expected);
        };
        check("/x?y", "https://h:1/x?y");
        check("x#part", "https://h:1/a/x");
        check("//other/x", "https://other/x");
        check("http://other/x", "http://other/x");
        check("mailto://x", "redirected to what is unsupported scheme \"mailto\" for URL");
    }
}
