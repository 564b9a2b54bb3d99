//! A producer for JavaScript.

use super::config::ProducerOptions;
use super::edge::{Edge, EdgeOf, Message, client_methods};
use super::error::{self, ErrorObject};
use super::partition_answer::PartitionAnswer;
use super::{flat, from_js, from_tagged_js, to_js};
use crate::client::producer::{Acks, Producer, ProducerCommand, ProducerOutput, RecordMetadata};
use crate::client::{CommandId, KafkaError};
use crate::record::Compression;
use crate::runtime::{ClientHost, random_u64};
use serde::{Deserialize, Serialize};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

/// A Kafka producer whose commands and outputs are plain objects.
#[wasm_bindgen]
pub struct ProducerClient {
    host: ClientHost<Producer, EdgeOf<ProducerOutput>>,
}

#[wasm_bindgen]
impl ProducerClient {
    /// A producer with these options, which reaches the cluster by `edge`.
    #[wasm_bindgen(constructor)]
    pub fn new(options: JsValue, edge: Edge) -> Result<ProducerClient, JsValue> {
        let options: ProducerOptions = from_js(options)?;
        let config = options.config();
        let request_timeout_ms = config.client.request_timeout_ms;
        let producer = Producer::new(config, random_u64()?);
        Ok(ProducerClient {
            host: ClientHost::new(producer, EdgeOf::new(edge, translate), request_timeout_ms),
        })
    }
}

client_methods!(ProducerClient);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
enum Command {
    Connect {
        id: u64,
    },
    Send {
        id: u64,
        acks: i16,
        timeout_ms: i32,
        compression: u8,
        topics: Vec<TopicRecords>,
    },
    PartitionsFor {
        id: u64,
        topic: String,
    },
    Flush {
        id: u64,
    },
    Close {
        id: u64,
    },
}

#[derive(Deserialize)]
struct TopicRecords {
    topic: String,
    /// See [`flat`].
    #[serde(with = "serde_bytes")]
    records: Vec<u8>,
}

impl TryFrom<Command> for ProducerCommand {
    type Error = JsValue;

    fn try_from(command: Command) -> Result<ProducerCommand, JsValue> {
        Ok(match command {
            Command::Connect { id } => ProducerCommand::Connect { id: CommandId(id) },
            Command::Send {
                id,
                acks,
                timeout_ms,
                compression,
                topics,
            } => {
                let acks = match acks {
                    -1 => Acks::All,
                    0 => Acks::None,
                    1 => Acks::Leader,
                    _ => return Err(error::invalid(&format!("acks cannot be {acks}"))),
                };
                let compression = Compression::from_id(compression)
                    .map_err(|_| error::invalid(&format!("there is no codec {compression}")))?;
                let mut topic_messages = Vec::with_capacity(topics.len());
                for TopicRecords { topic, records } in topics {
                    let records = flat::decode(records.into())
                        .map_err(|_| error::invalid("a flat record ends too early"))?;
                    topic_messages.push((topic, records));
                }
                ProducerCommand::Send {
                    id: CommandId(id),
                    topic_messages,
                    acks,
                    timeout_ms,
                    compression,
                }
            }
            Command::PartitionsFor { id, topic } => ProducerCommand::PartitionsFor {
                id: CommandId(id),
                topic,
            },
            Command::Flush { id } => ProducerCommand::Flush { id: CommandId(id) },
            Command::Close { id } => ProducerCommand::Close { id: CommandId(id) },
        })
    }
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "camelCase")]
enum Output {
    Connected {
        id: u64,
        error: Option<ErrorObject>,
    },
    Sent {
        id: u64,
        partitions: Vec<Metadata>,
        error: Option<ErrorObject>,
    },
    Partitions {
        id: u64,
        partitions: Option<Vec<PartitionAnswer>>,
        error: Option<ErrorObject>,
    },
    Flushed {
        id: u64,
        error: Option<ErrorObject>,
    },
    Closed {
        id: u64,
    },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    topic: String,
    partition: i32,
    error_code: i16,
    base_offset: String,
    log_append_time: String,
    log_start_offset: String,
}

fn translate(output: ProducerOutput) -> Result<Message, JsValue> {
    let error = |result: Result<(), KafkaError>| result.err().as_ref().map(ErrorObject::from);
    to_js(&match output {
        ProducerOutput::Connected { id, result } => Output::Connected {
            id: id.0,
            error: error(result),
        },
        ProducerOutput::Sent {
            id,
            partitions,
            error,
        } => Output::Sent {
            id: id.0,
            partitions: partitions.into_iter().map(metadata).collect(),
            error: error.as_ref().map(ErrorObject::from),
        },
        ProducerOutput::Partitions { id, result } => Output::Partitions {
            id: id.0,
            error: result.as_ref().err().map(ErrorObject::from),
            partitions: result
                .ok()
                .map(|partitions| partitions.into_iter().map(PartitionAnswer::from).collect()),
        },
        ProducerOutput::Flushed { id, result } => Output::Flushed {
            id: id.0,
            error: error(result),
        },
        ProducerOutput::Closed { id } => Output::Closed { id: id.0 },
    })
    .map(Message::plain)
}

fn metadata(metadata: RecordMetadata) -> Metadata {
    Metadata {
        topic: metadata.topic,
        partition: metadata.partition,
        error_code: metadata.error_code,
        base_offset: metadata.base_offset.to_string(),
        log_append_time: metadata.log_append_time_ms.to_string(),
        log_start_offset: metadata.log_start_offset.to_string(),
    }
}
