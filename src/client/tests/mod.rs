//! Clients against a scripted cluster, in virtual time.

mod admin;
mod consumer;
mod fake_cluster;
mod network;
mod producer;
mod world;
