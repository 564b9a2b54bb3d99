//! Clients, a cluster and a virtual clock.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use tablog::client::{ClientEffect, ClientEvent, ClientMachine, ConnectionId};
use tablog::now::{Instant, Now, Timestamp};

use super::fake_cluster::{FakeCluster, Heard};

/// A client with its edge.
pub struct Edge<C: ClientMachine> {
    client: C,
    pub outputs: VecDeque<C::Output>,
    wires: Vec<Wire>,
    timer: Option<Instant>,
}

enum Wire {
    Connect(ConnectionId, String),
    Send(ConnectionId, bytes::Bytes),
    Close(ConnectionId),
}

trait AnyEdge {
    fn event(&mut self, now: Now, event: ClientEvent<()>);
    fn take_wires(&mut self) -> Vec<Wire>;
    fn timer(&self) -> Option<Instant>;
}

impl<C: ClientMachine> Edge<C> {
    fn handle(&mut self, now: Now, event: ClientEvent<C::Command>) {
        let mut effects = Vec::new();
        self.client.handle(now, event, &mut effects);
        for effect in effects {
            match effect {
                ClientEffect::Connect {
                    connection, host, ..
                } => {
                    self.wires.push(Wire::Connect(connection, host));
                }
                ClientEffect::Send { connection, frame } => {
                    self.wires.push(Wire::Send(connection, frame));
                }
                ClientEffect::Close { connection } => self.wires.push(Wire::Close(connection)),
                ClientEffect::WakeAt(at) => self.timer = Some(at),
                ClientEffect::Output(output) => self.outputs.push_back(output),
            }
        }
    }
}

impl<C: ClientMachine> AnyEdge for Edge<C> {
    fn event(&mut self, now: Now, event: ClientEvent<()>) {
        let event = match event {
            ClientEvent::Connected { connection } => ClientEvent::Connected { connection },
            ClientEvent::Frame { connection, frame } => ClientEvent::Frame { connection, frame },
            ClientEvent::Closed { connection } => ClientEvent::Closed { connection },
            ClientEvent::Woken => {
                self.timer = None;
                ClientEvent::Woken
            }
            ClientEvent::Command(()) => unreachable!(),
        };
        self.handle(now, event);
    }

    fn take_wires(&mut self) -> Vec<Wire> {
        std::mem::take(&mut self.wires)
    }

    fn timer(&self) -> Option<Instant> {
        self.timer
    }
}

/// What stands in the place of a client that hangs.
struct Hung;

impl AnyEdge for Hung {
    fn event(&mut self, _: Now, _: ClientEvent<()>) {}

    fn take_wires(&mut self) -> Vec<Wire> {
        Vec::new()
    }

    fn timer(&self) -> Option<Instant> {
        None
    }
}

pub type Handle<C> = Rc<RefCell<Edge<C>>>;

pub struct World {
    pub now: Now,
    pub cluster: FakeCluster,
    edges: Vec<Rc<RefCell<dyn AnyEdge>>>,
    sockets: BTreeMap<(usize, u64), i32>,
}

impl World {
    pub fn new(nodes: i32) -> World {
        World {
            now: Now {
                monotonic: Instant(1_000),
                wall: Timestamp(1_700_000_000_000),
            },
            cluster: FakeCluster::new(nodes),
            edges: Vec::new(),
            sockets: BTreeMap::new(),
        }
    }

