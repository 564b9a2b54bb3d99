//! A deterministic cluster: virtual time, faulty storage, a faulty network, and an oracle.
//!
//! A seed draws a workload and what goes wrong in it; [`run`] plays it and says which promise was
//! broken, if any. The same seed gives the same run.

mod actor;
mod admins;
mod auditor;
mod cluster;
mod consumers;
mod disk;
#[cfg(test)]
mod kept;
mod network;
mod node;
mod oracle;
mod producers;
mod report;
mod scheduler;
#[cfg(test)]
mod seeds;
mod workload;

pub use cluster::{run, run_plan};
pub use report::{Counts, Report};
pub use workload::Plan;
