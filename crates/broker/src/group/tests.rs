//! The group's rules as stories: who asks what, when, and what everybody then hears.
//!
//! Input: requests with times. Output: nothing; it fails when an answer differs from what Kafka's coordinator gives.

use super::*;

pub(crate) fn join(member: &str, protocol: &str) -> Join {
    Join {
        ticket: 0,
        member: member.to_owned(),
        instance: None,
        fresh_id: "fresh".to_owned(),
        id_required: false,
        can_skip_assignment: true,
        client_id: "test".to_owned(),
        client_host: "/127.0.0.1".to_owned(),
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 60_000,
        protocol_type: "consumer".to_owned(),
        protocols: vec![(protocol.to_owned(), vec![1])],
    }
}

fn sync_of(member: &str, generation: i32, ticket: Ticket, assignments: &[(&str, u8)]) -> Sync {
    Sync {
        ticket,
        member: member.to_owned(),
        instance: None,
        generation,
        protocol_type: Some("consumer".to_owned()),
        protocol: Some("range".to_owned()),
        assignments: assignments.iter().map(|(id, byte)| ((*id).to_owned(), vec![*byte])).collect(),
    }
}

fn new(group: &mut Group, id: &str, ticket: Ticket, now: i64) -> Outcome {
    group.join(Join { ticket, fresh_id: id.to_owned(), ..join("", "range") }, now, 10, 0)
}

fn again(group: &mut Group, id: &str, ticket: Ticket, now: i64) -> Outcome {
    group.join(Join { ticket, ..join(id, "range") }, now, 10, 0)
}

/// Ticket and code of each answer: 0 for a member that joined or was synced.
fn heard(outcome: &Outcome) -> Vec<(Ticket, i16)> {
    let code = |answer: &Answer| match answer {
        Answer::Joined { .. } | Answer::Synced { .. } => 0,
        Answer::NotJoined { code, .. } | Answer::NotSynced { code } => *code,
    };
    outcome.answers.iter().map(|(ticket, answer)| (*ticket, code(answer))).collect()
}

/// A stable group of `a` (leader) and `b` in generation 2, everything at time 0.
fn two_members() -> Group {
    let mut group = Group::default();
    assert_eq!(heard(&new(&mut group, "a", 1, 0)), [(1, 0)]);
    assert_eq!(heard(&group.sync(sync_of("a", 1, 2, &[("a", 7)]), 0)), [(2, 0)]);
    assert_eq!(heard(&new(&mut group, "b", 3, 0)), []);
    assert_eq!(group.heartbeat("a", None, 1, 0), codes::REBALANCE_IN_PROGRESS);
    assert_eq!(heard(&again(&mut group, "a", 4, 0)), [(4, 0), (3, 0)]);
    assert_eq!(heard(&group.sync(sync_of("b", 2, 5, &[]), 0)), []);
    let outcome = group.sync(sync_of("a", 2, 6, &[("a", 1), ("b", 2)]), 0);
    assert_eq!(outcome.answers[1], (5, Answer::Synced { assignment: vec![2] }));
    assert_eq!((group.state, group.generation), (State::Stable, 2));
    group
}

#[test]
fn the_leader_sees_everybody_and_followers_nobody() {
    let mut group = Group::default();
    let outcome = new(&mut group, "a", 1, 0);
    let Answer::Joined { leader, members, generation, .. } = &outcome.answers[0].1 else {
        panic!("{outcome:?}")
    };
    assert_eq!((leader.as_str(), members.len(), *generation), ("a", 1, 1));
    assert!(outcome.changed);
    new(&mut group, "b", 2, 0);
    let outcome = again(&mut group, "a", 3, 0);
    let counts: Vec<usize> = outcome
        .answers
        .iter()
        .map(|(_, answer)| match answer {
            Answer::Joined { members, .. } => members.len(),
            _ => panic!("{answer:?}"),
        })
        .collect();
    assert_eq!(counts, [2, 0]);
}

