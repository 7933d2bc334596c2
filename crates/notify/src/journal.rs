//! A file of lines that outlives the process: what is whole is read again, what is torn or damaged is named.
//!
//! Input: lines of JSON, each a change that replaces an older one of the same thing. Output: the lines that are in the file, and what was
//! lost of it. Each line is checked by itself, so that damage in one costs one. Nothing is known here of what the lines mean.
//!
//! ```text
//! | crc32c, 8 hex digits | ' ' | JSON without line ends | '\n' |
//! |                      | ' ' | {"format":"tidewatch <name>","version":1} | '\n' |     the first line
//! ```
//!
//! A line is appended with one `write`. A process that is killed leaves a last line without its end, which is cut off at the next start;
//! nothing else of the file can be torn by that. [`Journal::rewrite`] makes the file anew beside the old one and renames it over that.

use crate::error::NotifyError;
use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

const VERSION: u64 = 1;

/// An open journal.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    name: &'static str,
    file: File,
    /// Bytes of whole lines.
    bytes: u64,
    /// Bytes after the last rewrite.
    bytes_rewritten: u64,
    unsynced: bool,
    /// Whether something stands after the whole lines that could not be cut off.
    torn: bool,
}

/// What a file held when it was opened.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Recovered {
    pub(crate) lines: Vec<String>,
    /// What was lost, a sentence for each part.
    pub(crate) losses: Vec<String>,
}

impl Journal {
    /// Opens or makes the journal `name` in a folder.
    ///
    /// # Errors
    /// When the operating system refuses, or the file is of a later version.
    pub(crate) fn open(folder: &Path, name: &'static str) -> Result<(Self, Recovered), NotifyError> {
        let path = folder.join(format!("{name}.journal"));
        let failed = |doing| {
            let path = path.clone();
            move |cause| NotifyError::Io { doing, path, cause }
        };
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(failed("read")(error)),
        };
        let (recovered, whole, damaged) = recover(&path, name, &bytes).map_err(failed("read"))?;
        if damaged {
            // whoever wants to look at it can
            let kept = path.with_extension("journal.damaged");
            std::fs::copy(&path, kept).map_err(failed("copy"))?;
        }
        let mut options = OpenOptions::new();
        let file = options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(failed("open"))?;
        let mut journal = Self {
            path: path.clone(),
            name,
            file,
            bytes: whole,
            bytes_rewritten: whole,
            unsynced: false,
            torn: false,
        };
        if whole == 0 || damaged {
            journal.rewrite(&recovered.lines).map_err(failed("write"))?;
        } else {
            journal.file.set_len(whole).map_err(failed("cut"))?;
            journal.file.seek(SeekFrom::Start(whole)).map_err(failed("open"))?;
        }
        Ok((journal, recovered))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Appends lines, all or none of them.
    pub(crate) fn append(&mut self, lines: &[String]) -> io::Result<()> {
        let framed: String = lines.iter().map(|line| framed(line)).collect();
        let before = self.bytes;
        if self.torn {
            self.cut(before)?;
        }
        self.unsynced = true;
        let written = self.file.write_all(framed.as_bytes());
        self.bytes += framed.len() as u64;
        written.inspect_err(|_| self.take_back(before))
    }

    /// The same, and sees that they are on the disk.
    pub(crate) fn append_synced(&mut self, lines: &[String]) -> io::Result<()> {
        let before = self.bytes;
        self.append(lines)?;
        self.sync().inspect_err(|_| self.take_back(before))
    }

    /// Cuts off what was appended, at once or before anything else is.
    fn take_back(&mut self, before: u64) {
        self.bytes = before;
        self.torn = self.cut(before).is_err();
    }

    fn cut(&mut self, bytes: u64) -> io::Result<()> {
        self.file.set_len(bytes)?;
        self.file.seek(SeekFrom::Start(bytes))?;
        self.torn = false;
        Ok(())
    }

    /// Makes the disk full, or no longer.
    #[cfg(test)]
    pub(crate) fn swap_disk(&mut self, disk: &mut File) {
        std::mem::swap(&mut self.file, disk);
    }

