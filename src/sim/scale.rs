//! How much there is of everything in a run.

use super::scheduler::Random;

/// How much there is of everything in a run.
///
/// Most runs are small, since most bugs are found by going another way, and small runs go many
/// ways in little time. What a cost per operation depends on shows only where there is much of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scale {
    /// A few partitions, members and sends.
    Small,
    /// Hundreds of partitions, dozens of members, bursts of sends.
    Large,
    /// As much as one tab is to carry.
    Huge,
}

/// The most of what grows, in a run that is not small.
#[derive(Clone, Copy, Debug)]
pub struct Reach {
    /// Partitions of all topics, at least.
    pub partitions_min: u64,
    /// Likewise, at most.
    pub partitions_max: u64,
    /// Members of all groups, at most.
    pub members_max: u64,
    /// Sends of each producer, all of which may wait at a time, at most.
    pub sends_max: u64,
}

impl Scale {
    /// Every scale.
    pub const ALL: [Scale; 3] = [Scale::Small, Scale::Large, Scale::Huge];

    /// One seed in 50 is large, and one in 2,000 huge.
    pub fn draw(random: &mut Random) -> Scale {
        match random.below(2_000) {
            0 => Scale::Huge,
            1..=40 => Scale::Large,
            _ => Scale::Small,
        }
    }

    /// Its name in the command and in the counts.
    pub fn name(self) -> &'static str {
        match self {
            Scale::Small => "small",
            Scale::Large => "large",
            Scale::Huge => "huge",
        }
    }

    /// How much there may be; `None` where it is small.
    pub fn reach(self) -> Option<Reach> {
        match self {
            Scale::Small => None,
            Scale::Large => Some(Reach {
                partitions_min: 50,
                partitions_max: 300,
                members_max: 20,
                sends_max: 1_000,
            }),
            Scale::Huge => Some(Reach {
                partitions_min: 1_000,
                partitions_max: 3_000,
                members_max: 100,
                sends_max: 8_000,
            }),
        }
    }
}
