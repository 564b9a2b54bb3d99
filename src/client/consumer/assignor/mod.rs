//! Who gets which partition: the client-side assignors of a group's leader, and what members and
//! leader tell each other through the coordinator (Kafka's `ConsumerProtocol`).

mod cooperative_sticky;
mod range;
mod round_robin;
#[cfg(test)]
mod tests;

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use bytes::{BufMut, Bytes, BytesMut};

use crate::client::TopicPartition;
use crate::protocol::messages::consumer_protocol_assignment::{self, ConsumerProtocolAssignment};
use crate::protocol::messages::consumer_protocol_subscription::{
    self, ConsumerProtocolSubscription,
};
use crate::protocol::{DecodeError, EncodeError, Message, Reader};

/// How a group's leader divides partitions among the members.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Assignor {
    /// Of each topic, neighbouring partitions to each member: topics with the same number of
    /// partitions are divided alike.
    Range,
    /// All partitions in turn.
    RoundRobin,
    /// The same under KafkaJS's name, for groups with members that are KafkaJS.
    KafkaJsRoundRobin,
    /// As balanced as can be, moving as little as possible, without stopping what does not move
    /// (KIP-429).
    CooperativeSticky,
}

/// An assignor that a member offers to its group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OfferedAssignor {
    /// One that the client has.
    BuiltIn(Assignor),
    /// One that the application runs, under this name on the wire; see
    /// [`ConsumerOutput::AssignorAsked`](super::ConsumerOutput::AssignorAsked).
    Application(String),
}

impl OfferedAssignor {
    /// The protocol's name on the wire.
    pub fn name(&self) -> &str {
        match self {
            OfferedAssignor::BuiltIn(assignor) => assignor.name(),
            OfferedAssignor::Application(name) => name,
        }
    }

    /// Whether members may keep their partitions while the group rebalances.
    pub fn is_cooperative(&self) -> bool {
        matches!(self, OfferedAssignor::BuiltIn(assignor) if assignor.is_cooperative())
    }
}

impl From<Assignor> for OfferedAssignor {
    fn from(assignor: Assignor) -> OfferedAssignor {
        OfferedAssignor::BuiltIn(assignor)
    }
}

/// What an assignor knows of a member.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(in crate::client) struct Member {
    pub member_id: String,
    pub group_instance_id: Option<String>,
    pub topics: BTreeSet<String>,
    /// What it had, as it says.
    pub owned: Vec<TopicPartition>,
    /// Since which generation; -1 when it does not say.
    pub generation_id: i32,
}

/// Partitions by member id. Every member is there, if only with nothing.
pub(in crate::client) type Assignment = BTreeMap<String, Vec<TopicPartition>>;

impl Assignor {
    /// All of them.
    pub const ALL: [Assignor; 4] = [
        Assignor::Range,
        Assignor::RoundRobin,
        Assignor::KafkaJsRoundRobin,
        Assignor::CooperativeSticky,
    ];

    /// The protocol's name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Assignor::Range => "range",
            Assignor::RoundRobin => "roundrobin",
            Assignor::KafkaJsRoundRobin => "RoundRobinAssigner",
            Assignor::CooperativeSticky => "cooperative-sticky",
        }
    }

    /// The assignor of a name on the wire.
    pub fn from_name(name: &str) -> Option<Assignor> {
        Assignor::ALL
            .into_iter()
            .find(|assignor| assignor.name() == name)
    }

    /// Whether members may keep their partitions while the group rebalances.
    pub fn is_cooperative(self) -> bool {
        self == Assignor::CooperativeSticky
    }

    /// Divides the partitions of `topics` (with how many each has). Topics that nobody has
    /// subscribed to are left out, subscribed ones that are not in `topics` too.
    pub(in crate::client) fn assign(
        self,
        topics: &BTreeMap<String, i32>,
        members: &[Member],
    ) -> Assignment {
        let mut members = members.to_vec();
        members.sort_by(in_assignors_order);
        match self {
            Assignor::Range => range::assign(topics, &members),
            Assignor::RoundRobin | Assignor::KafkaJsRoundRobin => {
                round_robin::assign(topics, &members)
            }
            Assignor::CooperativeSticky => cooperative_sticky::assign(topics, &members),
        }
    }
}

