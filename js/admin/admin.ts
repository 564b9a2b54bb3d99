// Creates, describes, changes and deletes topics, offsets and groups.
import { bindMethods } from "../client/bound.js";
import type { CommandPort } from "../client/command_port.js";
import { Connector } from "../client/connection.js";
import { Instrumentation } from "../client/instrumentation.js";
import { describeGroups, runOperation } from "../client/operations.js";
import type { Shared } from "../client/shared.js";
import { asError } from "../errors/error_object.js";
import {
  type DeleteGroupsResult,
  KafkaJSAggregateError,
  KafkaJSCreateTopicError,
  KafkaJSDeleteGroupsError,
  KafkaJSDeleteTopicRecordsError,
  KafkaJSError,
} from "../errors/errors.js";
import { invalid, notImplemented } from "../errors/refusals.js";
import {
  ALTER_CONFIGS_KINDS,
  CREATE_PARTITIONS_KINDS,
  CREATE_TOPICS_KINDS,
  DELETE_TOPIC_RECORDS_KINDS,
  DELETE_TOPICS_KINDS,
  DESCRIBE_CONFIGS_KINDS,
  FETCH_OFFSETS_KINDS,
  FETCH_TOPIC_METADATA_KINDS,
  RESET_OFFSETS_KINDS,
  RESOURCE_KINDS,
  RESOURCE_QUERY_KINDS,
  SET_OFFSETS_KINDS,
  TIMESTAMP_KINDS,
  TOPIC_KINDS,
  TOPIC_PARTITIONS_KINDS,
} from "../options/admin_calls.js";
import { ADMIN_KINDS, checkOptions, type Kind, signalGiven } from "../options/checks.js";
import { clientOptions } from "../options/client.js";
import { offsetOrSpecial } from "../options/offsets.js";
import { tellUnused } from "../options/unused.js";
import type { Abortable } from "../types/abortable.js";
import type {
  AlterConfigsResponse,
  ClusterDescription,
  CreatePartitionsOptions,
  CreateTopicsOptions,
  DescribeConfigResponse,
  FetchOffsetsOptions,
  FetchOffsetsPartition,
  GroupDescriptions,
  GroupOverview,
  IResourceConfig,
  ITopicMetadata,
  ResourceConfigQuery,
} from "../types/admin.js";
import type { AdminConfig } from "../types/config.js";
import { ADMIN_EVENTS, type AdminPayloads, type InstrumentationEvent } from "../types/events.js";
import type { Logger } from "../types/logger.js";
import type { PartitionOffset, SeekEntry } from "../types/partition.js";
import {
  checkCreatePartitions,
  checkCreateTopics,
  checkGroup,
  checkNames,
  checkPartitions,
  checkResources,
  checkTopic,
} from "./checks.js";

const TIMEOUT_MS = 5_000;
/** The broker's own default, of partitions and of replicas. */
const BROKERS_DEFAULT = -1;

export class Admin {
  readonly events = ADMIN_EVENTS;
  readonly #logger: Logger;
  /** Of the `Kafka`: what it was told once is not told again by another client. */
  readonly #rootLogger: Logger;
  readonly #instrumentation: Instrumentation<AdminPayloads>;
  readonly #connector: Connector;

  /** @internal Made by a `Kafka`, whose insides it takes. */
  constructor(shared: Shared, config: AdminConfig) {
    bindMethods(this);
    checkOptions(config, "admin()", ADMIN_KINDS);
    const options = clientOptions(shared.config, { ...config, allowAutoTopicCreation: false });
    this.#logger = shared.logger.namespace("Admin");
    this.#rootLogger = shared.logger;
    tellUnused(shared.logger, "admin()", config, ADMIN_KINDS);
    this.#instrumentation = new Instrumentation("admin", ADMIN_EVENTS, this.#logger);
    this.#connector = new Connector(shared, this, "admin", options, this.#instrumentation);
  }

