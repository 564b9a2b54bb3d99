//! What only a browser can prove, in a dedicated worker as brokers live in one.
//!
//! `npm test` runs it in Chromium, Firefox and WebKitGTK.
#![cfg(target_family = "wasm")]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the tests are at the edge"
)]

mod cluster;
mod departed;
mod engine;
mod storage;

wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_dedicated_worker);
