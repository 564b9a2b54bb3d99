//! Room that is kept back for when the quota is full.
//!
//! Browsers refuse whatever writes when an origin has no room left: Chromium the smallest row, and
//! so the fence of a new owner, the registration of a broker and a deletion together with its new
//! state. What only deletes is always taken, by Chromium and WebKit at least. So rows of padding
//! are kept, which such writes can have in exchange, and records cannot.

use super::{Reserve, StorageError};
use std::cell::Cell;

/// Rows of padding in a full reserve.
pub const RESERVE_ROWS: u32 = 8;

/// Size of each row. Above 64 KiB Chromium keeps a value in a file of its own, whose room is free
/// as soon as the row is deleted.
pub const RESERVE_ROW_BYTES: usize = 256 << 10;

/// Rows that only [`Reserve::All`] may have.
const UPKEEP_ROWS: u32 = 2;

/// How often a write that found no room is tried again though there is nothing to give up for it.
/// The second time is for a browser that has not noticed at the first what was given up before.
const IDLE_RETRIES_MAX: u32 = 2;

/// Rows of padding, from 0 on. They are no state: whoever finds them missing puts them back, and no
/// fence protects them.
#[allow(
    async_fn_in_trait,
    reason = "every user is single-threaded and generic over the padding"
)]
pub trait Padding {
    /// How many rows there are.
    async fn count(&self) -> Result<u32, StorageError>;
    /// Writes a row, if there is room.
    async fn put(&self, row: u32) -> Result<(), StorageError>;
    /// Deletes a row, if there is one.
    async fn delete(&self, row: u32) -> Result<(), StorageError>;
}

/// The padding of everybody who writes under the same quota.
#[derive(Debug)]
pub struct Room<P> {
    padding: P,
    /// How many rows there are; `None` before they were counted.
    rows: Cell<Option<u32>>,
}

impl<P: Padding> Room<P> {
    /// What is kept by these rows.
    pub fn new(padding: P) -> Room<P> {
        Room {
            padding,
            rows: Cell::new(None),
        }
    }

    /// Does what writes for `user`, and again in exchange for one row after the other of those that
    /// it may have if there is no room.
    ///
    /// One at a time, since hardly a write needs more, and what was given up is only back when
    /// there is room for a whole row: until then what is left of it is for whoever may have padding.
    pub async fn write<T>(
        &self,
        user: Reserve,
        write: impl AsyncFn() -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        let attempt = async || {
            self.keep(user).await?;
            write().await
        };
        let mut written = attempt().await;
        if !matches!(written, Err(StorageError::Quota)) {
            return written;
        }
        let retries = self.to_give_up(user).await? + IDLE_RETRIES_MAX;
        for _ in 0..retries {
            self.give_up(user).await?;
            written = attempt().await;
            if !matches!(written, Err(StorageError::Quota)) {
                break;
            }
        }
        written
    }

    /// Puts back what is missing of the rows that `user` may not have. [`StorageError::Quota`]:
    /// there is no room for them, and so none for `user`.
    async fn keep(&self, user: Reserve) -> Result<(), StorageError> {
        let kept = rows_kept(user);
        if kept == 0 {
            return Ok(());
        }
        for row in self.count().await?..kept {
            self.padding.put(row).await?;
            self.rows.set(Some(row + 1));
        }
        Ok(())
    }

