//! Everything that is decided before a run begins.

use super::faults::Faults;
use super::scale::Scale;
use super::scheduler::Random;
use super::workload::Workload;

/// Faults of a plan that is drawn, at least.
const FAULTS_MIN: u64 = 5;
/// Faults of a small plan that is drawn, at most: more lives would find the same again.
const FAULTS_MAX: u64 = 60;
/// Faults of a plan that is not small, at most: each life of a large cluster takes its time.
const LARGE_FAULTS_MAX: u64 = 12;

/// How many of the small plans end with a row that is damaged.
const DAMAGED: f64 = 0.1;

/// Mean time between faults of a plan that is not small, at least: nobody would get anywhere.
const LARGE_FAULT_INTERVAL_MS_MIN: u64 = 600;

/// How many plans without groups end with a full quota. Members go on until their part of the
/// reserve is used, and it is small: nothing is promised of them then.
const FULL_IN_THE_END: f64 = 0.5;

/// See the module.
#[derive(Clone, Debug)]
pub struct Plan {
    /// How much there is of everything.
    pub scale: Scale,
    /// Who does how much.
    pub workload: Workload,
    /// What goes wrong meanwhile.
    pub faults: Faults,
    /// Faults after which nothing goes wrong any more.
    pub faults_max: u64,
    /// Whether the quota is full when everything else is well again.
    pub full_in_the_end: bool,
    /// Whether deleting all records must make room then. Plans that are drawn leave that out: it
    /// does not hold for each of them.
    pub frees_room: bool,
    /// Whether a row of storage is damaged in the end.
    pub is_damaged: bool,
}

impl Plan {
    /// The plan of a seed, at the scale that the seed has or at another.
    pub fn of_seed(seed: u64, scale: Option<Scale>) -> Plan {
        Plan::draw(&mut Random::new(seed), scale)
    }

    /// A plan by these choices.
    pub fn draw(random: &mut Random, scale: Option<Scale>) -> Plan {
        let drawn = Scale::draw(random);
        let scale = scale.unwrap_or(drawn);
        let workload = Workload::draw(random, scale);
        let mut faults = Faults::draw(random);
        let faults_max = match scale {
            Scale::Small => random.between(FAULTS_MIN, FAULTS_MAX),
            Scale::Large | Scale::Huge => {
                faults.interval_ms = faults.interval_ms.max(LARGE_FAULT_INTERVAL_MS_MIN);
                random.between(0, LARGE_FAULTS_MAX)
            }
        };
        let has_groups = workload.groups.iter().any(|group| !group.by_hand);
        // What ages may stay where there is no room to write what is left of it.
        let may_be_full = !has_groups && workload.aging_ms().is_none();
        let full_in_the_end = may_be_full && random.chance(FULL_IN_THE_END);
        Plan {
            scale,
            workload,
            faults,
            faults_max,
            full_in_the_end,
            frees_room: false,
            is_damaged: !full_in_the_end && scale == Scale::Small && random.chance(DAMAGED),
        }
    }
}
