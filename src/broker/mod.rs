//! The door: a Kafka request frame in, a Kafka response frame out.
//!
//! One file per API. A handler answers at once or parks an operation in the purgatory, which is
//! tried again when what it watches moves, when its deadline comes, or when its partition's
//! appends were rolled back.

mod api_versions;
mod config;
mod connections;
mod delayed;
mod delete_records;
mod describe_cluster;
mod describe_configs;
mod dispatch;
mod fetch;
mod forward;
mod groups;
mod init_producer_id;
mod list_offsets;
mod metadata;
mod offset_for_leader_epoch;
mod partitions;
mod produce;
mod purgatory;
#[cfg(test)]
mod tests;

pub use config::BrokerConfig;
pub use connections::RequestToken;
pub use purgatory::PURGATORY_REQUESTS_MAX;

use crate::log::{CHUNK_BYTES_MAX, CHUNK_CACHE_BYTES_MAX, LogEvent, LogManager, PartitionId};
use crate::machine::{Alarm, Answer, Effect, Event, Machine, Peer};
use crate::metadata::MetadataFollower;
use crate::now::Now;
use crate::protocol::{EncodeError, Response, Uuid};
use crate::replica::Partition;
use crate::storage::StorageError;
use connections::Connections;
use delayed::{Delayed, Wake};
use groups::Shards;
use purgatory::{Parked, Purgatory, Watch};
use std::collections::{BTreeMap, BTreeSet};

/// Loads that one request may have under way. Each brings up to a chunk, and all of them must stay
/// in the cache until the request has used them.
pub const REQUEST_LOADS_MAX: usize = CHUNK_CACHE_BYTES_MAX / CHUNK_BYTES_MAX / 2;
/// Where a client lives that does not say so, as `DescribeGroups` shows it.
const LOCAL_HOST: &str = "/127.0.0.1";
/// The client that may write to internal topics (`AdminUtils.ADMIN_CLIENT_ID`).
const INTERNAL_CLIENT_ID: &str = "__admin_client";

/// A broker as a deterministic state machine.
pub struct Broker {
    config: BrokerConfig,
    phase: Phase,
    logs: LogManager,
    metadata: MetadataFollower,
    /// The partitions that this broker leads.
    partitions: BTreeMap<PartitionId, Partition>,
    shards: Shards,
    connections: Connections,
    purgatory: Purgatory<Delayed>,
    /// What has moved during this event; its watchers are woken at the end.
    moved: BTreeSet<Watch>,
    /// Whose appends were rolled back during this event, likewise.
    rolled_back: BTreeMap<PartitionId, StorageError>,
    alarm: Alarm,
    /// Partitions that have stopped, and why: reported once the names of topics are known.
    stopped_partitions: Vec<(PartitionId, String)>,
    stopping: Option<Effect>,
}

/// How far the broker is.
enum Phase {
    /// Logs are opened and the metadata log is followed; requests wait.
    Starting {
        logs_open: bool,
        registered: bool,
    },
    Running,
    Stopped,
}

/// What a handler has come to.
enum Progress {
    Respond(Response),
    /// No response at all (`acks=0`).
    Nothing,
    /// End the connection.
    Close,
    Park(Parked<Delayed>),
}

impl Broker {
    /// A broker that has seen no event yet. `incarnation_id` is another for each life.
    ///
    /// Error: a name in `config` is too long for Kafka's formats.
    pub fn new(config: BrokerConfig, incarnation_id: Uuid) -> Result<Broker, EncodeError> {
        let mut connections = Connections::default();
        connections.hold();
        Ok(Broker {
            phase: Phase::Starting {
                logs_open: false,
                registered: false,
            },
            logs: LogManager::new(config.log_limits, config.maintenance_config()),
            metadata: MetadataFollower::new(config.registration(incarnation_id))?,
            partitions: BTreeMap::new(),
            shards: Shards::new(config.group_config(), [0; 16]),
            connections,
            purgatory: Purgatory::default(),
            moved: BTreeSet::new(),
            rolled_back: BTreeMap::new(),
            alarm: Alarm::default(),
            stopped_partitions: Vec::new(),
            stopping: None,
            config,
        })
    }
}

impl Machine for Broker {
    fn handle(&mut self, now: Now, event: Event, effects: &mut Vec<Effect>) {
        if matches!(self.phase, Phase::Stopped) {
            return;
        }
        self.resume_after_gap(now);
        let woken = matches!(event, Event::Woken);
        let mut log_events = Vec::new();
        match event {
            Event::Opened { seed } => {
                self.shards = Shards::new(self.config.group_config(), seed);
                self.logs.open();
            }
            Event::Connected {
                connection,
                client_host,
            } => self.connections.connected(connection, client_host),
            Event::Request { connection, frame } => self.receive(now, connection, frame),
            Event::Closed { connection } => {
                let open = self.connections.forget(connection);
                self.abandon_all(open);
            }
            Event::Reply {
                peer: Peer::Controller,
                frame,
            } => self.controller_replied(now, frame),
            Event::PeerLost {
                peer: Peer::Controller,
            } => {
                let events = self.metadata.controller_lost(now);
                self.follow(now, events);
            }
            Event::Reply { .. } | Event::PeerLost { .. } => {}
            Event::Storage(reply) => self.logs.handle(now, reply, &mut log_events),
            Event::Woken => self.wake(now),
        }
        log_events.append(&mut self.logs.take_events());
        for event in log_events {
            self.log_event(now, event);
        }
        loop {
            self.wake_moved(now);
            self.wake_rolled_back(now);
            self.activate_shards(now);
            // A request may have set a deadline that has come already, such as that of a first
            // rebalance without delay.
            self.shards.expire(now, &mut self.logs);
            while self.deliver_group_replies() {}
            if !self.go_on(now) {
                break;
            }
            while self.go_on(now) {}
        }
        self.collect(now, woken, effects);
    }
}

