// What applications pass and get: KafkaJS's shapes under KafkaJS's names.
import type { PartitionAssigner } from "./assigners.js";
import type { ClusterStatus } from "./cluster.js";
import type { CompressionTypes } from "./compression.js";
import type { logCreator, logLevel } from "./logger.js";
import type { MessageBytes } from "./message_bytes.js";
import type { WasmSource } from "./wasm.js";

/** When what failed is tried again. */
export interface RetryOptions {
  /** Milliseconds between two tries, at most. Default 30,000. */
  maxRetryTime?: number;
  /** Milliseconds before the second try. Default 300. */
  initialRetryTime?: number;
  /** How far a wait strays at random. Default 0.2. */
  factor?: number;
  /** How fast waits grow. Default 2. */
  multiplier?: number;
  /** Default 5. Those of a `Kafka` are not its consumers'. */
  retries?: number;
  /** Whether a consumer that crashed is started again. Default: if its error is retriable. */
  restartOnFailure?: (error: Error) => Promise<boolean>;
}

/** What the properties of a type may be, such as the names of `ConsumerEvents`. */
export type ValueOf<T> = T[keyof T];

export type BrokersFunction = () => string[] | Promise<string[]>;

/** How to reach a cluster, which is one of this origin. */
export interface KafkaConfig {
  /** The cluster's name. Everything of this origin with the same name shares it. Default "default". */
  cluster?: string;
  /** Where the broker keeps its records. Default "indexeddb". */
  storage?: "indexeddb" | "memory";
  /** False runs all in this thread; only with memory storage. Default: where there are workers. */
  worker?: boolean;
  /** Where the wasm comes from, when not from beside the package. */
  wasm?: WasmSource;
  /** Broker configs under Kafka's names, such as `num.partitions`. The first who connects decides; others must agree. */
  brokerConfig?: Record<string, string>;
  clientId?: string;
  /** Milliseconds. Default 1,000. */
  connectionTimeout?: number;
  /** Milliseconds. Default 30,000. */
  requestTimeout?: number;
  retry?: RetryOptions;
  /** Default `logLevel.INFO`. */
  logLevel?: logLevel;
  logCreator?: logCreator;
  /** Not used: there is nothing to dial. Accepted so that a KafkaJS configuration is, too. */
  brokers?: string[] | BrokersFunction;
  /** Not used: timeouts always count. */
  enforceRequestTimeout?: boolean;
  /** Nothing leaves the origin. */
  ssl?: false | undefined;
  /** Refused: nobody logs in. */
  sasl?: undefined;
  /** Refused: there are no sockets. */
  socketFactory?: undefined;
}

/** Ends a wait: the call rejects with the signal's reason. */
export interface Abortable {
  signal?: AbortSignal | undefined;
}

export type StatusListener = (status: ClusterStatus) => void;

export interface ProducerConfig {
  /** Chooses a partition where a message does not. Default `Partitioners.DefaultPartitioner`. */
  createPartitioner?: ICustomPartitioner;
  retry?: RetryOptions;
  /** Milliseconds. Default 300,000. */
  metadataMaxAge?: number;
  /** Whether sending to an unknown topic creates it. Default true. */
  allowAutoTopicCreation?: boolean;
  /** Default: for sends with `acks: -1`. True refuses others. */
  idempotent?: boolean;
  /** Refused: there are no transactions yet. */
  transactionalId?: undefined;
  transactionTimeout?: number;
  /** Not used: order and idempotence hold with any number. */
  maxInFlightRequests?: number;
  /** Milliseconds that a batch waits for more records. Default 0. */
  lingerMs?: number;
  /** Bytes. Default 16,384. */
  batchSize?: number;
  /** Bytes of a request, and of a record. Default 1 MiB, and what the topic takes. */
  maxRequestSize?: number;
  /** Bytes of records that wait for their answers; further sends wait for room. Default 32 MiB. */
  bufferMemory?: number;
  /** Milliseconds after which a record that was not acknowledged fails. Default 120,000. */
  deliveryTimeout?: number;
}

export interface ConsumerConfig {
  groupId: string;
  /** Makes the member static (KIP-345). */
  groupInstanceId?: string;
  partitionAssigners?: PartitionAssigner[];
  metadataMaxAge?: number;
  /** Milliseconds. Default 30,000. */
  sessionTimeout?: number;
  /** Milliseconds. Default 60,000. */
  rebalanceTimeout?: number;
  /** Milliseconds. Default 3,000. */
  heartbeatInterval?: number;
  /** Default 1 MiB. */
  maxBytesPerPartition?: number;
  /** Default 1. */
  minBytes?: number;
  /** Default 10 MiB. */
  maxBytes?: number;
  /** Default 5,000. */
  maxWaitTimeInMs?: number;
  retry?: RetryOptions;
  allowAutoTopicCreation?: boolean;
  /** Not used: fetches wait side by side, a few at a time. */
  maxInFlightRequests?: number;
  readUncommitted?: boolean;
  /** Not used: all is here. */
  rackId?: string;
}

export interface AdminConfig {
  retry?: RetryOptions;
}

/** A header's value. */
export type HeaderValue = Uint8Array | string | null;

/** Headers by name; a list repeats the name. */
export interface IHeaders {
  [key: string]: HeaderValue | HeaderValue[] | undefined;
}

/** A message to send. */
export interface Message {
  key?: Uint8Array | string | null;
  /** Null is a tombstone. */
  value: Uint8Array | string | null;
  partition?: number;
  headers?: IHeaders;
  /** Milliseconds since the Unix epoch, as a decimal string. Default: now. */
  timestamp?: string;
}

