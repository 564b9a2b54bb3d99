//! The clients of a run, and the auditor among them.

use super::actor::{Actor, Context, Signal, Wish};
use super::admins::AdminActor;
use super::auditor::Auditor;
use super::consumers::ConsumerActor;
use super::inspector::{Inspector, LastRead};
use super::oracle::Oracle;
use super::producers::ProducerActor;
use super::scheduler::Random;
use super::strangers::StrangerActor;
use super::trickle::TrickleActor;
use super::work::Worker;
use super::workload::Workload;
use super::world::{Step, World};
use crate::now::Instant;
use std::collections::BTreeMap;

/// The auditor's place among the clients.
const AUDITOR: usize = 0;

/// A client and the edge that it runs in.
struct Client {
    actor: Box<dyn Actor>,
    /// Raised when another takes its place.
    life: u64,
    timer: u64,
}

/// All clients, by their places.
pub struct Crowd {
    workload: Workload,
    auditor: Auditor,
    auditor_timer: u64,
    clients: BTreeMap<usize, Client>,
}

impl Crowd {
    /// The clients of a workload. None has done anything.
    pub fn new(random: &mut Random, workload: Workload) -> Crowd {
        let clients = actors(random, &workload).into_iter();
        let clients = clients.map(|actor| Client {
            actor,
            life: 0,
            timer: 0,
        });
        Crowd {
            auditor: Auditor::new(&workload),
            auditor_timer: 0,
            clients: (AUDITOR + 1..).zip(clients).collect(),
            workload,
        }
    }

    /// The auditor begins to make the topics, before anybody else acts.
    pub fn set_up(&self, world: &mut World) {
        world.after(0, Step::Act(AUDITOR, 0));
    }

    /// Whether the topics are there.
    pub fn is_set_up(&self) -> bool {
        self.auditor.is_set_up()
    }

    /// The auditor begins to read everything there is.
    pub fn begin_last_audit(&mut self, world: &mut World) {
        self.auditor.begin_last_audit(&world.oracle);
        world.after(0, Step::Act(AUDITOR, 0));
    }

    /// Whether it has read all of it.
    pub fn is_last_audit_done(&self) -> bool {
        self.auditor.is_last_audit_done()
    }

    /// The auditor begins to delete everything that it may delete.
    pub fn begin_clearing(&mut self, world: &mut World) {
        self.auditor.begin_clearing(&mut world.oracle);
        world.after(0, Step::Act(AUDITOR, 0));
    }

    /// Whether it has deleted all of it.
    pub fn is_clearing_done(&self) -> bool {
        self.auditor.is_clearing_done()
    }

    /// The applications begin.
    pub fn begin(&self, world: &mut World) {
        for (number, client) in &self.clients {
            world.after(0, Step::Act(*number, client.life));
        }
    }

    /// Nothing goes wrong any more.
    pub fn heal(&mut self, world: &mut World) {
        for (number, client) in &mut self.clients {
            client.actor.heal();
            world.after(0, Step::Act(*number, client.life));
        }
    }

    /// There is no room for what is sent from now on.
    pub fn overfill(&mut self, world: &mut World) {
        for (number, client) in &mut self.clients {
            client.actor.overfill();
            world.after(0, Step::Act(*number, client.life));
        }
    }

    /// Everybody leaves, and somebody comes who reads what there must be. Returns who has left.
    pub fn inspect(&mut self, world: &mut World, last: Vec<LastRead>) -> Vec<usize> {
        let left: Vec<_> = std::mem::take(&mut self.clients).into_keys().collect();
        let number = left.last().map_or(AUDITOR, |last| *last) + 1;
        let client = Client {
            actor: Box::new(Inspector::new(last)),
            life: 0,
            timer: 0,
        };
        self.clients.insert(number, client);
        world.after(0, Step::Act(number, 0));
        left
    }

    /// Whether everybody's work is done.
    pub fn is_done(&self) -> bool {
        let mut clients = self.clients.values();
        clients.all(|client| client.actor.is_done())
    }

    /// What a client waits for.
    pub fn waits_for(&self, oracle: &Oracle) -> Option<String> {
        let mut clients = self.clients.values();
        clients.find_map(|client| client.actor.waits_for(oracle))
    }

