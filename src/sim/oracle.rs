//! What was promised, what was shown, and what breaks a promise.
//!
//! The oracle knows what each `acks` promises and nothing of how a broker keeps it: it hears what
//! clients send, what they are told, and what they read.

use super::ages::{Aged, Ages, stored_records};
use super::generations::Generations;
use super::inspector::LastRead;
use super::workload::{TopicPlan, Workload};
use crate::client::TopicPartition;
use crate::client::producer::Acks;
use crate::now::Now;
use crate::record::{Header, Record};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};

/// Names a record that was sent; its header says it.
pub type RecordId = usize;

/// What a record takes besides its value in a batch of many, at least.
const RECORD_BYTES_MIN: usize = 10;

/// The header that names a record.
const ID_HEADER: &[u8] = b"id";

/// Everything that was promised so far.
#[derive(Debug, Default)]
pub struct Oracle {
    violation: Option<String>,
    topics: BTreeMap<String, TopicPlan>,
    deleted: BTreeSet<String>,
    /// Partitions of topics that admins made; 0 for those that they deleted.
    promised_topics: BTreeMap<String, usize>,
    sent: Vec<SentRecord>,
    /// Tombstones of topics that age, by topic and key.
    tombstones: BTreeMap<(String, Bytes), Vec<RecordId>>,
    ages: Ages,
    partitions: BTreeMap<TopicPartition, PartitionHistory>,
    commits: BTreeMap<(String, TopicPartition), CommitHistory>,
    generations: Generations,
    /// How often the power was lost: what was told before the last time on relaxed media may be
    /// gone.
    power_losses: u32,
}

/// A record that somebody sent.
#[derive(Debug)]
pub struct SentRecord {
    /// Who.
    pub producer: usize,
    /// Where to.
    pub topic: String,
    /// Where to, if the application said.
    pub partition: Option<i32>,
    /// The whole record but for its offset and timestamp.
    pub key: Option<Bytes>,
    /// Likewise.
    pub value: Option<Bytes>,
    /// What the producer waits for.
    pub acks: Acks,
    /// Whether the broker must drop duplicates.
    pub idempotent: bool,
    /// How often the power was lost before. A send is answered as a whole, so a part of it may
    /// have been acknowledged long before the application hears of it.
    pub power_losses: u32,
    /// What the producer was told.
    pub acknowledged: Option<Acknowledged>,
}

/// What a producer was told of a record.
#[derive(Clone, Copy, Debug)]
pub struct Acknowledged {
    /// -1 if not known.
    partition: i32,
    /// -1 if not known.
    offset: i64,
}

/// What is known of a partition.
#[derive(Debug, Default)]
struct PartitionHistory {
    /// What was read at each offset, and after how many power losses.
    shown: BTreeMap<i64, (RecordId, u32)>,
    high_watermark: (i64, u32),
    /// The greatest log start that was shown after so many power losses, the latest ones.
    log_start_offset: (i64, u32),
    /// The greatest that DeleteRecords was acknowledged with.
    deleted_to: (i64, u32),
    /// How far somebody asked for records to be deleted.
    deletion_asked: i64,
    last_log: Option<LastLog>,
}

/// A partition as it is in the end.
#[derive(Debug)]
struct LastLog {
    log_start_offset: i64,
    high_watermark: i64,
    records: BTreeMap<i64, RecordId>,
    /// Of a topic that ages.
    aged: Vec<Aged>,
}

/// What a group committed for a partition.
#[derive(Debug, Default)]
struct CommitHistory {
    acknowledged: Option<(i64, u32)>,
    attempted: BTreeSet<i64>,
    /// The least offset that a member went back to: what it commits from there on may be lost, and
    /// so may what it committed before.
    rewound_to: Option<i64>,
}

impl Oracle {
    /// Knows the topics' promises.
    pub fn new(workload: &Workload) -> Oracle {
        let topics = workload.topics.iter();
        Oracle {
            topics: topics
                .map(|plan| (plan.name.clone(), plan.clone()))
                .collect(),
            ages: Ages::new(workload),
            ..Oracle::default()
        }
    }

