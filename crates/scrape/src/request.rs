//! The request for a target's page: headers, authentication, and where redirects lead.
//!
//! Input: a job and a target. Output: requests. Files with secrets are read for every request, so that a changed token
//! needs no reload; what they hold goes into the header and nowhere else.

use crate::ScrapeError;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::Empty;
use hyper::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use hyper::{Request, Uri};
use std::time::Duration;
use tidewatch_manifest::{HttpAuth, ScrapeConfig, SecretSource};

const TIMEOUT_HEADER: &str = "x-prometheus-scrape-timeout-seconds";

/// All about a target's request that does not change from scrape to scrape.
#[derive(Debug)]
pub(crate) struct PageRequest {
    pub(crate) url: String,
    pub(crate) timeout: Duration,
    pub(crate) follow_redirects: bool,
    uri: Uri,
    headers: HeaderMap,
    auth: Option<HttpAuth>,
    extra: Vec<(String, Vec<SecretSource>)>,
}

impl PageRequest {
    /// The request for a target.
    ///
    /// # Errors
    /// When its URL is none, or not one that is supported.
    pub(crate) fn new(
        url: &str,
        timeout: Duration,
        config: &ScrapeConfig,
        user_agent: &str,
    ) -> Result<Self, ScrapeError> {
        let uri = parse_url(url)?;
        let mut headers = HeaderMap::new();
        let encoding = if config.enable_compression { "gzip" } else { "identity" };
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(encoding));
        for (name, value) in [
            (ACCEPT, accept(config)),
            (USER_AGENT, user_agent.to_owned()),
            (HeaderName::from_static(TIMEOUT_HEADER), timeout.as_secs_f64().to_string()),
        ] {
            let value = HeaderValue::from_str(&value)
                .map_err(|error| ScrapeError::Request { url: url.to_owned(), reason: error.to_string() })?;
            headers.insert(name, value);
        }
        Ok(Self {
            url: url.to_owned(),
            timeout,
            follow_redirects: config.follow_redirects,
            uri,
            headers,
            auth: config.auth.clone(),
            extra: config.http_headers.iter().map(|(name, values)| (name.clone(), values.clone())).collect(),
        })
    }

    /// The first address.
    pub(crate) fn uri(&self) -> Uri {
        self.uri.clone()
    }

    /// The request to `uri`, which is the target's or where it redirects. Secrets go to the target's own host only.
    ///
    /// # Errors
    /// When a file with a secret cannot be read, or a value cannot stand in a header.
    pub(crate) async fn build(&self, uri: &Uri) -> Result<Request<Empty<Bytes>>, ScrapeError> {
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = uri.clone();
        *request.headers_mut() = self.headers.clone();
        if uri.authority() == self.uri.authority() {
            if let Some(auth) = &self.auth {
                request.headers_mut().insert(AUTHORIZATION, self.sensitive(&authorization(auth).await?)?);
            }
            for (name, values) in &self.extra {
                for value in values {
                    let name = HeaderName::from_bytes(name.as_bytes()).map_err(|e| self.invalid(&e))?;
                    let value = self.sensitive(&read(value).await?)?;
                    request.headers_mut().append(name, value);
                }
            }
        }
        Ok(request)
    }

    fn sensitive(&self, text: &str) -> Result<HeaderValue, ScrapeError> {
        let mut value = HeaderValue::from_str(text).map_err(|error| self.invalid(&error))?;
        value.set_sensitive(true);
        Ok(value)
    }

    fn invalid(&self, error: &dyn std::fmt::Display) -> ScrapeError {
        ScrapeError::Request { url: self.url.clone(), reason: error.to_string() }
    }
}

async fn authorization(auth: &HttpAuth) -> Result<String, ScrapeError> {
    match auth {
        HttpAuth::Basic { username, password } => {
            let pair = format!("{}:{}", read(username).await?, read(password).await?);
            Ok(format!("Basic {}", STANDARD.encode(pair)))
        }
        HttpAuth::Header { kind, credentials } => Ok(format!("{kind} {}", read(credentials).await?)),
    }
}

