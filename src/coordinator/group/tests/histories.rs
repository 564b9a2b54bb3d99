//! Random histories: what must hold whatever clients and clocks do.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::support::*;
use crate::coordinator::group::RequestId;
use crate::protocol::Response;
use crate::protocol::messages::join_group_request::JoinGroupRequest;
use crate::protocol::messages::join_group_response::JoinGroupResponse;
use crate::protocol::messages::sync_group_response::SyncGroupResponse;

/// What happens next. Clients are numbers; the first two are static members.
#[derive(Clone, Debug)]
enum Step {
    /// Kind 1 reads another topic, kind 2 has no time for a rebalance, the others are as usual.
    Join {
        client: usize,
        old_version: bool,
        kind: usize,
    },
    Sync {
        client: usize,
    },
    Heartbeat {
        client: usize,
    },
    Leave {
        client: usize,
    },
    Restart {
        client: usize,
    },
    Commit {
        client: usize,
        offset: i64,
    },
    /// Whoever is not waiting joins, until all do or have.
    JoinAll,
    /// Some sync, in an order of their own; the leader may be among them.
    SyncSome {
        first: usize,
        count: usize,
    },
    CommitFromOutside {
        offset: i64,
    },
    Disconnect {
        client: usize,
    },
    Pass {
        ms: u64,
    },
    Sleep,
    FailOver,
}

const CLIENTS: usize = 5;

fn step() -> impl Strategy<Value = Step> {
    let client = 0..CLIENTS;
    prop_oneof![
        6 => (client.clone(), prop::bool::ANY, 0..8_usize).prop_map(|(client, old_version, kind)| {
            Step::Join { client, old_version, kind }
        }),
        6 => client.clone().prop_map(|client| Step::Sync { client }),
        2 => Just(Step::JoinAll),
        2 => (client.clone(), 1..=CLIENTS).prop_map(|(first, count)| Step::SyncSome { first, count }),
        4 => client.clone().prop_map(|client| Step::Heartbeat { client }),
        1 => client.clone().prop_map(|client| Step::Leave { client }),
        1 => client.clone().prop_map(|client| Step::Restart { client }),
        3 => (client.clone(), 0..100_i64)
            .prop_map(|(client, offset)| Step::Commit { client, offset }),
        1 => (0..100_i64).prop_map(|offset| Step::CommitFromOutside { offset }),
        1 => client.prop_map(|client| Step::Disconnect { client }),
        4 => prop_oneof![0..3_000_u64, 3_000..70_000_u64].prop_map(|ms| Step::Pass { ms }),
        1 => Just(Step::Sleep),
        1 => Just(Step::FailOver),
    ]
}

/// A client as it sees itself.
#[derive(Clone, Debug, Default)]
struct Client {
    member_id: String,
    generation_id: i32,
    members: Vec<String>,
}

struct History {
    world: World,
    clients: Vec<Client>,
    /// Every JoinGroup and SyncGroup that was not answered yet, with its client.
    awaited: Vec<(RequestId, usize)>,
    /// Who was told to lead, and which members there are, by generation.
    generations: BTreeMap<i32, (String, BTreeSet<String>)>,
    newest_generation: i32,
}

impl History {
    fn new() -> History {
        History {
            world: World::new(),
            clients: vec![Client::default(); CLIENTS],
            awaited: Vec::new(),
            generations: BTreeMap::new(),
            newest_generation: 0,
        }
    }

    fn join_request(&self, client: usize, kind: usize) -> JoinGroupRequest {
        let member_id = &self.clients[client].member_id;
        let request = JoinGroupRequest {
            protocols: protocols(
                &["range", "roundrobin"],
                if kind == 1 { "other" } else { "t" },
            ),
            rebalance_timeout_ms: if kind == 2 { 0 } else { REBALANCE_MS as i32 },
            ..join_request(member_id)
        };
        match client {
            0 | 1 => JoinGroupRequest {
                group_instance_id: Some(format!("i{client}")),
                ..request
            },
            _ => request,
        }
    }