  /** Resolves when the broker has been reached; waits as long as another tab has it. */
  async connect(options: Abortable = {}): Promise<void> {
    const signal = signalGiven(options, "connect()");
    await this.#connector.connect(signal);
    this.#instrumentation.emit("admin.connect", null);
  }

  async disconnect(): Promise<void> {
    try {
      await this.#connector.disconnect();
    } finally {
      this.#instrumentation.emit("admin.disconnect", null);
    }
  }

  async listTopics(): Promise<string[]> {
    return this.#run("listTopics", {});
  }

  /** False when all of the topics are there already. */
  async createTopics(options: CreateTopicsOptions): Promise<boolean> {
    this.#check(options, "createTopics()", CREATE_TOPICS_KINDS);
    checkCreateTopics(options);
    for (const topic of options.topics) {
      this.#check(topic, "createTopics()", TOPIC_KINDS, topic.topic);
    }
    const topics = options.topics.map((topic) => ({
      topic: topic.topic,
      numPartitions: topic.numPartitions ?? BROKERS_DEFAULT,
      replicationFactor: topic.replicationFactor ?? BROKERS_DEFAULT,
      replicaAssignment: topic.replicaAssignment ?? [],
      configEntries: topic.configEntries ?? [],
    }));
    const { validateOnly = false, timeout = TIMEOUT_MS, waitForLeaders = true } = options;
    try {
      return await this.#run("createTopics", { topics, validateOnly, timeout, waitForLeaders });
    } catch (error) {
      if (!(error instanceof KafkaJSError) || error.topic === undefined) throw error;
      const failed = allOf(error).map((one) => new KafkaJSCreateTopicError(one, one.topic ?? ""));
      const messages = failed.map(({ message }) => message).join("; ");
      throw new KafkaJSAggregateError(`Topic creation errors: ${messages}`, failed);
    }
  }

  async deleteTopics(options: { topics: string[]; timeout?: number }): Promise<void> {
    this.#check(options, "deleteTopics()", DELETE_TOPICS_KINDS);
    const { topics, timeout = TIMEOUT_MS } = options;
    checkNames(topics, "topics");
    await this.#run("deleteTopics", { topics, timeout });
  }

  async createPartitions(options: CreatePartitionsOptions): Promise<boolean> {
    this.#check(options, "createPartitions()", CREATE_PARTITIONS_KINDS);
    checkCreatePartitions(options);
    for (const one of options.topicPartitions) {
      this.#check(one, "createPartitions()", TOPIC_PARTITIONS_KINDS, one.topic);
    }
    const { topicPartitions, validateOnly = false, timeout = TIMEOUT_MS } = options;
    await this.#run("createPartitions", { topicPartitions, validateOnly, timeout });
    return true;
  }

  /** Of all topics when none are named. */
  async fetchTopicMetadata(
    options: { topics?: string[] } = {},
  ): Promise<{ topics: ITopicMetadata[] }> {
    this.#check(options, "fetchTopicMetadata()", FETCH_TOPIC_METADATA_KINDS);
    const { topics = [] } = options;
    if (!Array.isArray(topics)) throw invalid("Expected topics array to be set");
    for (const topic of topics) checkTopic(topic);
    return this.#run("fetchTopicMetadata", { topics });
  }

  /** `high` is the high watermark, `low` the first offset. */
  async fetchTopicOffsets(topic: string): Promise<(SeekEntry & { high: string; low: string })[]> {
    checkTopic(topic);
    return this.#run("fetchTopicOffsets", { topic });
  }

  /** Of the first message that is not older (milliseconds), or of the next one to come. */
  async fetchTopicOffsetsByTimestamp(topic: string, timestamp?: number): Promise<SeekEntry[]> {
    checkTopic(topic);
    this.#check({ timestamp }, "fetchTopicOffsetsByTimestamp()", TIMESTAMP_KINDS, topic);
    return this.#run("fetchTopicOffsetsByTimestamp", { topic, timestamp: timestamp ?? null });
  }

