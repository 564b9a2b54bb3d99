//! A store in which everything that can go wrong does, when somebody says so.

use super::medium::Medium;
use super::quota::Quota;
use super::room::RESERVE_ROW_BYTES;
use super::settle::{Settled, settle};
use super::{
    Durability, Entry, Fence, KeyRange, Reserve, Storage, StorageError, StorageReply,
    StorageRequest, Ticket, WriteBatch,
};
use std::cell::{RefCell, RefMut};
use std::collections::VecDeque;
use std::rc::Rc;

/// How many relaxed writes a power cut can take back. The operating system writes its page cache
/// out sooner or later; this is the later.
pub const AT_RISK_WRITES_MAX: usize = 64;

/// What becomes of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is done, and the answer says so.
    Done,
    /// It is done, but the connection dies before the answer.
    UnknownApplied,
    /// The connection dies, and nothing is done.
    UnknownNotApplied,
    /// A commit finds no room. A load is done: reads go on under a full quota.
    Quota,
    /// Only a commit that may use the reserve finds room.
    OnlyReserve,
    /// The medium refuses.
    Failed,
}

/// One owner's connection to a [`FaultyMedium`], driven step by step.
///
/// The simulator submits requests, chooses one of [`ready`](FaultyStorage::ready) and what becomes
/// of it, and decides when (or whether) the reply of [`perform`](FaultyStorage::perform) is
/// delivered. Dropping it is a crash between two steps: what is in flight is not performed any more.
/// Going on with a new owner while this one still performs is a zombie. No choice is made here.
///
/// As [`Storage`] it does at once what is asked, with the outcomes of
/// [`next_outcomes`](FaultyStorage::next_outcomes).
#[derive(Debug)]
pub struct FaultyStorage {
    medium: FaultyMedium,
    owner: RefCell<Owner>,
}

#[derive(Debug, Default)]
struct Owner {
    closed: bool,
    fence: Fence,
    in_flight: VecDeque<StorageRequest>,
    /// The first commit in flight has an unknown outcome; its next step reads the fence.
    unsettled: bool,
    next_outcomes: VecDeque<Outcome>,
}

impl FaultyStorage {
    /// A connection that has not opened the store yet.
    pub fn new(medium: &FaultyMedium) -> FaultyStorage {
        FaultyStorage {
            medium: medium.clone(),
            owner: RefCell::default(),
        }
    }

    /// Raises the epoch, as [`Storage::open`] does.
    pub fn open_now(&self) -> Result<Fence, StorageError> {
        let mut owner = self.usable()?;
        owner.fence = self.medium.open()?;
        Ok(owner.fence)
    }

    /// Takes a request into flight.
    pub fn submit(&self, request: StorageRequest) {
        self.owner.borrow_mut().in_flight.push_back(request);
    }

    /// The requests of which any can be the next to be performed: the first commit (commits keep
    /// their order) and every load (loads keep none).
    pub fn ready(&self) -> Vec<Ticket> {
        let owner = self.owner.borrow();
        let mut first_commit = true;
        let ready = owner.in_flight.iter().filter_map(|request| match request {
            StorageRequest::Load { ticket, .. } => Some(*ticket),
            StorageRequest::Commit { ticket, .. } => {
                std::mem::take(&mut first_commit).then_some(*ticket)
            }
        });
        ready.collect()
    }

    /// Whether a request in flight is a load.
    pub fn is_load(&self, ticket: Ticket) -> bool {
        self.owner.borrow().in_flight.iter().any(
            |request| matches!(request, StorageRequest::Load { ticket: it, .. } if *it == ticket),
        )
    }

