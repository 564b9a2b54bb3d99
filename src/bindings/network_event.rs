//! KafkaJS's network events as plain objects.

use super::edge::Message;
use super::to_js;
use crate::client::{NetworkEvent, SentRequest};
use serde::Serialize;
use wasm_bindgen::JsValue;

#[derive(Serialize)]
struct Event {
    r#type: &'static str,
    /// Without the kind of the client, which the page puts in front.
    name: &'static str,
    payload: Payload,
}

#[derive(Serialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
enum Payload {
    Request {
        #[serde(flatten)]
        request: Request,
        duration: i64,
        size: usize,
    },
    Timeout(Request),
    QueueSize {
        broker: String,
        client_id: String,
        queue_size: usize,
    },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    broker: String,
    client_id: String,
    api_key: i16,
    api_name: &'static str,
    api_version: i16,
    correlation_id: i32,
    created_at: i64,
    sent_at: i64,
    pending_duration: i64,
}

impl From<SentRequest> for Request {
    fn from(sent: SentRequest) -> Request {
        Request {
            broker: sent.broker,
            client_id: sent.client_id,
            api_key: sent.api_key.code(),
            api_name: sent.api_key.name(),
            api_version: sent.api_version,
            correlation_id: sent.correlation_id,
            created_at: sent.sent_at.0,
            sent_at: sent.sent_at.0,
            pending_duration: 0,
        }
    }
}

/// The event as the page takes it.
pub fn translate(event: NetworkEvent) -> Result<Message, JsValue> {
    let (name, payload) = match event {
        NetworkEvent::Request {
            request,
            duration_ms,
            bytes,
        } => (
            "network.request",
            Payload::Request {
                request: request.into(),
                duration: duration_ms,
                size: bytes,
            },
        ),
        NetworkEvent::RequestTimeout { request } => {
            ("network.request_timeout", Payload::Timeout(request.into()))
        }
        NetworkEvent::RequestQueueSize {
            broker,
            client_id,
            queue_size,
        } => (
            "network.request_queue_size",
            Payload::QueueSize {
                broker,
                client_id,
                queue_size,
            },
        ),
    };
    let event = Event {
        r#type: "event",
        name,
        payload,
    };
    to_js(&event).map(Message::plain)
}
