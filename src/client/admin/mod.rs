//! Asks about the cluster and changes it.

mod config;

pub use config::*;