impl Broker {
    /// After a gap in time deadlines start again: nobody is expired for time in which nobody
    /// could run.
    fn resume_after_gap(&mut self, now: Now) {
        let gap_ms = self.alarm.gap_ms(now.monotonic);
        if gap_ms > 0 {
            self.purgatory.postpone(gap_ms);
            self.shards.restart_deadlines(now);
        }
    }

    fn wake(&mut self, now: Now) {
        for token in self.purgatory.due(now.monotonic) {
            self.wake_parked(now, token, Wake::Deadline);
        }
        if let Phase::Running = self.phase {
            self.logs.tick(now);
        }
        self.metadata.tick(now);
    }

    fn log_event(&mut self, now: Now, event: LogEvent) {
        match event {
            LogEvent::Opened => {
                if let Phase::Starting { logs_open, .. } = &mut self.phase {
                    *logs_open = true;
                }
                self.run_if_ready(now);
            }
            LogEvent::Durable { id, end } => self.durable(id, end),
            LogEvent::LogStartOffset { id, .. } => {
                self.moved.insert(Watch::Partition(id));
            }
            LogEvent::Loaded { load } => {
                self.shards.loaded(&mut self.logs, load);
                self.moved.insert(Watch::Load(load));
            }
            LogEvent::RolledBack { id, error, .. } => self.roll_back(id, error),
            LogEvent::Stopped { id, why } => {
                self.stopped_partitions.push((id, why.clone()));
                self.roll_back(id, StorageError::Corrupt(why));
            }
            LogEvent::Fatal(error) => self.stopping = Some(Effect::stop_for_storage(error)),
        }
    }

    /// Carries out what a handler has come to.
    fn settle_request(&mut self, token: RequestToken, progress: Progress) {
        match progress {
            Progress::Respond(response) => self.respond(token, &response),
            Progress::Nothing => self.end(token, Answer::Nothing),
            Progress::Close => self.end(token, Answer::Close),
            Progress::Park(parked) => self.purgatory.park(token, parked),
        }
    }

    /// Ends a request. Where that ends its connection, nobody waits for the others of it.
    fn end(&mut self, token: RequestToken, answer: Answer) {
        let open = self.connections.end(token, answer);
        self.abandon_all(open);
    }

    fn abandon_all(&mut self, tokens: Vec<RequestToken>) {
        for token in tokens {
            self.abandon(token);
        }
    }

    /// Nobody waits for a parked request any more.
    fn abandon(&mut self, token: RequestToken) {
        if let Some(Parked {
            operation: Delayed::Group(call),
            ..
        }) = self.purgatory.take(token)
        {
            self.shards.forget(call.open_parts());
        }
    }

    fn report_stopped(&mut self) -> Vec<Effect> {
        let mut stopped = std::mem::take(&mut self.stopped_partitions);
        stopped.append(&mut self.shards.take_unreadable());
        let reports = stopped.into_iter().map(|(id, why)| Effect::Report {
            message: self.stopped_message(id, &why),
        });
        reports.collect()
    }

    fn collect(&mut self, now: Now, woken: bool, effects: &mut Vec<Effect>) {
        if let Some(stop) = self.stopping.take() {
            self.phase = Phase::Stopped;
            effects.push(stop);
            return;
        }
        if let Phase::Running = self.phase {
            effects.extend(self.report_stopped());
        }
        effects.extend(
            self.logs
                .take_requests(now)
                .into_iter()
                .map(Effect::Storage),
        );
        for frame in self.metadata.take_frames() {
            effects.push(Effect::Send {
                peer: Peer::Controller,
                frame,
            });
        }
        effects.extend(self.connections.take_effects());
        let is_running = matches!(self.phase, Phase::Running);
        let wake_at = [
            self.purgatory.next_deadline(),
            self.logs.next_tick().filter(|_| is_running),
            self.shards.next_deadline(),
            self.metadata.next_deadline(),
        ]
        .into_iter()
        .flatten()
        // What was due at a waking has been tried; it waits for another event now.
        .filter(|deadline| !woken || now.monotonic < *deadline)
        .chain(self.connections.has_more().then_some(now.monotonic))
        .min();
        if woken {
            self.alarm.rang();
        }
        effects.extend(self.alarm.set(wake_at).map(Effect::WakeAt));
    }
}
