//! The Kafka listener: connections, frames, limits.
//!
//! Input: sockets. Output: one answer after the other on each, in the order of the requests. What a request means is `dispatch.rs`'s.
//! A connection that sends what is no request is closed and counted.

use crate::dispatch;
use crate::shared::Shared;
use crate::wire::Malformed;
use bytes::{Buf, BytesMut};
use kafka_protocol::messages::ApiKey;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Bytes of a request above which its memory is counted over all connections.
const LARGE: usize = 64 << 10;
/// Capacity that a connection keeps for its next answer or request.
const KEPT: usize = 128 << 10;

/// Accepts until `stop` changes.
pub(crate) async fn accept(shared: Arc<Shared>, listener: TcpListener, mut stop: watch::Receiver<bool>) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.changed() => return,
        };
        match accepted {
            Ok((stream, peer)) => {
                shared.statistics.accepted_connections.add(1);
                let open = shared.statistics.connections.load(Ordering::Relaxed);
                if usize::try_from(open).unwrap_or(0) >= shared.options.limits.connections {
                    shared.statistics.refused_connections.add(1);
                    continue;
                }
                let (shared, stop) = (Arc::clone(&shared), stop.clone());
                shared.statistics.connections.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(async move {
                    serve(&shared, stream, peer, stop).await;
                    shared.statistics.connections.fetch_sub(1, Ordering::Relaxed);
                });
            }
            Err(error) => {
                // Out of file descriptors, most likely: others have to go first.
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn serve(shared: &Shared, mut stream: TcpStream, peer: SocketAddr, mut stop: watch::Receiver<bool>) {
    let _ = stream.set_nodelay(true);
    let host = peer.ip().to_string();
    let served = tokio::select! {
        served = requests(shared, &mut stream, &host) => served,
        _ = stop.changed() => Ok(()),
    };
    if let Err(error) = served {
        tracing::debug!(%peer, %error, "closed a connection");
    }
}

/// Answers requests until the connection ends.
async fn requests(shared: &Shared, stream: &mut TcpStream, peer: &str) -> io::Result<()> {
    let limits = &shared.options.limits;
    let idle = Duration::from_millis(limits.idle_ms);
    let (mut input, mut out) = (BytesMut::new(), BytesMut::new());
    loop {
        let head = tokio::time::timeout(idle, read_at_least(stream, &mut input, 6)).await;
        match head {
            Ok(Ok(true)) => {}
            Ok(Ok(false)) => return Ok(()),
            Ok(Err(error)) => return Err(error),
            Err(_) => return Ok(()),
        }
        let size = usize::try_from(i32::from_be_bytes([input[0], input[1], input[2], input[3]]))
            .unwrap_or(usize::MAX);
        let key = i16::from_be_bytes([input[4], input[5]]);
        let most =
            if key == ApiKey::Produce as i16 { limits.request_bytes } else { limits.small_request_bytes };
        if size > most || size < 8 {
            shared.statistics.malformed_requests.add(1);
            return Err(io::Error::other(format!("a request of {size} bytes; the limit is {most}")));
        }
        let permit = if size > LARGE {
            let kib = u32::try_from(size / 1024).unwrap_or(u32::MAX);
            Some(shared.in_flight.acquire_many(kib).await.map_err(io::Error::other)?)
        } else {
            None
        };
        input.reserve((size + 4).saturating_sub(input.len()));
        let whole = read_at_least(stream, &mut input, size + 4);
        if !in_time(shared, limits.body_ms, whole, "the rest of a request did not come").await? {
            return Ok(());
        }
        input.advance(4);
        let frame = input.split_to(size).freeze();
        let answered = dispatch::answer(shared, peer, frame, &mut out).await;
        let answer_permit = answered.map_err(|error| refused(shared, peer, error))?;
        drop(permit);
        in_time(shared, limits.answer_ms, stream.write_all(&out), "an answer was not read").await?;
        drop(answer_permit);
        out.clear();
        if out.capacity() > KEPT {
            out = BytesMut::new();
        }
        if input.is_empty() && size > KEPT {
            input = BytesMut::new();
        }
    }
}

/// Counts a request that cannot be answered.
fn refused(shared: &Shared, peer: &str, error: Malformed) -> io::Error {
    if let Malformed::TooLarge { .. } = error {
        shared.statistics.oversized_answers.add(1);
        tracing::warn!(peer, %error, "closed a connection instead of answering");
    } else {
        shared.statistics.malformed_requests.add(1);
    }
    io::Error::other(error)
}

/// Waits for the client for so many milliseconds at most.
async fn in_time<T>(
    shared: &Shared,
    millis: u64,
    done: impl Future<Output = io::Result<T>>,
    what: &str,
) -> io::Result<T> {
    match tokio::time::timeout(Duration::from_millis(millis), done).await {
        Ok(done) => done,
        Err(_) => {
            shared.statistics.slow_connections.add(1);
            Err(io::Error::new(io::ErrorKind::TimedOut, format!("{what} in {millis} ms")))
        }
    }
}

/// Reads until `input` holds so many bytes; false when the connection ends first.
async fn read_at_least(stream: &mut TcpStream, input: &mut BytesMut, bytes: usize) -> io::Result<bool> {
    while input.len() < bytes {
        if stream.read_buf(input).await? == 0 {
            return Ok(false);
        }
    }
    Ok(true)
}
