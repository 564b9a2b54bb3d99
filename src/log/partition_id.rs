//! The name of a partition in every store.

use crate::protocol::Uuid;
use std::fmt;

/// A partition of a topic. The topic's id, not its name: a topic that is deleted and created again
/// must not find the bytes of the old one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartitionId {
    /// The topic's id, never used twice.
    pub topic_id: Uuid,
    /// The partition within the topic, from 0.
    pub partition: i32,
}

impl fmt::Display for PartitionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic_id, self.partition)
    }
}
