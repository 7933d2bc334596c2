//! Serves two routers, one for requests and one for metrics, and stops without losing a request.
//!
//! Input: bound sockets, routers, and SIGTERM or SIGINT. Output: answers over HTTP/1.1 until the drain is over. Connections are
//! bounded in number and age: an old one is closed after its next answer, so that load balancing by connection reaches replicas
//! that were added later. Deliberately speaks neither TLS nor HTTP/2: both end at the ingress.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Router,
    http::{HeaderValue, header},
};
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
};
use tower::Service;

use crate::{Error, Lifecycle, ListenSettings, Result, Stop};

/// Most connections served at once; further ones wait in the socket's backlog.
const MAX_CONNECTIONS: u32 = 1024;
/// Longest wait for the head of a request, and so for the next one on an idle connection.
const HEAD_TIMEOUT: Duration = Duration::from_secs(60);
/// Age after which a connection is closed with its next answer.
const MAX_CONNECTION_AGE: Duration = Duration::from_secs(30);

/// The two bound sockets of a process.
#[derive(Debug)]
pub struct Listeners {
    requests: TcpListener,
    metrics: TcpListener,
    drain_delay: Duration,
    shutdown_timeout: Duration,
}

/// How serving ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServeOutcome {
    /// Every request was answered.
    Drained,
    /// This many connections were still busy at `SHUTDOWN_TIMEOUT_MS`, or at the second signal, and were cut.
    Cut {
        /// Connections that were busy.
        connections: usize,
    },
}

impl Listeners {
    /// Opens both sockets.
    ///
    /// # Errors
    /// [`Error::Bind`] when a port is taken or the address is not this machine's.
    pub async fn bind(settings: &ListenSettings) -> Result<Self> {
        Ok(Self {
            requests: bind(settings.requests, "requests", "PORT").await?,
            metrics: bind(settings.metrics, "metrics", "METRICS_PORT").await?,
            drain_delay: settings.drain_delay,
            shutdown_timeout: settings.shutdown_timeout,
        })
    }

    /// The address that requests are served on.
    pub fn requests_address(&self) -> SocketAddr {
        self.requests.local_addr().expect("a bound socket has an address")
    }

    /// The address that metrics are served on.
    pub fn metrics_address(&self) -> SocketAddr {
        self.metrics.local_addr().expect("a bound socket has an address")
    }

    /// Serves until `stop` resolves, then drains: `/readyz` turns to 503, requests are still served for the drain delay (not
    /// after SIGINT), and those under way then have the shutdown timeout to finish. A second signal ends the wait.
    pub async fn serve(
        self,
        requests: Router,
        metrics: Router,
        lifecycle: Lifecycle,
        mut stop: impl AsyncFnMut() -> Stop,
    ) -> ServeOutcome {
        tracing::info!(
            address = %self.requests_address(),
            metrics_address = %self.metrics_address(),
            "listening"
        );
        let never = watch::Sender::new(false);
        let scrapes = Acceptor::new(metrics, Lifecycle::new());
        let scraping = tokio::spawn(scrapes.run(self.metrics, never.subscribe()));
        let closing = watch::Sender::new(false);
        let acceptor = Acceptor::new(requests, lifecycle.clone());
        let places = Arc::clone(&acceptor.places);
        let accepting = tokio::spawn(acceptor.run(self.requests, closing.subscribe()));

        let signal = stop().await;
        lifecycle.drain();
        tracing::info!(signal = ?signal, "draining");
        if signal == Stop::Terminate {
            tokio::select! {
                () = tokio::time::sleep(self.drain_delay) => {}
                _ = stop() => {}
            }
        }
        closing.send_replace(true);
        let all_ended = async {
            let _ = accepting.await;
            let _ = places.acquire_many(MAX_CONNECTIONS).await;
        };
        let ended = tokio::select! {
            ended = tokio::time::timeout(self.shutdown_timeout, all_ended) => ended.is_ok(),
            _ = stop() => false,
        };
        scraping.abort();
        if ended {
            return ServeOutcome::Drained;
        }
        let connections = MAX_CONNECTIONS as usize - places.available_permits();
        tracing::warn!(connections, "requests still under way are cut; hint: raise SHUTDOWN_TIMEOUT_MS");
        ServeOutcome::Cut { connections }
    }
}

