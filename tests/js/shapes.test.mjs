import assert from "node:assert/strict";
import test from "node:test";
import {
  AssignerProtocol,
  KafkaJSError,
  KafkaJSNonRetriableError,
  KafkaJSProtocolError,
  Kafka,
  logLevel,
  MessageBytes,
  Partitioners,
} from "tablog";

const partitions = Array.from({ length: 1009 }, (_, partitionId) => ({
  partitionId,
  leader: 1,
  partitionErrorCode: 0,
  replicas: [1],
  isr: [1],
}));

/**
 * @param {import("tablog").ICustomPartitioner} create
 * @param {string | Uint8Array | null} key
 */
function choose(create, key) {
  return create()({ topic: "t", partitionMetadata: partitions, message: { key, value: null } });
}

test("keys go where Kafka's murmur2 says", () => {
  // Of Kafka's own test, UtilsTest.testMurmur2.
  const hashes = {
    21: -973932308,
    foobar: -790332482,
    "a-little-bit-long-string": -985981536,
    "a-little-bit-longer-string": -1486304829,
    lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8: -58897971,
    abc: 479470107,
  };
  for (const [key, hash] of Object.entries(hashes)) {
    const expected = (hash & 0x7fffffff) % partitions.length;
    assert.equal(choose(Partitioners.DefaultPartitioner, key), expected);
    assert.equal(choose(Partitioners.DefaultPartitioner, Buffer.from(key)), expected);
  }
});

test("keys go where KafkaJS 1 sent them with the legacy partitioner", () => {
  // Computed by KafkaJS 2.2.4.
  const expected = { a: 821, "origin-1": 769, "": 1001, "é☃": 573, 123456: 696 };
  for (const [key, partition] of Object.entries(expected)) {
    assert.equal(choose(Partitioners.LegacyPartitioner, key), partition);
  }
});

test("messages without a key go to the available partitions in turn", () => {
  const partitioner = Partitioners.DefaultPartitioner();
  const partitionMetadata = partitions.slice(0, 4).map((partition) => ({
    ...partition,
    leader: partition.partitionId === 2 ? -1 : 1,
  }));
  const message = { value: "v" };
  const chosen = Array.from({ length: 6 }, () =>
    partitioner({ topic: "t", partitionMetadata, message }),
  );
  assert.deepEqual(chosen.slice(0, 3).sort(), [0, 1, 3]);
  assert.deepEqual(chosen.slice(3), chosen.slice(0, 3));
});

test("bytes of a message speak as a Buffer does", () => {
  const all = Array.from({ length: 256 }, (_, byte) => byte);
  for (const content of [[], [0xef, 0xbb, 0xbf, 0x61], [...Buffer.from("é☃😀")], all]) {
    const bytes = MessageBytes.copyOf(content);
    const buffer = Buffer.from(content);
    for (const encoding of /** @type {const} */ ([
      "utf8",
      "hex",
      "base64",
      "base64url",
      "latin1",
      "ascii",
    ])) {
      assert.equal(bytes.toString(encoding), buffer.toString(encoding), encoding);
    }
    assert.equal(bytes.toString("utf8", 1, 3), buffer.toString("utf8", 1, 3));
    assert.deepEqual(JSON.parse(JSON.stringify(bytes)), JSON.parse(JSON.stringify(buffer)));
    assert.ok(bytes.equals(buffer));
    assert.ok(!bytes.equals(Buffer.from("another")));
  }
  assert.equal(String(MessageBytes.copyOf([104, 105])), "hi");
});

test("a part of a message's bytes is text where a Buffer's is", () => {
  const bytes = MessageBytes.copyOf(Buffer.from("abcdef"));
  const buffer = Buffer.from("abcdef");
  assert.equal(bytes.slice(1, 3).toString(), buffer.subarray(1, 3).toString());
  assert.equal(bytes.subarray(-2).toString("hex"), buffer.subarray(-2).toString("hex"));
  assert.equal(String(bytes.map((byte) => byte + 1)), String(buffer.map((byte) => byte + 1)));
});

test("an assignment is decoded from the bytes that KafkaJS encodes", () => {
  // KafkaJS 2.2.4: MemberAssignment.encode({ version: 1, assignment: { t: [0, 258] } })
  const encoded = Buffer.from(
    "0001000000010001740000000200000000000001020000 0000".replace(" ", ""),
    "hex",
  );
  const decoded = AssignerProtocol.MemberAssignment.decode(encoded);
  assert.deepEqual(decoded?.assignment, { t: [0, 258] });
  assert.equal(decoded.version, 1);
  assert.ok(AssignerProtocol.MemberAssignment.encode(decoded).equals(encoded));
  const metadata = AssignerProtocol.MemberMetadata.encode({ version: 0, topics: ["a", "b"] });
  assert.deepEqual(AssignerProtocol.MemberMetadata.decode(metadata)?.topics, ["a", "b"]);
});

