//! What goes wrong in a run, and how often.
//!
//! Each seed enables a random subset (swarm testing): bugs that a fault hides come out in the
//! seeds that lack it, and some seeds are calm.

use super::scheduler::Random;

/// What goes wrong, and how often.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// Mean time between faults of the kinds below, in ms.
    pub interval_ms: u64,
    /// Relative weights of what happens then; all zero is calm.
    pub weights: Vec<(Fault, u32)>,
    /// Of each commit: it is applied, but the connection to the medium dies before the answer.
    pub unknown_applied: f64,
    /// Of each commit: the connection to the medium dies before it is applied.
    pub unknown_not_applied: f64,
    /// Of each commit: the medium refuses.
    pub commit_failed: f64,
    /// Of each load: the medium refuses.
    pub load_failed: f64,
    /// How long a quota stays full, at most, in ms.
    pub quota_ms_max: u64,
    /// Room that a full quota leaves beyond the reserve, at most, in bytes.
    pub quota_left_bytes_max: u64,
    /// Slowest answer of storage, in ms.
    pub storage_ms_max: u64,
    /// Slowest frame, in ms.
    pub network_ms_max: u64,
    /// Of the frames: how many take ten times as long.
    pub straggler: f64,
    /// Of the connections to a crashed broker: how many hear nothing of it.
    pub silent_loss: f64,
}

/// One thing that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// The broker dies between two steps and starts again on the same medium.
    BrokerCrash,
    /// A new broker takes over while the old one still runs.
    Zombie,
    /// The controller dies and starts again; its broker lives on.
    ControllerCrash,
    /// Everything dies, and the media lose their newest relaxed writes.
    PowerLoss,
    /// A connection breaks; what was under way on it may be lost, requests and answers.
    ConnectionDrop,
    /// Nobody runs for a while.
    Sleep,
    /// Somebody sets the wall clock.
    WallClock,
    /// The quota is full for a while.
    Quota,
    /// A client dies without a word; another takes its place.
    ClientCrash,
}

impl Fault {
    /// Every kind.
    pub const ALL: [Fault; 9] = [
        Fault::BrokerCrash,
        Fault::Zombie,
        Fault::ControllerCrash,
        Fault::PowerLoss,
        Fault::ConnectionDrop,
        Fault::Sleep,
        Fault::WallClock,
        Fault::Quota,
        Fault::ClientCrash,
    ];

    /// Its name in the counts.
    pub fn name(self) -> &'static str {
        match self {
            Fault::BrokerCrash => "broker crash",
            Fault::Zombie => "zombie",
            Fault::ControllerCrash => "controller crash",
            Fault::PowerLoss => "power loss",
            Fault::ConnectionDrop => "connection drop",
            Fault::Sleep => "sleep",
            Fault::WallClock => "wall clock set",
            Fault::Quota => "full quota",
            Fault::ClientCrash => "client crash",
        }
    }
}

impl Faults {
    /// A random subset.
    pub fn draw(random: &mut Random) -> Faults {
        if random.chance(0.05) {
            return Faults::none();
        }
        let mut weights: Vec<_> = Fault::ALL
            .into_iter()
            .map(|fault| {
                (
                    fault,
                    if random.chance(0.4) {
                        1 + random.below(4) as u32
                    } else {
                        0
                    },
                )
            })
            .collect();
        weights.retain(|(_, weight)| *weight > 0);
        let mut rarely = |probability| match random.chance(0.3) {
            true => probability,
            false => 0.0,
        };
        let unknown_applied = rarely(0.1);
        let unknown_not_applied = rarely(0.1);
        let commit_failed = rarely(0.05);
        let load_failed = rarely(0.02);
        let straggler = rarely(0.05);
        let silent_loss = rarely(0.5);
        Faults {
            interval_ms: random.pick(&[30, 150, 600, 2_500]),
            weights,
            unknown_applied,
            unknown_not_applied,
            commit_failed,
            load_failed,
            quota_ms_max: random.pick(&[1_000, 3_000, 3_000, 20_000]),
            quota_left_bytes_max: random.pick(&[0, 300, 3_000, 30_000]),
            storage_ms_max: random.pick(&[0, 2, 10, 60]),
            network_ms_max: random.pick(&[0, 1, 5, 40]),
            straggler,
            silent_loss,
        }
    }

    /// Nothing goes wrong.
    pub fn none() -> Faults {
        Faults {
            interval_ms: 1_000,
            quota_ms_max: 3_000,
            storage_ms_max: 2,
            network_ms_max: 1,
            ..Faults::default()
        }
    }

    /// The kind of the next fault.
    pub fn next(&self, random: &mut Random) -> Option<Fault> {
        let total: u32 = self.weights.iter().map(|(_, weight)| weight).sum();
        let mut at = random.below(total as usize) as u32;
        for (fault, weight) in &self.weights {
            if at < *weight {
                return Some(*fault);
            }
            at -= weight;
        }
        None
    }
}
