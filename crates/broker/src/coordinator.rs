//! Consumer groups with their committed offsets: the state machines of `group.rs` with a clock, a lock and a file.
//!
//! Input: requests of the handlers. Output: answers, at once or when the group is ready, and `groups.journal`. A commit is
//! answered when the operating system has it. Every decision about members is `group.rs`'s.
//!
//! Payloads of the journal, strings as u16 length and bytes, numbers big endian:
//! ```text
//! 1 group topic i32 partition i64 offset i32 epoch i64 time metadata      an offset was committed
//! 2 group topic i32 partition                                             it was removed
//! 3 group JSON                                                            the group's members and generation
//! 4 group                                                                 the group was removed with its offsets
//! ```

use crate::codes;
use crate::error::BrokerError;
use crate::group::{Answer, Group, Join, Outcome, State, Sync, Ticket};
use crate::journal::{Frames, Journal};
use crate::options::Limits;
use crate::topics::lock;
use bytes::{Buf, BufMut};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::{Notify, oneshot};

/// Bytes of the text that a client may attach to a commit (`offset.metadata.max.bytes`).
const METADATA_BYTES: usize = 4096;

/// Milliseconds since the epoch.
pub(crate) fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}

/// A committed offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Committed {
    pub(crate) offset: i64,
    pub(crate) leader_epoch: i32,
    pub(crate) metadata: String,
    time: i64,
}

impl Committed {
    /// What stands for a partition without a commit.
    pub(crate) fn none() -> Self {
        Self { offset: -1, leader_epoch: -1, metadata: String::new(), time: 0 }
    }
}

/// Committed offsets by topic and partition.
pub(crate) type Offsets = BTreeMap<String, BTreeMap<i32, Committed>>;

#[derive(Debug, Default)]
struct Kept {
    group: Group,
    offsets: Offsets,
    /// When the group lost its last member, or the last commit of a group without members.
    idle_since: i64,
}

#[derive(Debug)]
struct Inner {
    groups: BTreeMap<String, Kept>,
    waiting: HashMap<Ticket, oneshot::Sender<Answer>>,
    next_ticket: Ticket,
    committed: usize,
    journal: Journal,
    /// The earliest deadline the timer knows of.
    timer: i64,
}

/// All groups.
#[derive(Debug)]
pub(crate) struct Coordinator {
    inner: Mutex<Inner>,
    limits: Limits,
    initial_delay_ms: i64,
    wake: Notify,
}

/// An offset to commit.
#[derive(Debug, Clone)]
pub(crate) struct Commit {
    pub(crate) topic: String,
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) leader_epoch: i32,
    pub(crate) metadata: String,
}

impl Coordinator {
    /// Reads the journal back.
    pub(crate) fn open(folder: &Path, limits: &Limits, initial_delay_ms: i64) -> Result<Self, BrokerError> {
        let path = folder.join("groups.journal");
        let mut groups = BTreeMap::new();
        let journal = Journal::open(&path, |payload| {
            if replay(&mut groups, payload).is_none() {
                tracing::warn!(path = %path.display(), "left out a record of an unknown form");
            }
        });
        let journal = journal.map_err(|source| BrokerError::file("cannot read", &path, source))?;
        let now = now_ms();
        let mut committed = 0;
        for kept in groups.values_mut() {
            kept.group = std::mem::take(&mut kept.group).after_restart(now);
            kept.idle_since = kept.idle_since.max(now);
            committed += kept.offsets.values().map(BTreeMap::len).sum::<usize>();
        }
        let inner = Inner { groups, waiting: HashMap::new(), next_ticket: 0, committed, journal, timer: 0 };
        Ok(Self { inner: Mutex::new(inner), limits: limits.clone(), initial_delay_ms, wake: Notify::new() })
    }

    /// Lets a member join and waits until its group's next generation begins.
    pub(crate) async fn join(&self, group: &str, mut join: Join) -> Answer {
        let refuse = |code| Answer::NotJoined { code, member: join.member.clone() };
        if group.is_empty() {
            return refuse(codes::INVALID_GROUP_ID);
        }
        let sessions = self.limits.session_timeout_min_ms..=self.limits.session_timeout_max_ms;
        if !sessions.contains(&join.session_timeout_ms) {
            return refuse(codes::INVALID_SESSION_TIMEOUT);
        }
        let receiver = {
            let mut inner = lock(&self.inner);
            let known = inner.groups.contains_key(group);
            if !known && !join.member.is_empty() {
                return refuse(codes::UNKNOWN_MEMBER_ID);
            }
            if !known && inner.groups.len() >= self.limits.groups {
                return refuse(codes::GROUP_MAX_SIZE_REACHED);
            }
            let (ticket, receiver) = inner.ticket();
            join.ticket = ticket;
            let kept = inner.groups.entry(group.to_owned()).or_default();
            let outcome = kept.group.join(join, now_ms(), self.limits.group_members, self.initial_delay_ms);
            self.settle(&mut inner, group, outcome);
            receiver
        };
        receiver
            .await
            .unwrap_or(Answer::NotJoined { code: codes::COORDINATOR_NOT_AVAILABLE, member: String::new() })
    }

