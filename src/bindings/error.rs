//! Errors as plain objects: custom fields of an `Error` do not survive structured clone, so the
//! page builds its classes from these.

use crate::client::{ErrorKind, KafkaError};
use crate::protocol::ErrorCode;
use crate::runtime::HostError;
use crate::storage::StorageError;
use serde::Serialize;
use wasm_bindgen::JsValue;

/// An error on its way to the page.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ErrorObject {
    /// Kafka's name, such as `UNKNOWN_TOPIC_OR_PARTITION`, or the storage's, such as `QUOTA`.
    pub r#type: String,
    /// Kafka's code.
    pub code: i16,
    /// Who raised it.
    pub kind: &'static str,
    /// One sentence for people.
    pub message: String,
    /// Whether the same may succeed later.
    pub retriable: bool,
    /// What it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// What it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partition: Option<i32>,
    /// What it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// What it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<String>,
    /// How often it was tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retries: Option<u32>,
    /// What else failed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<ErrorObject>,
}

impl ErrorObject {
    fn new(code: ErrorCode, kind: &'static str, message: String) -> ErrorObject {
        ErrorObject {
            r#type: code.name().to_owned(),
            code: code.code(),
            kind,
            message,
            retriable: code.retriable(),
            topic: None,
            partition: None,
            group: None,
            offset: None,
            retries: None,
            others: Vec::new(),
        }
    }
}

impl From<&KafkaError> for ErrorObject {
    fn from(error: &KafkaError) -> ErrorObject {
        ErrorObject {
            retriable: error.retriable,
            topic: error.topic.clone(),
            partition: error.partition,
            group: error.group.clone(),
            offset: error.offset.map(|offset| offset.to_string()),
            retries: (error.kind == ErrorKind::RetriesExceeded).then_some(error.retries),
            others: error.others.iter().map(ErrorObject::from).collect(),
            ..ErrorObject::new(error.code, kind_name(error.kind), error.message.clone())
        }
    }
}

impl From<&HostError> for ErrorObject {
    fn from(error: &HostError) -> ErrorObject {
        let r#type = match error {
            HostError::Storage(StorageError::Fenced { .. }) => "FENCED",
            HostError::Storage(StorageError::Quota) => "QUOTA",
            HostError::Storage(StorageError::Blocked) => "BLOCKED",
            HostError::Storage(StorageError::Deleted) => "DELETED",
            HostError::Storage(StorageError::Corrupt(_)) => "CORRUPT",
            HostError::Storage(StorageError::TooNew) => "STORAGE_TOO_NEW",
            HostError::Storage(_) => "STORAGE",
            HostError::Platform(_) => "PLATFORM",
            HostError::Stopped(_) => "BROKER_STOPPED",
        };
        let retriable = !matches!(
            error,
            HostError::Storage(
                StorageError::Corrupt(_) | StorageError::Deleted | StorageError::TooNew
            )
        );
        ErrorObject {
            r#type: r#type.to_owned(),
            retriable,
            ..ErrorObject::new(ErrorCode::KafkaStorageError, "storage", error.to_string())
        }
    }
}

/// Whoever called from JavaScript passed something else than the types say.
pub fn invalid(message: &str) -> JsValue {
    let error = KafkaError::raised(ErrorKind::InvalidArgument, message);
    object(&ErrorObject::from(&error))
}

/// The plain object of an error.
pub fn object(error: &ErrorObject) -> JsValue {
    error
        .serialize(&serde_wasm_bindgen::Serializer::json_compatible())
        .expect("strings and small numbers always serialize")
}

fn kind_name(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Protocol => "protocol",
        ErrorKind::Connection => "connection",
        ErrorKind::RequestTimeout => "requestTimeout",
        ErrorKind::RetriesExceeded => "retriesExceeded",
        ErrorKind::BufferFull => "bufferFull",
        ErrorKind::TooLarge => "tooLarge",
        ErrorKind::InvalidArgument => "invalidArgument",
        ErrorKind::Unsupported => "unsupported",
        ErrorKind::Malformed => "malformed",
        ErrorKind::Closed => "closed",
        ErrorKind::NoOffset => "noOffset",
    }
}
