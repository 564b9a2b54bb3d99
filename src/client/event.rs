//! What goes into a client and what comes out.

use crate::now::Instant;
use bytes::Bytes;

/// Names a command until its answer. The caller chooses it and does not use it twice at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommandId(pub u64);

/// One connection of one client, numbered by the client, never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// What happened to a client. `C` is its command.
#[derive(Clone, Debug, PartialEq)]
pub enum ClientEvent<C> {
    /// The connection asked for with [`ClientEffect::Connect`] is there.
    Connected {
        /// Which one.
        connection: ConnectionId,
    },
    /// A whole response frame arrived, without its length prefix.
    Frame {
        /// Where it came from.
        connection: ConnectionId,
        /// The frame.
        frame: Bytes,
    },
    /// A connection is gone, or could not be made. Not sent after [`ClientEffect::Close`].
    Closed {
        /// Which one.
        connection: ConnectionId,
    },
    /// The instant of the last [`ClientEffect::WakeAt`] has come, or is past.
    Woken,
    /// The application wants something.
    Command(C),
}

/// What a client wants done, in this order. `O` is its output.
#[derive(Clone, Debug, PartialEq)]
pub enum ClientEffect<O> {
    /// Connect; `Connected` or `Closed` answers.
    Connect {
        /// The new connection.
        connection: ConnectionId,
        /// Of the configuration or of the cluster's metadata.
        host: String,
        /// Likewise.
        port: i32,
    },
    /// Send a request frame; the edge adds the length prefix where there is one.
    Send {
        /// Where to.
        connection: ConnectionId,
        /// The frame.
        frame: Bytes,
    },
    /// Close a connection and forget it. Nothing more is heard of it.
    Close {
        /// Which one.
        connection: ConnectionId,
    },
    /// Wake the client at this instant. Replaces the one before.
    WakeAt(Instant),
    /// For the application.
    Output(O),
}
