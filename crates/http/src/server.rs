//! The server: bound listeners, connections within limits, an end in order.
//!
//! Input: listeners and the state of the pipeline. Output: answered connections until told to stop. HTTP/1.1, HTTP/2 where
//! gRPC needs it, and no TLS: it listens on loopback addresses.

use crate::error::ServerError;
use crate::gate::Gate;
use crate::listen::{ListenerSpec, Serves, bind};
use crate::metrics::{GaugeGuard, HttpMetrics};
use crate::state::ApiState;
use crate::tidewatch_api::Simulations;
use crate::{Shared, SharedState, cluster_metrics, otlp, routes, sampling};
use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::rt::bounds::Http2ServerConnExec;
use hyper::server::conn::{http1, http2};
use hyper::service::{HttpService, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;
use tower::ServiceExt;

/// How long answers that are under way at the end may take.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a new connection may say nothing: longer than a browser keeps a connection that it may need, and so short that silent
/// ones do not hold all places for long.
const FIRST_BYTE_TIMEOUT: Duration = Duration::from_secs(10);
/// A full listener is told once in this time.
const FULL_TOLD_EVERY: Duration = Duration::from_secs(60);
/// How long to wait when the system has no file descriptor for one more connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Requests at once on one HTTP/2 connection.
const MAX_STREAMS: u32 = 128;
/// Bytes of a body that a client may send before they are read.
const WINDOW: u32 = 256 * 1024;

/// Bounds on what clients may hold open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// Open connections of each listener at most; more wait to be accepted. At least 1.
    pub max_connections: u32,
    /// How long a client may take to send the head of a request, and how long a connection may be idle.
    pub head_timeout: Duration,
}

impl Default for ConnectionLimits {
    /// 512 connections as in Prometheus; 75 seconds, longer than scrapers and Grafana wait between two requests.
    fn default() -> Self {
        Self { max_connections: 512, head_timeout: Duration::from_secs(75) }
    }
}

/// Bound listeners that do not answer yet.
#[derive(Debug)]
pub struct Server {
    listeners: Vec<(TcpListener, Serves)>,
    addresses: Vec<SocketAddr>,
    limits: ConnectionLimits,
}

/// How far the end of the server has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Running,
    Draining,
    Aborting,
}

impl Server {
    /// Opens all listeners, or none.
    ///
    /// # Errors
    /// When an address is not a loopback one, is in use (by whom, where that can be seen), or cannot be bound.
    pub async fn bind(specs: &[ListenerSpec]) -> Result<Self, ServerError> {
        let limits = ConnectionLimits::default();
        let mut server = Self { listeners: Vec::new(), addresses: Vec::new(), limits };
        for spec in specs {
            let listener = bind(spec).await?;
            let address = listener.local_addr().unwrap_or(spec.address);
            server.addresses.push(address);
            server.listeners.push((listener, spec.serves));
        }
        Ok(server)
    }

    /// The same server with other limits.
    #[must_use]
    pub fn with_limits(self, limits: ConnectionLimits) -> Self {
        Self { limits, ..self }
    }

    /// The addresses listened on, in the order they were asked for, with the real ports.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Answers until `shutdown` is there, then lets answers under way finish for up to five seconds.
    pub async fn serve(self, state: ApiState, shutdown: impl Future<Output = ()>) {
        let metrics = HttpMetrics::new(&state.registry);
        let gate = Gate::new(state.query_limits, Arc::clone(&metrics));
        let readiness = Arc::clone(&state.readiness);
        let receiver = otlp::Receiver::new(&state);
        let shared: Shared =
            Arc::new(SharedState { state, gate, metrics, receiver, simulations: Simulations::default() });
        let (phase, phases) = watch::channel(Phase::Running);
        let most = self.limits.max_connections.max(1);
        let mut places = Vec::with_capacity(self.listeners.len());
        for (listener, serves) in self.listeners {
            let router = match serves {
                Serves::Everything => routes::everything(&shared),
                Serves::ClusterMetrics => routes::guarded(cluster_metrics::routes(), &shared),
                Serves::Otlp => routes::guarded_alone(otlp::http::routes(), &shared),
                Serves::OtlpGrpc => routes::guarded_alone(otlp::grpc::routes(), &shared),
                Serves::Sampling => routes::guarded_alone(sampling::routes(), &shared),
            };
            // each has places of its own: whoever takes all of one keeps nobody from the others
            let connections = Arc::new(Semaphore::new(most as usize));
            places.push(Arc::clone(&connections));
            let acceptor = Acceptor {
                router,
                speaks_http2: serves == Serves::OtlpGrpc,
                metrics: Arc::clone(&shared.metrics),
                connections,
                told_full: None,
                phases: phases.clone(),
                head_timeout: self.limits.head_timeout,
            };
            tokio::spawn(acceptor.accept(listener));
        }
        shutdown.await;
        readiness.set_stopping();
        phase.send_replace(Phase::Draining);
        // All permits are back when all connections are closed.
        let all_back = async {
            for places in &places {
                let _ = places.acquire_many(most).await;
            }
        };
        let drained = tokio::time::timeout(DRAIN_TIMEOUT, all_back).await;
        phase.send_replace(Phase::Aborting);
        if drained.is_err() {
            tracing::warn!("some answers were not finished in {}s and are cut off", DRAIN_TIMEOUT.as_secs());
        }
    }
}

