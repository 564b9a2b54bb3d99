//! What a run did, and whether it held.

use std::collections::BTreeMap;

/// How often each thing happened, by its name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Faults injected.
    pub faults: BTreeMap<&'static str, u64>,
    /// Operations that ended well, by kind.
    pub operations: BTreeMap<&'static str, u64>,
    /// Operations that ended with an error, by kind.
    pub failed_operations: BTreeMap<&'static str, u64>,
}

impl Counts {
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