  async fetchOffsets(
    options: FetchOffsetsOptions,
  ): Promise<{ topic: string; partitions: FetchOffsetsPartition[] }[]> {
    this.#check(options, "fetchOffsets()", FETCH_OFFSETS_KINDS);
    const { groupId, topics = [], resolveOffsets = false } = options;
    checkGroup(groupId);
    if (!Array.isArray(topics)) throw invalid("Expected topics array to be set");
    return this.#run("fetchOffsets", { groupId, topics, resolveOffsets });
  }

  /** -1 is the end, -2 the beginning. The group must have no members. */
  async setOffsets(options: {
    groupId: string;
    topic: string;
    partitions: SeekEntry[];
  }): Promise<void> {
    this.#check(options, "setOffsets()", SET_OFFSETS_KINDS);
    const { groupId, topic } = options;
    checkGroup(groupId);
    checkTopic(topic);
    await this.#run("setOffsets", { groupId, topic, partitions: offsets(options.partitions) });
  }

  /** To the end, or to the beginning. The group must have no members. */
  async resetOffsets(options: {
    groupId: string;
    topic: string;
    earliest?: boolean;
  }): Promise<void> {
    this.#check(options, "resetOffsets()", RESET_OFFSETS_KINDS);
    const { groupId, topic, earliest = false } = options;
    checkGroup(groupId);
    checkTopic(topic);
    await this.#run("resetOffsets", { groupId, topic, earliest });
  }

  /** Deletes what is before the offsets; -1 deletes all that is there. */
  async deleteTopicRecords(options: { topic: string; partitions: SeekEntry[] }): Promise<void> {
    this.#check(options, "deleteTopicRecords()", DELETE_TOPIC_RECORDS_KINDS);
    const { topic } = options;
    checkTopic(topic);
    const partitions = offsets(options.partitions);
    try {
      await this.#run("deleteTopicRecords", { topic, partitions });
    } catch (error) {
      if (!(error instanceof KafkaJSError)) throw error;
      const failed = allOf(error).flatMap((one) =>
        partitions
          .filter(({ partition }) => one.partition === undefined || partition === one.partition)
          .map((entry) => ({ ...entry, error: one })),
      );
      throw new KafkaJSDeleteTopicRecordsError({ topic, partitions: failed });
    }
  }

  async describeConfigs(options: {
    resources: ResourceConfigQuery[];
    includeSynonyms?: boolean;
  }): Promise<DescribeConfigResponse> {
    this.#check(options, "describeConfigs()", DESCRIBE_CONFIGS_KINDS);
    const { includeSynonyms = false } = options;
    checkResources(options.resources);
    const resources = options.resources.map((resource) => {
      const { type, name, configNames = null } = resource;
      this.#check(resource, "describeConfigs()", RESOURCE_QUERY_KINDS, name);
      if (configNames !== null && !Array.isArray(configNames)) {
        throw invalid(`Invalid resource configNames of "${name}"`);
      }
      return { type, name, configNames };
    });
    return this.#run("describeConfigs", { resources, includeSynonyms });
  }

  /** Replaces all configs of each resource, as KafkaJS does. */
  async alterConfigs(options: {
    resources: IResourceConfig[];
    validateOnly?: boolean;
  }): Promise<AlterConfigsResponse> {
    this.#check(options, "alterConfigs()", ALTER_CONFIGS_KINDS);
    const { resources, validateOnly = false } = options;
    checkResources(resources);
    for (const resource of resources) {
      const { name, configEntries } = resource;
      this.#check(resource, "alterConfigs()", RESOURCE_KINDS, name);
      const valid = (entry: { name: unknown; value: unknown }): boolean =>
        typeof entry.name === "string" && typeof entry.value === "string";
      if (!Array.isArray(configEntries) || !configEntries.every(valid)) {
        throw invalid(`Invalid resource configEntries of "${name}"`);
      }
    }
    await this.#run("alterConfigs", { resources, validateOnly });
    return {
      resources: resources.map(({ type, name }) => ({
        errorCode: 0,
        errorMessage: null,
        resourceName: name,
        resourceType: type,
      })),
    };
  }