    /// Sees that what was appended is on the disk.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        if self.unsynced {
            self.file.sync_data()?;
            self.unsynced = false;
        }
        Ok(())
    }

    /// Whether so much was appended since the last rewrite that another is worth it.
    pub(crate) fn wants_rewrite(&self) -> bool {
        self.bytes > 2 * self.bytes_rewritten + (256 << 10)
    }

    /// Makes the file anew of these lines. After an error the file is as it was, or as it should be but perhaps not on the disk.
    pub(crate) fn rewrite(&mut self, lines: &[String]) -> io::Result<()> {
        self.rewrite_with(lines, |folder| File::open(folder)?.sync_all())
    }

    fn rewrite_with(
        &mut self,
        lines: &[String],
        sync_folder: impl FnOnce(&Path) -> io::Result<()>,
    ) -> io::Result<()> {
        let temporary = self.path.with_extension("journal.new");
        let header = format!("{{\"format\":\"tidewatch {}\",\"version\":{VERSION}}}", self.name);
        let mut text = framed(&header);
        lines.iter().for_each(|line| text.push_str(&framed(line)));
        let written = write_new(&temporary, text.as_bytes());
        let file = match written.and_then(|file| std::fs::rename(&temporary, &self.path).map(|()| file)) {
            Ok(file) => file,
            Err(error) => {
                // it may not be there; what matters is said
                let _ = std::fs::remove_file(&temporary);
                return Err(error);
            }
        };
        // what is appended from here on has to go to the file that has the name
        self.file = file;
        self.bytes = text.len() as u64;
        self.bytes_rewritten = self.bytes;
        self.unsynced = false;
        self.torn = false;
        self.path.parent().map_or(Ok(()), sync_folder)
    }
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<File> {
    let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path)?;
    file.write_all(bytes)?;
    file.sync_data()?;
    Ok(file)
}

fn framed(line: &str) -> String {
    format!("{:08x} {line}\n", crc32c::crc32c(line.as_bytes()))
}

/// The lines of a file, the bytes up to the end of its last whole line, and whether more than that end is missing.
fn recover(path: &Path, name: &str, bytes: &[u8]) -> io::Result<(Recovered, u64, bool)> {
    let mut recovered = Recovered::default();
    let mut damaged = false;
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let mut offset = 0;
    for (index, raw) in bytes[..whole].split_inclusive(|byte| *byte == b'\n').enumerate() {
        match unframed(&raw[..raw.len() - 1]) {
            Some(line) if index == 0 && line.starts_with("{\"format\":") => check_header(line, name)?,
            Some(line) => recovered.lines.push(line.to_owned()),
            None => {
                damaged = true;
                let loss = format!(
                    "{}: {} bytes at byte {offset} are damaged and left out",
                    path.display(),
                    raw.len()
                );
                recovered.losses.push(loss);
            }
        }
        offset += raw.len();
    }
    if whole < bytes.len() {
        let (path, torn) = (path.display(), bytes.len() - whole);
        recovered.losses.push(format!("{path}: the last {torn} bytes are torn and left out"));
    }
    Ok((recovered, whole as u64, damaged))
}

fn unframed(raw: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(raw).ok()?;
    let (sum, line) = text.split_at_checked(8)?;
    let line = line.strip_prefix(' ')?;
    let sum = u32::from_str_radix(sum, 16).ok()?;
    (crc32c::crc32c(line.as_bytes()) == sum).then_some(line)
}

