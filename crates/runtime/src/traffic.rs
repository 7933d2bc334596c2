//! Whether requests are under way at a pod, as far as they come through Services.
//!
//! Input: the bytes that the proxies carry to a pod and back. Output: when none has moved for a while and none waits for an answer,
//! so that a pod which goes is not told to end in the middle of one. What is in the bytes is not looked at: a connection in
//! which something was sent and nothing came back yet counts as one with a request.

use std::collections::BTreeMap;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A connection is quiet when it has moved nothing for this long.
const QUIET: Duration = Duration::from_millis(100);
/// Nobody waits longer for the requests of a pod. Clients that keep a busy connection for some seconds only have let go of it by then.
const MOST_DRAINING: Duration = Duration::from_secs(12);

/// The connections to a pod.
#[derive(Debug)]
pub(crate) struct Traffic {
    begin: Instant,
    next: AtomicU64,
    connections: Mutex<BTreeMap<u64, Arc<Movement>>>,
}

/// What moves in a connection.
#[derive(Debug, Default)]
struct Movement {
    /// Something was sent to the pod and nothing came back yet.
    waiting: AtomicBool,
    /// When something last moved, in milliseconds since the pod was made.
    moved_ms: AtomicU64,
}

/// A connection to a pod; it counts until it is dropped.
pub(crate) struct Carried<S> {
    stream: S,
    traffic: Arc<Traffic>,
    movement: Arc<Movement>,
    number: u64,
}

impl Default for Traffic {
    fn default() -> Self {
        Self { begin: Instant::now(), next: AtomicU64::new(0), connections: Mutex::default() }
    }
}

impl Traffic {
    /// Counts a connection.
    pub(crate) fn carry<S>(self: &Arc<Self>, stream: S) -> Carried<S> {
        let movement = Arc::new(Movement::default());
        movement.moved_ms.store(self.now_ms(), Ordering::Relaxed);
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.connections.lock().unwrap_or_else(PoisonError::into_inner).insert(number, Arc::clone(&movement));
        Carried { stream, traffic: Arc::clone(self), movement, number }
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.begin.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn is_quiet(&self) -> bool {
        let now = self.now_ms();
        let quiet = |movement: &Arc<Movement>| {
            let still = now.saturating_sub(movement.moved_ms.load(Ordering::Relaxed));
            !movement.waiting.load(Ordering::Relaxed) && u128::from(still) >= QUIET.as_millis()
        };
        self.connections.lock().unwrap_or_else(PoisonError::into_inner).values().all(quiet)
    }

    /// Waits until no request is under way, at most five seconds and at most a third of what the pod is given to end. Waits a moment in
    /// any case, for connections that were being made when the pod was taken out of its Services.
    pub(crate) async fn drained(&self, grace: Duration) {
        let deadline = Instant::now() + MOST_DRAINING.min(grace / 3);
        loop {
            tokio::time::sleep(QUIET.min(deadline.saturating_duration_since(Instant::now()))).await;
            if self.is_quiet() || Instant::now() >= deadline {
                return;
            }
        }
    }
}

impl<S> Drop for Carried<S> {
    fn drop(&mut self) {
        self.traffic.connections.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.number);
    }
}

impl<S> Carried<S> {
    fn moved(&self, to_the_pod: bool) {
        self.movement.moved_ms.store(self.traffic.now_ms(), Ordering::Relaxed);
        self.movement.waiting.store(to_the_pod, Ordering::Relaxed);
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Carried<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = ready!(Pin::new(&mut self.stream).poll_read(context, buffer));
        if buffer.filled().len() > before {
            self.moved(false);
        }
        Poll::Ready(read)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Carried<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(context, bytes));
        self.moved(true);
        Poll::Ready(written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    #[tokio::test]
    async fn a_request_without_an_answer_is_waited_for() {
        let traffic = Arc::new(Traffic::default());
        assert!(traffic.is_quiet(), "no connection");
        let (client, mut pod) = duplex(64);
        let mut client = traffic.carry(client);
        client.write_all(b"GET").await.unwrap();
        let long = Duration::from_secs(60);
        let waited = tokio::time::timeout(Duration::from_millis(400), traffic.drained(long)).await;
        assert!(waited.is_err(), "the answer is missing");
        let begin = Instant::now();
        traffic.drained(Duration::from_millis(600)).await;
        assert!(begin.elapsed() < Duration::from_millis(400), "a third of the grace period at most");
        pod.write_all(b"200").await.unwrap();
        client.read_exact(&mut [0; 3]).await.unwrap();
        assert!(!traffic.is_quiet(), "something has just moved");
        tokio::time::timeout(Duration::from_secs(2), traffic.drained(long)).await.unwrap();
        client.write_all(b"GET").await.unwrap();
        drop(client);
        assert!(traffic.is_quiet(), "the connection is gone");
    }
}
