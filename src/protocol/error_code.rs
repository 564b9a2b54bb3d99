use std::error::Error;
use std::fmt;

/// Defines [`ErrorCode`] from one line a code: number, variant, Kafka's name, whether the same
/// request may succeed later, what it means.
macro_rules! error_codes {
    ($($code:literal $variant:ident $name:ident $retry:ident $message:literal)*) => {
        /// Kafka's error codes, as in its class `Errors`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(i16)]
        pub enum ErrorCode {
            $(#[doc = $message] $variant = $code,)*
        }

        impl ErrorCode {
            /// Every code, by number.
            pub const ALL: &[ErrorCode] = &[$(ErrorCode::$variant,)*];

            /// The error of a number on the wire. One that this table does not have is
            /// [`ErrorCode::UnknownServerError`], as in Kafka.
            pub const fn from_code(code: i16) -> ErrorCode {
                match code {
                    $($code => ErrorCode::$variant,)*
                    _ => ErrorCode::UnknownServerError,
                }
            }

            /// Kafka's name, such as `UNKNOWN_TOPIC_OR_PARTITION`.
            pub const fn name(self) -> &'static str {
                match self {
                    $(ErrorCode::$variant => stringify!($name),)*
                }
            }

            /// Whether the same request may succeed later (Kafka's `RetriableException`).
            pub const fn retriable(self) -> bool {
                match self {
                    $(ErrorCode::$variant => error_codes!(@$retry),)*
                }
            }

            /// What it means, as part of a sentence.
            pub const fn message(self) -> &'static str {
                match self {
                    $(ErrorCode::$variant => $message,)*
                }
            }
        }
    };
    (@retriable) => { true };
    (@fatal) => { false };
}

impl ErrorCode {
    /// The number on the wire.
    pub const fn code(self) -> i16 {
        self as i16
    }

