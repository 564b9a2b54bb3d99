//! A broker and its controller in this thread, with real clocks, storage and ports.

use super::clock::{Clock, ms_until};
use super::commits::{Drive, StorageDriver};
use super::entropy;
use super::port::{Arrival, Port};
use super::tap::{Direction, Tap};
use super::timer::{Timer, pause};
use super::turns::Turns;
use crate::broker::Broker;
use crate::machine::{ConnectionId, ControllerLink, Effect, Event, Machine, Peer};
use crate::metadata::{Controller, ControllerConfig};
use crate::now::Instant;
use crate::protocol::messages::api_versions_request::ApiVersionsRequest;
use crate::protocol::{Request, RequestHeader, Response, decode_response, encode_request};
use crate::storage::{Storage, StorageError, StorageReply};
use bytes::Bytes;
use futures_channel::oneshot;
use futures_util::future::{Either, select};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::pin::pin;
use std::rc::Rc;
use wasm_bindgen::JsValue;
use web_sys::MessagePort;

/// The connection under which the host itself asks its broker.
const OWN_CONNECTION: ConnectionId = ConnectionId(u64::MAX);

/// How long storage may refuse everything while the broker starts: a user waits for it.
const REFUSED_MS_MAX: u64 = 2_000;
const START_POLL_MS: u32 = 100;
/// Who wakes up so late lets those go first who stand in the queue.
const LATE_MS_MIN: u64 = 50;
const API_VERSIONS_VERSION: i16 = 0;

/// A running broker. Clones share it.
#[derive(Clone)]
pub struct BrokerHost {
    inner: Rc<Inner>,
}

/// Why a broker could not be started, or cannot go on.
#[derive(Debug)]
pub enum HostError {
    /// A storage could not be opened, or was deleted.
    Storage(StorageError),
    /// The platform lacks something.
    Platform(JsValue),
    /// A machine stopped, for the reason that it gives.
    Stopped(String),
}

impl fmt::Display for HostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HostError::Storage(error) => write!(f, "{error}"),
            HostError::Platform(error) => write!(f, "the platform refused: {error:?}"),
            HostError::Stopped(reason) => f.write_str(reason),
        }
    }
}

struct Inner {
    clock: Clock,
    broker: RefCell<Broker>,
    controller: RefCell<Controller>,
    link: RefCell<ControllerLink>,
    broker_side: Side,
    controller_side: Side,
    turns: Turns<(Node, Event)>,
    connections: RefCell<BTreeMap<ConnectionId, Connection>>,
    next_connection: Cell<u64>,
    /// Who waits for an answer on [`OWN_CONNECTION`], oldest first.
    asking: RefCell<VecDeque<oneshot::Sender<Bytes>>>,
    stopped: Cell<bool>,
    /// Why storage refuses to write, and since when.
    refused: RefCell<Option<(Instant, StorageError)>>,
    on_stop: Box<dyn Fn(HostError)>,
    tap: Tap,
}

/// A client's.
struct Connection {
    port: Rc<Port>,
    /// The way by which it came, which it shares with the other clients of its site.
    wire: u32,
}

/// What belongs to one of the two machines.
#[derive(Default)]
struct Side {
    storage: RefCell<Option<Rc<dyn Drive>>>,
    /// The storage's [`Fence::incarnation`](crate::storage::Fence::incarnation).
    incarnation: Cell<u64>,
    timer: RefCell<Option<Timer>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Node {
    Broker,
    Controller,
}

impl BrokerHost {
    /// Opens both storages, which fences off whoever had them before, and starts the machines.
    /// `on_stop` is told once if they cannot go on.
    pub async fn open<S: Storage + 'static>(
        broker: Broker,
        controller: ControllerConfig,
        broker_storage: S,
        controller_storage: S,
        on_stop: impl Fn(HostError) + 'static,
    ) -> Result<BrokerHost, HostError> {
        let inner = Rc::new(Inner {
            clock: Clock::new(),
            broker: RefCell::new(broker),
            controller: RefCell::new(Controller::new(controller)),
            link: RefCell::default(),
            broker_side: Side::default(),
            controller_side: Side::default(),
            turns: Turns::default(),
            connections: RefCell::default(),
            next_connection: Cell::new(0),
            asking: RefCell::default(),
            stopped: Cell::new(false),
            refused: RefCell::default(),
            on_stop: Box::new(on_stop),
            tap: Tap::default(),
        });
        inner
            .open_side(Node::Controller, controller_storage)
            .await?;
        if let Err(error) = inner.open_side(Node::Broker, broker_storage).await {
            // Nobody will close the other one: the host is not handed out.
            inner.stop();
            return Err(error);
        }
        Ok(BrokerHost { inner })
    }

