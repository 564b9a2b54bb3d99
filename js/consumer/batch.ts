// Messages of one partition as a consumer's handler gets them.
import { decodeMessages } from "../records/flat.js";
import type { Batch } from "../types/consumer.js";
import type { KafkaMessage } from "../types/message.js";

/** A batch as it comes from the wasm; see `src/bindings/consumer_client.rs`. */
export interface PolledBatch {
  topic: string;
  partition: number;
  /** Says which assignment or seek the batch belongs to; goes back with what is said about it. */
  fence: number;
  /** See `flat.ts`. At least one. */
  records: Uint8Array<ArrayBuffer>;
  /** Behind the records and what is skipped after them, such as transaction markers. */
  nextOffset: string;
  highWatermark: string;
  logStartOffset: string;
}

export class FetchedBatch implements Batch {
  readonly topic: string;
  readonly partition: number;
  readonly highWatermark: string;
  readonly messages: KafkaMessage[];
  readonly #nextOffset: string;

  constructor({ topic, partition, highWatermark, records, nextOffset }: PolledBatch) {
    this.topic = topic;
    this.partition = partition;
    this.highWatermark = highWatermark;
    this.messages = Array.from(decodeMessages(records));
    this.#nextOffset = nextOffset;
  }

  isEmpty(): boolean {
    return this.messages.length === 0;
  }

  firstOffset(): string | null {
    return this.messages[0]?.offset ?? null;
  }

  lastOffset(): string {
    return this.messages.at(-1)?.offset ?? (BigInt(this.#nextOffset) - 1n).toString();
  }

  offsetLag(): string {
    return this.#behind(this.lastOffset());
  }

  offsetLagLow(): string {
    return this.#behind(this.firstOffset() ?? this.lastOffset());
  }

  /** Messages of the partition behind this one. */
  #behind(offset: string): string {
    return (BigInt(this.highWatermark) - 1n - BigInt(offset)).toString();
  }
}
