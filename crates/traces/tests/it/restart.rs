//! What was accepted survives the end of the process at any moment, and damage costs no more than what is damaged.

use crate::requests::{NOW, SECOND, plain, send};
use std::fs;
use std::path::{Path, PathBuf};
use tidewatch_traces::{Search, StoreOptions, TraceStore, TracesError};

const REQUESTS: u64 = 6;

fn fill(folder: &Path) -> Vec<u64> {
    let store = TraceStore::open(Some(folder.to_owned()), StoreOptions::default(), NOW).unwrap();
    let spans = folder.join("00000001.spans");
    let mut ends = vec![fs::metadata(&spans).unwrap().len()];
    for trace in 0..REQUESTS {
        let mut writer = store.writer(NOW);
        send(&[plain(trace, 0), plain(trace, 1), plain(0, 2 + trace)], &mut writer);
        writer.finish().unwrap();
        ends.push(fs::metadata(&spans).unwrap().len());
    }
    // Dropped without being closed, as by a kill.
    ends
}

fn copy_of(file: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("00000001.spans");
    fs::write(&path, file).unwrap();
    (folder, path)
}

/// Opens a folder, counts its spans, and sees that it can be written to.
fn recovered(folder: &Path) -> u64 {
    let store = TraceStore::open(Some(folder.to_owned()), StoreOptions::default(), NOW).unwrap();
    let spans = store.stats().spans;
    assert_eq!(
        store.find(&Search::default()).iter().map(|trace| trace.spans.len() as u64).sum::<u64>(),
        spans
    );
    let mut writer = store.writer(NOW);
    send(&[plain(99, 0)], &mut writer);
    writer.finish().unwrap();
    drop(store);
    let store = TraceStore::open(Some(folder.to_owned()), StoreOptions::default(), NOW).unwrap();
    assert_eq!((store.stats().spans, store.stats().damaged_segments), (spans + 1, 0));
    assert_eq!(store.trace(plain(99, 0).trace).unwrap().spans.len(), 1);
    spans
}

#[test]
fn a_log_cut_at_any_byte_gives_all_whole_requests() {
    let folder = tempfile::tempdir().unwrap();
    let ends = fill(folder.path());
    let file = fs::read(folder.path().join("00000001.spans")).unwrap();
    assert_eq!(file.len() as u64, *ends.last().unwrap());
    for length in 0..=file.len() {
        let (copy, _) = copy_of(&file[..length]);
        let whole = ends[1..].iter().filter(|end| **end <= length as u64).count() as u64;
        assert_eq!(recovered(copy.path()), whole * 3, "cut at {length}");
    }
}

#[test]
fn a_flipped_bit_ends_the_log_there() {
    let folder = tempfile::tempdir().unwrap();
    let ends = fill(folder.path());
    let file = fs::read(folder.path().join("00000001.spans")).unwrap();
    for at in (16..file.len()).step_by(7) {
        let mut damaged = file.clone();
        damaged[at] ^= 0x10;
        let (copy, _) = copy_of(&damaged);
        let whole = ends[1..].iter().filter(|end| **end <= at as u64).count() as u64;
        assert_eq!(recovered(copy.path()), whole * 3, "flipped at {at}");
    }
}

/// A sealed segment, then damage to one of its files.
fn check_damage(damage: impl Fn(&Path), spans: u64, damaged: u64) {
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path());
    let open = |now| TraceStore::open(Some(folder.path().to_owned()), StoreOptions::default(), now).unwrap();
    open(NOW + 3601 * SECOND);
    assert!(folder.path().join("00000001.index").exists(), "an old segment is sealed");
    damage(folder.path());
    let store = open(NOW);
    assert_eq!((store.stats().spans, store.stats().damaged_segments), (spans, damaged));
    let found = store.find(&Search::default());
    assert_eq!(found.iter().map(|trace| trace.spans.len() as u64).sum::<u64>(), spans);
    drop(store);
    assert_eq!(open(NOW).stats().damaged_segments, 0, "what was damaged is repaired");
}

fn change(path: impl AsRef<Path>, change: impl Fn(&mut Vec<u8>)) {
    let mut bytes = fs::read(&path).unwrap();
    change(&mut bytes);
    fs::write(&path, bytes).unwrap();
}

#[test]
fn damaged_files_of_a_sealed_segment() {
    let all = REQUESTS * 3;
    check_damage(|_| {}, all, 0);
    check_damage(|folder| fs::remove_file(folder.join("00000001.index")).unwrap(), all, 0);
    check_damage(|folder| change(folder.join("00000001.index"), |bytes| bytes.truncate(100)), all, 1);
    check_damage(|folder| change(folder.join("00000001.index"), |bytes| bytes[60] ^= 1), all, 1);
    check_damage(|folder| change(folder.join("00000001.index"), Vec::clear), all, 1);
    let cut = |folder: &Path| change(folder.join("00000001.spans"), |bytes| bytes.truncate(bytes.len() - 1));
    check_damage(cut, all - 3, 1);
    let flip = |folder: &Path| change(folder.join("00000001.spans"), |bytes| *bytes.last_mut().unwrap() ^= 1);
    check_damage(flip, all - 3, 1);
    check_damage(|folder| change(folder.join("00000001.spans"), |bytes| bytes[0] = b'x'), 0, 1);
}

#[test]
fn a_folder_is_used_once_and_never_by_an_older_program() {
    let folder = tempfile::tempdir().unwrap();
    let open = || TraceStore::open(Some(folder.path().to_owned()), StoreOptions::default(), NOW);
    let store = open().unwrap();
    assert!(matches!(open(), Err(TracesError::Locked { .. })));
    store.close().unwrap();
    assert!(matches!(store.commit(&filled_batch(), NOW), Err(TracesError::Closed)));
    drop(store);
    change(folder.path().join("00000001.spans"), |bytes| bytes[4] = 9);
    let error = open().unwrap_err().to_string();
    assert!(error.contains("format version 9"), "{error}");
}

fn filled_batch() -> tidewatch_traces::SpanBatch {
    let mut batch = tidewatch_traces::SpanBatch::new();
    send(&[plain(1, 1)], &mut batch);
    batch
}
