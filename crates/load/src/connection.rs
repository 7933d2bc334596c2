//! One request on one connection at a time, and when a connection is replaced.
//!
//! Input: requests with deadlines. Output: how each ended and when. A connection that the server has closed is replaced
//! without a failure as long as nothing of the request was sent; a request that was sent is never sent again. It neither
//! queues nor counts.

use crate::work::Outgoing;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper::header::{HeaderValue, LOCATION};
use hyper_util::rt::TokioIo;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::time::timeout_at;

/// Bytes of an answer that are kept, where they are asked for.
const LONGEST_KEPT: usize = 4 << 20;
/// How often a request looks for a connection that takes it.
const ATTEMPTS: usize = 3;

/// How a request ended.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// When it went out; none if it never did.
    pub(crate) sent: Option<Instant>,
    pub(crate) ended: Instant,
    pub(crate) result: Result<Answer, Trouble>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) location: Option<HeaderValue>,
    pub(crate) bytes: u64,
    /// The body, where it was asked for.
    pub(crate) body: Vec<u8>,
}

/// Why nothing came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Not within the timeout, which starts when the request is due.
    Timeout,
    /// No connection.
    Connect,
    /// The connection ended before the answer did.
    Closed,
    /// The answer is no HTTP.
    Protocol,
}

impl Trouble {
    /// What reports call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Connect => "connect",
            Self::Closed => "closed",
            Self::Protocol => "protocol",
        }
    }
}

/// A place for one connection after the other.
pub(crate) struct Connection {
    addresses: Vec<SocketAddr>,
    next_address: usize,
    lifetime: Duration,
    random: fastrand::Rng,
    live: Option<Live>,
    /// Connections made so far.
    pub(crate) opened: u64,
}

struct Live {
    sender: SendRequest<Full<Bytes>>,
    expires: Option<Instant>,
}

impl Connection {
    /// `lifetime` zero: connections stay as long as the server lets them.
    pub(crate) fn new(addresses: Vec<SocketAddr>, lifetime: Duration, seed: u64) -> Self {
        let random = fastrand::Rng::with_seed(seed);
        Self { addresses, next_address: 0, lifetime, random, live: None, opened: 0 }
    }

    /// Sends a request and reads the answer.
    pub(crate) async fn exchange(&mut self, request: Outgoing, deadline: Instant, keep: bool) -> Outcome {
        let mut sent = None;
        let result = match timeout_at(deadline.into(), self.attempts(request, keep, &mut sent)).await {
            Ok(result) => result,
            Err(_) => Err(Trouble::Timeout),
        };
        if result.is_err() {
            // what is left of the answer must not be taken for the next one
            self.live = None;
        }
        Outcome { sent, ended: Instant::now(), result }
    }

    async fn attempts(
        &mut self,
        mut request: Outgoing,
        keep: bool,
        sent: &mut Option<Instant>,
    ) -> Result<Answer, Trouble> {
        for _ in 0..ATTEMPTS {
            let live = self.ready().await?;
            *sent = Some(Instant::now());
            match live.sender.try_send_request(request).await {
                Ok(response) => return read(response, keep).await,
                Err(mut error) => {
                    self.live = None;
                    match error.take_message() {
                        Some(unsent) => request = unsent,
                        None => return Err(trouble(error.error())),
                    }
                    *sent = None;
                }
            }
        }
        Err(Trouble::Connect)
    }

    /// The connection, new if there is none that can be used.
    async fn ready(&mut self) -> Result<&mut Live, Trouble> {
        let now = Instant::now();
        let mut kept = self.live.take().filter(|live| live.expires.is_none_or(|moment| now < moment));
        if let Some(live) = &mut kept
            && live.sender.ready().await.is_err()
        {
            kept = None;
        }
        let live = match kept {
            Some(live) => live,
            None => self.open().await.map_err(|_| Trouble::Connect)?,
        };
        Ok(self.live.insert(live))
    }

    /// A stream to the address that worked last, or else to the first of the others that does.
    async fn reach(&mut self) -> Result<TcpStream, std::io::Error> {
        let mut refused = std::io::Error::other("the target has no address");
        for _ in 0..self.addresses.len() {
            match TcpStream::connect(self.addresses[self.next_address]).await {
                Ok(stream) => return Ok(stream),
                Err(error) => refused = error,
            }
            self.next_address = (self.next_address + 1) % self.addresses.len();
        }
        Err(refused)
    }

    async fn open(&mut self) -> Result<Live, std::io::Error> {
        let stream = self.reach().await?;
        stream.set_nodelay(true)?;
        let (sender, connection) =
            Builder::new().handshake(TokioIo::new(stream)).await.map_err(std::io::Error::other)?;
        // it ends with its sender; how it ended is told by the request that it carried
        tokio::spawn(async move { drop(connection.await) });
        self.opened += 1;
        // spread, so that connections made together do not end together
        let expires = (!self.lifetime.is_zero())
            .then(|| Instant::now() + self.lifetime.mul_f64(0.5 + self.random.f64() / 2.0));
        Ok(Live { sender, expires })
    }
}

async fn read(response: hyper::Response<hyper::body::Incoming>, keep: bool) -> Result<Answer, Trouble> {
    let status = response.status().as_u16();
    let location = response.headers().get(LOCATION).cloned();
    let mut body = response.into_body();
    let mut answer = Answer { status, location, bytes: 0, body: Vec::new() };
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| trouble(&error))?;
        if let Some(data) = frame.data_ref() {
            answer.bytes += data.len() as u64;
            if keep && answer.body.len() + data.len() <= LONGEST_KEPT {
                answer.body.extend_from_slice(data);
            }
        }
    }
    Ok(answer)
}

fn trouble(error: &hyper::Error) -> Trouble {
    if error.is_parse() { Trouble::Protocol } else { Trouble::Closed }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_address_is_tried_and_the_one_that_works_is_kept() {
        let open = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addresses = vec![gone.local_addr().unwrap(), open.local_addr().unwrap()];
        drop(gone);
        let mut connection = Connection::new(addresses, Duration::ZERO, 1);
        for opened in 1..=3 {
            assert!(connection.open().await.is_ok());
            assert_eq!((connection.opened, connection.next_address), (opened, 1));
        }
        drop(open);
        assert!(connection.open().await.is_err());
    }
}
