//! Every mistake is found in one run, with file, line, field, value and remedy.

use std::path::PathBuf;
use tidewatch_manifest::{load, load_text, load_usable};

const DEPLOYMENT: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
        - name: web
          image: web:1
";

/// Reads the Deployment above with more lines at its end and expects just this error or warning.
fn check(more: &str, errors: bool, expected: &str) {
    let text = format!("{DEPLOYMENT}{more}");
    let found = match load_text("web.yaml", &text) {
        Ok(manifests) if !errors => manifests.warnings,
        Err(found) if errors => found,
        other => panic!("{more}: {other:?}"),
    };
    let shown: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert_eq!(shown, [expected], "{more}");
}

#[test]
fn wrong_values_are_errors() {
    check(
        "          ports: [{containerPort: http}]\n",
        true,
        "web.yaml:12:35: Deployment/web: spec.template.spec.containers[0].ports[0].containerPort: \
         must be a whole number, is text \"http\"",
    );
    check(
        "          ports: [{containerPort: 70000}]\n",
        true,
        "web.yaml:12:35: Deployment/web: spec.template.spec.containers[0].ports[0].containerPort: \
         must be from 1 to 65535, is 70000",
    );
    check(
        "          env: [{name: A, value: 8000}]\n",
        true,
        "web.yaml:12:34: Deployment/web: spec.template.spec.containers[0].env[0].value: \
         must be text, is number 8000\n  hint: put the value in quotes",
    );
    check(
        "          resources: {limits: {memory: 128MB}}\n",
        true,
        "web.yaml:12:40: Deployment/web: spec.template.spec.containers[0].resources.limits['memory']: \
         invalid quantity \"128MB\"\n  hint: write e.g. 250m or 0.5 for cpu, 128Mi or 1Gi for memory",
    );
    check(
        "          livenessProbe: {tcpSocket: {port: 80}, successThreshold: 2}\n",
        true,
        "web.yaml:12:68: Deployment/web: spec.template.spec.containers[0].livenessProbe.successThreshold: \
         must be 1 for a livenessProbe, is 2",
    );
    check(
        "          readinessProbe: {periodSeconds: 5}\n",
        true,
        "web.yaml:12:27: Deployment/web: spec.template.spec.containers[0].readinessProbe.httpGet: \
         no handler is given\n  hint: set one of httpGet, tcpSocket, exec, grpc",
    );
    check(
        "        - image: other:1\n",
        true,
        "web.yaml:12:11: Deployment/web: spec.template.spec.containers[1].name: required field is missing",
    );
}

#[test]
fn unknown_fields_are_warnings() {
    check(
        "          imagePullPolice: Always\n",
        false,
        "web.yaml:12:11: Deployment/web: spec.template.spec.containers[0].imagePullPolice: unknown field, ignored\n  \
         hint: did you mean imagePullPolicy?",
    );
    check(
        "          readinessProbe: {tcpSocket: {port: 80}, periodSecond: 5}\n",
        false,
        "web.yaml:12:51: Deployment/web: spec.template.spec.containers[0].readinessProbe.periodSecond: \
         unknown field, ignored\n  hint: did you mean periodSeconds?",
    );
}

#[test]
fn all_mistakes_of_all_files_are_told_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write(
        "a.yaml",
        "kind: Deployment\n---\napiVersion: v1\nkind: Service\nmetadata: {name: x}\nspec: {ports: [{port: 0}]}\n",
    );
    write("b.yml", "a: [1\n");
    write(
        "c.json",
        "{\"apiVersion\": \"v1\", \"kind\": \"ConfigMap\", \"metadata\": {\"name\": \"c\"}, \"data\": {\"a\": 1}}",
    );
    write("ignored.txt", "{{{");
    let errors = load(&[folder.path().to_owned(), PathBuf::from("no-such-file.yaml")]).unwrap_err();
    let shown: Vec<String> =
        errors.iter().map(|error| error.to_string().replace(folder.path().to_str().unwrap(), "")).collect();
    assert!(shown[0].starts_with("/a.yaml:1:1: apiVersion: required field is missing"), "{shown:#?}");
    assert!(
        shown[1].starts_with("/a.yaml:6:23: Service/x: spec.ports[0].port: must be from 1 to 65535, is 0"),
        "{shown:#?}"
    );
    assert!(
        shown.iter().any(|error| error.starts_with("/b.yml:") && error.contains("not valid YAML")),
        "{shown:#?}"
    );
    assert!(
        shown.iter().any(|error| error.starts_with("/c.json:1:") && error.contains("data['a']")),
        "{shown:#?}"
    );
    assert!(shown.last().unwrap().starts_with("no-such-file.yaml: cannot be read"), "{shown:#?}");
}

