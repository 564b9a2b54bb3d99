use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

fn member(id: &str, topics: &[&str]) -> Member {
    Member {
        member_id: id.into(),
        topics: topics.iter().map(|topic| topic.to_string()).collect(),
        generation_id: -1,
        ..Default::default()
    }
}

fn topics(topics: &[(&str, i32)]) -> BTreeMap<String, i32> {
    topics
        .iter()
        .map(|&(topic, count)| (topic.to_string(), count))
        .collect()
}

fn partitions(names: &[&str]) -> Vec<TopicPartition> {
    let parse = |name: &&str| {
        let (topic, partition) = name.split_once('-').unwrap();
        TopicPartition::new(topic, partition.parse().unwrap())
    };
    names.iter().map(parse).collect()
}

fn check(
    assignor: Assignor,
    counts: &[(&str, i32)],
    members: &[Member],
    expected: &[(&str, &[&str])],
) {
    let assignment = assignor.assign(&topics(counts), members);
    let expected: Assignment = expected
        .iter()
        .map(|&(id, names)| (id.to_string(), partitions(names)))
        .collect();
    assert_eq!(assignment, expected);
}

/// What members have after an assignment is what they own in the next round.
fn next_round(members: &[Member], assignment: &Assignment, generation_id: i32) -> Vec<Member> {
    let next = members.iter().map(|member| Member {
        owned: assignment
            .get(&member.member_id)
            .cloned()
            .unwrap_or_default(),
        generation_id,
        ..member.clone()
    });
    next.collect()
}

/// Rebalances until nobody has anything to give up.
fn settle(counts: &BTreeMap<String, i32>, mut members: Vec<Member>) -> (Assignment, usize) {
    for round in 1..10 {
        let assignment = Assignor::CooperativeSticky.assign(counts, &members);
        let gives_up = members.iter().any(|member| {
            member
                .owned
                .iter()
                .any(|owned| !assignment[&member.member_id].contains(owned))
        });
        if !gives_up {
            return (assignment, round);
        }
        members = next_round(&members, &assignment, round as i32 + 100);
    }
    panic!("the group does not settle");
}

#[test]
fn names_are_those_of_the_wire() {
    for assignor in Assignor::ALL {
        assert_eq!(Assignor::from_name(assignor.name()), Some(assignor));
    }
    assert_eq!(Assignor::from_name("sticky"), None);
}

// The cases of Kafka's RangeAssignorTest.

#[test]
fn range_without_topics_gives_nothing() {
    check(Assignor::Range, &[], &[member("a", &[])], &[("a", &[])]);
    check(
        Assignor::Range,
        &[],
        &[member("a", &["missing"])],
        &[("a", &[])],
    );
}

#[test]
fn range_gives_one_member_only_what_it_subscribes() {
    let members = [member("a", &["t1"])];
    check(
        Assignor::Range,
        &[("t1", 3), ("t2", 3)],
        &members,
        &[("a", &["t1-0", "t1-1", "t1-2"])],
    );
}

#[test]
fn range_leaves_members_idle_when_there_are_too_few_partitions() {
    let members = [member("a", &["t"]), member("b", &["t"])];
    check(
        Assignor::Range,
        &[("t", 1)],
        &members,
        &[("a", &["t-0"]), ("b", &[])],
    );
}

#[test]
fn range_divides_each_topic_by_itself() {
    let members = [member("a", &["t1", "t2"]), member("b", &["t1", "t2"])];
    check(
        Assignor::Range,
        &[("t1", 3), ("t2", 3)],
        &members,
        &[
            ("a", &["t1-0", "t1-1", "t2-0", "t2-1"]),
            ("b", &["t1-2", "t2-2"]),
        ],
    );
}

