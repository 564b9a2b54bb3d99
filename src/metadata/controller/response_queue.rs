//! Answers in the order of their requests.

use crate::machine::{ConnectionId, Effect};
use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};

/// Requests of one connection that may wait for their answers; one more closes it.
const CONNECTION_REQUESTS_MAX: usize = 1024;

/// Puts the answers of each connection into the order of its requests.
#[derive(Default)]
pub(super) struct ResponseQueue {
    connections: BTreeMap<ConnectionId, VecDeque<(u64, Answer)>>,
    next_number: u64,
}

/// The place of one answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    pub connection: ConnectionId,
    number: u64,
}

enum Answer {
    Awaited,
    Frame(Bytes),
    /// There is none: the connection closes when it is due.
    Aborted,
}

impl ResponseQueue {
    /// The place of the answer to the next request; `None` when too many wait already.
    pub(super) fn open(&mut self, connection: ConnectionId) -> Option<Slot> {
        let queue = self.connections.entry(connection).or_default();
        if queue.len() >= CONNECTION_REQUESTS_MAX {
            return None;
        }
        let number = self.next_number;
        self.next_number += 1;
        queue.push_back((number, Answer::Awaited));
        Some(Slot { connection, number })
    }

    /// Answers.
    pub(super) fn fill(&mut self, slot: Slot, frame: Bytes) {
        self.set(slot, Answer::Frame(frame));
    }

    /// Closes the connection where the answer would have been.
    pub(super) fn abort(&mut self, slot: Slot) {
        self.set(slot, Answer::Aborted);
    }

    /// Nobody waits at this connection any more.
    pub(super) fn close(&mut self, connection: ConnectionId) {
        self.connections.remove(&connection);
    }

    /// Sends every answer that no earlier one has to go before.
    pub(super) fn flush(&mut self, effects: &mut Vec<Effect>) {
        self.connections.retain(|connection, queue| {
            while let Some((number, answer)) = queue.pop_front() {
                match answer {
                    Answer::Frame(frame) => {
                        effects.push(Effect::Respond {
                            connection: *connection,
                            frame,
                        });
                    }
                    Answer::Aborted => {
                        effects.push(Effect::Close {
                            connection: *connection,
                        });
                        return false;
                    }
                    Answer::Awaited => {
                        queue.push_front((number, answer));
                        return true;
                    }
                }
            }
            false
        });
    }

    fn set(&mut self, slot: Slot, answer: Answer) {
        // A closed connection has no place for it.
        let Some(queue) = self.connections.get_mut(&slot.connection) else {
            return;
        };
        if let Some((_, place)) = queue.iter_mut().find(|(number, _)| *number == slot.number) {
            *place = answer;
        }
    }
}
