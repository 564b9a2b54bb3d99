use super::*;

#[test]
fn a_power_loss_may_take_back_what_retention_deletes_but_no_deletion_that_is_flushed() {
    let partition = TopicPartition::new("t".to_owned(), 0);
    for (deleted, power_lost, breaks) in [
        (false, false, true),
        (false, true, false),
        (true, false, true),
        (true, true, true),
    ] {
        let mut oracle = Oracle::default();
        let plan = TopicPlan {
            name: "t".to_owned(),
            partitions: 1,
            compacted: false,
            retention_bytes: Some(2_000),
            aging: None,
            trimmed: true,
            doomed: false,
            strict: true,
            segment_bytes: None,
        };
        oracle.topics.insert(plan.name.clone(), plan);
        match deleted {
            true => oracle.deletion_acknowledged(&partition, 5),
            false => oracle.log_start_offset(&partition, 5),
        }
        if power_lost {
            oracle.power_lost();
        }
        oracle.last_log(&partition, 0, 9);
        assert_eq!(
            oracle.violation().is_some(),
            breaks,
            "{deleted} {power_lost}"
        );
    }
}
