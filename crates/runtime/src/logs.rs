//! What containers print, kept per container in files of bounded size.
//!
//! Input: the pipes of a process. Output: `<pod>/<container>/<restarts>.log` in the format of the Container Runtime
//! Interface; the last lines of it on request. A process that prints without end is slowed down, alone: its pipe is
//! read at [`BYTES_PER_SECOND`] at most, and its files hold 2 × [`FILE_BYTES`] at most. Logs are not parsed.
//!
//! ```text
//! 2026-11-22T19:04:13.123456789Z stdout F a whole line
//! 2026-11-22T19:04:13.123456789Z stderr P the first part of a line longer than 16 KiB
//! ```

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tidewatch_model::format_timestamp;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::Instant;

/// A file is rotated at this size; one older file is kept.
pub(crate) const FILE_BYTES: u64 = 10 << 20;
/// What a container may print for long, in bytes a second.
pub(crate) const BYTES_PER_SECOND: u64 = 4 << 20;
/// Lines are cut at this length.
const LINE_BYTES: usize = 16 << 10;
/// What may wait to be written.
const UNWRITTEN_BYTES: usize = 1 << 20;
/// The most that is read back at once.
const TAIL_BYTES: u64 = 8 << 20;
/// The most that is read to say why a container ended.
const LAST_BYTES: u64 = 256 << 10;

/// Lines that are not written yet.
#[derive(Debug, Default)]
struct Lines {
    text: Vec<u8>,
    /// The second of the last line, and how it is printed.
    second: (u64, String),
}

impl Lines {
    /// Adds a line, or a part of one.
    fn add(&mut self, stream: &str, text: &[u8], whole: bool) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        if self.second.0 != now.as_secs() {
            let text = format_timestamp(i64::try_from(now.as_secs() * 1000).unwrap_or(0));
            self.second = (now.as_secs(), text.get(..19).unwrap_or_default().to_owned());
        }
        let tag = if whole { 'F' } else { 'P' };
        let prefix = format!("{}.{:09}Z {stream} {tag} ", self.second.1, now.subsec_nanos());
        self.text.extend_from_slice(prefix.as_bytes());
        self.text.extend_from_slice(text);
        self.text.push(b'\n');
    }
}

/// The file of one run of a container.
#[derive(Debug)]
struct LogFile {
    path: PathBuf,
    file: File,
    written: u64,
}

impl LogFile {
    fn create(path: PathBuf) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(&path)?;
        let written = file.metadata()?.len();
        Ok(Self { path, file, written })
    }

    /// Writes lines, and begins a new file when this one is full. After an error the lines are given up: the disk may
    /// be full, and memory must not be.
    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        let written = self.file.write_all(lines);
        self.written += lines.len() as u64;
        written?;
        if self.written >= FILE_BYTES { self.rotate() } else { Ok(()) }
    }

    /// Begins a new file. When that is not possible this one is emptied: it must not grow on.
    fn rotate(&mut self) -> io::Result<()> {
        self.written = 0;
        let moved = match fs::rename(&self.path, rotated(&self.path)) {
            // It was removed, or moved by an attempt that could not open the next.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            moved => moved,
        };
        match moved.and_then(|()| OpenOptions::new().create(true).append(true).open(&self.path)) {
            Ok(file) => self.file = file,
            Err(error) => {
                let _ = self.file.set_len(0);
                return Err(error);
            }
        }
        Ok(())
    }
}

fn rotated(path: &Path) -> PathBuf {
    path.with_extension("log.1")
}

/// The file of a container's run.
pub(crate) fn path_of(container_folder: &Path, restarts: u32) -> PathBuf {
    container_folder.join(format!("{restarts}.log"))
}

/// The file and what is to be written to it next: it is with a thread for blocking work, or waits for lines.
struct Writing {
    file: io::Result<LogFile>,
    text: Vec<u8>,
    outcome: io::Result<()>,
}

