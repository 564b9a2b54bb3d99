//! The journal: one row per commit, with the batches of every partition that it touches.

use super::layout::{self, Malformed};
use super::{LogLimits, PartitionId};
use crate::planted::{self, PlantedBug};
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

/// How long after records were deleted the rows that have them may stay, so that what is deleted
/// shortly after each other goes together. Kafka's files stay for `file.delete.delay.ms`, a minute.
pub const JOURNAL_PURGE_DELAY_MS: i64 = 10_000;

/// The partitions that one commit moves, so that its size has a bound.
pub const MOVE_PARTITIONS_MAX: usize = 64;

/// The batches of one partition in a journal row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct JournalPart {
    pub id: PartitionId,
    /// The end of the log before these batches: opening checks that no row is missing.
    pub start_offset: i64,
    /// The end of the log behind them.
    pub end_offset: i64,
    pub batches: Vec<Bytes>,
}

/// The log ends that a row has moved.
pub(super) type LogEnds = Vec<(PartitionId, i64)>;

/// Writes a row; the one place where batches are copied on their way to storage.
///
/// The list of its parts stands at its start and at its end, each sealed, so that damage never
/// hides whose batches they were; the row behind repeats it, for a row that is not there at all.
pub(super) fn encode_row(
    key: &[u8],
    written_ms: i64,
    previous: &LogEnds,
    parts: &[JournalPart],
) -> Bytes {
    let mut list = layout::versioned();
    list.put_i64(written_ms);
    list.put_u32(parts.len() as u32);
    let mut batches_bytes = 0;
    for part in parts {
        let part_bytes: usize = part.batches.iter().map(Bytes::len).sum();
        layout::put_partition(&mut list, part.id);
        list.put_i64(part.start_offset);
        list.put_i64(part.end_offset);
        list.put_u32(part_bytes as u32);
        batches_bytes += part_bytes;
    }
    for (id, end_offset) in previous {
        layout::put_partition(&mut list, *id);
        list.put_i64(*end_offset);
    }
    let list = layout::seal(key, list);
    let mut row = layout::versioned();
    row.reserve_exact(2 * (LIST_LENGTH_BYTES + list.len()) + batches_bytes);
    row.put_u32(list.len() as u32);
    row.extend_from_slice(&list);
    for batch in parts.iter().flat_map(|part| &part.batches) {
        row.extend_from_slice(batch);
    }
    row.extend_from_slice(&list);
    row.put_u32(list.len() as u32);
    row.into()
}

const LIST_LENGTH_BYTES: usize = 4;

/// A row as it is read.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct JournalRow {
    /// When its commit began; [`layout::NEVER_MS`] if that is not known.
    pub written_ms: i64,
    pub parts: Vec<StoredPart>,
    /// The log ends that the row before it has moved.
    pub previous: LogEnds,
}

/// The batches of one partition in a row that is read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct StoredPart {
    pub id: PartitionId,
    pub start_offset: i64,
    /// `None` in a row of version 0.
    pub end_offset: Option<i64>,
    /// Concatenated; fewer than there were if the row is damaged.
    pub batches: Bytes,
}

/// Reads a row.
pub(super) fn decode_row(key: &[u8], row: &Bytes) -> Result<JournalRow, Malformed> {
    let list = match (list_at_start(key, row), list_at_end(key, row)) {
        (Err(Malformed::Newer), _) | (_, Err(Malformed::Newer)) => return Err(Malformed::Newer),
        (Ok(list), _) | (_, Ok(list)) => list,
        (Err(_), Err(_)) if row.first() == Some(&0) => return decode_row_0(row),
        (Err(damaged), _) => return Err(damaged),
    };
    let mut at = 1 + LIST_LENGTH_BYTES + list.len();
    let (_, mut fields) = layout::unseal(key, list)?;
    let written_ms = fields.try_get_i64()?;
    let mut parts = Vec::new();
    for _ in 0..fields.try_get_u32()? {
        let id = layout::take_partition(&mut fields)?;
        let start_offset = fields.try_get_i64()?;
        let end_offset = Some(fields.try_get_i64()?);
        let end = at + fields.try_get_u32()? as usize;
        let batches = row.slice(at.min(row.len())..end.min(row.len()));
        at = end;
        parts.push(StoredPart {
            id,
            start_offset,
            end_offset,
            batches,
        });
    }
    let mut previous = Vec::new();
    while !fields.is_empty() {
        let id = layout::take_partition(&mut fields)?;
        previous.push((id, fields.try_get_i64()?));
    }
    Ok(JournalRow {
        written_ms,
        parts,
        previous,
    })
}

fn list_at_start<'a>(key: &[u8], row: &'a Bytes) -> Result<&'a [u8], Malformed> {
    let mut rest = &row[..];
    rest.try_get_u8()?;
    let list_bytes = rest.try_get_u32()? as usize;
    sealed(key, rest.get(..list_bytes).ok_or(Malformed::Damaged)?)
}

