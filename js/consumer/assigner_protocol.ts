// The bytes in which members tell their subscription and get their assignment (version 0).
import { MessageBytes } from "../types/message_bytes.js";
import type { Assignment } from "../types/partition.js";

export interface MemberMetadata {
  version: number;
  topics: string[];
  userData: Uint8Array;
}

export interface MemberAssignment {
  version: number;
  assignment: Assignment;
  userData: Uint8Array;
}

/** What makes bytes of a value, and a value of its bytes. */
export interface ISerializer<Value, Encoded = Value> {
  encode(value: Encoded): MessageBytes;
  /** Null for what is too short. */
  decode(encoded: Uint8Array): Value | null;
}

/** The same without what need not be given. */
type Given<Value extends { userData: Uint8Array }> = Omit<Value, "userData"> &
  Partial<Pick<Value, "userData">>;

/** Encodes and decodes what `describeGroups` gives as bytes. */
export const AssignerProtocol: {
  MemberMetadata: ISerializer<MemberMetadata, Given<MemberMetadata>>;
  MemberAssignment: ISerializer<MemberAssignment, Given<MemberAssignment>>;
} = {
  MemberMetadata: {
    encode({ version, topics, userData = new Uint8Array() }) {
      const out: number[] = [];
      int16(out, version);
      int32(out, topics.length);
      for (const topic of topics) string(out, topic);
      bytes(out, userData);
      return MessageBytes.copyOf(out);
    },

    decode(encoded) {
      if (encoded.length < 2) return null;
      const input = new Input(encoded);
      const version = input.int16();
      const topics = input.array(() => input.string());
      return { version, topics, userData: input.bytes() };
    },
  },

  MemberAssignment: {
    encode({ version, assignment, userData = new Uint8Array() }) {
      const out: number[] = [];
      int16(out, version);
      int32(out, Object.keys(assignment).length);
      for (const [topic, partitions] of Object.entries(assignment)) {
        string(out, topic);
        int32(out, partitions.length);
        for (const partition of partitions) int32(out, partition);
      }
      bytes(out, userData);
      return MessageBytes.copyOf(out);
    },

    decode(encoded) {
      if (encoded.length < 2) return null;
      const input = new Input(encoded);
      const version = input.int16();
      const topics = input.array(() => [input.string(), input.array(() => input.int32())] as const);
      return { version, assignment: Object.fromEntries(topics), userData: input.bytes() };
    },
  },
};

function int16(out: number[], value: number): void {
  out.push((value >> 8) & 0xff, value & 0xff);
}

function int32(out: number[], value: number): void {
  int16(out, value >> 16);
  int16(out, value);
}

function string(out: number[], value: string): void {
  const encoded = new TextEncoder().encode(value);
  int16(out, encoded.length);
  out.push(...encoded);
}

function bytes(out: number[], value: Uint8Array): void {
  int32(out, value.length);
  out.push(...value);
}

class Input {
  readonly #bytes: MessageBytes;
  readonly #view: DataView;
  #at = 0;

  constructor(encoded: Uint8Array) {
    this.#bytes = MessageBytes.copyOf(encoded);
    this.#view = new DataView(this.#bytes.buffer);
  }

  int16(): number {
    const value = this.#view.getInt16(this.#at);
    this.#at += 2;
    return value;
  }

  int32(): number {
    const value = this.#view.getInt32(this.#at);
    this.#at += 4;
    return value;
  }

  string(): string {
    return this.#take(this.int16()).toString();
  }

  array<Item>(item: () => Item): Item[] {
    return Array.from({ length: this.int32() }, item);
  }

  /** Null and absent, as older members send it, count as empty. */
  bytes(): MessageBytes {
    if (this.#at === this.#view.byteLength) return this.#take(0);
    return this.#take(this.int32());
  }

  #take(length: number): MessageBytes {
    const start = this.#at;
    this.#at += Math.max(length, 0);
    return new MessageBytes(this.#bytes.buffer.slice(start, this.#at));
  }
}
