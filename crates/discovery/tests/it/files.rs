//! Target files on disk.

use std::fs;
use std::time::{Duration, Instant};
use tidewatch_discovery::FileTargets;
use tidewatch_manifest::FileDiscovery;

fn addresses(files: &FileTargets) -> Vec<String> {
    files
        .groups()
        .flat_map(|group| &group.targets)
        .map(|target| target.get("__address__").unwrap().to_owned())
        .collect()
}

#[test]
fn files_are_found_read_again_and_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::write(path("a.json"), "[{\"targets\": [\"a:1\"], \"labels\": {\"x\": \"y\"}}]").unwrap();
    fs::write(path("b.yml"), "- targets: ['b:1']\n").unwrap();
    fs::write(path("ignored.txt"), "rubbish").unwrap();
    let pattern = |pattern: &str| path(pattern).display().to_string();
    let mut files = FileTargets::new(&FileDiscovery {
        files: vec![pattern("*.json"), pattern("b.yml"), pattern("absent.yml")],
        refresh_interval: Duration::from_secs(300),
    });
    let now = Instant::now();
    assert!(files.refresh(now));
    assert_eq!(addresses(&files), ["a:1", "b:1"]);
    assert!(!files.refresh(now), "nothing changed");

    fs::write(path("c.json"), "[{\"targets\": [\"c:1\", \"c:2\"]}]").unwrap();
    assert!(files.refresh(now));
    assert_eq!(addresses(&files), ["a:1", "b:1", "c:1", "c:2"]);

    fs::remove_file(path("a.json")).unwrap();
    assert!(files.refresh(now));
    assert_eq!(addresses(&files), ["b:1", "c:1", "c:2"]);
}

#[test]
fn a_broken_file_keeps_what_it_had_and_says_where() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.yml");
    fs::write(&path, "- targets: ['a:1']\n").unwrap();
    let shown = path.display().to_string();
    let mut files = FileTargets::new(&FileDiscovery {
        files: vec![shown.clone()],
        refresh_interval: Duration::from_secs(300),
    });
    files.refresh(Instant::now());
    fs::write(&path, "- targets: ['a:1']\n- targets: {}\n").unwrap();
    assert!(files.refresh(Instant::now()));
    assert_eq!(addresses(&files), ["a:1"]);
    let problems: Vec<String> = files.problems().map(ToString::to_string).collect();
    assert!(
        problems[0].starts_with(&format!("{shown}:2:12: [1].targets: must be a list of text")),
        "{problems:?}"
    );
    fs::write(&path, "- targets: ['b:1']\n# longer than before\n").unwrap();
    assert!(files.refresh(Instant::now()));
    assert_eq!((addresses(&files), files.problems().count()), (vec!["b:1".to_owned()], 0));
}

#[test]
fn all_files_are_read_when_the_refresh_interval_is_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.yml");
    fs::write(&path, "- targets: ['a:1']\n").unwrap();
    let stamp = fs::metadata(&path).unwrap().modified().unwrap();
    let config =
        FileDiscovery { files: vec![path.display().to_string()], refresh_interval: Duration::from_secs(10) };
    let mut files = FileTargets::new(&config);
    let now = Instant::now();
    files.refresh(now);
    // same length, same time: only reading tells
    fs::write(&path, "- targets: ['b:1']\n").unwrap();
    fs::File::options().write(true).open(&path).unwrap().set_modified(stamp).unwrap();
    assert!(!files.refresh(now + Duration::from_secs(9)));
    assert!(files.refresh(now + Duration::from_secs(10)));
    assert_eq!(addresses(&files), ["b:1"]);
}
