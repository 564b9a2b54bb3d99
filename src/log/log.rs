//! The log of one partition: its tail in memory, its offsets, and what they are checked against.

use super::chunk::check_crc;
use super::config::LogConfig;
use super::derived::{Derived, end_transaction_marker};
use super::error::{AppendError, LogError};
use super::journal::StoredPart;
use super::layout::{Head, NEVER_MS, dated_ms, partition_key};
use super::segment::{SegmentIndex, roll_ms};
use super::tail::Tail;
use super::validate::{check_message_size, check_segment_size, client_batch};
use super::{AppendOrigin, Appended, PartitionId};
use crate::planted::{self, PlantedBug};
use crate::record::{
    BatchHeader, EndTransactionMarker, NO_TIMESTAMP, RecordError, TimestampType, batches,
    set_base_offset, set_max_timestamp, set_partition_leader_epoch,
};
use bytes::{Bytes, BytesMut};

/// One partition's log.
#[derive(Debug)]
pub(super) struct Log {
    pub id: PartitionId,
    pub config: LogConfig,
    /// Whether that is its topic's, or the default of a log that was just opened.
    pub is_configured: bool,
    /// Tells this log from one of the same id that was removed.
    pub incarnation: u64,
    /// As it is stored.
    pub head: Head,
    /// Whether there is a head row.
    pub stored: bool,
    /// The stored snapshot, of what follows from the batches below `head.segments_end`; empty
    /// where there is none. A failed commit goes back to it.
    pub snapshot: Bytes,
    /// What follows from all batches up to the log end.
    pub derived: Derived,
    pub tail: Tail,
    /// As [`Head::oldest_ms`], of the tail too.
    pub oldest_ms: i64,
    /// As [`Head::dirty_since_ms`], of the tail too.
    pub dirty_since_ms: i64,
    /// Up to where the cleaner has looked whether it is worth it.
    pub looked_at_to: i64,
    pub log_end_offset: i64,
    pub durable_end: i64,
    /// As the replica room told it; the durable end where it did not.
    pub high_watermark: Option<i64>,
    /// Where DeleteRecords wants the log to start; not stored yet.
    pub delete_records_to: Option<i64>,
    /// The first journal row that holds batches of the tail.
    pub journal_first: Option<u64>,
    pub index: SegmentIndex,
    /// The commit in flight rewrites or deletes chunks: what a load returns now may be either.
    pub rewriting: bool,
    /// Why nothing of it may be used any more.
    pub stopped: Option<String>,
}

impl Log {
    /// The log of a partition that the store does not know.
    pub fn new(id: PartitionId, incarnation: u64) -> Log {
        Log {
            index: SegmentIndex::empty(),
            stored: false,
            ..Log::of_head(id, incarnation, Head::default())
        }
    }

    /// The log of a partition as its head says, without what is in the journal.
    pub fn of_head(id: PartitionId, incarnation: u64, head: Head) -> Log {
        Log {
            id,
            config: LogConfig::default(),
            is_configured: false,
            incarnation,
            head,
            stored: true,
            snapshot: Bytes::new(),
            derived: Derived::default(),
            tail: Tail::behind(head.active),
            oldest_ms: head.oldest_ms,
            dirty_since_ms: head.dirty_since_ms,
            looked_at_to: 0,
            log_end_offset: head.segments_end,
            durable_end: head.segments_end,
            high_watermark: None,
            delete_records_to: None,
            journal_first: None,
            index: match head.segments_end {
                0 => SegmentIndex::empty(),
                _ => SegmentIndex::default(),
            },
            rewriting: false,
            stopped: None,
        }
    }

    /// The end of what may be shown to anybody.
    pub fn visible_end(&self) -> i64 {
        match planted::active(PlantedBug::HighWatermarkAboveDurableEnd) {
            true => self.log_end_offset,
            false => self.durable_end,
        }
    }

    /// Below it records may be deleted or compacted.
    pub fn cleanable_end(&self) -> i64 {
        self.high_watermark
            .map_or(self.durable_end, |it| it.min(self.durable_end))
    }

    /// The base offset of the segment that grows: those before it are closed.
    pub fn closed_end(&self) -> i64 {
        let active = self.tail.active();
        active.map_or(self.log_end_offset, |active| active.base_offset)
    }

    /// Takes a config, also for the batches that are not in segments.
    pub fn configure(&mut self, config: LogConfig) {
        self.config = config;
        self.is_configured = true;
        let stored = self.head.active;
        let active = self.tail.active_before(stored);
        self.tail.place_again(&self.config, active);
    }

    /// Forgets the batches of the tail below `segments_end`: they are in segments now, and as they
    /// were cut when that began, whatever the config has become meanwhile. Chunks are stored by
    /// their segments' base offsets, so none may go on with a segment that others follow.
    pub fn moved_to(&mut self, segments_end: i64) {
        self.tail.drop_below(segments_end);
        if !self.tail.follows(segments_end, self.head.active) {
            self.tail.place_again(&self.config, self.head.active);
        }
    }