    /// Performs one step of a request that is [`ready`](FaultyStorage::ready), and returns the
    /// reply if that ended it.
    ///
    /// After an unknown outcome it has not ended: a load is read again by its next step; a commit
    /// is settled by it, whatever the outcome that is asked for, and may be sent again after that.
    pub fn perform(&self, ticket: Ticket, outcome: Outcome) -> Option<StorageReply> {
        let owner = &mut *self.owner.borrow_mut();
        let index = owner.in_flight.iter().position(|it| match it {
            StorageRequest::Commit { ticket: it, .. } | StorageRequest::Load { ticket: it, .. } => {
                *it == ticket
            }
        })?;
        let reply = match &owner.in_flight[index] {
            StorageRequest::Commit { batch, .. } => {
                let sent = owner.fence;
                let result = if owner.unsettled {
                    owner.unsettled = false;
                    let found = self.medium.fence();
                    match settle(sent, found) {
                        Settled::NotApplied => return None,
                        Settled::Applied(fence) => Ok(fence),
                        Settled::Fenced => Err(StorageError::Fenced { found }),
                    }
                } else {
                    self.commit_with(outcome, sent, batch)
                };
                if let Err(StorageError::Unknown(_)) = result {
                    owner.unsettled = true;
                    return None;
                }
                let result = result.map(|fence| owner.fence = fence);
                StorageReply::Committed { ticket, result }
            }
            StorageRequest::Load {
                range, bytes_max, ..
            } => {
                let result = match outcome {
                    Outcome::Done | Outcome::Quota | Outcome::OnlyReserve => {
                        Ok(self.medium.read(range, *bytes_max))
                    }
                    Outcome::Failed => Err(failed()),
                    Outcome::UnknownApplied | Outcome::UnknownNotApplied => return None,
                };
                StorageReply::Loaded { ticket, result }
            }
        };
        owner.in_flight.remove(index);
        Some(reply)
    }

    /// What becomes of the next calls of [`Storage::commit`], in order; then [`Outcome::Done`].
    pub fn next_outcomes(&self, outcomes: impl IntoIterator<Item = Outcome>) {
        self.owner.borrow_mut().next_outcomes.extend(outcomes);
    }

    fn commit_with(
        &self,
        outcome: Outcome,
        fence: Fence,
        batch: &WriteBatch,
    ) -> Result<Fence, StorageError> {
        match outcome {
            Outcome::Done => self.medium.commit(fence, batch),
            Outcome::UnknownApplied => {
                // A fenced commit applies nothing; its owner learns that when it settles.
                let _ = self.medium.commit(fence, batch);
                Err(lost())
            }
            Outcome::UnknownNotApplied => Err(lost()),
            Outcome::OnlyReserve if batch.reserve != Reserve::None => {
                self.medium.commit(fence, batch)
            }
            Outcome::Quota | Outcome::OnlyReserve => Err(StorageError::Quota),
            Outcome::Failed => Err(failed()),
        }
    }

    fn usable(&self) -> Result<RefMut<'_, Owner>, StorageError> {
        let owner = self.owner.borrow_mut();
        match owner.closed {
            true => Err(StorageError::Closed),
            false => Ok(owner),
        }
    }
}

impl Storage for FaultyStorage {
    async fn open(&self) -> Result<Fence, StorageError> {
        self.open_now()
    }

    async fn commit(&self, fence: Fence, batch: &WriteBatch) -> Result<Fence, StorageError> {
        let outcome = self.usable()?.next_outcomes.pop_front();
        self.commit_with(outcome.unwrap_or(Outcome::Done), fence, batch)
    }

    async fn fence(&self) -> Result<Fence, StorageError> {
        self.usable().map(|_| self.medium.fence())
    }

    async fn read(&self, range: &KeyRange, bytes_max: usize) -> Result<Vec<Entry>, StorageError> {
        self.usable().map(|_| self.medium.read(range, bytes_max))
    }

    async fn close(&self) {
        self.owner.borrow_mut().closed = true;
    }
}

/// The bytes that survive their owners, and of which a power cut takes the newest. Clones share
/// them.
#[derive(Clone, Debug)]
pub struct FaultyMedium {
    quota: Quota,
    inner: Rc<RefCell<Inner>>,
}

#[derive(Debug)]
struct Inner {
    /// What a running browser sees.
    current: Medium,
    /// What a power cut leaves at least.
    durable: Medium,
    /// From `durable` to `current`, in order.
    at_risk: VecDeque<Write>,
}

/// A write that was accepted.
#[derive(Debug)]
enum Write {
    Open,
    Commit(Fence, WriteBatch),
}

impl Write {
    fn redo(&self, medium: &mut Medium) {
        match self {
            Write::Open => {
                medium.open();
            }
            Write::Commit(fence, batch) => {
                let redone = medium.commit(*fence, batch);
                debug_assert!(redone.is_ok(), "it was accepted on the same rows before");
            }
        }
    }
}

impl FaultyMedium {
    /// An empty medium that nothing limits.
    pub fn new() -> FaultyMedium {
        FaultyMedium::within(&Quota::new(RESERVE_ROW_BYTES))
    }

    /// An empty medium that shares this room.
    pub fn within(quota: &Quota) -> FaultyMedium {
        FaultyMedium {
            quota: quota.clone(),
            inner: Rc::new(RefCell::new(Inner {
                current: Medium::new(),
                durable: Medium::new(),
                at_risk: VecDeque::new(),
            })),
        }
    }

