//! A consumer group of the classic protocol, as a function of (state, request, now).
//!
//! Input: join, sync, heartbeat, leave and the passing of time (milliseconds of any steady clock). Output: the new state, and answers to
//! requests that waited, each with the ticket it came with. No clock, lock, task or file is in here, so a rebalance of an hour is a
//! test of a millisecond. The rules are those of Apache Kafka's group coordinator.
//!
//! ```text
//!          join                      all joined, or timeout            leader synced
//!  Empty ───────► PreparingRebalance ─────────────────► CompletingRebalance ───────► Stable
//!    ▲                │   ▲                                  │ join, leave, timeout     │
//!    └── none left ───┘   └──────────────────────────────────┴───── join, leave, session ┘
//! ```

use crate::codes;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};

/// Names a request that waits for its answer.
pub(crate) type Ticket = u64;

/// How long a member that was told its id may take to join with it, and a new member may wait, in milliseconds.
const NEW_MEMBER_MS: i64 = 300_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum State {
    Empty,
    PreparingRebalance,
    CompletingRebalance,
    Stable,
}

impl State {
    /// The name in answers to ListGroups and DescribeGroups.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::PreparingRebalance => "PreparingRebalance",
            Self::CompletingRebalance => "CompletingRebalance",
            Self::Stable => "Stable",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Member {
    pub(crate) instance: Option<String>,
    pub(crate) client_id: String,
    pub(crate) client_host: String,
    session_timeout_ms: i32,
    rebalance_timeout_ms: i32,
    protocols: Vec<(String, Vec<u8>)>,
    pub(crate) assignment: Vec<u8>,
    /// When the member is taken for dead, unless it waits for an answer.
    #[serde(skip)]
    deadline: i64,
    #[serde(skip)]
    joining: Option<Ticket>,
    #[serde(skip)]
    syncing: Option<Ticket>,
}

impl Member {
    /// What the member said about itself for the chosen protocol.
    pub(crate) fn metadata(&self, protocol: Option<&str>) -> &[u8] {
        let chosen = self.protocols.iter().find(|(name, _)| Some(name.as_str()) == protocol);
        chosen.map_or(&[], |(_, metadata)| metadata)
    }
}

/// A group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Group {
    pub(crate) state: State,
    pub(crate) generation: i32,
    pub(crate) protocol_type: Option<String>,
    pub(crate) protocol: Option<String>,
    leader: Option<String>,
    pub(crate) members: BTreeMap<String, Member>,
    /// Members that were told their id and have not joined with it yet, and until when they may.
    #[serde(skip)]
    pending: BTreeMap<String, i64>,
    /// When the running phase ends without the missing members.
    #[serde(skip)]
    phase_deadline: i64,
    /// A first generation waits for this long, so that members that start together share it.
    #[serde(skip)]
    not_before: i64,
}

/// A request to join.
#[derive(Debug, Clone)]
pub(crate) struct Join {
    pub(crate) ticket: Ticket,
    /// Empty for a member without an id.
    pub(crate) member: String,
    pub(crate) instance: Option<String>,
    /// The id that a member without one gets.
    pub(crate) fresh_id: String,
    /// Whether a new member has to come back with the id it is told (protocol version 4).
    pub(crate) id_required: bool,
    /// Whether the member understands `skip_assignment` (protocol version 9).
    pub(crate) can_skip_assignment: bool,
    pub(crate) client_id: String,
    pub(crate) client_host: String,
    pub(crate) session_timeout_ms: i32,
    pub(crate) rebalance_timeout_ms: i32,
    pub(crate) protocol_type: String,
    pub(crate) protocols: Vec<(String, Vec<u8>)>,
}

/// A request for the member's assignment, with everybody's when it comes from the leader.
#[derive(Debug, Clone)]
pub(crate) struct Sync {
    pub(crate) ticket: Ticket,
    pub(crate) member: String,
    pub(crate) instance: Option<String>,
    pub(crate) generation: i32,
    pub(crate) protocol_type: Option<String>,
    pub(crate) protocol: Option<String>,
    pub(crate) assignments: HashMap<String, Vec<u8>>,
}

