// What retention and compaction delete of small topics, by what clients read and by what is left in
// the database, across a reload of the page.
import { expect, type Page, test } from "@playwright/test";
import { openPackage } from "./package_page";

const RETENTION = { "retention.ms": "2000", "segment.ms": "500" };
const COMPACTION = {
  "cleanup.policy": "compact",
  "max.compaction.lag.ms": "1000",
  "delete.retention.ms": "500",
};
const TOPIC = "small";
/** Much more than retention, a segment's time and two checks together. */
const DUE_MS = 30_000;

/** Opens the page, and on it the cluster, whose broker looks each second at what is due. */
async function openCluster(page: Page): Promise<void> {
  await openPackage(page);
  await page.evaluate(async () => {
    const brokerConfig = {
      "log.retention.check.interval.ms": "1000",
      "log.cleaner.backoff.ms": "1000",
    };
    globalThis.kafka = app.open("expiry", { brokerConfig });
    globalThis.producer = kafka.producer();
    await producer.connect();
  });
}

function createTopic(page: Page, config: Record<string, string>): Promise<void> {
  return page.evaluate(
    async ([topic, config]) => {
      const admin = kafka.admin();
      await admin.connect();
      const configEntries = Object.entries(config).map(([name, value]) => ({ name, value }));
      await admin.createTopics({ topics: [{ topic, configEntries }] });
      await admin.disconnect();
    },
    [TOPIC, config] as const,
  );
}

interface Sent {
  key?: string;
  value: string | null;
}

/** Sends each record by itself. */
function send(page: Page, records: Sent[]): Promise<void> {
  return page.evaluate(
    async ([topic, records]) => {
      for (const record of records) await producer.send({ topic, messages: [record] });
    },
    [TOPIC, records] as const,
  );
}

/** The first offset that may be read, and the one of the next record. */
function offsets(page: Page): Promise<{ low: number; high: number }> {
  return page.evaluate(async (topic) => {
    const admin = kafka.admin();
    await admin.connect();
    const [partition] = await admin.fetchTopicOffsets(topic);
    await admin.disconnect();
    return { low: Number(partition?.low), high: Number(partition?.high) };
  }, TOPIC);
}

/** The keys that a new group reads, up to that of the last record. */
function readKeys(page: Page, last: string): Promise<string[]> {
  return page.evaluate(
    async ([topic, last]) => {
      const consumer = kafka.consumer({ groupId: crypto.randomUUID() });
      await consumer.subscribe({ topics: [topic], fromBeginning: true });
      const keys: string[] = [];
      for await (const { message } of consumer.messages()) {
        keys.push(message.key?.toString() ?? "");
        if (keys.at(-1) === last) break;
      }
      await consumer.disconnect();
      return keys;
    },
    [TOPIC, last] as const,
  );
}

/** Which of the texts occur in whatever row of whatever database of the origin. */
function stored(page: Page, texts: string[]): Promise<string[]> {
  return page.evaluate(async (texts) => {
    const done = <T>(request: IDBRequest<T>) =>
      new Promise<T>((resolve, reject) => {
        request.onsuccess = () => {
          resolve(request.result);
        };
        request.onerror = () => {
          reject(new Error("the database cannot be read", { cause: request.error }));
        };
      });
    const found = new Set<string>();
    for (const { name = "" } of await indexedDB.databases()) {
      const database = await done(indexedDB.open(name));
      const stores = [...database.objectStoreNames];
      const transaction = database.transaction(stores);
      for (const store of stores) {
        for (const value of await done(transaction.objectStore(store).getAll())) {
          const text = new TextDecoder("latin1").decode(value as Uint8Array);
          for (const wanted of texts) if (text.includes(wanted)) found.add(wanted);
        }
      }
      database.close();
    }
    return texts.filter((text) => found.has(text));
  }, texts);
}

test("a topic that nobody writes to expires after a reload", async ({ page }) => {
  await openCluster(page);
  await createTopic(page, RETENTION);
  const values = ["first secret", "second secret", "third secret"];
  await send(
    page,
    values.map((value) => ({ value })),
  );
  expect(await stored(page, values)).toEqual(values);
  await page.reload();
  await openCluster(page);
  await expect.poll(() => offsets(page), { timeout: DUE_MS }).toEqual({ low: 3, high: 3 });
  await expect.poll(() => stored(page, values), { timeout: DUE_MS }).toEqual([]);
  // Once more, from what is left: nothing comes back.
  await page.reload();
  await openCluster(page);
  expect(await offsets(page)).toEqual({ low: 3, high: 3 });
});

test("a topic with one record a second expires across a reload", async ({ page }) => {
  await openCluster(page);
  await createTopic(page, RETENTION);
  const values = Array.from(
    { length: 12 },
    (_, index) => `secret ${String(index).padStart(2, "0")}`,
  );
  for (const [index, value] of values.entries()) {
    await send(page, [{ value }]);
    await page.waitForTimeout(1_000);
    if (index !== 5) continue;
    await page.reload();
    await openCluster(page);
  }
  // While the last is young, what was sent before the reload is gone.
  const { low, high } = await offsets(page);
  expect(high).toBe(values.length);
  expect(low).toBeGreaterThan(5);
  await expect.poll(() => stored(page, values.slice(0, 6)), { timeout: DUE_MS }).toEqual([]);
  await expect.poll(() => offsets(page), { timeout: DUE_MS }).toMatchObject({ low: high });
  await expect.poll(() => stored(page, values), { timeout: DUE_MS }).toEqual([]);
});

test("what a tombstone deletes is gone after a reload, and so is the tombstone", async ({
  page,
}) => {
  await openCluster(page);
  await createTopic(page, COMPACTION);
  await send(page, [
    { key: "alice", value: "her old address" },
    // So large that it goes to a segment at once; the others wait in the journal.
    { key: "alice", value: `her portrait ${"x".repeat(300_000)}` },
    { key: "bob", value: "his address" },
    { key: "alice", value: "her address" },
    { key: "alice", value: null },
    { key: "carol", value: "her phone" },
  ]);
  const gone = ["her old address", "her portrait", "her address"];
  expect(await stored(page, [...gone, "alice", "his address"])).toHaveLength(5);
  await page.reload();
  await openCluster(page);
  await expect.poll(() => stored(page, gone), { timeout: DUE_MS }).toEqual([]);
  await expect.poll(() => stored(page, ["alice"]), { timeout: DUE_MS }).toEqual([]);
  expect(await readKeys(page, "carol")).toEqual(["bob", "carol"]);
  expect(await stored(page, ["his address", "her phone"])).toHaveLength(2);
});

test("what is replaced each second is compacted across a reload", async ({ page }) => {
  await openCluster(page);
  await createTopic(page, COMPACTION);
  await send(page, [
    { key: "alice", value: "her address" },
    { key: "alice", value: null },
  ]);
  const values = Array.from(
    { length: 12 },
    (_, index) => `state ${String(index).padStart(2, "0")}`,
  );
  for (const [index, value] of values.entries()) {
    await send(page, [{ key: "bob", value }]);
    await page.waitForTimeout(1_000);
    if (index !== 5) continue;
    await page.reload();
    await openCluster(page);
  }
  const gone = ["alice", "her address", ...values.slice(0, 6)];
  expect(await stored(page, gone)).toEqual([]);
  await expect.poll(() => stored(page, values), { timeout: DUE_MS }).toEqual(values.slice(-1));
  expect(await readKeys(page, "bob")).toEqual(["bob"]);
});

declare global {
  var kafka: ReturnType<typeof app.open>;
  var producer: ReturnType<typeof kafka.producer>;
}
