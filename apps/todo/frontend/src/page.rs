//! The page: HTML, style and script, part of the program.
//!
//! Input: GET requests for four fixed paths. Output: the files with a content security policy that allows nothing else, and entity
//! tags, so that a browser asks again but loads again only after a new release. Deliberately no build step and no folder to serve.

use std::{
    future::ready,
    hash::{DefaultHasher, Hash, Hasher},
};

use axum::{
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use todo_telemetry::Routes;

use crate::proxy::Proxy;

/// Only what this origin serves; no inline script or style, no frame around the page, no form to elsewhere.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

#[derive(Clone, Copy)]
struct File {
    path: &'static str,
    content_type: &'static str,
    content: &'static str,
}

const FILES: [File; 4] = [
    File { path: "/", content_type: "text/html; charset=utf-8", content: include_str!("../page/index.html") },
    File {
        path: "/app.js",
        content_type: "text/javascript; charset=utf-8",
        content: include_str!("../page/app.js"),
    },
    File {
        path: "/style.css",
        content_type: "text/css; charset=utf-8",
        content: include_str!("../page/style.css"),
    },
    File { path: "/icon.svg", content_type: "image/svg+xml", content: include_str!("../page/icon.svg") },
];

/// Adds the files' routes.
pub(crate) fn page_routes(routes: Routes<Proxy>) -> Routes<Proxy> {
    FILES.into_iter().fold(routes, |routes, file| {
        let path = file.path;
        let tag = entity_tag(file.content);
        let answer = get(move |headers: HeaderMap| ready(serve(&file, &tag, &headers)));
        routes.route(path, answer, &[(Method::GET, &[200, 304])])
    })
}

fn entity_tag(content: &str) -> HeaderValue {
    let mut hasher = DefaultHasher::new();
    content.hash(&mut hasher);
    HeaderValue::from_str(&format!("\"{:016x}\"", hasher.finish())).expect("hexadecimal digits make a header")
}

fn serve(file: &File, tag: &HeaderValue, headers: &HeaderMap) -> Response {
    let known = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let wanted = tag.to_str().unwrap_or_default();
    let unchanged =
        known.flat_map(|list| list.split(',')).any(|known| known.trim().trim_start_matches("W/") == wanted);
    let mut response =
        if unchanged { StatusCode::NOT_MODIFIED.into_response() } else { file.content.into_response() };
    let fixed = response.headers_mut();
    fixed.insert(header::CONTENT_TYPE, HeaderValue::from_static(file.content_type));
    fixed.insert(header::ETAG, tag.clone());
    fixed.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    fixed.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    fixed.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    fixed.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_needs_nothing_its_policy_forbids() {
        let html = FILES[0].content;
        for forbidden in
            ["<script>", "<style", "style=", "onclick", "onload", "http://", "https://", "javascript:"]
        {
            assert!(!html.contains(forbidden), "the page holds {forbidden}");
        }
        for file in &FILES[1..] {
            assert!(html.contains(file.path), "{} is not used by the page", file.path);
        }
        for forbidden in ["innerHTML", "eval(", "document.write", ".style."] {
            assert!(!FILES[1].content.contains(forbidden), "the script holds {forbidden}");
        }
    }
}