impl Writing {
    /// Opens the file of a run, and removes those of the run before the previous one.
    fn open(container_folder: &Path, restarts: u32) -> Self {
        if let Some(old) = restarts.checked_sub(2) {
            let old = path_of(container_folder, old);
            let _ = fs::remove_file(rotated(&old));
            let _ = fs::remove_file(old);
        }
        let opened = Self {
            file: LogFile::create(path_of(container_folder, restarts)),
            text: Vec::new(),
            outcome: Ok(()),
        };
        opened.write()
    }

    fn write(mut self) -> Self {
        self.outcome = match &mut self.file {
            Ok(file) => file.write(&self.text),
            Err(error) => Err(io::Error::new(error.kind(), error.to_string())),
        };
        self.text.clear();
        // After a burst its memory is given back.
        self.text.shrink_to(64 << 10);
        self
    }
}

/// Copies both outputs of a process into its file until both are closed. Keeps the files of this and the previous run.
/// The first error of writing is told; the pipes are emptied all the same, so that the process is not held up. Files
/// are written by threads for blocking work, meanwhile more is read: up to [`UNWRITTEN_BYTES`].
pub(crate) async fn keep(
    container_folder: PathBuf,
    restarts: u32,
    out: pipe::Receiver,
    err: pipe::Receiver,
    failed: impl FnOnce(&io::Error),
) {
    let mut streams = [Stream::new("stdout", out), Stream::new("stderr", err)];
    let mut failed = Some(failed);
    let mut lines = Lines::default();
    let (mut busy, mut waiting) =
        (Some(spawn_blocking(move || Writing::open(&container_folder, restarts))), None);
    let (mut allowance, mut refilled) = (BYTES_PER_SECOND, Instant::now());
    loop {
        if let Some(mut writing) = waiting.take_if(|_: &mut Writing| !lines.text.is_empty()) {
            std::mem::swap(&mut writing.text, &mut lines.text);
            busy = Some(spawn_blocking(move || writing.write()));
        }
        let room = lines.text.len() < UNWRITTEN_BYTES;
        let [out, err] = &mut streams;
        let (stream, read) = tokio::select! {
            read = out.pipe.read(&mut out.chunk), if out.open && room => (out, read),
            read = err.pipe.read(&mut err.chunk), if err.open && room => (err, read),
            Some(written) = finished(&mut busy), if busy.is_some() => {
                if let Err(error) = &written.outcome
                    && let Some(failed) = failed.take()
                {
                    failed(error);
                }
                waiting = Some(written);
                continue;
            }
            else => return,
        };
        let length = read.unwrap_or(0);
        stream.open = length > 0;
        stream.take(length, &mut lines);
        let earned = BYTES_PER_SECOND * u64::try_from(refilled.elapsed().as_millis()).unwrap_or(0) / 1000;
        if earned > 0 {
            refilled = Instant::now();
            allowance = (allowance + earned).min(BYTES_PER_SECOND);
        }
        allowance = allowance.saturating_sub(length as u64);
        if allowance == 0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// Waits for blocking work, if there is any. Work that was given up gives the file up.
async fn finished(busy: &mut Option<JoinHandle<Writing>>) -> Option<Writing> {
    let written = busy.as_mut()?.await;
    *busy = None;
    Some(written.unwrap_or_else(|error| {
        let given_up = || io::Error::other(error.to_string());
        Writing { file: Err(given_up()), text: Vec::new(), outcome: Err(given_up()) }
    }))
}

struct Stream {
    name: &'static str,
    pipe: pipe::Receiver,
    open: bool,
    chunk: Vec<u8>,
    rest: Vec<u8>,
}

impl Stream {
    fn new(name: &'static str, pipe: pipe::Receiver) -> Self {
        Self { name, pipe, open: true, chunk: vec![0; 4096], rest: Vec::new() }
    }

    /// Adds the whole lines of what was read; at the end of the stream also what is left.
    fn take(&mut self, length: usize, lines: &mut Lines) {
        let mut new = &self.chunk[..length];
        while let Some(end) = new.iter().position(|byte| *byte == b'\n') {
            self.rest.extend_from_slice(&new[..end]);
            new = &new[end + 1..];
            lines.add(self.name, &self.rest, true);
            self.rest.clear();
        }
        self.rest.extend_from_slice(new);
        let full = self.rest.len() >= LINE_BYTES;
        if full || (length == 0 && !self.rest.is_empty()) {
            lines.add(self.name, &self.rest, !full);
            self.rest.clear();
        }
    }
}

/// The last lines of a container's run, without the times and streams; parts of long lines are joined. At most
/// 8 MiB are looked at.
pub(crate) fn tail(path: &Path, lines: Option<usize>) -> io::Result<Vec<u8>> {
    tail_within(path, lines, TAIL_BYTES)
}

/// The last lines of a run that has ended, to say why; empty when they cannot be read. At most 256 KiB are looked at.
pub(crate) async fn last_lines(path: PathBuf, lines: usize) -> String {
    let text = spawn_blocking(move || tail_within(&path, Some(lines), LAST_BYTES)).await;
    String::from_utf8_lossy(&text.unwrap_or_else(|_| Ok(Vec::new())).unwrap_or_default()).into_owned()
}

fn tail_within(path: &Path, lines: Option<usize>, most: u64) -> io::Result<Vec<u8>> {
    let mut text = read_end(path, most)?;
    let missing = most.saturating_sub(text.len() as u64);
    if missing > 0
        && let Ok(mut older) = read_end(&rotated(path), missing)
    {
        older.extend_from_slice(&text);
        text = older;
    }
    let mut ends: Vec<Vec<u8>> = Vec::new();
    let mut joined = false;
    for line in text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let mut parts = line.splitn(4, |byte| *byte == b' ');
        let (Some(_), Some(_), Some(tag)) = (parts.next(), parts.next(), parts.next()) else { continue };
        let content = parts.next().unwrap_or_default();
        match ends.last_mut().filter(|_| joined) {
            Some(last) => last.extend_from_slice(content),
            None => ends.push(content.to_vec()),
        }
        joined = tag == b"P";
    }
    let skip = lines.map_or(0, |lines| ends.len().saturating_sub(lines));
    let mut out = Vec::new();
    for line in &ends[skip..] {
        out.extend_from_slice(line);
        out.push(b'\n');
    }
    Ok(out)
}

/// The last bytes of a file, from the beginning of a line to the end of one: the last line may be half written.
fn read_end(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let start = length.saturating_sub(most);
    file.seek(SeekFrom::Start(start))?;
    let mut text = Vec::new();
    file.take(most).read_to_end(&mut text)?;
    text.truncate(text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1));
    if start > 0 {
        let first = text.iter().position(|byte| *byte == b'\n').map_or(text.len(), |end| end + 1);
        text.drain(..first);
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(file: &mut LogFile, parts: &[(&str, &[u8], bool)]) -> io::Result<()> {
        let mut lines = Lines::default();
        parts.iter().for_each(|(stream, text, whole)| lines.add(stream, text, *whole));
        file.write(&lines.text)
    }

    #[test]
    fn rotates_and_reads_the_end() {
        let folder = std::env::temp_dir().join(format!("tidewatch-logs-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = path_of(&folder, 0);
        let mut file = LogFile::create(path.clone()).unwrap();
        let line = vec![b'x'; 1 << 20];
        for _ in 0..31 {
            write(&mut file, &[("stdout", &line, true)]).unwrap();
        }
        let end: [(&str, &[u8], bool); 3] =
            [("stderr", b"almost ", false), ("stderr", b"the end", true), ("stdout", b"", true)];
        write(&mut file, &end).unwrap();
        assert_eq!(tail(&path, Some(2)).unwrap(), b"almost the end\n\n");
        assert_eq!(tail(&path, Some(0)).unwrap(), b"");
        let size = |path: &Path| fs::metadata(path).unwrap().len();
        assert!(size(&rotated(&path)) <= FILE_BYTES + (2 << 20) && size(&path) <= FILE_BYTES + (2 << 20));
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 2);
        let first = fs::read(&path).unwrap();
        let stamp = String::from_utf8_lossy(&first[..40]).into_owned();
        assert!(stamp.as_bytes()[10] == b'T' && &stamp[29..40] == "Z stdout F ", "{stamp}");
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_line_that_is_half_written_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = path_of(folder.path(), 0);
        let line = "2026-11-22T19:04:13.123456789Z stdout F a line\n";
        for half in 0..line.len() {
            fs::write(&path, line.to_owned() + &line[..half]).unwrap();
            assert_eq!(tail(&path, Some(1)).unwrap(), b"a line\n", "{half} bytes of the next");
            fs::write(&path, &line[..half]).unwrap();
            assert_eq!(tail(&path, None).unwrap(), b"", "{half} bytes of the first");
        }
    }

    #[test]
    fn a_file_that_cannot_be_rotated_does_not_grow() {
        let folder = tempfile::tempdir().unwrap();
        let path = path_of(folder.path(), 0);
        // A folder cannot be replaced by a file.
        fs::create_dir(rotated(&path)).unwrap();
        let mut file = LogFile::create(path.clone()).unwrap();
        let line = vec![b'x'; 1 << 20];
        let mut failures = 0;
        for _ in 0..35 {
            failures += usize::from(write(&mut file, &[("stdout", &line, true)]).is_err());
            assert!(fs::metadata(&path).unwrap().len() <= FILE_BYTES + (1 << 20));
        }
        assert_eq!(failures, 3, "told at each attempt, and tried when the file is full again");
        fs::remove_dir(rotated(&path)).unwrap();
        for _ in 0..6 {
            write(&mut file, &[("stdout", &line, true)]).unwrap();
        }
        assert!(rotated(&path).is_file(), "rotated as soon as it is possible");
    }

    #[tokio::test]
    async fn a_full_disk_is_told_once_and_holds_nobody_up() {
        let folder = std::env::temp_dir().join(format!("tidewatch-full-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        std::os::unix::fs::symlink("/dev/full", path_of(&folder, 0)).unwrap();
        let ((mut write, out), (closed, err)) = (pipe::pipe().unwrap(), pipe::pipe().unwrap());
        drop(closed);
        let told = std::cell::Cell::new(0);
        let kept = keep(folder.clone(), 0, out, err, |error| {
            assert_eq!(error.kind(), io::ErrorKind::StorageFull);
            told.set(told.get() + 1);
        });
        let printed = async {
            // More than a pipe holds: it ends only because it is read.
            tokio::io::AsyncWriteExt::write_all(&mut write, &vec![b'\n'; 200_000]).await.unwrap();
            drop(write);
        };
        tokio::join!(kept, printed);
        assert_eq!(told.get(), 1);
        fs::remove_dir_all(&folder).unwrap();
    }

    /// On one thread: whatever blocks it stops everything.
    #[tokio::test]
    async fn a_file_that_blocks_holds_nobody_up() {
        let folder = tempfile::tempdir().unwrap();
        let path = path_of(folder.path(), 0);
        let (fifo, mode) = (rustix::fs::FileType::Fifo, rustix::fs::Mode::from_raw_mode(0o600));
        rustix::fs::mknodat(rustix::fs::CWD, &path, fifo, mode, 0).unwrap();
        let ((mut write, out), (closed, err)) = (pipe::pipe().unwrap(), pipe::pipe().unwrap());
        drop(closed);
        let (tell, told) = std::sync::mpsc::channel();
        let reader = std::thread::spawn(move || {
            // Nobody can open the file before this thread does, after others went on or had time enough to.
            let went_on = told.recv_timeout(Duration::from_secs(10)).is_ok();
            (went_on, fs::read_to_string(path).unwrap())
        });
        let kept = keep(folder.path().to_owned(), 0, out, err, |error| panic!("{error}"));
        let printed = async {
            tokio::io::AsyncWriteExt::write_all(&mut write, b"one\ntwo\n").await.unwrap();
            drop(write);
            tell.send(()).unwrap();
        };
        tokio::join!(kept, printed);
        let (went_on, text) = reader.join().unwrap();
        assert!(went_on);
        let ends: Vec<&str> = text.lines().map(|line| &line[31..]).collect();
        assert_eq!(ends, ["stdout F one", "stdout F two"]);
    }
}
