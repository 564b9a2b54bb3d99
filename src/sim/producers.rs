//! Applications that send.

use super::actor::{Actor, Context, Signal, Wish, drive};
use super::oracle::{Oracle, RecordId, SentRecord};
use super::scheduler::Random;
use super::workload::{BATCH_BYTES_MAX, Workload};
use crate::client::producer::{
    Acks, ProducerCommand, ProducerConfig, ProducerOutput, ProducerRecord, RecordMetadata,
};
use crate::client::{ClientConfig, ClientEvent, CommandId, KafkaError, Producer};
use crate::now::{Instant, Now};
use crate::record::Compression;
use bytes::Bytes;
use std::collections::BTreeMap;

/// Keys that records have, so that compaction finds something to do.
const KEYS: u64 = 5;
/// How long a request may take, at most.
const REQUEST_TIMEOUT_MS_MAX: u64 = 3_000;
/// How late a send may be answered beyond what its timeouts allow.
const LATE_MS_MAX: u64 = 1_000;
/// How long a send of a patient producer may take in all.
const DELIVERY_TIMEOUT_MS: u64 = 30_000;
/// How long one of an impatient producer may: it gives up what is under way.
const SHORT_DELIVERY_TIMEOUT_MS: u64 = 1_500;
/// Sends when nothing goes wrong any more: they must succeed.
pub const LAST_SENDS: usize = 2;
/// Sends when the quota is full, and bytes of their values, at least: together they are more than
/// the reserve of a small plan.
const OVERFILLING_SENDS: usize = 60;
const OVERFILLING_BYTES: usize = 4_000;
/// How often a client is closed instead of acting, where clients are.
pub const CLOSING: f64 = 0.01;
/// How often somebody uses a topic of which it should know that it is gone.
const FORGETFUL: f64 = 0.02;

/// The options that every client of a run has in common: impatient ones, so that virtual time is
/// not wasted on waiting.
pub fn client_config(random: &mut Random, client_id: String) -> ClientConfig {
    ClientConfig {
        client_id,
        request_timeout_ms: random.pick(&[1_000, REQUEST_TIMEOUT_MS_MAX]),
        metadata_max_age_ms: random.pick(&[2_000, 300_000]),
        allow_auto_topic_creation: false,
        ..ClientConfig::default()
    }
}

/// A producer and the application that uses it.
pub struct ProducerActor {
    machine: Producer,
    number: usize,
    workload: Workload,
    acks: Acks,
    idempotent: Option<bool>,
    compression: Compression,
    patient: bool,
    sends_left: usize,
    healed: bool,
    /// Whether there is no room for what it sends.
    overfills: bool,
    open: BTreeMap<CommandId, OpenSend>,
    next_command: u64,
    acting: bool,
    closing: Option<CommandId>,
}

/// A send that is not answered.
struct OpenSend {
    /// By topic, in order.
    records: BTreeMap<String, Vec<RecordId>>,
    after_heal: bool,
    /// When it must have been answered, where no gap in time puts that off.
    deadline: Option<Instant>,
}

impl ProducerActor {
    /// The producer of this number; no two have the same.
    pub fn new(random: &mut Random, number: usize, workload: &Workload) -> ProducerActor {
        let acks = random.pick(&[Acks::All, Acks::All, Acks::All, Acks::Leader, Acks::None]);
        let idempotent = match acks {
            Acks::All => random.pick(&[None, Some(true), Some(false)]),
            _ => None,
        };
        let patient = random.chance(0.8);
        let config = ProducerConfig {
            client: client_config(random, format!("producer-{number}")),
            linger_ms: random.pick(&[0, 0, 5, 100]),
            batch_size_bytes: random.pick(&[200, BATCH_BYTES_MAX]),
            delivery_timeout_ms: match patient {
                true => DELIVERY_TIMEOUT_MS,
                false => SHORT_DELIVERY_TIMEOUT_MS,
            },
            idempotent,
            ..ProducerConfig::default()
        };
        ProducerActor {
            machine: Producer::new(config, random.number()),
            number,
            workload: workload.clone(),
            acks,
            idempotent,
            compression: random.pick(&[
                Compression::None,
                Compression::None,
                Compression::Lz4,
                Compression::Snappy,
            ]),
            patient,
            sends_left: workload.sends,
            healed: false,
            overfills: false,
            open: BTreeMap::new(),
            next_command: 0,
            acting: false,
            closing: None,
        }
    }

    fn is_idempotent(&self) -> bool {
        self.acks == Acks::All && self.idempotent != Some(false)
    }

