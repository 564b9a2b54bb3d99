//! Frames that pass, decoded by the table of messages, as plain objects.

use crate::machine::ConnectionId;
use crate::protocol::{self, ApiKey, RequestHeader, View};
use crate::record::batches;
use crate::runtime::{Direction, TapFrame};
use bytes::Bytes;
use js_sys::{Array, Object, Reflect};
use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use wasm_bindgen::JsValue;

/// Requests of a connection whose responses have not passed; older ones are forgotten.
const OPEN_REQUESTS_MAX: usize = 1_000;

/// Decodes frames. Responses carry no API key, so it remembers the requests before them.
#[derive(Default)]
pub struct Tracer {
    open: RefCell<BTreeMap<ConnectionId, VecDeque<RequestHeader>>>,
}

impl Tracer {
    /// The plain object of a frame; nothing for one that cannot be understood.
    pub fn trace(&self, tapped: &TapFrame) -> Option<JsValue> {
        match tapped.direction {
            Direction::Request => self.request(tapped),
            Direction::Response => self.response(tapped),
        }
    }

    fn request(&self, tapped: &TapFrame) -> Option<JsValue> {
        let (header, request) = protocol::decode_request(tapped.frame.clone()).ok()?;
        let body = request.view(header.request_api_version);
        let object = event(tapped, &header, &body);
        let mut open = self.open.borrow_mut();
        let requests = open.entry(tapped.connection).or_default();
        if OPEN_REQUESTS_MAX <= requests.len() {
            requests.pop_front();
        }
        requests.push_back(header);
        Some(object)
    }

    fn response(&self, tapped: &TapFrame) -> Option<JsValue> {
        let correlation_id = tapped
            .frame
            .first_chunk()
            .map(|bytes| i32::from_be_bytes(*bytes))?;
        let mut open = self.open.borrow_mut();
        let requests = open.get_mut(&tapped.connection)?;
        // Requests that ask for no answer stand before the one that is answered.
        let position = requests
            .iter()
            .position(|r| r.correlation_id == correlation_id)?;
        let header = requests.drain(..=position).next_back()?;
        let api_key = ApiKey::from_code(header.request_api_key)?;
        let version = header.request_api_version;
        let (_, response) =
            protocol::decode_response(api_key, version, tapped.frame.clone()).ok()?;
        Some(event(tapped, &header, &response.view(version)))
    }
}

fn event(tapped: &TapFrame, header: &RequestHeader, body: &View) -> JsValue {
    let api = ApiKey::from_code(header.request_api_key).map_or("", ApiKey::name);
    let direction = match tapped.direction {
        Direction::Request => "request",
        Direction::Response => "response",
    };
    object([
        ("connection", JsValue::from_f64(tapped.connection.0 as f64)),
        ("direction", JsValue::from_str(direction)),
        ("apiKey", JsValue::from(header.request_api_key)),
        ("api", JsValue::from_str(api)),
        ("apiVersion", JsValue::from(header.request_api_version)),
        ("correlationId", JsValue::from(header.correlation_id)),
        (
            "clientId",
            JsValue::from_str(header.client_id.as_deref().unwrap_or_default()),
        ),
        ("bytes", JsValue::from_f64(tapped.frame.len() as f64)),
        ("body", value(body)),
    ])
}

fn value(view: &View) -> JsValue {
    match view {
        View::Null => JsValue::NULL,
        View::Bool(value) => JsValue::from_bool(*value),
        View::Int(value) => match i32::try_from(*value) {
            Ok(small) => JsValue::from(small),
            Err(_) => JsValue::from_str(&value.to_string()),
        },
        View::Text(text) => JsValue::from_str(text),
        View::Bytes(bytes) => summary(bytes),
        View::Uuid(uuid) => JsValue::from_str(&uuid.to_string()),
        View::List(items) => items.iter().map(value).collect::<Array>().into(),
        View::Struct(fields) => {
            let object = Object::new();
            for (name, field) in fields {
                set(&object, &camel_case(name), value(field));
            }
            object.into()
        }
    }
}

/// Record batches by their headers; other bytes by their length.
fn summary(bytes: &Bytes) -> JsValue {
    let batches: Array = batches(bytes)
        .map_while(Result::ok)
        .map(|(header, _)| {
            object([
                (
                    "baseOffset",
                    JsValue::from_str(&header.base_offset.to_string()),
                ),
                (
                    "lastOffset",
                    JsValue::from_str(&header.last_offset().to_string()),
                ),
                ("recordCount", JsValue::from(header.record_count)),
                ("bytes", JsValue::from_f64(header.size_in_bytes() as f64)),
                (
                    "producerId",
                    JsValue::from_str(&header.producer_id.to_string()),
                ),
                ("baseSequence", JsValue::from(header.base_sequence)),
                (
                    "maxTimestamp",
                    JsValue::from_str(&header.max_timestamp.to_string()),
                ),
            ])
        })
        .collect();
    object([
        ("length", JsValue::from_f64(bytes.len() as f64)),
        ("batches", batches.into()),
    ])
}

fn object<'a>(fields: impl IntoIterator<Item = (&'a str, JsValue)>) -> JsValue {
    let object = Object::new();
    for (name, value) in fields {
        set(&object, name, value);
    }
    object.into()
}

fn set(object: &Object, name: &str, value: JsValue) {
    Reflect::set(object, &JsValue::from_str(name), &value)
        .expect("a new object takes any property");
}

/// Kafka's name of a field, from the table's: `topic_data` becomes `topicData`.
fn camel_case(snake: &str) -> String {
    let mut camel = String::with_capacity(snake.len());
    let mut words = snake.split('_');
    camel.extend(words.next());
    for word in words {
        let mut letters = word.chars();
        camel.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        camel.push_str(letters.as_str());
    }
    camel
}
