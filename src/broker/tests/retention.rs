//! Retention and compaction through the door, by the configs of broker and topics.

use super::node::*;
use crate::record::{BatchBuilder, BatchFields, BatchHeader, Compression};

const MINUTE_MS: u64 = 60_000;

fn keyed(node: &Node, key: &[u8], value: Option<&[u8]>) -> bytes::Bytes {
    let mut builder = BatchBuilder::new(Compression::None);
    let now_ms = node.now.wall.0;
    builder.append(now_ms, Some(key), value, &[]).unwrap();
    builder.build(BatchFields::default())
}

#[test]
fn a_topic_with_a_record_now_and_then_expires() {
    let mut node = Node::with_configs(&[("log.retention.check.interval.ms", "1000")]);
    let configs = [("retention.ms", "2000"), ("segment.ms", "500")];
    node.create_topic("t", 1, &configs);
    let mut deleted = 0;
    for sent in 1..=75 {
        let batch = keyed(&node, b"key", Some(b"value"));
        node.produce("t", 0, batch);
        node.pass(800);
        deleted = node.fetch("t", 0, sent).log_start_offset;
    }
    // Deleted at the latest a check after 2 s.
    assert!((70..75).contains(&deleted), "{deleted}");
    let mut node = node.restart();
    assert_eq!(node.fetch("t", 0, 75).log_start_offset, deleted);
    node.pass(4_000);
    assert_eq!(node.fetch("t", 0, 75).log_start_offset, 75);
}

#[test]
fn what_a_tombstone_deletes_is_gone_soon_and_the_tombstone_later() {
    let mut node = Node::with_configs(&[("log.cleaner.backoff.ms", "1000")]);
    let configs = [
        ("cleanup.policy", "compact"),
        ("max.compaction.lag.ms", "1000"),
        ("delete.retention.ms", "60000"),
    ];
    node.create_topic("t", 1, &configs);
    for value in [Some(&b"secret"[..]), None] {
        let batch = keyed(&node, b"key", value);
        node.produce("t", 0, batch);
    }
    node.pass(5_000);
    let stored = node.fetch("t", 0, 0).records.unwrap();
    assert!(!stored.windows(6).any(|bytes| bytes == b"secret"));
    assert!(!stored.is_empty());
    let mut node = node.restart();
    node.pass(MINUTE_MS);
    // A batch without records says where the log ends.
    let left = node.fetch("t", 0, 0).records.unwrap();
    assert_eq!(BatchHeader::read(&left).unwrap().record_count, 0);
}
