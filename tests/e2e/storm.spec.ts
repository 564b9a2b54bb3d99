// Commits that fail where there are thousands of partitions, in real time: what the state machines
// do of it is counted in `src/broker/tests/storm.rs`.
import { expect, type Page, test } from "@playwright/test";
import { openPackage } from "./package_page";

const PARTITIONS = 3_000;
const FAILURES = 100;
/** A journal row with a record for every partition is larger, any other is smaller. */
const LARGE_ROW_BYTES = 200_000;

/**
 * Lets the broker's storage refuse so many commits of large rows when the page says `fail`. It says
 * when it has refused one, and what the controller has put.
 */
async function withStorm(page: Page) {
  const patch = `{
    const storm = new BroadcastChannel("storm");
    let left = 0;
    storm.onmessage = ({ data }) => { left = data.fail ?? left; };
    const put = IDBObjectStore.prototype.put;
    IDBObjectStore.prototype.put = function (value, key) {
      const bytes = value.byteLength ?? 0;
      if (this.transaction.db.name.endsWith(":controller")) storm.postMessage({ bytes });
      else if (left > 0 && this.name === "journal" && bytes > ${LARGE_ROW_BYTES.toString()}) {
        left -= 1;
        storm.postMessage({ refused: 1 });
        throw new DOMException("there is no room", "QuotaExceededError");
      }
      return put.call(this, value, key);
    };
  }`;
  await page.route("**/worker*.js", async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, body: patch + (await response.text()) });
  });
}

test("a storm of failed commits holds up nobody who has no part in it", async ({ page }) => {
  await withStorm(page);
  await openPackage(page);
  const seen = await page.evaluate(
    async ([partitions, failures]) => {
      const kafka = app.open("storm");
      const admin = kafka.admin();
      await admin.connect();
      await admin.createTopics({
        topics: [
          { topic: "many", numPartitions: partitions },
          { topic: "other", numPartitions: 1 },
        ],
      });
      const consumer = kafka.consumer({ groupId: "other" });
      const crashes: string[] = [];
      consumer.on("consumer.crash", ({ payload: { error } }) => crashes.push(error.message));
      const consumed: string[] = [];
      await consumer.subscribe({ topics: ["other"], fromBeginning: true });
      await consumer.run({
        eachMessage: ({ message }) => {
          consumed.push(message.value?.toString() ?? "");
          return Promise.resolve();
        },
      });
      const retry = { initialRetryTime: 5, maxRetryTime: 5, retries: 10_000 };
      const producer = kafka.producer({ retry });
      await producer.connect();
      const messages = Array.from({ length: partitions }, (_, partition) => ({
        partition,
        value: "a record of fifty bytes, so that the row is a large one",
      }));
      await producer.send({ topic: "many", messages });
      const bystander = kafka.producer({ retry });
      await bystander.connect();

      const storm = new BroadcastChannel("storm");
      const told = { refused: 0, bytes: 0 };
      storm.onmessage = ({ data }: MessageEvent<{ refused?: number; bytes?: number }>) => {
        told.refused += data.refused ?? 0;
        told.bytes += data.bytes ?? 0;
      };
      /** What a storm of so many failures does, with what is asked and sent meanwhile. */
      const weather = async (fail: number) => {
        storm.postMessage({ fail });
        const begun = performance.now();
        const sending = { ended: false };
        const ended = producer.send({ topic: "many", messages }).finally(() => {
          sending.ended = true;
        });
        const sent: string[] = [];
        let longestMs = 0;
        while (!sending.ended) {
          const asked = performance.now();
          await admin.fetchTopicOffsets("other");
          longestMs = Math.max(longestMs, performance.now() - asked);
          const value = crypto.randomUUID();
          await bystander.send({ topic: "other", messages: [{ value }] });
          sent.push(value);
        }
        await ended;
        const ms = performance.now() - begun;
        while (!sent.every((value) => consumed.includes(value))) {
          await new Promise((resolve) => setTimeout(resolve, 10));
        }
        return { ...told, ms: Math.round(ms), longestMs: Math.round(longestMs), sent: sent.length };
      };
      const calm = await weather(0);
      const once = await weather(1);
      const often = await weather(failures);
      const offsets = await admin.fetchTopicOffsets("many");
      const highs = new Set(offsets.map(({ high }) => high));
      return { calm, once, often, crashes, highs: [...highs] };
    },
    [PARTITIONS, FAILURES] as const,
  );
  console.log(JSON.stringify(seen));
  expect(seen.often.refused).toBe(1 + FAILURES);
  expect(seen.often.bytes).toBeGreaterThan(0);
  expect(seen.often.bytes).toBeLessThan(200_000);
  expect(seen.crashes).toEqual([]);
  // What was refused was sent again, and is there once.
  expect(seen.highs).toEqual(["4"]);
});
