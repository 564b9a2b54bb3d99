//! `__cluster_metadata`, and the image that is folded from it.

use super::placement::PARTITIONS_MAX;
use crate::log::{
    AppendError, AppendOrigin, LogConfig, LogError, LogEvent, LogLimits, LogManager,
    MaintenanceConfig, PartitionId, Read, Replay, ReplayStep,
};
use crate::metadata::image::is_snapshot;
use crate::metadata::{
    CLUSTER_METADATA_TOPIC_ID, MetadataError, MetadataImage, decode_batch, encode_batch,
};
use crate::now::{Instant, Now};
use crate::protocol::{EncodeError, ErrorCode, MetadataRecord};
use crate::record::batches;
use crate::storage::{StorageError, StorageReply, StorageRequest};
use bytes::Bytes;
use std::fmt;

/// The partition that all metadata is in.
pub(super) const METADATA_PARTITION: PartitionId = PartitionId {
    topic_id: CLUSTER_METADATA_TOPIC_ID,
    partition: 0,
};

/// Bytes of the records of one request, and of a segment that no larger snapshot is in.
const BATCH_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Bytes of a snapshot: each partition may be the only one of a topic that has the longest name and
/// sets every config.
const SNAPSHOT_BYTES_MAX: usize = PARTITIONS_MAX * PARTITION_BYTES_MAX;

/// Bytes of records for one partition, with its topic and that one's configs.
const PARTITION_BYTES_MAX: usize = 11_000;

/// Bytes of records after which a snapshot is written, or twice its size if that is more: so the
/// log stays within a small multiple of what it says.
pub(super) const SNAPSHOT_AFTER_BYTES: usize = 256 * 1024;

/// `__cluster_metadata` and the image folded from it.
///
/// The log always begins with a snapshot: all records of the image in one batch. When it has grown,
/// another is written at its end, and when that is durable the log starts there.
pub(super) struct MetadataLog {
    manager: LogManager,
    state: State,
    image: MetadataImage,
    /// Raised whenever the controller starts.
    leader_epoch: i32,
    snapshot_after_bytes: usize,
    snapshot: Snapshot,
}

enum State {
    Opening,
    Replaying(Replay),
    Ready,
}

/// The newest snapshot in the log.
#[derive(Default)]
struct Snapshot {
    base_offset: i64,
    size_bytes: usize,
    /// Of the batches behind it.
    bytes_since: usize,
}

/// What an event of the log means to the controller.
pub(super) enum Progress {
    /// Nothing, or only that the durable end moved.
    None,
    /// The log was read: requests can be served.
    Ready,
    /// What was not durable is gone. The log is being read again, or was already.
    RolledBack(StorageError),
}

/// Why the log cannot be written, or read.
pub(super) enum Error {
    /// Nothing was written; the next request may fare better.
    Refused(Refusal),
    /// The controller must stop.
    Fatal(String),
    /// The same, as its storage is somebody else's, gone, or cannot be read.
    Storage(StorageError),
}

/// Why a request's records were not written.
pub(super) enum Refusal {
    Append(AppendError),
    Encode(EncodeError),
}

impl Refusal {
    pub(super) fn error_code(&self) -> ErrorCode {
        match self {
            Refusal::Append(error) => error.error_code(),
            Refusal::Encode(_) => ErrorCode::InvalidRequest,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Append(error) => error.fmt(f),
            Refusal::Encode(error) => error.fmt(f),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Refused(refusal) => refusal.fmt(f),
            Error::Fatal(why) => f.write_str(why),
            Error::Storage(error) => error.fmt(f),
        }
    }
}

impl From<MetadataError> for Error {
    fn from(error: MetadataError) -> Error {
        Error::Fatal(error.to_string())
    }
}

impl From<AppendError> for Error {
    fn from(error: AppendError) -> Error {
        Error::Refused(Refusal::Append(error))
    }
}

impl From<EncodeError> for Error {
    fn from(error: EncodeError) -> Error {
        Error::Refused(Refusal::Encode(error))
    }
}

impl From<LogError> for Error {
    fn from(error: LogError) -> Error {
        Error::Fatal(error.to_string())
    }
}

impl MetadataLog {
    pub(super) fn new(limits: LogLimits, snapshot_after_bytes: usize) -> MetadataLog {
        MetadataLog {
            manager: LogManager::new(limits, MaintenanceConfig::default()),
            state: State::Opening,
            image: MetadataImage::default(),
            leader_epoch: 0,
            snapshot_after_bytes,
            snapshot: Snapshot::default(),
        }
    }