    /// Waits for a member's assignment.
    pub(crate) async fn sync(&self, group: &str, mut sync: Sync) -> Answer {
        let receiver = {
            let mut inner = lock(&self.inner);
            if !inner.groups.contains_key(group) {
                return Answer::NotSynced { code: codes::UNKNOWN_MEMBER_ID };
            }
            let (ticket, receiver) = inner.ticket();
            sync.ticket = ticket;
            let kept = inner.groups.entry(group.to_owned()).or_default();
            let outcome = kept.group.sync(sync, now_ms());
            self.settle(&mut inner, group, outcome);
            receiver
        };
        receiver.await.unwrap_or(Answer::NotSynced { code: codes::COORDINATOR_NOT_AVAILABLE })
    }

    pub(crate) fn heartbeat(
        &self,
        group: &str,
        member: &str,
        instance: Option<&str>,
        generation: i32,
    ) -> i16 {
        let mut inner = lock(&self.inner);
        let Some(kept) = inner.groups.get_mut(group) else { return codes::UNKNOWN_MEMBER_ID };
        kept.group.heartbeat(member, instance, generation, now_ms())
    }

    pub(crate) fn leave(&self, group: &str, member: &str, instance: Option<&str>) -> i16 {
        let mut inner = lock(&self.inner);
        let Some(kept) = inner.groups.get_mut(group) else { return codes::UNKNOWN_MEMBER_ID };
        let (code, outcome) = kept.group.leave(member, instance, now_ms());
        self.settle(&mut inner, group, outcome);
        code
    }

    /// Hands answers out, writes what has to outlive a restart, and sets the timer.
    fn settle(&self, inner: &mut Inner, group: &str, outcome: Outcome) {
        for (ticket, answer) in outcome.answers {
            if let Some(waiting) = inner.waiting.remove(&ticket) {
                // The connection may be gone; the member's session then ends by itself.
                let _ = waiting.send(answer);
            }
        }
        let Some(kept) = inner.groups.get_mut(group) else { return };
        if outcome.changed {
            if kept.group.members.is_empty() {
                kept.idle_since = now_ms();
            }
            let mut frames = Frames::default();
            frames.push(&group_record(group, &kept.group));
            if let Err(error) = inner.journal.append(&frames) {
                tracing::warn!(group, %error, "cannot write the group; its members would join anew after a restart");
            }
        }
        let next = inner.groups.get(group).map_or(i64::MAX, |kept| kept.group.next_deadline());
        if next < inner.timer {
            self.wake.notify_one();
        }
    }

    /// Commits offsets for a member or, with a negative generation, for a client outside of the group protocol. Gives a code
    /// for each.
    pub(crate) fn commit(
        &self,
        group: &str,
        (member, instance, generation): (&str, Option<&str>, i32),
        commits: &[Commit],
    ) -> Vec<i16> {
        let all = |code| vec![code; commits.len()];
        if group.is_empty() {
            return all(codes::INVALID_GROUP_ID);
        }
        let mut inner = lock(&self.inner);
        let inner = &mut *inner;
        if !inner.groups.contains_key(group) && (generation >= 0 || inner.groups.len() >= self.limits.groups)
        {
            return all(if generation >= 0 {
                codes::ILLEGAL_GENERATION
            } else {
                codes::GROUP_MAX_SIZE_REACHED
            });
        }
        let kept = inner.groups.entry(group.to_owned()).or_default();
        let now = now_ms();
        let code = kept.group.commit(member, instance, generation, now);
        if code != codes::NONE {
            return all(code);
        }
        let mut frames = Frames::default();
        let mut codes_of = Vec::with_capacity(commits.len());
        let mut new = HashSet::new();
        for commit in commits {
            if commit.metadata.len() > METADATA_BYTES {
                codes_of.push(codes::OFFSET_METADATA_TOO_LARGE);
                continue;
            }
            codes_of.push(codes::NONE);
            let there = kept.offsets.get(&commit.topic).is_some_and(|p| p.contains_key(&commit.partition));
            if !there {
                new.insert((&commit.topic, commit.partition));
            }
            frames.push(&commit_record(group, commit, now));
        }
        if !new.is_empty() && inner.committed + new.len() > self.limits.committed_offsets {
            return all(codes::POLICY_VIOLATION);
        }
        if let Err(error) = inner.journal.append(&frames) {
            tracing::warn!(group, %error, "cannot write committed offsets");
            return all(codes::KAFKA_STORAGE_ERROR);
        }
        kept.idle_since = now;
        for (commit, code) in commits.iter().zip(&codes_of) {
            if *code == codes::NONE {
                let value = Committed {
                    offset: commit.offset,
                    leader_epoch: commit.leader_epoch,
                    metadata: commit.metadata.clone(),
                    time: now,
                };
                let partitions = kept.offsets.entry(commit.topic.clone()).or_default();
                inner.committed += usize::from(partitions.insert(commit.partition, value).is_none());
            }
        }
        if inner.journal.wants_rewriting() {
            rewrite(inner);
        }
        codes_of
    }

