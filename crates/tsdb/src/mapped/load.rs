//! Reading all chunk files when the database is opened, and repairing damaged ones.
//!
//! Input: the folder `chunks_head/`. Output: the mapped files and, for every series id, its chunks. A chunk that was
//! cut off by the end of a process is cut away: the log still has its samples. A chunk damaged otherwise is left out
//! and the file written anew without it, because a real Prometheus would throw the file and all later ones away.

use super::file::{ChunkFiles, MappedFile};
use super::layout::{FILE_HEADER, Parsed, Position, parse};
use super::refs::{ChunkRef, ChunkRefs};
use crate::chunk::ENCODING_XOR;
use crate::error::{Doing, TsdbError};
use hashbrown::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What the chunk files hold.
#[derive(Default)]
pub(crate) struct LoadedChunks {
    pub(crate) files: ChunkFiles,
    /// The chunks of each series id.
    pub(crate) series: HashMap<u64, ChunkRefs>,
    /// The number for the next file.
    pub(crate) next_number: u32,
    /// What had to be repaired or passed over.
    pub(crate) notices: Vec<String>,
    /// How many files had to be repaired.
    pub(crate) repairs: u64,
}

/// Maps all files of a folder.
///
/// # Errors
/// When a file cannot be read or is none of ours, or one is missing in between.
pub(crate) fn load_chunk_files(folder: &Path) -> Result<LoadedChunks, TsdbError> {
    let mut loaded = LoadedChunks { next_number: 1, ..LoadedChunks::default() };
    let mut files = Vec::new();
    let numbers = list_files(folder)?;
    for (at, (number, path)) in numbers.iter().enumerate() {
        let is_last = at + 1 == numbers.len();
        if is_last && is_headless(path)? {
            // The process ended between creating the file and writing to it.
            fs::remove_file(path).doing("remove", path)?;
            break;
        }
        let mut file = open_file(*number, path)?;
        if let Some(notice) = repair(&file)? {
            loaded.notices.push(notice);
            loaded.repairs += 1;
            file = open_file(*number, path)?;
        }
        index(&file, &mut loaded);
        file.release();
        files.push(Arc::new(file));
        loaded.next_number = number + 1;
    }
    loaded.files = ChunkFiles::new(files);
    Ok(loaded)
}

fn list_files(folder: &Path) -> Result<Vec<(u32, PathBuf)>, TsdbError> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).doing("list", folder)? {
        let entry = entry.doing("list", folder)?;
        let number = entry.file_name().to_str().and_then(|n| n.parse::<u32>().ok());
        files.extend(number.map(|n| (n, entry.path())));
    }
    files.sort_unstable();
    match files.windows(2).find(|pair| pair[0].0 + 1 != pair[1].0) {
        Some(gap) => Err(TsdbError::corrupt(
            &folder.join(format!("{:06}", gap[0].0 + 1)),
            0,
            "the file is missing; hint: restore it, or move the earlier files away to go on without them",
        )),
        None => Ok(files),
    }
}

fn is_headless(path: &Path) -> Result<bool, TsdbError> {
    let bytes = path.metadata().doing("inspect", path)?.len();
    if bytes >= FILE_HEADER.len() as u64 {
        let mut header = [0; 4];
        File::open(path)
            .and_then(|mut f| std::io::Read::read_exact(&mut f, &mut header))
            .doing("read", path)?;
        return Ok(header == [0; 4]);
    }
    Ok(true)
}

fn open_file(number: u32, path: &Path) -> Result<MappedFile, TsdbError> {
    let file = MappedFile::finished(number, path)?;
    if file.bytes().get(..5) != Some(&FILE_HEADER[..5]) {
        return Err(TsdbError::corrupt(
            path,
            0,
            "it does not begin as a chunk file of version 1; hint: move it away, or the whole folder chunks_head \
             to go on with what the log has",
        ));
    }
    Ok(file)
}