/// An answer to a join or sync.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    Joined {
        generation: i32,
        member: String,
        leader: String,
        skip_assignment: bool,
        members: Vec<Joined>,
    },
    /// The join failed; the id is the one to use next.
    NotJoined {
        code: i16,
        member: String,
    },
    Synced {
        assignment: Vec<u8>,
    },
    NotSynced {
        code: i16,
    },
}

/// A member as the leader sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Joined {
    pub(crate) id: String,
    pub(crate) instance: Option<String>,
    pub(crate) metadata: Vec<u8>,
}

/// Answers that became due.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) answers: Vec<(Ticket, Answer)>,
    /// Whether what outlives a restart has changed.
    pub(crate) changed: bool,
}

impl Outcome {
    fn not_joined(mut self, ticket: Ticket, code: i16, member: &str) -> Self {
        self.answers.push((ticket, Answer::NotJoined { code, member: member.to_owned() }));
        self
    }

    fn not_synced(mut self, ticket: Ticket, code: i16) -> Self {
        self.answers.push((ticket, Answer::NotSynced { code }));
        self
    }
}

impl Default for Group {
    fn default() -> Self {
        Self {
            state: State::Empty,
            generation: 0,
            protocol_type: None,
            protocol: None,
            leader: None,
            members: BTreeMap::new(),
            pending: BTreeMap::new(),
            phase_deadline: i64::MAX,
            not_before: 0,
        }
    }
}

impl Group {
    /// A group read back from the journal: members get a whole session to show up; a rebalance that was under way begins anew.
    pub(crate) fn after_restart(mut self, now: i64) -> Self {
        for member in self.members.values_mut() {
            member.deadline = now + i64::from(member.session_timeout_ms);
        }
        self.phase_deadline = i64::MAX;
        if self.members.is_empty() {
            self.state = State::Empty;
        } else if self.state != State::Stable {
            self.state = State::PreparingRebalance;
            self.phase_deadline = now + self.rebalance_timeout();
        }
        self
    }

    /// Takes a member in, or lets it take part in the next generation. At most `most` members; a first generation waits for
    /// `delay` milliseconds.
    pub(crate) fn join(&mut self, join: Join, now: i64, most: usize, delay: i64) -> Outcome {
        let out = Outcome::default();
        let ticket = join.ticket;
        if !self.accepts(&join) {
            return out.not_joined(ticket, codes::INCONSISTENT_GROUP_PROTOCOL, &join.member);
        }
        if let Some(instance) = &join.instance
            && let Some(current) = self.id_of_instance(instance)
        {
            if join.member.is_empty() {
                return self.replace_static(&current, join, now);
            }
            if join.member != current {
                return out.not_joined(ticket, codes::FENCED_INSTANCE_ID, &join.member);
            }
        }
        if join.member.is_empty() {
            if self.members.len() + self.pending.len() >= most {
                return out.not_joined(ticket, codes::GROUP_MAX_SIZE_REACHED, "");
            }
            if join.id_required && join.instance.is_none() {
                self.pending.insert(join.fresh_id.clone(), now + i64::from(join.session_timeout_ms));
                return out.not_joined(ticket, codes::MEMBER_ID_REQUIRED, &join.fresh_id);
            }
            let id = join.fresh_id.clone();
            return self.add(id, join, now, delay);
        }
        if self.pending.remove(&join.member).is_some() {
            let id = join.member.clone();
            return self.add(id, join, now, delay);
        }
        if !self.members.contains_key(&join.member) {
            return out.not_joined(ticket, codes::UNKNOWN_MEMBER_ID, &join.member);
        }
        self.rejoin(join, now)
    }

    /// Whether the member could share a protocol with all others.
    fn accepts(&self, join: &Join) -> bool {
        if join.protocols.is_empty() || join.protocol_type.is_empty() {
            return false;
        }
        let others = || self.members.iter().filter(|(id, _)| **id != join.member);
        if others().next().is_none() {
            return true;
        }
        self.protocol_type.as_deref() == Some(join.protocol_type.as_str())
            && join.protocols.iter().any(|(name, _)| {
                others().all(|(_, other)| other.protocols.iter().any(|(theirs, _)| theirs == name))
            })
    }

