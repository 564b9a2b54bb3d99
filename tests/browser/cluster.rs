//! A cluster in the test's own thread: a broker on IndexedDB and clients that reach it by ports.

use futures_channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use futures_util::StreamExt;
use futures_util::future::{Either, select};
use futures_util::lock::Mutex;
use gloo_timers::future::TimeoutFuture;
use std::cell::{Cell, RefCell};
use std::pin::pin;
use std::rc::Rc;
use tablog::broker::{Broker, BrokerConfig};
use tablog::client::admin::{
    AdminCommand, AdminOutput, AdminResult, NewTopic, Operation, TopicOffsets,
};
use tablog::client::consumer::{
    AutoCommit, ConsumerCommand, ConsumerConfig, ConsumerOutput, FetchedBatch, OffsetReset,
    Subscription,
};
use tablog::client::producer::{
    Acks, ProducerCommand, ProducerConfig, ProducerOutput, ProducerRecord, RecordMetadata,
};
use tablog::client::{
    Admin, ClientConfig, ClientMachine, CommandId, Consumer, KafkaError, NetworkEvent, Producer,
};
use tablog::metadata::ControllerConfig;
use tablog::metadata::configs::BrokerConfigs;
use tablog::protocol::Uuid;
use tablog::record::Compression;
use tablog::runtime::{BrokerHost, ClientEdge, ClientHost, Direction, random_u64, seed};
use tablog::storage::indexed_db::{IndexedDbStorage, delete_database};
use web_sys::{MessageChannel, MessagePort};

/// Longer than anything here takes; what has not come by then will not come.
const PATIENCE_MS: u32 = 60_000;

/// Where all clients live.
pub const CLIENT_HOST: &str = "/here";

/// Where clients find the broker, if there is one now.
type Door = Rc<RefCell<Option<BrokerHost>>>;

/// At most one broker at a time on the databases of one name.
pub struct Cluster {
    name: String,
    door: Door,
    stops: Rc<RefCell<Vec<String>>>,
}

impl Cluster {
    /// A cluster whose databases do not exist, with a running broker.
    pub async fn fresh(test: &str) -> Cluster {
        let cluster = Cluster::of(&format!("tablog-test-engine-{test}"));
        cluster.delete_databases().await;
        cluster.open().await;
        cluster
    }

    /// The databases of another cluster, as a second tab has them.
    pub fn sharing(other: &Cluster) -> Cluster {
        Cluster::of(&other.name)
    }

    fn of(name: &str) -> Cluster {
        Cluster {
            name: name.to_owned(),
            door: Door::default(),
            stops: Rc::default(),
        }
    }

    /// Starts a broker.
    pub async fn open(&self) {
        self.open_with(&[]).await;
    }

    /// Starts a broker with these configs.
    pub async fn open_with(&self, configs: &[(&str, &str)]) {
        let configs = configs.iter().copied();
        let configs = configs.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let configs = BrokerConfigs::new(configs.collect()).expect("there are such configs");
        let (own, metadata) = self.databases();
        let config = BrokerConfig {
            cluster_id: self.name.clone(),
            configs: configs.clone(),
            ..BrokerConfig::default()
        };
        let controller = ControllerConfig {
            cluster_id: self.name.clone(),
            broker: configs,
            ..ControllerConfig::default()
        };
        let broker = Broker::new(config, Uuid(seed().expect("there is crypto")));
        let stops = self.stops.clone();
        let host = BrokerHost::open(
            broker.expect("the name is short"),
            controller,
            IndexedDbStorage::new(own),
            IndexedDbStorage::new(metadata),
            move |why| stops.borrow_mut().push(why.to_string()),
        );
        let host = host.await.expect("the databases can be opened");
        self.door.replace(Some(host));
    }

    /// The broker that runs.
    pub fn broker(&self) -> BrokerHost {
        self.door.borrow().clone().expect("it runs")
    }

    /// The broker ends where it stands.
    pub fn crash(&self) {
        self.door.take().expect("it ran");
    }

    /// The broker ends when it has stored the next batch of records, and before it has said so.
    pub fn crash_before_the_next_acknowledgement(&self) {
        let door = self.door.clone();
        let produce = Cell::new(None);
        let host = self.broker();
        host.tap().set(Some(Rc::new(move |tapped| {
            let frame = &tapped.frame;
            match tapped.direction {
                // The API key of Produce is 0.
                Direction::Request if frame[..2] == [0, 0] => {
                    produce.set(Some((tapped.connection, correlation_id(&frame[4..]))));
                }
                Direction::Response
                    if produce.get() == Some((tapped.connection, correlation_id(frame))) =>
                {
                    if let Some(host) = door.take() {
                        host.close();
                    }
                }
                _ => {}
            }
        })));
    }

    /// Waits until a broker has said that it cannot go on.
    pub async fn until_stopped(&self) {
        for _ in 0..PATIENCE_MS {
            if !self.stops().is_empty() {
                return;
            }
            TimeoutFuture::new(1).await;
        }
        panic!("it goes on for {PATIENCE_MS} ms");
    }