export interface MessageHeaders {
  [key: string]: MessageBytes | (MessageBytes | null)[] | null | undefined;
}

/** A message that was read, of a record batch of format 2. */
export interface RecordBatchEntry {
  key: MessageBytes | null;
  value: MessageBytes | null;
  /** Milliseconds since the Unix epoch, as a decimal string. */
  timestamp: string;
  /** Of the record itself, for which Kafka has none yet: 0. */
  attributes: number;
  /** A decimal string: offsets are 64-bit. */
  offset: string;
  headers: MessageHeaders;
  size?: never;
}

/** There are none: message sets are how messages were stored before Kafka 0.11. */
export type MessageSetEntry = never;
export type KafkaMessage = RecordBatchEntry;

export interface ProducerRecord extends Abortable {
  topic: string;
  messages: Message[];
  /** -1: all in-sync replicas have it (default); 1: the leader has; 0: nobody says. */
  acks?: number;
  /** Milliseconds. Default 30,000. */
  timeout?: number;
  compression?: CompressionTypes;
}

export interface TopicMessages {
  topic: string;
  messages: Message[];
}

export interface ProducerBatch extends Abortable {
  acks?: number;
  timeout?: number;
  compression?: CompressionTypes;
  topicMessages?: TopicMessages[];
}

/** What sends: a producer. */
export interface Sender {
  send(record: ProducerRecord): Promise<RecordMetadata[]>;
  sendBatch(batch: ProducerBatch): Promise<RecordMetadata[]>;
}

export interface RecordMetadata {
  topicName: string;
  partition: number;
  errorCode: number;
  /** Only old brokers; here for KafkaJS's type. */
  offset?: string;
  timestamp?: string;
  baseOffset?: string;
  logAppendTime?: string;
  logStartOffset?: string;
}

export interface PartitionMetadata {
  partitionErrorCode: number;
  partitionId: number;
  leader: number;
  replicas: number[];
  isr: number[];
  offlineReplicas?: number[];
}

export interface PartitionerArgs {
  topic: string;
  partitionMetadata: PartitionMetadata[];
  message: Message;
}

export type ICustomPartitioner = () => (args: PartitionerArgs) => number;
export type DefaultPartitioner = ICustomPartitioner;
export type LegacyPartitioner = ICustomPartitioner;

export interface TopicPartition {
  topic: string;
  partition: number;
}
export type TopicPartitionOffset = TopicPartition & { offset: string };
export type TopicPartitionOffsetAndMetadata = TopicPartitionOffset & { metadata?: string | null };

export interface TopicPartitions {
  topic: string;
  partitions: number[];
}

export interface PartitionOffset {
  partition: number;
  offset: string;
}
export type SeekEntry = PartitionOffset;

export interface TopicOffsets {
  topic: string;
  partitions: PartitionOffset[];
}

export interface Offsets {
  topics: TopicOffsets[];
}
export type OffsetsByTopicPartition = Offsets;

/** Messages of one partition, in order. */
export interface Batch {
  topic: string;
  partition: number;
  /** Behind the last message that consumers may see, at the time of the fetch. */
  highWatermark: string;
  messages: KafkaMessage[];
  isEmpty(): boolean;
  firstOffset(): string | null;
  lastOffset(): string;
  /** Messages of the partition behind this batch. */
  offsetLag(): string;
  /** Messages of the partition behind this batch's first. */
  offsetLagLow(): string;
}

export interface EachMessagePayload {
  topic: string;
  partition: number;
  message: KafkaMessage;
  /** Rejects when the partition is taken away; heartbeats themselves are sent anyway. */
  heartbeat: () => Promise<void>;
  /** Pauses the partition; returns what resumes it. */
  pause: () => () => void;
}

export interface EachBatchPayload {
  batch: Batch;
  resolveOffset: (offset: string) => void;
  heartbeat: () => Promise<void>;
  pause: () => () => void;
  commitOffsetsIfNecessary: (offsets?: Offsets) => Promise<void>;
  uncommittedOffsets: () => OffsetsByTopicPartition;
  isRunning: () => boolean;
  /** Whether the rest of the batch is not to be processed: a seek, or the partition went. */
  isStale: () => boolean;
}

export type EachBatchHandler = (payload: EachBatchPayload) => Promise<void>;
export type EachMessageHandler = (payload: EachMessagePayload) => Promise<void>;
export type ConsumerEachMessagePayload = EachMessagePayload;
export type ConsumerEachBatchPayload = EachBatchPayload;

export interface ConsumerRunConfig {
  /** Default true: after each batch, and within it by the two limits below. */
  autoCommit?: boolean;
  /** Milliseconds. */
  autoCommitInterval?: number | null;
  /** Messages. */
  autoCommitThreshold?: number | null;
  /** Default true: a batch whose handler returns counts as processed. */
  eachBatchAutoResolve?: boolean;
  /** Default 1. */
  partitionsConsumedConcurrently?: number;
  /** Not called where there is `eachMessage` as well. */
  eachBatch?: EachBatchHandler;
  eachMessage?: EachMessageHandler;
}

export interface ConsumerSubscribeTopic {
  topic: string | RegExp;
  fromBeginning?: boolean;
}
export interface ConsumerSubscribeTopics {
  topics: (string | RegExp)[];
  /** Where to start without a committed offset: at the first message, or (default) the next. */
  fromBeginning?: boolean;
}

export type Assignment = Record<string, number[]>;
export type IMemberAssignment = Assignment;
