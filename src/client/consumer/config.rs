//! What a consumer is told, and what it tells.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::client::{ClientConfig, CommandId, KafkaError, TopicMetadata, TopicPartition};
use crate::record::Record;

use super::assignor::{Assignor, OfferedAssignor};

/// The options of a consumer. Defaults are KafkaJS's.
#[derive(Clone, Debug, PartialEq)]
pub struct ConsumerConfig {
    /// What all clients share. Its `retry.retries` is not looked at: a consumer goes on trying.
    pub client: ClientConfig,
    /// The group; may be empty when partitions are assigned by hand and nothing is committed.
    pub group_id: String,
    /// Makes the member static (KIP-345): it may come back without a rebalance.
    pub group_instance_id: Option<String>,
    /// What this member supports, the best first. All members of a group need one in common.
    /// The group rebalances cooperatively (KIP-429) when all of these can.
    pub assignors: Vec<OfferedAssignor>,
    /// Without a heartbeat for this long the member is out.
    pub session_timeout_ms: i32,
    /// How long members may take to finish their work and join again.
    pub rebalance_timeout_ms: i32,
    /// Heartbeats are sent this often, whatever the application does.
    pub heartbeat_interval_ms: u64,
    /// Where a partition without a committed offset starts, for topics subscribed without their
    /// own [`Subscription::offset_reset`] and for [`ConsumerCommand::Assign`].
    pub auto_offset_reset: OffsetReset,
    /// Whether what was processed is committed without a command.
    pub auto_commit: AutoCommit,
    /// What of transactions is seen.
    pub isolation_level: IsolationLevel,
    /// A fetch waits for this much, up to `max_wait_ms`.
    pub min_bytes: i32,
    /// At most this much comes with a fetch (but at least one batch).
    pub max_bytes: i32,
    /// At most this much of one partition comes with a fetch (but at least one batch).
    pub max_partition_bytes: i32,
    /// How long a fetch waits for `min_bytes`.
    pub max_wait_ms: i32,
    /// Fetched bytes that the application has not taken; no fetch is sent beyond. What is under way
    /// then may still come.
    pub fetch_buffer_bytes: usize,
}

/// The most bytes of `fetch_buffer_bytes` that make sense in a tab.
pub const FETCH_BUFFER_BYTES_MAX: usize = 50 << 20;

impl Default for ConsumerConfig {
    fn default() -> ConsumerConfig {
        ConsumerConfig {
            client: ClientConfig::default(),
            group_id: String::new(),
            group_instance_id: None,
            assignors: vec![Assignor::KafkaJsRoundRobin.into()],
            session_timeout_ms: 30_000,
            rebalance_timeout_ms: 60_000,
            heartbeat_interval_ms: 3_000,
            auto_offset_reset: OffsetReset::Latest,
            auto_commit: AutoCommit::AfterBatch {
                interval_ms: None,
                threshold: None,
            },
            isolation_level: IsolationLevel::ReadCommitted,
            min_bytes: 1,
            max_bytes: 10 << 20,
            max_partition_bytes: 1 << 20,
            max_wait_ms: 5_000,
            fetch_buffer_bytes: FETCH_BUFFER_BYTES_MAX,
        }
    }
}

/// Where to start without a valid committed offset (`auto.offset.reset`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum OffsetReset {
    /// At the first record there is.
    Earliest,
    /// At what will be written next.
    #[default]
    Latest,
    /// Nowhere: it is an error.
    None,
}

impl OffsetReset {
    /// As a seek names it: -1 is the end, -2 the beginning.
    pub(super) fn offset(self) -> Option<i64> {
        match self {
            OffsetReset::Earliest => Some(-2),
            OffsetReset::Latest => Some(-1),
            OffsetReset::None => None,
        }
    }
}

/// What of transactions is seen (`isolation.level`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum IsolationLevel {
    /// Everything below the high watermark.
    ReadUncommitted,
    /// Nothing of open and aborted transactions.
    #[default]
    ReadCommitted,
}

/// When offsets are committed without a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AutoCommit {
    /// Never.
    Off,
    /// After each batch that is processed, as KafkaJS does; within a batch also when one of the
    /// limits is reached.
    AfterBatch {
        /// Time since the last commit.
        interval_ms: Option<u64>,
        /// Records resolved since the last commit.
        threshold: Option<u64>,
    },
    /// So often, when there is something to commit, as Kafka's `auto.commit.interval.ms`.
    Every {
        /// The interval.
        interval_ms: u64,
    },
}

/// A topic to subscribe to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subscription {
    /// The topic.
    pub topic: String,
    /// Where to start without a committed offset (KafkaJS's `fromBeginning`); `None` takes the
    /// configuration's.
    pub offset_reset: Option<OffsetReset>,
}

/// A partition and what is committed, or to be committed, for it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OffsetToCommit {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// Of the next record to process.
    pub offset: i64,
    /// The application's own words.
    pub metadata: Option<String>,
}

