//! Pods come, are probed, crash, come again, and go.

use crate::world::{
    SERVER, World, alive, ask, deployment, fixture, get, processes_with, runs, serves, service,
};
use std::time::{Duration, Instant};
use tidewatch_runtime::{ContainerState, PodPhase};

#[tokio::test(flavor = "multi_thread")]
async fn replicas_become_ready_and_go_in_order() {
    let world = World::start(&(deployment("web", 2, "", SERVER) + &service("web")), &serves("web"), &[]);
    let begun = Instant::now();
    let pods = world.ready("web", 2).await;
    assert!(begun.elapsed() < Duration::from_secs(5), "ready after {:?}", begun.elapsed());
    let hash = pods[0].pod.labels["pod-template-hash"].clone();
    assert_eq!(hash.len(), 10);
    for pod in &pods {
        assert_eq!((pod.phase, pod.pod.phase.as_str()), (PodPhase::Running, "Running"));
        assert!(
            pod.pod.name.starts_with(&format!("web-{hash}-"))
                && pod.pod.name.len() == "web".len() + 1 + 10 + 1 + 5
        );
        assert_eq!(pod.pod.controller_name, format!("web-{hash}"));
    }
    assert_ne!(pods[0].ip, pods[1].ip);

    world.runtime.scale("shop", "web", 3).unwrap();
    let three = world.ready("web", 3).await;
    let new = three.iter().find(|pod| pods.iter().all(|old| old.pod.uid != pod.pod.uid)).unwrap().clone();
    assert_eq!(world.ready_addresses("web"), 3);
    world.runtime.scale("shop", "web", 2).unwrap();
    assert_eq!(world.ready_addresses("web"), 2, "taken away before the process ends");
    let left = world.ready("web", 2).await;
    assert!(left.iter().all(|pod| pod.pod.uid != new.pod.uid), "the youngest goes first");
    assert!(!alive(new.containers[0].pid.unwrap()));
    assert!(
        world.runtime.scale("shop", "none", 1).unwrap_err().to_string().contains("no Deployment shop/none")
    );
    assert!(world.runtime.scale("shop", "web", 501).unwrap_err().to_string().contains("at most 500"));

    let pids: Vec<u32> = left.iter().filter_map(|pod| pod.containers[0].pid).collect();
    assert_eq!(pids.len(), 2);
    world.runtime.shutdown().await;
    assert!(pids.iter().all(|pid| !alive(*pid)));
    assert_eq!(world.runtime.pods(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_that_goes_answers_what_it_was_asked() {
    // The fixture ends at SIGTERM at once: only the runtime can let it finish.
    let manifests = deployment("web", 1, "", SERVER) + &service("web");
    let world = World::start(&manifests, &serves("web"), &[("shop/web", 0)]);
    let pod = world.ready("web", 1).await.remove(0);
    let address = world.runtime.exposed()[0].address;
    let asked = std::thread::spawn(move || get(address, "/slow/1500"));
    world
        .until("the request is under way", || {
            let log = world.runtime.log("shop", &pod.pod.name, None, None).unwrap();
            String::from_utf8_lossy(&log).contains("slow").then_some(())
        })
        .await;
    world.runtime.scale("shop", "web", 0).unwrap();
    assert_eq!(world.ready_addresses("web"), 0, "no new one reaches it");
    let state = world.runtime.scale_state("shop", "web").unwrap();
    assert_eq!((state.spec_replicas, state.status_replicas, state.pods.len()), (0, 0, 1));
    assert!(state.pods[0].deleted_ms.is_some());
    world.until("gone", || world.pods("web").is_empty().then_some(())).await;
    assert_eq!(asked.join().unwrap(), Some((200, String::new())));
    world.runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_autoscaler_sees_the_number_and_the_pods() {
    let world = World::start(&deployment("web", 2, "", SERVER), &serves("web"), &[]);
    let first = world.runtime.scale_state("shop", "web").unwrap();
    assert_eq!((first.spec_replicas, first.status_replicas), (2, 2));
    assert_eq!(first.selector.match_labels["app"], "web");
    let unready = first.pods.iter().find(|pod| !pod.ready);
    if let Some(pod) = unready {
        assert_eq!(pod.ready_changed_ms, pod.created_ms, "it was never ready");
    }
    world.ready("web", 2).await;
    let pods = world.runtime.scale_state("shop", "web").unwrap().pods;
    assert!(
        pods.iter().all(|pod| pod.ready && Some(pod.ready_changed_ms) == pod.ready_since_ms),
        "{pods:#?}"
    );
    let error = world.runtime.scale_state("shop", "wep").unwrap_err().to_string();
    assert!(error.contains("no Deployment shop/wep"), "{error}");
    world.runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crashing_container_backs_off_and_says_how_it_ended() {
    let world = World::start(&deployment("job", 1, "", ""), &runs("job", "echo going down; exit 3"), &[]);
    let container = world
        .until("CrashLoopBackOff", || {
            Some(world.container("job"))
                .filter(|container| container.waiting_reason() == Some("CrashLoopBackOff"))
        })
        .await;
    assert_eq!(container.restarts, 1, "the first restart is immediate, the second waits");
    let last = container.last_termination.unwrap();
    assert_eq!(
        (last.exit_code, last.signal, last.reason, last.message.as_str()),
        (3, None, "Error", "going down")
    );
    let ContainerState::Waiting { message, .. } = container.state else { panic!() };
    assert!(message.starts_with("back-off 10s restarting failed container=main pod=job-"), "{message}");
    assert!(world.event("BackOff").await.warning);
    let pod = world.pods("job").remove(0);
    assert_eq!((pod.phase, pod.ready), (PodPhase::Running, false));
    let log = world.runtime.log("shop", &pod.pod.name, None, Some(10)).unwrap();
    assert_eq!(log, b"going down\n");
    let begun = Instant::now();
    world.runtime.shutdown().await;
    assert!(begun.elapsed() < Duration::from_secs(3), "a waiting container does not hold the end up");
}

#[tokio::test(flavor = "multi_thread")]
async fn probes_take_pods_out_and_restart_them() {
    let probes = format!(
        "{SERVER}startupProbe: {{httpGet: {{path: /started, port: 8000}}, periodSeconds: 1, failureThreshold: 20}}\n\
         livenessProbe: {{httpGet: {{path: /healthz, port: http}}, periodSeconds: 1, failureThreshold: 2}}\n"
    );
    let world = World::start(&(deployment("web", 1, "", &probes) + &service("web")), &serves("web"), &[]);
    let pod = world.ready("web", 1).await.remove(0);
    assert!(pod.containers[0].started);

    ask(&pod, "/fail/readyz").unwrap();
    world.until("not ready", || (!world.pods("web")[0].ready).then_some(())).await;
    assert_eq!(world.ready_addresses("web"), 0);
    assert!(
        world
            .event("Unhealthy")
            .await
            .message
            .contains("Readiness probe failed: HTTP probe failed with statuscode: 503")
    );
    ask(&pod, "/mend/readyz").unwrap();
    let again = world.ready("web", 1).await.remove(0);
    assert_eq!(again.containers[0].pid, pod.containers[0].pid, "readiness restarts nothing");

    ask(&pod, "/fail/healthz").unwrap();
    let restarted = world
        .until("restart", || Some(world.container("web")).filter(|container| container.restarts == 1))
        .await;
    assert_eq!(restarted.last_termination.unwrap().exit_code, 143, "SIGTERM ended it");
    assert!(world.event("Killing").await.message.contains("failed liveness probe, will be restarted"));
    world.ready("web", 1).await;
    world.runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_startup_probe_holds_the_others_back_and_restarts() {
    let probes = "\
ports: [{name: http, containerPort: 8000}]
startupProbe: {tcpSocket: {port: http}, periodSeconds: 1, failureThreshold: 1}
livenessProbe: {exec: {command: [never, run]}}
";
    let world = World::start(&deployment("late", 1, "", probes), &runs("late", "exec sleep 4711"), &[]);
    let container = world
        .until("restart", || Some(world.container("late")).filter(|container| container.restarts > 0))
        .await;
    assert!(!container.started && !container.ready);
    assert!(world.event("Killing").await.message.contains("failed startup probe"));
    assert!(
        !world.runtime.events().iter().any(|event| event.reason == "ProbeNotRun"),
        "liveness was never begun"
    );
    world.runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_probed_here_says_so_and_counts_as_passed() {
    let probes = "readinessProbe: {grpc: {port: 1}}\nlivenessProbe: {exec: {command: [cat, /tmp/ok]}}\n";
    let world = World::start(&deployment("odd", 1, "", probes), &runs("odd", "exec sleep 4712"), &[]);
    world.ready("odd", 1).await;
    let messages: Vec<String> = world
        .runtime
        .events()
        .into_iter()
        .filter(|event| event.reason == "ProbeNotRun")
        .map(|event| event.message)
        .collect();
    assert!(messages.iter().any(|message| message.contains("grpc is not run locally")), "{messages:?}");
    assert!(messages.iter().any(|message| message.contains("exec: { \"cat /tmp/ok\":")), "{messages:?}");
    world.runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn exec_probes_and_hooks_run_what_is_named_for_them() {
    let container = "\
readinessProbe: {exec: {command: [cat, /tmp/ok]}, periodSeconds: 1}
lifecycle: {preStop: {exec: {command: [drain]}}}
";
    let folder = tempfile::tempdir().unwrap();
    let mark = folder.path().join("mark");
    let images = format!(
        "  app: {{command: [sleep, \"4713\"], exec: {{cat /tmp/ok: [test, -f, {mark:?}], drain: [sh, -c, \"echo drained > {}\"]}}}}\n",
        mark.display()
    );
    let world = World::start(&deployment("app", 1, "", container), &images, &[]);
    let event = world.event("Unhealthy").await;
    assert!(event.message.contains("Readiness probe failed: exit code 1"), "{event:?}");
    std::fs::write(&mark, "").unwrap();
    world.ready("app", 1).await;
    world.runtime.shutdown().await;
    assert_eq!(std::fs::read_to_string(&mark).unwrap(), "drained\n", "preStop ran before the end");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_ignores_sigterm_is_killed_after_the_grace_period() {
    let grace = "terminationGracePeriodSeconds: 1\n";
    let world = World::start(
        &deployment("deaf", 1, grace, ""),
        &runs("deaf", "trap '' TERM; echo up; while :; do sleep 0.1; done"),
        &[],
    );
    let pod = world.ready("deaf", 1).await.remove(0);
    world
        .until("trap set", || {
            (world.runtime.log("shop", &pod.pod.name, None, None).unwrap() == b"up\n").then_some(())
        })
        .await;
    let begun = Instant::now();
    world.runtime.scale("shop", "deaf", 0).unwrap();
    world.until("gone", || world.pods("deaf").is_empty().then_some(())).await;
    let took = begun.elapsed();
    assert!(took >= Duration::from_secs(1) && took < Duration::from_secs(5), "{took:?}");
    assert!(!alive(pod.containers[0].pid.unwrap()));
    world.runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn init_containers_run_first_and_containers_side_by_side() {
    let pod = "\
initContainers:
  - {name: prepare, image: 'prepare:1', volumeMounts: [{name: data, mountPath: /data}]}
volumes:
  - {name: data, emptyDir: {}}
  - {name: settings, configMap: {name: settings}}
";
    let container = "\
volumeMounts: [{name: settings, mountPath: /etc/settings}]
readinessProbe: {exec: {command: [prepared]}, periodSeconds: 1}
";
    let second = "        - name: beside\n          image: beside:1\n";
    let map = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings, namespace: shop}\ndata: {greeting: \"hello\\n\"}\n";
    let images = "  prepare: {command: [sh, -c, 'echo first > {volumes}/data/order']}\n  \
                  app: {command: [sh, -c, 'cat {volumes}/data/order {volumes}/settings/greeting; exec sleep 4714'], \
                  exec: {prepared: [test, -f, '{volumes}/data/order']}}\n  \
                  beside: {command: [sleep, '4715']}\n";
    let world = World::start(&(deployment("app", 1, pod, container) + second + map), images, &[]);
    let pod = world.ready("app", 1).await.remove(0);
    assert_eq!(pod.containers.len(), 2);
    let ContainerState::Terminated(prepared) = &pod.init_containers[0].state else { panic!("{pod:#?}") };
    assert_eq!((prepared.exit_code, prepared.reason), (0, "Completed"));
    let log = world
        .until("log", || {
            Some(world.runtime.log("shop", &pod.pod.name, Some("main"), None).unwrap())
                .filter(|log| log.ends_with(b"hello\n"))
        })
        .await;
    assert_eq!(String::from_utf8(log).unwrap(), "first\nhello\n");
    let error = world.runtime.log("shop", &pod.pod.name, None, None).unwrap_err().to_string();
    assert!(error.contains("hint: it has prepare, main, beside"), "{error}");
    world.runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dropping_the_runtime_leaves_nothing() {
    let name = format!("48{}", std::process::id());
    let world = World::start(
        &deployment("web", 2, "", ""),
        &runs("web", &format!("sleep {name} & sleep {name}")),
        &[],
    );
    world.until("processes", || (processes_with(&format!("sleep\0{name}")).len() == 4).then_some(())).await;
    let World { runtime, folder } = world;
    drop(runtime);
    let deadline = Instant::now() + Duration::from_secs(10);
    while !processes_with(&format!("sleep\0{name}")).is_empty() {
        assert!(Instant::now() < deadline, "{:?}", processes_with(&name));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    drop(folder);
    assert!(fixture().exists());
}
