use super::cluster::Cluster;
use crate::metadata::configs::log_config;
use crate::protocol::messages::alter_configs_request::{self, AlterConfigsRequest};
use crate::protocol::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig, IncrementalAlterConfigsRequest,
};
use crate::protocol::{Request, Response};

const TOPIC: i8 = 2;
const BROKER: i8 = 4;
const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;

type Operation<'a> = (i8, &'a str, Option<&'a str>);

fn alter(
    cluster: &mut Cluster,
    resource_type: i8,
    resource: &str,
    operations: &[Operation],
) -> (i16, Option<String>) {
    let configs = operations
        .iter()
        .map(|(operation, name, value)| AlterableConfig {
            name: name.to_string(),
            config_operation: *operation,
            value: value.map(str::to_string),
            ..Default::default()
        });
    let resource = AlterConfigsResource {
        resource_type,
        resource_name: resource.to_string(),
        configs: configs.collect(),
        ..Default::default()
    };
    let request = IncrementalAlterConfigsRequest {
        resources: vec![resource],
        ..Default::default()
    };
    let response = cluster.ask(Request::IncrementalAlterConfigs(request));
    let Response::IncrementalAlterConfigs(mut response) = response else {
        panic!("{response:?}")
    };
    let response = response.responses.remove(0);
    (response.error_code, response.error_message)
}

fn with_topic() -> Cluster {
    let mut cluster = Cluster::with_brokers(&[1]);
    cluster.create("t", 1, &[("retention.ms", "1000")]).unwrap();
    cluster
}

#[test]
fn refusals_are_worded_as_by_kafka() {
    // Answers of Apache Kafka 4.3.1.
    let mut cluster = with_topic();
    let refusals: [(Operation, i16, &str); 7] = [
        (
            (SET, "nope", Some("1")),
            40,
            "Unknown topic config name: nope",
        ),
        (
            (SET, "retention.ms", Some("x")),
            40,
            "Invalid value x for configuration retention.ms: Not a number of type LONG",
        ),
        (
            (SET, "retention.ms", None),
            42,
            "Null value not supported for : retention.ms",
        ),
        (
            (APPEND, "retention.ms", Some("5")),
            40,
            "Can't APPEND to key retention.ms because its type is not LIST.",
        ),
        (
            (SUBTRACT, "retention.ms", Some("5")),
            40,
            "Can't SUBTRACT to key retention.ms because its type is not LIST.",
        ),
        (
            (APPEND, "cleanup.policy", Some("foo")),
            40,
            "Invalid value foo for configuration cleanup.policy: String must be one of: compact, delete",
        ),
        (
            (9, "retention.ms", Some("1")),
            42,
            "Unknown operation type 9",
        ),
    ];
    for (operation, code, message) in refusals {
        let refusal = alter(&mut cluster, TOPIC, "t", &[operation]);
        assert_eq!(refusal, (code, Some(message.to_string())));
    }
    let twice = [
        (SET, "retention.ms", Some("1")),
        (SET, "retention.ms", Some("2")),
    ];
    assert_eq!(
        alter(&mut cluster, TOPIC, "t", &twice),
        (42, Some("Error due to duplicate config keys".to_string()))
    );
    assert_eq!(
        alter(
            &mut cluster,
            TOPIC,
            "nix",
            &[(SET, "retention.ms", Some("1"))]
        ),
        (3, Some("The topic 'nix' does not exist.".to_string()))
    );
    assert_eq!(
        alter(
            &mut cluster,
            BROKER,
            "1",
            &[(SET, "num.partitions", Some("4"))]
        ),
        (
            42,
            Some("Cannot update these configs dynamically: [num.partitions]".to_string())
        )
    );
    assert_eq!(cluster.image().topic_configs("t").len(), 1);
}

#[test]
fn lists_are_appended_to_and_subtracted_from() {
    let mut cluster = with_topic();
    let steps: [(Operation, &str); 5] = [
        (
            (APPEND, "cleanup.policy", Some("compact")),
            "delete,compact",
        ),
        (
            (APPEND, "cleanup.policy", Some("compact")),
            "delete,compact",
        ),
        ((SUBTRACT, "cleanup.policy", Some("delete")), "compact"),
        ((SUBTRACT, "cleanup.policy", Some("delete")), "compact"),
        ((SUBTRACT, "cleanup.policy", Some("compact")), ""),
    ];
    for (operation, policy) in steps {
        assert_eq!(alter(&mut cluster, TOPIC, "t", &[operation]), (0, None));
        assert_eq!(cluster.image().topic_configs("t")["cleanup.policy"], policy);
    }
    let config = log_config(cluster.image().topic_configs("t"), &cluster.config.broker);
    assert!(!config.cleanup_delete && !config.cleanup_compact);
    assert_eq!(config.retention_ms, 1000);
}

#[test]
fn a_deleted_config_is_unset() {
    let mut cluster = with_topic();
    let operations = [(DELETE, "retention.ms", None), (DELETE, "nope", None)];
    assert_eq!(alter(&mut cluster, TOPIC, "t", &operations), (0, None));
    assert!(cluster.image().topic_configs("t").is_empty());
}

#[test]
fn a_resource_is_altered_as_a_whole_or_not_at_all() {
    let mut cluster = with_topic();
    let operations = [(SET, "segment.ms", Some("5")), (SET, "nope", Some("1"))];
    assert_eq!(alter(&mut cluster, TOPIC, "t", &operations).0, 40);
    assert!(
        !cluster
            .image()
            .topic_configs("t")
            .contains_key("segment.ms")
    );
}

#[test]
fn alter_configs_replaces_what_was_set() {
    let mut cluster = with_topic();
    let config = alter_configs_request::AlterableConfig {
        name: "segment.ms".to_string(),
        value: Some("5000".to_string()),
        ..Default::default()
    };
    let resource = alter_configs_request::AlterConfigsResource {
        resource_type: TOPIC,
        resource_name: "t".to_string(),
        configs: vec![config],
        ..Default::default()
    };
    let request = AlterConfigsRequest {
        resources: vec![resource],
        ..Default::default()
    };
    let response = cluster.ask(Request::AlterConfigs(request));
    let Response::AlterConfigs(response) = response else {
        panic!("{response:?}")
    };
    assert_eq!(response.responses[0].error_code, 0);
    let configs: Vec<_> = cluster.image().topic_configs("t").iter().collect();
    assert_eq!(configs, [(&"segment.ms".to_string(), &"5000".to_string())]);
}
