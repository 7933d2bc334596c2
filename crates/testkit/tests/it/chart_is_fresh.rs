//! `kubernetes/todo-app-prod.yaml` is the chart as it is now, told without helm: its head states the checksum of the chart's
//! files it was rendered from, and of what was rendered. Input: the source tree. Output: a failure that says what to run.
//! Does not render; `scripts/render-chart.sh --check` compares byte by byte where helm is installed.

#![allow(clippy::unwrap_used)] // a test that cannot read its input has failed

use std::path::Path;

use tidewatch_testkit::repository;

const CHART: &str = "helm/todo-app-prod";
const RENDERED: &str = "kubernetes/todo-app-prod.yaml";

/// The checksum and length that POSIX `cksum` prints.
fn cksum(bytes: &[u8]) -> String {
    let length =
        std::iter::successors(Some(bytes.len()), |rest| Some(rest >> 8)).take_while(|rest| *rest > 0);
    let all = bytes.iter().copied().chain(length.map(|rest| u8::try_from(rest & 0xff).unwrap()));
    let crc = all.fold(0u32, |crc, byte| {
        (0..8).fold(crc ^ (u32::from(byte) << 24), |crc, _| {
            if crc & 0x8000_0000 == 0 { crc << 1 } else { (crc << 1) ^ 0x04c1_1db7 }
        })
    });
    format!("{} {}", !crc, bytes.len())
}

/// The chart's files by path from the top of the repository. Symbolic links are not followed: what they lead to is not
/// part of the rendering.
fn chart_files(folder: &Path, into: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            chart_files(&entry.path(), into);
        } else if kind.is_file() && entry.file_name() != "README.md" {
            into.push(entry.path().strip_prefix(repository()).unwrap().to_str().unwrap().to_owned());
        }
    }
}

fn inputs() -> Vec<u8> {
    let mut files = Vec::new();
    chart_files(&repository().join(CHART), &mut files);
    files.sort();
    assert!(files.len() > 8, "the chart's files were not found: {files:?}");
    let text =
        |file: &String| [format!("{file}\n").into_bytes(), std::fs::read(repository().join(file)).unwrap()];
    files.iter().flat_map(text).flatten().collect()
}

#[test]
fn the_checksum_is_that_of_posix() {
    assert_eq!(cksum(b""), "4294967295 0");
    assert_eq!(cksum(b"123456789"), "930766865 9");
}

#[test]
fn the_rendered_chart_is_neither_stale_nor_edited() {
    let rendered = std::fs::read_to_string(repository().join(RENDERED)).unwrap();
    let mut parts = rendered.splitn(4, '\n').skip(1);
    let inputs_line =
        parts.next().and_then(|line| line.strip_prefix("# inputs: ")).expect("line 2 states the inputs");
    let body_line =
        parts.next().and_then(|line| line.strip_prefix("# body: ")).expect("line 3 states the body");
    let body = parts.next().unwrap_or_default();
    assert_eq!(
        body_line,
        cksum(body.as_bytes()),
        "{RENDERED} was edited by hand: change {CHART}, then `make rendered`"
    );
    assert_eq!(
        inputs_line,
        cksum(&inputs()),
        "{RENDERED} is stale, {CHART} has changed: `make rendered` (needs helm)"
    );
}
