//! Who asked what, and the order in which they are answered.

use crate::machine::ConnectionId;
use crate::protocol::ApiKey;
use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};

/// Requests that one connection may have open. A client that pipelines more is cut off: Kafka's
/// clients keep five.
pub const CONNECTION_REQUESTS_MAX: usize = 1_000;

/// Names a request for as long as it is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RequestToken(pub u64);

/// What the answer needs to know of its request.
#[derive(Clone, Debug)]
pub struct RequestContext {
    /// The request's name inside the broker.
    pub token: RequestToken,
    /// Where it came from.
    pub connection: ConnectionId,
    /// Which API it calls.
    pub api_key: ApiKey,
    /// The version of request and response.
    pub api_version: i16,
    /// Returned as it came.
    pub correlation_id: i32,
    /// As the client calls itself; empty if it does not.
    pub client_id: String,
}

/// The open connections. Requests of a connection start in the order of arrival without waiting
/// for each other, and are answered in that order (Java's client closes the connection otherwise).
#[derive(Debug, Default)]
pub struct Connections {
    connections: BTreeMap<ConnectionId, VecDeque<Slot>>,
    requests: BTreeMap<RequestToken, RequestContext>,
    next_token: u64,
    ready: Vec<Ready>,
}

/// What may go out now.
#[derive(Debug, PartialEq, Eq)]
pub enum Ready {
    /// A response whose turn has come.
    Respond(ConnectionId, Bytes),
    /// The connection ends here: answers before it are sent, none after it.
    Close(ConnectionId),
}

#[derive(Debug)]
struct Slot {
    token: RequestToken,
    answer: Option<Answer>,
}

/// How a request ends.
#[derive(Debug)]
pub enum Answer {
    /// With a response frame.
    Frame(Bytes),
    /// With nothing, as `acks=0` asks.
    Nothing,
    /// With the end of the connection.
    Close,
}

impl Connections {
    /// Opens a request in its connection's order. `None` when the connection has too many open.
    pub fn begin(
        &mut self,
        connection: ConnectionId,
        api_key: ApiKey,
        api_version: i16,
        correlation_id: i32,
        client_id: String,
    ) -> Option<RequestContext> {
        let slots = self.connections.entry(connection).or_default();
        if slots.len() >= CONNECTION_REQUESTS_MAX {
            return None;
        }
        self.next_token += 1;
        let token = RequestToken(self.next_token);
        slots.push_back(Slot {
            token,
            answer: None,
        });
        let context = RequestContext {
            token,
            connection,
            api_key,
            api_version,
            correlation_id,
            client_id,
        };
        self.requests.insert(token, context.clone());
        Some(context)
    }

    /// The context of an open request; `None` when its connection is gone.
    pub fn context(&self, token: RequestToken) -> Option<&RequestContext> {
        self.requests.get(&token)
    }

    /// Ends a request; its answer leaves when those before it have left. Where that ends the
    /// connection: the requests that nobody waits for any more.
    #[must_use]
    pub fn end(&mut self, token: RequestToken, answer: Answer) -> Vec<RequestToken> {
        let Some(context) = self.requests.remove(&token) else {
            return Vec::new();
        };
        let connection = context.connection;
        let Some(slots) = self.connections.get_mut(&connection) else {
            return Vec::new();
        };
        if let Some(slot) = slots.iter_mut().find(|slot| slot.token == token) {
            slot.answer = Some(answer);
        }
        while let Some(answer) = slots.front_mut().and_then(|slot| slot.answer.take()) {
            slots.pop_front();
            match answer {
                Answer::Frame(frame) => self.ready.push(Ready::Respond(connection, frame)),
                Answer::Nothing => {}
                Answer::Close => {
                    return self.close(connection);
                }
            }
        }
        Vec::new()
    }

    /// Ends a connection at once, without waiting for what it has open.
    pub fn close(&mut self, connection: ConnectionId) -> Vec<RequestToken> {
        self.ready.push(Ready::Close(connection));
        self.forget(connection)
    }

    /// The connection is gone: returns the requests that nobody waits for any more.
    pub fn forget(&mut self, connection: ConnectionId) -> Vec<RequestToken> {
        let slots = self.connections.remove(&connection).unwrap_or_default();
        let open: Vec<_> = slots.into_iter().map(|slot| slot.token).collect();
        for token in &open {
            self.requests.remove(token);
        }
        open
    }

    /// Takes what may go out, in order.
    pub fn take_ready(&mut self) -> Vec<Ready> {
        std::mem::take(&mut self.ready)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: ConnectionId = ConnectionId(1);

    fn begin(connections: &mut Connections, correlation_id: i32) -> RequestToken {
        connections
            .begin(A, ApiKey::Fetch, 11, correlation_id, String::new())
            .expect("below the limit")
            .token
    }

    #[test]
    fn answers_leave_in_the_order_of_the_requests() {
        let mut connections = Connections::default();
        let first = begin(&mut connections, 1);
        let second = begin(&mut connections, 2);
        let _ = connections.end(second, Answer::Frame(Bytes::from_static(b"two")));
        assert!(connections.take_ready().is_empty());
        let _ = connections.end(first, Answer::Frame(Bytes::from_static(b"one")));
        assert_eq!(
            connections.take_ready(),
            [
                Ready::Respond(A, Bytes::from_static(b"one")),
                Ready::Respond(A, Bytes::from_static(b"two")),
            ]
        );
    }

    #[test]
    fn a_request_without_a_response_does_not_hold_back_those_behind_it() {
        let mut connections = Connections::default();
        let first = begin(&mut connections, 1);
        let second = begin(&mut connections, 2);
        let _ = connections.end(second, Answer::Frame(Bytes::from_static(b"two")));
        let _ = connections.end(first, Answer::Nothing);
        assert_eq!(
            connections.take_ready(),
            [Ready::Respond(A, Bytes::from_static(b"two"))]
        );
    }

    #[test]
    fn a_connection_that_pipelines_too_much_is_refused() {
        let mut connections = Connections::default();
        for correlation_id in 0..CONNECTION_REQUESTS_MAX as i32 {
            begin(&mut connections, correlation_id);
        }
        assert!(
            connections
                .begin(A, ApiKey::Fetch, 11, -1, String::new())
                .is_none()
        );
    }

    #[test]
    fn nothing_is_answered_to_a_connection_that_is_gone() {
        let mut connections = Connections::default();
        let token = begin(&mut connections, 1);
        assert_eq!(connections.forget(A), [token]);
        let _ = connections.end(token, Answer::Frame(Bytes::from_static(b"late")));
        assert!(connections.take_ready().is_empty());
    }

    #[test]
    fn the_end_of_a_connection_names_the_requests_behind_it() {
        let mut connections = Connections::default();
        let first = begin(&mut connections, 1);
        let second = begin(&mut connections, 2);
        assert_eq!(connections.end(first, Answer::Close), [second]);
        assert_eq!(connections.take_ready(), [Ready::Close(A)]);
    }
}
