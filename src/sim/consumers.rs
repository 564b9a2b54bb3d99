//! Applications that read as members of a group.

use super::actor::{Actor, Context, Signal, Wish, drive};
use super::oracle::Oracle;
use super::producers::{CLOSING, client_config};
use super::scheduler::Random;
use super::workload::{GroupPlan, Workload};
use crate::client::consumer::{
    AutoCommit, Consumer, ConsumerCommand, ConsumerConfig, ConsumerEvent, ConsumerOutput,
    FetchedBatch, IsolationLevel, OffsetReset, OffsetToCommit, Subscription,
};
use crate::client::{ClientConfig, ClientEvent, CommandId, TopicPartition};
use crate::now::Now;
use crate::protocol::{ApiKey, ErrorCode, Request, decode_request};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// How long a consumer that could not go on waits before it subscribes again.
const RESUBSCRIBE_MS: u64 = 100;
/// How long the application works on a batch, at most. It takes a moment at least, or an
/// application that goes back again and again would never let time pass.
const WORK_MS_MAX: u64 = 20;
/// How often a member pauses or resumes a partition before it works, where members do.
const PAUSING: f64 = 0.05;
/// How often a member goes back before it works, where members do.
const SEEKING: f64 = 0.03;
/// How often a member commits what was taken away from it.
const LATE_COMMIT: f64 = 0.5;

/// A consumer and the application that uses it.
pub struct ConsumerActor {
    machine: Consumer,
    name: String,
    number: usize,
    plan: GroupPlan,
    closes: bool,
    /// What it gives itself where there is no group.
    by_hand: Vec<(TopicPartition, Option<i64>)>,
    subscribed: bool,
    healed: bool,
    /// By partition that is assigned.
    sessions: BTreeMap<TopicPartition, Session>,
    /// What was taken away, and how far it had come there.
    former: BTreeMap<TopicPartition, i64>,
    working: VecDeque<FetchedBatch>,
    polls: BTreeSet<CommandId>,
    paused: BTreeSet<TopicPartition>,
    next_command: u64,
    started: bool,
    closing: Option<CommandId>,
}

/// The time in which a partition is assigned.
#[derive(Debug)]
struct Session {
    /// The least offset that it may start from.
    floor: Option<i64>,
    power_losses: u32,
    /// Of its first batch.
    fence: Option<u64>,
    /// The next offset to be delivered, once it has begun.
    position: Option<i64>,
}

impl ConsumerActor {
    /// Member `number` of a group.
    pub fn new(
        random: &mut Random,
        number: usize,
        plan: &GroupPlan,
        workload: &Workload,
    ) -> ConsumerActor {
        let by_hand = match plan.by_hand {
            true => assigned_by_hand(random, plan, workload),
            false => Vec::new(),
        };
        ConsumerActor::of(random, number, plan, workload.closes, by_hand)
    }

    fn of(
        random: &mut Random,
        number: usize,
        plan: &GroupPlan,
        closes: bool,
        by_hand: Vec<(TopicPartition, Option<i64>)>,
    ) -> ConsumerActor {
        let name = format!("{}-member-{number}", plan.group_id);
        let config = ConsumerConfig {
            client: ClientConfig {
                metadata_max_age_ms: 2_000,
                ..client_config(random, name.clone())
            },
            group_id: match plan.by_hand {
                true => String::new(),
                false => plan.group_id.clone(),
            },
            group_instance_id: plan.is_static.then(|| format!("instance-{number}")),
            assignors: plan.assignors.iter().map(|&one| one.into()).collect(),
            session_timeout_ms: plan.session_timeout_ms,
            rebalance_timeout_ms: plan.session_timeout_ms,
            heartbeat_interval_ms: 300,
            auto_offset_reset: OffsetReset::Earliest,
            auto_commit: plan.auto_commit,
            isolation_level: random.pick(&[
                IsolationLevel::ReadCommitted,
                IsolationLevel::ReadUncommitted,
            ]),
            max_bytes: random.pick(&[1_000, 1 << 20]),
            max_partition_bytes: random.pick(&[500, 1 << 20]),
            max_wait_ms: random.pick(&[50, 500]),
            fetch_buffer_bytes: random.pick(&[2_000, 1 << 20]),
            ..ConsumerConfig::default()
        };
        ConsumerActor {
            machine: Consumer::new(config, random.number()),
            name,
            number,
            plan: plan.clone(),
            closes,
            by_hand,
            subscribed: false,
            healed: false,
            sessions: BTreeMap::new(),
            former: BTreeMap::new(),
            working: VecDeque::new(),
            polls: BTreeSet::new(),
            paused: BTreeSet::new(),
            next_command: 0,
            started: false,
            closing: None,
        }
    }

