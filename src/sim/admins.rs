//! Applications that administer topics and look at the cluster.

use super::actor::{Actor, Context, Signal, Wish, drive};
use super::oracle::Oracle;
use super::producers::{CLOSING, client_config};
use super::scheduler::Random;
use super::workload::Workload;
use crate::client::admin::{
    Admin, AdminCommand, AdminOutput, AdminResult, NewPartitions, NewTopic, Operation,
};
use crate::client::{ClientEvent, CommandId, KafkaError, TopicPartition};
use crate::now::Now;
use crate::protocol::ErrorCode;

/// Most time between two operations.
const THINK_MS_MAX: u64 = 300;
/// How long the controller may take.
const TIMEOUT_MS: i32 = 5_000;
/// How often a topic is deleted that is to be, when it could be.
const DOOM: f64 = 0.5;

/// An admin and the application that uses it.
pub struct AdminActor {
    machine: Admin,
    number: usize,
    workload: Workload,
    operations_left: usize,
    open: Option<(CommandId, Asked)>,
    next_command: u64,
    /// Topics of its own.
    topics: Vec<String>,
    /// What its own group has committed, after how many power losses; `None` if it does not know.
    committed: Option<(Option<i64>, u32)>,
    healed: bool,
    /// Whether the last look at all topics has been answered.
    looked: bool,
    closing: Option<CommandId>,
}

/// What an operation promises if it succeeds.
#[derive(Clone, Debug)]
enum Asked {
    Created(String, usize),
    Deleted(String),
    Grown(String, usize),
    /// The records before an offset, -1 being all of them.
    Trimmed(TopicPartition, i64),
    /// The offset of its own group.
    Committed(i64),
    /// Its own group is gone.
    Forgotten,
    /// The offset of its own group is as it was then.
    Remembered(Option<(Option<i64>, u32)>),
    Looked,
    LastLook,
}

impl AdminActor {
    /// The admin of this number; no two have the same.
    pub fn new(random: &mut Random, number: usize, workload: &Workload) -> AdminActor {
        let config = client_config(random, format!("admin-{number}"));
        AdminActor {
            machine: Admin::new(config, random.number()),
            number,
            workload: workload.clone(),
            operations_left: workload.admin_operations,
            open: None,
            next_command: 0,
            topics: Vec::new(),
            committed: None,
            healed: false,
            looked: false,
            closing: None,
        }
    }

    fn command_id(&mut self) -> CommandId {
        self.next_command += 1;
        CommandId(self.next_command)
    }

    /// A group of its own, which has no members.
    fn group_id(&self) -> String {
        format!("admin-{}", self.number)
    }

    fn feed(&mut self, now: Now, event: ClientEvent<AdminCommand>, context: &mut Context<'_>) {
        for AdminOutput { id, result } in drive(&mut self.machine, now, event, 0, context) {
            if self.closing == Some(id) {
                context.counts.operation("close an admin", true);
                context.wishes.push(Wish::Retire);
                continue;
            }
            match self.open.take_if(|(open, _)| *open == id) {
                Some((_, asked)) => self.answered(asked, result, context),
                None => context
                    .oracle
                    .broken(format!("an admin was answered {id:?} twice")),
            }
            context
                .wishes
                .push(Wish::ActIn(context.random.between(0, THINK_MS_MAX)));
        }
    }

    fn act(&mut self, now: Now, context: &mut Context<'_>) {
        if self.open.is_some() || self.closing.is_some() {
            return;
        }
        if self.workload.closes && !self.healed && context.random.chance(CLOSING) {
            let id = self.command_id();
            self.closing = Some(id);
            let command = AdminCommand::Close { id };
            return self.feed(now, ClientEvent::Command(command), context);
        }
        let (asked, operation) = match (self.healed, self.operations_left) {
            (true, _) if self.looked => return,
            (true, _) => {
                let topics = Vec::new();
                (Asked::LastLook, Operation::FetchTopicMetadata { topics })
            }
            (false, 0) => return,
            (false, _) => self.choose(context),
        };
        self.operations_left = self.operations_left.saturating_sub(1);
        let id = self.command_id();
        context
            .trace
            .line(|| format!("admin-{} asks {}: {operation:?}", self.number, id.0));
        self.open = Some((id, asked));
        let command = AdminCommand::Run { id, operation };
        self.feed(now, ClientEvent::Command(command), context);
    }

