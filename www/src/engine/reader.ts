import type { Consumer, KafkaMessage } from "tablog";
import type { TopicPicture } from "../flow/picture.ts";
import type { StoredRecord } from "../records/stored.ts";
import { kafkaAs, PAGE_CLIENT_ID } from "./cluster.ts";

const READER_CLIENT_ID = `${PAGE_CLIENT_ID}-reader`;
const BYTES_PER_PARTITION_MAX = 64 * 1024;
const PARTITIONS_AT_ONCE_MAX = 4;

/** What was read. */
export interface Read {
  records: StoredRecord[];
  /** False after a failure: then some of the records may be missing that are there. */
  complete: boolean;
}

/** What somebody waits for: records of `[from, to)`. */
interface Wanted {
  from: number;
  to: number;
  records: StoredRecord[];
  done: (read: Read) => void;
}

/** Reads any record of a topic, for those who click at it. */
export class Reader {
  #topic = "";
  #partitions = 0;
  #opened: Promise<TopicReader> | undefined;

  /** The records of `[from, to)`, which must be below the high watermark. */
  async read(
    { name, partitions }: TopicPicture,
    partition: number,
    from: number,
    to: number,
  ): Promise<Read> {
    if (name !== this.#topic || partitions.length !== this.#partitions) {
      this.close();
      this.#topic = name;
      this.#partitions = partitions.length;
    }
    this.#opened ??= TopicReader.open(name, partitions.length, () => {
      this.close();
    });
    return (await this.#opened).read(partition, from, to);
  }

  /** Gives up the topic that was read last. */
  close(): void {
    void this.#opened?.then((reader) => reader.close());
    this.#opened = undefined;
  }
}

/** A consumer that has all partitions of a topic, paused but for those that somebody waits for. */
class TopicReader {
  readonly #topic: string;
  readonly #consumer: Consumer;
  readonly #wanted = new Map<number, Wanted>();

  private constructor(topic: string) {
    this.#topic = topic;
    this.#consumer = kafkaAs(READER_CLIENT_ID).consumer({
      // Of no meaning: it joins no group and commits nothing.
      groupId: READER_CLIENT_ID,
      maxBytesPerPartition: BYTES_PER_PARTITION_MAX,
      // Who only looks at a topic does not bring it back.
      allowAutoTopicCreation: false,
    });
  }

  static async open(topic: string, count: number, onCrash: () => void): Promise<TopicReader> {
    const reader = new TopicReader(topic);
    const consumer = reader.#consumer;
    consumer.on(consumer.events.CRASH, ({ payload }) => {
      if (!payload.restart) onCrash();
    });
    const partitions = Array.from({ length: count }, (_, partition) => partition);
    consumer.assign(partitions.map((partition) => ({ topic, partition, offset: "0" })));
    await consumer.connect();
    const running = consumer.run({
      autoCommit: false,
      partitionsConsumedConcurrently: PARTITIONS_AT_ONCE_MAX,
      eachBatch: ({ batch }) => {
        reader.#took(batch.partition, batch.messages);
        return Promise.resolve();
      },
    });
    consumer.pause([{ topic, partitions }]);
    await running;
    return reader;
  }

  /** One read of a partition at a time. */
  read(partition: number, from: number, to: number): Promise<Read> {
    return new Promise((done) => {
      this.#wanted.set(partition, { from, to, records: [], done });
      const topic = this.#topic;
      this.#consumer.seek({ topic, partition, offset: String(from) });
      this.#consumer.resume([{ topic, partitions: [partition] }]);
    });
  }

  async close(): Promise<void> {
    for (const { records, done } of this.#wanted.values()) done({ records, complete: false });
    this.#wanted.clear();
    await this.#consumer.disconnect();
  }

  #took(partition: number, messages: readonly KafkaMessage[]): void {
    const wanted = this.#wanted.get(partition);
    if (wanted === undefined) return;
    const { from, to, records, done } = wanted;
    for (const message of messages) {
      const offset = Number(message.offset);
      if (from <= offset && offset < to) records.push(stored(this.#topic, partition, message));
    }
    if (Number(messages.at(-1)?.offset ?? -1) < to - 1) return;
    this.#consumer.pause([{ topic: this.#topic, partitions: [partition] }]);
    this.#wanted.delete(partition);
    done({ records, complete: true });
  }
}

function stored(topic: string, partition: number, message: KafkaMessage): StoredRecord {
  const { offset, timestamp, key, value, headers } = message;
  return {
    topic,
    partition,
    offset: Number(offset),
    timestampMs: Number(timestamp),
    key,
    value,
    headers: Object.entries(headers).flatMap(([name, values]) =>
      (Array.isArray(values) ? values : [values]).map((one): [string, Uint8Array | null] => [
        name,
        one ?? null,
      ]),
    ),
  };
}
