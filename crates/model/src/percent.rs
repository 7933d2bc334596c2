//! Percent-encoding, as addresses and forms have it (RFC 3986, section 2.1).
//!
//! Input: text, and which bytes may stay. Output: ASCII. Which bytes those are depends on the place in an address and is
//! the caller's; so is `+` for a space.

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
}
