//! The HTTP client for calls between the services, and the base URL it calls.
//!
//! Input: a validated `http://host:port[/prefix]` and a path. Output: a pooled HTTP/1.1 client whose idle connections end before
//! the server's do. Deliberately without TLS, redirects and cookies: it talks to neighbours.

use std::{str::FromStr, time::Duration};

use axum::{
    body::Body,
    http::{Uri, uri::PathAndQuery},
};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};

/// A pooled client; a clone shares the pool.
pub type HttpClient = Client<HttpConnector, Body>;

/// A client that gives up connecting after `connect_timeout`.
pub fn http_client(connect_timeout: Duration) -> HttpClient {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(connect_timeout));
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(Duration::from_secs(15))
        .pool_max_idle_per_host(32)
        .build(connector)
}

/// Where another service is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrl {
    authority: String,
    prefix: String,
}

impl BaseUrl {
    /// The address of `path_and_query` (starting with `/`) at this service; `None` when the two together are no address.
    pub fn join(&self, path_and_query: &str) -> Option<Uri> {
        let path: PathAndQuery = format!("{}{path_and_query}", self.prefix).parse().ok()?;
        Uri::builder().scheme("http").authority(self.authority.as_str()).path_and_query(path).build().ok()
    }

    /// Host and port, 80 when it names none.
    pub fn host_and_port(&self) -> (&str, u16) {
        // An IPv6 address keeps its brackets: only a colon behind them begins a port.
        match self.authority.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, port.parse().unwrap_or(80)),
            _ => (&self.authority, 80),
        }
    }

    /// Host and port, for the `Host` header.
    pub fn authority(&self) -> &str {
        &self.authority
    }
}

impl FromStr for BaseUrl {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let uri: Uri = text.parse().map_err(|_| "not a URL")?;
        if uri.scheme_str() != Some("http") {
            return Err("not an http:// URL");
        }
        let authority = uri.authority().ok_or("a URL without a host")?.as_str();
        if authority.contains('@') {
            return Err("a URL with credentials, which are not supported");
        }
        if uri.query().is_some() {
            return Err("a URL with a query, which is not supported");
        }
        Ok(Self { authority: authority.to_owned(), prefix: uri.path().trim_end_matches('/').to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_url_is_joined_or_refused() {
        let check = |base: &str, expected: Result<&str, &str>| {
            let joined =
                base.parse::<BaseUrl>().map(|base| base.join("/events/tasks?x=1").unwrap().to_string());
            assert_eq!(joined.as_deref().map_err(|reason| *reason), expected, "{base}");
        };
        check("http://event-service:8001", Ok("http://event-service:8001/events/tasks?x=1"));
        check("http://127.0.0.1:1/v1/", Ok("http://127.0.0.1:1/v1/events/tasks?x=1"));
        check("https://event-service", Err("not an http:// URL"));
        check("event-service:8001", Err("not an http:// URL"));
        check("/path", Err("not an http:// URL"));
        check("http://me:pw@host", Err("a URL with credentials, which are not supported"));
        check("http://host/?a=b", Err("a URL with a query, which is not supported"));
        check("http://a b", Err("not a URL"));
    }
}
