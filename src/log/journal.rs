//! The journal: one row per commit, with the batches of every partition that it touches.

use super::layout::{self, Malformed};
use super::{LogLimits, PartitionId};
use bytes::{Buf, BufMut, Bytes};
use std::collections::{BTreeSet, VecDeque};

/// Bytes of the journal from which every commit also moves old rows into segments.
pub const JOURNAL_MOVE_BYTES: usize = 4 << 20;
/// Rows of the journal from which every commit also moves old rows into segments.
pub const JOURNAL_MOVE_ROWS: usize = 512;

/// Bytes from which rows are moved when nothing else waits: early enough to keep the next burst of
/// appends clear of moves, late enough to make chunks of many batches.
pub const JOURNAL_IDLE_MOVE_BYTES: usize = 1 << 20;
/// Rows from which they are moved when nothing else waits.
pub const JOURNAL_IDLE_MOVE_ROWS: usize = 128;

/// Bytes of the journal from which appends are refused: opening reads the journal, and its length
/// has a bound. It is reached only while moving fails.
pub const JOURNAL_BYTES_MAX: usize = 16 << 20;
/// Rows of the journal from which appends are refused.
pub const JOURNAL_ROWS_MAX: usize = 2048;

/// How long after records were deleted the rows that have them may stay: as Kafka's files, by
/// default (`file.delete.delay.ms`).
pub const JOURNAL_PURGE_DELAY_MS: i64 = 60_000;

/// The partitions that one commit moves, so that its size has a bound.
pub const MOVE_PARTITIONS_MAX: usize = 64;

const PART_OVERHEAD_BYTES: usize = 20 + 8 + 4;

/// The batches of one partition in a journal row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct JournalPart {
    pub id: PartitionId,
    /// The end of the log before these batches: opening checks that no row is missing.
    pub start_offset: i64,
    pub batches: Vec<Bytes>,
}

/// Writes a row; the one place where batches are copied on their way to storage.
pub(super) fn encode_row(written_ms: i64, parts: &[JournalPart]) -> Bytes {
    let size: usize = parts
        .iter()
        .map(|part| PART_OVERHEAD_BYTES + part.batches.iter().map(Bytes::len).sum::<usize>())
        .sum();
    let mut row = layout::versioned();
    row.reserve_exact(8 + size);
    row.put_i64(written_ms);
    for part in parts {
        layout::put_partition(&mut row, part.id);
        row.put_i64(part.start_offset);
        row.put_u32(part.batches.iter().map(Bytes::len).sum::<usize>() as u32);
        for batch in &part.batches {
            row.extend_from_slice(batch);
        }
    }
    row.into()
}

/// A row as it is read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct JournalRow {
    /// When its commit began; [`layout::NEVER_MS`] if that is not known.
    pub written_ms: i64,
    /// Partition, start offset, concatenated batches.
    pub parts: Vec<(PartitionId, i64, Bytes)>,
}

/// Reads a row.
pub(super) fn decode_row(row: &Bytes) -> Result<JournalRow, Malformed> {
    let mut rest = &row[..];
    let version = layout::version(&mut rest)?;
    let written_ms = layout::since_1(version, &mut rest, layout::NEVER_MS)?;
    let mut parts = Vec::new();
    while !rest.is_empty() {
        let id = layout::take_partition(&mut rest)?;
        let start_offset = rest.try_get_i64()?;
        let size = rest.try_get_u32()? as usize;
        let at = row.len() - rest.len();
        if rest.len() < size {
            return Err(Malformed);
        }
        rest = &rest[size..];
        parts.push((id, start_offset, row.slice(at..at + size)));
    }
    Ok(JournalRow { written_ms, parts })
}

/// The rows that are stored, and who still needs them.
#[derive(Debug, Default)]
pub(super) struct Journal {
    /// The key of the next row.
    pub next_seq: u64,
    /// Key and size of each stored row.
    rows: VecDeque<(u64, usize)>,
    size_bytes: usize,
    /// For each partition with batches in the journal, the first row that has some.
    needed: BTreeSet<(u64, PartitionId)>,
    purge: Purge,
}

/// Rows that hold records which were deleted, and must go for it.
#[derive(Debug, Default)]
struct Purge {
    /// Rows before this one.
    before: u64,
    /// Those that are due.
    due_before: u64,
    at_ms: Option<i64>,
}

impl Journal {
    pub fn row_stored(&mut self, seq: u64, size_bytes: usize) {
        self.rows.push_back((seq, size_bytes));
        self.size_bytes += size_bytes;
        self.next_seq = self.next_seq.max(seq + 1);
    }

    /// Rows from `first_seq` on hold batches of `id` that are nowhere else.
    pub fn need(&mut self, first_seq: u64, id: PartitionId) {
        self.needed.insert((first_seq, id));
    }

