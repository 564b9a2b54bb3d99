// The main job, in Node: 20,000 real departures through a group and back.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { setTimeout } from "node:timers/promises";
import { AssignerProtocol, Kafka, logLevel } from "tablog";

const TOPIC = "flights";
const COUNT = 20_000;

/** @typedef {{ date: string, origin: string }} Flight */

/** @returns {import("tablog").Message[]} */
function flights() {
  const file = new URL("../../node_modules/vega-datasets/data/flights-20k.json", import.meta.url);
  const all = /** @type {Flight[]} */ (JSON.parse(readFileSync(file, "utf8")));
  return all.map((flight) => ({
    key: flight.origin,
    value: JSON.stringify(flight),
    timestamp: String(Date.parse(`${flight.date.replaceAll("/", "-").replace(" ", "T")}:00Z`)),
  }));
}

/**
 * Joins a group with so many members and reads until `count` messages have come.
 *
 * @param {Kafka} kafka
 * @param {string} groupId
 * @param {number} members
 * @param {number} count
 */
async function consume(kafka, groupId, members, count) {
  /** @type {{ member: number, partition: number, offset: string, key: string, value: string }[]} */
  const seen = [];
  /** @type {() => void} */
  let finish = () => undefined;
  const finished = new Promise((resolve) => {
    finish = () => {
      resolve(undefined);
    };
  });
  const consumers = await Promise.all(
    Array.from({ length: members }, async (_, member) => {
      const consumer = kafka.consumer({ groupId });
      await consumer.subscribe({ topics: [TOPIC], fromBeginning: true });
      await consumer.run({
        eachMessage: async ({ partition, message: { offset, key, value } }) => {
          seen.push({ member, partition, offset, key: String(key), value: String(value) });
          if (seen.length === count) finish();
          return Promise.resolve();
        },
      });
      return consumer;
    }),
  );
  await finished;
  await Promise.all(consumers.map((consumer) => consumer.disconnect()));
  return seen;
}

