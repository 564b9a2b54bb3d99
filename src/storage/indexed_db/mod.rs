//! Storage in a database of the browser.
//!
//! One IndexedDB database per broker, with one object store for each of [`Store::ALL`] and one for
//! the fence. Keys are binary keys outside of the values, values are `Uint8Array`s.
//!
//! [`Store::ALL`]: super::Store::ALL

mod connection;
mod failure;
mod padding;
mod read;
mod value;
mod write;

pub use connection::delete_database;

use super::room::Room;
use super::{Durability, Entry, Fence, KeyRange, Reserve, Storage, StorageError, WriteBatch};
use connection::{Connection, Loss};
use failure::Failure;
use futures_util::lock::Mutex;
use padding::PaddingRows;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// How often one call opens the database anew after its connection was lost. WebKit loses them
/// when a page comes back from the background, and every use of a lost handle fails for ever.
pub const REOPENS_MAX: u32 = 3;

/// How long a transaction, or opening the database, may take until it counts as lost.
pub const TRANSACTION_MS_MAX: u32 = 10_000;

/// A database of the browser. Clones are the same owner.
///
/// A connection that is lost is opened anew by the next call. A database that was deleted is not
/// created anew under its owner: every call answers [`StorageError::Deleted`] from then on. One
/// that another context wants to upgrade is given up: [`StorageError::Closed`].
#[derive(Clone)]
pub struct IndexedDbStorage {
    inner: Rc<Inner>,
    /// Kept back for when the quota is full.
    room: Option<Rc<Room<PaddingRows>>>,
}

struct Inner {
    name: String,
    /// Which database it must be: known from the start, or since it was opened.
    incarnation: Cell<Option<u64>>,
    state: RefCell<State>,
    /// Held while the database is opened anew, so that two calls do not do that side by side.
    connecting: Mutex<()>,
    /// The newest fence of this owner.
    fence: Cell<Fence>,
    on_loss: RefCell<Option<Rc<dyn Fn()>>>,
}

enum State {
    Unopened,
    Connected(Rc<Connection>),
    Lost,
    Deleted,
    Closed,
}

impl IndexedDbStorage {
    /// The database with this name, which [`Storage::open`] creates if there is none.
    pub fn new(name: impl Into<String>) -> IndexedDbStorage {
        IndexedDbStorage::with(name.into(), None)
    }

    /// The database with this name, which is known to have been there with this
    /// [`Fence::incarnation`]: [`Storage::open`] answers [`StorageError::Deleted`] if there is none,
    /// or another one.
    pub fn existing(name: impl Into<String>, incarnation: u64) -> IndexedDbStorage {
        IndexedDbStorage::with(name.into(), Some(incarnation))
    }

    /// Keeps back room in this database, for this owner and those who share it.
    pub fn with_room(mut self) -> IndexedDbStorage {
        self.room = Some(Rc::new(Room::new(PaddingRows { home: self.clone() })));
        self
    }

    /// Shares the room of `other`, which has to be opened first.
    pub fn sharing_room_of(mut self, other: &IndexedDbStorage) -> IndexedDbStorage {
        self.room.clone_from(&other.room);
        self
    }

    fn with(name: String, incarnation: Option<u64>) -> IndexedDbStorage {
        IndexedDbStorage {
            room: None,
            inner: Rc::new(Inner {
                name,
                incarnation: Cell::new(incarnation),
                state: RefCell::new(State::Unopened),
                connecting: Mutex::new(()),
                fence: Cell::default(),
                on_loss: RefCell::default(),
            }),
        }
    }

    /// Runs `operation` on a connection; again on a new one if that was lost before it had any
    /// effect.
    async fn run<T>(
        &self,
        operation: impl AsyncFn(&Connection) -> Result<T, Failure>,
    ) -> Result<T, StorageError> {
        let mut last = String::new();
        for _ in 0..=REOPENS_MAX {
            let connection = match self.connection().await {
                Ok(connection) => connection,
                Err(Failure::Storage(error)) => return Err(error),
                Err(Failure::Lost(why) | Failure::Unknown(why)) => {
                    last = why;
                    continue;
                }
            };
            match operation(&connection).await {
                Ok(done) => return Ok(done),
                Err(Failure::Storage(error)) => {
                    if error == StorageError::Deleted {
                        self.inner.state.replace(State::Deleted);
                    }
                    return Err(error);
                }
                Err(Failure::Lost(why)) => {
                    self.lose(&connection);
                    last = why;
                }
                Err(Failure::Unknown(why)) => {
                    self.lose(&connection);
                    return Err(match self.connected() {
                        // Whatever became of it, it is gone.
                        Err(StorageError::Deleted) => StorageError::Deleted,
                        _ => StorageError::Unknown(why),
                    });
                }
            }
        }
        Err(StorageError::Failed(last))
    }

    /// The connection, opened anew if the last one was lost.
    async fn connection(&self) -> Result<Rc<Connection>, Failure> {
        if let Some(connection) = self.connected()? {
            return Ok(connection);
        }
        let _alone = self.inner.connecting.lock().await;
        if let Some(connection) = self.connected()? {
            return Ok(connection);
        }
        let incarnation = self.inner.incarnation.get();
        let create = incarnation.is_none() && matches!(*self.inner.state.borrow(), State::Unopened);
        let opened = async {
            let connection = Connection::open(&self.inner.name, create, self.on_loss()).await?;
            if !create {
                // Somebody may have deleted the database and begun a new one of the same name.
                let found = read::fence(connection.database()).await?;
                let last = self.inner.fence.get();
                let is_another = incarnation.is_some_and(|it| it != found.incarnation);
                if is_another || found.epoch < last.epoch || found.commit_seq < last.commit_seq {
                    return Err(Failure::Storage(StorageError::Deleted));
                }
            }
            Ok(connection)
        };
        match opened.await {
            Ok(connection) => {
                let connection = Rc::new(connection);
                if let State::Closed = *self.inner.state.borrow() {
                    return Err(Failure::Storage(StorageError::Closed));
                }
                let state = State::Connected(connection.clone());
                self.inner.state.replace(state);
                Ok(connection)
            }
            Err(failure) => {
                if let Failure::Storage(StorageError::Deleted) = failure {
                    self.inner.state.replace(State::Deleted);
                }
                Err(failure)
            }
        }
    }

