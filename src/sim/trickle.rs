//! Somebody who sends a record now and then, when nothing goes wrong any more, until what was sent
//! before must be gone: what expires in a log, or is replaced in it, may not wait for much to come.

use super::actor::{Actor, Context, Signal, Wish};
use super::oracle::{Oracle, RecordId, SentRecord};
use super::scheduler::Random;
use super::wire::{Heard, Wire};
use super::workload::{TopicPlan, Workload};
use crate::client::producer::Acks;
use crate::now::{Instant, Now};
use crate::protocol::messages::produce_request::{
    PartitionProduceData, ProduceRequest, TopicProduceData,
};
use crate::protocol::{Request, Response};
use crate::record::{BatchBuilder, BatchFields, Compression, Header};
use bytes::Bytes;

/// Numbers it among the producers.
const PRODUCER: usize = 1_000_000;
/// How long an answer may take before it tries another connection.
const ANSWER_MS_MAX: u64 = 5_000;
/// Time between two records, of all topics.
const PAUSES_MS: [u64; 3] = [300, 800, 2_500];

/// See the module.
pub struct TrickleActor {
    wire: Wire<(RecordId, i32)>,
    /// Topics whose records go in time; those that get nothing any more are not among them.
    topics: Vec<TopicPlan>,
    aging_ms: u64,
    pause_ms: u64,
    /// Until when it goes on, when nothing goes wrong any more.
    until_ms: Option<i64>,
    is_healed: bool,
    is_done: bool,
    is_acting: bool,
    asked_at: Instant,
}

impl TrickleActor {
    /// Somebody who sends to some of the topics that age, if any do.
    pub fn new(random: &mut Random, workload: &Workload) -> Option<TrickleActor> {
        let aging_ms = workload.aging_ms()?;
        let mut topics = workload.topics.clone();
        topics.retain(|plan| plan.aging.is_some() && random.chance(0.7));
        Some(TrickleActor {
            wire: Wire::new("trickle".to_owned()),
            topics,
            aging_ms,
            pause_ms: random.pick(&PAUSES_MS),
            until_ms: None,
            is_healed: false,
            is_done: false,
            is_acting: false,
            asked_at: Instant(0),
        })
    }

    fn act(&mut self, now: Now, context: &mut Context<'_>) {
        if !self.is_healed || self.is_done {
            return;
        }
        // What was sent while the wall clock went ahead is no older than that.
        let until_ms = *self
            .until_ms
            .get_or_insert_with(|| context.oracle.settle_ages() + self.aging_ms as i64);
        if now.wall.0 > until_ms && self.wire.open() == 0 {
            self.is_done = true;
            return;
        }
        if !self.is_acting {
            self.is_acting = true;
            context.wishes.push(Wish::ActIn(self.pause_ms));
        }
        let late = now.monotonic.0 > self.asked_at.0 + ANSWER_MS_MAX;
        if self.wire.open() > 0 && late {
            self.wire.disconnect(context);
        }
        self.wire.connect(context);
        if self.wire.is_connected() && self.wire.open() == 0 && now.wall.0 <= until_ms {
            self.send(now, context);
        }
    }

    fn send(&mut self, now: Now, context: &mut Context<'_>) {
        let topics = self.topics.iter();
        let topics = topics.filter(|plan| !context.oracle.is_deleted(&plan.name));
        let topics: Vec<_> = topics.collect();
        if topics.is_empty() {
            return;
        }
        let plan = context.random.pick(&topics);
        let partition = context.random.below(plan.partitions as usize) as i32;
        let key = Bytes::from(format!("trickle-{partition}-{}", context.random.below(3)));
        let tombstone = plan.compacted && context.random.chance(0.2);
        let value = (!tombstone).then(|| Bytes::from_static(b"trickled"));
        let (id, headers) = context.oracle.send(SentRecord {
            producer: PRODUCER,
            topic: plan.name.clone(),
            partition: Some(partition),
            key: Some(key.clone()),
            value: value.clone(),
            acks: Acks::All,
            idempotent: false,
            power_losses: context.oracle.power_losses(),
            acknowledged: None,
        });
        let records = batch(now, Compression::None, &[(Some(key), value, headers)]);
        let request = Request::Produce(ProduceRequest {
            acks: -1,
            timeout_ms: 3_000,
            topic_data: vec![TopicProduceData {
                name: plan.name.clone(),
                partition_data: vec![PartitionProduceData {
                    index: partition,
                    records: Some(records),
                    ..PartitionProduceData::default()
                }],
                ..TopicProduceData::default()
            }],
            ..ProduceRequest::default()
        });
        self.asked_at = now.monotonic;
        self.wire.ask(7, &request, Some((id, partition)), context);
    }

    fn answered(
        &self,
        (id, partition): (RecordId, i32),
        response: Response,
        context: &mut Context<'_>,
    ) {
        let Response::Produce(response) = response else {
            return;
        };
        let answers = response
            .responses
            .iter()
            .flat_map(|it| &it.partition_responses);
        for answer in answers {
            let ok = answer.error_code == 0;
            context.counts.operation("trickle", ok);
            if ok {
                context
                    .oracle
                    .acknowledged(id, partition, answer.base_offset);
            }
        }
    }
}

/// A batch of such records.
pub fn batch(
    now: Now,
    compression: Compression,
    records: &[(Option<Bytes>, Option<Bytes>, Vec<Header>)],
) -> Bytes {
    let mut batch = BatchBuilder::new(compression);
    for (key, value, headers) in records {
        let appended = batch.append(now.wall.0, key.as_deref(), value.as_deref(), headers);
        debug_assert!(appended.is_ok(), "it is small");
    }
    batch.build(BatchFields::default())
}

impl Actor for TrickleActor {
    fn handle(&mut self, now: Now, signal: Signal, context: &mut Context<'_>) {
        if matches!(signal, Signal::Act) {
            self.is_acting = false;
            return self.act(now, context);
        }
        if let Heard::Answer {
            asked, response, ..
        } = self.wire.hear(signal, context)
        {
            self.answered(asked, *response, context);
        }
    }

    fn heal(&mut self) {
        self.is_healed = true;
    }

    fn is_done(&self) -> bool {
        true
    }

    fn waits_for(&self, _: &Oracle) -> Option<String> {
        (!self.is_done).then(|| "what has aged is not gone yet".to_owned())
    }

    fn successor(&mut self, _: &mut Random, _: &mut Oracle) -> Option<Box<dyn Actor>> {
        None
    }
}
