//! The planted bugs of this room do what the simulator must find.

use super::node::*;
use crate::log::*;
use crate::planted::{PlantedBug, plant};

struct Planted;

impl Planted {
    fn new(bug: PlantedBug) -> Planted {
        plant(Some(bug));
        Planted
    }
}

impl Drop for Planted {
    fn drop(&mut self) {
        plant(None);
    }
}

#[test]
fn swapped_commits_leave_a_hole() {
    let _planted = Planted::new(PlantedBug::CommitOrderSwapped);
    let mut node = Node::new();
    node.produce(p0(), &[1]);
    node.submit();
    assert_eq!(node.commits, 0, "it is held back");
    node.produce(p0(), &[2]);
    node.step(crate::storage::faulty::Outcome::Done);
    assert_eq!(node.logs.durable_end(p0()), Some(2));
    let mut node = node.crash(&LogConfig::default());
    assert!(matches!(node.read(p0(), 0), Err(LogError::Stopped(_))));
}

#[test]
fn swapped_commits_both_complete() {
    let _planted = Planted::new(PlantedBug::CommitOrderSwapped);
    let mut node = Node::new();
    for value in 0..10 {
        node.produce(p0(), &[value]);
        node.submit();
    }
    node.settle();
    node.advance(10);
    node.settle();
    assert_eq!(node.values(p0()).len(), 10);
    let mut node = node.crash(&LogConfig::default());
    assert_eq!(node.values(p0()).len(), 10);
}

#[test]
fn forgotten_producers_take_a_duplicate_twice() {
    let mut node = Node::new();
    node.append(p0(), sequenced(1, 0, 0, 7)).unwrap();
    node.settle();
    let _planted = Planted::new(PlantedBug::ProducerStateNotRestored);
    let mut node = node.crash(&LogConfig::default());
    assert!(!node.append(p0(), sequenced(1, 0, 0, 7)).unwrap().duplicate);
}

#[test]
fn a_high_watermark_above_the_durable_end_shows_what_a_crash_takes_back() {
    let _planted = Planted::new(PlantedBug::HighWatermarkAboveDurableEnd);
    let mut node = Node::new();
    node.produce(p0(), &[1]);
    assert_eq!(node.logs.durable_end(p0()), Some(1));
    assert_eq!(node.values(p0()), [1]);
}
