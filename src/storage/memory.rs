//! A store that lives as long as its handles.

use super::medium::Medium;
use super::{Entry, Fence, KeyRange, Storage, StorageError, WriteBatch};
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// Storage in memory. Clones are the same owner; [`MemoryStorage::another_owner`] is not.
#[derive(Clone, Debug)]
pub struct MemoryStorage {
    medium: Rc<RefCell<Medium>>,
    closed: Rc<Cell<bool>>,
}

impl MemoryStorage {
    /// An empty store.
    pub fn new() -> MemoryStorage {
        MemoryStorage {
            medium: Rc::new(RefCell::new(Medium::new())),
            closed: Rc::default(),
        }
    }

    /// One who opens the same bytes: a broker that takes over, or that starts again.
    pub fn another_owner(&self) -> MemoryStorage {
        MemoryStorage {
            medium: self.medium.clone(),
            closed: Rc::default(),
        }
    }

    fn usable(&self) -> Result<&RefCell<Medium>, StorageError> {
        match self.closed.get() {
            true => Err(StorageError::Closed),
            false => Ok(&self.medium),
        }
    }
}

impl Default for MemoryStorage {
    fn default() -> MemoryStorage {
        MemoryStorage::new()
    }
}

impl Storage for MemoryStorage {
    async fn open(&self) -> Result<Fence, StorageError> {
        Ok(self.usable()?.borrow_mut().open())
    }

    async fn commit(&self, fence: Fence, batch: &WriteBatch) -> Result<Fence, StorageError> {
        self.usable()?.borrow_mut().commit(fence, batch)
    }

    async fn fence(&self) -> Result<Fence, StorageError> {
        Ok(self.usable()?.borrow().fence())
    }

    async fn read(&self, range: &KeyRange, bytes_max: usize) -> Result<Vec<Entry>, StorageError> {
        Ok(self.usable()?.borrow().read(range, bytes_max))
    }

    async fn close(&self) {
        self.closed.set(true);
    }
}