    /// The clocks go on.
    pub fn clock(&mut self, now: Now) {
        self.ages.clock(now);
    }

    /// How far the wall clock has been set back.
    pub fn wall_behind_ms(&self) -> i64 {
        self.ages.wall_behind_ms()
    }

    /// Nothing goes wrong any more: until when records of before may still be written.
    pub fn settle_ages(&mut self) -> i64 {
        self.ages.settle()
    }

    /// The first broken promise.
    pub fn violation(&self) -> Option<&str> {
        self.violation.as_deref()
    }

    /// A promise was broken.
    pub fn broken(&mut self, what: String) {
        self.violation.get_or_insert(what);
    }

    /// Nobody knows whether a topic is there until the answer comes.
    pub fn topic_uncertain(&mut self, topic: &str) {
        self.promised_topics.remove(topic);
    }

    /// Somebody was told that a topic has so many partitions; 0: that it is gone.
    pub fn topic_promised(&mut self, topic: &str, partitions: usize) {
        self.promised_topics.insert(topic.to_owned(), partitions);
    }

    /// In the end: all topics, with their partitions.
    pub fn last_topics(&mut self, all: &BTreeMap<&str, usize>) {
        let wrong = self.promised_topics.iter().find(|(topic, promised)| {
            let there = all.get(topic.as_str()).copied().unwrap_or_default();
            there < **promised || (**promised == 0 && there > 0)
        });
        if let Some((topic, promised)) = wrong {
            let there = all.get(topic.as_str());
            let what = format!("{topic} was to have {promised} partitions, and has {there:?}");
            self.broken(what);
        }
    }

    /// Somebody asks for a topic to be deleted: nothing is promised of its records any more.
    pub fn topic_doomed(&mut self, topic: &str) {
        self.deleted.insert(topic.to_owned());
    }

    /// Whether somebody asked for a topic to be deleted.
    pub fn is_deleted(&self, topic: &str) -> bool {
        self.deleted.contains(topic)
    }

    /// The power was lost.
    pub fn power_lost(&mut self) {
        self.power_losses += 1;
    }

    /// How often the power was lost so far.
    pub fn power_losses(&self) -> u32 {
        self.power_losses
    }

    /// Somebody sends a record: returns its name, and the headers to send it with.
    pub fn send(&mut self, record: SentRecord) -> (RecordId, Vec<Header>) {
        let id = self.sent.len();
        if record.value.is_none()
            && self.ages.has(&record.topic)
            && let Some(key) = &record.key
        {
            let key = (record.topic.clone(), key.clone());
            self.tombstones.entry(key).or_default().push(id);
        }
        self.sent.push(record);
        let header = Header {
            key: Bytes::from_static(ID_HEADER),
            value: Some(id.to_string().into()),
        };
        (id, vec![header])
    }

    /// A producer is told that a record is stored.
    pub fn acknowledged(&mut self, id: RecordId, partition: i32, offset: i64) {
        let sent = &mut self.sent[id];
        if sent.partition.is_some_and(|asked| asked != partition) {
            let what = format!("record {id} was stored in partition {partition}, not as asked");
            return self.broken(what);
        }
        sent.acknowledged = Some(Acknowledged { partition, offset });
    }

    /// A producer is told that a record is stored, in one of several partitions.
    pub fn acknowledged_somewhere(&mut self, id: RecordId) {
        self.sent[id].acknowledged = Some(Acknowledged {
            partition: -1,
            offset: -1,
        });
    }

    /// Whether what was told then may be gone by now.
    fn forgivable(&self, topic: &str, told_after_power_losses: u32) -> bool {
        self.deleted.contains(topic)
            || (told_after_power_losses < self.power_losses
                && !self.topics.get(topic).is_some_and(|plan| plan.strict))
    }

    /// The name of a record that was read, if it is one that was sent.
    fn identify(&mut self, partition: &TopicPartition, record: &Record) -> Option<RecordId> {
        let id = record_id(record);
        let known = id.and_then(|id| Some((id, self.sent.get(id)?)));
        let same = known.filter(|(_, sent)| {
            sent.topic == partition.topic
                && sent.key == record.key
                && sent.value == record.value
                && sent.partition.is_none_or(|it| it == partition.partition)
        });
        let same = same.map(|(id, _)| id);
        if same.is_none() {
            let (topic, number) = (&partition.topic, partition.partition);
            let offset = record.offset;
            let what = format!("{topic}-{number} offset {offset} is not as it was sent ({id:?})");
            self.broken(what);
        }
        same
    }

