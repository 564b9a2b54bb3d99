//! Reads records, alone or as a member of a group.

mod assignor;
mod config;

pub use assignor::Assignor;
pub use config::*;
