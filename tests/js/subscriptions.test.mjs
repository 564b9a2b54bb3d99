import assert from "node:assert/strict";
import { test } from "node:test";
import { memory } from "./memory.mjs";

test("a pattern leaves out Kafka's internal topics, a name does not", async (t) => {
  const kafka = memory(t);
  const admin = kafka.admin();
  await admin.createTopics({ topics: [{ topic: "t" }] });
  // Makes __consumer_offsets.
  await admin.setOffsets({ groupId: "g", topic: "t", partitions: [{ partition: 0, offset: "0" }] });

  /** @param {string} groupId @param {(string | RegExp)[]} topics */
  const assigned = async (groupId, topics) => {
    const consumer = kafka.consumer({ groupId });
    await consumer.subscribe({ topics });
    await consumer.run({ eachMessage: () => Promise.resolve() });
    return Object.keys(await consumer.ready()).sort();
  };
  assert.deepEqual(await assigned("pattern", [/.*/]), ["t"]);
  assert.deepEqual(await assigned("name", [/.*/, "__consumer_offsets"]), [
    "__consumer_offsets",
    "t",
  ]);
});
