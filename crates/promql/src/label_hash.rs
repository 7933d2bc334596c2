//! The hash by which `limit_ratio` samples series and rule groups choose their moment: XXH64 over Prometheus's encoding of a label set.
//!
//! Input: a label set. Output: 64 bits, the same in every process and the same as in Prometheus, so that both pick the
//! same series and moments. Nothing else should use it; tables have a faster hash.

use tidewatch_model::Labels;

const PRIME_1: u64 = 0x9e37_79b1_85eb_ca87;
const PRIME_2: u64 = 0xc2b2_ae3d_27d4_eb4f;
const PRIME_3: u64 = 0x1656_67b1_9e37_79f9;
const PRIME_4: u64 = 0x85eb_ca77_c2b2_ae63;
const PRIME_5: u64 = 0x27d4_eb2f_1656_67c5;

fn word(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |acc, b| acc << 8 | u64::from(*b))
}

fn round(acc: u64, input: u64) -> u64 {
    acc.wrapping_add(input.wrapping_mul(PRIME_2)).rotate_left(31).wrapping_mul(PRIME_1)
}

/// XXH64 with seed 0.
fn xxh64(input: &[u8]) -> u64 {
    let mut rest = input;
    let mut hash = if input.len() >= 32 {
        let mut lanes = [PRIME_1.wrapping_add(PRIME_2), PRIME_2, 0, 0u64.wrapping_sub(PRIME_1)];
        while rest.len() >= 32 {
            for (lane, chunk) in lanes.iter_mut().zip(rest[..32].chunks(8)) {
                *lane = round(*lane, word(chunk));
            }
            rest = &rest[32..];
        }
        let mut hash = 0u64;
        for (lane, rotation) in lanes.iter().zip([1, 7, 12, 18]) {
            hash = hash.wrapping_add(lane.rotate_left(rotation));
        }
        for lane in lanes {
            hash = (hash ^ round(0, lane)).wrapping_mul(PRIME_1).wrapping_add(PRIME_4);
        }
        hash
    } else {
        PRIME_5
    };
    hash = hash.wrapping_add(input.len() as u64);
    while rest.len() >= 8 {
        hash ^= round(0, word(&rest[..8]));
        hash = hash.rotate_left(27).wrapping_mul(PRIME_1).wrapping_add(PRIME_4);
        rest = &rest[8..];
    }
    if rest.len() >= 4 {
        hash ^= word(&rest[..4]).wrapping_mul(PRIME_1);
        hash = hash.rotate_left(23).wrapping_mul(PRIME_2).wrapping_add(PRIME_3);
        rest = &rest[4..];
    }
    for byte in rest {
        hash ^= u64::from(*byte).wrapping_mul(PRIME_5);
        hash = hash.rotate_left(11).wrapping_mul(PRIME_1);
    }
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(PRIME_2);
    hash ^= hash >> 29;
    hash = hash.wrapping_mul(PRIME_3);
    hash ^ (hash >> 32)
}

/// Where a series falls between 0 and 1.
pub(crate) fn ratio(labels: &Labels) -> f64 {
    prometheus_hash(labels) as f64 / u64::MAX as f64
}

/// Prometheus's own hash of a label set, where both have to agree on a choice that depends on it.
pub fn prometheus_hash(labels: &Labels) -> u64 {
    let mut encoded = Vec::with_capacity(labels.byte_len() + 8);
    for text in labels.iter().flat_map(|(name, value)| [name, value]) {
        // one byte of length, or 255 and three bytes, lowest first
        match u8::try_from(text.len()) {
            Ok(length) if length < 255 => encoded.push(length),
            _ => {
                let length = text.len() as u32;
                encoded.push(255);
                encoded.extend_from_slice(&length.to_le_bytes()[..3]);
            }
        }
        encoded.extend_from_slice(text.as_bytes());
    }
    xxh64(&encoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_xxh64() {
        let check = |text: &str, expected: u64| assert_eq!(xxh64(text.as_bytes()), expected, "{text}");
        check("", 0xef46_db37_51d8_e999);
        check("a", 0xd24e_c4f1_a98c_6e5b);
        check("abc", 0x44bc_2cf5_ad77_0999);
        check("Nobody inspects the spammish repetition", 0xfbce_a83c_8a37_8bf1);
    }
}
