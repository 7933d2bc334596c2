//! What a sender gets back.
//!
//! Input: what became of its request. Output: an `ExportTraceServiceResponse` or a `google.rpc.Status`, in the notation of the request.

use crate::put;
use crate::wire::{VARINT, tag};
use tidewatch_model::push_uvarint;

/// How a message is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notation {
    /// Protobuf's binary form, `application/x-protobuf`.
    Protobuf,
    /// Protobuf's JSON form, `application/json`.
    Json,
}

/// A gRPC status code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Code {
    /// Done.
    Ok = 0,
    /// The request will never be taken.
    InvalidArgument = 3,
    /// The request is larger than allowed.
    ResourceExhausted = 8,
    /// There is no such service or method.
    Unimplemented = 12,
    /// A defect.
    Internal = 13,
    /// Not now; the sender should try again.
    Unavailable = 14,
}

/// An `ExportTraceServiceResponse`. Without rejected spans the `message` is a warning, or empty.
pub fn export_response(notation: Notation, rejected_spans: u64, message: &str) -> Vec<u8> {
    match notation {
        Notation::Protobuf => {
            let mut partial = Vec::new();
            if rejected_spans > 0 {
                push_uvarint(&mut partial, tag(1, VARINT).into());
                push_uvarint(&mut partial, rejected_spans);
            }
            if !message.is_empty() {
                put::bytes(&mut partial, 2, message.as_bytes());
            }
            let mut out = Vec::new();
            if !partial.is_empty() {
                put::bytes(&mut out, 1, &partial);
            }
            out
        }
        Notation::Json => {
            let mut fields = Vec::new();
            if rejected_spans > 0 {
                fields.push(format!("\"rejectedSpans\":\"{rejected_spans}\""));
            }
            if !message.is_empty() {
                fields.push(format!("\"errorMessage\":{}", quoted(message)));
            }
            format!("{{\"partialSuccess\":{{{}}}}}", fields.join(",")).into_bytes()
        }
    }
}

/// A `google.rpc.Status`.
pub fn status(notation: Notation, code: Code, message: &str) -> Vec<u8> {
    match notation {
        Notation::Protobuf => {
            let mut out = Vec::new();
            push_uvarint(&mut out, tag(1, VARINT).into());
            push_uvarint(&mut out, code as u64);
            put::bytes(&mut out, 2, message.as_bytes());
            out
        }
        Notation::Json => format!("{{\"code\":{},\"message\":{}}}", code as u8, quoted(message)).into_bytes(),
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_in_both_notations() {
        let check = |rejected, message, protobuf: &[u8], json: &str| {
            assert_eq!(export_response(Notation::Protobuf, rejected, message), protobuf);
            assert_eq!(String::from_utf8(export_response(Notation::Json, rejected, message)).unwrap(), json);
        };
        check(0, "", b"", r#"{"partialSuccess":{}}"#);
        check(0, "w", b"\x0a\x03\x12\x01w", r#"{"partialSuccess":{"errorMessage":"w"}}"#);
        check(
            300,
            "a \"b\"",
            b"\x0a\x0a\x08\xac\x02\x12\x05a \"b\"",
            r#"{"partialSuccess":{"rejectedSpans":"300","errorMessage":"a \"b\""}}"#,
        );
        assert_eq!(status(Notation::Protobuf, Code::InvalidArgument, "no"), b"\x08\x03\x12\x02no");
        assert_eq!(status(Notation::Json, Code::Unavailable, "no\n"), br#"{"code":14,"message":"no\n"}"#);
    }
}
