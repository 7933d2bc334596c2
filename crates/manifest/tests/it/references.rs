//! References between objects that lead nowhere.

use tidewatch_manifest::{Severity, check, load_text};

const SHOP: &str = "\
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
          ports: [{name: http, containerPort: 8000}]
          readinessProbe: {httpGet: {port: http}}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: http}]}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: web, namespace: shop}
spec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}, maxReplicas: 3}
";

/// Changes the text above at one place and expects one finding that holds all of these texts.
fn finds(from: &str, to: &str, severity: Severity, expected: &[&str]) {
    assert!(SHOP.contains(from), "{from}");
    let manifests = load_text("shop.yaml", &SHOP.replacen(from, to, 1)).unwrap();
    let found = check(&manifests);
    let all = || found.iter().map(|finding| finding.error.to_string()).collect::<Vec<_>>();
    assert_eq!(found.len(), 1, "{to}: {:#?}", all());
    assert_eq!(found[0].severity, severity, "{to}: {:#?}", all());
    for part in expected {
        assert!(found[0].error.to_string().contains(part), "{to}: {part}: {:#?}", all());
    }
}

#[test]
fn what_fits_is_left_alone() {
    assert_eq!(check(&load_text("shop.yaml", SHOP).unwrap()), []);
}

#[test]
fn what_leads_nowhere_is_found() {
    use Severity::{Error, Warning};
    finds(
        "selector: {app: web}, ports",
        "selector: {app: wep}, ports",
        Warning,
        &["shop.yaml:15:1: Service/web: spec.selector: selects no pods"],
    );
    finds(
        "targetPort: http",
        "targetPort: htp",
        Error,
        &["no container of Deployment/web declares a port named \"htp\"", "declared are: http"],
    );
    finds(
        "httpGet: {port: http}",
        "httpGet: {port: web}",
        Error,
        &["readinessProbe.httpGet.port", "declares no port named \"web\""],
    );
    finds(
        "kind: Deployment, name: web",
        "kind: Deployment, name: api",
        Error,
        &["there is no Deployment \"api\" in namespace \"shop\""],
    );
    finds(
        "spec:\n  selector",
        "spec:\n  replicas: 2\n  selector",
        Warning,
        &["spec.replicas: sets replicas although HorizontalPodAutoscaler/web"],
    );
    let env = "          env: [{name: DB, valueFrom: {secretKeyRef: {name: db, key: url}}}]\n          readinessProbe";
    finds(
        "          readinessProbe",
        env,
        Warning,
        &["variable DB needs key \"url\" of Secret/db", "hint: add the Secret"],
    );
    finds("port: 80,", "port: 80, protocol: UDP,", Warning, &["spec.ports[0].protocol: UDP is not carried"]);
    let mount = "          volumeMounts: [{name: data, mountPath: /data}]\n          readinessProbe";
    finds("          readinessProbe", mount, Error, &["volumeMounts[0].name: no volume is named \"data\""]);
}
