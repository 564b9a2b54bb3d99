//! What somebody who speaks frames asks, and what the answer must be.

use super::actor::Context;
use super::named;
use super::oracle::RecordId;
use crate::client::TopicPartition;
use crate::now::{Instant, Now};
use crate::protocol::messages::fetch_request::FetchRequest;
use crate::protocol::messages::fetch_response::{FetchResponse, PartitionData};
use crate::protocol::messages::produce_request::{
    PartitionProduceData, ProduceRequest, TopicProduceData,
};
use crate::protocol::messages::produce_response::ProduceResponse;
use crate::protocol::{ErrorCode, Request, Response};
use crate::record::{batches, records};
use bytes::Bytes;
use std::collections::BTreeMap;

/// Of how many answers of a pipeline one is read record by record.
const READ_ONE_IN: usize = 8;

/// What is remembered of a request until it is answered.
#[derive(Debug)]
pub enum Question {
    /// Records, from these places on.
    Fetch(FetchQuestion),
    /// To store records.
    Produce(Vec<Part>),
    /// Something of each of these topics.
    Names(Vec<String>),
    /// Something in a version that there is not.
    Unsupported,
    /// Something of which only the answer's place counts.
    Anything,
}

/// A fetch without an answer.
#[derive(Debug)]
pub struct FetchQuestion {
    /// Partitions, offsets, and the least that their high watermarks can be.
    pub places: BTreeMap<TopicPartition, (i64, i64)>,
    /// For how many bytes it waits.
    pub min_bytes: i32,
    /// For how long it does.
    pub max_wait_ms: i32,
    /// Since when.
    pub at: Instant,
}

/// What is produced to one partition.
#[derive(Clone, Debug)]
pub struct Part {
    /// Where to.
    pub partition: TopicPartition,
    /// What, by batches.
    pub batches: Vec<(Vec<RecordId>, Bytes)>,
}

impl FetchQuestion {
    /// The request.
    pub fn request(&self, partition_max_bytes: i32) -> Request {
        let places = self.places.iter();
        let places = places.map(|(partition, (offset, _))| (partition, *offset));
        Request::Fetch(FetchRequest {
            replica_id: -1,
            max_wait_ms: self.max_wait_ms,
            min_bytes: self.min_bytes,
            max_bytes: 50 << 20,
            session_epoch: -1,
            topics: named::fetch_topics(places, partition_max_bytes),
            ..FetchRequest::default()
        })
    }
}

/// The request that stores these.
pub fn produce(acks: i16, parts: &[Part]) -> Request {
    let topic_data = parts.iter().map(|part| {
        let bytes = part.batches.iter().flat_map(|(_, batch)| batch.to_vec());
        TopicProduceData {
            name: part.partition.topic.clone(),
            partition_data: vec![PartitionProduceData {
                index: part.partition.partition,
                records: Some(bytes.collect()),
                ..PartitionProduceData::default()
            }],
            ..TopicProduceData::default()
        }
    });
    Request::Produce(ProduceRequest {
        acks,
        timeout_ms: 3_000,
        topic_data: topic_data.collect(),
        ..ProduceRequest::default()
    })
}

/// Compares an answer with what was promised. Error: what is wrong.
pub fn check(
    question: Question,
    response: &Response,
    (now, newest): (Now, bool),
    context: &mut Context<'_>,
) -> Result<(), String> {
    match (question, response) {
        (Question::Fetch(asked), Response::Fetch(response)) => {
            fetched(&asked, response, now, newest, context)
        }
        (Question::Produce(parts), Response::Produce(response)) => {
            produced(&parts, response, context)
        }
        (Question::Names(names), response) => named::check(names, response),
        (Question::Unsupported, Response::ApiVersions(response)) => {
            let error = ErrorCode::from_code(response.error_code);
            match error {
                ErrorCode::UnsupportedVersion => Ok(()),
                _ => Err(format!("a version that there is not: {error:?}")),
            }
        }
        (Question::Anything, _) => Ok(()),
        (question, response) => Err(format!("{question:?} is answered by {response:?}")),
    }
}

