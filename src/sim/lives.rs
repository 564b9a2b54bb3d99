//! Lives of the broker, each with the controller of its worker, on the media that outlive them.

use super::node::{Media, Node, Side};
use super::work::{self, Cost, Worker};
use super::workload::Workload;
use super::world::{Step, World};
use crate::machine::{ConnectionId, Effect, Event};
use crate::protocol::decode_request;
use crate::storage::StorageReply;
use crate::storage::quota::Quota;
use bytes::Bytes;
use std::collections::BTreeMap;

/// What a life does to those outside of it.
#[derive(Debug)]
pub enum Outgoing {
    /// It answers on a connection.
    Respond(ConnectionId, Bytes),
    /// It closes a connection.
    Close(ConnectionId),
    /// It has ended, and so have its connections.
    Ended(u64),
}

/// The lives of the broker.
pub struct Lives {
    workload: Workload,
    media: Media,
    nodes: BTreeMap<u64, Node>,
    /// The newest life; older ones are zombies.
    newest: u64,
}

impl Lives {
    /// Before the first.
    pub fn new(workload: Workload) -> Lives {
        Lives {
            media: Media::new(workload.sizes.padding_row_bytes),
            workload,
            nodes: BTreeMap::new(),
            newest: 0,
        }
    }

    /// The room of the media.
    pub fn quota(&self) -> &Quota {
        self.media.quota()
    }

    /// What the broker has stored.
    pub fn rows(&self) -> Vec<Bytes> {
        self.media.broker_rows()
    }

    /// The newest life ends, and what it has stored is damaged before the next one begins.
    pub fn damage(&mut self, world: &mut World) -> Vec<Outgoing> {
        let mut outgoing = Vec::from_iter(self.end(world, self.newest));
        if let Some(what) = self.media.damage(&mut world.random) {
            world.line(|| format!("!!! {what}"));
            world.counts.fault(what);
        }
        outgoing.extend(self.start(world));
        outgoing
    }

    /// The newest life, which may be over.
    pub fn newest(&self) -> u64 {
        self.newest
    }

    /// Whether the newest life goes on.
    pub fn is_up(&self) -> bool {
        self.nodes.contains_key(&self.newest)
    }

    /// Begins another life; those before it are zombies.
    pub fn start(&mut self, world: &mut World) -> Vec<Outgoing> {
        self.newest += 1;
        let life = self.newest;
        world.line(|| format!("life {life} of the broker begins"));
        let incarnation_id = world.random.seed();
        match Node::open(&self.media, &self.workload, incarnation_id) {
            Ok(node) => self.nodes.insert(life, node),
            Err(error) => {
                let what = format!("a medium did not open: {error}");
                world.oracle.broken(what);
                return Vec::new();
            }
        };
        let mut outgoing = Vec::new();
        for side in [Side::Controller, Side::Broker] {
            let seed = world.random.seed();
            outgoing.extend(self.feed(world, life, side, Event::Opened { seed }));
        }
        outgoing
    }

    /// Begins another life unless one has begun since `after`.
    pub fn start_after(&mut self, world: &mut World, after: u64) -> Vec<Outgoing> {
        match self.newest == after {
            true => self.start(world),
            false => Vec::new(),
        }
    }

    /// Has another life begin in a while.
    pub fn restart_later(&self, world: &mut World) {
        let ms = world.random.pick(&[0, 1, 50, 1_500]);
        world.after(ms, Step::Start(self.newest));
    }

    /// A life ends without a word.
    pub fn end(&mut self, world: &mut World, life: u64) -> Option<Outgoing> {
        self.nodes.remove(&life)?;
        world.line(|| format!("life {life} of the broker ends"));
        Some(Outgoing::Ended(life))
    }

    /// The newest life ends; another begins in a while.
    pub fn crash(&mut self, world: &mut World) -> Vec<Outgoing> {
        let ended = self.end(world, self.newest);
        self.restart_later(world);
        ended.into_iter().collect()
    }

    /// A life ends if it is a zombie by now.
    pub fn end_zombie(&mut self, world: &mut World, life: u64) -> Option<Outgoing> {
        (life != self.newest).then(|| self.end(world, life))?
    }

