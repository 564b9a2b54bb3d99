//! What a shard does, as its broker sees it. The cases follow those that Kafka's
//! `ClassicGroupTest`, `GroupMetadataManagerTest` and `OffsetMetadataManagerTest` cover.

mod support;

mod deadlines;
mod groups;
mod histories;
mod join;
mod leave;
mod offsets;
mod replay;
mod static_members;
mod sync;