    /// How many of the newest writes a power cut can take back.
    pub fn at_risk(&self) -> usize {
        self.inner.borrow().at_risk.len()
    }

    /// Cuts the power: of the writes [`at_risk`](FaultyMedium::at_risk) the `kept` oldest stay.
    /// Every owner dies with it: drop them.
    pub fn power_loss(&self, kept: usize) {
        let mut inner = self.inner.borrow_mut();
        inner.at_risk.truncate(kept);
        inner.write_out(0);
        let before = inner.current.bytes();
        inner.current = inner.durable.clone();
        self.quota.stored(before, inner.current.bytes());
    }

    /// The stored fence.
    pub fn fence(&self) -> Fence {
        self.inner.borrow().current.fence()
    }

    /// What is stored, for an oracle or an owner; see [`Storage::read`].
    pub fn read(&self, range: &KeyRange, bytes_max: usize) -> Vec<Entry> {
        self.inner.borrow().current.read(range, bytes_max)
    }

    fn open(&self) -> Result<Fence, StorageError> {
        self.quota.admit_owner()?;
        let mut inner = self.inner.borrow_mut();
        let fence = inner.current.open();
        inner.accept(Write::Open, Durability::Relaxed);
        Ok(fence)
    }

    fn commit(&self, fence: Fence, batch: &WriteBatch) -> Result<Fence, StorageError> {
        let mut inner = self.inner.borrow_mut();
        self.quota.admit(batch)?;
        let before = inner.current.bytes();
        let committed = inner.current.commit(fence, batch)?;
        self.quota.stored(before, inner.current.bytes());
        inner.accept(Write::Commit(fence, batch.clone()), batch.durability);
        Ok(committed)
    }
}

impl Inner {
    fn accept(&mut self, write: Write, durability: Durability) {
        self.at_risk.push_back(write);
        self.write_out(match durability {
            Durability::Relaxed => AT_RISK_WRITES_MAX,
            Durability::Strict => 0,
        });
    }

    /// Puts the oldest writes beyond the reach of a power cut, until `left` are not.
    fn write_out(&mut self, left: usize) {
        while self.at_risk.len() > left
            && let Some(write) = self.at_risk.pop_front()
        {
            write.redo(&mut self.durable);
        }
    }
}

impl Default for FaultyMedium {
    fn default() -> FaultyMedium {
        FaultyMedium::new()
    }
}

fn lost() -> StorageError {
    StorageError::Unknown("the connection was lost".into())
}