    /// All lives end but the newest.
    pub fn end_zombies(&mut self, world: &mut World) -> Vec<Outgoing> {
        let lives: Vec<_> = self.nodes.keys().copied().collect();
        let ended = lives.into_iter().map(|life| self.end_zombie(world, life));
        ended.flatten().collect()
    }

    /// Everybody dies, and the media lose their newest relaxed writes; another life begins in a
    /// while.
    pub fn power_loss(&mut self, world: &mut World) -> Vec<Outgoing> {
        let lives: Vec<_> = self.nodes.keys().copied().collect();
        let ended = lives.into_iter().map(|life| self.end(world, life));
        let ended = ended.flatten().collect();
        self.media.power_loss(&mut world.random);
        self.restart_later(world);
        ended
    }

    /// The controller of the newest life dies and starts again; its broker lives on.
    pub fn restart_controller(&mut self, world: &mut World) -> Vec<Outgoing> {
        let life = self.newest;
        let Some(node) = self.nodes.get_mut(&life) else {
            return Vec::new();
        };
        if let Err(error) = node.restart_controller(&self.media, &self.workload) {
            let what = format!("a medium did not open: {error}");
            world.oracle.broken(what);
            return Vec::new();
        }
        let seed = world.random.seed();
        let outgoing = self.feed(world, life, Side::Controller, Event::Opened { seed });
        world.after(0, Step::Hear(life, Side::Broker));
        outgoing
    }

    /// A machine's timer rings, if it is the newest.
    pub fn wake(
        &mut self,
        world: &mut World,
        (life, side, incarnation): (u64, Side, u64),
        timer: u64,
    ) -> Vec<Outgoing> {
        let unit = self.nodes.get_mut(&life).map(|node| node.unit(side));
        let current = unit.map(|unit| (unit.incarnation, unit.timer));
        if current != Some((incarnation, timer)) {
            return Vec::new();
        }
        world.line(|| format!("life {life}: {side:?} wakes"));
        self.feed(world, life, side, Event::Woken)
    }

    /// A machine hears what its storage did.
    pub fn stored(
        &mut self,
        world: &mut World,
        (life, side, incarnation): (u64, Side, u64),
        reply: StorageReply,
    ) -> Vec<Outgoing> {
        match self.is_incarnation(life, side, incarnation) {
            true => self.feed(world, life, side, Event::Storage(reply)),
            false => Vec::new(),
        }
    }

    /// A machine hears what the other one of its worker has for it.
    pub fn hear(&mut self, world: &mut World, life: u64, side: Side) -> Vec<Outgoing> {
        let node = self.nodes.get_mut(&life);
        let Some(event) = node.and_then(|node| node.next_for(side)) else {
            return Vec::new();
        };
        world.line(|| format!("life {life}: {side:?} hears {}", named(&event)));
        self.feed(world, life, side, event)
    }

    /// Feeds an event to a machine.
    pub fn feed(
        &mut self,
        world: &mut World,
        life: u64,
        side: Side,
        event: Event,
    ) -> Vec<Outgoing> {
        let Some(node) = self.nodes.get_mut(&life) else {
            return Vec::new();
        };
        node.upkeep.hears(side, &event);
        let unit = node.unit(side);
        let incarnation = unit.incarnation;
        let (kind, mut bytes) = work::described(side, &event);
        let folds = work::folds(side, &event);
        let steps = world.work.steps();
        let mut effects = Vec::new();
        unit.machine.handle(world.now(), event, &mut effects);
        let steps = world.work.steps() - steps;
        bytes += effects.iter().map(work::effect_bytes).sum::<usize>();
        let cost = Cost {
            bytes: bytes as u64,
            effects: effects.len() as u64,
            folds,
            steps,
        };
        let worker = Worker::Node(life, side);
        if let Err(what) = world.work.handled(worker, kind, cost, &mut world.counts) {
            world.oracle.broken(what);
        }
        let effects = effects.into_iter();
        let performed =
            effects.map(|effect| self.perform(world, (life, side, incarnation), effect));
        performed.flatten().collect()
    }

