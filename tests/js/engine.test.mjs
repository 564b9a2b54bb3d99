import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { promisify } from "node:util";
import { CompressionTypes, ConfigResourceTypes, PartitionAssigners, Partitioners } from "tablog";
import { memory } from "./memory.mjs";

/** @param {import("tablog").Kafka} kafka @param {string} topic @param {number} numPartitions */
async function createTopic(kafka, topic, numPartitions = 1) {
  const admin = kafka.admin();
  await admin.connect();
  assert.equal(await admin.createTopics({ topics: [{ topic, numPartitions }] }), true);
  await admin.disconnect();
}

/**
 * Reads so many messages with a consumer of its own.
 *
 * @param {import("tablog").Kafka} kafka
 * @param {string} topic
 * @param {number} count
 * @param {string} [groupId]
 */
async function read(kafka, topic, count, groupId = "reader") {
  const consumer = kafka.consumer({ groupId });
  await consumer.subscribe({ topics: [topic], fromBeginning: true });
  /** @type {import("tablog").EachMessagePayload[]} */
  const payloads = [];
  for await (const payload of consumer.messages()) {
    payloads.push(payload);
    if (payloads.length === count) break;
  }
  await consumer.disconnect();
  return payloads;
}

test("a timestamp is kept also where it is before 1970, or none", async (t) => {
  const kafka = memory(t);
  await createTopic(kafka, "early");
  const producer = kafka.producer();
  await producer.connect();
  const timestamps = ["-1", "-86400000", "0"];
  const messages = timestamps.map((timestamp) => ({ value: "v", timestamp }));
  await producer.send({ topic: "early", messages });
  const payloads = await read(kafka, "early", timestamps.length);
  assert.deepEqual(
    payloads.map(({ message }) => message.timestamp),
    timestamps,
  );
});

test("what is sent comes back as it was", async (t) => {
  const kafka = memory(t);
  await createTopic(kafka, "shapes");
  const producer = kafka.producer();
  await producer.connect();
  const timestamp = "1000000000000";
  const result = await producer.send({
    topic: "shapes",
    messages: [
      { key: "k", value: "é☃", timestamp, headers: { one: "1", two: ["a", Buffer.from("b")] } },
      { key: Buffer.from([0, 255]), value: new Uint8Array([1, 2, 3]) },
      { value: null, headers: { ["__proto__"]: "x", nothing: null } },
      { key: "", value: "" },
    ],
  });
  assert.deepEqual(result, [
    {
      topicName: "shapes",
      partition: 0,
      errorCode: 0,
      baseOffset: "0",
      logAppendTime: "-1",
      logStartOffset: "0",
    },
  ]);
  const messages = (await read(kafka, "shapes", 4)).map(({ message }) => message);
  assert.deepEqual(
    messages.map(({ offset }) => offset),
    ["0", "1", "2", "3"],
  );
  const [first, second, third, fourth] = messages;
  assert.ok(first && second && third && fourth);
  assert.equal(first.key?.toString(), "k");
  assert.equal(first.value?.toString(), "é☃");
  assert.equal(first.timestamp, timestamp);
  assert.equal(first.headers["one"]?.toString(), "1");
  const two = first.headers["two"];
  assert.ok(Array.isArray(two));
  assert.deepEqual(two.map(String), ["a", "b"]);
  assert.deepEqual([...(second.key ?? [])], [0, 255]);
  assert.equal(second.value?.toString("hex"), "010203");
  assert.deepEqual(second.headers, {});
  assert.ok(Math.abs(Number(second.timestamp) - Date.now()) < 60_000);
  assert.equal(third.key, null);
  assert.equal(third.value, null);
  assert.deepEqual(Object.keys(third.headers), ["__proto__", "nothing"]);
  assert.equal(third.headers["nothing"], null);
  assert.equal(fourth.key?.length, 0);
  assert.equal(fourth.value?.length, 0);
  assert.equal({ ...first }.value?.toString(), "é☃");
});

