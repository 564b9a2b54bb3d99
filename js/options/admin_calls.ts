// What an admin's calls take: a table for each, as those of the clients.
import type {
  CreatePartitionsOptions,
  CreateTopicsOptions,
  FetchOffsetsOptions,
  IResourceConfig,
  ITopicConfig,
  ITopicPartitionConfig,
  ResourceConfigQuery,
} from "../types/admin.js";
import type { SeekEntry } from "../types/partition.js";
import { any, flag, type Kind, type Kinds, orNull, whole32, wholeFrom } from "./checks.js";

/** The broker says which numbers it takes; these can be sent. */
const int32 = wholeFrom(-(2 ** 31), 2 ** 31 - 1);
const int16 = wholeFrom(-(2 ** 15), 2 ** 15 - 1);
const milliseconds = wholeFrom(-Number.MAX_SAFE_INTEGER);
const isNodes = (value: unknown): boolean =>
  Array.isArray(value) && value.every((id) => int32[1](id));
const assignments: Kind = [
  "an array of arrays of node ids",
  (value) => Array.isArray(value) && value.every(isNodes),
];
const replicaAssignment: Kind = [
  "an array of { partition, replicas: node ids }",
  (value) =>
    Array.isArray(value) &&
    (value as (Partial<Record<"partition" | "replicas", unknown>> | null)[]).every(
      (one) => int32[1](one?.partition) && isNodes(one?.replicas),
    ),
];

export const CREATE_TOPICS_KINDS: Kinds<CreateTopicsOptions> = {
  topics: any,
  validateOnly: flag,
  waitForLeaders: flag,
  timeout: whole32,
};

export const TOPIC_KINDS: Kinds<ITopicConfig> = {
  topic: any,
  numPartitions: int32,
  replicationFactor: int16,
  replicaAssignment,
  configEntries: any,
};

export const DELETE_TOPICS_KINDS: Kinds<{ topics: string[]; timeout?: number }> = {
  topics: any,
  timeout: whole32,
};

export const CREATE_PARTITIONS_KINDS: Kinds<CreatePartitionsOptions> = {
  topicPartitions: any,
  validateOnly: flag,
  timeout: whole32,
};

export const TOPIC_PARTITIONS_KINDS: Kinds<ITopicPartitionConfig> = {
  topic: any,
  count: int32,
  assignments: orNull(assignments),
};

export const FETCH_TOPIC_METADATA_KINDS: Kinds<{ topics?: string[] }> = { topics: any };

export const TIMESTAMP_KINDS = { timestamp: orNull(milliseconds) };

export const FETCH_OFFSETS_KINDS: Kinds<FetchOffsetsOptions> = {
  groupId: any,
  topics: any,
  resolveOffsets: flag,
};

export const SET_OFFSETS_KINDS: Kinds<Record<"groupId" | "topic", string> & Partitions> = {
  groupId: any,
  topic: any,
  partitions: any,
};

export const RESET_OFFSETS_KINDS: Kinds<{ groupId: string; topic: string; earliest?: boolean }> = {
  groupId: any,
  topic: any,
  earliest: flag,
};

export const DELETE_TOPIC_RECORDS_KINDS: Kinds<{ topic: string } & Partitions> = {
  topic: any,
  partitions: any,
};

export const DESCRIBE_CONFIGS_KINDS: Kinds<{
  resources: ResourceConfigQuery[];
  includeSynonyms?: boolean;
}> = { resources: any, includeSynonyms: flag };

export const RESOURCE_QUERY_KINDS: Kinds<ResourceConfigQuery> = {
  type: any,
  name: any,
  configNames: any,
};

export const ALTER_CONFIGS_KINDS: Kinds<{
  resources: IResourceConfig[];
  validateOnly?: boolean;
}> = { resources: any, validateOnly: flag };

export const RESOURCE_KINDS: Kinds<IResourceConfig> = { type: any, name: any, configEntries: any };

interface Partitions {
  partitions: SeekEntry[];
}
