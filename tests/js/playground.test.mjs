// How the playground makes its picture of the broker from the frames that pass.
import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, test } from "node:test";
import { Kafka, logLevel } from "tablog";
import { runnerImport } from "vite";

/**
 * @typedef {import("tablog").TraceEvent} TraceEvent
 * @typedef {import("../../www/src/flow/picture.ts").Picture} Picture
 */

/** @type {typeof import("../../www/src/flow/fold.ts")} */
const { Fold } = await load("flow/fold.ts");
/** @type {typeof import("../../www/src/flow/picture.ts")} */
const { Picture, topicPartition } = await load("flow/picture.ts");
/** @type {typeof import("../../www/src/flow/summary.ts")} */
const { summarise } = await load("flow/summary.ts");
/** @type {typeof import("../../www/src/records/headers.ts")} */
const { parseHeaders } = await load("records/headers.ts");
/** @type {typeof import("../../www/src/engine/surveys.ts")} */
const { Surveys } = await load("engine/surveys.ts");
/** @type {typeof import("../../www/src/tape_windows.ts")} */
const { TapeWindows } = await load("tape_windows.ts");

/**
 * A module of the playground, which is TypeScript; Vite strips the types, as it does for the page.
 *
 * @param {string} path
 * @returns {Promise<any>}
 */
async function load(path) {
  const root = join(import.meta.dirname, "../../www");
  const config = { root, configFile: /** @type {const} */ (false) };
  /** @type {{ module: unknown }} */
  const { module } = await runnerImport(join(root, "src", path), config);
  return module;
}

let correlationId = 0;

/**
 * A request and its answer, as the tap tells them.
 *
 * @param {string} api
 * @param {Record<string, unknown>} request
 * @param {Record<string, unknown>} response
 * @returns {[TraceEvent, TraceEvent]}
 */
function exchange(api, request, response) {
  correlationId += 1;
  const about = { connection: 1, apiKey: 0, api, apiVersion: 0, correlationId, clientId: "app" };
  return [
    { ...about, direction: "request", bytes: 10, atMs: 1_000, body: request },
    { ...about, direction: "response", bytes: 20, atMs: 1_005, body: response },
  ];
}

/** @param {[first: number, last: number][]} batches */
function records(...batches) {
  return {
    length: 100,
    batches: batches.map(([first, last]) => ({
      baseOffset: String(first),
      lastOffset: String(last),
      recordCount: last - first + 1,
    })),
  };
}

/**
 * @param {number} index
 * @param {number} count
 * @param {number} baseOffset
 */
function produce(index, count, baseOffset, errorCode = 0) {
  const partitionData = [{ index, records: records([0, count - 1]) }];
  const partitionResponses = [{ index, errorCode, baseOffset }];
  return exchange(
    "Produce",
    { topicData: [{ name: "orders", partitionData }] },
    { responses: [{ name: "orders", partitionResponses }] },
  );
}

/**
 * @param {number} committedOffset
 * @param {number} errorCode
 */
function commit(committedOffset, errorCode) {
  const partition = { partitionIndex: 0, committedOffset };
  return exchange(
    "OffsetCommit",
    { groupId: "packing", topics: [{ name: "orders", partitions: [partition] }] },
    { topics: [{ name: "orders", partitions: [{ partitionIndex: 0, errorCode }] }] },
  );
}

function fold() {
  const picture = new Picture();
  return { picture, fold: new Fold(picture) };
}

