//! The topics of the broker: names, ids, configurations, and the logs of their partitions.
//!
//! Input: topics of the options, requests to create, change and delete, and the files of the run before. Output: folders and
//! logs that the handlers write and read. `topics.json` in the data folder says which topics there are; the logs lie in
//! `<topic>-<partition>/` beside it, as Kafka lays them out. It decides nothing about messages.

use crate::codes;
use crate::error::BrokerError;
use crate::options::{Limits, TopicSpec};
use crate::partition_log::PartitionLog;
use crate::statistics::TopicStatistics;
use crate::topic_config::TopicConfig;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use tokio::sync::Notify;
use uuid::Uuid;

/// Locks, even when another thread panicked while it held the lock: logs are consistent after every call.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether a topic may have this name.
pub(crate) fn is_topic_name(name: &str) -> bool {
    let letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    (1..=249).contains(&name.len()) && name != "." && name != ".." && name.chars().all(letter)
}

/// A partition and who waits for messages in it.
#[derive(Debug)]
pub(crate) struct Partition {
    pub(crate) log: Mutex<PartitionLog>,
    waiting: Mutex<Vec<Arc<Notify>>>,
}

impl Partition {
    /// Has `who` woken by the next message.
    pub(crate) fn wake_later(&self, who: &Arc<Notify>) {
        let mut waiting = lock(&self.waiting);
        waiting.retain(|other| Arc::strong_count(other) > 1 && !Arc::ptr_eq(other, who));
        waiting.push(Arc::clone(who));
    }

    /// Wakes everybody who waits.
    pub(crate) fn wake(&self) {
        for who in std::mem::take(&mut *lock(&self.waiting)) {
            who.notify_one();
        }
    }
}

/// A topic as it is at one moment; a change makes a new one that shares the partitions.
#[derive(Debug, Clone)]
pub(crate) struct Topic {
    pub(crate) name: String,
    pub(crate) id: Uuid,
    pub(crate) configs: BTreeMap<String, String>,
    pub(crate) config: TopicConfig,
    pub(crate) partitions: Vec<Arc<Partition>>,
    pub(crate) statistics: Arc<TopicStatistics>,
}

impl Topic {
    /// The partition of this number.
    pub(crate) fn partition(&self, index: i32) -> Option<&Arc<Partition>> {
        self.partitions.get(usize::try_from(index).ok()?)
    }
}

/// A refusal: protocol code and text.
pub(crate) type Refusal = (i16, String);

#[derive(Serialize, Deserialize)]
struct StoredTopic {
    name: String,
    id: String,
    partitions: usize,
    configs: BTreeMap<String, String>,
}

/// All topics.
#[derive(Debug)]
pub(crate) struct Topics {
    folder: PathBuf,
    limits: Limits,
    by_name: RwLock<BTreeMap<String, Arc<Topic>>>,
    /// Held while topics are made, changed or removed.
    changing: Mutex<()>,
}

