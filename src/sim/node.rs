//! One life of the broker, with the controller in the same worker.

use super::disk::Disk;
use super::scheduler::Random;
use super::upkeep::Upkeep;
use super::workload::Workload;
use crate::broker::{Broker, BrokerConfig};
use crate::machine::{ConnectionId, ControllerLink, Event, Machine};
use crate::metadata::configs::BrokerConfigs;
use crate::metadata::{Controller, ControllerConfig};
use crate::protocol::Uuid;
use crate::storage::faulty::{FaultyMedium, FaultyStorage, Outcome};
use crate::storage::quota::Quota;
use crate::storage::{KeyRange, StorageError, StorageRequest, Store, Ticket, WriteBatch};
use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};

/// The two machines of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// The broker.
    Broker,
    /// The controller.
    Controller,
}

/// The media that survive every life.
#[derive(Debug)]
pub struct Media {
    quota: Quota,
    broker: FaultyMedium,
    controller: FaultyMedium,
}

impl Media {
    /// Empty ones in a room of which so many bytes a row are kept back.
    pub fn new(padding_row_bytes: usize) -> Media {
        let quota = Quota::new(padding_row_bytes);
        Media {
            broker: FaultyMedium::within(&quota),
            controller: FaultyMedium::within(&quota),
            quota,
        }
    }

    /// The room that they share.
    pub fn quota(&self) -> &Quota {
        &self.quota
    }

    /// Cuts the power.
    pub fn power_loss(&self, random: &mut Random) {
        for medium in [&self.broker, &self.controller] {
            medium.power_loss(random.below(medium.at_risk() + 1));
        }
    }

    /// The broker's rows.
    pub fn broker_rows(&self) -> Vec<Bytes> {
        let stores = Store::ALL.into_iter();
        let rows = stores.flat_map(|it| self.broker.read(&KeyRange::all(it), usize::MAX));
        rows.map(|entry| entry.value).collect()
    }

    /// Changes a byte of any row of the broker's, whose life has ended, or takes the row away.
    /// Says which; `None` if there is no row.
    pub fn damage(&self, random: &mut Random) -> Option<&'static str> {
        let stores = Store::ALL.map(|store| (store, KeyRange::all(store)));
        let stores = stores.map(|(store, all)| (store, self.broker.read(&all, usize::MAX)));
        let stores: Vec<_> = stores.iter().filter(|(_, rows)| !rows.is_empty()).collect();
        if stores.is_empty() {
            return None;
        }
        let (store, rows) = random.pick(&stores);
        let row = random.pick(&rows.iter().collect::<Vec<_>>());
        let mut batch = WriteBatch::default();
        // A row of the journal has several partitions, and the last may be missing.
        let missing = *store != Store::Journal && random.chance(0.2);
        if missing {
            let after = [&row.key[..], &[0]].concat();
            batch.deletes.push(KeyRange {
                end: Some(after),
                start: row.key.clone(),
                store: *store,
            });
        } else {
            let mut value = row.value.to_vec();
            let at = random.below(value.len());
            *value.get_mut(at)? ^= random.between(1, 255) as u8;
            batch.put(*store, row.key.clone(), value.into());
        }
        let storage = FaultyStorage::new(&self.broker);
        storage.open_now().ok()?;
        let ticket = Ticket(0);
        storage.submit(StorageRequest::Commit { ticket, batch });
        storage.perform(ticket, Outcome::Done)?;
        Some(match missing {
            true => "row missing",
            false => "row damaged",
        })
    }

    fn of(&self, side: Side) -> &FaultyMedium {
        match side {
            Side::Broker => &self.broker,
            Side::Controller => &self.controller,
        }
    }
}

/// One machine with its storage and its timer.
pub struct Unit {
    /// The state machine.
    pub machine: Box<dyn Machine>,
    /// Its storage.
    pub disk: Disk,
    /// Which timer is the newest: those before it do not ring.
    pub timer: u64,
    /// Raised when the machine is replaced: what was on its way to it is lost.
    pub incarnation: u64,
}

/// A broker, its controller, and the way between them.
pub struct Node {
    broker: Unit,
    controller: Unit,
    /// What the one asks of the other of its own accord.
    pub upkeep: Upkeep,
    link: ControllerLink,
    /// What is under way from one machine to the other, in order.
    to_controller: VecDeque<Event>,
    to_broker: VecDeque<Event>,
}

