//! Nothing survives: a real tidewatch is killed with SIGKILL, and its children, their children, and even those that
//! left their process group are gone.

use crate::world::{PATIENCE, alive, deployment, fixture, processes_with, runs, spec};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tidewatch_runtime::Runtime;

fn wait_until(what: &str, mut ask: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !ask() {
        assert!(Instant::now() < deadline, "{what}: not in time");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn no_process_survives_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    // A number that no other process sleeps for.
    let number = format!("49{}", std::process::id());
    let script = format!("sleep {number} & setsid sleep {number} & exec sleep {number}");
    std::fs::write(folder.path().join("app.yaml"), deployment("web", 2, "", "")).unwrap();
    std::fs::write(folder.path().join("tidewatch.yaml"), format!("images:\n{}", runs("web", &script)))
        .unwrap();
    let mut parent = Command::new(fixture())
        .args([folder.path().as_os_str(), folder.path().join("data").as_os_str()].iter().fold(
            vec!["parent".into()],
            |mut list, part| {
                list.push(part.to_os_string());
                list
            },
        ))
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let sleeping = || processes_with(&format!("sleep\0{number}"));
    wait_until("two pods with three processes each", || sleeping().len() == 6);
    let pids = sleeping();
    let guards = processes_with("pod-fixture\0guard");
    assert!(!guards.is_empty());
    parent.kill().unwrap();
    parent.wait().unwrap();
    wait_until("all gone", || pids.iter().all(|pid| !alive(*pid)) && sleeping().is_empty());
    let own = |pid: &u32| guards.contains(pid);
    wait_until("the guard is gone too", || {
        processes_with("pod-fixture\0guard").iter().filter(|pid| own(pid)).count() == 0
    });
    starts_again(&folder);
}

/// On the data directory that the killed one left: pods run, and what the former ones left is kept aside.
#[tokio::main]
async fn starts_again(folder: &TempDir) {
    let names = |name: &str| -> Vec<String> {
        let entries = std::fs::read_dir(folder.path().join("data").join(name)).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    };
    let left = names("pods");
    assert_eq!(left.len(), 3, "two pods and the mark: {left:?}");
    for _ in 0..2 {
        let manifests = deployment("web", 1, "", "");
        let runtime =
            Runtime::start(spec(&manifests, &runs("web", "exec sleep 4718"), &[], folder.path())).unwrap();
        let deadline = Instant::now() + PATIENCE;
        while !runtime.pods()[0].ready {
            assert!(Instant::now() < deadline, "{:#?}", runtime.pods());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(names("pods").len(), 2);
        runtime.shutdown().await;
    }
    assert_eq!(names("pods.previous").len(), 2, "of the second run, not of the killed one");
}