impl Topics {
    /// Opens every topic of the folder and recovers its logs.
    pub(crate) fn open(folder: &Path, limits: &Limits) -> Result<Self, BrokerError> {
        let path = folder.join("topics.json");
        let topics = Self {
            folder: folder.to_owned(),
            limits: limits.clone(),
            by_name: RwLock::default(),
            changing: Mutex::default(),
        };
        let text = match std::fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(topics),
            read => read.map_err(|source| BrokerError::file("cannot read", &path, source))?,
        };
        let stored: Vec<StoredTopic> = serde_json::from_slice(&text)
            .map_err(|error| BrokerError::Damaged { path: path.clone(), reason: error.to_string() })?;
        for topic in stored {
            let id = Uuid::parse_str(&topic.id)
                .map_err(|error| BrokerError::Damaged { path: path.clone(), reason: error.to_string() })?;
            let opened = topics.open_topic(&topic.name, id, topic.partitions, topic.configs);
            let opened =
                opened.map_err(|source| BrokerError::file("cannot open a log in", folder, source))?;
            topics.write().insert(topic.name, Arc::new(opened));
        }
        Ok(topics)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, BTreeMap<String, Arc<Topic>>> {
        self.by_name.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, BTreeMap<String, Arc<Topic>>> {
        self.by_name.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn open_topic(
        &self,
        name: &str,
        id: Uuid,
        partitions: usize,
        configs: BTreeMap<String, String>,
    ) -> std::io::Result<Topic> {
        let config = TopicConfig::parse(&configs).map_err(std::io::Error::other)?;
        let mut topic = Topic {
            name: name.to_owned(),
            id,
            configs,
            config,
            partitions: Vec::new(),
            statistics: Arc::default(),
        };
        self.open_partitions(&mut topic, partitions)?;
        Ok(topic)
    }

    fn open_partitions(&self, topic: &mut Topic, count: usize) -> std::io::Result<()> {
        for index in topic.partitions.len()..count {
            let log = PartitionLog::open(&self.folder_of(&topic.name, index), self.limits.producers)?;
            topic.partitions.push(Arc::new(Partition { log: Mutex::new(log), waiting: Mutex::default() }));
        }
        Ok(())
    }

    fn folder_of(&self, topic: &str, partition: usize) -> PathBuf {
        self.folder.join(format!("{topic}-{partition}"))
    }

    /// The topic of this name.
    pub(crate) fn get(&self, name: &str) -> Option<Arc<Topic>> {
        self.read().get(name).cloned()
    }

    /// The topic of this id.
    pub(crate) fn by_id(&self, id: Uuid) -> Option<Arc<Topic>> {
        self.read().values().find(|topic| topic.id == id).cloned()
    }

    /// All topics by name.
    pub(crate) fn all(&self) -> Vec<Arc<Topic>> {
        self.read().values().cloned().collect()
    }

    /// Makes a topic; with `only_check`, says whether it could be made.
    pub(crate) fn create(&self, spec: &TopicSpec, only_check: bool) -> Result<Option<Arc<Topic>>, Refusal> {
        let changing = lock(&self.changing);
        let name = spec.name.as_str();
        if !is_topic_name(name) {
            let text = format!("topic name {name:?} is not 1 to 249 letters, digits, '.', '_' or '-'");
            return Err((codes::INVALID_TOPIC_EXCEPTION, text));
        }
        if self.get(name).is_some() {
            return Err((codes::TOPIC_ALREADY_EXISTS, format!("Topic '{name}' already exists.")));
        }
        TopicConfig::parse(&spec.configs).map_err(|text| (codes::INVALID_CONFIG, text))?;
        let count = self.check_partitions(spec.partitions, 0)?;
        if self.read().len() >= self.limits.topics {
            let text = format!("there are {} topics already, the limit of this broker", self.limits.topics);
            return Err((codes::POLICY_VIOLATION, text));
        }
        if only_check {
            return Ok(None);
        }
        let made = (0..count).try_for_each(|index| remove_folder(&self.folder_of(name, index)));
        let topic = made.and_then(|()| self.open_topic(name, Uuid::now_v7(), count, spec.configs.clone()));
        let topic = Arc::new(topic.map_err(|error| storage(&error))?);
        self.write().insert(name.to_owned(), Arc::clone(&topic));
        if let Err(error) = self.store() {
            self.write().remove(name);
            mark_deleted(&topic.partitions);
            return Err(storage(&error));
        }
        drop(changing);
        Ok(Some(topic))
    }

    fn check_partitions(&self, wanted: i32, existing: usize) -> Result<usize, Refusal> {
        let count = usize::try_from(wanted).unwrap_or(0);
        if count == 0 {
            return Err((
                codes::INVALID_PARTITIONS,
                format!("{wanted} partitions; there must be at least one"),
            ));
        }
        let others: usize =
            self.read().values().map(|topic| topic.partitions.len()).sum::<usize>() - existing;
        if others + count > self.limits.partitions {
            let most = self.limits.partitions;
            return Err((
                codes::INVALID_PARTITIONS,
                format!("{wanted} partitions would be more than this broker's {most}"),
            ));
        }
        Ok(count)
    }

    /// Gives a topic more partitions and, where given, another configuration.
    pub(crate) fn change(
        &self,
        name: &str,
        partitions: Option<i32>,
        configs: Option<BTreeMap<String, String>>,
        only_check: bool,
    ) -> Result<(), Refusal> {
        let changing = lock(&self.changing);
        let Some(old) = self.get(name) else {
            return Err((codes::UNKNOWN_TOPIC_OR_PARTITION, format!("topic {name:?} does not exist")));
        };
        let mut topic = (*old).clone();
        if let Some(configs) = configs {
            topic.config = TopicConfig::parse(&configs).map_err(|text| (codes::INVALID_CONFIG, text))?;
            topic.configs = configs;
        }
        let count = match partitions {
            None => topic.partitions.len(),
            Some(wanted) => {
                let count = self.check_partitions(wanted, topic.partitions.len())?;
                if count <= topic.partitions.len() {
                    let text = format!("topic {name:?} has {} partitions; give more", topic.partitions.len());
                    return Err((codes::INVALID_PARTITIONS, text));
                }
                count
            }
        };
        if only_check {
            return Ok(());
        }
        self.open_partitions(&mut topic, count).map_err(|error| storage(&error))?;
        let added = topic.partitions[old.partitions.len()..].to_vec();
        self.write().insert(name.to_owned(), Arc::new(topic));
        if let Err(error) = self.store() {
            mark_deleted(&added);
            self.write().insert(name.to_owned(), old);
            return Err(storage(&error));
        }
        drop(changing);
        Ok(())
    }

    /// Removes a topic and its files.
    pub(crate) fn delete(&self, name: &str) -> Result<(), Refusal> {
        let changing = lock(&self.changing);
        let Some(topic) = self.write().remove(name) else {
            return Err((codes::UNKNOWN_TOPIC_OR_PARTITION, format!("topic {name:?} does not exist")));
        };
        if let Err(error) = self.store() {
            self.write().insert(name.to_owned(), topic);
            return Err(storage(&error));
        }
        // Before the folders are free for another topic of this name: producers and consumers may still hold these logs.
        mark_deleted(&topic.partitions);
        for (index, partition) in topic.partitions.iter().enumerate() {
            if let Err(error) = remove_folder(&self.folder_of(name, index)) {
                tracing::warn!(topic = name, partition = index, %error, "cannot remove the files of a deleted topic");
            }
            partition.wake();
        }
        drop(changing);
        Ok(())
    }

    fn store(&self) -> std::io::Result<()> {
        let stored = |topic: &Arc<Topic>| StoredTopic {
            name: topic.name.clone(),
            id: topic.id.to_string(),
            partitions: topic.partitions.len(),
            configs: topic.configs.clone(),
        };
        let topics: Vec<_> = self.read().values().map(stored).collect();
        let text = serde_json::to_vec_pretty(&topics).map_err(std::io::Error::other)?;
        write_whole(&self.folder.join("topics.json"), &text)
    }

    /// Applies every topic's retention at `now` (ms since the epoch).
    pub(crate) fn retain(&self, now: i64) {
        for topic in self.all() {
            let oldest = topic.config.retention_ms.map(|age| now - age);
            for (index, partition) in topic.partitions.iter().enumerate() {
                match lock(&partition.log).retain(oldest, topic.config.retention_bytes) {
                    Ok(0) => {}
                    Ok(count) => {
                        tracing::debug!(topic = topic.name, partition = index, count, "removed old segments");
                    }
                    Err(error) => {
                        tracing::warn!(topic = topic.name, partition = index, %error, "cannot remove old segments");
                    }
                }
            }
        }
    }

    /// Puts every log onto the disk itself.
    pub(crate) fn sync(&self) {
        for topic in self.all() {
            for partition in &topic.partitions {
                if let Err(error) = lock(&partition.log).sync() {
                    tracing::warn!(topic = topic.name, %error, "cannot sync a log");
                }
            }
        }
    }
}

fn mark_deleted(partitions: &[Arc<Partition>]) {
    for partition in partitions {
        lock(&partition.log).mark_deleted();
    }
}

fn storage(error: &std::io::Error) -> Refusal {
    (codes::KAFKA_STORAGE_ERROR, format!("the data folder cannot be written: {error}"))
}

fn remove_folder(folder: &Path) -> std::io::Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Replaces a small file as a whole, on the disk itself.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let temporary = path.with_extension("new");
    let mut file = std::fs::File::create(&temporary)?;
    std::io::Write::write_all(&mut file, bytes)?;
    file.sync_data()?;
    std::fs::rename(&temporary, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code<T>(result: Result<T, Refusal>) -> i16 {
        result.err().map_or(codes::NONE, |(code, _)| code)
    }

    #[test]
    fn topics_outlive_the_process_and_deleted_ones_do_not() {
        let folder = tempfile::tempdir().unwrap();
        let limits = Limits { topics: 3, partitions: 10, ..Limits::default() };
        let topics = Topics::open(folder.path(), &limits).unwrap();
        let create = |name: &str, partitions| code(topics.create(&TopicSpec::new(name, partitions), false));
        assert_eq!(create("events", 5), codes::NONE);
        assert_eq!(create("events", 5), codes::TOPIC_ALREADY_EXISTS);
        assert_eq!(create("../etc", 1), codes::INVALID_TOPIC_EXCEPTION);
        assert_eq!(create("none", 0), codes::INVALID_PARTITIONS);
        assert_eq!(create("many", 6), codes::INVALID_PARTITIONS);
        assert_eq!(create("gone", 1), codes::NONE);
        assert_eq!(create("third", 1), codes::NONE);
        assert_eq!(create("fourth", 1), codes::POLICY_VIOLATION);
        assert_eq!(code(topics.change("events", Some(5), None, false)), codes::INVALID_PARTITIONS);
        let configs = BTreeMap::from([("retention.ms".to_owned(), "5".to_owned())]);
        assert_eq!(code(topics.change("events", Some(7), Some(configs), false)), codes::NONE);
        assert_eq!(code(topics.delete("gone")), codes::NONE);
        assert_eq!(code(topics.delete("gone")), codes::UNKNOWN_TOPIC_OR_PARTITION);
        let id = topics.get("events").unwrap().id;
        drop(topics);
        let topics = Topics::open(folder.path(), &limits).unwrap();
        let names: Vec<_> =
            topics.all().iter().map(|topic| (topic.name.clone(), topic.partitions.len())).collect();
        assert_eq!(names, [("events".to_owned(), 7), ("third".to_owned(), 1)]);
        let events = topics.get("events").unwrap();
        assert_eq!((events.id, events.config.retention_ms), (id, Some(5)));
        assert!(!folder.path().join("gone-0").exists());
    }
}
