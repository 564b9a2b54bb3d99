//! What a seed does, and what goes wrong while it does.
//!
//! Each seed enables a random subset (swarm testing): bugs that a fault hides come out in the
//! seeds that lack it, and some seeds are calm.

use super::scheduler::Random;
use crate::client::consumer::{Assignor, AutoCommit};
use crate::log::LogLimits;
use crate::metadata::ControllerConfig;

/// `batch.size` of the producers: no send joins a batch that is larger.
pub const BATCH_BYTES_MAX: usize = 1_000;
/// Faults of a plan that is drawn, at least.
const FAULTS_MIN: u64 = 5;
/// Faults of a plan that is drawn, at most: more lives would find the same again.
const FAULTS_MAX: u64 = 60;

/// Everything that is decided before a run begins.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Who does how much.
    pub workload: Workload,
    /// What goes wrong meanwhile.
    pub faults: Faults,
    /// Faults after which nothing goes wrong any more.
    pub faults_max: u64,
}

/// Who does how much.
#[derive(Clone, Debug)]
pub struct Workload {
    /// Topics with their partitions and configs.
    pub topics: Vec<TopicPlan>,
    /// Producers.
    pub producers: usize,
    /// Sends of each producer.
    pub sends: usize,
    /// Sends of one producer that may be unanswered.
    pub sends_open_max: usize,
    /// Most records in a send.
    pub records_max: usize,
    /// Most bytes that pad a value.
    pub padding_bytes_max: usize,
    /// How long a producer waits between sends, at most.
    pub think_ms_max: u64,
    /// Consumer groups.
    pub groups: Vec<GroupPlan>,
    /// Admin operations.
    pub admin_operations: usize,
    /// Whether clients are closed now and then, and others take their places.
    pub closes: bool,
    /// `offsets.topic.num.partitions`.
    pub offsets_partitions: i32,
    /// `group.initial.rebalance.delay.ms`.
    pub initial_rebalance_delay_ms: u64,
    /// Sizes of the logs.
    pub sizes: Sizes,
}

/// Sizes at which logs do something else.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Of every log.
    pub log_limits: LogLimits,
    /// Of the controller's.
    pub snapshot_after_bytes: usize,
}

/// A consumer group of the workload.
#[derive(Clone, Debug)]
pub struct GroupPlan {
    /// Its name.
    pub group_id: String,
    /// How many members it has.
    pub members: usize,
    /// What they read.
    pub topics: Vec<String>,
    /// What they can be assigned by.
    pub assignors: Vec<Assignor>,
    /// Whether members keep their names (KIP-345).
    pub is_static: bool,
    /// When they commit without being asked.
    pub auto_commit: AutoCommit,
    /// `session.timeout.ms`, and the time to rejoin.
    pub session_timeout_ms: i32,
    /// Batches that a member works on at a time.
    pub polls: usize,
    /// Most records in a batch.
    pub records_max: usize,
    /// Whether there is no group: its one member gives itself all partitions, and commits nothing.
    pub by_hand: bool,
    /// Whether members go back to earlier offsets now and then.
    pub seeks: bool,
    /// Whether members pause partitions now and then.
    pub pauses: bool,
}

/// A topic of the workload.
#[derive(Clone, Debug)]
pub struct TopicPlan {
    /// Its name.
    pub name: String,
    /// How many partitions it begins with.
    pub partitions: i32,
    /// Whether only the newest record of each key is promised to stay.
    pub compacted: bool,
    /// `retention.bytes`, if its oldest records may go.
    pub retention_bytes: Option<i32>,
    /// Whether an admin deletes its oldest records (DeleteRecords).
    pub trimmed: bool,
    /// Whether an admin deletes it, records and all.
    pub doomed: bool,
    /// Whether a commit is on the medium before it is acknowledged (`flush.messages=1`).
    pub strict: bool,
    /// `internal.segment.bytes`, if segments are to be small.
    pub segment_bytes: Option<i32>,
}

/// What goes wrong, and how often.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// Mean time between faults of the kinds below, in ms.
    pub interval_ms: u64,
    /// Relative weights of what happens then; all zero is calm.
    pub weights: Vec<(Fault, u32)>,
    /// Of each commit: it is applied, but the connection to the medium dies before the answer.
    pub unknown_applied: f64,
    /// Of each commit: the connection to the medium dies before it is applied.
    pub unknown_not_applied: f64,
    /// Of each commit: the medium refuses.
    pub commit_failed: f64,
    /// Of each load: the medium refuses.
    pub load_failed: f64,
    /// Slowest answer of storage, in ms.
    pub storage_ms_max: u64,
    /// Slowest frame, in ms.
    pub network_ms_max: u64,
    /// Of the frames: how many take ten times as long.
    pub straggler: f64,
    /// Of the connections to a crashed broker: how many hear nothing of it.
    pub silent_loss: f64,
}

