//! The rules of the source tree that no lint knows: layers, file sizes, module docs, names.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use tidewatch_testkit::{files_below, repository};

/// The layer of each crate: a crate uses only crates of lower layers.
const LAYERS: [(&str, u8); 27] = [
    ("model", 0),
    ("telemetry", 0),
    ("exposition", 1),
    ("tsdb", 1),
    ("promql", 1),
    ("manifest", 1),
    ("traces", 1),
    ("template", 1),
    ("discovery", 2),
    ("scrape", 2),
    ("runtime", 2),
    ("dashboard", 2),
    ("otlp", 2),
    ("broker", 2),
    ("sidecar", 2),
    ("metrics", 2),
    ("autoscale", 2),
    ("load", 2),
    ("rules", 2),
    ("notify", 2),
    ("slo", 2),
    ("config", 3),
    ("simulate", 3),
    ("ruletest", 3),
    ("http", 3),
    ("tidewatch", 4),
    ("testkit", 5),
];

/// Lines at which a file is split, and lines that the median file stays below.
const LONGEST_FILE: usize = 800;
const MEDIAN_FILE: usize = 260;

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn shown(path: &Path) -> String {
    path.strip_prefix(repository()).unwrap_or(path).display().to_string()
}

/// The names of tidewatch crates in the `[dependencies]` (not the `[dev-dependencies]`) of a manifest.
fn dependencies(manifest: &str) -> Vec<String> {
    let mut section = "";
    let mut names = Vec::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            section = line;
        } else if section == "[dependencies]"
            && let Some(rest) = line.strip_prefix("tidewatch-")
        {
            names.push(rest.split(['.', ' ', '=']).next().unwrap_or_default().to_owned());
        }
    }
    names
}

#[test]
fn crates_use_only_lower_layers() {
    let layers: BTreeMap<&str, u8> = LAYERS.into();
    let mut wrong = Vec::new();
    let mut seen = 0;
    for manifest in files_below("crates", "Cargo.toml") {
        let name =
            manifest.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy().into_owned();
        let Some(layer) = layers.get(name.as_str()) else {
            wrong.push(format!("crates/{name} has no layer in this test"));
            continue;
        };
        seen += 1;
        for used in dependencies(&read(&manifest)) {
            if layers.get(used.as_str()).is_none_or(|below| below >= layer) {
                wrong.push(format!("crates/{name} (layer {layer}) uses {used}"));
            }
        }
    }
    assert_eq!(seen, LAYERS.len(), "a crate of the list is gone");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_workload_depends_on_no_tidewatch_crate() {
    let manifests = files_below("apps", "Cargo.toml");
    assert!(!manifests.is_empty());
    for manifest in manifests {
        assert!(!read(&manifest).contains("tidewatch-"), "{} uses a tidewatch crate", shown(&manifest));
    }
}

#[test]
fn files_are_short_documented_and_named() {
    let mut wrong = Vec::new();
    let mut sizes = Vec::new();
    for path in ["crates", "apps"].iter().flat_map(|folder| files_below(folder, ".rs")) {
        let text = read(&path);
        let lines = text.lines().count();
        sizes.push(lines);
        if lines > LONGEST_FILE {
            wrong.push(format!("{}: {lines} lines, {LONGEST_FILE} is the stop", shown(&path)));
        }
        if !text.starts_with("//!") {
            wrong.push(format!("{}: does not open with //!", shown(&path)));
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if ["mod.rs", "utils.rs", "util.rs", "common.rs", "helpers.rs", "misc.rs"].contains(&name.as_str()) {
            wrong.push(format!("{}: the name says nothing", shown(&path)));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    sizes.sort_unstable();
    let median = sizes[sizes.len() / 2];
    assert!(median <= MEDIAN_FILE, "the median file has {median} lines, {MEDIAN_FILE} is the limit");
}

#[test]
fn unsafe_code_stays_in_the_named_modules() {
    let mut allowed: Vec<String> = ["crates", "apps"]
        .iter()
        .flat_map(|folder| files_below(folder, ".rs"))
        .filter(|path| read(path).contains(concat!("allow(", "unsafe_code)")))
        .map(|path| shown(&path))
        .collect();
    allowed.sort();
    let mut named = UNSAFE_MODULES.map(str::to_owned);
    named.sort();
    assert_eq!(
        allowed, named,
        "modules that allow unsafe code, and those named in this test with their reason"
    );
}

/// Modules that may hold unsafe code, each with the reason.
const UNSAFE_MODULES: [&str; 5] = [
    // two settings of the C library's allocator
    "crates/telemetry/src/allocator.rs",
    // memory maps of files that only this process writes
    "crates/tsdb/src/mapped/file.rs",
    "crates/traces/src/segment/mapped.rs",
    // fork and exec hooks: process group and parent-death signal of a pod's process; watching its handle
    "crates/runtime/src/process.rs",
    // tests only: an allocator that counts
    "crates/scrape/src/allocations.rs",
];
