//! The event service put together: settings → database → routes → listening → drained.
//!
//! Input: settings. Output: a running process. Deliberately without logic of its own.

use std::sync::Arc;

use todo_telemetry::{
    Database, FaultSurface, Faults, HttpMetrics, Lifecycle, Listeners, Probe, Routes, ServeOutcome,
    TracePipeline, health_routes, metrics_routes, new_registry, prepare_database, stop_signal,
};

use crate::{
    EventServiceSettings, Result,
    api::{Api, EVENTS, activity_routes},
    metrics::EventMetrics,
    schema::SCHEMA,
    store::ActivityStore,
};

/// Runs an event service until SIGTERM or SIGINT.
///
/// # Errors
/// Whatever prevents the start; it is text for the log.
pub async fn run(settings: EventServiceSettings) -> Result<ServeOutcome> {
    let stop = stop_signal()?;
    let mut registry = new_registry();
    let mut database = Database::open("DATABASE_URL", &settings.database_url)?;
    database.register(&mut registry);
    let http = HttpMetrics::register(&mut registry);
    let metrics = EventMetrics::register(&mut registry);
    let (tracing, version) = (&settings.listen.tracing, env!("CARGO_PKG_VERSION"));
    let traces = TracePipeline::start(tracing, "event-service", version, &mut registry)?;
    let surface = FaultSurface { consumes: Some(EVENTS), publishes: false };
    let faults = Faults::start(&settings.listen.faults, surface, &mut registry);
    let lifecycle = Lifecycle::new();

    let listeners = Listeners::bind(&settings.listen).await?;
    prepare_database(&database, &SCHEMA, &lifecycle).await?;

    let probed = database.clone();
    let probe: Probe = Arc::new(move || {
        let database = probed.clone();
        Box::pin(async move { database.ping().await.map_err(|error| error.to_string()) })
    });
    let store = ActivityStore::new(database.clone(), settings.activity_limit);
    let requests = activity_routes(Routes::new(Some(&http)).traced(traces.tracer()).with_faults(&faults))
        .uncounted(health_routes(lifecycle.clone(), Some(probe)))
        .finish(Arc::new(Api { store, metrics, subscription: settings.subscription }));
    let metrics = metrics_routes(Arc::new(registry), &faults);
    let outcome = listeners.serve(requests, metrics, lifecycle, stop).await;
    database.close().await;
    traces.close(settings.listen.shutdown_timeout).await;
    tracing::info!("stopped");
    Ok(outcome)
}
