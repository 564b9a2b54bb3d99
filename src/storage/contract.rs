//! The contract of a place that keeps a broker's bytes.

use bytes::Bytes;
use std::fmt;
use std::rc::Rc;

/// An ordered key-value store with atomic batches and a fence.
///
/// Keys are compared as bytes, on every backend. What a crash may leave is part of the contract:
/// after any crash the store holds a prefix of the batches that were sent to it, in the order in
/// which they were sent, each whole or not at all; every batch whose `commit` returned `Ok` is in
/// that prefix, except that a power cut may take back a suffix of [`Durability::Relaxed`] ones.
#[allow(
    async_fn_in_trait,
    reason = "every user is single-threaded and generic over the storage"
)]
pub trait Storage {
    /// Opens the store and raises the fence's epoch. State may be read only after this has
    /// completed: before it, an earlier owner may still be writing.
    async fn open(&self) -> Result<Fence, StorageError>;

    /// Applies `batch` as a whole if the stored fence still is `fence`, and stores and returns
    /// `{ epoch, commit_seq + 1 }` with it. Returns only when the medium has accepted it.
    ///
    /// After [`StorageError::Unknown`] the batch may be there or not, and may not appear later
    /// than the next completed call of [`Storage::fence`]: call that to learn which.
    async fn commit(&self, fence: Fence, batch: &WriteBatch) -> Result<Fence, StorageError>;

    /// Reads the stored fence, reopening a lost connection first.
    async fn fence(&self) -> Result<Fence, StorageError>;

    /// Reads entries of `range` in ascending order of keys until their values add up to
    /// `bytes_max`, and before they would exceed it; but one at least where the range has any.
    async fn read(&self, range: &KeyRange, bytes_max: usize) -> Result<Vec<Entry>, StorageError>;

    /// Calls `on_loss` whenever the way to the medium is lost though nobody asks for anything:
    /// [`Storage::fence`] then says whether the store is. Not where that cannot happen.
    fn watch_loss(&self, _on_loss: Rc<dyn Fn()>) {}

    /// Ends the use of the store by this owner. Later calls answer [`StorageError::Closed`].
    async fn close(&self);
}

/// Who owns a store, and how many batches it has seen. Every commit checks it and moves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Fence {
    /// Raised by every `open`; a holder of an older one is fenced.
    pub epoch: u64,
    /// Raised by every commit, across epochs.
    pub commit_seq: u64,
    /// Which store it is: one that was deleted and begun anew has another. 0 where it does not
    /// matter, and in a database of a former version.
    pub incarnation: u64,
}

impl Fence {
    /// What the store holds after `open` found this.
    #[must_use]
    pub fn opened(self) -> Fence {
        Fence {
            epoch: self.epoch + 1,
            ..self
        }
    }

    /// What the store holds after a commit under this.
    #[must_use]
    pub fn committed(self) -> Fence {
        Fence {
            commit_seq: self.commit_seq + 1,
            ..self
        }
    }
}

/// The object stores. They are static, so a new topic needs no schema change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Store {
    /// One row per partition: where its log starts and what has been moved out of the journal.
    Head,
    /// One row per partition: producer state, aborted transactions, leader epochs.
    Snapshot,
    /// One row per commit, not yet moved into segments.
    Journal,
    /// Chunks of concatenated record batches.
    Segment,
    /// One packed row per chunk of a segment.
    Index,
}

impl Store {
    /// Every store, in a fixed order.
    pub const ALL: [Store; 5] = [
        Store::Head,
        Store::Snapshot,
        Store::Journal,
        Store::Segment,
        Store::Index,
    ];

    /// The store's name on a backend.
    pub const fn name(self) -> &'static str {
        match self {
            Store::Head => "head",
            Store::Snapshot => "snapshot",
            Store::Journal => "journal",
            Store::Segment => "segment",
            Store::Index => "index",
        }
    }
}

/// Keys of one store, from `start` to before `end`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRange {
    /// The store that is read or deleted from.
    pub store: Store,
    /// The first key of the range.
    pub start: Vec<u8>,
    /// The first key behind the range; `None` reaches to the end of the store.
    pub end: Option<Vec<u8>>,
}

impl KeyRange {
    /// Every key of `store`.
    pub fn all(store: Store) -> KeyRange {
        KeyRange {
            store,
            start: Vec::new(),
            end: None,
        }
    }

    /// The keys that begin with `prefix`.
    pub fn prefix(store: Store, prefix: &[u8]) -> KeyRange {
        let mut end = prefix.to_vec();
        while let Some(last) = end.pop() {
            if last < u8::MAX {
                end.push(last + 1);
                return KeyRange {
                    store,
                    start: prefix.to_vec(),
                    end: Some(end),
                };
            }
        }
        KeyRange {
            store,
            start: prefix.to_vec(),
            end: None,
        }
    }

