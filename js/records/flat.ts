// Records as flat buffers, the form in which they cross to the wasm; see `src/bindings/flat.rs`.
import { isBytes } from "../errors/realm.js";
import { invalid } from "../errors/refusals.js";
import type { HeaderValue, KafkaMessage, Message, MessageHeaders } from "../types/message.js";
import { MessageBytes } from "../types/message_bytes.js";

const NULL = -1;
const PARTITIONER_CHOOSES = -1;
/** No timestamp of a record: that may be -1, which Kafka keeps. */
const NOW = -(2n ** 63n);
const INITIAL_BYTES = 4096;
/** A UTF-16 unit is at most this many bytes of UTF-8. */
const UTF8_BYTES_PER_UNIT_MAX = 3;

/** Writes messages of one topic. Throws for what is no message. */
export function encodeMessages(
  topic: string,
  messages: readonly Message[],
): Uint8Array<ArrayBuffer> {
  const out = new Writer(topic);
  for (const message of messages) {
    out.i32(partition(topic, message));
    out.i64(timestamp(topic, message));
    out.bytes(message.key ?? null, "key");
    out.bytes(message.value, "value");
    headers(out, message);
  }
  return out.take();
}

function partition(topic: string, { partition }: Message): number {
  // KafkaJS takes null for "not given".
  if (partition === undefined || (partition as number | null) === null) return PARTITIONER_CHOOSES;
  if (Number.isInteger(partition) && 0 <= partition && partition < 2 ** 31) return partition;
  throw invalid(`Invalid partition ${String(partition)} of a message for topic "${topic}"`, {
    topic,
    partition,
  });
}

function timestamp(topic: string, { timestamp }: Message): bigint {
  // KafkaJS takes anything falsy for "now", and numbers for strings.
  const given = timestamp as string | number | undefined;
  if (given === undefined || given === "" || given === 0) return NOW;
  if (/^-?\d{1,18}$/.test(String(given))) return BigInt(given);
  throw invalid(`Invalid timestamp ${String(given)} of a message for topic "${topic}"`, { topic });
}

function headers(out: Writer, message: Message): void {
  const pairs: [string, HeaderValue][] = [];
  for (const [name, value] of Object.entries(message.headers ?? {})) {
    for (const one of Array.isArray(value) ? value : [value]) pairs.push([name, one ?? null]);
  }
  out.i32(pairs.length);
  for (const [name, value] of pairs) {
    out.bytes(name, "header");
    out.bytes(value, "header");
  }
}

class Writer {
  readonly #topic: string;
  readonly #encoder = new TextEncoder();
  #bytes = new Uint8Array(INITIAL_BYTES);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;

  constructor(topic: string) {
    this.#topic = topic;
  }

  i32(value: number): void {
    this.#reserve(4);
    this.#view.setInt32(this.#length, value, true);
    this.#length += 4;
  }

  i64(value: bigint): void {
    this.#reserve(8);
    this.#view.setBigInt64(this.#length, value, true);
    this.#length += 8;
  }

  /** `what` says in an error what is no bytes. */
  bytes(value: Uint8Array | string | null, what: string): void {
    if (value === null) {
      this.i32(NULL);
    } else if (typeof value === "string") {
      this.#reserve(4 + value.length * UTF8_BYTES_PER_UNIT_MAX);
      const start = this.#length + 4;
      const { written } = this.#encoder.encodeInto(value, this.#bytes.subarray(start));
      this.i32(written);
      this.#length += written;
    } else if (isBytes(value)) {
      this.i32(value.length);
      this.#reserve(value.length);
      this.#bytes.set(value, this.#length);
      this.#length += value.length;
    } else {
      const kind = typeof value;
      throw invalid(
        `Invalid ${what} of a message for topic "${this.#topic}": ${kind} is no bytes`,
        {
          topic: this.#topic,
        },
      );
    }
  }

  take(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(0, this.#length);
  }

  #reserve(count: number): void {
    const needed = this.#length + count;
    if (needed <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
    this.#view = new DataView(grown.buffer);
  }
}

/**
 * Reads fetched messages, one after the other. Keys, values and headers are copies: a view
 * would take the whole fetch along where it is kept, posted or stored. What is most of the fetch is a
 * view.
 *
 * Plain properties, although getters could put off even that: programs spread messages
 * (`{ ...message, topic }`), which takes no getter of a class along, and getters of their own cost
 * eight times what the views do (3 µs a message against 0.35).
 */
export function* decodeMessages(flat: Uint8Array<ArrayBuffer>): Generator<KafkaMessage> {
  const input = new Reader(flat);
  while (!input.atEnd()) {
    yield {
      offset: input.i64(),
      timestamp: input.i64(),
      key: input.bytes(),
      value: input.bytes(),
      headers: readHeaders(input),
      attributes: 0,
    };
  }
}

function readHeaders(input: Reader): MessageHeaders {
  const byName = new Map<string, (MessageBytes | null)[]>();
  for (let left = input.i32(); 0 < left; left--) {
    const name = input.bytes()?.toString() ?? "";
    const value = input.bytes();
    const values = byName.get(name);
    if (values === undefined) byName.set(name, [value]);
    else values.push(value);
  }
  if (byName.size === 0) return {};
  return Object.fromEntries(
    Array.from(byName, ([name, values]) => [name, values.length === 1 ? values[0] : values]),
  );
}

class Reader {
  readonly #flat: Uint8Array<ArrayBuffer>;
  readonly #view: DataView;
  #at = 0;

  constructor(flat: Uint8Array<ArrayBuffer>) {
    this.#flat = flat;
    this.#view = new DataView(flat.buffer, flat.byteOffset, flat.byteLength);
  }

  atEnd(): boolean {
    return this.#at === this.#flat.length;
  }

  i32(): number {
    const value = this.#view.getInt32(this.#at, true);
    this.#at += 4;
    return value;
  }

  /** As a decimal string. */
  i64(): string {
    const low = this.#view.getUint32(this.#at, true);
    const high = this.#view.getInt32(this.#at + 4, true);
    this.#at += 8;
    // What a double holds exactly is printed without a detour over BigInt.
    if (Math.abs(high) < 2 ** 20) return String(high * 2 ** 32 + low);
    return this.#view.getBigInt64(this.#at - 8, true).toString();
  }

  bytes(): MessageBytes | null {
    const length = this.i32();
    if (length === NULL) return null;
    const start = this.#at;
    this.#at += length;
    const bytes = this.#flat.subarray(start, this.#at);
    return this.#flat.length < 2 * length
      ? new MessageBytes(bytes.buffer, bytes.byteOffset, length)
      : MessageBytes.copyOf(bytes);
  }
}