async fn read(source: &SecretSource) -> Result<String, ScrapeError> {
    match source {
        SecretSource::Inline(value) => Ok(value.clone()),
        SecretSource::File(path) => match tokio::fs::read_to_string(path).await {
            Ok(text) => Ok(text.trim().to_owned()),
            Err(error) => {
                let path = path.display().to_string();
                Err(ScrapeError::Secret { path, reason: error.to_string() })
            }
        },
    }
}

/// The formats of the job, the first most wanted, then anything.
fn accept(config: &ScrapeConfig) -> String {
    let mut header = String::new();
    let mut weight = config.scrape_protocols.len() + 1;
    for protocol in &config.scrape_protocols {
        header.push_str(protocol.media_type());
        if protocol.has_escaping() {
            header.push_str(";escaping=");
            header.push_str(&config.name_escaping);
        }
        header.push_str(&format!(";q=0.{weight},"));
        weight -= 1;
    }
    header.push_str(&format!("*/*;q=0.{weight}"));
    header
}

/// A URL that can be asked for.
///
/// # Errors
/// When it is none, or its scheme is not `http`.
pub(crate) fn parse_url(url: &str) -> Result<Uri, ScrapeError> {
    let failed = |reason: String| ScrapeError::Request { url: url.to_owned(), reason };
    let uri: Uri = url.parse().map_err(|error| failed(format!("{error}")))?;
    match (uri.scheme_str(), uri.authority()) {
        (Some("http"), Some(_)) => Ok(uri),
        (Some(other), _) if other != "http" => Err(failed(format!(
            "scheme {other:?} (label __scheme__) is not supported yet; hint: scrape it over http"
        ))),
        _ => Err(failed("no host".to_owned())),
    }
}

/// Where `location`, given by an answer from `from`, leads.
pub(crate) fn redirect(from: &Uri, location: &str) -> Result<Uri, ScrapeError> {
    let authority = from.authority().map_or("", |authority| authority.as_str());
    let location = location.split('#').next().unwrap_or_default();
    let absolute = if location.contains("://") {
        location.to_owned()
    } else if let Some(rest) = location.strip_prefix("//") {
        format!("http://{rest}")
    } else if location.starts_with('/') {
        format!("http://{authority}{location}")
    } else {
        let folder = from.path().rsplit_once('/').map_or("", |(folder, _)| folder);
        format!("http://{authority}{folder}/{location}")
    };
    parse_url(&absolute)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prometheuss_default_offer() {
        assert_eq!(
            accept(&ScrapeConfig::new("j")),
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,\
             application/openmetrics-text;version=0.0.1;q=0.4,\
             text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1"
        );
    }

    #[tokio::test]
    async fn names_and_passwords_are_sent_in_base64() {
        let check = async |username: &str, password: &str, expected: &str| {
            let inline = |text: &str| SecretSource::Inline(text.to_owned());
            let auth = HttpAuth::Basic { username: inline(username), password: inline(password) };
            assert_eq!(authorization(&auth).await.unwrap(), format!("Basic {expected}"));
        };
        // RFC 7617, section 2
        check("Aladdin", "open sesame", "QWxhZGRpbjpvcGVuIHNlc2FtZQ==").await;
        check("", "", "Og==").await;
        check("a", "", "YTo=").await;
        check("a", "b", "YTpi").await;
        check("a", "?>\u{ff}", "YTo/PsO/").await;
    }

    #[test]
    fn redirects_lead_somewhere() {
        let check = |location: &str, expected: Result<&str, &str>| {
            let found = redirect(&Uri::from_static("http://h:1/a/b?q"), location);
            let found = found.map(|uri| uri.to_string()).map_err(|error| error.to_string());
            match (found, expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected),
                (Err(found), Err(expected)) => assert!(found.contains(expected), "{found}"),
                other => panic!("{location}: {other:?}"),
            }
        };
        check("/x?y", Ok("http://h:1/x?y"));
        check("x", Ok("http://h:1/a/x"));
        check("http://other/x#part", Ok("http://other/x"));
        check("//other:2/x", Ok("http://other:2/x"));
        check("https://h/x", Err("scheme \"https\" (label __scheme__) is not supported yet"));
        check("http://", Err("cannot make a request"));
    }
}
