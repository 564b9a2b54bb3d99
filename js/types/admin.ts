// What admins take and give: KafkaJS's shapes under KafkaJS's names.
import type { KafkaJSError } from "../errors/errors.js";
import type { MessageBytes } from "./message_bytes.js";
import type { Assignment, PartitionMetadata, PartitionOffset } from "./partition.js";

/** What configs belong to. */
export enum ConfigResourceTypes {
  UNKNOWN = 0,
  TOPIC = 2,
  BROKER = 4,
  BROKER_LOGGER = 8,
}

/** Where a config's value comes from. */
export enum ConfigSource {
  UNKNOWN = 0,
  TOPIC_CONFIG = 1,
  DYNAMIC_BROKER_CONFIG = 2,
  DYNAMIC_DEFAULT_BROKER_CONFIG = 3,
  STATIC_BROKER_CONFIG = 4,
  DEFAULT_CONFIG = 5,
  DYNAMIC_BROKER_LOGGER_CONFIG = 6,
}

// There are no ACLs here; programs that name these still load.

export enum AclResourceTypes {
  UNKNOWN = 0,
  ANY = 1,
  TOPIC = 2,
  GROUP = 3,
  CLUSTER = 4,
  TRANSACTIONAL_ID = 5,
  DELEGATION_TOKEN = 6,
}

export enum AclOperationTypes {
  UNKNOWN = 0,
  ANY = 1,
  ALL = 2,
  READ = 3,
  WRITE = 4,
  CREATE = 5,
  DELETE = 6,
  ALTER = 7,
  DESCRIBE = 8,
  CLUSTER_ACTION = 9,
  DESCRIBE_CONFIGS = 10,
  ALTER_CONFIGS = 11,
  IDEMPOTENT_WRITE = 12,
}

export enum AclPermissionTypes {
  UNKNOWN = 0,
  ANY = 1,
  DENY = 2,
  ALLOW = 3,
}

export enum ResourcePatternTypes {
  UNKNOWN = 0,
  ANY = 1,
  MATCH = 2,
  LITERAL = 3,
  PREFIXED = 4,
}

export interface ReplicaAssignment {
  partition: number;
  replicas: number[];
}

export interface IResourceConfigEntry {
  /** Kafka's name, such as `retention.ms`. */
  name: string;
  value: string;
}

export interface ITopicConfig {
  topic: string;
  /** Default: the broker's `num.partitions`. */
  numPartitions?: number;
  /** Default: the broker's. */
  replicationFactor?: number;
  replicaAssignment?: ReplicaAssignment[];
  configEntries?: IResourceConfigEntry[];
}

export interface ITopicPartitionConfig {
  topic: string;
  /** How many partitions it is to have. */
  count: number;
  assignments?: number[][];
}

export interface ITopicMetadata {
  name: string;
  partitions: PartitionMetadata[];
}

export interface CreateTopicsOptions {
  topics: ITopicConfig[];
  validateOnly?: boolean;
  waitForLeaders?: boolean;
  /** Milliseconds. Default 5,000. */
  timeout?: number;
}

export interface CreatePartitionsOptions {
  topicPartitions: ITopicPartitionConfig[];
  validateOnly?: boolean;
  timeout?: number;
}

export interface FetchOffsetsOptions {
  groupId: string;
  /** Default: all that the group has committed. */
  topics?: string[];
  /** Commits, and gives, where a consumer would start. */
  resolveOffsets?: boolean;
}

export type FetchOffsetsPartition = PartitionOffset & { metadata: string | null };

export interface ClusterDescription {
  brokers: { nodeId: number; host: string; port: number }[];
  controller: number | null;
  clusterId: string;
}

export interface ResourceConfigQuery {
  type: ConfigResourceTypes;
  name: string;
  configNames?: string[];
}

export interface ConfigSynonyms {
  configName: string;
  configValue: string;
  configSource: ConfigSource;
}

export interface ConfigEntries {
  configName: string;
  configValue: string;
  isDefault: boolean;
  configSource: ConfigSource;
  isSensitive: boolean;
  readOnly: boolean;
  configSynonyms: ConfigSynonyms[];
}

export interface DescribeConfigResponse {
  resources: {
    configEntries: ConfigEntries[];
    errorCode: number;
    errorMessage: string;
    resourceName: string;
    resourceType: ConfigResourceTypes;
  }[];
  throttleTime: number;
}

export interface IResourceConfig {
  type: ConfigResourceTypes;
  name: string;
  configEntries: IResourceConfigEntry[];
}

export interface AlterConfigsResponse {
  resources: {
    errorCode: number;
    errorMessage: string | null;
    resourceName: string;
    resourceType: ConfigResourceTypes;
  }[];
}

export type ConsumerGroupState =
  "Unknown" | "PreparingRebalance" | "CompletingRebalance" | "Stable" | "Dead" | "Empty";

export interface GroupOverview {
  groupId: string;
  protocolType: string;
  /** KafkaJS does not tell. */
  groupState?: string;
}

export interface MemberDescription {
  memberId: string;
  groupInstanceId?: string;
  clientId: string;
  clientHost: string;
  /** The subscription; see `AssignerProtocol.MemberMetadata`. */
  memberMetadata: MessageBytes;
  /** See `AssignerProtocol.MemberAssignment`. */
  memberAssignment: MessageBytes;
  /** The assignment, decoded. KafkaJS leaves that to the application. */
  assignment: Assignment;
}

export interface GroupDescription {
  errorCode: number;
  /** Why the group could not be described. */
  error?: KafkaJSError;
  groupId: string;
  state: ConsumerGroupState;
  protocolType: string;
  /** The assigner's wire name. */
  protocol: string;
  members: MemberDescription[];
}

export interface GroupDescriptions {
  groups: GroupDescription[];
}