impl OffsetToCommit {
    /// Whose offset it is.
    pub(super) fn name(&self) -> TopicPartition {
        TopicPartition::new(&self.topic, self.partition)
    }
}

/// What the application wants of a consumer. Each with an id is answered exactly once, by
/// [`ConsumerOutput::Done`] unless it says otherwise.
#[derive(Clone, Debug, PartialEq)]
pub enum ConsumerCommand {
    /// Answered when a broker has been reached.
    Connect {
        /// Names the answer.
        id: CommandId,
    },
    /// Joins the group, or tells it a new list of topics. Replaces an assignment by hand.
    /// Answered at once; [`ConsumerEvent::GroupJoin`] tells when the group has been joined.
    Subscribe {
        /// Names the answer.
        id: CommandId,
        /// All topics, not only new ones.
        topics: Vec<Subscription>,
    },
    /// Reads these partitions without being a member of a group. Replaces a subscription.
    Assign {
        /// Names the answer.
        id: CommandId,
        /// With the offset to start from; `None` is the committed one, or else the reset policy.
        partitions: Vec<(TopicPartition, Option<i64>)>,
    },
    /// Commits what was processed, leaves the group and gives up all partitions. Polls that wait
    /// get `None`. Answered when the group has been left.
    Unsubscribe {
        /// Names the answer.
        id: CommandId,
    },
    /// Asks for one batch; answered with [`ConsumerOutput::Polled`] when there is one. This is
    /// the only way to get records, so it bounds what the application holds. At most
    /// [`POLLS_MAX`] wait at a time.
    Poll {
        /// Names the answer.
        id: CommandId,
        /// At most this many records.
        records_max: usize,
    },
    /// Takes back a poll that waits: it gets `None`. Answered even if there is no such poll.
    CancelPoll {
        /// Names the answer.
        id: CommandId,
        /// The poll.
        poll: CommandId,
    },
    /// The application has processed the partition up to `next_offset`, within a batch. Not
    /// answered. Ignored when the fence is stale.
    Resolve {
        /// The partition.
        partition: TopicPartition,
        /// Of the batch.
        fence: u64,
        /// Of the next record to process.
        next_offset: i64,
    },
    /// The application is through with a batch: the partition's next one may be delivered, and a
    /// rebalance may go on. `next_offset` is the batch's when all was processed, else what comes
    /// next is read again from there. Not answered. Ignored when the fence is stale.
    Processed {
        /// The partition.
        partition: TopicPartition,
        /// Of the batch.
        fence: u64,
        /// Of the next record to process.
        next_offset: i64,
    },
    /// Commits offsets.
    Commit {
        /// Names the answer.
        id: CommandId,
        /// Which; `None` is all that was processed and not committed.
        offsets: Option<Vec<OffsetToCommit>>,
    },
    /// Goes on at another offset. What was delivered before becomes stale. For a partition that
    /// is not assigned (yet) it is remembered.
    Seek {
        /// Names the answer.
        id: CommandId,
        /// The partition.
        partition: TopicPartition,
        /// -1 is the end, -2 the beginning.
        offset: i64,
    },
    /// Delivers nothing more of these partitions, assigned or not, until they are resumed.
    Pause {
        /// Names the answer.
        id: CommandId,
        /// By topic; `None` is all of its partitions.
        topics: Vec<(String, Option<Vec<i32>>)>,
    },
    /// Takes back a pause.
    Resume {
        /// Names the answer.
        id: CommandId,
        /// By topic; `None` is all of its partitions.
        topics: Vec<(String, Option<Vec<i32>>)>,
    },
    /// Answers [`ConsumerOutput::AssignorAsked`]. Not answered itself. Ignored when the question
    /// is outdated.
    AnswerAssignor {
        /// The question's number.
        question: u64,
        /// Bytes by the name that the question asks for.
        answers: BTreeMap<String, Bytes>,
    },
    /// All topics of the cluster, for subscriptions by pattern: [`ConsumerOutput::Topics`].
    ListTopics {
        /// Names the answer.
        id: CommandId,
    },
    /// Like `Unsubscribe`, then closes the connections. Later commands fail with `Closed`.
    Close {
        /// Names the answer.
        id: CommandId,
    },
}

/// Polls that may wait at a time; one more is refused with `BufferFull`.
pub const POLLS_MAX: usize = 1_000;

/// What a consumer tells.
#[derive(Clone, Debug, PartialEq)]
pub enum ConsumerOutput {
    /// Answers a command.
    Done {
        /// The command.
        id: CommandId,
        /// How it went.
        result: Result<(), KafkaError>,
    },
    /// Answers [`ConsumerCommand::Poll`]: `None` when there will be nothing more for it, an error
    /// when reading has failed in a way that trying again does not help.
    Polled {
        /// The command.
        id: CommandId,
        /// The records.
        result: Result<Option<FetchedBatch>, KafkaError>,
    },
    /// Answers [`ConsumerCommand::ListTopics`].
    Topics {
        /// The command.
        id: CommandId,
        /// In order.
        result: Result<Vec<String>, KafkaError>,
    },
    /// The application's own assignors are to answer, with [`ConsumerCommand::AnswerAssignor`],
    /// within the rebalance timeout.
    AssignorAsked {
        /// Goes back with the answer.
        question: u64,
        /// What is asked.
        asked: AssignorQuestion,
        /// What is known of the group's topics, and of others.
        known: Vec<TopicMetadata>,
    },
    /// Nobody asked: something happened.
    Event(ConsumerEvent),
}

