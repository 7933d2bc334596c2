//! Percent-encoding, as addresses and forms have it (RFC 3986, section 2.1).
//!
//! Input: text, and which bytes may stay, or what was written that way. Output: ASCII, or the bytes that were meant. Which bytes may stay
//! depends on the place in an address and is the caller's; so is `+` for a space, and what bytes that are no text are worth.

use crate::hex::hex_digit;
use std::fmt::Write;

/// Appends text with ASCII letters, digits and the bytes for which `plain` holds as they are, all others as `%XX` with
/// upper-case digits. Every byte of a character beyond ASCII for which `plain` does not hold is written that way.
///
/// For a form (`application/x-www-form-urlencoded`) or a query, `plain` is `|byte| b"-_.~".contains(&byte)`.
///
/// # Panics
/// When `plain` holds for a byte beyond ASCII.
pub fn push_percent_encoded(out: &mut String, text: &str, plain: fn(u8) -> bool) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || plain(byte) {
            assert!(byte.is_ascii(), "bytes beyond ASCII cannot stay as they are");
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

/// Undoes percent-encoding, and `+` for a space where `plus` says so; `None` when a `%` is not followed by two digits.
pub fn percent_decoded(text: &[u8], plus: bool) -> Option<Vec<u8>> {
    decoded(text, plus, |_| None)
}

/// The same, but a `%` that is not followed by two digits stays.
pub fn percent_decoded_leniently(text: &[u8], plus: bool) -> Vec<u8> {
    decoded(text, plus, Some).unwrap_or_default()
}

/// `stray` is given a `%` that begins no escape.
#[inline]
fn decoded(text: &[u8], plus: bool, stray: fn(u8) -> Option<u8>) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [byte, after @ ..] = rest {
        rest = after;
        out.push(match byte {
            b'%' => match escaped(after) {
                Some(byte) => {
                    rest = &after[2..];
                    byte
                }
                None => stray(b'%')?,
            },
            b'+' if plus => b' ',
            byte => *byte,
        });
    }
    Some(out)
}

/// The byte that the two digits in front stand for.
#[inline]
fn escaped(text: &[u8]) -> Option<u8> {
    let [high, low, ..] = text else { return None };
    Some(hex_digit(*high)? << 4 | hex_digit(*low)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_not_stay_is_escaped() {
        let check = |text: &str, plain: fn(u8) -> bool, expected: &str| {
            let mut out = String::from("x=");
            push_percent_encoded(&mut out, text, plain);
            assert_eq!(out, format!("x={expected}"));
        };
        let in_form: fn(u8) -> bool = |byte| b"-_.~".contains(&byte);
        check("a{b=\"c d\"}", in_form, "a%7Bb%3D%22c%20d%22%7D");
        check("A-Z_0.9~", in_form, "A-Z_0.9~");
        check("é&\n", in_form, "%C3%A9%26%0A");
        check("/a b?c", |byte| byte == b'/', "/a%20b%3Fc");
    }

    #[test]
    fn escapes_are_undone_or_refused_or_stay() {
        let check = |text: &str, plus: bool, strict: Option<&str>, lenient: &str| {
            let strict = strict.map(|text| text.as_bytes().to_vec());
            assert_eq!(percent_decoded(text.as_bytes(), plus), strict, "{text}");
            assert_eq!(percent_decoded_leniently(text.as_bytes(), plus), lenient.as_bytes(), "{text}");
        };
        check("", true, Some(""), "");
        check("a%2Fb%2fc+d", true, Some("a/b/c d"), "a/b/c d");
        check("a+b", false, Some("a+b"), "a+b");
        check("%C3%A9é", false, Some("éé"), "éé");
        check("%%41", true, None, "%A");
        check("%zz%", true, None, "%zz%");
        check("%4", true, None, "%4");
        check("%+1", true, None, "% 1");
        assert_eq!(percent_decoded(b"%ff", false), Some(vec![0xff]));
    }
}
