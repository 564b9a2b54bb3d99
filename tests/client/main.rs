//! Producer, consumer and admin against a scripted cluster, in virtual time. Groups are coordinated
//! by the real coordinator.
#![cfg(not(target_family = "wasm"))]

mod admin;
mod consumer;
mod fake_cluster;
mod network;
mod producer;
mod world;
