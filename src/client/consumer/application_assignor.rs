//! Assignors that the application runs. It is asked what the leader is to know of this member before
//! that joins, and who gets what when this member leads; both after the metadata have been read.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::client::{ErrorKind, KafkaError};
use crate::now::{Instant, Now};
use crate::protocol::messages::join_group_response::JoinGroupResponseMember;
use crate::protocol::messages::sync_group_request::SyncGroupRequestAssignment;

use super::Consumer;
use super::assignor::{Member, OfferedAssignor, decode_subscription};
use super::config::{AssignorQuestion, ConsumerOutput, GroupMember};
use super::membership::State;

/// A question to the application.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Asking {
    since: Instant,
    asked: AssignorQuestion,
    /// When the answer is not waited for any more; `None` while metadata are being read.
    pub deadline: Option<Instant>,
}

impl Consumer {
    /// Joins the group, after the application's assignors have said what they tell the leader.
    pub(super) fn join(&mut self, now: Now, since: Instant) {
        let mut assignors = self.config.assignors.iter();
        if !assignors.any(|assignor| matches!(assignor, OfferedAssignor::Application(_))) {
            return self.send_join(now, since, BTreeMap::new());
        }
        self.membership.rejoin = false;
        self.membership.state = State::Asking(Asking {
            since,
            asked: AssignorQuestion::Metadata {
                topics: self.topics().into_iter().collect(),
            },
            deadline: None,
        });
        self.cluster.request_refresh();
    }

    /// This member leads, and the application's assignor is to assign.
    pub(super) fn ask_for_assignment(
        &mut self,
        since: Instant,
        now: Now,
        assignor: String,
        members: Vec<JoinGroupResponseMember>,
    ) {
        let members = members.into_iter().map(|member| GroupMember {
            member_id: member.member_id,
            group_instance_id: member.group_instance_id,
            metadata: member.metadata,
        });
        let members: Vec<_> = members.collect();
        self.read_metadata_of(now, &subscriptions(&members));
        self.membership.state = State::Asking(Asking {
            since,
            asked: AssignorQuestion::Assignment {
                assignor,
                topics: self.topics().into_iter().collect(),
                members,
            },
            deadline: None,
        });
    }

    /// Metadata have been read: what waits for them is asked.
    pub(super) fn ask(&mut self, now: Now) {
        let rebalance_timeout_ms = u64::try_from(self.config.rebalance_timeout_ms).unwrap_or(0);
        let State::Asking(asking) = &mut self.membership.state else {
            return;
        };
        if asking.deadline.is_some() {
            return;
        }
        asking.deadline = Some(now.monotonic + rebalance_timeout_ms);
        self.membership.attempt += 1;
        self.outputs.push(ConsumerOutput::AssignorAsked {
            question: self.membership.attempt,
            asked: asking.asked.clone(),
            known: self.cluster.metadata.topics.values().cloned().collect(),
        });
    }

    pub(super) fn assignor_answered(
        &mut self,
        now: Now,
        question: u64,
        mut answers: BTreeMap<String, Bytes>,
    ) {
        if question != self.membership.attempt {
            return;
        }
        let State::Asking(Asking { since, asked, .. }) = self.membership.state.clone() else {
            return;
        };
        match asked {
            // The subscription has changed since.
            AssignorQuestion::Metadata { .. } if self.membership.rejoin => self.join(now, since),
            AssignorQuestion::Metadata { .. } => self.send_join(now, since, answers),
            AssignorQuestion::Assignment { members, .. } => {
                let counts = self.partition_counts(&subscriptions(&members));
                self.membership.assigned_counts = Some(counts);
                let assignments = members
                    .into_iter()
                    .map(|member| SyncGroupRequestAssignment {
                        assignment: answers.remove(&member.member_id).unwrap_or_default(),
                        member_id: member.member_id,
                        ..Default::default()
                    });
                self.send_sync(now, since, assignments.collect());
            }
        }
    }

    /// A group does not wait for ever for an application that does not answer.
    pub(super) fn give_up_asking(&mut self, now: Now) {
        let State::Asking(asking) = &self.membership.state else {
            return;
        };
        if asking.deadline.is_some_and(|at| at <= now.monotonic) {
            let text = "the partition assigner did not answer within the rebalance timeout";
            let error = KafkaError::raised(ErrorKind::InvalidArgument, text);
            self.crash(now, error.of_group(&self.config.group_id));
        }
    }
}

/// The members whose metadata are subscriptions. An application's may be something else, which
/// only its assignor understands.
fn subscriptions(members: &[GroupMember]) -> Vec<Member> {
    let members = members.iter().filter_map(|member| {
        let instance = member.group_instance_id.as_deref();
        decode_subscription(&member.member_id, instance, &member.metadata).ok()
    });
    members.collect()
}