    fn run(&mut self, step: Step) {
        match step {
            Step::Join {
                client,
                old_version,
                kind,
            } => {
                let request = self.join_request(client, kind);
                let version = if old_version && client > 1 { 3 } else { 5 };
                let id = self.world.join(version, request);
                self.awaited.push((id, client));
            }
            Step::Sync { client } => {
                let Client {
                    member_id,
                    generation_id,
                    members,
                    ..
                } = self.clients[client].clone();
                let assignments: Vec<(&str, &str)> = members
                    .iter()
                    .map(|member_id| (&member_id[..], &member_id[..]))
                    .collect();
                let request = sync_request(&member_id, generation_id, &assignments);
                let id = self.world.sync(request);
                self.awaited.push((id, client));
            }
            Step::JoinAll => {
                // Once for an id, once to join, and once more for who came first.
                for client in (0..3).flat_map(|_| 0..CLIENTS) {
                    if !self.awaited.iter().any(|(_, owner)| *owner == client) {
                        self.run(Step::Join {
                            client,
                            old_version: false,
                            kind: 0,
                        });
                    }
                }
            }
            Step::SyncSome { first, count } => {
                for client in first..first + count {
                    self.run(Step::Sync {
                        client: client % CLIENTS,
                    });
                }
            }
            Step::Heartbeat { client } => {
                let Client {
                    member_id,
                    generation_id,
                    ..
                } = self.clients[client].clone();
                let error = self.world.heartbeat(&member_id, generation_id);
                assert!(
                    [0, 22, 25, 27].contains(&error),
                    "heartbeat answers {error}"
                );
            }
            Step::Leave { client } => {
                let member_id = std::mem::take(&mut self.clients[client].member_id);
                self.world.leave(vec![identity(&member_id, None)]);
            }
            Step::Restart { client } => {
                // The process is gone, with what it knew.
                self.disconnect(client);
                self.clients[client] = Client::default();
            }
            Step::Commit { client, offset } => {
                let Client {
                    member_id,
                    generation_id,
                    ..
                } = self.clients[client].clone();
                if !member_id.is_empty() {
                    let error = self.world.commit(&member_id, generation_id, offset);
                    assert!([0, 22, 25, 27].contains(&error), "a commit answers {error}");
                }
            }
            Step::CommitFromOutside { offset } => {
                let is_empty = ["Empty", "Dead"].contains(&self.world.state().as_str());
                let error = self.world.commit("", -1, offset);
                assert_eq!(error, if is_empty { 0 } else { 25 });
            }
            Step::Disconnect { client } => self.disconnect(client),
            Step::Pass { ms } => self.world.pass(ms),
            Step::Sleep => {
                let members = self.world.describe().members.len();
                self.world.now_ms += 100_000_000;
                self.world.shard.restart_deadlines(self.world.now());
                self.world.pass(0);
                assert_eq!(
                    self.world.describe().members.len(),
                    members,
                    "expired in its sleep"
                );
            }
            Step::FailOver => {
                self.world.fail_over();
                self.awaited.clear();
                // Generations that were never recorded did not happen.
                let generation_id = self.world.shard.groups[GROUP].generation_id;
                self.generations.retain(|known, _| *known <= generation_id);
                self.newest_generation = generation_id;
            }
        }
        self.collect();
    }

    fn disconnect(&mut self, client: usize) {
        self.awaited.retain(|(_, owner)| *owner != client);
    }

    /// Takes the answers that have come.
    fn collect(&mut self) {
        for (id, client) in std::mem::take(&mut self.awaited) {
            match self.world.take(id) {
                None => self.awaited.push((id, client)),
                Some(Response::JoinGroup(response)) => self.joined(client, response),
                Some(Response::SyncGroup(response)) => self.synced(client, &response),
                Some(other) => panic!("neither of the requests that may wait: {other:?}"),
            }
        }
    }

    fn synced(&self, client: usize, response: &SyncGroupResponse) {
        // A static member keeps what it was given under an earlier id.
        let own = match client {
            0 | 1 => format!("i{client}-"),
            _ => self.clients[client].member_id.clone(),
        };
        let assignment = &response.assignment;
        assert!(
            assignment.is_empty() || assignment.starts_with(own.as_bytes()),
            "the assignment of another member"
        );
    }