fn failed() -> StorageError {
    StorageError::Failed("the medium refused".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::Store;

    fn batch(key: u8, durability: Durability) -> WriteBatch {
        let mut batch = WriteBatch {
            durability,
            ..WriteBatch::default()
        };
        batch.put(Store::Journal, vec![key], vec![key].into());
        batch
    }

    fn commit(storage: &FaultyStorage, ticket: u64) -> Ticket {
        storage.submit(StorageRequest::Commit {
            ticket: Ticket(ticket),
            batch: batch(ticket as u8, Durability::Relaxed),
        });
        Ticket(ticket)
    }

    fn committed(ticket: Ticket) -> Option<StorageReply> {
        let result = Ok(());
        Some(StorageReply::Committed { ticket, result })
    }

    fn keys(medium: &FaultyMedium) -> Vec<u8> {
        let entries = medium.read(&KeyRange::all(Store::Journal), usize::MAX);
        entries.iter().map(|entry| entry.key[0]).collect()
    }

    #[test]
    fn commits_keep_their_order_and_loads_keep_none() {
        let medium = FaultyMedium::new();
        let storage = FaultyStorage::new(&medium);
        storage.open_now().expect("it is not closed");
        let first = commit(&storage, 1);
        let second = commit(&storage, 2);
        storage.submit(StorageRequest::Load {
            ticket: Ticket(3),
            range: KeyRange::all(Store::Journal),
            bytes_max: 1,
        });
        assert_eq!(storage.ready(), [first, Ticket(3)]);
        assert_eq!(storage.perform(first, Outcome::Done), committed(first));
        assert_eq!(storage.ready(), [second, Ticket(3)]);
        let result = Ok(vec![Entry {
            key: vec![1],
            value: vec![1].into(),
        }]);
        let ticket = Ticket(3);
        assert_eq!(
            storage.perform(ticket, Outcome::Done),
            Some(StorageReply::Loaded { ticket, result })
        );
    }

    #[test]
    fn an_unknown_outcome_that_happened_is_settled_as_committed_once() {
        let medium = FaultyMedium::new();
        let storage = FaultyStorage::new(&medium);
        let opened = storage.open_now().expect("it is not closed");
        let ticket = commit(&storage, 1);
        assert_eq!(storage.perform(ticket, Outcome::UnknownApplied), None);
        assert_eq!(keys(&medium), [1]);
        assert_eq!(storage.perform(ticket, Outcome::Done), committed(ticket));
        assert_eq!(medium.fence(), opened.committed());
        assert_eq!(storage.ready(), []);
    }

    #[test]
    fn an_unknown_outcome_that_did_not_happen_is_sent_again() {
        let medium = FaultyMedium::new();
        let storage = FaultyStorage::new(&medium);
        storage.open_now().expect("it is not closed");
        let ticket = commit(&storage, 1);
        assert_eq!(storage.perform(ticket, Outcome::UnknownNotApplied), None);
        assert_eq!(storage.perform(ticket, Outcome::Done), None);
        assert_eq!(keys(&medium), []);
        assert_eq!(storage.perform(ticket, Outcome::Done), committed(ticket));
        assert_eq!(keys(&medium), [1]);
    }

    #[test]
    fn an_unknown_outcome_under_a_new_owner_is_settled_as_fenced() {
        let medium = FaultyMedium::new();
        let zombie = FaultyStorage::new(&medium);
        zombie.open_now().expect("it is not closed");
        let ticket = commit(&zombie, 1);
        assert_eq!(zombie.perform(ticket, Outcome::UnknownApplied), None);
        let found = FaultyStorage::new(&medium).open_now();
        let found = found.expect("it is not closed");
        assert_eq!(
            zombie.perform(ticket, Outcome::Done),
            Some(StorageReply::Committed {
                ticket,
                result: Err(StorageError::Fenced { found })
            })
        );
    }

    #[test]
    fn a_refused_commit_leaves_nothing_and_the_next_goes_on() {
        let medium = FaultyMedium::new();
        let storage = FaultyStorage::new(&medium);
        storage.open_now().expect("it is not closed");
        let (first, second, third) = (
            commit(&storage, 1),
            commit(&storage, 2),
            commit(&storage, 3),
        );
        let failed = |ticket, error| {
            let result = Err(error);
            Some(StorageReply::Committed { ticket, result })
        };
        let reply = storage.perform(first, Outcome::Quota);
        assert_eq!(reply, failed(first, StorageError::Quota));
        let reply = storage.perform(second, Outcome::Failed);
        assert_eq!(reply, failed(second, super::failed()));
        assert_eq!(storage.perform(third, Outcome::Done), committed(third));
        assert_eq!(keys(&medium), [3]);
    }

    #[test]
    fn a_power_cut_takes_back_a_suffix_of_relaxed_commits_only() {
        let medium = FaultyMedium::new();
        let storage = FaultyStorage::new(&medium);
        let mut fence = storage.open_now().expect("it is not closed");
        let mut write = |key, durability| {
            fence = medium
                .commit(fence, &batch(key, durability))
                .expect("its owner is the only one");
        };
        write(1, Durability::Relaxed);
        write(2, Durability::Strict);
        assert_eq!(medium.at_risk(), 0);
        write(3, Durability::Relaxed);
        write(4, Durability::Relaxed);
        assert_eq!(medium.at_risk(), 2);
        medium.power_loss(1);
        assert_eq!(keys(&medium), [1, 2, 3]);
        assert_eq!(medium.fence().commit_seq, 3);
        medium.power_loss(0);
        assert_eq!(keys(&medium), [1, 2, 3]);
    }

    #[test]
    fn the_writes_at_risk_are_bounded() {
        let medium = FaultyMedium::new();
        let storage = FaultyStorage::new(&medium);
        let mut fence = storage.open_now().expect("it is not closed");
        for key in 0..=AT_RISK_WRITES_MAX as u8 {
            fence = medium
                .commit(fence, &batch(key, Durability::Relaxed))
                .expect("its owner is the only one");
        }
        assert_eq!(medium.at_risk(), AT_RISK_WRITES_MAX);
        medium.power_loss(0);
        assert_eq!(keys(&medium), [0]);
    }

    #[test]
    fn what_is_in_flight_dies_with_its_owner() {
        let medium = FaultyMedium::new();
        let storage = FaultyStorage::new(&medium);
        storage.open_now().expect("it is not closed");
        commit(&storage, 1);
        drop(storage);
        assert_eq!(keys(&medium), []);
    }
}