#[test]
fn range_divides_a_topic_among_those_who_subscribe_it() {
    let members = [
        member("a", &["t1"]),
        member("b", &["t1", "t2"]),
        member("c", &["t1"]),
    ];
    check(
        Assignor::Range,
        &[("t1", 3), ("t2", 2)],
        &members,
        &[
            ("a", &["t1-0"]),
            ("b", &["t1-1", "t2-0", "t2-1"]),
            ("c", &["t1-2"]),
        ],
    );
}

#[test]
fn range_puts_static_members_first() {
    let fixed = |id: &str, instance: &str| Member {
        group_instance_id: Some(instance.into()),
        ..member(id, &["t"])
    };
    let members = [member("a", &["t"]), fixed("z", "1"), fixed("y", "2")];
    check(
        Assignor::Range,
        &[("t", 4)],
        &members,
        &[("z", &["t-0", "t-1"]), ("y", &["t-2"]), ("a", &["t-3"])],
    );
}

// The cases of Kafka's RoundRobinAssignorTest.

#[test]
fn round_robin_goes_on_from_topic_to_topic() {
    let members = [member("b", &["t1", "t2"]), member("a", &["t1", "t2"])];
    check(
        Assignor::RoundRobin,
        &[("t1", 3), ("t2", 3)],
        &members,
        &[
            ("a", &["t1-0", "t1-2", "t2-1"]),
            ("b", &["t1-1", "t2-0", "t2-2"]),
        ],
    );
}

#[test]
fn round_robin_skips_who_has_not_subscribed() {
    let members = [
        member("a", &["t1"]),
        member("b", &["t1", "t2"]),
        member("c", &["t1"]),
    ];
    check(
        Assignor::RoundRobin,
        &[("t1", 3), ("t2", 2)],
        &members,
        &[
            ("a", &["t1-0"]),
            ("b", &["t1-1", "t2-0", "t2-1"]),
            ("c", &["t1-2"]),
        ],
    );
}

#[test]
fn round_robin_without_anything_gives_nothing() {
    check(
        Assignor::RoundRobin,
        &[("t", 3)],
        &[member("a", &[])],
        &[("a", &[])],
    );
    check(
        Assignor::KafkaJsRoundRobin,
        &[],
        &[member("a", &["t"])],
        &[("a", &[])],
    );
}

// The cases of Kafka's CooperativeStickyAssignorTest and AbstractStickyAssignorTest.

#[test]
fn sticky_takes_nothing_from_others_in_the_same_round() {
    let first = [member("a", &["t"])];
    let counts = topics(&[("t", 4)]);
    let assignment = Assignor::CooperativeSticky.assign(&counts, &first);
    assert_eq!(assignment["a"].len(), 4);
    let mut members = next_round(&first, &assignment, 1);
    members.push(member("b", &["t"]));
    let assignment = Assignor::CooperativeSticky.assign(&counts, &members);
    assert_eq!(assignment["a"].len(), 2, "two are to be given up");
    assert_eq!(assignment["b"], [], "and come only when they are free");
    let (settled, rounds) = settle(&counts, members);
    assert_eq!((settled["a"].len(), settled["b"].len(), rounds), (2, 2, 2));
}

#[test]
fn sticky_gives_all_of_a_leaver_to_the_others_and_moves_nothing_else() {
    let counts = topics(&[("t", 6)]);
    let members = ["a", "b", "c"].map(|id| member(id, &["t"]));
    let assignment = Assignor::CooperativeSticky.assign(&counts, &members);
    let rest = next_round(&members[..2], &assignment, 1);
    let after = Assignor::CooperativeSticky.assign(&counts, &rest);
    for id in ["a", "b"] {
        assert!(
            assignment[id]
                .iter()
                .all(|partition| after[id].contains(partition))
        );
        assert_eq!(after[id].len(), 3);
    }
}

