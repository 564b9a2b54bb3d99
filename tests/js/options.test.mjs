// What options may be, and what is said of those that may not.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Kafka, logLevel } from "tablog";
import { memory } from "./memory.mjs";

test("who names an open cluster must want it as it is", async (t) => {
  const brokerConfig = { "num.partitions": "3", "log.retention.ms": "1000" };
  await memory(t, { cluster: "shared", worker: false, brokerConfig }).admin().connect();
  const again = (/** @type {Partial<import("tablog").KafkaConfig>} */ config) =>
    memory(t, { cluster: "shared", ...config })
      .admin()
      .connect();
  await again({});
  await again({ worker: false });
  await again({ brokerConfig: { "log.retention.ms": "1000", "num.partitions": "3" } });
  for (const [config, name] of /** @type {const} */ ([
    [{ brokerConfig: { "num.partitions": "3" } }, "brokerConfig"],
    [{ brokerConfig: { ...brokerConfig, "num.partitions": "4" } }, "brokerConfig"],
    [{ worker: true }, "worker"],
    [{ storage: "indexeddb" }, "storage"],
  ])) {
    await assert.rejects(again(config), {
      name: "TablogError",
      type: "INVALID_CONFIG",
      retriable: false,
      message: new RegExp(`^cluster "shared" is open with ${name} `),
    });
  }
});

/** What handlers, or whoever does nothing, are. */
const nothing = () => Promise.resolve();
/** As of a program without types: everything passes. @param {unknown} value */
const any = (value) => /** @type {never} */ (value);

/** @type {Record<string, (kafka: Kafka, options: object) => unknown>} */
const takers = {
  kafka: (_, options) => new Kafka({ storage: "memory", ...options }),
  producer: (kafka, options) => kafka.producer(any(options)),
  consumer: (kafka, options) => kafka.consumer({ groupId: "g", ...options }),
  admin: (kafka, options) => kafka.admin(any(options)),
  subscribe: (kafka, options) =>
    kafka.consumer({ groupId: "g" }).subscribe({ topics: ["t"], ...options }),
  run: (kafka, options) =>
    kafka.consumer({ groupId: "g" }).run({ eachMessage: nothing, ...options }),
  messages: (kafka, options) => kafka.consumer({ groupId: "g" }).messages(any(options)).next(),
  send: (kafka, options) => kafka.producer().send({ topic: "t", messages: [], ...options }),
  sendBatch: (kafka, options) => kafka.producer().sendBatch(any(options)),
};

const wholeFrom = (/** @type {number} */ min) => `a whole number of at least ${min}`;

/** Each: who takes it, the option and its value, and what is said. @type {[string, object, string][]} */
const refused = [
  ["kafka", { requestTimeout: "x" }, `requestTimeout must be ${wholeFrom(1)}, not "x"`],
  ["kafka", { requestTimeout: -1 }, `requestTimeout must be ${wholeFrom(1)}, not -1`],
  ["kafka", { connectionTimeout: 0 }, `connectionTimeout must be ${wholeFrom(1)}, not 0`],
  ["kafka", { clientId: 7 }, "clientId must be a string, not 7"],
  ["kafka", { logLevel: "INFO" }, 'logLevel must be one of logLevel, not "INFO"'],
  ["kafka", { logCreator: {} }, "logCreator must be a function, not an object"],
  ["kafka", { retry: "x" }, 'retry must be an object, not "x"'],
  ["kafka", { retry: { retries: -1 } }, "retry.retries must be a number of at least 0, not -1"],
  [
    "kafka",
    { worker: 5 },
    "worker must be a boolean, a URL or a function that makes a Worker, not 5",
  ],
  ["kafka", { wasm: 5 }, "wasm must be a URL, a Response, bytes or a WebAssembly.Module, not 5"],
  ["kafka", { cluster: "" }, 'cluster must be a non-empty string, not ""'],
  ["kafka", { storage: "disk" }, 'storage must be "indexeddb" or "memory", not "disk"'],
  ["kafka", { brokerConfig: null }, "brokerConfig must be an object, not null"],
  ["producer", { createPartitioner: "x" }, 'createPartitioner must be a function, not "x"'],
  ["producer", { idempotent: "x" }, 'idempotent must be a boolean, not "x"'],
  [
    "producer",
    { maxInFlightRequests: 0 },
    `maxInFlightRequests must be ${wholeFrom(1)} or null, not 0`,
  ],
  ["producer", { metadataMaxAge: NaN }, `metadataMaxAge must be ${wholeFrom(0)}, not NaN`],
  [
    "consumer",
    { rebalanceTimeout: 0 },
    `rebalanceTimeout must be ${wholeFrom(1)} and at most 2147483647, not 0`,
  ],
  ["consumer", { heartbeatInterval: 0 }, `heartbeatInterval must be ${wholeFrom(1)}, not 0`],
  [
    "consumer",
    { partitionAssigners: [] },
    "partitionAssigners must be an array of at least one function, not []",
  ],
  [
    "consumer",
    { partitionAssigners: ["x"] },
    "partitionAssigners must be an array of at least one function, not an array",
  ],
  [
    "consumer",
    { retry: { restartOnFailure: true } },
    "retry.restartOnFailure must be a function, not true",
  ],
  ["admin", { retry: [] }, "retry must be an object, not []"],
  ["subscribe", { fromBeginning: "yes" }, 'fromBeginning must be a boolean, not "yes"'],
  ["run", { eachMessage: 5 }, "eachMessage must be a function, not 5"],
  ["run", { autoCommitInterval: -4 }, `autoCommitInterval must be ${wholeFrom(0)} or null, not -4`],
  [
    "run",
    { signal: new AbortController().signal },
    "signal must be left out: consumer.stop() ends a run, not an object",
  ],
  ["messages", { autoCommit: null }, "autoCommit must be a boolean, not null"],
  ["send", { compression: "GZIP" }, 'compression must be one of CompressionTypes, not "GZIP"'],
  ["send", { acks: 7 }, "acks must be 0, 1 or -1, not 7"],
  ["send", { signal: {} }, "signal must be an AbortSignal, not an object"],
  ["sendBatch", { topicMessages: "x" }, 'topicMessages must be an array, not "x"'],
];

