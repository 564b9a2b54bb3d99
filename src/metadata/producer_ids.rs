//! The block of producer ids that a broker hands out.

use std::collections::VecDeque;
use std::ops::Range;

/// How many producer ids the controller gives at once (`ProducerIdsBlock`).
pub const PRODUCER_ID_BLOCK_SIZE: i64 = 1000;

/// Producer ids that the controller gave to this broker and that no producer has yet.
///
/// They are kept nowhere else: a broker that restarts leaves the rest of its block unused, so that
/// no id is given twice.
#[derive(Clone, Debug, Default)]
pub(super) struct ProducerIds {
    blocks: VecDeque<Range<i64>>,
}

impl ProducerIds {
    /// Takes an id; `None` when there is none.
    pub(super) fn take(&mut self) -> Option<i64> {
        loop {
            let id = self.blocks.front_mut()?.next();
            if id.is_some() {
                return id;
            }
            self.blocks.pop_front();
        }
    }

    /// Whether half of a block is used, or more: time to ask for the next.
    pub(super) fn is_low(&self) -> bool {
        let left: i64 = self
            .blocks
            .iter()
            .map(|block| block.end - block.start)
            .sum();
        left <= PRODUCER_ID_BLOCK_SIZE / 2
    }

    /// Adds a block.
    pub(super) fn add(&mut self, block: Range<i64>) {
        self.blocks.push_back(block);
    }
}