    /// Waits for the end of the broker.
    pub async fn until_gone(&self) {
        while self.door.borrow().is_some() {
            TimeoutFuture::new(1).await;
        }
    }

    /// What the brokers said that could not go on.
    pub fn stops(&self) -> Vec<String> {
        self.stops.borrow().clone()
    }

    /// The names of the broker's database and the controller's.
    pub fn databases(&self) -> (String, String) {
        let name = &self.name;
        (format!("{name}-broker"), format!("{name}-controller"))
    }

    /// Ends everything.
    pub async fn delete(self) {
        self.door.take();
        self.delete_databases().await;
    }

    async fn delete_databases(&self) {
        let (own, metadata) = self.databases();
        for name in [own, metadata] {
            delete_database(&name).await.expect("nobody holds it");
        }
    }

    /// A producer.
    pub fn producer(&self, config: ProducerConfig) -> Client<Producer> {
        self.client(Producer::new(
            config,
            random_u64().expect("there is crypto"),
        ))
    }

    /// A member of a group that reads `topic` from its beginning, and commits when it is told to.
    pub async fn member(&self, group_id: &str, topic: &str) -> Client<Consumer> {
        let config = ConsumerConfig {
            group_id: group_id.to_owned(),
            auto_commit: AutoCommit::Off,
            // Of those that crashed the group hears no more; it waits for this long.
            session_timeout_ms: 6_000,
            heartbeat_interval_ms: 1_000,
            max_wait_ms: 100,
            ..ConsumerConfig::default()
        };
        let consumer = Consumer::new(config, random_u64().expect("there is crypto"));
        let consumer = self.client(consumer);
        let topics = vec![Subscription {
            topic: topic.to_owned(),
            offset_reset: Some(OffsetReset::Earliest),
        }];
        let done = consumer.ask(|id| ConsumerCommand::Subscribe { id, topics });
        let ConsumerOutput::Done { result: Ok(()), .. } = done.await else {
            panic!("it can subscribe");
        };
        consumer
    }

    /// An admin.
    pub fn admin(&self) -> Client<Admin> {
        let seed = random_u64().expect("there is crypto");
        self.client(Admin::new(ClientConfig::default(), seed))
    }

    fn client<M: TestMachine>(&self, machine: M) -> Client<M> {
        let (outputs, receiver) = unbounded();
        let door = self.door.clone();
        Client {
            host: ClientHost::new(
                machine,
                Edge { door, outputs },
                ClientConfig::default().request_timeout_ms,
            ),
            outputs: Mutex::new(receiver),
            last_id: Cell::new(0),
        }
    }
}

fn correlation_id(bytes: &[u8]) -> [u8; 4] {
    [bytes[0], bytes[1], bytes[2], bytes[3]]
}

struct Edge<Output> {
    door: Door,
    outputs: UnboundedSender<Output>,
}

impl<Output> ClientEdge<Output> for Edge<Output> {
    fn connect(&self, _host: &str, _port: i32) -> Option<MessagePort> {
        let door = self.door.borrow();
        let host = door.as_ref()?;
        let channel = MessageChannel::new().expect("every engine has channels");
        host.connect(channel.port1(), 1, Some(CLIENT_HOST.to_owned()));
        Some(channel.port2())
    }

    fn output(&self, output: Output) {
        // Nobody listens any more only if the client is being dropped.
        let _ = self.outputs.unbounded_send(output);
    }

    fn network(&self, _event: NetworkEvent) {}
}

/// A client and what it has told.
pub struct Client<M: TestMachine> {
    host: ClientHost<M, Edge<M::Output>>,
    outputs: Mutex<UnboundedReceiver<M::Output>>,
    last_id: Cell<u64>,
}

/// A machine whose answers can be told apart.
pub trait TestMachine: ClientMachine<Output: 'static> + 'static {
    /// The command that an output answers.
    fn answers(output: &Self::Output) -> Option<CommandId>;
}

impl TestMachine for Producer {
    fn answers(output: &ProducerOutput) -> Option<CommandId> {
        match output {
            ProducerOutput::Connected { id, .. }
            | ProducerOutput::Sent { id, .. }
            | ProducerOutput::Partitions { id, .. }
            | ProducerOutput::Flushed { id, .. }
            | ProducerOutput::Closed { id } => Some(*id),
        }
    }
}

impl TestMachine for Consumer {
    fn answers(output: &ConsumerOutput) -> Option<CommandId> {
        match output {
            ConsumerOutput::Done { id, .. }
            | ConsumerOutput::Polled { id, .. }
            | ConsumerOutput::Topics { id, .. } => Some(*id),
            ConsumerOutput::AssignorAsked { .. } | ConsumerOutput::Event(_) => None,
        }
    }
}

impl TestMachine for Admin {
    fn answers(output: &AdminOutput) -> Option<CommandId> {
        Some(output.id)
    }
}

impl<M: TestMachine> Client<M> {
    /// Commands and waits for the answer; drops what else is told meanwhile.
    pub async fn ask(&self, command: impl FnOnce(CommandId) -> M::Command) -> M::Output {
        let id = self.begin(command);
        self.answer(id).await
    }

