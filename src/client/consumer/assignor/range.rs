//! Kafka's `RangeAssignor`, without racks.

use std::collections::BTreeMap;

use crate::client::TopicPartition;

use super::{Assignment, Member, nothing_for};

/// `members` are in the assignors' order.
pub(super) fn assign(topics: &BTreeMap<String, i32>, members: &[Member]) -> Assignment {
    let mut assignment = nothing_for(members);
    for (topic, &count) in topics {
        let subscribed: Vec<_> = members
            .iter()
            .filter(|member| member.topics.contains(topic))
            .collect();
        if subscribed.is_empty() {
            continue;
        }
        let each = count as usize / subscribed.len();
        let one_more = count as usize % subscribed.len();
        let mut next = 0;
        for (index, member) in subscribed.into_iter().enumerate() {
            let share = (each + usize::from(index < one_more)) as i32;
            let partitions = (next..next + share).map(|n| TopicPartition::new(topic, n));
            assignment
                .entry(member.member_id.clone())
                .or_default()
                .extend(partitions);
            next += share;
        }
    }
    assignment
}
