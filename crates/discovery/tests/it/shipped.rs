//! The ServiceMonitors of this repository find the application's targets, with the labels they have in a cluster.

use crate::{jobs, service};
use std::path::PathBuf;
use std::time::Duration;
use tidewatch_discovery::diagnose;
use tidewatch_manifest::load;

#[test]
fn every_service_of_the_application_is_scraped_once() {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../kubernetes/monitoring"));
    let names = ["backend", "event-service", "frontend"];
    let files: Vec<PathBuf> =
        names.iter().map(|name| folder.join(format!("{name}-servicemonitor.yaml"))).collect();
    let monitors = load(&files).unwrap().service_monitors;
    let services = ["event-service", "todo-backend", "todo-frontend"];
    let endpoints: Vec<_> =
        services.iter().map(|name| service("todo-app-prod", name, &[("app", name)], 1)).collect();
    assert_eq!(diagnose(&monitors, &endpoints), []);
    let jobs = jobs(&monitors);
    assert_eq!(jobs.len(), 3);
    for (job, name) in jobs.iter().zip(services) {
        let (config, groups) = job.with_targets(&endpoints);
        assert_eq!(config.scrape_interval, Duration::from_secs(30));
        assert!(config.honor_labels, "the application has a label endpoint of its own");
        let kept: Vec<String> = groups
            .iter()
            .flat_map(|group| group.targets.iter().map(|target| (&group.labels, target)))
            .filter_map(|(group, target)| {
                let mut labels = group.to_builder();
                for (name, value) in target {
                    labels.set(name, value);
                }
                let kept = tidewatch_model::relabel(&mut labels, &config.relabel_configs);
                let picked = ["job", "namespace", "service", "endpoint"]
                    .map(|label| labels.get(label).unwrap_or("-").to_owned());
                kept.then(|| picked.join(" "))
            })
            .collect();
        assert_eq!(kept, [format!("{name} todo-app-prod {name} metrics")]);
    }
}
