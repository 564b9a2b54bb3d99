//! One broker's part in a partition: whether it leads, who is in sync, and how far consumers may
//! read.

mod partition;

pub use partition::Partition;
