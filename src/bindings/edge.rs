//! What JavaScript does for a client.

use super::{error, network_event};
use crate::client::NetworkEvent;
use crate::runtime::ClientEdge;
use js_sys::{Array, ArrayBuffer, Uint8Array};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::MessagePort;

#[wasm_bindgen]
extern "C" {
    /// The object that a client's constructor takes.
    pub type Edge;

    /// A port whose other end reaches the broker, or nothing while there is none.
    #[wasm_bindgen(method, catch)]
    fn connect(this: &Edge, host: &str, port: i32) -> Result<JsValue, JsValue>;

    /// Takes an output; the buffers are to be transferred with it.
    #[wasm_bindgen(method, catch)]
    fn output(this: &Edge, output: &JsValue, transfer: &Array) -> Result<(), JsValue>;
}

/// An output as JavaScript takes it, with the buffers that go along.
pub struct Message {
    pub object: JsValue,
    pub transfer: Array,
}

impl Message {
    /// A plain object without buffers.
    pub fn plain(object: JsValue) -> Message {
        Message {
            object,
            transfer: Array::new(),
        }
    }
}

/// Translates the outputs of one kind of client.
pub struct EdgeOf<Output> {
    edge: Edge,
    translate: fn(Output) -> Result<Message, JsValue>,
}

impl<Output> EdgeOf<Output> {
    pub fn new(edge: Edge, translate: fn(Output) -> Result<Message, JsValue>) -> EdgeOf<Output> {
        EdgeOf { edge, translate }
    }
}

impl<Output> ClientEdge<Output> for EdgeOf<Output> {
    fn connect(&self, host: &str, port: i32) -> Option<MessagePort> {
        self.edge.connect(host, port).ok()?.dyn_into().ok()
    }

    fn output(&self, output: Output) {
        self.tell((self.translate)(output));
    }

    fn network(&self, event: NetworkEvent) {
        self.tell(network_event::translate(event));
    }
}

impl<Output> EdgeOf<Output> {
    fn tell(&self, translated: Result<Message, JsValue>) {
        let told =
            translated.and_then(|message| self.edge.output(&message.object, &message.transfer));
        if let Err(error) = told {
            // The worker's own code threw: nobody above could be told, so the worker says it.
            wasm_bindgen::throw_val(error);
        }
    }
}

/// What the class of every kind of client does beside its making. `#[wasm_bindgen]` takes no
/// generics, so a class is given it by name; its module has the `Command`.
macro_rules! client_methods {
    ($class:ty) => {
        #[wasm_bindgen]
        impl $class {
            /// Takes a command; its answer comes as an output with the same `id`.
            pub fn command(&self, command: JsValue) -> Result<(), JsValue> {
                let command = from_tagged_js::<Command>(command)?.try_into()?;
                self.host.command(command);
                Ok(())
            }

            /// Tells the edge what passes the client's connections, or ends that.
            pub fn observe(&self, on: bool) {
                self.host.observe(on);
            }

            /// That broker was replaced: every connection to the old one is gone.
            pub fn disconnect(&self, host: &str, port: i32) {
                self.host.disconnect(host, port);
            }
        }
    };
}
pub(super) use client_methods;

/// Copies bytes out of wasm memory into a buffer of their own, which can be transferred.
pub fn own_buffer(bytes: &[u8]) -> (Uint8Array, ArrayBuffer) {
    let array = Uint8Array::from(bytes);
    let buffer = array.buffer();
    (array, buffer)
}

/// Reads a decimal string, as offsets cross.
pub fn offset(text: &str) -> Result<i64, JsValue> {
    text.parse()
        .map_err(|_| error::invalid(&format!("'{text}' is not an offset")))
}
