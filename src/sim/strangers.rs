//! Somebody who speaks frames as the package's clients never do: pipelines behind a long poll, many
//! names in a frame, old versions, several partitions or batches at once, and what is none at all.

use super::actor::{Actor, Context, Signal, Wish};
use super::named;
use super::oracle::{Oracle, SentRecord};
use super::questions::{FetchQuestion, Part, Question, check, produce};
use super::scheduler::Random;
use super::trickle::batch;
use super::wire::{Heard, Wire};
use super::workload::{TopicPlan, Workload};
use crate::client::TopicPartition;
use crate::client::producer::Acks;
use crate::now::{Instant, Now};
use crate::protocol::messages::api_versions_request::ApiVersionsRequest;
use crate::protocol::{ApiKey, Request};
use crate::record::Compression;
use bytes::{BufMut, Bytes, BytesMut};

/// Numbers strangers among the producers, from here on.
const PRODUCERS_FROM: usize = 2_000_000;
/// How long a stranger waits for an answer before it tries another connection.
const PATIENCE_MS: u64 = 5_000;
/// How long it takes to be answered when nothing goes wrong any more, at most.
const ANSWER_MS_MAX: u64 = 30_000;
/// Scenes of a stranger, at most.
const SCENES_MAX: usize = 12;
/// Scenes when nothing goes wrong any more: all of it must be answered.
const LAST_SCENES: usize = 3;
/// Most time between two scenes.
const PAUSE_MS_MAX: u64 = 500;
/// How much of a partition a fetch of a pipeline asks for.
const PIPELINE_BYTES: [i32; 3] = [500, 5_000, 1 << 20];
/// How often a stranger leaves in the middle.
const LEAVING: f64 = 0.1;

/// See the module.
pub struct StrangerActor {
    name: String,
    number: usize,
    wire: Wire<Question>,
    topics: Vec<TopicPlan>,
    scenes_left: usize,
    is_healed: bool,
    /// Whether the connection is from after that.
    is_afresh: bool,
    is_acting: bool,
    /// The connection must end, as what was sent last is nothing that can be answered.
    ends: bool,
    asked_at: Instant,
}

impl StrangerActor {
    /// The stranger of this number; no two have the same.
    pub fn new(random: &mut Random, number: usize, workload: &Workload) -> StrangerActor {
        let name = format!("stranger-{number}");
        StrangerActor {
            wire: Wire::new(name.clone()),
            name,
            number,
            topics: workload.topics.clone(),
            scenes_left: random.between(1, SCENES_MAX as u64) as usize,
            is_healed: false,
            is_afresh: false,
            is_acting: false,
            ends: false,
            asked_at: Instant(0),
        }
    }

    fn act(&mut self, now: Now, context: &mut Context<'_>) {
        let waits = self.wire.open() > 0 || self.ends;
        if self.scenes_left == 0 && !waits {
            return;
        }
        self.act_again(context);
        if self.is_healed && !self.is_afresh {
            // Of a connection from before it may not have heard that it is gone.
            self.is_afresh = true;
            self.leave(context);
        } else if waits {
            let patience_ms = match self.is_healed {
                true => ANSWER_MS_MAX,
                false => PATIENCE_MS,
            };
            if now.monotonic.0 > self.asked_at.0 + patience_ms {
                self.give_up(context);
            }
            return;
        }
        self.wire.connect(context);
        if self.wire.is_connected() {
            self.asked_at = now.monotonic;
            self.scenes_left -= 1;
            self.scene(now, context);
            if !self.is_healed && context.random.chance(LEAVING) {
                self.leave(context);
            }
        }
    }

    fn act_again(&mut self, context: &mut Context<'_>) {
        if !self.is_acting {
            self.is_acting = true;
            let ms = context.random.between(1, PAUSE_MS_MAX);
            context.wishes.push(Wish::ActIn(ms));
        }
    }

    fn give_up(&mut self, context: &mut Context<'_>) {
        if self.is_healed {
            let (name, open) = (&self.name, self.wire.open());
            let what = format!("{name} waits {ANSWER_MS_MAX} ms for {open} answers");
            context.oracle.broken(what);
        }
        self.leave(context);
    }

    fn leave(&mut self, context: &mut Context<'_>) {
        self.ends = false;
        self.wire.disconnect(context);
    }