/// Makes a damaged file whole again; says what it did.
fn repair(file: &MappedFile) -> Result<Option<String>, TsdbError> {
    let bytes = file.bytes();
    let (mut kept, mut at, mut lost) = (Vec::new(), FILE_HEADER.len(), Vec::new());
    let mut end = None;
    loop {
        match parse(&bytes[at..]) {
            Parsed::Frame(frame) => {
                kept.push(at..at + frame.length);
                at += frame.length;
            }
            Parsed::Damaged { length: Some(length), .. } => {
                lost.push(at);
                at += length;
            }
            Parsed::Damaged { length: None, what } => {
                end = Some(what);
                break;
            }
            Parsed::End => break,
        }
    }
    let path = file.path().display();
    match (lost.first(), end) {
        (None, None) => Ok(None),
        (None, Some(what)) => {
            cut_file(file.path(), at)?;
            Ok(Some(format!("{path}: {what} at byte {at}: {} bytes removed", bytes.len() - at)))
        }
        (Some(first), _) => {
            rewrite(file, &kept)?;
            Ok(Some(format!(
                "{path}: {} damaged chunks, the first at byte {first}, left out; {} chunks kept",
                lost.len(),
                kept.len()
            )))
        }
    }
}

fn cut_file(path: &Path, length: usize) -> Result<(), TsdbError> {
    let file = OpenOptions::new().write(true).open(path).doing("open", path)?;
    file.set_len(length as u64).and_then(|()| file.sync_all()).doing("cut", path)
}

fn rewrite(file: &MappedFile, kept: &[std::ops::Range<usize>]) -> Result<(), TsdbError> {
    let path = file.path();
    let repaired = path.with_extension("repair");
    let bytes = file.bytes();
    let mut out = Vec::with_capacity(bytes.len());
    out.extend_from_slice(&FILE_HEADER);
    kept.iter().for_each(|range| out.extend_from_slice(&bytes[range.clone()]));
    File::create(&repaired)
        .and_then(|mut f| f.write_all(&out).and_then(|()| f.sync_all()))
        .doing("write", &repaired)?;
    fs::rename(&repaired, path).doing("replace", path)
}

fn index(file: &MappedFile, loaded: &mut LoadedChunks) {
    let bytes = file.bytes();
    let (mut at, mut foreign, mut disordered) = (FILE_HEADER.len(), 0usize, 0usize);
    while let Parsed::Frame(frame) = parse(&bytes[at..]) {
        let position = Position { file: file.number(), offset: at as u32 };
        at += frame.length;
        if frame.encoding != ENCODING_XOR || frame.is_out_of_order() || frame.data.len() < 2 {
            foreign += 1;
            continue;
        }
        let count = u16::from_be_bytes([frame.data[0], frame.data[1]]);
        let chunks = loaded.series.entry(frame.series).or_default();
        if frame.max < frame.min || chunks.max().is_some_and(|max| max >= frame.min) {
            disordered += 1;
            continue;
        }
        chunks.push(ChunkRef { position, min: frame.min, max: frame.max, count });
        file.note_time(frame.max);
    }
    let path = file.path().display();
    if foreign > 0 {
        loaded.notices.push(format!(
            "{path}: {foreign} chunks of native histograms, out-of-order samples or another encoding are not read"
        ));
    }
    if disordered > 0 {
        loaded.notices.push(format!("{path}: {disordered} chunks that overlap an earlier one are not read"));
    }
}

#[cfg(test)]
mod tests {
    use super::super::writer::ChunkWriter;
    use super::*;
    use crate::chunk::XorEncoder;

    fn chunk(start: i64) -> Vec<u8> {
        let mut encoder = XorEncoder::new();
        (0..50).for_each(|i| encoder.push(start + i, i as f64));
        encoder.bytes().to_vec()
    }

