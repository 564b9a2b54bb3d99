//! Producer, consumer and admin against a scripted cluster, in virtual time. Groups are coordinated
//! by the real coordinator.
#![cfg(not(target_family = "wasm"))]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod admin;
mod answers;
mod consumer;
mod consumer_group;
mod fake_admin;
mod fake_cluster;
mod network;
mod producer;
mod refusals;
mod scale;
mod world;
