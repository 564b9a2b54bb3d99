//! Requests that name many things, one for each list that an API has.

use super::node::{batch, fetch_request, produce_request};
use crate::protocol::Request;
use crate::protocol::messages::alter_configs_request::{
    AlterConfigsRequest, AlterConfigsResource, AlterableConfig,
};
use crate::protocol::messages::create_partitions_request::{
    CreatePartitionsRequest, CreatePartitionsTopic,
};
use crate::protocol::messages::create_topics_request::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig, CreateTopicsRequest,
};
use crate::protocol::messages::delete_groups_request::DeleteGroupsRequest;
use crate::protocol::messages::delete_records_request::{
    DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic,
};
use crate::protocol::messages::delete_topics_request::{DeleteTopicState, DeleteTopicsRequest};
use crate::protocol::messages::describe_configs_request::{
    DescribeConfigsRequest, DescribeConfigsResource,
};
use crate::protocol::messages::describe_groups_request::DescribeGroupsRequest;
use crate::protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use crate::protocol::messages::find_coordinator_request::FindCoordinatorRequest;
use crate::protocol::messages::incremental_alter_configs_request::{
    AlterConfigsResource as IncrementalResource, AlterableConfig as IncrementalConfig,
    IncrementalAlterConfigsRequest,
};
use crate::protocol::messages::join_group_request::{JoinGroupRequest, JoinGroupRequestProtocol};
use crate::protocol::messages::leave_group_request::{LeaveGroupRequest, MemberIdentity};
use crate::protocol::messages::list_groups_request::ListGroupsRequest;
use crate::protocol::messages::list_offsets_request::{
    ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic,
};
use crate::protocol::messages::metadata_request::{MetadataRequest, MetadataRequestTopic};
use crate::protocol::messages::offset_commit_request::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use crate::protocol::messages::offset_delete_request::{
    OffsetDeleteRequest, OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};
