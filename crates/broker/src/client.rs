//! A small Kafka client: enough to ask a cluster about its topics and groups.
//!
//! Input: addresses of brokers and requests of the exporter. Output: answers. It uses old versions of each request without compact
//! lengths, which every broker from 0.11 to 4.x answers, and neither produces nor consumes.

use bytes::{BufMut, BytesMut};
use kafka_protocol::messages::{ApiKey, RequestHeader, ResponseHeader};
use kafka_protocol::protocol::{Decodable, Encodable, Request, StrBytes};
use std::io;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

/// Bytes of the largest answer that is read.
const ANSWER_BYTES: usize = 32 << 20;
/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(2);

/// A connection to one broker.
#[derive(Debug)]
pub(crate) struct Client {
    stream: TcpStream,
    deadline: Instant,
    correlation: i32,
}

fn late(_: tokio::time::error::Elapsed) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the broker did not answer in time")
}

fn odd(what: impl std::fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the broker's answer is not understood: {what}"))
}

impl Client {
    /// Connects; everything asked over the connection has to be answered by `deadline`.
    pub(crate) async fn connect(address: &str, deadline: Instant) -> io::Result<Self> {
        let until = deadline.min(Instant::now() + CONNECT);
        let stream = tokio::time::timeout_at(until, TcpStream::connect(address)).await.map_err(late)??;
        stream.set_nodelay(true)?;
        Ok(Self { stream, deadline, correlation: 0 })
    }

    /// Asks and waits for the answer.
    pub(crate) async fn ask<R: Request>(&mut self, version: i16, request: &R) -> io::Result<R::Response> {
        tokio::time::timeout_at(self.deadline, self.exchange(version, request)).await.map_err(late)?
    }

    async fn exchange<R: Request>(&mut self, version: i16, request: &R) -> io::Result<R::Response> {
        self.correlation += 1;
        let header = RequestHeader::default()
            .with_request_api_key(R::KEY)
            .with_request_api_version(version)
            .with_correlation_id(self.correlation)
            .with_client_id(Some(StrBytes::from_static_str("kafka_exporter")));
        let mut out = BytesMut::new();
        out.put_i32(0);
        let key = ApiKey::try_from(R::KEY).map_err(|()| odd("unknown request"))?;
        header.encode(&mut out, key.request_header_version(version)).map_err(odd)?;
        request.encode(&mut out, version).map_err(odd)?;
        let length = i32::try_from(out.len() - 4).map_err(odd)?;
        out[..4].copy_from_slice(&length.to_be_bytes());
        self.stream.write_all(&out).await?;
        let size = usize::try_from(self.stream.read_i32().await?).map_err(odd)?;
        if size > ANSWER_BYTES {
            return Err(odd(format!("{size} bytes, more than {ANSWER_BYTES}")));
        }
        let mut frame = vec![0; size];
        self.stream.read_exact(&mut frame).await?;
        let mut frame = bytes::Bytes::from(frame);
        let header = ResponseHeader::decode(&mut frame, key.response_header_version(version)).map_err(odd)?;
        if header.correlation_id != self.correlation {
            return Err(odd("it belongs to another request"));
        }
        R::Response::decode(&mut frame, version).map_err(odd)
    }
}