    fn id_of_instance(&self, instance: &str) -> Option<String> {
        let found = self.members.iter().find(|(_, member)| member.instance.as_deref() == Some(instance));
        found.map(|(id, _)| id.clone())
    }

    fn add(&mut self, id: String, join: Join, now: i64, delay: i64) -> Outcome {
        if self.members.is_empty() {
            self.protocol_type = Some(join.protocol_type.clone());
            if self.state == State::Empty {
                self.not_before = now + delay;
            }
        }
        self.leader.get_or_insert_with(|| id.clone());
        let ticket = join.ticket;
        let mut member = Member {
            instance: join.instance,
            client_id: join.client_id,
            client_host: join.client_host,
            session_timeout_ms: join.session_timeout_ms,
            rebalance_timeout_ms: join.rebalance_timeout_ms,
            protocols: join.protocols,
            assignment: Vec::new(),
            deadline: now + NEW_MEMBER_MS,
            joining: None,
            syncing: None,
        };
        member.joining = Some(ticket);
        self.members.insert(id, member);
        let mut out = Outcome::default();
        self.prepare(now, &mut out);
        self.complete_if_ready(now, &mut out);
        out
    }

    fn rejoin(&mut self, join: Join, now: i64) -> Outcome {
        let mut out = Outcome::default();
        let is_leader = self.leader.as_deref() == Some(join.member.as_str());
        let member = self.members.get_mut(&join.member).expect("the caller has looked");
        let same = member.protocols == join.protocols;
        member.session_timeout_ms = join.session_timeout_ms;
        member.rebalance_timeout_ms = join.rebalance_timeout_ms;
        member.protocols = join.protocols;
        member.deadline = now + i64::from(member.session_timeout_ms);
        let answer_lost = same
            && match self.state {
                State::CompletingRebalance => true,
                State::Stable => !is_leader,
                _ => false,
            };
        if answer_lost {
            let answer = self.joined(&join.member, false);
            out.answers.push((join.ticket, answer));
            return out;
        }
        // A member has one request at a time: an earlier one was given up by its connection.
        if let Some(old) = member.joining.replace(join.ticket) {
            let member = join.member.clone();
            out.answers.push((old, Answer::NotJoined { code: codes::REBALANCE_IN_PROGRESS, member }));
        }
        self.prepare(now, &mut out);
        self.complete_if_ready(now, &mut out);
        out
    }

    /// A static member came back under a new id: the old one is fenced, the assignment stays when nothing else changed.
    fn replace_static(&mut self, old: &str, join: Join, now: i64) -> Outcome {
        let mut out = Outcome { changed: true, ..Outcome::default() };
        let mut member = self.members.remove(old).expect("the caller has found it");
        if let Some(ticket) = member.joining.take() {
            out.answers.push((
                ticket,
                Answer::NotJoined { code: codes::FENCED_INSTANCE_ID, member: old.to_owned() },
            ));
        }
        if let Some(ticket) = member.syncing.take() {
            out.answers.push((ticket, Answer::NotSynced { code: codes::FENCED_INSTANCE_ID }));
        }
        let id = join.fresh_id;
        let was_leader = self.leader.as_deref() == Some(old);
        if was_leader {
            self.leader = Some(id.clone());
        }
        let same = member.protocols == join.protocols;
        member.client_id = join.client_id;
        member.client_host = join.client_host;
        member.session_timeout_ms = join.session_timeout_ms;
        member.rebalance_timeout_ms = join.rebalance_timeout_ms;
        member.protocols = join.protocols;
        member.deadline = now + i64::from(member.session_timeout_ms);
        self.members.insert(id.clone(), member);
        if self.state == State::Stable && same {
            let mut answer = self.joined(&id, true);
            if let Answer::Joined { leader, skip_assignment, members, .. } = &mut answer
                && was_leader
                && !join.can_skip_assignment
            {
                // An old client would assign anew if it saw itself as the leader.
                (*leader, *skip_assignment) = (old.to_owned(), false);
                members.clear();
            }
            out.answers.push((join.ticket, answer));
            return out;
        }
        if let Some(member) = self.members.get_mut(&id) {
            member.joining = Some(join.ticket);
        }
        self.prepare(now, &mut out);
        self.complete_if_ready(now, &mut out);
        out
    }

