//! A request with places that differ from one to the next.
//!
//! Input: method, URL, headers and body as text. Output: HTTP requests. `{{sequence}}` becomes the number of the request,
//! `{{random}}` a number below a billion. It sends nothing.

use crate::Error;
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{HOST, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Uri};

/// Text with places to fill in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Template {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Sequence,
    Random,
}

impl Template {
    fn parse(what: &'static str, text: &str) -> Result<Self, Error> {
        let (mut parts, mut rest) = (Vec::new(), text);
        while let Some((before, after)) = rest.split_once("{{") {
            // }} without {{ ends an object in an object of JSON, and so does {{ without }}
            let Some((name, behind)) = after.split_once("}}") else { break };
            let part = match name.trim() {
                "sequence" => Part::Sequence,
                "random" => Part::Random,
                _ => {
                    let problem = format!("{{{{{name}}}}} is no known place");
                    return Err(Error::invalid(what, text, problem, "there are {{sequence}} and {{random}}"));
                }
            };
            parts.extend((!before.is_empty()).then(|| Part::Text(before.to_owned())));
            parts.push(part);
            rest = behind;
        }
        parts.extend((!rest.is_empty()).then(|| Part::Text(rest.to_owned())));
        Ok(Self { parts })
    }

    fn is_fixed(&self) -> bool {
        self.parts.iter().all(|part| matches!(part, Part::Text(_)))
    }

    fn fill(&self, sequence: u64, random: &mut fastrand::Rng) -> String {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Text(part) => text.push_str(part),
                Part::Sequence => text.push_str(&sequence.to_string()),
                Part::Random => text.push_str(&random.u32(..1_000_000_000).to_string()),
            }
        }
        text
    }
}

/// A request to be made again and again.
#[derive(Clone, Debug)]
pub struct RequestTemplate {
    name: String,
    method: Method,
    url: Uri,
    path: Template,
    fixed_path: Option<Uri>,
    headers: HeaderMap,
    body: Template,
    fixed_body: Option<Bytes>,
}

impl RequestTemplate {
    /// A request; `target` is `[METHOD ]URL`, a header `Name: value`. The body is sent with methods that have one.
    ///
    /// # Errors
    /// When a part cannot be read; the scheme is not http; a place is unknown.
    pub fn parse(target: &str, method: &str, headers: &[String], body: &str) -> Result<Self, Error> {
        let (method, url) = target.trim().split_once(' ').unwrap_or((method, target.trim()));
        let method = Method::from_bytes(method.to_ascii_uppercase().as_bytes())
            .map_err(|error| Error::invalid("method", method, error.to_string(), "write e.g. GET"))?;
        let has_body = !matches!(method, Method::GET | Method::HEAD | Method::DELETE);
        let (origin, path) = split(url)?;
        let path = Template::parse("url", &path)?;
        let body = Template::parse("body", if has_body { body } else { "" })?;
        let headers = read_headers(&origin, headers)?;
        let mut any = fastrand::Rng::with_seed(0);
        let checked = read_path(url, &path.fill(0, &mut any))?;
        Ok(Self {
            name: format!("{method} {url}"),
            fixed_path: path.is_fixed().then_some(checked),
            fixed_body: body.is_fixed().then(|| Bytes::from(body.fill(0, &mut any))),
            method,
            url: origin,
            path,
            headers,
            body,
        })
    }

    /// Method and URL, as given.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Scheme, host and port.
    pub(crate) fn origin(&self) -> &Uri {
        &self.url
    }

    /// The next request.
    pub(crate) fn request(&self, sequence: u64, random: &mut fastrand::Rng) -> Request<Full<Bytes>> {
        let path = self.fixed_path.clone().unwrap_or_else(|| {
            let path = self.path.fill(sequence, random);
            path.parse().expect("digits in the place of digits keep a path that was checked valid")
        });
        let body = match &self.fixed_body {
            Some(body) => body.clone(),
            None => Bytes::from(self.body.fill(sequence, random)),
        };
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = path;
        *request.headers_mut() = self.headers.clone();
        request
    }
}

