//! Bytes in memory with the rules of a store.

use super::{Entry, Fence, KeyRange, StorageError, Store, WriteBatch};
use crate::planted::{self, PlantedBug};
use bytes::Bytes;
use std::collections::BTreeMap;

type Rows = BTreeMap<Vec<u8>, Bytes>;

/// The rows of every store and their fence: what `MemoryStorage` and `FaultyStorage` keep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Medium {
    fence: Fence,
    stores: BTreeMap<Store, Rows>,
    /// Of all keys and values.
    bytes: usize,
}

impl Medium {
    /// A medium without rows.
    pub fn new() -> Medium {
        Medium {
            fence: Fence::default(),
            stores: Store::ALL.map(|store| (store, Rows::new())).into(),
            bytes: 0,
        }
    }

    /// Raises the epoch for a new owner.
    pub fn open(&mut self) -> Fence {
        self.fence = self.fence.opened();
        self.fence
    }

    /// The stored fence.
    pub fn fence(&self) -> Fence {
        self.fence
    }

    /// Applies `batch` if `fence` is the stored one; see [`super::Storage::commit`].
    pub fn commit(&mut self, fence: Fence, batch: &WriteBatch) -> Result<Fence, StorageError> {
        if self.fence != fence && !planted::active(PlantedBug::NoFence) {
            return Err(StorageError::Fenced { found: self.fence });
        }
        self.apply(batch);
        self.fence = fence.committed();
        Ok(self.fence)
    }

    /// Reads; see [`super::Storage::read`].
    pub fn read(&self, range: &KeyRange, bytes_max: usize) -> Vec<Entry> {
        let mut entries = Vec::new();
        let mut bytes = 0;
        for (key, value) in self.rows(range) {
            let full = bytes >= bytes_max || bytes + value.len() > bytes_max;
            if full && !entries.is_empty() {
                break;
            }
            bytes += value.len();
            entries.push(Entry {
                key: key.clone(),
                value: value.clone(),
            });
        }
        entries
    }

    fn apply(&mut self, batch: &WriteBatch) {
        for range in &batch.deletes {
            let keys: Vec<_> = self.rows(range).map(|(key, _)| key.clone()).collect();
            let rows = self.stores.entry(range.store).or_default();
            for key in keys {
                let value = rows.remove(&key).unwrap_or_default();
                self.bytes -= key.len() + value.len();
            }
        }
        for (store, key, value) in &batch.puts {
            let rows = self.stores.entry(*store).or_default();
            self.bytes += key.len() + value.len();
            if let Some(before) = rows.insert(key.clone(), value.clone()) {
                self.bytes -= key.len() + before.len();
            }
        }
    }

    fn rows(&self, range: &KeyRange) -> impl Iterator<Item = (&Vec<u8>, &Bytes)> {
        // Not `range(start..end)`: that panics where the end lies before the start.
        self.stores
            .get(&range.store)
            .into_iter()
            .flat_map(|rows| rows.range(range.start.clone()..))
            .take_while(|(key, _)| range.contains(key))
    }

    /// What all keys and values take.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Default for Medium {
    fn default() -> Medium {
        Medium::new()
    }
}

#[cfg(all(test, feature = "planted"))]
mod tests {
    use super::*;

    #[test]
    fn without_the_fence_a_zombie_writes() {
        planted::plant(Some(PlantedBug::NoFence));
        let mut medium = Medium::new();
        let stale = medium.open();
        medium.open();
        let mut batch = WriteBatch::default();
        batch.put(Store::Head, b"zombie".to_vec(), Bytes::new());
        let committed = medium.commit(stale, &batch);
        planted::plant(None);
        assert_eq!(committed, Ok(stale.committed()));
        assert_eq!(medium.read(&KeyRange::all(Store::Head), 1).len(), 1);
    }
}