test("every codec is read back", async (t) => {
  const kafka = memory(t);
  await createTopic(kafka, "codecs");
  const producer = kafka.producer();
  await producer.connect();
  const { None, GZIP, Snappy, LZ4, ZSTD } = CompressionTypes;
  const value = "all work and no play ".repeat(100);
  for (const compression of [None, GZIP, Snappy, LZ4, ZSTD]) {
    await producer.send({ topic: "codecs", compression, messages: [{ value }] });
  }
  const messages = await read(kafka, "codecs", 5);
  assert.ok(messages.every(({ message }) => message.value?.toString() === value));
});

test("a record for a partition that does not exist is an error that names it", async (t) => {
  const kafka = memory(t, { retry: { retries: 1, initialRetryTime: 1 } });
  await createTopic(kafka, "narrow", 2);
  const producer = kafka.producer();
  await producer.connect();
  const messages = [{ value: "v", partition: 7 }];
  await assert.rejects(producer.send({ topic: "narrow", messages }), {
    type: "UNKNOWN_TOPIC_OR_PARTITION",
    code: 3,
    topic: "narrow",
    partition: 7,
  });
  const unknown = kafka.producer({ allowAutoTopicCreation: false });
  await unknown.connect();
  await assert.rejects(unknown.send({ topic: "none", messages: [{ value: "v" }] }), {
    type: "UNKNOWN_TOPIC_OR_PARTITION",
    topic: "none",
  });
  const [{ baseOffset } = {}] = await producer.send({
    topic: "narrow",
    messages: [{ value: "v" }],
  });
  assert.equal(baseOffset, "0");
});

test("an application's own partitioner decides", async (t) => {
  const kafka = memory(t);
  await createTopic(kafka, "own", 3);
  const producer = kafka.producer({
    createPartitioner:
      () =>
      ({ partitionMetadata, message }) =>
        Number(message.value) % partitionMetadata.length,
  });
  await producer.connect();
  const sent = await producer.send({
    topic: "own",
    messages: [{ value: "0" }, { value: "4" }, { value: "5" }, { value: "7" }],
  });
  assert.deepEqual(sent.map(({ partition }) => partition).sort(), [0, 1, 2]);
  const all = await read(kafka, "own", 4);
  for (const { partition, message } of all) assert.equal(Number(message.value) % 3, partition);
});

test("keys go where the exported partitioner says, and others are spread", async (t) => {
  const kafka = memory(t);
  await createTopic(kafka, "spread", 6);
  const producer = kafka.producer();
  await producer.connect();
  const keyed = Array.from({ length: 60 }, (_, i) => ({ key: `key-${i}`, value: "keyed" }));
  await producer.send({ topic: "spread", messages: keyed });
  for (let i = 0; i < 60; i++)
    await producer.send({ topic: "spread", messages: [{ value: "no" }] });
  const admin = kafka.admin();
  await admin.connect();
  const { topics } = await admin.fetchTopicMetadata({ topics: ["spread"] });
  const partitionMetadata = topics[0]?.partitions ?? [];
  assert.equal(partitionMetadata.length, 6);
  const partitioner = Partitioners.DefaultPartitioner();
  const unkeyed = [0, 0, 0, 0, 0, 0];
  for (const { partition, message } of await read(kafka, "spread", 120)) {
    if (message.key === null) unkeyed[partition] = (unkeyed[partition] ?? 0) + 1;
    else {
      assert.equal(partition, partitioner({ topic: "spread", partitionMetadata, message }));
    }
  }
  assert.deepEqual(unkeyed, [10, 10, 10, 10, 10, 10]);
});

