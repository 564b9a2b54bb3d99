//! Consumer groups.

use crate::client::KafkaError;
use crate::client::cluster::{Target, mismatched};
use crate::client::consumer::decode_assignment;
use crate::client::metadata_cache::brokers;
use crate::protocol::messages::delete_groups_request::DeleteGroupsRequest;
use crate::protocol::messages::describe_groups_request::DescribeGroupsRequest;
use crate::protocol::messages::describe_groups_response::DescribedGroupMember;
use crate::protocol::messages::list_groups_request::ListGroupsRequest;
use crate::protocol::{ErrorCode, Request, Response};

use super::topics::metadata;
use super::{AdminResult, DescribedGroup, DescribedMember, ListedGroup, Step, check};

pub(super) fn describe(group_ids: Vec<String>) -> Result<Step, KafkaError> {
    let calls = group_ids.into_iter().map(|group| {
        let request = DescribeGroupsRequest {
            groups: vec![group.clone()],
            ..Default::default()
        };
        (Target::Coordinator(group), Request::DescribeGroups(request))
    });
    Ok(Step::all(calls.collect(), |answers| {
        let mut described = Vec::new();
        for answer in answers {
            let Response::DescribeGroups(response) = answer else {
                return Err(mismatched());
            };
            for group in response.groups {
                let checked = check(group.error_code, group.error_message.as_deref());
                let error = checked.err().map(|error| error.of_group(&group.group_id));
                if let Some(error) = error.clone().filter(|error| error.retriable) {
                    return Err(error);
                }
                let members = group.members.into_iter();
                described.push(DescribedGroup {
                    group_id: group.group_id,
                    error,
                    state: group.group_state,
                    protocol_type: group.protocol_type,
                    protocol: group.protocol_data,
                    members: members.map(member).collect(),
                });
            }
        }
        Ok(Step::Done(AdminResult::DescribedGroups(described)))
    }))
}

fn member(member: DescribedGroupMember) -> DescribedMember {
    // Another kind of group encodes its assignments in another way.
    let partitions = decode_assignment(&member.member_assignment).unwrap_or_default();
    DescribedMember {
        member_id: member.member_id,
        group_instance_id: member.group_instance_id,
        client_id: member.client_id,
        client_host: member.client_host,
        member_metadata: member.member_metadata,
        member_assignment: member.member_assignment,
        partitions,
    }
}

/// Every broker knows the groups that it coordinates.
pub(super) fn list() -> Result<Step, KafkaError> {
    metadata(Some(Vec::new()), |response| {
        let calls = brokers(&response).into_keys().map(|node| {
            (
                Target::Node(node),
                Request::ListGroups(ListGroupsRequest::default()),
            )
        });
        Ok(Step::all(calls.collect(), |answers| {
            let mut groups = Vec::new();
            for answer in answers {
                let Response::ListGroups(response) = answer else {
                    return Err(mismatched());
                };
                check(response.error_code, None)?;
                groups.extend(response.groups.into_iter().map(|group| ListedGroup {
                    group_id: group.group_id,
                    protocol_type: group.protocol_type,
                    group_state: group.group_state,
                }));
            }
            groups.sort_by(|one, other| one.group_id.cmp(&other.group_id));
            groups.dedup();
            Ok(Step::Done(AdminResult::Groups(groups)))
        }))
    })
}

pub(super) fn delete(group_ids: Vec<String>) -> Result<Step, KafkaError> {
    let calls = group_ids.into_iter().map(|group| {
        let request = DeleteGroupsRequest {
            groups_names: vec![group.clone()],
            ..Default::default()
        };
        (Target::Coordinator(group), Request::DeleteGroups(request))
    });
    Ok(Step::all(calls.collect(), |answers| {
        let mut deleted = Vec::new();
        for answer in answers {
            let Response::DeleteGroups(response) = answer else {
                return Err(mismatched());
            };
            for group in response.results {
                let code = ErrorCode::from_code(group.error_code);
                if code.retriable() {
                    return Err(KafkaError::protocol(code).of_group(&group.group_id));
                }
                deleted.push((group.group_id, code));
            }
        }
        Ok(Step::Done(AdminResult::DeletedGroups(deleted)))
    }))
}
