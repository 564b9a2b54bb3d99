//! Reading batches.

use super::error::LogError;
use super::load::{LoadId, Loaded};
use super::manager::LogManager;
use super::segment::IndexIncomplete;
use super::{PartitionId, log::Log};
use bytes::Bytes;

/// What a read gives.
#[derive(Clone, Debug, PartialEq)]
pub enum Read {
    /// Runs of whole batches, ascending; none at the end of the log.
    Records(Vec<Bytes>),
    /// Try again when [`super::LogEvent::Loaded`] names it.
    Pending(LoadId),
}

/// What a lookup gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup<T> {
    /// The answer.
    Ready(T),
    /// Try again when [`super::LogEvent::Loaded`] names it.
    Pending(LoadId),
}

impl LogManager {
    /// Reads whole batches from the one that holds `offset`, none that reaches `end` or beyond.
    ///
    /// `end` is the high watermark or the last stable offset; nothing above the durable end is
    /// given in any case. At most `bytes_max` bytes, but one batch if `minimum_one`. Less is given
    /// where going on would need a load (which is started).
    ///
    /// Errors: `OffsetOutOfRange` if `offset` is below the log start or above the log end.
    pub fn read(
        &mut self,
        id: PartitionId,
        offset: i64,
        end: i64,
        bytes_max: usize,
        minimum_one: bool,
    ) -> Result<Read, LogError> {
        let log = self.usable(id)?;
        check_offset(log, offset)?;
        let end = end.min(log.visible_end());
        let mut runs: Vec<Bytes> = Vec::new();
        let mut bytes_left = bytes_max;
        let mut at = offset;
        while at < end && (bytes_left > 0 || (minimum_one && runs.is_empty())) {
            let log = self.usable(id)?;
            let segments_end = log.head.segments_end;
            let must = minimum_one && runs.is_empty();
            if at >= segments_end {
                log.read_tail(at, end, bytes_left, must, &mut runs);
                break;
            }
            let indexed = match log.index.find(at) {
                Ok(Some(indexed)) if indexed.chunk.base_offset < segments_end => indexed,
                Ok(_) => {
                    at = segments_end;
                    continue;
                }
                Err(IndexIncomplete) if runs.is_empty() => {
                    return Ok(Read::Pending(self.load_index(id)?));
                }
                Err(IndexIncomplete) => break,
            };
            let chunk = match self.chunk(id, &indexed) {
                Ok(Loaded::Ready(chunk)) => chunk,
                Ok(Loaded::Pending(load)) if runs.is_empty() => return Ok(Read::Pending(load)),
                Err(error) if runs.is_empty() => return Err(error),
                // What was read so far is an answer; the reader comes back for the rest.
                Ok(Loaded::Pending(_)) | Err(_) => break,
            };
            let (run, exhausted) = chunk.read(at, end, bytes_left, must);
            if !run.is_empty() {
                bytes_left = bytes_left.saturating_sub(run.len());
                runs.push(run);
            }
            if !exhausted {
                break;
            }
            at = indexed.chunk.end_offset();
        }
        Ok(Read::Records(runs))
    }
}

pub(super) fn check_offset(log: &Log, offset: i64) -> Result<(), LogError> {
    let log_start_offset = log.head.log_start_offset;
    match log_start_offset <= offset && offset <= log.log_end_offset {
        true => Ok(()),
        false => Err(LogError::OffsetOutOfRange {
            offset,
            log_start_offset,
            log_end_offset: log.log_end_offset,
        }),
    }
}
