//! What can be the address of an alert's cause.
//!
//! Input: text. Output: whether Go takes it for the address in a request, which Alertmanager insists on: a path that begins with a slash, or
//! something with a scheme. A fragment may be anything.

/// Whether it is one.
pub(super) fn is_request_uri(text: &str) -> bool {
    let text = text.split('#').next().unwrap_or_default();
    if text.is_empty() || text.bytes().any(|byte| byte < 0x20 || byte == 0x7f) {
        return false;
    }
    if text == "*" {
        return true;
    }
    let Some((has_scheme, rest)) = after_scheme(text) else { return false };
    let rest = rest.split('?').next().unwrap_or_default();
    if !rest.starts_with('/') {
        return has_scheme;
    }
    let path = match rest.strip_prefix("//").filter(|_| has_scheme) {
        Some(rest) => {
            let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            if !is_authority(authority) {
                return false;
            }
            path
        }
        None => rest,
    };
    is_escaped_well(path)
}

/// Whether there is a scheme, and what follows it; nothing where a colon has none before it.
fn after_scheme(text: &str) -> Option<(bool, &str)> {
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b':' if at == 0 => return None,
            b':' => return Some((true, &text[at + 1..])),
            b'a'..=b'z' | b'A'..=b'Z' => {}
            b'0'..=b'9' | b'+' | b'-' | b'.' if at > 0 => {}
            _ => break,
        }
    }
    Some((false, text))
}

fn is_authority(text: &str) -> bool {
    let (user, host) = text.rsplit_once('@').unwrap_or(("", text));
    let user_ok =
        user.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._:~!$&'()*+,;=%@".contains(&byte));
    if !user_ok || !is_escaped_well(user) {
        return false;
    }
    let (name, port) = match host.strip_prefix('[') {
        Some(inside) => match inside.rsplit_once(']') {
            Some((name, port)) if port.is_empty() || port.starts_with(':') => (name, port),
            _ => return false,
        },
        None => host.split_at(host.find(':').unwrap_or(host.len())),
    };
    // an escape in a name stands for what is not ASCII
    let name_ok = name.bytes().all(|byte| {
        !byte.is_ascii() || byte.is_ascii_alphanumeric() || b"-_.~!$&'()*+,;=:<>\"".contains(&byte)
    });
    name_ok && port.bytes().skip(1).all(|byte| byte.is_ascii_digit())
}

/// Whether two hexadecimal digits follow every percent sign.
fn is_escaped_well(text: &str) -> bool {
    text.split('%').skip(1).all(|after| {
        let digits = after.as_bytes().get(..2);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Alertmanager 0.34.2 took and refused.
    #[test]
    fn addresses_are_those_of_requests() {
        let check = |text: &str, expected: bool| assert_eq!(is_request_uri(text), expected, "{text}");
        for text in [
            "http://x/a b",
            "http://x/y?z=<1>&a",
            "/rel",
            "mailto:x@y",
            "*",
            "http://[::1]:80/",
            "http://x:80/",
            "a:b",
            "http:",
            "http:///",
            "//x",
            "http://u:p@h/",
            "http://é/",
            "http://x/#%zz",
            "http://x/?%zz",
            "http://a\"b/",
            "http://a<b/",
            "x+y-z.1:q",
            "http://x:",
            "http://x#y",
            "http:#",
        ] {
            check(text, true);
        }
        for text in [
            "",
            "nope",
            "://",
            "http:// bad",
            "http://x:abc/",
            "http://x/%zz",
            "http://[::1",
            "1a:b",
            ":x",
            "ab c:x",
            "http://a%20b/",
            "http://a%41b/",
            "http://u p@h/",
            "a/b",
            "?",
            "#",
            "http://x:80:90/",
            "http://a\\b/",
            "http://a_b{}/",
            "http://a^b/",
            "/x%zz",
            "http://a|b",
            "http://x/\u{1}",
        ] {
            check(text, false);
        }
    }
}
