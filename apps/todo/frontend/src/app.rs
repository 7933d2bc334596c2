//! The frontend put together: settings → page and proxy → listening → drained.
//!
//! Input: settings. Output: a running process. Readiness does not ask the services behind: when the backend is away, a page that
//! says so is better than none. Deliberately without logic of its own.

use std::sync::Arc;

use todo_telemetry::{
    FaultSurface, Faults, HttpMetrics, Lifecycle, Listeners, Routes, ServeOutcome, TracePipeline,
    health_routes, metrics_routes, new_registry, stop_signal,
};

use crate::{
    FrontendSettings, Result,
    page::page_routes,
    proxy::{Proxy, proxy_routes},
};

/// Runs a frontend until SIGTERM or SIGINT.
///
/// # Errors
/// Whatever prevents the start; it is text for the log.
pub async fn run(settings: FrontendSettings) -> Result<ServeOutcome> {
    let stop = stop_signal()?;
    let mut registry = new_registry();
    let http = HttpMetrics::register(&mut registry);
    let (tracing, version) = (&settings.listen.tracing, env!("CARGO_PKG_VERSION"));
    let traces = TracePipeline::start(tracing, "todo-frontend", version, &mut registry)?;
    let faults = Faults::start(&settings.listen.faults, FaultSurface::default(), &mut registry);
    let lifecycle = Lifecycle::new();
    let routes =
        proxy_routes(page_routes(Routes::new(Some(&http)).traced(traces.tracer()).with_faults(&faults)));
    let requests = routes.uncounted(health_routes(lifecycle.clone(), None)).finish(Proxy::new(&settings));

    let listeners = Listeners::bind(&settings.listen).await?;
    lifecycle.ready();
    let metrics = metrics_routes(Arc::new(registry), &faults);
    let outcome = listeners.serve(requests, metrics, lifecycle, stop).await;
    traces.close(settings.listen.shutdown_timeout).await;
    tracing::info!("stopped");
    Ok(outcome)
}
