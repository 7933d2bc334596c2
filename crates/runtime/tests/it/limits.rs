//! Memory, logs, connections: what one pod does to excess, it does to itself.

use crate::world::{PATIENCE, SERVER, World, ask, deployment, fixture, get, runs, serves, service};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};
use tempfile::TempDir;

#[tokio::test(flavor = "multi_thread")]
async fn a_container_over_its_memory_limit_is_killed() {
    let container = format!("{SERVER}resources: {{limits: {{memory: 64Mi}}}}\n");
    let world = World::start(&(deployment("web", 2, "", &container) + &service("web")), &serves("web"), &[]);
    let pods = world.ready("web", 2).await;
    ask(&pods[0], "/memory/96");
    let killed = world
        .until("OOMKilled", || {
            let pod = world.pods("web").into_iter().find(|pod| pod.pod.uid == pods[0].pod.uid)?;
            pod.containers[0].last_termination.clone()
        })
        .await;
    assert_eq!((killed.reason, killed.exit_code, killed.signal), ("OOMKilled", 137, Some(9)));
    let event = world.event("OOMKilling").await;
    assert!(
        event.message.contains("its limit is 64 MiB: killed; hint: raise resources.limits.memory"),
        "{event:?}"
    );
    let after = world.ready("web", 2).await;
    let restarts = |uid: &str| after.iter().find(|pod| pod.pod.uid == uid).unwrap().containers[0].restarts;
    assert_eq!(
        (restarts(&pods[0].pod.uid), restarts(&pods[1].pod.uid)),
        (1, 0),
        "the other one is left alone"
    );
    world.runtime.shutdown().await;
}

fn size(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    entries
        .flatten()
        .map(
            |entry| if entry.path().is_dir() { size(&entry.path()) } else { entry.metadata().unwrap().len() },
        )
        .sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_logs_harms_nobody() {
    let manifests = deployment("flood", 1, "", "") + &deployment("web", 1, "", SERVER);
    let begun = Instant::now();
    let world =
        World::start(&manifests, &(runs("flood", "exec yes a-line-of-the-flood") + &serves("web")), &[]);
    let pod = world.ready("web", 1).await.remove(0);
    let logs = world.folder.path().join("data/pods");
    world.until("a flood", || (size(&logs) > 6 << 20).then_some(())).await;
    let asked = Instant::now();
    assert_eq!(ask(&pod, "/who").unwrap().1, pod.pod.name);
    assert!(asked.elapsed() < Duration::from_millis(500), "{:?}", asked.elapsed());
    let kept = size(&logs);
    // What is read is limited to 4 MiB/s; each line is kept with about three times its length of time and stream.
    let most = (begun.elapsed().as_secs() + 2) * (4 << 20) * 4;
    assert!(kept < most, "{kept} bytes after {:?}", begun.elapsed());
    let name = world.pods("flood").remove(0).pod.name.clone();
    assert_eq!(
        world.runtime.log("shop", &name, None, Some(2)).unwrap(),
        b"a-line-of-the-flood\na-line-of-the-flood\n"
    );
    world.runtime.shutdown().await;
}

/// On one thread, which reading the log of a crashed container must not block.
#[tokio::test]
async fn a_log_that_cannot_be_read_holds_nobody_up() {
    let script =
        "echo started; while [ ! -s ../0.log ]; do sleep 0.01; done; rm ../0.log; mkfifo ../0.log; exit 1";
    let world = World::start(&deployment("web", 1, "", ""), &runs("web", script), &[]);
    let pods = world.folder.path().join("data/pods");
    let (ping, pong) = std::sync::mpsc::sync_channel(0);
    let rescue = std::thread::spawn(move || {
        let deadline = Instant::now() + PATIENCE;
        let fifo = loop {
            let entries = std::fs::read_dir(&pods).unwrap().flatten();
            let mut logs = entries.map(|pod| pod.path().join("main/0.log"));
            let is_fifo = |log: &PathBuf| std::fs::metadata(log).is_ok_and(|log| log.file_type().is_fifo());
            if let Some(fifo) = logs.find(is_fifo) {
                break fifo;
            }
            assert!(Instant::now() < deadline, "no fifo");
            std::thread::sleep(Duration::from_millis(5));
        };
        let went_on = (0..50).all(|_| pong.recv_timeout(Duration::from_secs(5)).is_ok());
        // Whoever reads goes on now.
        let mut open = std::fs::OpenOptions::new();
        let open = open.write(true).custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed());
        while open.open(&fifo).is_err() {
            assert!(Instant::now() < deadline, "nobody reads the log");
            std::thread::sleep(Duration::from_millis(5));
        }
        went_on
    });
    world
        .until("a crash", || {
            let _ = ping.try_send(());
            world.container("web").last_termination
        })
        .await;
    assert!(rescue.join().unwrap(), "everything stood still while the log was read");
    world.runtime.shutdown().await;
}

