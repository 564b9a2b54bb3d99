//! Room that is kept back for when the quota is full.
//!
//! Browsers refuse whatever writes when an origin has no room left: Chromium the smallest row, and
//! so the fence of a new owner, the registration of a broker and a deletion together with its new
//! state. What only deletes is always taken, by Chromium and WebKit at least. So rows of padding
//! are kept, which such writes can have in exchange, and records cannot.

use super::IndexedDbStorage;
use super::connection::Connection;
use super::failure::Failure;
use super::read;
use super::value::{reserve_key, to_js};
use super::write::unfenced;
use crate::storage::{Reserve, StorageError};
use oorandom::Rand64;
use std::cell::Cell;

/// Rows of padding in a full reserve.
pub const RESERVE_ROWS: u32 = 8;

/// Size of each row. Above 64 KiB Chromium keeps a value in a file of its own, whose room is free
/// as soon as the row is deleted.
pub const RESERVE_ROW_BYTES: usize = 256 << 10;

/// Rows of padding in one database, for everybody who writes under the same quota.
///
/// They are no state: whoever finds them missing puts them back, and no fence protects them.
pub struct Room {
    home: IndexedDbStorage,
    /// How many there are; `None` before they were counted.
    rows: Cell<Option<u32>>,
}

impl Room {
    /// Rows in the database of `home`, whose connection they share.
    pub(super) fn within(home: IndexedDbStorage) -> Room {
        Room {
            home,
            rows: Cell::new(None),
        }
    }

    /// Puts back what is missing of the rows that `user` may not have. [`StorageError::Quota`]:
    /// there is no room for them, and so none for `user`.
    pub(super) async fn keep(&self, user: Reserve) -> Result<(), StorageError> {
        let kept = rows_kept(user);
        let found = match self.rows.get() {
            Some(rows) => rows,
            None => {
                let count =
                    async |connection: &Connection| read::reserve_rows(connection.database()).await;
                self.home.run(count).await?
            }
        };
        self.rows.set(Some(found));
        if kept <= found {
            return Ok(());
        }
        let put = async |connection: &Connection| {
            let rows: Vec<_> = (found..kept).map(|row| (row, padding(row))).collect();
            let put = unfenced(connection.database(), |store| {
                for (row, padding) in &rows {
                    store.put_with_key(&to_js(padding), &reserve_key(*row))?;
                }
                Ok(())
            });
            put.await.map_err(again)
        };
        self.home.run(put).await?;
        self.rows.set(Some(kept));
        Ok(())
    }

    /// Deletes the rows that `user` may have.
    ///
    /// Also where there are none it lets Chromium look again how much room there is: that measures
    /// an origin when a transaction ends, and what a deletion frees is free a moment later. While
    /// everything is refused nothing ends.
    pub(super) async fn spend(&self, user: Reserve) -> Result<(), StorageError> {
        let kept = rows_kept(user);
        let delete = async |connection: &Connection| {
            let delete = unfenced(connection.database(), |store| {
                // One row more than there can be.
                for row in kept..=RESERVE_ROWS {
                    store.delete(&reserve_key(row))?;
                }
                Ok(())
            });
            delete.await.map_err(again)
        };
        self.home.run(delete).await?;
        self.rows.set(self.rows.get().map(|rows| rows.min(kept)));
        Ok(())
    }
}

/// Putting and deleting the same rows once more does no harm.
fn again(failure: Failure) -> Failure {
    match failure {
        Failure::Unknown(why) => Failure::Lost(why),
        known => known,
    }
}

fn rows_kept(user: Reserve) -> u32 {
    match user {
        Reserve::None => RESERVE_ROWS,
        Reserve::Half => RESERVE_ROWS / 2,
        Reserve::All => 0,
    }
}

/// Bytes that no browser can compress.
fn padding(row: u32) -> Vec<u8> {
    let mut random = Rand64::new(row.into());
    let words = (0..RESERVE_ROW_BYTES / 8).map(|_| random.rand_u64());
    words.flat_map(u64::to_le_bytes).collect()
}
