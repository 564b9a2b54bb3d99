//! Why records do not fit an image.

use crate::protocol::Uuid;
use std::fmt;

/// A record that does not fit to the image: the log and its reader disagree, so the reader must
/// stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImageError {
    /// The offset of a batch is not behind the one before.
    Gap {
        /// Where the image ends.
        end_offset: i64,
        /// Where the batch begins.
        base_offset: i64,
    },
    /// A record about a topic that does not exist.
    UnknownTopic(Uuid),
    /// A record about a partition that does not exist.
    UnknownPartition(Uuid, i32),
    /// A record about a broker that is not registered.
    UnknownBroker(i32),
    /// A config of something that has none here.
    UnknownResource(i8),
}

impl fmt::Display for ImageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gap {
                end_offset,
                base_offset,
            } => {
                write!(
                    f,
                    "metadata ends at {end_offset}, the next batch is at {base_offset}"
                )
            }
            Self::UnknownTopic(topic_id) => write!(f, "metadata has no topic {topic_id}"),
            Self::UnknownPartition(topic_id, partition) => {
                write!(
                    f,
                    "metadata has no partition {partition} of topic {topic_id}"
                )
            }
            Self::UnknownBroker(id) => write!(f, "metadata has no broker {id}"),
            Self::UnknownResource(kind) => write!(f, "resources of type {kind} have no configs"),
        }
    }
}

impl std::error::Error for ImageError {}
