//! tablog: a Kafka-compatible event log that lives in a browser tab.
//!
//! The broker understands one thing: a Kafka request frame in, a Kafka response frame out.
//! `ARCHITECTURE.md` has the bird's-eye view, the code map and the invariants of each layer.
//! Arrows point down only: a room below may not use one above (`tests/architecture`).

mod distinct;
pub mod machine;
pub mod now;
pub mod planted;

/// Ordered keys, atomic batches, a fence: the contract, and the places that keep it.
pub mod storage {
    mod contract;
    pub use contract::*;
    pub mod conformance;
    pub mod faulty;
    #[cfg(target_family = "wasm")]
    #[allow(clippy::disallowed_methods, clippy::disallowed_types)]
    pub mod indexed_db;
    pub mod medium;
    pub mod memory;
    pub mod quota;
    pub mod room;
    pub mod settle;
}
pub mod protocol;
pub mod record;

pub mod log;

pub mod metadata;
pub mod replica;

pub mod coordinator;

pub mod broker;

pub mod client;

#[cfg(feature = "sim")]
pub mod sim;

#[cfg(target_family = "wasm")]
#[allow(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod runtime;

#[cfg(target_family = "wasm")]
pub mod bindings;
