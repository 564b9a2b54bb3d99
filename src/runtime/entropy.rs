//! Random bytes for the seeds of the state machines.

use js_sys::{Function, Reflect, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};

/// Bytes from `crypto.getRandomValues`, which every browser scope and Node have.
pub fn seed() -> Result<[u8; 16], JsValue> {
    let crypto = Reflect::get(&js_sys::global(), &JsValue::from_str("crypto"))?;
    let get_random_values: Function =
        Reflect::get(&crypto, &JsValue::from_str("getRandomValues"))?.dyn_into()?;
    let bytes = Uint8Array::new_with_length(16);
    get_random_values.call1(&crypto, &bytes)?;
    let mut seed = [0; 16];
    bytes.copy_to(&mut seed);
    Ok(seed)
}

/// A seed of 64 bits.
pub fn random_u64() -> Result<u64, JsValue> {
    let seed = u128::from_ne_bytes(seed()?);
    Ok(seed as u64)
}