    fn choose(&mut self, context: &mut Context<'_>) -> (Asked, Operation) {
        let own = match self.topics.is_empty() {
            true => None,
            false => Some(context.random.below(self.topics.len())),
        };
        match (context.random.below(14), own) {
            (8..=9, _) => self.trim(context),
            (10, _) => self.commit(context),
            (11, _) => self.remember(),
            (12, _) if self.committed.is_some() => self.forget(),
            (13, _) if context.random.chance(DOOM) => self.doom(context),
            (0..=1, Some(at)) => {
                let topic = self.topics.remove(at);
                context.oracle.topic_uncertain(&topic);
                let operation = Operation::DeleteTopics {
                    topics: vec![topic.clone()],
                    timeout_ms: TIMEOUT_MS,
                };
                (Asked::Deleted(topic), operation)
            }
            (2, Some(at)) => {
                let topic = self.topics[at].clone();
                let count = context.random.between(5, 9) as usize;
                let grown = NewPartitions {
                    topic: topic.clone(),
                    count: count as i32,
                    assignments: None,
                };
                let operation = Operation::CreatePartitions {
                    topics: vec![grown],
                    validate_only: false,
                    timeout_ms: TIMEOUT_MS,
                };
                (Asked::Grown(topic, count), operation)
            }
            (3, _) => (Asked::Looked, Operation::ListTopics),
            (4, _) => (Asked::Looked, Operation::ListGroups),
            (5, _) => {
                let topic = self.workload.topics[0].name.clone();
                (Asked::Looked, Operation::FetchTopicOffsets { topic })
            }
            _ => {
                let topic = format!("extra-{}-{}", self.number, self.next_command);
                let count = context.random.between(1, 4) as usize;
                self.topics.push(topic.clone());
                let new = NewTopic {
                    topic: topic.clone(),
                    num_partitions: count as i32,
                    replication_factor: -1,
                    ..NewTopic::default()
                };
                let operation = Operation::CreateTopics {
                    topics: vec![new],
                    validate_only: false,
                    timeout_ms: TIMEOUT_MS,
                    wait_for_leaders: context.random.chance(0.5),
                };
                (Asked::Created(topic, count), operation)
            }
        }
    }

    /// Deletes the oldest records of a partition whose topic allows it.
    fn trim(&self, context: &mut Context<'_>) -> (Asked, Operation) {
        let topics = self.workload.topics.iter();
        let topics: Vec<_> = topics.filter(|topic| topic.trimmed).collect();
        if topics.is_empty() {
            return (Asked::Looked, Operation::DescribeCluster);
        }
        let topic = context.random.pick(&topics);
        let number = context.random.below(topic.partitions as usize) as i32;
        let partition = TopicPartition::new(topic.name.clone(), number);
        let known = context.oracle.high_watermark_floor(&partition);
        let offset = match context.random.chance(0.2) {
            true => -1,
            false => context.random.below(known as usize + 1) as i64,
        };
        let asked = if offset < 0 { i64::MAX } else { offset };
        context.oracle.deletion_asked(&partition, asked);
        let operation = Operation::DeleteTopicRecords {
            topic: topic.name.clone(),
            partitions: vec![(number, offset)],
        };
        (Asked::Trimmed(partition, offset), operation)
    }

    /// Deletes a topic that has records, producers and readers.
    fn doom(&self, context: &mut Context<'_>) -> (Asked, Operation) {
        let mut topics = self.workload.topics.iter();
        let doomed = topics.find(|it| it.doomed && !context.oracle.is_deleted(&it.name));
        let Some(topic) = doomed.map(|topic| topic.name.clone()) else {
            return (Asked::Looked, Operation::ListTopics);
        };
        context.oracle.topic_doomed(&topic);
        let operation = Operation::DeleteTopics {
            topics: vec![topic.clone()],
            timeout_ms: TIMEOUT_MS,
        };
        (Asked::Deleted(topic), operation)
    }

    fn commit(&mut self, context: &mut Context<'_>) -> (Asked, Operation) {
        self.committed = None;
        let offset = context.random.below(1_000) as i64;
        let operation = Operation::SetOffsets {
            group_id: self.group_id(),
            topic: self.workload.topics[0].name.clone(),
            partitions: vec![(0, offset)],
        };
        (Asked::Committed(offset), operation)
    }