/// Origin, and path with query: places may stand in the latter only.
fn split(url: &str) -> Result<(Uri, String), Error> {
    const HINT: &str = "write e.g. http://127.0.0.1:8000/api/tasks";
    let wrong = |problem: &str| Error::invalid("url", url, problem, HINT);
    if url.starts_with("https://") {
        let hint = "give an http:// URL; kubectl port-forward leads to a Service without TLS";
        return Err(Error::invalid("url", url, "https is not supported", hint));
    }
    let rest = url.strip_prefix("http://").ok_or_else(|| wrong("does not start with http://"))?;
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let origin: Uri =
        format!("http://{authority}/").parse().map_err(|_| wrong("the host or port cannot be read"))?;
    if origin.host().is_none_or(str::is_empty) || authority.contains('@') {
        return Err(wrong("has no host, or a user; give a user as header Authorization"));
    }
    let path = path.split('#').next().unwrap_or_default();
    Ok((origin, if path.starts_with('/') { path.to_owned() } else { format!("/{path}") }))
}

fn read_path(url: &str, path: &str) -> Result<Uri, Error> {
    let failed = |error: hyper::http::uri::InvalidUri| {
        Error::invalid("url", url, error.to_string(), "percent-encode spaces and other letters")
    };
    path.parse().map_err(failed)
}

fn read_headers(origin: &Uri, lines: &[String]) -> Result<HeaderMap, Error> {
    let mut headers = HeaderMap::new();
    let authority = origin.authority().map_or("", |authority| authority.as_str());
    headers.insert(HOST, HeaderValue::from_str(authority).expect("an authority is a header value"));
    for line in lines {
        let wrong =
            |problem: String| Error::invalid("header", line, problem, "write e.g. 'Accept: text/plain'");
        let (name, value) = line.split_once(':').ok_or_else(|| wrong("has no colon".to_owned()))?;
        let name: HeaderName = name.trim().parse().map_err(|_| wrong("the name is not one".to_owned()))?;
        let value = HeaderValue::from_str(value.trim()).map_err(|error| wrong(error.to_string()))?;
        headers.insert(name, value);
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(target: &str, body: &str) -> Result<(String, String, String), Error> {
        let template = RequestTemplate::parse(target, "post", &["X-A: b".to_owned()], body)?;
        let request = template.request(7, &mut fastrand::Rng::with_seed(1));
        assert_eq!(request.headers()["x-a"], "b");
        let body = template.body.fill(7, &mut fastrand::Rng::with_seed(1));
        Ok((format!("{} {}", request.method(), request.uri()), body, template.origin().to_string()))
    }

    #[test]
    fn places_are_filled() {
        let check = |target: &str, body: &str, expected: (&str, &str)| {
            let (line, body, origin) = made(target, body).unwrap();
            assert_eq!((line.as_str(), body.as_str()), expected);
            assert_eq!(origin, "http://127.0.0.1:8000/");
        };
        check("http://127.0.0.1:8000", "", ("POST /", ""));
        check("GET http://127.0.0.1:8000?a=b", "x", ("GET /?a=b", ""));
        check("put http://127.0.0.1:8000/{{sequence}}#top", "{\"n\":{{sequence}}}", ("PUT /7", "{\"n\":7}"));
        check("http://127.0.0.1:8000/a", "{\"a\":{\"b\":{}}}", ("POST /a", "{\"a\":{\"b\":{}}}"));
        assert_ne!(made("http://[::1]/", "{{random}}").unwrap().1, "{{random}}");
    }

    #[test]
    fn what_cannot_be_requested_is_refused_with_a_remedy() {
        let check = |target: &str, body: &str, expected: &str| {
            let text = made(target, body).unwrap_err().to_string();
            assert!(text.contains(expected) && text.contains("hint: "), "{text}");
        };
        check("https://127.0.0.1/", "", "https is not supported");
        check("127.0.0.1:8000/", "", "does not start with http://");
        check("http:///tasks", "", "host");
        check("http://me:secret@127.0.0.1/", "", "has no host, or a user");
        check("http://127.0.0.1/", "{{when}}", "{{when}} is no known place");
        check("G(T http://127.0.0.1/", "", "method");
        check("GET http://127.0.0.1/a b", "", "url");
        assert!(RequestTemplate::parse("http://a/", "GET", &["no colon".into()], "").is_err());
    }
}