    /// Waits until requests are served.
    ///
    /// Error: it stopped before that; or storage refuses what the broker has to write first, and
    /// has done so for [`REFUSED_MS_MAX`]. The host is closed then.
    pub async fn serving(&self) -> Result<(), HostError> {
        let request = Request::ApiVersions(ApiVersionsRequest::default());
        let mut answered = pin!(self.ask(API_VERSIONS_VERSION, request));
        loop {
            answered = match select(answered, pin!(pause(START_POLL_MS))).await {
                Either::Left((Some(_), _)) => return Ok(()),
                Either::Left((None, _)) => {
                    let reason = "the broker stopped before it served".to_owned();
                    return Err(HostError::Stopped(reason));
                }
                Either::Right((_, answered)) => answered,
            };
            let refused = self.inner.refused.borrow().clone();
            if let Some((since, error)) = refused
                && self.inner.clock.now().monotonic.ms_since(since) >= REFUSED_MS_MAX
            {
                self.inner.stop();
                return Err(HostError::Storage(error));
            }
        }
    }

    /// Takes a port as a new connection of a client, which has dialled it over that wire and lives
    /// on `client_host`, if that is known.
    pub fn connect(&self, port: MessagePort, wire: u32, client_host: Option<String>) {
        let inner = &self.inner;
        if inner.stopped.get() {
            // Dropping it tells the other end that nobody is here.
            drop(Port::new(port, |_| {}));
            return;
        }
        let connection = ConnectionId(inner.next_connection.get() + 1);
        inner.next_connection.set(connection.0);
        if let Some(client_host) = client_host {
            let connected = Event::Connected {
                connection,
                client_host,
            };
            inner.push(Node::Broker, connected);
        }
        let host = Rc::downgrade(inner);
        let port = Port::new(port, move |arrival| {
            let Some(inner) = host.upgrade() else { return };
            match arrival {
                Arrival::Frame(frame) => {
                    inner.tap.show(connection, Direction::Request, &frame);
                    inner.push(Node::Broker, Event::Request { connection, frame });
                }
                Arrival::Closed => {
                    inner.end(connection);
                    inner.push(Node::Broker, Event::Closed { connection });
                }
            }
        });
        let mut connections = inner.connections.borrow_mut();
        let port = Rc::new(port);
        connections.insert(connection, Connection { port, wire });
    }

    /// Asks the broker as a client would, through its door; `None` if it stops before it answers, or
    /// refuses to.
    pub(super) async fn ask(&self, version: i16, request: Request) -> Option<Response> {
        let api_key = request.api_key();
        let header = RequestHeader {
            request_api_key: api_key.code(),
            request_api_version: version,
            client_id: Some("tablog".to_owned()),
            ..Default::default()
        };
        let frame = encode_request(&header, &request).ok()?;
        if self.inner.stopped.get() {
            return None;
        }
        let (sender, receiver) = oneshot::channel();
        self.inner.asking.borrow_mut().push_back(sender);
        let connection = OWN_CONNECTION;
        self.inner
            .push(Node::Broker, Event::Request { connection, frame });
        let frame = receiver.await.ok()?;
        Some(decode_response(api_key, version, frame).ok()?.1)
    }

    /// The incarnations of the broker's and the controller's storage.
    pub fn incarnations(&self) -> [u64; 2] {
        let Inner {
            broker_side,
            controller_side,
            ..
        } = &*self.inner;
        [broker_side, controller_side].map(|side| side.incarnation.get())
    }

    /// Ends the connections of a wire: the clients at its other end are known to be gone.
    pub fn disconnect(&self, wire: u32) {
        let gone: BTreeMap<_, _> = (self.inner.connections.borrow_mut())
            .extract_if(.., |_, connection| connection.wire == wire)
            .collect();
        for connection in gone.into_keys() {
            self.inner.push(Node::Broker, Event::Closed { connection });
        }
    }

    /// Where frames that pass can be watched.
    pub fn tap(&self) -> &Tap {
        &self.inner.tap
    }

    /// Stops without a word to the machines, as a crash would: what is acknowledged is durable.
    pub fn close(&self) {
        self.inner.stop();
    }
}

