//! A client and the application that uses it.

use super::oracle::Oracle;
use super::report::{Counts, Trace};
use super::scheduler::Random;
use crate::client::{ClientEffect, ConnectionId, TopicPartition};
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
    /// What it wants done.
    pub wishes: Vec<Wish>,
}

/// A client and the application that uses it.
pub trait Actor {
    /// Takes a signal.
    fn handle(&mut self, now: Now, signal: Signal, context: &mut Context<'_>);

    /// Nothing goes wrong any more: what begins now must end well.
    fn heal(&mut self);

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

/// Takes what a client machine wants done, and returns its outputs.
pub fn take_effects<O>(effects: Vec<ClientEffect<O>>, context: &mut Context<'_>) -> Vec<O> {
    let mut outputs = Vec::new();
    for effect in effects {
        let wish = match effect {
            ClientEffect::Connect { connection, .. } => Wish::Connect(connection),
            ClientEffect::Send { connection, frame } => Wish::Send(connection, frame),
            ClientEffect::Close { connection } => Wish::Close(connection),
            ClientEffect::WakeAt(instant) => Wish::WakeAt(instant),
            ClientEffect::Output(output) => {
                outputs.push(output);
                continue;
            }
        };
        context.wishes.push(wish);
    }
    outputs
}
