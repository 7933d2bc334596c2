//! Frames: the bytes around every request and answer.
//!
//! Input: bytes of a connection, messages of the handlers. Output: the request's header and body, framed answers. What is inside is
//! the generated codecs' and the handlers'.
//!
//! ```text
//! request  i32 length │ i16 key │ i16 version │ i32 correlation │ i16-string client id │ [tags] │ body
//! answer   i32 length │ i32 correlation │ [tags] │ body
//! ```

use crate::api::{self, Api};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, StrBytes};
use std::fmt::Display;

/// A request that cannot be answered: the connection is closed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Malformed {
    #[error("the request ends inside of its header")]
    Header,
    #[error("request {key} in version {version} is not answered here")]
    Unsupported { key: i16, version: i16 },
    #[error("the body of request {key} version {version} has another shape")]
    Shape { key: i16, version: i16 },
    #[error("the request cannot be decoded: {0}")]
    Body(String),
    #[error("the answer cannot be encoded: {0}")]
    Answer(String),
    #[error("the answer to request {key} version {version} would have {bytes} bytes; the limit is {most}")]
    TooLarge { key: i16, version: i16, bytes: usize, most: usize },
}

/// A request whose header was read.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) key: i16,
    pub(crate) version: i16,
    pub(crate) correlation: i32,
    pub(crate) client_id: String,
    pub(crate) body: Bytes,
    /// Bytes that the answer may have.
    pub(crate) most: usize,
}

impl Request {
    /// Reads the header of a frame without its length; its answer may have `most` bytes. The body of a request that is answered
    /// has the shape of its message.
    pub(crate) fn read(mut frame: Bytes, most: usize) -> Result<(Self, Option<&'static Api>), Malformed> {
        let key = frame.try_get_i16().map_err(|_| Malformed::Header)?;
        let version = frame.try_get_i16().map_err(|_| Malformed::Header)?;
        let correlation = frame.try_get_i32().map_err(|_| Malformed::Header)?;
        let client_id = match usize::try_from(frame.try_get_i16().map_err(|_| Malformed::Header)?) {
            Err(_) => String::new(),
            Ok(length) if length > frame.len() => return Err(Malformed::Header),
            Ok(length) => String::from_utf8_lossy(&frame.split_to(length)).into_owned(),
        };
        let found = api::find(key).filter(|api| (api.min..=api.max).contains(&version));
        let Some(api) = found else {
            return Ok((Self { key, version, correlation, client_id, body: Bytes::new(), most }, None));
        };
        if version >= api.flexible {
            skip_tags(&mut frame).ok_or(Malformed::Header)?;
        }
        if !api::has_shape(api, version, &frame) {
            return Err(Malformed::Shape { key, version });
        }
        Ok((Self { key, version, correlation, client_id, body: frame, most }, Some(api)))
    }

    /// The body as a message. Bytes in it share the frame's memory.
    pub(crate) fn decode<R: Decodable>(&mut self) -> Result<R, Malformed> {
        R::decode(&mut self.body, self.version).map_err(|error| Malformed::Body(error.to_string()))
    }

    /// Frames an answer to this request, unless it is larger than an answer may be.
    pub(crate) fn answer<R: Encodable + HeaderVersion>(
        &self,
        answer: &R,
        out: &mut BytesMut,
    ) -> Result<(), Malformed> {
        let failed = |error: &dyn Display| Malformed::Answer(error.to_string());
        // Looked at before the bytes are made, so that no memory is taken for an answer that is not given.
        let bytes = answer.compute_size(self.version).map_err(|error| failed(&error))?;
        self.check_size(bytes, self.most)?;
        let from = begin(out, self.correlation, R::header_version(self.version) >= 1);
        answer.encode(out, self.version).map_err(|error| failed(&error))?;
        self.end(out, from, i32::MAX as usize)
    }

    /// Fills in the length of the answer that [`begin`] began at `from`, unless it has more than `most` bytes.
    pub(crate) fn end(&self, out: &mut BytesMut, from: usize, most: usize) -> Result<(), Malformed> {
        let bytes = out.len() - from - 4;
        self.check_size(bytes, most.min(i32::MAX as usize))?;
        let length = i32::try_from(bytes).expect("it was compared with the largest such number");
        out[from..from + 4].copy_from_slice(&length.to_be_bytes());
        Ok(())
    }

    fn check_size(&self, bytes: usize, most: usize) -> Result<(), Malformed> {
        let (key, version) = (self.key, self.version);
        if bytes > most { Err(Malformed::TooLarge { key, version, bytes, most }) } else { Ok(()) }
    }
}

/// Begins an answer; the length is filled in by [`Request::end`].
pub(crate) fn begin(out: &mut BytesMut, correlation: i32, tagged: bool) -> usize {
    let from = out.len();
    out.put_i32(0);
    out.put_i32(correlation);
    if tagged {
        out.put_u8(0);
    }
    from
}

fn skip_tags(bytes: &mut Bytes) -> Option<()> {
    for _ in 0..varint(bytes)? {
        varint(bytes)?;
        let size = varint(bytes)? as usize;
        if size > bytes.len() {
            return None;
        }
        bytes.advance(size);
    }
    Some(())
}

fn varint(bytes: &mut Bytes) -> Option<u32> {
    let mut value = 0_u32;
    for index in 0..5 {
        let byte = bytes.try_get_u8().ok()?;
        value |= u32::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// Text as the codecs want it.
pub(crate) fn text(text: impl Into<String>) -> StrBytes {
    StrBytes::from_string(text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_prefix_of_a_request_passes_or_panics() {
        let mut frame = BytesMut::new();
        frame.put_i16(3);
        frame.put_i16(9);
        frame.put_i32(77);
        frame.put_i16(2);
        frame.put_slice(b"me");
        frame.put_slice(&[0, 2, 2, b't', 0, 1, 0, 0, 0]);
        let frame = frame.freeze();
        let (request, api) = Request::read(frame.clone(), 100).unwrap();
        assert_eq!((request.correlation, request.client_id.as_str(), api.is_some()), (77, "me", true));
        for end in 0..frame.len() {
            assert!(Request::read(frame.slice(..end), 100).is_err(), "{end}");
        }
    }

    #[test]
    fn an_answer_above_the_limit_is_an_error_and_takes_no_memory() {
        let check = |most: usize, expected: bool| {
            let request = Request {
                key: 10,
                version: 4,
                correlation: 1,
                client_id: String::new(),
                body: Bytes::new(),
                most,
            };
            let answer = kafka_protocol::messages::FindCoordinatorResponse::default();
            let size = answer.compute_size(4).unwrap();
            let mut out = BytesMut::new();
            let answered = request.answer(&answer, &mut out);
            assert_eq!(answered.is_ok(), expected, "{size} bytes, {most} allowed");
            assert_eq!(out.is_empty(), !expected);
            size
        };
        let size = check(1 << 20, true);
        check(size, true);
        check(size - 1, false);
    }
}