test("20,000 flights go through a group and back", async (t) => {
  const kafka = new Kafka({ cluster: "flights", storage: "memory", logLevel: logLevel.NOTHING });
  t.after(() => kafka.close());
  const admin = kafka.admin();
  await admin.connect();
  // The flights lie in 2001, behind Kafka's default retention of seven days.
  const configEntries = [{ name: "retention.ms", value: "-1" }];
  await admin.createTopics({ topics: [{ topic: TOPIC, numPartitions: 6, configEntries }] });
  const producer = kafka.producer();
  await producer.connect();
  const messages = flights();
  assert.equal(messages.length, COUNT);
  for (let at = 0; at < COUNT; at += 1000) {
    await producer.send({ topic: TOPIC, messages: messages.slice(at, at + 1000) });
  }

  await t.test("two members get each record once between them, in order per origin", async () => {
    const seen = await consume(kafka, "pair", 2, COUNT);
    assert.equal(seen.length, COUNT);
    assert.equal(
      new Set(seen.map(({ partition, offset }) => `${partition}:${offset}`)).size,
      COUNT,
    );
    assert.deepEqual([...new Set(seen.map(({ member }) => member))].sort(), [0, 1]);
    const sent = groupBy(messages, ({ key }) => String(key));
    const read = groupBy(seen, ({ key }) => key);
    for (const [origin, inputs] of sent) {
      const values = read.get(origin)?.map(({ value }) => value);
      assert.deepEqual(
        values,
        inputs.map(({ value }) => value),
        origin,
      );
    }
  });

  await t.test("a third member goes on where the group was", async () => {
    await producer.send({ topic: TOPIC, messages: [{ key: "DTW", value: "late" }] });
    const seen = await consume(kafka, "pair", 1, 1);
    assert.deepEqual(
      seen.map(({ value }) => value),
      ["late"],
    );
  });

  await t.test("a second group gets all of them again", async () => {
    assert.equal((await consume(kafka, "second", 1, COUNT + 1)).length, COUNT + 1);
  });

  await t.test("with seven members on six partitions one is idle", async () => {
    const consumers = Array.from({ length: 7 }, () => kafka.consumer({ groupId: "seven" }));
    await Promise.all(
      consumers.map(async (consumer) => {
        await consumer.subscribe({ topics: [TOPIC] });
        await consumer.run({ eachMessage: () => Promise.resolve() });
      }),
    );
    /** @type {number[]} */
    let assigned = [];
    do {
      await setTimeout(10);
      const { groups } = await admin.describeGroups(["seven"]);
      const members = groups[0]?.state === "Stable" ? groups[0].members : [];
      assigned = members.map(({ memberAssignment }) => {
        const decoded = AssignerProtocol.MemberAssignment.decode(Buffer.from(memberAssignment));
        return decoded?.assignment[TOPIC]?.length ?? 0;
      });
    } while (assigned.length < consumers.length);
    assert.deepEqual(assigned.sort(), [0, 1, 1, 1, 1, 1, 1]);
    await Promise.all(consumers.map((consumer) => consumer.disconnect()));
  });

  await t.test("records without a key spread evenly", async () => {
    const before = await admin.fetchTopicOffsets(TOPIC);
    for (let i = 0; i < 60; i++) {
      await producer.send({ topic: TOPIC, messages: [{ value: String(i) }] });
    }
    const after = await admin.fetchTopicOffsets(TOPIC);
    const added = after.map(({ partition, high }) => {
      const low = before.find((one) => one.partition === partition)?.high;
      return Number(high) - Number(low);
    });
    assert.deepEqual(added, [10, 10, 10, 10, 10, 10]);
  });

  await t.test("__consumer_offsets, read as a plain topic, shows the commits", async () => {
    const committed = await admin.fetchOffsets({ groupId: "pair", topics: [TOPIC] });
    const total = committed[0]?.partitions.reduce((sum, { offset }) => sum + Number(offset), 0);
    assert.equal(total, COUNT + 1);
    const consumer = kafka.consumer({ groupId: "offsets" });
    await consumer.subscribe({ topics: ["__consumer_offsets"], fromBeginning: true });
    /** The newest commit of each partition by the group `pair`. @type {Map<number, bigint>} */
    const offsets = new Map();
    for await (const { message } of consumer.messages()) {
      const commit = offsetCommit(message);
      if (commit?.group !== "pair" || commit.topic !== TOPIC) continue;
      offsets.set(commit.partition, commit.offset);
      const sum = [...offsets.values()].reduce((all, offset) => all + offset, 0n);
      if (sum === BigInt(COUNT + 1)) break;
    }
    assert.equal(offsets.size, 6);
  });
});

/**
 * Kafka's OffsetCommitKey (version 1) and OffsetCommitValue.
 *
 * @param {import("tablog").KafkaMessage} message
 */
function offsetCommit({ key, value }) {
  if (key === null || value === null) return undefined;
  const bytes = Buffer.from(key);
  if (1 < bytes.readInt16BE(0)) return undefined;
  let at = 2;
  const text = () => {
    const length = bytes.readInt16BE(at);
    at += 2 + length;
    return bytes.toString("utf8", at - length, at);
  };
  const [group, topic] = [text(), text()];
  return {
    group,
    topic,
    partition: bytes.readInt32BE(at),
    offset: Buffer.from(value).readBigInt64BE(2),
  };
}

/**
 * The items of each key, in order.
 *
 * @template Key, Item
 * @param {Iterable<Item>} items
 * @param {(item: Item) => Key} keyOf
 */
function groupBy(items, keyOf) {
  /** @type {Map<Key, Item[]>} */
  const groups = new Map();
  for (const item of items) {
    const group = groups.get(keyOf(item)) ?? [];
    group.push(item);
    groups.set(keyOf(item), group);
  }
  return groups;
}
