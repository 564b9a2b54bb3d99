//! Somebody who reads all there is of a broker that has a damaged row, and sends to each partition:
//! one of them may refuse, and nothing is wrong with the others.

use super::actor::{Actor, Context, Signal, Wish};
use super::oracle::{Oracle, RecordId, SentRecord};
use super::questions::{FetchQuestion, Part, produce};
use super::scheduler::Random;
use super::trickle::batch;
use super::wire::{Heard, Wire};
use crate::client::TopicPartition;
use crate::client::producer::Acks;
use crate::now::Now;
use crate::protocol::messages::fetch_response::PartitionData;
use crate::protocol::{ErrorCode, Response};
use crate::record::{BatchHeader, Compression, Record, batches, records};
use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};

/// Numbers it among the producers.
const PRODUCER: usize = 3_000_000;
/// Time between two requests.
const PAUSE_MS: u64 = 5;
/// How much of a partition it reads at a time.
const FETCH_BYTES: [i32; 3] = [1, 1_000, 1 << 20];

/// What the last audit has read of a partition.
#[derive(Clone, Debug)]
pub struct LastRead {
    /// Which it is.
    pub partition: TopicPartition,
    /// Where it starts.
    pub start: i64,
    /// Its high watermark.
    pub end: i64,
    /// Its records.
    pub records: BTreeMap<i64, RecordId>,
    /// Whether any of them may be gone by now.
    pub shrinks: bool,
}

/// See the module.
pub struct Inspector {
    wire: Wire<()>,
    left: VecDeque<LastRead>,
    /// The offset from which on the first of those is not read yet.
    position: i64,
    seen: BTreeMap<i64, RecordId>,
    /// The one that has refused.
    stopped: Option<TopicPartition>,
    is_acting: bool,
}

impl Inspector {
    /// Somebody who expects all of this.
    pub fn new(last: Vec<LastRead>) -> Inspector {
        Inspector {
            wire: Wire::new("inspector".to_owned()),
            position: last.first().map_or(0, |it| it.start),
            left: last.into(),
            seen: BTreeMap::new(),
            stopped: None,
            is_acting: false,
        }
    }

    fn act(&mut self, now: Now, context: &mut Context<'_>) {
        let Some(current) = self.left.front() else {
            return;
        };
        if !self.is_acting {
            self.is_acting = true;
            context.wishes.push(Wish::ActIn(PAUSE_MS));
        }
        let partition = current.partition.clone();
        let is_read = current.end <= self.position || self.stopped.as_ref() == Some(&partition);
        self.wire.connect(context);
        if !self.wire.is_connected() || self.wire.open() > 0 {
            return;
        }
        match is_read {
            true => self.produce(now, partition, context),
            false => {
                let question = FetchQuestion {
                    places: [(partition, (self.position, 0))].into(),
                    min_bytes: 0,
                    max_wait_ms: 0,
                    at: now.monotonic,
                };
                let request = question.request(context.random.pick(&FETCH_BYTES));
                self.wire.ask(11, &request, Some(()), context);
            }
        }
    }

    fn produce(&mut self, now: Now, partition: TopicPartition, context: &mut Context<'_>) {
        let key = Bytes::from(format!("inspector-{}", partition.partition));
        let (id, headers) = context.oracle.send(SentRecord {
            producer: PRODUCER,
            topic: partition.topic.clone(),
            partition: Some(partition.partition),
            key: Some(key.clone()),
            value: None,
            acks: Acks::All,
            idempotent: false,
            power_losses: context.oracle.power_losses(),
            acknowledged: None,
        });
        let batch = batch(now, Compression::None, &[(Some(key), None, headers)]);
        let batches = vec![(vec![id], batch)];
        let request = produce(-1, &[Part { partition, batches }]);
        self.wire.ask(7, &request, Some(()), context);
    }

    /// Error: what is wrong.
    fn answered(&mut self, response: &Response, context: &mut Context<'_>) -> Result<(), String> {
        match response {
            Response::Fetch(response) => {
                let topics = response.responses.iter();
                let data = topics.flat_map(|it| &it.partitions).next();
                data.map_or(Ok(()), |data| self.fetched(data, context))
            }
            Response::Produce(response) => {
                let topics = response.responses.iter();
                let answer = topics.flat_map(|it| &it.partition_responses).next();
                let error = answer.map(|it| ErrorCode::from_code(it.error_code));
                error.map_or(Ok(()), |error| self.produced(error, context))
            }
            other => Err(format!("the inspector is answered by {other:?}")),
        }
    }

