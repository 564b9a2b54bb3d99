//! Connections: frames keep their order within one, and none between two.

use crate::client;
use crate::machine;
use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};

use super::scheduler::Random;

/// Numbers a connection over a whole run; it is also its name at the broker.
pub type PipeId = u64;

/// Which way a frame goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Requests.
    ToBroker,
    /// Responses.
    ToClient,
}

/// What comes out of a connection's end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// The connection is made (clients are told so).
    Connected,
    /// A frame.
    Frame(Bytes),
    /// The connection is gone.
    End,
}

/// One connection between a client and a life of the broker.
#[derive(Debug)]
pub struct Pipe {
    /// The client, by its place in the cluster.
    pub client: usize,
    /// What the client calls it.
    pub connection: client::ConnectionId,
    /// The life of the broker at its other end.
    pub life: u64,
    to_broker: VecDeque<Arrival>,
    to_client: VecDeque<Arrival>,
    broker_open: bool,
    client_open: bool,
}

/// All connections.
#[derive(Debug, Default)]
pub struct Network {
    pipes: BTreeMap<PipeId, Pipe>,
    /// Those that their clients have not closed.
    by_client: BTreeMap<(usize, client::ConnectionId), PipeId>,
    made: PipeId,
}

impl Network {
    /// A connection that has just been made.
    pub fn connect(
        &mut self,
        client: usize,
        connection: client::ConnectionId,
        life: u64,
    ) -> PipeId {
        self.made += 1;
        let pipe = Pipe {
            client,
            connection,
            life,
            to_broker: VecDeque::new(),
            to_client: VecDeque::from([Arrival::Connected]),
            broker_open: true,
            client_open: true,
        };
        self.pipes.insert(self.made, pipe);
        self.by_client.insert((client, connection), self.made);
        self.made
    }

    /// A connection that is not forgotten.
    pub fn pipe(&self, id: PipeId) -> Option<&Pipe> {
        self.pipes.get(&id)
    }

    /// The connection that a client calls so.
    pub fn find(&self, client: usize, connection: client::ConnectionId) -> Option<PipeId> {
        self.by_client.get(&(client, connection)).copied()
    }

    /// The connections that a client has not closed.
    pub fn of_client(&self, client: usize) -> Vec<PipeId> {
        let first = (client, client::ConnectionId(0));
        let after = (client + 1, client::ConnectionId(0));
        self.by_client
            .range(first..after)
            .map(|(_, id)| *id)
            .collect()
    }

    /// Connections that both ends believe in.
    pub fn open(&self) -> Vec<PipeId> {
        let open = self.pipes.iter();
        let open = open.filter(|(_, pipe)| pipe.broker_open && pipe.client_open);
        open.map(|(id, _)| *id).collect()
    }

    /// The client sends a frame. False if the connection is gone.
    pub fn send(&mut self, id: PipeId, frame: Bytes) -> bool {
        self.push(id, Direction::ToBroker, Arrival::Frame(frame))
    }

    /// The broker sends a frame. False if the connection is gone.
    pub fn respond(&mut self, id: PipeId, frame: Bytes) -> bool {
        self.push(id, Direction::ToClient, Arrival::Frame(frame))
    }

    fn push(&mut self, id: PipeId, direction: Direction, arrival: Arrival) -> bool {
        let Some(pipe) = self.pipes.get_mut(&id) else {
            return false;
        };
        let open = pipe.broker_open && pipe.client_open;
        let queue = match direction {
            Direction::ToBroker => &mut pipe.to_broker,
            Direction::ToClient => &mut pipe.to_client,
        };
        if open {
            queue.push_back(arrival);
        }
        open
    }

    /// What comes out next on one side, if that side still listens.
    pub fn arrive(&mut self, id: PipeId, direction: Direction) -> Option<Arrival> {
        let pipe = self.pipes.get_mut(&id)?;
        let arrival = match direction {
            Direction::ToBroker => pipe.to_broker.pop_front(),
            Direction::ToClient => pipe.to_client.pop_front(),
        };
        if arrival == Some(Arrival::End) {
            match direction {
                Direction::ToBroker => pipe.broker_open = false,
                Direction::ToClient => {
                    pipe.client_open = false;
                    self.by_client.remove(&(pipe.client, pipe.connection));
                }
            }
        }
        if !pipe.broker_open && !pipe.client_open {
            self.pipes.remove(&id);
        }
        arrival
    }

    /// The client closes. What it has sent may still arrive, up to any point; it hears nothing
    /// more. An arrival of the end at the broker must be scheduled.
    pub fn close_at_client(&mut self, random: &mut Random, id: PipeId) {
        if let Some(pipe) = self.pipes.get_mut(&id) {
            pipe.client_open = false;
            self.by_client.remove(&(pipe.client, pipe.connection));
            pipe.to_client.clear();
            lose_suffix(random, &mut pipe.to_broker);
            if !pipe.broker_open {
                self.pipes.remove(&id);
            }
        }
    }

    /// The broker closes. What it has sent arrives; it hears nothing more. An arrival of the end
    /// at the client must be scheduled.
    pub fn close_at_broker(&mut self, id: PipeId) {
        if let Some(pipe) = self.pipes.get_mut(&id) {
            pipe.broker_open = false;
            pipe.to_broker.clear();
            pipe.to_client.push_back(Arrival::End);
        }
    }

    /// The connection breaks: requests and answers are lost, both from any point on. Ends must be
    /// scheduled at both sides.
    pub fn cut(&mut self, random: &mut Random, id: PipeId) {
        if let Some(pipe) = self.pipes.get_mut(&id) {
            lose_suffix(random, &mut pipe.to_broker);
            lose_suffix(random, &mut pipe.to_client);
        }
    }

    /// The connections to a life of the broker, which is gone. What it had answered may still
    /// arrive, up to any point. Ends must be scheduled at the clients, except at those which are
    /// not to hear of it: they keep a connection that leads nowhere.
    pub fn life_ended(
        &mut self,
        random: &mut Random,
        life: u64,
        silent: f64,
    ) -> (Vec<PipeId>, Vec<PipeId>) {
        let (mut told, mut untold) = (Vec::new(), Vec::new());
        for (id, pipe) in &mut self.pipes {
            if pipe.life != life || !pipe.broker_open {
                continue;
            }
            pipe.broker_open = false;
            pipe.to_broker.clear();
            lose_suffix(random, &mut pipe.to_client);
            if random.chance(silent) {
                pipe.to_client.pop_back();
                untold.push(*id);
            } else {
                told.push(*id);
            }
        }
        self.pipes
            .retain(|_, pipe| pipe.broker_open || pipe.client_open);
        (told, untold)
    }

    /// The power is lost, and with it every answer that has not arrived: what a client was told
    /// afterwards would be a promise from before.
    pub fn lose_answers(&mut self) {
        for pipe in self.pipes.values_mut() {
            pipe.to_client
                .retain(|arrival| !matches!(arrival, Arrival::Frame(_)));
        }
    }

    /// The broker's name of a connection.
    pub fn at_broker(id: PipeId) -> machine::ConnectionId {
        machine::ConnectionId(id)
    }
}

/// Loses what is under way from any point on, and ends there. An end that is under way stays.
fn lose_suffix(random: &mut Random, queue: &mut VecDeque<Arrival>) {
    if queue.back() == Some(&Arrival::End) {
        queue.pop_back();
    }
    let kept = random.below(queue.len() + 1);
    queue.truncate(kept);
    queue.push_back(Arrival::End);
}
