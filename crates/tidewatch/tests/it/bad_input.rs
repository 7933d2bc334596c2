//! Bad input and bad luck: a clear message that names the thing and the remedy, and everything else goes on.

use crate::page::Page;
use crate::product::{ANY_FURTHER_PORTS, Product, eventually, get, run};
use serde_json::Value;
use std::path::Path;
use std::process::Command;

fn deployment(name: &str, image: &str) -> String {
    format!(
        "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}, namespace: shop}}\nspec:\n  replicas: 1\n  \
         selector: {{matchLabels: {{app: {name}}}}}\n  template:\n    metadata: {{labels: {{app: {name}}}}}\n    spec:\n      \
         containers:\n        - name: main\n          image: {image}\n"
    )
}

/// A data directory with a tidewatch.yaml (images by shell command) and one manifest.
fn shop(folder: &Path, manifest: &str) -> Vec<String> {
    let config = "images:\n  sleeper: {command: [/bin/sh, -c, 'echo started; exec sleep 1000']}\n  \
                  crasher: {command: [/bin/sh, -c, 'echo boom >&2; exit 3']}\n";
    std::fs::write(folder.join("tidewatch.yaml"), config).unwrap();
    std::fs::write(folder.join("shop.yaml"), manifest).unwrap();
    ["--config", "tidewatch.yaml", "-f", "shop.yaml"]
        .map(|a| if a.starts_with('-') { a.to_owned() } else { folder.join(a).display().to_string() })
        .to_vec()
}

fn start(folder: &Path, manifest: &str) -> Product {
    let arguments = shop(folder, manifest);
    Product::up(folder, &arguments.iter().map(String::as_str).collect::<Vec<_>>())
}

/// The containers of all pods of the namespace: (pod, status).
fn containers(product: &Product) -> Vec<(String, Value)> {
    let text = get(&format!("{}/api/v1/namespaces/shop/pods", product.address("/ui"))).1;
    let pods: Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"));
    let items = pods["items"].as_array().cloned().unwrap_or_default();
    items
        .iter()
        .map(|pod| {
            let name = pod["metadata"]["name"].as_str().unwrap_or_default().to_owned();
            (name, pod["status"]["containerStatuses"][0].clone())
        })
        .collect()
}

fn state_of(product: &Product, deployment: &str) -> Value {
    let found = containers(product).into_iter().find(|(pod, _)| pod.starts_with(&format!("{deployment}-")));
    found.map(|(_, status)| status).unwrap_or_default()
}

#[test]
fn a_broken_manifest_is_named_with_line_and_remedy_and_the_rest_runs() {
    let folder = tempfile::tempdir().unwrap();
    let broken = folder.path().join("broken.yaml");
    std::fs::write(
        &broken,
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x}\nspec:\n  replicas: many\n",
    )
    .unwrap();
    let path = broken.display().to_string();
    let data = folder.path().join("data").display().to_string();
    let (code, _, said) = run(&["up", "--data-dir", &data, "-f", &path]);
    assert_eq!(code, Some(1), "nothing is left to run: {said}");
    assert!(
        said.contains(&format!("{path}:5")) && said.contains("replicas") && said.contains("many"),
        "{said}"
    );

    let mut arguments = shop(folder.path(), &deployment("good", "sleeper"));
    arguments.extend(["-f".to_owned(), path]);
    let product = Product::up(folder.path(), &arguments.iter().map(String::as_str).collect::<Vec<_>>());
    eventually("the good one", || state_of(&product, "good")["state"]["running"].is_object().then_some(()));
}

#[test]
fn manifests_come_from_standard_input_too() {
    let folder = tempfile::tempdir().unwrap();
    let mut arguments = shop(folder.path(), "");
    let at = arguments.iter().position(|a| a.ends_with("shop.yaml")).unwrap();
    arguments[at] = "-".to_owned();
    let input = folder.path().join("input.yaml");
    std::fs::write(&input, deployment("piped", "sleeper")).unwrap();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let product = Product::up_reading(folder.path(), &arguments, std::fs::File::open(&input).unwrap().into());
    eventually("the pod", || state_of(&product, "piped")["state"]["running"].is_object().then_some(()));
}

