//! Requests about groups and their members.
//!
//! Input: messages of the classic group protocol and of administration. Output: the coordinator's answers in the protocol's form.

use crate::codes;
use crate::group::{Answer, Join, State, Sync};
use crate::shared::Shared;
use crate::wire::{Request, text};
use bytes::Bytes;
use kafka_protocol::messages::delete_groups_response::{DeletableGroupResult, DeleteGroupsResponse};
use kafka_protocol::messages::describe_groups_response::{
    DescribeGroupsResponse, DescribedGroup, DescribedGroupMember,
};
use kafka_protocol::messages::join_group_response::{JoinGroupResponse, JoinGroupResponseMember};
use kafka_protocol::messages::leave_group_response::{LeaveGroupResponse, MemberResponse};
use kafka_protocol::messages::list_groups_response::{ListGroupsResponse, ListedGroup};
use kafka_protocol::messages::{
    DeleteGroupsRequest, DescribeGroupsRequest, GroupId, HeartbeatRequest, HeartbeatResponse,
    JoinGroupRequest, LeaveGroupRequest, ListGroupsRequest, SyncGroupRequest, SyncGroupResponse,
};
use kafka_protocol::protocol::StrBytes;
use std::collections::HashSet;
use uuid::Uuid;

fn owned(text: Option<&StrBytes>) -> Option<String> {
    text.map(|text| text.as_str().to_owned())
}

/// Lets a member join; waits for the group's next generation.
pub(crate) async fn join(
    shared: &Shared,
    peer: &str,
    request: &Request,
    message: JoinGroupRequest,
) -> JoinGroupResponse {
    let instance = owned(message.group_instance_id.as_ref());
    let stem = instance.as_deref().unwrap_or(&request.client_id);
    let protocol_type = message.protocol_type.clone();
    let join = Join {
        ticket: 0,
        member: message.member_id.to_string(),
        fresh_id: format!("{stem}-{}", Uuid::now_v7()),
        instance,
        id_required: request.version >= 4,
        can_skip_assignment: request.version >= 9,
        client_id: request.client_id.clone(),
        client_host: format!("/{peer}"),
        session_timeout_ms: message.session_timeout_ms,
        rebalance_timeout_ms: match message.rebalance_timeout_ms {
            timeout if timeout >= 0 => timeout,
            _ => message.session_timeout_ms,
        },
        protocol_type: message.protocol_type.to_string(),
        protocols: message.protocols.iter().map(|p| (p.name.to_string(), p.metadata.to_vec())).collect(),
    };
    let group = message.group_id.0;
    match shared.groups.join(&group, join).await {
        Answer::Joined { generation, member, leader, skip_assignment, members } => {
            let chosen = shared.groups.describe(&group).and_then(|group| group.protocol);
            let members = members.into_iter().map(|member| {
                JoinGroupResponseMember::default()
                    .with_member_id(text(member.id))
                    .with_group_instance_id(member.instance.map(text))
                    .with_metadata(member.metadata.into())
            });
            JoinGroupResponse::default()
                .with_generation_id(generation)
                .with_protocol_type(Some(protocol_type))
                .with_protocol_name(Some(text(chosen.unwrap_or_default())))
                .with_leader(text(leader))
                .with_skip_assignment(skip_assignment)
                .with_member_id(text(member))
                .with_members(members.collect())
        }
        Answer::NotJoined { code, member } => not_joined(request.version, code, member),
        Answer::Synced { .. } | Answer::NotSynced { .. } => {
            not_joined(request.version, codes::UNKNOWN_SERVER_ERROR, String::new())
        }
    }
}

fn not_joined(version: i16, code: i16, member: String) -> JoinGroupResponse {
    JoinGroupResponse::default()
        .with_error_code(code)
        .with_generation_id(-1)
        .with_member_id(text(member))
        // Null is allowed from version 7 on.
        .with_protocol_name((version < 7).then(StrBytes::new))
}

/// Gives a member its assignment; waits for the leader's.
pub(crate) async fn sync(shared: &Shared, message: SyncGroupRequest) -> SyncGroupResponse {
    let (protocol_type, protocol) = (message.protocol_type.clone(), message.protocol_name.clone());
    let sync = Sync {
        ticket: 0,
        member: message.member_id.to_string(),
        instance: owned(message.group_instance_id.as_ref()),
        generation: message.generation_id,
        protocol_type: owned(message.protocol_type.as_ref()),
        protocol: owned(message.protocol_name.as_ref()),
        assignments: message
            .assignments
            .iter()
            .map(|a| (a.member_id.to_string(), a.assignment.to_vec()))
            .collect(),
    };
    match shared.groups.sync(&message.group_id, sync).await {
        Answer::Synced { assignment } => SyncGroupResponse::default()
            .with_protocol_type(protocol_type)
            .with_protocol_name(protocol)
            .with_assignment(assignment.into()),
        Answer::NotSynced { code } => SyncGroupResponse::default().with_error_code(code),
        Answer::Joined { .. } | Answer::NotJoined { .. } => {
            SyncGroupResponse::default().with_error_code(codes::UNKNOWN_SERVER_ERROR)
        }
    }
}

