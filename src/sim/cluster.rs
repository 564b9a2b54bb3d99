//! The cluster: lives of the broker on one medium, clients, connections, and what goes wrong.

use super::actor::{Actor, Context, Signal, Wish};
use super::admins::AdminActor;
use super::auditor::Auditor;
use super::consumers::ConsumerActor;
use super::faults::{Fault, Faults};
use super::network::{Arrival, Direction, Network, PipeId};
use super::node::{Media, Node, Side};
use super::oracle::Oracle;
use super::plan::Plan;
use super::producers::ProducerActor;
use super::report::{Counts, Report, Trace};
use super::run::Watch;
use super::scale::Scale;
use super::scheduler::{Random, Scheduler};
use super::work::{self, Cost, Work, Worker};
use super::workload::Workload;
use crate::machine::{ConnectionId, Effect, Event, Peer};
use crate::protocol::decode_request;
use crate::storage::StorageReply;
use bytes::Bytes;
use std::collections::BTreeMap;

/// The connection under which a controller knows the broker of its worker.
const BROKER_CONNECTION: ConnectionId = ConnectionId(0);
/// The auditor's place among the clients.
const AUDITOR: usize = 0;
/// Virtual time for which faults are injected, at most.
const FAULTY_MS_MAX: u64 = 40_000;
/// Virtual time after the last fault within which everything must have become quiet.
const QUIET_MS_MAX: u64 = 180_000;
/// How long a request may be under way when nothing goes wrong.
const UNDER_WAY_MS_MAX: u64 = 1_000;
/// Steps of a run: more means that somebody spins.
const STEPS_MAX: u64 = 2_000_000;
/// How often it is looked whether the run may go on to what comes next: that asks every client.
const LOOK_MS: u64 = 5;
/// How long the quota stays full, at most.
const QUOTA_MS_MAX: u64 = 3_000;
/// How long a zombie lives, at most.
const ZOMBIE_MS_MAX: u64 = 10_000;

/// What can be due.
enum Step {
    /// A machine's storage does one step.
    Disk(u64, Side, u64),
    /// A machine hears what its storage did.
    Stored(u64, Side, u64, StorageReply),
    /// A machine's timer.
    Wake(u64, Side, u64, u64),
    /// The controller hears the broker of its worker.
    ToController(u64),
    /// The broker hears the controller of its worker.
    ToBroker(u64),
    /// A connection's end hears something.
    Arrive(PipeId, Direction),
    /// A client's timer: which client, which of its lives, which timer.
    ClientWake(usize, u64, u64),
    /// A client's application may act.
    Act(usize, u64),
    /// A client could not connect.
    Refused(usize, u64, crate::client::ConnectionId),
    /// A new life of the broker begins, unless one has meanwhile.
    Start(u64),
    /// A zombie dies.
    EndZombie(u64),
    /// Something goes wrong.
    Fault,
    /// There is room again.
    QuotaFreed(u64),
}

/// A client and the edge that it runs in.
struct Client {
    actor: Box<dyn Actor>,
    /// Raised when another takes its place.
    life: u64,
    timer: u64,
}

/// Everything.
pub struct Cluster {
    random: Random,
    scheduler: Scheduler<Step>,
    workload: Workload,
    faults: Faults,
    media: Media,
    nodes: BTreeMap<u64, Node>,
    /// The newest life of the broker; older ones are zombies.
    newest: u64,
    network: Network,
    auditor: Auditor,
    auditor_timer: u64,
    clients: BTreeMap<usize, Client>,
    quota_full: u64,
    faults_left: u64,
    oracle: Oracle,
    counts: Counts,
    trace: Trace,
    work: Work,
    steps: u64,
}

