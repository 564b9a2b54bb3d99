//! Requests that came before the broker knew its cluster.

use crate::machine::ConnectionId;
use crate::protocol::FRAME_BYTES_MAX;
use bytes::Bytes;
use std::collections::VecDeque;

/// Requests that may wait until the broker knows its cluster.
pub const EARLY_REQUESTS_MAX: usize = 10_000;
/// Bytes of them: any one frame has room.
pub const EARLY_REQUESTS_BYTES_MAX: usize = FRAME_BYTES_MAX;

/// Requests that wait, in the order in which they came. They hold their whole frames.
#[derive(Debug, Default)]
pub struct EarlyRequests {
    requests: VecDeque<(ConnectionId, Bytes)>,
    size_bytes: usize,
}

impl EarlyRequests {
    /// Lets a request wait. False when there is no room: its connection must end, and with it go
    /// the requests of it that wait already.
    #[must_use]
    pub fn push(&mut self, connection: ConnectionId, frame: Bytes) -> bool {
        let has_room = self.requests.len() < EARLY_REQUESTS_MAX
            && frame.len() <= EARLY_REQUESTS_BYTES_MAX - self.size_bytes;
        if has_room {
            self.size_bytes += frame.len();
            self.requests.push_back((connection, frame));
        } else {
            self.forget(connection);
        }
        has_room
    }

    /// A connection is gone.
    pub fn forget(&mut self, connection: ConnectionId) {
        self.requests.retain(|(from, _)| *from != connection);
        self.size_bytes = self.requests.iter().map(|(_, frame)| frame.len()).sum();
    }

    /// Takes them, oldest first.
    pub fn take(&mut self) -> VecDeque<(ConnectionId, Bytes)> {
        self.size_bytes = 0;
        std::mem::take(&mut self.requests)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: ConnectionId = ConnectionId(1);
    const B: ConnectionId = ConnectionId(2);

    #[test]
    fn what_there_is_no_room_for_takes_its_connection_along() {
        let mut early = EarlyRequests::default();
        let half = Bytes::from(vec![0; EARLY_REQUESTS_BYTES_MAX / 2]);
        assert!(early.push(A, half.clone()));
        assert!(early.push(B, half.clone()));
        assert!(!early.push(B, Bytes::from_static(&[0])));
        // What waited on that connection has left its room.
        assert!(early.push(A, half));
        let left: Vec<_> = early.take().into_iter().map(|(from, _)| from).collect();
        assert_eq!(left, [A, A]);
        assert!(early.push(B, Bytes::from(vec![0; FRAME_BYTES_MAX])));
    }

    #[test]
    fn so_many_requests_may_wait_and_no_more() {
        let mut early = EarlyRequests::default();
        for _ in 0..EARLY_REQUESTS_MAX {
            assert!(early.push(A, Bytes::new()));
        }
        assert!(!early.push(B, Bytes::new()));
        assert_eq!(early.take().len(), EARLY_REQUESTS_MAX);
    }
}
