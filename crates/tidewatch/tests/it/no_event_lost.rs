//! Broker, sidecars, backends and the event service are killed at random under load: every committed change has one activity.
//!
//! Input: the application as shipped, writers at its frontend that try again as HTTP clients do, kill -9 by a seeded dice. What was
//! committed is known exactly: a task's version counts its changes, and it is asked for just before the task is deleted. The seed is
//! printed; `TIDEWATCH_TEST_SEED` repeats a run's choices, though not its timing.

use crate::product::{Caller, PATIENCE, PodProcess, Product, eventually};
use crate::up::{all_targets_up, todo};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const WRITERS: u64 = 4;
/// The second restart of a container waits 10 s, a third would wait 20 s.
const KILLS_OF_EACH: usize = 2;
const PARTITIONS: usize = 5;

/// Numbers from a seed (xorshift).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

fn seed() -> u64 {
    let given = std::env::var("TIDEWATCH_TEST_SEED").ok().map(|seed| seed.parse().unwrap());
    let now = || std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().subsec_nanos();
    given.unwrap_or_else(|| u64::from(now()) + 1)
}

/// What the writers share.
struct Load {
    tasks: String,
    stop: AtomicBool,
    answered: AtomicUsize,
}

/// A task as its writer knows it.
struct Written {
    id: i64,
    /// Type and title of every change that was answered, in order.
    answered: Vec<(&'static str, String)>,
    /// How many changes it had seen with its deletion, if it was deleted.
    deleted_as: Option<i64>,
}

impl Load {
    /// Makes tasks and changes them until told to stop.
    fn write(&self, mut dice: Dice) -> Vec<Written> {
        let caller = Caller::new();
        let mut written = Vec::new();
        while !self.stop.load(Ordering::SeqCst) {
            written.push(self.write_one(&caller, &mut dice));
            std::thread::sleep(Duration::from_millis(dice.below(20)));
        }
        written
    }

    fn write_one(&self, caller: &Caller, dice: &mut Dice) -> Written {
        let mut title = "0000".to_owned();
        let task = self.change(caller, "POST", "", Some(&json!({"title": title})), 201);
        let id = task["id"].as_i64().unwrap_or_else(|| panic!("{task}"));
        let path = format!("/{id}");
        let mut answered = vec![("task.created", title.clone())];
        for number in 1..=1 + dice.below(4) {
            title = format!("{number:04}");
            self.change(caller, "PATCH", &path, Some(&json!({"title": title})), 200);
            answered.push(("task.updated", title.clone()));
        }
        if dice.below(2) == 0 {
            self.change(caller, "POST", &format!("{path}/complete"), None, 200);
            answered.push(("task.completed", title.clone()));
        }
        let deleted_as = (dice.below(3) == 0).then(|| {
            let task = self.until_answered(caller, "GET", &path, None).2;
            self.change(caller, "DELETE", &path, None, 204);
            answered.push(("task.deleted", title.clone()));
            task["version"].as_i64().unwrap_or_else(|| panic!("{task}")) + 1
        });
        Written { id, answered, deleted_as }
    }

    /// A change that must succeed sooner or later. A deletion whose answer was lost finds nothing at the second attempt.
    fn change(
        &self,
        caller: &Caller,
        method: &str,
        path: &str,
        body: Option<&Value>,
        expected: u16,
    ) -> Value {
        let (attempts, status, answer) = self.until_answered(caller, method, path, body);
        let found_gone = method == "DELETE" && status == 404 && attempts > 1;
        assert!(status == expected || found_gone, "{method} {path}: {status} {answer}");
        self.answered.fetch_add(1, Ordering::SeqCst);
        answer
    }

