//! A connection of somebody who speaks frames: what was asked on it, and is answered in that order.

use super::actor::{Context, Signal, Wish};
use crate::client::ConnectionId;
use crate::protocol::{ApiKey, Request, RequestHeader, Response, decode_response, encode_request};
use bytes::Bytes;
use std::collections::VecDeque;

/// See the module. `T` is what its user remembers of a request until the answer comes.
#[derive(Debug)]
pub struct Wire<T> {
    name: String,
    connection: Option<ConnectionId>,
    is_connected: bool,
    made: u64,
    correlation_id: i32,
    open: VecDeque<Open<T>>,
}

#[derive(Debug)]
struct Open<T> {
    correlation_id: i32,
    /// What the answer is to be read as.
    answer: (ApiKey, i16),
    asked: T,
}

/// What came of a signal.
#[derive(Debug)]
pub enum Heard<T> {
    /// The connection is made.
    Connected,
    /// The oldest open request is answered.
    Answer {
        /// What was asked.
        asked: T,
        /// The answer.
        response: Box<Response>,
        /// Whether the newest life of the broker said it.
        newest: bool,
    },
    /// The connection is gone; what was open is not answered.
    Closed,
    /// It was about a connection of before, or breaks a promise.
    Nothing,
}

impl<T> Wire<T> {
    /// One that is not connected.
    pub fn new(name: String) -> Wire<T> {
        Wire {
            name,
            connection: None,
            is_connected: false,
            made: 0,
            correlation_id: 0,
            open: VecDeque::new(),
        }
    }

    /// Whether requests can be sent.
    pub fn is_connected(&self) -> bool {
        self.is_connected
    }

    /// Requests without an answer.
    pub fn open(&self) -> usize {
        self.open.len()
    }

    /// Connects, unless that is under way.
    pub fn connect(&mut self, context: &mut Context<'_>) {
        if self.connection.is_none() {
            self.made += 1;
            let connection = ConnectionId(self.made);
            self.connection = Some(connection);
            context.wishes.push(Wish::Connect(connection));
        }
    }

    /// Ends the connection in the middle of whatever is open.
    pub fn disconnect(&mut self, context: &mut Context<'_>) {
        if let Some(connection) = self.connection.take() {
            context.wishes.push(Wish::Close(connection));
        }
        self.forget();
    }

    fn forget(&mut self) {
        self.is_connected = false;
        self.connection = None;
        self.open.clear();
    }

    /// Asks. `None` as what is remembered: there will be no answer (`acks=0`).
    pub fn ask(
        &mut self,
        version: i16,
        request: &Request,
        asked: Option<T>,
        context: &mut Context<'_>,
    ) {
        let api_key = request.api_key();
        let header = RequestHeader {
            request_api_key: api_key.code(),
            request_api_version: version,
            correlation_id: self.correlation_id + 1,
            client_id: Some(self.name.clone()),
            ..RequestHeader::default()
        };
        match encode_request(&header, request) {
            Ok(frame) => self.send(frame, asked.map(|it| (it, (api_key, version))), context),
            Err(error) => {
                let what = format!("{} cannot ask for {}: {error}", self.name, api_key.name());
                context.oracle.broken(what);
            }
        }
    }

    /// Sends a frame whose correlation id is the next, and says what its answer is to be read as.
    pub fn send(
        &mut self,
        frame: Bytes,
        asked: Option<(T, (ApiKey, i16))>,
        context: &mut Context<'_>,
    ) {
        let Some(connection) = self.connection.filter(|_| self.is_connected) else {
            return;
        };
        self.correlation_id += 1;
        let correlation_id = self.correlation_id;
        self.open.extend(asked.map(|(asked, answer)| Open {
            correlation_id,
            answer,
            asked,
        }));
        context.wishes.push(Wish::Send(connection, frame));
    }

    /// The correlation id of the next request.
    pub fn next_correlation_id(&self) -> i32 {
        self.correlation_id + 1
    }

    /// Takes a signal.
    pub fn hear(&mut self, signal: Signal, context: &mut Context<'_>) -> Heard<T> {
        match signal {
            Signal::Connected(connection) if self.connection == Some(connection) => {
                self.is_connected = true;
                Heard::Connected
            }
            Signal::Closed(connection) if self.connection == Some(connection) => {
                self.forget();
                Heard::Closed
            }
            Signal::Frame {
                connection,
                frame,
                newest,
            } if self.connection == Some(connection) => self.answered(frame, newest, context),
            _ => Heard::Nothing,
        }
    }

    fn answered(&mut self, frame: Bytes, newest: bool, context: &mut Context<'_>) -> Heard<T> {
        let Some(open) = self.open.pop_front() else {
            let what = format!("{} is answered what it has not asked", self.name);
            context.oracle.broken(what);
            return Heard::Nothing;
        };
        let (api_key, version) = open.answer;
        match decode_response(api_key, version, frame) {
            Ok((correlation_id, response)) if correlation_id == open.correlation_id => {
                Heard::Answer {
                    asked: open.asked,
                    response: Box::new(response),
                    newest,
                }
            }
            Ok((correlation_id, _)) => {
                let (name, expected) = (&self.name, open.correlation_id);
                let what = format!("{name} is answered {correlation_id} before {expected}");
                context.oracle.broken(what);
                Heard::Nothing
            }
            Err(error) => {
                let (name, api) = (&self.name, api_key.name());
                let what = format!("{name} cannot read its answer of {api} {version}: {error:?}");
                context.oracle.broken(what);
                Heard::Nothing
            }
        }
    }
}
