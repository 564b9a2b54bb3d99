//! What only a browser can prove, in a dedicated worker as brokers live in one.
//!
//! `npm test` runs it in Chromium, Firefox and WebKitGTK.
#![cfg(target_family = "wasm")]

mod storage;

wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_dedicated_worker);
