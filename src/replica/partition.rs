//! One partition as a broker sees it: its leader, its ISR, its high watermark.

use crate::metadata::{NO_LEADER, PartitionImage};
use crate::protocol::ErrorCode;
use std::collections::BTreeMap;

/// No leader epoch was given; a client that does not know one sends this.
const NO_LEADER_EPOCH: i32 = -1;

/// A partition as the broker `node_id` sees it.
///
/// Invariant: `high_watermark` is at most the durable end of every in-sync replica, and never goes
/// back while the leader epoch stays.
#[derive(Clone, Debug, PartialEq)]
pub struct Partition {
    node_id: i32,
    leader: i32,
    leader_epoch: i32,
    isr: Vec<i32>,
    high_watermark: i64,
    /// What the replicas said in this leader epoch. One that said nothing holds the high watermark.
    durable_ends: BTreeMap<i32, i64>,
    renewal: Renewal,
}

/// How far a leader is that has lost the end of its log.
///
/// It needs one new leader epoch until something is durable again: what is lost under that epoch
/// was shown to nobody either. So where every commit fails, as under a full quota, the metadata
/// does not grow with the number of failures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Renewal {
    None,
    /// A new leader epoch was asked for.
    Wanted,
    /// It has come, and nothing was made durable since.
    Fresh,
}

impl Partition {
    /// A partition without a leader. `high_watermark` is what is known to be below it: the log
    /// start offset when nothing else is.
    pub fn new(node_id: i32, high_watermark: i64) -> Partition {
        Partition {
            node_id,
            leader: NO_LEADER,
            leader_epoch: NO_LEADER_EPOCH,
            isr: Vec::new(),
            high_watermark,
            durable_ends: BTreeMap::new(),
            renewal: Renewal::None,
        }
    }

    /// Takes what the metadata says of the partition. Older metadata is ignored. A new leader epoch
    /// forgets all durable ends, this broker's too: tell it again.
    ///
    /// Answers the high watermark if it has moved: it may when the ISR shrinks.
    pub fn update(&mut self, image: &PartitionImage) -> Option<i64> {
        if image.leader_epoch < self.leader_epoch {
            return None;
        }
        if image.leader_epoch > self.leader_epoch {
            // An end of an older epoch may have been cut off since.
            self.durable_ends.clear();
            if self.renewal == Renewal::Wanted {
                self.renewal = Renewal::Fresh;
            }
        }
        self.leader = image.leader;
        self.leader_epoch = image.leader_epoch;
        self.isr = image.isr.clone();
        self.advance_high_watermark()
    }

    /// Everything below `end` is durable on the replica `broker_id`.
    ///
    /// Answers the high watermark if it has moved.
    pub fn update_durable_end(&mut self, broker_id: i32, end: i64) -> Option<i64> {
        self.durable_ends.insert(broker_id, end);
        self.advance_high_watermark()
    }

    fn advance_high_watermark(&mut self) -> Option<i64> {
        if !self.is_leader() {
            return None;
        }
        let ends = self
            .isr
            .iter()
            .map(|broker_id| self.durable_ends.get(broker_id).copied());
        // None is less than every end.
        let least = ends.min().flatten()?;
        if least <= self.high_watermark {
            return None;
        }
        self.high_watermark = least;
        if self.renewal == Renewal::Fresh {
            self.renewal = Renewal::None;
        }
        Some(least)
    }

    /// What this leader had appended above its durable end is gone. Answers the leader epoch that
    /// must be raised; `None` if that was asked for already.
    pub fn lose_end(&mut self) -> Option<i32> {
        if !self.is_leader() || self.renewal != Renewal::None {
            return None;
        }
        self.renewal = Renewal::Wanted;
        Some(self.leader_epoch)
    }

    /// The offset behind the last record that consumers may see.
    pub fn high_watermark(&self) -> i64 {
        self.high_watermark
    }

    /// Raised by every election; see [`PartitionImage::leader_epoch`].
    pub fn leader_epoch(&self) -> i32 {
        self.leader_epoch
    }

    /// The broker that leads, or [`NO_LEADER`].
    pub fn leader(&self) -> i32 {
        self.leader
    }

    /// The replicas in sync, the leader among them.
    pub fn isr(&self) -> &[i32] {
        &self.isr
    }

    /// Whether this broker leads.
    pub fn is_leader(&self) -> bool {
        self.leader == self.node_id
    }

    /// Whether a client or follower that knows `current_leader_epoch` (−1: none) may read from or
    /// write to this broker (`Partition.getLocalLog`).
    ///
    /// Errors: FENCED_LEADER_EPOCH when it knows an older one, UNKNOWN_LEADER_EPOCH when it knows
    /// a newer one, NOT_LEADER_OR_FOLLOWER when another broker leads.
    pub fn check_leader(&self, current_leader_epoch: i32) -> Result<(), ErrorCode> {
        if current_leader_epoch != NO_LEADER_EPOCH {
            if current_leader_epoch < self.leader_epoch {
                return Err(ErrorCode::FencedLeaderEpoch);
            }
            if current_leader_epoch > self.leader_epoch {
                return Err(ErrorCode::UnknownLeaderEpoch);
            }
        }
        if self.is_leader() {
            Ok(())
        } else {
            Err(ErrorCode::NotLeaderOrFollower)
        }
    }

