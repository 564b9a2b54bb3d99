// Keys and values of `__consumer_offsets`: a version, then the fields of Kafka's schemas
// OffsetCommitKey, OffsetCommitValue, GroupMetadataKey and GroupMetadataValue.
import type { StoredRecord } from "./stored.ts";

export const CONSUMER_OFFSETS = "__consumer_offsets";

/** In versions from this on, lengths are compact. */
const FLEXIBLE_VERSION = 4;

export interface Decoded {
  key: Record<string, unknown>;
  /** Null is a tombstone. */
  value: Record<string, unknown> | null;
  /** One line for a cell or a list. */
  summary: string;
}

/** What a record of `__consumer_offsets` says; null when it is of no known kind. */
export function decodeConsumerOffsets({ key, value }: StoredRecord): Decoded | null {
  if (key === null) return null;
  try {
    const fields = new Fields(key);
    const keyVersion = fields.int16();
    if (keyVersion === 0 || keyVersion === 1) return offsetCommit(fields, value);
    if (keyVersion === 2) return groupMetadata(fields, value);
    return null;
  } catch (error) {
    if (error instanceof RangeError) return null;
    throw error;
  }
}

function offsetCommit(keyFields: Fields, value: Uint8Array | null): Decoded {
  const key = {
    group: keyFields.string(),
    topic: keyFields.string(),
    partition: keyFields.int32(),
  };
  const at = `${key.group} · ${key.topic}-${key.partition}`;
  if (value === null) return { key, value: null, summary: `${at}: offset deleted` };
  const fields = new Fields(value);
  const version = fields.version();
  const offset = Number(fields.int64());
  const decoded = {
    version,
    offset,
    ...(version >= 3 && { leaderEpoch: fields.int32() }),
    metadata: fields.string(),
    commitTimestamp: new Date(Number(fields.int64())).toISOString(),
  };
  return { key, value: decoded, summary: `${at} → ${offset}` };
}

function groupMetadata(keyFields: Fields, value: Uint8Array | null): Decoded {
  const key = { group: keyFields.string() };
  if (value === null) return { key, value: null, summary: `${key.group}: group deleted` };
  const fields = new Fields(value);
  const version = fields.version();
  const decoded = {
    version,
    protocolType: fields.string(),
    generation: fields.int32(),
    protocol: fields.string(),
    leader: fields.string(),
    ...(version >= 2 && {
      currentStateTimestamp: new Date(Number(fields.int64())).toISOString(),
    }),
    members: fields.arrayLength(),
  };
  const summary = `${key.group}: generation ${decoded.generation}, ${decoded.members} members`;
  return { key, value: decoded, summary };
}

/** Reads fields one after the other; a RangeError when the bytes end before. */
class Fields {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;
  #flexible = false;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** The version of a value, which decides how its lengths are written. */
  version(): number {
    const version = this.int16();
    this.#flexible = version >= FLEXIBLE_VERSION;
    return version;
  }

  int16(): number {
    return this.#view.getInt16(this.#advance(2));
  }

  int32(): number {
    return this.#view.getInt32(this.#advance(4));
  }

  int64(): bigint {
    return this.#view.getBigInt64(this.#advance(8));
  }

  arrayLength(): number {
    return this.#flexible ? this.#varint() - 1 : this.int32();
  }

  string(): string | null {
    const length = this.#flexible ? this.#varint() - 1 : this.int16();
    if (length < 0) return null;
    const start = this.#advance(length);
    return new TextDecoder().decode(this.#bytes.subarray(start, start + length));
  }

  #varint(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.#view.getUint8(this.#advance(1));
      value |= (byte & 127) << shift;
      if (byte < 128) break;
    }
    return value;
  }

  #advance(bytes: number): number {
    const at = this.#at;
    this.#at += bytes;
    if (this.#at > this.#bytes.length) throw new RangeError("the value ends early");
    return at;
  }
}
