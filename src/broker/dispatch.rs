//! From a frame to its handler, and from a response to a frame.

use super::connections::{RequestContext, RequestToken};
use super::delayed::Delayed;
use super::{
    Broker, Progress, api_versions, delete_records, describe_cluster, describe_configs, fetch,
    groups, init_producer_id, list_offsets, metadata, offset_for_leader_epoch, produce,
};
use crate::machine::{Answer, ConnectionId, Next};
use crate::now::Now;
use crate::protocol::{self, ApiKey, Request, RequestError, Response};
use bytes::Bytes;

impl Broker {
    /// Takes a request frame, which may have to wait.
    pub(super) fn receive(&mut self, now: Now, connection: ConnectionId, frame: Bytes) {
        match self.connections.arrive(connection, frame) {
            Ok(Some(frame)) => self.request(now, connection, frame),
            Ok(None) => {}
            Err(open) => self.abandon_all(open),
        }
    }

    /// Goes on with a request that has waited on its connection. False when none may.
    pub(super) fn go_on(&mut self, now: Now) -> bool {
        match self.connections.next() {
            Some(Next::Start(connection, frame)) => self.request(now, connection, frame),
            Some(Next::GoOn(number)) => self.go_on_reading(now, RequestToken(number)),
            None => return false,
        }
        true
    }

    /// Starts a request. A frame that cannot be understood ends its connection, as in Kafka.
    fn request(&mut self, now: Now, connection: ConnectionId, frame: Bytes) {
        match protocol::decode_request(frame) {
            Ok((header, request)) => {
                let context = self.connections.begin(
                    connection,
                    request.api_key(),
                    header.request_api_version,
                    header.correlation_id,
                    header.client_id.unwrap_or_default(),
                );
                match self.purgatory.has_room() {
                    true => {
                        let progress = self.dispatch(now, &context, request);
                        self.settle_request(context.token, progress);
                    }
                    false => self.close(connection),
                }
            }
            Err(RequestError::UnsupportedVersion {
                api_key: ApiKey::ApiVersions,
                header,
            }) => {
                let context = self.connections.begin(
                    connection,
                    ApiKey::ApiVersions,
                    0,
                    header.correlation_id,
                    header.client_id.unwrap_or_default(),
                );
                self.respond(context.token, &api_versions::unsupported());
            }
            Err(_) => self.close(connection),
        }
    }

    pub(super) fn dispatch(
        &mut self,
        now: Now,
        context: &RequestContext,
        request: Request,
    ) -> Progress {
        match request {
            Request::ApiVersions(request) => api_versions::handle(context, request),
            Request::Metadata(request) => metadata::handle(self, context, request),
            Request::DescribeCluster(request) => describe_cluster::handle(self, request),
            Request::DescribeConfigs(request) => describe_configs::handle(self, request),
            Request::Produce(request) => produce::handle(self, now, context, request),
            Request::Fetch(request) => fetch::handle(self, now, context.api_version, request),
            Request::ListOffsets(request) => list_offsets::handle(self, context, request),
            Request::OffsetForLeaderEpoch(request) => {
                offset_for_leader_epoch::handle(self, request)
            }
            Request::DeleteRecords(request) => delete_records::handle(self, now, request),
            Request::InitProducerId(request) => init_producer_id::handle(self, now, request),
            Request::FindCoordinator(request) => groups::find_coordinator(self, context, request),
            Request::CreateTopics(_)
            | Request::DeleteTopics(_)
            | Request::CreatePartitions(_)
            | Request::AlterConfigs(_)
            | Request::IncrementalAlterConfigs(_)
            | Request::UnregisterBroker(_) => self.forward(context, request),
            Request::JoinGroup(_)
            | Request::SyncGroup(_)
            | Request::Heartbeat(_)
            | Request::LeaveGroup(_)
            | Request::OffsetCommit(_)
            | Request::OffsetFetch(_)
            | Request::OffsetDelete(_)
            | Request::DescribeGroups(_)
            | Request::ListGroups(_)
            | Request::DeleteGroups(_) => groups::handle(self, now, context, request),
            // Decodable because peers speak it, but not advertised to clients.
            _ => Progress::Close,
        }
    }

    /// Sends an answer in its turn.
    pub(super) fn respond(&mut self, token: RequestToken, response: &Response) {
        let Some(context) = self.connections.context(token) else {
            return;
        };
        let frame = protocol::encode_response(
            context.api_key,
            context.api_version,
            context.correlation_id,
            response,
        );
        // A field that this version cannot carry is a defect of a handler; the client learns of
        // it by the end of the connection instead of waiting for ever.
        let answer = frame.map_or(Answer::Close, Answer::Frame);
        debug_assert!(
            matches!(answer, Answer::Frame(_)),
            "unencodable {response:?}"
        );
        self.end(token, answer);
    }

    /// Starts a request over whose topics have been created meanwhile.
    pub(super) fn start_over(&mut self, now: Now, token: RequestToken, request: Request) {
        if let Some(context) = self.connections.context(token).cloned() {
            let progress = match request {
                Request::FindCoordinator(request) => groups::coordinators(self, &context, request),
                request => self.dispatch(now, &context, request),
            };
            self.settle_request(token, progress);
        }
    }

    fn close(&mut self, connection: ConnectionId) {
        let open = self.connections.close(connection);
        self.abandon_all(open);
    }

    /// Takes a request out of the purgatory that waits for the controller.
    pub(super) fn take_forwarded(&mut self, token: RequestToken) -> Option<Delayed> {
        self.purgatory.take(token).map(|parked| parked.operation)
    }
}