    fn joined(&self, id: &str, skip: bool) -> Answer {
        let leader = self.leader.clone().unwrap_or_default();
        let is_leader = leader == id;
        let members = if is_leader {
            let joined = |(id, member): (&String, &Member)| Joined {
                id: id.clone(),
                instance: member.instance.clone(),
                metadata: member.metadata(self.protocol.as_deref()).to_vec(),
            };
            self.members.iter().map(joined).collect()
        } else {
            Vec::new()
        };
        let (generation, member) = (self.generation, id.to_owned());
        Answer::Joined { generation, member, leader, skip_assignment: skip && is_leader, members }
    }

    /// Begins a rebalance, unless one is being prepared already.
    fn prepare(&mut self, now: i64, out: &mut Outcome) {
        if self.state == State::PreparingRebalance {
            return;
        }
        for member in self.members.values_mut() {
            member.assignment.clear();
            if let Some(ticket) = member.syncing.take() {
                member.deadline = now + i64::from(member.session_timeout_ms);
                out.answers.push((ticket, Answer::NotSynced { code: codes::REBALANCE_IN_PROGRESS }));
            }
        }
        self.state = State::PreparingRebalance;
        self.phase_deadline = (now + self.rebalance_timeout()).max(self.not_before);
    }

    fn rebalance_timeout(&self) -> i64 {
        self.members.values().map(|member| i64::from(member.rebalance_timeout_ms)).max().unwrap_or(0)
    }

    fn complete_if_ready(&mut self, now: i64, out: &mut Outcome) {
        let all = self.pending.is_empty() && self.members.values().all(|member| member.joining.is_some());
        if self.state == State::PreparingRebalance && all && now >= self.not_before {
            self.complete(now, out);
        }
    }

    /// Ends the preparation with whoever has joined. Static members that have not stay until their session ends.
    fn complete(&mut self, now: i64, out: &mut Outcome) {
        self.members.retain(|_, member| member.joining.is_some() || member.instance.is_some());
        self.not_before = 0;
        out.changed = true;
        self.generation = self.generation.checked_add(1).unwrap_or(1);
        if self.members.is_empty() {
            self.state = State::Empty;
            (self.protocol, self.leader, self.phase_deadline) = (None, None, i64::MAX);
            return;
        }
        let joined = |member: &Member| member.joining.is_some();
        let leader_joined =
            self.leader.as_ref().and_then(|leader| self.members.get(leader)).is_some_and(joined);
        if !leader_joined {
            let first = self.members.iter().find(|(_, member)| joined(member)).or(self.members.iter().next());
            self.leader = first.map(|(id, _)| id.clone());
        }
        self.protocol = self.vote();
        self.state = State::CompletingRebalance;
        self.phase_deadline = now + self.rebalance_timeout();
        let ids: Vec<String> = self.members.keys().cloned().collect();
        for id in ids {
            let answer = self.joined(&id, false);
            if let Some(member) = self.members.get_mut(&id)
                && let Some(ticket) = member.joining.take()
            {
                member.deadline = now + i64::from(member.session_timeout_ms);
                out.answers.push((ticket, answer));
            }
        }
    }

    /// The protocol that all know and most like best.
    fn vote(&self) -> Option<String> {
        let known =
            |name: &str| self.members.values().all(|member| member.protocols.iter().any(|(n, _)| n == name));
        let mut votes: BTreeMap<&str, usize> = BTreeMap::new();
        for member in self.members.values() {
            if let Some((name, _)) = member.protocols.iter().find(|(name, _)| known(name)) {
                *votes.entry(name).or_default() += 1;
            }
        }
        votes.into_iter().max_by_key(|&(_, count)| count).map(|(name, _)| name.to_owned())
    }