#[test]
fn a_broken_monitor_is_named_and_the_rest_runs() {
    let folder = tempfile::tempdir().unwrap();
    let monitor = "---\napiVersion: monitoring.coreos.com/v1\nkind: ServiceMonitor\nmetadata: {name: slow, namespace: shop}\n\
                   spec:\n  selector: {}\n  endpoints: [{port: web, scrapeTimeout: 2m}]\n";
    let mut product = start(folder.path(), &(deployment("good", "sleeper") + monitor));
    eventually("the good one", || state_of(&product, "good")["state"]["running"].is_object().then_some(()));
    let said = product.said();
    assert!(said.contains("slow") && said.contains("scrapeTimeout") || said.contains("timeout"), "{said}");
}

#[test]
fn a_missing_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().display().to_string();
    let (code, _, said) = run(&["up", "--data-dir", &data, "-f", "no/such.yaml"]);
    assert_eq!(code, Some(1));
    assert!(said.contains("no/such.yaml") && said.contains("hint:"), "{said}");
    let (code, _, said) = run(&["serve", "--storage.tsdb.path", &data, "--config.file", "no/prometheus.yml"]);
    assert_eq!(code, Some(1));
    assert!(said.contains("no/prometheus.yml") && said.contains("hint:"), "{said}");
}

#[test]
fn a_wrong_prometheus_configuration_is_refused_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let check = |config: &str, expected: &[&str]| {
        let file = folder.path().join("prometheus.yml");
        std::fs::write(&file, config).unwrap();
        let (file, data) = (file.display().to_string(), folder.path().display().to_string());
        let (code, _, said) = run(&["serve", "--storage.tsdb.path", &data, "--config.file", &file]);
        assert_eq!(code, Some(1), "{config}");
        assert!(said.contains(&file), "{said}");
        for part in expected {
            assert!(said.contains(part), "{part:?} is not in {said:?}");
        }
    };
    check("global:\n  scrape_intervall: 5s\n", &[":2", "scrape_intervall"]);
    check("global:\n  scrape_interval: 5\n", &[":2", "hint:"]);
    check("scrape_configs:\n  - job_name: a\n  - job_name: a\n", &["a", "job_name"]);
    check(
        "scrape_configs:\n  - job_name: a\n    relabel_configs:\n      - {action: keep, regex: '('}\n",
        &["("],
    );
}

#[test]
fn a_port_in_use_is_named_with_the_flag_that_moves_it() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let folder = tempfile::tempdir().unwrap();
    let mut arguments = vec!["up".to_owned(), "--data-dir".to_owned(), folder.path().display().to_string()];
    arguments.extend(shop(folder.path(), &deployment("good", "sleeper")));
    arguments.extend(["--ui-listen-address".to_owned(), address.clone()]);
    let (code, _, said) = run(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(code, Some(1));
    assert!(said.contains(&address) && said.contains("--ui-listen-address"), "{said}");
}

#[test]
fn an_address_that_others_reach_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("prometheus.yml");
    std::fs::write(&file, "global: {}\n").unwrap();
    let (file, data) = (file.display().to_string(), folder.path().display().to_string());
    let (code, _, said) = run(&[
        "serve",
        "--config.file",
        &file,
        "--storage.tsdb.path",
        &data,
        "--web.listen-address",
        "0.0.0.0:0",
    ]);
    assert_eq!(code, Some(1));
    assert!(said.contains("0.0.0.0") && said.contains("127.0.0.1"), "{said}");
}