impl Cluster {
    /// The cluster of a plan, before anything has happened.
    pub fn new(plan: Plan, mut random: Random, watch: &Watch) -> Cluster {
        let mut trace = Trace {
            lines: watch.trace.then(Vec::new),
            now_ms: 0,
        };
        trace.line(|| format!("{plan:#?}"));
        let Plan {
            scale,
            workload,
            faults,
            faults_max,
        } = plan;
        let mut counts = Counts::default();
        counts.plan(scale, &workload);
        let waiting = workload.producers * workload.sends_open_max;
        let things = workload.partitions() + workload.members() + waiting;
        let mut actors: Vec<Box<dyn Actor>> = Vec::new();
        for number in 0..workload.producers {
            actors.push(Box::new(ProducerActor::new(&mut random, number, &workload)));
        }
        for group in &workload.groups {
            for number in 0..group.members {
                actors.push(Box::new(ConsumerActor::new(
                    &mut random,
                    number,
                    group,
                    &workload,
                )));
            }
        }
        if workload.admin_operations > 0 {
            actors.push(Box::new(AdminActor::new(&mut random, 0, &workload)));
        }
        let clients = actors.into_iter().map(|actor| Client {
            actor,
            life: 0,
            timer: 0,
        });
        let clients = (AUDITOR + 1..).zip(clients).collect();
        Cluster {
            scheduler: Scheduler::new(),
            auditor: Auditor::new(&workload),
            auditor_timer: 0,
            oracle: Oracle::new(&workload),
            workload,
            faults,
            media: Media::default(),
            nodes: BTreeMap::new(),
            newest: 0,
            network: Network::default(),
            clients,
            quota_full: 0,
            faults_left: faults_max,
            work: Work::new(watch.meter, things),
            counts,
            trace,
            steps: 0,
            random,
        }
    }

    /// Plays the whole plan.
    pub fn run(&mut self) {
        let faults = std::mem::replace(&mut self.faults, Faults::none());
        self.start_broker();
        self.after(0, Step::Act(AUDITOR, 0));
        self.run_until(QUIET_MS_MAX, "topics", |cluster| {
            cluster.auditor.is_set_up()
        });
        self.faults = faults;
        for (number, client) in &self.clients {
            let step = Step::Act(*number, client.life);
            self.scheduler.after(&mut self.random, 0, step);
        }
        self.after(self.faults.interval_ms, Step::Fault);
        let end = self.scheduler.now().monotonic + FAULTY_MS_MAX;
        self.run_while(|cluster| {
            cluster.scheduler.now().monotonic < end
                && cluster.faults_left > 0
                && !cluster
                    .clients
                    .values()
                    .all(|client| client.actor.is_done())
        });
        self.heal();
        self.run_until(QUIET_MS_MAX, "quiet", |cluster| {
            cluster.waits_for().is_none()
        });
        // What was sent with acks=0 is answered before it arrives.
        let settled = self.scheduler.now().monotonic + UNDER_WAY_MS_MAX;
        self.run_while(|cluster| cluster.scheduler.now().monotonic < settled);
        self.auditor.begin_last_audit(&self.oracle);
        self.after(0, Step::Act(AUDITOR, 0));
        self.run_until(QUIET_MS_MAX, "the last audit", |cluster| {
            cluster.auditor.is_last_audit_done()
        });
        self.run_until(QUIET_MS_MAX, "the groups", |cluster| {
            cluster.waits_for().is_none() && cluster.unassigned().is_none()
        });
        self.oracle.settle();
    }

    /// What became of it.
    pub fn report(mut self, seed: u64, scale: Scale) -> Report {
        let lines = self.trace.lines.take();
        Report {
            seed,
            scale,
            violation: self.oracle.violation().map(str::to_owned),
            counts: self.counts,
            trace: lines.unwrap_or_default(),
            steps: self.steps,
            elapsed_ms: self.scheduler.now().monotonic.0,
        }
    }

    /// Nothing goes wrong any more.
    fn heal(&mut self) {
        self.line(|| "=== nothing goes wrong any more".to_owned());
        self.faults = Faults::none();
        self.quota_full = 0;
        let zombies: Vec<_> = self
            .nodes
            .keys()
            .copied()
            .filter(|life| *life != self.newest)
            .collect();
        for life in zombies {
            self.end_life(life);
        }
        for number in self.clients.keys().copied().collect::<Vec<_>>() {
            if let Some(client) = self.clients.get_mut(&number) {
                client.actor.heal();
                let life = client.life;
                self.after(0, Step::Act(number, life));
            }
        }
    }

    /// What a client waits for.
    fn waits_for(&self) -> Option<String> {
        let mut clients = self.clients.values();
        clients.find_map(|client| client.actor.waits_for(&self.oracle))
    }

    /// A partition that a group should have assigned to one member, and has not.
    fn unassigned(&self) -> Option<String> {
        self.workload.groups.iter().find_map(|group| {
            let members = self
                .clients
                .values()
                .filter_map(|client| client.actor.has());
            let members = members.filter(|(id, _)| *id == group.group_id);
            let members: Vec<_> = members.map(|(_, partitions)| partitions).collect();
            let missing = self.oracle.missing_or_shared(&group.topics, &members)?;
            Some(format!("{}: {missing}", group.group_id))
        })
    }

