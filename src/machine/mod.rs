//! What a broker and a controller are to the edge that drives them: deterministic state machines
//! that take events and return effects.

mod alarm;
mod channels;
mod controller_link;

pub use alarm::{Alarm, GAP_MS_MIN};
pub use channels::{
    Answer, CONNECTION_REQUESTS_MAX, CONNECTION_RESPONSES_BYTES_MAX, Channels,
    EVENT_RESPONSES_BYTES_MAX, Next, QUEUED_REQUESTS_BYTES_MAX, QUEUED_REQUESTS_MAX,
};
pub use controller_link::ControllerLink;

use crate::now::{Instant, Now};
use crate::storage::{StorageError, StorageReply, StorageRequest};
use bytes::Bytes;
use std::fmt;

/// A node of the cluster without its clock, its storage and its network.
///
/// `runtime` drives it with real ones, `sim` with virtual ones; the same events in the same order
/// always give the same effects.
pub trait Machine {
    /// Feeds one event and collects, in order, what the machine wants done.
    fn handle(&mut self, now: Now, event: Event, effects: &mut Vec<Effect>);
}

/// One connection to a node, numbered by the edge, never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// Another node, as this one knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Peer {
    /// The controller of the cluster.
    Controller,
    /// A broker, by its node id.
    Broker(i32),
}

/// What happened to a node.
#[derive(Clone, Debug)]
pub enum Event {
    /// The first event: the storage is open and the fence is raised. `seed` feeds every choice
    /// that must differ from run to run (ids, jitter).
    Opened {
        /// Random bytes from the edge.
        seed: [u8; 16],
    },
    /// A client has connected, and is known to live there. Who says nothing is of this machine.
    Connected {
        /// The new connection.
        connection: ConnectionId,
        /// Kafka's `client_host`, which begins with a slash.
        client_host: String,
    },
    /// A request frame arrived (without its length prefix).
    Request {
        /// Where it came from.
        connection: ConnectionId,
        /// The whole frame.
        frame: Bytes,
    },
    /// A connection is gone; nothing that is answered to it will arrive.
    Closed {
        /// The connection.
        connection: ConnectionId,
    },
    /// A response frame of a peer arrived. A peer answers in the order of the requests.
    Reply {
        /// Who answers.
        peer: Peer,
        /// The whole frame.
        frame: Bytes,
    },
    /// The way to a peer broke: its outstanding requests will not be answered.
    PeerLost {
        /// Who is gone.
        peer: Peer,
    },
    /// A storage request ended.
    Storage(StorageReply),
    /// The instant of the last [`Effect::WakeAt`] has come, or is past.
    Woken,
}

/// What a node wants done.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Send a response frame.
    Respond {
        /// Where to.
        connection: ConnectionId,
        /// The whole frame, without its length prefix.
        frame: Bytes,
    },
    /// Close a connection whose frames cannot be understood.
    Close {
        /// The connection.
        connection: ConnectionId,
    },
    /// Send a request frame to a peer.
    Send {
        /// Who to.
        peer: Peer,
        /// The whole frame.
        frame: Bytes,
    },
    /// Commit or load. Commits keep their order.
    Storage(StorageRequest),
    /// Wake the node at this instant. Replaces the one before.
    WakeAt(Instant),
    /// Something is wrong without which the node goes on: tell whoever operates it.
    Report {
        /// One sentence for people.
        message: String,
    },
    /// The node cannot go on (it was fenced, or its storage is gone): stop it, tell why.
    Stop {
        /// One sentence for people.
        reason: String,
        /// The storage's error, if that is why.
        storage: Option<StorageError>,
    },
}

impl Effect {
    /// Stops the node for what is no fault of its storage.
    pub fn stop(reason: impl fmt::Display) -> Effect {
        Effect::Stop {
            reason: reason.to_string(),
            storage: None,
        }
    }

    /// Stops the node as its storage cannot be used any more.
    pub fn stop_for_storage(error: StorageError) -> Effect {
        Effect::Stop {
            reason: error.to_string(),
            storage: Some(error),
        }
    }
}