/// What an application's assignors are asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AssignorQuestion {
    /// What the group's leader is to know of this member: an answer for each
    /// [`OfferedAssignor::Application`], by its name.
    Metadata {
        /// What this member has subscribed to.
        topics: Vec<String>,
    },
    /// This member leads: what the others are to get, by member id. Who is left out gets nothing.
    Assignment {
        /// The name of the assignor that the group has chosen.
        assignor: String,
        /// What this member has subscribed to.
        topics: Vec<String>,
        /// All of the group's.
        members: Vec<GroupMember>,
    },
}

/// A member of the group as its leader sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupMember {
    /// Its id.
    pub member_id: String,
    /// If it is static.
    pub group_instance_id: Option<String>,
    /// What it told when it joined.
    pub metadata: Bytes,
}

/// Records of one partition, in order. The partition delivers nothing more before
/// [`ConsumerCommand::Processed`].
#[derive(Clone, Debug, PartialEq)]
pub struct FetchedBatch {
    /// The partition.
    pub partition: TopicPartition,
    /// To be given back with `Resolve` and `Processed`; changes with each assignment and seek, so
    /// that what an application says about old batches is not mistaken for new.
    pub fence: u64,
    /// At least one.
    pub records: Vec<Record>,
    /// Behind these records and what is skipped after them (control batches, compacted offsets).
    pub next_offset: i64,
    /// The partition's, at the time of the fetch.
    pub high_watermark: i64,
    /// The partition's first offset, at the time of the fetch.
    pub log_start_offset: i64,
}

/// What happens in a consumer: KafkaJS's instrumentation events, and the assignment.
#[derive(Clone, Debug, PartialEq)]
pub enum ConsumerEvent {
    /// The group has been joined, in a new generation.
    GroupJoin {
        /// The group.
        group_id: String,
        /// This member.
        member_id: String,
        /// The member that assigned.
        leader_id: String,
        /// Whether that is this one.
        is_leader: bool,
        /// The generation.
        generation_id: i32,
        /// The assignor's wire name.
        group_protocol: String,
        /// All that this member has now.
        member_assignment: BTreeMap<String, Vec<i32>>,
        /// Since the member began to join.
        duration_ms: u64,
    },
    /// Partitions came; delivery starts when their position is known.
    Assigned {
        /// Only the new ones.
        partitions: Vec<TopicPartition>,
    },
    /// Partitions went, after what was processed had been committed.
    Revoked {
        /// Only these.
        partitions: Vec<TopicPartition>,
    },
    /// Partitions went without warning (the member was thrown out): others may have them already.
    Lost {
        /// Only these.
        partitions: Vec<TopicPartition>,
    },
    /// The group rebalances. Partitions that must be given up deliver nothing more; finish their
    /// batches with `Processed` before the rebalance timeout.
    Rebalancing {
        /// The group.
        group_id: String,
        /// This member.
        member_id: String,
        /// To be given up.
        revoking: Vec<TopicPartition>,
    },
    /// A heartbeat was answered.
    Heartbeat {
        /// The group.
        group_id: String,
        /// This member.
        member_id: String,
        /// The generation.
        generation_id: i32,
    },
    /// Offsets were committed.
    CommitOffsets {
        /// The group.
        group_id: String,
        /// This member, if it is one.
        member_id: String,
        /// The generation, or -1.
        generation_id: i32,
        /// What was committed.
        offsets: Vec<OffsetToCommit>,
    },
    /// A fetch was sent.
    FetchStart {
        /// To whom.
        node_id: i32,
    },
    /// A fetch was answered.
    Fetch {
        /// By whom.
        node_id: i32,
        /// Partitions with records.
        number_of_batches: usize,
        /// Bytes of records.
        bytes: usize,
        /// Since it was sent.
        duration_ms: u64,
    },
    /// The group's leader assigned topics that this member has not subscribed to; they are
    /// ignored.
    ReceivedUnsubscribedTopics {
        /// The group.
        group_id: String,
        /// The generation.
        generation_id: i32,
        /// What was assigned.
        assigned_topics: Vec<String>,
        /// What was subscribed.
        topics_subscribed: Vec<String>,
    },
    /// The consumer cannot go on: it has left its group, and polls fail until the next
    /// `Subscribe` or `Assign`.
    Crash {
        /// The group.
        group_id: String,
        /// Why.
        error: KafkaError,
    },
}