for (const [taker, options, message] of refused) {
  test(`${taker}: ${message}`, async (t) => {
    const kafka = memory(t);
    await assert.rejects(async () => await takers[taker]?.(kafka, options), {
      name: "KafkaJSNonRetriableError",
      type: "INVALID_REQUEST",
      retriable: false,
      message,
    });
  });
}

test("options that KafkaJS takes are taken", async (t) => {
  const kafka = memory(t, { requestTimeout: 10_000, logLevel: logLevel.ERROR, ...{ unknown: 1 } });
  kafka.producer({ maxInFlightRequests: any(null), retry: { retries: Infinity }, lingerMs: 0 });
  const consumer = kafka.consumer({ groupId: "g", minBytes: 0, maxWaitTimeInMs: 0 });
  await consumer.subscribe({ topics: [/t/] });
  await consumer.run({
    eachMessage: nothing,
    eachBatch: nothing,
    autoCommitInterval: null,
    autoCommitThreshold: 0,
  });
});

test("who passes no object is told so", async (t) => {
  const kafka = memory(t);
  const admin = kafka.admin();
  const consumer = kafka.consumer({ groupId: "g" });
  const producer = kafka.producer();
  /** @type {(() => unknown)[]} */
  const calls = [
    () => new Kafka(any(null)),
    () => new Kafka(any("x")),
    () => kafka.producer(any(null)),
    () => kafka.admin(any(5)),
    () => kafka.consumer(any(null)),
    () => consumer.subscribe(any(undefined)),
    () => consumer.run(any(null)),
    () => {
      consumer.seek(any(undefined));
    },
    () => consumer.commitOffsets([any(null)]),
    () => {
      consumer.assign([any(null)]);
    },
    () => producer.send(any(undefined)),
    () => producer.sendBatch(any(undefined)),
    () => producer.sendBatch({ topicMessages: [any(null)] }),
    () => admin.createTopics(any(undefined)),
    () => admin.createTopics({ topics: [any(null)] }),
    () => admin.deleteTopics(any(undefined)),
    () => admin.createPartitions(any(undefined)),
    () => admin.fetchTopicMetadata(any(null)),
    () => admin.fetchOffsets(any(undefined)),
    () => admin.setOffsets(any(undefined)),
    () => admin.resetOffsets(any(undefined)),
    () => admin.deleteTopicRecords(any(undefined)),
    () => admin.deleteTopicRecords({ topic: "t", partitions: [any(null)] }),
    () => admin.describeConfigs(any(undefined)),
    () => admin.alterConfigs({ resources: [any(null)] }),
  ];
  for (const call of calls) {
    await assert.rejects(
      async () => await call(),
      { name: "KafkaJSNonRetriableError", type: "INVALID_REQUEST", retriable: false },
      call.toString(),
    );
  }
});
