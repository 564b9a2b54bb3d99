// What a rebalance makes of the records that a member is working on.
import assert from "node:assert/strict";
import { test } from "node:test";
import { memory } from "./memory.mjs";

const PARTITIONS = 6;
const RECORDS = 120;

/** @param {import("node:test").TestContext} t */
async function loaded(t) {
  const kafka = memory(t);
  const admin = kafka.admin();
  await admin.connect();
  await admin.createTopics({ topics: [{ topic: "t", numPartitions: PARTITIONS }] });
  const producer = kafka.producer();
  await producer.connect();
  const messages = Array.from({ length: RECORDS }, (_, index) => ({
    partition: index % PARTITIONS,
    value: String(index),
  }));
  await producer.send({ topic: "t", messages });
  return kafka;
}

/**
 * Two members, the second of which joins while the first one works on a record or batch.
 *
 * @param {import("tablog").Kafka} kafka
 * @param {(run: { work: (value: string) => Promise<void> }) => import("tablog").ConsumerRunConfig} run
 * @returns {Promise<string[]>} what both have processed
 */
async function rebalancedAtWork(kafka, run) {
  /** @type {string[]} */
  const seen = [];
  /** @type {(value?: unknown) => void} */
  let finish = () => undefined;
  const finished = new Promise((resolve) => (finish = resolve));
  /** @type {(value?: unknown) => void} */
  let begin = () => undefined;
  const begun = new Promise((resolve) => (begin = resolve));
  /** @type {Promise<unknown> | undefined} */
  let rebalancing;
  const work = async (/** @type {string} */ value) => {
    begin();
    await rebalancing;
    seen.push(value);
    if (new Set(seen).size === RECORDS) finish();
  };
  const member = () => kafka.consumer({ groupId: "g", heartbeatInterval: 100 });
  const first = member();
  rebalancing = new Promise((resolve) => first.on(first.events.REBALANCING, resolve));
  for (const consumer of [first, member()]) {
    await consumer.connect();
    await consumer.subscribe({ topic: "t", fromBeginning: true });
    await consumer.run(run({ work }));
    await begun;
  }
  await finished;
  return seen;
}

test("the message that a member works on during a rebalance is not delivered again", async (t) => {
  const kafka = await loaded(t);
  const seen = await rebalancedAtWork(kafka, ({ work }) => ({
    eachMessage: async ({ message }) => work(String(message.value)),
  }));
  assert.equal(seen.length, RECORDS);
});

test("the batch that a member goes through during a rebalance is not delivered again", async (t) => {
  const kafka = await loaded(t);
  const seen = await rebalancedAtWork(kafka, ({ work }) => ({
    eachBatch: async ({ batch }) => {
      for (const message of batch.messages) await work(String(message.value));
    },
  }));
  assert.equal(seen.length, RECORDS);
});

test("of a batch that is left when a member is told to stop the rest is delivered again", async (t) => {
  const kafka = await loaded(t);
  const seen = await rebalancedAtWork(kafka, ({ work }) => ({
    eachBatch: async ({ batch, isStale, resolveOffset }) => {
      for (const message of batch.messages) {
        if (isStale()) return;
        await work(String(message.value));
        resolveOffset(message.offset);
      }
    },
  }));
  assert.equal(seen.length, RECORDS);
});

/**
 * A member whose work takes longer than `rebalanceTimeout`, so that the group goes on without it;
 * it has joined again when `late` is called in its work, which is still about the record that it got
 * before.
 *
 * @param {import("node:test").TestContext} t
 * @param {(use: { consumer: import("tablog").Consumer, payload: import("tablog").EachBatchPayload }) =>
 *   Promise<void>} late
 */
async function outlived(t, late) {
  const kafka = memory(t);
  const admin = kafka.admin();
  await admin.connect();
  await admin.createTopics({ topics: [{ topic: "t", numPartitions: 1 }] });
  const producer = kafka.producer();
  await producer.connect();
  await producer.send({ topic: "t", messages: [{ value: "a" }, { value: "b" }, { value: "c" }] });
  const slow = kafka.consumer({ groupId: "g", heartbeatInterval: 50, rebalanceTimeout: 300 });
  /** @type {(value?: unknown) => void} */
  let begin = () => undefined;
  const begun = new Promise((resolve) => (begin = resolve));
  /** @type {(value?: unknown) => void} */
  let goOn = () => undefined;
  const back = new Promise((resolve) => (goOn = resolve));
  /** @type {(outcome: unknown) => void} */
  let tell = () => undefined;
  const outcome = new Promise((resolve) => (tell = resolve));
  await slow.connect();
  await slow.subscribe({ topic: "t", fromBeginning: true });
  let first = true;
  await slow.run({
    autoCommit: false,
    eachBatch: async (payload) => {
      if (!first) return;
      first = false;
      begin();
      await back;
      try {
        await late({ consumer: slow, payload });
        tell("committed");
      } catch (error) {
        tell(error);
      }
    },
  });
  await begun;
  const other = kafka.consumer({ groupId: "g", heartbeatInterval: 50, rebalanceTimeout: 300 });
  await other.connect();
  await other.subscribe({ topic: "t", fromBeginning: true });
  const rejoined = new Promise((resolve) => {
    // The second time: the first was before it got anything.
    slow.on(slow.events.GROUP_JOIN, () => {
      resolve(undefined);
    });
  });
  await other.run({ autoCommit: false, eachMessage: () => Promise.resolve() });
  await rejoined;
  goOn();
  const { type } = /** @type {{ type: string }} */ (await outcome);
  assert.ok(["ILLEGAL_GENERATION", "REBALANCE_IN_PROGRESS"].includes(type), String(await outcome));
  const [fetched] = await admin.fetchOffsets({ groupId: "g", topics: ["t"] });
  assert.equal(fetched?.partitions[0]?.offset, "-1", "nothing is committed");
}

test("offsets of records of a former generation cannot be committed", async (t) => {
  await outlived(t, ({ consumer }) =>
    consumer.commitOffsets([{ topic: "t", partition: 0, offset: "1" }]),
  );
});

test("a batch of a former generation commits nothing, and says so", async (t) => {
  await outlived(t, async ({ payload }) => {
    payload.resolveOffset("1");
    await payload.commitOffsetsIfNecessary();
  });
  await outlived(t, async ({ payload }) => {
    const partitions = [{ partition: 0, offset: "1" }];
    await payload.commitOffsetsIfNecessary({ topics: [{ topic: "t", partitions }] });
  });
});
