//! A real kubectl against the server: what it prints.
//!
//! Runs when `kubectl` is on the PATH, or named by `TIDEWATCH_KUBECTL`; otherwise says that it did not. The server's clock
//! stands still, so ages in tables are known; those that kubectl computes itself are not looked at.

use crate::kubernetes::scaled_state;
use crate::served::serve;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use tokio::process::Command;

struct Kubectl<'a> {
    program: String,
    server: SocketAddr,
    home: &'a Path,
}

impl Kubectl<'_> {
    /// Exit status 0 or not, and everything printed, spaces at the ends of lines left out.
    async fn run(&self, arguments: &str) -> (bool, String) {
        let output = Command::new(&self.program)
            .args(["--server", &format!("http://{}", self.server)])
            .args(arguments.split(' '))
            .env_clear()
            .env("HOME", self.home)
            .env("KUBECONFIG", "/dev/null")
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .unwrap();
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8(text).unwrap();
        (output.status.success(), text.lines().map(|line| format!("{}\n", line.trim_end())).collect())
    }
}

fn kubectl() -> Option<String> {
    let program = std::env::var("TIDEWATCH_KUBECTL").unwrap_or_else(|_| "kubectl".to_owned());
    let version = std::process::Command::new(&program).args(["version", "--client"]).output();
    version.is_ok_and(|output| output.status.success()).then_some(program)
}

const PRINTED: &[(&str, &str)] = &[
    (
        "get hpa -A",
        "NAMESPACE       NAME                     REFERENCE                  TARGETS                                MINPODS   MAXPODS   REPLICAS   AGE\n\
         todo-app-prod   keda-hpa-event-service   Deployment/event-service   <unknown>/10 (avg)                     1         5         0          60m\n\
         todo-app-prod   todo-backend-hpa         Deployment/todo-backend    cpu: 143%/70%, memory: <unknown>/80%   2         10        2          60m\n",
    ),
    (
        "get hpa todo-backend-hpa -n todo-app-prod",
        "NAME               REFERENCE                 TARGETS                                MINPODS   MAXPODS   REPLICAS   AGE\n\
         todo-backend-hpa   Deployment/todo-backend   cpu: 143%/70%, memory: <unknown>/80%   2         10        2          60m\n",
    ),
    ("get hpa", "No resources found in default namespace.\n"),
    (
        "get hpa -n todo-app-prod -l app=todo-backend -o name",
        "horizontalpodautoscaler.autoscaling/todo-backend-hpa\n",
    ),
    ("get hpa -A -o jsonpath={.items[*].status.desiredReplicas}", "0 4\n"),
    (
        "get pods -A -o wide",
        "NAMESPACE       NAME             READY   STATUS             RESTARTS   AGE   IP           NODE    NOMINATED NODE   READINESS GATES\n\
         todo-app-prod   todo-backend-1   0/1     CrashLoopBackOff   2          0s    127.64.0.1   local   <none>           <none>\n",
    ),
    ("get pods -A --field-selector status.phase!=Running", "No resources found\n"),
    (
        "get deployments -n todo-app-prod -o wide",
        "NAME           READY   UP-TO-DATE   AVAILABLE   AGE    CONTAINERS      IMAGES                      SELECTOR\n\
         todo-backend   0/2     1            0           2m5s   backend,daprd   backend:0.1.0,daprd:0.1.0   app=todo-backend\n",
    ),
    ("get ns", "NAME            STATUS   AGE\ntodo-app-prod   Active   5s\n"),
    (
        "top pods -A",
        "NAMESPACE       NAME             CPU(cores)   MEMORY(bytes)\n\
         todo-app-prod   todo-backend-1   146m         51Mi\n",
    ),
    (
        "top pods -n todo-app-prod --containers",
        "POD              NAME      CPU(cores)   MEMORY(bytes)\n\
         todo-backend-1   backend   144m         50Mi\n\
         todo-backend-1   daprd     2m           1Mi\n",
    ),
    (
        "top nodes",
        "NAME    CPU(cores)   CPU(%)   MEMORY(bytes)   MEMORY(%)\nlocal   500m         25%      1024Mi          25%\n",
    ),
    ("logs -n todo-app-prod todo-backend-1 --tail 1", "three\n"),
];