    fn feed(&mut self, now: Now, event: ClientEvent<ProducerCommand>, context: &mut Context<'_>) {
        let bytes = command_bytes(&event);
        for output in drive(&mut self.machine, now, event, bytes, context) {
            match output {
                ProducerOutput::Sent {
                    id,
                    partitions,
                    error,
                } => self.sent(now, id, &partitions, error, context),
                ProducerOutput::Closed { id } => self.closed(id, context),
                _ => {}
            }
        }
        if self.may_send() && !self.acting {
            self.acting = true;
            let ms = context.random.between(0, self.workload.think_ms_max);
            context.wishes.push(Wish::ActIn(ms));
        }
    }

    /// How long a send may take in all: what is under way when its time is over is awaited.
    fn answer_ms_max(&self) -> u64 {
        let delivery_timeout_ms = match self.patient {
            true => DELIVERY_TIMEOUT_MS,
            false => SHORT_DELIVERY_TIMEOUT_MS,
        };
        delivery_timeout_ms + REQUEST_TIMEOUT_MS_MAX + LATE_MS_MAX
    }

    fn may_send(&self) -> bool {
        self.sends_left > 0
            && (self.overfills || self.open.len() < self.workload.sends_open_max)
            && self.closing.is_none()
    }

    fn command_id(&mut self) -> CommandId {
        self.next_command += 1;
        CommandId(self.next_command)
    }

    /// Closes behind what it has sent, which must all be answered by then.
    fn close(&mut self, now: Now, context: &mut Context<'_>) {
        let id = self.command_id();
        self.closing = Some(id);
        let command = ProducerCommand::Close { id };
        self.feed(now, ClientEvent::Command(command), context);
    }

    fn closed(&mut self, id: CommandId, context: &mut Context<'_>) {
        context.counts.operation("close a producer", true);
        if self.closing != Some(id) || !self.open.is_empty() {
            let (number, open) = (self.number, self.open.len());
            let what = format!("producer-{number} has closed with {open} sends unanswered");
            context.oracle.broken(what);
        }
        context.wishes.push(Wish::Retire);
    }

    fn send(&mut self, now: Now, context: &mut Context<'_>) {
        self.sends_left -= 1;
        let id = self.command_id();
        let mut records: BTreeMap<String, Vec<RecordId>> = BTreeMap::new();
        let mut topic_messages: Vec<(String, Vec<ProducerRecord>)> = Vec::new();
        let topics = if context.random.chance(0.2) { 2 } else { 1 };
        for _ in 0..topics {
            let plan = &self.workload.topics[context.random.below(self.workload.topics.len())];
            let gone = context.oracle.is_deleted(&plan.name) && !context.random.chance(FORGETFUL);
            let plan = if gone { &self.workload.topics[0] } else { plan };
            if records.contains_key(&plan.name) {
                continue;
            }
            let partition = (!plan.compacted && context.random.chance(0.5))
                .then(|| context.random.below(plan.partitions as usize) as i32);
            let count = context.random.between(1, self.workload.records_max as u64);
            let mut messages = Vec::new();
            for _ in 0..count {
                let (id, record) = self.record(&plan.name, plan.compacted, partition, context);
                records.entry(plan.name.clone()).or_default().push(id);
                messages.push(record);
            }
            topic_messages.push((plan.name.clone(), messages));
        }
        context.trace.line(|| {
            let number = self.number;
            format!("producer-{number} sends {:?}: {records:?}", id.0)
        });
        // One that joins a batch of before shares its time, as with Kafka's `delivery.timeout.ms`.
        let after_heal =
            self.healed && !self.overfills && self.open.values().all(|send| send.after_heal);
        self.open.insert(
            id,
            OpenSend {
                records,
                after_heal,
                deadline: (self.overfills).then(|| now.monotonic + self.answer_ms_max()),
            },
        );
        let command = ProducerCommand::Send {
            id,
            topic_messages,
            acks: self.acks,
            timeout_ms: 5_000,
            compression: self.compression,
        };
        self.feed(now, ClientEvent::Command(command), context);
    }

    fn record(
        &self,
        topic: &str,
        compacted: bool,
        partition: Option<i32>,
        context: &mut Context<'_>,
    ) -> (RecordId, ProducerRecord) {
        let random = &mut *context.random;
        let keyed = compacted || random.chance(0.5);
        let key = keyed.then(|| Bytes::from(format!("key-{}", random.below(KEYS as usize))));
        let value = match compacted && random.chance(0.1) {
            true => None,
            false => {
                let least = if self.overfills { OVERFILLING_BYTES } else { 0 };
                let length = random.below(self.workload.padding_bytes_max + 1).max(least);
                let fill = random.number() as u8;
                Some(Bytes::from(vec![fill; length]))
            }
        };
        let (id, headers) = context.oracle.send(SentRecord {
            producer: self.number,
            topic: topic.to_owned(),
            partition,
            key: key.clone(),
            value: value.clone(),
            acks: self.acks,
            idempotent: self.is_idempotent(),
            power_losses: context.oracle.power_losses(),
            acknowledged: None,
        });
        let record = ProducerRecord {
            key,
            value,
            headers,
            partition,
            timestamp: None,
        };
        (id, record)
    }

