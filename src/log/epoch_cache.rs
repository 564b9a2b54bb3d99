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

    /// The largest known epoch that is not above `epoch`, and the offset behind its last record
    /// (`LeaderEpochFileCache.endOffsetFor`).
    pub fn end_offset_for(&self, epoch: i32, log_end_offset: i64) -> (i32, i64) {
        const UNDEFINED: (i32, i64) = (UNDEFINED_EPOCH, UNDEFINED_OFFSET);
        if epoch == UNDEFINED_EPOCH {
            return UNDEFINED;
        }
        let higher = self.entries.partition_point(|(known, _)| *known <= epoch);
        match (
            higher.checked_sub(1).map(|floor| self.entries[floor]),
            self.entries.get(higher),
        ) {
            (Some((floor, _)), None) if floor == epoch => (epoch, log_end_offset),
            // An epoch after the latest: this log has not heard of it.
            (_, None) => UNDEFINED,
            (Some((floor, _)), Some((_, end_offset))) => (floor, *end_offset),
            // An epoch before the first that is left.
            (None, Some((_, start_offset))) => (epoch, *start_offset),
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
        assert_eq!(cache.end_offset_for(UNDEFINED_EPOCH, 30), (-1, -1));
        assert_eq!(cache.end_offset_for(1, 30), (1, 5));
        assert_eq!(cache.end_offset_for(2, 30), (2, 10));
        assert_eq!(cache.end_offset_for(3, 30), (2, 10));
        assert_eq!(cache.end_offset_for(4, 30), (4, 20));
        assert_eq!(cache.end_offset_for(6, 30), (4, 20));
        assert_eq!(cache.end_offset_for(7, 30), (7, 30));
        assert_eq!(cache.end_offset_for(8, 30), (-1, -1));
        assert_eq!(EpochCache::default().end_offset_for(0, 0), (-1, -1));
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
