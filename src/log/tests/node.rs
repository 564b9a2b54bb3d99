//! The logs of one node on a faulty medium, driven step by step.

use crate::log::*;
use crate::now::{Instant, Now, Timestamp};
use crate::protocol::Uuid;
use crate::record::{BatchBuilder, BatchFields, Compression, batches, records};
use crate::storage::faulty::{FaultyMedium, FaultyStorage, Outcome};
use crate::storage::{KeyRange, StorageRequest, Store, Ticket, WriteBatch};
use bytes::Bytes;

/// Where virtual time starts: in 2025.
pub const START_MS: i64 = 1_750_000_000_000;

/// A record for tests: its value says which one it is.
pub type Value = u32;

pub fn id(partition: i32) -> PartitionId {
    PartitionId {
        topic_id: Uuid([1; 16]),
        partition,
    }
}

/// The first partition.
pub fn p0() -> PartitionId {
    id(0)
}

/// A node with its storage. Dropping it is a crash.
pub struct Node {
    pub medium: FaultyMedium,
    storage: FaultyStorage,
    pub logs: LogManager,
    pub now: Now,
    pub events: Vec<LogEvent>,
    /// Requests that were submitted: commits and loads.
    pub commits: usize,
    pub loads: usize,
    pub loaded_bytes: usize,
    /// How often the logs were woken.
    pub wakes: usize,
}

impl Node {
    /// A node with its first partition, on an empty medium.
    pub fn new() -> Node {
        Node::with_config(LogConfig::default())
    }

    pub fn with_config(config: LogConfig) -> Node {
        let mut node = Node::on(FaultyMedium::new());
        node.ensure(p0(), config);
        node
    }

    /// Opens what the medium has.
    pub fn on(medium: FaultyMedium) -> Node {
        Node::checking(medium, MaintenanceConfig::default())
    }

    pub fn checking(medium: FaultyMedium, config: MaintenanceConfig) -> Node {
        let node = Node::opened(medium, config, START_MS);
        assert_eq!(node.events.first(), Some(&LogEvent::Opened));
        node
    }

    /// Opens what the medium has at a time of the wall clock.
    pub fn opened_at(medium: FaultyMedium, wall_ms: i64) -> Node {
        Node::opened(medium, MaintenanceConfig::default(), wall_ms)
    }

    /// What is told when the medium is opened.
    pub fn opening(medium: FaultyMedium) -> Vec<LogEvent> {
        Node::opened_at(medium, START_MS).events
    }

    fn opened(medium: FaultyMedium, config: MaintenanceConfig, wall_ms: i64) -> Node {
        let storage = FaultyStorage::new(&medium);
        storage.open_now().unwrap();
        let mut node = Node {
            medium,
            storage,
            logs: LogManager::new(LogLimits::default(), config),
            now: Now {
                monotonic: Instant(0),
                wall: Timestamp(wall_ms),
            },
            events: Vec::new(),
            commits: 0,
            loads: 0,
            loaded_bytes: 0,
            wakes: 0,
        };
        node.logs.open();
        node.settle();
        node
    }

    /// Dies between two steps, and opens again, with the same config for every partition.
    pub fn crash(self, config: &LogConfig) -> Node {
        let now = self.now;
        let mut node = Node::on(self.medium.clone());
        node.now = now;
        for id in node.logs.partitions() {
            node.ensure(id, config.clone());
        }
        node
    }

    pub fn ensure(&mut self, id: PartitionId, config: LogConfig) {
        self.logs.ensure(self.now, id, config);
    }

    pub fn advance(&mut self, ms: i64) {
        self.now.monotonic = self.now.monotonic + ms as u64;
        self.now.wall.0 += ms;
    }

    /// Lets time pass, and wakes the logs whenever they asked for it.
    pub fn pass(&mut self, ms: i64) {
        let until = self.now.monotonic + ms as u64;
        self.settle();
        while let Some(at) = self.logs.next_tick()
            && at <= until
        {
            self.advance(at.ms_since(self.now.monotonic) as i64);
            self.wakes += 1;
            self.tick();
        }
        self.advance(until.ms_since(self.now.monotonic) as i64);
    }

    /// Sends on what the logs want of storage.
    pub fn submit(&mut self) {
        let requests = self.logs.take_requests(self.now);
        self.events.append(&mut self.logs.take_events());
        for request in requests {
            match &request {
                StorageRequest::Commit { .. } => self.commits += 1,
                StorageRequest::Load {
                    range, bytes_max, ..
                } => {
                    self.loads += 1;
                    let rows = self.medium.read(range, *bytes_max);
                    self.loaded_bytes += rows.iter().map(|row| row.value.len()).sum::<usize>();
                }
            }
            self.storage.submit(request);
        }
    }

    /// Performs the first request that is ready, and delivers its reply. False if there is none.
    pub fn step(&mut self, outcome: Outcome) -> bool {
        self.submit();
        match self.storage.ready().first() {
            Some(ticket) => self.perform(*ticket, outcome),
            None => return false,
        }
        true
    }

    fn perform(&mut self, ticket: Ticket, outcome: Outcome) {
        if let Some(reply) = self.storage.perform(ticket, outcome) {
            self.logs.handle(self.now, reply, &mut self.events);
        }
    }

    /// Performs the first request that is ready, and dies before its reply is delivered.
    pub fn perform_and_crash(mut self, config: &LogConfig) -> Node {
        self.submit();
        if let Some(ticket) = self.storage.ready().first() {
            self.storage.perform(*ticket, Outcome::Done);
        }
        self.crash(config)
    }

