//! Brokers in the image.

use crate::protocol::Uuid;
use crate::protocol::messages::register_broker_record::{BrokerEndpoint, RegisterBrokerRecord};

/// A registered broker.
#[derive(Clone, Debug, PartialEq)]
pub struct BrokerImage {
    /// Chosen by the broker when it starts.
    pub incarnation_id: Uuid,
    /// The offset of its registration; a broker with an older one is fenced.
    pub epoch: i64,
    /// Where it listens.
    pub endpoints: Vec<Endpoint>,
    /// `broker.rack`.
    pub rack: Option<String>,
    /// Whether it may neither lead nor be in sync.
    pub fenced: bool,
}

/// Where a broker listens.
#[derive(Clone, Debug, PartialEq)]
pub struct Endpoint {
    /// The listener's name.
    pub name: String,
    /// The host to connect to.
    pub host: String,
    /// The port to connect to.
    pub port: u16,
    /// 0 is PLAINTEXT.
    pub security_protocol: i16,
}

impl BrokerImage {
    pub(super) fn from_record(record: &RegisterBrokerRecord) -> BrokerImage {
        let endpoints = record.end_points.iter().map(|endpoint| Endpoint {
            name: endpoint.name.clone(),
            host: endpoint.host.clone(),
            port: endpoint.port,
            security_protocol: endpoint.security_protocol,
        });
        BrokerImage {
            incarnation_id: record.incarnation_id,
            epoch: record.broker_epoch,
            endpoints: endpoints.collect(),
            rack: record.rack.clone(),
            fenced: record.fenced,
        }
    }

    /// The record that registers this broker.
    pub(in crate::metadata) fn to_record(&self, broker_id: i32) -> RegisterBrokerRecord {
        let end_points = self.endpoints.iter().map(|endpoint| BrokerEndpoint {
            name: endpoint.name.clone(),
            host: endpoint.host.clone(),
            port: endpoint.port,
            security_protocol: endpoint.security_protocol,
            ..Default::default()
        });
        RegisterBrokerRecord {
            broker_id,
            incarnation_id: self.incarnation_id,
            broker_epoch: self.epoch,
            end_points: end_points.collect(),
            rack: self.rack.clone(),
            fenced: self.fenced,
            ..Default::default()
        }
    }
}
