//! Silences and the notification log on disk.
//!
//! Input: changes. Output: what was there at the start, and whether a change is written. A silence is on the disk before it holds; an
//! entry of the log is written when a notification was taken, and what could not be written is written again later, as a whole. Without a
//! folder everything is in memory only.

use crate::error::NotifyError;
use crate::journal::Journal;
use crate::notification_log::{LogEntry, NotificationLog};
use crate::silences::{Silence, SilenceRecord, Silences};
use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;

/// What was on the disk.
#[derive(Debug, Default)]
pub(crate) struct Restored {
    pub(crate) silences: Vec<Silence>,
    pub(crate) entries: Vec<LogEntry>,
    /// What was lost of it.
    pub(crate) losses: Vec<String>,
}

/// The files of a data folder.
#[derive(Debug)]
pub(crate) struct Storage {
    silences: Journal,
    log: Journal,
    /// Why the log on disk is behind the one in memory.
    behind: Option<String>,
    /// Held for as long as the folder is in use.
    _lock: File,
}

impl Storage {
    /// Opens a folder, which is made if it is not there.
    pub(crate) fn open(folder: &Path) -> Result<(Self, Restored), NotifyError> {
        let failed = |doing, path: &Path| {
            let path = path.to_owned();
            move |cause| NotifyError::Io { doing, path, cause }
        };
        std::fs::create_dir_all(folder).map_err(failed("make", folder))?;
        let path = folder.join("lock");
        let lock = File::options().create(true).truncate(false).write(true).open(&path);
        let lock = lock.map_err(failed("open", &path))?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => NotifyError::InUse { path: folder.to_owned() },
            TryLockError::Error(cause) => failed("lock", &path)(cause),
        })?;
        let mut restored = Restored::default();
        let (silences, read) = Journal::open(folder, "silences")?;
        restored.losses.extend(read.losses);
        for line in read.lines {
            match SilenceRecord::read(&line) {
                Ok(silence) => restored.silences.push(silence),
                Err(error) => restored.losses.push(format!("{}: {error}: {line}", silences.path().display())),
            }
        }
        let (log, read) = Journal::open(folder, "notifications")?;
        restored.losses.extend(read.losses);
        for line in read.lines {
            match LogEntry::read(&line) {
                Ok(entry) => restored.entries.push(entry),
                Err(error) => restored.losses.push(format!("{}: {error}: {line}", log.path().display())),
            }
        }
        Ok((Self { silences, log, behind: None, _lock: lock }, restored))
    }

    /// Writes changed silences, all or none of them.
    pub(crate) fn write_silences(&mut self, changed: &[Silence]) -> Result<(), NotifyError> {
        let lines: Vec<String> = changed.iter().map(SilenceRecord::write).collect();
        let path = self.silences.path().to_owned();
        self.silences.append_synced(&lines).map_err(|cause| NotifyError::Io { doing: "write", path, cause })
    }

    /// Writes an entry of the log. What cannot be written is remembered as missing.
    pub(crate) fn write_entry(&mut self, entry: &LogEntry) -> bool {
        if self.behind.is_some() {
            return false;
        }
        if let Err(error) = self.log.append(&[entry.write()]) {
            self.fall_behind(&error);
        }
        self.behind.is_none()
    }

    fn fall_behind(&mut self, error: &io::Error) {
        let path = self.log.path().display();
        let message = format!("cannot write {path}: {error}; after a restart notifications may be repeated");
        tracing::error!("{message}");
        self.behind = Some(message);
    }

    /// Why the log on disk is behind the one in memory.
    pub(crate) fn behind(&self) -> Option<&str> {
        self.behind.as_deref()
    }

    /// Sees that the log is on the disk, and tries again what could not be written.
    pub(crate) fn settle_log(&mut self, log: &NotificationLog) {
        let settled = if self.behind.is_some() { self.rewrite_log(log) } else { self.log.sync() };
        match settled {
            Ok(()) => {
                if self.behind.take().is_some() {
                    tracing::info!(file = %self.log.path().display(), "the notification log is written again");
                }
            }
            Err(error) if self.behind.is_none() => self.fall_behind(&error),
            Err(_) => {}
        }
    }

    fn rewrite_log(&mut self, log: &NotificationLog) -> io::Result<()> {
        let lines: Vec<String> = log.iter().map(LogEntry::write).collect();
        self.log.rewrite(&lines)
    }

    /// Leaves out of the files what is no longer needed, if it is much.
    pub(crate) fn compact(&mut self, silences: &Silences, log: &NotificationLog) -> io::Result<()> {
        if self.silences.wants_rewrite() {
            let lines: Vec<String> = silences.iter().map(SilenceRecord::write).collect();
            self.silences.rewrite(&lines)?;
        }
        if self.log.wants_rewrite() {
            self.rewrite_log(log)?;
        }
        Ok(())
    }

    /// Bytes of the silences and of the log.
    pub(crate) fn bytes(&self) -> (u64, u64) {
        (self.silences.bytes(), self.log.bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matchers::parse_matchers;

    fn entry(timestamp: i64) -> LogEntry {
        let line = format!(
            "{{\"groupKey\":\"g\",\"receiver\":\"r\",\"integration\":\"slack\",\"index\":0,\"timestamp\":{timestamp},\
             \"firing\":[1],\"resolved\":[],\"expiresAt\":9}}"
        );
        LogEntry::read(&line).unwrap()
    }

    #[test]
    fn a_full_disk_is_said_and_made_good_later() {
        let folder = tempfile::tempdir().unwrap();
        let (mut storage, _) = Storage::open(folder.path()).unwrap();
        let mut full = File::options().write(true).open("/dev/full").unwrap();
        let silence = Silence { id: "a".into(), ends_at: 5, ..Silence::default() };
        storage.silences.swap_disk(&mut full);
        let error = storage.write_silences(std::slice::from_ref(&silence)).unwrap_err().to_string();
        assert!(error.starts_with("cannot write ") && error.contains("No space left"), "{error}");
        storage.silences.swap_disk(&mut full);
        let mut log = NotificationLog::default();
        log.apply(entry(3));
        storage.log.swap_disk(&mut full);
        assert!(!storage.write_entry(&entry(3)));
        storage.log.swap_disk(&mut full);
        // in order, or an old entry would win at the next start
        assert!(!storage.write_entry(&entry(3)));
        assert!(storage.behind().unwrap().contains("notifications may be repeated"));
        storage.settle_log(&log);
        assert_eq!(storage.behind(), None);
        assert!(storage.write_entry(&entry(4)));
        drop(storage);
        let restored = Storage::open(folder.path()).unwrap().1;
        assert!(restored.silences.is_empty(), "{:?}", restored.silences);
        assert_eq!(restored.entries, [entry(3), entry(4)]);
    }

    #[test]
    fn silences_come_back_and_the_folder_has_one_owner() {
        let folder = tempfile::tempdir().unwrap();
        let silence = Silence {
            id: "a".into(),
            matchers: parse_matchers("a=1").unwrap(),
            ends_at: 5,
            ..Silence::default()
        };
        let (mut storage, restored) = Storage::open(folder.path()).unwrap();
        assert!(restored.silences.is_empty() && restored.losses.is_empty());
        storage.write_silences(std::slice::from_ref(&silence)).unwrap();
        let error = Storage::open(folder.path()).unwrap_err();
        assert!(matches!(error, NotifyError::InUse { .. }), "{error}");
        drop(storage);
        assert_eq!(Storage::open(folder.path()).unwrap().1.silences, [silence]);
    }
}
