mod cluster;

mod brokers;
mod configs;
mod follower;
mod metadata_log;
#[cfg(not(target_family = "wasm"))]
mod replay;
mod topics;