    /// Somebody read a record.
    pub fn shown(&mut self, partition: &TopicPartition, record: &Record) -> Option<RecordId> {
        let id = self.identify(partition, record)?;
        self.ages.shown(&partition.topic, id, record.timestamp);
        let power_losses = self.power_losses;
        let history = self.partitions.entry(partition.clone()).or_default();
        let before = history.shown.insert(record.offset, (id, power_losses));
        match before {
            Some((other, told)) if other != id => {
                if !self.forgivable(&partition.topic, told) {
                    self.broken(format!(
                        "record {other} was shown at {}-{} offset {} and then taken back: there is \
                         record {id} now",
                        partition.topic, partition.partition, record.offset
                    ));
                } else if let Some(history) = self.partitions.get_mut(partition) {
                    // What stood behind it is gone with it.
                    let offset = record.offset;
                    history
                        .shown
                        .retain(|at, (_, told)| *at <= offset || *told == power_losses);
                }
            }
            _ => {}
        }
        Some(id)
    }

    /// The high watermark that was shown of a partition, if it must still hold.
    pub fn high_watermark_floor(&self, partition: &TopicPartition) -> i64 {
        let Some(history) = self.partitions.get(partition) else {
            return 0;
        };
        let (high_watermark, told) = history.high_watermark;
        match self.forgivable(&partition.topic, told) {
            true => 0,
            false => high_watermark,
        }
    }

    /// Somebody was told a high watermark.
    pub fn high_watermark(&mut self, partition: &TopicPartition, high_watermark: i64) {
        let floor = self.high_watermark_floor(partition);
        let power_losses = self.power_losses;
        let history = self.partitions.entry(partition.clone()).or_default();
        if high_watermark >= floor {
            history.high_watermark = (high_watermark, power_losses);
        }
    }

    /// Whether the oldest records of a topic may go.
    pub fn shrinks(&self, topic: &str) -> bool {
        self.topics.get(topic).is_some_and(TopicPlan::shrinks)
    }

    /// Whether DeleteRecords takes records of a topic (Kafka refuses it where only compaction may).
    pub fn is_deletable(&self, topic: &str) -> bool {
        let plan = self.topics.get(topic);
        plan.is_some_and(|plan| !plan.compacted) && !self.is_deleted(topic)
    }

    /// Bytes of the records that the last audit has found and DeleteRecords would take, at least.
    pub fn deletable_bytes(&self) -> usize {
        let partitions = self.partitions.iter();
        let deletable = partitions.filter(|(partition, _)| self.is_deletable(&partition.topic));
        let logs = deletable.filter_map(|(_, history)| history.last_log.as_ref());
        let ids = logs.flat_map(|log| log.records.values());
        let values = ids.filter_map(|id| self.sent[*id].value.as_ref());
        values.map(|value| value.len() + RECORD_BYTES_MIN).sum()
    }

    /// Somebody asks for the records before `offset` to be deleted.
    pub fn deletion_asked(&mut self, partition: &TopicPartition, offset: i64) {
        let history = self.partitions.entry(partition.clone()).or_default();
        history.deletion_asked = history.deletion_asked.max(offset);
    }

    /// Somebody is told that the records before `offset` are deleted.
    pub fn deletion_acknowledged(&mut self, partition: &TopicPartition, offset: i64) {
        self.log_start_offset(partition, offset);
        let power_losses = self.power_losses;
        let history = self.partitions.entry(partition.clone()).or_default();
        history.deleted_to = history.deleted_to.max((offset, power_losses));
    }

