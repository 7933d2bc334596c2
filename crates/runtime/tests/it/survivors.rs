//! Nothing survives: a real tidewatch is killed with SIGKILL, and its children, their children, and even those that
//! left their process group are gone.

use crate::world::{alive, deployment, fixture, processes_with, runs};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

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
}
