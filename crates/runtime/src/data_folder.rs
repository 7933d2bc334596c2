//! The folder for pods in the data directory, and the one of the previous run beside it.
//!
//! Input: the data directory. Output: an empty `pods/`; what was in it is in `pods.previous/`, and what was there is
//! gone. The data directory may be any folder of the user's, so only folders that tidewatch marked as its own are moved
//! or removed: any other with something in it is refused.
//!
//! ```text
//! <data-dir>/pods/.tidewatch              the mark: written first, removed last
//! <data-dir>/pods/<ns>_<pod>_<uid>/       one pod: see pod.rs
//! <data-dir>/pods.previous/.tidewatch     the same, of the previous run
//! ```

use crate::RuntimeError;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The file that marks a folder as made by tidewatch.
const MARK: &str = ".tidewatch";

/// Makes the data directory and an empty `pods/` in it; keeps the pods of the previous run aside.
///
/// # Errors
/// When a folder cannot be made, moved or removed, or is in the way and not tidewatch's own.
pub(crate) fn prepare(path: &Path) -> Result<PathBuf, RuntimeError> {
    let failed = |error: io::Error| RuntimeError::DataDirectory {
        path: path.to_owned(),
        source_text: error.to_string(),
    };
    let folder = std::path::absolute(path).map_err(failed)?;
    fs::create_dir_all(&folder).map_err(failed)?;
    let (pods, previous) = (folder.join("pods"), folder.join("pods.previous"));
    // Both are looked at before anything is changed.
    for one in [&pods, &previous] {
        if !is_own_or_free(one).map_err(failed)? {
            return Err(RuntimeError::ForeignFolder(one.clone()));
        }
    }
    if pods.join(MARK).exists() {
        remove(&previous).map_err(failed)?;
        fs::rename(&pods, &previous).map_err(failed)?;
    }
    fs::create_dir_all(&pods).map_err(failed)?;
    let text = "tidewatch made this folder: it moves and removes what is in it at its next starts.\n";
    fs::write(pods.join(MARK), text).map_err(failed)?;
    Ok(folder)
}

/// Whether there is nothing, an empty folder, or a folder with the mark.
fn is_own_or_free(folder: &Path) -> io::Result<bool> {
    match fs::symlink_metadata(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error),
        // What a link leads to is somebody else's.
        Ok(there) if !there.is_dir() => Ok(false),
        Ok(_) => {
            let marked = fs::symlink_metadata(folder.join(MARK)).is_ok_and(|mark| mark.is_file());
            Ok(marked || fs::read_dir(folder)?.next().is_none())
        }
    }
}

/// Removes a folder of tidewatch's own, its mark last: when it is interrupted, the rest is still known as its own.
fn remove(folder: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else if entry.file_name() != MARK {
            fs::remove_file(entry.path())?;
        }
    }
    fs::remove_dir_all(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(path: &Path) -> Option<String> {
        fs::read_to_string(path).ok()
    }

    #[test]
    fn the_previous_run_is_kept_and_the_one_before_it_removed() {
        let data = tempfile::tempdir().unwrap();
        let at = |path: &str| data.path().join(path);
        fs::create_dir(at("pods")).unwrap();
        for run in 1..=3 {
            assert_eq!(prepare(data.path()).unwrap(), data.path());
            fs::create_dir_all(at("pods/web/main")).unwrap();
            fs::write(at("pods/web/main/0.log"), run.to_string()).unwrap();
        }
        assert_eq!(read(&at("pods.previous/web/main/0.log")).as_deref(), Some("2"));
        // As if the removal had been interrupted before its end: the mark is still there.
        fs::remove_dir_all(at("pods.previous/web")).unwrap();
        prepare(data.path()).unwrap();
        assert_eq!(read(&at("pods.previous/web/main/0.log")).as_deref(), Some("3"));
    }

    #[test]
    fn folders_of_others_are_refused_and_left_alone() {
        let check = |folder: &str, own: &[&str]| {
            let data = tempfile::tempdir().unwrap();
            let at = |path: &str| data.path().join(path);
            for own in own {
                fs::create_dir(at(own)).unwrap();
                fs::write(at(own).join(MARK), "").unwrap();
            }
            fs::create_dir_all(at(folder)).unwrap();
            fs::write(at(folder).join("mine"), "kept").unwrap();
            for _ in 0..2 {
                let error = prepare(data.path()).unwrap_err().to_string();
                let named = format!("{} is not tidewatch's own", at(folder).display());
                assert!(error.contains(&named) && error.contains("hint: "), "{error}");
            }
            assert_eq!(read(&at(folder).join("mine")).as_deref(), Some("kept"));
            assert!(own.iter().all(|own| at(own).join(MARK).exists()), "nothing is changed");
        };
        check("pods", &[]);
        check("pods", &["pods.previous"]);
        check("pods.previous", &["pods"]);
    }

    #[test]
    fn a_link_is_not_followed() {
        let (data, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::os::unix::fs::symlink(other.path(), data.path().join("pods")).unwrap();
        assert!(matches!(prepare(data.path()), Err(RuntimeError::ForeignFolder(_))));
        assert_eq!(fs::read_dir(other.path()).unwrap().count(), 0);
    }
}