async fn bind(address: SocketAddr, purpose: &'static str, variable: &'static str) -> Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|source| Error::Bind { purpose, variable, address, source })
}

/// Accepts connections for one router.
struct Acceptor {
    router: Router,
    lifecycle: Lifecycle,
    places: Arc<Semaphore>,
    max_age: Duration,
}

impl Acceptor {
    fn new(router: Router, lifecycle: Lifecycle) -> Self {
        let places = Arc::new(Semaphore::new(MAX_CONNECTIONS as usize));
        Self { router, lifecycle, places, max_age: MAX_CONNECTION_AGE }
    }

    async fn run(self, listener: TcpListener, mut closing: watch::Receiver<bool>) {
        loop {
            let accepted = tokio::select! {
                biased;
                _ = closing.wait_for(|closing| *closing) => return,
                accepted = accept(&listener, &self.places) => accepted,
            };
            match accepted {
                Ok((stream, place)) => {
                    let router = self.router.clone();
                    let lifecycle = self.lifecycle.clone();
                    let connection =
                        Connection { stream, _place: place, router, lifecycle, max_age: self.max_age };
                    tokio::spawn(connection.serve(closing.clone()));
                }
                Err(error) => {
                    // Usually out of file descriptors: wait for connections to end instead of spinning.
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> std::io::Result<(TcpStream, OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.expect("the semaphore is never closed");
    let (stream, _) = listener.accept().await?;
    Ok((stream, place))
}

/// One accepted connection, with the place it takes.
struct Connection {
    stream: TcpStream,
    _place: OwnedSemaphorePermit,
    router: Router,
    lifecycle: Lifecycle,
    max_age: Duration,
}

impl Connection {
    async fn serve(self, mut closing: watch::Receiver<bool>) {
        let _ = self.stream.set_nodelay(true);
        let (router, lifecycle, max_age) = (self.router, self.lifecycle, self.max_age);
        let opened = Instant::now();
        let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
            let answering = router.clone().call(request);
            let lifecycle = lifecycle.clone();
            async move {
                let mut response = answering.await?;
                if lifecycle.is_draining() || opened.elapsed() > max_age {
                    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
                }
                Ok::<_, std::convert::Infallible>(response)
            }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .serve_connection(TokioIo::new(self.stream), service);
        let mut connection = std::pin::pin!(connection);
        // An error here is the peer's: it broke off or sent no HTTP. There is nobody to tell.
        tokio::select! {
            _ = connection.as_mut() => return,
            _ = closing.wait_for(|closing| *closing) => {}
        }
        connection.as_mut().graceful_shutdown();
        let _ = connection.await;
    }
}

#[cfg(test)]
mod tests {
    use axum::{http::Request, routing::get};
    use http_body_util::{BodyExt, Empty};

    use super::*;
    use crate::http_client;

    /// Whether an answer on a connection of at most `max_age` closes it.
    async fn check(max_age: Duration, closes: bool) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().route("/", get(async || "here"));
        let acceptor = Acceptor { max_age, ..Acceptor::new(router, Lifecycle::new()) };
        let places = Arc::clone(&acceptor.places);
        let closing = watch::Sender::new(false);
        let accepting = tokio::spawn(acceptor.run(listener, closing.subscribe()));

        let request = Request::get(format!("http://{address}/")).body(axum::body::Body::new(Empty::new()));
        let response = http_client(Duration::from_secs(5)).request(request.unwrap()).await.unwrap();
        let header = response.headers().get(header::CONNECTION).cloned();
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "here");
        assert_eq!(header.is_some_and(|value| value == "close"), closes);

        // Closing ends the acceptor and every idle connection.
        closing.send_replace(true);
        accepting.await.unwrap();
        assert!(places.acquire_many(MAX_CONNECTIONS).await.is_ok());
    }

    #[tokio::test]
    async fn an_old_connection_is_closed_with_its_next_answer() {
        check(Duration::ZERO, true).await;
        check(Duration::from_secs(3600), false).await;
    }
}