    /// Whether a request of this member belongs to the group as it is.
    fn identify(&self, member: &str, instance: Option<&str>, generation: i32) -> Result<(), i16> {
        if let Some(instance) = instance
            && let Some(current) = self.id_of_instance(instance)
            && current != member
        {
            return Err(codes::FENCED_INSTANCE_ID);
        }
        if !self.members.contains_key(member) {
            return Err(codes::UNKNOWN_MEMBER_ID);
        }
        if generation != self.generation { Err(codes::ILLEGAL_GENERATION) } else { Ok(()) }
    }

    /// Gives a member its assignment once the leader has brought everybody's.
    pub(crate) fn sync(&mut self, mut sync: Sync, now: i64) -> Outcome {
        let mut out = Outcome::default();
        if let Err(code) = self.identify(&sync.member, sync.instance.as_deref(), sync.generation) {
            return out.not_synced(sync.ticket, code);
        }
        let differs = |given: &Option<String>, ours: &Option<String>| given.is_some() && given != ours;
        if differs(&sync.protocol_type, &self.protocol_type) || differs(&sync.protocol, &self.protocol) {
            return out.not_synced(sync.ticket, codes::INCONSISTENT_GROUP_PROTOCOL);
        }
        let member = self.members.get_mut(&sync.member).expect("identified above");
        member.deadline = now + i64::from(member.session_timeout_ms);
        match self.state {
            State::Empty => out.not_synced(sync.ticket, codes::UNKNOWN_MEMBER_ID),
            State::PreparingRebalance => out.not_synced(sync.ticket, codes::REBALANCE_IN_PROGRESS),
            State::Stable => {
                out.answers.push((sync.ticket, Answer::Synced { assignment: member.assignment.clone() }));
                out
            }
            State::CompletingRebalance => {
                if let Some(old) = member.syncing.replace(sync.ticket) {
                    out.answers.push((old, Answer::NotSynced { code: codes::REBALANCE_IN_PROGRESS }));
                }
                if self.leader.as_deref() == Some(sync.member.as_str()) {
                    self.become_stable(&mut sync.assignments, now, &mut out);
                }
                out
            }
        }
    }

    fn become_stable(&mut self, assignments: &mut HashMap<String, Vec<u8>>, now: i64, out: &mut Outcome) {
        self.state = State::Stable;
        self.phase_deadline = i64::MAX;
        out.changed = true;
        for (id, member) in &mut self.members {
            member.assignment = assignments.remove(id).unwrap_or_default();
            if let Some(ticket) = member.syncing.take() {
                member.deadline = now + i64::from(member.session_timeout_ms);
                out.answers.push((ticket, Answer::Synced { assignment: member.assignment.clone() }));
            }
        }
    }

    /// Keeps a member alive; tells it by code when it has to join again.
    pub(crate) fn heartbeat(
        &mut self,
        member: &str,
        instance: Option<&str>,
        generation: i32,
        now: i64,
    ) -> i16 {
        if let Err(code) = self.identify(member, instance, generation) {
            return code;
        }
        if let Some(member) = self.members.get_mut(member) {
            member.deadline = now + i64::from(member.session_timeout_ms);
        }
        match self.state {
            State::PreparingRebalance => codes::REBALANCE_IN_PROGRESS,
            State::Empty => codes::UNKNOWN_MEMBER_ID,
            State::CompletingRebalance | State::Stable => codes::NONE,
        }
    }

    /// Whether this member may commit; a negative generation without a member is a client outside of the group protocol.
    pub(crate) fn commit(&mut self, member: &str, instance: Option<&str>, generation: i32, now: i64) -> i16 {
        if generation < 0 && self.members.is_empty() {
            return codes::NONE;
        }
        match (self.heartbeat(member, instance, generation, now), self.state) {
            (_, State::CompletingRebalance) if self.members.contains_key(member) => {
                codes::REBALANCE_IN_PROGRESS
            }
            (codes::REBALANCE_IN_PROGRESS, State::PreparingRebalance) => codes::NONE,
            (code, _) => code,
        }
    }

