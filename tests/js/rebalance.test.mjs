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
