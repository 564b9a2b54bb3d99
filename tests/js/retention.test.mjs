import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { memory } from "./memory.mjs";

const PATIENCE_MS = 20_000;

/**
 * Waits until a topic of one partition starts at `low`.
 *
 * @param {import("tablog").Admin} admin
 * @param {string} topic
 * @param {string} low
 */
async function untilLogStart(admin, topic, low) {
  const until = Date.now() + PATIENCE_MS;
  while (Date.now() < until) {
    const [offsets] = await admin.fetchTopicOffsets(topic);
    if (offsets?.low === low) return;
    await delay(50);
  }
  assert.fail(`${topic} does not start at ${low}`);
}

test("a small topic that nobody writes to any more expires", async (t) => {
  const kafka = memory(t, { brokerConfig: { "log.retention.check.interval.ms": "100" } });
  const [admin, producer] = [kafka.admin(), kafka.producer()];
  await Promise.all([admin.connect(), producer.connect()]);
  const configEntries = [
    { name: "retention.ms", value: "500" },
    { name: "segment.ms", value: "100" },
  ];
  await admin.createTopics({ topics: [{ topic: "slow", configEntries }] });
  for (const value of ["a", "b", "c"])
    await producer.send({ topic: "slow", messages: [{ value }] });
  await untilLogStart(admin, "slow", "3");
  await producer.send({ topic: "slow", messages: [{ value: "d" }] });
  await untilLogStart(admin, "slow", "4");
});

test("what a tombstone replaces is compacted without another record", async (t) => {
  const kafka = memory(t, { brokerConfig: { "log.cleaner.backoff.ms": "100" } });
  const [admin, producer] = [kafka.admin(), kafka.producer()];
  await Promise.all([admin.connect(), producer.connect()]);
  const configEntries = [
    { name: "cleanup.policy", value: "compact" },
    { name: "max.compaction.lag.ms", value: "200" },
  ];
  await admin.createTopics({ topics: [{ topic: "people", configEntries }] });
  await producer.send({
    topic: "people",
    messages: [
      { key: "alice", value: "her address" },
      { key: "alice", value: null },
    ],
  });
  for (let attempt = 0; ; attempt++) {
    const consumer = kafka.consumer({ groupId: `reader-${attempt}` });
    await consumer.subscribe({ topics: ["people"], fromBeginning: true });
    /** @type {string | undefined} */
    let first;
    for await (const { message } of consumer.messages()) {
      first = message.offset;
      break;
    }
    await consumer.disconnect();
    if (first === "1") break;
    assert.ok(attempt < 50, "the value is still there");
    await delay(100);
  }
});