    /// A partition that a group should have assigned to one member, and has not.
    pub fn unassigned(&self, oracle: &Oracle) -> Option<String> {
        self.workload.groups.iter().find_map(|group| {
            let clients = self.clients.values();
            let members = clients.filter_map(|client| client.actor.has());
            let members = members.filter(|(id, _)| *id == group.group_id);
            let members: Vec<_> = members.map(|(_, partitions)| partitions).collect();
            let missing = oracle.missing_or_shared(&group.topics, &members)?;
            Some(format!("{}: {missing}", group.group_id))
        })
    }

    /// Which life of a client it is.
    pub fn life(&self, client: usize) -> Option<u64> {
        match client {
            AUDITOR => Some(0),
            _ => self.clients.get(&client).map(|it| it.life),
        }
    }

    /// A life of a client hears something, unless that is over.
    pub fn tell(
        &mut self,
        world: &mut World,
        (client, life): (usize, u64),
        signal: Signal,
    ) -> Vec<Wish> {
        match self.life(client) == Some(life) {
            true => self.signal(world, client, signal),
            false => Vec::new(),
        }
    }

    /// A client's timer rings, if it is the newest.
    pub fn wake(
        &mut self,
        world: &mut World,
        (client, life): (usize, u64),
        timer: u64,
    ) -> Vec<Wish> {
        let newest = match client {
            AUDITOR => Some(self.auditor_timer),
            _ => self.clients.get(&client).map(|it| it.timer),
        };
        match newest == Some(timer) {
            true => self.tell(world, (client, life), Signal::Woken),
            false => Vec::new(),
        }
    }

    /// A client hears something: what it wants done.
    pub fn signal(&mut self, world: &mut World, client: usize, signal: Signal) -> Vec<Wish> {
        let now = world.now();
        world.oracle.clock(now);
        let mut context = Context {
            random: &mut world.random,
            oracle: &mut world.oracle,
            counts: &mut world.counts,
            trace: &mut world.trace,
            work: &mut world.work,
            worker: Worker::Client(client),
            wishes: Vec::new(),
        };
        match client {
            AUDITOR => self.auditor.handle(now, signal, &mut context),
            _ => {
                if let Some(it) = self.clients.get_mut(&client) {
                    it.actor.handle(now, signal, &mut context);
                }
            }
        }
        context.wishes
    }

    /// Sets a client's timer, which replaces the one before.
    pub fn set_timer(&mut self, world: &mut World, client: usize, instant: Instant) {
        let (life, timer) = match client {
            AUDITOR => (0, &mut self.auditor_timer),
            _ => match self.clients.get_mut(&client) {
                Some(it) => (it.life, &mut it.timer),
                None => return,
            },
        };
        *timer += 1;
        world.at(instant, Step::ClientWake(client, life, *timer));
    }

    /// Any client but the auditor.
    pub fn any(&self, random: &mut Random) -> Option<usize> {
        let numbers: Vec<_> = self.clients.keys().copied().collect();
        (!numbers.is_empty()).then(|| random.pick(&numbers))
    }

    /// Those that read.
    pub fn consumers(&self) -> Vec<usize> {
        let clients = self.clients.iter();
        let consumers = clients.filter(|(_, client)| client.actor.has().is_some());
        consumers.map(|(number, _)| *number).collect()
    }

    /// Another client takes the place of one that is gone. False: nobody is to.
    pub fn replace(&mut self, world: &mut World, number: usize) -> bool {
        let Some(client) = self.clients.get_mut(&number) else {
            return false;
        };
        let World { random, oracle, .. } = world;
        let Some(next) = client.actor.successor(random, oracle) else {
            return false;
        };
        client.actor = next;
        client.life += 1;
        world.after(0, Step::Act(number, client.life));
        true
    }
}

fn actors(random: &mut Random, workload: &Workload) -> Vec<Box<dyn Actor>> {
    let mut actors: Vec<Box<dyn Actor>> = Vec::new();
    for number in 0..workload.producers {
        actors.push(Box::new(ProducerActor::new(random, number, workload)));
    }
    for group in &workload.groups {
        for number in 0..group.members {
            let member = ConsumerActor::new(random, number, group, workload);
            actors.push(Box::new(member));
        }
    }
    if workload.admin_operations > 0 {
        actors.push(Box::new(AdminActor::new(random, 0, workload)));
    }
    for number in 0..workload.strangers {
        actors.push(Box::new(StrangerActor::new(random, number, workload)));
    }
    if let Some(trickle) = TrickleActor::new(random, workload) {
        actors.push(Box::new(trickle));
    }
    actors
}