/// Static members first, by the id that survives them; Java's `MemberInfo.compareTo`.
fn in_assignors_order(one: &Member, other: &Member) -> Ordering {
    match (&one.group_instance_id, &other.group_instance_id) {
        (Some(one), Some(other)) => one.cmp(other),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => one.member_id.cmp(&other.member_id),
    }
}

fn nothing_for(members: &[Member]) -> Assignment {
    members
        .iter()
        .map(|member| (member.member_id.clone(), Vec::new()))
        .collect()
}

/// The newest version of the subscription that is written and read.
const SUBSCRIPTION_VERSION: i16 = ConsumerProtocolSubscription::VERSIONS.max;
const ASSIGNMENT_VERSION: i16 = ConsumerProtocolAssignment::VERSIONS.max;

/// What a member tells the leader when it joins.
pub(in crate::client) fn encode_subscription(member: &Member) -> Result<Bytes, EncodeError> {
    let owned = by_topic(&member.owned).into_iter();
    let owned_partitions =
        owned.map(
            |(topic, partitions)| consumer_protocol_subscription::TopicPartition {
                topic,
                partitions,
            },
        );
    let subscription = ConsumerProtocolSubscription {
        topics: member.topics.iter().cloned().collect(),
        owned_partitions: owned_partitions.collect(),
        generation_id: member.generation_id,
        ..Default::default()
    };
    encode(SUBSCRIPTION_VERSION, &subscription)
}

/// What the leader hears from a member.
pub(in crate::client) fn decode_subscription(
    member_id: &str,
    group_instance_id: Option<&str>,
    bytes: &Bytes,
) -> Result<Member, DecodeError> {
    let subscription: ConsumerProtocolSubscription = decode(bytes)?;
    let owned = subscription.owned_partitions.iter().flat_map(|owned| {
        let partitions = owned.partitions.iter();
        partitions.map(|&partition| TopicPartition::new(&owned.topic, partition))
    });
    Ok(Member {
        member_id: member_id.to_string(),
        group_instance_id: group_instance_id.map(str::to_string),
        owned: owned.collect(),
        topics: subscription.topics.into_iter().collect(),
        generation_id: subscription.generation_id,
    })
}

/// What the leader tells a member.
pub(in crate::client) fn encode_assignment(
    partitions: &[TopicPartition],
) -> Result<Bytes, EncodeError> {
    let assigned = by_topic(partitions).into_iter();
    let assigned_partitions =
        assigned.map(
            |(topic, partitions)| consumer_protocol_assignment::TopicPartition {
                topic,
                partitions,
            },
        );
    let assignment = ConsumerProtocolAssignment {
        assigned_partitions: assigned_partitions.collect(),
        ..Default::default()
    };
    encode(ASSIGNMENT_VERSION, &assignment)
}

/// What a member hears from the leader; nothing when there are no bytes.
pub(in crate::client) fn decode_assignment(
    bytes: &Bytes,
) -> Result<Vec<TopicPartition>, DecodeError> {
    if bytes.is_empty() {
        return Ok(Vec::new());
    }
    let assignment: ConsumerProtocolAssignment = decode(bytes)?;
    let assigned = assignment.assigned_partitions.iter().flat_map(|assigned| {
        let partitions = assigned.partitions.iter();
        partitions.map(|&partition| TopicPartition::new(&assigned.topic, partition))
    });
    Ok(assigned.collect())
}

/// Partition numbers by topic.
pub(in crate::client) fn by_topic(partitions: &[TopicPartition]) -> BTreeMap<String, Vec<i32>> {
    let mut topics: BTreeMap<String, Vec<i32>> = BTreeMap::new();
    for partition in partitions {
        topics
            .entry(partition.topic.clone())
            .or_default()
            .push(partition.partition);
    }
    topics
}

fn encode(version: i16, message: &impl Message) -> Result<Bytes, EncodeError> {
    let mut bytes = BytesMut::new();
    bytes.put_i16(version);
    message.encode(version, &mut bytes)?;
    Ok(bytes.freeze())
}

/// A newer version than ours begins like ours (`ConsumerProtocol`).
fn decode<M: Message>(bytes: &Bytes) -> Result<M, DecodeError> {
    let mut input = Reader::new(bytes.clone());
    let version = input.i16()?;
    M::decode(version.min(M::VERSIONS.max), &mut input)
}
