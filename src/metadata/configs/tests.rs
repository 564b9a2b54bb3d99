//! Configs: their defaults, their checks, and how they are described.

use super::*;
use std::collections::BTreeMap;

fn set(name: &str, value: &str) -> TopicConfigs {
    BTreeMap::from([(name.to_string(), value.to_string())])
}

fn check(name: &str, value: &str) -> Result<(), String> {
    validate_topic_configs(&set(name, value), &BrokerConfigs::default())
        .map_err(|error| error.to_string())
}

fn described(configs: &TopicConfigs, broker: &BrokerConfigs, name: &str) -> ConfigEntry {
    let mut entries = describe_topic(configs, broker);
    entries.retain(|entry| entry.name == name);
    assert_eq!(entries.len(), 1, "{name}");
    entries.remove(0)
}

#[test]
fn every_default_is_a_valid_value() {
    for definition in TOPIC_CONFIGS.iter().chain(BROKER_CONFIGS) {
        if let Some(default) = definition.default {
            assert_eq!(
                definition.parse(default),
                Ok(default.to_string()),
                "{}",
                definition.name
            );
        }
    }
}

#[test]
fn refusals_are_worded_as_by_kafka() {
    // Answers of Apache Kafka 4.3.1 to CreateTopics.
    for (name, value, message) in [
        ("nope", "1", "Unknown topic config name: nope"),
        (
            "retention.ms",
            "abc",
            "Invalid value abc for configuration retention.ms: Not a number of type LONG",
        ),
        (
            "retention.ms",
            "",
            "Invalid value  for configuration retention.ms: Not a number of type LONG",
        ),
        (
            "retention.ms",
            "-2",
            "Invalid value -2 for configuration retention.ms: Value must be at least -1",
        ),
        (
            "segment.bytes",
            "99999999999",
            "Invalid value 99999999999 for configuration segment.bytes: Not a number of type INT",
        ),
        (
            "segment.bytes",
            "1",
            "Invalid value 1 for configuration segment.bytes: Value must be at least 1048576",
        ),
        (
            "cleanup.policy",
            "foo",
            "Invalid value foo for configuration cleanup.policy: String must be one of: compact, delete",
        ),
        (
            "compression.type",
            "foo",
            "Invalid value foo for configuration compression.type: String must be one of: \
             uncompressed, zstd, lz4, snappy, gzip, producer",
        ),
        (
            "min.cleanable.dirty.ratio",
            "1.5",
            "Invalid value 1.5 for configuration min.cleanable.dirty.ratio: Value must be no more than 1",
        ),
        (
            "unclean.leader.election.enable",
            "maybe",
            "Invalid value maybe for configuration unclean.leader.election.enable: Expected value to \
             be either true or false",
        ),
        (
            "compression.gzip.level",
            "10",
            "Invalid value 10 for configuration compression.gzip.level: Value must be between 1 and 9 \
             or equal to -1",
        ),
        (
            "remote.storage.enable",
            "true",
            "Tiered Storage functionality is disabled in the broker. Topic cannot be configured with \
             remote log storage.",
        ),
        (
            "leader.replication.throttled.replicas",
            "foo",
            "Invalid value [foo] for configuration leader.replication.throttled.replicas: \
             leader.replication.throttled.replicas must be the literal '*' or a list of replicas in \
             the following format: [partitionId]:[brokerId],[partitionId]:[brokerId],...",
        ),
        (
            "message.format.version",
            "3.0",
            "Unknown topic config name: message.format.version",
        ),
    ] {
        assert_eq!(check(name, value), Err(message.to_string()));
    }
}

#[test]
fn values_that_kafka_takes_are_taken() {
    for (name, value) in [
        ("cleanup.policy", ""),
        ("cleanup.policy", " compact , delete"),
        ("cleanup.policy", "compact,compact"),
        ("min.insync.replicas", "3"),
        ("unclean.leader.election.enable", " FALSE "),
        ("local.retention.ms", " -2 "),
        ("internal.segment.bytes", "100"),
        ("retention.ms", " 5 "),
        ("compression.type", "gzip"),
    ] {
        assert_eq!(check(name, value), Ok(()), "{name}={value}");
    }
}

