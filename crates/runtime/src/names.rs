//! Names of pods, as the controllers of Kubernetes make them.
//!
//! Input: a Deployment's name and its template's fingerprint. Output: `<deployment>-<hash>` for its replica set and
//! `<deployment>-<hash>-<5 characters>` for a pod. Two templates that are equal give equal hashes.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::{Component, Path};

/// Letters and digits that make no words.
const ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";

/// The hash of a template as it stands in names: ten characters.
pub(crate) fn template_hash(fingerprint: u32) -> String {
    format!("{fingerprint:010}")
        .bytes()
        .map(|byte| char::from(ALPHABET[usize::from(byte) % ALPHABET.len()]))
        .collect()
}

/// Five random characters.
pub(crate) fn pod_suffix() -> String {
    let mut random = random();
    (0..5)
        .map(|_| {
            let at = random % ALPHABET.len() as u64;
            random /= ALPHABET.len() as u64;
            char::from(ALPHABET[usize::try_from(at).unwrap_or_default()])
        })
        .collect()
}

/// A random UUID (version 4).
pub(crate) fn uid() -> String {
    format_uid(random(), random())
}

fn format_uid(a: u64, b: u64) -> String {
    format!(
        "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
        a >> 32,
        (a >> 16) & 0xffff,
        a & 0xfff,
        (b >> 48) & 0x3fff | 0x8000,
        b & 0xffff_ffff_ffff
    )
}

/// The UUID of an object that is no pod: the same for an instance's whole life.
pub(crate) fn object_uid(instance: &str, kind: &str, namespace: &str, name: &str) -> String {
    let hash = |seed: u64| {
        [instance, kind, namespace, name]
            .iter()
            .flat_map(|part| part.bytes().chain([0]))
            .fold(seed, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
    };
    format_uid(hash(0xcbf2_9ce4_8422_2325), hash(0x8422_2325_cbf2_9ce4))
}

/// Whether a name is that of one file or folder in the folder it is joined to, and leads nowhere else.
pub(crate) fn is_file_name(name: &str) -> bool {
    let mut parts = Path::new(name).components();
    matches!((parts.next(), parts.next()), (Some(Component::Normal(only)), None) if only == name)
        && !name.contains('\0')
}

/// 64 random bits; the standard library seeds every [`RandomState`] anew from the operating system's randomness.
pub(crate) fn random() -> u64 {
    let mut hasher = RandomState::new().build_hasher();
    hasher.write_u64(std::process::id().into());
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_leads_nowhere_else() {
        let check = |name: &str, expected: bool| assert_eq!(is_file_name(name), expected, "{name:?}");
        check("todo.db", true);
        check("..data", true);
        for name in ["", ".", "..", "/", "/etc", "a/b", "a/", "./a", "a/..", "a\0b"] {
            check(name, false);
        }
    }

    #[test]
    fn names_look_like_those_of_kubernetes() {
        assert_eq!(template_hash(1_234_567_890), "56789bcdf4");
        assert_eq!(template_hash(7).len(), 10);
        assert_ne!(template_hash(1), template_hash(2));
        let allowed = |text: &str| text.bytes().all(|byte| ALPHABET.contains(&byte));
        assert!(allowed(&template_hash(u32::MAX)));
        let suffixes: Vec<String> = (0..50).map(|_| pod_suffix()).collect();
        assert!(suffixes.iter().all(|suffix| suffix.len() == 5 && allowed(suffix)));
        assert!(suffixes.iter().any(|suffix| *suffix != suffixes[0]));
        let uid = uid();
        assert_eq!(uid.split('-').map(str::len).collect::<Vec<_>>(), [8, 4, 4, 4, 12]);
    }
}