    fn command_id(&mut self) -> CommandId {
        self.next_command += 1;
        CommandId(self.next_command)
    }

    fn feed(&mut self, now: Now, event: ClientEvent<ConsumerCommand>, context: &mut Context<'_>) {
        let from = context.wishes.len();
        let outputs = drive(&mut self.machine, now, event, 0, context);
        self.commits_sent(from, context);
        for output in outputs {
            match output {
                ConsumerOutput::Polled { id, result } => {
                    if !self.polls.remove(&id) {
                        let name = &self.name;
                        let what = format!("{name}: poll {} was answered twice", id.0);
                        context.oracle.broken(what);
                    }
                    let ms = match result {
                        Ok(Some(batch)) => {
                            self.delivered(batch, context);
                            let most = if self.healed { 1 } else { WORK_MS_MAX };
                            context.random.between(1, most)
                        }
                        Ok(None) => RESUBSCRIBE_MS,
                        Err(_) => {
                            self.subscribed = false;
                            RESUBSCRIBE_MS
                        }
                    };
                    context.wishes.push(Wish::ActIn(ms));
                }
                ConsumerOutput::Event(event) => self.happened(event, context),
                ConsumerOutput::Done { id, .. } if self.closing == Some(id) => {
                    context.counts.operation("close a consumer", true);
                    if !self.polls.is_empty() {
                        let what = format!("{} has closed with polls unanswered", self.name);
                        context.oracle.broken(what);
                    }
                    context.wishes.push(Wish::Retire);
                }
                ConsumerOutput::Done { result, .. } => {
                    context.counts.operation("consumer command", result.is_ok());
                }
                // No plan has assignors of the application's own.
                ConsumerOutput::Topics { .. } | ConsumerOutput::AssignorAsked { .. } => {}
            }
        }
    }

    /// Who a member is: a static one that comes back has another id and is the same member.
    fn member(&self, member_id: String) -> String {
        match self.plan.is_static {
            true => format!("instance {}", self.number),
            false => member_id,
        }
    }

    /// Tells the oracle whose partitions are committed, under which generation.
    fn commits_sent(&self, from: usize, context: &mut Context<'_>) {
        for wish in &context.wishes[from..] {
            let Wish::Send(_, frame) = wish else {
                continue;
            };
            if !frame.starts_with(&ApiKey::OffsetCommit.code().to_be_bytes()) {
                continue;
            }
            let Ok((_, Request::OffsetCommit(request))) = decode_request(frame.clone()) else {
                continue;
            };
            let member = self.member(request.member_id);
            let generation = (
                request.group_id.as_str(),
                request.generation_id_or_member_epoch,
            );
            context.trace.line(|| {
                let topics = &request.topics;
                format!(
                    "{} sends under generation {}: {topics:?}",
                    self.name, generation.1
                )
            });
            for topic in request.topics {
                for partition in topic.partitions {
                    let partition =
                        TopicPartition::new(topic.name.clone(), partition.partition_index);
                    context.oracle.commit_sent(generation, &member, partition);
                }
            }
        }
    }

