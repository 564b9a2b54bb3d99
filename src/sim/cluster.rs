//! The cluster: lives of the broker, clients, the connections between them, and what goes wrong.
//!
//! Each part has its state, and hands over what it wants of the others; it is put together here.

use super::actor::{Signal, Wish};
use super::crowd::Crowd;
use super::faults::{Fault, Faults};
use super::inspector::LastRead;
use super::lives::{Lives, Outgoing, named_request};
use super::network::{Arrival, Direction, Network, PipeId};
use super::node::Side;
use super::oracle::Oracle;
use super::plan::Plan;
use super::producers::LAST_SENDS;
use super::report::{Counts, Report, Trace};
use super::run::Watch;
use super::scale::Scale;
use super::scheduler::Random;
use super::work::Work;
use super::world::{Step, World};
use crate::machine::Event;

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
/// The name in the counts of room that somebody has made under a full quota.
pub const FREED: &str = "room freed under a full quota";
/// Room that is left, and filled, before the quota is full in the end.
const FILLED_BYTES: usize = 50_000;
/// What a record takes beyond its value, generously.
const RECORD_BYTES: usize = 150;
/// What is written besides the last sends, generously.
const ROOM_BYTES: usize = 3_000;
/// How long a zombie lives, at most.
const ZOMBIE_MS_MAX: u64 = 10_000;

