//! A client's state machine in this thread, with a real clock and ports.

use super::clock::{Clock, ms_until};
use super::port::{Arrival, Port};
use super::timer::Timer;
use super::turns::Turns;
use crate::client::{
    ClientEffect, ClientEvent, ClientMachine, ConnectionId, NetworkEvent, RequestWatch,
};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use web_sys::MessagePort;

/// What a client's surroundings do for it.
pub trait ClientEdge<Output> {
    /// Opens a way to a broker; `None` when there is none now.
    fn connect(&self, host: &str, port: i32) -> Option<MessagePort>;
    /// Tells the application something.
    fn output(&self, output: Output);
    /// Tells who listens to the network what has passed.
    fn network(&self, event: NetworkEvent);
}

/// A running client.
pub struct ClientHost<M: ClientMachine, E> {
    inner: Rc<Inner<M, E>>,
}

struct Inner<M: ClientMachine, E> {
    clock: Clock,
    machine: RefCell<M>,
    edge: E,
    turns: Turns<ClientEvent<M::Command>>,
    connections: RefCell<BTreeMap<ConnectionId, Connection>>,
    watch: RefCell<RequestWatch>,
    timer: RefCell<Option<Timer>>,
}

struct Connection {
    port: Rc<Port>,
    /// The broker's host and port.
    broker: (String, i32),
}

impl<M, E> ClientHost<M, E>
where
    M: ClientMachine + 'static,
    E: ClientEdge<M::Output> + 'static,
{
    /// A client that waits for its first command. What has no answer after `request_timeout_ms`
    /// it is expected to give up.
    pub fn new(machine: M, edge: E, request_timeout_ms: u64) -> Self {
        let inner = Rc::new(Inner {
            clock: Clock::new(),
            machine: RefCell::new(machine),
            edge,
            turns: Turns::default(),
            connections: RefCell::default(),
            watch: RefCell::new(RequestWatch::new(request_timeout_ms)),
            timer: RefCell::default(),
        });
        ClientHost { inner }
    }

    /// Hands a command to the client.
    pub fn command(&self, command: M::Command) {
        self.inner.push(ClientEvent::Command(command));
    }

    /// Tells the edge what passes the client's connections, or ends that.
    pub fn observe(&self, on: bool) {
        self.inner.watch.borrow_mut().listen(on);
    }

    /// The connections to a broker are gone, because it is.
    pub fn disconnect(&self, host: &str, port: i32) {
        let gone: BTreeMap<_, _> = (self.inner.connections.borrow_mut())
            .extract_if(.., |_, connection| {
                connection.broker.0 == host && connection.broker.1 == port
            })
            .collect();
        for connection in gone.into_keys() {
            self.inner.watch.borrow_mut().closed(connection);
            self.inner.push(ClientEvent::Closed { connection });
        }
    }
}

impl<M, E> Inner<M, E>
where
    M: ClientMachine + 'static,
    E: ClientEdge<M::Output> + 'static,
{
    fn push(self: &Rc<Self>, event: ClientEvent<M::Command>) {
        self.turns.push(event, |event| {
            let mut effects = Vec::new();
            self.machine
                .borrow_mut()
                .handle(self.clock.now(), event, &mut effects);
            for effect in effects {
                self.perform(effect);
            }
        });
    }

    fn perform(self: &Rc<Self>, effect: ClientEffect<M::Output>) {
        match effect {
            ClientEffect::Connect {
                connection,
                host,
                port,
            } => {
                let event = match self.edge.connect(&host, port) {
                    Some(opened) => {
                        self.watch.borrow_mut().connected(connection, &host, port);
                        self.attach(connection, opened, (host, port));
                        ClientEvent::Connected { connection }
                    }
                    None => ClientEvent::Closed { connection },
                };
                self.push(event);
            }
            ClientEffect::Send { connection, frame } => {
                let now = self.clock.now().wall;
                let events = self.watch.borrow_mut().sent(now, connection, &frame);
                self.tell(events);
                let port = (self.connections.borrow().get(&connection)).map(|it| it.port.clone());
                if port.is_some_and(|port| port.post(&frame).is_err()) {
                    self.forget(connection);
                    self.push(ClientEvent::Closed { connection });
                }
            }
            ClientEffect::Close { connection } => {
                let now = self.clock.now().wall;
                let events = self.watch.borrow_mut().given_up(now, connection);
                self.tell(events);
                self.end(connection);
            }
            ClientEffect::WakeAt(instant) => {
                let host = Rc::downgrade(self);
                let timer = Timer::after(ms_until(self.clock.now(), instant), move || {
                    if let Some(inner) = host.upgrade() {
                        inner.push(ClientEvent::Woken);
                    }
                });
                *self.timer.borrow_mut() = Some(timer);
            }
            ClientEffect::Output(output) => self.edge.output(output),
        }
    }

    fn forget(&self, connection: ConnectionId) {
        self.watch.borrow_mut().closed(connection);
        self.end(connection);
    }

    /// Closes its port, which calls JavaScript, when the borrow has ended.
    fn end(&self, connection: ConnectionId) {
        let ended = self.connections.borrow_mut().remove(&connection);
        drop(ended);
    }

    fn tell(&self, events: Vec<NetworkEvent>) {
        for event in events {
            self.edge.network(event);
        }
    }

    fn attach(self: &Rc<Self>, connection: ConnectionId, port: MessagePort, broker: (String, i32)) {
        let host = Rc::downgrade(self);
        let port = Port::new(port, move |arrival| {
            let Some(inner) = host.upgrade() else { return };
            inner.push(match arrival {
                Arrival::Frame(frame) => {
                    let now = inner.clock.now().wall;
                    let events = inner.watch.borrow_mut().answered(now, connection, &frame);
                    inner.tell(events);
                    ClientEvent::Frame { connection, frame }
                }
                Arrival::Closed => {
                    inner.forget(connection);
                    ClientEvent::Closed { connection }
                }
            });
        });
        let mut connections = self.connections.borrow_mut();
        let port = Rc::new(port);
        connections.insert(connection, Connection { port, broker });
    }
}
