//! ConfigMaps and Secrets.
//!
//! Input: documents of these kinds. Output: [`ConfigMap`] and [`Secret`]. A Secret's values never appear in messages
//! or debug output.

use crate::fields::Fields;
use crate::{ObjectMeta, Source};
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};
use base64::{Engine, alphabet};
use std::collections::BTreeMap;
use std::fmt;

/// A ConfigMap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigMap {
    /// Name, namespace, labels and place.
    pub meta: ObjectMeta,
    /// The text values.
    pub data: BTreeMap<String, String>,
}

/// A Secret.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Secret {
    /// Name, namespace, labels and place.
    pub meta: ObjectMeta,
    /// Its type, e.g. `Opaque`.
    pub kind: String,
    /// The values, decoded.
    pub data: BTreeMap<String, SecretValue>,
}

/// A value that is not shown.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SecretValue(Vec<u8>);

impl SecretValue {
    /// Keeps a value.
    pub fn new(value: impl Into<Vec<u8>>) -> Self {
        Self(value.into())
    }

    /// The value itself: for the process it is meant for.
    pub fn reveal(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(not shown)")
    }
}

impl ConfigMap {
    pub(crate) fn read(object: &Fields<'_>, source: Source) -> Self {
        let config_map = Self { meta: ObjectMeta::read(object, source, true), data: object.texts("data") };
        check_keys(object, "data", &config_map.data);
        object.known(&["binaryData", "immutable"]);
        config_map
    }
}

impl Secret {
    pub(crate) fn read(object: &Fields<'_>, source: Source) -> Self {
        let mut secret = Self { meta: ObjectMeta::read(object, source, true), ..Self::default() };
        secret.kind = object.text("type").unwrap_or_else(|| "Opaque".to_owned());
        let encoded = object.texts("data");
        check_keys(object, "data", &encoded);
        for (key, value) in encoded {
            match decode_base64(&value) {
                Some(bytes) => _ = secret.data.insert(key, SecretValue(bytes)),
                None => object.wrong(
                    "data",
                    format!("the value of key {key:?} is not base64"),
                    "encode it (printf %s VALUE | base64) or put it under stringData as it is",
                ),
            }
        }
        let plain = object.texts("stringData");
        check_keys(object, "stringData", &plain);
        for (key, value) in plain {
            secret.data.insert(key, SecretValue(value.into_bytes()));
        }
        object.known(&["immutable"]);
        secret
    }
}

/// Says which keys cannot be the name of a file, which is what a volume makes of them.
fn check_keys(object: &Fields<'_>, field: &'static str, data: &BTreeMap<String, String>) {
    for key in data.keys().filter(|key| !is_key(key)) {
        object.wrong(
            field,
            format!("{key:?} is no valid key"),
            "use at most 253 letters, digits, '-', '_' and '.', not beginning with '..'",
        );
    }
}

fn is_key(key: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (1..=253).contains(&key.len()) && key.bytes().all(allowed) && key != "." && !key.starts_with("..")
}

/// The bits that are left over of the last digit may be anything, as in Go.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
);

/// Standard base64 with padding; line breaks are skipped.
fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let symbols: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    BASE64.decode(symbols).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_base64() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(decode_base64(text).as_deref(), expected.map(str::as_bytes), "{text}");
        };
        check("", Some(""));
        check("Zg==", Some("f"));
        check("Zm8=", Some("fo"));
        check("Zm9v", Some("foo"));
        check("Zm9v\nYmFy\n", Some("foobar"));
        check("Zm9", None);
        check("Z===", None);
        check("Zh==", Some("f"));
        check("Zm9v====", None);
        check("Zg==Zg==", None);
        check("Zm*v", None);
    }

    #[test]
    fn keys_are_file_names() {
        let check = |key: &str, expected: bool| assert_eq!(is_key(key), expected, "{key:?}");
        for key in ["a", "A_b-c.json", ".hidden", "a..b", &"k".repeat(253)] {
            check(key, true);
        }
        for key in ["", ".", "..", "..a", "a/b", "/etc/passwd", "a b", "a\0", "ä", &"k".repeat(254)] {
            check(key, false);
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        assert_eq!(format!("{:?}", SecretValue::new("hunter2")), "(not shown)");
    }
}