#[test]
fn a_silent_member_loses_its_session_and_the_other_rebalances() {
    let mut group = two_members();
    assert_eq!(group.heartbeat("a", None, 2, 9_000), 0);
    assert_eq!(group.next_deadline(), 10_000);
    assert!(group.tick(9_999).answers.is_empty());
    group.tick(10_000);
    assert_eq!(group.members.keys().collect::<Vec<_>>(), ["a"]);
    assert_eq!(group.heartbeat("a", None, 2, 10_001), codes::REBALANCE_IN_PROGRESS);
    assert_eq!(heard(&again(&mut group, "a", 9, 10_002)), [(9, 0)]);
    assert_eq!(group.generation, 3);
    assert_eq!(group.heartbeat("b", None, 2, 10_003), codes::UNKNOWN_MEMBER_ID);
}

#[test]
fn who_does_not_rejoin_in_time_is_left_out() {
    let mut group = two_members();
    assert_eq!(heard(&new(&mut group, "c", 10, 1_000)), []);
    assert_eq!(heard(&again(&mut group, "b", 11, 1_500)), []);
    for now in (2_000..60_000).step_by(5_000) {
        assert_eq!(group.heartbeat("a", None, 2, now), codes::REBALANCE_IN_PROGRESS);
        assert!(group.tick(now).answers.is_empty());
    }
    let outcome = group.tick(61_000);
    assert_eq!(heard(&outcome), [(11, 0), (10, 0)]);
    assert_eq!(group.leader.as_deref(), Some("b"), "the leader that did not rejoin is replaced");
}

#[test]
fn who_joins_and_never_syncs_is_dropped() {
    let mut group = Group::default();
    new(&mut group, "a", 1, 0);
    new(&mut group, "b", 2, 0);
    again(&mut group, "a", 3, 0);
    assert_eq!(group.state, State::CompletingRebalance);
    assert_eq!(heard(&group.sync(sync_of("b", 2, 4, &[]), 10)), []);
    assert_eq!(group.heartbeat("a", None, 2, 9_000), 0);
    let outcome = group.tick(19_100);
    assert_eq!(heard(&outcome), [(4, codes::REBALANCE_IN_PROGRESS)], "the leader's session ended");
    assert_eq!(group.members.len(), 1);
}

#[test]
fn wrong_members_generations_and_protocols_are_told_so() {
    let mut group = two_members();
    assert_eq!(group.heartbeat("x", None, 2, 0), codes::UNKNOWN_MEMBER_ID);
    assert_eq!(group.heartbeat("a", None, 1, 0), codes::ILLEGAL_GENERATION);
    assert_eq!(heard(&group.sync(sync_of("a", 1, 7, &[]), 0)), [(7, codes::ILLEGAL_GENERATION)]);
    assert_eq!(heard(&group.sync(sync_of("a", 2, 7, &[]), 0)), [(7, 0)], "asked again, told again");
    assert_eq!(heard(&again(&mut group, "x", 8, 0)), [(8, codes::UNKNOWN_MEMBER_ID)]);
    let other = Join { ticket: 9, ..join("", "roundrobin") };
    assert_eq!(heard(&group.join(other, 0, 10, 0)), [(9, codes::INCONSISTENT_GROUP_PROTOCOL)]);
    let full = Join { ticket: 10, ..join("", "range") };
    assert_eq!(heard(&group.join(full, 0, 2, 0)), [(10, codes::GROUP_MAX_SIZE_REACHED)]);
    assert_eq!(group.state, State::Stable, "none of this disturbed the group");
}

#[test]
fn commits_need_a_member_of_this_generation() {
    let mut group = two_members();
    assert_eq!(group.commit("a", None, 2, 0), 0);
    assert_eq!(group.commit("a", None, 1, 0), codes::ILLEGAL_GENERATION);
    assert_eq!(group.commit("", None, -1, 0), codes::UNKNOWN_MEMBER_ID);
    new(&mut group, "c", 1, 0);
    assert_eq!(group.commit("a", None, 2, 0), 0, "the last commit before giving partitions up");
    again(&mut group, "a", 2, 0);
    again(&mut group, "b", 3, 0);
    assert_eq!(group.commit("a", None, 3, 0), codes::REBALANCE_IN_PROGRESS);
    assert_eq!(Group::default().commit("", None, -1, 0), 0);
}