    /// Whether a write with `acks=all` may begin.
    ///
    /// Error: NOT_ENOUGH_REPLICAS when fewer than `min.insync.replicas` are in sync.
    pub fn check_insync_replicas(&self, min_insync_replicas: i32) -> Result<(), ErrorCode> {
        match i64::from(min_insync_replicas) <= self.isr.len() as i64 {
            true => Ok(()),
            false => Err(ErrorCode::NotEnoughReplicas),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(leader: i32, leader_epoch: i32, isr: &[i32]) -> PartitionImage {
        PartitionImage {
            replicas: vec![1, 2, 3],
            isr: isr.to_vec(),
            leader,
            leader_epoch,
            partition_epoch: 0,
        }
    }

    fn leader(isr: &[i32]) -> Partition {
        let mut partition = Partition::new(1, 0);
        partition.update(&image(1, 5, isr));
        partition
    }

    #[test]
    fn with_one_replica_the_high_watermark_is_its_durable_end() {
        let mut partition = leader(&[1]);
        assert_eq!(partition.update_durable_end(1, 10), Some(10));
        assert_eq!(partition.update_durable_end(1, 10), None);
        assert_eq!(partition.high_watermark(), 10);
    }

    #[test]
    fn the_slowest_in_sync_replica_holds_the_high_watermark() {
        let mut partition = leader(&[1, 2]);
        assert_eq!(
            partition.update_durable_end(1, 10),
            None,
            "2 has said nothing"
        );
        assert_eq!(partition.update_durable_end(3, 4), None, "3 is not in sync");
        assert_eq!(partition.update_durable_end(2, 7), Some(7));
    }

    #[test]
    fn the_high_watermark_moves_when_a_slow_replica_leaves_the_isr() {
        let mut partition = leader(&[1, 2]);
        partition.update_durable_end(1, 10);
        partition.update_durable_end(2, 7);
        assert_eq!(partition.update(&image(1, 5, &[1])), Some(10));
    }

    #[test]
    fn the_high_watermark_never_goes_back() {
        let mut partition = leader(&[1]);
        partition.update_durable_end(1, 10);
        assert_eq!(partition.update_durable_end(1, 8), None);
        assert_eq!(partition.high_watermark(), 10);
    }

    #[test]
    fn a_new_leader_epoch_forgets_the_ends_of_followers() {
        let mut partition = leader(&[1, 2]);
        partition.update_durable_end(1, 10);
        partition.update_durable_end(2, 7);
        partition.update(&image(1, 6, &[1, 2]));
        assert_eq!(partition.update_durable_end(1, 12), None);
        assert_eq!(partition.update_durable_end(2, 9), Some(9));
    }

    #[test]
    fn a_lost_end_asks_for_one_new_epoch_until_something_is_durable() {
        let mut partition = leader(&[1]);
        assert_eq!(partition.lose_end(), Some(5));
        assert_eq!(partition.lose_end(), None, "it was asked for");
        partition.update(&image(1, 6, &[1]));
        partition.update_durable_end(1, 0);
        assert_eq!(partition.lose_end(), None, "nothing of epoch 6 is durable");
        partition.update_durable_end(1, 1);
        assert_eq!(partition.lose_end(), Some(6));
    }

    #[test]
    fn a_follower_does_not_move_the_high_watermark() {
        let mut partition = Partition::new(1, 0);
        partition.update(&image(2, 5, &[1, 2]));
        assert_eq!(partition.update_durable_end(1, 10), None);
        assert_eq!(
            partition.check_leader(5),
            Err(ErrorCode::NotLeaderOrFollower)
        );
    }

    #[test]
    fn older_metadata_is_ignored() {
        let mut partition = leader(&[1]);
        partition.update(&image(2, 4, &[2]));
        assert!(partition.is_leader());
    }

    #[test]
    fn leader_epochs_fence() {
        let partition = leader(&[1]);
        assert_eq!(partition.check_leader(NO_LEADER_EPOCH), Ok(()));
        assert_eq!(partition.check_leader(5), Ok(()));
        assert_eq!(partition.check_leader(4), Err(ErrorCode::FencedLeaderEpoch));
        assert_eq!(
            partition.check_leader(6),
            Err(ErrorCode::UnknownLeaderEpoch)
        );
    }

    #[test]
    fn too_few_replicas_in_sync_refuse_acks_all() {
        assert_eq!(leader(&[1]).check_insync_replicas(1), Ok(()));
        assert_eq!(
            leader(&[1]).check_insync_replicas(2),
            Err(ErrorCode::NotEnoughReplicas)
        );
    }
}
