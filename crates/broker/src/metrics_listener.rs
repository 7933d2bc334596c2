//! Serves the metrics page over HTTP/1.1, on any path.
//!
//! Input: connections of scrapers. Output: one page each. It reads no more of a request than its end, keeps no connection, and serves
//! few at once; further ones wait in the listener's queue.

use crate::metrics_page;
use crate::shared::Shared;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

const AT_ONCE: usize = 8;
const HEAD_BYTES: usize = 8192;
const TIME: Duration = Duration::from_secs(5);

/// Serves until `stop` changes.
pub(crate) async fn serve(shared: Arc<Shared>, listener: TcpListener, mut stop: watch::Receiver<bool>) {
    let slots = Arc::new(Semaphore::new(AT_ONCE));
    loop {
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { return };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.changed() => return,
        };
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            if let Ok(Err(error)) = tokio::time::timeout(TIME, answer(&shared, stream)).await {
                tracing::debug!(%error, "a scrape of the broker's metrics failed");
            }
            drop(slot);
        });
    }
}

async fn answer(shared: &Shared, mut stream: TcpStream) -> io::Result<()> {
    let mut head = Vec::with_capacity(1024);
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        if head.len() > HEAD_BYTES || stream.read_buf(&mut head).await? == 0 {
            return Ok(());
        }
    }
    let method = head.split(|byte| *byte == b' ').next().unwrap_or_default();
    let (status, body) = match method {
        b"GET" | b"HEAD" => ("200 OK", metrics_page::page(shared)),
        _ => ("405 Method Not Allowed", "only GET and HEAD\n".to_owned()),
    };
    let header = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(header.as_bytes()).await?;
    if method != b"HEAD" {
        stream.write_all(body.as_bytes()).await?;
    }
    stream.shutdown().await
}
