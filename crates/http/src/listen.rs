//! Addresses to listen on: only loopback ones, and a clear word on who has one already.
//!
//! Input: addresses with the flags that set them. Output: bound sockets. A non-loopback address is refused until there
//! are credentials to protect it.

use crate::error::ServerError;
use std::io;
use std::net::SocketAddr;
use tidewatch_runtime::holder_of;
use tokio::net::TcpListener;

/// What a listener serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Serves {
    /// The page and every API.
    Everything,
    /// The metrics of kube-state-metrics, cAdvisor, node-exporter and kafka_exporter.
    ClusterMetrics,
    /// OTLP over HTTP: spans come in.
    Otlp,
    /// OTLP over gRPC: spans come in.
    OtlpGrpc,
    /// Jaeger's remote sampling.
    Sampling,
}

/// A listener to be opened.
#[derive(Clone, Debug)]
pub struct ListenerSpec {
    /// Where; port 0 takes a free one.
    pub address: SocketAddr,
    /// The flag that sets it, for error texts, e.g. `--web.listen-address`.
    pub flag: String,
    /// What it serves.
    pub serves: Serves,
}

/// Opens a listener.
pub(crate) async fn bind(spec: &ListenerSpec) -> Result<TcpListener, ServerError> {
    let (address, flag) = (spec.address, spec.flag.clone());
    if !address.ip().to_canonical().is_loopback() {
        return Err(ServerError::NotLoopback { address, flag });
    }
    match TcpListener::bind(address).await {
        Ok(listener) => Ok(listener),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            Err(ServerError::AddressInUse { address, flag, holder: holder_of(address) })
        }
        Err(source) => Err(ServerError::Bind { address, flag, source }),
    }
}
