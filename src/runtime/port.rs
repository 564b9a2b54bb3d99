//! A MessagePort as a connection: every message is one frame.

use bytes::Bytes;
use gloo_events::EventListener;
use js_sys::{Array, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{MessageEvent, MessagePort};

/// One end of a connection. Dropping it closes it.
pub struct Port {
    port: MessagePort,
    /// `None` once it listens no more.
    listener: Option<EventListener>,
}

/// What arrives at a port.
pub enum Arrival {
    /// A frame without its length prefix.
    Frame(Bytes),
    /// The other end says that it is gone. Ports do not tell it themselves in every engine.
    Closed,
}

impl Port {
    /// Listens to `port`. `on_arrival` runs for each message, in the order in which they were sent.
    pub fn new(port: MessagePort, on_arrival: impl Fn(Arrival) + 'static) -> Port {
        let listener = EventListener::new(&port, "message", move |event| {
            let data = event.unchecked_ref::<MessageEvent>().data();
            // Anything else is an ArrayBuffer, though `instanceof` denies it to one of another realm:
            // in Jest, ports and what comes out of them are of Node's.
            on_arrival(if data.is_null() {
                Arrival::Closed
            } else {
                Arrival::Frame(Uint8Array::new(&data).to_vec().into())
            });
        });
        // `addEventListener` does not start a port, unlike setting `onmessage`.
        port.start();
        Port {
            port,
            listener: Some(listener),
        }
    }

    /// Sends a frame. Its bytes are copied out of wasm memory (a view would drag the whole memory
    /// along) and transferred.
    pub fn post(&self, frame: &[u8]) -> Result<(), JsValue> {
        let buffer = Uint8Array::from(frame).buffer();
        self.port
            .post_message_with_transferable(&buffer, &Array::of1(&buffer))
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        // First of all: in Deno the listener was called again while the port closed.
        drop(self.listener.take());
        // Fails only where the port cannot carry anything any more: then the other end knows.
        let _ = self.port.post_message(&JsValue::NULL);
        self.port.close();
    }
}
