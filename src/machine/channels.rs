//! Connections as a node sees them: which requests may start, and in which order they are answered.

use super::{ConnectionId, Effect};
use crate::protocol::FRAME_BYTES_MAX;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Requests that one connection may have open; those behind them wait. Kafka's clients keep five.
pub const CONNECTION_REQUESTS_MAX: usize = 1_000;
/// Bytes of responses that wait for an earlier one of their connection, from which on no other
/// request of it starts and no parked one reads.
pub const CONNECTION_RESPONSES_BYTES_MAX: usize = 16 << 20;
/// Requests that wait to start, over all connections.
pub const QUEUED_REQUESTS_MAX: usize = 10_000;
/// Bytes of them: any one frame has room.
pub const QUEUED_REQUESTS_BYTES_MAX: usize = FRAME_BYTES_MAX;
/// Bytes of responses in one event from which on the requests that wait are left to the next.
pub const EVENT_RESPONSES_BYTES_MAX: usize = 16 << 20;

/// The open connections of a node.
///
/// Requests of a connection start in the order of arrival without waiting for each other, and are
/// answered in that order (Java's client closes the connection otherwise). A connection whose
/// answers wait behind an earlier one is muted when they are too many, as Kafka's `SocketServer`
/// mutes a channel: requests that arrive wait as frames, and those that have begun keep still until
/// there is room or it is their turn.
#[derive(Debug, Default)]
pub struct Channels {
    channels: BTreeMap<ConnectionId, Channel>,
    /// The newest request's number.
    newest: u64,
    /// Nothing starts: the node is not ready.
    is_held: bool,
    queued: usize,
    queued_bytes: usize,
    /// Channels that may have something to go on with, the one that has waited longest first.
    roused: VecDeque<ConnectionId>,
    effects: Vec<Effect>,
    responded_bytes: usize,
}

#[derive(Debug, Default)]
struct Channel {
    /// Where its client lives, if it has said so.
    client_host: Option<String>,
    /// Open requests by their numbers, which rise, and the answers that wait for their turn.
    open: VecDeque<(u64, Option<Answer>)>,
    waiting_bytes: usize,
    /// Open requests that wait for room.
    stalled: BTreeSet<u64>,
    /// Requests that have not started.
    queue: VecDeque<Bytes>,
    is_roused: bool,
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

/// What may go on.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// A request that has stalled.
    GoOn(u64),
    /// A request that has waited to start.
    Start(ConnectionId, Bytes),
}

impl Channel {
    fn is_full(&self) -> bool {
        self.waiting_bytes >= CONNECTION_RESPONSES_BYTES_MAX
    }

    fn is_first(&self, number: u64) -> bool {
        self.open.front().is_some_and(|(first, _)| *first == number)
    }

    fn may_start(&self) -> bool {
        !self.is_full() && self.open.len() < CONNECTION_REQUESTS_MAX
    }
}

impl Channels {
    /// Lets requests wait from now on.
    pub fn hold(&mut self) {
        self.is_held = true;
    }

