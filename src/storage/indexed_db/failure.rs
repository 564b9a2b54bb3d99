//! What an exception of IndexedDB means.

use crate::storage::StorageError;
use indexed_db_futures::error::{Error, OpenDbError};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::DomException;

/// Why an operation on one connection did not succeed.
#[derive(Debug)]
pub(super) enum Failure {
    /// The connection is of no use any more, and the operation had no effect.
    Lost(String),
    /// The connection is of no use any more, and nobody knows whether the operation had its effect.
    Unknown(String),
    /// Another connection would not help.
    Storage(StorageError),
}

impl Failure {
    /// The same failure of a transaction that had been under way.
    pub(super) fn midway(self) -> Failure {
        match self {
            Failure::Lost(why) => Failure::Unknown(why),
            known => known,
        }
    }
}

impl From<DomException> for Failure {
    fn from(exception: DomException) -> Failure {
        let name = exception.name();
        let why = format!("{name}: {}", exception.message());
        match name.as_str() {
            "VersionError" => Failure::Storage(StorageError::TooNew),
            "QuotaExceededError" => Failure::Storage(StorageError::Quota),
            // InvalidStateError: the handle is closing or closed. UnknownError: Chromium cannot
            // open its backing store, or WebKit has lost its database process ("Connection to
            // Indexed Database server lost"). AbortError: the browser closed the connection.
            "InvalidStateError"
            | "UnknownError"
            | "AbortError"
            | "TransactionInactiveError"
            | "TimeoutError" => Failure::Lost(why),
            _ => Failure::Storage(StorageError::Failed(why)),
        }
    }
}

impl From<JsValue> for Failure {
    fn from(thrown: JsValue) -> Failure {
        match thrown.dyn_into::<DomException>() {
            Ok(exception) => exception.into(),
            Err(other) => Failure::Storage(StorageError::Failed(
                match other.dyn_into::<js_sys::Error>() {
                    Ok(error) => String::from(error.to_string()),
                    Err(value) => format!("{value:?} was thrown"),
                },
            )),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        match error {
            Error::DomException(exception) => DomException::from(exception).into(),
            other => Failure::Storage(StorageError::Failed(other.to_string())),
        }
    }
}

impl From<OpenDbError> for Failure {
    fn from(error: OpenDbError) -> Failure {
        match error {
            OpenDbError::Base(error) => error.into(),
            // So the crate calls whatever open() throws, and the version is never zero. Browsers
            // throw where they deny storage, as for blocked cookies or in some private windows.
            OpenDbError::VersionZero => Failure::Storage(StorageError::Failed(
                "the browser denies the use of IndexedDB here".to_owned(),
            )),
            other => Failure::Storage(StorageError::Failed(other.to_string())),
        }
    }
}

impl From<StorageError> for Failure {
    fn from(error: StorageError) -> Failure {
        Failure::Storage(error)
    }
}
