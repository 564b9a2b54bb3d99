//! What JavaScript sees: one exported class per file. Only here is `#[wasm_bindgen]`.
//!
//! Objects cross as plain data (`serde-wasm-bindgen`), records as flat buffers ([`flat`]), once per
//! batch. Offsets are decimal strings: a JavaScript number holds 53 bits.

mod admin_client;
mod broker_node;
mod config;
mod consumer_client;
mod edge;
mod error;
mod flat;
mod network_event;
mod partition_answer;
mod producer_client;
mod trace;

pub use admin_client::AdminClient;
pub use broker_node::BrokerNode;
pub use consumer_client::ConsumerClient;
pub use producer_client::ProducerClient;

use js_sys::{Object, Reflect};
use serde::Serialize;
use serde::de::DeserializeOwned;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

/// Writes panics to the console with their message: without it they read "unreachable".
#[wasm_bindgen(start)]
pub fn start() {
    console_error_panic_hook::set_once();
}

/// Reads a plain object.
fn from_js<T: DeserializeOwned>(value: JsValue) -> Result<T, JsValue> {
    serde_wasm_bindgen::from_value(value).map_err(|error| error::invalid(&error.to_string()))
}

/// Reads a plain object whose `type` says which variant of `T` its other properties are.
///
/// Not serde's `tag = "type"`, which first buffers the object, and compiles every variant once
/// more to be read from that buffer.
fn from_tagged_js<T: DeserializeOwned>(value: JsValue) -> Result<T, JsValue> {
    let tag = Reflect::get(&value, &"type".into())?;
    from_js_variant(&tag, &value)
}

/// Reads the variant of `T` that `tag` names from its `content`.
fn from_js_variant<T: DeserializeOwned>(tag: &JsValue, content: &JsValue) -> Result<T, JsValue> {
    let variant = Object::new();
    Reflect::set(&variant, tag, content)?;
    from_js(variant.into())
}

/// Writes a plain object.
fn to_js<T: Serialize>(value: &T) -> Result<JsValue, JsValue> {
    value
        .serialize(&serde_wasm_bindgen::Serializer::json_compatible())
        .map_err(|error| error::invalid(&error.to_string()))
}
