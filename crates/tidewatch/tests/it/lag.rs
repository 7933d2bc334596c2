//! A consumer that stands still shows as lag within two scrapes, here and in a second process that only watches the broker.
//!
//! Input: the application as shipped, one of its processes stopped by SIGSTOP. Whether events have reached the broker and whether the
//! group has read them is asked of the exporter's page directly; what is shown, and how soon, of the samples that were scraped from it.

use crate::product::{ANY_FURTHER_PORTS, Caller, PodProcess, Product, eventually};
use crate::up::{all_targets_up, todo};
use rustix::process::Signal;
use serde_json::json;
use std::path::Path;
use std::time::SystemTime;

/// Enough tasks for an event in each of the five partitions: one without a committed offset has no lag.
const TASKS_BEFORE: u32 = 40;
const TASKS_MEANWHILE: u32 = 10;
const LAG: &str = "kafka_consumergroup_lag_sum{consumergroup=\"event-service\",topic=\"task-events\"}";
const MEMBERS: &str = "kafka_consumergroup_members{consumergroup=\"event-service\"}";

fn add_tasks(product: &Product, caller: &Caller, count: u32) {
    let tasks = format!("{}/api/tasks", product.address("/services/todo-frontend"));
    for number in 0..count {
        let task = json!({"title": format!("task {number}")});
        let (status, answer) = caller.ask("POST", &tasks, &[], Some(&task)).unwrap();
        assert_eq!(status, 201, "{answer}");
    }
}

/// Values on the exporter's page at this moment, of the topic of events where they are of a topic.
fn exported(product: &Product, caller: &Caller, name: &str) -> Vec<f64> {
    let page = product.pages("kafka-exporter").pop().unwrap();
    let series = caller.metrics(&page, name);
    let others = ["topic=\"task-events-dead-letter\"", "topic=\"__"];
    let of_events =
        series.into_iter().filter(|(series, _)| !others.iter().any(|other| series.contains(other)));
    of_events.map(|(_, value)| value).collect()
}

fn published(product: &Product, caller: &Caller) -> f64 {
    exported(product, caller, "kafka_topic_partition_current_offset").iter().sum()
}

fn process(product: &Product, part: &str) -> PodProcess {
    let mut found = product.pod_processes();
    found.retain(|process| process.command.contains(part));
    assert_eq!(found.len(), 1, "{part}: {found:?}");
    found.remove(0)
}

/// Waits until a scrape shows the lag; gives the number of scrapes since `then`, in seconds of the epoch.
fn scrapes_until_shown(product: &Product, then: f64, lag: f64) -> usize {
    eventually("the lag", || {
        let range = product.query(&format!("{LAG}[5m]"));
        let samples = range.first()?["values"].as_array()?;
        let sample = |at: usize| (samples[at][0].as_f64(), samples[at][1].as_str().unwrap().parse().ok());
        let mut since = (0..samples.len()).map(sample).filter(|(at, _)| *at > Some(then));
        since.position(|(_, value)| value == Some(lag)).map(|before| before + 1)
    })
}

/// A second process that knows nothing but the broker's address.
fn watcher(product: &Product, folder: &Path) -> Product {
    let broker = process(product, "tidewatch broker ").command;
    let address = broker.split_whitespace().skip_while(|word| *word != "--listen-address").nth(1).unwrap();
    let config = folder.join("prometheus.yml");
    std::fs::write(&config, "global: {}\n").unwrap();
    let (config, path) = (config.display().to_string(), folder.display().to_string());
    let mut arguments = vec!["serve", "--config.file", &config, "--storage.tsdb.path", &path];
    arguments.extend(["--web.listen-address", "127.0.0.1:0", "--kafka-bootstrap", address]);
    arguments.extend(ANY_FURTHER_PORTS);
    Product::start(&arguments, folder)
}

/// Stops a process and lets it go on; meanwhile the group is shown with so many members, as soon as who is stopped has been given up.
fn check(stopped: &str, members_meanwhile: f64) {
    let (folder, second_folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (product, caller) = (todo(folder.path()), Caller::new());
    all_targets_up(&product);
    add_tasks(&product, &caller, TASKS_BEFORE);
    eventually("everything published and read", || {
        let all_read = exported(&product, &caller, "kafka_consumergroup_lag") == [0.0; 5];
        (published(&product, &caller) == f64::from(TASKS_BEFORE) && all_read).then_some(())
    });

    let consumer = process(&product, stopped);
    consumer.stop();
    add_tasks(&product, &caller, TASKS_MEANWHILE);
    let all = f64::from(TASKS_BEFORE + TASKS_MEANWHILE);
    eventually("the last event at the broker", || (published(&product, &caller) == all).then_some(()));
    let then = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
    let second = watcher(&product, second_folder.path());
    let lag = f64::from(TASKS_MEANWHILE);
    eventually("the lag in a second process", || (second.values(LAG) == [lag]).then_some(()));
    let scrapes = scrapes_until_shown(&product, then, lag);
    assert!(scrapes <= 2, "shown at scrape {scrapes} only");
    assert_eq!(product.values("sum(kafka_consumergroup_lag{topic=\"task-events\"} > 0)"), [lag]);
    let members = || exported(&product, &caller, "kafka_consumergroup_members");
    eventually("the members meanwhile", || (members() == [members_meanwhile]).then_some(()));

    consumer.signal(Signal::CONT);
    eventually("a member again", || (members() == [1.0]).then_some(()));
    eventually("no lag", || (product.values(LAG) == [0.0]).then_some(()));
    eventually("no lag in the second process", || (second.values(LAG) == [0.0]).then_some(()));
    assert_eq!(product.values(MEMBERS), [1.0]);
}

#[test]
fn a_stopped_sidecar_shows_within_two_scrapes() {
    check("tidewatch sidecar --app-id event-service", 0.0);
}

#[test]
fn a_stopped_event_service_shows_within_two_scrapes() {
    // its sidecar stays in the group and waits for an answer
    check("/todo-event-service", 1.0);
}
