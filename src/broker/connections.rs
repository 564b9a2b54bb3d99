//! Who asked what.

use super::LOCAL_HOST;
use crate::machine::{Answer, Channels, ConnectionId, Effect, Next};
use crate::protocol::ApiKey;
use bytes::Bytes;
use std::collections::BTreeMap;

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

/// The open connections, and the contexts of their open requests.
#[derive(Debug, Default)]
pub struct Connections {
    channels: Channels,
    requests: BTreeMap<RequestToken, RequestContext>,
}

impl Connections {
    /// See [`Channels::hold`].
    pub fn hold(&mut self) {
        self.channels.hold();
    }

    /// See [`Channels::release`].
    pub fn release(&mut self) {
        self.channels.release();
    }

    /// See [`Channels::connected`].
    pub fn connected(&mut self, connection: ConnectionId, client_host: String) {
        self.channels.connected(connection, client_host);
    }

    /// Where the client of a connection lives.
    pub fn client_host(&self, connection: ConnectionId) -> &str {
        self.channels.client_host(connection).unwrap_or(LOCAL_HOST)
    }

    /// A request has arrived: the frame, if it may start at once. Where there is no room for it:
    /// the requests of its connection, which has ended.
    pub fn arrive(
        &mut self,
        connection: ConnectionId,
        frame: Bytes,
    ) -> Result<Option<Bytes>, Vec<RequestToken>> {
        let arrived = self.channels.arrive(connection, frame);
        arrived.map_err(|numbers| self.dropped(numbers))
    }

    /// See [`Channels::take_next`].
    pub fn next(&mut self) -> Option<Next> {
        self.channels.take_next()
    }

    /// See [`Channels::has_more`].
    pub fn has_more(&self) -> bool {
        self.channels.has_more()
    }

    /// Opens a request in its connection's order.
    pub fn begin(
        &mut self,
        connection: ConnectionId,
        api_key: ApiKey,
        api_version: i16,
        correlation_id: i32,
        client_id: String,
    ) -> RequestContext {
        let token = RequestToken(self.channels.open(connection));
        let context = RequestContext {
            token,
            connection,
            api_key,
            api_version,
            correlation_id,
            client_id,
        };
        self.requests.insert(token, context.clone());
        context
    }

    /// The context of an open request; `None` when its connection is gone.
    pub fn context(&self, token: RequestToken) -> Option<&RequestContext> {
        self.requests.get(&token)
    }

    /// See [`Channels::may_read`].
    pub fn may_read(&mut self, token: RequestToken) -> bool {
        let context = self.requests.get(&token);
        context.is_none_or(|it| self.channels.may_read(it.connection, token.0))
    }

    /// Ends a request; its answer leaves when those before it have left. Where that ends the
    /// connection: the requests that nobody waits for any more.
    #[must_use]
    pub fn end(&mut self, token: RequestToken, answer: Answer) -> Vec<RequestToken> {
        let Some(context) = self.requests.remove(&token) else {
            return Vec::new();
        };
        let numbers = self.channels.end(context.connection, token.0, answer);
        self.dropped(numbers)
    }

    /// Ends a connection at once, without waiting for what it has open.
    pub fn close(&mut self, connection: ConnectionId) -> Vec<RequestToken> {
        let numbers = self.channels.close(connection);
        self.dropped(numbers)
    }

    /// The connection is gone: returns the requests that nobody waits for any more.
    pub fn forget(&mut self, connection: ConnectionId) -> Vec<RequestToken> {
        let numbers = self.channels.forget(connection);
        self.dropped(numbers)
    }

    /// Takes what may go out, in order.
    pub fn take_effects(&mut self) -> Vec<Effect> {
        self.channels.take_effects()
    }

    fn dropped(&mut self, numbers: Vec<u64>) -> Vec<RequestToken> {
        let tokens = numbers.into_iter().map(RequestToken);
        tokens
            .inspect(|token| {
                self.requests.remove(token);
            })
            .collect()
    }
}
