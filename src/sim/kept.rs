//! Plans that found a bug, each with the bug and how many ways of going it takes to find it.
//!
//! A seed is its run only as long as nothing that draws from it changes, so what is kept of a seed
//! that failed is what it planned, cut down to what mattered. Each plan is played with many seeds,
//! which decide only how it goes, so it goes on finding its bug when the code around has changed.

use super::cluster::FREED;
use super::faults::{Fault, Faults};
use super::plan::Plan;
use super::run::{Watch, run_plan};
use super::scale::Scale;
use super::workload::{GroupPlan, Sizes, TopicPlan, Workload};
use crate::client::consumer::{Assignor, AutoCommit};
use crate::log::LogLimits;

#[test]
fn a_broker_whose_registration_was_refused_registers_again() {
    holds(20, || {
        let mut plan = small();
        plan.faults.interval_ms = 200;
        plan.faults.weights = vec![(Fault::Quota, 2), (Fault::BrokerCrash, 3)];
        plan.faults.commit_failed = 0.05;
        plan
    });
}

#[test]
fn a_coordinator_whose_topic_was_refused_is_told_to_be_not_available() {
    holds(20, || {
        let mut plan = small();
        plan.workload.groups = vec![group()];
        // There is no room before the members find their way, and no time passes at the broker.
        plan.faults.network_ms_max = 100;
        plan.faults.storage_ms_max = 0;
        plan.faults.interval_ms = 10;
        plan.faults.weights = vec![(Fault::Quota, 1)];
        plan
    });
}

#[test]
fn records_deleted_from_a_strict_topic_stay_deleted_when_the_power_is_lost() {
    holds(20, || {
        let mut plan = small();
        plan.workload.topics[0].strict = true;
        plan.workload.topics[0].trimmed = true;
        plan.workload.admin_operations = 40;
        plan.faults.interval_ms = 600;
        plan.faults.weights = vec![(Fault::PowerLoss, 1)];
        plan
    });
}

#[test]
fn only_the_last_chunk_of_a_log_grows_whatever_is_known_of_its_index() {
    holds(40, || {
        let mut plan = small();
        plan.workload.sends = 60;
        plan.workload.sizes = Sizes {
            log_limits: LogLimits {
                direct_bytes_min: 20_000,
                journal_idle_move_rows: 1,
                chunk_bytes_max: 2_000,
                chunk_merge_bytes_max: 1_000,
                index_load_bytes: 1,
                ..LogLimits::default()
            },
            ..Sizes::of_the_product()
        };
        plan.faults.interval_ms = 150;
        plan.faults.weights = vec![(Fault::BrokerCrash, 1)];
        plan
    });
}

#[test]
fn deleting_records_under_a_full_quota_makes_room_for_others() {
    for seed in 0..8 {
        let mut plan = small();
        plan.full_in_the_end = true;
        plan.frees_room = true;
        let report = run_plan(plan, seed, &Watch::default());
        assert_eq!(report.violation, None, "played with seed {seed}");
        assert_eq!(report.counts.faults.get(FREED), Some(&1), "seed {seed}");
    }
}

/// Plays the plan with so many seeds.
fn holds(seeds: u64, plan: impl Fn() -> Plan) {
    for seed in 0..seeds {
        let report = run_plan(plan(), seed, &Watch::default());
        assert_eq!(report.violation, None, "played with seed {seed}");
    }
}

/// One topic, one producer, and nothing goes wrong.
fn small() -> Plan {
    Plan {
        scale: Scale::Small,
        workload: Workload {
            topics: vec![TopicPlan {
                name: "topic-0".to_owned(),
                partitions: 2,
                compacted: false,
                retention_bytes: None,
                trimmed: false,
                doomed: false,
                strict: false,
                segment_bytes: None,
                aging: None,
            }],
            producers: 1,
            sends: 20,
            sends_open_max: 2,
            records_max: 3,
            padding_bytes_max: 30,
            think_ms_max: 50,
            groups: Vec::new(),
            admin_operations: 0,
            strangers: 0,
            closes: false,
            offsets_partitions: 1,
            initial_rebalance_delay_ms: 0,
            check_ms: 15_000,
            sizes: Sizes::of_the_product(),
        },
        faults: Faults::none(),
        faults_max: 30,
        full_in_the_end: false,
        frees_room: false,
        is_damaged: false,
    }
}

/// Two members that read the small plan's topic.
fn group() -> GroupPlan {
    GroupPlan {
        group_id: "group-0".to_owned(),
        members: 2,
        topics: vec!["topic-0".to_owned()],
        assignors: vec![Assignor::Range],
        is_static: false,
        auto_commit: AutoCommit::Every { interval_ms: 200 },
        session_timeout_ms: 2_000,
        polls: 1,
        records_max: 5,
        by_hand: false,
        seeks: false,
        pauses: false,
    }
}
