//! What all connections share.
//!
//! Input: the options and what the data folder held. Output: references for the handlers. It has no behaviour but handing
//! out producer ids.

use crate::coordinator::Coordinator;
use crate::options::BrokerOptions;
use crate::statistics::Statistics;
use crate::topics::{Topics, lock, write_whole};
use kafka_protocol::messages::BrokerId;
use std::path::PathBuf;
use std::sync::Mutex;
use tokio::sync::Semaphore;

/// Producer ids taken from the file at once, as in Kafka.
const ID_BLOCK: i64 = 1000;

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) options: BrokerOptions,
    pub(crate) cluster_id: String,
    /// Host and port that clients are told.
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) topics: Topics,
    pub(crate) groups: Coordinator,
    pub(crate) statistics: Statistics,
    pub(crate) producer_ids: ProducerIds,
    /// KiB of large requests and fetch answers that may be held.
    pub(crate) in_flight: Semaphore,
}

impl Shared {
    pub(crate) fn node(&self) -> BrokerId {
        BrokerId(self.options.node_id)
    }
}

/// Hands out producer ids that were never handed out before, in no run.
#[derive(Debug)]
pub(crate) struct ProducerIds {
    path: PathBuf,
    /// The next id, and the end of the block that the file says is taken.
    state: Mutex<(i64, i64)>,
}

impl ProducerIds {
    pub(crate) fn open(path: PathBuf) -> Self {
        let stored =
            std::fs::read_to_string(&path).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0);
        Self { path, state: Mutex::new((stored, stored)) }
    }

    pub(crate) fn next(&self) -> std::io::Result<i64> {
        let mut state = lock(&self.state);
        let (next, end) = *state;
        if next == end {
            write_whole(&self.path, (end + ID_BLOCK).to_string().as_bytes())?;
            state.1 = end + ID_BLOCK;
        }
        state.0 = next + 1;
        Ok(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn producer_ids_never_repeat() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("producer-ids");
        let ids = ProducerIds::open(path.clone());
        let first: Vec<_> = (0..1001).map(|_| ids.next().unwrap()).collect();
        assert_eq!((first[0], first[1000]), (0, 1000));
        assert_eq!(ProducerIds::open(path).next().unwrap(), 2000);
    }
}
