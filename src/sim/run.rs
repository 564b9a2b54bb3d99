//! A run from its plan to its report.

use super::cluster::Cluster;
use super::plan::Plan;
use super::report::Report;
use super::scale::Scale;
use super::scheduler::Random;
use super::work::Meter;

/// What somebody wants to know of a run besides whether it holds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Watch {
    /// What happened, line by line.
    pub trace: bool,
    /// How many steps each event takes.
    pub meter: Option<Meter>,
}

/// Plays what a seed plans, at its own scale or at another.
pub fn run(seed: u64, scale: Option<Scale>, watch: &Watch) -> Report {
    let mut random = Random::new(seed);
    let plan = Plan::draw(&mut random, scale);
    play(plan, seed, random, watch)
}

/// Plays a plan; the seed decides only how it goes.
pub fn run_plan(plan: Plan, seed: u64, watch: &Watch) -> Report {
    play(plan, seed, Random::new(seed), watch)
}

fn play(plan: Plan, seed: u64, random: Random, watch: &Watch) -> Report {
    let scale = plan.scale;
    let mut cluster = Cluster::new(plan, random, watch);
    cluster.run();
    cluster.report(seed, scale)
}
