//! Kafka's protocol: frames, messages, API keys and their versions, error codes.
//!
//! A frame comes in without the four bytes of its length. Messages are described once, in the
//! tables of `schema/`; `build.rs` makes structs, encoders, bounded decoders and by-name views
//! from them, which are the modules of [`messages`].

mod api_key;
mod consumer_protocol;
mod error;
mod error_code;
mod frame;
mod internal_record;
mod message;
mod reader;
mod uuid;
mod view;

pub use api_key::{ApiKey, Listener};
pub use consumer_protocol::{decode_consumer_protocol, encode_consumer_protocol};
pub use error::{DecodeError, EncodeError};
pub use error_code::ErrorCode;
pub use frame::{
    FRAME_BYTES_MAX, RequestError, decode_request, decode_response, encode_request, encode_response,
};
pub use internal_record::{
    CoordinatorKey, coordinator_record_type, decode_coordinator_key, decode_coordinator_value,
    decode_metadata_record, encode_coordinator_key, encode_coordinator_value,
    encode_metadata_record,
};
pub use message::{Message, VersionRange};
pub use messages::request_header::RequestHeader;
pub use messages::{MetadataRecord, Request, Response};
pub use reader::Reader;
pub use uuid::Uuid;
pub use view::View;

/// One module a message, generated from `schema/*.table`. Names and defaults are Kafka's.
#[allow(
    missing_docs,
    clippy::collapsible_if,
    clippy::derivable_impls,
    clippy::field_reassign_with_default,
    clippy::match_single_binding,
    clippy::nonminimal_bool,
    clippy::vec_init_then_push,
    reason = "generated: the table is what is read"
)]
pub mod messages {
    use bytes::BytesMut;

    use super::ApiKey;
    use super::error::{DecodeError, EncodeError};
    use super::internal_record::CoordinatorKey;
    use super::message::Message;
    use super::reader::Reader;
    use super::view::View;

    mod prelude {
        pub use bytes::{Bytes, BytesMut};

        pub use crate::protocol::error::{DecodeError, EncodeError};
        pub(in crate::protocol) use crate::protocol::message::{Field, TaggedFields};
        pub use crate::protocol::message::{Message, VersionRange};
        pub use crate::protocol::reader::Reader;
        pub use crate::protocol::uuid::Uuid;
        pub use crate::protocol::view::View;
    }

    include!(concat!(env!("OUT_DIR"), "/messages.rs"));
}