    /// Deletes a row that `user` may have.
    ///
    /// Also where there is none it lets Chromium look again how much room there is: that measures
    /// an origin when a transaction ends. While everything is refused nothing ends.
    async fn give_up(&self, user: Reserve) -> Result<(), StorageError> {
        let left = match self.to_give_up(user).await? {
            0 => None,
            _ => self.rows.get().and_then(|rows| rows.checked_sub(1)),
        };
        match self.padding.delete(left.unwrap_or(RESERVE_ROWS)).await {
            Ok(()) => self.rows.set(left.or(self.rows.get())),
            // Firefox refuses a deletion too when its log cannot grow, and closes the database.
            // When that is opened anew the log is gone, and there is room.
            Err(StorageError::Quota) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// How many rows `user` may have.
    async fn to_give_up(&self, user: Reserve) -> Result<u32, StorageError> {
        Ok(self.count().await?.saturating_sub(rows_kept(user)))
    }

    async fn count(&self) -> Result<u32, StorageError> {
        if let Some(rows) = self.rows.get() {
            return Ok(rows);
        }
        let rows = self.padding.count().await?;
        self.rows.set(Some(rows));
        Ok(rows)
    }
}

/// How many rows `user` leaves.
pub(super) fn rows_kept(user: Reserve) -> u32 {
    match user {
        Reserve::None => RESERVE_ROWS,
        Reserve::Part => UPKEEP_ROWS,
        Reserve::All => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pollster::block_on;
    use std::rc::Rc;

    const ROW_BYTES: usize = RESERVE_ROW_BYTES;
    const WRITE_BYTES: usize = 400;

    /// A medium that has so many bytes left.
    #[derive(Clone, Debug)]
    struct Medium {
        free_bytes: Rc<Cell<usize>>,
        rows: Rc<Cell<u32>>,
    }

    impl Medium {
        fn take(&self, bytes: usize) -> Result<(), StorageError> {
            let left = self.free_bytes.get().checked_sub(bytes);
            self.free_bytes.set(left.ok_or(StorageError::Quota)?);
            Ok(())
        }
    }

    impl Padding for Medium {
        async fn count(&self) -> Result<u32, StorageError> {
            Ok(self.rows.get())
        }

        async fn put(&self, row: u32) -> Result<(), StorageError> {
            assert_eq!(row, self.rows.get(), "rows have no gaps");
            self.take(ROW_BYTES)?;
            self.rows.set(row + 1);
            Ok(())
        }

        async fn delete(&self, row: u32) -> Result<(), StorageError> {
            if row < self.rows.get() {
                self.rows.set(row);
                self.free_bytes.set(self.free_bytes.get() + ROW_BYTES);
            }
            Ok(())
        }
    }

    /// A full reserve, and no other room.
    fn full() -> (Medium, Room<Medium>) {
        let medium = Medium {
            free_bytes: Rc::new(Cell::new(0)),
            rows: Rc::new(Cell::new(RESERVE_ROWS)),
        };
        (medium.clone(), Room::new(medium))
    }

    fn write(
        medium: &Medium,
        room: &Room<Medium>,
        user: Reserve,
        bytes: usize,
    ) -> Result<(), StorageError> {
        block_on(room.write(user, async || medium.take(bytes)))
    }

    /// How many small writes `user` can do.
    fn writes(medium: &Medium, room: &Room<Medium>, user: Reserve) -> usize {
        let mut done = 0;
        while write(medium, room, user, WRITE_BYTES).is_ok() {
            done += 1;
        }
        done
    }

    #[test]
    fn a_write_is_given_no_more_padding_than_it_needs() {
        let (medium, room) = full();
        assert_eq!(write(&medium, &room, Reserve::All, WRITE_BYTES), Ok(()));
        assert_eq!(medium.rows.get(), RESERVE_ROWS - 1);
        let left = ROW_BYTES - WRITE_BYTES;
        assert_eq!(write(&medium, &room, Reserve::All, left + 1), Ok(()));
        assert_eq!(medium.rows.get(), RESERVE_ROWS - 2);
    }

    #[test]
    fn reading_goes_on_while_there_is_no_room_to_put_padding_back() {
        let (medium, room) = full();
        // As if the quota had become smaller by that.
        let gone = 6 * ROW_BYTES - 2 * WRITE_BYTES;
        assert_eq!(write(&medium, &room, Reserve::All, gone), Ok(()));
        assert_eq!(write(&medium, &room, Reserve::Part, WRITE_BYTES), Ok(()));
    }

    #[test]
    fn records_have_nothing_of_what_others_have_left() {
        let (medium, room) = full();
        assert_eq!(write(&medium, &room, Reserve::All, WRITE_BYTES), Ok(()));
        let refused = write(&medium, &room, Reserve::None, WRITE_BYTES);
        assert_eq!(refused, Err(StorageError::Quota));
        assert_eq!(medium.free_bytes.get(), ROW_BYTES - WRITE_BYTES);
    }

    #[test]
    fn readers_leave_room_for_registrations_and_deletions() {
        let (medium, room) = full();
        // As many joins and commits of offsets as that, without a compaction in between.
        assert_eq!(writes(&medium, &room, Reserve::Part), 3_932);
        assert_eq!(medium.rows.get(), UPKEEP_ROWS);
        assert_eq!(writes(&medium, &room, Reserve::All), 1_310);
    }

    #[test]
    fn padding_is_put_back_before_records_are_written() {
        let (medium, room) = full();
        writes(&medium, &room, Reserve::All);
        assert_eq!(medium.rows.get(), 0);
        let needed = RESERVE_ROWS as usize * ROW_BYTES + WRITE_BYTES;
        medium.free_bytes.set(needed - 1);
        let refused = write(&medium, &room, Reserve::None, WRITE_BYTES);
        assert_eq!(refused, Err(StorageError::Quota));
        medium.free_bytes.set(medium.free_bytes.get() + 1);
        assert_eq!(write(&medium, &room, Reserve::None, WRITE_BYTES), Ok(()));
        assert_eq!(medium.rows.get(), RESERVE_ROWS);
    }
}