#[test]
fn a_chart_is_not_a_folder_of_manifests() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("Chart.yaml"), "name: x\n").unwrap();
    let error = load(&[folder.path().to_owned()]).unwrap_err().remove(0).to_string();
    assert!(
        error.contains("is a Helm chart") && error.contains("hint: render it first (helm template"),
        "{error}"
    );
    let errors = load_text("hpa.yaml", "apiVersion: autoscaling/v2\nmetadata:\n  name: {{ .Values.name }}\n")
        .unwrap_err();
    assert!(errors[0].to_string().contains("is a Helm template"), "{errors:?}");
}

#[test]
fn lists_and_old_versions() {
    let list = "apiVersion: v1\nkind: List\nitems:\n  - apiVersion: v1\n    kind: Namespace\n    metadata: {name: a}\n  \
                - {apiVersion: kafka.strimzi.io/v1, kind: KafkaTopic, metadata: {name: t}}\n";
    let manifests = load_text("list.yaml", list).unwrap();
    assert_eq!((manifests.namespaces[0].name.as_str(), manifests.namespaces[0].source.line), ("a", 4));
    assert_eq!(
        (manifests.others[0].kind.as_str(), manifests.others[0].meta.namespace.as_str()),
        ("KafkaTopic", "default")
    );
    let errors = load_text("old.yaml", "apiVersion: autoscaling/v2beta2\nkind: HorizontalPodAutoscaler\n")
        .unwrap_err();
    assert_eq!(
        errors[0].to_string(),
        "old.yaml:1:13: HorizontalPodAutoscaler/?: apiVersion: HorizontalPodAutoscaler of \"autoscaling/v2beta2\" is not \
         supported\n  hint: write apiVersion: autoscaling/v2"
    );
}

#[test]
fn secrets_are_never_shown() {
    let text = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {a: hunter2}\ndata: {b: 12345, c: 'hunter3!'}\n";
    let errors = load_text("s.yaml", text).unwrap_err();
    let shown = format!("{errors:?}");
    assert!(errors.len() == 2 && !shown.contains("12345") && !shown.contains("hunter"), "{shown}");
    let good = load_text("s.yaml", &text.replace("12345", "aHVudGVyMg==").replace("hunter3!", "")).unwrap();
    assert_eq!(good.secrets[0].data["b"].reveal(), b"hunter2");
    assert!(!format!("{good:?}").contains("hunter"));
}

#[test]
fn a_file_that_is_cut_off_or_scrambled_is_an_error_with_a_place_or_is_read() {
    let chart = concat!(env!("CARGO_MANIFEST_DIR"), "/../../kubernetes/todo-app-prod.yaml");
    let text = std::fs::read_to_string(chart).unwrap();
    let check = |text: &str| {
        for error in load_text("chart.yaml", text).err().into_iter().flatten() {
            assert!(error.to_string().starts_with("chart.yaml:"), "{error}");
            assert!(error.position.is_some_and(|(line, column)| line > 0 && column > 0), "{error:?}");
            assert!(
                error.position.is_some_and(|(line, _)| line <= text.lines().count() as u64 + 1),
                "{error:?}"
            );
        }
    };
    for cut in (0..text.len()).step_by(397).filter(|cut| text.is_char_boundary(*cut)) {
        check(&text[..cut]);
        for strange in [":", "\t", "[", "\"", "- ", "&a *a", "\u{0}", "!!int x"] {
            let end = (cut + 700).min(text.len());
            if text.is_char_boundary(end) {
                check(&format!("{}{strange}{}", &text[cut.saturating_sub(700)..cut], &text[cut..end]));
            }
        }
    }
}

