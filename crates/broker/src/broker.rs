//! Starts and stops the broker.
//!
//! Input: [`BrokerOptions`]. Output: a listener that speaks Kafka's protocol, a metrics page, and tasks that keep groups and logs
//! in order. It takes no part in any request.

use crate::connection;
use crate::coordinator::{Coordinator, now_ms};
use crate::error::BrokerError;
use crate::fetch::SCARCE;
use crate::metrics_listener;
use crate::options::{BrokerOptions, TopicSpec};
use crate::shared::{ProducerIds, Shared};
use crate::statistics::Statistics;
use crate::topic_config::TopicConfig;
use crate::topics::{Topics, write_whole};
use std::fs::File;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use uuid::Uuid;

/// How often retention is applied.
const HOUSEKEEPING: Duration = Duration::from_secs(30);
/// How long connections may take to end.
const ENDING: Duration = Duration::from_millis(500);

/// A running broker. Dropping it ends its tasks without putting the logs onto the disk itself; [`Broker::shutdown`] does both.
#[derive(Debug)]
pub struct Broker {
    address: SocketAddr,
    metrics_address: Option<SocketAddr>,
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
    /// Locked as long as the broker runs.
    _folder: File,
}

impl Broker {
    /// Opens the data folder, recovers the logs, makes missing topics and listens. Needs a tokio runtime.
    ///
    /// # Errors
    /// When an address is not loopback or in use, the folder is in use or cannot be read or written, or a topic of the options
    /// is not usable.
    pub async fn start(options: BrokerOptions) -> Result<Self, BrokerError> {
        for address in [Some(options.listen), options.metrics_listen].into_iter().flatten() {
            if !address.ip().is_loopback() {
                return Err(BrokerError::NotLoopback(address));
            }
        }
        let data = options.data_folder.clone();
        std::fs::create_dir_all(&data).map_err(|source| BrokerError::file("cannot make", &data, source))?;
        let folder = lock_folder(&data)?;
        let cluster_id = cluster_id(&options)?;
        let topics = Topics::open(&data, &options.limits)?;
        for spec in &options.topics {
            ensure(&topics, spec)?;
        }
        let groups = Coordinator::open(&data, &options.limits, options.initial_rebalance_delay_ms)?;
        let (listener, address) = listen(options.listen).await?;
        let metrics = match options.metrics_listen {
            Some(address) => Some(listen(address).await?),
            None => None,
        };
        let (host, port) =
            options.advertised.clone().unwrap_or_else(|| (address.ip().to_string(), address.port()));
        let in_flight = options.limits.in_flight_bytes.max(options.limits.request_bytes).max(SCARCE);
        let in_flight = Semaphore::new(in_flight / 1024);
        let producer_ids = ProducerIds::open(data.join("producer-ids"));
        let statistics = Statistics::default();
        let shared = Arc::new(Shared {
            options,
            cluster_id,
            host,
            port,
            topics,
            groups,
            statistics,
            producer_ids,
            in_flight,
        });
        let (stop, stopped) = watch::channel(false);
        let mut tasks = JoinSet::new();
        tasks.spawn(connection::accept(Arc::clone(&shared), listener, stopped.clone()));
        tasks.spawn(keep_groups(Arc::clone(&shared), stopped.clone()));
        tasks.spawn(keep_logs(Arc::clone(&shared), stopped.clone()));
        let metrics_address = metrics.as_ref().map(|(_, address)| *address);
        if let Some((listener, _)) = metrics {
            tasks.spawn(metrics_listener::serve(Arc::clone(&shared), listener, stopped));
        }
        let known = shared.topics.all().len();
        tracing::info!(%address, topics = known, folder = %shared.options.data_folder.display(), "broker listens");
        Ok(Self { address, metrics_address, shared, stop, tasks, _folder: folder })
    }

    /// The address of the Kafka listener.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address of the metrics page, if there is one.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics_address
    }

    /// Makes a topic, or gives an existing one the missing partitions and this configuration: for a manifest that changed while
    /// the broker runs.
    ///
    /// # Errors
    /// [`BrokerError::Topic`] when the name, the number of partitions or the configuration is refused.
    pub fn ensure_topic(&self, spec: &TopicSpec) -> Result<(), BrokerError> {
        ensure(&self.shared.topics, spec)
    }

    /// Ends connections and tasks, and puts the logs onto the disk itself.
    pub async fn shutdown(mut self) {
        let _ = self.stop.send(true);
        let ended = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(ENDING, ended).await.is_err() {
            tracing::warn!("tasks of the broker did not end in time");
        }
        self.shared.topics.sync();
    }
}

fn lock_folder(data: &Path) -> Result<File, BrokerError> {
    let path = data.join("lock");
    let file = File::create(&path).map_err(|source| BrokerError::file("cannot make", &path, source))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(BrokerError::FolderInUse(data.to_owned())),
        Err(std::fs::TryLockError::Error(source)) => Err(BrokerError::file("cannot lock", &path, source)),
    }
}

fn cluster_id(options: &BrokerOptions) -> Result<String, BrokerError> {
    if let Some(id) = &options.cluster_id {
        return Ok(id.clone());
    }
    let path = options.data_folder.join("cluster-id");
    match std::fs::read_to_string(&path) {
        Ok(id) if !id.trim().is_empty() => return Ok(id.trim().to_owned()),
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(BrokerError::file("cannot read", &path, error));
        }
        _ => {}
    }
    let id = Uuid::now_v7().simple().to_string();
    write_whole(&path, id.as_bytes()).map_err(|source| BrokerError::file("cannot write", &path, source))?;
    Ok(id)
}

fn ensure(topics: &Topics, spec: &TopicSpec) -> Result<(), BrokerError> {
    let refused = |(_, reason): (i16, String)| BrokerError::topic(&spec.name, reason);
    TopicConfig::parse(&spec.configs).map_err(|reason| BrokerError::topic(&spec.name, reason))?;
    let Some(topic) = topics.get(&spec.name) else {
        return topics.create(spec, false).map(drop).map_err(refused);
    };
    let existing = i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX);
    let partitions = (spec.partitions > existing).then_some(spec.partitions);
    let configs = (spec.configs != topic.configs).then(|| spec.configs.clone());
    if partitions.is_none() && configs.is_none() {
        return Ok(());
    }
    topics.change(&spec.name, partitions, configs, false).map_err(refused)
}

async fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), BrokerError> {
    let failed = |source| BrokerError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

async fn keep_groups(shared: Arc<Shared>, mut stop: watch::Receiver<bool>) {
    tokio::select! {
        () = shared.groups.run_timer() => {}
        _ = stop.changed() => {}
    }
}

async fn keep_logs(shared: Arc<Shared>, mut stop: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(HOUSEKEEPING) => {}
            _ = stop.changed() => return,
        }
        shared.topics.retain(now_ms());
        shared.groups.expire();
    }
}
