//! Which partition a record goes to.

use std::collections::BTreeMap;

use crate::client::PartitionMetadata;
use crate::client::retry::Random;

/// KafkaJS's default partitioner: records with the same key go to the same partition as Java's
/// client sends them to, records without a key go round robin.
#[derive(Clone, Debug)]
pub(super) struct Partitioner {
    random: Random,
    /// Of the next record without a key, by topic. Starts anywhere, so that many producers of few
    /// records do not all start at partition 0.
    counters: BTreeMap<String, u32>,
}

impl Partitioner {
    pub fn new(random: Random) -> Partitioner {
        Partitioner {
            random,
            counters: BTreeMap::new(),
        }
    }

    /// The partition of a record. `partitions` is all of the topic's, and not empty.
    pub fn partition(
        &mut self,
        topic: &str,
        key: Option<&[u8]>,
        partitions: &[PartitionMetadata],
    ) -> i32 {
        if let Some(key) = key {
            // Of all partitions, not only of those with a leader: the key must stay where it is.
            return partition_for_key(key, partitions.len());
        }
        if !self.counters.contains_key(topic) {
            self.counters
                .insert(topic.to_string(), self.random.next_u64() as u32);
        }
        let counter = self.counters.entry(topic.to_string()).or_default();
        let turn = *counter as usize % partitions.len();
        // The turn goes on behind the one that is taken, so that what follows a partition without
        // a leader is not taken twice.
        let in_turn = || partitions[turn..].iter().chain(&partitions[..turn]);
        let passed = in_turn().position(|partition| partition.leader.is_some());
        let passed = passed.unwrap_or(0);
        *counter = counter.wrapping_add(passed as u32 + 1);
        partitions[(turn + passed) % partitions.len()].partition
    }
}

/// Java's `BuiltInPartitioner.partitionForKey`.
pub fn partition_for_key(key: &[u8], partitions: usize) -> i32 {
    let hash = murmur2(key) & 0x7fff_ffff;
    (hash as usize % partitions) as i32
}

/// MurmurHash2 with Kafka's seed, as `Utils.murmur2` of Kafka's clients.
fn murmur2(data: &[u8]) -> i32 {
    const SEED: u32 = 0x9747_b28c;
    const M: u32 = 0x5bd1_e995;
    const R: u32 = 24;
    let mut hash = SEED ^ data.len() as u32;
    let mut words = data.chunks_exact(4);
    for word in &mut words {
        let word: [u8; 4] = word.try_into().expect("chunks_exact(4) gives four bytes");
        let mut k = u32::from_le_bytes(word).wrapping_mul(M);
        k ^= k >> R;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    let rest = words.remainder();
    for (index, &byte) in rest.iter().enumerate() {
        hash ^= u32::from(byte) << (8 * index);
    }
    if !rest.is_empty() {
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    (hash ^ (hash >> 15)) as i32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::ErrorCode;

    fn partitions(leaders: &[Option<i32>]) -> Vec<PartitionMetadata> {
        let partition = |(partition, leader): (usize, &Option<i32>)| PartitionMetadata {
            partition: partition as i32,
            error: ErrorCode::None,
            leader: *leader,
            leader_epoch: 0,
            replicas: vec![],
            isr: vec![],
            offline_replicas: vec![],
        };
        leaders.iter().enumerate().map(partition).collect()
    }

    #[test]
    fn hashes_keys_as_java_does() {
        // Kafka's UtilsTest.testMurmur2.
        for (key, hash) in [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            (
                "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8",
                -58_897_971,
            ),
            ("abc", 479_470_107),
        ] {
            assert_eq!(murmur2(key.as_bytes()), hash, "{key}");
        }
    }

    #[test]
    fn an_empty_key_is_a_key() {
        let mut partitioner = Partitioner::new(Random::new(1));
        let partitions = partitions(&[Some(0); 7]);
        let first = partitioner.partition("t", Some(b""), &partitions);
        for _ in 0..20 {
            assert_eq!(partitioner.partition("t", Some(b""), &partitions), first);
        }
    }

    #[test]
    fn records_without_a_key_take_turns_in_each_topic() {
        let mut partitioner = Partitioner::new(Random::new(1));
        let partitions = partitions(&[Some(0), Some(0), Some(0)]);
        let mut counts = [0; 3];
        for _ in 0..30 {
            counts[partitioner.partition("t", None, &partitions) as usize] += 1;
            partitioner.partition("other", None, &partitions);
        }
        assert_eq!(counts, [10; 3]);
    }

    #[test]
    fn a_partition_without_a_leader_gets_only_its_keys() {
        let mut partitioner = Partitioner::new(Random::new(1));
        let mut partitions = partitions(&[Some(0), None, Some(0)]);
        for _ in 0..30 {
            assert_ne!(partitioner.partition("t", None, &partitions), 1);
        }
        let key = (0..100u8)
            .find(|&key| partition_for_key(&[key], 3) == 1)
            .unwrap();
        assert_eq!(partitioner.partition("t", Some(&[key]), &partitions), 1);
        for partition in &mut partitions {
            partition.leader = None;
        }
        assert!((0..3).contains(&partitioner.partition("t", None, &partitions)));
    }
}
