//! Seeds that every run of the tests plays. What a seed has found is in `kept`.

use super::{Scale, Watch, run};

#[test]
fn the_first_seeds_hold_and_meet_every_kind_of_fault() {
    let mut counts = super::Counts::default();
    for seed in 0..60 {
        let report = run(seed, Some(Scale::Small), &Watch::default());
        assert_eq!(report.violation, None, "seed {seed}");
        counts.add(&report.counts);
    }
    let names = super::faults::Fault::ALL.map(super::faults::Fault::name);
    assert_eq!(
        names.map(|name| counts.faults.contains_key(name)),
        [true; 9]
    );
}

#[test]
fn the_first_large_seeds_hold() {
    for seed in 0..6 {
        let report = run(seed, Some(Scale::Large), &Watch::default());
        assert_eq!(report.violation, None, "seed {seed}");
    }
}

#[test]
fn a_seed_gives_the_same_run_again() {
    let watch = Watch {
        trace: true,
        ..Watch::default()
    };
    let (first, second) = (run(3, None, &watch), run(3, None, &watch));
    assert!(!first.trace.is_empty());
    assert_eq!(first.trace, second.trace);
}
