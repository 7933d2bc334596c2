//! An email as bytes: headers, and alternatives in quoted-printable.
//!
//! Input: rendered headers and parts. Output: the message as Go's `mime` packages write it, so that a mail looks the same whoever sent
//! it. Header values that are not plain ASCII are encoded as RFC 2047 says; that also keeps a value from starting a header of its own.

/// Characters of an encoded word between its marks at most.
const MAX_WORD: usize = 63;

/// Characters of a line of quoted-printable before its end, at most.
const MAX_LINE: usize = 75;

/// A header line.
pub(super) fn push_header(message: &mut String, name: &str, value: &str) {
    message.push_str(name);
    message.push_str(": ");
    message.push_str(&encoded_word(value));
    message.push_str("\r\n");
}

/// A header value in which everything is printable.
fn encoded_word(value: &str) -> String {
    if value.chars().all(|c| c == '\t' || (' '..='~').contains(&c)) {
        return value.to_owned();
    }
    let mut words = String::from("=?utf-8?q?");
    let mut length = 0;
    for c in value.chars() {
        let is_plain = (' '..='~').contains(&c) && !"=?_".contains(c);
        let needed = if is_plain { 1 } else { 3 * c.len_utf8() };
        if length + needed > MAX_WORD {
            words.push_str("?= =?utf-8?q?");
            length = 0;
        }
        length += needed;
        match c {
            ' ' => words.push('_'),
            _ if is_plain => words.push(c),
            _ => c.encode_utf8(&mut [0; 4]).bytes().for_each(|byte| push_hex(&mut words, byte)),
        }
    }
    words.push_str("?=");
    words
}

fn push_hex(text: &mut String, byte: u8) {
    text.push_str(&format!("={byte:02X}"));
}

/// A part of a message: media type and content.
pub(super) struct Part {
    pub(super) media_type: &'static str,
    pub(super) content: String,
}

/// The parts as alternatives, the preferred one last.
pub(super) fn push_parts(message: &mut String, boundary: &str, parts: &[Part]) {
    for (index, part) in parts.iter().enumerate() {
        message.push_str(if index == 0 { "--" } else { "\r\n--" });
        message.push_str(boundary);
        message.push_str("\r\nContent-Transfer-Encoding: quoted-printable\r\nContent-Type: ");
        message.push_str(part.media_type);
        message.push_str("\r\n\r\n");
        message.push_str(&quoted_printable(&part.content));
    }
    message.push_str(&format!("\r\n--{boundary}--\r\n"));
}

/// RFC 2045, section 6.7.
fn quoted_printable(content: &str) -> String {
    let mut text = String::with_capacity(content.len() * 5 / 4);
    let mut line = String::new();
    let mut rest = content.bytes().peekable();
    while let Some(byte) = rest.next() {
        match byte {
            b'\r' | b'\n' => {
                if byte == b'\r' {
                    rest.next_if_eq(&b'\n');
                }
                end_of_line(&mut line, &mut text);
                text.push_str("\r\n");
            }
            b' ' | b'\t' | b'!'..=b'<' | b'>'..=b'~' => {
                soft_break(&mut line, &mut text, 1);
                line.push(char::from(byte));
            }
            _ => {
                soft_break(&mut line, &mut text, 3);
                push_hex(&mut line, byte);
            }
        }
    }
    end_of_line(&mut line, &mut text);
    text
}

fn soft_break(line: &mut String, text: &mut String, needed: usize) {
    if line.len() + needed > MAX_LINE {
        text.push_str(line);
        text.push_str("=\r\n");
        line.clear();
    }
}

/// Blanks at the end of a line would be lost on the way.
fn end_of_line(line: &mut String, text: &mut String) {
    if let Some(blank) = line.bytes().last().filter(|byte| matches!(byte, b' ' | b'\t')) {
        line.pop();
        soft_break(line, text, 3);
        push_hex(line, blank);
    }
    text.push_str(line);
    line.clear();
}

/// The addresses in a list such as `Ops <ops@example.org>, dev@example.org`.
///
/// # Errors
/// What of the list is no address.
pub(super) fn addresses(list: &str) -> Result<Vec<String>, String> {
    let mut found = Vec::new();
    for entry in split_outside_quotes(list) {
        let entry = entry.trim();
        let address = match entry.rsplit_once('<') {
            Some((_, rest)) => rest.strip_suffix('>').map(str::trim),
            None => Some(entry),
        };
        let is_address = |address: &&str| {
            let forbidden = |c: char| c.is_whitespace() || c.is_control() || "<>,;\"".contains(c);
            let parts = address.rsplit_once('@');
            parts.is_some_and(|(user, host)| !user.is_empty() && !host.is_empty())
                && !address.contains(forbidden)
        };
        match address.filter(is_address) {
            Some(address) => found.push(address.to_owned()),
            None => return Err(format!("{entry:?} is no mail address")),
        }
    }
    Ok(found)
}