    /// The offsets a group has committed.
    pub(crate) fn offsets(&self, group: &str) -> Offsets {
        lock(&self.inner).groups.get(group).map(|kept| kept.offsets.clone()).unwrap_or_default()
    }

    /// Names, states and protocol types of all groups.
    pub(crate) fn list(&self) -> Vec<(String, State, String)> {
        let inner = lock(&self.inner);
        let row = |(name, kept): (&String, &Kept)| {
            (name.clone(), kept.group.state, kept.group.protocol_type.clone().unwrap_or_default())
        };
        inner.groups.iter().map(row).collect()
    }

    /// A copy of a group as it is.
    pub(crate) fn describe(&self, group: &str) -> Option<Group> {
        lock(&self.inner).groups.get(group).map(|kept| kept.group.clone())
    }

    /// Removes a group without members, with its offsets.
    pub(crate) fn delete(&self, group: &str) -> i16 {
        let mut inner = lock(&self.inner);
        let inner = &mut *inner;
        match inner.groups.get(group) {
            None => return codes::GROUP_ID_NOT_FOUND,
            Some(kept) if !kept.group.members.is_empty() => return codes::NON_EMPTY_GROUP,
            Some(_) => {}
        }
        let mut frames = Frames::default();
        frames.push(&named(4, group));
        match inner.journal.append(&frames) {
            Ok(()) => forget_group(inner, group),
            Err(_) => codes::KAFKA_STORAGE_ERROR,
        }
    }

    /// Removes committed offsets of partitions that no member of the group is subscribed to. `subscribed` says whether one is.
    pub(crate) fn delete_offsets(&self, group: &str, which: &[(String, i32)]) -> Result<Vec<i16>, i16> {
        let mut inner = lock(&self.inner);
        let inner = &mut *inner;
        let Some(kept) = inner.groups.get_mut(group) else { return Err(codes::GROUP_ID_NOT_FOUND) };
        if !kept.group.members.is_empty() {
            // Which topics a member reads is in bytes that only clients understand.
            return Ok(vec![codes::GROUP_SUBSCRIBED_TO_TOPIC; which.len()]);
        }
        let mut frames = Frames::default();
        for (topic, partition) in which {
            frames.push(&removal_record(group, topic, *partition));
        }
        inner.journal.append(&frames).map_err(|_| codes::KAFKA_STORAGE_ERROR)?;
        for (topic, partition) in which {
            let removed = kept.offsets.get_mut(topic).and_then(|partitions| partitions.remove(partition));
            inner.committed -= usize::from(removed.is_some());
        }
        kept.offsets.retain(|_, partitions| !partitions.is_empty());
        Ok(vec![codes::NONE; which.len()])
    }

    /// Forgets the offsets of a deleted topic in every group.
    pub(crate) fn forget_topic(&self, topic: &str) {
        let mut inner = lock(&self.inner);
        let inner = &mut *inner;
        let mut frames = Frames::default();
        for (group, kept) in &mut inner.groups {
            let Some(partitions) = kept.offsets.remove(topic) else { continue };
            inner.committed -= partitions.len();
            partitions.keys().for_each(|&partition| frames.push(&removal_record(group, topic, partition)));
        }
        if let Err(error) = inner.journal.append(&frames) {
            tracing::warn!(topic, %error, "cannot write that the offsets of a deleted topic are gone");
        }
    }