describe("the fold", () => {
  test("moves the high watermark behind what was acknowledged", () => {
    const { picture, fold: folded } = fold();
    const { moves } = folded.apply([...produce(1, 3, 0), ...produce(1, 2, 3)]);
    assert.deepEqual(
      moves.map(({ kind, clientId, topic, partition, records: count }) => [
        kind,
        clientId,
        topic,
        partition,
        count,
      ]),
      [
        ["produced", "app", "orders", 1, 3],
        ["produced", "app", "orders", 1, 2],
      ],
    );
    assert.deepEqual(
      picture.topic("orders").partitions.map(({ highWatermark }) => highWatermark),
      [0, 5],
    );
    assert.equal(picture.producers.get("app")?.records, 5);
  });

  test("counts nothing that was refused", () => {
    const { picture, fold: folded } = fold();
    assert.deepEqual(folded.apply(produce(0, 3, -1, 56)).moves, []);
    assert.equal(picture.producers.size, 0);
  });

  test("waits for the answer", () => {
    const { picture, fold: folded } = fold();
    const [request, response] = produce(0, 3, 0);
    assert.deepEqual(folded.apply([request]).exchanges, []);
    assert.equal(picture.topics.size, 0);
    assert.deepEqual(folded.apply([response]).exchanges[0]?.request, request);
    assert.equal(picture.partition("orders", 0).highWatermark, 3);
  });

  test("passes over an answer whose request it has not seen", () => {
    const { picture, fold: folded } = fold();
    assert.deepEqual(folded.apply([produce(0, 3, 0)[1]]).exchanges, []);
    assert.equal(picture.topics.size, 0);
  });

  test("counts of a fetched batch only the records that were asked for", () => {
    const { picture, fold: folded } = fold();
    const answered = { partitionIndex: 0, errorCode: 0, highWatermark: 20 };
    const { moves } = folded.apply(
      exchange(
        "Fetch",
        { topics: [{ topic: "orders", partitions: [{ partition: 0, fetchOffset: 7 }] }] },
        {
          responses: [
            { topic: "orders", partitions: [{ ...answered, records: records([5, 9], [10, 12]) }] },
          ],
        },
      ),
    );
    assert.deepEqual(
      moves.map(({ kind, records: count }) => [kind, count]),
      [["fetched", 6]],
    );
    assert.equal(picture.partition("orders", 0).highWatermark, 20);
  });

  test("knows a topic by its id once Metadata has told the name", () => {
    const { fold: folded } = fold();
    folded.apply(exchange("Metadata", {}, { topics: [{ name: "orders", topicId: "id-1" }] }));
    const partition = {
      partitionIndex: 0,
      errorCode: 0,
      highWatermark: 2,
      records: records([0, 1]),
    };
    const { moves } = folded.apply(
      exchange(
        "Fetch",
        { topics: [{ topicId: "id-1", partitions: [{ partition: 0, fetchOffset: 0 }] }] },
        { responses: [{ topicId: "id-1", partitions: [partition] }] },
      ),
    );
    assert.equal(moves[0]?.topic, "orders");
  });

  test("takes an offset as committed when the coordinator has", () => {
    const { picture, fold: folded } = fold();
    folded.apply(commit(5, 0));
    folded.apply(commit(9, 22));
    assert.equal(picture.group("packing").committed.get("orders-0"), 5);
  });

  test("takes over what the coordinator says of a group's offsets, and what it says no more", () => {
    const { picture, fold: folded } = fold();
    folded.apply(commit(5, 0));
    const partition = { partitionIndex: 1, committedOffset: 7, errorCode: 0 };
    const topics = [{ name: "orders", partitions: [partition] }];
    folded.apply(
      exchange("OffsetFetch", { groupId: "packing", topics: [] }, { errorCode: 0, topics }),
    );
    const { committed } = picture.group("packing");
    assert.deepEqual(Object.fromEntries(committed), { "orders-0": 5, "orders-1": 7 });
    // Of all topics, in the form of newer versions.
    const groups = [{ groupId: "packing", errorCode: 0, topics }];
    folded.apply(
      exchange("OffsetFetch", { groups: [{ groupId: "packing", topics: null }] }, { groups }),
    );
    assert.deepEqual(Object.fromEntries(committed), { "orders-1": 7 });
  });

  test("keeps a commit that was answered after a look at the offsets", () => {
    const { picture, fold: folded } = fold();
    const [asks, isTold] = exchange(
      "OffsetFetch",
      { groupId: "packing", topics: null },
      { errorCode: 0, topics: [] },
    );
    const [commits, committed] = commit(9, 0);
    folded.apply([asks, commits, isTold, committed]);
    assert.equal(picture.group("packing").committed.get("orders-0"), 9);
  });

  test("tells a group's generation and its rebalance", () => {
    const { picture, fold: folded } = fold();
    const joined = folded.apply(
      exchange("JoinGroup", { groupId: "packing" }, { errorCode: 0, generationId: 4, members: [] }),
    );
    assert.equal(joined.survey, true);
    assert.equal(picture.group("packing").generation, 4);
    const beat = { groupId: "packing", generationId: 4 };
    folded.apply(exchange("Heartbeat", beat, { errorCode: 27 }));
    assert.equal(picture.group("packing").state, "PreparingRebalance");
  });

  test("begins anew with a topic of a name that was deleted", () => {
    const { picture, fold: folded } = fold();
    folded.apply([...produce(0, 8, 0), ...commit(8, 0)]);
    const deleted = { responses: [{ name: "orders", errorCode: 0 }] };
    folded.apply(exchange("DeleteTopics", {}, deleted));
    assert.equal(picture.topics.size, 0);
    folded.apply(produce(0, 2, 0));
    assert.equal(picture.partition("orders", 0).highWatermark, 2);
    assert.equal(picture.group("packing").committed.size, 0);
  });

  test("forgets a group that was deleted, not one that could not be", () => {
    const { picture, fold: folded } = fold();
    folded.apply(commit(8, 0));
    const answer = (/** @type {number} */ errorCode) =>
      exchange("DeleteGroups", {}, { results: [{ groupId: "packing", errorCode }] });
    folded.apply(answer(68));
    assert.equal(picture.groups.size, 1);
    folded.apply(answer(0));
    assert.equal(picture.groups.size, 0);
  });

  test("has the numbers that the admin client has", async () => {
    const kafka = new Kafka({ cluster: "picture", storage: "memory", logLevel: logLevel.NOTHING });
    const { picture, fold: folded } = fold();
    // The test asks for it at last.
    const tracedLast = new Promise((resolve) => {
      kafka.onTrace((events) => {
        folded.apply(events);
        const last = events.find(
          (it) => it.api === "DescribeGroups" && it.direction === "response",
        );
        if (last !== undefined) resolve(last);
      });
    });
    const admin = kafka.admin();
    const producer = kafka.producer();
    const consumer = kafka.consumer({ groupId: "packing" });
    await Promise.all([admin.connect(), producer.connect(), consumer.connect()]);
    await admin.createTopics({ topics: [{ topic: "orders", numPartitions: 3 }] });
    const messages = Array.from({ length: 100 }, (_, n) => ({ key: `user-${n % 9}`, value: "" }));
    await producer.send({ topic: "orders", messages });
    let consumed = 0;
    await consumer.subscribe({ topics: ["orders"], fromBeginning: true });
    await /** @type {Promise<void>} */ (
      new Promise((resolve, reject) => {
        const eachMessage = () => {
          consumed += 1;
          if (consumed === messages.length) resolve();
          return Promise.resolve();
        };
        consumer.run({ eachMessage }).catch(reject);
      })
    );
    await consumer.disconnect();
    const ends = (await admin.fetchTopicOffsets("orders")).map(({ high }) => Number(high));
    const [committed] = await admin.fetchOffsets({ groupId: "packing", topics: ["orders"] });
    await admin.describeGroups(["packing"]);
    await tracedLast;
    await kafka.close();

    assert.deepEqual(
      picture.topic("orders").partitions.map(({ highWatermark }) => highWatermark),
      ends,
    );
    const ofGroup = picture.group("packing").committed;
    assert.deepEqual(
      committed?.partitions.map(({ partition }) =>
        ofGroup.get(topicPartition("orders", partition)),
      ),
      committed?.partitions.map(({ offset }) => Number(offset)),
    );
    const totals = [picture.producers, picture.fetchers].map((clients) =>
      [...clients.values()].reduce((sum, client) => sum + client.records, 0),
    );
    assert.deepEqual(totals, [100, 100]);
  });
});

