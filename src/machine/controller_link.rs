//! The connection of a broker to a controller that the same edge drives.

use super::{ConnectionId, Event, Peer};
use bytes::Bytes;

/// The connection of a broker to a controller that the same edge drives: makes the effects of one
/// the events of the other.
///
/// A connection that the controller has closed ends for both. The broker hears of it a little later;
/// what it sends before is lost, as is what is answered on the old connection after.
#[derive(Debug, Default)]
pub struct ControllerLink {
    /// How many connections there were before this one, which is its number at the controller.
    connection: u64,
    is_closed: bool,
}

impl ControllerLink {
    /// The connection of now, as the controller knows it.
    pub fn connection(&self) -> ConnectionId {
        ConnectionId(self.connection)
    }

    /// The broker sends a frame: what the controller hears.
    pub fn request(&self, frame: Bytes) -> Option<Event> {
        let connection = self.connection();
        (!self.is_closed).then_some(Event::Request { connection, frame })
    }

    /// The controller answers: what the broker hears.
    pub fn response(&self, connection: ConnectionId, frame: Bytes) -> Option<Event> {
        let peer = Peer::Controller;
        self.is_open(connection)
            .then_some(Event::Reply { peer, frame })
    }

    /// The controller closes a connection: what it, and the broker, hear of that.
    pub fn close(&mut self, connection: ConnectionId) -> Option<(Event, Event)> {
        if !self.is_open(connection) {
            return None;
        }
        self.is_closed = true;
        let peer = Peer::Controller;
        Some((Event::Closed { connection }, Event::PeerLost { peer }))
    }

    /// Called before the broker is handed an event: with the loss of its peer it begins another
    /// connection.
    pub fn heard(&mut self, event: &Event) {
        if let Event::PeerLost {
            peer: Peer::Controller,
        } = event
        {
            self.connection += 1;
            self.is_closed = false;
        }
    }

    fn is_open(&self, connection: ConnectionId) -> bool {
        !self.is_closed && connection.0 == self.connection
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOST: Event = Event::PeerLost {
        peer: Peer::Controller,
    };

    fn connection_of(event: Option<Event>) -> Option<ConnectionId> {
        match event {
            Some(Event::Request { connection, .. } | Event::Closed { connection }) => {
                Some(connection)
            }
            _ => None,
        }
    }

    #[test]
    fn what_is_under_way_on_a_closed_connection_is_lost() {
        let mut link = ControllerLink::default();
        let old = connection_of(link.request(Bytes::new())).unwrap();
        let (closed, lost) = link.close(old).unwrap();
        assert_eq!(connection_of(Some(closed)), Some(old));
        assert!(link.close(old).is_none(), "it is told once");
        assert!(link.request(Bytes::new()).is_none());
        link.heard(&lost);
        let new = connection_of(link.request(Bytes::new())).unwrap();
        assert_ne!(old, new);
        assert!(link.response(old, Bytes::new()).is_none());
        assert!(link.response(new, Bytes::new()).is_some());
    }

    #[test]
    fn a_broker_that_lost_its_controller_itself_begins_another_connection() {
        let mut link = ControllerLink::default();
        let old = connection_of(link.request(Bytes::new())).unwrap();
        link.heard(&LOST);
        assert!(link.response(old, Bytes::new()).is_none());
        assert!(link.close(old).is_none());
    }
}
