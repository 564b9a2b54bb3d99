// What programs without types may pass: every call takes it, or fails with an error of the package.
import assert from "node:assert/strict";
import { test } from "node:test";
import { KafkaJSError } from "tablog";
import { memory } from "./memory.mjs";

const GIVEN = [null, 5, "x", true, [], [null], {}, { topics: null }, { topics: [null] }, () => 1];
/** They wait for topics that are not there, or end what the others need. */
const LEFT_OUT = ["disconnect", "stop", "fetchTopicOffsets", "fetchTopicOffsetsByTimestamp"];
const DEADLINE_MS = 20_000;

for (const kind of /** @type {const} */ (["producer", "consumer", "admin"])) {
  test(`no method of a ${kind} fails with an error of JavaScript's own`, async (t) => {
    const kafka = memory(t, { retry: { retries: 0 } });
    const client = {
      producer: () => kafka.producer(),
      consumer: () => kafka.consumer({ groupId: "g" }),
      admin: () => kafka.admin(),
    }[kind]();
    await client.connect();
    /** @type {string[]} */
    const wrong = [];
    for (const [name, method] of Object.entries(client)) {
      if (typeof method !== "function" || LEFT_OUT.includes(name)) continue;
      for (const given of GIVEN) {
        const call = `${name}(${typeof given === "function" ? "() => 1" : JSON.stringify(given)})`;
        const late = new AbortController();
        try {
          const untyped = /** @type {(given: unknown) => unknown} */ (method);
          const called = Promise.resolve(untyped(given));
          await Promise.race([
            called,
            new Promise((_, reject) => {
              const timer = setTimeout(reject, DEADLINE_MS, new Error("it does not settle"));
              late.signal.onabort = () => {
                clearTimeout(timer);
              };
            }),
          ]);
        } catch (error) {
          if (!(error instanceof KafkaJSError)) wrong.push(`${call}: ${String(error)}`);
        } finally {
          late.abort();
        }
      }
    }
    assert.deepEqual(wrong, []);
  });
}

const INVALID = { name: "KafkaJSNonRetriableError", type: "INVALID_REQUEST" };

test("what is no function is refused as a listener, where it is given", (t) => {
  const kafka = memory(t);
  const none = [undefined, null, {}].map((listener) => /** @type {never} */ (listener));
  for (const listener of none) {
    assert.throws(() => kafka.producer().on("producer.connect", listener), INVALID);
    assert.throws(() => kafka.consumer({ groupId: "g" }).on("consumer.crash", listener), INVALID);
    assert.throws(() => kafka.admin().on("admin.connect", listener), INVALID);
    assert.throws(() => kafka.on("status", listener), INVALID);
    assert.throws(() => kafka.onTrace(listener), INVALID);
  }
});

test("a createPartitioner that makes no partitioner is refused, where it is given", (t) => {
  const kafka = memory(t);
  const createPartitioner = () => /** @type {never} */ (5);
  assert.throws(() => kafka.producer({ createPartitioner }), INVALID);
});

test("an offset of more than 64 bits is refused, and harms nobody", async (t) => {
  const kafka = memory(t);
  const admin = kafka.admin();
  await admin.createTopics({ topics: [{ topic: "events" }] });
  const consumer = kafka.consumer({ groupId: "g" });
  /** @type {object[]} */
  const crashes = [];
  consumer.on("consumer.crash", ({ payload }) => crashes.push(payload));
  await consumer.subscribe({ topic: "events" });
  await consumer.run({ eachMessage: () => Promise.resolve() });
  const [topic, partition] = ["events", 0];
  for (const offset of ["9223372036854775808", "99999999999999999999"]) {
    const partitions = [{ partition, offset }];
    assert.throws(() => {
      consumer.seek({ topic, partition, offset });
    }, INVALID);
    await assert.rejects(consumer.commitOffsets([{ topic, partition, offset }]), INVALID);
    await assert.rejects(admin.setOffsets({ groupId: "other", topic, partitions }), INVALID);
    await assert.rejects(admin.deleteTopicRecords({ topic, partitions }), INVALID);
  }
  consumer.seek({ topic, partition, offset: "9223372036854775807" });
  await consumer.ready();
  await consumer.stop();
  assert.deepEqual(crashes, []);
});

test("a number that is none is refused with its name, its call and its topic", async (t) => {
  const admin =
    /** @type {Record<keyof import("tablog").Admin, (...given: unknown[]) => Promise<unknown>>} */ (
      /** @type {unknown} */ (memory(t).admin())
    );
  await admin.connect();
  /** @param {object} topic */
  const create = (topic) => admin.createTopics({ topics: [{ topic: "t", ...topic }] });
  const refused = /** @type {[string, () => Promise<unknown>][]} */ ([
    ['createTopics(): "t": numPartitions', () => create({ numPartitions: 1.5 })],
    ['createTopics(): "t": numPartitions', () => create({ numPartitions: "3" })],
    ['createTopics(): "t": replicationFactor', () => create({ replicationFactor: 1e9 })],
    ['createTopics(): "t": replicaAssignment', () => create({ replicaAssignment: [{}] })],
    ["createTopics(): timeout", () => admin.createTopics({ topics: [], timeout: "5" })],
    [
      'createPartitions(): "t": count',
      () => admin.createPartitions({ topicPartitions: [{ topic: "t", count: "2" }] }),
    ],
    ["deleteTopics(): timeout", () => admin.deleteTopics({ topics: [], timeout: -1 })],
    [
      'fetchTopicOffsetsByTimestamp(): "t": timestamp',
      () => admin.fetchTopicOffsetsByTimestamp("t", new Date()),
    ],
  ]);
  for (const [about, call] of refused) {
    await assert.rejects(call(), (/** @type {Error} */ error) => {
      assert.equal(/** @type {any} */ (error).type, "INVALID_REQUEST");
      assert.ok(error.message.startsWith(`${about} must be `), error.message);
      return true;
    });
  }
});

test("what could not be deleted is told with the reason", async (t) => {
  const kafka = memory(t);
  const admin = kafka.admin();
  await admin.connect();
  await admin.createTopics({ topics: [{ topic: "t" }] });
  await assert.rejects(
    admin.deleteGroups(["none"]),
    /^KafkaJS\w+: Error in DeleteGroups: none: \w/,
  );
  const partitions = [{ partition: 0, offset: "99" }];
  await assert.rejects(
    admin.deleteTopicRecords({ topic: "t", partitions }),
    /Error while deleting records of topic "t": partition 0: \w/,
  );
});

test("a wasm that is no file is not found", async (t) => {
  const kafka = memory(t, { wasm: "file:///nowhere/tablog.wasm" });
  await assert.rejects(kafka.admin().connect(), (error) => {
    assert.ok(error instanceof KafkaJSError);
    assert.equal(error.type, "WASM_NOT_FOUND");
    assert.match(String(error.cause), /ENOENT/);
    assert.match(error.message, /file:\/\/\/nowhere\/tablog\.wasm.*dist\/worker\.js/);
    return true;
  });
});
