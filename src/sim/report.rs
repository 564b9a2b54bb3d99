//! What a run did, and whether it held.

use super::scale::Scale;
use super::work::Cost;
use super::workload::Workload;
use std::collections::BTreeMap;

/// How often each thing happened, by its name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// What was planned, by scale: runs, and the most of what grows.
    pub plans: BTreeMap<Scale, PlanCounts>,
    /// Faults injected.
    pub faults: BTreeMap<&'static str, u64>,
    /// What machines did for each kind of event.
    pub work: BTreeMap<&'static str, WorkCounts>,
    /// Operations that ended well, by kind.
    pub operations: BTreeMap<&'static str, u64>,
    /// Operations that ended with an error, by kind.
    pub failed_operations: BTreeMap<&'static str, u64>,
}

/// The runs of one scale.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PlanCounts {
    /// How many.
    pub runs: u64,
    /// Most partitions of a run.
    pub partitions_max: usize,
    /// Most members of a run.
    pub members_max: usize,
    /// Most sends of a run that could wait at a time.
    pub sends_open_max: usize,
}

impl PlanCounts {
    fn add(&mut self, other: &PlanCounts) {
        self.runs += other.runs;
        self.partitions_max = self.partitions_max.max(other.partitions_max);
        self.members_max = self.members_max.max(other.members_max);
        self.sends_open_max = self.sends_open_max.max(other.sends_open_max);
    }
}

/// What machines did for one kind of event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WorkCounts {
    /// How many events.
    pub events: u64,
    /// Bytes that came with them and that they led to.
    pub bytes: u64,
    /// Effects that they led to.
    pub effects: u64,
    /// Steps, where somebody counts them.
    pub steps: u64,
    /// Steps of one event, at most.
    pub steps_max: u64,
}

impl WorkCounts {
    fn add(&mut self, other: &WorkCounts) {
        self.events += other.events;
        self.bytes += other.bytes;
        self.effects += other.effects;
        self.steps += other.steps;
        self.steps_max = self.steps_max.max(other.steps_max);
    }
}

impl Counts {
    /// A machine has handled an event.
    pub fn worked(&mut self, kind: &'static str, cost: Cost) {
        self.work.entry(kind).or_default().add(&WorkCounts {
            events: 1,
            bytes: cost.bytes,
            effects: cost.effects,
            steps: cost.steps,
            steps_max: cost.steps,
        });
    }

    /// A run is planned.
    pub fn plan(&mut self, scale: Scale, workload: &Workload) {
        self.plans.entry(scale).or_default().add(&PlanCounts {
            runs: 1,
            partitions_max: workload.partitions(),
            members_max: workload.members(),
            sends_open_max: workload.sends_open_max * workload.producers,
        });
    }

    /// A fault was injected.
    pub fn fault(&mut self, name: &'static str) {
        *self.faults.entry(name).or_default() += 1;
    }

    /// An operation has ended.
    pub fn operation(&mut self, name: &'static str, ok: bool) {
        let counts = match ok {
            true => &mut self.operations,
            false => &mut self.failed_operations,
        };
        *counts.entry(name).or_default() += 1;
    }

    /// Adds the counts of another run.
    pub fn add(&mut self, other: &Counts) {
        for (kind, work) in &other.work {
            self.work.entry(kind).or_default().add(work);
        }
        for (scale, plans) in &other.plans {
            self.plans.entry(*scale).or_default().add(plans);
        }
        let pairs = [
            (&mut self.faults, &other.faults),
            (&mut self.operations, &other.operations),
            (&mut self.failed_operations, &other.failed_operations),
        ];
        for (to, from) in pairs {
            for (name, count) in from {
                *to.entry(name).or_default() += count;
            }
        }
    }
}

/// The outcome of one seed.
#[derive(Clone, Debug)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// How much there was of everything.
    pub scale: Scale,
    /// What broke first; `None` if every promise was kept.
    pub violation: Option<String>,
    /// What was done.
    pub counts: Counts,
    /// What happened, line by line, if that was asked for.
    pub trace: Vec<String>,
    /// Steps that the run took.
    pub steps: u64,
    /// Virtual time that passed, in ms.
    pub elapsed_ms: u64,
}

/// Collects what happened, if somebody wants to read it.
#[derive(Debug, Default)]
pub struct Trace {
    /// `None` when nobody wants to.
    pub lines: Option<Vec<String>>,
    /// The virtual time of the lines.
    pub now_ms: u64,
}

impl Trace {
    /// Adds a line, which is made only if it is wanted.
    pub fn line(&mut self, line: impl FnOnce() -> String) {
        if let Some(lines) = &mut self.lines {
            lines.push(format!("{:>8} {}", self.now_ms, line()));
        }
    }
}
