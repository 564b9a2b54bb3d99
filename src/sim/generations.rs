//! Who has which partitions in the generations of the groups, and who commits for them.

use crate::client::TopicPartition;
use std::collections::BTreeMap;

/// A group, one of its generations, and how often the power was lost before.
pub type Generation = (String, i32, u32);

/// See the module.
#[derive(Debug, Default)]
pub struct Generations {
    owners: BTreeMap<Generation, BTreeMap<TopicPartition, String>>,
    committers: BTreeMap<Generation, BTreeMap<TopicPartition, String>>,
}

impl Generations {
    /// A member was told its assignment. Error: what is another's.
    pub fn assigned(
        &mut self,
        generation: Generation,
        member_id: &str,
        partitions: &[TopicPartition],
    ) -> Result<(), String> {
        let committers = self.committers.get(&generation);
        let foreign = partitions.iter().find_map(|partition| {
            let by = committers?.get(partition)?;
            (by != member_id).then(|| foreign_commit(&generation, partition, by))
        });
        let all = self.owners.entry(generation.clone()).or_default();
        let mut twice = None;
        for partition in partitions {
            let before = all.insert(partition.clone(), member_id.to_owned());
            if let Some(other) = before.filter(|other| other != member_id) {
                twice = Some((partition, other));
            }
        }
        if let Some((partition, other)) = twice {
            let (group, number, _) = generation;
            return Err(format!(
                "generation {number} of {group} assigns {}-{} to {other} and to {member_id}",
                partition.topic, partition.partition
            ));
        }
        foreign.map_or(Ok(()), Err)
    }

    /// A member sends a commit: whose partition it is then may not be another's. Error: it is.
    pub fn commit_sent(
        &mut self,
        generation: Generation,
        member_id: &str,
        partition: TopicPartition,
    ) -> Result<(), String> {
        let owners = self.owners.get(&generation);
        let owner = owners.and_then(|all| all.get(&partition));
        if owner.is_some_and(|owner| owner != member_id) {
            return Err(foreign_commit(&generation, &partition, member_id));
        }
        let all = self.committers.entry(generation).or_default();
        all.insert(partition, member_id.to_owned());
        Ok(())
    }
}

fn foreign_commit((group, number, _): &Generation, partition: &TopicPartition, by: &str) -> String {
    let (topic, index) = (&partition.topic, partition.partition);
    format!(
        "{by} commits {topic}-{index} under generation {number} of {group}, in which it is \
         another's"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_of_what_is_anothers_in_its_generation_is_seen_whoever_is_heard_first() {
        let partition = TopicPartition::new("t".to_owned(), 0);
        let own = std::slice::from_ref(&partition);
        let generation = |number| ("g".to_owned(), number, 0);
        for owner_first in [true, false] {
            let mut all = Generations::default();
            assert_eq!(all.assigned(generation(1), "a", own), Ok(()));
            let first = all.commit_sent(generation(1), "a", partition.clone());
            assert_eq!(first, Ok(()));
            let (told, sent) = if owner_first {
                let told = all.assigned(generation(2), "b", own);
                let sent = all.commit_sent(generation(2), "a", partition.clone());
                (told, sent)
            } else {
                let sent = all.commit_sent(generation(2), "a", partition.clone());
                (all.assigned(generation(2), "b", own), sent)
            };
            assert_eq!((told.is_ok(), sent.is_ok()), (owner_first, !owner_first));
        }
    }
}
