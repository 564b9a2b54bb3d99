//! Kafka's `RoundRobinAssignor`.

use std::collections::BTreeMap;

use crate::client::TopicPartition;

use super::{Assignment, Member, nothing_for};

/// `members` are in the assignors' order.
pub(super) fn assign(topics: &BTreeMap<String, i32>, members: &[Member]) -> Assignment {
    let mut assignment = nothing_for(members);
    let mut turn = 0;
    for (topic, &count) in topics {
        if !members.iter().any(|member| member.topics.contains(topic)) {
            continue;
        }
        for partition in 0..count {
            while !members[turn % members.len()].topics.contains(topic) {
                turn += 1;
            }
            let member = &members[turn % members.len()];
            turn += 1;
            let partition = TopicPartition::new(topic, partition);
            assignment
                .entry(member.member_id.clone())
                .or_default()
                .push(partition);
        }
    }
    assignment
}
