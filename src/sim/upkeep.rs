//! What a life of the broker asks of its controller of its own accord, and how much it may.

use super::node::Side;
use crate::machine::Event;
use crate::protocol::{
    ApiKey, ErrorCode, Request, Response, Uuid, decode_request, decode_response,
};
use crate::storage::{Reserve, StorageReply, StorageRequest};
use bytes::Bytes;
use std::collections::{BTreeSet, VecDeque};

/// Bytes that an append to a partition takes of the request that asks for it, at least: those of
/// the header of a batch.
const APPEND_BYTES_MIN: usize = 61;
/// Bytes of an AlterPartition request without its partitions, and for each of them (with its topic).
const ALTER_BYTES_MAX: usize = 100;
const ALTER_PARTITION_BYTES_MAX: usize = 60;

/// A partition that a request names.
type Named = (Uuid, i32);

/// What a life of the broker asks of its controller of its own accord.
///
/// It registers when it starts, when it has lost the controller, and when that could not write the
/// registration. After a failed commit it has the leader epochs raised of what is rolled back, which
/// is no more than was appended since the last commit that was stored: all in one request, and each
/// once until something is stored again, since nothing of it was shown meanwhile.
#[derive(Debug)]
pub struct Upkeep {
    /// Requests under way, with their versions and the partitions that they name.
    open: VecDeque<(ApiKey, i16, Vec<Named>)>,
    registrations_left: u64,
    raises_left: u64,
    /// Partitions whose epochs were to be raised since the last commit that was stored.
    raised: BTreeSet<Named>,
    /// Appends that each commit under way holds, at most.
    committing: VecDeque<u64>,
    /// Appends since.
    appended: u64,
    /// Partitions that any event may append to, of its own accord: those of `__consumer_offsets`.
    appends_of_event: u64,
}

impl Upkeep {
    /// Of a broker that starts.
    pub fn new(offsets_partitions: i32) -> Upkeep {
        Upkeep {
            open: VecDeque::new(),
            registrations_left: 1,
            raises_left: 0,
            raised: BTreeSet::new(),
            committing: VecDeque::new(),
            appended: 0,
            appends_of_event: u64::from(offsets_partitions.unsigned_abs()),
        }
    }

    /// A machine of the node is about to handle an event.
    pub fn hears(&mut self, side: Side, event: &Event) {
        if side == Side::Controller {
            return;
        }
        self.appended += self.appends_of_event;
        match event {
            Event::Request { frame, .. } => {
                self.appended += (frame.len() / APPEND_BYTES_MIN) as u64;
            }
            Event::Reply { frame, .. } => self.answered(frame),
            Event::PeerLost { .. } => {
                self.registrations_left += 1;
                for (_, _, named) in std::mem::take(&mut self.open) {
                    self.may_raise(&named);
                }
            }
            Event::Storage(StorageReply::Committed { result, .. }) => {
                let held = self.committing.pop_front().unwrap_or_default();
                if result.is_ok() {
                    self.raised.clear();
                } else {
                    let behind: u64 = self.committing.iter().sum();
                    self.raises_left += held + behind + self.appended;
                }
            }
            _ => {}
        }
    }

    /// A partition of the broker has stopped: what it offered before is rolled back, too.
    pub fn partition_stopped(&mut self) {
        self.raises_left += 1;
        self.raised.clear();
    }

    /// The broker asks its storage for something.
    pub fn stores(&mut self, side: Side, request: &StorageRequest) {
        if side == Side::Broker
            && let StorageRequest::Commit { batch, .. } = request
        {
            self.committing.push_back(self.appended);
            // What may use the reserve goes without the records of clients, which wait on.
            if batch.reserve == Reserve::None {
                self.appended = 0;
            }
        }
    }

    /// The broker asks the controller. Error: it asks for too much.
    pub fn asks(&mut self, frame: &Bytes) -> Result<(), String> {
        let (header, request) =
            decode_request(frame.clone()).map_err(|error| format!("{error:?}"))?;
        let api_key = request.api_key();
        let mut named = Vec::new();
        match &request {
            Request::BrokerRegistration(_) => {
                let left = self.registrations_left.checked_sub(1);
                self.registrations_left =
                    left.ok_or("the broker registers again, and nothing has come between")?;
            }
            Request::AlterPartition(request) => {
                let topics = request.topics.iter();
                let all = topics.flat_map(|topic| {
                    let partitions = topic.partitions.iter();
                    partitions.map(|it| (topic.topic_id, it.partition_index))
                });
                named.extend(all);
                let count = named.len();
                let bytes_max = ALTER_BYTES_MAX + count * ALTER_PARTITION_BYTES_MAX;
                if frame.len() > bytes_max {
                    let bytes = frame.len();
                    return Err(format!("{bytes} bytes to raise {count} leader epochs"));
                }
                let left = self.raises_left;
                self.raises_left = left.checked_sub(count as u64).ok_or_else(|| {
                    format!("{count} leader epochs are to be raised: {left} can be rolled back")
                })?;
                for partition in &named {
                    if !self.raised.insert(*partition) {
                        return Err(format!(
                            "the leader epoch of {partition:?} is to be raised again, and nothing \
                             was stored since"
                        ));
                    }
                }
            }
            _ => {}
        }
        let own = matches!(api_key, ApiKey::BrokerRegistration | ApiKey::AlterPartition);
        if own && self.open.iter().any(|(open, ..)| *open == api_key) {
            return Err(format!("two {} requests at a time", api_key.name()));
        }
        let version = header.request_api_version;
        self.open.push_back((api_key, version, named));
        Ok(())
    }

    /// What was not done may be asked for again.
    fn answered(&mut self, frame: &Bytes) {
        let Some((api_key, version, named)) = self.open.pop_front() else {
            return;
        };
        let error = match decode_response(api_key, version, frame.clone()) {
            Ok((_, Response::BrokerRegistration(response))) => response.error_code,
            Ok((_, Response::AlterPartition(response))) => {
                let partitions = response.topics.iter().flat_map(|it| &it.partitions);
                let mut errors = partitions.map(|it| it.error_code).filter(|code| *code != 0);
                match response.error_code {
                    0 => errors.next().unwrap_or_default(),
                    error => error,
                }
            }
            _ => return,
        };
        if error != ErrorCode::None.code() {
            match api_key {
                ApiKey::BrokerRegistration => self.registrations_left += 1,
                _ => self.may_raise(&named),
            }
        }
    }

    fn may_raise(&mut self, again: &[Named]) {
        self.raises_left += again.len() as u64;
        for partition in again {
            self.raised.remove(partition);
        }
    }
}
