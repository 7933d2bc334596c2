//! Which kind of data a content type names, in daprd's eyes.
//!
//! Input: a `Content-Type` as sent. Output: how its data goes into an envelope. Parameters after a semicolon do not count.

/// How data of a content type is carried in a CloudEvent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The body is a CloudEvent already.
    CloudEvent,
    /// As JSON in `data`.
    Json,
    /// As text in `data`.
    Text,
    /// Base64 in `data_base64`.
    Binary,
    /// As text in `data`; a bulk publish refuses it.
    Other,
}

impl Kind {
    /// The kind of a content type.
    pub(crate) fn of(content_type: &str) -> Self {
        let lower = content_type.to_ascii_lowercase();
        if lower.starts_with("text/") {
            return Self::Text;
        }
        match lower.split(';').next().unwrap_or_default() {
            "application/cloudevents+json" => Self::CloudEvent,
            "application/json" => Self::Json,
            "application/xml" => Self::Text,
            "application/octet-stream" | "application/cloudevents+protobuf" => Self::Binary,
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_told_apart() {
        let check =
            |content_type: &str, expected| assert_eq!(Kind::of(content_type), expected, "{content_type}");
        check("application/json", Kind::Json);
        check("Application/JSON; charset=utf-8", Kind::Json);
        check("application/cloudevents+json;charset=utf-8", Kind::CloudEvent);
        check("text/html", Kind::Text);
        check("application/xml", Kind::Text);
        check("application/octet-stream", Kind::Binary);
        check("application/vnd.api+json", Kind::Other);
        check("", Kind::Other);
    }
}
