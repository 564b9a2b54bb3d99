//! Room for the records of sends, given in the order in which they ask.

use std::collections::VecDeque;

use crate::client::{ErrorKind, KafkaError};
use crate::now::{Instant, Now};

/// Bytes of the sends that may wait for room, together, if `buffer_memory_bytes` is not more. One
/// send may take as much. What is beyond it fails with `BufferFull`: the memory of a wasm instance
/// grows and never shrinks.
const WAITING_BYTES_MAX: usize = 256 << 20;

/// See the module. Java's producer blocks its caller for want of memory; here the send waits.
#[derive(Debug)]
pub(super) struct Room<S> {
    bytes_max: usize,
    taken_bytes: usize,
    waiting: VecDeque<Waiting<S>>,
    waiting_bytes: usize,
}

#[derive(Debug)]
struct Waiting<S> {
    send: S,
    size_bytes: usize,
    deadline: Instant,
}

impl<S> Room<S> {
    pub fn new(bytes_max: usize) -> Room<S> {
        Room {
            bytes_max,
            taken_bytes: 0,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
        }
    }

    /// Asks for room until `deadline`; [`Room::enter`] tells when there is some.
    pub fn ask(&mut self, send: S, size_bytes: usize, deadline: Instant) -> Result<(), KafkaError> {
        let most = self.bytes_max.max(WAITING_BYTES_MAX);
        if size_bytes > most - self.waiting_bytes {
            let text = format!(
                "{} bytes wait for room, of {most} at most, and the send has {size_bytes}",
                self.waiting_bytes
            );
            return Err(KafkaError::raised(ErrorKind::BufferFull, text));
        }
        self.waiting_bytes += size_bytes;
        self.waiting.push_back(Waiting {
            send,
            size_bytes,
            deadline,
        });
        Ok(())
    }

    /// Whether there is room for the first that waits. One that is too large has all of it.
    pub fn is_free(&self) -> bool {
        let first = self.waiting.front();
        first.is_some_and(|first| {
            self.taken_bytes == 0
                || first.size_bytes <= self.bytes_max.saturating_sub(self.taken_bytes)
        })
    }

    /// The next that has room, with its bytes, which must be given back.
    pub fn enter(&mut self) -> Option<(S, usize)> {
        if !self.is_free() {
            return None;
        }
        let Waiting {
            send, size_bytes, ..
        } = self.pop()?;
        self.taken_bytes += size_bytes;
        Some((send, size_bytes))
    }

    /// The next that has waited long enough.
    pub fn expire(&mut self, now: Now) -> Option<S> {
        let first = self.waiting.front()?;
        (first.deadline <= now.monotonic)
            .then(|| self.pop())
            .flatten()
            .map(|waiting| waiting.send)
    }

    pub fn give_back(&mut self, size_bytes: usize) {
        self.taken_bytes -= size_bytes;
    }

    /// When the first has waited long enough: all wait equally long.
    pub fn deadline(&self) -> Option<Instant> {
        self.waiting.front().map(|first| first.deadline)
    }

    pub fn postpone_deadlines(&mut self, ms: u64) {
        for waiting in &mut self.waiting {
            waiting.deadline = waiting.deadline + ms;
        }
    }

    fn pop(&mut self) -> Option<Waiting<S>> {
        let first = self.waiting.pop_front()?;
        self.waiting_bytes -= first.size_bytes;
        Some(first)
    }
}
