//! Rows of padding in a database, beside its fence.

use super::IndexedDbStorage;
use super::connection::Connection;
use super::failure::Failure;
use super::read;
use super::value::{reserve_key, to_js};
use super::write::unfenced;
use crate::storage::StorageError;
use crate::storage::room::{Padding, RESERVE_ROW_BYTES};
use oorandom::Rand64;
use wasm_bindgen::JsValue;
use web_sys::IdbObjectStore;

/// Those of a database, for everybody who writes under the same quota.
pub(super) struct PaddingRows {
    /// Whose connection they share.
    pub home: IndexedDbStorage,
}

impl Padding for PaddingRows {
    async fn count(&self) -> Result<u32, StorageError> {
        let count = async |connection: &Connection| read::reserve_rows(connection.database()).await;
        self.home.run(count).await
    }

    async fn put(&self, row: u32) -> Result<(), StorageError> {
        let (key, value) = (reserve_key(row), to_js(&padding(row)));
        self.change(|store| store.put_with_key(&value, &key).map(drop))
            .await
    }

    async fn delete(&self, row: u32) -> Result<(), StorageError> {
        let key = reserve_key(row);
        self.change(|store| store.delete(&key).map(drop)).await
    }
}

impl PaddingRows {
    async fn change(
        &self,
        request: impl Fn(&IdbObjectStore) -> Result<(), JsValue>,
    ) -> Result<(), StorageError> {
        let change = async |connection: &Connection| {
            let changed = unfenced(connection.database(), &request).await;
            changed.map_err(|failure| match failure {
                // Putting or deleting the same row once more does no harm.
                Failure::Unknown(why) => Failure::Lost(why),
                known => known,
            })
        };
        self.home.run(change).await
    }
}

/// Bytes that no browser can compress.
fn padding(row: u32) -> Vec<u8> {
    let mut random = Rand64::new(row.into());
    let words = (0..RESERVE_ROW_BYTES / 8).map(|_| random.rand_u64());
    words.flat_map(u64::to_le_bytes).collect()
}