    /// Somebody was told where a log starts.
    pub fn log_start_offset(&mut self, partition: &TopicPartition, offset: i64) {
        let plan = self.topics.get(&partition.topic);
        let retained = plan.is_some_and(TopicPlan::expires);
        let by_size = plan.is_some_and(|plan| plan.retention_bytes.is_some());
        let power_losses = self.power_losses;
        let history = self.partitions.entry(partition.clone()).or_default();
        let from = history.log_start_offset.0.max(history.deletion_asked);
        if from < offset && retained && !by_size {
            let mut gone = history.shown.range(from..offset);
            let young = gone.find(|(_, (id, _))| self.ages.is_too_young(&partition.topic, *id));
            if let Some((at, _)) = young {
                let what = format!("{partition:?} starts at {offset}, and {at} has not expired");
                return self.broken(what);
            }
        }
        let (shown, told) = history.log_start_offset;
        if shown <= offset || told < power_losses {
            history.log_start_offset = (offset, power_losses);
        }
        let asked = history.deletion_asked;
        if offset > asked && !retained {
            self.broken(format!(
                "{}-{} starts at offset {offset}, but only what is before {asked} may be deleted",
                partition.topic, partition.partition
            ));
        }
    }

    /// A group asks for an offset to be committed.
    pub fn commit_attempted(&mut self, group: &str, partition: &TopicPartition, offset: i64) {
        let key = (group.to_owned(), partition.clone());
        self.commits
            .entry(key)
            .or_default()
            .attempted
            .insert(offset);
    }

    /// A group is told that an offset is committed.
    pub fn commit_acknowledged(&mut self, group: &str, partition: &TopicPartition, offset: i64) {
        let power_losses = self.power_losses;
        let key = (group.to_owned(), partition.clone());
        let history = self.commits.entry(key).or_default();
        history.attempted.insert(offset);
        history.acknowledged = Some((offset, power_losses));
    }

    /// A member of a group goes back to an earlier offset.
    pub fn group_rewound(&mut self, group: &str, partition: &TopicPartition, offset: i64) {
        let key = (group.to_owned(), partition.clone());
        let history = self.commits.entry(key).or_default();
        let least = history.rewound_to.map_or(offset, |it| it.min(offset));
        history.rewound_to = Some(least);
    }

    /// A member was told its assignment in a generation of its group.
    pub fn assigned(
        &mut self,
        (group, generation): (&str, i32),
        member_id: &str,
        partitions: &[TopicPartition],
    ) {
        let generation = (group.to_owned(), generation, self.power_losses);
        let assigned = self.generations.assigned(generation, member_id, partitions);
        if let Err(what) = assigned {
            self.broken(what);
        }
    }

    /// A member sends a commit under a generation of its group.
    pub fn commit_sent(
        &mut self,
        (group, generation): (&str, i32),
        member_id: &str,
        partition: TopicPartition,
    ) {
        let generation = (group.to_owned(), generation, self.power_losses);
        let sent = self
            .generations
            .commit_sent(generation, member_id, partition);
        if let Err(what) = sent {
            self.broken(what);
        }
    }

    /// A member of a group has processed a partition up to here.
    pub fn group_processed(&mut self, group: &str, partition: &TopicPartition, offset: i64) {
        let key = (group.to_owned(), partition.clone());
        let history = self.commits.entry(key).or_default();
        history.attempted.insert(offset);
    }

    /// How far any member of a group has ever processed a partition.
    pub fn group_progress(&self, group: &str, partition: &TopicPartition) -> Option<i64> {
        let history = self.commits.get(&(group.to_owned(), partition.clone()))?;
        history.attempted.last().copied()
    }

    /// The high watermark that a partition has in the end.
    pub fn last_high_watermark(&self, partition: &TopicPartition) -> Option<i64> {
        let last = self.partitions.get(partition)?.last_log.as_ref()?;
        Some(last.high_watermark)
    }

    /// Whether in the end a partition has records from `offset` on.
    pub fn is_readable_from(&self, partition: &TopicPartition, offset: i64) -> bool {
        let history = self.partitions.get(partition);
        let last = history.and_then(|history| history.last_log.as_ref());
        last.is_some_and(|last| last.records.range(offset..).next().is_some())
    }