    fn forget(&mut self) -> (Asked, Operation) {
        self.committed = None;
        let operation = Operation::DeleteGroups {
            group_ids: vec![self.group_id()],
        };
        (Asked::Forgotten, operation)
    }

    fn remember(&self) -> (Asked, Operation) {
        let operation = Operation::FetchOffsets {
            group_id: self.group_id(),
            topics: vec![self.workload.topics[0].name.clone()],
            resolve_offsets: false,
        };
        (Asked::Remembered(self.committed), operation)
    }

    fn remembered(
        &self,
        before: Option<(Option<i64>, u32)>,
        result: &AdminResult,
        context: &mut Context<'_>,
    ) {
        let AdminResult::GroupOffsets(offsets) = result else {
            return;
        };
        let found = offsets.iter().find(|it| it.partition.partition == 0);
        let found = found.map(|it| it.offset).filter(|offset| *offset >= 0);
        let expected = before.filter(|(_, told)| *told == context.oracle.power_losses());
        if let Some((offset, _)) = expected.filter(|(offset, _)| *offset != found) {
            let what = format!(
                "{} has {found:?} committed, not {offset:?}",
                self.group_id()
            );
            context.oracle.broken(what);
        }
    }

    fn answered(
        &mut self,
        asked: Asked,
        result: Result<AdminResult, KafkaError>,
        context: &mut Context<'_>,
    ) {
        context
            .trace
            .line(|| format!("admin-{} is answered: {asked:?} {result:?}", self.number));
        let name = match asked {
            Asked::Created(..) => "admin: create topic",
            Asked::Deleted(_) => "admin: delete topic",
            Asked::Grown(..) => "admin: create partitions",
            Asked::Trimmed(..) => "admin: delete records",
            Asked::Committed(_) => "admin: set offset",
            Asked::Forgotten => "admin: delete group",
            Asked::Remembered(_) => "admin: fetch offset",
            Asked::Looked => "admin: look",
            Asked::LastLook => "admin: last look",
        };
        context.counts.operation(name, result.is_ok());
        match (asked, result) {
            (Asked::Created(topic, count), Ok(_)) => context.oracle.topic_promised(&topic, count),
            (Asked::Grown(topic, count), Ok(_)) => context.oracle.topic_promised(&topic, count),
            (Asked::Deleted(topic), Ok(_)) => context.oracle.topic_promised(&topic, 0),
            (Asked::Trimmed(partition, offset), Ok(_)) if offset >= 0 => {
                context.oracle.deletion_acknowledged(&partition, offset);
            }
            (Asked::Committed(offset), Ok(_)) => {
                self.committed = Some((Some(offset), context.oracle.power_losses()));
            }
            (Asked::Forgotten, Ok(AdminResult::DeletedGroups(groups)))
                if groups.iter().all(|(_, error)| *error == ErrorCode::None) =>
            {
                self.committed = Some((None, context.oracle.power_losses()));
            }
            (Asked::Remembered(before), Ok(result)) => self.remembered(before, &result, context),
            (Asked::LastLook, Ok(AdminResult::Topics(topics))) => {
                self.looked = true;
                let all = topics.iter();
                let all = all.map(|topic| (topic.name.as_str(), topic.partitions.len()));
                context.oracle.last_topics(&all.collect());
            }
            (Asked::LastLook, result) => {
                let number = self.number;
                let what = format!("admin-{number} failed when nothing went wrong: {result:?}");
                context.oracle.broken(what);
            }
            _ => {}
        }
    }
}

impl Actor for AdminActor {
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
        self.operations_left == 0
    }

    fn waits_for(&self, _: &Oracle) -> Option<String> {
        let number = self.number;
        (!self.looked).then(|| format!("admin-{number} waits for {:?}", self.open))
    }

    fn successor(&mut self, random: &mut Random, _: &mut Oracle) -> Option<Box<dyn Actor>> {
        let mut next = AdminActor::new(random, self.number + 1_000, &self.workload);
        next.operations_left = self.operations_left;
        next.topics = std::mem::take(&mut self.topics);
        next.healed = self.healed;
        Some(Box::new(next))
    }
}
