//! What users get wrong: each says what to do, and everything else runs.

use crate::world::{SERVER, World, alive, ask, deployment, runs, serves, service, spec};
use std::net::TcpListener;
use std::sync::Arc;
use tidewatch_manifest::{ConfigMap, Manifests, Volume, VolumeMount, VolumeSource};
use tidewatch_runtime::{ContainerState, Runtime};

#[tokio::test(flavor = "multi_thread")]
async fn an_image_without_a_command_waits_and_the_others_run() {
    let manifests = deployment("web", 1, "", SERVER) + &deployment("unknown", 1, "", "");
    let world = World::start(&manifests, &serves("web"), &[]);
    world.ready("web", 1).await;
    let container = world.container("unknown");
    assert_eq!(container.waiting_reason(), Some("ImagePullBackOff"));
    let message = world.event("ErrImagePull").await.message;
    for part in [
        "Deployment shop/unknown, container main: there is no command for image \"registry.example/unknown:1\"",
        "add to tidewatch.yaml:\n  images:\n    unknown:\n      command: [\"{bin}/unknown\"]",
    ] {
        assert!(message.contains(part), "{part}: {message}");
    }
    world.runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_port_names_the_remedy_and_the_others_run() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let manifests = deployment("web", 1, "", SERVER) + &service("web");
    let world =
        World::start(&manifests, &serves("web"), &[("web", port), ("wep", 0), ("shop/web:metrics", 0)]);
    let problems: Vec<String> = world.runtime.problems().iter().map(ToString::to_string).collect();
    assert_eq!(problems.len(), 3, "{problems:#?}");
    let text = problems.join("\n");
    for part in [
        &format!("cannot listen on 127.0.0.1:{port} for Service shop/web: Address already in use"),
        &format!(
            " (pid {}), which listens there, or choose another: --expose web=0 takes any free one",
            std::process::id()
        ),
        "cannot expose \"wep\": there is no such Service\n  hint: there are: web",
        "cannot expose \"shop/web:metrics\": the Service has no such TCP port\n  hint: it has: 8000 (http)",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    world.ready("web", 1).await;
    world.runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_is_not_there_says_which() {
    let world = World::start(&deployment("web", 1, "", ""), "  web: {command: ['./no/such/program']}\n", &[]);
    let event = world.event("Failed").await;
    assert!(event.message.contains("no/such/program: No such file or directory"), "{event:?}");
    assert!(
        event.message.contains("hint: build it, or change images: web: command: in tidewatch.yaml"),
        "{event:?}"
    );
    let container = world
        .until("crash loop", || {
            Some(world.container("web")).filter(|container| container.last_termination.is_some())
        })
        .await;
    let last = container.last_termination.unwrap();
    assert_eq!((last.reason, last.exit_code), ("StartError", 128));
    world.runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_secret_blocks_its_pod_only() {
    let container = "env: [{name: A, valueFrom: {secretKeyRef: {name: login, key: user}}}]\n";
    let world = World::start(&deployment("web", 1, "", container), &serves("web"), &[]);
    let container = world
        .until("blocked", || {
            Some(world.container("web"))
                .filter(|container| container.waiting_reason() == Some("CreateContainerConfigError"))
        })
        .await;
    let ContainerState::Waiting { message, .. } = container.state else { panic!() };
    assert_eq!(
        message,
        "secret \"login\" not found in namespace shop; hint: add the Secret to the manifests"
    );
    world.runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_working_directory_is_not_mistaken_for_a_missing_program() {
    let images = "  web: {command: [sleep, '4717'], workdir: no-such-folder}\n";
    let world = World::start(&deployment("web", 1, "", ""), images, &[]);
    let message = world.event("Failed").await.message;
    assert!(
        message.contains("no-such-folder is not there; hint: make it, or change images: web: workdir:"),
        "{message}"
    );
    world.runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn listening_on_all_addresses_is_told_with_the_remedy() {
    let free = tidewatch_testkit::unused_address().port();
    let container = format!("env: [{{name: HOST, value: 0.0.0.0}}, {{name: PORT, value: '{free}'}}]\n");
    let world = World::start(&deployment("wide", 2, "", &container), &serves("wide"), &[]);
    let event = world.event("ListensOnAllAddresses").await;
    assert!(event.message.contains(&format!("listens on 0.0.0.0:{free}")), "{event:?}");
    assert!(event.message.contains("env: { HOST: \"{pod_ip}\" }"), "{event:?}");
    let event = world.event("AddressInUse").await;
    assert!(event.message.contains("take it from the variable POD_IP"), "{event:?}");
    world.runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_instances_do_not_meet() {
    let manifests = deployment("web", 1, "", SERVER) + &service("web");
    let (one, other) =
        (World::start(&manifests, &serves("web"), &[]), World::start(&manifests, &serves("web"), &[]));
    let (a, b) = (one.ready("web", 1).await.remove(0), other.ready("web", 1).await.remove(0));
    assert_ne!(a.ip, b.ip);
    one.runtime.shutdown().await;
    assert!(alive(b.containers[0].pid.unwrap()));
    assert!(ask(&b, "/who").is_some());
    other.runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_folder_that_cannot_be_made_is_told() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("data"), "a file").unwrap();
    let error =
        Runtime::start(spec(&deployment("web", 1, "", ""), &runs("web", "exit 0"), &[], folder.path()))
            .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("hint: check its permissions and free space, or choose another with --data-dir"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_lead_out_of_a_pods_folder_are_not_run() {
    let folder = tempfile::tempdir().unwrap();
    let outside = folder.path().join("outside");
    std::fs::create_dir_all(outside.join("work")).unwrap();
    let own = |file: &str| outside.join(file);
    std::fs::write(own("work/own"), "kept").unwrap();
    std::fs::write(own("own"), "kept").unwrap();
    let names = ["container", "volume", "init", "namespace", "key", "web"];
    let manifests: String = names
        .iter()
        .map(|name| deployment(name, 1, "initContainers: [{name: first, image: first:1}]\n", SERVER))
        .collect();
    let images = names.map(serves).concat() + &runs("first", "exit 0");
    let mut spec = spec(&manifests, &images, &[], folder.path());
    let change = |manifests: &mut Manifests| {
        let path = outside.to_str().unwrap().to_owned();
        let mount = VolumeMount { name: "files".to_owned(), path: "/files".to_owned() };
        let map = VolumeSource::ConfigMap { name: "files".to_owned(), optional: false };
        for one in &mut manifests.deployments {
            let template = &mut one.template;
            match one.meta.name.as_str() {
                "container" => template.containers[0].name = path.clone(),
                "volume" => template.volumes.push(Volume { name: path.clone(), source: map.clone() }),
                "init" => template.init_containers[0].name = path.clone(),
                "namespace" => one.meta.namespace = "../../outside".to_owned(),
                "key" => {
                    template.volumes.push(Volume { name: "files".to_owned(), source: map.clone() });
                    template.containers[0].volume_mounts.push(mount.clone());
                }
                _ => {}
            }
        }
        let data = [(own("own").to_str().unwrap().to_owned(), "overwritten".to_owned())].into();
        let mut map = ConfigMap { data, ..ConfigMap::default() };
        (map.meta.namespace, map.meta.name) = ("shop".to_owned(), "files".to_owned());
        manifests.config_maps.push(map);
    };
    change(Arc::get_mut(&mut spec.manifests).unwrap());
    let world = World { runtime: Runtime::start(spec).unwrap(), folder };
    let problems: Vec<String> = world.runtime.problems().iter().map(ToString::to_string).collect();
    assert_eq!(problems.len(), 4, "{problems:#?}");
    assert_eq!(
        problems[3],
        "Deployment ../../outside/namespace is not run: \"../../outside\" cannot be a folder's name\n  hint: use \
         lower case letters, digits and '-'"
    );
    world.ready("web", 1).await;
    let message = world.event("Failed").await.message;
    assert!(message.contains("cannot be a file's name"), "{message}");
    world.runtime.shutdown().await;
    for file in ["own", "work/own"] {
        assert_eq!(std::fs::read_to_string(own(file)).unwrap(), "kept", "{file}");
    }
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 2);
}