    fn scene(&mut self, now: Now, context: &mut Context<'_>) {
        let scene = context.random.below(7);
        let names = [
            "stranger: pipeline",
            "stranger: small produces behind a fetch",
            "stranger: many names",
            "stranger: many names",
            "stranger: produce",
            "stranger: no such version",
            "stranger: garbage",
        ];
        context.counts.operation(names[scene], true);
        context
            .trace
            .line(|| format!("{}: {}", self.name, names[scene]));
        match scene {
            0 => self.pipeline(now, context),
            1 => self.parked(now, context),
            2 | 3 => self.name_many(context),
            4 => {
                let several = context.random.between(1, 4);
                self.produce(now, several as usize, context);
            }
            5 => self.ask_in_no_version(context),
            _ => self.send_garbage(context),
        }
    }

    /// A long poll, and many requests behind it.
    fn pipeline(&mut self, now: Now, context: &mut Context<'_>) {
        let count = context.random.pick(&[3, 3, 30, 30, 200]);
        let bytes = context.random.pick(&PIPELINE_BYTES);
        self.fetch(now, (1 << 30, 400), bytes, context);
        for _ in 0..count {
            self.fetch(now, (0, 0), bytes, context);
        }
    }

    /// A fetch that waits for more bytes, which come in small pieces.
    fn parked(&mut self, now: Now, context: &mut Context<'_>) {
        let min_bytes = context.random.pick(&[1, 500, 5_000]);
        let max_wait_ms = context.random.pick(&[0, 100, 1_000]);
        self.fetch(now, (min_bytes, max_wait_ms), 1 << 20, context);
        for _ in 0..context.random.below(20) {
            self.produce(now, 1, context);
        }
    }

    fn fetch(
        &mut self,
        now: Now,
        (min_bytes, max_wait_ms): (i32, i32),
        partition_max_bytes: i32,
        context: &mut Context<'_>,
    ) {
        let mut question = FetchQuestion {
            places: [].into(),
            min_bytes,
            max_wait_ms,
            at: now.monotonic,
        };
        for _ in 0..context.random.between(1, 3) {
            let Some(partition) = self.partition(context) else {
                return;
            };
            let floor = context.oracle.high_watermark_floor(&partition);
            let offset = context.random.below(floor as usize + 1) as i64;
            question.places.insert(partition, (offset, floor));
        }
        let version = context.random.pick(&[4, 5, 7, 9, 11, 12]);
        let request = question.request(partition_max_bytes);
        let question = Question::Fetch(question);
        self.wire.ask(version, &request, Some(question), context);
    }

    /// A partition of a topic that is there.
    fn partition(&self, context: &mut Context<'_>) -> Option<TopicPartition> {
        let topics = self.topics.iter();
        let topics = topics.filter(|plan| !context.oracle.is_deleted(&plan.name));
        let topics: Vec<_> = topics.collect();
        if topics.is_empty() {
            return None;
        }
        let plan = context.random.pick(&topics);
        let partition = context.random.below(plan.partitions as usize) as i32;
        Some(TopicPartition::new(plan.name.clone(), partition))
    }

    /// Records for some partitions, one of which may be named twice, or have two batches.
    fn produce(&mut self, now: Now, several: usize, context: &mut Context<'_>) {
        let acks = context.random.pick(&[-1, -1, 1, 1, 0]);
        let mut parts = Vec::new();
        for _ in 0..several {
            if let Some(partition) = self.partition(context) {
                let batches = if context.random.chance(0.1) { 2 } else { 1 };
                let acks = match acks {
                    -1 => Acks::All,
                    1 => Acks::Leader,
                    _ => Acks::None,
                };
                let batches = (0..batches).map(|_| self.records(now, &partition, acks, context));
                let batches = batches.collect();
                parts.push(Part { partition, batches });
            }
        }
        if parts.is_empty() {
            return;
        }
        let version = context.random.pick(&[3, 5, 7, 8, 9, 12]);
        let request = produce(acks, &parts);
        let question = (acks != 0).then_some(Question::Produce(parts));
        self.wire.ask(version, &request, question, context);
    }

    fn records(
        &self,
        now: Now,
        partition: &TopicPartition,
        acks: Acks,
        context: &mut Context<'_>,
    ) -> (Vec<usize>, Bytes) {
        let (mut ids, mut records) = (Vec::new(), Vec::new());
        for _ in 0..context.random.between(1, 3) {
            let number = partition.partition;
            let key = Bytes::from(format!("stranger-{number}-{}", context.random.below(3)));
            let value = Bytes::from_static(b"strange");
            let (id, headers) = context.oracle.send(SentRecord {
                producer: PRODUCERS_FROM + self.number,
                topic: partition.topic.clone(),
                partition: Some(number),
                key: Some(key.clone()),
                value: Some(value.clone()),
                acks,
                idempotent: false,
                power_losses: context.oracle.power_losses(),
                acknowledged: None,
            });
            ids.push(id);
            records.push((Some(key), Some(value), headers));
        }
        let compression = context.random.pick(&[Compression::None, Compression::Lz4]);
        (ids, batch(now, compression, &records))
    }

