//! Members whose clients died with the last owner of the broker.
//!
//! A page that is reloaded or closed cannot say goodbye, and Kafka would wait a session timeout for
//! its members. Whoever opens the broker as the first of its tab knows that they are gone.

use super::broker_host::BrokerHost;
use super::timer::Timer;
use crate::protocol::messages::describe_groups_request::DescribeGroupsRequest;
use crate::protocol::messages::leave_group_request::{LeaveGroupRequest, MemberIdentity};
use crate::protocol::messages::list_groups_request::ListGroupsRequest;
use crate::protocol::{ErrorCode, Request, Response};
use futures_channel::oneshot;

/// How long to wait before asking again while coordinators fold their logs.
const LOADING_POLL_MS: u32 = 20;
/// How often to ask again; a session timeout does the rest.
const LOADING_POLLS_MAX: u32 = 500;
/// LeaveGroup with several members (KIP-345).
const LEAVE_GROUP_VERSION: i16 = 4;
const LIST_GROUPS_VERSION: i16 = 4;
const DESCRIBE_GROUPS_VERSION: i16 = 5;

impl BrokerHost {
    /// Lets all members leave their groups, but for static ones, which may come back (KIP-345).
    /// For a broker that nobody has connected to yet.
    pub async fn dismiss_departed_members(&self) {
        let Some(groups) = self.groups().await else {
            return;
        };
        let describe = Request::DescribeGroups(DescribeGroupsRequest {
            groups,
            ..Default::default()
        });
        let Some(Response::DescribeGroups(described)) =
            self.ask(DESCRIBE_GROUPS_VERSION, describe).await
        else {
            return;
        };
        for group in described.groups {
            let members: Vec<_> = group
                .members
                .into_iter()
                .filter(|member| member.group_instance_id.is_none())
                .map(|member| MemberIdentity {
                    member_id: member.member_id,
                    ..Default::default()
                })
                .collect();
            if !members.is_empty() {
                let leave = Request::LeaveGroup(LeaveGroupRequest {
                    group_id: group.group_id,
                    members,
                    ..Default::default()
                });
                self.ask(LEAVE_GROUP_VERSION, leave).await;
            }
        }
    }

    /// All groups, once every coordinator has folded its log.
    async fn groups(&self) -> Option<Vec<String>> {
        for _ in 0..LOADING_POLLS_MAX {
            let list = Request::ListGroups(ListGroupsRequest::default());
            let Some(Response::ListGroups(listed)) = self.ask(LIST_GROUPS_VERSION, list).await
            else {
                return None;
            };
            if listed.error_code != ErrorCode::CoordinatorLoadInProgress.code() {
                return Some(
                    listed
                        .groups
                        .into_iter()
                        .map(|group| group.group_id)
                        .collect(),
                );
            }
            pause(LOADING_POLL_MS).await;
        }
        None
    }
}

async fn pause(ms: u32) {
    let (sender, receiver) = oneshot::channel::<()>();
    let _timer = Timer::after(ms, move || drop(sender));
    // The timer drops its end when it fires, which is what is waited for.
    let _ = receiver.await;
}
