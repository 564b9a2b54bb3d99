//! Who does how much in a run.

use super::scale::{Reach, Scale};
use super::scheduler::Random;
use crate::client::consumer::{Assignor, AutoCommit};
use crate::log::{JOURNAL_PURGE_DELAY_MS, LogLimits};
use crate::metadata::ControllerConfig;
use crate::storage::room::RESERVE_ROW_BYTES;

/// `batch.size` of the producers: no send joins a batch that is larger.
pub const BATCH_BYTES_MAX: usize = 1_000;

/// Each row of the room that is kept back, where there are a few partitions.
const SMALL_PADDING_ROW_BYTES: usize = 16 << 10;

/// How many of the runs have topics whose records age.
const AGING: f64 = 0.05;
/// How often a broker looks for it in the other runs.
const CHECK_MS: u64 = 15_000;
/// Room for all keys that a cleaning meets there.
const AGING_KEYS_BYTES_MIN: usize = 10_000;
/// What looking for what has aged, and removing it, takes.
const AGING_WORK_MS: u64 = 1_000;
/// How long what cannot be read any more may still be stored.
pub const PURGED_MS: u64 = JOURNAL_PURGE_DELAY_MS as u64 + AGING_WORK_MS;

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
    /// Those who speak frames.
    pub strangers: usize,
    /// Whether clients are closed now and then, and others take their places.
    pub closes: bool,
    /// `offsets.topic.num.partitions`.
    pub offsets_partitions: i32,
    /// `group.initial.rebalance.delay.ms`.
    pub initial_rebalance_delay_ms: u64,
    /// `log.retention.check.interval.ms` and `log.cleaner.backoff.ms`.
    pub check_ms: u64,
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
    /// Of each row of the room that is kept back for a full quota.
    pub padding_row_bytes: usize,
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
    /// How its records age, if they do.
    pub aging: Option<Aging>,
}

/// After how long records of a topic must be gone.
#[derive(Clone, Copy, Debug)]
pub struct Aging {
    /// `segment.ms`.
    pub segment_ms: u64,
    /// `retention.ms`; of a compacted topic `max.compaction.lag.ms`.
    pub kept_ms: u64,
    /// `delete.retention.ms`, of a compacted topic.
    pub tombstone_ms: u64,
}

impl Workload {
    /// A workload of this scale.
    pub fn draw(random: &mut Random, scale: Scale) -> Workload {
        let mut workload = match scale.reach() {
            None => Workload::draw_small(random),
            Some(reach) => Workload::draw_large(random, reach),
        };
        // All clients go on while what ages does, so few runs have any of it.
        if random.chance(AGING) {
            workload.check_ms = random.pick(&[300, 1_000]);
            // A cleaning whose keys do not fit goes on with the next check only.
            let keys_bytes_max = &mut workload.sizes.log_limits.cleaner_keys_bytes_max;
            *keys_bytes_max = AGING_KEYS_BYTES_MIN.max(*keys_bytes_max);
            for plan in &mut workload.topics {
                plan.aging = random.chance(0.6).then(|| Aging::draw(random));
                if plan.aging.is_some() && random.chance(0.4) {
                    plan.compacted = true;
                    plan.trimmed = false;
                    plan.retention_bytes = None;
                }
            }
        }
        workload
    }

    fn draw_small(random: &mut Random) -> Workload {
        let heavy = random.chance(0.05);
        let many = !heavy && random.chance(0.1);
        let records_max = random.pick(&[1, 3, 10]);
        let padding_bytes_max = match heavy {
            true => 60_000,
            false => random.pick(&[0, 30, 300]),
        };
        let segment_bytes_min = segment_bytes_min(records_max, padding_bytes_max);
        let topics: Vec<_> = (0..random.between(1, 3))
            .map(|number| {
                let partitions = random.between(1, 4) as i32;
                TopicPlan::draw(random, number, partitions, segment_bytes_min)
            })
            .collect();
        let groups = (0..random.below(3)).map(|number| {
            let members = random.between(1, 3) as usize;
            GroupPlan::draw(random, number, members, &topics)
        });
        let groups = groups.collect();
        Workload {
            groups,
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
            admin_operations: random.pick(&[0, 0, 5, 15, 40]),
            ..Workload::draw_settings(random)
        }
        .with_small_reserve()
    }

    /// Keeps back as much less as there is less of everything.
    fn with_small_reserve(mut self) -> Workload {
        self.sizes.padding_row_bytes = SMALL_PADDING_ROW_BYTES;
        self
    }

    /// Many topics or wide ones, sends in bursts, groups of many.
    fn draw_large(random: &mut Random, reach: Reach) -> Workload {
        let records_max = random.pick(&[1, 3]);
        let padding_bytes_max = random.pick(&[0, 30, 300]);
        let segment_bytes_min = segment_bytes_min(records_max, padding_bytes_max);
        let topics = draw_topics(random, reach, segment_bytes_min);
        let groups = random.below(3);
        let groups: Vec<_> = (0..groups)
            .map(|number| {
                let members = random.between(1, reach.members_max / groups as u64) as usize;
                GroupPlan::draw(random, number, members, &topics)
            })
            .collect();
        let sends = random.between(reach.sends_max / 4, reach.sends_max) as usize;
        Workload {
            groups,
            topics,
            producers: random.between(1, 2) as usize,
            sends,
            sends_open_max: random.pick(&[sends / 10, sends]),
            records_max,
            padding_bytes_max,
            think_ms_max: random.pick(&[0, 0, 1]),
            admin_operations: random.pick(&[0, 5, 15]),
            ..Workload::draw_settings(random)
        }
    }

