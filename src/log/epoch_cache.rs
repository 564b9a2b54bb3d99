//! Where each leader epoch starts in a log (KIP-101, KIP-279; `LeaderEpochFileCache`).

use super::layout::Malformed;
use bytes::{Buf, BufMut};

/// The epoch of a log, or of a question, that has none.
pub const UNDEFINED_EPOCH: i32 = -1;
/// The end offset of an epoch that is not known.
pub const UNDEFINED_OFFSET: i64 = -1;

/// The start offsets of the leader epochs of a log, both ascending.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct EpochCache {
    entries: Vec<(i32, i64)>,
}

impl EpochCache {
    /// Notes the epoch of a batch that starts at `start_offset`, if it is a new one.
    pub fn assign(&mut self, epoch: i32, start_offset: i64) {
        if epoch > self.latest_epoch().unwrap_or(UNDEFINED_EPOCH) {
            self.entries.push((epoch, start_offset));
        }
    }

    pub fn latest_epoch(&self) -> Option<i32> {
        self.entries.last().map(|(epoch, _)| *epoch)
    }

    pub fn earliest_epoch(&self) -> Option<i32> {
        self.entries.first().map(|(epoch, _)| *epoch)
    }

    /// The largest known epoch that is not above `epoch`, and the offset behind its last record
    /// (`LeaderEpochFileCache.endOffsetFor`). Kafka's cache notes the epoch of a new leader at the
    /// end of its log; here it is noted with its first batch.
    pub fn end_offset_for(&self, epoch: i32, leader_epoch: i32, log_end_offset: i64) -> (i32, i64) {
        if epoch == UNDEFINED_EPOCH {
            return (UNDEFINED_EPOCH, UNDEFINED_OFFSET);
        }
        let higher = self.entries.partition_point(|(known, _)| *known <= epoch);
        let floor = higher.checked_sub(1).map(|floor| self.entries[floor].0);
        match self.entries.get(higher) {
            Some((_, end_offset)) => (floor.unwrap_or(epoch), *end_offset),
            None if epoch == leader_epoch => (epoch, log_end_offset),
            None if epoch < leader_epoch => (floor.unwrap_or(epoch), log_end_offset),
            // An epoch after the latest: this leader has not heard of it.
            None => (UNDEFINED_EPOCH, UNDEFINED_OFFSET),
        }
    }

    /// Forgets the epochs that end at or below the new start of the log.
    pub fn truncate_from_start(&mut self, log_start_offset: i64) {
        let below = self
            .entries
            .partition_point(|(_, start)| *start <= log_start_offset);
        if let Some(covering) = below.checked_sub(1) {
            self.entries.drain(..covering);
            self.entries[0].1 = log_start_offset;
        }
    }

    pub fn encode(&self, out: &mut Vec<u8>) {
        out.put_u32(self.entries.len() as u32);
        for (epoch, start_offset) in &self.entries {
            out.put_i32(*epoch);
            out.put_i64(*start_offset);
        }
    }

    pub fn decode(input: &mut &[u8]) -> Result<EpochCache, Malformed> {
        let mut cache = EpochCache::default();
        for _ in 0..input.try_get_u32()? {
            cache
                .entries
                .push((input.try_get_i32()?, input.try_get_i64()?));
        }
        Ok(cache)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache() -> EpochCache {
        let mut cache = EpochCache::default();
        for (epoch, start_offset) in [(2, 5), (2, 8), (4, 10), (3, 12), (7, 20)] {
            cache.assign(epoch, start_offset);
        }
        cache
    }

    #[test]
    fn end_offsets_are_those_of_kafkas_cache() {
        let cache = cache();
        for (epoch, found) in [
            (UNDEFINED_EPOCH, (-1, -1)),
            (1, (1, 5)),
            (2, (2, 10)),
            (3, (2, 10)),
            (4, (4, 20)),
            (6, (4, 20)),
            (7, (7, 30)),
            (8, (-1, -1)),
        ] {
            assert_eq!(cache.end_offset_for(epoch, 7, 30), found);
        }
    }

    #[test]
    fn a_leaders_epoch_begins_at_the_end_of_its_log() {
        let cache = cache();
        for (epoch, found) in [(7, (7, 30)), (8, (7, 30)), (9, (9, 30)), (10, (-1, -1))] {
            assert_eq!(cache.end_offset_for(epoch, 9, 30), found);
        }
        let empty = EpochCache::default();
        for (epoch, found) in [(0, (0, 0)), (1, (1, 0)), (2, (-1, -1))] {
            assert_eq!(empty.end_offset_for(epoch, 1, 0), found);
        }
    }

    #[test]
    fn the_epoch_at_the_start_stays_when_the_start_moves() {
        let mut cache = cache();
        cache.truncate_from_start(12);
        assert_eq!(cache.entries, [(4, 12), (7, 20)]);
        cache.truncate_from_start(3);
        assert_eq!(cache.entries, [(4, 12), (7, 20)]);
    }

    #[test]
    fn reads_back_as_encoded() {
        let mut out = Vec::new();
        cache().encode(&mut out);
        assert_eq!(EpochCache::decode(&mut &out[..]), Ok(cache()));
        assert!(EpochCache::decode(&mut &out[..out.len() - 1]).is_err());
    }
}
