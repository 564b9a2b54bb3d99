// What becomes of the records that a program hands over, and of those that it gets.
import assert from "node:assert/strict";
import { test } from "node:test";
import { runInNewContext } from "node:vm";
import { AssignerProtocol, PartitionAssigners } from "tablog";
import { memory } from "./memory.mjs";

/**
 * The messages of a topic.
 *
 * @param {import("tablog").Kafka} kafka
 * @param {string} topic
 * @param {number} count
 */
async function read(kafka, topic, count) {
  const consumer = kafka.consumer({ groupId: `reads ${topic}` });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  /** @type {import("tablog").KafkaMessage[]} */
  const messages = [];
  for await (const { message } of consumer.messages()) {
    messages.push(message);
    if (messages.length === count) break;
  }
  return messages;
}

test("sends of a topic keep their order though an own partitioner is asked first", async (t) => {
  const kafka = memory(t);
  const admin = kafka.admin();
  await admin.connect();
  await admin.createTopics({ topics: [{ topic: "known" }] });
  const producer = kafka.producer({ createPartitioner: () => () => 0 });
  await producer.connect();
  const sends = [];
  for (let i = 0; i < 50; i += 1) {
    // Batches ask for two topics, one of which must be made first.
    const topics = i % 3 === 0 ? ["known", `made-${i % 2}`] : ["known"];
    const topicMessages = topics.map((topic) => ({ topic, messages: [{ value: String(i) }] }));
    sends.push(producer.sendBatch({ topicMessages }));
  }
  await producer.flush();
  const offsets = (await admin.fetchTopicOffsets("known")).map(({ high }) => high);
  assert.deepEqual(offsets, ["50"], "flush waits for what was sent before");
  await Promise.all(sends);
  const values = (await read(kafka, "known", 50)).map(({ value }) => Number(value));
  assert.deepEqual(
    values,
    Array.from({ length: 50 }, (_, i) => i),
  );
});

test("what was sent before disconnect() is stored, also with an own partitioner", async (t) => {
  const kafka = memory(t);
  const producer = kafka.producer({ createPartitioner: () => () => 0 });
  await producer.connect();
  const sends = [1, 2, 3].map((n) => producer.send({ topic: "t", messages: [{ value: `${n}` }] }));
  await producer.disconnect();
  await Promise.all(sends);
});

test("bytes, errors and patterns of another realm are as good as one's own", async (t) => {
  const kafka = memory(t);
  const producer = kafka.producer();
  await producer.connect();
  const made =
    "({ value: new Uint8Array([1, 2]), key: new Uint8Array([3]), headers: { h: new Uint8Array([4]) } })";
  await producer.send({ topic: "t", messages: [runInNewContext(made)] });
  const consumer = kafka.consumer({ groupId: "g" });
  await consumer.connect();
  await consumer.subscribe({ topic: runInNewContext("/^t$/"), fromBeginning: true });
  for await (const { message } of consumer.messages()) {
    assert.deepEqual([...(message.value ?? [])], [1, 2]);
    assert.deepEqual([...(message.key ?? [])], [3]);
    assert.deepEqual([.../** @type {Uint8Array} */ (message.headers.h)], [4]);
    break;
  }
  await assert.rejects(
    producer.send({ topic: "t", messages: [{ value: runInNewContext("new Date()") }] }),
    { name: "KafkaJSNonRetriableError" },
  );
});

test("a message that is kept keeps nothing but itself", async (t) => {
  const kafka = memory(t);
  const producer = kafka.producer();
  await producer.connect();
  const value = "v".repeat(100);
  const messages = Array.from({ length: 500 }, () => ({ key: "key", value, headers: { h: "x" } }));
  await producer.send({ topic: "t", messages });
  for (const message of await read(kafka, "t", 500)) {
    assert.equal(message.value?.buffer.byteLength, 100);
    assert.equal(message.key?.buffer.byteLength, 3);
    assert.equal(structuredClone(message.value).buffer.byteLength, 100);
  }
});

test("an assigner may use roundRobin for topics that are called as objects' own properties", () => {
  const topics = ["constructor", "__proto__", "toString"];
  const findTopicPartitionMetadata = () =>
    [0, 1].map((partitionId) => ({ partitionId, leader: 0 }));
  const assigner = PartitionAssigners.roundRobin(
    /** @type {any} */ ({ cluster: { findTopicPartitionMetadata }, groupId: "g" }),
  );
  const members = ["a", "b"].map((memberId) => ({ memberId, memberMetadata: Buffer.alloc(0) }));
  const assigned = /** @type {import("tablog").GroupMemberAssignment[]} */ (
    assigner.assign(/** @type {any} */ ({ members, topics }))
  );
  for (const [index, { memberAssignment }] of assigned.entries()) {
    const decoded = AssignerProtocol.MemberAssignment.decode(/** @type {any} */ (memberAssignment));
    assert.deepEqual(
      Object.entries(decoded?.assignment ?? {}),
      topics.map((topic) => [topic, [index]]),
    );
  }
});