fn split_outside_quotes(list: &str) -> Vec<&str> {
    let (mut parts, mut start, mut quoted, mut escaped) = (Vec::new(), 0, false, false);
    for (at, c) in list.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ',' if !quoted => {
                parts.push(&list[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&list[start..]);
    parts
}

/// A header's name as Go's `textproto` writes it: `message-id` is `Message-Id`.
pub(super) fn canonical_header(name: &str) -> String {
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    if !name.chars().all(is_token) {
        return name.to_owned();
    }
    let mut upper = true;
    let mut canonical = String::with_capacity(name.len());
    for c in name.chars() {
        canonical.push(if upper { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() });
        upper = c == '-';
    }
    canonical
}

/// A time as in a `Date` header, in UTC: `Mon, 23 Nov 2026 05:00:00 +0000`.
pub(super) fn rfc_1123(ms: i64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (day, in_day) = (ms.div_euclid(86_400_000), ms.rem_euclid(86_400_000) / 1000);
    let (year, month, date) = tidewatch_model::civil_from_days(day);
    let index = |number: i64| usize::try_from(number).unwrap_or_default();
    let (weekday, month) = (DAYS[index(day.rem_euclid(7))], MONTHS[index(month - 1)]);
    let (hour, minute, second) = (in_day / 3600, in_day / 60 % 60, in_day % 60);
    format!("{weekday}, {date:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} +0000")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_values_are_printable() {
        let check = |value: &str, expected: &str| assert_eq!(encoded_word(value), expected);
        check("[FIRING:1] HighErrorRate (todo)", "[FIRING:1] HighErrorRate (todo)");
        check("é = _?", "=?utf-8?q?=C3=A9_=3D_=5F=3F?=");
        check("a\r\nBcc: x@y", "=?utf-8?q?a=0D=0ABcc:_x@y?=");
        check(&"é".repeat(11), &format!("=?utf-8?q?{}?= =?utf-8?q?=C3=A9?=", "=C3=A9".repeat(10)));
    }

    #[test]
    fn lines_are_short_and_seven_bit() {
        let check = |content: &str, expected: &str| assert_eq!(quoted_printable(content), expected);
        check("a=b\u{e9}\n", "a=3Db=C3=A9\r\n");
        check("x \ny\t\r\nz", "x=20\r\ny=09\r\nz");
        check("end ", "end=20");
        check(&"a".repeat(75), &"a".repeat(75));
        check(&"a".repeat(76), &format!("{}=\r\na", "a".repeat(75)));
        check(&format!("{}\u{e9}", "a".repeat(70)), &format!("{}=C3=\r\n=A9", "a".repeat(70)));
    }

    #[test]
    fn alternatives_stand_between_boundaries() {
        let part = |media_type, content: &str| Part { media_type, content: content.to_owned() };
        let mut message = String::new();
        push_parts(&mut message, "B", &[part("text/plain", "t"), part("text/html", "h")]);
        let expected = "--B\r\nContent-Transfer-Encoding: quoted-printable\r\nContent-Type: text/plain\r\n\r\nt\r\n--B\r\n\
                        Content-Transfer-Encoding: quoted-printable\r\nContent-Type: text/html\r\n\r\nh\r\n--B--\r\n";
        assert_eq!(message, expected);
    }

    #[test]
    fn addresses_stand_in_lists() {
        let check = |list: &str, expected: Result<&[&str], &str>| match (addresses(list), expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found, expected),
            (found, expected) => assert_eq!(found, expected.map(|_| Vec::new()).map_err(str::to_owned)),
        };
        check("a@b", Ok(&["a@b"]));
        check("Ops <a@b>, \"Doe, J\" <c@d>,e@f", Ok(&["a@b", "c@d", "e@f"]));
        check("nobody", Err("\"nobody\" is no mail address"));
        check("<a@b\r\nRCPT TO:x@y>", Err("\"<a@b\\r\\nRCPT TO:x@y>\" is no mail address"));
        check("", Err("\"\" is no mail address"));
    }

    #[test]
    fn headers_and_dates_are_gos() {
        assert_eq!(canonical_header("message-ID"), "Message-Id");
        assert_eq!(canonical_header("a b"), "a b");
        assert_eq!(rfc_1123(784_111_777_000), "Sun, 06 Nov 1994 08:49:37 +0000");
        assert_eq!(rfc_1123(0), "Thu, 01 Jan 1970 00:00:00 +0000");
    }
}