    /// The range of this one key.
    pub fn one(store: Store, key: &[u8]) -> KeyRange {
        let mut end = key.to_vec();
        end.push(0);
        KeyRange {
            store,
            start: key.to_vec(),
            end: Some(end),
        }
    }

    /// Whether `key` lies in the range.
    pub fn contains(&self, key: &[u8]) -> bool {
        self.start.as_slice() <= key && self.end.as_deref().is_none_or(|end| key < end)
    }
}

/// One stored row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The row's key within its store.
    pub key: Vec<u8>,
    /// The row's value.
    pub value: Bytes,
}

/// Changes that happen together or not at all, in this order: deletes, then puts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WriteBatch {
    /// Ranges to delete.
    pub deletes: Vec<KeyRange>,
    /// Rows to write, over what stands there.
    pub puts: Vec<(Store, Vec<u8>, Bytes)>,
    /// How deep the medium must take them.
    pub durability: Durability,
    /// What it may use when there is no other room.
    pub reserve: Reserve,
}

impl WriteBatch {
    /// Adds a row.
    pub fn put(&mut self, store: Store, key: Vec<u8>, value: Bytes) {
        self.puts.push((store, key, value));
    }

    /// Deletes a range.
    pub fn delete(&mut self, range: KeyRange) {
        self.deletes.push(range);
    }

    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        self.deletes.is_empty() && self.puts.is_empty()
    }
}

/// What a completed commit survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Durability {
    /// The death of tab, worker and browser: the bytes are with the operating system.
    #[default]
    Relaxed,
    /// A power cut too: the bytes are on the medium (`flush.messages=1`).
    Strict,
}

/// How much a batch may use of the room that a store keeps back, if it keeps any.
///
/// Room that is left by who may use more is not taken by who may use less, so records cannot fill
/// what registering and deleting need.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Reserve {
    /// Nothing: records, and what can wait.
    #[default]
    None,
    /// A part: what clients need for reading, such as members and committed offsets.
    Part,
    /// All: what the node needs for running, and what frees room.
    All,
}

/// Why a store could not do it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StorageError {
    /// Another owner has opened the store since; `found` is its fence.
    Fenced {
        /// The fence that the store holds.
        found: Fence,
    },
    /// The origin has no room left. Nothing was written; reads go on.
    Quota,
    /// The connection died before the outcome was known: read the fence.
    Unknown(String),
    /// The medium refused; nothing was written.
    Failed(String),
    /// Another context keeps an older schema open.
    Blocked,
    /// The database was deleted or evicted while it was in use.
    Deleted,
    /// What was read cannot have been written by this code.
    Corrupt(String),
    /// A newer version of this code has written here: this one cannot read it, however often.
    TooNew,
    /// The store was closed.
    Closed,
}

impl fmt::Display for StorageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StorageError::Fenced { found } => {
                write!(
                    f,
                    "another owner has opened the store (epoch {})",
                    found.epoch
                )
            }
            StorageError::Quota => f.write_str("the storage quota is full"),
            StorageError::Unknown(why) => write!(f, "the outcome of a commit is unknown: {why}"),
            StorageError::Failed(why) => write!(f, "the storage failed: {why}"),
            StorageError::Blocked => {
                f.write_str("another tab keeps an older version of the database open")
            }
            StorageError::Deleted => f.write_str("the database was deleted"),
            StorageError::TooNew => f.write_str(
                "a newer version of tablog has written this database: use that version, or delete it",
            ),
            StorageError::Corrupt(why) => write!(f, "the storage is corrupt: {why}"),
            StorageError::Closed => f.write_str("the storage is closed"),
        }
    }
}

impl std::error::Error for StorageError {}

/// Names one commit or load between the core that asks and the edge that does it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// What a state machine wants of its storage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StorageRequest {
    /// Commit a batch. Commits are done in the order in which they were asked for.
    Commit {
        /// Comes back with the result.
        ticket: Ticket,
        /// What to write.
        batch: WriteBatch,
    },
    /// Read a range.
    Load {
        /// Comes back with the result.
        ticket: Ticket,
        /// What to read.
        range: KeyRange,
        /// See [`Storage::read`].
        bytes_max: usize,
    },
}

/// What became of a [`StorageRequest`].
///
/// An unknown outcome is settled below (by [`super::settle`]) before it gets here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StorageReply {
    /// A commit ended.
    Committed {
        /// Names the commit that was asked for.
        ticket: Ticket,
        /// `Ok`: it is stored as deep as it asked for. `Err`: nothing of it is; only after
        /// [`StorageError::Unknown`] (the fence could not be read either) and after
        /// [`StorageError::Fenced`] it may be, and whoever asked has to stop.
        result: Result<(), StorageError>,
    },
    /// A load ended.
    Loaded {
        /// Names the load that was asked for.
        ticket: Ticket,
        /// Entries in ascending order of keys; cut at `bytes_max`.
        result: Result<Vec<Entry>, StorageError>,
    },
}
