//! A deterministic cluster: virtual time, faulty storage, a faulty network, and an oracle.
//!
//! A seed draws a workload and what goes wrong in it; [`run()`] plays it and says which promise was
//! broken, if any. The same seed gives the same run.

mod actor;
mod admins;
mod ages;
mod auditor;
mod clearing;
mod cluster;
mod consumers;
mod crowd;
mod disk;
mod faults;
mod generations;
mod inspector;
#[cfg(test)]
mod kept;
mod lives;
mod named;
mod network;
mod node;
mod oracle;
mod plan;
mod producers;
mod questions;
mod report;
mod run;
mod scale;
mod scheduler;
#[cfg(test)]
mod seeds;
mod strangers;
mod trickle;
mod upkeep;
mod wire;
mod work;
mod workload;
mod world;

pub use plan::Plan;
pub use report::{Counts, Report, WorkCounts};
pub use run::{Watch, run, run_plan};
pub use scale::Scale;
pub use work::Meter;
