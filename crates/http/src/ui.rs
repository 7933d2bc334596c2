//! The web page, from inside the program.
//!
//! Input: files that the build script embedded, compressed. Output: the files, with tags and times to keep; the page
//! itself for every address that one of its own views may have. It holds no state: the page reads the public APIs.

use crate::reply::{Encoding, not_found};
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::Response;
use bytes::Bytes;
use flate2::read::GzDecoder;
use std::io::Read;

/// A file of the page.
struct Asset {
    path: &'static str,
    /// Bytes before compression.
    length: usize,
    /// Its entity tag, quotes included.
    tag: &'static str,
    gzip: &'static [u8],
}

static ASSETS: &[Asset] = include!(concat!(env!("OUT_DIR"), "/assets.rs"));

/// First segments of addresses that belong to APIs, where no page may answer.
const NOT_PAGES: [&str; 8] = ["api", "apis", "-", "metrics", "federate", "version", "debug", "assets"];

/// What is said instead of the page when it was not built in.
const NOT_BUILT: &str = "<!doctype html><meta charset=\"utf-8\"><title>tidewatch</title><h1>The page is not in this program</h1>\
<p>It was built without the web page. Run <code>make ui</code>, then build tidewatch again; <code>make up</code> does both.\
<p>The APIs are here: <a href=\"/api/v1/targets\">/api/v1/targets</a>, <a href=\"/metrics\">/metrics</a>.\n";

/// Answers what no API does: a file of the page, the page itself, or 404.
pub(crate) async fn serve(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let path = uri.path();
    if !matches!(method, Method::GET | Method::HEAD) {
        return not_found();
    }
    if let Some(asset) = ASSETS.iter().find(|asset| asset.path == path && path != "/index.html") {
        return respond(asset, &headers);
    }
    if !is_page(path) {
        return not_found();
    }
    match ASSETS.iter().find(|asset| asset.path == "/index.html") {
        Some(page) => respond(page, &headers),
        None => not_built(),
    }
}

/// Whether an address may be a view of the page: not an API's, and not a file's.
fn is_page(path: &str) -> bool {
    let first = path.split('/').nth(1).unwrap_or_default();
    let last = path.rsplit('/').next().unwrap_or_default();
    !NOT_PAGES.contains(&first) && (!last.contains('.') || path == "/index.html" || first == "d")
}

fn respond(asset: &Asset, request: &HeaderMap) -> Response {
    let known = request.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let unchanged = known.is_some_and(|known| known.split(',').any(|tag| tag.trim() == asset.tag));
    let mut response = Response::default();
    if unchanged {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    } else if Encoding::accepted_by(request) == Encoding::Gzip {
        *response.body_mut() = Body::from(Bytes::from_static(asset.gzip));
        response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    } else {
        *response.body_mut() = Body::from(decompressed(asset));
    }
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type(asset.path)));
    headers.insert(header::ETAG, HeaderValue::from_static(asset.tag));
    headers.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    // Names under assets/ hold a hash of the content; the others stay and change.
    let hashed = asset.path.starts_with("/assets/");
    let keep = if hashed { "public, max-age=31536000, immutable" } else { "no-cache" };
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(keep));
    response
}

fn decompressed(asset: &Asset) -> Vec<u8> {
    let mut plain = Vec::with_capacity(asset.length);
    GzDecoder::new(asset.gzip).read_to_end(&mut plain).expect("compressed by the build script");
    plain
}

fn not_built() -> Response {
    let mut response = Response::new(Body::from(NOT_BUILT));
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    let kind = HeaderValue::from_static("text/html; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "woff" => "font/woff",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "wasm" => "application/wasm",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_told_from_apis_and_files() {
        let check = |path: &str, expected: bool| assert_eq!(is_page(path), expected, "{path}");
        check("/", true);
        check("/explore", true);
        check("/d/todo-app/some.title", true);
        check("/index.html", true);
        check("/api", false);
        check("/api/v1/nope", false);
        check("/apis/apps/v1", false);
        check("/-/nope", false);
        check("/metrics/x", false);
        check("/assets/index-1234.js", false);
        check("/robots.txt", false);
        check("/../etc/passwd.x", false);
    }

    #[test]
    fn files_are_kept_by_tag_and_by_hash() {
        let asset = |path| Asset { path, length: 2, tag: "\"00ff\"", gzip: &[] };
        let check = |path, known: &str, status: StatusCode, keep: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::IF_NONE_MATCH, known.parse().unwrap());
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
            let response = respond(&asset(path), &headers);
            assert_eq!(
                (response.status(), &response.headers()[header::CACHE_CONTROL]),
                (status, &keep.parse().unwrap())
            );
        };
        check("/assets/a-1.js", "\"00ff\"", StatusCode::NOT_MODIFIED, "public, max-age=31536000, immutable");
        check("/index.html", "\"00fe\", \"00ff\"", StatusCode::NOT_MODIFIED, "no-cache");
        check("/index.html", "\"00fe\"", StatusCode::OK, "no-cache");
    }
}
