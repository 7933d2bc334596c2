//! Which format a page is in, by the `Content-Type` of the answer.
//!
//! Input: the header as received and the configured fallback. Output: the format, or why there is none: since version
//! 3 Prometheus refuses pages whose type is blank or unknown unless `fallback_scrape_protocol` is set, and so does this.

/// A text format of exposition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// Prometheus text, any version up to 1.0.0.
    Text,
    /// OpenMetrics 1.0 text (and 0.0.1).
    OpenMetrics,
}

/// A page that no parser may read. The texts are those of Prometheus.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ContentTypeError {
    /// No `Content-Type` at all.
    #[error(
        "non-compliant scrape target sending blank Content-Type and no fallback_scrape_protocol specified for target"
    )]
    Blank,
    /// Not of the form `type/subtype; name=value`.
    #[error("cannot parse Content-Type {0:?} and no fallback_scrape_protocol for target")]
    Malformed(String),
    /// Some other type, e.g. `text/html`.
    #[error("received unsupported Content-Type {0:?} and no fallback_scrape_protocol specified for target")]
    Unsupported(String),
    /// Protobuf, which is never asked for.
    #[error(
        "received Content-Type {0:?}: the protobuf exposition format is not supported; hint: let the target answer text/plain or application/openmetrics-text"
    )]
    Protobuf(String),
}

impl Format {
    /// The format of an answer with this `Content-Type` (blank when there was none).
    ///
    /// # Errors
    /// When the type is blank, malformed or unknown and there is no fallback, or when it is protobuf.
    pub fn from_content_type(header: &str, fallback: Option<Self>) -> Result<Self, ContentTypeError> {
        if header.is_empty() {
            return fallback.ok_or(ContentTypeError::Blank);
        }
        let Some((media_type, version)) = parse_media_type(header) else {
            return fallback.ok_or_else(|| ContentTypeError::Malformed(header.to_owned()));
        };
        match media_type.as_str() {
            "text/plain" => Ok(Self::Text),
            "application/openmetrics-text" if version != "2.0.0" => Ok(Self::OpenMetrics),
            "application/vnd.google.protobuf" => Err(ContentTypeError::Protobuf(header.to_owned())),
            _ => fallback.ok_or_else(|| ContentTypeError::Unsupported(header.to_owned())),
        }
    }
}

/// The media type in lower case and its parameter `version`.
fn parse_media_type(header: &str) -> Option<(String, String)> {
    let (media_type, mut rest) = header.split_at(header.find(';').unwrap_or(header.len()));
    let media_type = media_type.trim().to_ascii_lowercase();
    let mut parts = media_type.splitn(2, '/');
    let (kind, subtype) = (parts.next()?, parts.next());
    if !is_token(kind) || subtype.is_some_and(|s| !is_token(s)) {
        return None;
    }
    let mut version = String::new();
    let mut seen: Vec<String> = Vec::new();
    while !rest.is_empty() {
        rest = rest.strip_prefix(';')?.trim_start();
        if rest.is_empty() {
            break;
        }
        let (name, after) = rest.split_once('=')?;
        let name = name.trim_end().to_ascii_lowercase();
        if !is_token(&name) || seen.contains(&name) {
            return None;
        }
        let (value, left) = parameter_value(after.trim_start())?;
        rest = left.trim_start();
        if name == "version" {
            version = value;
        }
        seen.push(name);
    }
    Some((media_type, version))
}

fn parameter_value(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([';', ' ', '\t']).unwrap_or(text.len());
        return is_token(&text[..end]).then(|| (text[..end].to_owned(), &text[end..]));
    };
    let mut value = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, &quoted[at + 1..])),
            '\\' => value.push(chars.next()?.1),
            '\r' | '\n' => return None,
            c => value.push(c),
        }
    }
    None
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?=".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_choose_formats() {
        let check = |header: &str, expected: Option<Format>| {
            assert_eq!(Format::from_content_type(header, None).ok(), expected, "{header:?}");
            let with_fallback = Format::from_content_type(header, Some(Format::Text));
            if !header.contains("protobuf") {
                assert_eq!(with_fallback, Ok(expected.unwrap_or(Format::Text)), "{header:?}");
            }
        };
        check("text/plain", Some(Format::Text));
        check("Text/Plain; version=0.0.4; charset=utf-8", Some(Format::Text));
        check("text/plain;version=\"0.0.4\";", Some(Format::Text));
        check("application/openmetrics-text; version=1.0.0; charset=utf-8", Some(Format::OpenMetrics));
        check("application/openmetrics-text; version=2.0.0", None);
        check("application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily", None);
        check("text/html", None);
        check("", None);
        check("text/plain; version", None);
        check("text/plain; a=b; a=c", None);
        check("text/", None);
        check("counter", None);
    }
}
