// Every promise of the package settles, whatever ends what it waits for: a table of what waits, and
// of what may end it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ConfigResourceTypes, Kafka, KafkaJSError, logLevel } from "tablog";

/** How long anything may take that has been ended. */
const SETTLE_MS_MAX = 5_000;
const ABORTED = new Error("aborted by the test");

/**
 * What is waiting, whom `disconnect` may ask, and what `abort` aborts.
 *
 * @typedef {{
 *   kafka: Kafka,
 *   client: { disconnect(): Promise<void> },
 *   abort: AbortController,
 *   waiting: Record<string, Promise<unknown>>,
 * }} Case
 */

let clusters = 0;

/** @param {Partial<import("tablog").KafkaConfig>} [config] */
function open(config) {
  const cluster = `settling-${clusters++}`;
  return new Kafka({ cluster, storage: "memory", logLevel: logLevel.NOTHING, ...config });
}

/** A cluster that does not start, as one whose broker another tab has: its wasm never arrives. */
function stuck() {
  const headers = { "content-type": "application/wasm" };
  return open({ wasm: new Response(new ReadableStream(), { headers }) });
}

/** @type {Record<string, () => Case | Promise<Case>>} */
const cases = {
  "connect() of a producer": () => {
    const kafka = stuck();
    const client = kafka.producer();
    const abort = new AbortController();
    const { signal } = abort;
    return { kafka, client, abort, waiting: { connect: client.connect({ signal }) } };
  },
  "connect() of a consumer": () => {
    const kafka = stuck();
    const client = kafka.consumer({ groupId: "group" });
    const abort = new AbortController();
    const { signal } = abort;
    return { kafka, client, abort, waiting: { connect: client.connect({ signal }) } };
  },
  "connect() of an admin, and what connects by itself": () => {
    const kafka = stuck();
    const client = kafka.admin();
    const abort = new AbortController();
    const { signal } = abort;
    const waiting = { connect: client.connect({ signal }) };
    return { kafka, client, abort, waiting };
  },
  "an admin's calls before its connect()": () => {
    const kafka = stuck();
    const client = kafka.admin();
    const [topic, groupId, topics] = ["events", "group", [{ topic: "events" }]];
    const partitions = [{ partition: 0, offset: "0" }];
    const resources = [{ type: ConfigResourceTypes.TOPIC, name: topic, configEntries: [] }];
    const waiting = {
      listTopics: client.listTopics(),
      createTopics: client.createTopics({ topics }),
      deleteTopics: client.deleteTopics({ topics: [topic] }),
      createPartitions: client.createPartitions({ topicPartitions: [{ topic, count: 2 }] }),
      fetchTopicMetadata: client.fetchTopicMetadata(),
      fetchTopicOffsets: client.fetchTopicOffsets(topic),
      fetchTopicOffsetsByTimestamp: client.fetchTopicOffsetsByTimestamp(topic, 0),
      fetchOffsets: client.fetchOffsets({ groupId }),
      setOffsets: client.setOffsets({ groupId, topic, partitions }),
      resetOffsets: client.resetOffsets({ groupId, topic }),
      deleteTopicRecords: client.deleteTopicRecords({ topic, partitions }),
      describeConfigs: client.describeConfigs({ resources }),
      alterConfigs: client.alterConfigs({ resources }),
      describeCluster: client.describeCluster(),
      listGroups: client.listGroups(),
      describeGroups: client.describeGroups([groupId]),
      deleteGroups: client.deleteGroups([groupId]),
    };
    return { kafka, client, abort: new AbortController(), waiting };
  },
  "describeGroup() of a consumer": () => {
    const kafka = stuck();
    const client = kafka.consumer({ groupId: "group" });
    return {
      kafka,
      client,
      abort: new AbortController(),
      waiting: { describeGroup: client.describeGroup() },
    };
  },
  "send(), sendBatch() and flush() of a producer that lingers": async () => {
    const kafka = open();
    const client = kafka.producer({ lingerMs: 600_000, deliveryTimeout: 1_200_000 });
    await client.connect();
    const abort = new AbortController();
    const { signal } = abort;
    const messages = [{ value: "one" }];
    const waiting = {
      send: client.send({ topic: "events", messages, signal }),
      sendBatch: client.sendBatch({ topicMessages: [{ topic: "events", messages }], signal }),
      flush: client.flush({ signal }),
    };
    return { kafka, client, abort, waiting };
  },
};

/** @type {Record<string, (of: Case) => Promise<unknown>>} */
const endings = {
  disconnect: ({ client }) => client.disconnect(),
  close: ({ kafka }) => kafka.close(),
  "disconnect and close": ({ kafka, client }) => Promise.all([client.disconnect(), kafka.close()]),
  "disconnect twice": ({ client }) => Promise.all([client.disconnect(), client.disconnect()]),
  abort: ({ abort }) => {
    abort.abort(ABORTED);
    return Promise.resolve();
  },
};

/** @param {string} what @param {Promise<unknown>} promise */
async function settles(what, promise) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => {
      reject(new assert.AssertionError({ message: `${what} has not settled` }));
    }, SETTLE_MS_MAX);
  });
  try {
    await Promise.race([promise, late]);
  } catch (error) {
    if (error === ABORTED || error instanceof KafkaJSError) return;
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

for (const [what, make] of Object.entries(cases)) {
  for (const [how, end] of Object.entries(endings)) {
    // Not every call takes a signal.
    if (how === "abort" && !/connect\(\) of|send/.test(what)) continue;
    test(`${what}, ended by ${how}`, async (t) => {
      const made = await make();
      t.after(() => made.kafka.close());
      // Whoever fails before somebody waits for it is heard below all the same.
      const outcomes = Object.entries(made.waiting).map(([name, one]) => settles(name, one));
      const settled = Promise.all(outcomes);
      settled.catch(() => undefined);
      await new Promise(setImmediate);
      await settles(how, end(made));
      await settled;
    });
  }
}

test("an aborted connect() does not reject the others of the client", async (t) => {
  const kafka = open();
  t.after(() => kafka.close());
  for (const client of [kafka.producer(), kafka.admin(), kafka.consumer({ groupId: "group" })]) {
    const abort = new AbortController();
    const first = client.connect({ signal: abort.signal });
    const second = client.connect();
    abort.abort(ABORTED);
    await assert.rejects(first, ABORTED);
    await second;
  }
});

test("who disconnects while it connects is told so", async () => {
  const kafka = stuck();
  const producer = kafka.producer();
  const connected = producer.connect();
  await producer.disconnect();
  await assert.rejects(connected, { name: "TablogError", type: "CLOSED", retriable: false });
  await kafka.close();
  assert.equal(kafka.status, "closed");
});

test("when all who wait for a connection have aborted, the cluster is given back", async () => {
  const kafka = stuck();
  const producer = kafka.producer();
  const aborts = [new AbortController(), new AbortController()];
  const connects = aborts.map(({ signal }) => producer.connect({ signal }));
  for (const abort of aborts) abort.abort(ABORTED);
  for (const connect of connects) await assert.rejects(connect, ABORTED);
  assert.deepEqual(await Promise.race([kafka.close().then(() => "closed")]), "closed");
  await assert.rejects(producer.send({ topic: "events", messages: [] }), { type: "CLOSED" });
});