    /// What has nothing to do with how much there is.
    fn draw_settings(random: &mut Random) -> Workload {
        Workload {
            topics: Vec::new(),
            producers: 0,
            sends: 0,
            sends_open_max: 0,
            records_max: 0,
            padding_bytes_max: 0,
            think_ms_max: 0,
            groups: Vec::new(),
            admin_operations: 0,
            strangers: random.pick(&[0, 0, 0, 0, 0, 0, 0, 0, 1, 2]),
            closes: random.chance(0.3),
            offsets_partitions: random.between(1, 3) as i32,
            initial_rebalance_delay_ms: random.pick(&[0, 100, 1_000]),
            check_ms: CHECK_MS,
            sizes: match random.chance(0.6) {
                true => Sizes::draw(random),
                false => Sizes::of_the_product(),
            },
        }
    }

    /// Partitions of all topics.
    pub fn partitions(&self) -> usize {
        self.topics.iter().map(|it| it.partitions as usize).sum()
    }

    /// How long after the last record of before all that ages is gone, if anything does.
    pub fn aging_ms(&self) -> Option<u64> {
        let aging = self.topics.iter().filter_map(|plan| plan.aging);
        let gone_ms = aging.map(|it| it.tombstone_gone_ms(self.check_ms)).max()?;
        Some(gone_ms + PURGED_MS)
    }

    /// Members of all groups.
    pub fn members(&self) -> usize {
        self.groups.iter().map(|group| group.members).sum()
    }
}

/// A batch must fit into a segment, and a send may join one that is almost full.
fn segment_bytes_min(records_max: usize, padding_bytes_max: usize) -> i32 {
    (BATCH_BYTES_MAX + records_max * (padding_bytes_max + 100) + 100) as i32
}

/// Topics until there are enough partitions: either a few wide ones or many.
fn draw_topics(random: &mut Random, reach: Reach, segment_bytes_min: i32) -> Vec<TopicPlan> {
    let partitions = random.between(reach.partitions_min, reach.partitions_max);
    let widest = random.pick(&[1, 3, partitions / 2, partitions]);
    let mut left = partitions;
    let mut topics = Vec::new();
    while left > 0 {
        let wide = random.between(1, widest).min(left);
        left -= wide;
        let number = topics.len() as u64;
        topics.push(TopicPlan::draw(
            random,
            number,
            wide as i32,
            segment_bytes_min,
        ));
    }
    topics
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
            padding_row_bytes: RESERVE_ROW_BYTES,
        }
    }

    /// Those that a browser has.
    pub fn of_the_product() -> Sizes {
        Sizes {
            log_limits: LogLimits::default(),
            snapshot_after_bytes: ControllerConfig::default().snapshot_after_bytes,
            padding_row_bytes: RESERVE_ROW_BYTES,
        }
    }
}

impl GroupPlan {
    fn draw(random: &mut Random, number: usize, members: usize, topics: &[TopicPlan]) -> GroupPlan {
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
                false => members,
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

impl Aging {
    fn draw(random: &mut Random) -> Aging {
        Aging {
            segment_ms: random.pick(&[200, 1_000]),
            kept_ms: random.pick(&[500, 2_000]),
            tombstone_ms: random.pick(&[0, 1_000]),
        }
    }

    /// How long after it was written a record that has expired, or was replaced, can be read: its
    /// segment is closed, is kept, and is looked at by a check.
    pub fn gone_ms(self, check_ms: u64) -> u64 {
        self.segment_ms + self.kept_ms + 2 * check_ms + AGING_WORK_MS
    }

    /// How long a tombstone can be: one that a cleaning has seen goes with another.
    pub fn tombstone_gone_ms(self, check_ms: u64) -> u64 {
        self.gone_ms(check_ms) + self.tombstone_ms + 2 * check_ms + AGING_WORK_MS
    }
}

impl TopicPlan {
    fn draw(
        random: &mut Random,
        number: u64,
        partitions: i32,
        segment_bytes_min: i32,
    ) -> TopicPlan {
        let compacted = random.chance(0.15);
        TopicPlan {
            name: format!("topic-{number}"),
            partitions,
            compacted,
            retention_bytes: (!compacted && random.chance(0.15)).then_some(2_000),
            trimmed: !compacted && random.chance(0.2),
            // The first one stays, so that there is always one.
            doomed: number > 0 && random.chance(0.2),
            strict: random.chance(0.25),
            segment_bytes: (compacted || random.chance(0.4))
                .then(|| segment_bytes_min * random.pick(&[1, 2, 5])),
            aging: None,
        }
    }

    /// Whether its oldest records may go.
    pub fn shrinks(&self) -> bool {
        self.trimmed || self.expires()
    }

    /// Whether its oldest records go by themselves.
    pub fn expires(&self) -> bool {
        self.retention_bytes.is_some() || (self.aging.is_some() && !self.compacted)
    }

    /// Its configs, by Kafka's names.
    pub fn configs(&self) -> Vec<(&'static str, String)> {
        let retention_ms = self.aging.filter(|_| !self.compacted);
        let retention_ms = retention_ms.map_or("-1".to_owned(), |it| it.kept_ms.to_string());
        let mut configs = vec![("retention.ms", retention_ms)];
        if let Some(aging) = self.aging {
            configs.push(("segment.ms", aging.segment_ms.to_string()));
        }
        if let Some(aging) = self.aging.filter(|_| self.compacted) {
            let lag_ms = aging.kept_ms.to_string();
            configs.push(("max.compaction.lag.ms", lag_ms));
            let tombstone_ms = aging.tombstone_ms.to_string();
            configs.push(("delete.retention.ms", tombstone_ms));
        }
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