test("what is not served is refused with a type, not ignored", async () => {
  const kafka = new Kafka({ storage: "memory", logLevel: logLevel.NOTHING });
  /** @type {[() => unknown, string][]} */
  const refused = [
    // @ts-expect-error -- the types refuse it, too
    [() => new Kafka({ ssl: true }), "KafkaJSNotImplemented"],
    // @ts-expect-error -- the types refuse it, too
    [() => new Kafka({ sasl: { mechanism: "plain" } }), "KafkaJSNotImplemented"],
    // @ts-expect-error -- the types refuse it, too
    [() => kafka.producer({ transactionalId: "t" }), "KafkaJSNotImplemented"],
    // @ts-expect-error -- the types refuse it, too
    [() => kafka.producer().transaction(), "KafkaJSNotImplemented"],
    [() => kafka.admin().createAcls(), "KafkaJSNotImplemented"],
    [() => kafka.admin().listPartitionReassignments(), "KafkaJSNotImplemented"],
    [() => kafka.consumer({ groupId: "" }), "KafkaJSNonRetriableError"],
    [
      () => kafka.consumer({ groupId: "g", sessionTimeout: 10, heartbeatInterval: 10 }),
      "KafkaJSNonRetriableError",
    ],
    [() => new Kafka(/** @type {never} */ ({ worker: false })), "TablogError"],
  ];
  for (const [call, name] of refused) {
    await assert.rejects(
      async () => await call(),
      (/** @type {unknown} */ error) =>
        error instanceof KafkaJSError &&
        error.name === name &&
        error.type !== "" &&
        !error.retriable,
    );
  }
});

test("a default Kafka says in Node what to do", async () => {
  const producer = new Kafka({ clientId: "x", brokers: ["localhost:9092"] }).producer();
  await assert.rejects(producer.connect(), {
    name: "TablogError",
    type: "UNSUPPORTED_ENVIRONMENT",
    message: /storage: "memory"/,
  });
});

test("arguments are checked before anything is sent", async () => {
  const kafka = new Kafka({ storage: "memory", logLevel: logLevel.NOTHING });
  const producer = kafka.producer();
  const consumer = kafka.consumer({ groupId: "g" });
  const noString = /** @type {string} */ (/** @type {unknown} */ (7));
  /** @type {(() => unknown)[]} */
  const calls = [
    () => producer.send({ topic: "", messages: [] }),
    () => producer.send({ topic: "t", messages: /** @type {never[]} */ ({}) }),
    () => producer.send({ topic: "t", messages: [/** @type {never} */ ({ key: "k" })] }),
    () => consumer.subscribe({ topics: [noString] }),
    () => consumer.subscribe(/** @type {never} */ ({})),
    () => {
      consumer.seek({ topic: "t", partition: 0, offset: "1" });
    },
    () => {
      consumer.pause([{ topic: "" }]);
    },
    () => consumer.commitOffsets([{ topic: "t", partition: 0, offset: "-1" }]),
    () => consumer.run({}),
    () => consumer.on(/** @type {never} */ ("consumer.nothing"), () => undefined),
    () => kafka.admin().createTopics({ topics: [{ topic: "a" }, { topic: "a" }] }),
    () => kafka.admin().deleteTopics({ topics: [noString, /** @type {never} */ (1)] }),
    () => kafka.admin().setOffsets({ groupId: "g", topic: "t", partitions: [] }),
  ];
  for (const call of calls) {
    await assert.rejects(
      async () => await call(),
      (/** @type {unknown} */ error) =>
        error instanceof KafkaJSNonRetriableError && error.type === "INVALID_REQUEST",
      call.toString(),
    );
  }
  await assert.rejects(producer.send({ topic: "t", messages: [] }), /disconnected/);
});

test("an option that makes no sense is named", async () => {
  const kafka = new Kafka({ storage: "memory", logLevel: logLevel.NOTHING });
  const consumer = kafka.consumer({ groupId: "g" });
  const eachMessage = () => Promise.resolve();
  /** @type {[() => unknown, RegExp][]} */
  const calls = [
    [
      () => new Kafka({ brokerConfig: { "num.partitions": /** @type {never} */ (3) } }),
      /brokerConfig "num\.partitions"/,
    ],
    [() => kafka.producer({ retry: { retries: -1 } }), /retry\.retries/],
    [
      () => kafka.producer().send({ topic: "t", messages: [], acks: /** @type {never} */ ("all") }),
      /acks/,
    ],
    // No worker would ever ask for a message.
    [
      () => consumer.run({ eachMessage, partitionsConsumedConcurrently: 0 }),
      /partitionsConsumedConcurrently/,
    ],
  ];
  for (const [call, message] of calls) {
    await assert.rejects(async () => await call(), { type: "INVALID_REQUEST", message });
  }
});

test("errors of KafkaJS carry what an application reads", () => {
  const error = new KafkaJSProtocolError("gone", {
    type: "UNKNOWN_TOPIC_OR_PARTITION",
    code: 3,
    retriable: true,
    topic: "t",
    partition: 4,
  });
  assert.ok(error instanceof KafkaJSError && error instanceof Error);
  assert.equal(error.name, "KafkaJSProtocolError");
  const { type, code, retriable, topic, partition } = error;
  assert.deepEqual(
    [type, code, retriable, topic, partition],
    ["UNKNOWN_TOPIC_OR_PARTITION", 3, true, "t", 4],
  );
  assert.match(String(error.stack), /shapes\.test/);
});
