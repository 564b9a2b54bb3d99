//! Ids of new topics.

use crate::metadata::MetadataImage;
use crate::protocol::Uuid;
use oorandom::Rand64;

/// Makes topic ids: random ones (version 4) from the seed of the node's start.
pub(super) struct Ids {
    seed: u128,
    random: Rand64,
}

impl Ids {
    pub(super) fn new(seed: [u8; 16]) -> Ids {
        let seed = u128::from_be_bytes(seed);
        Ids {
            seed,
            random: Rand64::new(seed),
        }
    }

    /// Goes on from the end of the log: even with a seed that was used before, ids of topics that
    /// were deleted since do not come again.
    pub(super) fn continue_from(&mut self, end_offset: i64) {
        self.random = Rand64::new(self.seed.wrapping_add(end_offset as u128));
    }

    /// An id that no topic has.
    pub(super) fn next_topic_id(&mut self, image: &MetadataImage) -> Uuid {
        loop {
            let high = u128::from(self.random.rand_u64());
            let low = u128::from(self.random.rand_u64());
            let mut bytes = ((high << 64) | low).to_be_bytes();
            bytes[6] = (bytes[6] & 0x0f) | 0x40;
            bytes[8] = (bytes[8] & 0x3f) | 0x80;
            let id = Uuid(bytes);
            // As `Uuid.randomUuid`: command lines take a leading dash for an option.
            if image.topic_by_id(id).is_none() && !id.to_string().starts_with('-') {
                return id;
            }
        }
    }
}