fn check_header(line: &str, name: &str) -> io::Result<()> {
    let header: serde_json::Value = serde_json::from_str(line)?;
    let (format, version) = (header["format"].as_str(), header["version"].as_u64());
    if format == Some(&format!("tidewatch {name}")) && version.is_some_and(|version| version <= VERSION) {
        return Ok(());
    }
    let shown = format!("{} version {}", format.unwrap_or("unknown"), version.unwrap_or_default());
    let message = format!(
        "holds {shown}, not {name} up to version {VERSION}; hint: use the program that wrote it, or move it away"
    );
    Err(io::Error::other(message))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(count: usize) -> Vec<String> {
        (0..count).map(|number| format!("{{\"n\":{number}}}")).collect()
    }

    fn file_of(folder: &Path) -> PathBuf {
        folder.join("things.journal")
    }

    fn written(folder: &Path, lines: &[String]) -> Vec<u8> {
        let (mut journal, _) = Journal::open(folder, "things").unwrap();
        journal.append(lines).unwrap();
        journal.sync().unwrap();
        std::fs::read(file_of(folder)).unwrap()
    }

    #[test]
    fn what_is_appended_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        written(folder.path(), &lines(3));
        let (mut journal, recovered) = Journal::open(folder.path(), "things").unwrap();
        assert_eq!(recovered, Recovered { lines: lines(3), losses: vec![] });
        journal.append(&["{\"n\":3}".to_owned()]).unwrap();
        journal.rewrite(&lines(2)).unwrap();
        journal.append(&["{\"n\":2}".to_owned()]).unwrap();
        drop(journal);
        assert_eq!(Journal::open(folder.path(), "things").unwrap().1.lines, lines(3));
    }

    #[test]
    fn at_whatever_byte_a_file_is_torn_the_lines_before_are_there() {
        let folder = tempfile::tempdir().unwrap();
        let bytes = written(folder.path(), &lines(3));
        for length in 0..bytes.len() {
            std::fs::write(file_of(folder.path()), &bytes[..length]).unwrap();
            let (mut journal, recovered) = Journal::open(folder.path(), "things").unwrap();
            let whole = bytes[..length].iter().filter(|byte| **byte == b'\n').count().saturating_sub(1);
            assert_eq!(recovered.lines, lines(whole), "{length}");
            let at_end = length == 0 || bytes[length - 1] == b'\n';
            assert_eq!(recovered.losses.is_empty(), at_end, "{length} {recovered:?}");
            journal.append(&["{\"n\":99}".to_owned()]).unwrap();
            drop(journal);
            let again = Journal::open(folder.path(), "things").unwrap().1;
            assert_eq!((again.lines.len(), again.losses.len()), (whole + 1, 0), "{length}");
        }
    }

    #[test]
    fn a_damaged_byte_costs_its_line_and_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let bytes = written(folder.path(), &lines(3));
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x04;
            std::fs::write(file_of(folder.path()), &damaged).unwrap();
            let recovered = Journal::open(folder.path(), "things").unwrap().1;
            let all = lines(3);
            let lost = all.iter().filter(|line| !recovered.lines.contains(line)).count();
            assert!(lost <= 2 && recovered.lines.len() + lost == 3, "{at} {recovered:?}");
            assert!(!recovered.losses.is_empty(), "{at}");
            std::fs::remove_file(file_of(folder.path())).unwrap();
        }
        assert!(file_of(folder.path()).with_extension("journal.damaged").exists());
    }

    #[test]
    fn a_file_of_the_future_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let text = framed("{\"format\":\"tidewatch things\",\"version\":2}");
        std::fs::write(file_of(folder.path()), &text).unwrap();
        let error = Journal::open(folder.path(), "things").unwrap_err().to_string();
        assert!(error.contains("version 2") && error.contains("hint: "), "{error}");
        assert_eq!(std::fs::read_to_string(file_of(folder.path())).unwrap(), text);
    }

    #[test]
    fn lines_go_to_the_file_that_has_the_name() {
        let folder = tempfile::tempdir().unwrap();
        let (mut journal, _) = Journal::open(folder.path(), "things").unwrap();
        let failing = |_: &Path| Err(io::Error::other("no"));
        assert!(journal.rewrite_with(&lines(1), failing).is_err());
        journal.append(&["{\"n\":1}".to_owned()]).unwrap();
        drop(journal);
        assert_eq!(Journal::open(folder.path(), "things").unwrap().1.lines, lines(2));
    }

    #[test]
    fn a_full_disk_leaves_the_file_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let (mut journal, _) = Journal::open(folder.path(), "things").unwrap();
        journal.append(&["{\"n\":0}".to_owned()]).unwrap();
        let mut full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        journal.swap_disk(&mut full);
        let error = journal.append(&["{\"n\":9}".to_owned()]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        journal.swap_disk(&mut full);
        // as much of the line as there was room for
        journal.file.write_all(b"0123").unwrap();
        journal.append(&["{\"n\":1}".to_owned()]).unwrap();
        drop(journal);
        assert_eq!(Journal::open(folder.path(), "things").unwrap().1.lines, lines(2));
    }
}