/// One thing that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// The broker dies between two steps and starts again on the same medium.
    BrokerCrash,
    /// A new broker takes over while the old one still runs.
    Zombie,
    /// The controller dies and starts again; its broker lives on.
    ControllerCrash,
    /// Everything dies, and the media lose their newest relaxed writes.
    PowerLoss,
    /// A connection breaks; what was under way on it may be lost, requests and answers.
    ConnectionDrop,
    /// Nobody runs for a while.
    Sleep,
    /// Somebody sets the wall clock.
    WallClock,
    /// The quota is full for a while.
    Quota,
    /// A client dies without a word; another takes its place.
    ClientCrash,
}

impl Fault {
    /// Every kind.
    pub const ALL: [Fault; 9] = [
        Fault::BrokerCrash,
        Fault::Zombie,
        Fault::ControllerCrash,
        Fault::PowerLoss,
        Fault::ConnectionDrop,
        Fault::Sleep,
        Fault::WallClock,
        Fault::Quota,
        Fault::ClientCrash,
    ];

    /// Its name in the counts.
    pub fn name(self) -> &'static str {
        match self {
            Fault::BrokerCrash => "broker crash",
            Fault::Zombie => "zombie",
            Fault::ControllerCrash => "controller crash",
            Fault::PowerLoss => "power loss",
            Fault::ConnectionDrop => "connection drop",
            Fault::Sleep => "sleep",
            Fault::WallClock => "wall clock set",
            Fault::Quota => "full quota",
            Fault::ClientCrash => "client crash",
        }
    }
}

impl Plan {
    /// The plan of a seed.
    pub fn of_seed(seed: u64) -> Plan {
        Plan::draw(&mut Random::new(seed))
    }

    /// A plan by these choices.
    pub fn draw(random: &mut Random) -> Plan {
        Plan {
            workload: Workload::draw(random),
            faults: Faults::draw(random),
            faults_max: random.between(FAULTS_MIN, FAULTS_MAX),
        }
    }
}

impl Workload {
    fn draw(random: &mut Random) -> Workload {
        let large = random.chance(0.05);
        let many = !large && random.chance(0.1);
        let records_max = random.pick(&[1, 3, 10]);
        let padding_bytes_max = match large {
            true => 60_000,
            false => random.pick(&[0, 30, 300]),
        };
        // A batch must fit into a segment, and a send may join one that is almost full.
        let segment_bytes_min = BATCH_BYTES_MAX + records_max * (padding_bytes_max + 100) + 100;
        let topics: Vec<_> = (0..random.between(1, 3))
            .map(|number| TopicPlan::draw(random, number, segment_bytes_min as i32))
            .collect();
        let groups = (0..random.below(3))
            .map(|number| GroupPlan::draw(random, number, &topics))
            .collect();
        Workload {
            topics,
            producers: random.between(1, 3) as usize,
            sends: match many {
                true => random.between(100, 250) as usize,
                false => random.between(5, 60) as usize,
            },
            sends_open_max: random.pick(&[1, 1, 2, 5]),
            records_max,
            padding_bytes_max,
            think_ms_max: random.pick(&[0, 5, 50, 400]),
            groups,
            admin_operations: random.pick(&[0, 0, 5, 15, 40]),
            closes: random.chance(0.3),
            offsets_partitions: random.between(1, 3) as i32,
            initial_rebalance_delay_ms: random.pick(&[0, 100, 1_000]),
            sizes: match random.chance(0.6) {
                true => Sizes::draw(random),
                false => Sizes::of_the_product(),
            },
        }
    }
}

impl Sizes {
    /// Small ones, so that a short log has many chunks, pages and snapshots.
    fn draw(random: &mut Random) -> Sizes {
        Sizes {
            log_limits: LogLimits {
                direct_bytes_min: random.pick(&[200, 2_000, 20_000]),
                journal_move_rows: random.pick(&[4, 20, 100]),
                journal_idle_move_rows: random.pick(&[1, 5, 30]),
                chunk_bytes_max: random.pick(&[300, 2_000, 20_000]),
                chunk_merge_bytes_max: random.pick(&[100, 1_000, 10_000]),
                index_load_bytes: random.pick(&[1, 100, 500]),
                opening_load_bytes: random.pick(&[1, 100, 1_000]),
                cleaner_keys_bytes_max: random.pick(&[100, 1_000, 10_000]),
                cleaner_run_bytes_max: random.pick(&[500, 5_000, 50_000]),
                index_rows_max: random.pick(&[10, 100, 1_000]),
            },
            snapshot_after_bytes: random.pick(&[300, 3_000]),
        }
    }

    /// Those that a browser has.
    pub fn of_the_product() -> Sizes {
        Sizes {
            log_limits: LogLimits::default(),
            snapshot_after_bytes: ControllerConfig::default().snapshot_after_bytes,
        }
    }
}