/// What must be among what is printed, with one space where columns are apart.
const CONTAINED: &[(&str, &[&str])] = &[
    (
        "describe hpa todo-backend-hpa -n todo-app-prod",
        &[
            "Reference: Deployment/todo-backend\n",
            "resource cpu on pods (as a percentage of request): 143% (143m) / 70%\n",
            "resource memory on pods (as a percentage of request): <unknown> / 80%\n",
            "Min replicas: 2\n",
            "Max replicas: 10\n",
            "Stabilization Window: 120 seconds\n",
            "- Type: Percent Value: 50 Period: 30 seconds\n",
            "Deployment pods: 2 current / 4 desired\n",
            "AbleToScale True SucceededRescale the HPA controller was able to update the target scale to 4\n",
            "horizontal-pod-autoscaler New size: 4\n",
        ],
    ),
    (
        "describe pod todo-backend-1 -n todo-app-prod",
        &["Node: local/127.0.0.1\n", "Reason: CrashLoopBackOff\n", "Back-off restarting failed container\n"],
    ),
    (
        "describe deployment todo-backend -n todo-app-prod",
        &["Selector: app=todo-backend\n", "2 desired | 1 updated | 1 total | 0 available"],
    ),
    ("get events -n todo-app-prod", &["LAST SEEN", "Warning BackOff pod/todo-backend-1"]),
    (
        "get hpa todo-backend-hpa -n todo-app-prod -o yaml",
        &["averageUtilization: 143\n", "desiredReplicas: 4\n", "uid: "],
    ),
    ("get nodes", &["NAME STATUS ROLES AGE VERSION\n", "local Ready <none> 3d tidewatch-0.1.0\n"]),
    (
        "get all -n todo-app-prod",
        &[
            "pod/todo-backend-1",
            "deployment.apps/todo-backend",
            "horizontalpodautoscaler.autoscaling/todo-backend-hpa",
        ],
    ),
    ("get --raw /apis/metrics.k8s.io/v1beta1/nodes", &["\"kind\":\"NodeMetricsList\""]),
    ("api-resources", &["horizontalpodautoscalers hpa", "deployments deploy"]),
    ("version", &["Server Version: v1.34.0+tidewatch-0.1.0\n"]),
];

/// What must be refused, and in which words.
const REFUSED: &[(&str, &str)] = &[
    ("get hpa gone -n todo-app-prod", "horizontalpodautoscalers.autoscaling \"gone\" not found"),
    ("delete pod todo-backend-1 -n todo-app-prod --wait=false", "tidewatch's Kubernetes API only reads"),
    ("scale deployment todo-backend -n todo-app-prod --replicas=3", "tidewatch's Kubernetes API only reads"),
    ("get pods -n todo-app-prod --watch-only", "watch is not supported"),
    ("get services -n todo-app-prod", "the server doesn't have a resource type \"services\""),
];

#[tokio::test]
async fn kubectl_reads_what_is_served() {
    let Some(program) = kubectl() else {
        eprintln!("kubectl is not on the PATH: its output was not compared");
        return;
    };
    let served = serve(scaled_state()).await;
    let home = tempfile::tempdir().unwrap();
    let kubectl = Kubectl { program, server: served.address, home: home.path() };
    for (arguments, expected) in PRINTED {
        let (ended_well, text) = kubectl.run(arguments).await;
        assert!(ended_well && text == *expected, "kubectl {arguments} printed\n{text}instead of\n{expected}");
    }
    for (arguments, parts) in CONTAINED {
        let (ended_well, text) = kubectl.run(arguments).await;
        let apart: String =
            text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ") + "\n").collect();
        let missing = parts.iter().find(|part| !apart.contains(**part));
        assert!(ended_well && missing.is_none(), "kubectl {arguments} printed\n{text}without {missing:?}");
    }
    for (arguments, reason) in REFUSED {
        let (ended_well, text) = kubectl.run(arguments).await;
        assert!(
            !ended_well && text.contains(reason),
            "kubectl {arguments} printed\n{text}instead of {reason}"
        );
    }
    served.stop().await;
}
