use super::message::VersionRange;

/// Defines [`ApiKey`] from one line an API: number, name, the versions that we offer, who listens.
macro_rules! api_keys {
    ($($number:literal $name:ident $min:literal..=$max:literal $listener:ident)*) => {
        /// An API that is served: what a request asks for.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(i16)]
        #[allow(missing_docs)]
        pub enum ApiKey {
            $($name = $number,)*
        }

        impl ApiKey {
            /// Every API, by number.
            pub const ALL: &[ApiKey] = &[$(ApiKey::$name,)*];

            /// The API of a number on the wire; `None` when it is not served.
            pub const fn from_code(code: i16) -> Option<ApiKey> {
                match code {
                    $($number => Some(ApiKey::$name),)*
                    _ => None,
                }
            }

            /// Kafka's name of the API.
            pub const fn name(self) -> &'static str {
                match self {
                    $(ApiKey::$name => stringify!($name),)*
                }
            }

            /// The versions that ApiVersions offers. Requests in any other are not decoded.
            pub const fn versions(self) -> VersionRange {
                match self {
                    $(ApiKey::$name => VersionRange { min: $min, max: $max },)*
                }
            }

            /// Who serves the API.
            pub const fn listener(self) -> Listener {
                match self {
                    $(ApiKey::$name => Listener::$listener,)*
                }
            }
        }
    };
}

// The ranges are those of Apache Kafka 4.3.1 (tests/protocol/recorded.rs compares), but for
// - Produce 12, AddPartitionsToTxn 4 and 5, EndTxn 5, TxnOffsetCommit 5: transactions of version 2
//   (KIP-890), and the batch that brokers send,
// - Produce 13, OffsetCommit 10, OffsetFetch 10: topics by id alone (KIP-516, KIP-848),
// - Fetch 18: what a follower knows of the high watermark (KIP-1166),
// - ListOffsets 10 and 11: timestamps of tiered storage (KIP-1005, KIP-1023),
// - Metadata 13: the error that asks a client to bootstrap again (KIP-1102).
// Produce begins at 0 because librdkafka offers compression only where Produce 0 is offered
// (KAFKA-18659); versions 0 to 2 are refused all the same, as in Kafka.
// KafkaJS looks at the maximum alone, so no minimum may exceed what it can send.
api_keys! {
    0  Produce                 0..=11 Broker
    1  Fetch                   4..=17 Broker
    2  ListOffsets             1..=9  Broker
    3  Metadata                0..=12 Broker
    8  OffsetCommit            2..=9  Broker
    9  OffsetFetch             1..=9  Broker
    10 FindCoordinator         0..=6  Broker
    11 JoinGroup               0..=9  Broker
    12 Heartbeat               0..=4  Broker
    13 LeaveGroup              0..=5  Broker
    14 SyncGroup               0..=5  Broker
    15 DescribeGroups          0..=6  Broker
    16 ListGroups              0..=5  Broker
    18 ApiVersions             0..=4  Both
    19 CreateTopics            2..=7  Both
    20 DeleteTopics            1..=6  Both
    21 DeleteRecords           0..=2  Broker
    22 InitProducerId          0..=5  Broker
    23 OffsetForLeaderEpoch    2..=4  Broker
    24 AddPartitionsToTxn      0..=3  Broker
    25 AddOffsetsToTxn         0..=4  Broker
    26 EndTxn                  0..=4  Broker
    27 WriteTxnMarkers         1..=2  Broker
    28 TxnOffsetCommit         0..=4  Broker
    32 DescribeConfigs         1..=4  Both
    33 AlterConfigs            0..=2  Both
    37 CreatePartitions        0..=3  Both
    42 DeleteGroups            0..=2  Broker
    44 IncrementalAlterConfigs 0..=1  Both
    47 OffsetDelete            0..=0  Broker
    56 AlterPartition          2..=3  Controller
    60 DescribeCluster         0..=2  Both
    62 BrokerRegistration      0..=4  Controller
    63 BrokerHeartbeat         0..=2  Controller
    64 UnregisterBroker        0..=0  Both
    67 AllocateProducerIds     0..=0  Controller
}