fn fetched(
    asked: &FetchQuestion,
    response: &FetchResponse,
    now: Now,
    newest: bool,
    context: &mut Context<'_>,
) -> Result<(), String> {
    let answers = response.responses.iter().flat_map(|topic| {
        let of_topic = topic.partitions.iter();
        of_topic.map(|data| {
            let name = topic.topic.clone();
            (TopicPartition::new(name, data.partition_index), data)
        })
    });
    let mut bytes = 0;
    let mut count = 0;
    let mut has_failed = response.error_code != 0;
    for (partition, data) in answers {
        let Some((offset, floor)) = asked.places.get(&partition) else {
            return Err(format!("{partition:?} was not asked for"));
        };
        count += 1;
        bytes += data.records.as_ref().map_or(0, Bytes::len);
        has_failed |= data.error_code != 0;
        if data.error_code == 0 {
            read(&partition, (*offset, *floor), data, newest, context)?;
        }
    }
    if response.error_code == 0 && count != asked.places.len() {
        let places = asked.places.len();
        return Err(format!("{count} of {places} partitions are answered"));
    }
    let waited_ms = now.monotonic.0 - asked.at.0;
    let early = waited_ms < asked.max_wait_ms.unsigned_abs().into();
    // It may be answered with less than it waits for where more would have to be loaded.
    if early && bytes == 0 && asked.min_bytes > 0 && !has_failed && newest {
        let most = asked.max_wait_ms;
        return Err(format!(
            "a fetch that waits {most} ms has nothing after {waited_ms} ms"
        ));
    }
    Ok(())
}

fn read(
    partition: &TopicPartition,
    (offset, floor): (i64, i64),
    data: &PartitionData,
    newest: bool,
    context: &mut Context<'_>,
) -> Result<(), String> {
    let end = data.high_watermark;
    let floor = floor.min(context.oracle.high_watermark_floor(partition));
    if newest && end < floor {
        return Err(format!(
            "the high watermark of {partition:?} went back from {floor} to {end}"
        ));
    }
    context.oracle.high_watermark(partition, end);
    if data.log_start_offset >= 0 {
        let start = data.log_start_offset;
        context.oracle.log_start_offset(partition, start);
    }
    if context.random.below(READ_ONE_IN) > 0 {
        return Ok(());
    }
    let bytes = data.records.clone().unwrap_or_default();
    for batch in batches(&bytes) {
        let (_, batch) = batch.map_err(|error| format!("{partition:?}: {error:?}"))?;
        for record in records(&batch).map_err(|error| format!("{partition:?}: {error:?}"))? {
            let record = record.map_err(|error| format!("{partition:?}: {error:?}"))?;
            if record.offset >= end {
                let at = record.offset;
                return Err(format!("{partition:?} shows {at}, above {end}"));
            }
            if record.offset >= offset {
                context.oracle.shown(partition, &record);
            }
        }
    }
    Ok(())
}

fn produced(
    parts: &[Part],
    response: &ProduceResponse,
    context: &mut Context<'_>,
) -> Result<(), String> {
    let mut parts_left: Vec<&Part> = parts.iter().collect();
    let answers = response.responses.iter().flat_map(|topic| {
        let of_topic = topic.partition_responses.iter();
        of_topic.map(|it| (TopicPartition::new(topic.name.clone(), it.index), it))
    });
    for (partition, answer) in answers {
        let place = parts_left.iter().position(|it| it.partition == partition);
        let Some(place) = place else {
            return Err(format!("{partition:?} was not produced to"));
        };
        let part = parts_left.remove(place);
        let is_twice = parts.iter().filter(|it| it.partition == partition).count() > 1;
        if answer.error_code != 0 {
            continue;
        }
        match &part.batches[..] {
            // Whichever of two it was, the one that counts is not known here.
            _ if is_twice => {}
            [(ids, _)] => {
                for (offset, id) in (answer.base_offset..).zip(ids) {
                    let partition = partition.partition;
                    context.oracle.acknowledged(*id, partition, offset);
                }
            }
            several => {
                let count = several.len();
                return Err(format!(
                    "{count} batches at once are stored in {partition:?}"
                ));
            }
        }
    }
    parts_left.retain(|part| {
        let same = parts.iter().filter(|it| it.partition == part.partition);
        same.count() == 1
    });
    match parts_left.first() {
        Some(part) => Err(format!("{:?} is not answered", part.partition)),
        None => Ok(()),
    }
}