    /// Tells who watches that a connection is lost.
    fn on_loss(&self) -> Rc<dyn Fn()> {
        let inner = Rc::downgrade(&self.inner);
        Rc::new(move || {
            let watcher = inner.upgrade().and_then(|it| it.on_loss.borrow().clone());
            if let Some(watcher) = watcher {
                watcher();
            }
        })
    }

    /// The connection if there is one that is not known to be lost.
    fn connected(&self) -> Result<Option<Rc<Connection>>, StorageError> {
        let mut state = self.inner.state.borrow_mut();
        if let State::Connected(connection) = &*state {
            match connection.loss() {
                None => return Ok(Some(connection.clone())),
                Some(Loss::Died) => *state = State::Lost,
                Some(Loss::Upgrade) => *state = State::Closed,
                Some(Loss::Deleted) => *state = State::Deleted,
            }
        }
        match &*state {
            State::Deleted => Err(StorageError::Deleted),
            State::Closed => Err(StorageError::Closed),
            State::Unopened | State::Lost | State::Connected(_) => Ok(None),
        }
    }

    /// Gives up `connection`, unless a newer one is in use already.
    fn lose(&self, connection: &Rc<Connection>) {
        connection.close();
        let mut state = self.inner.state.borrow_mut();
        if let State::Connected(current) = &*state
            && Rc::ptr_eq(current, connection)
            && connection.loss().is_none()
        {
            *state = State::Lost;
        }
    }

    /// Does what writes, with what `reserve` allows if there is no other room.
    async fn with_reserve<T>(
        &self,
        reserve: Reserve,
        write: impl AsyncFn() -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        match &self.room {
            Some(room) => room.write(reserve, write).await,
            None => write().await,
        }
    }

    /// That [`Storage::open`] was called.
    fn opened(&self) -> Result<(), StorageError> {
        match *self.inner.state.borrow() {
            State::Unopened => Err(StorageError::Closed),
            _ => Ok(()),
        }
    }
}

impl Storage for IndexedDbStorage {
    async fn open(&self) -> Result<Fence, StorageError> {
        let raise = async |connection: &Connection| {
            let known = self.inner.incarnation.get();
            let raise = move |found: Option<Fence>| match (found, known) {
                (Some(found), Some(known)) if found.incarnation != known => {
                    Err(StorageError::Deleted)
                }
                (Some(found), _) => Ok(found.opened()),
                (None, Some(_)) => Err(StorageError::Deleted),
                (None, None) => Ok(first_fence().opened()),
            };
            let database = connection.database();
            let raised = write::write(database, Vec::new(), Durability::Relaxed, raise);
            match raised.await {
                // Raising the epoch once more does no harm.
                Err(Failure::Unknown(why)) => Err(Failure::Lost(why)),
                known => known,
            }
        };
        let fence = self.with_reserve(Reserve::All, async || self.run(&raise).await);
        let fence = fence.await?;
        self.inner.fence.set(fence);
        self.inner.incarnation.set(Some(fence.incarnation));
        Ok(fence)
    }

    async fn commit(&self, fence: Fence, batch: &WriteBatch) -> Result<Fence, StorageError> {
        self.opened()?;
        let commit = async |connection: &Connection| {
            let steps = write::steps(batch)?;
            let check = move |found: Option<Fence>| match found {
                Some(found) if found == fence => Ok(fence.committed()),
                Some(found) if found.incarnation != fence.incarnation => Err(StorageError::Deleted),
                Some(found) => Err(StorageError::Fenced { found }),
                None => Err(StorageError::Deleted),
            };
            write::write(connection.database(), steps, batch.durability, check).await
        };
        let committed = self.with_reserve(batch.reserve, async || self.run(&commit).await);
        let committed = committed.await?;
        self.inner.fence.set(committed);
        Ok(committed)
    }

    async fn fence(&self) -> Result<Fence, StorageError> {
        self.opened()?;
        self.run(async |connection: &Connection| read::fence(connection.database()).await)
            .await
    }

    async fn read(&self, range: &KeyRange, bytes_max: usize) -> Result<Vec<Entry>, StorageError> {
        self.opened()?;
        let read = async |connection: &Connection| {
            read::entries(connection.database(), range, bytes_max).await
        };
        self.run(read).await
    }

    fn watch_loss(&self, on_loss: Rc<dyn Fn()>) {
        self.inner.on_loss.replace(Some(on_loss));
    }

    async fn close(&self) {
        self.inner.on_loss.take();
        let before = self.inner.state.replace(State::Closed);
        if let State::Connected(connection) = before {
            connection.close();
        }
    }
}

/// The fence of a database that nobody has opened, with an incarnation that no other has had.
fn first_fence() -> Fence {
    // 52 bits, and never 0.
    let random = js_sys::Math::random() * (1_u64 << 52) as f64;
    Fence {
        incarnation: random as u64 + 1,
        ..Fence::default()
    }
}