    /// Removes a member at its own wish. Gives a protocol code besides.
    pub(crate) fn leave(&mut self, member: &str, instance: Option<&str>, now: i64) -> (i16, Outcome) {
        let mut out = Outcome::default();
        let by_instance = instance.and_then(|instance| self.id_of_instance(instance));
        let id = match (&by_instance, instance) {
            (Some(id), _) if member.is_empty() || id == member => id.clone(),
            (Some(_), _) => return (codes::FENCED_INSTANCE_ID, out),
            (None, Some(_)) => return (codes::UNKNOWN_MEMBER_ID, out),
            (None, None) => member.to_owned(),
        };
        if self.pending.remove(&id).is_some() {
            self.complete_if_ready(now, &mut out);
            return (codes::NONE, out);
        }
        if !self.members.contains_key(&id) {
            return (codes::UNKNOWN_MEMBER_ID, out);
        }
        self.remove(&id, now, &mut out);
        (codes::NONE, out)
    }

    fn remove(&mut self, id: &str, now: i64, out: &mut Outcome) {
        let Some(member) = self.members.remove(id) else { return };
        if let Some(ticket) = member.joining {
            out.answers
                .push((ticket, Answer::NotJoined { code: codes::UNKNOWN_MEMBER_ID, member: id.to_owned() }));
        }
        if let Some(ticket) = member.syncing {
            out.answers.push((ticket, Answer::NotSynced { code: codes::UNKNOWN_MEMBER_ID }));
        }
        if self.leader.as_deref() == Some(id) {
            self.leader = self.members.keys().next().cloned();
        }
        self.prepare(now, out);
        self.complete_if_ready(now, out);
    }

    /// Lets time pass: ends sessions, phases and waiting.
    pub(crate) fn tick(&mut self, now: i64) -> Outcome {
        let mut out = Outcome::default();
        let pending = self.pending.len();
        self.pending.retain(|_, deadline| *deadline > now);
        let silent =
            |member: &Member| member.joining.is_none() && member.syncing.is_none() && member.deadline <= now;
        let gone: Vec<String> =
            self.members.iter().filter(|(_, member)| silent(member)).map(|(id, _)| id.clone()).collect();
        for id in &gone {
            self.remove(id, now, &mut out);
        }
        if self.phase_deadline <= now {
            match self.state {
                State::PreparingRebalance if now >= self.not_before => self.complete(now, &mut out),
                State::CompletingRebalance => self.drop_silent_syncers(now, &mut out),
                _ => {}
            }
        } else if pending != self.pending.len() || self.not_before > 0 {
            self.complete_if_ready(now, &mut out);
        }
        out
    }

    /// Members that joined but never asked for their assignment, the leader among them, hold everybody up: they go.
    fn drop_silent_syncers(&mut self, now: i64, out: &mut Outcome) {
        let silent = |(_, member): &(&String, &Member)| member.syncing.is_none();
        let gone: Vec<String> = self.members.iter().filter(silent).map(|(id, _)| id.clone()).collect();
        self.phase_deadline = i64::MAX;
        for id in gone {
            self.remove(&id, now, out);
        }
    }

    /// When [`Group::tick`] has something to do next; `i64::MAX` for never.
    pub(crate) fn next_deadline(&self) -> i64 {
        let waits = |member: &&Member| member.joining.is_none() && member.syncing.is_none();
        let sessions = self.members.values().filter(waits).map(|member| member.deadline);
        let pending = self.pending.values().copied();
        let delay =
            (self.not_before > 0 && self.state == State::PreparingRebalance).then_some(self.not_before);
        sessions.chain(pending).chain(delay).chain([self.phase_deadline]).min().unwrap_or(i64::MAX)
    }
}

#[cfg(test)]
pub(crate) mod tests;