impl Inner {
    async fn open_side<S: Storage + 'static>(
        self: &Rc<Self>,
        node: Node,
        storage: S,
    ) -> Result<(), HostError> {
        let fence = storage.open().await.map_err(HostError::Storage)?;
        self.side(node).incarnation.set(fence.incarnation);
        let seed = entropy::seed().map_err(HostError::Platform)?;
        let host = Rc::downgrade(self);
        let on_reply = move |reply| {
            if let Some(inner) = host.upgrade() {
                inner.watch(&reply);
                inner.push(node, Event::Storage(reply));
            }
        };
        let host = Rc::downgrade(self);
        let on_gone = move |error| {
            if let Some(inner) = host.upgrade() {
                inner.fail(HostError::Storage(error));
            }
        };
        let driver = StorageDriver::new(storage, fence, on_reply, on_gone);
        *self.side(node).storage.borrow_mut() = Some(driver);
        self.push(node, Event::Opened { seed });
        Ok(())
    }

    /// Remembers what storage says about itself.
    fn watch(&self, reply: &StorageReply) {
        if let StorageReply::Committed { result, .. } = reply {
            let mut refused = self.refused.borrow_mut();
            *refused = match (result, refused.take()) {
                (Ok(()), _) => None,
                (Err(error), since) => Some((
                    since.map_or_else(|| self.clock.now().monotonic, |(since, _)| since),
                    error.clone(),
                )),
            };
        }
    }

    fn side(&self, node: Node) -> &Side {
        match node {
            Node::Broker => &self.broker_side,
            Node::Controller => &self.controller_side,
        }
    }

    fn push(self: &Rc<Self>, node: Node, event: Event) {
        self.turns.push((node, event), |(node, event)| {
            if self.stopped.get() {
                return;
            }
            let mut effects = Vec::new();
            let now = self.clock.now();
            match node {
                Node::Broker => {
                    self.link.borrow_mut().heard(&event);
                    self.broker.borrow_mut().handle(now, event, &mut effects);
                }
                Node::Controller => self
                    .controller
                    .borrow_mut()
                    .handle(now, event, &mut effects),
            }
            for effect in effects {
                self.perform(node, effect);
            }
        });
    }

    fn perform(self: &Rc<Self>, node: Node, effect: Effect) {
        match (node, effect) {
            (
                Node::Broker,
                Effect::Respond {
                    connection: OWN_CONNECTION,
                    frame,
                },
            ) => {
                let asking = self.asking.borrow_mut().pop_front();
                if let Some(sender) = asking {
                    // Who asked may have gone; nobody else wants the answer.
                    let _ = sender.send(frame);
                }
            }
            (Node::Broker, Effect::Respond { connection, frame }) => {
                self.tap.show(connection, Direction::Response, &frame);
                let port = (self.connections.borrow().get(&connection)).map(|it| it.port.clone());
                // A port that refuses a frame has lost its other end, which then reconnects.
                if port.is_some_and(|port| port.post(&frame).is_err()) {
                    self.end(connection);
                    self.push(Node::Broker, Event::Closed { connection });
                }
            }
            (
                Node::Broker,
                Effect::Close {
                    connection: OWN_CONNECTION,
                },
            ) => self.asking.borrow_mut().clear(),
            (Node::Broker, Effect::Close { connection }) => self.end(connection),
            (
                Node::Broker,
                Effect::Send {
                    peer: Peer::Controller,
                    frame,
                },
            ) => {
                let request = self.link.borrow().request(frame);
                if let Some(request) = request {
                    self.push(Node::Controller, request);
                }
            }
            (Node::Controller, Effect::Respond { connection, frame }) => {
                let reply = self.link.borrow().response(connection, frame);
                if let Some(reply) = reply {
                    self.push(Node::Broker, reply);
                }
            }
            (Node::Controller, Effect::Close { connection }) => {
                let told = self.link.borrow_mut().close(connection);
                if let Some((closed, lost)) = told {
                    self.push(Node::Controller, closed);
                    self.push(Node::Broker, lost);
                }
            }
            (_, Effect::Send { peer, .. }) => self.push(node, Event::PeerLost { peer }),
            (_, Effect::Storage(request)) => {
                let storage = self.side(node).storage.borrow().clone();
                if let Some(storage) = storage {
                    storage.request(request);
                }
            }
            (_, Effect::WakeAt(instant)) => self.wake_at(node, instant, true),
            (_, Effect::Report { message }) => {
                web_sys::console::error_1(&format!("[tablog] {message}").into());
            }
            (_, Effect::Stop { reason, storage }) => self.fail(match storage {
                Some(error) => HostError::Storage(error),
                None => HostError::Stopped(reason),
            }),
        }
    }

    /// Wakes a machine, unless it is told to earlier. Who wakes up late `yields` once: the thread was
    /// busy, and what has come meanwhile, such as heartbeats, counts before deadlines do.
    fn wake_at(self: &Rc<Self>, node: Node, instant: Instant, yields: bool) {
        let host = Rc::downgrade(self);
        let now = self.clock.now();
        let timer = Timer::after(ms_until(now, instant), move || {
            let Some(inner) = host.upgrade() else { return };
            let late_ms = inner.clock.now().monotonic.ms_since(instant);
            if yields && LATE_MS_MIN <= late_ms {
                inner.wake_at(node, instant, false);
            } else {
                inner.push(node, Event::Woken);
            }
        });
        *self.side(node).timer.borrow_mut() = Some(timer);
    }

    /// Stops, and tells why, once.
    fn fail(&self, error: HostError) {
        if !self.stopped.get() {
            self.stop();
            (self.on_stop)(error);
        }
    }

    /// Closes its port, which calls JavaScript, when the borrow has ended.
    fn end(&self, connection: ConnectionId) {
        let ended = self.connections.borrow_mut().remove(&connection);
        drop(ended);
    }

    fn stop(&self) {
        self.stopped.set(true);
        let ended = std::mem::take(&mut *self.connections.borrow_mut());
        drop(ended);
        self.asking.borrow_mut().clear();
        for side in [&self.broker_side, &self.controller_side] {
            side.timer.borrow_mut().take();
            if let Some(storage) = side.storage.borrow_mut().take() {
                storage.close();
            }
        }
    }
}