    pub fn release(&mut self, first_seq: u64, id: PartitionId) {
        self.needed.remove(&(first_seq, id));
    }

    /// The partitions that hold up the journal's oldest rows, oldest first.
    pub fn oldest(&self) -> impl Iterator<Item = PartitionId> {
        self.needed.iter().map(|(_, id)| *id)
    }

    /// Records were deleted that rows may still have.
    pub fn purge_later(&mut self, now_ms: i64) {
        if !self.rows.is_empty() {
            self.purge.before = self.next_seq;
            self.purge
                .at_ms
                .get_or_insert(now_ms.saturating_add(JOURNAL_PURGE_DELAY_MS));
        }
    }

    /// When rows must go that hold deleted records.
    pub fn purge_at_ms(&self) -> Option<i64> {
        self.purge.at_ms
    }

    /// Makes what is due of it wanted.
    pub fn start_purge(&mut self, now_ms: i64) {
        if self.purge.at_ms.take_if(|at_ms| *at_ms <= now_ms).is_some() {
            self.purge.due_before = self.purge.before;
        }
    }

    /// Whether rows are there that must go because of what was deleted.
    pub fn must_purge(&self) -> bool {
        let first = self.rows.front();
        first.is_some_and(|(first, _)| *first < self.purge.due_before)
    }

    /// The partitions that hold up those rows, oldest first.
    pub fn oldest_to_purge(&self) -> impl Iterator<Item = PartitionId> {
        let before = self.purge.due_before;
        let held_up = self.needed.iter().take_while(move |it| it.0 < before);
        held_up.map(|(_, id)| *id)
    }

    /// The first row that would still be needed if the partitions of `moved` were not there; and
    /// whether there are rows before it.
    pub fn needed_from(&self, moved: &BTreeSet<PartitionId>) -> Option<u64> {
        let from = self
            .needed
            .iter()
            .find(|(_, id)| !moved.contains(id))
            .map_or(self.next_seq, |(seq, _)| *seq);
        self.rows
            .front()
            .is_some_and(|(first, _)| *first < from)
            .then_some(from)
    }

    pub fn rows_deleted_before(&mut self, seq: u64) {
        while let Some((first, size_bytes)) = self.rows.front() {
            if *first >= seq {
                break;
            }
            self.size_bytes -= size_bytes;
            self.rows.pop_front();
        }
    }

    /// Whether every commit should move rows.
    pub fn must_move(&self, limits: &LogLimits) -> bool {
        self.size_bytes >= JOURNAL_MOVE_BYTES || self.rows.len() >= limits.journal_move_rows
    }

    /// Whether rows should move when nothing else waits.
    pub fn may_move(&self, limits: &LogLimits) -> bool {
        self.size_bytes >= JOURNAL_IDLE_MOVE_BYTES
            || self.rows.len() >= limits.journal_idle_move_rows
    }

    /// Whether appends are refused.
    pub fn is_full(&self) -> bool {
        self.size_bytes >= JOURNAL_BYTES_MAX || self.rows.len() >= JOURNAL_ROWS_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Uuid;

    fn id(partition: i32) -> PartitionId {
        PartitionId {
            topic_id: Uuid([1; 16]),
            partition,
        }
    }

    #[test]
    fn a_row_reads_back_as_written() {
        let part = |partition, batches: &[&'static [u8]]| JournalPart {
            id: id(partition),
            start_offset: i64::from(partition) * 10,
            batches: batches.iter().map(|it| Bytes::from_static(it)).collect(),
        };
        let row = encode_row(5, &[part(0, &[b"abc", b"d"]), part(1, &[b"ef"])]);
        let JournalRow { written_ms, parts } = decode_row(&row).unwrap();
        assert_eq!(written_ms, 5);
        assert_eq!(parts[0], (id(0), 0, Bytes::from_static(b"abcd")));
        assert_eq!(parts[1], (id(1), 10, Bytes::from_static(b"ef")));
        assert_eq!(decode_row(&row.slice(..row.len() - 1)), Err(Malformed));
        assert_eq!(decode_row(&Bytes::new()), Err(Malformed));
    }

    #[test]
    fn rows_go_when_nobody_needs_them() {
        let mut journal = Journal::default();
        for seq in 0..3 {
            journal.row_stored(seq, 10);
        }
        journal.need(0, id(0));
        journal.need(1, id(1));
        assert_eq!(journal.needed_from(&BTreeSet::new()), None);
        assert_eq!(journal.needed_from(&BTreeSet::from([id(0)])), Some(1));
        journal.release(0, id(0));
        journal.rows_deleted_before(1);
        assert_eq!((journal.rows.len(), journal.size_bytes), (2, 20));
        assert_eq!(journal.needed_from(&BTreeSet::from([id(1)])), Some(3));
    }
}