    pub fn add<C: ClientMachine + 'static>(&mut self, client: C) -> Handle<C> {
        let edge = Edge {
            client,
            outputs: VecDeque::new(),
            wires: Vec::new(),
            timer: None,
        };
        let edge = Rc::new(RefCell::new(edge));
        self.edges.push(edge.clone());
        edge
    }

    pub fn command<C: ClientMachine>(&mut self, edge: &Handle<C>, command: C::Command) {
        edge.borrow_mut()
            .handle(self.now, ClientEvent::Command(command));
    }

    /// Everything that happens without time going on.
    pub fn settle(&mut self) {
        loop {
            self.cluster.tick(self.now);
            let mut idle = true;
            for (index, edge) in self.edges.clone().into_iter().enumerate() {
                let wires = edge.borrow_mut().take_wires();
                for wire in wires {
                    idle = false;
                    self.wire(index, &edge, wire);
                }
            }
            while let Some(heard) = self.cluster.heard.pop_front() {
                idle = false;
                self.hear(heard);
            }
            if idle {
                break;
            }
        }
    }

    fn wire(&mut self, index: usize, edge: &Rc<RefCell<dyn AnyEdge>>, wire: Wire) {
        match wire {
            Wire::Connect(connection, host) => {
                let node: i32 = host.trim_start_matches("node").parse().unwrap();
                let event = if self.cluster.down.contains(&node) {
                    ClientEvent::Closed { connection }
                } else {
                    self.sockets.insert((index, connection.0), node);
                    ClientEvent::Connected { connection }
                };
                edge.borrow_mut().event(self.now, event);
            }
            Wire::Send(connection, frame) => {
                let socket = (index, connection.0);
                if let Some(&node) = self.sockets.get(&socket) {
                    self.cluster.request(self.now, node, socket, frame);
                }
            }
            Wire::Close(connection) => {
                let socket = (index, connection.0);
                if self.sockets.remove(&socket).is_some() {
                    self.cluster.closed(socket);
                }
            }
        }
    }

    fn hear(&mut self, heard: Heard) {
        let (socket, event) = match heard {
            Heard::Frame(socket, frame) => (
                socket,
                ClientEvent::Frame {
                    connection: ConnectionId(socket.1),
                    frame,
                },
            ),
            Heard::Closed(socket) => (
                socket,
                ClientEvent::Closed {
                    connection: ConnectionId(socket.1),
                },
            ),
        };
        if !self.sockets.contains_key(&socket) {
            return;
        }
        if let ClientEvent::Closed { .. } = event {
            self.sockets.remove(&socket);
            self.cluster.closed(socket);
        }
        self.edges[socket.0].borrow_mut().event(self.now, event);
    }

    /// The node is gone: its connections break, nobody gets a new one.
    pub fn stop_node(&mut self, node: i32) {
        self.cluster.down.insert(node);
        let sockets: Vec<_> = self
            .sockets
            .iter()
            .filter(|(_, on)| **on == node)
            .map(|(socket, _)| *socket)
            .collect();
        self.cluster
            .heard
            .extend(sockets.into_iter().map(Heard::Closed));
    }

    /// A client hangs: nothing reaches it and its timer does not fire, but its connections stay.
    pub fn detach<C: ClientMachine + 'static>(&mut self, edge: &Handle<C>) {
        let edge: Rc<RefCell<dyn AnyEdge>> = edge.clone();
        if let Some(place) = self.edges.iter_mut().find(|other| Rc::ptr_eq(other, &edge)) {
            *place = Rc::new(RefCell::new(Hung));
        }
    }

    /// Time goes by in which nobody runs.
    pub fn freeze(&mut self, ms: u64) {
        self.now.monotonic = self.now.monotonic + ms;
        self.now.wall.0 += ms as i64;
    }

    /// Goes to the next thing that is due; `false` when there is none before `until`.
    fn step(&mut self, until: Instant) -> bool {
        self.settle();
        let timers = self.edges.iter().filter_map(|edge| edge.borrow().timer());
        let Some(next) = timers.chain(self.cluster.deadline()).min() else {
            return false;
        };
        if next > until {
            return false;
        }
        if next > self.now.monotonic {
            self.freeze(next.ms_since(self.now.monotonic));
        }
        for edge in self.edges.clone() {
            let due = edge
                .borrow()
                .timer()
                .is_some_and(|timer| timer <= self.now.monotonic);
            if due {
                edge.borrow_mut().event(self.now, ClientEvent::Woken);
            }
        }
        self.settle();
        true
    }

    /// Lets this much time go by.
    pub fn run_for(&mut self, ms: u64) {
        let until = self.now.monotonic + ms;
        while self.step(until) {}
        self.freeze(until.ms_since(self.now.monotonic));
        self.settle();
    }

    /// Waits for an output that `find` takes, up to ten virtual minutes; drops those before it.
    pub fn wait<C: ClientMachine, T>(
        &mut self,
        edge: &Handle<C>,
        mut find: impl FnMut(&C::Output) -> Option<T>,
    ) -> T {
        let until = self.now.monotonic + 600_000;
        loop {
            self.settle();
            while let Some(output) = { edge.borrow_mut().outputs.pop_front() } {
                if let Some(found) = find(&output) {
                    return found;
                }
            }
            assert!(self.step(until), "it does not happen");
        }
    }
}