test("a group shares partitions, commits, and goes on where it was", async (t) => {
  const kafka = memory(t);
  await createTopic(kafka, "work", 4);
  const producer = kafka.producer();
  await producer.connect();
  const messages = Array.from({ length: 200 }, (_, i) => ({ key: `k${i % 17}`, value: String(i) }));
  await producer.send({ topic: "work", messages });

  /** @type {Map<string, number>} */
  const seen = new Map();
  /** @type {() => void} */
  let finished = () => undefined;
  const all = new Promise((resolve) => {
    finished = () => {
      resolve(undefined);
    };
  });
  const members = await Promise.all(
    [0, 1].map(async () => {
      const consumer = kafka.consumer({ groupId: "shared" });
      await consumer.connect();
      await consumer.subscribe({ topic: "work", fromBeginning: true });
      await consumer.run({
        eachMessage: async ({ partition, message }) => {
          const id = `${partition}:${message.offset}`;
          seen.set(id, (seen.get(id) ?? 0) + 1);
          if (seen.size === 200) finished();
          return Promise.resolve();
        },
      });
      return consumer;
    }),
  );
  await all;
  const admin = kafka.admin();
  await admin.connect();
  const { groups } = await admin.describeGroups(["shared"]);
  assert.equal(groups[0]?.members.length, 2);
  await Promise.all(members.map((member) => member.disconnect()));
  const committed = await admin.fetchOffsets({ groupId: "shared", topics: ["work"] });
  const offsets = committed[0]?.partitions.map(({ offset }) => Number(offset)) ?? [];
  assert.equal(
    offsets.reduce((sum, offset) => sum + Math.max(offset, 0), 0),
    200,
  );

  await producer.send({ topic: "work", messages: [{ value: "later" }] });
  const [next] = await read(kafka, "work", 1, "shared");
  assert.equal(next?.message.value?.toString(), "later");
});

test("eachBatch resolves, commits and sees its lag", async (t) => {
  const kafka = memory(t);
  await createTopic(kafka, "batches");
  const producer = kafka.producer();
  await producer.connect();
  const messages = Array.from({ length: 10 }, (_, i) => ({ value: String(i) }));
  await producer.send({ topic: "batches", messages });
  const consumer = kafka.consumer({ groupId: "batches" });
  await consumer.subscribe({ topic: "batches", fromBeginning: true });
  /** @type {unknown[]} */
  const events = [];
  consumer.on(consumer.events.COMMIT_OFFSETS, ({ type, payload }) => {
    events.push([type, payload.topics]);
  });
  /** @type {(value: object) => void} */
  let done = () => undefined;
  /** @type {Promise<object>} */
  const handled = new Promise((resolve) => {
    done = resolve;
  });
  await consumer.run({
    autoCommit: false,
    eachBatchAutoResolve: false,
    eachBatch: async ({
      batch,
      resolveOffset,
      commitOffsetsIfNecessary,
      uncommittedOffsets,
      ...rest
    }) => {
      resolveOffset("3");
      await rest.heartbeat();
      const uncommitted = uncommittedOffsets();
      await commitOffsetsIfNecessary(uncommitted);
      done({
        uncommitted,
        offsets: [batch.firstOffset(), batch.lastOffset(), batch.highWatermark],
        lag: [batch.offsetLag(), batch.offsetLagLow()],
        running: [rest.isRunning(), rest.isStale(), batch.isEmpty()],
      });
      void consumer.stop();
    },
  });
  assert.deepEqual(await handled, {
    uncommitted: { topics: [{ topic: "batches", partitions: [{ partition: 0, offset: "4" }] }] },
    offsets: ["0", "9", "10"],
    lag: ["0", "9"],
    running: [true, false, false],
  });
  assert.deepEqual(events, [
    [
      "consumer.commit_offsets",
      [{ topic: "batches", partitions: [{ partition: 0, offset: "4" }] }],
    ],
  ]);
});

test("a handler that throws gets the message again, and a crash tells", async (t) => {
  const kafka = memory(t);
  await createTopic(kafka, "thrown");
  const producer = kafka.producer();
  await producer.connect();
  await producer.send({ topic: "thrown", messages: [{ value: "a" }, { value: "b" }] });
  const consumer = kafka.consumer({
    groupId: "thrown",
    retry: {
      retries: 2,
      initialRetryTime: 1,
      restartOnFailure: async () => Promise.resolve(false),
    },
  });
  await consumer.subscribe({ topic: "thrown", fromBeginning: true });
  /** @type {string[]} */
  const calls = [];
  /** @type {Promise<{ error: Error, groupId: string, restart: boolean }>} */
  const crashed = new Promise((resolve) => {
    consumer.on(consumer.events.CRASH, ({ payload }) => {
      resolve(payload);
    });
  });
  await consumer.run({
    eachMessage: async ({ message }) => {
      calls.push(String(message.value));
      await Promise.resolve();
      if (message.offset === "1") throw new Error("no");
    },
  });
  const { error, groupId, restart } = await crashed;
  assert.deepEqual(calls, ["a", "b", "b", "b"]);
  assert.equal(error.name, "KafkaJSNumberOfRetriesExceeded");
  assert.equal(/** @type {Error} */ (error.cause).message, "no");
  assert.deepEqual([groupId, restart], ["thrown", false]);
  const [next] = await read(kafka, "thrown", 1, "thrown");
  assert.equal(next?.message.offset, "1");
});

