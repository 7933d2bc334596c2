//! What is to be run: the workloads and Services of the manifests, and those that operators would make of them.
//!
//! Input: manifests. Output: [`Planned`], brokers first so that they come up first. It opens and starts nothing; what cannot be
//! run is a problem of its own and keeps nothing else from running.

use crate::RuntimeError;
use crate::pod::Workload;
use crate::{dapr, kafka, replicas};
use std::path::Path;
use std::sync::Arc;
use tidewatch_manifest::{Manifests, Service};

/// Workloads and Services, and why others are left out.
#[derive(Default)]
pub(crate) struct Planned {
    pub(crate) workloads: Vec<Arc<Workload>>,
    pub(crate) services: Vec<Service>,
    pub(crate) problems: Vec<RuntimeError>,
}

impl Planned {
    /// Everything of the manifests.
    pub(crate) fn of(manifests: &Manifests, data_folder: &Path) -> Self {
        let mut planned = Self { services: manifests.services.clone(), ..Self::default() };
        for cluster in manifests.kafka_clusters() {
            let (workload, problem) = kafka::workload(&cluster, data_folder);
            planned.problems.extend(problem);
            if let Some(workload) = workload {
                planned.workloads.push(Arc::new(workload));
                kafka::services(&cluster).into_iter().for_each(|service| planned.add_service(service));
            }
        }
        for deployment in &manifests.deployments {
            match Workload::new(deployment, replicas::initial(manifests, deployment)) {
                Ok(workload) => {
                    if let Some(sidecar) = &workload.dapr {
                        planned.add_service(dapr::service(deployment, sidecar));
                    }
                    planned.workloads.push(Arc::new(workload));
                }
                Err(problem) => planned.problems.push(problem),
            }
        }
        planned
    }

    /// Adds a Service unless the manifests have it themselves.
    fn add_service(&mut self, service: Service) {
        let same = |other: &Service| {
            other.meta.namespace == service.meta.namespace && other.meta.name == service.meta.name
        };
        if !self.services.iter().any(same) {
            self.services.push(service);
        }
    }
}