    fn run_until(&mut self, ms: u64, what: &str, reached: impl Fn(&Cluster) -> bool) {
        let deadline = self.scheduler.now().monotonic + ms;
        self.run_while(|cluster| !reached(cluster) && cluster.scheduler.now().monotonic < deadline);
        if self.oracle.violation().is_none() && !reached(self) {
            let waiting = self.waits_for().or_else(|| self.unassigned());
            let waiting = waiting.unwrap_or_default();
            self.oracle
                .broken(format!("{ms} ms were not enough for {what}: {waiting}"));
        }
    }

    fn run_while(&mut self, go_on: impl Fn(&Cluster) -> bool) {
        let mut looked_at = None;
        while self.oracle.violation().is_none() {
            let moment = self.scheduler.now().monotonic.0 / LOOK_MS;
            if looked_at != Some(moment) {
                if !go_on(self) {
                    return;
                }
                looked_at = Some(moment);
            }
            let Some(step) = self.scheduler.next() else {
                self.oracle.broken("nothing is due any more".to_owned());
                return;
            };
            self.steps += 1;
            self.trace.now_ms = self.scheduler.now().monotonic.0;
            if self.steps > STEPS_MAX {
                self.oracle
                    .broken(format!("somebody spins: {STEPS_MAX} steps"));
                return;
            }
            self.step(step);
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Disk(life, side, incarnation) => self.disk_step(life, side, incarnation),
            Step::Stored(life, side, incarnation, reply) => {
                if self.is_incarnation(life, side, incarnation) {
                    self.feed(life, side, Event::Storage(reply));
                }
            }
            Step::Wake(life, side, incarnation, timer) => {
                if self.is_incarnation(life, side, incarnation)
                    && self.nodes.get_mut(&life).map(|it| it.unit(side).timer) == Some(timer)
                {
                    self.line(|| format!("life {life}: {side:?} wakes"));
                    self.feed(life, side, Event::Woken);
                }
            }
            Step::ToController(life) => {
                let node = self.nodes.get_mut(&life);
                if let Some(frame) = node.and_then(|node| node.to_controller.pop_front()) {
                    self.line(|| format!("life {life}: Controller hears {}", named(&frame)));
                    let connection = BROKER_CONNECTION;
                    self.feed(life, Side::Controller, Event::Request { connection, frame });
                }
            }
            Step::ToBroker(life) => {
                let node = self.nodes.get_mut(&life);
                let peer = Peer::Controller;
                let heard = node.and_then(|node| node.to_broker.pop_front());
                self.line(|| match &heard {
                    Some(Some(frame)) => format!("life {life}: Broker hears {} bytes", frame.len()),
                    _ => format!("life {life}: Broker lost the controller"),
                });
                match heard {
                    Some(Some(frame)) => {
                        self.feed(life, Side::Broker, Event::Reply { peer, frame })
                    }
                    Some(None) => self.feed(life, Side::Broker, Event::PeerLost { peer }),
                    None => {}
                }
            }
            Step::Arrive(pipe, direction) => self.arrive(pipe, direction),
            Step::ClientWake(client, life, timer) => {
                let current = match client {
                    AUDITOR => Some((0, self.auditor_timer)),
                    _ => self.clients.get(&client).map(|it| (it.life, it.timer)),
                };
                if current == Some((life, timer)) {
                    self.signal(client, Signal::Woken);
                }
            }
            Step::Act(client, life) => {
                if self.client_life(client) == Some(life) {
                    self.signal(client, Signal::Act);
                }
            }
            Step::Refused(client, life, connection) => {
                if self.client_life(client) == Some(life) {
                    self.signal(client, Signal::Closed(connection));
                }
            }
            Step::Start(after) => {
                if self.newest == after {
                    self.start_broker();
                }
            }
            Step::EndZombie(life) => {
                if life != self.newest {
                    self.end_life(life);
                }
            }
            Step::Fault => self.fault(),
            Step::QuotaFreed(number) => {
                if self.quota_full == number {
                    self.quota_full = 0;
                }
            }
        }
    }

    fn client_life(&self, client: usize) -> Option<u64> {
        match client {
            AUDITOR => Some(0),
            _ => self.clients.get(&client).map(|it| it.life),
        }
    }

    // ---- lives of the broker

