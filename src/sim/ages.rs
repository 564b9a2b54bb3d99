//! How old what is there may be: what has expired, or was replaced, is gone in time, and nothing is
//! before.

use super::oracle::RecordId;
use super::workload::{Aging, PURGED_MS, Workload};
use crate::now::Now;
use crate::record::{BatchHeader, Record, records};
use bytes::Bytes;
use std::collections::BTreeMap;

/// How long a record may be under way when nothing goes wrong any more, as it was sent before.
const SETTLED_MS: i64 = 6_000;

/// What ages, and how late it is.
#[derive(Debug, Default)]
pub struct Ages {
    check_ms: u64,
    plans: BTreeMap<String, Plan>,
    now_ms: i64,
    wall_max_ms: i64,
    /// Until when records may be appended that are older than they say, or younger.
    settled_ms: i64,
    timestamps: BTreeMap<RecordId, i64>,
}

#[derive(Clone, Copy, Debug)]
struct Plan {
    aging: Aging,
    compacted: bool,
}

/// A record of a topic that ages, as it is read or stored in the end.
#[derive(Clone, Debug)]
pub struct Aged {
    /// In its partition.
    pub offset: i64,
    /// When it was written.
    pub timestamp: i64,
    /// What compaction goes by; in the topics of a run a key is in one partition only.
    pub key: Option<Bytes>,
    /// Whether it deletes its key.
    pub is_tombstone: bool,
    /// When it was there.
    pub seen_ms: i64,
}

impl Ages {
    /// Of the topics of a workload.
    pub fn new(workload: &Workload) -> Ages {
        let plans = workload.topics.iter().filter_map(|plan| {
            let aging = plan.aging?;
            let compacted = plan.compacted;
            Some((plan.name.clone(), Plan { aging, compacted }))
        });
        Ages {
            check_ms: workload.check_ms,
            plans: plans.collect(),
            ..Ages::default()
        }
    }

    /// The clocks go on.
    pub fn clock(&mut self, now: Now) {
        self.now_ms = now.wall.0;
        self.wall_max_ms = self.wall_max_ms.max(now.wall.0);
    }

    /// How far the wall clock has been set back.
    pub fn wall_behind_ms(&self) -> i64 {
        self.wall_max_ms - self.now_ms
    }

    /// Nothing goes wrong any more: until when records of before may still be written.
    pub fn settle(&mut self) -> i64 {
        self.settled_ms = self.wall_max_ms + SETTLED_MS;
        self.settled_ms
    }

    /// Whether records of a topic go in time.
    pub fn has(&self, topic: &str) -> bool {
        self.plans.contains_key(topic)
    }

    /// What there is to know of a record that is there.
    pub fn of(&self, record: &Record) -> Aged {
        Aged {
            offset: record.offset,
            timestamp: record.timestamp,
            key: record.key.clone(),
            is_tombstone: record.value.is_none(),
            seen_ms: self.now_ms,
        }
    }

    /// A record of a topic was read.
    pub fn shown(&mut self, topic: &str, id: RecordId, timestamp: i64) {
        if self.has(topic) {
            self.timestamps.insert(id, timestamp);
        }
    }

    /// Whether a record of a topic that expires is too young to be gone.
    pub fn is_too_young(&self, topic: &str, id: RecordId) -> bool {
        let plan = self.plans.get(topic).filter(|plan| !plan.compacted);
        let timestamp = self.timestamps.get(&id);
        plan.zip(timestamp)
            .is_some_and(|(plan, at)| at + plan.aging.kept_ms as i64 >= self.wall_max_ms)
    }

    /// The first record of what can be read of a topic that should be gone.
    pub fn overdue<'a>(&self, topic: &str, read: &'a [Aged]) -> Option<&'a Aged> {
        self.overdue_by(topic, read, read, 0)
    }

    /// Likewise of what is stored of it.
    pub fn overdue_in_storage<'a>(
        &self,
        topic: &str,
        read: &[Aged],
        stored: &'a [Aged],
    ) -> Option<&'a Aged> {
        self.overdue_by(topic, read, stored, PURGED_MS)
    }

    fn overdue_by<'a>(
        &self,
        topic: &str,
        read: &[Aged],
        there: &'a [Aged],
        purged_ms: u64,
    ) -> Option<&'a Aged> {
        let plan = self.plans.get(topic)?;
        let gone_ms = (plan.aging.gone_ms(self.check_ms) + purged_ms) as i64;
        if !plan.compacted {
            return there
                .iter()
                .find(|it| self.written_ms(it) + gone_ms < it.seen_ms);
        }
        let tombstone_gone_ms = (plan.aging.tombstone_gone_ms(self.check_ms) + purged_ms) as i64;
        let mut of_key: BTreeMap<&Option<Bytes>, Vec<&Aged>> = BTreeMap::new();
        for aged in read {
            of_key.entry(&aged.key).or_default().push(aged);
        }
        there.iter().find(|it| {
            let replaced = of_key.get(&it.key).into_iter().flatten().any(|newer| {
                newer.offset > it.offset && self.written_ms(newer) + gone_ms < it.seen_ms
            });
            let deleted = it.is_tombstone && self.written_ms(it) + tombstone_gone_ms < it.seen_ms;
            replaced || deleted
        })
    }

    fn written_ms(&self, aged: &Aged) -> i64 {
        aged.timestamp.max(self.settled_ms)
    }
}

