import { Kafka, logLevel } from "tablog";

const FLIGHTS_URL = new URL(
  "../../../node_modules/vega-datasets/data/flights-20k.json",
  import.meta.url,
);
const SEND_RECORDS = 250;
const QUIET_MS = 60_000;

interface Flight {
  date: string;
  origin: string;
}

/** A record as a consumer got it. */
interface Got {
  member: number;
  partition: number;
  offset: number;
  key: string;
  value: string;
  timestamp: string;
}

export interface Differences {
  records: number;
  /** Keys whose values are not those of the input, in its order, each once. */
  keys: string[];
  /** Offsets of a partition that do not follow each other. */
  gaps: number;
}

const kafka = new Kafka({
  clientId: "check",
  cluster: "playground",
  logLevel: logLevel.NOTHING,
});
let flights: Promise<Flight[]> | undefined;

/** The input. */
export function input(): Promise<Flight[]> {
  flights ??= fetch(FLIGHTS_URL).then(async (response) => (await response.json()) as Flight[]);
  return flights;
}

/** Reads a whole topic with a group of its own. */
export async function readTopic(topic: string): Promise<Got[]> {
  return (await consume(`read-${crypto.randomUUID()}`, topic, 1)).got;
}

/**
 * Consumes with so many members of a group until nothing is left between the group's committed
 * offsets and the high watermarks.
 */
export async function consume(
  groupId: string,
  topic: string,
  members: number,
): Promise<{ got: Got[]; committedBefore: number[] }> {
  const admin = kafka.admin();
  await admin.connect();
  const offsets = await admin.fetchTopicOffsets(topic);
  const committedBefore = await committed(groupId, topic);
  const expected = offsets.reduce(
    (sum, { partition, high, low }) =>
      sum + Number(high) - Math.max(Number(low), committedBefore[partition] ?? 0),
    0,
  );
  await admin.disconnect();
  const got: Got[] = [];
  const late = AbortSignal.timeout(QUIET_MS);
  let finish = (): void => undefined;
  const done = new Promise<void>((resolve, reject) => {
    finish = resolve;
    late.onabort = () => {
      reject(new Error(`${got.length} of ${expected} records came`));
    };
  });
  if (expected === 0) finish();
  const consumers = Array.from({ length: members }, () => kafka.consumer({ groupId }));
  // A member that has joined must find its partitions still full, or it could prove nothing.
  let open = (): void => undefined;
  const allJoined = new Promise<void>((resolve) => {
    open = resolve;
  });
  await Promise.all(
    consumers.map(async (consumer, member) => {
      await consumer.connect();
      await consumer.subscribe({ topics: [topic], fromBeginning: true });
      await consumer.run({
        eachMessage: async ({ partition, message }) => {
          await allJoined;
          got.push({
            member,
            partition,
            offset: Number(message.offset),
            key: message.key?.toString() ?? "",
            value: message.value?.toString() ?? "",
            timestamp: message.timestamp,
          });
          if (got.length === expected) finish();
        },
      });
    }),
  );
  open();
  try {
    await done;
  } finally {
    await Promise.all(consumers.map((consumer) => consumer.disconnect()));
  }
  return { got, committedBefore };
}

/** The group's committed offsets, by partition. */
export async function committed(groupId: string, topic: string): Promise<number[]> {
  const admin = kafka.admin();
  await admin.connect();
  const offsets: number[] = [];
  for (const { partitions } of await admin.fetchOffsets({ groupId, topics: [topic] })) {
    for (const { partition, offset } of partitions) {
      offsets[partition] = Math.max(0, Number(offset));
    }
  }
  await admin.disconnect();
  return offsets;
}

