//! Transactions that read.

use super::TRANSACTION_MS_MAX;
use super::failure::Failure;
use super::value::{
    FENCE_STORE, fence_from_js, fence_key, key_from_js, range_to_js, reserve_keys, rest_to_js,
    value_from_js,
};
use crate::storage::{Entry, Fence, KeyRange, StorageError};
use futures_util::future::{Either, select};
use gloo_timers::future::TimeoutFuture;
use indexed_db_futures::database::Database;
use indexed_db_futures::object_store::ObjectStore;
use indexed_db_futures::prelude::*;
use std::pin::pin;
use wasm_bindgen::JsValue;
use web_sys::IdbKeyRange;

/// How many rows a page has at most: what is too many for one message between a browser's
/// processes depends on the browser.
const PAGE_ROWS_MAX: usize = 1_024;

/// How much larger a page may be than the one before it. The first has one row, since a row may be
/// a whole chunk of a segment.
const PAGE_GROWTH_MAX: usize = 8;

/// Reads the stored fence: behind every transaction that wrote it and has not ended, also of a
/// connection that was given up.
pub(super) async fn fence(database: &Database) -> Result<Fence, Failure> {
    in_time(async {
        let transaction = database.transaction(FENCE_STORE).build()?;
        let store = transaction.object_store(FENCE_STORE)?;
        let value: Option<JsValue> = store.get(fence_key()).primitive()?.await?;
        let fence = fence_from_js(value.unwrap_or(JsValue::UNDEFINED))?;
        fence.ok_or(Failure::Storage(StorageError::Deleted))
    })
    .await
}

/// How many rows of padding there are.
pub(super) async fn reserve_rows(database: &Database) -> Result<u32, Failure> {
    in_time(async {
        let transaction = database.transaction(FENCE_STORE).build()?;
        let store = transaction.object_store(FENCE_STORE)?;
        let keys = store.get_all_keys::<JsValue>();
        let range = indexed_db_futures::KeyRange::Only(JsValue::from(reserve_keys()?));
        let keys = keys.with_query::<JsValue, _>(range).primitive()?.await?;
        Ok(keys.count() as u32)
    })
    .await
}

/// Reads entries as [`Storage::read`](crate::storage::Storage::read) says, in one transaction.
pub(super) async fn entries(
    database: &Database,
    range: &KeyRange,
    bytes_max: usize,
) -> Result<Vec<Entry>, Failure> {
    in_time(async {
        let mut entries: Vec<Entry> = Vec::new();
        let mut bytes = 0;
        let mut rows = 1;
        let mut rest = range_to_js(range)?;
        let transaction = database.transaction(range.store.name()).build()?;
        let store = transaction.object_store(range.store.name())?;
        while let Some(bounds) = rest {
            let page = page(&store, &bounds, rows).await?;
            let last_page = page.len() < rows;
            for entry in page {
                let full = bytes >= bytes_max || bytes + entry.value.len() > bytes_max;
                if full && !entries.is_empty() {
                    return Ok(entries);
                }
                bytes += entry.value.len();
                entries.push(entry);
            }
            rest = match entries.last() {
                Some(last) if !last_page && bytes < bytes_max => rest_to_js(range, &last.key)?,
                _ => None,
            };
            // As many as will fit if they are as large as the ones before them.
            let row_bytes = (bytes / entries.len().max(1)).max(1);
            let fitting = (bytes_max.saturating_sub(bytes) / row_bytes).max(1);
            rows = fitting.min(rows * PAGE_GROWTH_MAX).min(PAGE_ROWS_MAX);
        }
        Ok(entries)
    })
    .await
}

async fn page(
    store: &ObjectStore<'_>,
    bounds: &IdbKeyRange,
    rows: usize,
) -> Result<Vec<Entry>, Failure> {
    let limit = rows as u32;
    let query = || indexed_db_futures::KeyRange::Only(JsValue::from(bounds));
    // Both are asked for before either answers. There is `getAllRecords`, but not in WebKit.
    let keys = store.get_all_keys::<JsValue>();
    let keys = keys
        .with_query::<JsValue, _>(query())
        .with_limit(limit)
        .primitive()?;
    let values = store.get_all::<JsValue>();
    let values = values
        .with_query::<JsValue, _>(query())
        .with_limit(limit)
        .primitive()?;
    let (keys, values) = (keys.await?, values.await?);
    keys.zip(values)
        .map(|(key, value)| {
            Ok(Entry {
                key: key_from_js(key?)?,
                value: value_from_js(value?)?.into(),
            })
        })
        .collect()
}

/// Gives up after [`TRANSACTION_MS_MAX`]: rarely, WebKit does not answer at all.
async fn in_time<T>(reading: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    match select(pin!(reading), TimeoutFuture::new(TRANSACTION_MS_MAX)).await {
        Either::Left((read, _)) => read,
        Either::Right(_) => Err(Failure::Lost(format!(
            "a transaction did not end within {TRANSACTION_MS_MAX} ms"
        ))),
    }
}