    /// Closes the segment that grows, if the time of `segment.ms` or `max.compaction.lag.ms` is
    /// over. Kafka does so at the next append, which in a browser may be the next month's.
    pub fn roll_if_old(&mut self, now_ms: i64) {
        if self.rolls_at_ms() <= now_ms {
            self.tail.roll();
        }
    }

    /// When the segment that grows is closed though nothing is appended.
    pub fn rolls_at_ms(&self) -> i64 {
        if planted::active(PlantedBug::SegmentsNotClosedByTime) {
            return NEVER_MS;
        }
        self.tail.active().map_or(NEVER_MS, |active| {
            let roll_ms = roll_ms(&self.config);
            active.created_ms.saturating_add(roll_ms).saturating_add(1)
        })
    }

    /// The head as it is to be stored when nothing else of it changes.
    pub fn next_head(&self) -> Head {
        Head {
            active: self.tail.active_before(self.head.active),
            oldest_ms: self.oldest_ms,
            dirty_since_ms: self.dirty_since_ms,
            ..self.head
        }
    }

    pub fn check_usable(&self) -> Result<(), LogError> {
        match &self.stopped {
            Some(why) => Err(LogError::Stopped(why.clone())),
            None => Ok(()),
        }
    }

    /// Stops the partition, because something that cannot be has been seen.
    pub fn stop(&mut self, why: String) {
        self.stopped.get_or_insert(why);
    }

    /// Appends one batch in memory.
    pub fn append(
        &mut self,
        now_ms: i64,
        batch: Bytes,
        origin: AppendOrigin,
        leader_epoch: i32,
    ) -> Result<Appended, AppendError> {
        self.check_usable()?;
        match origin {
            AppendOrigin::Client => {
                let valid = client_batch(&self.config, now_ms, batch)?;
                self.derived.producers.expire_one(
                    valid.header.producer_id,
                    now_ms,
                    self.config.producer_id_expiration_ms,
                );
                if let Some(duplicate) = self.derived.producers.duplicate(&valid.header) {
                    return Ok(Appended {
                        base_offset: duplicate.base_offset,
                        last_offset: duplicate.last_offset,
                        log_append_time: self.log_append_time(duplicate.max_timestamp),
                        log_start_offset: self.head.log_start_offset,
                        duplicate: true,
                    });
                }
                self.derived.check(&valid.header, None, origin)?;
                let mut batch = writable(valid.bytes);
                let timestamp_type = self.config.message_timestamp_type;
                set_max_timestamp(&mut batch, timestamp_type, valid.max_timestamp);
                Ok(self.lead(now_ms, batch, None, leader_epoch)?)
            }
            AppendOrigin::Coordinator => {
                check_message_size(&self.config, batch.len())?;
                check_segment_size(&self.config, batch.len())?;
                let header = exactly_one(&batch)?;
                let marker = end_transaction_marker(&header, &batch)?;
                self.derived.check(&header, marker.as_ref(), origin)?;
                Ok(self.lead(now_ms, writable(batch), marker, leader_epoch)?)
            }
            AppendOrigin::Replication => {
                let header = exactly_one(&batch)?;
                if header.base_offset < self.log_end_offset
                    || header.last_offset() < header.base_offset
                {
                    return Err(AppendError::UnexpectedOffset {
                        base_offset: header.base_offset,
                        log_end_offset: self.log_end_offset,
                    });
                }
                let marker = end_transaction_marker(&header, &batch)?;
                self.push(now_ms, header, batch, marker.as_ref());
                Ok(self.appended(&header))
            }
        }
    }

    /// Gives a checked batch its offsets and epoch, in place.
    fn lead(
        &mut self,
        now_ms: i64,
        mut batch: BytesMut,
        marker: Option<EndTransactionMarker>,
        leader_epoch: i32,
    ) -> Result<Appended, RecordError> {
        set_base_offset(&mut batch, self.log_end_offset);
        set_partition_leader_epoch(&mut batch, leader_epoch);
        let header = BatchHeader::read(&batch)?;
        self.push(now_ms, header, batch.freeze(), marker.as_ref());
        Ok(self.appended(&header))
    }

    fn appended(&self, header: &BatchHeader) -> Appended {
        Appended {
            base_offset: header.base_offset,
            last_offset: header.last_offset(),
            log_append_time: self.log_append_time(header.max_timestamp),
            log_start_offset: self.head.log_start_offset,
            duplicate: false,
        }
    }

    fn log_append_time(&self, max_timestamp: i64) -> i64 {
        match self.config.message_timestamp_type {
            TimestampType::CreateTime => NO_TIMESTAMP,
            TimestampType::LogAppendTime => max_timestamp,
        }
    }

