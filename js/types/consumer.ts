// What consumers take, and what they hand to handlers.
import type { KafkaMessage } from "./message.js";
import type { Offsets, OffsetsByTopicPartition } from "./partition.js";

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