    fn happened(&mut self, event: ConsumerEvent, context: &mut Context<'_>) {
        let group = self.plan.group_id.clone();
        if !matches!(
            event,
            ConsumerEvent::FetchStart { .. }
                | ConsumerEvent::Fetch { .. }
                | ConsumerEvent::Heartbeat { .. }
        ) {
            context.trace.line(|| format!("{}: {event:?}", self.name));
        }
        match event {
            ConsumerEvent::GroupJoin {
                member_id,
                generation_id,
                member_assignment,
                ..
            } => {
                context.counts.operation("join group", true);
                let partitions = member_assignment.iter().flat_map(|(topic, partitions)| {
                    let of_topic = |number: &i32| TopicPartition::new(topic.clone(), *number);
                    partitions.iter().map(of_topic)
                });
                let partitions: Vec<_> = partitions.collect();
                let generation = (group.as_str(), generation_id);
                let member = self.member(member_id);
                context.oracle.assigned(generation, &member, &partitions);
            }
            ConsumerEvent::Assigned { partitions } => {
                self.begin_sessions(partitions, context);
            }
            ConsumerEvent::Revoked { partitions } | ConsumerEvent::Lost { partitions } => {
                context.counts.operation("partitions taken away", true);
                for partition in partitions {
                    let session = self.sessions.remove(&partition);
                    if let Some(position) = session.and_then(|session| session.position) {
                        self.former.insert(partition, position);
                    }
                }
            }
            ConsumerEvent::CommitOffsets { offsets, .. } => {
                context.counts.operation("commit of a group", true);
                for it in offsets {
                    let partition = TopicPartition::new(it.topic, it.partition);
                    context
                        .oracle
                        .commit_acknowledged(&group, &partition, it.offset);
                }
            }
            ConsumerEvent::Crash { error, .. } => {
                context.counts.operation("consumer crash", true);
                self.subscribed = false;
                self.sessions.clear();
                context.wishes.push(Wish::ActIn(RESUBSCRIBE_MS));
                // A request that its predecessor sent before it died may arrive as late as this.
                if self.healed && error.code != ErrorCode::FencedInstanceId {
                    let what = format!("{} crashed when nothing went wrong: {error}", self.name);
                    context.oracle.broken(what);
                }
            }
            _ => {}
        }
    }

    fn begin_sessions(&mut self, partitions: Vec<TopicPartition>, context: &mut Context<'_>) {
        for partition in partitions {
            let group = &self.plan.group_id;
            let session = Session {
                floor: context.oracle.commit_floor(group, &partition),
                power_losses: context.oracle.power_losses(),
                fence: None,
                position: None,
            };
            if self.sessions.insert(partition, session).is_some() {
                let what = format!("{}: was assigned what it had", self.name);
                context.oracle.broken(what);
            }
        }
    }

    fn delivered(&mut self, batch: FetchedBatch, context: &mut Context<'_>) {
        context.counts.operation("batch delivered", true);
        let partition = &batch.partition;
        let name = format!("{}-{}", partition.topic, partition.partition);
        let first = batch.records.first().map_or(-1, |record| record.offset);
        context.trace.line(|| {
            let next = batch.next_offset;
            format!("{}: reads {name} from {first} to before {next}", self.name)
        });
        for record in &batch.records {
            context.oracle.shown(partition, record);
            if record.offset >= batch.high_watermark {
                let what = format!(
                    "{name} shows offset {} above its high watermark",
                    record.offset
                );
                context.oracle.broken(what);
            }
        }
        context
            .oracle
            .high_watermark(partition, batch.high_watermark);
        context
            .oracle
            .log_start_offset(partition, batch.log_start_offset);
        let Some(session) = self.sessions.get_mut(partition) else {
            let what = format!(
                "{} got records of {name}, which it does not have",
                self.name
            );
            return context.oracle.broken(what);
        };
        if self.paused.contains(partition) {
            let what = format!("{} got records of {name}, which it has paused", self.name);
            context.oracle.broken(what);
        }
        session.fence = Some(batch.fence);
        let told_again = session.power_losses < context.oracle.power_losses();
        let earliest = batch.log_start_offset;
        let expected = match session.position {
            Some(position) => position..=position,
            None => {
                let group = &self.plan.group_id;
                let most = context.oracle.group_progress(group, partition);
                session.floor.unwrap_or(0)..=most.unwrap_or(0)
            }
        };
        // What was deleted is skipped, and what was compacted may be.
        let behind = first > *expected.end()
            && first > earliest
            && !context.oracle.is_compacted(&partition.topic);
        if !told_again && (first < *expected.start() || behind) {
            context.oracle.broken(format!(
                "{} got {name} from offset {first} on, where {expected:?} is next (log start \
                 {earliest})",
                self.name
            ));
        }
        session.position = Some(first);
        self.working.push_back(batch);
    }

    fn work(&mut self, now: Now, context: &mut Context<'_>) {
        let Some(batch) = self.working.pop_front() else {
            return;
        };
        let next_offset = match context.random.chance(0.1) {
            // The application gives up in the middle; the rest comes again.
            true => batch.records[context.random.below(batch.records.len())].offset,
            false => batch.next_offset,
        };
        if let Some(session) = self.sessions.get_mut(&batch.partition)
            && session.fence == Some(batch.fence)
        {
            session.position = Some(next_offset);
        }
        let group = &self.plan.group_id;
        context
            .oracle
            .group_processed(group, &batch.partition, next_offset);
        let command = ConsumerCommand::Processed {
            partition: batch.partition,
            fence: batch.fence,
            next_offset,
        };
        self.feed(now, ClientEvent::Command(command), context);
        let commits = self.plan.auto_commit == AutoCommit::Off && !self.plan.by_hand;
        if commits && (self.healed || context.random.chance(0.3)) {
            let id = self.command_id();
            let command = ConsumerCommand::Commit { id, offsets: None };
            self.feed(now, ClientEvent::Command(command), context);
        }
        if !self.plan.by_hand && context.random.chance(LATE_COMMIT) {
            self.commit_late(now, context);
        }
    }

