//! DescribeGroups, ListGroups and DeleteGroups.

use super::classic_group::ClassicGroup;
use super::group_state::GroupState;
use super::outcome::Outcome;
use super::records::{group_tombstone, offset_tombstone};
use super::shard::GroupShard;
use crate::protocol::ErrorCode;
use crate::protocol::messages::delete_groups_request::DeleteGroupsRequest;
use crate::protocol::messages::delete_groups_response::{
    DeletableGroupResult, DeleteGroupsResponse,
};
use crate::protocol::messages::describe_groups_request::DescribeGroupsRequest;
use crate::protocol::messages::describe_groups_response::{
    DescribeGroupsResponse, DescribedGroup, DescribedGroupMember,
};
use crate::protocol::messages::list_groups_request::ListGroupsRequest;
use crate::protocol::messages::list_groups_response::{ListGroupsResponse, ListedGroup};

/// How ListGroups names the type of a group of the classic protocol.
const CLASSIC_GROUP_TYPE: &str = "classic";

/// The state of a group that does not exist.
const DEAD: &str = "Dead";

/// Leaves of the filters of a request what groups may pass by, each name once. An empty filter passes
/// all, so of one that passes none a name stays.
pub fn narrow_filters(request: &mut ListGroupsRequest) {
    narrow(&mut request.types_filter, &[CLASSIC_GROUP_TYPE]);
    narrow(
        &mut request.states_filter,
        &GroupState::ALL.map(GroupState::name),
    );
}

fn narrow(filter: &mut Vec<String>, names: &[&str]) {
    let passing = names.iter().filter(|name| passes(filter, name));
    let mut passing: Vec<String> = passing.map(|name| (*name).to_owned()).collect();
    if passing.is_empty() {
        passing.extend(filter.pop());
    }
    *filter = passing;
}

/// Whether one of the names of a filter is this.
fn passes(filter: &[String], name: &str) -> bool {
    let mut filter = filter.iter();
    filter.any(|it| it.trim().eq_ignore_ascii_case(name))
}

impl GroupShard {
    pub(super) fn describe_groups(
        &self,
        version: i16,
        request: DescribeGroupsRequest,
    ) -> DescribeGroupsResponse {
        let groups = request
            .groups
            .into_iter()
            .map(|group_id| match self.groups.get(&group_id) {
                Some(group) => group.describe(),
                None => missing_group(version, group_id),
            })
            .collect();
        DescribeGroupsResponse {
            groups,
            ..Default::default()
        }
    }

    /// The groups of this shard that pass the filters; an empty filter passes all.
    pub(super) fn list_groups(&self, request: &ListGroupsRequest) -> ListGroupsResponse {
        let types = &request.types_filter;
        let states = &request.states_filter;
        let type_passes = types.is_empty() || passes(types, CLASSIC_GROUP_TYPE);
        let state_passes = |state: GroupState| states.is_empty() || passes(states, state.name());
        // Once for each state, and not for each group.
        let passing = GroupState::ALL.map(|state| (state, type_passes && state_passes(state)));
        let groups = self
            .groups
            .values()
            .filter(|group| passing.contains(&(group.state, true)))
            .map(|group| ListedGroup {
                group_id: group.group_id.clone(),
                protocol_type: group.protocol_type.clone().unwrap_or_default(),
                group_state: group.state.name().to_owned(),
                group_type: CLASSIC_GROUP_TYPE.to_owned(),
                ..Default::default()
            })
            .collect();
        ListGroupsResponse {
            groups,
            ..Default::default()
        }
    }

    /// Deletes groups without members, with their offsets.
    pub(super) fn delete_groups(
        &mut self,
        request: DeleteGroupsRequest,
        outcome: &mut Outcome,
    ) -> DeleteGroupsResponse {
        let results = request
            .groups_names
            .into_iter()
            .map(|group_id| {
                let error_code = match self.groups.get(&group_id).map(|group| group.state) {
                    None => ErrorCode::GroupIdNotFound.code(),
                    Some(GroupState::Empty) => {
                        self.delete_group(&group_id, outcome);
                        0
                    }
                    Some(_) => ErrorCode::NonEmptyGroup.code(),
                };
                DeletableGroupResult {
                    group_id,
                    error_code,
                    ..Default::default()
                }
            })
            .collect();
        DeleteGroupsResponse {
            results,
            ..Default::default()
        }
    }

    /// Deletes an empty group with its offsets.
    pub(super) fn delete_group(&mut self, group_id: &str, outcome: &mut Outcome) {
        let partitions: Vec<_> = self
            .offsets
            .of_group(group_id)
            .map(|(partition, _)| partition.clone())
            .collect();
        for partition in partitions {
            outcome.append.push(offset_tombstone(group_id, &partition));
            self.offsets.remove(group_id, &partition);
        }
        outcome.append.push(group_tombstone(group_id));
        self.remove_group(group_id);
    }
}

fn missing_group(version: i16, group_id: String) -> DescribedGroup {
    // KIP-1043: from version 6 on a missing group is an error.
    let (error_code, error_message) = match version {
        ..6 => (0, None),
        6.. => (
            ErrorCode::GroupIdNotFound.code(),
            Some(format!("Group {group_id} not found.")),
        ),
    };
    DescribedGroup {
        error_code,
        error_message,
        group_id,
        group_state: DEAD.to_owned(),
        ..Default::default()
    }
}

impl ClassicGroup {
    /// The group as it is; what was agreed on is shown once all have agreed.
    fn describe(&self) -> DescribedGroup {
        let agreed = self
            .protocol_name
            .as_deref()
            .filter(|_| self.state == GroupState::Stable);
        let members = self
            .members
            .iter()
            .map(|member| DescribedGroupMember {
                member_id: member.member_id.clone(),
                group_instance_id: member.group_instance_id.clone(),
                client_id: member.client_id.clone(),
                client_host: member.client_host.clone(),
                member_metadata: agreed
                    .and_then(|protocol_name| member.metadata(protocol_name))
                    .cloned()
                    .unwrap_or_default(),
                member_assignment: member.assignment.clone(),
                ..Default::default()
            })
            .collect();
        DescribedGroup {
            group_id: self.group_id.clone(),
            group_state: self.state.name().to_owned(),
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            protocol_data: agreed.unwrap_or_default().to_owned(),
            members,
            ..Default::default()
        }
    }
}