impl Node {
    /// Opens both media, the controller's first, which fences whoever had them.
    pub fn open(
        media: &Media,
        workload: &Workload,
        incarnation_id: [u8; 16],
    ) -> Result<Node, StorageError> {
        let controller = open_controller(media, workload, 0)?;
        let config = broker_config(workload);
        let broker = Broker::new(config, Uuid(incarnation_id))
            .map_err(|error| StorageError::Failed(error.to_string()))?;
        let broker = Unit {
            machine: Box::new(broker),
            disk: Disk::open(media.of(Side::Broker))?,
            timer: 0,
            incarnation: 0,
        };
        Ok(Node {
            broker,
            controller,
            upkeep: Upkeep::new(workload.offsets_partitions),
            link: ControllerLink::default(),
            to_controller: VecDeque::new(),
            to_broker: VecDeque::new(),
        })
    }

    /// Replaces the controller by a new one on the same medium. The broker will hear of it behind
    /// what the old one has answered.
    pub fn restart_controller(
        &mut self,
        media: &Media,
        workload: &Workload,
    ) -> Result<(), StorageError> {
        let incarnation = self.controller.incarnation + 1;
        self.controller = open_controller(media, workload, incarnation)?;
        self.to_controller.clear();
        if let Some((_, lost)) = self.link.close(self.link.connection()) {
            self.to_broker.push_back(lost);
        }
        Ok(())
    }

    /// The broker sends its controller a frame.
    pub fn ask_controller(&mut self, frame: Bytes) {
        self.to_controller.extend(self.link.request(frame));
    }

    /// The controller answers on a connection of its broker.
    pub fn answer_broker(&mut self, connection: ConnectionId, frame: Bytes) {
        self.to_broker.extend(self.link.response(connection, frame));
    }

    /// The controller closes a connection of its broker.
    pub fn leave_broker(&mut self, connection: ConnectionId) {
        if let Some((closed, lost)) = self.link.close(connection) {
            self.to_controller.push_back(closed);
            self.to_broker.push_back(lost);
        }
    }

    /// What a machine hears next of the other one.
    pub fn next_for(&mut self, side: Side) -> Option<Event> {
        match side {
            Side::Broker => {
                let event = self.to_broker.pop_front()?;
                self.link.heard(&event);
                Some(event)
            }
            Side::Controller => self.to_controller.pop_front(),
        }
    }

    /// One of the machines.
    pub fn unit(&mut self, side: Side) -> &mut Unit {
        match side {
            Side::Broker => &mut self.broker,
            Side::Controller => &mut self.controller,
        }
    }
}

fn open_controller(
    media: &Media,
    workload: &Workload,
    incarnation: u64,
) -> Result<Unit, StorageError> {
    let config = broker_config(workload);
    let controller = Controller::new(ControllerConfig {
        cluster_id: config.cluster_id,
        broker: config.configs,
        log_limits: config.log_limits,
        snapshot_after_bytes: workload.sizes.snapshot_after_bytes,
    });
    Ok(Unit {
        machine: Box::new(controller),
        disk: Disk::open(media.of(Side::Controller))?,
        timer: 0,
        incarnation,
    })
}

fn broker_config(workload: &Workload) -> BrokerConfig {
    let offsets_partitions = workload.offsets_partitions.to_string();
    let check_ms = workload.check_ms.to_string();
    let delay_ms = workload.initial_rebalance_delay_ms.to_string();
    let configs = BTreeMap::from([
        ("auto.create.topics.enable".to_owned(), "false".to_owned()),
        (
            "offsets.topic.num.partitions".to_owned(),
            offsets_partitions,
        ),
        ("group.initial.rebalance.delay.ms".to_owned(), delay_ms),
        ("group.min.session.timeout.ms".to_owned(), "1000".to_owned()),
        (
            "log.retention.check.interval.ms".to_owned(),
            check_ms.clone(),
        ),
        ("log.cleaner.backoff.ms".to_owned(), check_ms),
    ]);
    BrokerConfig {
        configs: BrokerConfigs::new(configs).expect("these are configs of a broker, in range"),
        log_limits: workload.sizes.log_limits,
        ..BrokerConfig::default()
    }
}