    /// Ten chunks of two series in a file; gives the file and where its chunks begin.
    fn written(folder: &Path) -> (PathBuf, Vec<usize>) {
        let mut writer = ChunkWriter::new(folder, 1);
        writer.cut().unwrap();
        let mut positions = Vec::new();
        for i in 0..10 {
            let start = i64::from(i / 2) * 100;
            positions.push(writer.stage(1 + i as u64 % 2, start, start + 49, &chunk(start)).offset as usize);
        }
        writer.write().unwrap();
        (folder.join("000001"), positions)
    }

    fn counts(loaded: &LoadedChunks) -> (usize, usize) {
        let count = |id| loaded.series.get(&id).map_or(0, ChunkRefs::len);
        (count(1), count(2))
    }

    #[test]
    fn what_was_written_is_loaded() {
        let folder = tempfile::tempdir().unwrap();
        written(folder.path());
        let loaded = load_chunk_files(folder.path()).unwrap();
        assert_eq!((counts(&loaded), loaded.next_number, loaded.notices.len()), ((5, 5), 2, 0));
        for (id, refs) in &loaded.series {
            for chunk_ref in refs.iter() {
                let frame = loaded.files.frame(chunk_ref.position).unwrap();
                assert_eq!(
                    (frame.series, frame.min, frame.data),
                    (*id, chunk_ref.min, &chunk(chunk_ref.min)[..])
                );
            }
        }
    }

    #[test]
    fn a_torn_end_is_cut_away() {
        let folder = tempfile::tempdir().unwrap();
        let (path, positions) = written(folder.path());
        let whole = fs::read(&path).unwrap();
        for cut in [positions[9] + 1, positions[9] + 30, whole.len() - 1] {
            fs::write(&path, &whole[..cut]).unwrap();
            let loaded = load_chunk_files(folder.path()).unwrap();
            assert_eq!(counts(&loaded), (5, 4), "cut at {cut}");
            // A cut within the first bytes of an id looks like zeros allocated in advance.
            if loaded.notices.is_empty() {
                assert!(cut < positions[9] + 8);
            } else {
                assert_eq!(path.metadata().unwrap().len(), positions[9] as u64);
            }
        }
    }

    #[test]
    fn a_damaged_chunk_is_left_out_and_the_file_whole_again() {
        let folder = tempfile::tempdir().unwrap();
        let (path, positions) = written(folder.path());
        let mut bytes = fs::read(&path).unwrap();
        bytes[positions[4] + 40] ^= 0xff;
        fs::write(&path, &bytes).unwrap();
        let loaded = load_chunk_files(folder.path()).unwrap();
        assert_eq!(counts(&loaded), (4, 5));
        assert!(loaded.notices[0].contains("1 damaged chunks"), "{:?}", loaded.notices);
        let again = load_chunk_files(folder.path()).unwrap();
        assert_eq!((counts(&again), again.notices.len()), ((4, 5), 0));
    }

    #[test]
    fn zeros_allocated_in_advance_are_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let (path, _) = written(folder.path());
        OpenOptions::new().write(true).open(&path).unwrap().set_len(128 << 10).unwrap();
        fs::write(folder.path().join("000002"), [0; 100]).unwrap();
        let loaded = load_chunk_files(folder.path()).unwrap();
        assert_eq!((counts(&loaded), loaded.next_number, loaded.notices.len()), ((5, 5), 2, 0));
    }

    #[test]
    fn foreign_files_and_gaps_are_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let (path, _) = written(folder.path());
        let check = |expected: &str| {
            let error = load_chunk_files(folder.path()).err().expect("refused").to_string();
            assert!(error.contains(expected), "{error}");
        };
        fs::copy(&path, folder.path().join("000003")).unwrap();
        check("000002 is damaged at byte 0: the file is missing");
        fs::write(folder.path().join("000002"), b"not a chunk file").unwrap();
        check("000002 is damaged at byte 0: it does not begin as a chunk file");
    }
}