    fn joined(&mut self, client: usize, response: JoinGroupResponse) {
        match response.error_code {
            0 => {}
            79 => return self.clients[client].member_id = response.member_id,
            25 | 82 => return self.clients[client].member_id.clear(),
            27 => return,
            error => panic!("a join answers {error}"),
        }
        let generation_id = response.generation_id;
        assert!(
            generation_id >= self.newest_generation,
            "a generation came back"
        );
        self.newest_generation = generation_id;
        let members: Vec<String> = response
            .members
            .iter()
            .map(|member| member.member_id.clone())
            .collect();
        if !members.is_empty() {
            let known = members.iter().cloned().collect();
            let (leader, _) = self
                .generations
                .entry(generation_id)
                .or_insert_with(|| (response.leader.clone(), known));
            assert_eq!(
                *leader, response.member_id,
                "two leaders of generation {generation_id}"
            );
        }
        let client = &mut self.clients[client];
        client.member_id = response.member_id;
        client.generation_id = generation_id;
        client.members = members;
    }

    /// What a new owner finds is what this one has, unless a rebalance is under way: then it is
    /// the generation before.
    fn check_replay(&mut self) {
        if self.world.state() == "Dead" {
            return;
        }
        let mut replayed = self.world.replayed();
        assert_eq!(
            all_committed(&mut replayed),
            all_committed(&mut self.world.shard),
            "the offsets differ"
        );
        let described = self.world.describe();
        let group = &self.world.shard.groups[GROUP];
        let found = &replayed.groups[GROUP];
        match described.group_state.as_str() {
            "Stable" | "Empty" => {
                assert_eq!(found.generation_id, group.generation_id);
                assert_eq!(found.leader_id, group.leader_id);
                assert_eq!(found.protocol_type, group.protocol_type);
                assert_eq!(found.subscribed_topics, group.subscribed_topics);
                let timeouts = |group: &super::super::classic_group::ClassicGroup| -> Vec<_> {
                    group
                        .members
                        .iter()
                        .map(|member| (member.session_timeout_ms, member.rebalance_timeout_ms))
                        .collect()
                };
                assert_eq!(timeouts(found), timeouts(group));
                assert_eq!(describe(&mut replayed, GROUP), described);
            }
            _ => assert!(found.generation_id <= group.generation_id),
        }
    }

    /// The group's own books are in order.
    fn check_group(&self) {
        let Some(group) = self.world.shard.groups.get(GROUP) else {
            return;
        };
        let state = group.state.name();
        assert_eq!(
            group.members.is_empty(),
            group.leader_id.is_none(),
            "{state}"
        );
        if let Some(leader_id) = &group.leader_id {
            assert!(group.members.contains(leader_id), "the leader is no member");
        }
        for member in group.members.iter() {
            assert!(!group.pending_join_members.contains(&member.member_id));
            assert!(
                member.awaiting_join().is_none() || state == "PreparingRebalance",
                "{state}"
            );
            assert!(
                member.awaiting_sync.is_none() || state == "CompletingRebalance",
                "{state}"
            );
        }
        group.members.check();
        match state {
            "Empty" => assert!(group.members.is_empty()),
            "Stable" | "CompletingRebalance" => assert!(!group.members.is_empty()),
            _ => {}
        }
    }
}

proptest! {
    // A history that fails becomes a test of its own, with a name.
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..Default::default() })]

    #[test]
    fn a_group_stays_sound(steps in prop::collection::vec(step(), 1..120)) {
        let mut history = History::new();
        // Before anybody joins there is no group to look at.
        history.run(Step::Join { client: 2, old_version: false, kind: 0 });
        for step in steps {
            history.run(step);
            history.check_group();
            history.check_replay();
        }
        // `World::keep` refuses a second answer; and when all fall silent, nobody is left waiting
        // for a first one.
        history.world.pass(1_000_000);
        history.collect();
        prop_assert_eq!(&history.awaited, &[]);
        prop_assert!(["Empty", "Dead"].contains(&history.world.state().as_str()));
    }
}