    /// `Ok` for [`ErrorCode::None`], otherwise the error.
    pub fn into_result(self) -> Result<(), ErrorCode> {
        match self {
            ErrorCode::None => Ok(()),
            error => Err(error),
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

impl Error for ErrorCode {}

error_codes! {
    -1 UnknownServerError UNKNOWN_SERVER_ERROR fatal "the broker met an error that it did not expect"
    0 None NONE fatal "no error"
    1 OffsetOutOfRange OFFSET_OUT_OF_RANGE fatal "the offset is outside the range that the broker keeps"
    2 CorruptMessage CORRUPT_MESSAGE retriable "the record batch is corrupt: its CRC, its size or its content is wrong"
    3 UnknownTopicOrPartition UNKNOWN_TOPIC_OR_PARTITION retriable "the broker does not host this topic or partition"
    4 InvalidFetchSize INVALID_FETCH_SIZE fatal "the requested fetch size is invalid"
    5 LeaderNotAvailable LEADER_NOT_AVAILABLE retriable "the partition has no leader at the moment"
    6 NotLeaderOrFollower NOT_LEADER_OR_FOLLOWER retriable "this broker is not the leader, or no replica, of the partition"
    7 RequestTimedOut REQUEST_TIMED_OUT retriable "the request timed out"
    8 BrokerNotAvailable BROKER_NOT_AVAILABLE fatal "the broker is not available"
    9 ReplicaNotAvailable REPLICA_NOT_AVAILABLE retriable "this broker has no replica of the partition"
    10 MessageTooLarge MESSAGE_TOO_LARGE fatal "the records are larger than the broker accepts"
    11 StaleControllerEpoch STALE_CONTROLLER_EPOCH fatal "the controller has moved to another broker"
    12 OffsetMetadataTooLarge OFFSET_METADATA_TOO_LARGE fatal "the metadata of the committed offset is too large"
    13 NetworkException NETWORK_EXCEPTION retriable "the connection broke before the response came"
    14 CoordinatorLoadInProgress COORDINATOR_LOAD_IN_PROGRESS retriable "the coordinator is loading its state"
    15 CoordinatorNotAvailable COORDINATOR_NOT_AVAILABLE retriable "the coordinator is not available"
    16 NotCoordinator NOT_COORDINATOR retriable "this broker is not the coordinator"
    17 InvalidTopicException INVALID_TOPIC_EXCEPTION fatal "the topic name is invalid, or the topic may not be used this way"
    18 RecordListTooLarge RECORD_LIST_TOO_LARGE fatal "the record batch is larger than a segment"
    19 NotEnoughReplicas NOT_ENOUGH_REPLICAS retriable "fewer replicas are in sync than the topic requires"
    20 NotEnoughReplicasAfterAppend NOT_ENOUGH_REPLICAS_AFTER_APPEND retriable "the records were written, to fewer in-sync replicas than the topic requires"
    21 InvalidRequiredAcks INVALID_REQUIRED_ACKS fatal "the requested acks are none of -1, 0 and 1"
    22 IllegalGeneration ILLEGAL_GENERATION fatal "the generation of the group is another one"
    23 InconsistentGroupProtocol INCONSISTENT_GROUP_PROTOCOL fatal "the member supports no protocol of the group"
    24 InvalidGroupId INVALID_GROUP_ID fatal "the group id is invalid"
    25 UnknownMemberId UNKNOWN_MEMBER_ID fatal "the coordinator does not know this member"
    26 InvalidSessionTimeout INVALID_SESSION_TIMEOUT fatal "the session timeout is outside the range that the broker allows"
    27 RebalanceInProgress REBALANCE_IN_PROGRESS fatal "the group is rebalancing, so the member must join again"
    28 InvalidCommitOffsetSize INVALID_COMMIT_OFFSET_SIZE fatal "the committed offset's data is too large"
    29 TopicAuthorizationFailed TOPIC_AUTHORIZATION_FAILED fatal "access to the topic is denied"
    30 GroupAuthorizationFailed GROUP_AUTHORIZATION_FAILED fatal "access to the group is denied"
    31 ClusterAuthorizationFailed CLUSTER_AUTHORIZATION_FAILED fatal "access to the cluster is denied"
    32 InvalidTimestamp INVALID_TIMESTAMP fatal "the timestamp of a record is out of the allowed range"
    33 UnsupportedSaslMechanism UNSUPPORTED_SASL_MECHANISM fatal "the broker does not support this SASL mechanism"
    34 IllegalSaslState ILLEGAL_SASL_STATE fatal "the request does not fit the state of the SASL exchange"
    35 UnsupportedVersion UNSUPPORTED_VERSION fatal "the broker does not support this version of the request"
    36 TopicAlreadyExists TOPIC_ALREADY_EXISTS fatal "a topic of this name exists already"
    37 InvalidPartitions INVALID_PARTITIONS fatal "the number of partitions is invalid"
    38 InvalidReplicationFactor INVALID_REPLICATION_FACTOR fatal "the replication factor is below 1 or above the number of brokers"
    39 InvalidReplicaAssignment INVALID_REPLICA_ASSIGNMENT fatal "the assignment of replicas is invalid"
    40 InvalidConfig INVALID_CONFIG fatal "the configuration is invalid"
    41 NotController NOT_CONTROLLER retriable "this broker is not the controller"
    42 InvalidRequest INVALID_REQUEST fatal "the request is invalid"
    43 UnsupportedForMessageFormat UNSUPPORTED_FOR_MESSAGE_FORMAT fatal "the format of the stored records does not support the request"
    44 PolicyViolation POLICY_VIOLATION fatal "the request does not satisfy the broker's policy"
    45 OutOfOrderSequenceNumber OUT_OF_ORDER_SEQUENCE_NUMBER fatal "a sequence number of the producer is missing"
    46 DuplicateSequenceNumber DUPLICATE_SEQUENCE_NUMBER fatal "the sequence number was seen before"
    47 InvalidProducerEpoch INVALID_PRODUCER_EPOCH fatal "the producer's epoch is old"
    48 InvalidTxnState INVALID_TXN_STATE fatal "the transaction is in a state that does not allow this"
    49 InvalidProducerIdMapping INVALID_PRODUCER_ID_MAPPING fatal "the producer id does not belong to this transactional id"
    50 InvalidTransactionTimeout INVALID_TRANSACTION_TIMEOUT fatal "the transaction timeout is larger than the broker allows"
    51 ConcurrentTransactions CONCURRENT_TRANSACTIONS retriable "another operation on the same transaction is going on"
    52 TransactionCoordinatorFenced TRANSACTION_COORDINATOR_FENCED fatal "the transaction coordinator has been replaced by a newer one"
    53 TransactionalIdAuthorizationFailed TRANSACTIONAL_ID_AUTHORIZATION_FAILED fatal "access to the transactional id is denied"
    54 SecurityDisabled SECURITY_DISABLED fatal "security is not enabled"
    55 OperationNotAttempted OPERATION_NOT_ATTEMPTED fatal "the operation was not attempted, because of an earlier one in the request"
    56 KafkaStorageError KAFKA_STORAGE_ERROR retriable "the storage failed"
    57 LogDirNotFound LOG_DIR_NOT_FOUND fatal "the log directory is not configured"
    58 SaslAuthenticationFailed SASL_AUTHENTICATION_FAILED fatal "the SASL authentication failed"
    59 UnknownProducerId UNKNOWN_PRODUCER_ID fatal "the broker knows nothing of this producer id"
    60 ReassignmentInProgress REASSIGNMENT_IN_PROGRESS fatal "the partition is being reassigned already"
    61 DelegationTokenAuthDisabled DELEGATION_TOKEN_AUTH_DISABLED fatal "delegation tokens are not enabled"
    62 DelegationTokenNotFound DELEGATION_TOKEN_NOT_FOUND fatal "the delegation token does not exist"
    63 DelegationTokenOwnerMismatch DELEGATION_TOKEN_OWNER_MISMATCH fatal "the principal is neither owner nor renewer of the delegation token"
    64 DelegationTokenRequestNotAllowed DELEGATION_TOKEN_REQUEST_NOT_ALLOWED fatal "delegation token requests are not allowed on this connection"
    65 DelegationTokenAuthorizationFailed DELEGATION_TOKEN_AUTHORIZATION_FAILED fatal "access to the delegation token is denied"
    66 DelegationTokenExpired DELEGATION_TOKEN_EXPIRED fatal "the delegation token has expired"
    67 InvalidPrincipalType INVALID_PRINCIPAL_TYPE fatal "the type of the principal is not supported"
    68 NonEmptyGroup NON_EMPTY_GROUP fatal "the group has members"
    69 GroupIdNotFound GROUP_ID_NOT_FOUND fatal "the group does not exist"
    70 FetchSessionIdNotFound FETCH_SESSION_ID_NOT_FOUND retriable "the fetch session does not exist"
    71 InvalidFetchSessionEpoch INVALID_FETCH_SESSION_EPOCH retriable "the epoch of the fetch session is invalid"
    72 ListenerNotFound LISTENER_NOT_FOUND retriable "the leader has no listener like the one of this request"
    73 TopicDeletionDisabled TOPIC_DELETION_DISABLED fatal "topics may not be deleted here"
    74 FencedLeaderEpoch FENCED_LEADER_EPOCH retriable "the leader epoch of the request is older than the broker's"
    75 UnknownLeaderEpoch UNKNOWN_LEADER_EPOCH retriable "the leader epoch of the request is newer than the broker's"
    76 UnsupportedCompressionType UNSUPPORTED_COMPRESSION_TYPE fatal "the client does not support the compression of the partition's records"
    77 StaleBrokerEpoch STALE_BROKER_EPOCH fatal "the broker's epoch is old"
    78 OffsetNotAvailable OFFSET_NOT_AVAILABLE retriable "the new leader does not know yet whether the offset is safe to show"
    79 MemberIdRequired MEMBER_ID_REQUIRED fatal "the member must join again with the id that it was given"
    80 PreferredLeaderNotAvailable PREFERRED_LEADER_NOT_AVAILABLE retriable "the preferred leader is not available"
    81 GroupMaxSizeReached GROUP_MAX_SIZE_REACHED fatal "the group is full"
    82 FencedInstanceId FENCED_INSTANCE_ID fatal "another member has taken over this group instance id"
    83 EligibleLeadersNotAvailable ELIGIBLE_LEADERS_NOT_AVAILABLE retriable "no leader that may be elected is available"
    84 ElectionNotNeeded ELECTION_NOT_NEEDED retriable "the partition needs no election"
    85 NoReassignmentInProgress NO_REASSIGNMENT_IN_PROGRESS fatal "no reassignment is going on"
    86 GroupSubscribedToTopic GROUP_SUBSCRIBED_TO_TOPIC fatal "the group is subscribed to the topic"
    87 InvalidRecord INVALID_RECORD fatal "the broker refused a record"
    88 UnstableOffsetCommit UNSTABLE_OFFSET_COMMIT retriable "offsets of a transaction that is not decided yet are in the way"
    89 ThrottlingQuotaExceeded THROTTLING_QUOTA_EXCEEDED retriable "the quota of the client is exhausted"
    90 ProducerFenced PRODUCER_FENCED fatal "a newer producer with the same transactional id has taken over"
    91 ResourceNotFound RESOURCE_NOT_FOUND fatal "the resource does not exist"
    92 DuplicateResource DUPLICATE_RESOURCE fatal "the resource is named twice"
    93 UnacceptableCredential UNACCEPTABLE_CREDENTIAL fatal "the credential is not acceptable"
    94 InconsistentVoterSet INCONSISTENT_VOTER_SET fatal "one side of the request is no voter"
    95 InvalidUpdateVersion INVALID_UPDATE_VERSION fatal "the version of the update is invalid"
    96 FeatureUpdateFailed FEATURE_UPDATE_FAILED fatal "the features could not be updated"
    97 PrincipalDeserializationFailure PRINCIPAL_DESERIALIZATION_FAILURE fatal "the forwarded principal could not be read"
    98 SnapshotNotFound SNAPSHOT_NOT_FOUND fatal "the snapshot does not exist"
    99 PositionOutOfRange POSITION_OUT_OF_RANGE fatal "the position is outside the snapshot"
    100 UnknownTopicId UNKNOWN_TOPIC_ID retriable "the broker knows no topic of this id"
    101 DuplicateBrokerRegistration DUPLICATE_BROKER_REGISTRATION fatal "a broker with this id is running already"
    102 BrokerIdNotRegistered BROKER_ID_NOT_REGISTERED fatal "no broker with this id is registered"
    103 InconsistentTopicId INCONSISTENT_TOPIC_ID retriable "the topic id is not the one in the log"
    104 InconsistentClusterId INCONSISTENT_CLUSTER_ID fatal "the cluster id is another one"
    105 TransactionalIdNotFound TRANSACTIONAL_ID_NOT_FOUND fatal "the transactional id does not exist"
    106 FetchSessionTopicIdError FETCH_SESSION_TOPIC_ID_ERROR retriable "the fetch session mixes topic names and topic ids"
    107 IneligibleReplica INELIGIBLE_REPLICA fatal "the new in-sync replicas contain one that may not be in sync"
    108 NewLeaderElected NEW_LEADER_ELECTED fatal "the state was changed, and with it the leader"
    109 OffsetMovedToTieredStorage OFFSET_MOVED_TO_TIERED_STORAGE fatal "the offset has moved to tiered storage"
    110 FencedMemberEpoch FENCED_MEMBER_EPOCH fatal "the member's epoch is fenced, so it must give up its partitions and join again"
    111 UnreleasedInstanceId UNRELEASED_INSTANCE_ID fatal "another member has not released this group instance id yet"
    112 UnsupportedAssignor UNSUPPORTED_ASSIGNOR fatal "the group does not support the assignor"
    113 StaleMemberEpoch STALE_MEMBER_EPOCH fatal "the member's epoch is old"
    114 MismatchedEndpointType MISMATCHED_ENDPOINT_TYPE fatal "the request went to an endpoint of the wrong type"
    115 UnsupportedEndpointType UNSUPPORTED_ENDPOINT_TYPE fatal "the type of the endpoint is not supported"
    116 UnknownControllerId UNKNOWN_CONTROLLER_ID fatal "the controller does not know this id"
    117 UnknownSubscriptionId UNKNOWN_SUBSCRIPTION_ID fatal "the telemetry subscription is unknown"
    118 TelemetryTooLarge TELEMETRY_TOO_LARGE fatal "the telemetry is larger than the broker accepts"
    119 InvalidRegistration INVALID_REGISTRATION fatal "the registration of the broker is invalid"
    120 TransactionAbortable TRANSACTION_ABORTABLE fatal "the transaction failed and must be aborted"
    121 InvalidRecordState INVALID_RECORD_STATE fatal "the state of the acknowledged record is invalid"
    122 ShareSessionNotFound SHARE_SESSION_NOT_FOUND retriable "the share session does not exist"
    123 InvalidShareSessionEpoch INVALID_SHARE_SESSION_EPOCH retriable "the epoch of the share session is invalid"
    124 FencedStateEpoch FENCED_STATE_EPOCH fatal "the state epoch of the share group is another one"
    125 InvalidVoterKey INVALID_VOTER_KEY fatal "the key of the voter is another one"
    126 DuplicateVoter DUPLICATE_VOTER fatal "the voter is one already"
    127 VoterNotFound VOTER_NOT_FOUND fatal "there is no such voter"
    128 InvalidRegularExpression INVALID_REGULAR_EXPRESSION fatal "the regular expression is invalid"
    129 RebootstrapRequired REBOOTSTRAP_REQUIRED fatal "the metadata of the client is too old, so it must start again"
    130 StreamsInvalidTopology STREAMS_INVALID_TOPOLOGY fatal "the topology is invalid"
    131 StreamsInvalidTopologyEpoch STREAMS_INVALID_TOPOLOGY_EPOCH fatal "the epoch of the topology is invalid"
    132 StreamsTopologyFenced STREAMS_TOPOLOGY_FENCED fatal "the epoch of the topology is old"
    133 ShareSessionLimitReached SHARE_SESSION_LIMIT_REACHED retriable "there are too many share sessions"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_codes_belong_together() {
        let numbers = ErrorCode::ALL.iter().map(|error| error.code());
        assert!(numbers.eq(-1..=133));
        for &error in ErrorCode::ALL {
            assert_eq!(ErrorCode::from_code(error.code()), error);
        }
        assert_eq!(ErrorCode::from_code(134), ErrorCode::UnknownServerError);
    }

    #[test]
    fn some_are_retriable() {
        assert!(ErrorCode::NotLeaderOrFollower.retriable());
        assert!(ErrorCode::KafkaStorageError.retriable());
        assert!(!ErrorCode::RebalanceInProgress.retriable());
        assert!(!ErrorCode::None.retriable());
    }

    #[test]
    fn a_name_is_kafkas() {
        assert_eq!(
            ErrorCode::UnknownTopicOrPartition.name(),
            "UNKNOWN_TOPIC_OR_PARTITION"
        );
        assert_eq!(ErrorCode::UnknownTopicOrPartition.code(), 3);
    }
}
