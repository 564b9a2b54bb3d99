//! Reading a whole log in steps, as whoever folds it does.

use super::{LoadId, LogError, LogManager, PartitionId, Read};
use crate::record::batches;
use bytes::Bytes;

/// Bytes that one step reads.
const STEP_BYTES_MAX: usize = 1 << 20;

/// How far a log was read from its start up to what was its end when the reading began.
///
/// Whoever folds the log begins anew when what it has folded is not what the log holds any more.
#[derive(Debug)]
pub struct Replay {
    id: PartitionId,
    next_offset: i64,
    end: i64,
}

/// What one step has come to.
#[derive(Debug)]
pub enum ReplayStep {
    /// Runs of batches, in order. There may be more.
    Read(Vec<Bytes>),
    /// Go on when [`super::LogEvent::Loaded`] names it.
    AwaitsLoad(LoadId),
    /// What follows is not durable yet. Go on when it is: without it the state would not be that of
    /// the log.
    AwaitsCommit,
    /// Everything was read.
    Done,
}

impl Replay {
    /// Begins at the log's start.
    pub fn new(logs: &LogManager, id: PartitionId) -> Replay {
        Replay {
            id,
            next_offset: logs.log_start_offset(id).unwrap_or(0),
            end: logs.log_end_offset(id).unwrap_or(0),
        }
    }

    /// Reads on. An error of storage may pass: the step can be tried again.
    pub fn step(&mut self, logs: &mut LogManager) -> Result<ReplayStep, LogError> {
        // The ends of a log that has stopped are not those that it had.
        logs.check_usable(self.id)?;
        if self.next_offset >= self.end {
            return Ok(ReplayStep::Done);
        }
        let runs = match logs.read(self.id, self.next_offset, self.end, STEP_BYTES_MAX, true)? {
            Read::Pending(load) => return Ok(ReplayStep::AwaitsLoad(load)),
            Read::Records(runs) => runs,
        };
        let last = runs.iter().flat_map(batches).flatten().last();
        match last {
            Some((header, _)) => self.next_offset = header.next_offset(),
            None if logs.durable_end(self.id) < Some(self.end) => {
                return Ok(ReplayStep::AwaitsCommit);
            }
            None => return Ok(ReplayStep::Done),
        }
        Ok(ReplayStep::Read(runs))
    }
}
