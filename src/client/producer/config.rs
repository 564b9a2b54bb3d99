//! What a producer is told, and what it tells.

use bytes::Bytes;

use crate::client::{ClientConfig, CommandId, KafkaError, PartitionMetadata};
use crate::record::{Compression, Header};

/// The options of a producer. Defaults are Kafka's; the names too.
#[derive(Clone, Debug, PartialEq)]
pub struct ProducerConfig {
    /// What all clients share. Its `retry` says how often, and after which pauses, a batch is sent
    /// again that a broker has refused for now, as in KafkaJS. A broker that is away is waited for
    /// until `delivery_timeout_ms`, as in Java.
    pub client: ClientConfig,
    /// How long a batch waits for more records.
    pub linger_ms: u64,
    /// A batch of this size is not waited for, and no later send joins it. One send's records for
    /// one partition stay together all the same, up to `max_request_size_bytes`.
    pub batch_size_bytes: usize,
    /// No request is larger, uncompressed, but for a record that alone is.
    pub max_request_size_bytes: usize,
    /// No record may be larger, uncompressed. Whether one is too large for its topic is for the
    /// broker to say, as in KafkaJS.
    pub max_record_size_bytes: usize,
    /// All records that wait for their answer together. A send beyond it waits for room, in its
    /// order and for `delivery_timeout_ms`; one that is larger by itself has all of it.
    pub buffer_memory_bytes: usize,
    /// How long a send may take in all, with the time in which its records are under way.
    pub delivery_timeout_ms: u64,
    /// Whether the broker drops duplicates that retries make. `None`: for sends with
    /// [`Acks::All`]; `Some(true)`: always, and other acks are refused; `Some(false)`: never.
    pub idempotent: Option<bool>,
}

impl Default for ProducerConfig {
    fn default() -> ProducerConfig {
        ProducerConfig {
            client: ClientConfig::default(),
            linger_ms: 0,
            batch_size_bytes: 16_384,
            max_request_size_bytes: 1_048_576,
            max_record_size_bytes: 32 << 20,
            buffer_memory_bytes: 32 << 20,
            delivery_timeout_ms: 120_000,
            idempotent: None,
        }
    }
}

/// What the leader must have done before it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Acks {
    /// Nothing; it does not answer. The result has no offsets.
    None,
    /// Stored the records itself.
    Leader,
    /// Seen them stored by all in-sync replicas.
    #[default]
    All,
}

impl Acks {
    /// As on the wire.
    pub fn code(self) -> i16 {
        match self {
            Acks::None => 0,
            Acks::Leader => 1,
            Acks::All => -1,
        }
    }
}

/// A record to send. Null and empty are different things.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct ProducerRecord {
    /// Decides on the partition, unless that is given; `None` goes round robin.
    pub key: Option<Bytes>,
    /// `None` is a tombstone.
    pub value: Option<Bytes>,
    /// In order, keys may repeat.
    pub headers: Vec<Header>,
    /// Must exist; a custom partitioner is one that always gives it.
    pub partition: Option<i32>,
    /// In ms since the Unix epoch; `None` is the time of the send.
    pub timestamp: Option<i64>,
}

/// What the application wants of a producer. Each is answered exactly once.
#[derive(Clone, Debug, PartialEq)]
pub enum ProducerCommand {
    /// Answered when a broker has been reached: [`ProducerOutput::Connected`].
    Connect {
        /// Names the answer.
        id: CommandId,
    },
    /// Sends records, in order per partition. Answered with [`ProducerOutput::Sent`].
    Send {
        /// Names the answer.
        id: CommandId,
        /// Records by topic. A topic may come twice.
        topic_messages: Vec<(String, Vec<ProducerRecord>)>,
        /// What to wait for.
        acks: Acks,
        /// How long the broker may wait for the in-sync replicas.
        timeout_ms: i32,
        /// How to compress.
        compression: Compression,
    },
    /// Answered with [`ProducerOutput::Partitions`], for a partitioner outside.
    PartitionsFor {
        /// Names the answer.
        id: CommandId,
        /// The topic.
        topic: String,
    },
    /// Sends what lingers; answered with [`ProducerOutput::Flushed`] when all earlier sends are.
    Flush {
        /// Names the answer.
        id: CommandId,
    },
    /// Flushes and closes the connections; answered with [`ProducerOutput::Closed`]. Later
    /// commands fail with `Closed`.
    Close {
        /// Names the answer.
        id: CommandId,
    },
}

/// What a producer tells.
#[derive(Clone, Debug, PartialEq)]
pub enum ProducerOutput {
    /// Answers [`ProducerCommand::Connect`].
    Connected {
        /// The command.
        id: CommandId,
        /// Whether a broker answered.
        result: Result<(), KafkaError>,
    },
    /// Answers [`ProducerCommand::Send`].
    Sent {
        /// The command.
        id: CommandId,
        /// One for each partition that got records, in order of topic and partition; empty when
        /// the send was refused as a whole.
        partitions: Vec<RecordMetadata>,
        /// The first failure. Partitions without an `error_code` have their records all the same.
        error: Option<KafkaError>,
    },
    /// Answers [`ProducerCommand::PartitionsFor`].
    Partitions {
        /// The command.
        id: CommandId,
        /// By number, without gaps.
        result: Result<Vec<PartitionMetadata>, KafkaError>,
    },
    /// Answers [`ProducerCommand::Flush`].
    Flushed {
        /// The command.
        id: CommandId,
        /// Fails only when the producer is closed.
        result: Result<(), KafkaError>,
    },
    /// Answers [`ProducerCommand::Close`].
    Closed {
        /// The command.
        id: CommandId,
    },
}

/// What a partition did with its part of a send: KafkaJS's `RecordMetadata`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordMetadata {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// Kafka's code, 0 for success.
    pub error_code: i16,
    /// Of the send's first record in this partition; -1 when not known ([`Acks::None`], failure).
    pub base_offset: i64,
    /// When the leader appended, in ms since the Unix epoch; -1 unless the topic's
    /// `message.timestamp.type` is `LogAppendTime`.
    pub log_append_time_ms: i64,
    /// The partition's first offset; -1 when not known.
    pub log_start_offset: i64,
}