/// Who serves an API: Kafka's `listeners`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listener {
    /// Brokers, for clients and other brokers.
    Broker,
    /// The controller, for brokers.
    Controller,
    /// Both; a broker forwards what changes metadata.
    Both,
}

impl ApiKey {
    /// The number on the wire.
    pub const fn code(self) -> i16 {
        self as i16
    }

    /// Whether `version` has compact lengths and tagged fields (KIP-482).
    pub const fn is_flexible(self, version: i16) -> bool {
        match self.flexible_from() {
            Some(from) => version >= from,
            None => false,
        }
    }

    /// The version of the header before a request of `version`.
    pub const fn request_header_version(self, version: i16) -> i16 {
        if self.is_flexible(version) { 2 } else { 1 }
    }

    /// The version of the header before a response of `version`. ApiVersions always has the old
    /// one: its client does not know yet what the broker speaks (KIP-511).
    pub const fn response_header_version(self, version: i16) -> i16 {
        match self {
            ApiKey::ApiVersions => 0,
            _ if self.is_flexible(version) => 1,
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_keys_belong_together() {
        for &api_key in ApiKey::ALL {
            assert_eq!(ApiKey::from_code(api_key.code()), Some(api_key));
        }
        assert_eq!(ApiKey::from_code(17), None);
        assert_eq!(ApiKey::from_code(-1), None);
    }

    #[test]
    fn kafkajs_finds_a_version_that_it_can_send() {
        // KafkaJS 2.2.4, src/protocol/requests.
        let versions_max = [
            (ApiKey::Produce, 7),
            (ApiKey::Fetch, 11),
            (ApiKey::ListOffsets, 3),
            (ApiKey::Metadata, 6),
            (ApiKey::OffsetCommit, 5),
            (ApiKey::OffsetFetch, 4),
            (ApiKey::FindCoordinator, 2),
            (ApiKey::JoinGroup, 5),
            (ApiKey::Heartbeat, 3),
            (ApiKey::LeaveGroup, 3),
            (ApiKey::SyncGroup, 3),
            (ApiKey::DescribeGroups, 2),
            (ApiKey::ListGroups, 2),
            (ApiKey::ApiVersions, 2),
            (ApiKey::CreateTopics, 3),
            (ApiKey::DeleteTopics, 1),
            (ApiKey::DeleteRecords, 1),
            (ApiKey::InitProducerId, 1),
            (ApiKey::AddPartitionsToTxn, 1),
            (ApiKey::AddOffsetsToTxn, 1),
            (ApiKey::EndTxn, 1),
            (ApiKey::TxnOffsetCommit, 1),
            (ApiKey::DescribeConfigs, 2),
            (ApiKey::AlterConfigs, 1),
            (ApiKey::CreatePartitions, 1),
            (ApiKey::DeleteGroups, 1),
        ];
        for (api_key, version) in versions_max {
            assert!(
                api_key.versions().contains(version),
                "{api_key:?} {version}"
            );
        }
    }

    #[test]
    fn headers_are_new_in_flexible_versions_but_for_the_response_to_api_versions() {
        assert_eq!(ApiKey::Metadata.request_header_version(8), 1);
        assert_eq!(ApiKey::Metadata.request_header_version(9), 2);
        assert_eq!(ApiKey::Metadata.response_header_version(8), 0);
        assert_eq!(ApiKey::Metadata.response_header_version(9), 1);
        assert_eq!(ApiKey::ApiVersions.request_header_version(3), 2);
        assert_eq!(ApiKey::ApiVersions.response_header_version(3), 0);
        assert_eq!(ApiKey::OffsetDelete.request_header_version(0), 1);
        assert_eq!(ApiKey::OffsetDelete.response_header_version(0), 0);
    }
}