test("a consumer that crashed is started again", async (t) => {
  const kafka = memory(t);
  await createTopic(kafka, "again");
  const producer = kafka.producer();
  await producer.connect();
  await producer.send({ topic: "again", messages: [{ value: "a" }] });
  const consumer = kafka.consumer({
    groupId: "again",
    retry: { retries: 0, initialRetryTime: 1 },
  });
  await consumer.subscribe({ topic: "again", fromBeginning: true });
  /** @type {boolean[]} */
  const restarts = [];
  consumer.on(consumer.events.CRASH, ({ payload }) => {
    restarts.push(payload.restart);
  });
  let calls = 0;
  await new Promise((resolve) => {
    void consumer.run({
      eachMessage: async () => {
        await Promise.resolve();
        if (++calls === 1) throw new Error("once");
        resolve(undefined);
      },
    });
  });
  assert.deepEqual(restarts, [true]);
});

test("seek, pause and resume", async (t) => {
  const kafka = memory(t);
  await createTopic(kafka, "moves", 2);
  const producer = kafka.producer();
  await producer.connect();
  for (const partition of [0, 1]) {
    const messages = [0, 1, 2].map((i) => ({ partition, value: String(i) }));
    await producer.send({ topic: "moves", messages });
  }
  const consumer = kafka.consumer({ groupId: "moves" });
  await consumer.subscribe({ topic: "moves", fromBeginning: true });
  /** @type {string[]} */
  const seen = [];
  /** @type {() => void} */
  let look = () => undefined;
  const until = (/** @type {number} */ count) =>
    new Promise((resolve) => {
      look = () => {
        if (seen.length === count) resolve(undefined);
      };
      look();
    });
  const running = consumer.run({
    eachMessage: async ({ partition, message }) => {
      seen.push(`${partition}:${message.offset}`);
      look();
      return Promise.resolve();
    },
  });
  // As KafkaJS's programs do: at once, without awaiting run.
  consumer.pause([{ topic: "moves", partitions: [1] }]);
  consumer.seek({ topic: "moves", partition: 0, offset: "2" });
  await running;
  await until(1);
  assert.deepEqual(seen, ["0:2"]);
  assert.deepEqual(consumer.paused(), [{ topic: "moves", partitions: [1] }]);
  consumer.resume([{ topic: "moves", partitions: [1] }]);
  await until(4);
  assert.deepEqual(seen, ["0:2", "1:0", "1:1", "1:2"]);
  assert.deepEqual(consumer.paused(), []);
  consumer.seek({ topic: "moves", partition: 1, offset: "1" });
  await until(6);
  assert.deepEqual(seen.slice(4), ["1:1", "1:2"]);
});

test("a partition of a paused topic can be resumed alone", async (t) => {
  const kafka = memory(t);
  await createTopic(kafka, "partly", 2);
  const producer = kafka.producer();
  await producer.connect();
  const messages = [0, 1].map((partition) => ({ partition, value: "v" }));
  await producer.send({ topic: "partly", messages });
  const consumer = kafka.consumer({ groupId: "partly" });
  await consumer.subscribe({ topic: "partly", fromBeginning: true });
  /** @type {number[]} */
  const seen = [];
  const first = new Promise((resolve) => {
    void consumer.run({
      eachMessage: async ({ partition }) => {
        seen.push(partition);
        resolve(undefined);
        return Promise.resolve();
      },
    });
  });
  consumer.pause([{ topic: "partly" }]);
  await consumer.ready();
  consumer.resume([{ topic: "partly", partitions: [1] }]);
  await first;
  assert.deepEqual(consumer.paused(), [{ topic: "partly", partitions: [0] }]);
  await consumer.disconnect();
  assert.deepEqual(seen, [1]);
});

