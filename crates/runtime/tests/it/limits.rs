//! Memory, logs: what one pod does to excess, it does to itself.

use crate::world::{SERVER, World, ask, deployment, runs, serves, service};
use std::path::Path;
use std::time::{Duration, Instant};

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
