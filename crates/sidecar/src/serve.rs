//! Listening and answering within limits: the API and the metrics page.
//!
//! Input: addresses, and who answers. Output: answered connections until told to stop. HTTP/1.1 without TLS.

use crate::SidecarError;
use crate::bus::stopped;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

/// Open connections of one listener; more wait to be accepted.
const MOST_CONNECTIONS: usize = 256;
/// How long a request's head may take, and how long a connection may be idle.
const HEAD_TIMEOUT: Duration = Duration::from_secs(75);
/// The largest head of a request (daprd's `--read-buffer-size`).
const HEAD_BYTES: usize = 8 << 10;
/// How long to wait when the system has no file descriptor for one more connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Who answers requests.
pub(crate) trait Answers: Send + Sync + 'static {
    /// Answers one.
    fn answer(
        &self,
        request: Request<Incoming>,
        peer: SocketAddr,
    ) -> impl Future<Output = Response<Full<Bytes>>> + Send;
}

/// Opens a listener; its address has the real port.
///
/// # Errors
/// When the address is in use or not the machine's.
pub(crate) async fn bind(address: SocketAddr, purpose: &'static str) -> Result<TcpListener, SidecarError> {
    TcpListener::bind(address).await.map_err(|source| {
        let hint = match purpose {
            "metrics" => "choose another port with --metrics-port, or end what uses it",
            _ => "choose another port with --dapr-http-port, or end what uses it",
        };
        SidecarError::Listen { address, purpose, source, hint }
    })
}

/// Answers until `stop` is true; then lets answers under way finish, and ends.
pub(crate) fn serve<A: Answers>(
    listener: TcpListener,
    answers: Arc<A>,
    mut stop: watch::Receiver<bool>,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
        loop {
            let next = async {
                let accepted = listener.accept().await;
                (Arc::clone(&places).acquire_owned().await, accepted)
            };
            let (place, accepted) = tokio::select! {
                accepted = next => accepted,
                () = stopped(&mut stop) => break,
            };
            match accepted {
                Ok((stream, peer)) => {
                    let (answers, stop) = (Arc::clone(&answers), stop.clone());
                    tokio::spawn(async move {
                        connection(stream, peer, answers, stop).await;
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        drop(listener);
        // All places are free when all connections are closed.
        let _ = places.acquire_many(MOST_CONNECTIONS as u32).await;
    })
}

async fn connection<A: Answers>(
    stream: TcpStream,
    peer: SocketAddr,
    answers: Arc<A>,
    mut stop: watch::Receiver<bool>,
) {
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        let answers = Arc::clone(&answers);
        async move { Ok::<_, std::convert::Infallible>(answers.answer(request, peer).await) }
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_BYTES * 2)
        .serve_connection(TokioIo::new(stream), service);
    let mut serving = pin!(serving);
    let ended = tokio::select! {
        ended = serving.as_mut() => ended,
        () = stopped(&mut stop) => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}
