//! The protocol against others: the crate `kafka-protocol`, bytes of a real Kafka, and bytes that
//! are no messages at all.

#![cfg(not(target_family = "wasm"))]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bounds;
mod oracle;
mod random_message;
mod recorded;
#[allow(
    dead_code,
    reason = "the generator reads more of a table than the tests do"
)]
#[path = "../../build/schema.rs"]
mod schema;
