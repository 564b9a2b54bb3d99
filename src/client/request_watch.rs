//! What a client asks of its brokers, read from the frames of its connections as they pass: the
//! network events of KafkaJS.

use super::event::ConnectionId;
use crate::now::Timestamp;
use crate::protocol::{ApiKey, Request, decode_request};
use bytes::Bytes;
use std::collections::BTreeMap;

/// Watches the connections of one client. Frames are looked at only while somebody listens.
#[derive(Debug)]
pub struct RequestWatch {
    request_timeout_ms: u64,
    listening: bool,
    connections: BTreeMap<ConnectionId, Watched>,
}

#[derive(Debug)]
struct Watched {
    broker: String,
    /// Requests without an answer, by correlation id: as many as the client has in flight.
    open: BTreeMap<i32, SentRequest>,
}

/// A request that has left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentRequest {
    /// Host and port of the broker.
    pub broker: String,
    /// As the client calls itself; empty if it does not.
    pub client_id: String,
    /// What was asked.
    pub api_key: ApiKey,
    /// In which version.
    pub api_version: i16,
    /// By which the answer is found.
    pub correlation_id: i32,
    /// When it left.
    pub sent_at: Timestamp,
}

/// What has passed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NetworkEvent {
    /// A request has its answer, or has left and asks for none.
    Request {
        /// Which one.
        request: SentRequest,
        /// Until the answer, by the wall clock.
        duration_ms: i64,
        /// Of the answer.
        bytes: usize,
    },
    /// The client has given a request up together with its connection.
    RequestTimeout {
        /// Which one.
        request: SentRequest,
    },
    /// So many requests of a connection wait for their answers now.
    RequestQueueSize {
        /// Host and port of the broker.
        broker: String,
        /// As the client calls itself.
        client_id: String,
        /// How many.
        queue_size: usize,
    },
}

impl RequestWatch {
    /// A watch over a client that gives up what has no answer after `request_timeout_ms`.
    pub fn new(request_timeout_ms: u64) -> RequestWatch {
        RequestWatch {
            request_timeout_ms,
            listening: false,
            connections: BTreeMap::new(),
        }
    }

    /// Somebody listens from now on, or nobody does.
    pub fn listen(&mut self, listening: bool) {
        self.listening = listening;
        if !listening {
            for watched in self.connections.values_mut() {
                watched.open.clear();
            }
        }
    }

    /// A connection is there.
    pub fn connected(&mut self, connection: ConnectionId, host: &str, port: i32) {
        let watched = Watched {
            broker: format!("{host}:{port}"),
            open: BTreeMap::new(),
        };
        self.connections.insert(connection, watched);
    }

    /// A request leaves.
    pub fn sent(
        &mut self,
        now: Timestamp,
        connection: ConnectionId,
        frame: &Bytes,
    ) -> Vec<NetworkEvent> {
        if !self.listening {
            return Vec::new();
        }
        let Some(watched) = self.connections.get_mut(&connection) else {
            return Vec::new();
        };
        let Ok((header, body)) = decode_request(frame.clone()) else {
            return Vec::new();
        };
        let request = SentRequest {
            broker: watched.broker.clone(),
            client_id: header.client_id.unwrap_or_default(),
            api_key: body.api_key(),
            api_version: header.request_api_version,
            correlation_id: header.correlation_id,
            sent_at: now,
        };
        watched.open.insert(request.correlation_id, request.clone());
        let mut events = vec![watched.queue_size(&request.client_id)];
        if matches!(&body, Request::Produce(produce) if produce.acks == 0) {
            events.extend(watched.answered(now, request.correlation_id, 0));
        }
        events
    }

    /// An answer arrives.
    pub fn answered(
        &mut self,
        now: Timestamp,
        connection: ConnectionId,
        frame: &[u8],
    ) -> Vec<NetworkEvent> {
        let answered = self.connections.get_mut(&connection).and_then(|watched| {
            let correlation_id = i32::from_be_bytes(*frame.first_chunk()?);
            Some(watched.answered(now, correlation_id, frame.len()))
        });
        answered.unwrap_or_default()
    }

    /// The client gives a connection up: for what has waited too long on it, that is why.
    pub fn given_up(&mut self, now: Timestamp, connection: ConnectionId) -> Vec<NetworkEvent> {
        let timeout_ms = i64::try_from(self.request_timeout_ms).unwrap_or(i64::MAX);
        let open = self.connections.remove(&connection).map(|it| it.open);
        open.unwrap_or_default()
            .into_values()
            .filter(|request| timeout_ms <= now.0.saturating_sub(request.sent_at.0))
            .map(|request| NetworkEvent::RequestTimeout { request })
            .collect()
    }