#[test]
fn names_that_become_folders_are_no_paths() {
    const LABEL: &str =
        "use at most 63 lower case letters, digits and '-', beginning and ending with a letter or digit";
    const KEY: &str = "use at most 253 letters, digits, '-', '_' and '.', not beginning with '..'";
    fn wrong(text: &str, expected: &str) {
        let found = load_text("app.yaml", text).unwrap_err();
        let shown: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(shown, [expected], "{text}");
    }
    for name in ["/etc", "../../home", "..", "a.b", "Web", "-a", &"a".repeat(64)] {
        check(
            &format!("        - {{name: {name:?}, image: x}}\n"),
            true,
            &format!(
                "web.yaml:12:18: Deployment/web: spec.template.spec.containers[1].name: {name:?} is no valid \
                 container name\n  hint: {LABEL}"
            ),
        );
        check(
            &format!("      volumes: [{{name: {name:?}, emptyDir: {{}}}}]\n"),
            true,
            &format!(
                "web.yaml:12:24: Deployment/web: spec.template.spec.volumes[0].name: {name:?} is no valid \
                 volume name\n  hint: {LABEL}"
            ),
        );
        wrong(
            &DEPLOYMENT.replace("namespace: shop", &format!("namespace: {name:?}")),
            &format!(
                "app.yaml:3:34: Deployment/web: metadata.namespace: {name:?} is no valid namespace name\n  hint: {LABEL}"
            ),
        );
    }
    wrong(
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: a.b}\n",
        &format!(
            "app.yaml:3:18: Namespace/a.b: metadata.name: \"a.b\" is no valid namespace name\n  hint: {LABEL}"
        ),
    );
    for (kind, field) in [("ConfigMap", "data"), ("Secret", "data"), ("Secret", "stringData")] {
        wrong(
            &format!("apiVersion: v1\nkind: {kind}\nmetadata: {{name: c}}\n{field}: {{../../x: ''}}\n"),
            &format!(
                "app.yaml:4:{}: {kind}/c: {field}: \"../../x\" is no valid key\n  hint: {KEY}",
                field.len() + 3
            ),
        );
    }
}

#[test]
fn of_objects_that_are_there_twice_the_first_counts() {
    let monitor = |path: &str| {
        format!(
            "apiVersion: monitoring.coreos.com/v1\nkind: ServiceMonitor\nmetadata: {{name: web, namespace: shop}}\n\
             spec: {{selector: {{}}, endpoints: [{{port: http, path: {path}}}]}}\n"
        )
    };
    let namespace = |name: &str| monitor("/").replace("shop", name);
    let config = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web, namespace: shop}\n";
    let topic = "apiVersion: kafka.strimzi.io/v1\nkind: KafkaTopic\nmetadata: {name: t}\n";
    // Another API group's kind of the same name is another kind.
    let other_topic = topic.replace("kafka.strimzi.io", "example.com");
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, texts: &[&str]| {
        let path = folder.path().join(name);
        std::fs::write(&path, texts.join("---\n")).unwrap();
        path
    };
    let files = [
        write("a.yaml", &[&monitor("/one"), config, topic, &other_topic]),
        write("b.yaml", &[&namespace("other"), &monitor("/two"), topic, &monitor("/three")]),
    ];
    let (manifests, errors) = load_usable(&files);
    let shown: Vec<String> = errors
        .iter()
        .map(|error| error.to_string().replace(&format!("{}/", folder.path().display()), ""))
        .collect();
    let twice = |place: &str, object: &str, first: &str| {
        format!(
            "{place}:1: {object}: is there twice and left out here; the first is at {first}\n  hint: remove or rename \
             one of the two"
        )
    };
    assert_eq!(
        shown,
        [
            twice("b.yaml:6", "ServiceMonitor/web", "a.yaml:1"),
            twice("b.yaml:15", "ServiceMonitor/web", "a.yaml:1"),
            twice("b.yaml:11", "KafkaTopic/t", "a.yaml:10"),
        ]
    );
    let kept: Vec<(&str, &str)> = manifests
        .service_monitors
        .iter()
        .map(|monitor| (monitor.meta.namespace.as_str(), monitor.endpoints[0].path.as_deref().unwrap()))
        .collect();
    assert_eq!(kept, [("shop", "/one"), ("other", "/")]);
    assert_eq!((manifests.others.len(), manifests.config_maps.len()), (2, 1));
    assert_eq!(load(&files).unwrap_err(), errors);
    let text = format!("{config}---\n{config}");
    assert_eq!(
        load_text("c.yaml", &text).unwrap_err()[0].to_string(),
        twice("c.yaml:5", "ConfigMap/web", "c.yaml:1")
    );
}
