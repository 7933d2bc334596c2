//! A server with listeners for spans, and a double for the store behind them.

use crate::client::get;
use crate::served::{example_state, listener};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;
use tidewatch_http::{
    ApiState, ConnectionLimits, IntakeError, OtlpLimits, Server, Serves, SpanIntake, SpanReception, Taken,
};
use tidewatch_otlp::decode_traces;
use tidewatch_traces::{ResourceRef, ScopeRef, SpanRef, SpanSink};
use tokio::sync::oneshot;

/// Keeps the names of spans; refuses those called `late`.
#[derive(Default)]
pub(crate) struct Names {
    pub(crate) names: Mutex<Vec<String>>,
    /// Whether it takes nothing now.
    pub(crate) is_full: AtomicBool,
    pub(crate) calls: AtomicU64,
    /// The next call waits until the other end is gone.
    pub(crate) hold_next: Mutex<Option<mpsc::Receiver<()>>>,
}

struct Writer(Vec<String>);

impl SpanSink for Writer {
    fn resource(&mut self, _: &ResourceRef<'_>) {}
    fn scope(&mut self, _: &ScopeRef<'_>) {}
    fn span(&mut self, span: &SpanRef<'_>) {
        self.0.push(span.name.to_owned());
    }
}

impl SpanIntake for Names {
    fn take(&self, request: &[u8]) -> Result<Taken, IntakeError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let held = self.hold_next.lock().unwrap().take();
        if let Some(held) = held {
            let _ = held.recv_timeout(Duration::from_secs(10));
        }
        if self.is_full.load(Ordering::SeqCst) {
            return Err(IntakeError::Unavailable("the span store is full".to_owned()));
        }
        let mut writer = Writer(Vec::new());
        let decoded = decode_traces(request, &mut writer)?;
        let late = writer.0.iter().filter(|name| *name == "late").count() as u64;
        let taken =
            Taken { accepted: decoded.spans - late, rejected: vec![("late", late)], repaired_texts: 0 };
        writer.0.retain(|name| name != "late");
        self.names.lock().unwrap().extend(writer.0);
        Ok(taken.with_decoded(&decoded))
    }
}

pub(crate) struct Receiving {
    pub(crate) names: Arc<Names>,
    pub(crate) everything: SocketAddr,
    pub(crate) http: SocketAddr,
    pub(crate) grpc: SocketAddr,
    pub(crate) sampling: SocketAddr,
    stop: oneshot::Sender<()>,
    ended: tokio::task::JoinHandle<()>,
}

impl Receiving {
    pub(crate) async fn start(limits: OtlpLimits) -> Self {
        Self::start_within(ConnectionLimits::default(), limits).await
    }

    pub(crate) async fn start_within(connections: ConnectionLimits, limits: OtlpLimits) -> Self {
        let names = Arc::new(Names::default());
        let spans = Some(SpanReception { intake: names.clone(), limits });
        let kinds = [Serves::Everything, Serves::Otlp, Serves::OtlpGrpc, Serves::Sampling];
        let specs = kinds.map(|serves| listener("127.0.0.1:0", serves));
        let server = Server::bind(&specs).await.unwrap().with_limits(connections);
        let [everything, http, grpc, sampling] = server.addresses().try_into().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let ended = tokio::spawn(server.serve(ApiState { spans, ..example_state() }, async {
            let _ = stopped.await;
        }));
        Self { names, everything, http, grpc, sampling, stop, ended }
    }

    pub(crate) fn taken(&self) -> Vec<String> {
        self.names.names.lock().unwrap().clone()
    }

    /// The value of one of the server's own metrics.
    pub(crate) async fn metric(&self, series: &str) -> String {
        let text = get(self.everything, "/metrics").await.text();
        let line = text.lines().find_map(|line| line.strip_prefix(series));
        line.unwrap_or_else(|| panic!("no {series} in {text}")).trim().to_owned()
    }

    pub(crate) async fn stop(self) {
        drop(self.stop);
        self.ended.await.unwrap();
    }
}

fn field(number: u8, value: &[u8]) -> Vec<u8> {
    assert!(value.len() < 1 << 28);
    let mut out = vec![number << 3 | 2];
    let mut length = value.len();
    while length >= 0x80 {
        out.push(length as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
    out.extend_from_slice(value);
    out
}

/// A protobuf request with spans of these names.
pub(crate) fn request(names: &[&str]) -> Vec<u8> {
    let spans: Vec<u8> = names.iter().flat_map(|name| field(2, &field(5, name.as_bytes()))).collect();
    field(1, &field(2, &spans))
}

pub(crate) fn gzipped(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}
