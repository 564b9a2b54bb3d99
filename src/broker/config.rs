//! What a broker is told at its start.

use crate::coordinator::group::{GROUP_MEMBERS_MAX, GroupConfig};
use crate::log::{LogLimits, MaintenanceConfig};
use crate::metadata::configs::BrokerConfigs;
use crate::metadata::{Endpoint, Registration};
use crate::protocol::Uuid;

/// A broker's own settings.
#[derive(Clone, Debug)]
pub struct BrokerConfig {
    /// Told to clients in Metadata.
    pub cluster_id: String,
    /// The host under which clients reach this broker (`advertised.listeners`).
    pub advertised_host: String,
    /// The port under which clients reach this broker.
    pub advertised_port: u16,
    /// Everything that Kafka has a name for.
    pub configs: BrokerConfigs,
    /// Sizes of its logs.
    pub log_limits: LogLimits,
}

impl Default for BrokerConfig {
    fn default() -> Self {
        BrokerConfig {
            cluster_id: "tablog".to_owned(),
            advertised_host: "localhost".to_owned(),
            advertised_port: 9092,
            configs: BrokerConfigs::default(),
            log_limits: LogLimits::default(),
        }
    }
}

impl BrokerConfig {
    /// How this broker introduces itself to the controller.
    pub(super) fn registration(&self, incarnation_id: Uuid) -> Registration {
        Registration {
            node_id: self.configs.node_id(),
            cluster_id: self.cluster_id.clone(),
            incarnation_id,
            endpoints: vec![Endpoint {
                name: "PLAINTEXT".to_owned(),
                host: self.advertised_host.clone(),
                port: self.advertised_port,
                security_protocol: 0,
            }],
            rack: None,
        }
    }

    /// When its logs are looked at.
    pub(super) fn maintenance_config(&self) -> MaintenanceConfig {
        MaintenanceConfig {
            retention_check_interval_ms: self.configs.log_retention_check_interval_ms(),
            cleaner_backoff_ms: self.configs.log_cleaner_backoff_ms(),
        }
    }

    /// The group coordinators' part of the settings.
    pub fn group_config(&self) -> GroupConfig {
        let configs = &self.configs;
        GroupConfig {
            group_initial_rebalance_delay_ms: configs.group_initial_rebalance_delay_ms().max(0)
                as u64,
            group_min_session_timeout_ms: configs.group_min_session_timeout_ms(),
            group_max_session_timeout_ms: configs.group_max_session_timeout_ms(),
            offset_metadata_max_bytes: configs.offset_metadata_max_bytes().max(0) as usize,
            offsets_retention_ms: i64::from(configs.offsets_retention_minutes()) * 60_000,
            offsets_retention_check_interval_ms: configs
                .offsets_retention_check_interval_ms()
                .max(1) as u64,
            group_max_size: (configs.group_max_size().max(1) as usize).min(GROUP_MEMBERS_MAX),
            ..GroupConfig::default()
        }
    }
}
