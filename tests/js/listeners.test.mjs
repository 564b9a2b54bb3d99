// What the application gives to be called may throw: that harms nobody, and is told.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Kafka, logLevel } from "tablog";

let clusters = 0;

/**
 * A cluster, and the lines of its log.
 *
 * @param {import("node:test").TestContext} t
 * @param {(entry: import("tablog").LogEntry) => unknown} [also] what else to do with a line
 */
function logged(t, also = () => undefined) {
  /** @type {string[]} */
  const lines = [];
  const kafka = new Kafka({
    cluster: `listeners-${clusters++}`,
    storage: "memory",
    logLevel: logLevel.ERROR,
    logCreator: () => (entry) => {
      lines.push(entry.log.message);
      return also(entry);
    },
  });
  t.after(() => kafka.close());
  return { kafka, lines };
}

/** @type {Record<string, () => unknown>} */
const throwing = {
  throws: () => {
    throw new Error("the listener's own");
  },
  rejects: () => Promise.reject(new Error("the listener's own")),
};

for (const [how, listener] of Object.entries(throwing)) {
  test(`a listener that ${how} is logged, and the others hear all the same`, async (t) => {
    const { kafka, lines } = logged(t);
    /** @type {string[]} */
    const heard = [];
    kafka.on("status", listener);
    kafka.on("status", (status) => heard.push(status));
    let traced = 0;
    kafka.onTrace(listener);
    kafka.onTrace((events) => (traced += events.length));
    const producer = kafka.producer();
    producer.on("producer.connect", listener);
    producer.on("producer.network.request", listener);
    await producer.connect();
    await producer.send({ topic: "events", messages: [{ value: "one" }] });
    while (traced === 0) await new Promise(setImmediate);
    await kafka.close();
    assert.deepEqual(heard, ["running", "closed"]);
    assert.ok(lines.length >= 5, `${lines.length} lines`);
    for (const line of lines) assert.match(line, /Failed to execute listener: the listener's own/);
  });

  test(`a log that ${how} stops nobody`, async (t) => {
    const { kafka, lines } = logged(t, listener);
    kafka.on("status", listener);
    const admin = kafka.admin();
    await admin.connect();
    assert.deepEqual(await admin.listTopics(), []);
    assert.ok(lines.length > 0);
  });
}
