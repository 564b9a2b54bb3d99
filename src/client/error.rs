//! What a client reports when something fails.

use std::error::Error;
use std::fmt;

use crate::protocol::ErrorCode;

use super::config::TopicPartition;

/// A failure, with Kafka's code and what it is about.
#[derive(Clone, Debug, PartialEq)]
pub struct KafkaError {
    /// Kafka's code; for what the client itself raises, the nearest one.
    pub code: ErrorCode,
    /// Who raised it, and why.
    pub kind: ErrorKind,
    /// One sentence for people.
    pub message: String,
    /// Whether the same command may succeed later.
    pub retriable: bool,
    /// The topic it is about.
    pub topic: Option<String>,
    /// The partition it is about.
    pub partition: Option<i32>,
    /// The consumer group it is about.
    pub group: Option<String>,
    /// The offset it is about.
    pub offset: Option<i64>,
    /// How often it was tried again.
    pub retries: u32,
    /// What else failed, where a command is about several things.
    pub others: Box<[KafkaError]>,
}

/// Who raised an error, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A broker answered with this code. All others are raised by the client.
    Protocol,
    /// No broker could be reached, or the connection broke before the answer.
    Connection,
    /// A broker did not answer within `request_timeout_ms`.
    RequestTimeout,
    /// The time or the retries that a command had are used up; `code` is the last failure's.
    RetriesExceeded,
    /// A buffer has no room for this; try again when earlier commands have been answered.
    BufferFull,
    /// The record or request is larger than the client may send.
    TooLarge,
    /// The command makes no sense.
    InvalidArgument,
    /// No version of the API is spoken by both sides.
    Unsupported,
    /// The broker's bytes are not what the protocol says.
    Malformed,
    /// There is no offset to start from, and `auto.offset.reset` is none.
    NoOffset,
    /// The client is closed or closing.
    Closed,
}

impl KafkaError {
    /// A broker's answer.
    pub fn protocol(code: ErrorCode) -> KafkaError {
        KafkaError::new(ErrorKind::Protocol, code, code.message())
    }

    /// A broker's answer with its own words, if it has any.
    pub fn answered(code: ErrorCode, message: Option<&str>) -> KafkaError {
        let message = message.filter(|message| !message.is_empty());
        KafkaError::new(ErrorKind::Protocol, code, message.unwrap_or(code.message()))
    }

    /// An error that the client raises.
    pub fn raised(kind: ErrorKind, message: impl Into<String>) -> KafkaError {
        let code = match kind {
            ErrorKind::Connection => ErrorCode::NetworkException,
            ErrorKind::RequestTimeout | ErrorKind::RetriesExceeded => ErrorCode::RequestTimedOut,
            ErrorKind::TooLarge => ErrorCode::MessageTooLarge,
            ErrorKind::InvalidArgument => ErrorCode::InvalidRequest,
            ErrorKind::Unsupported => ErrorCode::UnsupportedVersion,
            ErrorKind::Malformed => ErrorCode::CorruptMessage,
            ErrorKind::NoOffset => ErrorCode::OffsetOutOfRange,
            ErrorKind::Protocol | ErrorKind::BufferFull | ErrorKind::Closed => {
                ErrorCode::UnknownServerError
            }
        };
        KafkaError::new(kind, code, message)
    }

    fn new(kind: ErrorKind, code: ErrorCode, message: impl Into<String>) -> KafkaError {
        let retriable = match kind {
            ErrorKind::Protocol => code.retriable(),
            ErrorKind::Connection | ErrorKind::RequestTimeout | ErrorKind::BufferFull => true,
            _ => false,
        };
        KafkaError {
            code,
            kind,
            message: message.into(),
            retriable,
            topic: None,
            partition: None,
            group: None,
            offset: None,
            retries: 0,
            others: Box::default(),
        }
    }

    /// The first of them with the others; trying again helps only if it helps each. `Ok` without any.
    pub fn all(errors: impl IntoIterator<Item = KafkaError>) -> Result<(), KafkaError> {
        let mut errors = errors.into_iter();
        let Some(first) = errors.next() else {
            return Ok(());
        };
        let others: Box<[_]> = errors.collect();
        let retriable = first.retriable && others.iter().all(|error| error.retriable);
        Err(KafkaError {
            retriable,
            others,
            ..first
        })
    }

    /// Trying again does not help who has met it here, though it may elsewhere.
    pub(super) fn for_good(self) -> KafkaError {
        KafkaError {
            retriable: false,
            ..self
        }
    }

    /// Whether the client raised it, not a broker.
    pub fn is_virtual(&self) -> bool {
        self.kind != ErrorKind::Protocol
    }

    /// The same about a topic.
    pub fn of_topic(mut self, topic: &str) -> KafkaError {
        self.topic = Some(topic.to_string());
        self
    }

    /// The same about a partition.
    pub fn of_partition(mut self, partition: &TopicPartition) -> KafkaError {
        self.topic = Some(partition.topic.clone());
        self.partition = Some(partition.partition);
        self
    }

    /// The same about a group.
    pub fn of_group(mut self, group: &str) -> KafkaError {
        self.group = Some(group.to_string());
        self
    }

    /// The same about an offset.
    pub fn of_offset(mut self, offset: i64) -> KafkaError {
        self.offset = Some(offset);
        self
    }

    /// The same after the time of a command is used up, or these retries.
    pub fn after_retries(mut self, retries: u32) -> KafkaError {
        if self.retriable {
            self.kind = ErrorKind::RetriesExceeded;
            self.retries = retries;
        }
        self
    }
}

impl fmt::Display for KafkaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.code.name())?;
        match (&self.topic, self.partition) {
            (Some(topic), Some(partition)) => write!(f, ", partition {topic}-{partition}")?,
            (Some(topic), None) => write!(f, ", topic {topic}")?,
            (None, _) => {}
        }
        if let Some(group) = &self.group {
            write!(f, ", group {group}")?;
        }
        if let Some(offset) = self.offset {
            write!(f, ", offset {offset}")?;
        }
        Ok(())
    }
}

impl Error for KafkaError {}