    fn push(
        &mut self,
        appended_ms: i64,
        header: BatchHeader,
        bytes: Bytes,
        marker: Option<&EndTransactionMarker>,
    ) {
        self.derived.update(appended_ms, &header, marker);
        self.log_end_offset = header.next_offset();
        let dated_ms = dated_ms(header.max_timestamp, appended_ms);
        self.oldest_ms = self.oldest_ms.min(dated_ms);
        self.dirty_since_ms = self.dirty_since_ms.min(appended_ms);
        self.tail.push(&self.config, appended_ms, header, bytes);
    }

    /// How many bytes were appended before the batch that holds `offset` since the log was opened;
    /// `None` where that batch is in a segment.
    pub fn position(&self, offset: i64) -> Option<u64> {
        (self.head.segments_end <= offset).then(|| self.tail.position(offset))
    }

    /// Takes the batches of a journal row again, at opening. The error says why they cannot be
    /// what follows the log so far.
    pub fn restore(&mut self, written_ms: i64, seq: u64, part: &StoredPart) -> Result<(), String> {
        let start_offset = part.start_offset;
        if start_offset != self.log_end_offset {
            return Err(format!(
                "journal row {seq} goes on at offset {start_offset}, the log ends at {}",
                self.log_end_offset
            ));
        }
        for batch in batches(&part.batches).strict() {
            let (header, batch) =
                batch.map_err(|error| format!("journal row {seq} is damaged: {error}"))?;
            check_crc(&batch).map_err(|error| format!("journal row {seq} is damaged: {error}"))?;
            if header.base_offset < self.log_end_offset {
                return Err(format!("the batches of journal row {seq} do not ascend"));
            }
            let marker = end_transaction_marker(&header, &batch)
                .map_err(|error| format!("journal row {seq} is damaged: {error}"))?;
            // The tail pins the whole row otherwise, when other partitions have moved on.
            let batch = Bytes::copy_from_slice(&batch);
            self.push(written_ms, header, batch, marker.as_ref());
        }
        if part
            .end_offset
            .is_some_and(|end| end != self.log_end_offset)
        {
            return Err(format!(
                "journal row {seq} is damaged: its batches end at offset {}",
                self.log_end_offset
            ));
        }
        self.durable_end = self.log_end_offset;
        self.journal_first.get_or_insert(seq);
        Ok(())
    }

    /// Bytes that no commit has made durable.
    pub fn uncommitted_bytes(&self) -> usize {
        let uncommitted = self.tail.from(self.durable_end);
        uncommitted.map(|batch| batch.bytes.len()).sum()
    }

    /// Cuts the log back to what is durable, after a commit has failed.
    pub fn roll_back(&mut self) {
        let active = self.tail.active_before(self.head.active);
        self.tail.cut_off(self.durable_end);
        self.tail.place_again(&self.config, active);
        self.log_end_offset = self.durable_end;
        if let Err(why) = self.derive_again() {
            self.stop(why);
        }
    }

    fn derive_again(&mut self) -> Result<(), String> {
        let damaged = "the stored snapshot or tail cannot be read";
        self.derived = match self.snapshot.is_empty() {
            true => Derived::default(),
            false => {
                Derived::decode(&partition_key(self.id), &self.snapshot).map_err(|_| damaged)?
            }
        };
        for batch in self.tail.batches() {
            let marker =
                end_transaction_marker(&batch.header, &batch.bytes).map_err(|_| damaged)?;
            self.derived
                .update(batch.appended_ms, &batch.header, marker.as_ref());
        }
        self.derived.truncate_from_start(self.head.log_start_offset);
        Ok(())
    }

    /// Adds the tail's batches from the one that holds `offset` to before `end`.
    pub fn read_tail(
        &self,
        offset: i64,
        end: i64,
        mut bytes_max: usize,
        minimum_one: bool,
        runs: &mut Vec<Bytes>,
    ) {
        let mut must = minimum_one;
        for batch in self.tail.from(offset) {
            let size_bytes = batch.bytes.len();
            if batch.header.last_offset() >= end || (size_bytes > bytes_max && !must) {
                break;
            }
            must = false;
            bytes_max = bytes_max.saturating_sub(size_bytes);
            runs.push(batch.bytes.clone());
        }
    }
}

/// A batch whose CRC is right, with nothing behind it.
fn exactly_one(batch: &Bytes) -> Result<BatchHeader, RecordError> {
    let header = BatchHeader::ensure_valid(batch)?;
    match batch.len() == header.size_in_bytes() {
        true => Ok(header),
        false => Err(RecordError::NotOneBatch),
    }
}

/// The bytes to write a header into: themselves if nobody else has them, otherwise a copy.
fn writable(batch: Bytes) -> BytesMut {
    batch
        .try_into_mut()
        .unwrap_or_else(|shared| BytesMut::from(&shared[..]))
}
