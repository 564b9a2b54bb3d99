//! What differs between two states of the image.

use crate::protocol::Uuid;

/// Something in an image that is not as it was. The image says how it is now.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// There is a new topic.
    TopicCreated {
        /// Its name.
        name: String,
        /// Its id.
        topic_id: Uuid,
    },
    /// A topic is gone, with its configs.
    TopicDeleted {
        /// Its name, which another topic may have by now.
        name: String,
        /// Its id.
        topic_id: Uuid,
        /// The partitions it had.
        partitions: Vec<i32>,
    },
    /// A partition is new, or has another leader, leader epoch, ISR or replicas.
    PartitionChanged {
        /// The topic's id.
        topic_id: Uuid,
        /// The partition's index.
        partition: i32,
    },
    /// Configs of a topic were set or unset.
    ConfigChanged {
        /// The topic's name.
        topic: String,
    },
    /// A broker was registered, fenced, unfenced or unregistered.
    BrokerChanged {
        /// The broker's id.
        broker_id: i32,
    },
}