    /// In the end: every partition of a group's topics is some member's, and only one's.
    pub fn missing_or_shared(
        &self,
        topics: &[String],
        members: &[Vec<&TopicPartition>],
    ) -> Option<String> {
        let mut owned: BTreeMap<&TopicPartition, usize> = BTreeMap::new();
        for partition in members.iter().flatten() {
            *owned.entry(partition).or_default() += 1;
        }
        let topics: BTreeSet<_> = topics.iter().collect();
        let all = self.partitions.iter();
        let all = all.filter(|(partition, history)| {
            history.last_log.is_some() && topics.contains(&partition.topic)
        });
        for (partition, _) in all {
            match owned.get(partition) {
                Some(1) => {}
                count => {
                    let (topic, number) = (&partition.topic, partition.partition);
                    return Some(format!("{topic}-{number} has {count:?} owners"));
                }
            }
        }
        None
    }

    /// The least offset that a group can have committed for a partition: what it was told last.
    pub fn commit_floor(&self, group: &str, partition: &TopicPartition) -> Option<i64> {
        let history = self.commits.get(&(group.to_owned(), partition.clone()))?;
        let (offset, told) = history.acknowledged?;
        let floor = history.rewound_to.map_or(offset, |it| it.min(offset));
        (told == self.power_losses).then_some(floor)
    }

    /// A group was told what it has committed, having asked when `floor` was the least it can be.
    pub fn committed(
        &mut self,
        group: &str,
        partition: &TopicPartition,
        floor: Option<i64>,
        offset: Option<i64>,
    ) {
        if self.deleted.contains(&partition.topic) {
            return;
        }
        let history = self.commits.get(&(group.to_owned(), partition.clone()));
        let known = offset.is_none_or(|it| history.is_some_and(|all| all.attempted.contains(&it)));
        if offset < floor || !known {
            self.broken(format!(
                "group {group} has {offset:?} committed for {}-{}, and was told {floor:?} before",
                partition.topic, partition.partition
            ));
        }
    }

    /// In the end: where a log starts and ends.
    pub fn last_log(&mut self, partition: &TopicPartition, start: i64, high_watermark: i64) {
        self.log_start_offset(partition, start);
        let floor = self.log_start_floor(partition);
        if let Some(before) = floor.filter(|before| start < *before) {
            let (topic, number) = (&partition.topic, partition.partition);
            let what = format!("the start of {topic}-{number} went back from {before} to {start}");
            return self.broken(what);
        }
        let history = self.partitions.entry(partition.clone()).or_default();
        let last = history.last_log.get_or_insert_with(|| LastLog {
            log_start_offset: start,
            high_watermark,
            records: BTreeMap::new(),
            aged: Vec::new(),
        });
        last.log_start_offset = start;
        last.high_watermark = high_watermark;
        // What was read before retention moved the start.
        last.records = last.records.split_off(&start);
    }

    /// Where a log starts at the least. What retention has deleted may come back when the power is
    /// lost, whatever `flush.messages` says: nobody was told that it is gone for good, and retention
    /// deletes it again. Kafka writes the start that retention moves down once a minute
    /// (`log.flush.start.offset.checkpoint.interval.ms`).
    fn log_start_floor(&self, partition: &TopicPartition) -> Option<i64> {
        let history = self.partitions.get(partition)?;
        let (shown, shown_after) = history.log_start_offset;
        let (deleted_to, told_after) = history.deleted_to;
        let shown_holds = shown_after == self.power_losses && !self.is_deleted(&partition.topic);
        let deletion_holds = !self.forgivable(&partition.topic, told_after);
        let holds = [(shown, shown_holds), (deleted_to, deletion_holds)].into_iter();
        let holds = holds.filter(|(_, holds)| *holds);
        holds.map(|(offset, _)| offset).max()
    }

    /// In the end: a record of a log.
    pub fn last_record(&mut self, partition: &TopicPartition, record: &Record) {
        let Some(id) = self.shown(partition, record) else {
            return;
        };
        let aged = self.ages.has(&partition.topic);
        let aged = aged.then(|| self.ages.of(record));
        let history = self.partitions.entry(partition.clone()).or_default();
        if let Some(last) = &mut history.last_log {
            last.records.insert(record.offset, id);
            last.aged.extend(aged);
        }
    }

