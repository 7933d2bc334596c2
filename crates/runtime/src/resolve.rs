//! Host names of Services in environment values and arguments → their local addresses.
//!
//! Input: a text and the Services of the cluster. Output: the text with host names replaced. In a cluster DNS does
//! this at run time; here it is done once, when a container starts, because a process of this machine has this
//! machine's resolver.
//!
//! A name is replaced as a whole token only (letters, digits, `-`, `_`, `.`), as `service` in its own namespace,
//! `service.namespace`, `service.namespace.svc` or `service.namespace.svc.cluster.local`, and only where a host stands:
//! - after `//` or `@`: `http://shop/x`, `redis://:secret@cache:6379`
//! - before `:port`: `kafka:9092,other:9092`; `shop:1.2` is left alone
//! - alone, when it has a dot (`shop.default.svc`), or when the variable's name ends with `HOST`, `HOSTNAME`, `ADDR`,
//!   `ADDRESS`, `SERVER`, `SERVERS`, `BROKERS` or `ENDPOINT`
//!
//! So `OTEL_SERVICE_NAME=shop` stays, and `DB_HOST=postgres` becomes an address. Names in files are not replaced.

use std::collections::BTreeMap;
use std::net::IpAddr;

/// Where a Service is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ServiceAddress {
    pub(crate) ip: IpAddr,
    /// Ports that are served elsewhere because the own port may not be listened on: `(port, instead)`.
    pub(crate) moved: Vec<(u16, u16)>,
}

/// A Service that is no object here, and stands for something that this machine serves: names lead to that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalService {
    /// The namespace it would have in a cluster.
    pub namespace: String,
    /// The Service's name.
    pub name: String,
    /// Where it is reached.
    pub ip: IpAddr,
    /// Its port in a cluster, and the one at `ip`. Other ports stay as they are written.
    pub ports: Vec<(u16, u16)>,
}

/// All Services by namespace and name.
#[derive(Clone, Debug, Default)]
pub(crate) struct ServiceNames {
    pub(crate) addresses: BTreeMap<(String, String), ServiceAddress>,
}

const HOST_VARIABLES: [&str; 8] =
    ["HOST", "HOSTNAME", "ADDR", "ADDRESS", "SERVER", "SERVERS", "BROKERS", "ENDPOINT"];

impl ServiceNames {
    /// Adds a Service that is none of the manifests; one of theirs with the same name wins.
    pub(crate) fn add_external(&mut self, service: &ExternalService) {
        let key = (service.namespace.clone(), service.name.clone());
        let moved = service.ports.iter().copied().filter(|(own, instead)| own != instead).collect();
        self.addresses.entry(key).or_insert(ServiceAddress { ip: service.ip, moved });
    }

    fn find(&self, token: &str, namespace: &str) -> Option<&ServiceAddress> {
        let token = token.trim_end_matches('.');
        let short = token
            .strip_suffix(".svc.cluster.local")
            .or_else(|| token.strip_suffix(".svc"))
            .filter(|short| short.contains('.'))
            .unwrap_or(token);
        let (name, namespace) = match short.split_once('.') {
            Some((name, namespace)) if !namespace.contains('.') => (name, namespace),
            Some(_) => return None,
            None => (short, namespace),
        };
        self.addresses.get(&(namespace.to_owned(), name.to_owned()))
    }

    /// Replaces the names in a text. `variable` is the name of the environment variable it is for, empty in arguments.
    pub(crate) fn replace(&self, text: &str, namespace: &str, variable: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut at = 0;
        while at < text.len() {
            let rest = &text[at..];
            let length = rest.bytes().take_while(|byte| is_host_byte(*byte)).count();
            if length == 0 {
                let width = rest.chars().next().map_or(1, char::len_utf8);
                out.push_str(&rest[..width]);
                at += width;
                continue;
            }
            let (token, after) = (&rest[..length], &rest[length..]);
            let address =
                self.find(token, namespace).filter(|_| is_host(&text[..at], token, after, variable));
            at += length;
            match address {
                Some(address) => at += push_address(&mut out, address, &text[..at - length], after),
                None => out.push_str(token),
            }
        }
        out
    }
}

