//! A client's state machine in this thread, with a real clock and ports.

use super::clock::{Clock, ms_until};
use super::port::{Arrival, Port};
use super::timer::Timer;
use crate::client::admin::{Admin, AdminCommand, AdminOutput};
use crate::client::consumer::{Consumer, ConsumerCommand, ConsumerOutput};
use crate::client::producer::{Producer, ProducerCommand, ProducerOutput};
use crate::client::{ClientEffect, ClientEvent, ConnectionId};
use crate::now::Now;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use web_sys::MessagePort;

/// A producer, consumer or admin: what a host can drive.
pub trait ClientMachine {
    /// What the application asks.
    type Command;
    /// What the application is told.
    type Output;
    /// Feeds one event and collects the effects.
    fn handle(
        &mut self,
        now: Now,
        event: ClientEvent<Self::Command>,
        effects: &mut Vec<ClientEffect<Self::Output>>,
    );
}

macro_rules! client_machine {
    ($machine:ty, $command:ty, $output:ty) => {
        impl ClientMachine for $machine {
            type Command = $command;
            type Output = $output;
            fn handle(
                &mut self,
                now: Now,
                event: ClientEvent<$command>,
                effects: &mut Vec<ClientEffect<$output>>,
            ) {
                <$machine>::handle(self, now, event, effects);
            }
        }
    };
}
client_machine!(Producer, ProducerCommand, ProducerOutput);
client_machine!(Consumer, ConsumerCommand, ConsumerOutput);
client_machine!(Admin, AdminCommand, AdminOutput);

/// What a client's surroundings do for it.
pub trait ClientEdge<Output> {
    /// Opens a way to a broker; `None` when there is none now.
    fn connect(&self, host: &str, port: i32) -> Option<MessagePort>;
    /// Tells the application something.
    fn output(&self, output: Output);
}

/// A running client.
pub struct ClientHost<M: ClientMachine, E> {
    inner: Rc<Inner<M, E>>,
}

struct Inner<M: ClientMachine, E> {
    clock: Clock,
    machine: RefCell<M>,
    edge: E,
    queue: RefCell<VecDeque<ClientEvent<M::Command>>>,
    draining: Cell<bool>,
    ports: RefCell<BTreeMap<ConnectionId, Port>>,
    timer: RefCell<Option<Timer>>,
}

impl<M, E> ClientHost<M, E>
where
    M: ClientMachine + 'static,
    E: ClientEdge<M::Output> + 'static,
{
    /// A client that waits for its first command.
    pub fn new(machine: M, edge: E) -> Self {
        let inner = Rc::new(Inner {
            clock: Clock::new(),
            machine: RefCell::new(machine),
            edge,
            queue: RefCell::default(),
            draining: Cell::new(false),
            ports: RefCell::default(),
            timer: RefCell::default(),
        });
        ClientHost { inner }
    }

    /// Hands a command to the client.
    pub fn command(&self, command: M::Command) {
        self.inner.push(ClientEvent::Command(command));
    }

    /// Every connection is gone, because the broker behind them is.
    pub fn disconnect_all(&self) {
        let gone = std::mem::take(&mut *self.inner.ports.borrow_mut());
        for connection in gone.keys() {
            self.inner.push(ClientEvent::Closed {
                connection: *connection,
            });
        }
    }
}

impl<M, E> Inner<M, E>
where
    M: ClientMachine + 'static,
    E: ClientEdge<M::Output> + 'static,
{
    fn push(self: &Rc<Self>, event: ClientEvent<M::Command>) {
        self.queue.borrow_mut().push_back(event);
        if self.draining.replace(true) {
            return;
        }
        loop {
            let next = self.queue.borrow_mut().pop_front();
            let Some(event) = next else { break };
            let mut effects = Vec::new();
            self.machine
                .borrow_mut()
                .handle(self.clock.now(), event, &mut effects);
            for effect in effects {
                self.perform(effect);
            }
        }
        self.draining.set(false);
    }

    fn perform(self: &Rc<Self>, effect: ClientEffect<M::Output>) {
        match effect {
            ClientEffect::Connect {
                connection,
                host,
                port,
            } => {
                let event = match self.edge.connect(&host, port) {
                    Some(port) => {
                        self.attach(connection, port);
                        ClientEvent::Connected { connection }
                    }
                    None => ClientEvent::Closed { connection },
                };
                self.push(event);
            }
            ClientEffect::Send { connection, frame } => {
                let ports = self.ports.borrow();
                if ports
                    .get(&connection)
                    .is_some_and(|port| port.post(&frame).is_err())
                {
                    drop(ports);
                    self.ports.borrow_mut().remove(&connection);
                    self.push(ClientEvent::Closed { connection });
                }
            }
            ClientEffect::Close { connection } => {
                self.ports.borrow_mut().remove(&connection);
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

    fn attach(self: &Rc<Self>, connection: ConnectionId, port: MessagePort) {
        let host = Rc::downgrade(self);
        let port = Port::new(port, move |arrival| {
            let Some(inner) = host.upgrade() else { return };
            inner.push(match arrival {
                Arrival::Frame(frame) => ClientEvent::Frame { connection, frame },
                Arrival::Closed => {
                    inner.ports.borrow_mut().remove(&connection);
                    ClientEvent::Closed { connection }
                }
            });
        });
        self.ports.borrow_mut().insert(connection, port);
    }
}