    /// Lets requests start, and those that have waited: see [`Channels::take_next`].
    pub fn release(&mut self) {
        self.is_held = false;
        let waiting = self.channels.iter().filter(|(_, it)| !it.queue.is_empty());
        for connection in waiting.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.rouse(connection);
        }
    }

    /// A client has connected from there.
    pub fn connected(&mut self, connection: ConnectionId, client_host: String) {
        let channel = self.channels.entry(connection).or_default();
        channel.client_host = Some(client_host);
    }

    /// Where the client of a connection lives, if it has said so.
    pub fn client_host(&self, connection: ConnectionId) -> Option<&str> {
        self.channels.get(&connection)?.client_host.as_deref()
    }

    /// A request has arrived: the frame, if it may start at once. One for which there is no room to
    /// wait ends its connection; returned are then the requests that nobody waits for any more.
    pub fn arrive(
        &mut self,
        connection: ConnectionId,
        frame: Bytes,
    ) -> Result<Option<Bytes>, Vec<u64>> {
        let channel = self.channels.entry(connection).or_default();
        if !self.is_held && channel.queue.is_empty() && channel.may_start() {
            return Ok(Some(frame));
        }
        if self.queued >= QUEUED_REQUESTS_MAX
            || frame.len() > QUEUED_REQUESTS_BYTES_MAX - self.queued_bytes
        {
            return Err(self.close(connection));
        }
        self.queued += 1;
        self.queued_bytes += frame.len();
        channel.queue.push_back(frame);
        Ok(None)
    }

    /// The next request that may go on, until enough was answered in this event.
    pub fn take_next(&mut self) -> Option<Next> {
        if self.is_held || self.responded_bytes >= EVENT_RESPONSES_BYTES_MAX {
            return None;
        }
        while let Some(connection) = self.roused.pop_front() {
            let Some(channel) = self.channels.get_mut(&connection) else {
                continue;
            };
            let stalled = channel.stalled.first().copied();
            let next = match stalled {
                Some(number) if channel.is_first(number) || !channel.is_full() => {
                    channel.stalled.remove(&number);
                    Some(Next::GoOn(number))
                }
                None if channel.may_start() => channel.queue.pop_front().map(|frame| {
                    self.queued -= 1;
                    self.queued_bytes -= frame.len();
                    Next::Start(connection, frame)
                }),
                _ => None,
            };
            if next.is_some() {
                self.roused.push_back(connection);
                return next;
            }
            channel.is_roused = false;
        }
        None
    }

    /// Whether something was left to the next event.
    pub fn has_more(&self) -> bool {
        !self.is_held && !self.roused.is_empty()
    }

    /// Opens a request in its connection's order: its number, which no other has.
    pub fn open(&mut self, connection: ConnectionId) -> u64 {
        self.newest += 1;
        let channel = self.channels.entry(connection).or_default();
        channel.open.push_back((self.newest, None));
        self.newest
    }

    /// Whether an open request may read its answer. If not it keeps still until
    /// [`Next::GoOn`] comes: its answer could not leave before that.
    pub fn may_read(&mut self, connection: ConnectionId, number: u64) -> bool {
        let Some(channel) = self.channels.get_mut(&connection) else {
            return true;
        };
        let may_read = channel.is_first(number) || !channel.is_full();
        if !may_read {
            channel.stalled.insert(number);
        }
        may_read
    }

    /// Ends a request; its answer leaves when those before it have left. Where that ends the
    /// connection: the requests that nobody waits for any more.
    #[must_use]
    pub fn end(&mut self, connection: ConnectionId, number: u64, answer: Answer) -> Vec<u64> {
        let Some(channel) = self.channels.get_mut(&connection) else {
            return Vec::new();
        };
        let place = channel.open.binary_search_by_key(&number, |(it, _)| *it);
        let Ok(place) = place else {
            return Vec::new();
        };
        if let Answer::Frame(frame) = &answer {
            channel.waiting_bytes += frame.len();
        }
        channel.open[place].1 = Some(answer);
        while let Some((_, Some(answer))) = channel.open.pop_front_if(|(_, it)| it.is_some()) {
            match answer {
                Answer::Frame(frame) => {
                    channel.waiting_bytes -= frame.len();
                    self.responded_bytes += frame.len();
                    self.effects.push(Effect::Respond { connection, frame });
                }
                Answer::Nothing => {}
                Answer::Close => return self.close(connection),
            }
        }
        if place == 0 && !(channel.stalled.is_empty() && channel.queue.is_empty()) {
            self.rouse(connection);
        }
        Vec::new()
    }

    /// Ends a connection at once, without waiting for what it has open.
    pub fn close(&mut self, connection: ConnectionId) -> Vec<u64> {
        self.effects.push(Effect::Close { connection });
        self.forget(connection)
    }

    /// The connection is gone: returns the requests that nobody waits for any more.
    pub fn forget(&mut self, connection: ConnectionId) -> Vec<u64> {
        let channel = self.channels.remove(&connection).unwrap_or_default();
        self.queued -= channel.queue.len();
        self.queued_bytes -= channel.queue.iter().map(Bytes::len).sum::<usize>();
        channel.open.into_iter().map(|(number, _)| number).collect()
    }

    /// Takes what may go out, in order: an event ends.
    pub fn take_effects(&mut self) -> Vec<Effect> {
        self.responded_bytes = 0;
        std::mem::take(&mut self.effects)
    }

    fn rouse(&mut self, connection: ConnectionId) {
        if let Some(channel) = self.channels.get_mut(&connection)
            && !std::mem::replace(&mut channel.is_roused, true)
        {
            self.roused.push_back(connection);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: ConnectionId = ConnectionId(1);
    const B: ConnectionId = ConnectionId(2);
    const HALF: usize = CONNECTION_RESPONSES_BYTES_MAX / 2;

    fn frame(text: &'static str) -> Bytes {
        Bytes::from_static(text.as_bytes())
    }

    /// The frames that may go out; an empty one stands for the end of its connection.
    fn sent(channels: &mut Channels) -> Vec<(ConnectionId, Bytes)> {
        let effects = channels.take_effects().into_iter();
        let sent = effects.map(|effect| match effect {
            Effect::Respond { connection, frame } => (connection, frame),
            Effect::Close { connection } => (connection, Bytes::new()),
            other => panic!("{other:?}"),
        });
        sent.collect()
    }

    fn answer(channels: &mut Channels, number: u64, bytes: usize) {
        let dropped = channels.end(A, number, Answer::Frame(vec![7; bytes].into()));
        assert!(dropped.is_empty());
    }

    fn starts(channels: &mut Channels, connection: ConnectionId) -> bool {
        let arrived = channels.arrive(connection, frame("a"));
        arrived.expect("there is room").is_some()
    }

    #[test]
    fn answers_leave_in_the_order_of_the_requests() {
        let mut channels = Channels::default();
        let (first, second) = (channels.open(A), channels.open(A));
        let _ = channels.end(A, second, Answer::Frame(frame("two")));
        assert_eq!(sent(&mut channels), []);
        let _ = channels.end(A, first, Answer::Frame(frame("one")));
        assert_eq!(sent(&mut channels), [(A, frame("one")), (A, frame("two"))]);
    }

    #[test]
    fn a_request_without_a_response_does_not_hold_back_those_behind_it() {
        let mut channels = Channels::default();
        let (first, second) = (channels.open(A), channels.open(A));
        let _ = channels.end(A, second, Answer::Frame(frame("two")));
        let _ = channels.end(A, first, Answer::Nothing);
        assert_eq!(sent(&mut channels), [(A, frame("two"))]);
    }

    #[test]
    fn nothing_is_answered_to_a_connection_that_is_gone() {
        let mut channels = Channels::default();
        let number = channels.open(A);
        assert_eq!(channels.forget(A), [number]);
        let _ = channels.end(A, number, Answer::Frame(frame("late")));
        assert_eq!(sent(&mut channels), []);
    }

    #[test]
    fn the_end_of_a_connection_names_the_requests_behind_it() {
        let mut channels = Channels::default();
        let (first, second) = (channels.open(A), channels.open(A));
        assert_eq!(channels.end(A, first, Answer::Close), [second]);
        assert_eq!(sent(&mut channels), [(A, Bytes::new())]);
    }

    #[test]
    fn a_connection_whose_answers_wait_is_muted_until_they_leave() {
        let mut channels = Channels::default();
        let numbers: Vec<u64> = (0..3).map(|_| channels.open(A)).collect();
        answer(&mut channels, numbers[1], HALF);
        assert!(starts(&mut channels, A));
        answer(&mut channels, numbers[2], HALF);
        assert!(!starts(&mut channels, A));
        assert!(starts(&mut channels, B), "others are not concerned");
        assert_eq!(channels.take_next(), None);
        answer(&mut channels, numbers[0], 1);
        assert_eq!(sent(&mut channels).len(), 3);
        assert_eq!(channels.take_next(), Some(Next::Start(A, frame("a"))));
        assert_eq!(channels.take_next(), None);
        assert!(starts(&mut channels, A));
    }

    #[test]
    fn requests_keep_their_order_when_some_have_waited() {
        let mut channels = Channels::default();
        channels.hold();
        assert!(!starts(&mut channels, A));
        channels.release();
        assert!(!starts(&mut channels, A), "one of it has waited longer");
        for _ in 0..2 {
            assert_eq!(channels.take_next(), Some(Next::Start(A, frame("a"))));
        }
        assert!(starts(&mut channels, A));
    }

    #[test]
    fn too_many_open_requests_mute_a_connection() {
        let mut channels = Channels::default();
        let numbers: Vec<u64> = (0..CONNECTION_REQUESTS_MAX)
            .map(|_| {
                assert!(starts(&mut channels, A));
                channels.open(A)
            })
            .collect();
        assert!(!starts(&mut channels, A));
        answer(&mut channels, numbers[0], 1);
        assert!(matches!(channels.take_next(), Some(Next::Start(A, _))));
    }

    #[test]
    fn a_stalled_request_goes_on_when_there_is_room_or_it_is_its_turn() {
        let mut channels = Channels::default();
        let numbers: Vec<u64> = (0..5).map(|_| channels.open(A)).collect();
        answer(&mut channels, numbers[1], 2 * HALF);
        assert!(channels.may_read(A, numbers[0]), "it is its turn");
        assert!(!channels.may_read(A, numbers[2]));
        assert!(!channels.may_read(A, numbers[3]));
        assert_eq!(channels.take_next(), None);
        answer(&mut channels, numbers[4], HALF);
        answer(&mut channels, numbers[0], 1);
        sent(&mut channels);
        assert_eq!(channels.take_next(), Some(Next::GoOn(numbers[2])));
        assert_eq!(channels.take_next(), Some(Next::GoOn(numbers[3])));
        assert_eq!(channels.take_next(), None);
    }

    #[test]
    fn one_event_answers_so_much_and_leaves_the_rest_to_the_next() {
        let mut channels = Channels::default();
        let first = channels.open(A);
        channels.hold();
        for connection in [A, A, B] {
            assert!(!starts(&mut channels, connection));
        }
        channels.release();
        answer(&mut channels, first, EVENT_RESPONSES_BYTES_MAX);
        assert_eq!(channels.take_next(), None);
        assert!(channels.has_more());
        channels.take_effects();
        let order: Vec<_> = std::iter::from_fn(|| channels.take_next()).collect();
        let start = |connection| Next::Start(connection, frame("a"));
        assert_eq!(order, [start(A), start(B), start(A)], "each has its turn");
        assert!(!channels.has_more());
    }

    #[test]
    fn what_there_is_no_room_for_takes_its_connection_along() {
        let mut channels = Channels::default();
        channels.hold();
        let half = Bytes::from(vec![0; QUEUED_REQUESTS_BYTES_MAX / 2]);
        assert_eq!(channels.arrive(A, half.clone()), Ok(None));
        assert_eq!(channels.arrive(B, half.clone()), Ok(None));
        assert_eq!(channels.arrive(B, frame("b")), Err(Vec::new()));
        assert_eq!(sent(&mut channels), [(B, Bytes::new())]);
        // What waited on that connection has left its room.
        assert_eq!(channels.arrive(A, half), Ok(None));
        channels.release();
        let left = std::iter::from_fn(|| channels.take_next());
        assert_eq!(left.count(), 2);
    }

    #[test]
    fn so_many_requests_may_wait_and_no_more() {
        let mut channels = Channels::default();
        channels.hold();
        for _ in 0..QUEUED_REQUESTS_MAX {
            assert_eq!(channels.arrive(A, Bytes::new()), Ok(None));
        }
        assert!(channels.arrive(B, Bytes::new()).is_err());
    }
}