describe("the line of a frame", () => {
  /** @param {[TraceEvent, TraceEvent]} frames */
  const line = (frames) => {
    const [folded] = fold().fold.apply(frames).exchanges;
    assert.ok(folded);
    return summarise(folded);
  };

  test("says what moved", () => {
    assert.equal(line(produce(2, 1, 0)), "1 record to orders-2");
    assert.equal(line(commit(5, 0)), "group packing: orders-0 → 5");
  });

  test("says by its Kafka name what was refused", () => {
    assert.equal(line(produce(2, 3, -1, 56)), "orders-2: KAFKA_STORAGE_ERROR");
    assert.equal(line(commit(5, 22)), "group packing: orders-0: ILLEGAL_GENERATION");
    const join = exchange("JoinGroup", { groupId: "packing" }, { errorCode: 79 });
    assert.equal(line(join), "group packing: MEMBER_ID_REQUIRED");
  });
});

describe("headers of the form", () => {
  test("are names with their values", () => {
    assert.deepEqual(parseHeaders("source=form, trace = abc"), {
      source: ["form"],
      trace: ["abc"],
    });
    assert.deepEqual(parseHeaders(""), {});
  });

  test("may come again, hold equals signs, or have no value", () => {
    assert.deepEqual(parseHeaders("tag=a,tag=b,token=Zg==,flag"), {
      tag: ["a", "b"],
      token: ["Zg=="],
      flag: [""],
    });
  });

  test("may be called what objects have already", () => {
    assert.deepEqual(Object.entries(parseHeaders("constructor=a,__proto__=b")), [
      ["constructor", ["a"]],
      ["__proto__", ["b"]],
    ]);
  });
});