test("assigned partitions are read without a group", async (t) => {
  const kafka = memory(t);
  await createTopic(kafka, "plain", 2);
  const producer = kafka.producer();
  await producer.connect();
  for (const partition of [0, 1]) {
    const messages = [0, 1, 2].map((i) => ({ partition, value: String(i) }));
    await producer.send({ topic: "plain", messages });
  }
  const consumer = kafka.consumer({ groupId: "nobody" });
  consumer.assign([{ topic: "plain", partition: 1, offset: "1" }]);
  /** @type {string[]} */
  const seen = [];
  for await (const { partition, message } of consumer.messages({ autoCommit: false })) {
    seen.push(`${partition}:${message.offset}`);
    if (seen.length === 2) break;
  }
  assert.deepEqual(seen, ["1:1", "1:2"]);
  const admin = kafka.admin();
  await admin.connect();
  assert.deepEqual((await admin.listGroups()).groups, []);
  await consumer.disconnect();
  await admin.disconnect();
});

test("a pattern finds topics that are created later", async (t) => {
  const kafka = memory(t);
  await createTopic(kafka, "logs-a");
  await createTopic(kafka, "other");
  const producer = kafka.producer();
  await producer.connect();
  const consumer = kafka.consumer({ groupId: "pattern", metadataMaxAge: 20 });
  await consumer.subscribe({ topic: /^logs-/g, fromBeginning: true });
  /** @type {string[]} */
  const seen = [];
  const both = new Promise((resolve) => {
    void consumer.run({
      eachMessage: async ({ topic }) => {
        seen.push(topic);
        if (seen.length === 2) resolve(undefined);
        return Promise.resolve();
      },
    });
  });
  for (const topic of ["other", "logs-a"])
    await producer.send({ topic, messages: [{ value: "v" }] });
  await createTopic(kafka, "logs-b");
  await producer.send({ topic: "logs-b", messages: [{ value: "v" }] });
  await both;
  assert.deepEqual(seen.sort(), ["logs-a", "logs-b"]);
});

test("an abort ends what waits", async (t) => {
  const kafka = memory(t);
  await createTopic(kafka, "abort");
  const consumer = kafka.consumer({ groupId: "abort" });
  await consumer.subscribe({ topic: "abort" });
  const controller = new AbortController();
  const ready = consumer.ready({ signal: controller.signal });
  const loop = (async () => {
    for await (const { message } of consumer.messages({ signal: controller.signal })) {
      assert.fail(message.offset);
    }
  })();
  assert.deepEqual(await ready, { abort: [0] });
  controller.abort();
  await assert.rejects(loop, { name: "AbortError" });
  await assert.rejects(kafka.producer().connect({ signal: controller.signal }), {
    name: "AbortError",
  });
});