pub(crate) fn heartbeat(shared: &Shared, message: &HeartbeatRequest) -> HeartbeatResponse {
    let instance = message.group_instance_id.as_ref().map(StrBytes::as_str);
    let code =
        shared.groups.heartbeat(&message.group_id, &message.member_id, instance, message.generation_id);
    HeartbeatResponse::default().with_error_code(code)
}

pub(crate) fn leave(shared: &Shared, version: i16, message: LeaveGroupRequest) -> LeaveGroupResponse {
    let group = message.group_id;
    if version < 3 {
        let code = shared.groups.leave(&group, &message.member_id, None);
        return LeaveGroupResponse::default().with_error_code(code);
    }
    let members = message.members.into_iter().map(|member| {
        let instance = member.group_instance_id.as_ref().map(StrBytes::as_str);
        let code = shared.groups.leave(&group, &member.member_id, instance);
        MemberResponse::default()
            .with_member_id(member.member_id)
            .with_group_instance_id(member.group_instance_id)
            .with_error_code(code)
    });
    LeaveGroupResponse::default().with_members(members.collect())
}

pub(crate) fn list(shared: &Shared, message: &ListGroupsRequest) -> ListGroupsResponse {
    let set = |filter: &[StrBytes]| filter.iter().map(|f| f.to_ascii_lowercase()).collect::<HashSet<_>>();
    let (states, types) = (set(&message.states_filter), set(&message.types_filter));
    let has = |filter: &HashSet<String>, value: &str| {
        filter.is_empty() || filter.contains(&value.to_ascii_lowercase())
    };
    let wanted = |state: State| has(&states, state.name()) && has(&types, "classic");
    let groups =
        shared.groups.list().into_iter().filter(|row| wanted(row.1)).map(|(name, state, protocol_type)| {
            ListedGroup::default()
                .with_group_id(GroupId(text(name)))
                .with_protocol_type(text(protocol_type))
                .with_group_state(text(state.name()))
                .with_group_type(text("classic"))
        });
    ListGroupsResponse::default().with_groups(groups.collect())
}

pub(crate) fn describe(
    shared: &Shared,
    version: i16,
    message: DescribeGroupsRequest,
) -> DescribeGroupsResponse {
    // Each once: a request that names a group again and again would get a far larger answer.
    let mut named = HashSet::new();
    let groups = message.groups.into_iter().filter(|name| named.insert(name.clone())).map(|name| {
        let Some(group) = shared.groups.describe(&name) else {
            let answer = DescribedGroup::default().with_group_state(text("Dead"));
            let why = format!("Group {} not found.", name.as_str());
            return match version {
                6.. => answer.with_error_code(codes::GROUP_ID_NOT_FOUND).with_error_message(Some(text(why))),
                _ => answer,
            }
            .with_group_id(name);
        };
        let stable = group.state == State::Stable;
        let protocol = group.protocol.as_deref().filter(|_| stable);
        let members = group.members.iter().map(|(id, member)| {
            DescribedGroupMember::default()
                .with_member_id(text(&**id))
                .with_group_instance_id(member.instance.clone().map(text))
                .with_client_id(text(&*member.client_id))
                .with_client_host(text(&*member.client_host))
                .with_member_metadata(Bytes::copy_from_slice(member.metadata(protocol)))
                .with_member_assignment(Bytes::copy_from_slice(&member.assignment))
        });
        DescribedGroup::default()
            .with_group_id(name)
            .with_group_state(text(group.state.name()))
            .with_protocol_type(text(group.protocol_type.clone().unwrap_or_default()))
            .with_protocol_data(text(protocol.unwrap_or_default()))
            .with_members(members.collect())
    });
    DescribeGroupsResponse::default().with_groups(groups.collect())
}

pub(crate) fn delete(shared: &Shared, message: DeleteGroupsRequest) -> DeleteGroupsResponse {
    let results = message.groups_names.into_iter().map(|group| {
        let code = shared.groups.delete(&group);
        DeletableGroupResult::default().with_group_id(group).with_error_code(code)
    });
    DeleteGroupsResponse::default().with_results(results.collect())
}