#[test]
fn values_that_cannot_be_honoured_are_refused() {
    for (name, value) in [
        ("flush.messages", "5"),
        ("flush.ms", "1000"),
        ("preallocate", "true"),
        ("unclean.leader.election.enable", "true"),
        ("leader.replication.throttled.replicas", "*"),
        ("follower.replication.throttled.replicas", "0:1"),
        ("compression.zstd.level", "19"),
        ("segment.jitter.ms", "1000"),
        ("segment.index.bytes", "1000"),
        ("local.retention.ms", "5"),
    ] {
        let error = check(name, value).expect_err(name);
        assert!(error.starts_with(&format!(
            "Unsupported value {value} for configuration {name}: "
        )));
    }
    assert_eq!(check("flush.messages", "1"), Ok(()));
}

#[test]
fn the_lags_of_compaction_must_not_contradict_each_other() {
    let configs = BTreeMap::from([
        ("min.compaction.lag.ms".to_string(), "10".to_string()),
        ("max.compaction.lag.ms".to_string(), "5".to_string()),
    ]);
    let error = validate_topic_configs(&configs, &BrokerConfigs::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "conflict topic config setting min.compaction.lag.ms (10) > max.compaction.lag.ms (5)"
    );
}

#[test]
fn a_topic_is_described_with_all_of_kafkas_configs() {
    let entries = describe_topic(&TopicConfigs::new(), &BrokerConfigs::default());
    assert_eq!(entries.len(), 33);
    assert!(
        entries
            .iter()
            .all(|entry| entry.source == ConfigSource::DefaultConfig)
    );
    assert!(
        entries
            .iter()
            .all(|entry| !entry.documentation.is_empty() && !entry.read_only)
    );
    assert!(
        !entries
            .iter()
            .any(|entry| entry.name == "internal.segment.bytes")
    );
}

#[test]
fn a_set_config_is_described_before_its_synonyms() {
    let broker = BrokerConfigs::new(set("log.cleanup.policy", "compact")).unwrap();
    let entry = described(
        &set("cleanup.policy", " compact , delete,compact"),
        &broker,
        "cleanup.policy",
    );
    assert_eq!(entry.value.as_deref(), Some("compact,delete"));
    assert_eq!(entry.source, ConfigSource::DynamicTopicConfig);
    let synonyms: Vec<_> = entry
        .synonyms
        .iter()
        .map(|synonym| (synonym.name, synonym.value.as_str(), synonym.source.code()))
        .collect();
    assert_eq!(
        synonyms,
        [
            ("cleanup.policy", "compact,delete", 1),
            ("log.cleanup.policy", "compact", 4),
            ("log.cleanup.policy", "delete", 5),
        ]
    );
}

#[test]
fn a_brokers_config_is_the_default_of_its_topics() {
    let broker = BrokerConfigs::new(set("log.retention.ms", "-1")).unwrap();
    let entry = described(&TopicConfigs::new(), &broker, "retention.ms");
    assert_eq!(entry.value.as_deref(), Some("-1"));
    assert_eq!(entry.source, ConfigSource::StaticBrokerConfig);
}

#[test]
fn a_broker_refuses_configs_that_it_does_not_have() {
    let unknown = BrokerConfigs::new(set("num.patritions", "3")).unwrap_err();
    assert_eq!(
        unknown.to_string(),
        "Unknown broker config name: num.patritions"
    );
    let invalid = BrokerConfigs::new(set("log.retention.ms", "x")).unwrap_err();
    assert_eq!(
        invalid.to_string(),
        "Invalid value x for configuration log.retention.ms: Not a number of type LONG"
    );
}

#[test]
fn a_broker_is_described_with_what_it_was_started_with() {
    let broker = BrokerConfigs::new(set("num.partitions", "6")).unwrap();
    assert_eq!(broker.num_partitions(), 6);
    let entries = describe_broker(&broker);
    let entry = entries
        .iter()
        .find(|entry| entry.name == "num.partitions")
        .unwrap();
    assert_eq!(entry.value.as_deref(), Some("6"));
    assert_eq!(entry.source, ConfigSource::StaticBrokerConfig);
    assert!(entry.read_only);
    let mut names: Vec<_> = entries.iter().map(|entry| entry.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), entries.len(), "no config is described twice");
}

#[test]
fn synonyms_and_documentation_are_answered_to_those_who_ask() {
    let broker = BrokerConfigs::default();
    let entry = described(&TopicConfigs::new(), &broker, "cleanup.policy");
    let plain = entry.to_result(false, false);
    assert!(plain.synonyms.is_empty() && plain.documentation.is_none());
    assert_eq!((plain.config_type, plain.config_source), (7, 5));
    let full = entry.to_result(true, true);
    assert_eq!(full.synonyms[0].name, "log.cleanup.policy");
    assert!(full.documentation.is_some());
}