    fn fetched(&mut self, data: &PartitionData, context: &mut Context<'_>) -> Result<(), String> {
        match ErrorCode::from_code(data.error_code) {
            ErrorCode::None => self.read(data, context),
            ErrorCode::CorruptMessage => {
                context.counts.operation("inspect a partition", false);
                self.stops()
            }
            ErrorCode::OffsetOutOfRange if self.left.front().is_some_and(|it| it.shrinks) => {
                self.position = data.log_start_offset.max(self.position + 1);
                Ok(())
            }
            error if error.retriable() => Ok(()),
            error => Err(format!("{:?} answers {error:?}", self.left.front())),
        }
    }

    /// The partition at hand has refused: nothing wrong, unless another has before.
    fn stops(&mut self) -> Result<(), String> {
        let Some(current) = self.left.front() else {
            return Ok(());
        };
        match self.stopped.replace(current.partition.clone()) {
            Some(other) if other != current.partition => {
                let refused = &current.partition;
                Err(format!(
                    "one row is damaged: {other:?} and {refused:?} stop"
                ))
            }
            _ => Ok(()),
        }
    }

    fn read(&mut self, data: &PartitionData, context: &mut Context<'_>) -> Result<(), String> {
        let Some(current) = self.left.front() else {
            return Ok(());
        };
        let partition = &current.partition;
        if data.high_watermark != current.end {
            let (end, before) = (data.high_watermark, current.end);
            return Err(format!("{partition:?} ends at {end}, and did at {before}"));
        }
        let (records, end) = whole(data).map_err(|why| format!("{partition:?}: {why}"))?;
        for record in records {
            let offset = record.offset;
            if offset < self.position {
                continue;
            }
            let id = context.oracle.shown(partition, &record);
            if id.is_none() || id != current.records.get(&offset).copied() {
                return Err(format!("{partition:?} has {id:?} at {offset}"));
            }
            self.seen.extend(id.map(|id| (offset, id)));
        }
        self.position = end.max(self.position);
        if self.position >= current.end && !current.shrinks {
            let missing = current.records.keys();
            let missing = missing.filter(|at| !self.seen.contains_key(at)).count();
            if missing > 0 {
                return Err(format!("{missing} records of {partition:?} are missing"));
            }
        }
        Ok(())
    }

    fn produced(&mut self, error: ErrorCode, context: &mut Context<'_>) -> Result<(), String> {
        let Some(current) = self.left.front() else {
            return Ok(());
        };
        let has_refused = self.stopped.as_ref() == Some(&current.partition);
        match error {
            ErrorCode::None if has_refused => {
                return Err(format!("{:?} stores behind damage", current.partition));
            }
            ErrorCode::None => context.counts.operation("inspect a partition", true),
            // What is damaged may be what only the next record needs.
            ErrorCode::KafkaStorageError => self.stops()?,
            error if error.retriable() => return Ok(()),
            error => return Err(format!("{:?} answers {error:?}", current.partition)),
        }
        self.left.pop_front();
        self.seen.clear();
        self.position = self.left.front().map_or(0, |it| it.start);
        Ok(())
    }
}

/// The records of an answer, whose batches are whole, and where they end.
fn whole(data: &PartitionData) -> Result<(Vec<Record>, i64), String> {
    let (mut all, mut end) = (Vec::new(), 0);
    let bytes = data.records.clone().unwrap_or_default();
    for batch in batches(&bytes) {
        let (header, batch) = batch.map_err(|error| error.to_string())?;
        BatchHeader::ensure_valid(&batch).map_err(|error| error.to_string())?;
        for record in records(&batch).map_err(|error| error.to_string())? {
            all.push(record.map_err(|error| error.to_string())?);
        }
        end = header.next_offset();
    }
    Ok((all, end))
}

impl Actor for Inspector {
    fn handle(&mut self, now: Now, signal: Signal, context: &mut Context<'_>) {
        if matches!(signal, Signal::Act) {
            self.is_acting = false;
            return self.act(now, context);
        }
        if let Heard::Answer { response, .. } = self.wire.hear(signal, context)
            && let Err(what) = self.answered(&response, context)
        {
            context.oracle.broken(what);
        }
    }

    fn heal(&mut self) {}

    fn is_done(&self) -> bool {
        self.left.is_empty()
    }

    fn waits_for(&self, _: &Oracle) -> Option<String> {
        let current = self.left.front()?;
        let (partition, position) = (&current.partition, self.position);
        Some(format!("{partition:?} is read up to {position}"))
    }

    fn successor(&mut self, _: &mut Random, _: &mut Oracle) -> Option<Box<dyn Actor>> {
        None
    }
}
