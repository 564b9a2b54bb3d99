//! Seeds that every run of the tests plays. What a seed has found is in `kept`.

use super::run;

#[test]
fn the_first_seeds_hold_and_meet_every_kind_of_fault() {
    let mut counts = super::Counts::default();
    for seed in 0..60 {
        let report = run(seed, false);
        assert_eq!(report.violation, None, "seed {seed}");
        counts.add(&report.counts);
    }
    let names = super::workload::Fault::ALL.map(super::workload::Fault::name);
    assert_eq!(
        names.map(|name| counts.faults.contains_key(name)),
        [true; 9]
    );
}

#[test]
fn a_seed_gives_the_same_run_again() {
    let (first, second) = (run(3, true), run(3, true));
    assert!(!first.trace.is_empty());
    assert_eq!(first.trace, second.trace);
}