    fn sent(
        &mut self,
        now: Now,
        id: CommandId,
        partitions: &[RecordMetadata],
        error: Option<KafkaError>,
        context: &mut Context<'_>,
    ) {
        let Some(send) = self.open.remove(&id) else {
            let what = format!("producer-{} was answered {id:?} twice", self.number);
            return context.oracle.broken(what);
        };
        context.trace.line(|| {
            let number = self.number;
            format!(
                "producer-{number} is answered {}: {partitions:?} {error:?}",
                id.0
            )
        });
        let name = match (self.acks, self.is_idempotent()) {
            (Acks::None, _) => "send acks=0",
            (Acks::Leader, _) => "send acks=1",
            (Acks::All, true) => "send acks=all idempotent",
            (Acks::All, false) => "send acks=all",
        };
        context.counts.operation(name, error.is_none());
        if send
            .deadline
            .is_some_and(|deadline| deadline < now.monotonic)
        {
            let (number, ms) = (self.number, self.answer_ms_max());
            let what = format!("a send of producer-{number} took more than {ms} ms");
            context.oracle.broken(what);
        }
        if let Some(error) = &error {
            let deleted = send.records.keys().any(|it| context.oracle.is_deleted(it));
            if send.after_heal && self.patient && !deleted {
                let number = self.number;
                let what = format!("producer-{number} failed when nothing went wrong: {error}");
                context.oracle.broken(what);
            }
        }
        for (topic, ids) in send.records {
            let told: Vec<_> = partitions.iter().filter(|it| it.topic == topic).collect();
            acknowledge(&ids, &told, context);
        }
    }
}

impl Actor for ProducerActor {
    fn handle(&mut self, now: Now, signal: Signal, context: &mut Context<'_>) {
        let event = match signal {
            Signal::Connected(connection) => ClientEvent::Connected { connection },
            Signal::Frame {
                connection, frame, ..
            } => ClientEvent::Frame { connection, frame },
            Signal::Closed(connection) => ClientEvent::Closed { connection },
            Signal::Woken => ClientEvent::Woken,
            Signal::Act => {
                self.acting = false;
                if self.may_send() {
                    match self.workload.closes && !self.healed && context.random.chance(CLOSING) {
                        true => self.close(now, context),
                        false => self.send(now, context),
                    }
                }
                return;
            }
        };
        self.feed(now, event, context);
    }

    fn heal(&mut self) {
        self.healed = true;
        self.overfills = false;
        self.sends_left = LAST_SENDS;
    }

    fn overfill(&mut self) {
        self.overfills = true;
        self.sends_left = OVERFILLING_SENDS;
    }

    fn is_done(&self) -> bool {
        self.sends_left == 0 && self.open.is_empty()
    }

    fn waits_for(&self, _: &Oracle) -> Option<String> {
        let number = self.number;
        match (self.open.is_empty(), self.sends_left) {
            _ if self.closing.is_some() => Some(format!("producer-{number} closes")),
            (true, 0) => None,
            (false, _) => {
                let open: Vec<_> = self.open.keys().map(|id| id.0).collect();
                Some(format!("producer-{number} waits for sends {open:?}"))
            }
            (true, left) => Some(format!("producer-{number} has {left} sends to go")),
        }
    }

    fn successor(&mut self, random: &mut Random, _oracle: &mut Oracle) -> Option<Box<dyn Actor>> {
        // Sends that were open are neither acknowledged nor refused: nothing is promised.
        let mut next = ProducerActor::new(random, self.number + 1_000, &self.workload);
        next.sends_left = self.sends_left;
        next.healed = self.healed;
        next.overfills = self.overfills;
        Some(Box::new(next))
    }
}

/// Tells the oracle where the records of one send and topic are: those of one partition stand
/// together, in order.
fn acknowledge(ids: &[RecordId], told: &[&RecordMetadata], context: &mut Context<'_>) {
    if let [only] = told {
        let mut offset = only.base_offset;
        for id in ids.iter().filter(|_| only.error_code == 0) {
            context.oracle.acknowledged(*id, only.partition, offset);
            offset += i64::from(offset >= 0);
        }
        return;
    }
    // Which of several partitions a record without one went to is the client's secret, except
    // that records of a key are together: the log tells. All of them are somewhere.
    if told.iter().all(|it| it.error_code == 0) && !told.is_empty() {
        for id in ids {
            context.oracle.acknowledged_somewhere(*id);
        }
    }
}

/// The bytes of the values that a command sends.
fn command_bytes(event: &ClientEvent<ProducerCommand>) -> usize {
    let ClientEvent::Command(ProducerCommand::Send { topic_messages, .. }) = event else {
        return 0;
    };
    let records = topic_messages.iter().flat_map(|(_, records)| records);
    records
        .filter_map(|record| record.value.as_ref())
        .map(Bytes::len)
        .sum()
}