use crate::protocol::messages::offset_fetch_request::{
    OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopics,
};
use crate::protocol::messages::offset_for_leader_epoch_request::{
    OffsetForLeaderEpochRequest, OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use crate::protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use crate::protocol::messages::sync_group_request::{SyncGroupRequest, SyncGroupRequestAssignment};

/// A topic that exists, with one partition; so does the group.
pub const TOPIC: &str = "t";
pub const GROUP: &str = "g";

const TOPIC_RESOURCE: i8 = 2;
const APPEND: i8 = 2;

/// Makes the request that names so many.
type RequestOf = fn(usize) -> Request;

/// What is named, in which version, and the request that names so many.
pub const FRAMES: &[(&str, i16, RequestOf)] = &[
    ("topics in Metadata", 12, |n| metadata(names(n))),
    ("one topic in Metadata, again", 12, |n| metadata(same(n))),
    ("topics in Produce", 9, |n| produce(names(n), 1)),
    ("partitions in Produce", 9, |n| produce(same(1), n)),
    ("one partition in Produce, again", 9, |n| {
        produce(same(n), 1)
    }),
    ("topics in Fetch", 11, |n| fetch(names(n), 1)),
    ("partitions in Fetch", 11, |n| fetch(same(1), n)),
    ("one partition in Fetch, again", 11, |n| fetch(same(n), 1)),
    ("topics in ListOffsets", 7, |n| list_offsets(names(n), 1)),
    ("partitions in ListOffsets", 7, |n| list_offsets(same(1), n)),
    ("one partition in ListOffsets, again", 7, |n| {
        list_offsets(same(n), 1)
    }),
    ("topics in OffsetForLeaderEpoch", 4, |n| {
        offset_for_leader_epoch(names(n), 1)
    }),
    ("partitions in OffsetForLeaderEpoch", 4, |n| {
        offset_for_leader_epoch(same(1), n)
    }),
    ("topics in DeleteRecords", 2, |n| {
        delete_records(names(n), 1)
    }),
    ("partitions in DeleteRecords", 2, |n| {
        delete_records(same(1), n)
    }),
    ("one partition in DeleteRecords, again", 2, |n| {
        delete_records(same(n), 1)
    }),
    ("topics in CreateTopics", 5, |n| create_topics(names(n))),
    ("topics in CreateTopics, again", 5, |n| {
        create_topics(vec!["new".to_owned(); n])
    }),
    ("configs in CreateTopics", 5, |n| {
        create_topic(CreatableTopic {
            num_partitions: 1,
            replication_factor: -1,
            configs: names(n).into_iter().map(creatable_config).collect(),
            ..Default::default()
        })
    }),
    ("assignments in CreateTopics", 5, |n| {
        create_topic(CreatableTopic {
            num_partitions: -1,
            replication_factor: -1,
            assignments: (0..n as i32).map(assignment).collect(),
            ..Default::default()
        })
    }),
    ("topics in DeleteTopics", 6, |n| delete_topics(names(n))),
    ("topics in CreatePartitions", 3, |n| {
        create_partitions(names(n))
    }),
    ("one topic in CreatePartitions, again", 3, |n| {
        create_partitions(same(n))
    }),
    ("topics in DescribeConfigs", 4, |n| {
        describe_configs(names(n), 1)
    }),
    ("configs in DescribeConfigs", 4, |n| {
        describe_configs(same(1), n)
    }),
    ("topics in AlterConfigs", 2, |n| alter_configs(names(n), 1)),
    ("configs in AlterConfigs", 2, |n| alter_configs(same(1), n)),
    ("topics in IncrementalAlterConfigs", 1, |n| {
        incremental_alter_configs(names(n), vec!["a".to_owned()])
    }),
    ("configs in IncrementalAlterConfigs", 1, |n| {
        incremental_alter_configs(same(1), names(n))
    }),
    ("keys in FindCoordinator", 4, |n| {
        Request::FindCoordinator(FindCoordinatorRequest {
            coordinator_keys: names(n),
            ..Default::default()
        })
    }),
    ("protocols in JoinGroup", 3, |n| join_group(names(n))),
    ("one protocol in JoinGroup, again", 3, |n| {
        join_group(same(n))
    }),
    ("assignments in SyncGroup", 3, |n| {
        Request::SyncGroup(SyncGroupRequest {
            group_id: GROUP.to_owned(),
            assignments: names(n)
                .into_iter()
                .map(|member_id| SyncGroupRequestAssignment {
                    member_id,
                    ..Default::default()
                })
                .collect(),
            ..Default::default()
        })
    }),
    ("members in LeaveGroup", 4, |n| {
        Request::LeaveGroup(LeaveGroupRequest {
            group_id: GROUP.to_owned(),
            members: names(n)
                .into_iter()
                .map(|member_id| MemberIdentity {
                    member_id,
                    ..Default::default()
                })
                .collect(),
            ..Default::default()
        })
    }),
    ("topics in OffsetCommit", 8, |n| offset_commit(names(n), 1)),
    ("partitions in OffsetCommit", 8, |n| {
        offset_commit(same(1), n)
    }),
    ("one partition in OffsetCommit, again", 8, |n| {
        offset_commit(same(n), 1)
    }),
    ("groups in OffsetFetch", 8, |n| offset_fetch(names(n), 1, 1)),
    ("topics in OffsetFetch", 8, |n| offset_fetch(same(1), n, 1)),
    ("partitions in OffsetFetch", 8, |n| {
        offset_fetch(same(1), 1, n)
    }),
    ("topics in OffsetDelete", 0, |n| offset_delete(names(n), 1)),
    ("partitions in OffsetDelete", 0, |n| {
        offset_delete(same(1), n)
    }),
    ("groups in DescribeGroups", 5, |n| {
        Request::DescribeGroups(DescribeGroupsRequest {
            groups: names(n),
            ..Default::default()
        })
    }),
    ("states in ListGroups", 5, |n| {
        Request::ListGroups(ListGroupsRequest {
            states_filter: names(n),
            types_filter: names(n),
            ..Default::default()
        })
    }),
    ("groups in DeleteGroups", 2, |n| {
        Request::DeleteGroups(DeleteGroupsRequest {
            groups_names: names(n),
            ..Default::default()
        })
    }),
];

pub fn find_coordinator(group: &str) -> Request {
    Request::FindCoordinator(FindCoordinatorRequest {
        coordinator_keys: vec![group.to_owned()],
        ..Default::default()
    })
}

pub fn names(n: usize) -> Vec<String> {
    (0..n).map(|index| format!("name-{index}")).collect()
}

fn same(n: usize) -> Vec<String> {
    vec![TOPIC.to_owned(); n]
}

fn metadata(topics: Vec<String>) -> Request {
    let topics = topics.into_iter().map(|name| MetadataRequestTopic {
        name: Some(name),
        ..Default::default()
    });
    Request::Metadata(MetadataRequest {
        topics: Some(topics.collect()),
        allow_auto_topic_creation: false,
        ..Default::default()
    })
}

fn produce(topics: Vec<String>, partitions: usize) -> Request {
    let records = batch(&["a"]);
    let topic_data = topics.into_iter().map(|name| TopicProduceData {
        name,
        partition_data: (0..partitions as i32)
            .map(|index| PartitionProduceData {
                index,
                records: Some(records.clone()),
                ..Default::default()
            })
            .collect(),
        ..Default::default()
    });
    let mut request = produce_request(TOPIC, 0, -1, None);
    request.topic_data = topic_data.collect();
    Request::Produce(request)
}

fn fetch(topics: Vec<String>, partitions: usize) -> Request {
    let mut request = fetch_request(TOPIC, 0, 0, 0, 0);
    let template = request.topics[0].partitions[0].clone();
    let topics = topics.into_iter().map(|topic| FetchTopic {
        topic,
        partitions: (0..partitions as i32)
            .map(|partition| FetchPartition {
                partition,
                ..template.clone()
            })
            .collect(),
        ..Default::default()
    });
    request.topics = topics.collect();
    Request::Fetch(request)
}

fn list_offsets(topics: Vec<String>, partitions: usize) -> Request {
    let topics = topics.into_iter().map(|name| ListOffsetsTopic {
        name,
        partitions: (0..partitions as i32)
            .map(|partition_index| ListOffsetsPartition {
                partition_index,
                current_leader_epoch: -1,
                timestamp: 1,
                ..Default::default()
            })
            .collect(),
        ..Default::default()
    });
    Request::ListOffsets(ListOffsetsRequest {
        topics: topics.collect(),
        ..Default::default()
    })
}

fn offset_for_leader_epoch(topics: Vec<String>, partitions: usize) -> Request {
    let topics = topics.into_iter().map(|topic| OffsetForLeaderTopic {
        topic,
        partitions: (0..partitions as i32)
            .map(|partition| OffsetForLeaderPartition {
                partition,
                current_leader_epoch: -1,
                ..Default::default()
            })
            .collect(),
        ..Default::default()
    });
    Request::OffsetForLeaderEpoch(OffsetForLeaderEpochRequest {
        topics: topics.collect(),
        ..Default::default()
    })
}

fn delete_records(topics: Vec<String>, partitions: usize) -> Request {
    let topics = topics.into_iter().map(|name| DeleteRecordsTopic {
        name,
        partitions: (0..partitions as i32)
            .map(|partition_index| DeleteRecordsPartition {
                partition_index,
                ..Default::default()
            })
            .collect(),
        ..Default::default()
    });
    Request::DeleteRecords(DeleteRecordsRequest {
        topics: topics.collect(),
        timeout_ms: 1_000,
        ..Default::default()
    })
}

fn create_topics(names: Vec<String>) -> Request {
    let topics = names.into_iter().map(|name| CreatableTopic {
        name,
        num_partitions: 1,
        replication_factor: -1,
        ..Default::default()
    });
    Request::CreateTopics(CreateTopicsRequest {
        topics: topics.collect(),
        validate_only: true,
        ..Default::default()
    })
}

fn create_topic(topic: CreatableTopic) -> Request {
    Request::CreateTopics(CreateTopicsRequest {
        topics: vec![CreatableTopic {
            name: "new".to_owned(),
            ..topic
        }],
        validate_only: true,
        ..Default::default()
    })
}

fn creatable_config(name: String) -> CreatableTopicConfig {
    CreatableTopicConfig {
        name,
        value: Some("1".to_owned()),
        ..Default::default()
    }
}

fn assignment(partition_index: i32) -> CreatableReplicaAssignment {
    CreatableReplicaAssignment {
        partition_index,
        broker_ids: vec![0],
        ..Default::default()
    }
}

fn delete_topics(names: Vec<String>) -> Request {
    let topics = names.into_iter().map(|name| DeleteTopicState {
        name: Some(name),
        ..Default::default()
    });
    Request::DeleteTopics(DeleteTopicsRequest {
        topics: topics.collect(),
        ..Default::default()
    })
}

fn create_partitions(names: Vec<String>) -> Request {
    let topics = names.into_iter().map(|name| CreatePartitionsTopic {
        name,
        count: 2,
        ..Default::default()
    });
    Request::CreatePartitions(CreatePartitionsRequest {
        topics: topics.collect(),
        validate_only: true,
        ..Default::default()
    })
}

fn describe_configs(topics: Vec<String>, keys: usize) -> Request {
    let resources = topics
        .into_iter()
        .map(|resource_name| DescribeConfigsResource {
            resource_type: TOPIC_RESOURCE,
            resource_name,
            configuration_keys: Some(names(keys)),
            ..Default::default()
        });
    Request::DescribeConfigs(DescribeConfigsRequest {
        resources: resources.collect(),
        ..Default::default()
    })
}

fn alter_configs(topics: Vec<String>, configs: usize) -> Request {
    let resources = topics
        .into_iter()
        .map(|resource_name| AlterConfigsResource {
            resource_type: TOPIC_RESOURCE,
            resource_name,
            configs: names(configs)
                .into_iter()
                .map(|name| AlterableConfig {
                    name,
                    value: Some("1".to_owned()),
                    ..Default::default()
                })
                .collect(),
            ..Default::default()
        });
    Request::AlterConfigs(AlterConfigsRequest {
        resources: resources.collect(),
        ..Default::default()
    })
}

fn incremental_alter_configs(topics: Vec<String>, values: Vec<String>) -> Request {
    let resources = topics.into_iter().map(|resource_name| IncrementalResource {
        resource_type: TOPIC_RESOURCE,
        resource_name,
        configs: values
            .iter()
            .map(|value| IncrementalConfig {
                name: "follower.replication.throttled.replicas".to_owned(),
                config_operation: APPEND,
                value: Some(value.clone()),
                ..Default::default()
            })
            .collect(),
        ..Default::default()
    });
    Request::IncrementalAlterConfigs(IncrementalAlterConfigsRequest {
        resources: resources.collect(),
        ..Default::default()
    })
}

pub fn join_group(protocols: Vec<String>) -> Request {
    let protocols = protocols.into_iter().map(|name| JoinGroupRequestProtocol {
        name,
        ..Default::default()
    });
    Request::JoinGroup(JoinGroupRequest {
        group_id: GROUP.to_owned(),
        session_timeout_ms: 30_000,
        rebalance_timeout_ms: 30_000,
        protocol_type: "consumer".to_owned(),
        protocols: protocols.collect(),
        ..Default::default()
    })
}

pub fn offset_commit(topics: Vec<String>, partitions: usize) -> Request {
    let topics = topics.into_iter().map(|name| OffsetCommitRequestTopic {
        name,
        partitions: (0..partitions as i32)
            .map(|partition_index| OffsetCommitRequestPartition {
                partition_index,
                ..Default::default()
            })
            .collect(),
        ..Default::default()
    });
    Request::OffsetCommit(OffsetCommitRequest {
        group_id: "committed".to_owned(),
        generation_id_or_member_epoch: -1,
        topics: topics.collect(),
        ..Default::default()
    })
}

fn offset_fetch(groups: Vec<String>, topics: usize, partitions: usize) -> Request {
    let groups = groups.into_iter().map(|group_id| OffsetFetchRequestGroup {
        group_id,
        topics: Some(
            names(topics)
                .into_iter()
                .map(|name| OffsetFetchRequestTopics {
                    name,
                    partition_indexes: (0..partitions as i32).collect(),
                    ..Default::default()
                })
                .collect(),
        ),
        ..Default::default()
    });
    Request::OffsetFetch(OffsetFetchRequest {
        groups: groups.collect(),
        ..Default::default()
    })
}

fn offset_delete(topics: Vec<String>, partitions: usize) -> Request {
    let topics = topics.into_iter().map(|name| OffsetDeleteRequestTopic {
        name,
        partitions: (0..partitions as i32)
            .map(|partition_index| OffsetDeleteRequestPartition { partition_index })
            .collect(),
    });
    Request::OffsetDelete(OffsetDeleteRequest {
        group_id: "committed".to_owned(),
        topics: topics.collect(),
    })
}
