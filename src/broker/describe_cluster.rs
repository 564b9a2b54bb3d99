//! DescribeCluster (key 60).

use super::{Broker, Progress};
use crate::protocol::messages::describe_cluster_request::DescribeClusterRequest;
use crate::protocol::messages::describe_cluster_response::{
    DescribeClusterBroker, DescribeClusterResponse,
};
use crate::protocol::{ErrorCode, Response};

/// Brokers, the only endpoint type that clients reach (KIP-919).
const ENDPOINT_TYPE_BROKERS: i8 = 1;

pub(super) fn handle(broker: &mut Broker, request: DescribeClusterRequest) -> Progress {
    if request.endpoint_type != ENDPOINT_TYPE_BROKERS {
        return Progress::Respond(Response::DescribeCluster(DescribeClusterResponse {
            error_code: ErrorCode::MismatchedEndpointType.code(),
            endpoint_type: ENDPOINT_TYPE_BROKERS,
            ..Default::default()
        }));
    }
    let brokers = broker
        .metadata
        .image()
        .brokers()
        .filter_map(|(broker_id, node)| {
            let endpoint = node.endpoints.first()?;
            Some(DescribeClusterBroker {
                broker_id,
                host: endpoint.host.clone(),
                port: i32::from(endpoint.port),
                rack: node.rack.clone(),
                ..Default::default()
            })
        })
        .collect();
    Progress::Respond(Response::DescribeCluster(DescribeClusterResponse {
        endpoint_type: ENDPOINT_TYPE_BROKERS,
        cluster_id: broker.config.cluster_id.clone(),
        controller_id: broker.node_id(),
        brokers,
        ..Default::default()
    }))
}