describe("surveys", () => {
  test("begin after they were asked for, though one is running", async () => {
    test.mock.timers.enable({ apis: ["setTimeout"] });
    let begun = 0;
    /** @type {() => void} */
    let end = () => undefined;
    const surveys = new Surveys(() => {
      begun += 1;
      return new Promise((resolve) => (end = resolve));
    });
    const first = surveys.now();
    await Promise.resolve();
    assert.equal(begun, 1);
    const both = Promise.all([surveys.now(), surveys.now()]);
    end();
    await first;
    await Promise.resolve();
    assert.equal(begun, 2);
    end();
    await both;
    assert.equal(begun, 2);
    test.mock.timers.reset();
  });
});

test("a tape asks once for what compaction has taken away", async () => {
  /** @type {[from: number, to: number][]} */
  const reads = [];
  const reader = {
    /** @type {import("../../www/src/engine/reader.ts").Reader["read"]} */
    read: (topic, partition, from, to) => {
      reads.push([from, to]);
      const about = { timestampMs: 0, key: null, value: null, headers: [] };
      const records = [0, 2].map((offset) => ({ topic: topic.name, partition, offset, ...about }));
      return Promise.resolve({ records, complete: true });
    },
    close: () => undefined,
  };
  const picture = new Picture();
  picture.partition("orders", 0).highWatermark = 3;
  /** @type {InstanceType<typeof TapeWindows> | undefined} */
  let tapes;
  await /** @type {Promise<void>} */ (
    new Promise((resolve, reject) => {
      tapes = new TapeWindows(reader, resolve, reject);
      tapes.fill(picture.topic("orders"), 0);
    })
  );
  assert.ok(tapes);
  tapes.fill(picture.topic("orders"), 10_000);
  assert.deepEqual(reads, [[0, 3]]);
  assert.equal(tapes.record("orders", 0, 1), null);
  assert.equal(tapes.record("orders", 0, 2)?.offset, 2);
});
