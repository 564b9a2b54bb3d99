// What KafkaJS programs do, each with what KafkaJS 2.2.4 against a real Kafka makes of it.
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  ConfigResourceTypes,
  Kafka,
  KafkaJSAggregateError,
  KafkaJSDeleteTopicRecordsError,
} from "tablog";
import { memory } from "./memory.mjs";

/** @param {Promise<unknown>} promise */
async function failure(promise) {
  return promise.then(
    () => assert.fail("it did not fail"),
    (/** @type {unknown} */ error) => error,
  );
}

test("every topic that is not created has its error", async (t) => {
  const admin = memory(t).admin();
  await admin.connect();
  await admin.createTopics({ topics: [{ topic: "there" }] });
  const topics = [
    { topic: "bad name" },
    { topic: "there" },
    { topic: "none", numPartitions: 0 },
    { topic: "fine" },
    { topic: "far", replicationFactor: 3 },
  ];
  const error = await failure(admin.createTopics({ topics }));
  assert.ok(error instanceof KafkaJSAggregateError);
  const errors = /** @type {import("tablog").KafkaJSCreateTopicError[]} */ (error.errors);
  assert.deepEqual(errors.map(({ name, topic, type }) => [name, topic, type]).sort(), [
    ["KafkaJSCreateTopicError", "bad name", "INVALID_TOPIC_EXCEPTION"],
    ["KafkaJSCreateTopicError", "far", "INVALID_REPLICATION_FACTOR"],
    ["KafkaJSCreateTopicError", "none", "INVALID_PARTITIONS"],
    ["KafkaJSCreateTopicError", "there", "TOPIC_ALREADY_EXISTS"],
  ]);
  assert.deepEqual((await admin.listTopics()).sort(), ["fine", "there"]);
});

test("every partition whose records are not deleted has its error", async (t) => {
  const admin = memory(t).admin();
  await admin.createTopics({ topics: [{ topic: "t", numPartitions: 2 }] });
  const entries = (/** @type {number[]} */ ...partitions) =>
    partitions.map((partition) => ({ partition, offset: "7" }));
  for (const [partitions, type] of /** @type {const} */ ([
    [[8, 9], "UNKNOWN_TOPIC_OR_PARTITION"],
    [[0, 1], "OFFSET_OUT_OF_RANGE"],
  ])) {
    const error = await failure(
      admin.deleteTopicRecords({ topic: "t", partitions: entries(...partitions) }),
    );
    assert.ok(error instanceof KafkaJSDeleteTopicRecordsError);
    assert.deepEqual(
      error.partitions.map(({ partition, offset, error }) => [partition, offset, error.type]),
      partitions.map((partition) => [partition, "7", type]),
    );
  }
});

test("an admin that nobody connected connects by itself", async (t) => {
  const admin = memory(t).admin();
  assert.deepEqual(await admin.listTopics(), []);
  let connects = 0;
  admin.on(admin.events.CONNECT, () => {
    connects += 1;
  });
  await admin.connect();
  assert.equal(connects, 1);
});

test("a topic or a resource that is not there is told at once", { timeout: 5_000 }, async (t) => {
  const admin = memory(t).admin();
  await admin.connect();
  const missing = { type: ConfigResourceTypes.TOPIC, name: "missing" };
  const error = { name: "KafkaJSProtocolError", type: "UNKNOWN_TOPIC_OR_PARTITION" };
  await assert.rejects(admin.fetchTopicMetadata({ topics: ["missing"] }), error);
  await assert.rejects(admin.describeConfigs({ resources: [missing] }), error);
  await assert.rejects(
    admin.alterConfigs({ resources: [{ ...missing, configEntries: [] }] }),
    error,
  );
  const groupId = "g";
  const [topic, partitions] = ["missing", [{ partition: 0, offset: "0" }]];
  await assert.rejects(admin.setOffsets({ groupId, topic, partitions }), error);
  await assert.rejects(admin.resetOffsets({ groupId, topic }), error);
  await assert.rejects(admin.fetchOffsets({ groupId, topics: [topic] }), error);
  const broker = { type: ConfigResourceTypes.BROKER, name: "99" };
  await assert.rejects(admin.describeConfigs({ resources: [broker] }), {
    name: "KafkaJSBrokerNotFound",
    retriable: false,
  });
});

test("methods of a client can be taken apart, spread and replaced", async (t) => {
  const kafka = memory(t);
  await kafka.admin().createTopics({ topics: [{ topic: "t" }] });
  const producer = kafka.producer();
  await producer.connect();

  const { send } = Object.assign({}, producer);
  /** @type {string[]} */
  const traced = [];
  producer.send = async (record) => {
    traced.push(record.topic);
    return send(record);
  };
  await producer.send({ topic: "t", messages: [{ value: "v" }] });
  assert.deepEqual(traced, ["t"]);
  const consumer = Object.keys(kafka.consumer({ groupId: "g" }));
  for (const method of ["connect", "subscribe", "run", "seek"]) {
    assert.ok(consumer.includes(method), method);
  }
});