#[test]
fn sticky_believes_the_later_generation() {
    let owner = |id: &str, generation_id| Member {
        owned: partitions(&["t-0", "t-1"]),
        generation_id,
        ..member(id, &["t"])
    };
    let counts = topics(&[("t", 2)]);
    let assignment = Assignor::CooperativeSticky.assign(&counts, &[owner("a", 3), owner("b", 4)]);
    assert_eq!(
        assignment["a"],
        [],
        "its claim is old, and what moves away from b is not free"
    );
    assert_eq!(assignment["b"].len(), 1);
    let assignment = Assignor::CooperativeSticky.assign(&counts, &[owner("a", 4), owner("b", 4)]);
    assert_eq!(
        assignment.values().map(Vec::len).sum::<usize>(),
        2,
        "nobody's claim counts"
    );
    assert_ne!(assignment["a"], assignment["b"]);
}

#[test]
fn sticky_drops_partitions_that_are_gone_or_not_subscribed_any_more() {
    let mut a = member("a", &["t1"]);
    a.owned = partitions(&["t1-0", "t1-9", "t2-0"]);
    let assignment = Assignor::CooperativeSticky.assign(&topics(&[("t1", 1), ("t2", 1)]), &[a]);
    assert_eq!(assignment["a"], partitions(&["t1-0"]));
}

#[test]
fn subscriptions_and_assignments_survive_the_wire() {
    let mut a = member("a", &["t1", "t2"]);
    a.owned = partitions(&["t1-0", "t1-2", "t2-1"]);
    a.generation_id = 5;
    let bytes = encode_subscription(&a).unwrap();
    assert_eq!(decode_subscription("a", None, &bytes).unwrap(), a);
    let bytes = encode_assignment(&a.owned).unwrap();
    assert_eq!(decode_assignment(&bytes).unwrap(), a.owned);
    assert_eq!(decode_assignment(&Bytes::new()).unwrap(), []);
}

#[test]
fn what_kafkajs_and_newer_clients_write_can_be_read() {
    // KafkaJS: version 0, topics, user data.
    let kafkajs = Bytes::from_static(b"\0\0\0\0\0\x01\0\x01t\0\0\0\0");
    assert_eq!(
        decode_subscription("a", None, &kafkajs).unwrap(),
        member("a", &["t"])
    );
    let mut newer = BytesMut::from(&encode_subscription(&member("a", &["t"])).unwrap()[..]);
    newer[1] = 9;
    newer.extend_from_slice(b"what version 9 has");
    assert_eq!(
        decode_subscription("a", None, &newer.freeze()).unwrap(),
        member("a", &["t"])
    );
    assert!(decode_subscription("a", None, &Bytes::from_static(b"\0")).is_err());
}

prop_compose! {
    fn group()(
        counts in prop::collection::vec(0..12i32, 1..5),
        subscriptions in prop::collection::vec(prop::collection::btree_set(0..5usize, 0..5), 1..8),
    ) -> (BTreeMap<String, i32>, Vec<Member>) {
        let counts = counts.iter().enumerate().map(|(n, &count)| (format!("t{n}"), count)).collect();
        let members = subscriptions.iter().enumerate().map(|(n, topics)| Member {
            member_id: format!("m{n}"),
            topics: topics.iter().map(|n| format!("t{n}")).collect(),
            generation_id: -1,
            ..Default::default()
        });
        (counts, members.collect())
    }
}

/// Each partition of a subscribed topic goes to exactly one member, which has subscribed it.
fn check_complete(counts: &BTreeMap<String, i32>, members: &[Member], assignment: &Assignment) {
    let mut seen = BTreeSet::new();
    assert_eq!(assignment.len(), members.len());
    for member in members {
        for partition in &assignment[&member.member_id] {
            assert!(
                member.topics.contains(&partition.topic),
                "{partition:?} was not subscribed"
            );
            assert!((0..counts[&partition.topic]).contains(&partition.partition));
            assert!(
                seen.insert(partition.clone()),
                "{partition:?} has two owners"
            );
        }
    }
    for (topic, &count) in counts {
        if members.iter().any(|member| member.topics.contains(topic)) {
            let assigned = seen
                .iter()
                .filter(|partition| partition.topic == *topic)
                .count();
            assert_eq!(assigned, count as usize, "all of {topic}");
        }
    }
}