    /// Commands, without waiting.
    pub fn begin(&self, command: impl FnOnce(CommandId) -> M::Command) -> CommandId {
        let id = CommandId(self.last_id.get() + 1);
        self.last_id.set(id.0);
        self.host.command(command(id));
        id
    }

    /// The answer to a command.
    pub async fn answer(&self, id: CommandId) -> M::Output {
        let answered = async {
            let mut outputs = self.outputs.lock().await;
            loop {
                let output = outputs.next().await.expect("the client holds the sender");
                if M::answers(&output) == Some(id) {
                    break output;
                }
            }
        };
        match select(pin!(answered), TimeoutFuture::new(PATIENCE_MS)).await {
            Either::Left((output, _)) => output,
            Either::Right(_) => panic!("no answer within {PATIENCE_MS} ms"),
        }
    }
}

impl Client<Producer> {
    /// Sends and waits for what became of it.
    pub async fn send(
        &self,
        topic: &str,
        records: Vec<ProducerRecord>,
        compression: Compression,
    ) -> Result<Vec<RecordMetadata>, KafkaError> {
        let id = self.begin_send(topic, records, compression);
        self.sent(id).await
    }

    /// Sends, without waiting.
    pub fn begin_send(
        &self,
        topic: &str,
        records: Vec<ProducerRecord>,
        compression: Compression,
    ) -> CommandId {
        self.begin(|id| ProducerCommand::Send {
            id,
            topic_messages: vec![(topic.to_owned(), records)],
            acks: Acks::All,
            timeout_ms: 30_000,
            compression,
        })
    }

    /// What became of a send.
    pub async fn sent(&self, id: CommandId) -> Result<Vec<RecordMetadata>, KafkaError> {
        match self.answer(id).await {
            ProducerOutput::Sent {
                error: Some(error), ..
            } => Err(error),
            ProducerOutput::Sent { partitions, .. } => Ok(partitions),
            other => panic!("{other:?} answers a send"),
        }
    }
}

impl Client<Consumer> {
    /// Polls until there are `count` records, or more, of whole polls of at most `records_max`.
    pub async fn read(&self, count: usize, records_max: usize) -> Vec<FetchedBatch> {
        let mut batches: Vec<FetchedBatch> = Vec::new();
        while batches
            .iter()
            .map(|batch| batch.records.len())
            .sum::<usize>()
            < count
        {
            let polled = self
                .ask(|id| ConsumerCommand::Poll { id, records_max })
                .await;
            let ConsumerOutput::Polled {
                result: Ok(Some(batch)),
                ..
            } = polled
            else {
                panic!("{polled:?}");
            };
            self.host.command(ConsumerCommand::Processed {
                partition: batch.partition.clone(),
                fence: batch.fence,
                next_offset: batch.next_offset,
            });
            batches.push(batch);
        }
        batches
    }

    /// Commits what was read.
    pub async fn commit(&self) {
        let done = self.ask(|id| ConsumerCommand::Commit { id, offsets: None });
        let ConsumerOutput::Done { result, .. } = done.await else {
            panic!("a commit is answered by Done");
        };
        result.expect("the group has this member");
    }
}

impl Client<Admin> {
    /// Does something.
    pub async fn run(&self, operation: Operation) -> AdminResult {
        let answer = self.ask(|id| AdminCommand::Run { id, operation });
        answer.await.result.expect("it succeeds")
    }

    /// Creates a topic.
    pub async fn create_topic(
        &self,
        topic: &str,
        num_partitions: i32,
        config_entries: &[(&str, &str)],
    ) {
        // The timestamps here may be old.
        let configs = [("retention.ms", "-1")].iter().chain(config_entries);
        let entry = |(name, value): &(&str, &str)| (name.to_string(), Some(value.to_string()));
        let created = self.run(Operation::CreateTopics {
            topics: vec![NewTopic {
                topic: topic.to_owned(),
                num_partitions,
                replication_factor: -1,
                config_entries: configs.map(entry).collect(),
                ..NewTopic::default()
            }],
            validate_only: false,
            timeout_ms: 30_000,
            wait_for_leaders: true,
        });
        assert_eq!(created.await, AdminResult::Created(true));
    }

    /// The end of each partition, by number.
    pub async fn high_watermarks(&self, topic: &str) -> Vec<i64> {
        let offsets = self.topic_offsets(topic).await;
        offsets.iter().map(|it| it.high).collect()
    }

    /// Waits until the first partition of a topic starts at `low`.
    pub async fn until_log_start(&self, topic: &str, low: i64) {
        for _ in 0..PATIENCE_MS / 100 {
            if self.topic_offsets(topic).await[0].low == low {
                return;
            }
            TimeoutFuture::new(100).await;
        }
        panic!("{topic} does not start at {low} within {PATIENCE_MS} ms");
    }

    async fn topic_offsets(&self, topic: &str) -> Vec<TopicOffsets> {
        let topic = topic.to_owned();
        match self.run(Operation::FetchTopicOffsets { topic }).await {
            AdminResult::TopicOffsets(offsets) => offsets,
            other => panic!("{other:?}"),
        }
    }
}