/// The records of every batch in a row of storage, wherever they lie in it.
pub fn stored_records(row: &Bytes) -> Vec<Record> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < row.len() {
        let rest = row.slice(at..);
        let Ok(header) = BatchHeader::ensure_valid(&rest) else {
            at += 1;
            continue;
        };
        at += header.size_in_bytes();
        found.extend(records(&rest).into_iter().flatten().flatten());
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::now::{Instant, Timestamp};
    use crate::record::{BatchBuilder, BatchFields, Compression};

    const AGING: Aging = Aging {
        segment_ms: 100,
        kept_ms: 1_000,
        tombstone_ms: 500,
    };

    fn ages(compacted: bool) -> Ages {
        let plan = Plan {
            aging: AGING,
            compacted,
        };
        Ages {
            check_ms: 10,
            plans: [("topic".to_owned(), plan)].into(),
            ..Ages::default()
        }
    }

    fn aged(offset: i64, timestamp: i64, is_tombstone: bool, seen_ms: i64) -> Aged {
        Aged {
            offset,
            timestamp,
            key: Some(Bytes::from_static(b"key")),
            is_tombstone,
            seen_ms,
        }
    }

    #[test]
    fn what_has_expired_may_be_read_so_long_and_stored_a_little_longer() {
        let ages = ages(false);
        let gone_ms = AGING.gone_ms(10) as i64;
        for (late_ms, reads, stores) in [
            (0, true, true),
            (1, false, true),
            (PURGED_MS as i64, false, true),
            (PURGED_MS as i64 + 1, false, false),
        ] {
            let there = [aged(0, 5, false, 5 + gone_ms + late_ms)];
            assert_eq!(ages.overdue("topic", &there).is_none(), reads);
            let stored = ages.overdue_in_storage("topic", &[], &there);
            assert_eq!(stored.is_none(), stores);
        }
    }

    #[test]
    fn a_value_must_go_when_its_successor_is_old_and_the_last_one_never() {
        let ages = ages(true);
        let seen_ms = 10 * AGING.gone_ms(10) as i64;
        let there = [aged(0, 5, false, seen_ms), aged(1, 6, false, seen_ms)];
        let overdue = ages.overdue("topic", &there).map(|aged| aged.offset);
        assert_eq!(overdue, Some(0));
        assert!(ages.overdue("topic", &there[1..]).is_none());
        let young = [aged(0, 5, false, seen_ms), aged(1, seen_ms, false, seen_ms)];
        assert!(ages.overdue("topic", &young).is_none());
    }

    #[test]
    fn a_tombstone_must_go_though_it_is_the_last() {
        let ages = ages(true);
        let gone_ms = AGING.tombstone_gone_ms(10) as i64;
        assert!(
            ages.overdue("topic", &[aged(0, 5, true, 5 + gone_ms)])
                .is_none()
        );
        assert!(
            ages.overdue("topic", &[aged(0, 5, true, 6 + gone_ms)])
                .is_some()
        );
    }

    #[test]
    fn a_record_that_has_not_expired_is_too_young_to_be_gone() {
        let mut ages = ages(false);
        ages.shown("topic", 7, 100);
        for (wall_ms, is_too_young) in [(1_100, true), (1_101, false)] {
            ages.clock(Now {
                monotonic: Instant(0),
                wall: Timestamp(wall_ms),
            });
            assert_eq!(ages.is_too_young("topic", 7), is_too_young);
        }
    }

    #[test]
    fn batches_are_found_wherever_they_lie_in_a_row() {
        let mut builder = BatchBuilder::new(Compression::Lz4);
        builder
            .append(5, None, Some(b"value"), &[])
            .expect("it is small");
        let batch = builder.build(BatchFields::default());
        let row = [b"head", &batch[..], b"between", &batch, &batch[..40]].concat();
        let found = stored_records(&row.into());
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].value.as_deref(), Some(&b"value"[..]));
    }
}
