//! The backend put together: settings → database → outbox and relay → routes → listening → drained.
//!
//! Input: settings. Output: a running process, or just its router for benchmarks. Deliberately without logic of its own.

use std::{sync::Arc, time::Duration};

use axum::Router;
use prometheus_client::registry::Registry;
use todo_telemetry::{
    Database, FaultSurface, Faults, HttpMetrics, Lifecycle, Listeners, Probe, Routes, ServeOutcome,
    TracePipeline, Tracer, health_routes, metrics_routes, new_registry, prepare_database, stop_signal,
};

use crate::{
    BackendSettings, Result,
    api::{Api, task_routes},
    metrics::{EventMetrics, TaskMetrics},
    outbox::Outbox,
    outbox_metrics::OutboxGauges,
    publisher::Publisher,
    relay::{RelayTask, start_relay},
    schema::SCHEMA,
    store::TaskStore,
};

/// Whether requests, queries and events are counted, timed and traced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instrumentation {
    /// As the product always runs.
    On,
    /// For the benchmark that says what instrumentation costs.
    Off,
}

/// The parts of a backend.
pub struct App {
    database: Database,
    lifecycle: Lifecycle,
    registry: Arc<Registry>,
    faults: Faults,
    api: Arc<Api>,
    relay: RelayTask,
    http: Option<HttpMetrics>,
    traces: Option<TracePipeline>,
}

impl App {
    /// Prepares everything that does not listen. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// When `DATABASE_URL` or the service's name cannot be used.
    pub fn new(settings: &BackendSettings, instrumentation: Instrumentation) -> Result<Self> {
        let mut registry = new_registry();
        let mut database = Database::open("DATABASE_URL", &settings.database_url)?;
        let measured = instrumentation == Instrumentation::On;
        if measured {
            database.register(&mut registry);
        }
        let (tracing, version) = (&settings.listen.tracing, env!("CARGO_PKG_VERSION"));
        let traces = measured.then(|| TracePipeline::start(tracing, "todo-backend", version, &mut registry));
        let traces = traces.transpose()?;
        let tracer = traces.as_ref().map_or_else(Tracer::off, |traces| traces.tracer().clone());
        let lifecycle = Lifecycle::new();
        let gauges = OutboxGauges::default();
        if measured {
            gauges.register(&mut registry);
        }
        let events = measured.then(|| EventMetrics::register(&mut registry));
        let surface = FaultSurface { consumes: None, publishes: settings.publishing.is_some() };
        let faults = &settings.listen.faults;
        let faults = measured.then(|| Faults::start(faults, surface, &mut registry));
        let faults = faults.unwrap_or_else(Faults::off);
        let publisher = settings.publishing.clone();
        let publisher =
            publisher.map(|settings| Publisher::new(settings, tracer, events.clone(), faults.clone()));
        let outbox = Outbox::new(database.clone());
        tokio::spawn(undo_refusals(faults.clone(), outbox.clone()));
        let (handle, relay) = start_relay(outbox, publisher, gauges, events, lifecycle.clone());
        let metrics = measured.then(|| TaskMetrics::register(&mut registry));
        let http = measured.then(|| HttpMetrics::register(&mut registry));
        let api = Arc::new(Api { store: TaskStore::new(database.clone(), handle), metrics });
        let registry = Arc::new(registry);
        Ok(Self { database, lifecycle, registry, faults, api, relay, http, traces })
    }

    /// The routes that people and probes use.
    pub fn router(&self) -> Router {
        let database = self.database.clone();
        let probe: Probe = Arc::new(move || {
            let database = database.clone();
            Box::pin(async move { database.ping().await.map_err(|error| error.to_string()) })
        });
        let routes = Routes::new(self.http.as_ref()).with_faults(&self.faults);
        let routes = match &self.traces {
            Some(traces) => routes.traced(traces.tracer()),
            None => routes,
        };
        task_routes(routes)
            .uncounted(health_routes(self.lifecycle.clone(), Some(probe)))
            .finish(Arc::clone(&self.api))
    }

    /// The route that Prometheus uses, and those by which faults are caused.
    pub fn metrics_router(&self) -> Router {
        metrics_routes(Arc::clone(&self.registry), &self.faults)
    }

    /// Brings the database to this release's schema, then declares the process ready. A database that is away is awaited in
    /// the background.
    ///
    /// # Errors
    /// When waiting would not help.
    pub async fn prepare(&self) -> Result<()> {
        Ok(prepare_database(&self.database, &SCHEMA, &self.lifecycle).await?)
    }

    /// Ends the attempts to publish that are under way within `longest`, then closes the database, and sends the last spans.
    pub async fn close(&self, longest: Duration) {
        self.relay.close(longest).await;
        self.database.close().await;
        if let Some(traces) = &self.traces {
            traces.close(longest).await;
        }
    }
}

/// Offers again what was refused because events were malformed on demand: a fault that is undone leaves nothing behind.
async fn undo_refusals(faults: Faults, outbox: Outbox) {
    loop {
        faults.events_well_formed_again().await;
        match outbox.offer_again().await {
            Ok(events) => tracing::info!(events, "refused events are offered again"),
            Err(error) => tracing::error!(%error, "refused events could not be offered again"),
        }
    }
}

/// Runs a backend until SIGTERM or SIGINT.
///
/// # Errors
/// Whatever prevents the start; it is text for the log.
pub async fn run(settings: BackendSettings) -> Result<ServeOutcome> {
    let stop = stop_signal()?;
    let app = App::new(&settings, Instrumentation::On)?;
    if settings.publishing.is_none() {
        tracing::warn!("PUBSUB_NAME is not set: events stay in the outbox");
    }
    let listeners = Listeners::bind(&settings.listen).await?;
    app.prepare().await?;
    let outcome = listeners.serve(app.router(), app.metrics_router(), app.lifecycle.clone(), stop).await;
    app.close(settings.listen.shutdown_timeout).await;
    tracing::info!("stopped");
    Ok(outcome)
}
