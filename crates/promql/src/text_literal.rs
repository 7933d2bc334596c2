//! Quoted texts of a query to the texts they mean, with Go's escapes.
//!
//! Input: a text token with its quotes. Output: the text. Single and double quotes take escapes, back quotes none.

/// The text between the quotes.
pub(crate) fn unquote(quoted: &str) -> Result<String, &'static str> {
    let delimiter = quoted.chars().next().ok_or("invalid syntax")?;
    let inner = quoted
        .strip_prefix(delimiter)
        .and_then(|rest| rest.strip_suffix(delimiter))
        .ok_or("invalid syntax")?;
    if delimiter == '`' || !inner.contains('\\') {
        return Ok(inner.to_owned());
    }
    let mut bytes = Vec::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        if c == '\\' {
            escaped(&mut chars, &mut bytes)?;
        } else {
            bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        }
    }
    String::from_utf8(bytes).map_err(|_| "invalid UTF-8")
}

fn escaped(chars: &mut std::str::Chars<'_>, bytes: &mut Vec<u8>) -> Result<(), &'static str> {
    let c = chars.next().ok_or("invalid syntax")?;
    let byte = match c {
        'a' => 7,
        'b' => 8,
        'f' => 12,
        'n' => b'\n',
        'r' => b'\r',
        't' => b'\t',
        'v' => 11,
        '\\' | '"' | '\'' => c as u8,
        '0'..='7' => {
            let mut value = c.to_digit(8).expect("matched above");
            for _ in 0..2 {
                value = value * 8 + chars.next().and_then(|d| d.to_digit(8)).ok_or("invalid syntax")?;
            }
            u8::try_from(value).map_err(|_| "invalid syntax")?
        }
        'x' => u8::try_from(hexadecimal(chars, 2)?).map_err(|_| "invalid syntax")?,
        'u' | 'U' => {
            let value = hexadecimal(chars, if c == 'u' { 4 } else { 8 })?;
            let c = char::from_u32(value).ok_or("invalid syntax")?;
            bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            return Ok(());
        }
        _ => return Err("invalid syntax"),
    };
    bytes.push(byte);
    Ok(())
}

fn hexadecimal(chars: &mut std::str::Chars<'_>, digits: usize) -> Result<u32, &'static str> {
    let mut value = 0u32;
    for _ in 0..digits {
        let digit = chars.next().and_then(|d| d.to_digit(16)).ok_or("invalid syntax")?;
        value = value.checked_mul(16).and_then(|v| v.checked_add(digit)).ok_or("invalid syntax")?;
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_those_of_go() {
        let check = |quoted: &str, expected: Result<&str, &str>| {
            assert_eq!(unquote(quoted), expected.map(str::to_owned), "{quoted}");
        };
        check(r#""a\"b""#, Ok("a\"b"));
        check(r"'\n\t\\'", Ok("\n\t\\"));
        check(r"'\u00e9\x41\101'", Ok("éAA"));
        check(r"`a\n`", Ok("a\\n"));
        check(r"'\xff'", Err("invalid UTF-8"));
    }
}
