//! Kafka's `CooperativeStickyAssignor` (KIP-54, KIP-429): balanced, moving as little as possible,
//! and never giving a partition to its new owner before the old one has given it up.

use std::collections::{BTreeMap, BTreeSet};

use crate::client::TopicPartition;

use super::{Assignment, Member};

/// `members` are in the assignors' order.
pub(super) fn assign(topics: &BTreeMap<String, i32>, members: &[Member]) -> Assignment {
    let owners = owners(topics, members);
    let mut shares = Shares::new(members);
    for (partition, &owner) in &owners {
        shares.give(owner, partition.clone());
    }
    for partition in unowned(topics, members, &owners) {
        let receiver = shares
            .by_load()
            .find(|&member| shares.may_have(member, &partition));
        if let Some(receiver) = receiver {
            shares.give(receiver, partition);
        }
    }
    while shares.move_one() {}
    let shares = shares
        .partitions
        .into_iter()
        .enumerate()
        .map(|(member, partitions)| {
            // What moves from one member to another comes in the next round, when it is free.
            let free = partitions
                .into_iter()
                .filter(|partition| owners.get(partition).is_none_or(|&owner| owner == member));
            (members[member].member_id.clone(), free.collect())
        });
    shares.collect()
}

/// Who has which of the partitions that are to be divided, by index. Of several that claim one,
/// the one of the latest generation; of the same generation, nobody, since that cannot be.
fn owners(topics: &BTreeMap<String, i32>, members: &[Member]) -> BTreeMap<TopicPartition, usize> {
    let mut claims: BTreeMap<&TopicPartition, (i32, Option<usize>)> = BTreeMap::new();
    for (index, member) in members.iter().enumerate() {
        for partition in member.owned.iter().collect::<BTreeSet<_>>() {
            let exists = topics
                .get(&partition.topic)
                .is_some_and(|&count| (0..count).contains(&partition.partition));
            if !exists || !member.topics.contains(&partition.topic) {
                continue;
            }
            let generation = member.generation_id;
            let claim = claims.entry(partition).or_insert((generation, Some(index)));
            if claim.0 < generation {
                *claim = (generation, Some(index));
            } else if claim.0 == generation && claim.1 != Some(index) {
                claim.1 = None;
            }
        }
    }
    let claims = claims.into_iter();
    claims
        .filter_map(|(partition, (_, owner))| Some((partition.clone(), owner?)))
        .collect()
}

/// Partitions that nobody has; first those that fewer members can have.
fn unowned(
    topics: &BTreeMap<String, i32>,
    members: &[Member],
    owners: &BTreeMap<TopicPartition, usize>,
) -> Vec<TopicPartition> {
    let mut partitions: Vec<_> = (topics.iter())
        .map(|(topic, &count)| {
            let subscribed = members
                .iter()
                .filter(|member| member.topics.contains(topic))
                .count();
            (subscribed, topic, count)
        })
        .filter(|&(subscribed, ..)| subscribed > 0)
        .collect();
    partitions.sort();
    let all = partitions.into_iter().flat_map(|(_, topic, count)| {
        (0..count).map(move |partition| TopicPartition::new(topic, partition))
    });
    all.filter(|partition| !owners.contains_key(partition))
        .collect()
}

/// The division as it is being made, by the index of the member.
struct Shares<'a> {
    members: &'a [Member],
    partitions: Vec<BTreeSet<TopicPartition>>,
    /// (how many, member), kept up to date.
    load: BTreeSet<(usize, usize)>,
}

impl<'a> Shares<'a> {
    fn new(members: &'a [Member]) -> Shares<'a> {
        Shares {
            members,
            partitions: vec![BTreeSet::new(); members.len()],
            load: (0..members.len()).map(|member| (0, member)).collect(),
        }
    }

    fn by_load(&self) -> impl Iterator<Item = usize> + '_ {
        self.load.iter().map(|&(_, member)| member)
    }

    fn may_have(&self, member: usize, partition: &TopicPartition) -> bool {
        self.members[member].topics.contains(&partition.topic)
    }

    fn give(&mut self, member: usize, partition: TopicPartition) {
        self.load.remove(&(self.partitions[member].len(), member));
        self.partitions[member].insert(partition);
        self.load.insert((self.partitions[member].len(), member));
    }

    fn take(&mut self, member: usize, partition: &TopicPartition) {
        self.load.remove(&(self.partitions[member].len(), member));
        self.partitions[member].remove(partition);
        self.load.insert((self.partitions[member].len(), member));
    }

    /// Moves a partition from a member with many to one with at least two fewer. Each move makes
    /// the sum of the squares smaller, so there is an end. The fullest gives first, which keeps
    /// the number of moves small.
    fn move_one(&mut self) -> bool {
        let found = self.load.iter().rev().find_map(|&(most, giver)| {
            let mut receivers = self.load.iter().take_while(|&&(few, _)| few + 1 < most);
            receivers.find_map(|&(_, receiver)| {
                let mut partitions = self.partitions[giver].iter().rev();
                let partition = partitions.find(|partition| self.may_have(receiver, partition))?;
                Some((giver, receiver, partition.clone()))
            })
        });
        let Some((giver, receiver, partition)) = found else {
            return false;
        };
        self.take(giver, &partition);
        self.give(receiver, partition);
        true
    }
}
