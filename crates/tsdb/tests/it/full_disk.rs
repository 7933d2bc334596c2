//! A file system that is really full. Mounting one takes a privileged user; without it the test says so and passes,
//! as the same is tested with a failing writer beside the code.

use crate::fixture::{HOUR, MINUTE, START, everything, open, samples, scrape};
use std::path::Path;
use std::process::Command;
use tidewatch_model::{Append, AppendError, Batch};
use tidewatch_tsdb::TsdbError;

/// A file system in memory, unmounted in the end.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount(size: &str) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let options = format!("size={size}");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(folder.path());
        match mount.output() {
            Ok(output) if output.status.success() => Some(Self(folder)),
            _ => None,
        }
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[test]
fn a_full_disk_refuses_batches_until_there_is_room() {
    let Some(disk) = SmallDisk::mount("1m") else {
        println!("skipped: this user may not mount a file system");
        return;
    };
    let ballast = disk.path().join("ballast");
    std::fs::write(&ballast, vec![1; 600 << 10]).unwrap();
    let folder = disk.path().join("data");
    let tsdb = open(&folder);
    let (mut batch, mut accepted, mut time) = (Batch::default(), 0, START);
    let error = loop {
        time += MINUTE / 2;
        let before = batch.rows.len();
        if before == 0 {
            accepted += scrape(&tsdb, &mut batch, 0..200, time);
            continue;
        }
        batch.rows.iter_mut().for_each(|row| (row.timestamp, row.value) = (time, row.value + 1.5));
        match tsdb.append(&mut batch) {
            Ok(appended) => accepted += appended.accepted,
            Err(error) => break error,
        }
        assert!(time < START + 24 * HOUR, "the disk never became full");
    };
    let AppendError::Storage(cause) = &error else { panic!("{error}") };
    assert!(cause.downcast_ref::<TsdbError>().is_some_and(TsdbError::is_disk_full), "{error}");
    assert!(error.to_string().contains("hint: free space"), "{error}");
    assert_eq!(samples(&everything(&tsdb)), accepted, "nothing of the refused batch is visible");
    let full = tsdb.maintain(time);
    assert!(full.is_ok() || full.is_err_and(|e| e.is_disk_full()));

    std::fs::remove_file(&ballast).unwrap();
    accepted += tsdb.append(&mut batch).unwrap().accepted;
    tsdb.maintain(time + 3 * HOUR).unwrap();
    let before = everything(&tsdb);
    assert_eq!(samples(&before), accepted);
    drop(tsdb);
    let again = open(&folder);
    assert_eq!(everything(&again), before);
    assert_eq!(again.notices(), [""; 0]);
}
