// How long it takes to open a log does not depend on how long the log is.
import { expect, test } from "@playwright/test";
import { openPackage } from "./package_page";

const RECORDS = { short: 100_000, long: 1_000_000 };
const ROUNDS = 15;
/** How much longer the ten times longer log may take. */
const RATIO_MAX = 1.5;

test("a log of 1,000,000 records opens as fast as one of 100,000", async ({ page }) => {
  test.setTimeout(300_000);
  await openPackage(page);
  for (const [cluster, records] of Object.entries(RECORDS)) {
    const { producedMs, high } = await page.evaluate(
      async ({ cluster, records }) => {
        const start = performance.now();
        const kafka = app.open(cluster);
        const producer = kafka.producer();
        await producer.connect();
        const batch = Array.from({ length: 5_000 }, (_, index) => ({
          value: `${index}`.padEnd(100, "."),
          partition: 0,
        }));
        for (let sent = 0; sent < records; sent += 5 * batch.length) {
          const sends = Array.from({ length: 5 }, () =>
            producer.send({ topic: "events", messages: batch }),
          );
          await Promise.all(sends);
        }
        const producedMs = performance.now() - start;
        const admin = kafka.admin();
        await admin.connect();
        const [offsets] = await admin.fetchTopicOffsets("events");
        await kafka.close();
        return { producedMs, high: offsets?.high };
      },
      { cluster, records },
    );
    expect(high).toBe(String(records));
    console.log(`${cluster}: ${records} records produced in ${Math.round(producedMs)} ms`);
  }
  const times: Record<string, number[]> = { short: [], long: [] };
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const [cluster, ofCluster] of Object.entries(times)) {
      await page.reload();
      await expect(page.locator("body")).toHaveText("ready");
      const firstRecordMs = await page.evaluate(
        async ({ cluster, groupId }) => {
          const start = performance.now();
          const consumer = app.open(cluster).consumer({ groupId });
          await consumer.subscribe({ topics: ["events"], fromBeginning: true });
          for await (const { message } of consumer.messages()) {
            if (message.offset !== "0") throw new Error(`the first record is ${message.offset}`);
            break;
          }
          return performance.now() - start;
        },
        { cluster, groupId: `group ${round}` },
      );
      ofCluster.push(firstRecordMs);
    }
  }
  const [short, long] = [median(times.short), median(times.long)];
  const figures = `100,000 records: ${short.toFixed(0)} ms, 1,000,000 records: ${long.toFixed(0)} ms`;
  console.log(`until the first record, median of ${ROUNDS}: ${figures}`);
  expect(long / short, figures).toBeLessThan(RATIO_MAX);
});

function median(times: number[] = []): number {
  return [...times].sort((a, b) => a - b)[Math.floor(times.length / 2)] ?? NaN;
}