    /// A connection is gone, whatever waited on it.
    pub fn closed(&mut self, connection: ConnectionId) {
        self.connections.remove(&connection);
    }
}

impl Watched {
    fn answered(&mut self, now: Timestamp, correlation_id: i32, bytes: usize) -> Vec<NetworkEvent> {
        let Some(request) = self.open.remove(&correlation_id) else {
            return Vec::new();
        };
        let queue_size = self.queue_size(&request.client_id);
        let duration_ms = now.0.saturating_sub(request.sent_at.0).max(0);
        vec![
            NetworkEvent::Request {
                request,
                duration_ms,
                bytes,
            },
            queue_size,
        ]
    }

    fn queue_size(&self, client_id: &str) -> NetworkEvent {
        NetworkEvent::RequestQueueSize {
            broker: self.broker.clone(),
            client_id: client_id.to_owned(),
            queue_size: self.open.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::messages::heartbeat_request::HeartbeatRequest;
    use crate::protocol::messages::produce_request::ProduceRequest;
    use crate::protocol::{RequestHeader, encode_request};

    const CONNECTION: ConnectionId = ConnectionId(1);
    const ANSWER: [u8; 6] = [0, 0, 0, 7, 0, 0];

    fn watch() -> RequestWatch {
        let mut watch = RequestWatch::new(30_000);
        watch.connected(CONNECTION, "localhost", 9092);
        watch.listen(true);
        watch
    }

    fn frame(request: Request, version: i16) -> Bytes {
        let header = RequestHeader {
            request_api_key: request.api_key().code(),
            request_api_version: version,
            correlation_id: 7,
            client_id: Some("app".to_owned()),
            ..Default::default()
        };
        encode_request(&header, &request).expect("it can be written")
    }

    fn heartbeat() -> Bytes {
        frame(Request::Heartbeat(HeartbeatRequest::default()), 3)
    }

    fn queue_size(queue_size: usize) -> NetworkEvent {
        NetworkEvent::RequestQueueSize {
            broker: "localhost:9092".to_owned(),
            client_id: "app".to_owned(),
            queue_size,
        }
    }

    #[test]
    fn a_request_is_told_with_its_answer() {
        let mut watch = watch();
        let sent = watch.sent(Timestamp(100), CONNECTION, &heartbeat());
        assert_eq!(sent, [queue_size(1)]);
        let answered = watch.answered(Timestamp(105), CONNECTION, &ANSWER);
        let request = SentRequest {
            broker: "localhost:9092".to_owned(),
            client_id: "app".to_owned(),
            api_key: ApiKey::Heartbeat,
            api_version: 3,
            correlation_id: 7,
            sent_at: Timestamp(100),
        };
        let told = NetworkEvent::Request {
            request,
            duration_ms: 5,
            bytes: 6,
        };
        assert_eq!(answered, [told, queue_size(0)]);
    }

    #[test]
    fn a_produce_that_asks_for_no_answer_does_not_wait_for_one() {
        let mut watch = watch();
        let produce = ProduceRequest {
            acks: 0,
            ..Default::default()
        };
        let sent = watch.sent(
            Timestamp(100),
            CONNECTION,
            &frame(Request::Produce(produce), 7),
        );
        assert_eq!(sent.first(), Some(&queue_size(1)));
        assert!(matches!(
            sent.get(1),
            Some(NetworkEvent::Request { bytes: 0, .. })
        ));
        assert_eq!(sent.get(2), Some(&queue_size(0)));
    }

    #[test]
    fn what_has_waited_too_long_times_out_with_its_connection() {
        let mut early = watch();
        early.sent(Timestamp(0), CONNECTION, &heartbeat());
        assert_eq!(early.given_up(Timestamp(29_999), CONNECTION), []);
        let mut late = watch();
        late.sent(Timestamp(0), CONNECTION, &heartbeat());
        let given_up = late.given_up(Timestamp(30_000), CONNECTION);
        assert!(matches!(
            given_up[..],
            [NetworkEvent::RequestTimeout { .. }]
        ));
        assert_eq!(late.given_up(Timestamp(60_000), CONNECTION), []);
    }

    #[test]
    fn nothing_is_told_while_nobody_listens() {
        let mut watch = watch();
        watch.sent(Timestamp(0), CONNECTION, &heartbeat());
        watch.listen(false);
        assert_eq!(watch.answered(Timestamp(1), CONNECTION, &ANSWER), []);
        assert_eq!(watch.sent(Timestamp(1), CONNECTION, &heartbeat()), []);
        watch.listen(true);
        assert_eq!(watch.answered(Timestamp(1), CONNECTION, &ANSWER), []);
    }
}
