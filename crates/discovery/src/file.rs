//! Target files on disk: found by path or by one `*` in the last part, read again when they change.
//!
//! Input: the `file_sd_configs` of a job. Output: the groups of all files. A file that became unreadable or wrong keeps
//! the groups it had and is reported; a file that is gone takes its groups along.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};
use tidewatch_manifest::{FileDiscovery, ManifestError, parse_target_file};
use tidewatch_model::TargetGroup;

/// No target file is larger.
const MOST_BYTES: u64 = 64 << 20;

/// The target files of one `file_sd_configs` entry.
#[derive(Debug)]
pub struct FileTargets {
    patterns: Vec<String>,
    refresh_interval: Duration,
    read_at: Option<Instant>,
    files: BTreeMap<PathBuf, Known>,
}

#[derive(Debug)]
struct Known {
    stamp: Option<(SystemTime, u64)>,
    groups: Vec<TargetGroup>,
    problems: Vec<ManifestError>,
}

impl FileTargets {
    /// Nothing is read before [`Self::refresh`].
    pub fn new(config: &FileDiscovery) -> Self {
        Self {
            patterns: config.files.clone(),
            refresh_interval: config.refresh_interval,
            read_at: None,
            files: BTreeMap::new(),
        }
    }

    /// Looks at all files and reads those whose time or size changed; all of them when the refresh interval is over.
    /// Returns whether groups or problems changed. Touches the disk.
    pub fn refresh(&mut self, now: Instant) -> bool {
        let due = self.read_at.is_none_or(|at| now.duration_since(at) >= self.refresh_interval);
        if due {
            self.read_at = Some(now);
        }
        let paths: Vec<PathBuf> = self.patterns.iter().flat_map(|pattern| matching_files(pattern)).collect();
        let before = self.files.len();
        self.files.retain(|path, _| paths.contains(path));
        let mut changed = self.files.len() != before;
        for path in paths {
            let stamp =
                std::fs::metadata(&path).ok().and_then(|meta| Some((meta.modified().ok()?, meta.len())));
            match self.files.get_mut(&path) {
                Some(known) if known.stamp == stamp && !due => {}
                Some(known) => changed |= known.update(&path, stamp),
                None => {
                    let mut known = Known { stamp: None, groups: Vec::new(), problems: Vec::new() };
                    known.update(&path, stamp);
                    self.files.insert(path, known);
                    changed = true;
                }
            }
        }
        changed
    }

    /// The groups of all files, in the order of their paths.
    pub fn groups(&self) -> impl Iterator<Item = &TargetGroup> {
        self.files.values().flat_map(|known| &known.groups)
    }

    /// What is wrong with files right now.
    pub fn problems(&self) -> impl Iterator<Item = &ManifestError> {
        self.files.values().flat_map(|known| &known.problems)
    }
}

impl Known {
    fn update(&mut self, path: &Path, stamp: Option<(SystemTime, u64)>) -> bool {
        self.stamp = stamp;
        match read(path) {
            Ok(groups) => {
                let changed = self.groups != groups || !self.problems.is_empty();
                self.groups = groups;
                self.problems.clear();
                changed
            }
            Err(problems) => {
                let changed = self.problems != problems;
                self.problems = problems;
                changed
            }
        }
    }
}

fn read(path: &Path) -> Result<Vec<TargetGroup>, Vec<ManifestError>> {
    let shown = path.display().to_string();
    let unreadable = |error: std::io::Error| {
        let error = ManifestError::new(&shown, format!("cannot be read: {error}"));
        vec![error.hint("the targets it listed before are kept")]
    };
    let size = std::fs::metadata(path).map_err(unreadable)?.len();
    if size > MOST_BYTES {
        let error = ManifestError::new(&shown, format!("is larger than {} MiB", MOST_BYTES >> 20));
        return Err(vec![error.hint("the targets it listed before are kept")]);
    }
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    parse_target_file(&shown, &text)
}

/// The files a pattern means, sorted.
fn matching_files(pattern: &str) -> Vec<PathBuf> {
    let path = Path::new(pattern);
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let Some((front, back)) = name.split_once('*') else {
        return if path.exists() { vec![path.to_owned()] } else { Vec::new() };
    };
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let Ok(entries) = std::fs::read_dir(folder.unwrap_or(Path::new("."))) else { return Vec::new() };
    let fits = |name: &str| {
        name.len() >= front.len() + back.len() && name.starts_with(front) && name.ends_with(back)
    };
    let mut files: Vec<PathBuf> = entries
        .flatten()
        .filter(|entry| entry.file_name().to_str().is_some_and(fits))
        .map(|entry| {
            folder.map_or_else(|| PathBuf::from(entry.file_name()), |folder| folder.join(entry.file_name()))
        })
        .collect();
    files.sort();
    files
}