    fn start_broker(&mut self) {
        self.newest += 1;
        let life = self.newest;
        self.line(|| format!("life {life} of the broker begins"));
        let incarnation_id = self.random.seed();
        let node = match Node::open(&self.media, &self.workload, incarnation_id) {
            Ok(node) => node,
            Err(error) => {
                return self
                    .oracle
                    .broken(format!("a medium did not open: {error}"));
            }
        };
        self.nodes.insert(life, node);
        for side in [Side::Controller, Side::Broker] {
            let seed = self.random.seed();
            self.feed(life, side, Event::Opened { seed });
        }
    }

    /// A life ends without a word, and so do its connections.
    fn end_life(&mut self, life: u64) {
        if self.nodes.remove(&life).is_none() {
            return;
        }
        self.line(|| format!("life {life} of the broker ends"));
        let silent = self.faults.silent_loss;
        let (told, untold) = self.network.life_ended(&mut self.random, life, silent);
        for _ in &untold {
            self.counts.fault("connection lost silently");
        }
        for pipe in told {
            self.arrival(pipe, Direction::ToClient);
        }
    }

    fn is_incarnation(&mut self, life: u64, side: Side, incarnation: u64) -> bool {
        let node = self.nodes.get_mut(&life);
        node.is_some_and(|node| node.unit(side).incarnation == incarnation)
    }

    fn feed(&mut self, life: u64, side: Side, event: Event) {
        let now = self.scheduler.now();
        let Some(node) = self.nodes.get_mut(&life) else {
            return;
        };
        node.upkeep.hears(side, &event);
        let unit = node.unit(side);
        let incarnation = unit.incarnation;
        let (kind, mut bytes) = work::described(side, &event);
        let folds = work::folds(side, &event);
        let steps = self.work.steps();
        let mut effects = Vec::new();
        unit.machine.handle(now, event, &mut effects);
        let steps = self.work.steps() - steps;
        bytes += effects.iter().map(work::effect_bytes).sum::<usize>();
        let cost = Cost {
            bytes: bytes as u64,
            effects: effects.len() as u64,
            folds,
            steps,
        };
        let worker = Worker::Node(life, side);
        if let Err(what) = self.work.handled(worker, kind, cost, &mut self.counts) {
            self.oracle.broken(what);
        }
        for effect in effects {
            self.perform(life, side, incarnation, effect);
        }
    }

    fn perform(&mut self, life: u64, side: Side, incarnation: u64, effect: Effect) {
        let Some(node) = self.nodes.get_mut(&life) else {
            return;
        };
        match (side, effect) {
            (_, Effect::Storage(request)) => {
                node.upkeep.stores(side, &request);
                node.unit(side).disk.submit(request);
                let ms = self.random.between(0, self.faults.storage_ms_max);
                self.after(ms, Step::Disk(life, side, incarnation));
            }
            (_, Effect::WakeAt(instant)) => {
                let unit = node.unit(side);
                unit.timer += 1;
                let step = Step::Wake(life, side, incarnation, unit.timer);
                self.scheduler.at(&mut self.random, instant, step);
            }
            (_, Effect::Report { message }) => {
                node.upkeep.partition_stopped();
                self.line(|| format!("life {life}: {side:?} reports: {message}"));
            }
            (_, Effect::Stop { reason, .. }) => {
                self.line(|| format!("life {life}: {side:?} stops: {reason}"));
                self.end_life(life);
                if life == self.newest {
                    self.restart_later();
                }
            }
            (Side::Broker, Effect::Respond { connection, frame }) => {
                self.respond(connection, frame);
            }
            (Side::Broker, Effect::Close { connection }) => {
                self.network.close_at_broker(connection.0);
                self.arrival(connection.0, Direction::ToClient);
            }
            (Side::Broker, Effect::Send { frame, .. }) => {
                if let Err(what) = node.upkeep.asks(&frame) {
                    self.oracle.broken(what);
                }
                node.to_controller.push_back(frame);
                self.after(0, Step::ToController(life));
            }
            (Side::Controller, Effect::Respond { frame, .. }) => {
                node.to_broker.push_back(Some(frame));
                self.after(0, Step::ToBroker(life));
            }
            (Side::Controller, Effect::Close { .. }) => {
                node.to_broker.push_back(None);
                self.after(0, Step::ToBroker(life));
            }
            (Side::Controller, Effect::Send { .. }) => {
                self.oracle
                    .broken("the controller sent a request".to_owned());
            }
        }
    }

    fn restart_later(&mut self) {
        let ms = self.random.pick(&[0, 1, 50, 1_500]);
        let newest = self.newest;
        self.after(ms, Step::Start(newest));
    }

