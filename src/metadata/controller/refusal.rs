//! Why one item of a request is refused.

pub(super) use crate::distinct::repeated;
use crate::protocol::ErrorCode;

/// Why one item of a request is refused, with Kafka's message.
pub(super) type Refusal = (ErrorCode, String);
