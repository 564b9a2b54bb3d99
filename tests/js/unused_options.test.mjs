// Options that have no effect: who passes one is told, once.
import assert from "node:assert/strict";
import { test } from "node:test";
import { logLevel } from "tablog";
import { memory } from "./memory.mjs";

/**
 * A cluster, and the warnings of its logger.
 *
 * @param {import("node:test").TestContext} t
 * @param {object} [config]
 */
function warned(t, config = {}) {
  /** @type {string[]} */
  const warnings = [];
  /** @type {import("tablog").logCreator} */
  const logCreator =
    () =>
    ({ level, log }) => {
      if (level === logLevel.WARN) warnings.push(log.message);
    };
  const kafka = memory(t, { ...config, logLevel: logLevel.WARN, logCreator });
  return { kafka, warnings };
}

test("options of KafkaJS that change nothing are told of", (t) => {
  const { kafka, warnings } = warned(t, { brokers: ["a:9092"], enforceRequestTimeout: true });
  kafka.producer({ maxInFlightRequests: 1, transactionTimeout: 1_000 });
  kafka.consumer({ groupId: "g", maxInFlightRequests: 1, rackId: "r" });
  kafka.consumer({ groupId: "h", rackId: "r" });
  assert.deepEqual(
    warnings.map((warning) => warning.split(" has no effect")[0]),
    [
      "brokers of new Kafka()",
      "enforceRequestTimeout of new Kafka()",
      "maxInFlightRequests of producer()",
      "transactionTimeout of producer()",
      "maxInFlightRequests of consumer()",
      "rackId of consumer()",
    ],
  );
});

test("a misspelt option is told of with the name that was meant, once", async (t) => {
  const { kafka, warnings } = warned(t, { retry: { retires: 3 }, clientID: "c" });
  const consumer = kafka.consumer(
    /** @type {any} */ ({ groupId: "g", sessionTimeOut: 1_000, somethingElse: 1 }),
  );
  kafka.consumer(/** @type {any} */ ({ groupId: "g", sessionTimeOut: 1_000 }));
  const producer = kafka.producer();
  await producer.connect();
  const record = { topic: "t", messages: [{ value: "v" }], ack: 1 };
  await producer.send(record);
  await producer.send(record);
  await consumer.connect();
  await consumer.subscribe(/** @type {any} */ ({ topics: ["t"], frombeginning: true }));
  const run = { eachMessage: () => Promise.resolve(), autocommit: false };
  await consumer.run(run);
  const meant = warnings.map((warning) => {
    const [, name, near] = /^(\S+) of .* did you mean (\S+)\?$/.exec(warning) ?? [];
    return name === undefined ? warning : `${name}: ${near}`;
  });
  assert.deepEqual(meant, [
    "retry.retires: retries",
    "clientID: clientId",
    "sessionTimeOut: sessionTimeout",
    "somethingElse of consumer() has no effect: there is no such option",
    "ack: acks",
    "frombeginning: fromBeginning",
    "autocommit: autoCommit",
  ]);
});

test("options that count are not told of", async (t) => {
  const { kafka, warnings } = warned(t, { clientId: "c", ssl: false, retry: { retries: 3 } });
  const producer = kafka.producer({ idempotent: true, lingerMs: 1, retry: {} });
  await producer.connect();
  const admin = kafka.admin({ retry: { factor: 0 } });
  await admin.connect();
  await producer.send({ topic: "t", messages: [{ value: "v" }], acks: -1, timeout: 1_000 });
  const consumer = kafka.consumer({ groupId: "g", readUncommitted: true });
  await consumer.subscribe({ topic: "t", fromBeginning: true });
  for await (const { message } of consumer.messages({ autoCommit: false })) {
    assert.equal(String(message.value), "v");
    break;
  }
  assert.deepEqual(warnings, []);
});

test("what is misspelt in a call of an admin is told of with the name that was meant", async (t) => {
  const { kafka, warnings } = warned(t);
  const admin =
    /** @type {Record<keyof import("tablog").Admin, (...given: unknown[]) => Promise<unknown>>} */ (
      /** @type {unknown} */ (kafka.admin())
    );
  await admin.connect();
  const topics = [{ topic: "t", numPartition: 3 }];
  await admin.createTopics({ topics, validateonly: true });
  await admin.createTopics({ topics, validateonly: true });
  await admin.createPartitions({ topicPartitions: [{ topic: "t", count: 2, assignment: [] }] });
  await admin.fetchOffsets({ groupId: "g", topic: "t" });
  await admin.resetOffsets({ groupId: "g", topic: "t", earlist: true });
  await admin
    .setOffsets({ groupId: "g", topic: "t", partitions: [], partition: [] })
    .catch(() => 0);
  await admin.deleteTopicRecords({ topic: "t", partitions: [], topics: [] }).catch(() => 0);
  const resources = [{ type: 2, name: "t", configName: [] }];
  await admin.describeConfigs({ resources, includeSynonym: true });
  const altered = [{ type: 2, name: "t", configEntries: [], configEntrys: [] }];
  await admin.alterConfigs({ resources: altered, validateonly: true });
  await admin.fetchTopicMetadata({ topic: ["t"] });
  await admin.deleteTopics({ topics: ["t"], timeOut: 1 });
  const meant = warnings.map((warning) => {
    const [, name, near] = /^(\S+) of .* did you mean (\S+)\?$/.exec(warning) ?? [];
    return `${name}: ${near}`;
  });
  assert.deepEqual(meant, [
    "validateonly: validateOnly",
    "numPartition: numPartitions",
    "assignment: assignments",
    "topic: topics",
    "earlist: earliest",
    "partition: partitions",
    "topics: topic",
    "includeSynonym: includeSynonyms",
    "configName: configNames",
    "validateonly: validateOnly",
    "configEntrys: configEntries",
    "topic: topics",
    "timeOut: timeout",
  ]);
});

test("what is misspelt in a message is told of, and what an application adds is not", async (t) => {
  const { kafka, warnings } = warned(t);
  const producer = kafka.producer();
  await producer.connect();
  const forwarded = { value: "v", offset: "7", attributes: 0, size: 1, orderId: 5 };
  await producer.send({ topic: "t", messages: [forwarded] });
  assert.deepEqual(warnings, []);
  const message = { value: "v", header: {}, Partition: 0 };
  await producer.send({ topic: "t", messages: [message] });
  await producer.sendBatch({ topicMessages: [{ topic: "t", messages: [message] }] });
  assert.deepEqual(warnings, [
    "header of a message has no effect: there is no such option; did you mean headers?",
    "Partition of a message has no effect: there is no such option; did you mean partition?",
  ]);
});

test("a misspelt option of messages() is told of as one of messages()", async (t) => {
  const { kafka, warnings } = warned(t);
  const consumer = kafka.consumer({ groupId: "g" });
  consumer.messages(/** @type {any} */ ({ sgnal: new AbortController().signal }));
  assert.deepEqual(warnings, [
    "sgnal of messages() has no effect: there is no such option; did you mean signal?",
  ]);
  await consumer.disconnect();
});

test("a run that has nothing to read says so", async (t) => {
  const { kafka, warnings } = warned(t);
  const consumer = kafka.consumer({ groupId: "g" });
  await consumer.connect();
  await consumer.run({ eachMessage: () => Promise.resolve() });
  assert.deepEqual(warnings, ["There is nothing to read: subscribe() was not called"]);
});