#[test]
fn an_image_without_a_program_waits_and_says_what_to_write() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = deployment("good", "sleeper") + &deployment("bad", "registry.example/nowhere:1");
    let mut product = start(folder.path(), &manifest);
    let waiting = eventually("the waiting pod", || {
        let status = state_of(&product, "bad");
        let waiting = status.pointer("/state/waiting").cloned()?;
        waiting["reason"].as_str().is_some_and(|r| r.contains("Image")).then_some(waiting)
    });
    let message = waiting["message"].as_str().unwrap_or_default();
    assert!(message.contains("registry.example/nowhere") && message.contains("tidewatch.yaml"), "{waiting}");
    eventually("the word in the terminal", || product.shown().contains("ErrImagePull").then_some(()));
    eventually("the good one", || state_of(&product, "good")["state"]["running"].is_object().then_some(()));
}

#[test]
fn a_crashing_pod_backs_off_and_the_others_run() {
    let folder = tempfile::tempdir().unwrap();
    let product = start(folder.path(), &(deployment("good", "sleeper") + &deployment("bad", "crasher")));
    let status = eventually("CrashLoopBackOff", || {
        let status = state_of(&product, "bad");
        (status.pointer("/state/waiting/reason")? == "CrashLoopBackOff").then_some(status)
    });
    assert_eq!(status["lastState"]["terminated"]["exitCode"], 3, "{status}");
    let (pod, _) = containers(&product).into_iter().find(|(pod, _)| pod.starts_with("bad-")).unwrap();
    let log = get(&format!("{}/api/v1/namespaces/shop/pods/{pod}/log", product.address("/ui"))).1;
    assert!(log.contains("boom"), "{log}");
    assert!(state_of(&product, "good")["state"]["running"].is_object());
}

#[test]
fn a_target_that_answers_rubbish_is_down_with_the_reason_and_the_others_are_scraped() {
    let folder = tempfile::tempdir().unwrap();
    let (good, bad) = (Page::text("fine 1\n"), Page::text("fine 1\nthis is { rubbish\n"));
    let config = format!(
        "global: {{scrape_interval: 200ms, scrape_timeout: 200ms}}\nscrape_configs:\n  - job_name: mixed\n    \
         static_configs: [{{targets: ['{}', '{}']}}]\n",
        good.address(),
        bad.address()
    );
    let product = Product::serve(folder.path(), &config);
    let targets = eventually("both scraped", || {
        let targets = product.api("/api/v1/targets")["data"]["activeTargets"].as_array()?.clone();
        targets.iter().all(|t| t["health"] != "unknown").then_some(targets)
    });
    let of =
        |page: &Page| targets.iter().find(|t| t["labels"]["instance"] == page.address()).unwrap().clone();
    assert_eq!(of(&good)["health"], "up");
    assert_eq!(of(&bad)["health"], "down");
    let error = of(&bad)["lastError"].as_str().unwrap().to_owned();
    assert!(error.contains("rubbish") || error.contains("line 2"), "{error}");
    assert_eq!(product.values("fine").len(), 1, "nothing of the broken page is stored");
    assert_eq!(product.values(&format!("up{{instance=\"{}\"}}", bad.address())), [0.0]);
}

#[test]
fn a_query_that_would_load_too_much_is_refused_with_the_limit_to_raise() {
    let folder = tempfile::tempdir().unwrap();
    let page = Page::text(&(0..200).map(|n| format!("many{{n=\"{n}\"}} {n}\n")).collect::<String>());
    let file = folder.path().join("prometheus.yml");
    let config = format!(
        "global: {{scrape_interval: 200ms, scrape_timeout: 200ms}}\nscrape_configs:\n  - job_name: big\n    \
         static_configs: [{{targets: ['{}']}}]\n",
        page.address()
    );
    std::fs::write(&file, config).unwrap();
    let (file, data) = (file.display().to_string(), folder.path().display().to_string());
    let mut arguments = vec!["serve", "--config.file", &file, "--storage.tsdb.path", &data];
    arguments.extend(["--web.listen-address", "127.0.0.1:0", "--query.max-samples", "100"]);
    arguments.extend(ANY_FURTHER_PORTS);
    let product = Product::start(&arguments, folder.path());
    eventually("up", || (product.values("up") == [1.0]).then_some(()));
    let (status, body) = get(&format!("{}/api/v1/query?query=many", product.address("/prometheus")));
    assert_eq!(status, 422, "{body}");
    assert!(body.contains("too many samples") && body.contains("query.max-samples"), "{body}");
    assert_eq!(product.values("up"), [1.0]);
}

