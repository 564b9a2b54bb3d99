//! A consumer for JavaScript.

use super::config::{ConsumerOptions, offset_reset};
use super::edge::{Edge, EdgeOf, Message, client_methods, offset, own_buffer};
use super::error::ErrorObject;
use super::partition_answer::PartitionAnswer;
use super::{flat, from_js, from_tagged_js, to_js};
use crate::client::consumer::{
    AssignorQuestion, Consumer, ConsumerCommand, ConsumerEvent, ConsumerOutput, FetchedBatch,
    OffsetToCommit, Subscription,
};
use crate::client::{CommandId, TopicMetadata, TopicPartition};
use crate::runtime::{ClientHost, random_u64};
use js_sys::{Array, Reflect};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

/// A Kafka consumer whose commands and outputs are plain objects.
#[wasm_bindgen]
pub struct ConsumerClient {
    host: ClientHost<Consumer, EdgeOf<ConsumerOutput>>,
}

#[wasm_bindgen]
impl ConsumerClient {
    /// A consumer with these options, which reaches the cluster by `edge`.
    #[wasm_bindgen(constructor)]
    pub fn new(options: JsValue, edge: Edge) -> Result<ConsumerClient, JsValue> {
        let options: ConsumerOptions = from_js(options)?;
        let config = options.config()?;
        let request_timeout_ms = config.client.request_timeout_ms;
        let consumer = Consumer::new(config, random_u64()?);
        Ok(ConsumerClient {
            host: ClientHost::new(consumer, EdgeOf::new(edge, translate), request_timeout_ms),
        })
    }
}

client_methods!(ConsumerClient);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
enum Command {
    Connect {
        id: u64,
    },
    Subscribe {
        id: u64,
        topics: Vec<SubscribedTopic>,
    },
    Assign {
        id: u64,
        partitions: Vec<AssignedPartition>,
    },
    Poll {
        id: u64,
        records_max: usize,
    },
    CancelPoll {
        id: u64,
        poll: u64,
    },
    Resolve {
        topic: String,
        partition: i32,
        fence: u64,
        next_offset: String,
    },
    Processed {
        topic: String,
        partition: i32,
        fence: u64,
        next_offset: String,
    },
    Commit {
        id: u64,
        offsets: Option<Vec<Offset>>,
    },
    Seek {
        id: u64,
        topic: String,
        partition: i32,
        offset: String,
    },
    Pause {
        id: u64,
        topics: Vec<TopicPartitions>,
    },
    Resume {
        id: u64,
        topics: Vec<TopicPartitions>,
    },
    Unsubscribe {
        id: u64,
    },
    AnswerAssignor {
        question: u64,
        answers: Vec<AssignorAnswer>,
    },
    ListTopics {
        id: u64,
    },
    Close {
        id: u64,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SubscribedTopic {
    topic: String,
    offset_reset: Option<String>,
}

#[derive(Deserialize)]
struct AssignorAnswer {
    name: String,
    /// Crosses as an array of numbers.
    bytes: Vec<u8>,
}

#[derive(Deserialize)]
struct AssignedPartition {
    topic: String,
    partition: i32,
    offset: Option<String>,
}

#[derive(Deserialize)]
struct TopicPartitions {
    topic: String,
    partitions: Option<Vec<i32>>,
}

#[derive(Deserialize, Serialize)]
struct Offset {
    topic: String,
    partition: i32,
    offset: String,
    metadata: Option<String>,
}

impl TryFrom<Command> for ConsumerCommand {
    type Error = JsValue;

    fn try_from(command: Command) -> Result<ConsumerCommand, JsValue> {
        let paused = |topics: Vec<TopicPartitions>| {
            topics
                .into_iter()
                .map(|one| (one.topic, one.partitions))
                .collect()
        };
        Ok(match command {
            Command::Connect { id } => ConsumerCommand::Connect { id: CommandId(id) },
            Command::Subscribe { id, topics } => {
                let topics = topics
                    .into_iter()
                    .map(subscription)
                    .collect::<Result<_, _>>()?;
                ConsumerCommand::Subscribe {
                    id: CommandId(id),
                    topics,
                }
            }
            Command::Assign { id, partitions } => {
                let mut assigned = Vec::with_capacity(partitions.len());
                for one in partitions {
                    let position = one.offset.as_deref().map(offset).transpose()?;
                    assigned.push((TopicPartition::new(one.topic, one.partition), position));
                }
                ConsumerCommand::Assign {
                    id: CommandId(id),
                    partitions: assigned,
                }
            }
            Command::Poll { id, records_max } => ConsumerCommand::Poll {
                id: CommandId(id),
                records_max,
            },
            Command::CancelPoll { id, poll } => ConsumerCommand::CancelPoll {
                id: CommandId(id),
                poll: CommandId(poll),
            },
            Command::Resolve {
                topic,
                partition,
                fence,
                next_offset,
            } => ConsumerCommand::Resolve {
                partition: TopicPartition::new(topic, partition),
                fence,
                next_offset: offset(&next_offset)?,
            },
            Command::Processed {
                topic,
                partition,
                fence,
                next_offset,
            } => ConsumerCommand::Processed {
                partition: TopicPartition::new(topic, partition),
                fence,
                next_offset: offset(&next_offset)?,
            },
            Command::Commit { id, offsets } => {
                let offsets = offsets
                    .map(|offsets| offsets.into_iter().map(offset_to_commit).collect())
                    .transpose()?;
                ConsumerCommand::Commit {
                    id: CommandId(id),
                    offsets,
                }
            }
            Command::Seek {
                id,
                topic,
                partition,
                offset: to,
            } => ConsumerCommand::Seek {
                id: CommandId(id),
                partition: TopicPartition::new(topic, partition),
                offset: offset(&to)?,
            },
            Command::Pause { id, topics } => ConsumerCommand::Pause {
                id: CommandId(id),
                topics: paused(topics),
            },
            Command::Resume { id, topics } => ConsumerCommand::Resume {
                id: CommandId(id),
                topics: paused(topics),
            },
            Command::Unsubscribe { id } => ConsumerCommand::Unsubscribe { id: CommandId(id) },
            Command::AnswerAssignor { question, answers } => ConsumerCommand::AnswerAssignor {
                question,
                answers: answers
                    .into_iter()
                    .map(|answer| (answer.name, answer.bytes.into()))
                    .collect(),
            },
            Command::ListTopics { id } => ConsumerCommand::ListTopics { id: CommandId(id) },
            Command::Close { id } => ConsumerCommand::Close { id: CommandId(id) },
        })
    }
}

fn subscription(topic: SubscribedTopic) -> Result<Subscription, JsValue> {
    let offset_reset = topic
        .offset_reset
        .as_deref()
        .map(offset_reset)
        .transpose()?;
    Ok(Subscription {
        topic: topic.topic,
        offset_reset,
    })
}

fn offset_to_commit(one: Offset) -> Result<OffsetToCommit, JsValue> {
    Ok(OffsetToCommit {
        topic: one.topic,
        partition: one.partition,
        offset: offset(&one.offset)?,
        metadata: one.metadata,
    })
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "camelCase")]
enum Output {
    Done {
        id: u64,
        error: Option<ErrorObject>,
        topics: Option<Vec<String>>,
    },
    Polled {
        id: u64,
        error: Option<ErrorObject>,
        batch: Option<Batch>,
    },
    Event {
        name: &'static str,
        payload: Payload,
    },
}

/// Its records are added as a buffer of their own.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Batch {
    topic: String,
    partition: i32,
    fence: u64,
    next_offset: String,
    high_watermark: String,
    log_start_offset: String,
}

