//! A damaged partition through the door: its clients are told, those of others go on.

use super::node::*;
use crate::protocol::messages::list_offsets_request::{
    ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic,
};
use crate::protocol::{ErrorCode, Request, Response};
use crate::storage::Store;

fn list_offsets(node: &mut Node, timestamp: i64) -> i16 {
    let partitions = vec![ListOffsetsPartition {
        current_leader_epoch: -1,
        timestamp,
        ..Default::default()
    }];
    let request = ListOffsetsRequest {
        replica_id: -1,
        topics: vec![ListOffsetsTopic {
            name: "t".to_owned(),
            partitions,
            ..Default::default()
        }],
        ..Default::default()
    };
    let Response::ListOffsets(response) = node.ask(7, Request::ListOffsets(request)) else {
        panic!("not an answer to ListOffsets");
    };
    response.topics[0].partitions[0].error_code
}

#[test]
fn who_uses_a_damaged_partition_is_told_and_who_uses_others_goes_on() {
    for store in [Store::Segment, Store::Index, Store::Snapshot, Store::Head] {
        let mut node = Node::with_configs(&[("group.initial.rebalance.delay.ms", "0")]);
        node.create_topic("t", 2, &[]);
        for partition in 0..2 {
            let large = "x".repeat(300_000);
            let answer = node.produce("t", partition, batch(&["small", &large]));
            assert_eq!(answer.error_code, 0);
        }
        node.damage(store, Some(0));
        let mut node = node.restart();
        let corrupt = ErrorCode::CorruptMessage.code();
        let fetched = node.fetch("t", 0, 0);
        assert_eq!(fetched.error_code, corrupt, "{}", store.name());
        for timestamp in [-1, -2, 0] {
            assert_eq!(list_offsets(&mut node, timestamp), corrupt);
        }
        let answer = node.produce("t", 0, batch(&["more"]));
        assert_eq!(answer.error_code, ErrorCode::KafkaStorageError.code());
        let message = answer.error_message.unwrap();
        assert!(message.contains("the partition has stopped"), "{message}");
        let reports = std::mem::take(&mut node.reports);
        assert_eq!(reports.len(), 1, "{reports:?}");
        assert!(reports[0].starts_with("partition 0 of topic t has stopped: "));
        assert_eq!(read(&node.fetch("t", 1, 0)).len(), 2);
        assert_eq!(node.produce("t", 1, batch(&["more"])).error_code, 0);
    }
}
