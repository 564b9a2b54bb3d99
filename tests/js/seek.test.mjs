// What a seek makes of the records that handlers are working on.
import assert from "node:assert/strict";
import { test } from "node:test";
import { memory } from "./memory.mjs";

/**
 * A handler that is open.
 *
 * @typedef {object} Work
 * @property {string} offset the first of its batch
 * @property {() => boolean} isStale
 * @property {(value?: unknown) => void} end
 */

test("a seek makes the newest of two open handlers stale, though the older one has ended", async (t) => {
  const kafka = memory(t);
  const admin = kafka.admin();
  await admin.connect();
  await admin.createTopics({ topics: [{ topic: "t", numPartitions: 2 }] });
  const producer = kafka.producer();
  await producer.connect();
  const produce = (/** @type {number} */ partition) =>
    producer.send({ topic: "t", messages: ["a", "b", "c"].map((value) => ({ partition, value })) });
  await produce(0);

  /** @type {ReadableStreamDefaultController<Work>} */
  let begins;
  /** @type {ReadableStream<Work>} */
  const works = new ReadableStream({
    start: (controller) => {
      begins = controller;
    },
  });
  const reader = works.getReader();
  const begun = async () => {
    const { value } = await reader.read();
    assert.ok(value);
    return value;
  };
  const consumer = kafka.consumer({ groupId: "g" });
  await consumer.connect();
  await consumer.subscribe({ topic: "t", fromBeginning: true });
  await consumer.run({
    partitionsConsumedConcurrently: 2,
    eachBatch: async ({ batch, isStale }) => {
      await new Promise((end) => {
        begins.enqueue({ offset: batch.firstOffset() ?? "", isStale, end });
      });
    },
  });

  const first = await begun();
  consumer.seek({ topic: "t", partition: 0, offset: "1" });
  const second = await begun();
  assert.deepEqual([first.offset, second.offset], ["0", "1"]);
  assert.deepEqual([first.isStale(), second.isStale()], [true, false]);
  first.end();
  // Its worker takes this when it is through with the first.
  await produce(1);
  const other = await begun();

  consumer.seek({ topic: "t", partition: 0, offset: "2" });
  assert.deepEqual([second.isStale(), other.isStale()], [true, false]);
  second.end();
  const third = await begun();
  assert.deepEqual([third.offset, third.isStale()], ["2", false]);
  for (const work of [other, third]) work.end();
});
