//! Bugs that the simulator must find.
//!
//! Each is one wrong decision at the place where the product decides rightly. They exist only with
//! the feature `planted`; without it [`active`] is a constant `false` and costs nothing.

/// One planted bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlantedBug {
    /// Storage commits without checking the fence.
    NoFence,
    /// A produce is answered before its commit has completed.
    AcknowledgedBeforeCommit,
    /// The producers' sequences are forgotten when a log is opened.
    ProducerStateNotRestored,
    /// A later commit is sent to storage before an earlier one.
    CommitOrderSwapped,
    /// The high watermark stands above the durable end.
    HighWatermarkAboveDurableEnd,
    /// A coordinator starts empty instead of replaying its partition.
    CoordinatorNotReplayed,
    /// What a log has deleted stays in the journal.
    JournalNotPurged,
    /// A compacted log keeps its tombstones for ever.
    TombstonesKept,
    /// Compaction takes the last value of a key for one that is replaced.
    LastValueCompacted,
    /// A segment is closed only when something follows.
    SegmentsNotClosedByTime,
    /// The CRC of stored batches is not looked at.
    DamagedBatchesTaken,
    /// A fetch that waits for more bytes than one waits for none.
    MinBytesForgotten,
    /// A failed commit raises the leader epochs of all partitions.
    AllLeaderEpochsRaised,
    /// A failed commit has the broker registered again.
    RegistrationPerRollback,
    /// A consumer commits what it was handed out before a rebalance under the generation after.
    CommitUnderForeignGeneration,
    /// Records may use the room that is kept back for a full quota.
    ReserveUsedByRecords,
}

impl PlantedBug {
    /// Every planted bug, in the order of the command's help.
    pub const ALL: [PlantedBug; 16] = [
        PlantedBug::NoFence,
        PlantedBug::AcknowledgedBeforeCommit,
        PlantedBug::ProducerStateNotRestored,
        PlantedBug::CommitOrderSwapped,
        PlantedBug::HighWatermarkAboveDurableEnd,
        PlantedBug::CoordinatorNotReplayed,
        PlantedBug::JournalNotPurged,
        PlantedBug::TombstonesKept,
        PlantedBug::LastValueCompacted,
        PlantedBug::SegmentsNotClosedByTime,
        PlantedBug::DamagedBatchesTaken,
        PlantedBug::MinBytesForgotten,
        PlantedBug::AllLeaderEpochsRaised,
        PlantedBug::RegistrationPerRollback,
        PlantedBug::CommitUnderForeignGeneration,
        PlantedBug::ReserveUsedByRecords,
    ];
}

#[cfg(feature = "planted")]
thread_local! {
    static ACTIVE: std::cell::Cell<Option<PlantedBug>> = const { std::cell::Cell::new(None) };
}

/// Chooses the bug of this thread's runs.
#[cfg(feature = "planted")]
pub fn plant(bug: Option<PlantedBug>) {
    ACTIVE.set(bug);
}

/// Whether this thread runs with `bug`.
#[cfg(feature = "planted")]
pub fn active(bug: PlantedBug) -> bool {
    ACTIVE.get() == Some(bug)
}

/// Whether this build runs with `bug`: never.
#[cfg(not(feature = "planted"))]
pub const fn active(_: PlantedBug) -> bool {
    false
}