    /// Tries again as HTTP clients do while nobody is there: attempts, status, body.
    fn until_answered(
        &self,
        caller: &Caller,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> (u32, u16, Value) {
        let mut attempts = 0;
        eventually("an answer of the frontend", || {
            attempts += 1;
            let (status, answer) = caller.ask(method, &format!("{}{path}", self.tasks), &[], body)?;
            let nobody = [502, 503, 504].contains(&status);
            (!nobody).then_some((attempts, status, answer))
        })
    }
}

/// The containers whose end must lose nothing: all but the frontend's, which keeps nothing.
fn victims(product: &Product) -> Vec<PodProcess> {
    let processes = product.pod_processes();
    let kept = |process: &PodProcess| {
        process.command.ends_with("/todo-backend")
            || process.command.ends_with("/todo-event-service")
            || process.command.contains("tidewatch broker ")
            || process.command.contains("tidewatch sidecar ")
    };
    processes.into_iter().filter(kept).collect()
}

fn container(process: &PodProcess) -> String {
    let program = process.command.split(' ').take(2).collect::<Vec<_>>().join(" ");
    format!("{} {}", process.pod, program.rsplit('/').next().unwrap_or_default())
}

/// Kills each container so often, in an order that the dice gives, with more or less load between.
fn kill_at_random(product: &Product, load: &Load, dice: &mut Dice) -> usize {
    let containers: BTreeSet<String> = victims(product).iter().map(container).collect();
    assert_eq!(containers.len(), 7, "broker, two backends, event service, their sidecars: {containers:?}");
    let mut left: BTreeMap<String, usize> =
        containers.into_iter().map(|name| (name, KILLS_OF_EACH)).collect();
    let mut killed = BTreeSet::new();
    while !left.is_empty() {
        // sometimes the next one falls at once
        let enough = load.answered.load(Ordering::SeqCst) + dice.below(40) as usize;
        eventually("changes", || (load.answered.load(Ordering::SeqCst) >= enough).then_some(()));
        let number = dice.below(1 << 32) as usize;
        let victim = eventually("something to kill", || {
            let mut alive = victims(product);
            alive.retain(|process| !killed.contains(&process.pid) && left.contains_key(&container(process)));
            alive.sort_by_key(container);
            (!alive.is_empty()).then(|| alive.swap_remove(number % alive.len()))
        });
        victim.signal(Signal::KILL);
        killed.insert(victim.pid);
        let name = container(&victim);
        eprintln!("{:>4} answered: kill -9 {name}", load.answered.load(Ordering::SeqCst));
        let times = left.get_mut(&name).unwrap();
        *times -= 1;
        if *times == 0 {
            left.remove(&name);
        }
    }
    killed.len()
}

/// Whether nothing waits any more: every backend sees an empty outbox, and the group has read all partitions to the end.
fn is_settled(product: &Product, caller: &Caller) -> Option<()> {
    let pages = product.pages("todo-backend");
    let depths: Vec<f64> =
        pages.iter().flat_map(|page| caller.metrics(page, "events_outbox_depth")).map(|s| s.1).collect();
    let exporter = product.pages("kafka-exporter").pop()?;
    let lags: Vec<f64> = caller
        .metrics(&exporter, "kafka_consumergroup_lag")
        .into_iter()
        .filter(|(series, _)| series.contains("topic=\"task-events\""))
        .map(|(_, lag)| lag)
        .collect();
    (depths == [0.0, 0.0] && lags == [0.0; PARTITIONS]).then_some(())
}

/// Every item of a list that is given page by page.
fn all_pages(
    caller: &Caller,
    url: &str,
    mut next: impl FnMut(usize, &Value) -> Option<String>,
) -> Vec<Value> {
    let (mut items, mut query) = (Vec::new(), next(0, &Value::Null));
    while let Some(parameters) = query {
        let (status, page) = caller.ask("GET", &format!("{url}?{parameters}"), &[], None).unwrap();
        assert_eq!(status, 200, "{page}");
        items.extend(page["items"].as_array().unwrap().iter().cloned());
        query = next(items.len(), &page);
    }
    items
}

/// Changes of each task that is still there: its version.
fn versions(caller: &Caller, frontend: &str) -> BTreeMap<i64, i64> {
    let tasks = all_pages(caller, &format!("{frontend}/api/tasks"), |read, page| {
        let more = page["total"].as_u64().is_none_or(|total| (read as u64) < total);
        more.then(|| format!("limit=100&offset={read}"))
    });
    tasks.iter().map(|task| (task["id"].as_i64().unwrap(), task["version"].as_i64().unwrap())).collect()
}

/// Activities of each task in the order of their arrival.
fn activities(caller: &Caller, frontend: &str) -> BTreeMap<i64, Vec<Value>> {
    let all = all_pages(caller, &format!("{frontend}/api/activity"), |_, page| match &page["next_before"] {
        Value::String(before) => Some(format!("limit=200&before={before}")),
        _ => page.is_null().then(|| "limit=200".to_owned()),
    });
    let mut by_task: BTreeMap<i64, Vec<Value>> = BTreeMap::new();
    for activity in all {
        by_task.entry(activity["task_id"].as_i64().unwrap()).or_default().push(activity);
    }
    for of_task in by_task.values_mut() {
        of_task.sort_by_key(|activity| activity["id"].as_i64());
    }
    by_task
}

/// What is wrong with the activities of a task, if anything.
fn fault(activities: &[Value], changes: i64, answered: &[(&'static str, String)]) -> Option<String> {
    let text = |activity: &Value, field: &str| activity[field].as_str().unwrap_or_default().to_owned();
    let shown: Vec<(String, String)> =
        activities.iter().map(|a| (text(a, "type"), text(a, "title"))).collect();
    let ids: BTreeSet<String> = activities.iter().map(|a| text(a, "event_id")).collect();
    let mut rest = shown.iter();
    let missing = answered.iter().find(|(kind, title)| !rest.any(|(k, t)| k == kind && t == title));
    let is_end = |at: usize, kind: &str| shown.iter().position(|(k, _)| k == kind) == Some(at);
    let deleted = shown.iter().filter(|(kind, _)| kind == "task.deleted").count();
    let what = if shown.len() as i64 != changes || ids.len() != shown.len() {
        format!("{changes} changes, {} activities", shown.len())
    } else if let Some(missing) = missing {
        format!("{missing:?} is not there, or not in order")
    } else if !is_end(0, "task.created") || (deleted > 0 && !is_end(shown.len() - 1, "task.deleted")) {
        "not from creation to deletion".to_owned()
    } else if !shown.is_sorted_by(|(_, older), (_, newer)| older <= newer) {
        "not in order".to_owned()
    } else {
        return None;
    };
    Some(format!("{what}: {shown:?}"))
}

#[test]
fn every_committed_change_has_one_activity_in_order() {
    let started = Instant::now();
    let folder = tempfile::tempdir().unwrap();
    let product = todo(folder.path());
    all_targets_up(&product);
    let seed = seed();
    eprintln!("TIDEWATCH_TEST_SEED={seed}");
    let frontend = product.address("/services/todo-frontend");
    let (stop, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    let load = &Load { tasks: format!("{frontend}/api/tasks"), stop, answered };
    let (written, kills) = std::thread::scope(|scope| {
        let writers: Vec<_> =
            (1..=WRITERS).map(|writer| scope.spawn(move || load.write(Dice(seed << 8 | writer)))).collect();
        // a failure here must not leave the writers at work
        let killing = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            kill_at_random(&product, load, &mut Dice(seed << 8))
        }));
        load.stop.store(true, Ordering::SeqCst);
        let written: Vec<Written> = writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect();
        (written, killing.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    });
    let killing = started.elapsed();

    let caller = Caller::new();
    let mut changes = versions(&caller, &frontend);
    changes.extend(written.iter().filter_map(|task| Some((task.id, task.deleted_as?))));
    let committed: i64 = changes.values().sum();
    let deadline = Instant::now() + PATIENCE;
    let mut by_task = BTreeMap::new();
    let settled = loop {
        if is_settled(&product, &caller).is_some() {
            by_task = activities(&caller, &frontend);
            let arrived = by_task.values().map(Vec::len).sum::<usize>();
            // a replica that has just started has not yet counted what waits
            if arrived as i64 >= committed && is_settled(&product, &caller).is_some() {
                break true;
            }
        }
        if Instant::now() > deadline {
            break false;
        }
        std::thread::sleep(Duration::from_millis(100));
    };
    eprintln!(
        "{committed} changes of {} tasks, {kills} kills in {killing:?}, settled after {:?}",
        changes.len(),
        started.elapsed()
    );

    let answered: BTreeMap<i64, &Written> = written.iter().map(|task| (task.id, task)).collect();
    let tasks: BTreeSet<i64> = changes.keys().chain(by_task.keys()).chain(answered.keys()).copied().collect();
    let faults: Vec<String> = tasks
        .iter()
        .filter_map(|id| {
            let known = answered.get(id).map(|task| task.answered.as_slice()).unwrap_or_default();
            let of_task = by_task.get(id).map(Vec::as_slice).unwrap_or_default();
            let count = changes.get(id).copied().unwrap_or_default();
            fault(of_task, count, known).map(|fault| format!("task {id}: {fault}"))
        })
        .collect();
    assert!(faults.is_empty(), "seed {seed}: {} tasks: {}", faults.len(), faults.join("\n"));
    assert!(settled, "seed {seed}: outbox or lag is not 0 after {PATIENCE:?}");
    assert!(committed >= 200, "seed {seed}: only {committed} changes are no load");
}

#[test]
fn what_is_lost_doubled_or_out_of_order_is_found() {
    let check = |arrived: &[(&str, &str)], changes, expected: Option<&str>| {
        let activity = |(at, (kind, title)): (usize, &(&str, &str))| {
            let first = arrived.iter().position(|other| other == &(*kind, *title)).unwrap_or(at);
            json!({"id": at, "event_id": format!("e{first}"), "type": format!("task.{kind}"), "title": title})
        };
        let activities: Vec<Value> = arrived.iter().enumerate().map(activity).collect();
        let answered = [("task.created", "0000".to_owned()), ("task.updated", "0001".to_owned())];
        let found = fault(&activities, changes, &answered);
        match expected {
            Some(part) => assert!(found.as_ref().is_some_and(|text| text.contains(part)), "{found:?}"),
            None => assert_eq!(found, None),
        }
    };
    let (created, updated, deleted) = (("created", "0000"), ("updated", "0001"), ("deleted", "0001"));
    check(&[created, updated], 2, None);
    check(&[created, updated, deleted], 3, None);
    check(&[created, updated], 3, Some("3 changes, 2 activities"));
    check(&[created, updated, updated], 2, Some("2 changes, 3 activities"));
    check(&[created, updated, updated], 3, Some("3 changes, 3 activities"));
    check(&[updated, created], 2, Some("not in order"));
    check(&[created, deleted, updated], 3, Some("not from creation to deletion"));
    check(&[created, ("updated", "0002"), updated], 3, Some("not in order"));
}
