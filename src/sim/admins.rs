//! Applications that administer topics and look at the cluster.

use super::actor::{Actor, Context, Signal, Wish, take_effects};
use super::oracle::Oracle;
use super::producers::client_config;
use super::scheduler::Random;
use super::workload::Workload;
use crate::client::admin::{
    Admin, AdminCommand, AdminOutput, AdminResult, NewPartitions, NewTopic, Operation,
};
use crate::client::{ClientEvent, CommandId, KafkaError};
use crate::now::Now;

/// Most time between two operations.
const THINK_MS_MAX: u64 = 300;
/// How long the controller may take.
const TIMEOUT_MS: i32 = 5_000;

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
    healed: bool,
    /// Whether the last look at all topics has been answered.
    looked: bool,
}

/// What an operation promises if it succeeds.
#[derive(Clone, Debug)]
enum Asked {
    Created(String, usize),
    Deleted(String),
    Grown(String, usize),
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
            healed: false,
            looked: false,
        }
    }

    fn feed(&mut self, now: Now, event: ClientEvent<AdminCommand>, context: &mut Context<'_>) {
        let mut effects = Vec::new();
        self.machine.handle(now, event, &mut effects);
        for AdminOutput { id, result } in take_effects(effects, context) {
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
        if self.open.is_some() {
            return;
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
        self.next_command += 1;
        let id = CommandId(self.next_command);
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
        match (context.random.below(8), own) {
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
            Asked::Looked => "admin: look",
            Asked::LastLook => "admin: last look",
        };
        context.counts.operation(name, result.is_ok());
        match (asked, result) {
            (Asked::Created(topic, count), Ok(_)) => context.oracle.topic_promised(&topic, count),
            (Asked::Grown(topic, count), Ok(_)) => context.oracle.topic_promised(&topic, count),
            (Asked::Deleted(topic), Ok(_)) => context.oracle.topic_promised(&topic, 0),
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

    fn successor(&mut self, _: &mut Random, _: &mut Oracle) -> Option<Box<dyn Actor>> {
        None
    }
}
