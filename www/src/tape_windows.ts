import type { Reader } from "./engine/reader.ts";
import { type PartitionPicture, type TopicPicture, topicPartition, entry } from "./flow/picture.ts";
import type { StoredRecord } from "./records/stored.ts";

/** Records of a tape are read again this often at most, while they pass quickly. */
const READ_INTERVAL_MS = 400;
/** Records kept of one partition, so that going back and forth costs nothing. */
const KEPT_RECORDS_MAX = 2_000;

/** The offsets that a tape shows as cells: `[from, to)`. */
export interface TapeWindow {
  from: number;
  to: number;
  /** The last cells are shown, and those that come. */
  follows: boolean;
}

interface Tape {
  /** Where somebody moved the tape to; undefined while it follows its end. */
  from: number | undefined;
  /** By offset; null where compaction has taken the record away. */
  records: Map<number, StoredRecord | null>;
  reading: boolean;
  nextReadMs: number;
}

/** Which part of each tape is in view, and the records there. */
export class TapeWindows {
  /** Cells that fit on a tape, with the empty one at the end. */
  capacity = 12;
  readonly #tapes = new Map<string, Tape>();
  readonly #reader: Pick<Reader, "read" | "close">;
  readonly #changed: () => void;
  readonly #failed: (error: unknown) => void;

  constructor(
    reader: Pick<Reader, "read" | "close">,
    changed: () => void,
    failed: (error: unknown) => void,
  ) {
    this.#reader = reader;
    this.#changed = changed;
    this.#failed = failed;
  }

  window(topic: string, index: number, partition: PartitionPicture): TapeWindow {
    const { logStartOffset, highWatermark } = partition;
    const newest = Math.max(logStartOffset, highWatermark - (this.capacity - 1));
    const from = Math.max(
      logStartOffset,
      Math.min(this.#tape(topic, index).from ?? newest, newest),
    );
    const to = Math.min(highWatermark, from + this.capacity - 1);
    return { from, to, follows: from === newest };
  }

  /** Shows the cells from `offset` on; undefined follows the end. */
  move(topic: string, index: number, offset: number | undefined): void {
    this.#tape(topic, index).from = offset;
    this.#changed();
  }

  /** Undefined while it is not known yet, null when compaction has taken it away. */
  record(topic: string, index: number, offset: number): StoredRecord | null | undefined {
    return this.#tape(topic, index).records.get(offset);
  }

  /** Reads what is in view and not known yet, of those partitions of the topic that are in view. */
  fill(
    topic: TopicPicture,
    inView: readonly [index: number, partition: PartitionPicture][],
    nowMs: number,
  ): void {
    for (const [index, partition] of inView) {
      const tape = this.#tape(topic.name, index);
      const { from, to } = this.window(topic.name, index, partition);
      const missing = firstMissing(tape.records, from, to);
      if (missing === undefined || tape.reading || nowMs < tape.nextReadMs) continue;
      tape.nextReadMs = nowMs + READ_INTERVAL_MS;
      void this.#read(tape, topic, index, missing, to);
    }
  }

  /** Forgets all records, since their topics may be gone. */
  forget(): void {
    this.#tapes.clear();
    this.#reader.close();
  }

  async #read(
    tape: Tape,
    topic: TopicPicture,
    index: number,
    from: number,
    to: number,
  ): Promise<void> {
    tape.reading = true;
    try {
      const { records, complete } = await this.#reader.read(topic, index, from, to);
      if (complete) {
        for (let offset = from; offset < to; offset += 1) tape.records.set(offset, null);
      }
      for (const record of records) tape.records.set(record.offset, record);
      for (const offset of tape.records.keys()) {
        if (tape.records.size <= KEPT_RECORDS_MAX) break;
        tape.records.delete(offset);
      }
    } catch (error) {
      this.#failed(error);
    } finally {
      tape.reading = false;
      this.#changed();
    }
  }

  #tape(topic: string, index: number): Tape {
    return entry(this.#tapes, topicPartition(topic, index), () => ({
      from: undefined,
      records: new Map<number, StoredRecord | null>(),
      reading: false,
      nextReadMs: 0,
    }));
  }
}

function firstMissing(records: Map<number, StoredRecord | null>, from: number, to: number) {
  for (let offset = from; offset < to; offset += 1) {
    if (!records.has(offset)) return offset;
  }
  return undefined;
}