  async describeCluster(): Promise<ClusterDescription> {
    return this.#run("describeCluster", {});
  }

  async listGroups(): Promise<{ groups: GroupOverview[] }> {
    return this.#run("listGroups", {});
  }

  async describeGroups(groupIds: string[]): Promise<GroupDescriptions> {
    checkNames(groupIds, "groupIds");
    return describeGroups(await this.#port(), groupIds);
  }

  /** Rejects with a `KafkaJSDeleteGroupsError` that says which could not be deleted. */
  async deleteGroups(groupIds: string[]): Promise<DeleteGroupsResult[]> {
    checkNames(groupIds, "groupIds");
    const answers = await this.#run<(DeleteGroupsResult & { error?: unknown })[]>("deleteGroups", {
      groupIds,
    });
    const results = answers.map(({ error, ...result }): DeleteGroupsResult =>
      error === undefined ? result : { ...result, error: asError(error) },
    );
    const failed = results.filter(({ errorCode }) => errorCode !== 0);
    if (0 < failed.length) {
      const reasons = failed.map(({ groupId, error }) => `${groupId}: ${error?.message ?? ""}`);
      const message = `Error in DeleteGroups: ${reasons.join("; ")}`;
      throw new KafkaJSDeleteGroupsError(message, failed);
    }
    return results;
  }

  /** Always rejects: there are no ACLs. */
  async createAcls(): Promise<never> {
    return Promise.reject(notImplemented("ACLs"));
  }

  /** Always rejects: there are no ACLs. */
  async describeAcls(): Promise<never> {
    return Promise.reject(notImplemented("ACLs"));
  }

  /** Always rejects: there are no ACLs. */
  async deleteAcls(): Promise<never> {
    return Promise.reject(notImplemented("ACLs"));
  }

  /** Always rejects: partitions stay where they are. */
  async alterPartitionReassignments(): Promise<never> {
    return Promise.reject(notImplemented("partition reassignments"));
  }

  /** Always rejects: partitions stay where they are. */
  async listPartitionReassignments(): Promise<never> {
    return Promise.reject(notImplemented("partition reassignments"));
  }

  /** Calls the listener with every such event. Returns what ends it. */
  on<Type extends keyof AdminPayloads>(
    eventName: Type,
    listener: (event: InstrumentationEvent<AdminPayloads[Type]>) => void,
  ): () => void {
    return this.#instrumentation.on(eventName, listener);
  }

  logger(): Logger {
    return this.#logger;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.disconnect();
  }

  /** Throws for what cannot be (of `name`, if many are given), and warns of what has no effect. */
  #check(given: object, to: string, kinds: Readonly<Record<string, Kind>>, name?: string): void {
    checkOptions(given, to, kinds, name === undefined ? `${to}: ` : `${to}: "${name}": `);
    tellUnused(this.#rootLogger, to, given, kinds);
  }

  async #run<Result>(operation: string, args: object): Promise<Result> {
    return runOperation<Result>(await this.#port(), operation, args);
  }

  /** Of an admin that nobody connected, too: KafkaJS's admins then connect by themselves. */
  async #port(): Promise<CommandPort> {
    const { port } = await this.#connector.use();
    return port;
  }
}

/** An error and what else failed with it. */
function allOf(error: KafkaJSError): KafkaJSError[] {
  return [error, ...(error.others ?? [])];
}

function offsets(partitions: SeekEntry[]): PartitionOffset[] {
  checkPartitions(partitions);
  return partitions.map(({ partition, offset }) => ({
    partition,
    offset: offsetOrSpecial(offset),
  }));
}
