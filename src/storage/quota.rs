//! Room in bytes that several media share, and the reserve within it.

use super::room::{RESERVE_ROWS, rows_kept};
use super::{Reserve, StorageError, WriteBatch};
use std::cell::RefCell;
use std::rc::Rc;

/// What the row of a fence takes.
const FENCE_BYTES: usize = 24;

/// Room in bytes that several media share, as the databases of an origin do, and the rows of padding
/// within it. Clones are the same room.
///
/// It is as unkind as browsers are: what a transaction deletes is room only when that has ended, so
/// a write is refused though it deletes more; only what writes nothing is always taken.
#[derive(Clone, Debug)]
pub struct Quota {
    room: Rc<RefCell<Room>>,
}

#[derive(Debug)]
struct Room {
    /// `None`: as much as anybody wants.
    bytes_max: Option<usize>,
    /// Of all rows but the padding.
    stored_bytes: usize,
    padding_rows: u32,
    padding_row_bytes: usize,
}

impl Quota {
    /// Room without a limit, of which rows of padding of this size are kept back.
    pub fn new(padding_row_bytes: usize) -> Quota {
        Quota {
            room: Rc::new(RefCell::new(Room {
                bytes_max: None,
                stored_bytes: 0,
                padding_rows: 0,
                padding_row_bytes,
            })),
        }
    }

    /// How much all rows may take together.
    pub fn limit(&self) -> Option<usize> {
        self.room.borrow().bytes_max
    }

    /// Sets how much all rows may take together, padding among them; `None`: as much as anybody
    /// wants.
    pub fn set_limit(&self, bytes_max: Option<usize>) {
        self.room.borrow_mut().bytes_max = bytes_max;
    }

    /// What all rows take, padding among them.
    pub fn used_bytes(&self) -> usize {
        self.room.borrow().used_bytes()
    }

    /// What all rows take if no padding is missing.
    pub fn full_bytes(&self) -> usize {
        let room = self.room.borrow();
        room.stored_bytes + RESERVE_ROWS as usize * room.padding_row_bytes
    }

    /// Makes room for a batch, and answers [`StorageError::Quota`] where there is none.
    pub(super) fn admit(&self, batch: &WriteBatch) -> Result<(), StorageError> {
        let puts = batch.puts.iter();
        let bytes = puts.map(|(_, key, value)| key.len() + value.len()).sum();
        self.room.borrow_mut().admit(bytes, batch.reserve)
    }

    /// Makes room for the fence of a new owner.
    pub(super) fn admit_owner(&self) -> Result<(), StorageError> {
        self.room.borrow_mut().admit(FENCE_BYTES, Reserve::All)
    }

    /// The rows of a medium took so many bytes, and take so many.
    pub(super) fn stored(&self, before: usize, after: usize) {
        let mut room = self.room.borrow_mut();
        room.stored_bytes = room.stored_bytes + after - before;
    }
}

impl Room {
    fn used_bytes(&self) -> usize {
        self.stored_bytes + self.padding_rows as usize * self.padding_row_bytes
    }

    fn fits(&self, bytes: usize) -> bool {
        let max = self.bytes_max.unwrap_or(usize::MAX);
        bytes == 0 || self.used_bytes() + bytes <= max
    }

    /// What [`super::room::Room`] does: puts back the padding that the user may not have, and gives
    /// up one row after the other of the rest until there is room.
    fn admit(&mut self, bytes: usize, reserve: Reserve) -> Result<(), StorageError> {
        let kept = rows_kept(reserve);
        while self.padding_rows < kept {
            if !self.fits(self.padding_row_bytes) {
                return Err(StorageError::Quota);
            }
            self.padding_rows += 1;
        }
        while !self.fits(bytes) {
            if self.padding_rows <= kept {
                return Err(StorageError::Quota);
            }
            self.padding_rows -= 1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::{KeyRange, Store};

    const ROW_BYTES: usize = 100;
    const PADDING_BYTES: usize = ROW_BYTES * RESERVE_ROWS as usize;

    fn put(bytes: usize, reserve: Reserve) -> WriteBatch {
        let mut batch = WriteBatch {
            reserve,
            ..WriteBatch::default()
        };
        batch.put(Store::Journal, Vec::new(), vec![0; bytes].into());
        batch
    }

    fn full() -> Quota {
        let quota = Quota::new(ROW_BYTES);
        assert_eq!(quota.admit(&put(1, Reserve::None)), Ok(()));
        quota.stored(0, 1_000);
        quota.set_limit(Some(quota.used_bytes()));
        quota
    }

    #[test]
    fn a_full_quota_leaves_the_reserve_to_those_who_may_have_it() {
        let quota = full();
        let admit = |bytes, reserve| quota.admit(&put(bytes, reserve)).is_ok();
        let part = PADDING_BYTES - ROW_BYTES * rows_kept(Reserve::Part) as usize;
        assert!(!admit(1, Reserve::None));
        assert!(!admit(part + 1, Reserve::Part));
        assert!(admit(part, Reserve::Part));
        assert!(!admit(PADDING_BYTES + 1, Reserve::All));
        assert!(admit(PADDING_BYTES, Reserve::All));
        quota.stored(1_000, 1_000 + PADDING_BYTES);
        let admit = |reserve| quota.admit(&put(1, reserve)).is_ok();
        assert!(!admit(Reserve::None), "the padding is to be put back first");
        assert!(!admit(Reserve::Part));
    }

    #[test]
    fn no_more_padding_is_given_up_than_a_write_needs() {
        let quota = full();
        assert_eq!(quota.admit(&put(ROW_BYTES + 1, Reserve::All)), Ok(()));
        assert_eq!(quota.used_bytes(), 1_000 + PADDING_BYTES - 2 * ROW_BYTES);
    }

    #[test]
    fn padding_comes_back_with_the_first_write_that_has_room_for_it() {
        let quota = full();
        assert_eq!(quota.admit(&put(1, Reserve::All)), Ok(()));
        quota.stored(1_000, 100);
        assert_eq!(quota.used_bytes(), 100 + PADDING_BYTES - ROW_BYTES);
        assert_eq!(quota.admit(&put(1, Reserve::None)), Ok(()));
        assert_eq!(quota.used_bytes(), 100 + PADDING_BYTES);
    }

    #[test]
    fn what_only_deletes_is_taken_and_what_writes_as_well_is_not() {
        let quota = full();
        let mut batch = WriteBatch::default();
        batch.delete(KeyRange::all(Store::Journal));
        assert_eq!(quota.admit(&batch), Ok(()));
        batch.put(Store::Head, Vec::new(), vec![0].into());
        assert_eq!(quota.admit(&batch), Err(StorageError::Quota));
    }
}
