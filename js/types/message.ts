// Messages, as they are sent and as they are read.
import type { MessageBytes } from "./message_bytes.js";

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
