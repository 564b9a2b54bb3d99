// What applications get wrong: each a typed error, and the engine goes on.
import { expect, test } from "@playwright/test";
import { openPackage } from "./package_page";

test("what cannot be sent is refused with what it is about", async ({ page }) => {
  await openPackage(page);
  const { told, read } = await page.evaluate(async () => {
    const { failure, open, read } = app;
    const kafka = open("misuse", { retry: { retries: 1, initialRetryTime: 10 } });
    const admin = kafka.admin();
    await admin.connect();
    const configEntries = [{ name: "max.message.bytes", value: "1000" }];
    await admin.createTopics({
      topics: [
        { topic: "events", numPartitions: 2 },
        { topic: "small", numPartitions: 1, configEntries },
      ],
    });
    const producer = kafka.producer({ allowAutoTopicCreation: false });
    await producer.connect();
    const send = (
      topic: string,
      message: { value: string | null; partition?: number },
      options: object = {},
    ) => failure(() => producer.send({ topic, messages: [message], ...options }));
    const told = {
      oversized: await send("events", { value: "x".repeat(2 << 20) }),
      oversizedForTheTopic: await send("small", { value: "x".repeat(2_000) }),
      unknownTopic: await send("unknown", { value: "x" }),
      unknownPartition: await send("events", { value: "x", partition: 2 }),
      negativePartition: await send("events", { value: "x", partition: -2 }),
      noTopic: await send("", { value: "x" }),
      badName: await send("no/topic", { value: "x" }),
      unknownAcks: await send("events", { value: "x" }, { acks: 7 }),
      // As JavaScript may pass it.
      unknownCodec: await send("events", { value: "x" }, { compression: 9 }),
      internal: await send("__consumer_offsets", { value: "x" }),
    };
    await producer.send({ topic: "events", messages: [{ value: "right" }] });
    return { told, read: await read(kafka, "events") };
  });
  expect(told).toMatchObject({
    oversized: { type: "MESSAGE_TOO_LARGE", code: 10, retriable: false, topic: "events" },
    oversizedForTheTopic: {
      type: "MESSAGE_TOO_LARGE",
      code: 10,
      retriable: false,
      topic: "small",
      partition: 0,
    },
    unknownTopic: { type: "UNKNOWN_TOPIC_OR_PARTITION", code: 3, topic: "unknown" },
    unknownPartition: { code: 3, topic: "events", partition: 2 },
    negativePartition: { topic: "events", partition: -2 },
    noTopic: { type: "INVALID_REQUEST", code: 42, retriable: false },
    badName: { type: "INVALID_TOPIC_EXCEPTION", code: 17, retriable: false, topic: "no/topic" },
    unknownAcks: { code: 42, retriable: false },
    unknownCodec: { code: 42, retriable: false },
    internal: { topic: "__consumer_offsets" },
  });
  expect(read).toEqual(["right"]);
});

test("bad configs are refused by name", async ({ page }) => {
  await openPackage(page);
  const told = await page.evaluate(async () => {
    const { failure, open } = app;
    const kafka = open("configs");
    const admin = kafka.admin();
    await admin.connect();
    const create = (config: object) =>
      failure(() => admin.createTopics({ topics: [{ topic: "bad", ...config }] }));
    const config = (name: string, value: string) => create({ configEntries: [{ name, value }] });
    const told = {
      value: await config("retention.ms", "soon"),
      name: await config("retention.parsecs", "12"),
      policy: await config("cleanup.policy", "burn"),
      partitions: await create({ numPartitions: 0 }),
      replicas: await create({ replicationFactor: 3 }),
      groupId: await failure(() => kafka.consumer({ groupId: "" })),
      heartbeat: await failure(() =>
        kafka.consumer({ groupId: "g", sessionTimeout: 1_000, heartbeatInterval: 2_000 }),
      ),
      session: await failure(async () => {
        const consumer = kafka.consumer({
          groupId: "g",
          sessionTimeout: 1_000,
          heartbeatInterval: 100,
          retry: { restartOnFailure: () => Promise.resolve(false) },
        });
        await consumer.subscribe({ topics: ["fine"] });
        for await (const message of consumer.messages()) throw new Error(message.topic);
      }),
      broker: await failure(() => {
        const brokerConfig = { "num.partitions": "many" };
        return open("bad broker", { brokerConfig }).admin().connect();
      }),
      // @ts-expect-error -- the types refuse it, too
      ssl: await failure(() => open("secure", { ssl: true })),
      // @ts-expect-error -- the types refuse it, too
      transactions: await failure(() => kafka.producer({ transactionalId: "t" })),
    };
    await admin.createTopics({ topics: [{ topic: "fine" }] });
    const topics = (await admin.listTopics()).filter((topic) => !topic.startsWith("__"));
    return { ...told, topics };
  });
  expect(told).toMatchObject({
    value: { type: "INVALID_CONFIG", code: 40, retriable: false, topic: "bad" },
    name: { type: "INVALID_CONFIG", code: 40, retriable: false, topic: "bad" },
    policy: { type: "INVALID_CONFIG", code: 40, retriable: false, topic: "bad" },
    partitions: { type: "INVALID_PARTITIONS", code: 37, retriable: false, topic: "bad" },
    replicas: { type: "INVALID_REPLICATION_FACTOR", code: 38, retriable: false, topic: "bad" },
    groupId: { retriable: false },
    heartbeat: { retriable: false },
    session: { type: "INVALID_SESSION_TIMEOUT", code: 26, retriable: false },
    broker: { message: expect.stringContaining("num.partitions"), retriable: false },
    ssl: { retriable: false },
    transactions: { retriable: false },
    topics: ["fine"],
  });
});
