//! Members whose clients have died.
//!
//! A page that is reloaded or closed cannot say goodbye, and Kafka would wait a session timeout for
//! its members. Browsers know at once who has died, and groups know where their members live.

use super::broker_host::BrokerHost;
use super::timer::{Timer, pause};
use crate::protocol::messages::describe_groups_request::DescribeGroupsRequest;
use crate::protocol::messages::describe_groups_response::{DescribedGroup, DescribedGroupMember};
use crate::protocol::messages::leave_group_request::{LeaveGroupRequest, MemberIdentity};
use crate::protocol::messages::list_groups_request::ListGroupsRequest;
use crate::protocol::{ErrorCode, Request, Response};
use futures_channel::oneshot;
use futures_util::future::{join_all, select};
use std::collections::BTreeSet;
use std::pin::pin;
use wasm_bindgen_futures::spawn_local;

/// How long a start may be held up. A session timeout does the rest.
const DISMISSAL_MS_MAX: u32 = 5_000;
/// How long to wait before asking again while coordinators fold their logs.
const LOADING_POLL_MS: u32 = 5;
/// Groups that are left at a time: they share commits.
const LEAVES_MAX: usize = 100;
/// LeaveGroup with several members (KIP-345).
const LEAVE_GROUP_VERSION: i16 = 4;
const LIST_GROUPS_VERSION: i16 = 4;
const DESCRIBE_GROUPS_VERSION: i16 = 5;

impl BrokerHost {
    /// Lets all members leave. For a broker that serves and that nobody has connected to yet: whoever
    /// opens it as the first of its tab knows that they are gone. Given up after [`DISMISSAL_MS_MAX`].
    pub async fn dismiss_departed_members(&self) {
        let (sender, expired) = oneshot::channel::<()>();
        let _timer = Timer::after(DISMISSAL_MS_MAX, move || drop(sender));
        // A member id is never given twice, so what is still asked then hits nobody new.
        select(pin!(self.leave(None)), expired).await;
    }

    /// Where the dynamic members of all groups live.
    pub async fn member_hosts(&self) -> BTreeSet<String> {
        let groups = self.described_groups().await;
        let members = groups.into_iter().flat_map(|group| group.members);
        members
            .filter(is_dynamic)
            .map(|member| member.client_host)
            .collect()
    }

    /// Lets the members leave that lived on those hosts, but for static ones, which may come back
    /// (KIP-345).
    pub async fn dismiss(&self, client_hosts: &[String]) {
        self.leave(Some(client_hosts)).await;
    }

    /// [`dismiss`](BrokerHost::dismiss), for who does not wait, and may give the host up meanwhile.
    pub fn dismiss_soon(&self, client_hosts: Vec<String>) {
        let host = self.clone();
        spawn_local(async move { host.dismiss(&client_hosts).await });
    }

    /// `client_hosts`: whose members; without, all.
    async fn leave(&self, client_hosts: Option<&[String]>) {
        let mut leaves = Vec::new();
        for group in self.described_groups().await {
            let departed = group
                .members
                .into_iter()
                .filter(is_dynamic)
                .filter(|member| client_hosts.is_none_or(|it| it.contains(&member.client_host)));
            let members: Vec<_> = departed
                .map(|member| MemberIdentity {
                    member_id: member.member_id,
                    ..Default::default()
                })
                .collect();
            if !members.is_empty() {
                leaves.push(LeaveGroupRequest {
                    group_id: group.group_id,
                    members,
                    ..Default::default()
                });
            }
        }
        for leaves in leaves.chunks(LEAVES_MAX) {
            let leave = |leave: &LeaveGroupRequest| {
                self.ask(LEAVE_GROUP_VERSION, Request::LeaveGroup(leave.clone()))
            };
            join_all(leaves.iter().map(leave)).await;
        }
    }

    /// None if the broker stops.
    async fn described_groups(&self) -> Vec<DescribedGroup> {
        let Some(groups) = self.groups().await else {
            return Vec::new();
        };
        let describe = Request::DescribeGroups(DescribeGroupsRequest {
            groups,
            ..Default::default()
        });
        match self.ask(DESCRIBE_GROUPS_VERSION, describe).await {
            Some(Response::DescribeGroups(described)) => described.groups,
            _ => Vec::new(),
        }
    }

    /// All groups, once every coordinator has folded its log.
    async fn groups(&self) -> Option<Vec<String>> {
        loop {
            let list = Request::ListGroups(ListGroupsRequest::default());
            let Some(Response::ListGroups(listed)) = self.ask(LIST_GROUPS_VERSION, list).await
            else {
                return None;
            };
            if listed.error_code != ErrorCode::CoordinatorLoadInProgress.code() {
                let ids = listed.groups.into_iter().map(|group| group.group_id);
                return Some(ids.collect());
            }
            pause(LOADING_POLL_MS).await;
        }
    }
}

fn is_dynamic(member: &DescribedGroupMember) -> bool {
    member.group_instance_id.is_none()
}
