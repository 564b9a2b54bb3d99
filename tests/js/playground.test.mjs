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
/** @type {typeof import("../../www/src/flow/recovery.ts")} */
const { Recoveries } = await load("flow/recovery.ts");
/** @type {typeof import("../../www/src/flow/topic_list.ts")} */
const { topicList } = await load("flow/topic_list.ts");
/** @type {typeof import("../../www/src/engine/ledger.ts")} */
const { Ledger } = await load("engine/ledger.ts");
/** @type {typeof import("../../www/src/engine/pacer.ts")} */
const { Pacer } = await load("engine/pacer.ts");
/** @type {typeof import("../../www/src/engine/survey.ts")} */
const { Survey } = await load("engine/survey.ts");
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

describe("a steady stream", () => {
  test("is as many as it says, however late it is asked", () => {
    for (const everyMs of [10, 20, 33, 250, 1_000, 7_001]) {
      const pacer = new Pacer(100, 0);
      let sent = 0;
      for (let nowMs = 0; nowMs <= 30_000; nowMs += everyMs) sent += pacer.take(nowMs, 500);
      // What became due since it was asked last, or was more than one send takes, comes next.
      for (let due = -1; due !== 0; sent += due) due = pacer.take(30_000, 500);
      assert.equal(sent, 3_000, `asked every ${everyMs} ms`);
    }
  });

  test("does not send what a laptop slept through", () => {
    const pacer = new Pacer(100, 0);
    assert.equal(pacer.take(1_000, 500), 100);
    assert.equal(pacer.take(3_600_000, 500), 0);
    assert.equal(pacer.take(3_601_000, 500), 100);
  });
});

describe("the list of topics", () => {
  const picture = new Picture();
  for (let i = 0; i < 100; i += 1) picture.topic(`topic-${i}`);
  picture.topic("__consumer_offsets");

  test("says how many it leaves out, and has the chosen one", () => {
    const { names, more } = topicList(picture, "", "topic-99");
    assert.equal(names.length, 40);
    assert.equal(names[0], "topic-99");
    assert.equal(more, 61);
  });

  test("has what is looked for", () => {
    assert.deepEqual(topicList(picture, "offsets", "topic-7"), {
      names: ["topic-7", "__consumer_offsets"],
      more: 0,
    });
  });

  test("keeps each in its place while there are few", () => {
    const few = new Picture();
    for (const name of ["__consumer_offsets", "b", "a"]) few.topic(name);
    assert.deepEqual(topicList(few, "", "b").names, ["a", "b", "__consumer_offsets"]);
  });
});

test("a survey of many topics asks for the offsets of those in view, a few at a time", async () => {
  const names = Array.from({ length: 2_000 }, (_, i) => `topic-${i}`);
  let underWay = 0;
  let underWayMax = 0;
  /** @type {string[]} */
  const asked = [];
  const admin = {
    listTopics: () => Promise.resolve(names),
    listGroups: () => Promise.resolve({ groups: [] }),
    /** @param {string} topic */
    fetchTopicOffsets: async (topic) => {
      asked.push(topic);
      underWay += 1;
      underWayMax = Math.max(underWayMax, underWay);
      await new Promise((resolve) => setImmediate(resolve));
      underWay -= 1;
      return [{ partition: 0, offset: "3", high: "3", low: "1" }];
    },
  };
  const picture = new Picture();
  const survey = new Survey(/** @type {any} */ (admin), picture);
  const shown = () => ({ topic: "topic-5", topics: names.slice(0, 40) });
  await survey.run(shown);
  assert.equal(picture.topics.size, 2_000);
  assert.equal(asked.length, 40);
  assert.ok(underWayMax <= 4, `${underWayMax} at once`);
  asked.length = 0;
  await survey.run(shown);
  assert.ok(asked.length <= 5, `${asked.length} asked again`);
  assert.ok(asked.includes("topic-5"));
});

describe("the account of a crash", () => {
  test("tells each step once, and begins anew with the next death", () => {
    const recoveries = new Recoveries();
    const underWay = { sends: 1, records: 5 };
    recoveries.killed(underWay, 1_000);
    underWay.records = 0;
    assert.equal(recoveries.status("restarting", underWay, 1_010), false);
    recoveries.acknowledged(1_020);
    assert.equal(recoveries.status("running", underWay, 1_100), true);
    assert.equal(recoveries.status("running", underWay, 1_150), false);
    recoveries.acknowledged(1_200);
    recoveries.acknowledged(1_300);
    assert.deepEqual(recoveries.last, {
      killed: true,
      underWay: { sends: 1, records: 5 },
      noticedMs: 10,
      runningMs: 100,
      acknowledgedMs: 200,
    });
    recoveries.status("restarting", underWay, 2_000);
    assert.deepEqual(recoveries.last, {
      killed: false,
      underWay: { sends: 1, records: 0 },
      noticedMs: 0,
    });
  });

  test("compares the log with what was acknowledged while nothing is under way", async () => {
    let end = 7;
    const ledger = new Ledger(
      () => Promise.resolve(end),
      () => undefined,
    );
    /** @type {() => void} */
    let answer = () => undefined;
    /** @type {Promise<void>} */
    const answered = new Promise((resolve) => (answer = resolve));
    const sends = ledger.enter("orders", 3, () => answered);
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(ledger.underWay, { sends: 1, records: 3 });
    const balance = ledger.balance(new AbortController().signal);
    end = 10;
    answer();
    await sends;
    assert.deepEqual(await balance, { acknowledged: 3, appended: 3 });
    end = 9;
    const lost = await ledger.balance(new AbortController().signal);
    assert.deepEqual(lost, { acknowledged: 3, appended: 2 });
  });

  test("gives up counting when the log never rests", async () => {
    const ledger = new Ledger(
      () => Promise.resolve(0),
      () => undefined,
    );
    void ledger.enter("orders", 1, () => new Promise(() => undefined));
    await new Promise((resolve) => setImmediate(resolve));
    const late = new AbortController();
    const balance = ledger.balance(late.signal);
    late.abort();
    await assert.rejects(balance, { name: "AbortError" });
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
  const inView = [...picture.topic("orders").partitions.entries()];
  /** @type {InstanceType<typeof TapeWindows> | undefined} */
  let tapes;
  await /** @type {Promise<void>} */ (
    new Promise((resolve, reject) => {
      tapes = new TapeWindows(reader, resolve, reject);
      tapes.fill(picture.topic("orders"), inView, 0);
    })
  );
  assert.ok(tapes);
  tapes.fill(picture.topic("orders"), inView, 10_000);
  assert.deepEqual(reads, [[0, 3]]);
  assert.equal(tapes.record("orders", 0, 1), null);
  assert.equal(tapes.record("orders", 0, 2)?.offset, 2);
});
