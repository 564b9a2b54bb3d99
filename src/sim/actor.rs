//! A client and the application that uses it.

use super::oracle::Oracle;
use super::report::{Counts, Trace};
use super::scheduler::Random;
use super::work::{Cost, Work, Worker};
use crate::client::{ClientEffect, ClientEvent, ClientMachine, ConnectionId, TopicPartition};
use crate::now::{Instant, Now};
use bytes::Bytes;

/// What happens to an actor.
#[derive(Clone, Debug)]
pub enum Signal {
    /// A connection that it asked for is made.
    Connected(ConnectionId),
    /// A response arrived.
    Frame {
        /// Where.
        connection: ConnectionId,
        /// The frame.
        frame: Bytes,
        /// Whether the newest life of the broker said it.
        newest: bool,
    },
    /// A connection is gone.
    Closed(ConnectionId),
    /// The instant of its last `WakeAt` has come.
    Woken,
    /// The application may do something.
    Act,
}

/// What an actor wants done.
#[derive(Clone, Debug)]
pub enum Wish {
    /// Connect to the broker.
    Connect(ConnectionId),
    /// Send a request.
    Send(ConnectionId, Bytes),
    /// Close a connection.
    Close(ConnectionId),
    /// Wake it at this instant; replaces the one before.
    WakeAt(Instant),
    /// Let it act in so many ms.
    ActIn(u64),
    /// It has closed; another takes its place.
    Retire,
}

/// What an actor may use while it handles a signal.
pub struct Context<'a> {
    /// Its choices.
    pub random: &'a mut Random,
    /// Whom it tells what it does and sees.
    pub oracle: &'a mut Oracle,
    /// What it counts.
    pub counts: &'a mut Counts,
    /// What it writes down.
    pub trace: &'a mut Trace,
    /// Where the work of its machine is counted.
    pub work: &'a mut Work,
    /// Whose work it is.
    pub worker: Worker,
    /// What it wants done.
    pub wishes: Vec<Wish>,
}

/// A client and the application that uses it.
pub trait Actor {
    /// Takes a signal.
    fn handle(&mut self, now: Now, signal: Signal, context: &mut Context<'_>);

    /// Nothing goes wrong any more: what begins now must end well.
    fn heal(&mut self);

    /// There is no room for what it may send, which must be answered all the same.
    fn overfill(&mut self) {}

    /// Whether its work is done, under faults.
    fn is_done(&self) -> bool;

    /// What it waits for: nothing, in the end.
    fn waits_for(&self, oracle: &Oracle) -> Option<String>;

    /// The group that it is a member of, and the partitions that it has.
    fn has(&self) -> Option<(&str, Vec<&TopicPartition>)> {
        None
    }

    /// Another that takes its place when it closes, or dies without a word.
    fn successor(&mut self, random: &mut Random, context: &mut Oracle) -> Option<Box<dyn Actor>>;
}

/// Feeds a client's machine, takes what it wants done, and returns its outputs. A command comes with
/// so many bytes of records.
pub fn drive<M: ClientMachine>(
    machine: &mut M,
    now: Now,
    event: ClientEvent<M::Command>,
    command_bytes: usize,
    context: &mut Context<'_>,
) -> Vec<M::Output> {
    let (kind, mut bytes) = match &event {
        ClientEvent::Connected { .. } => ("client: connected", 0),
        ClientEvent::Frame { frame, .. } => ("client: response", frame.len()),
        ClientEvent::Closed { .. } => ("client: closed", 0),
        ClientEvent::Woken => ("client: timer", 0),
        ClientEvent::Command(_) => ("client: command", command_bytes),
    };
    let steps = context.work.steps();
    let mut effects = Vec::new();
    machine.handle(now, event, &mut effects);
    let steps = context.work.steps() - steps;
    let count = effects.len();
    let mut outputs = Vec::new();
    for effect in effects {
        let wish = match effect {
            ClientEffect::Connect { connection, .. } => Wish::Connect(connection),
            ClientEffect::Send { connection, frame } => {
                bytes += frame.len();
                Wish::Send(connection, frame)
            }
            ClientEffect::Close { connection } => Wish::Close(connection),
            ClientEffect::WakeAt(instant) => Wish::WakeAt(instant),
            ClientEffect::Output(output) => {
                outputs.push(output);
                continue;
            }
        };
        context.wishes.push(wish);
    }
    let cost = Cost {
        bytes: bytes as u64,
        effects: count as u64,
        folds: false,
        steps,
    };
    let worker = context.worker;
    if let Err(what) = context.work.handled(worker, kind, cost, context.counts) {
        context.oracle.broken(what);
    }
    outputs
}
