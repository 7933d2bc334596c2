//! Hexadecimal digits, as ids of traces and escapes in addresses have them: two for a byte, read in both cases, written in the lower one.
//!
//! Input: text, or bytes. Output: bytes, or digits. A sign, a prefix `0x` or white space is no digit, unlike for `from_str_radix`. How
//! long an id has to be, and what a bad one is answered with, is the caller's.

use std::fmt;

/// The value of a digit, 0 to 15; `None` when the byte is none.
#[inline]
pub fn hex_digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

/// Reads digits into all of `out`; `None` when they are not exactly two for each of its bytes, `out` then being partly written.
pub fn read_hex(text: &[u8], out: &mut [u8]) -> Option<()> {
    let (pairs, rest) = text.as_chunks::<2>();
    if !rest.is_empty() || pairs.len() != out.len() {
        return None;
    }
    for (byte, [high, low]) in out.iter_mut().zip(pairs) {
        *byte = hex_digit(*high)? << 4 | hex_digit(*low)?;
    }
    Some(())
}

/// Reads a number of at least one digit; `None` when a byte is no digit or the number has more than 64 bits.
pub fn parse_hex(text: &str) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.bytes().try_fold(0u64, |number, byte| {
        let digit = hex_digit(byte)?;
        (number >> 60 == 0).then_some(number << 4 | u64::from(digit))
    })
}

/// The two digits of a byte.
#[inline]
pub fn hex_digits(byte: u8) -> [u8; 2] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]
}

/// Writes the digits of bytes.
///
/// # Errors
/// When `f` takes no more.
pub fn write_hex(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_two_digits_in_either_case() {
        let check = |text: &str, expected: Option<[u8; 3]>| {
            let mut out = [0; 3];
            assert_eq!(read_hex(text.as_bytes(), &mut out).map(|()| out), expected, "{text:?}");
        };
        check("00fFAb", Some([0, 0xff, 0xab]));
        check("", None);
        check("00fFA", None);
        check("00fF", None);
        check("00fFAb0", None);
        check("00fFAb00", None);
        check("00fFAg", None);
        check("+0fFAb", None);
        check("0éfFA", None);
        assert_eq!(read_hex(b"", &mut []), Some(()));
        assert_eq!(hex_digits(0xa0), *b"a0");
    }

    #[test]
    fn numbers_have_at_most_64_bits() {
        let check = |text: &str, expected: Option<u64>| assert_eq!(parse_hex(text), expected, "{text:?}");
        check("0", Some(0));
        check("aBc", Some(0xabc));
        check("ffffffffffffffff", Some(u64::MAX));
        check("0ffffffffffffffff", Some(u64::MAX));
        check("10000000000000000", None);
        check("", None);
        check("+1", None);
        check("-1", None);
        check("0x1", None);
        check("g", None);
        check(" 1", None);
    }

    #[test]
    fn digits_are_written_in_the_lower_case() {
        struct Id([u8; 4]);
        impl fmt::Display for Id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_hex(f, &self.0)
            }
        }
        assert_eq!(Id([0, 0x0a, 0xfb, 0x10]).to_string(), "000afb10");
    }
}
