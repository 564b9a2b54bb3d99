//! Why one item of a request is refused.

use crate::protocol::ErrorCode;
use std::collections::BTreeSet;

/// Why one item of a request is refused, with Kafka's message.
pub(super) type Refusal = (ErrorCode, String);

/// The items that come more than once.
pub(super) fn repeated<T: Ord>(items: impl Iterator<Item = T>) -> BTreeSet<T> {
    let mut seen = BTreeSet::new();
    let mut twice = BTreeSet::new();
    for item in items {
        match seen.contains(&item) {
            true => twice.insert(item),
            false => seen.insert(item),
        };
    }
    twice
}