    /// Commits what was taken away meanwhile, as a handler does that took too long.
    fn commit_late(&mut self, now: Now, context: &mut Context<'_>) {
        let mut former = self.former.keys();
        let gone = former.find(|partition| !self.sessions.contains_key(partition));
        let gone = gone
            .cloned()
            .and_then(|gone| self.former.remove_entry(&gone));
        let Some((partition, offset)) = gone else {
            return;
        };
        context.counts.operation("commit too late", true);
        let id = self.command_id();
        let offset = OffsetToCommit {
            topic: partition.topic,
            partition: partition.partition,
            offset,
            metadata: None,
        };
        let offsets = Some(vec![offset]);
        let command = ConsumerCommand::Commit { id, offsets };
        self.feed(now, ClientEvent::Command(command), context);
    }

    /// Pauses a partition, or resumes it.
    fn pause(&mut self, now: Now, context: &mut Context<'_>) {
        let all: Vec<_> = self.sessions.keys().collect();
        if all.is_empty() {
            return;
        }
        let partition = context.random.pick(&all).clone();
        if self.paused.remove(&partition) {
            return self.resume(now, &[partition], context);
        }
        context.counts.operation("pause", true);
        let id = self.command_id();
        let topics = vec![(partition.topic.clone(), Some(vec![partition.partition]))];
        self.paused.insert(partition);
        let command = ConsumerCommand::Pause { id, topics };
        self.feed(now, ClientEvent::Command(command), context);
    }

    fn resume(&mut self, now: Now, partitions: &[TopicPartition], context: &mut Context<'_>) {
        context.counts.operation("resume", true);
        let id = self.command_id();
        let one = |it: &TopicPartition| (it.topic.clone(), Some(vec![it.partition]));
        let topics = partitions.iter().map(one).collect();
        let command = ConsumerCommand::Resume { id, topics };
        self.feed(now, ClientEvent::Command(command), context);
    }

    /// Goes back in one of its partitions.
    fn seek(&mut self, now: Now, context: &mut Context<'_>) {
        let begun = self.sessions.iter_mut();
        let begun: Vec<_> = begun
            .filter_map(|(partition, session)| Some((partition, session.position?)))
            .collect();
        if begun.is_empty() {
            return;
        }
        let at = context.random.below(begun.len());
        let (partition, position) = (begun[at].0.clone(), begun[at].1);
        let from_start = context.random.chance(0.3);
        let to = match from_start {
            true => 0,
            false => context.random.below(position as usize + 1) as i64,
        };
        context.counts.operation("seek", true);
        if let Some(session) = self.sessions.get_mut(&partition) {
            session.position = Some(to);
            session.fence = None;
        }
        context
            .oracle
            .group_rewound(&self.plan.group_id, &partition, to);
        context
            .trace
            .line(|| format!("{} goes back to {to} in {partition:?}", self.name));
        let id = self.command_id();
        let command = ConsumerCommand::Seek {
            id,
            partition,
            // -2 is the beginning.
            offset: if from_start { -2 } else { to },
        };
        self.feed(now, ClientEvent::Command(command), context);
    }

    /// What an application does now and then besides reading.
    fn fidget(&mut self, now: Now, context: &mut Context<'_>) {
        if self.healed {
            let paused = std::mem::take(&mut self.paused);
            if !paused.is_empty() {
                let paused: Vec<_> = paused.into_iter().collect();
                self.resume(now, &paused, context);
            }
            return;
        }
        if self.plan.pauses && context.random.chance(PAUSING) {
            self.pause(now, context);
        }
        if self.plan.seeks && context.random.chance(SEEKING) {
            self.seek(now, context);
        }
        if self.closes && self.started && context.random.chance(CLOSING) {
            let id = self.command_id();
            self.closing = Some(id);
            let command = ConsumerCommand::Close { id };
            self.feed(now, ClientEvent::Command(command), context);
        }
    }