test("everything under a name or a symbol works for who has spread a client or a Kafka", async (t) => {
  const kafka = memory(t);
  const copy = Object.assign({}, kafka);
  let ended = 0;
  for (const client of [copy.producer(), copy.consumer({ groupId: "g" }), copy.admin()]) {
    const { disconnect } = client;
    client.disconnect = async () => {
      ended += 1;
      await disconnect();
    };
    const spread = { ...client };
    await spread.connect();
    await spread[Symbol.asyncDispose]();
  }
  assert.equal(ended, 3);
  assert.equal(kafka.status, "running");
  await copy[Symbol.asyncDispose]();
  assert.equal(kafka.status, "closed");
});

test("a subclass of Kafka has its own methods, taken apart as well", (t) => {
  class Named extends Kafka {
    /** @override @param {import("tablog").ProducerConfig} [config] */
    producer(config) {
      return Object.assign(super.producer(config), { name: "own" });
    }
  }
  const kafka = new Named({ cluster: "subclass", storage: "memory" });
  t.after(() => kafka.close());
  const producer = Object.assign({}, kafka).producer();
  assert.equal(/** @type {{ name?: string }} */ (producer).name, "own");
});

test("a consumer tells that it has connected, whoever connects it", async (t) => {
  const kafka = memory(t);
  await kafka.admin().createTopics({ topics: [{ topic: "t" }] });
  const consumer = kafka.consumer({ groupId: "g" });
  let connects = 0;
  consumer.on(consumer.events.CONNECT, () => {
    connects += 1;
  });
  await consumer.subscribe({ topic: "t" });
  await consumer.run({ eachMessage: async () => Promise.resolve() });
  assert.equal(connects, 1);
  // @ts-expect-error -- a group id is required
  assert.throws(() => kafka.consumer(), {
    message: "Consumer groupId must be a non-empty string.",
  });
});

test("a producer that disconnects takes nothing more", async (t) => {
  const kafka = memory(t);
  await kafka.admin().createTopics({ topics: [{ topic: "t" }] });
  const producer = kafka.producer();
  await producer.connect();
  const record = { topic: "t", messages: [{ value: "v" }] };
  const before = producer.send(record);
  const disconnected = producer.disconnect();
  await assert.rejects(producer.send(record), { name: "KafkaJSNonRetriableError" });
  assert.equal((await before)[0]?.baseOffset, "0");
  await disconnected;
});

test("retries are counted, and a consumer's are its own", async (t) => {
  const kafka = memory(t, { retry: { retries: 1, initialRetryTime: 1 } });
  const producer = kafka.producer({ allowAutoTopicCreation: false });
  await producer.connect();
  await assert.rejects(kafka.admin().fetchTopicOffsets("missing"), {
    name: "KafkaJSNumberOfRetriesExceeded",
    type: "UNKNOWN_TOPIC_OR_PARTITION",
    retryCount: 1,
  });
  await assert.rejects(producer.send({ topic: "missing", messages: [{ value: "v" }] }), {
    name: "KafkaJSNumberOfRetriesExceeded",
    type: "UNKNOWN_TOPIC_OR_PARTITION",
  });
  await kafka.admin().createTopics({ topics: [{ topic: "t" }] });
  const sender = kafka.producer();
  await sender.connect();
  await sender.send({ topic: "t", messages: [{ value: "v" }] });
  // Without retries of its own a consumer has KafkaJS's five, whatever the Kafka has.
  const consumer = kafka.consumer({ groupId: "g" });
  await consumer.subscribe({ topic: "t", fromBeginning: true });
  let calls = 0;
  /** @type {() => void} */
  let done;
  const handled = new Promise((resolve) => {
    done = () => {
      resolve(undefined);
    };
  });
  consumer.on(consumer.events.CRASH, () => assert.fail("it crashed"));
  await consumer.run({
    eachMessage: async () => {
      calls += 1;
      if (calls <= 5) return Promise.reject(new Error("not yet"));
      done();
      return Promise.resolve();
    },
  });
  await handled;
  assert.equal(calls, 6);
});

test("the topic says how large a message may be", async (t) => {
  const kafka = memory(t);
  const configEntries = [{ name: "max.message.bytes", value: String(4 << 20) }];
  await kafka.admin().createTopics({
    topics: [{ topic: "wide", configEntries }, { topic: "narrow" }],
  });
  const producer = kafka.producer();
  await producer.connect();
  const messages = [{ value: "x".repeat(3 << 20) }];
  assert.equal((await producer.send({ topic: "wide", messages }))[0]?.baseOffset, "0");
  const error = { name: "KafkaJSProtocolError", type: "MESSAGE_TOO_LARGE", retriable: false };
  await assert.rejects(producer.send({ topic: "narrow", messages }), error);
  const consumer = kafka.consumer({ groupId: "g" });
  await consumer.subscribe({ topic: "wide", fromBeginning: true });
  for await (const { message } of consumer.messages()) {
    assert.equal(message.value?.length, 3 << 20);
    break;
  }
  const strict = kafka.producer({ maxRequestSize: 1_000 });
  await strict.connect();
  await assert.rejects(strict.send({ topic: "wide", messages }), { type: "MESSAGE_TOO_LARGE" });
});