    /// In the end: what was read of all logs.
    pub fn last_read(&self) -> Vec<LastRead> {
        let partitions = self.partitions.iter();
        let partitions = partitions.filter(|(it, _)| !self.is_deleted(&it.topic));
        let read = partitions.filter_map(|(partition, history)| {
            let last = history.last_log.as_ref()?;
            Some(LastRead {
                partition: partition.clone(),
                start: last.log_start_offset,
                end: last.high_watermark,
                records: last.records.clone(),
                shrinks: self.shrinks(&partition.topic) || self.is_compacted(&partition.topic),
            })
        });
        read.collect()
    }

    /// In the end: the rows of storage.
    pub fn last_rows(&mut self, rows: &[Bytes]) {
        let mut stored: BTreeMap<&str, Vec<Aged>> = BTreeMap::new();
        for record in rows.iter().flat_map(stored_records) {
            if let Some(sent) = record_id(&record).and_then(|id| self.sent.get(id)) {
                let of_topic = stored.entry(&sent.topic).or_default();
                of_topic.push(self.ages.of(&record));
            }
        }
        let wrong = stored.into_iter().find_map(|(topic, stored)| {
            if self.promised_topics.get(topic) == Some(&0) {
                return Some(format!("{topic} is deleted, and still stored: {stored:?}"));
            }
            let logs = self.partitions.iter().filter(|(it, _)| it.topic == topic);
            let read = logs.filter_map(|(_, history)| history.last_log.as_ref());
            let read: Vec<_> = read.flat_map(|last| last.aged.clone()).collect();
            let aged = self.ages.overdue_in_storage(topic, &read, &stored);
            let aged = aged.filter(|_| !self.deleted.contains(topic))?;
            Some(format!("{topic} still has stored what has aged: {aged:?}"))
        });
        if let Some(what) = wrong {
            self.broken(what);
        }
    }

    /// In the end: compares what was promised with what there is.
    pub fn settle(&mut self) {
        let histories = std::mem::take(&mut self.partitions);
        let mut where_is: BTreeMap<RecordId, Vec<(&TopicPartition, i64)>> = BTreeMap::new();
        for (partition, history) in &histories {
            if self.deleted.contains(&partition.topic) {
                continue;
            }
            let Some(last) = &history.last_log else {
                self.broken(format!(
                    "{}-{} could not be read in the end",
                    partition.topic, partition.partition
                ));
                continue;
            };
            for (offset, id) in &last.records {
                where_is.entry(*id).or_default().push((partition, *offset));
            }
            self.settle_partition(partition, history, last);
        }
        for id in 0..self.sent.len() {
            let found = where_is.get(&id).map_or(&[][..], |all| &all[..]);
            self.settle_record(id, found, &histories);
        }
    }

    /// Whether only the newest record of each key of a topic is promised to stay.
    pub fn is_compacted(&self, topic: &str) -> bool {
        self.topics.get(topic).is_some_and(|plan| plan.compacted)
    }