#[test]
fn a_full_disk_is_said_survived_and_left_behind_when_there_is_space_again() {
    let folder = tempfile::tempdir().unwrap();
    let disk = folder.path().join("disk");
    std::fs::create_dir(&disk).unwrap();
    let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"]).arg(&disk).output();
    if !mount.is_ok_and(|m| m.status.success()) {
        eprintln!("skipped: this user may not mount a small file system");
        return;
    }
    let _unmount = Unmount(disk.clone());
    let filler = disk.join("filler");
    let page = Page::text(&(0..500).map(|n| format!("row{{n=\"{n}\"}} {n}\n")).collect::<String>());
    let config = format!(
        "global: {{scrape_interval: 100ms, scrape_timeout: 100ms}}\nscrape_configs:\n  - job_name: test\n    \
         static_configs: [{{targets: ['{}']}}]\n",
        page.address()
    );
    let product = Product::serve(&disk, &config);
    eventually("up", || (product.values("up") == [1.0]).then_some(()));
    // `cp` of zeros until the disk is full
    let _ =
        Command::new("dd").args(["if=/dev/zero", "bs=4096"]).arg(format!("of={}", filler.display())).output();
    let error = eventually("the target's error", || {
        let error =
            product.api("/api/v1/targets")["data"]["activeTargets"][0]["lastError"].as_str()?.to_owned();
        (!error.is_empty()).then_some(error)
    });
    assert!(error.contains("No space left") || error.contains("os error 28"), "{error}");
    assert_eq!(get(&format!("{}/-/healthy", product.address("/prometheus"))).0, 200);
    std::fs::remove_file(&filler).unwrap();
    eventually("up again", || {
        let target = &product.api("/api/v1/targets")["data"]["activeTargets"][0];
        (target["health"] == "up" && target["lastError"] == "").then_some(())
    });
}

struct Unmount(std::path::PathBuf);

impl Drop for Unmount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn checks_of_files_end_with_promtools_and_amtools_exit_codes() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).unwrap();
        folder.path().join(name).display().to_string()
    };
    let check = |arguments: &[&str], expected: i32, words: &str| {
        let (code, out, err) = run(&[&["check"], arguments].concat());
        assert_eq!(code, Some(expected), "{arguments:?}: {out}{err}");
        assert!(format!("{out}{err}").contains(words), "{arguments:?}: {out}{err}");
    };
    let wrong = write("wrong.yml", "groups: [{name: g, rules: [{record: a, expr: 'b('}]}]");
    let twice =
        write("twice.yml", "groups: [{name: g, rules: [{record: a, expr: b}, {record: a, expr: c}]}]");
    check(&["rules", &twice], 0, "1 duplicate rule(s) found");
    check(&["rules", "--lint-fatal", &twice], 3, "--lint found something in 1 of 1 files");
    check(&["rules", "--lint-fatal", "--lint=none", &twice], 0, "SUCCESS: 2 rules found");
    check(&["rules", "--lint-fatal", &twice, &wrong], 1, "wrong.yml");
    check(&["rules", "--lint=nosuch", &twice], 2, "[possible values: duplicate-rules, all, none]");
    let slow = write("slow.yml", "scrape_configs: [{job_name: a, scrape_interval: 10m}]");
    check(&["config", "--lint-fatal", &slow], 0, "is valid prometheus config file syntax");
    check(&["config", "--lint-fatal", "--lint=too-long-scrape-interval", &slow], 3, "job: a, interval: 10m");
    let nobody = write("am.yml", "route: {receiver: x}\nreceivers: [{name: a}]\n");
    check(&["alertmanager", &nobody], 1, "undefined receiver");
}