test("an admin answers in KafkaJS's shapes", async (t) => {
  const kafka = memory(t);
  const admin = kafka.admin();
  await admin.connect();
  const topics = [
    { topic: "t", numPartitions: 2, configEntries: [{ name: "retention.ms", value: "-1" }] },
  ];
  assert.equal(await admin.createTopics({ topics }), true);
  assert.equal(await admin.createTopics({ topics }), false);
  assert.deepEqual(await admin.listTopics(), ["t"]);

  const { listTopics } = admin;
  assert.deepEqual(await listTopics(), ["t"]);
  await assert.rejects(admin.createTopics({ topics: [{ topic: "no/good" }] }), {
    name: "KafkaJSAggregateError",
    type: "INVALID_TOPIC_EXCEPTION",
    topic: "no/good",
  });
  assert.equal(await admin.createPartitions({ topicPartitions: [{ topic: "t", count: 3 }] }), true);
  const metadata = await admin.fetchTopicMetadata({ topics: ["t"] });
  assert.deepEqual(
    metadata.topics[0]?.partitions.map(({ partitionId }) => partitionId),
    [0, 1, 2],
  );

  const producer = kafka.producer();
  await producer.connect();
  const at = (/** @type {string} */ timestamp) => ({ partition: 0, value: "v", timestamp });
  await producer.send({ topic: "t", messages: [at("100"), at("200"), at("300")] });
  assert.deepEqual(
    (await admin.fetchTopicOffsets("t")).filter(({ partition }) => partition === 0),
    [{ partition: 0, offset: "3", high: "3", low: "0" }],
  );
  const since = await admin.fetchTopicOffsetsByTimestamp("t", 150);
  assert.deepEqual(
    since.find(({ partition }) => partition === 0),
    { partition: 0, offset: "1" },
  );
  await admin.deleteTopicRecords({ topic: "t", partitions: [{ partition: 0, offset: "2" }] });
  assert.equal((await admin.fetchTopicOffsets("t")).find((one) => one.partition === 0)?.low, "2");
  await assert.rejects(
    admin.deleteTopicRecords({ topic: "t", partitions: [{ partition: 0, offset: "99" }] }),
    { name: "KafkaJSDeleteTopicRecordsError", type: "OFFSET_OUT_OF_RANGE" },
  );

  await admin.setOffsets({ groupId: "g", topic: "t", partitions: [{ partition: 0, offset: "3" }] });
  const [committed] = await admin.fetchOffsets({ groupId: "g", topics: ["t"] });
  assert.deepEqual(committed?.partitions[0], { partition: 0, offset: "3", metadata: null });
  await admin.resetOffsets({ groupId: "g", topic: "t", earliest: true });
  const [reset] = await admin.fetchOffsets({ groupId: "g", topics: ["t"] });
  assert.equal(reset?.partitions[0]?.offset, "2");
  assert.deepEqual(
    (await admin.listGroups()).groups.map(({ groupId }) => groupId),
    ["g"],
  );

  const { resources } = await admin.describeConfigs({
    resources: [{ type: ConfigResourceTypes.TOPIC, name: "t", configNames: ["retention.ms"] }],
    includeSynonyms: false,
  });
  const [entry] = resources[0]?.configEntries ?? [];
  assert.deepEqual(
    [entry?.configName, entry?.configValue, entry?.isDefault],
    ["retention.ms", "-1", false],
  );
  const configEntries = [{ name: "retention.ms", value: "1000" }];
  await admin.alterConfigs({
    resources: [{ type: ConfigResourceTypes.TOPIC, name: "t", configEntries }],
    validateOnly: false,
  });
  await assert.rejects(
    admin.alterConfigs({
      resources: [
        {
          type: ConfigResourceTypes.TOPIC,
          name: "t",
          configEntries: [{ name: "retention.ms", value: "soon" }],
        },
      ],
    }),
    { type: "INVALID_CONFIG", code: 40 },
  );

  const { brokers, controller, clusterId } = await admin.describeCluster();
  assert.equal(brokers.length, 1);
  assert.equal(controller, brokers[0]?.nodeId);
  assert.equal(typeof clusterId, "string");
  assert.deepEqual(await admin.deleteGroups(["g"]), [{ groupId: "g", errorCode: 0 }]);
  await assert.rejects(admin.deleteGroups(["none"]), { name: "KafkaJSDeleteGroupsError" });
  await admin.deleteTopics({ topics: ["t"] });
  assert.deepEqual(
    (await admin.listTopics()).filter((name) => !name.startsWith("__")),
    [],
  );
  assert.equal((await admin.describeGroups(["none"])).groups[0]?.state, "Dead");
});

test("with seven members on six partitions one is idle and says so", async (t) => {
  const kafka = memory(t);
  await createTopic(kafka, "six", 6);
  const assigner = PartitionAssigners.range;
  const members = Array.from({ length: 7 }, () =>
    kafka.consumer({ groupId: "seven", partitionAssigners: [assigner] }),
  );
  /** @type {Map<number, number[]>} */
  const assignments = new Map();
  await Promise.all(
    members.map(async (member, index) => {
      await member.subscribe({ topic: "six" });
      member.on(member.events.GROUP_JOIN, ({ payload }) => {
        assignments.set(index, payload.memberAssignment["six"] ?? []);
      });
      await member.run({ eachMessage: async () => Promise.resolve() });
    }),
  );
  const counts = () => [...assignments.values()].map((partitions) => partitions.length).sort();
  while (counts().join() !== "0,1,1,1,1,1,1")
    await new Promise((resolve) => setTimeout(resolve, 5));
  assert.deepEqual([...assignments.values()].flat().sort(), [0, 1, 2, 3, 4, 5]);
});

