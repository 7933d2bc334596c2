//! A process that is killed while it writes: every batch it was told is stored is there, whole.
//!
//! The test starts this test binary again with only `writer` in it, which says each batch on standard output once
//! `append` has returned, and kills it at some moment.

use crate::fixture::{START, everything, labels, open, scrape, value};
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use tidewatch_model::Batch;

const FOLDER: &str = "TIDEWATCH_TSDB_TEST_FOLDER";
const SERIES: usize = 300;
const INTERVAL: i64 = 15_000;

/// Writes batches until it is killed; does nothing when run as a test of its own.
#[test]
fn writer() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let tsdb = open(folder.as_ref());
    let first = tsdb.stats().max_time.map_or(0, |t| (t - START) / INTERVAL + 1);
    let mut batch = Batch::default();
    for step in first.. {
        let now = START + step * INTERVAL;
        assert_eq!(scrape(&tsdb, &mut batch, 0..SERIES, now), SERIES);
        writeln!(std::io::stdout(), "stored {step}").unwrap();
        if step % 40 == 0 {
            tsdb.maintain(now).unwrap();
        }
    }
}

#[test]
fn what_was_stored_survives_a_kill_at_any_moment() {
    let folder = tempfile::tempdir().unwrap();
    let mut stored = -1;
    for round in 0..6 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "killed::writer", "--nocapture"])
            .env(FOLDER, folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let steps = lines.filter_map(|l| l.rsplit_once("stored ")?.1.parse::<i64>().ok());
        for (count, step) in steps.enumerate() {
            stored = step;
            if count == 60 + 37 * round {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        let held = everything(&open(folder.path()));
        assert_eq!(held.len(), SERIES);
        let last = held.values().next().unwrap().len() as i64 - 1;
        assert!((stored..=stored + 1).contains(&last), "stored {stored}, there {last}");
        for series in 0..SERIES {
            let expected: Vec<_> =
                (0..=last).map(|s| START + s * INTERVAL).map(|t| (t, value(series, t).to_bits())).collect();
            assert_eq!(held[&labels(series).to_string()], expected);
        }
    }
}