/// No member has two more than another that could take one of them (KIP-54).
fn check_balanced(members: &[Member], assignment: &Assignment) {
    for giver in members {
        let given = &assignment[&giver.member_id];
        for receiver in members {
            let fewer = assignment[&receiver.member_id].len() + 1 < given.len();
            let could = given
                .iter()
                .any(|partition| receiver.topics.contains(&partition.topic));
            assert!(
                !(fewer && could),
                "{} could give to {}",
                giver.member_id,
                receiver.member_id
            );
        }
    }
}

proptest! {
    #[test]
    fn every_assignor_gives_each_partition_to_exactly_one_member((counts, members) in group()) {
        for assignor in Assignor::ALL {
            check_complete(&counts, &members, &assignor.assign(&counts, &members));
        }
    }

    #[test]
    fn all_members_compute_the_same((counts, members) in group()) {
        let mut reversed = members.clone();
        reversed.reverse();
        for assignor in Assignor::ALL {
            prop_assert_eq!(assignor.assign(&counts, &members), assignor.assign(&counts, &reversed));
        }
    }

    #[test]
    fn equal_subscriptions_get_equal_shares(count in 0..30i32, size in 1..8usize) {
        let members: Vec<_> = (0..size).map(|n| member(&format!("m{n}"), &["t"])).collect();
        for assignor in Assignor::ALL {
            let assignment = assignor.assign(&topics(&[("t", count)]), &members);
            let sizes = || assignment.values().map(Vec::len);
            prop_assert!(sizes().max().unwrap() - sizes().min().unwrap() <= 1);
        }
    }

    #[test]
    fn sticky_settles_balanced_whoever_comes_and_goes(
        (counts, members) in group(),
        leaver in 0..8usize,
        grown in 0..5usize,
    ) {
        let (first, rounds) = settle(&counts, members.clone());
        prop_assert_eq!(rounds, 1);
        check_balanced(&members, &first);
        // One leaves, one comes, a topic grows.
        let mut members = next_round(&members, &first, 1);
        members.remove(leaver % members.len());
        members.push(Member {
            member_id: "new".into(),
            topics: counts.keys().cloned().collect(),
            generation_id: -1,
            ..Default::default()
        });
        let mut counts = counts;
        if let Some(count) = counts.values_mut().nth(grown) {
            *count += 3;
        }
        // While it settles, nobody is given what another still has.
        let assignment = Assignor::CooperativeSticky.assign(&counts, &members);
        for member in &members {
            for partition in &assignment[&member.member_id] {
                prop_assert!(
                    members.iter().all(|other| other.member_id == member.member_id
                        || !other.owned.contains(partition)),
                    "{:?} is still somebody's", partition
                );
            }
        }
        let (settled, rounds) = settle(&counts, members.clone());
        prop_assert!(rounds <= 2, "{} rounds", rounds);
        check_complete(&counts, &members, &settled);
        check_balanced(&members, &settled);
        // A rebalance without a change moves nothing.
        let again = next_round(&members, &settled, 50);
        prop_assert_eq!(Assignor::CooperativeSticky.assign(&counts, &again), settled);
    }

    #[test]
    fn sticky_moves_no_more_than_a_newcomer_gets(count in 1..40i32, size in 1..8usize) {
        let members: Vec<_> = (0..size).map(|n| member(&format!("m{n}"), &["t"])).collect();
        let counts = topics(&[("t", count)]);
        let (before, _) = settle(&counts, members.clone());
        let mut members = next_round(&members, &before, 1);
        members.push(member("new", &["t"]));
        let (after, _) = settle(&counts, members);
        let kept: usize = before
            .iter()
            .map(|(id, had)| had.iter().filter(|partition| after[id].contains(partition)).count())
            .sum();
        prop_assert_eq!(kept + after["new"].len(), count as usize);
    }
}
