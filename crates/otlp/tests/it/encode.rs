//! An encoder of protobuf of its own, which also writes what no encoder would.

/// A message under construction.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bytes(pub(crate) Vec<u8>);

impl Bytes {
    pub(crate) fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    pub(crate) fn varint(mut self, mut value: u64) -> Self {
        loop {
            let more = value >= 0x80;
            self.0.push((value as u8 & 0x7f) | if more { 0x80 } else { 0 });
            value >>= 7;
            if !more {
                return self;
            }
        }
    }

    pub(crate) fn number(self, field: u64, value: u64) -> Self {
        self.varint(field << 3).varint(value)
    }

    pub(crate) fn fixed64(self, field: u64, value: u64) -> Self {
        self.varint(field << 3 | 1).raw(&value.to_le_bytes())
    }

    pub(crate) fn fixed32(self, field: u64, value: u32) -> Self {
        self.varint(field << 3 | 5).raw(&value.to_le_bytes())
    }

    pub(crate) fn bytes(self, field: u64, value: &[u8]) -> Self {
        self.varint(field << 3 | 2).varint(value.len() as u64).raw(value)
    }

    pub(crate) fn text(self, field: u64, value: &str) -> Self {
        self.bytes(field, value.as_bytes())
    }

    pub(crate) fn message(self, field: u64, value: &Self) -> Self {
        self.bytes(field, &value.0)
    }
}

pub(crate) fn message() -> Bytes {
    Bytes::default()
}

/// A `KeyValue` with an `AnyValue`.
pub(crate) fn pair(key: &str, value: &Bytes) -> Bytes {
    message().text(1, key).message(2, value)
}

/// A request with one resource and one scope, both empty, and these spans.
pub(crate) fn request(spans: &[Bytes]) -> Vec<u8> {
    let scope_spans = spans.iter().fold(message(), |scope_spans, span| scope_spans.message(2, span));
    message().message(1, &message().message(2, &scope_spans)).0
}