fn list_at_end<'a>(key: &[u8], row: &'a Bytes) -> Result<&'a [u8], Malformed> {
    let before = row.len().checked_sub(LIST_LENGTH_BYTES);
    let (rest, mut length) = row.split_at(before.ok_or(Malformed::Damaged)?);
    let list_bytes = length.try_get_u32()? as usize;
    let start = rest.len().checked_sub(list_bytes);
    sealed(key, &rest[start.ok_or(Malformed::Damaged)?..])
}

/// Version 0 had no lists: what looks like one of it may be anything.
fn sealed<'a>(key: &[u8], list: &'a [u8]) -> Result<&'a [u8], Malformed> {
    match layout::unseal(key, list)? {
        (0, _) => Err(Malformed::Damaged),
        _ => Ok(list),
    }
}

/// A row of version 0 has nothing but the batches, each partition's behind its name.
fn decode_row_0(row: &Bytes) -> Result<JournalRow, Malformed> {
    let mut rest = &row[1..];
    let mut parts = Vec::new();
    while !rest.is_empty() {
        let id = layout::take_partition(&mut rest)?;
        let start_offset = rest.try_get_i64()?;
        let size = rest.try_get_u32()? as usize;
        let at = row.len() - rest.len();
        rest = rest.get(size..).ok_or(Malformed::Damaged)?;
        parts.push(StoredPart {
            id,
            start_offset,
            end_offset: None,
            batches: row.slice(at..at + size),
        });
    }
    Ok(JournalRow {
        written_ms: layout::NEVER_MS,
        parts,
        previous: Vec::new(),
    })
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
    /// What the last row has moved.
    last_ends: LogEnds,
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
    /// What the last row has moved, for the next to repeat.
    pub fn last_ends(&self) -> &LogEnds {
        &self.last_ends
    }

    pub fn row_stored(&mut self, seq: u64, size_bytes: usize, ends: LogEnds) {
        self.last_ends = ends;
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
        let is_due = self.purge.at_ms.take_if(|at_ms| *at_ms <= now_ms).is_some();
        if is_due && !planted::active(PlantedBug::JournalNotPurged) {
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
            end_offset: i64::from(partition) * 10 + 3,
            batches: batches.iter().map(|it| Bytes::from_static(it)).collect(),
        };
        let stored = |partition, batches: &'static [u8]| StoredPart {
            id: id(partition),
            start_offset: i64::from(partition) * 10,
            end_offset: Some(i64::from(partition) * 10 + 3),
            batches: Bytes::from_static(batches),
        };
        let parts = [part(0, &[b"abc", b"d"]), part(1, &[b"ef"])];
        let previous = vec![(id(7), 4)];
        let key = &layout::journal_key(9);
        let row = encode_row(key, 5, &previous, &parts);
        let expected = JournalRow {
            written_ms: 5,
            parts: vec![stored(0, b"abcd"), stored(1, b"ef")],
            previous,
        };
        assert_eq!(decode_row(key, &row), Ok(expected));
        let cut_off = decode_row(key, &row.slice(..row.len() / 2)).unwrap();
        assert_eq!(cut_off.parts.len(), 2);
        for short in [0, 1, 4, 20] {
            let row = row.slice(..short);
            assert_eq!(decode_row(key, &row), Err(Malformed::Damaged));
        }
    }

    #[test]
    fn a_list_of_a_row_is_believed_only_if_it_is_sealed() {
        let key = &layout::journal_key(9);
        let parts = [JournalPart {
            id: id(0),
            start_offset: 0,
            end_offset: 3,
            batches: vec![Bytes::from_static(b"abc")],
        }];
        let row = encode_row(key, 5, &Vec::new(), &parts);
        let mut damaged = row.to_vec();
        damaged[1 + LIST_LENGTH_BYTES] = 0;
        assert_eq!(decode_row(key, &damaged.into()), decode_row(key, &row));
    }

    #[test]
    fn a_row_of_version_0_is_read_whatever_its_batches_look_like() {
        let batches = [&[0; 300][..], &100_u32.to_be_bytes()].concat();
        let mut row = vec![0];
        layout::put_partition(&mut row, id(7));
        row.put_i64(5);
        row.put_u32(batches.len() as u32);
        row.extend_from_slice(&batches);
        let read = decode_row(&layout::journal_key(9), &row.into()).unwrap();
        assert_eq!(read.written_ms, layout::NEVER_MS);
        let expected = StoredPart {
            id: id(7),
            start_offset: 5,
            end_offset: None,
            batches: batches.into(),
        };
        assert_eq!(read.parts, [expected]);
    }

    #[test]
    fn rows_go_when_nobody_needs_them() {
        let mut journal = Journal::default();
        for seq in 0..3 {
            journal.row_stored(seq, 10, Vec::new());
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
