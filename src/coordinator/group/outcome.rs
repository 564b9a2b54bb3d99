//! What goes into a shard and what comes out of it.

use bytes::Bytes;

use crate::protocol::messages::join_group_response::JoinGroupResponse;
use crate::protocol::messages::sync_group_response::SyncGroupResponse;
use crate::protocol::{Request, Response};

/// What one event made of a shard.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Records to append, in this order and as one batch, to the shard's partition.
    pub append: Vec<CoordinatorRecord>,
    /// Answers, each to be sent when everything appended up to and including this outcome is
    /// durable. Reads obey the same rule, so that nobody sees what a crash may take back.
    pub replies: Vec<(RequestId, Response)>,
}

/// One record of `__consumer_offsets`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoordinatorRecord {
    /// The key, which begins with its type.
    pub key: Bytes,
    /// The value, which begins with its version; `None` is a tombstone.
    pub value: Option<Bytes>,
}

/// The broker's name for a request that awaits its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RequestId(pub u64);

/// A request for a group of this shard.
#[derive(Clone, Debug)]
pub struct GroupRequest {
    /// Under which the answer comes back.
    pub id: RequestId,
    /// The API version of the request, which decides the shape and some errors of the answer.
    pub version: i16,
    /// The client id of the request header; member ids begin with it.
    pub client_id: String,
    /// The client's address, as DescribeGroups shows it; Kafka writes `/127.0.0.1`.
    pub client_host: String,
    /// The request. Only the APIs of groups and their offsets are served.
    pub body: Request,
}

/// A JoinGroup or SyncGroup whose answer waits for other members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Parked {
    pub request: RequestId,
    pub version: i16,
}

impl Outcome {
    /// Answers `request`.
    pub(super) fn reply(&mut self, request: RequestId, response: Response) {
        self.replies.push((request, response));
    }

    pub(super) fn reply_join(&mut self, parked: Parked, mut response: JoinGroupResponse) {
        // Null came with version 7 (KIP-559).
        if parked.version < 7 && response.protocol_name.is_none() {
            response.protocol_name = Some(String::new());
        }
        self.reply(parked.request, Response::JoinGroup(response));
    }

    pub(super) fn reply_sync(&mut self, parked: Parked, response: SyncGroupResponse) {
        self.reply(parked.request, Response::SyncGroup(response));
    }
}
