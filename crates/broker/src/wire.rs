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
}

/// A request whose header was read.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) key: i16,
    pub(crate) version: i16,
    pub(crate) correlation: i32,
    pub(crate) client_id: String,
    pub(crate) body: Bytes,
}

impl Request {
    /// Reads the header of a frame without its length. The body of a request that is answered has the shape of its message.
    pub(crate) fn read(mut frame: Bytes) -> Result<(Self, Option<&'static Api>), Malformed> {
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
            return Ok((Self { key, version, correlation, client_id, body: Bytes::new() }, None));
        };
        if version >= api.flexible {
            skip_tags(&mut frame).ok_or(Malformed::Header)?;
        }
        if !api::has_shape(api, version, &frame) {
            return Err(Malformed::Shape { key, version });
        }
        Ok((Self { key, version, correlation, client_id, body: frame }, Some(api)))
    }

    /// The body as a message. Bytes in it share the frame's memory.
    pub(crate) fn decode<R: Decodable>(&mut self) -> Result<R, Malformed> {
        R::decode(&mut self.body, self.version).map_err(|error| Malformed::Body(error.to_string()))
    }

    /// Frames an answer to this request.
    pub(crate) fn answer<R: Encodable + HeaderVersion>(
        &self,
        answer: &R,
        out: &mut BytesMut,
    ) -> Result<(), Malformed> {
        let from = begin(out, self.correlation, R::header_version(self.version) >= 1);
        answer.encode(out, self.version).map_err(|error| Malformed::Answer(error.to_string()))?;
        end(out, from);
        Ok(())
    }
}

/// Begins an answer; the length is filled in by [`end`].
pub(crate) fn begin(out: &mut BytesMut, correlation: i32, tagged: bool) -> usize {
    let from = out.len();
    out.put_i32(0);
    out.put_i32(correlation);
    if tagged {
        out.put_u8(0);
    }
    from
}

/// Fills in the length of the answer that began at `from`.
pub(crate) fn end(out: &mut BytesMut, from: usize) {
    let length = i32::try_from(out.len() - from - 4).expect("an answer is smaller than 2 GiB");
    out[from..from + 4].copy_from_slice(&length.to_be_bytes());
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
        let (request, api) = Request::read(frame.clone()).unwrap();
        assert_eq!((request.correlation, request.client_id.as_str(), api.is_some()), (77, "me", true));
        for end in 0..frame.len() {
            assert!(Request::read(frame.slice(..end)).is_err(), "{end}");
        }
    }
}
