//! What became of the spans of a request.
//!
//! Input: the decoder's notes. Output: counts by reason, for metrics and for the answer to the sender.

/// Why a span of a well-formed request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Refusal {
    /// An id of the span, its parent or a link has a length of its own.
    IdLength,
    /// A text that cannot be kept as bytes is not UTF-8: a key, an element of a list, a name other than the span's.
    InvalidUtf8,
    /// A value holds lists or maps nested deeper than [`MAX_VALUE_DEPTH`](crate::MAX_VALUE_DEPTH).
    ValueTooDeep,
}

impl Refusal {
    /// All reasons.
    pub const ALL: [Self; 3] = [Self::IdLength, Self::InvalidUtf8, Self::ValueTooDeep];

    /// The reason as the value of a label.
    pub fn name(self) -> &'static str {
        match self {
            Self::IdLength => "id_length",
            Self::InvalidUtf8 => "invalid_utf8",
            Self::ValueTooDeep => "value_too_deep",
        }
    }
}

/// What a decoder made of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Decoded {
    /// Spans given to the sink, which may refuse some of them in turn.
    pub spans: u64,
    /// Texts that were not UTF-8 and were kept as bytes, as Jaeger does.
    pub repaired_texts: u64,
    refused: [u64; Refusal::ALL.len()],
}

impl Decoded {
    /// Spans refused for a reason.
    pub fn refused(&self, reason: Refusal) -> u64 {
        self.refused[reason as usize]
    }

    /// Spans refused for any reason.
    pub fn refused_total(&self) -> u64 {
        self.refused.iter().sum()
    }

    pub(crate) fn refuse(&mut self, reason: Refusal) {
        self.refused[reason as usize] += 1;
    }
}
