//! Tracing put together: settings → sampler, queue, exporter → tracer.
//!
//! Input: settings and the process's name. Output: a [`Tracer`], and two background tasks: one that exports, one that asks for the
//! sampling strategy when the sampler is a remote one. Deliberately without logic of its own.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::http::Uri;
use prometheus_client::registry::Registry;
use tokio::{sync::watch, task::JoinHandle};

use crate::{
    Error, Result, TraceSettings, Tracer,
    export_metrics::{DropReason, ExportMetrics, register_polls},
    exporter::Exporter,
    http_client,
    remote_sampler::{Poller, Strategies},
    resource::{Envelope, resource},
    sampler::{Root, Sampler, Share},
    span_queue::SpanQueue,
    trace_settings::{ExportSettings, RemoteSettings, RootSettings},
};

/// How long connecting to a receiver may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Longest wait for the last spans at the end of the process: a receiver that is away must not hold it up.
const LONGEST_FLUSH: Duration = Duration::from_secs(5);

/// Tracing of one process, from start to end.
#[derive(Debug)]
pub struct TracePipeline {
    tracer: Tracer,
    closing: watch::Sender<bool>,
    exporting: Option<Exporting>,
}

#[derive(Debug)]
struct Exporting {
    queue: Arc<SpanQueue>,
    metrics: ExportMetrics,
    under_way: Arc<AtomicUsize>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl TracePipeline {
    /// Records nothing; contexts are passed on.
    pub fn off() -> Self {
        Self { tracer: Tracer::off(), closing: watch::Sender::new(false), exporting: None }
    }

    /// Starts the background tasks and reports in `registry`. `service` and `version` hold unless the environment says otherwise.
    /// Must be called within a tokio runtime.
    ///
    /// # Errors
    /// [`Error::Setting`] when the service's name makes no address for asking for its sampling strategy.
    pub fn start(
        settings: &TraceSettings,
        service: &str,
        version: &str,
        registry: &mut Registry,
    ) -> Result<Self> {
        let Some(export) = &settings.export else { return Ok(Self::off()) };
        let closing = watch::Sender::new(false);
        let metrics = ExportMetrics::register(registry);
        let queue = Arc::new(SpanQueue::new(export.max_queue, export.max_batch, metrics.clone()));
        let (pod, namespace) = (settings.pod.as_deref(), settings.namespace.as_deref());
        let resource = resource(service, version, pod, namespace, &settings.resource);
        let root = match &settings.sampler.root {
            RootSettings::Always => Root::Always,
            RootSettings::Never => Root::Never,
            RootSettings::Share(share) => Root::Share(Share::new(*share)),
            RootSettings::Remote(remote) => {
                let strategies = Arc::new(Strategies::new(remote.initial_rate));
                let poller = poller(remote, Arc::clone(&strategies), &resource["service.name"], registry)?;
                tokio::spawn(poller.run(closing.subscribe()));
                Root::Remote(strategies)
            }
        };
        let sampler = Sampler { parent_based: settings.sampler.parent_based, root };
        let under_way = Arc::new(AtomicUsize::new(0));
        let exporter = exporter(export, Envelope::new(&resource), &queue, &metrics, &under_way);
        let task = Mutex::new(Some(tokio::spawn(exporter.run(closing.subscribe()))));
        let tracer = Tracer::new(sampler, Arc::clone(&queue));
        Ok(Self { tracer, closing, exporting: Some(Exporting { queue, metrics, under_way, task }) })
    }

    /// What makes spans.
    pub fn tracer(&self) -> &Tracer {
        &self.tracer
    }

    /// Sends the waiting spans, for at most `longest` and at most five seconds. Spans that end later are counted as dropped.
    pub async fn close(&self, longest: Duration) {
        self.closing.send_replace(true);
        let Some(exporting) = &self.exporting else { return };
        let task = exporting.task.lock().expect("no holder of this lock panics").take();
        let Some(mut task) = task else { return };
        let ended = tokio::time::timeout(longest.min(LONGEST_FLUSH), &mut task).await.is_ok();
        task.abort();
        exporting.queue.close();
        let mut lost = if ended { 0 } else { exporting.under_way.load(Ordering::Relaxed) };
        while let Some(batch) = exporting.queue.take(false) {
            lost += batch.spans;
        }
        if lost > 0 {
            exporting.metrics.dropped(DropReason::Shutdown, lost as u64);
            tracing::warn!(lost, "spans were not exported before the end");
        }
    }
}

fn exporter(
    settings: &ExportSettings,
    envelope: Envelope,
    queue: &Arc<SpanQueue>,
    metrics: &ExportMetrics,
    under_way: &Arc<AtomicUsize>,
) -> Exporter {
    Exporter {
        queue: Arc::clone(queue),
        client: http_client(CONNECT_TIMEOUT),
        address: settings.address.clone(),
        headers: settings.headers.clone(),
        envelope,
        policy: settings.policy.clone(),
        metrics: metrics.clone(),
        under_way: Arc::clone(under_way),
    }
}

fn poller(
    settings: &RemoteSettings,
    strategies: Arc<Strategies>,
    service: &str,
    registry: &mut Registry,
) -> Result<Poller> {
    let separator = if settings.endpoint.query().is_some() { '&' } else { '?' };
    let address = format!("{}{separator}service={}", settings.endpoint, query_encoded(service));
    let address: Uri = address.parse().map_err(|_| Error::Setting {
        name: "OTEL_SERVICE_NAME",
        value: service.to_owned(),
        reason: "too long to ask for its sampling strategy".to_owned(),
        hint: "set OTEL_SERVICE_NAME to a short name such as todo-backend".to_owned(),
    })?;
    let (succeeded, failed) = register_polls(registry);
    let interval = settings.polling_interval;
    Ok(Poller { strategies, client: http_client(CONNECT_TIMEOUT), address, interval, succeeded, failed })
}

fn query_encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
        encoded
    })
}
