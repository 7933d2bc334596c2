//! The tasks of the scenario before and after the load.
//!
//! Input: the scenario and the pool of its backend. Output: tasks that exist before the first request is due, and none left
//! after the last: also those whose creation was never answered, which are found by the run's mark in their titles.

use crate::connection::Outcome;
use crate::pool::{Job, Pool, Reply};
use crate::recorder::Ledger;
use crate::report::TaskTotals;
use crate::work::{Outgoing, TaskRequests, task_of};
use crate::{Error, TaskAction};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// How many of these requests are under way at a time.
const AT_ONCE: usize = 8;
/// How long each may take; longer than one of the load, because a server may still be busy with that.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Pages of leftovers at most.
const MOST_PAGES: usize = 200;

fn ask(pool: &Arc<Pool>, request: Outgoing) -> oneshot::Receiver<Outcome> {
    let (reply, outcome) = oneshot::channel();
    pool.submit(Job { request, due: Instant::now(), timeout: TIMEOUT, reply: Reply::To(reply) });
    outcome
}

/// Sends requests a few at a time; the outcomes in their order.
async fn all(pool: &Arc<Pool>, requests: Vec<Outgoing>) -> Vec<Option<Outcome>> {
    let mut open: VecDeque<oneshot::Receiver<Outcome>> = VecDeque::new();
    let mut outcomes = Vec::new();
    for request in requests {
        if open.len() == AT_ONCE
            && let Some(first) = open.pop_front()
        {
            outcomes.push(first.await.ok());
        }
        open.push_back(ask(pool, request));
    }
    for outcome in open {
        outcomes.push(outcome.await.ok());
    }
    outcomes
}

/// Makes the tasks that the load works with; nothing for other loads.
pub(crate) async fn prepare(
    ledger: &Ledger,
    pool: &Arc<Pool>,
    base: &str,
    tasks: usize,
) -> Result<(), Error> {
    let Some(requests) = requests_of(ledger) else { return Ok(()) };
    let creations =
        (0..tasks as u64).map(|number| requests.request(TaskAction::Create, None, number)).collect();
    let mut problem = None;
    for outcome in all(pool, creations).await.into_iter().flatten() {
        let task = match &outcome.result {
            Ok(answer) if answer.status == 201 => answer.location.as_ref().and_then(task_of),
            _ => None,
        };
        match task {
            Some(task) => made(ledger, task),
            None => problem = Some(told(&outcome)),
        }
    }
    let Some(problem) = problem else { return Ok(()) };
    tidy(ledger, pool).await;
    Err(Error::Prepare { url: format!("{}/api/tasks", base.trim_end_matches('/')), problem })
}

fn told(outcome: &Outcome) -> String {
    match &outcome.result {
        Ok(answer) => format!("POST answered {} without a task", answer.status),
        Err(trouble) => format!("POST failed ({})", trouble.name()),
    }
}

fn requests_of(ledger: &Ledger) -> Option<TaskRequests> {
    ledger.book().work.tasks().map(|(_, requests)| requests.clone())
}

fn made(ledger: &Ledger, task: u64) {
    if let Some((scenario, _)) = ledger.book().work.tasks() {
        scenario.made(task);
    }
}

/// Deletes every task of this run; the account of the scenario, none for other loads.
pub(crate) async fn tidy(ledger: &Ledger, pool: &Arc<Pool>) -> Option<TaskTotals> {
    let requests = requests_of(ledger)?;
    let known = ledger.book().work.tasks().map(|(scenario, _)| scenario.take_all()).unwrap_or_default();
    let mut deleted = delete(pool, &requests, &known).await;
    let mut left_behind = 0;
    for _ in 0..MOST_PAGES {
        let Some((found, total)) = leftovers(pool, &requests).await else {
            left_behind = (known.len() as u64).saturating_sub(deleted);
            break;
        };
        left_behind = total;
        let gone = delete(pool, &requests, &found).await;
        deleted += gone;
        left_behind = left_behind.saturating_sub(gone);
        if found.is_empty() || gone == 0 {
            break;
        }
    }
    let (created, before) =
        ledger.book().work.tasks().map(|(scenario, _)| (scenario.created, scenario.deleted))?;
    let deleted = before + deleted;
    // leftovers found by their mark were made without an answer
    Some(TaskTotals { created: created.max(deleted + left_behind), deleted, left_behind })
}

async fn delete(pool: &Arc<Pool>, requests: &TaskRequests, tasks: &[u64]) -> u64 {
    let deletions =
        tasks.iter().map(|task| requests.request(TaskAction::Delete, Some(*task), 0)).collect::<Vec<_>>();
    let outcomes = all(pool, deletions).await;
    let gone = |outcome: &Outcome| matches!(&outcome.result, Ok(answer) if answer.status == 204);
    outcomes.iter().flatten().filter(|outcome| gone(outcome)).count() as u64
}

/// Tasks with the mark of this run, and how many there are in all.
async fn leftovers(pool: &Arc<Pool>, requests: &TaskRequests) -> Option<(Vec<u64>, u64)> {
    let answer = ask(pool, requests.own()).await.ok()?.result.ok()?;
    let page: serde_json::Value = serde_json::from_slice(&answer.body).ok()?;
    let found = page["items"].as_array()?.iter().filter_map(|task| task["id"].as_u64()).collect();
    Some((found, page["total"].as_u64()?))
}
