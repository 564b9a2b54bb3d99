// What producers take and give.
import type { Abortable } from "./abortable.js";
import type { CompressionTypes } from "./compression.js";
import type { Message } from "./message.js";
import type { PartitionMetadata } from "./partition.js";

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

export interface PartitionerArgs {
  topic: string;
  partitionMetadata: PartitionMetadata[];
  message: Message;
}

export type ICustomPartitioner = () => (args: PartitionerArgs) => number;
export type DefaultPartitioner = ICustomPartitioner;
export type LegacyPartitioner = ICustomPartitioner;