/// The payloads of KafkaJS's instrumentation events.
#[derive(Serialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
enum Payload {
    GroupJoin {
        group_id: String,
        member_id: String,
        leader_id: String,
        is_leader: bool,
        generation_id: i32,
        group_protocol: String,
        member_assignment: BTreeMap<String, Vec<i32>>,
        duration: u64,
    },
    Partitions {
        partitions: Vec<Partition>,
    },
    Rebalancing {
        group_id: String,
        member_id: String,
        revoking: Vec<Partition>,
    },
    Heartbeat {
        group_id: String,
        member_id: String,
        group_generation_id: i32,
    },
    CommitOffsets {
        group_id: String,
        member_id: String,
        group_generation_id: i32,
        offsets: Vec<Offset>,
    },
    FetchStart {
        node_id: i32,
    },
    Fetch {
        node_id: i32,
        number_of_batches: usize,
        bytes: usize,
        duration: u64,
    },
    Unsubscribed {
        group_id: String,
        generation_id: i32,
        assigned_topics: Vec<String>,
        topics_subscribed: Vec<String>,
    },
    Crash {
        group_id: String,
        error: ErrorObject,
    },
    AssignorAsked {
        question: u64,
        /// The name of the assignor that is to assign, with all members; or else all of the
        /// application's assignors are asked what the leader is to know.
        assignor: Option<String>,
        members: Vec<AskedMember>,
        topics: Vec<String>,
        known: BTreeMap<String, Vec<PartitionAnswer>>,
    },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AskedMember {
    member_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    group_instance_id: Option<String>,
    /// Crosses as an array of numbers.
    member_metadata: Vec<u8>,
}

#[derive(Serialize)]
struct Partition {
    topic: String,
    partition: i32,
}

fn translate(output: ConsumerOutput) -> Result<Message, JsValue> {
    let output = match output {
        ConsumerOutput::Done { id, result } => Output::Done {
            id: id.0,
            error: result.err().as_ref().map(ErrorObject::from),
            topics: None,
        },
        ConsumerOutput::Topics { id, result } => Output::Done {
            id: id.0,
            error: result.as_ref().err().map(ErrorObject::from),
            topics: result.ok(),
        },
        ConsumerOutput::Polled {
            id,
            result: Ok(Some(batch)),
        } => return polled(id, &batch),
        ConsumerOutput::Polled { id, result } => Output::Polled {
            id: id.0,
            error: result.err().as_ref().map(ErrorObject::from),
            batch: None,
        },
        ConsumerOutput::AssignorAsked {
            question,
            asked,
            known,
        } => Output::Event {
            name: "assignorAsked",
            payload: assignor_asked(question, asked, known),
        },
        ConsumerOutput::Event(event) => event_output(event),
    };
    to_js(&output).map(Message::plain)
}

fn polled(id: CommandId, batch: &FetchedBatch) -> Result<Message, JsValue> {
    let object = to_js(&Output::Polled {
        id: id.0,
        error: None,
        batch: Some(Batch {
            topic: batch.partition.topic.clone(),
            partition: batch.partition.partition,
            fence: batch.fence,
            next_offset: batch.next_offset.to_string(),
            high_watermark: batch.high_watermark.to_string(),
            log_start_offset: batch.log_start_offset.to_string(),
        }),
    })?;
    let (records, buffer) = own_buffer(&flat::encode(&batch.records));
    let target = Reflect::get(&object, &JsValue::from_str("batch"))?;
    Reflect::set(&target, &JsValue::from_str("records"), &records)?;
    Ok(Message {
        object,
        transfer: Array::of1(&buffer),
    })
}

fn assignor_asked(question: u64, asked: AssignorQuestion, known: Vec<TopicMetadata>) -> Payload {
    let (assignor, topics, members) = match asked {
        AssignorQuestion::Metadata { topics } => (None, topics, Vec::new()),
        AssignorQuestion::Assignment {
            assignor,
            topics,
            members,
        } => (Some(assignor), topics, members),
    };
    let members = members.into_iter().map(|member| AskedMember {
        member_id: member.member_id,
        group_instance_id: member.group_instance_id,
        member_metadata: member.metadata.to_vec(),
    });
    let known = known.into_iter().map(|topic| {
        let partitions = topic.partitions.into_iter().map(PartitionAnswer::from);
        (topic.name, partitions.collect())
    });
    Payload::AssignorAsked {
        question,
        assignor,
        members: members.collect(),
        topics,
        known: known.collect(),
    }
}

fn event_output(event: ConsumerEvent) -> Output {
    let (name, payload) = match event {
        ConsumerEvent::GroupJoin {
            group_id,
            member_id,
            leader_id,
            is_leader,
            generation_id,
            group_protocol,
            member_assignment,
            duration_ms,
        } => {
            let payload = Payload::GroupJoin {
                group_id,
                member_id,
                leader_id,
                is_leader,
                generation_id,
                group_protocol,
                member_assignment,
                duration: duration_ms,
            };
            ("groupJoin", payload)
        }
        ConsumerEvent::Assigned { partitions: list } => (
            "assigned",
            Payload::Partitions {
                partitions: partitions(list),
            },
        ),
        ConsumerEvent::Revoked { partitions: list } => (
            "revoked",
            Payload::Partitions {
                partitions: partitions(list),
            },
        ),
        ConsumerEvent::Lost { partitions: list } => (
            "lost",
            Payload::Partitions {
                partitions: partitions(list),
            },
        ),
        ConsumerEvent::Rebalancing {
            group_id,
            member_id,
            revoking,
        } => {
            let revoking = partitions(revoking);
            (
                "rebalancing",
                Payload::Rebalancing {
                    group_id,
                    member_id,
                    revoking,
                },
            )
        }
        ConsumerEvent::Heartbeat {
            group_id,
            member_id,
            generation_id,
        } => (
            "heartbeat",
            Payload::Heartbeat {
                group_id,
                member_id,
                group_generation_id: generation_id,
            },
        ),
        ConsumerEvent::CommitOffsets {
            group_id,
            member_id,
            generation_id,
            offsets,
        } => {
            let offsets = offsets
                .into_iter()
                .map(|one| Offset {
                    topic: one.topic,
                    partition: one.partition,
                    offset: one.offset.to_string(),
                    metadata: one.metadata,
                })
                .collect();
            let payload = Payload::CommitOffsets {
                group_id,
                member_id,
                group_generation_id: generation_id,
                offsets,
            };
            ("commitOffsets", payload)
        }
        ConsumerEvent::FetchStart { node_id } => ("fetchStart", Payload::FetchStart { node_id }),
        ConsumerEvent::Fetch {
            node_id,
            number_of_batches,
            bytes,
            duration_ms,
        } => (
            "fetch",
            Payload::Fetch {
                node_id,
                number_of_batches,
                bytes,
                duration: duration_ms,
            },
        ),
        ConsumerEvent::ReceivedUnsubscribedTopics {
            group_id,
            generation_id,
            assigned_topics,
            topics_subscribed,
        } => {
            let payload = Payload::Unsubscribed {
                group_id,
                generation_id,
                assigned_topics,
                topics_subscribed,
            };
            ("receivedUnsubscribedTopics", payload)
        }
        ConsumerEvent::Crash { group_id, error } => (
            "crash",
            Payload::Crash {
                group_id,
                error: ErrorObject::from(&error),
            },
        ),
    };
    Output::Event { name, payload }
}

fn partitions(list: Vec<TopicPartition>) -> Vec<Partition> {
    list.into_iter()
        .map(|one| Partition {
            topic: one.topic,
            partition: one.partition,
        })
        .collect()
}
