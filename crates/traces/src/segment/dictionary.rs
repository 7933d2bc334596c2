//! The slices that occur again and again, each with a number.
//!
//! Input: the slices of a batch, or those defined in a log. Output: references in records, and the columns that lead from a number to its
//! definition. A key with many different values, a long slice or a full dictionary are not given further numbers, so that its size is
//! bounded whatever comes: such slices are written out where they occur.

use super::record::Reference;
use crate::attribute::{split_slice, value_hash};
use crate::wire::{Wire, push_uvarint, put_block};
use hashbrown::HashTable;
use std::hash::{BuildHasher, Hasher};

/// Different values of one key that get a number.
const VALUES_PER_KEY: u32 = 1024;
/// Slices that get a number in a segment.
const MAX_SYMBOLS: usize = 65_536;
/// Longer slices never get a number.
const MAX_SLICE: usize = 1024;

/// Little-endian numbers, as they are in an index file.
pub(crate) type Word = [u8; 4];

/// The dictionary of the segment that is written to.
#[derive(Debug, Default)]
pub(super) struct Dictionary {
    hashes: foldhash::fast::RandomState,
    symbols: HashTable<(u32, u32)>,
    keys: HashTable<(u32, u32)>,
    values_of_key: Vec<u32>,
    /// Where each slice is defined.
    pub(super) symbol_places: Vec<Word>,
    /// The hash of each slice as a tag.
    pub(super) tag_hashes: Vec<Word>,
    /// Where each key first occurs.
    pub(super) key_places: Vec<Word>,
}

fn spread(hash: u32) -> u64 {
    u64::from(hash) << 32 | u64::from(hash)
}

fn block_at(data: &[u8], place: Word) -> &[u8] {
    data.get(u32::from_le_bytes(place) as usize..).and_then(|bytes| Wire(bytes).block()).unwrap_or_default()
}

impl Dictionary {
    #[inline]
    fn hash(&self, bytes: &[u8]) -> u32 {
        let mut hasher = self.hashes.build_hasher();
        hasher.write(bytes);
        (hasher.finish() >> 32) as u32
    }

    /// Appends a reference to a slice to the records. Gives its hash as a tag.
    #[inline]
    pub(super) fn put(&mut self, data: &mut Vec<u8>, slice: &[u8]) -> u32 {
        let hash = self.hash(slice);
        let found = self.symbols.find(spread(hash), |(other, number)| {
            *other == hash && block_at(data, self.symbol_places[*number as usize]) == slice
        });
        match found {
            Some((_, number)) => {
                push_uvarint(data, 2 + (u64::from(*number) << 1));
                u32::from_le_bytes(self.tag_hashes[*number as usize])
            }
            None => self.put_unknown(data, slice, hash),
        }
    }

    #[cold]
    fn put_unknown(&mut self, data: &mut Vec<u8>, slice: &[u8], hash: u32) -> u32 {
        let (key, value) = split_slice(slice).unwrap_or_default();
        let key_hash = self.hash(key);
        let known = self.find_key(data, key, key_hash);
        let full = slice.len() > MAX_SLICE || self.symbol_places.len() >= MAX_SYMBOLS;
        match known {
            Some(number) if full || self.values_of_key[number as usize] >= VALUES_PER_KEY => {
                data.push(1);
                push_uvarint(data, number.into());
                put_block(data, value);
                value_hash(key, value)
            }
            None if full => {
                data.push(0);
                put_block(data, slice);
                value_hash(key, value)
            }
            _ => {
                push_uvarint(data, 3 + (self.symbol_places.len() as u64) * 2);
                let place = data.len();
                put_block(data, slice);
                self.define(data, place as u32, slice, hash)
            }
        }
    }

    fn find_key(&self, data: &[u8], key: &[u8], hash: u32) -> Option<u32> {
        let same = |(other, number): &(u32, u32)| {
            *other == hash && block_at(data, self.key_places[*number as usize]) == key
        };
        self.keys.find(spread(hash), same).map(|(_, number)| *number)
    }

    /// Gives the slice at a place the next number. Gives its hash as a tag.
    fn define(&mut self, data: &[u8], place: u32, slice: &[u8], hash: u32) -> u32 {
        let (key, value) = split_slice(slice).unwrap_or_default();
        let number = self.symbol_places.len() as u32;
        let tag = value_hash(key, value);
        self.symbol_places.push(place.to_le_bytes());
        self.tag_hashes.push(tag.to_le_bytes());
        self.symbols.insert_unique(spread(hash), (hash, number), |(hash, _)| spread(*hash));
        let key_hash = self.hash(key);
        if let Some(known) = self.find_key(data, key, key_hash) {
            self.values_of_key[known as usize] += 1;
        } else {
            let number = self.key_places.len() as u32;
            // A slice begins with its key.
            let key_place = place + crate::wire::uvarint_len(slice.len() as u64) as u32;
            self.key_places.push(key_place.to_le_bytes());
            self.values_of_key.push(1);
            self.keys.insert_unique(spread(key_hash), (key_hash, number), |(hash, _)| spread(*hash));
        }
        tag
    }

    /// Takes over a reference that was read from a log. Gives its hash as a tag, or nothing where it cannot be.
    pub(super) fn learn(&mut self, data: &[u8], reference: Reference<'_>) -> Option<u32> {
        match reference {
            Reference::Literal(slice) => split_slice(slice).map(|(key, value)| value_hash(key, value)),
            Reference::Keyed { key, value } => {
                Some(value_hash(block_at(data, *self.key_places.get(key as usize)?), value))
            }
            Reference::Symbol(number) => {
                self.tag_hashes.get(number as usize).map(|word| u32::from_le_bytes(*word))
            }
            Reference::Definition { number, place, slice } => {
                if number as usize != self.symbol_places.len() || split_slice(slice).is_none() {
                    return None;
                }
                let hash = self.hash(slice);
                Some(self.define(data, place, slice, hash))
            }
        }
    }

    /// Bytes of heap it takes.
    pub(super) fn memory_bytes(&self) -> usize {
        (self.symbols.capacity() + self.keys.capacity()) * 10
            + self.symbol_places.capacity() * 8
            + self.key_places.capacity() * 8
    }
}