/// A tidewatch with few open files; ended when it is dropped.
struct Few {
    parent: Child,
    folder: TempDir,
}

impl Few {
    fn start(limits: &str, manifests: &str, settings: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("app.yaml"), manifests).unwrap();
        std::fs::write(folder.path().join("tidewatch.yaml"), settings).unwrap();
        let script = format!("{limits}; exec \"$0\" parent \"$1\" \"$1/data\"");
        let parent = Command::new("sh")
            .args(["-c", &script])
            .args([fixture().as_os_str(), folder.path().as_os_str()])
            .spawn()
            .unwrap();
        Self { parent, folder }
    }

    fn until<T>(&self, what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(answer) = ask() {
                return answer;
            }
            assert!(Instant::now() < deadline, "{what}: not in time");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn open_files(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.parent.id())).unwrap().count()
    }
}

impl Drop for Few {
    fn drop(&mut self) {
        let _ = (self.parent.kill(), self.parent.wait());
    }
}

#[test]
fn the_limit_of_open_files_is_raised_for_tidewatch_and_not_for_pods() {
    let settings = format!("images:\n{}", runs("web", "ulimit -Sn; ulimit -Hn; exec sleep 4719"));
    let few = Few::start("ulimit -Sn 200; ulimit -Hn 256", &deployment("web", 1, "", ""), &settings);
    let printed = few.until("what the pod prints", || {
        let pods = std::fs::read_dir(few.folder.path().join("data/pods")).ok()?;
        let logs = pods.flatten().map(|pod| std::fs::read_to_string(pod.path().join("main/0.log")));
        logs.flatten().find(|log| log.lines().count() == 2)
    });
    let ends: Vec<&str> = printed.lines().filter_map(|line| line.rsplit(' ').next()).collect();
    assert_eq!(ends, ["200", "256"]);
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", few.parent.id())).unwrap();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap();
    assert_eq!(line.split_ascii_whitespace().take(2).collect::<Vec<_>>(), ["256", "256"]);
}

#[test]
fn more_connections_than_open_files_wait_for_their_turn() {
    // Free now, and a moment later hopefully too.
    let ports = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let ports = ports.map(|listener| listener.local_addr().unwrap().port());
    let names = ["a", "b", "c"];
    let manifests: String = names.map(|name| deployment(name, 1, "", SERVER) + &service(name)).concat();
    let exposed: String = names.iter().zip(ports).map(|(name, port)| format!("  {name}: {port}\n")).collect();
    let settings = format!("images:\n{}expose:\n{exposed}", names.map(serves).concat());
    let few = Few::start("ulimit -n 256", &manifests, &settings);
    let addresses = ports.map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
    for address in addresses {
        few.until("an answer", || get(address, "/who").filter(|(_, name)| !name.is_empty()));
    }
    // Three ports with a share of 42 of the 85 connections each: together they want more than there are.
    let idle = [(); 60].map(|()| addresses.map(|address| TcpStream::connect(address).unwrap()));
    few.until("the connections that there is room for", || (few.open_files() >= 2 * 85).then_some(()));
    assert!(few.open_files() < 2 * 85 + 60, "{} of 256", few.open_files());
    for mut stream in idle.into_iter().flatten() {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(b"GET /who HTTP/1.1\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer:?}");
    }
}