    fn disk_step(&mut self, life: u64, side: Side, incarnation: u64) {
        if !self.is_incarnation(life, side, incarnation) {
            return;
        }
        let Some(node) = self.nodes.get_mut(&life) else {
            return;
        };
        let quota_full = self.quota_full > 0;
        let unit = node.unit(side);
        let reply = unit
            .disk
            .step(&mut self.random, &self.faults, quota_full, &mut self.counts);
        let busy = unit.disk.is_busy();
        match reply {
            Some(reply) => {
                self.line(|| match &reply {
                    StorageReply::Committed { ticket, result } => {
                        format!("life {life}: {side:?} commits {}: {result:?}", ticket.0)
                    }
                    StorageReply::Loaded { ticket, result } => {
                        let entries = result.as_ref().map(Vec::len);
                        format!("life {life}: {side:?} loads {}: {entries:?} rows", ticket.0)
                    }
                });
                let ms = self.random.between(0, self.faults.storage_ms_max);
                self.after(ms, Step::Stored(life, side, incarnation, reply));
            }
            None if busy => {
                let ms = self.random.between(0, self.faults.storage_ms_max);
                self.after(ms, Step::Disk(life, side, incarnation));
            }
            None => {}
        }
    }

    // ---- connections

    fn arrival(&mut self, pipe: PipeId, direction: Direction) {
        let mut ms = self.random.between(0, self.faults.network_ms_max);
        if self.random.chance(self.faults.straggler) {
            ms *= 10;
        }
        self.after(ms, Step::Arrive(pipe, direction));
    }

    fn respond(&mut self, connection: ConnectionId, frame: Bytes) {
        if self.network.respond(connection.0, frame) {
            self.arrival(connection.0, Direction::ToClient);
        }
    }

    fn arrive(&mut self, pipe: PipeId, direction: Direction) {
        let Some(ends) = self.network.pipe(pipe) else {
            return;
        };
        let (client, connection, life) = (ends.client, ends.connection, ends.life);
        let Some(arrival) = self.network.arrive(pipe, direction) else {
            return;
        };
        match (direction, arrival) {
            (Direction::ToBroker, Arrival::Frame(frame)) => {
                self.line(|| format!("life {life} hears client {client}: {}", named(&frame)));
                let connection = Network::at_broker(pipe);
                self.feed(life, Side::Broker, Event::Request { connection, frame });
            }
            (Direction::ToBroker, Arrival::End) => {
                let connection = Network::at_broker(pipe);
                self.feed(life, Side::Broker, Event::Closed { connection });
            }
            (Direction::ToBroker, Arrival::Connected) => {}
            (Direction::ToClient, Arrival::Connected) => {
                self.signal(client, Signal::Connected(connection));
            }
            (Direction::ToClient, Arrival::Frame(frame)) => {
                let newest = life == self.newest;
                let signal = Signal::Frame {
                    connection,
                    frame,
                    newest,
                };
                self.signal(client, signal);
            }
            (Direction::ToClient, Arrival::End) => {
                self.signal(client, Signal::Closed(connection));
            }
        }
    }

    // ---- clients