    /// Performs the last request that is ready, and delivers its reply.
    pub fn perform_last(&mut self) {
        self.submit();
        let ticket = *self.storage.ready().last().unwrap();
        self.perform(ticket, Outcome::Done);
    }

    /// Moves the tails of all partitions into segments.
    pub fn move_all(&mut self) {
        for id in self.logs.partitions() {
            self.logs.maintenance.want_move(id);
        }
        self.settle();
    }

    /// Goes on until storage has nothing to do.
    pub fn settle(&mut self) {
        for _ in 0..100_000 {
            if !self.step(Outcome::Done) {
                return;
            }
        }
        panic!("storage always has something to do");
    }

    /// Ticks and settles until the next tick is later than now.
    pub fn tick(&mut self) {
        for _ in 0..100 {
            self.logs.tick(self.now);
            self.settle();
            let next = self.logs.next_tick();
            if next.is_none_or(|next| next > self.now.monotonic) {
                return;
            }
        }
        panic!("a tick is always due");
    }

    pub fn append(&mut self, id: PartitionId, batch: Bytes) -> Result<Appended, AppendError> {
        self.logs
            .append(self.now, id, batch, AppendOrigin::Client, 0)
    }

    /// Appends a batch with these records, of a producer without idempotence.
    pub fn produce(&mut self, id: PartitionId, values: &[Value]) -> Appended {
        let batch = batch(self.now.wall.0, values);
        self.append(id, batch).unwrap()
    }

    /// A whole read: retries until the loads have ended.
    pub fn read(&mut self, id: PartitionId, offset: i64) -> Result<Vec<Bytes>, LogError> {
        self.read_up_to(id, offset, i64::MAX, usize::MAX)
    }

    pub fn read_up_to(
        &mut self,
        id: PartitionId,
        offset: i64,
        end: i64,
        bytes_max: usize,
    ) -> Result<Vec<Bytes>, LogError> {
        for _ in 0..1000 {
            match self.logs.read(id, offset, end, bytes_max, true)? {
                Read::Records(runs) => return Ok(runs),
                Read::Pending(load) => self.await_load(load),
            }
        }
        panic!("the read waits for ever");
    }

    pub fn await_load(&mut self, load: LoadId) {
        let loaded = LogEvent::Loaded { load };
        for _ in 0..1000 {
            if self.events.contains(&loaded) {
                return;
            }
            assert!(self.step(Outcome::Done), "nobody loads {load:?}");
        }
    }

    /// Every record from the log start on: offset and value.
    pub fn records(&mut self, id: PartitionId) -> Vec<(i64, Value)> {
        let mut found = Vec::new();
        let mut at = self.logs.log_start_offset(id).unwrap();
        loop {
            let runs = self.read(id, at).unwrap();
            if runs.is_empty() {
                return found;
            }
            for run in runs {
                for batch in batches(&run).strict() {
                    let (header, batch) = batch.unwrap();
                    for record in records(&batch).unwrap() {
                        let record = record.unwrap();
                        if record.offset >= at && !header.is_control() {
                            found.push((record.offset, value_of(record.value.as_deref())));
                        }
                    }
                    at = header.next_offset();
                }
            }
        }
    }

    pub fn values(&mut self, id: PartitionId) -> Vec<Value> {
        self.records(id)
            .into_iter()
            .map(|(_, value)| value)
            .collect()
    }

    /// How many rows a store has.
    pub fn rows(&self, store: Store) -> usize {
        self.medium.read(&KeyRange::all(store), usize::MAX).len()
    }

    /// How many bytes the values of a store have.
    pub fn stored_bytes(&self, store: Store) -> usize {
        let all = KeyRange::all(store);
        let rows = self.medium.read(&all, usize::MAX);
        rows.iter().map(|row| row.value.len()).sum()
    }

    /// Changes the store behind the logs' back.
    pub fn put(&mut self, store: Store, key: Vec<u8>, value: Bytes) {
        let mut batch = WriteBatch::default();
        batch.put(store, key, value);
        self.tamper(batch);
    }

    /// Deletes behind the logs' back.
    pub fn delete(&mut self, range: KeyRange) {
        let mut batch = WriteBatch::default();
        batch.delete(range);
        self.tamper(batch);
    }

    fn tamper(&mut self, batch: WriteBatch) {
        let ticket = Ticket(u64::MAX);
        self.storage
            .submit(StorageRequest::Commit { ticket, batch });
        self.storage.perform(ticket, Outcome::Done).unwrap();
    }

    pub fn take_events(&mut self) -> Vec<LogEvent> {
        std::mem::take(&mut self.events)
    }
}

pub fn value_of(value: Option<&[u8]>) -> Value {
    let value = value.expect("these records have values");
    Value::from_be_bytes(value[..4].try_into().unwrap())
}

pub fn batch(timestamp: i64, values: &[Value]) -> Bytes {
    batch_of(timestamp, values, 0, BatchFields::default())
}

/// A batch whose records are padded by so many bytes.
pub fn batch_of(
    timestamp: i64,
    values: &[Value],
    padding_bytes: usize,
    fields: BatchFields,
) -> Bytes {
    let mut builder = BatchBuilder::new(Compression::None);
    for value in values {
        let mut bytes = value.to_be_bytes().to_vec();
        bytes.resize(4 + padding_bytes, 0);
        builder.append(timestamp, None, Some(&bytes), &[]).unwrap();
    }
    builder.build(fields)
}

/// A batch of an idempotent producer.
pub fn sequenced(producer_id: i64, producer_epoch: i16, base_sequence: i32, value: Value) -> Bytes {
    let fields = BatchFields {
        producer_id,
        producer_epoch,
        base_sequence,
        ..BatchFields::default()
    };
    batch_of(START_MS, &[value], 0, fields)
}
