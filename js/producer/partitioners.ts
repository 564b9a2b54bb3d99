// Which partition a message goes to, as KafkaJS's exports decide it.
//
// The producer's own partitioner runs in the wasm; these are for applications that wrap them, and
// for those that still need KafkaJS 1's.
import { isBytes } from "../errors/realm.js";
import type {
  DefaultPartitioner,
  ICustomPartitioner,
  LegacyPartitioner,
} from "../types/producer.js";

type Hash = (key: Uint8Array) => number;

const SEED = 0x9747b28c;
const M = 0x5bd1e995;

const encoder = new TextEncoder();

/** Kafka's hash of a key: MurmurHash2, 32 bits. */
export const murmur2: Hash = (key) => hash(key, Math.imul, key.length - (key.length % 4));

/**
 * KafkaJS 1's murmur2: products lose bits as doubles do, and a rest of one to three bytes is hashed
 * as one more word before it is hashed as a rest.
 */
const legacyMurmur2: Hash = (key) => hash(key, (a, b) => a * b, key.length);

function hash(key: Uint8Array, multiply: (a: number, b: number) => number, end: number): number {
  const byte = (at: number): number => key[at] ?? 0;
  let h = SEED ^ key.length;
  for (let at = 0; at < end; at += 4) {
    let k = byte(at) + (byte(at + 1) << 8) + (byte(at + 2) << 16) + (byte(at + 3) << 24);
    k = multiply(k, M);
    k ^= k >>> 24;
    k = multiply(k, M);
    h = multiply(h, M);
    h ^= k;
  }
  const rest = key.length - (key.length % 4);
  if (rest < key.length) {
    for (let at = key.length - 1; rest <= at; at--) h ^= byte(at) << (8 * (at - rest));
    h = multiply(h, M);
  }
  h ^= h >>> 13;
  h = multiply(h, M);
  h ^= h >>> 15;
  return h;
}

/** By partition if the message names one, else by key, else the available ones in turn. */
function partitioner(hashOf: Hash): ICustomPartitioner {
  return () => {
    const counters = new Map<string, number>();
    return ({ topic, partitionMetadata, message: { partition, key } }) => {
      if (partition !== undefined && (partition as number | null) !== null) return partition;
      if (key !== undefined && key !== null) {
        const bytes = isBytes(key) ? key : encoder.encode(key);
        return (hashOf(bytes) & 0x7fffffff) % partitionMetadata.length;
      }
      const count = counters.get(topic) ?? Math.floor(Math.random() * 2 ** 31);
      counters.set(topic, (count + 1) % 2 ** 31);
      const available = partitionMetadata.filter(({ leader }) => 0 <= leader);
      const choice = 0 < available.length ? available : partitionMetadata;
      return choice[count % choice.length]?.partitionId ?? 0;
    };
  };
}

const defaultPartitioner: DefaultPartitioner = partitioner(murmur2);
const legacyPartitioner: LegacyPartitioner = partitioner(legacyMurmur2);

export const Partitioners = {
  /** As Kafka's own clients choose for keys. */
  DefaultPartitioner: defaultPartitioner,
  /** As KafkaJS 1 chose for keys. */
  LegacyPartitioner: legacyPartitioner,
  /** @deprecated The same as `DefaultPartitioner`. */
  JavaCompatiblePartitioner: defaultPartitioner,
};