/// Takes the connections of one listener.
struct Acceptor {
    router: Router,
    speaks_http2: bool,
    metrics: Arc<HttpMetrics>,
    connections: Arc<Semaphore>,
    /// When it was said that there is no place left.
    told_full: Option<Instant>,
    phases: watch::Receiver<Phase>,
    head_timeout: Duration,
}

impl Acceptor {
    /// Says that more connections wait than there are places.
    fn tell_if_full(&mut self, listener: &TcpListener) {
        if self.connections.available_permits() > 0 {
            return;
        }
        self.metrics.full.inc();
        if self.told_full.is_none_or(|at| at.elapsed() >= FULL_TOLD_EVERY) {
            self.told_full = Some(Instant::now());
            let address = listener.local_addr().map(|address| address.to_string()).unwrap_or_default();
            tracing::warn!(address, "all connections of a listener are taken, further ones wait");
        }
    }

    async fn accept(mut self, listener: TcpListener) {
        loop {
            self.tell_if_full(&listener);
            // The place is taken after accepting, so that idle listeners hold none.
            let next = async {
                let accepted = listener.accept().await;
                (Arc::clone(&self.connections).acquire_owned().await, accepted)
            };
            let (place, accepted) = tokio::select! {
                accepted = next => accepted,
                () = left(&mut self.phases, Phase::Running) => return,
            };
            match accepted {
                Ok((stream, _)) => {
                    let (router, phases, head_timeout) =
                        (self.router.clone(), self.phases.clone(), self.head_timeout);
                    let speaks_http2 = self.speaks_http2;
                    let counted = GaugeGuard::new(&self.metrics.connections);
                    tokio::spawn(async move {
                        if !speaks(&stream, phases.clone(), head_timeout).await {
                            return drop((place, counted));
                        }
                        if speaks_http2 {
                            http2_connection(stream, router, phases, head_timeout).await;
                        } else {
                            connection(stream, router, phases, head_timeout).await;
                        }
                        drop((place, counted));
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

/// Whether a new connection says something in time, and before the server ends.
async fn speaks(stream: &TcpStream, mut phases: watch::Receiver<Phase>, head_timeout: Duration) -> bool {
    let mut first = [0];
    let spoken = tokio::time::timeout(FIRST_BYTE_TIMEOUT.min(head_timeout), stream.peek(&mut first));
    tokio::select! {
        spoken = spoken => matches!(spoken, Ok(Ok(1))),
        () = left(&mut phases, Phase::Running) => false,
    }
}

/// Answers the requests of one connection. Dropping a request's future, as happens when the client leaves, ends its work.
async fn connection(
    stream: TcpStream,
    router: Router,
    phases: watch::Receiver<Phase>,
    head_timeout: Duration,
) {
    // Answers are written at once; waiting to fill packets would only delay their last part.
    let _ = stream.set_nodelay(true);
    let service =
        service_fn(move |request: hyper::Request<Incoming>| router.clone().oneshot(request.map(Body::new)));
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head_timeout)
        .serve_connection(TokioIo::new(stream), service);
    until_over(serving, phases).await;
}

/// The same over HTTP/2. A client that is idle for `idle_timeout` is asked whether it is still there.
async fn http2_connection(
    stream: TcpStream,
    router: Router,
    mut phases: watch::Receiver<Phase>,
    idle_timeout: Duration,
) {
    let _ = stream.set_nodelay(true);
    // HTTP/2 keeps no watch over a client that never begins.
    let mut byte = [0];
    let begun = tokio::select! {
        first = tokio::time::timeout(idle_timeout, stream.peek(&mut byte)) => matches!(first, Ok(Ok(1))),
        () = left(&mut phases, Phase::Running) => false,
    };
    if !begun {
        return;
    }
    let service =
        service_fn(move |request: hyper::Request<Incoming>| router.clone().oneshot(request.map(Body::new)));
    let serving = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .keep_alive_interval(idle_timeout)
        .max_concurrent_streams(MAX_STREAMS)
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(2 * WINDOW)
        .serve_connection(TokioIo::new(stream), service);
    until_over(serving, phases).await;
}

/// A connection that can be told to take no more requests.
trait Connection: Future<Output = hyper::Result<()>> {
    fn finish(self: Pin<&mut Self>);
}

impl<S> Connection for http1::Connection<TokioIo<TcpStream>, S>
where
    S: HttpService<Incoming, ResBody = Body>,
    S::Error: Into<axum::BoxError>,
    Self: Future<Output = hyper::Result<()>>,
{
    fn finish(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

impl<S> Connection for http2::Connection<TokioIo<TcpStream>, S, TokioExecutor>
where
    S: HttpService<Incoming, ResBody = Body>,
    S::Error: Into<axum::BoxError>,
    TokioExecutor: Http2ServerConnExec<S::Future, Body>,
    Self: Future<Output = hyper::Result<()>>,
{
    fn finish(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

/// Serves a connection until it ends or must end.
async fn until_over(serving: impl Connection, mut phases: watch::Receiver<Phase>) {
    let mut serving = pin!(serving);
    let mut ended = tokio::select! {
        ended = serving.as_mut() => Some(ended),
        () = left(&mut phases, Phase::Running) => None,
    };
    if ended.is_none() {
        serving.as_mut().finish();
        ended = tokio::select! {
            ended = serving.as_mut() => Some(ended),
            () = left(&mut phases, Phase::Draining) => None,
        };
    }
    if let Some(Err(error)) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// Waits until a phase is over, or the server is gone.
async fn left(phases: &mut watch::Receiver<Phase>, phase: Phase) {
    let _ = phases.wait_for(|now| *now > phase).await;
}
