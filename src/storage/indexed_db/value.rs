//! Keys, values and the fence as IndexedDB keeps them.
//!
//! Everything is copied. A view of wasm's memory that is handed to `put` is stored with the whole
//! memory behind it (<https://github.com/whatwg/html/issues/9450>).

use super::failure::Failure;
use crate::storage::{Fence, KeyRange, StorageError, Store};
use js_sys::{ArrayBuffer, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::IdbKeyRange;

/// The object store of the fence, which has one row.
pub(super) const FENCE_STORE: &str = "fence";

/// The names of all object stores.
pub(super) fn store_names() -> impl Iterator<Item = &'static str> {
    Store::ALL.map(Store::name).into_iter().chain([FENCE_STORE])
}

/// The key of the fence's row.
pub(super) fn fence_key() -> JsValue {
    JsValue::from_str("fence")
}

/// The key of a row of padding, beside the fence.
pub(super) fn reserve_key(row: u32) -> JsValue {
    JsValue::from_str(&format!("reserve {row:02}"))
}

/// All keys that [`reserve_key`] makes.
pub(super) fn reserve_keys() -> Result<IdbKeyRange, JsValue> {
    IdbKeyRange::bound(&reserve_key(0), &reserve_key(99))
}

/// A key or a value.
pub(super) fn to_js(bytes: &[u8]) -> JsValue {
    Uint8Array::from(bytes).into()
}

/// The bytes of a key that was read: IndexedDB gives binary keys back as `ArrayBuffer`s.
pub(super) fn key_from_js(key: JsValue) -> Result<Vec<u8>, StorageError> {
    match key.dyn_into::<ArrayBuffer>() {
        Ok(buffer) => Ok(Uint8Array::new(&buffer).to_vec()),
        Err(_) => Err(corrupt("a key that is not binary")),
    }
}

/// The bytes of a value that was read.
pub(super) fn value_from_js(value: JsValue) -> Result<Vec<u8>, StorageError> {
    match value.dyn_into::<Uint8Array>() {
        Ok(array) => Ok(array.to_vec()),
        Err(_) => Err(corrupt("a value that is not binary")),
    }
}

/// The fence as its row holds it: big-endian numbers.
pub(super) fn fence_to_js(fence: Fence) -> JsValue {
    let mut bytes = [0; 24];
    bytes[..8].copy_from_slice(&fence.epoch.to_be_bytes());
    bytes[8..16].copy_from_slice(&fence.commit_seq.to_be_bytes());
    bytes[16..].copy_from_slice(&fence.incarnation.to_be_bytes());
    to_js(&bytes)
}

/// The fence from the result of its `get`, which is undefined where there is no row.
pub(super) fn fence_from_js(value: JsValue) -> Result<Option<Fence>, StorageError> {
    if value.is_undefined() {
        return Ok(None);
    }
    let bytes = value_from_js(value)?;
    let (epoch, commit_seq, incarnation) = match bytes.as_chunks::<8>() {
        ([epoch, commit_seq, incarnation], []) => (epoch, commit_seq, incarnation),
        ([epoch, commit_seq], []) => (epoch, commit_seq, &[0; 8]),
        _ => return Err(corrupt("a fence of another length")),
    };
    Ok(Some(Fence {
        epoch: u64::from_be_bytes(*epoch),
        commit_seq: u64::from_be_bytes(*commit_seq),
        incarnation: u64::from_be_bytes(*incarnation),
    }))
}

/// The range for IndexedDB, which throws where it is empty; `None` stands for that.
pub(super) fn range_to_js(range: &KeyRange) -> Result<Option<IdbKeyRange>, Failure> {
    bounds_to_js(&range.start, false, range.end.as_deref())
}

/// The part of the range that comes after `last`.
pub(super) fn rest_to_js(range: &KeyRange, last: &[u8]) -> Result<Option<IdbKeyRange>, Failure> {
    bounds_to_js(last, true, range.end.as_deref())
}

fn bounds_to_js(
    start: &[u8],
    start_open: bool,
    end: Option<&[u8]>,
) -> Result<Option<IdbKeyRange>, Failure> {
    let lower = to_js(start);
    Ok(match end {
        Some(end) if end <= start => None,
        Some(end) => Some(IdbKeyRange::bound_with_lower_open_and_upper_open(
            &lower,
            &to_js(end),
            start_open,
            true,
        )?),
        None => Some(IdbKeyRange::lower_bound_with_open(&lower, start_open)?),
    })
}

fn corrupt(what: &str) -> StorageError {
    StorageError::Corrupt(format!("{what} in IndexedDB"))
}
