//! Ids of objects that have none of their own, and times as the API server writes them.
//!
//! Input: kind, namespace and name; milliseconds. Output: the same id for the same object in every answer and after every
//! restart, as events name objects by it; RFC 3339. Pods have ids of their own, which are new for every pod.

use serde_json::Value;
use tidewatch_model::format_timestamp;

const OFFSET: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;

/// FNV-1a of texts, with an end after each.
fn hash(parts: &[&str]) -> u128 {
    let ended = parts.iter().flat_map(|part| part.bytes().chain([0xff]));
    ended.fold(OFFSET, |hash, byte| (hash ^ u128::from(byte)).wrapping_mul(PRIME))
}

/// The id of an object, in the form of a UUID (version 8: made by an own rule).
pub(super) fn uid(kind: &str, namespace: &str, name: &str) -> String {
    let bits = hash(&[kind, namespace, name]);
    let bits = bits & !(0xf << 76) & !(0x3 << 62) | (0x8 << 76) | (0x2 << 62);
    let hex = format!("{bits:032x}");
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

/// What tells events of one object apart: 16 hexadecimal digits.
pub(super) fn suffix(parts: &[&str]) -> String {
    format!("{:016x}", hash(parts) as u64)
}

/// A number that tells things apart and that JavaScript holds exactly: 53 bits.
pub(crate) fn number(parts: &[&str]) -> u64 {
    (hash(parts) as u64) >> 11
}

/// RFC 3339 in whole seconds, from milliseconds since the Unix epoch.
pub(super) fn time(milliseconds: i64) -> Value {
    format_timestamp(milliseconds.div_euclid(1000) * 1000).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_stable_and_tell_objects_apart() {
        let id = uid("Deployment", "shop", "web");
        assert_eq!(id, uid("Deployment", "shop", "web"));
        assert_eq!((id.len(), &id[14..15]), (36, "8"));
        assert!(matches!(&id[19..20], "8" | "9" | "a" | "b"), "{id}");
        for other in
            [uid("Deployment", "shop", "api"), uid("Deployment", "shopw", "eb"), uid("Pod", "shop", "web")]
        {
            assert_ne!(id, other);
        }
    }
}