    pub(super) fn open(&mut self) {
        self.manager.open();
    }

    /// Whether the image is that of the log.
    pub(super) fn is_ready(&self) -> bool {
        matches!(self.state, State::Ready)
    }

    pub(super) fn image(&self) -> &MetadataImage {
        &self.image
    }

    pub(super) fn start_offset(&self) -> i64 {
        self.manager
            .log_start_offset(METADATA_PARTITION)
            .unwrap_or(0)
    }

    pub(super) fn end_offset(&self) -> i64 {
        self.manager.log_end_offset(METADATA_PARTITION).unwrap_or(0)
    }

    pub(super) fn durable_end(&self) -> i64 {
        self.manager.durable_end(METADATA_PARTITION).unwrap_or(0)
    }

    /// Reads what is durable from `offset` on: at least a batch, if there is one.
    pub(super) fn read(&mut self, offset: i64, bytes_max: usize) -> Result<Read, LogError> {
        let end = self.durable_end();
        self.manager
            .read(METADATA_PARTITION, offset, end, bytes_max, true)
    }

    /// Writes the first snapshot, of nothing, into a log that has none.
    pub(super) fn begin(&mut self, now: Now) -> Result<(), Error> {
        match self.end_offset() {
            0 => self.append_snapshot(now),
            _ => Ok(()),
        }
    }

    /// Writes the records of one request as one batch, and applies them.
    pub(super) fn append(&mut self, now: Now, records: &[MetadataRecord]) -> Result<(), Error> {
        if records.is_empty() {
            return Ok(());
        }
        let batch = encode_batch(records, now.wall.0)?;
        self.snapshot.bytes_since += self.append_batch(now, batch, records)?.1;
        let enough = self.snapshot_after_bytes.max(2 * self.snapshot.size_bytes);
        if self.snapshot.bytes_since > enough {
            match self.append_snapshot(now) {
                // The log only grows somewhat longer: try again after as many bytes.
                Err(Error::Refused(_)) => self.snapshot.bytes_since = 0,
                result => result?,
            }
        }
        Ok(())
    }

    fn append_snapshot(&mut self, now: Now) -> Result<(), Error> {
        let records = self.image.to_records();
        let batch = encode_batch(&records, now.wall.0)?;
        // A segment holds a batch as a whole, and only whole segments are deleted.
        let segment_bytes = batch.len().clamp(BATCH_BYTES_MAX, SNAPSHOT_BYTES_MAX);
        let config = log_config(segment_bytes);
        self.manager.ensure(now, METADATA_PARTITION, config);
        let (base_offset, size_bytes) = self.append_batch(now, batch, &records)?;
        self.snapshot = Snapshot {
            base_offset,
            size_bytes,
            bytes_since: 0,
        };
        Ok(())
    }

    /// Answers the batch's first offset and its size.
    fn append_batch(
        &mut self,
        now: Now,
        batch: Bytes,
        records: &[MetadataRecord],
    ) -> Result<(i64, usize), Error> {
        let size_bytes = batch.len();
        let appended = self.manager.append(
            now,
            METADATA_PARTITION,
            batch,
            AppendOrigin::Coordinator,
            self.leader_epoch,
        )?;
        self.image
            .apply(appended.base_offset, records)
            .map_err(MetadataError::Image)?;
        Ok((appended.base_offset, size_bytes))
    }

    /// See [`LogManager::use_whole_reserve`].
    pub(super) fn use_whole_reserve(&mut self) {
        self.manager.use_whole_reserve();
    }

    pub(super) fn tick(&mut self, now: Now) {
        self.manager.tick(now);
    }

    pub(super) fn next_tick(&self) -> Option<Instant> {
        self.manager.next_tick()
    }

    pub(super) fn take_requests(&mut self, now: Now) -> Vec<StorageRequest> {
        self.manager.take_requests(now)
    }

    pub(super) fn handle(&mut self, now: Now, reply: StorageReply) -> Vec<LogEvent> {
        let mut events = Vec::new();
        self.manager.handle(now, reply, &mut events);
        events
    }