test("the tap shows what passes the door, while somebody listens", async (t) => {
  const kafka = memory(t, { clientId: "watched" });
  /** @type {import("tablog").TraceEvent[]} */
  const events = [];
  /** @type {string[]} */
  const statuses = [];
  assert.equal(kafka.status, "closed");
  kafka.on("status", (status) => {
    statuses.push(status);
  });
  const remove = kafka.onTrace((more) => {
    events.push(...more);
  });
  await createTopic(kafka, "traced");
  const producer = kafka.producer();
  await producer.connect();
  await producer.send({ topic: "traced", messages: [{ value: "v" }] });
  while (!events.some(({ api, direction }) => api === "Produce" && direction === "response")) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  const produce = events.find(({ api }) => api === "Produce");
  assert.equal(produce?.clientId, "watched");
  assert.equal(kafka.status, "running");
  assert.deepEqual(statuses, ["running"]);
  remove();
});

test("a memory cluster outlives its clients, until it is closed", async (t) => {
  const kafka = memory(t);
  await createTopic(kafka, "kept");
  const producer = kafka.producer();
  await producer.connect();
  await producer.connect();
  await producer.send({ topic: "kept", messages: [{ value: "v" }] });
  await producer.disconnect();
  await producer.disconnect();
  await assert.rejects(producer.send({ topic: "kept", messages: [{ value: "v" }] }), {
    message: "The producer is disconnected",
  });
  assert.equal((await read(kafka, "kept", 1)).length, 1);
  await kafka.close();
  assert.equal(kafka.status, "closed");
  const admin = kafka.admin();
  await admin.connect();
  assert.deepEqual(await admin.listTopics(), []);
  await kafka.close();
});

test("a process ends when its clients have disconnected", async () => {
  const program = `
    import { Kafka, logLevel } from "tablog";
    const kafka = new Kafka({ storage: "memory", logLevel: logLevel.NOTHING });
    const producer = kafka.producer();
    await producer.connect();
    await producer.send({ topic: "t", messages: [{ value: "v" }] });
    const consumer = kafka.consumer({ groupId: "g" });
    await consumer.subscribe({ topic: "t", fromBeginning: true });
    await new Promise((resolve) => consumer.run({ eachMessage: async () => resolve() }));
    await consumer.disconnect();
    await producer.disconnect();
    console.log("done");
  `;
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ["--input-type=module", "--eval", program],
    { timeout: 20_000 },
  );
  assert.equal(stdout, "done\n");
});

test("requests are told to who listens to the network", async (t) => {
  const kafka = memory(t);
  const producer = kafka.producer();
  /** @type {import("tablog").RequestEvent["payload"][]} */
  const requests = [];
  /** @type {number[]} */
  const queueSizes = [];
  const stop = producer.on(producer.events.REQUEST, ({ payload }) => requests.push(payload));
  producer.on(producer.events.REQUEST_QUEUE_SIZE, ({ payload }) => {
    queueSizes.push(payload.queueSize);
  });
  await producer.connect();
  await producer.send({ topic: "events", messages: [{ value: "a" }] });
  await producer.flush();
  const produce = requests.find(({ apiName }) => apiName === "Produce");
  assert.equal(produce?.apiKey, 0);
  assert.equal(produce.clientId, "tablog");
  assert.match(produce.broker, /:9092$/);
  assert.ok(produce.duration >= 0 && produce.size > 0);
  assert.ok(queueSizes.includes(1) && queueSizes.includes(0));
  stop();
  const told = requests.length;
  await producer.send({ topic: "events", messages: [{ value: "b" }] });
  assert.equal(requests.length, told);
});