    fn settle_partition(
        &mut self,
        partition: &TopicPartition,
        history: &PartitionHistory,
        last: &LastLog,
    ) {
        let name = format!("{}-{}", partition.topic, partition.partition);
        let compacted = self.is_compacted(&partition.topic);
        if let Some(aged) = self.ages.overdue(&partition.topic, &last.aged) {
            return self.broken(format!("{name} still has what has aged: {aged:?}"));
        }
        let (shown, told) = history.high_watermark;
        if last.high_watermark < shown && !self.forgivable(&partition.topic, told) {
            self.broken(format!(
                "the high watermark of {name} went back from {shown} to {}",
                last.high_watermark
            ));
        }
        if !compacted {
            let offsets = last.records.keys().copied();
            if !offsets.eq(last.log_start_offset..last.high_watermark) {
                self.broken(format!(
                    "{name} has not every offset from {} to before {}",
                    last.log_start_offset, last.high_watermark
                ));
            }
        }
        for (offset, (id, told)) in &history.shown {
            let there = last.records.get(offset) == Some(id);
            let gone = *offset < last.log_start_offset
                || self.forgivable(&partition.topic, *told)
                || (compacted && self.has_newer(last, *offset, *id));
            if !there && !gone {
                self.broken(format!(
                    "record {id} was shown at {name} offset {offset} and is not there any more"
                ));
            }
        }
        // By producer, the newest of its records that has come.
        let mut newest: BTreeMap<usize, RecordId> = BTreeMap::new();
        let all = history.shown.iter().filter(|(offset, (id, told))| {
            last.records.get(offset) == Some(id) || !self.forgivable(&partition.topic, *told)
        });
        let mut broken = None;
        for (offset, (id, _)) in all {
            let sent = &self.sent[*id];
            let ordered = match sent.idempotent {
                true => true,
                // Retries may repeat it, but not what was acknowledged to be here.
                false => sent
                    .acknowledged
                    .is_some_and(|it| it.offset == *offset && it.partition == partition.partition),
            };
            if !ordered {
                continue;
            }
            match newest.insert(sent.producer, *id) {
                Some(before) if before == *id => {
                    broken = Some(format!("record {id} is in {name} twice, at {offset} again"));
                }
                Some(before) if before > *id => {
                    broken = Some(format!(
                        "{name} has record {id} at {offset}, behind record {before}, which its \
                         producer sent later"
                    ));
                }
                _ => {}
            }
        }
        if let Some(what) = broken {
            self.broken(what);
        }
    }

    /// Whether compaction may have removed a record: there is a newer one with its key, or it is a
    /// tombstone.
    fn has_newer(&self, last: &LastLog, offset: i64, id: RecordId) -> bool {
        let key = &self.sent[id].key;
        self.sent[id].value.is_none()
            || last
                .records
                .range(offset + 1..)
                .any(|(_, other)| self.sent[*other].key == *key)
            || self.may_be_deleted(id, offset)
    }

    /// Whether a tombstone may stand behind a record, and may be gone by now.
    fn may_be_deleted(&self, id: RecordId, offset: i64) -> bool {
        let SentRecord { topic, key, .. } = &self.sent[id];
        let key = key.clone().map(|key| (topic.clone(), key));
        let tombstones = key.and_then(|key| self.tombstones.get(&key));
        let mut all = tombstones.into_iter().flatten();
        all.any(|tombstone| {
            let told = self.sent[*tombstone].acknowledged;
            told.is_none_or(|it| it.offset < 0 || it.offset > offset)
        })
    }

    fn settle_record(
        &mut self,
        id: RecordId,
        found: &[(&TopicPartition, i64)],
        histories: &BTreeMap<TopicPartition, PartitionHistory>,
    ) {
        let sent = &self.sent[id];
        if self.deleted.contains(&sent.topic) {
            return;
        }
        if sent.idempotent && found.len() > 1 {
            let what = format!("record {id} of an idempotent producer is there twice: {found:?}");
            return self.broken(what);
        }
        let Some(acknowledged) = sent.acknowledged else {
            return;
        };
        if sent.acks == Acks::None || self.forgivable(&sent.topic, sent.power_losses) {
            return;
        }
        let partition = TopicPartition::new(sent.topic.clone(), acknowledged.partition);
        let offset = acknowledged.offset;
        let there = found.iter().any(|(at, it)| {
            (partition.partition < 0 || **at == partition) && (offset < 0 || offset == *it)
        });
        let gone = histories.iter().any(|(at, history)| {
            let here = at.topic == sent.topic && (partition.partition < 0 || *at == partition);
            history
                .last_log
                .as_ref()
                .filter(|_| here)
                .is_some_and(|last| {
                    offset < last.log_start_offset
                        || (self.is_compacted(&sent.topic) && self.has_newer(last, offset, id))
                })
        });
        if !there && !gone {
            self.broken(format!(
                "record {id} was acknowledged at {}-{} offset {offset} and is lost (found: {found:?})",
                partition.topic, partition.partition
            ));
        }
    }
}

/// The name that a record says it has.
fn record_id(record: &Record) -> Option<RecordId> {
    let id = match &record.headers[..] {
        [header] if header.key == ID_HEADER => header.value.as_deref(),
        _ => None,
    };
    std::str::from_utf8(id?).ok()?.parse().ok()
}

#[cfg(test)]
mod tests;
