//! The address of a Service: connections to it are carried to ready pods.
//!
//! Input: listening sockets and the current endpoints. Output: bytes, both ways, unchanged. Each connection goes to the
//! next ready pod in turn; one that does not answer is passed over; without a ready pod the connection is reset at
//! once. Connections that the limit of open files has no room for wait until others end. Requests inside a connection
//! are not looked at, and established connections stay where they are; the pod is told when bytes move in them.

use crate::cluster::Cluster;
use crate::events::About;
use crate::open_files::OpenFiles;
use crate::traffic::Carried;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tidewatch_manifest::{Endpoints, PodRef};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::timeout;

/// Connections at a time, for each port of a Service; at most half of those of all Services.
const MOST_CONNECTIONS: usize = 2048;
/// A pod that takes longer to accept is passed over.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// The pods behind one port of a Service.
#[derive(Debug)]
pub(crate) struct Backends {
    endpoints: watch::Receiver<Arc<Vec<Endpoints>>>,
    namespace: String,
    service: String,
    port: String,
    number: u16,
    next: AtomicUsize,
    permits: Arc<Semaphore>,
}

impl Backends {
    pub(crate) fn new(cluster: &Cluster, namespace: &str, service: &str, port: &str, number: u16) -> Self {
        let files = OpenFiles::raised();
        Self {
            endpoints: cluster.endpoints.subscribe(),
            namespace: namespace.to_owned(),
            service: service.to_owned(),
            port: port.to_owned(),
            number,
            next: AtomicUsize::new(0),
            permits: Arc::new(Semaphore::new(MOST_CONNECTIONS.min(files.connections() / 2))),
        }
    }

    /// The ready pods, beginning with the one whose turn it is.
    fn in_turn(&self) -> Vec<(SocketAddr, Arc<PodRef>)> {
        let endpoints = Arc::clone(&self.endpoints.borrow());
        let own =
            |service: &&Endpoints| service.namespace == self.namespace && service.service == self.service;
        let mut ready: Vec<(SocketAddr, Arc<PodRef>)> = endpoints
            .iter()
            .find(own)
            .into_iter()
            .flat_map(|service| service.addresses.iter().filter(|address| address.ready))
            .filter_map(|address| {
                let port = address.ports.iter().find(|port| port.name == self.port)?;
                Some((SocketAddr::new(address.ip, port.port), Arc::clone(&address.pod)))
            })
            .collect();
        if !ready.is_empty() {
            let turn = self.next.fetch_add(1, Ordering::Relaxed) % ready.len();
            ready.rotate_left(turn);
        }
        ready
    }

    async fn connect(&self, cluster: &Cluster) -> Option<Carried<TcpStream>> {
        for (address, pod) in self.in_turn() {
            let Some(pod) = cluster.pod(&pod.namespace, &pod.name) else { continue };
            if let Ok(Ok(stream)) = timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await {
                let _ = stream.set_nodelay(true);
                return Some(pod.traffic.carry(stream));
            }
        }
        None
    }

    fn about(&self) -> About<'_> {
        About { kind: "Service", namespace: &self.namespace, name: &self.service }
    }

    /// A place among the connections of all Services; tells when it has to be waited for.
    async fn place(&self, cluster: &Cluster) -> Option<OwnedSemaphorePermit> {
        if let Ok(place) = Arc::clone(&cluster.connections).try_acquire_owned() {
            return Some(place);
        }
        let files = OpenFiles::raised();
        let message = format!(
            "port {}: a connection waits for one of the {} that {} open files allow; hint: raise the limit of open \
             files (ulimit -Hn)",
            self.number,
            files.connections(),
            files.limit()
        );
        cluster.events.warning(self.about(), "ConnectionsLimited", message);
        Arc::clone(&cluster.connections).acquire_owned().await.ok()
    }

    async fn carry(&self, cluster: &Cluster, mut client: TcpStream) {
        let Some(mut pod) = self.connect(cluster).await else {
            // Closing with a reset says "refused" sooner than an orderly end would.
            let _ = client.set_zero_linger();
            return;
        };
        let _ = client.set_nodelay(true);
        let _ = copy_bidirectional(&mut client, &mut pod).await;
    }
}

/// Listens on an address so that a restarted instance can have it again at once.
pub(crate) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(1024)
}

/// Carries connections until the task is ended; they end with it.
pub(crate) async fn serve(listener: TcpListener, backends: Arc<Backends>, cluster: Arc<Cluster>) {
    let mut connections = tokio::task::JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok(permit) = Arc::clone(&backends.permits).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((client, _)) => {
                // Asked for only now: a port that waits for its next client must not hold the place of one.
                let Some(place) = backends.place(&cluster).await else { return };
                let (backends, cluster) = (Arc::clone(&backends), Arc::clone(&cluster));
                connections.spawn(async move {
                    backends.carry(&cluster, client).await;
                    drop((permit, place));
                });
            }
            Err(error) => {
                let message = format!(
                    "port {}: cannot accept connections: {error}; hint: raise the limit of open files (ulimit -n)",
                    backends.number
                );
                cluster.events.warning(backends.about(), "AcceptFailed", message);
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
    }
}