    /// Takes what became of the log. Errors are fatal.
    pub(super) fn take(&mut self, now: Now, event: LogEvent) -> Result<Progress, Error> {
        match event {
            LogEvent::Opened => {
                self.manager
                    .ensure(now, METADATA_PARTITION, log_config(BATCH_BYTES_MAX));
                let latest_epoch = self.manager.latest_epoch(METADATA_PARTITION);
                self.leader_epoch = latest_epoch.map_or(0, |epoch| epoch + 1);
                self.begin_replay()
            }
            LogEvent::Loaded { .. } => self.replay(),
            LogEvent::RolledBack { error, .. } => {
                self.begin_replay()?;
                Ok(Progress::RolledBack(error))
            }
            LogEvent::Durable { end, .. } => {
                if end > self.snapshot.base_offset
                    && self.snapshot.base_offset > self.start_offset()
                {
                    self.manager
                        .delete_records(METADATA_PARTITION, self.snapshot.base_offset)?;
                }
                Ok(Progress::None)
            }
            LogEvent::Stopped { why, .. } => Err(Error::Fatal(why)),
            LogEvent::Fatal(error) => Err(Error::Storage(error)),
            LogEvent::LogStartOffset { .. } => Ok(Progress::None),
        }
    }

    fn begin_replay(&mut self) -> Result<Progress, Error> {
        self.image = MetadataImage::default();
        self.snapshot = Snapshot::default();
        self.state = State::Replaying(Replay::new(&self.manager, METADATA_PARTITION));
        self.replay()
    }

    /// Applies what the log has and the image has not.
    fn replay(&mut self) -> Result<Progress, Error> {
        while let State::Replaying(replay) = &mut self.state {
            match replay.step(&mut self.manager)? {
                ReplayStep::Read(runs) => {
                    for run in runs {
                        self.fold(&run)?;
                    }
                }
                ReplayStep::AwaitsLoad(_) | ReplayStep::AwaitsCommit => break,
                ReplayStep::Done => {
                    self.state = State::Ready;
                    return Ok(Progress::Ready);
                }
            }
        }
        Ok(Progress::None)
    }

    fn fold(&mut self, run: &Bytes) -> Result<(), Error> {
        for batch in batches(run) {
            let (_, batch) = batch.map_err(MetadataError::Batch)?;
            let (base_offset, records) = decode_batch(&batch)?;
            if is_snapshot(&records) {
                self.snapshot = Snapshot {
                    base_offset,
                    size_bytes: batch.len(),
                    bytes_since: 0,
                };
            } else {
                self.snapshot.bytes_since += batch.len();
            }
            self.image
                .apply(base_offset, &records)
                .map_err(MetadataError::Image)?;
        }
        Ok(())
    }
}

/// Metadata is small and must not be behind the records that depend on it, so it survives power
/// cuts. It is kept until a snapshot has taken its place.
fn log_config(segment_bytes: usize) -> LogConfig {
    let segment_bytes = i32::try_from(segment_bytes).unwrap_or(i32::MAX);
    LogConfig {
        segment_bytes,
        max_message_bytes: segment_bytes,
        retention_ms: -1,
        retention_bytes: -1,
        flush_messages: 1,
        ..LogConfig::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::configs::TOPIC_CONFIGS;
    use crate::metadata::image::TOPIC_RESOURCE;
    use crate::protocol::Uuid;
    use crate::protocol::messages::config_record::ConfigRecord;
    use crate::protocol::messages::partition_record::PartitionRecord;
    use crate::protocol::messages::topic_record::TopicRecord;

    #[test]
    fn a_partition_takes_no_more_of_a_snapshot_than_its_bound_says() {
        let topic_id = Uuid([7; 16]);
        let name = "n".repeat(249);
        let mut records = vec![
            MetadataRecord::Topic(TopicRecord {
                name: name.clone(),
                topic_id,
                ..Default::default()
            }),
            MetadataRecord::Partition(PartitionRecord {
                partition_id: 9_999,
                topic_id,
                replicas: vec![1],
                isr: vec![1],
                leader: 1,
                leader_epoch: i32::MAX,
                partition_epoch: i32::MAX,
                ..Default::default()
            }),
        ];
        records.extend(TOPIC_CONFIGS.iter().map(|config| {
            MetadataRecord::Config(ConfigRecord {
                resource_type: TOPIC_RESOURCE,
                resource_name: name.clone(),
                name: config.name.to_owned(),
                value: Some(i64::MIN.to_string()),
                ..Default::default()
            })
        }));
        let bytes = encode_batch(&records, 1_750_000_000_000).unwrap().len();
        assert!(bytes <= PARTITION_BYTES_MAX, "{bytes}");
    }
}