    /// Removes groups that have been without members for longer than the limit.
    pub(crate) fn expire(&self) {
        let oldest = now_ms() - self.limits.offsets_retention_ms;
        let old: Vec<String> = {
            let inner = lock(&self.inner);
            let idle = |kept: &Kept| kept.group.members.is_empty() && kept.idle_since < oldest;
            inner.groups.iter().filter(|(_, kept)| idle(kept)).map(|(name, _)| name.clone()).collect()
        };
        for group in old {
            self.delete(&group);
        }
    }

    /// Lets time pass for all groups; ends only with the task that runs it.
    pub(crate) async fn run_timer(&self) {
        loop {
            let now = now_ms();
            let next = self.tick(now);
            let wait = Duration::from_millis(
                u64::try_from(next.saturating_sub(now)).unwrap_or(1).clamp(1, 3_600_000),
            );
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.wake.notified() => {}
            }
        }
    }

    fn tick(&self, now: i64) -> i64 {
        let mut inner = lock(&self.inner);
        let due: Vec<String> = inner
            .groups
            .iter()
            .filter(|(_, kept)| kept.group.next_deadline() <= now)
            .map(|(name, _)| name.clone())
            .collect();
        // While the timer runs, no deadline has to wake it.
        inner.timer = i64::MIN;
        for name in due {
            let Some(kept) = inner.groups.get_mut(&name) else { continue };
            let outcome = kept.group.tick(now);
            self.settle(&mut inner, &name, outcome);
        }
        inner.timer = inner.groups.values().map(|kept| kept.group.next_deadline()).min().unwrap_or(i64::MAX);
        inner.timer
    }
}

impl Inner {
    fn ticket(&mut self) -> (Ticket, oneshot::Receiver<Answer>) {
        let (sender, receiver) = oneshot::channel();
        self.next_ticket += 1;
        self.waiting.insert(self.next_ticket, sender);
        (self.next_ticket, receiver)
    }
}

fn forget_group(inner: &mut Inner, group: &str) -> i16 {
    if let Some(kept) = inner.groups.remove(group) {
        inner.committed -= kept.offsets.values().map(BTreeMap::len).sum::<usize>();
    }
    codes::NONE
}

fn rewrite(inner: &mut Inner) {
    let mut frames = Frames::default();
    for (name, kept) in &inner.groups {
        frames.push(&group_record(name, &kept.group));
        for (topic, partitions) in &kept.offsets {
            for (&partition, value) in partitions {
                let commit = Commit {
                    topic: topic.clone(),
                    partition,
                    offset: value.offset,
                    leader_epoch: value.leader_epoch,
                    metadata: value.metadata.clone(),
                };
                frames.push(&commit_record(name, &commit, value.time));
            }
        }
    }
    if let Err(error) = inner.journal.rewrite(&frames) {
        tracing::warn!(%error, "cannot rewrite the journal of groups; it goes on growing");
    }
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    out.put_u16(u16::try_from(text.len()).unwrap_or(u16::MAX));
    out.extend_from_slice(&text.as_bytes()[..text.len().min(usize::from(u16::MAX))]);
}

fn take_text(bytes: &mut &[u8]) -> Option<String> {
    let length = usize::from(bytes.try_get_u16().ok()?);
    let text = std::str::from_utf8(bytes.get(..length)?).ok()?.to_owned();
    bytes.advance(length);
    Some(text)
}

fn named(kind: u8, group: &str) -> Vec<u8> {
    let mut out = vec![kind];
    put_text(&mut out, group);
    out
}

fn commit_record(group: &str, commit: &Commit, time: i64) -> Vec<u8> {
    let mut out = named(1, group);
    put_text(&mut out, &commit.topic);
    out.put_i32(commit.partition);
    out.put_i64(commit.offset);
    out.put_i32(commit.leader_epoch);
    out.put_i64(time);
    put_text(&mut out, &commit.metadata);
    out
}

fn removal_record(group: &str, topic: &str, partition: i32) -> Vec<u8> {
    let mut out = named(2, group);
    put_text(&mut out, topic);
    out.put_i32(partition);
    out
}

fn group_record(name: &str, group: &Group) -> Vec<u8> {
    let mut out = named(3, name);
    serde_json::to_writer(&mut out, group).expect("a group is plain data");
    out
}