    fn subscribe(&mut self, now: Now, context: &mut Context<'_>) {
        self.subscribed = true;
        self.working.clear();
        let id = self.command_id();
        let command = match self.plan.by_hand {
            true => {
                let own = self.by_hand.iter().map(|(partition, _)| partition.clone());
                self.begin_sessions(own.collect(), context);
                ConsumerCommand::Assign {
                    id,
                    partitions: self.by_hand.clone(),
                }
            }
            false => {
                let topics = self.plan.topics.iter().map(|topic| Subscription {
                    topic: topic.clone(),
                    offset_reset: None,
                });
                let topics = topics.collect();
                ConsumerCommand::Subscribe { id, topics }
            }
        };
        self.feed(now, ClientEvent::Command(command), context);
    }

    fn act(&mut self, now: Now, context: &mut Context<'_>) {
        if self.closing.is_some() {
            return;
        }
        if !self.subscribed {
            self.subscribe(now, context);
        }
        self.fidget(now, context);
        if self.closing.is_some() {
            return;
        }
        if self.healed || !self.working.is_empty() || !context.random.chance(0.01) {
            self.work(now, context);
        } else if self.started {
            self.subscribed = false;
            self.sessions.clear();
            let id = self.command_id();
            self.feed(
                now,
                ClientEvent::Command(ConsumerCommand::Unsubscribe { id }),
                context,
            );
            context.wishes.push(Wish::ActIn(RESUBSCRIBE_MS));
            return;
        }
        self.started = true;
        while self.polls.len() < self.plan.polls && self.working.len() < self.plan.polls {
            let id = self.command_id();
            self.polls.insert(id);
            let records_max = self.plan.records_max;
            let command = ConsumerCommand::Poll { id, records_max };
            self.feed(now, ClientEvent::Command(command), context);
            if !self.subscribed {
                return;
            }
        }
    }
}

impl Actor for ConsumerActor {
    fn handle(&mut self, now: Now, signal: Signal, context: &mut Context<'_>) {
        let event = match signal {
            Signal::Connected(connection) => ClientEvent::Connected { connection },
            Signal::Frame {
                connection, frame, ..
            } => ClientEvent::Frame { connection, frame },
            Signal::Closed(connection) => ClientEvent::Closed { connection },
            Signal::Woken => ClientEvent::Woken,
            Signal::Act => return self.act(now, context),
        };
        self.feed(now, event, context);
    }

    fn heal(&mut self) {
        self.healed = true;
    }

    fn is_done(&self) -> bool {
        true
    }

    fn waits_for(&self, oracle: &Oracle) -> Option<String> {
        let name = &self.name;
        if self.closing.is_some() {
            return Some(format!("{name} closes"));
        }
        for (partition, session) in &self.sessions {
            // One that began behind the last record has delivered nothing.
            let progress = oracle.group_progress(&self.plan.group_id, partition);
            let position = session.position.or(progress).unwrap_or(0);
            if let Some(end) = oracle.last_high_watermark(partition)
                && position < end
                && oracle.is_readable_from(partition, position)
            {
                let (topic, number) = (&partition.topic, partition.partition);
                return Some(format!(
                    "{name} is at {position} of {end} in {topic}-{number}"
                ));
            }
        }
        None
    }

    fn has(&self) -> Option<(&str, Vec<&TopicPartition>)> {
        Some((&self.plan.group_id, self.sessions.keys().collect()))
    }

    fn successor(&mut self, random: &mut Random, _oracle: &mut Oracle) -> Option<Box<dyn Actor>> {
        let by_hand = self.by_hand.clone();
        let mut next = ConsumerActor::of(random, self.number, &self.plan, self.closes, by_hand);
        next.healed = self.healed;
        Some(Box::new(next))
    }
}

/// All partitions of the plan's topics, each from its first record on.
fn assigned_by_hand(
    random: &mut Random,
    plan: &GroupPlan,
    workload: &Workload,
) -> Vec<(TopicPartition, Option<i64>)> {
    let names: BTreeSet<_> = plan.topics.iter().collect();
    let topics = workload.topics.iter();
    let topics = topics.filter(|topic| names.contains(&topic.name));
    let mut all = Vec::new();
    for topic in topics {
        for partition in 0..topic.partitions {
            // The reset policy gives the same.
            let offset = random.pick(&[None, Some(0)]);
            all.push((TopicPartition::new(topic.name.clone(), partition), offset));
        }
    }
    all
}
