//! Bytes as base64, with padding, straight into a buffer.
//!
//! Input: bytes of attributes. Output: text without quotes. It does not decode.

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Appends bytes in base64.
pub(super) fn push(out: &mut Vec<u8>, bytes: &[u8]) {
    for group in bytes.chunks(3) {
        let byte = |at: usize| u32::from(group.get(at).copied().unwrap_or_default());
        let word = byte(0) << 16 | byte(1) << 8 | byte(2);
        for at in 0..4 {
            let digit = DIGITS[(word >> (18 - 6 * at) & 63) as usize];
            out.push(if at <= group.len() { digit } else { b'=' });
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn groups_are_padded() {
        let check = |bytes: &[u8], expected: &str| {
            let mut out = Vec::new();
            super::push(&mut out, bytes);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        };
        check(b"", "");
        check(b"a", "YQ==");
        check(b"ab", "YWI=");
        check(b"abc", "YWJj");
        check(&[1, 2, 3, 0xff], "AQID/w==");
    }
}