#[test]
fn a_member_without_an_id_is_told_one_and_comes_back_with_it() {
    let mut group = Group::default();
    let first = Join { ticket: 1, id_required: true, fresh_id: "told".into(), ..join("", "range") };
    let outcome = group.join(first, 0, 10, 0);
    assert_eq!(
        outcome.answers[0].1,
        Answer::NotJoined { code: codes::MEMBER_ID_REQUIRED, member: "told".into() }
    );
    assert_eq!(heard(&again(&mut group, "told", 2, 5)), [(2, 0)]);
    let late = Join { ticket: 3, id_required: true, fresh_id: "late".into(), ..join("", "range") };
    group.join(late, 10, 10, 0);
    group.tick(10_010);
    assert_eq!(heard(&again(&mut group, "late", 4, 10_011)), [(4, codes::UNKNOWN_MEMBER_ID)]);
}

#[test]
fn a_static_member_comes_back_without_a_rebalance() {
    let mut group = Group::default();
    let named = |ticket, id: &str| Join {
        ticket,
        instance: Some("one".into()),
        fresh_id: id.into(),
        id_required: true,
        ..join("", "range")
    };
    assert_eq!(heard(&group.join(named(1, "a1"), 0, 10, 0)), [(1, 0)]);
    group.sync(sync_of("a1", 1, 2, &[("a1", 5)]), 0);
    let outcome = group.join(named(3, "a2"), 100, 10, 0);
    let Answer::Joined { generation, skip_assignment, member, .. } = &outcome.answers[0].1 else {
        panic!("{outcome:?}")
    };
    assert_eq!((*generation, *skip_assignment, member.as_str()), (1, true, "a2"));
    assert_eq!(group.heartbeat("a1", Some("one"), 1, 101), codes::FENCED_INSTANCE_ID);
    let outcome = group.sync(sync_of("a2", 1, 4, &[]), 102);
    assert_eq!(outcome.answers[0].1, Answer::Synced { assignment: vec![5] });
    assert_eq!(group.leave("", Some("one"), 103).0, 0);
    assert_eq!((group.state, group.members.len()), (State::Empty, 0));
}

#[test]
fn the_last_leaves_an_empty_group() {
    let mut group = two_members();
    assert_eq!(group.leave("b", None, 0).0, 0);
    assert_eq!(group.leave("b", None, 0).0, codes::UNKNOWN_MEMBER_ID);
    assert_eq!(group.state, State::PreparingRebalance);
    let (code, outcome) = group.leave("a", None, 0);
    assert_eq!((code, outcome.changed, group.state), (0, true, State::Empty));
    assert_eq!(group.next_deadline(), i64::MAX);
}

#[test]
fn members_that_start_together_share_the_first_generation() {
    let mut group = Group::default();
    let first = Join { ticket: 1, fresh_id: "a".into(), ..join("", "range") };
    assert_eq!(heard(&group.join(first, 0, 10, 500)), []);
    let second = Join { ticket: 2, fresh_id: "b".into(), ..join("", "range") };
    assert_eq!(heard(&group.join(second, 100, 10, 500)), []);
    assert_eq!(group.next_deadline(), 500);
    assert_eq!(heard(&group.tick(500)), [(1, 0), (2, 0)]);
    assert_eq!(group.generation, 1);
}

#[test]
fn after_a_restart_members_have_a_session_to_show_up() {
    let stored = serde_json::to_vec(&two_members()).unwrap();
    let mut group: Group = serde_json::from_slice(&stored).unwrap();
    group = group.after_restart(50_000);
    assert_eq!(group.heartbeat("a", None, 2, 55_000), 0);
    assert_eq!(group.next_deadline(), 60_000);
    group.tick(60_000);
    assert_eq!(group.members.keys().collect::<Vec<_>>(), ["a"]);
}