/// Applies one payload of the journal; none when it has no known form.
fn replay(groups: &mut BTreeMap<String, Kept>, mut payload: &[u8]) -> Option<()> {
    let bytes = &mut payload;
    let kind = bytes.try_get_u8().ok()?;
    let group = take_text(bytes)?;
    match kind {
        1 => {
            let topic = take_text(bytes)?;
            let partition = bytes.try_get_i32().ok()?;
            let offset = bytes.try_get_i64().ok()?;
            let leader_epoch = bytes.try_get_i32().ok()?;
            let time = bytes.try_get_i64().ok()?;
            let committed = Committed { offset, leader_epoch, metadata: take_text(bytes)?, time };
            let kept = groups.entry(group).or_default();
            kept.offsets.entry(topic).or_default().insert(partition, committed);
        }
        2 => {
            let topic = take_text(bytes)?;
            let partition = bytes.try_get_i32().ok()?;
            if let Some(partitions) = groups.get_mut(&group).and_then(|kept| kept.offsets.get_mut(&topic)) {
                partitions.remove(&partition);
            }
        }
        3 => groups.entry(group).or_default().group = serde_json::from_slice(bytes).ok()?,
        4 => {
            groups.remove(&group);
        }
        _ => return None,
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commit(offset: i64) -> Commit {
        Commit { topic: "events".into(), partition: 3, offset, leader_epoch: 0, metadata: "m".into() }
    }

    #[tokio::test]
    async fn commits_and_groups_outlive_the_process() {
        let folder = tempfile::tempdir().unwrap();
        let open = || Coordinator::open(folder.path(), &Limits::default(), 0).unwrap();
        let groups = open();
        assert_eq!(groups.commit("g", ("", None, -1), &[commit(5), commit(9)]), [0, 0]);
        assert_eq!(groups.commit("g", ("nobody", None, 3), &[commit(7)]), [codes::UNKNOWN_MEMBER_ID]);
        assert_eq!(groups.commit("new", ("nobody", None, 3), &[commit(7)]), [codes::ILLEGAL_GENERATION]);
        let join = crate::group::tests::join("", "range");
        let Answer::Joined { member, generation, .. } = groups.join("live", join).await else {
            panic!("not joined")
        };
        assert_eq!(groups.heartbeat("live", &member, None, generation), codes::NONE);
        assert_eq!(groups.delete("live"), codes::NON_EMPTY_GROUP);
        groups.commit("old", ("", None, -1), &[commit(1)]);
        assert_eq!(groups.delete("old"), codes::NONE);
        drop(groups);
        let groups = open();
        assert_eq!(groups.offsets("g")["events"][&3].offset, 9);
        assert_eq!(groups.offsets("g")["events"][&3].metadata, "m");
        assert!(groups.describe("old").is_none());
        assert_eq!(groups.heartbeat("live", &member, None, generation), codes::REBALANCE_IN_PROGRESS);
        assert_eq!(groups.delete_offsets("g", &[("events".into(), 3)]), Ok(vec![0]));
        drop(groups);
        assert!(open().offsets("g").get("events").is_none_or(BTreeMap::is_empty));
    }

    #[test]
    fn rewriting_loses_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let open = || Coordinator::open(folder.path(), &Limits::default(), 0).unwrap();
        let groups = open();
        for offset in 0..40_000 {
            groups.commit("g", ("", None, -1), &[commit(offset)]);
        }
        assert!(std::fs::metadata(folder.path().join("groups.journal")).unwrap().len() < 2 << 20);
        drop(groups);
        assert_eq!(open().offsets("g")["events"][&3].offset, 39_999);
    }

    #[test]
    fn the_number_of_commits_is_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let limits = Limits { committed_offsets: 1, groups: 2, ..Limits::default() };
        let groups = Coordinator::open(folder.path(), &limits, 0).unwrap();
        assert_eq!(groups.commit("a", ("", None, -1), &[commit(1), commit(2)]), [0, 0], "one offset, twice");
        assert_eq!(groups.commit("a", ("", None, -1), &[commit(3)]), [0], "an offset that is there already");
        assert_eq!(groups.offsets("a")["events"][&3].offset, 3);
        let other = Commit { partition: 4, ..commit(1) };
        assert_eq!(groups.commit("a", ("", None, -1), &[commit(4), other]), [codes::POLICY_VIOLATION; 2]);
        assert_eq!(groups.commit("b", ("", None, -1), &[commit(1)]), [codes::POLICY_VIOLATION]);
        assert_eq!(groups.commit("c", ("", None, -1), &[commit(1)]), [codes::GROUP_MAX_SIZE_REACHED]);
    }
}