/// Everything.
pub struct Cluster {
    world: World,
    lives: Lives,
    network: Network,
    crowd: Crowd,
    /// Those of the plan.
    faults: Faults,
    faults_left: u64,
    /// How often the quota was full.
    quotas: u64,
    full_in_the_end: bool,
    frees_room: bool,
    /// Of all producers, generously.
    last_sends_bytes: usize,
    /// How long what ages takes to be gone.
    aging: Option<u64>,
    /// Whether a row is damaged in the end.
    is_damaged: bool,
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
            full_in_the_end,
            frees_room,
            is_damaged,
        } = plan;
        let mut counts = Counts::default();
        counts.plan(scale, &workload);
        let waiting = workload.producers * workload.sends_open_max;
        let send_bytes = 2 * workload.records_max * (workload.padding_bytes_max + RECORD_BYTES);
        let last_sends_bytes = 2 * (workload.producers * LAST_SENDS * send_bytes + ROOM_BYTES);
        let things = workload.partitions() + workload.members() + waiting;
        let work = Work::new(watch.meter, things);
        let oracle = Oracle::new(&workload);
        let aging = workload.aging_ms();
        let crowd = Crowd::new(&mut random, workload.clone());
        Cluster {
            world: World::new(random, oracle, counts, trace, work),
            lives: Lives::new(workload),
            network: Network::default(),
            crowd,
            faults,
            faults_left: faults_max,
            quotas: 0,
            full_in_the_end,
            frees_room,
            last_sends_bytes,
            aging,
            is_damaged,
            steps: 0,
        }
    }

    /// Plays the whole plan.
    pub fn run(&mut self) {
        self.start_broker();
        self.crowd.set_up(&mut self.world);
        self.run_until(QUIET_MS_MAX, "topics", |cluster| cluster.crowd.is_set_up());
        self.world.faults = self.faults.clone();
        self.crowd.begin(&mut self.world);
        self.world.after(self.faults.interval_ms, Step::Fault);
        let end = self.world.now().monotonic + FAULTY_MS_MAX;
        self.run_while(|cluster| {
            cluster.world.now().monotonic < end
                && cluster.faults_left > 0
                && !cluster.crowd.is_done()
        });
        self.heal();
        let quiet_ms_max = QUIET_MS_MAX + self.aging.unwrap_or_default();
        self.run_until(quiet_ms_max, "quiet", |cluster| {
            cluster.waits_for().is_none()
        });
        // What was sent with acks=0 is answered before it arrives.
        let settled = self.world.now().monotonic + UNDER_WAY_MS_MAX;
        self.run_while(|cluster| cluster.world.now().monotonic < settled);
        if self.full_in_the_end {
            self.world.line(|| "=== the quota is full".to_owned());
            self.fill_quota(FILLED_BYTES);
            self.crowd.overfill(&mut self.world);
            self.run_until(QUIET_MS_MAX, "answers under a full quota", |cluster| {
                cluster.waits_for().is_none()
            });
            let ended = self.lives.crash(&mut self.world);
            self.deliver(ended);
        }
        self.crowd.begin_last_audit(&mut self.world);
        self.run_until(QUIET_MS_MAX, "the last audit", |cluster| {
            cluster.crowd.is_last_audit_done()
        });
        self.run_until(QUIET_MS_MAX, "the groups", |cluster| {
            cluster.waits_for().is_none() && cluster.unassigned().is_none()
        });
        let deletable_bytes = self.world.oracle.deletable_bytes();
        if self.aging.is_some() {
            self.world.oracle.last_rows(&self.lives.rows());
        }
        let last = self.is_damaged.then(|| self.world.oracle.last_read());
        self.world.oracle.settle();
        if self.full_in_the_end {
            self.free_room(deletable_bytes);
        }
        if let Some(last) = last {
            self.inspect_damaged(last);
        }
    }

    /// A row is damaged: the partition that it belongs to may stop, and nothing else.
    fn inspect_damaged(&mut self, last: Vec<LastRead>) {
        for number in self.crowd.inspect(&mut self.world, last) {
            for pipe in self.network.of_client(number) {
                self.close(pipe);
            }
        }
        let outgoing = self.lives.damage(&mut self.world);
        self.deliver(outgoing);
        self.run_until(QUIET_MS_MAX, "a damaged row", |cluster| {
            cluster.crowd.is_done()
        });
    }

    /// Under a full quota everything is deleted that may be; then there is room for new records.
    fn free_room(&mut self, deleted_bytes: usize) {
        self.crowd.begin_clearing(&mut self.world);
        self.run_until(QUIET_MS_MAX, "deleting under a full quota", |cluster| {
            cluster.crowd.is_clearing_done()
        });
        if !self.frees_room || deleted_bytes < self.last_sends_bytes {
            return;
        }
        let room_for = self.last_sends_bytes / 2;
        self.run_until(QUIET_MS_MAX, "room that was freed", |cluster| {
            let quota = cluster.lives.quota();
            quota.full_bytes() + room_for <= quota.limit().unwrap_or(usize::MAX)
        });
        self.world.counts.fault(FREED);
        self.crowd.heal(&mut self.world);
        self.run_until(QUIET_MS_MAX, "sends into freed room", |cluster| {
            cluster.waits_for().is_none()
        });
    }

    /// From now on everything together takes no more than it does now, and what is given.
    fn fill_quota(&mut self, left_bytes: usize) {
        let quota = self.lives.quota();
        quota.set_limit(Some(quota.full_bytes() + left_bytes));
        self.quotas += 1;
    }

    /// What became of it.
    pub fn report(self, seed: u64, scale: Scale) -> Report {
        let elapsed_ms = self.world.now().monotonic.0;
        Report {
            seed,
            scale,
            violation: self.world.oracle.violation().map(str::to_owned),
            counts: self.world.counts,
            trace: self.world.trace.lines.unwrap_or_default(),
            steps: self.steps,
            elapsed_ms,
        }
    }

    /// Nothing goes wrong any more.
    fn heal(&mut self) {
        self.world
            .line(|| "=== nothing goes wrong any more".to_owned());
        self.faults = Faults::none();
        self.world.faults = Faults::none();
        self.lives.quota().set_limit(None);
        if self.aging.is_some() {
            // Otherwise what is from ahead of it would have to wait for it to come there again.
            let ms = self.world.oracle.wall_behind_ms();
            self.world.shift_wall(ms);
        }
        let ended = self.lives.end_zombies(&mut self.world);
        self.deliver(ended);
        self.crowd.heal(&mut self.world);
    }

    fn waits_for(&self) -> Option<String> {
        self.crowd.waits_for(&self.world.oracle)
    }

    fn unassigned(&self) -> Option<String> {
        self.crowd.unassigned(&self.world.oracle)
    }

    fn run_until(&mut self, ms: u64, what: &str, reached: impl Fn(&Cluster) -> bool) {
        let deadline = self.world.now().monotonic + ms;
        self.run_while(|cluster| !reached(cluster) && cluster.world.now().monotonic < deadline);
        if self.world.oracle.violation().is_none() && !reached(self) {
            let waiting = self.waits_for().or_else(|| self.unassigned());
            let waiting = waiting.unwrap_or_default();
            let what = format!("{ms} ms were not enough for {what}: {waiting}");
            self.world.oracle.broken(what);
        }
    }

    fn run_while(&mut self, go_on: impl Fn(&Cluster) -> bool) {
        let mut looked_at = None;
        while self.world.oracle.violation().is_none() {
            let moment = self.world.now().monotonic.0 / LOOK_MS;
            if looked_at != Some(moment) {
                if !go_on(self) {
                    return;
                }
                looked_at = Some(moment);
            }
            let Some(step) = self.world.next() else {
                let what = "nothing is due any more".to_owned();
                return self.world.oracle.broken(what);
            };
            self.steps += 1;
            if self.steps > STEPS_MAX {
                let what = format!("somebody spins: {STEPS_MAX} steps");
                return self.world.oracle.broken(what);
            }
            self.step(step);
        }
    }

    fn step(&mut self, step: Step) {
        let world = &mut self.world;
        let outgoing = match step {
            Step::Disk(life, side, incarnation) => {
                return self.lives.disk_step(world, (life, side, incarnation));
            }
            Step::Stored(life, side, incarnation, reply) => {
                self.lives.stored(world, (life, side, incarnation), reply)
            }
            Step::Wake(life, side, incarnation, timer) => {
                self.lives.wake(world, (life, side, incarnation), timer)
            }
            Step::Hear(life, side) => self.lives.hear(world, life, side),
            Step::Start(after) => self.lives.start_after(world, after),
            Step::EndZombie(life) => Vec::from_iter(self.lives.end_zombie(world, life)),
            Step::Arrive(pipe, direction) => return self.arrive(pipe, direction),
            Step::ClientWake(client, life, timer) => {
                let wishes = self.crowd.wake(world, (client, life), timer);
                return self.fulfil(client, wishes);
            }
            Step::Act(client, life) => {
                let wishes = self.crowd.tell(world, (client, life), Signal::Act);
                return self.fulfil(client, wishes);
            }
            Step::Refused(client, life, connection) => {
                let signal = Signal::Closed(connection);
                let wishes = self.crowd.tell(world, (client, life), signal);
                return self.fulfil(client, wishes);
            }
            Step::Fault => return self.fault(),
            Step::QuotaFreed(number) => {
                if self.quotas == number {
                    self.lives.quota().set_limit(None);
                }
                return;
            }
        };
        self.deliver(outgoing);
    }

    fn start_broker(&mut self) {
        let outgoing = self.lives.start(&mut self.world);
        self.deliver(outgoing);
    }

    /// Puts what lives of the broker do to others on its way.
    fn deliver(&mut self, outgoing: Vec<Outgoing>) {
        for outgoing in outgoing {
            match outgoing {
                Outgoing::Respond(connection, frame) => {
                    if self.network.respond(connection.0, frame) {
                        self.world.arrival(connection.0, Direction::ToClient);
                    }
                }
                Outgoing::Close(connection) => {
                    self.network.close_at_broker(connection.0);
                    self.world.arrival(connection.0, Direction::ToClient);
                }
                Outgoing::Ended(life) => {
                    let silent = self.world.faults.silent_loss;
                    let random = &mut self.world.random;
                    let (told, untold) = self.network.life_ended(random, life, silent);
                    for _ in &untold {
                        self.world.counts.fault("connection lost silently");
                    }
                    for pipe in told {
                        self.world.arrival(pipe, Direction::ToClient);
                    }
                }
            }
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
        match direction {
            Direction::ToBroker => {
                let connection = Network::at_broker(pipe);
                let event = match arrival {
                    Arrival::Connected => return,
                    Arrival::Frame(frame) => {
                        self.world.line(|| {
                            let request = named_request(&frame);
                            format!("life {life} hears client {client}: {request}")
                        });
                        Event::Request { connection, frame }
                    }
                    Arrival::End => Event::Closed { connection },
                };
                let outgoing = self.lives.feed(&mut self.world, life, Side::Broker, event);
                self.deliver(outgoing);
            }
            Direction::ToClient => {
                let signal = match arrival {
                    Arrival::Connected => Signal::Connected(connection),
                    Arrival::Frame(frame) => Signal::Frame {
                        connection,
                        frame,
                        newest: life == self.lives.newest(),
                    },
                    Arrival::End => Signal::Closed(connection),
                };
                let wishes = self.crowd.signal(&mut self.world, client, signal);
                self.fulfil(client, wishes);
            }
        }
    }

    fn fulfil(&mut self, client: usize, wishes: Vec<Wish>) {
        for wish in wishes {
            let Some(life) = self.crowd.life(client) else {
                return;
            };
            match wish {
                Wish::Connect(connection) if self.lives.is_up() => {
                    let newest = self.lives.newest();
                    let pipe = self.network.connect(client, connection, newest);
                    self.world.arrival(pipe, Direction::ToClient);
                }
                Wish::Connect(connection) => {
                    let refused = Step::Refused(client, life, connection);
                    self.world.after(1, refused);
                }
                Wish::Send(connection, frame) => {
                    if let Some(pipe) = self.network.find(client, connection)
                        && self.network.send(pipe, frame)
                    {
                        self.world.arrival(pipe, Direction::ToBroker);
                    }
                }
                Wish::Close(connection) => {
                    if let Some(pipe) = self.network.find(client, connection) {
                        self.close(pipe);
                    }
                }
                Wish::WakeAt(instant) => self.crowd.set_timer(&mut self.world, client, instant),
                Wish::ActIn(ms) => self.world.after(ms, Step::Act(client, life)),
                Wish::Retire => self.replace_client(client),
            }
        }
    }

    /// A client closes a connection.
    fn close(&mut self, pipe: PipeId) {
        self.network.close_at_client(&mut self.world.random, pipe);
        self.world.arrival(pipe, Direction::ToBroker);
    }

    /// Another client takes the place of one that is gone.
    fn replace_client(&mut self, number: usize) {
        if self.crowd.replace(&mut self.world, number) {
            for pipe in self.network.of_client(number) {
                self.close(pipe);
            }
        }
    }

    /// Something goes wrong.
    fn fault(&mut self) {
        let world = &mut self.world;
        let ms = world.random.between(1, 2 * self.faults.interval_ms);
        world.after(ms, Step::Fault);
        let Some(fault) = self.faults.next(&mut world.random) else {
            return;
        };
        world.line(|| format!("!!! {}", fault.name()));
        world.counts.fault(fault.name());
        self.faults_left = self.faults_left.saturating_sub(1);
        match fault {
            Fault::BrokerCrash => {
                let ended = self.lives.crash(world);
                self.deliver(ended);
            }
            Fault::Zombie => {
                let ms = world.random.between(0, ZOMBIE_MS_MAX);
                world.after(ms, Step::EndZombie(self.lives.newest()));
                self.start_broker();
            }
            Fault::ControllerCrash => {
                let outgoing = self.lives.restart_controller(world);
                self.deliver(outgoing);
            }
            Fault::PowerLoss => {
                let ended = self.lives.power_loss(world);
                self.deliver(ended);
                self.network.lose_answers();
                self.world.oracle.power_lost();
                // What they have fetched and not delivered would be shown afterwards.
                for number in self.crowd.consumers() {
                    self.replace_client(number);
                }
            }
            Fault::ConnectionDrop => {
                let open = self.network.open();
                if !open.is_empty() {
                    let pipe = world.random.pick(&open);
                    self.network.cut(&mut world.random, pipe);
                    world.arrival(pipe, Direction::ToBroker);
                    world.arrival(pipe, Direction::ToClient);
                }
            }
            Fault::Sleep => {
                let ms = world.random.pick(&[2_000, 10_000, 100_000]);
                world.sleep(ms);
            }
            Fault::WallClock => {
                let ms = world.random.between(0, 120_000) as i64;
                world.shift_wall(ms - 60_000);
            }
            Fault::Quota => {
                let left_bytes = world.random.between(0, self.faults.quota_left_bytes_max);
                let ms = world.random.between(1, self.faults.quota_ms_max);
                self.fill_quota(left_bytes as usize);
                self.world.after(ms, Step::QuotaFreed(self.quotas));
            }
            Fault::ClientCrash => {
                if let Some(number) = self.crowd.any(&mut world.random) {
                    self.replace_client(number);
                }
            }
        }
    }
}