    /// A frame that names very much, most of which there is not.
    fn name_many(&mut self, context: &mut Context<'_>) {
        let count = context.random.pick(&[1, 20, 20, 300, 300, 3_000]);
        let names: Vec<_> = (0..count).map(|it| format!("stranger-{it}")).collect();
        let (version, request) = match context.random.below(6) {
            0 => (context.random.pick(&[1, 4, 9, 12]), named::metadata(&names)),
            1 => {
                let logs = names.iter().map(|name| (name.clone(), 0));
                let version = context.random.pick(&[1, 4, 6]);
                (version, named::list_offsets(logs, named::LATEST_TIMESTAMP))
            }
            2 => (
                context.random.pick(&[2, 5, 9]),
                named::offset_commit(&names),
            ),
            3 => (context.random.pick(&[1, 3, 7]), named::offset_fetch(&names)),
            4 => (
                context.random.pick(&[1, 4, 5]),
                named::delete_topics(&names),
            ),
            _ => {
                let request = named::join_group(&names);
                // From version 4 on it is told its name first, and is no member before it comes
                // again.
                let version = context.random.pick(&[4, 5, 9]);
                let question = Some(Question::Anything);
                return self.wire.ask(version, &request, question, context);
            }
        };
        let question = Some(Question::Names(names));
        self.wire.ask(version, &request, question, context);
    }

    /// A version of ApiVersions that there is not is answered; of anything else it is the end.
    fn ask_in_no_version(&mut self, context: &mut Context<'_>) {
        let api_key = context.random.pick(&[
            ApiKey::ApiVersions,
            ApiKey::ApiVersions,
            ApiKey::Fetch,
            ApiKey::Metadata,
        ]);
        if context.random.chance(0.5) {
            let request = Request::ApiVersions(ApiVersionsRequest::default());
            let question = Some(Question::Anything);
            self.wire.ask(0, &request, question, context);
        }
        let mut frame = BytesMut::new();
        frame.put_i16(api_key.code());
        frame.put_i16(99);
        frame.put_i32(self.wire.next_correlation_id());
        frame.put_i16(-1);
        frame.put_u8(0);
        self.ends = api_key != ApiKey::ApiVersions;
        let question = (!self.ends).then_some((Question::Unsupported, (api_key, 0)));
        self.wire.send(frame.freeze(), question, context);
    }

    /// Bytes that are no request: the connection ends, and nothing else does.
    fn send_garbage(&mut self, context: &mut Context<'_>) {
        let length = context.random.below(40);
        let rest = (0..length).map(|_| context.random.number() as u8);
        let rest: Vec<u8> = rest.collect();
        let bytes: Vec<u8> = match context.random.below(3) {
            // No API has this key.
            0 => [&[0x7f, 0xff][..], &rest].concat(),
            // A fetch with more topics than its bytes can hold.
            1 => vec![0, 1, 0, 4, 0, 0, 0, 1, 0xff, 0xff, 0x7f, 0xff],
            // One that is cut.
            _ => vec![0, 3, 0, 1, 0],
        };
        self.ends = true;
        self.wire.send(bytes.into(), None, context);
    }
}

impl Actor for StrangerActor {
    fn handle(&mut self, now: Now, signal: Signal, context: &mut Context<'_>) {
        if matches!(signal, Signal::Act) {
            self.is_acting = false;
            return self.act(now, context);
        }
        match self.wire.hear(signal, context) {
            Heard::Answer {
                asked,
                response,
                newest,
            } => {
                if let Err(what) = check(asked, &response, (now, newest), context) {
                    let what = format!("{}: {what}", self.name);
                    context.oracle.broken(what);
                }
            }
            Heard::Closed => {
                self.ends = false;
                self.act_again(context);
            }
            Heard::Connected | Heard::Nothing => {}
        }
    }

    fn heal(&mut self) {
        self.is_healed = true;
        self.scenes_left = LAST_SCENES;
    }

    fn is_done(&self) -> bool {
        self.scenes_left == 0
    }

    fn waits_for(&self, _: &Oracle) -> Option<String> {
        let name = &self.name;
        match (self.scenes_left, self.wire.open()) {
            (0, 0) if self.ends => Some(format!("{name} waits for the end of its connection")),
            (0, 0) => None,
            (left, open) => Some(format!(
                "{name} has {left} scenes left and {open} questions"
            )),
        }
    }

    fn successor(&mut self, _: &mut Random, _: &mut Oracle) -> Option<Box<dyn Actor>> {
        None
    }
}
