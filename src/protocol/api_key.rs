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

// The ranges are those of Apache Kafka 4.3.1, with these differences:
// - Produce ends at 11 and TxnOffsetCommit, AddOffsetsToTxn and EndTxn at 4: beyond lie
//   transactions of version 2 (KIP-890), which a client uses only when the feature is finalized,
//   and topic ids in Produce (KIP-516).
// - AddPartitionsToTxn ends at 3: 4 is the batch that brokers send (KIP-890).
// - OffsetCommit and OffsetFetch end at 9: 10 names topics by id only (KIP-848).
// - Produce begins at 0, as in Kafka (KAFKA-18659): librdkafka offers compression only where
//   Produce 0 is offered. Versions 0 to 2 are refused all the same, as in Kafka.
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