/** How records differ from the input: per origin the same values, in its order, each once. */
export async function compare(got: readonly Got[]): Promise<Differences> {
  const expected = new Map<string, string[]>();
  for (const flight of await input()) {
    push(expected, flight.origin, `${timestampOf(flight)} ${JSON.stringify(flight)}`);
  }
  const found = new Map<string, string[]>();
  const offsets = new Map<string, string[]>();
  for (const { partition, offset, key, value, timestamp } of got) {
    push(found, key, `${timestamp} ${value}`);
    push(offsets, String(partition), String(offset));
  }
  const keys = [...new Set([...expected.keys(), ...found.keys()])].filter(
    (key) => JSON.stringify(expected.get(key)) !== JSON.stringify(found.get(key)),
  );
  let gaps = 0;
  for (const ofPartition of offsets.values()) {
    for (let i = 1; i < ofPartition.length; i += 1) {
      if (Number(ofPartition[i]) !== Number(ofPartition[i - 1]) + 1) gaps += 1;
    }
  }
  return { records: got.length, keys, gaps };
}

/**
 * Produces the input into a new topic and, `crashAfterMs` into it, kills the broker's worker (see
 * `crashBroker` of crash.spec.ts). Gives what a reader finds then.
 */
export async function loadAndCrash(
  topic: string,
  crashAfterMs: number,
): Promise<Differences & { failed: string[]; loadMs: number; acknowledgedAtCrash: number }> {
  const admin = kafka.admin();
  await admin.connect();
  await admin.createTopics({
    topics: [{ topic, numPartitions: 6, configEntries: [{ name: "retention.ms", value: "-1" }] }],
  });
  const producer = kafka.producer();
  await producer.connect();
  const records = await input();
  const failed: string[] = [];
  let acknowledged = 0;
  let acknowledgedAtCrash = -1;
  const crash = new Promise<void>((resolve) => {
    setTimeout(() => {
      acknowledgedAtCrash = acknowledged;
      globalThis.crashBroker();
      resolve();
    }, crashAfterMs);
  });
  const startMs = performance.now();
  const sends: Promise<unknown>[] = [];
  for (let from = 0; from < records.length; from += SEND_RECORDS) {
    const messages = records.slice(from, from + SEND_RECORDS).map((flight) => ({
      key: flight.origin,
      value: JSON.stringify(flight),
      timestamp: String(timestampOf(flight)),
    }));
    const send = producer.send({ topic, messages }).then(
      () => (acknowledged += messages.length),
      (error: unknown) => failed.push(String(error)),
    );
    sends.push(send);
    // As an application that loads a file: a few sends in flight.
    if (sends.length % 4 === 0) await send;
  }
  await Promise.all(sends);
  const loadMs = performance.now() - startMs;
  await crash;
  await producer.disconnect();
  const differences = await compare(await readTopic(topic));
  await admin.deleteTopics({ topics: [topic] });
  await admin.disconnect();
  return { ...differences, failed, loadMs, acknowledgedAtCrash };
}

/** Creates so many topics, in requests of a few hundred. */
export async function createTopics(count: number): Promise<void> {
  const admin = kafka.admin();
  await admin.connect();
  const names = Array.from({ length: count }, (_, i) => `topic-${String(i).padStart(4, "0")}`);
  while (names.length > 0) {
    await admin.createTopics({ topics: names.splice(0, 500).map((topic) => ({ topic })) });
  }
  await admin.disconnect();
}

/** Creates a topic with so many partitions. */
export async function createTopic(topic: string, numPartitions: number): Promise<void> {
  const admin = kafka.admin();
  await admin.connect();
  await admin.createTopics({ topics: [{ topic, numPartitions }] });
  await admin.disconnect();
}

declare global {
  /** Put there by the test, before the page runs. */
  var crashBroker: () => void;
  var crashClients: () => void;
  var brokersMade: number;
}

function push(map: Map<string, string[]>, key: string, value: string): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [value]);
  else list.push(value);
}

function timestampOf({ date }: Flight): number {
  return Date.parse(`${date.replaceAll("/", "-").replace(" ", "T")}:00Z`);
}
