//! Asks the same questions of a real Prometheus and of this engine over the same samples, and compares the answers.
//!
//! Input: `prometheus` on the PATH (or `--prometheus <path>`), and files of queries, one per line. Output: a line per
//! difference and a summary; the exit code is 1 when there is any. It starts Prometheus on a free port over a temporary
//! directory and ends it afterwards. It says nothing about speed.

mod answer;
mod data;
mod peer;
mod queries;

use answer::{Reply, differences};
use peer::Peer;
use std::collections::BTreeMap;
use tidewatch_promql::{Cancel, Engine, EngineOptions};

fn main() {
    let mut prometheus = "prometheus".to_owned();
    let mut files = Vec::new();
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--prometheus" => prometheus = args.next().expect("--prometheus takes a path"),
            _ => files.push(arg),
        }
    }
    let store = data::store();
    let engine = Engine::new(EngineOptions { experimental_functions: true, ..EngineOptions::default() });
    let mut peer = Peer::start(&prometheus);
    peer.load(&store);

    let queries = queries::all(&files);
    let (mut asked, mut failed, mut kinds) = (0, 0, BTreeMap::<String, usize>::new());
    for query in &queries {
        for question in queries::times() {
            asked += 1;
            let theirs = peer.ask(query, question);
            let ours = Reply::from_engine(question.ask(&engine, &store, query, &Cancel::new()));
            if matches!(theirs, Reply::Error { .. }) {
                *kinds.entry("errors".to_owned()).or_default() += 1;
            }
            if let Some(difference) = differences(&theirs, &ours, query) {
                failed += 1;
                println!("DIFF {query}\n  {question:?}\n  {difference}");
            }
        }
    }
    let mut formatted = 0;
    for query in &queries {
        let (theirs, ours) = (peer.format(query), tidewatch_promql::format_query(query).ok());
        formatted += usize::from(theirs.is_some());
        if theirs != ours {
            failed += 1;
            println!("DIFF format {query}\n  expected {theirs:?}\n  found    {ours:?}");
        }
    }
    println!(
        "{} queries ({formatted} formatted), {asked} questions, {failed} differences; answers that are {kinds:?}",
        queries.len()
    );
    drop(peer);
    if failed > 0 {
        std::process::exit(1);
    }
}