impl GroupPlan {
    fn draw(random: &mut Random, number: usize, topics: &[TopicPlan]) -> GroupPlan {
        let mut topics: Vec<_> = topics.iter().map(|plan| plan.name.clone()).collect();
        if random.chance(0.5) {
            topics.truncate(1);
        }
        let by_hand = random.chance(0.2);
        let assignor = random.pick(&[
            Assignor::Range,
            Assignor::RoundRobin,
            Assignor::KafkaJsRoundRobin,
            Assignor::CooperativeSticky,
        ]);
        GroupPlan {
            group_id: format!("group-{number}"),
            members: match by_hand {
                true => 1,
                false => random.between(1, 3) as usize,
            },
            topics,
            assignors: vec![assignor],
            // Static members that all come back between the two rebalances of a cooperative one are
            // told what they had (KIP-345), and nobody asks for the second: Kafka has that too.
            is_static: !by_hand && assignor != Assignor::CooperativeSticky && random.chance(0.25),
            auto_commit: match by_hand {
                true => AutoCommit::Off,
                false => random.pick(&[
                    AutoCommit::Off,
                    AutoCommit::AfterBatch {
                        interval_ms: None,
                        threshold: None,
                    },
                    AutoCommit::Every { interval_ms: 200 },
                ]),
            },
            session_timeout_ms: random.pick(&[2_000, 6_000]),
            polls: random.between(1, 3) as usize,
            records_max: random.pick(&[1, 5, 100]),
            by_hand,
            seeks: random.chance(0.3),
            pauses: random.chance(0.3),
        }
    }
}

impl TopicPlan {
    fn draw(random: &mut Random, number: u64, segment_bytes_min: i32) -> TopicPlan {
        let compacted = random.chance(0.15);
        TopicPlan {
            name: format!("topic-{number}"),
            partitions: random.between(1, 4) as i32,
            compacted,
            retention_bytes: (!compacted && random.chance(0.15)).then_some(2_000),
            trimmed: !compacted && random.chance(0.2),
            // The first one stays, so that there is always one.
            doomed: number > 0 && random.chance(0.2),
            strict: random.chance(0.25),
            segment_bytes: (compacted || random.chance(0.4))
                .then(|| segment_bytes_min * random.pick(&[1, 2, 5])),
        }
    }

    /// Whether its oldest records may go.
    pub fn shrinks(&self) -> bool {
        self.trimmed || self.retention_bytes.is_some()
    }

    /// Its configs, by Kafka's names.
    pub fn configs(&self) -> Vec<(&'static str, String)> {
        let mut configs = vec![("retention.ms", "-1".to_owned())];
        if self.compacted {
            configs.push(("cleanup.policy", "compact".to_owned()));
            configs.push(("min.cleanable.dirty.ratio", "0.1".to_owned()));
        }
        if let Some(bytes) = self.retention_bytes {
            configs.push(("retention.bytes", bytes.to_string()));
        }
        if self.strict {
            configs.push(("flush.messages", "1".to_owned()));
        }
        if let Some(bytes) = self.segment_bytes {
            configs.push(("internal.segment.bytes", bytes.to_string()));
        }
        configs
    }
}

impl Faults {
    fn draw(random: &mut Random) -> Faults {
        if random.chance(0.05) {
            return Faults::none();
        }
        let mut weights: Vec<_> = Fault::ALL
            .into_iter()
            .map(|fault| {
                (
                    fault,
                    if random.chance(0.4) {
                        1 + random.below(4) as u32
                    } else {
                        0
                    },
                )
            })
            .collect();
        weights.retain(|(_, weight)| *weight > 0);
        let mut rarely = |probability| match random.chance(0.3) {
            true => probability,
            false => 0.0,
        };
        let unknown_applied = rarely(0.1);
        let unknown_not_applied = rarely(0.1);
        let commit_failed = rarely(0.05);
        let load_failed = rarely(0.02);
        let straggler = rarely(0.05);
        let silent_loss = rarely(0.5);
        Faults {
            interval_ms: random.pick(&[30, 150, 600, 2_500]),
            weights,
            unknown_applied,
            unknown_not_applied,
            commit_failed,
            load_failed,
            storage_ms_max: random.pick(&[0, 2, 10, 60]),
            network_ms_max: random.pick(&[0, 1, 5, 40]),
            straggler,
            silent_loss,
        }
    }

    /// Nothing goes wrong.
    pub fn none() -> Faults {
        Faults {
            interval_ms: 1_000,
            storage_ms_max: 2,
            network_ms_max: 1,
            ..Faults::default()
        }
    }

    /// The kind of the next fault.
    pub fn next(&self, random: &mut Random) -> Option<Fault> {
        let total: u32 = self.weights.iter().map(|(_, weight)| weight).sum();
        let mut at = random.below(total as usize) as u32;
        for (fault, weight) in &self.weights {
            if at < *weight {
                return Some(*fault);
            }
            at -= weight;
        }
        None
    }
}