    fn perform(
        &mut self,
        world: &mut World,
        (life, side, incarnation): (u64, Side, u64),
        effect: Effect,
    ) -> Option<Outgoing> {
        let node = self.nodes.get_mut(&life)?;
        match (side, effect) {
            (_, Effect::Storage(request)) => {
                node.upkeep.stores(side, &request);
                node.unit(side).disk.submit(request);
                let ms = world.storage_ms();
                world.after(ms, Step::Disk(life, side, incarnation));
            }
            (_, Effect::WakeAt(instant)) => {
                let unit = node.unit(side);
                unit.timer += 1;
                world.at(instant, Step::Wake(life, side, incarnation, unit.timer));
            }
            (_, Effect::Report { message }) => {
                node.upkeep.partition_stopped();
                world.line(|| format!("life {life}: {side:?} reports: {message}"));
            }
            (_, Effect::Stop { reason, .. }) => {
                world.line(|| format!("life {life}: {side:?} stops: {reason}"));
                let ended = self.end(world, life);
                if life == self.newest {
                    self.restart_later(world);
                }
                return ended;
            }
            (Side::Broker, Effect::Respond { connection, frame }) => {
                return Some(Outgoing::Respond(connection, frame));
            }
            (Side::Broker, Effect::Close { connection }) => {
                return Some(Outgoing::Close(connection));
            }
            (Side::Broker, Effect::Send { frame, .. }) => {
                if let Err(what) = node.upkeep.asks(&frame) {
                    world.oracle.broken(what);
                }
                node.ask_controller(frame);
                world.after(0, Step::Hear(life, Side::Controller));
            }
            (Side::Controller, Effect::Respond { connection, frame }) => {
                node.answer_broker(connection, frame);
                world.after(0, Step::Hear(life, Side::Broker));
            }
            (Side::Controller, Effect::Close { connection }) => {
                node.leave_broker(connection);
                world.after(0, Step::Hear(life, Side::Controller));
                world.after(0, Step::Hear(life, Side::Broker));
            }
            (Side::Controller, Effect::Send { .. }) => {
                let what = "the controller sent a request".to_owned();
                world.oracle.broken(what);
            }
        }
        None
    }

    /// A machine's storage does one step.
    pub fn disk_step(&mut self, world: &mut World, (life, side, incarnation): (u64, Side, u64)) {
        if !self.is_incarnation(life, side, incarnation) {
            return;
        }
        let Some(node) = self.nodes.get_mut(&life) else {
            return;
        };
        let unit = node.unit(side);
        let World {
            random,
            faults,
            counts,
            ..
        } = world;
        let reply = unit.disk.step(random, faults, counts);
        let busy = unit.disk.is_busy();
        if unit.disk.has_refused_all() {
            let what = "the whole reserve was not enough for what needs it";
            world.oracle.broken(format!("{side:?}: {what}"));
        }
        match reply {
            Some(reply) => {
                world.line(|| match &reply {
                    StorageReply::Committed { ticket, result } => {
                        format!("life {life}: {side:?} commits {}: {result:?}", ticket.0)
                    }
                    StorageReply::Loaded { ticket, result } => {
                        let entries = result.as_ref().map(Vec::len);
                        format!("life {life}: {side:?} loads {}: {entries:?} rows", ticket.0)
                    }
                });
                let ms = world.storage_ms();
                world.after(ms, Step::Stored(life, side, incarnation, reply));
            }
            None if busy => {
                let ms = world.storage_ms();
                world.after(ms, Step::Disk(life, side, incarnation));
            }
            None => {}
        }
    }

    fn is_incarnation(&mut self, life: u64, side: Side, incarnation: u64) -> bool {
        let node = self.nodes.get_mut(&life);
        node.is_some_and(|node| node.unit(side).incarnation == incarnation)
    }
}

/// What an event says, for the trace.
fn named(event: &Event) -> String {
    match event {
        Event::Request { frame, .. } => named_request(frame),
        Event::Reply { frame, .. } => format!("{} bytes", frame.len()),
        Event::PeerLost { .. } => "that the controller is lost".to_owned(),
        other => format!("{other:?}"),
    }
}

/// What a request frame asks, for the trace.
pub fn named_request(frame: &Bytes) -> String {
    match decode_request(frame.clone()) {
        Ok((header, request)) => {
            format!("{} #{}", request.api_key().name(), header.correlation_id)
        }
        Err(error) => format!("{error:?}"),
    }
}