    fn signal(&mut self, client: usize, signal: Signal) {
        let now = self.scheduler.now();
        let mut context = Context {
            random: &mut self.random,
            oracle: &mut self.oracle,
            counts: &mut self.counts,
            trace: &mut self.trace,
            work: &mut self.work,
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
        for wish in context.wishes {
            self.fulfil(client, wish);
        }
    }

    fn fulfil(&mut self, client: usize, wish: Wish) {
        let Some(life) = self.client_life(client) else {
            return;
        };
        match wish {
            Wish::Connect(connection) => {
                let newest = self.newest;
                if self.nodes.contains_key(&newest) {
                    let pipe = self.network.connect(client, connection, newest);
                    self.arrival(pipe, Direction::ToClient);
                } else {
                    self.after(1, Step::Refused(client, life, connection));
                }
            }
            Wish::Send(connection, frame) => {
                if let Some(pipe) = self.network.find(client, connection)
                    && self.network.send(pipe, frame)
                {
                    self.arrival(pipe, Direction::ToBroker);
                }
            }
            Wish::Close(connection) => {
                if let Some(pipe) = self.network.find(client, connection) {
                    self.network.close_at_client(&mut self.random, pipe);
                    self.arrival(pipe, Direction::ToBroker);
                }
            }
            Wish::WakeAt(instant) => {
                let timer = match client {
                    AUDITOR => &mut self.auditor_timer,
                    _ => match self.clients.get_mut(&client) {
                        Some(it) => &mut it.timer,
                        None => return,
                    },
                };
                *timer += 1;
                let step = Step::ClientWake(client, life, *timer);
                self.scheduler.at(&mut self.random, instant, step);
            }
            Wish::ActIn(ms) => self.after(ms, Step::Act(client, life)),
            Wish::Retire => self.replace_client(client),
        }
    }

    // ---- what goes wrong

    fn fault(&mut self) {
        let mean_ms = self.faults.interval_ms;
        let ms = self.random.between(1, 2 * mean_ms);
        self.after(ms, Step::Fault);
        let Some(fault) = self.faults.next(&mut self.random) else {
            return;
        };
        self.line(|| format!("!!! {}", fault.name()));
        self.counts.fault(fault.name());
        self.faults_left = self.faults_left.saturating_sub(1);
        match fault {
            Fault::BrokerCrash => {
                self.end_life(self.newest);
                self.restart_later();
            }
            Fault::Zombie => {
                let zombie = self.newest;
                let ms = self.random.between(0, ZOMBIE_MS_MAX);
                self.after(ms, Step::EndZombie(zombie));
                self.start_broker();
            }
            Fault::ControllerCrash => {
                let life = self.newest;
                let Some(node) = self.nodes.get_mut(&life) else {
                    return;
                };
                if let Err(error) = node.restart_controller(&self.media, &self.workload) {
                    return self
                        .oracle
                        .broken(format!("a medium did not open: {error}"));
                }
                let seed = self.random.seed();
                self.feed(life, Side::Controller, Event::Opened { seed });
                self.after(0, Step::ToBroker(life));
            }
            Fault::PowerLoss => {
                for life in self.nodes.keys().copied().collect::<Vec<_>>() {
                    self.end_life(life);
                }
                self.network.lose_answers();
                self.media.power_loss(&mut self.random);
                self.oracle.power_lost();
                // What they have fetched and not delivered would be shown afterwards.
                let clients = self.clients.iter();
                let consumers = clients.filter(|(_, client)| client.actor.has().is_some());
                for number in consumers.map(|(number, _)| *number).collect::<Vec<_>>() {
                    self.replace_client(number);
                }
                self.restart_later();
            }
            Fault::ConnectionDrop => {
                let open = self.network.open();
                if !open.is_empty() {
                    let pipe = self.random.pick(&open);
                    self.network.cut(&mut self.random, pipe);
                    self.arrival(pipe, Direction::ToBroker);
                    self.arrival(pipe, Direction::ToClient);
                }
            }
            Fault::Sleep => {
                let ms = self.random.pick(&[2_000, 10_000, 100_000]);
                self.scheduler.sleep(ms);
            }
            Fault::WallClock => {
                let ms = self.random.between(0, 120_000) as i64;
                self.scheduler.shift_wall(ms - 60_000);
            }
            Fault::Quota => {
                self.quota_full += 1;
                let ms = self.random.between(1, QUOTA_MS_MAX);
                let number = self.quota_full;
                self.after(ms, Step::QuotaFreed(number));
            }
            Fault::ClientCrash => {
                let numbers: Vec<_> = self.clients.keys().copied().collect();
                let number = self.random.pick(&numbers);
                self.replace_client(number);
            }
        }
    }

    /// Another client takes the place of one that is gone.
    fn replace_client(&mut self, number: usize) {
        let Some(client) = self.clients.get_mut(&number) else {
            return;
        };
        let Some(next) = client.actor.successor(&mut self.random, &mut self.oracle) else {
            return;
        };
        client.actor = next;
        client.life += 1;
        let life = client.life;
        for pipe in self.network.of_client(number) {
            self.network.close_at_client(&mut self.random, pipe);
            self.arrival(pipe, Direction::ToBroker);
        }
        self.after(0, Step::Act(number, life));
    }

    fn after(&mut self, ms: u64, step: Step) {
        self.scheduler.after(&mut self.random, ms, step);
    }

    fn line(&mut self, line: impl FnOnce() -> String) {
        self.trace.line(line);
    }
}

/// What a request frame asks, for the trace.
fn named(frame: &Bytes) -> String {
    match decode_request(frame.clone()) {
        Ok((header, request)) => {
            format!("{} #{}", request.api_key().name(), header.correlation_id)
        }
        Err(error) => format!("{error:?}"),
    }
}