/// Writes the address, and the port where it is not the one that follows. Gives the length of what was used up.
fn push_address(out: &mut String, address: &ServiceAddress, before: &str, after: &str) -> usize {
    out.push_str(&address.ip.to_string());
    let written = port_after(after);
    let implied = match before {
        _ if written.is_some() => None,
        _ if before.ends_with("https://") => Some(443),
        _ if before.ends_with("http://") => Some(80),
        _ => None,
    };
    let Some(port) = written.or(implied) else { return 0 };
    let Some((_, instead)) = address.moved.iter().find(|(own, _)| *own == port) else { return 0 };
    out.push_str(&format!(":{instead}"));
    if written.is_some() { 1 + after[1..].bytes().take_while(u8::is_ascii_digit).count() } else { 0 }
}

fn is_host_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')
}

fn is_host(before: &str, token: &str, after: &str, variable: &str) -> bool {
    if before.ends_with('@') || before.ends_with("//") && !before.ends_with("///") {
        return true;
    }
    let begins_host = before.is_empty() || before.ends_with([',', ' ', '=', ';', '"', '\'', '[', '(']);
    if !begins_host {
        return false;
    }
    if port_after(after).is_some() {
        return true;
    }
    let alone = before.is_empty() && after.is_empty();
    let last_word = variable.rsplit('_').next().unwrap_or_default().to_ascii_uppercase();
    alone && (token.contains('.') || HOST_VARIABLES.contains(&last_word.as_str()))
}

/// The port of `:port` at the beginning of a text, when nothing like a version or a name follows it.
fn port_after(after: &str) -> Option<u16> {
    let digits = after.strip_prefix(':')?;
    let length = digits.bytes().take_while(u8::is_ascii_digit).count();
    let ends = digits.as_bytes().get(length).is_none_or(|byte| !is_host_byte(*byte));
    if ends { digits[..length].parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_hosts_and_nothing_else() {
        let address = |last: u8, moved: &[(u16, u16)]| ServiceAddress {
            ip: IpAddr::from([127, 64, 240, last]),
            moved: moved.to_vec(),
        };
        let mut names = ServiceNames::default();
        names.addresses.insert(("shop".into(), "web".into()), address(1, &[(80, 40_080)]));
        names.addresses.insert(("shop".into(), "kafka".into()), address(2, &[]));
        names.addresses.insert(("other".into(), "web".into()), address(3, &[]));
        let check = |variable: &str, text: &str, expected: &str| {
            assert_eq!(names.replace(text, "shop", variable), expected, "{variable}={text}");
        };
        check("A", "http://web:8000", "http://127.64.240.1:8000");
        check("A", "http://web:8000/web?to=web", "http://127.64.240.1:8000/web?to=web");
        check("A", "http://web", "http://127.64.240.1:40080");
        check("A", "http://web/x", "http://127.64.240.1:40080/x");
        check("A", "http://web:80/x", "http://127.64.240.1:40080/x");
        check("A", "https://web/x", "https://127.64.240.1/x");
        check("A", "http://web.other:80/x", "http://127.64.240.3:80/x");
        check("A", "http://web.other.svc:1", "http://127.64.240.3:1");
        check("A", "http://web.other.svc.cluster.local:1", "http://127.64.240.3:1");
        check("A", "redis://:web@kafka/0", "redis://:web@127.64.240.2/0");
        check("A", "kafka:9092,kafka:9093", "127.64.240.2:9092,127.64.240.2:9093");
        check("A", "--to=kafka:9092", "--to=127.64.240.2:9092");
        check("A", "kafka.shop.svc", "127.64.240.2");
        check("KAFKA_HOST", "kafka", "127.64.240.2");
        check("HOST", "kafka", "127.64.240.2");
        for text in [
            "web",
            "web:1.2",
            "web:0",
            "my-web:80",
            "web.org",
            "http://web.org",
            "http://www.web",
            "web-2:80",
            "a/web:80",
            "sqlite:///web",
            "wéb:1",
            "",
        ] {
            if text == "web:0" {
                check("A", text, "127.64.240.1:0");
            } else {
                check("OTEL_SERVICE_NAME", text, text);
            }
        }
    }
}
