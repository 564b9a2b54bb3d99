//! Coordinators: state machines whose state is a fold over one partition of an internal topic.

pub mod group;
