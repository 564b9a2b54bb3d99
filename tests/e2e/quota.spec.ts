// A page that is loaded again while its origin has no room left.
import { type CDPSession, expect, type Page, test } from "@playwright/test";
import { openPackage } from "./package_page";

const QUOTA_BYTES = 16 << 20;

/** Sets what the origin may use; without a size what the browser gives by itself. */
type SetQuota = (quotaSize?: number) => Promise<void>;

async function openWithQuota(page: Page): Promise<SetQuota> {
  await openPackage(page);
  const cdp: CDPSession = await page.context().newCDPSession(page);
  const { origin } = new URL(page.url());
  return async (quotaSize) => {
    const size = quotaSize === undefined ? {} : { quotaSize };
    await cdp.send("Storage.overrideQuotaForOrigin", { origin, ...size });
  };
}

/** Sends ever smaller records until not even one of `bytesMin` has room; how many had, and why. */
function fill(page: Page, cluster: string, bytesMax: number, bytesMin: number) {
  return page.evaluate(
    async ([cluster, bytesMax, bytesMin]) => {
      const producer = app.open(cluster).producer({ deliveryTimeout: 500 });
      await producer.connect();
      const sent = { acknowledged: 0, refused: "nothing was refused" as unknown };
      for (let bytes = bytesMax; bytes >= bytesMin; bytes >>= 3) {
        for (;;) {
          // In pieces, since that is how much getRandomValues gives; it cannot be compressed.
          const value = new Uint8Array(bytes);
          for (let at = 0; at < bytes; at += 1 << 16) {
            crypto.getRandomValues(value.subarray(at, at + (1 << 16)));
          }
          // Half of it is what can be done without.
          const topic = sent.acknowledged % 2 === 1 ? "ballast" : "events";
          sent.refused = await app.failure(() =>
            producer.send({ topic, messages: [{ value, partition: 0 }] }),
          );
          if (sent.refused !== "it succeeded") break;
          sent.acknowledged += 1;
        }
      }
      return sent;
    },
    [cluster, bytesMax, bytesMin] as const,
  );
}

function sendOne(page: Page, cluster: string) {
  return page.evaluate(
    (cluster) =>
      app.failure(async () => {
        const producer = app.open(cluster).producer({ deliveryTimeout: 2_000 });
        await producer.connect();
        await producer.send({ topic: "events", messages: [{ value: "one more", partition: 0 }] });
      }),
    cluster,
  );
}

function count(page: Page, cluster: string, topic: string): Promise<number> {
  return page.evaluate(
    async ([cluster, topic]) => (await app.read(app.open(cluster), topic)).length,
    [cluster, topic] as const,
  );
}

/** The records of both topics. */
async function countAll(page: Page, cluster: string): Promise<number> {
  return (await count(page, cluster, "events")) + (await count(page, cluster, "ballast"));
}

const REFUSED = {
  type: "KAFKA_STORAGE_ERROR",
  partition: 0,
  message: expect.stringContaining("quota"),
};

test("under a full quota a page that is loaded again reads, and makes room", async ({ page }) => {
  const setQuota = await openWithQuota(page);
  await setQuota(QUOTA_BYTES);
  let { acknowledged } = await fill(page, "full", 1 << 18, 1 << 6);
  expect(acknowledged).toBeGreaterThan(20);
  for (let load = 0; load < 4; load += 1) {
    await page.reload();
    await openPackage(page);
    expect(await countAll(page, "full"), `load ${load}`).toBe(acknowledged);
    // Loading it again has freed some room; what is left for reading is not there for records.
    const more = await fill(page, "full", 1 << 15, 1 << 6);
    expect(more.refused, `load ${load}`).toMatchObject(REFUSED);
    acknowledged += more.acknowledged;
  }
  await page.evaluate(async () => {
    const admin = app.open("full").admin();
    await admin.connect();
    await admin.deleteTopics({ topics: ["ballast"] });
  });
  await expect.poll(() => sendOne(page, "full"), { timeout: 20_000 }).toBe("it succeeded");
});

test("a quota that has become smaller leaves room to read, and to make room", async ({ page }) => {
  const setQuota = await openWithQuota(page);
  await setQuota(QUOTA_BYTES);
  const before = await fill(page, "smaller", 1 << 18, 1 << 6);
  // More than half of what is kept back.
  await setQuota(QUOTA_BYTES - (5 << 18));
  const after = await fill(page, "smaller", 1 << 18, 1 << 6);
  await page.reload();
  await openPackage(page);
  expect(await countAll(page, "smaller")).toBe(before.acknowledged + after.acknowledged);
  expect(await sendOne(page, "smaller")).toMatchObject(REFUSED);
  await page.evaluate(async () => {
    const admin = app.open("smaller").admin();
    await admin.connect();
    await admin.deleteTopics({ topics: ["ballast"] });
  });
  await expect.poll(() => sendOne(page, "smaller"), { timeout: 20_000 }).toBe("it succeeded");
});

test("a quota that is raised serves sends again, without another load", async ({ page }) => {
  const setQuota = await openWithQuota(page);
  await setQuota(QUOTA_BYTES);
  await fill(page, "raised", 1 << 18, 1 << 9);
  await page.reload();
  await openPackage(page);
  expect((await fill(page, "raised", 1 << 15, 1 << 6)).refused).toMatchObject(REFUSED);
  await setQuota();
  expect(await sendOne(page, "raised")).toBe("it succeeded");
});

test("a quota without room even for the fence is told by connect", async ({ page }) => {
  const setQuota = await openWithQuota(page);
  await setQuota(QUOTA_BYTES);
  const before = await fill(page, "none", 1 << 18, 1 << 18);
  await setQuota(1 << 20);
  // Chromium looks how much room there is when it has given away what it remembers.
  const after = await fill(page, "none", 1 << 18, 1 << 18);
  expect(after.refused).toMatchObject(REFUSED);
  await page.reload();
  await openPackage(page);
  const connect = () => page.evaluate(() => app.failure(() => app.open("none").admin().connect()));
  expect(await connect()).toMatchObject({
    type: "QUOTA",
    message: expect.stringContaining("quota"),
  });
  await setQuota();
  expect(await connect()).toBe("it succeeded");
  expect(await countAll(page, "none")).toBe(before.acknowledged + after.acknowledged);
});
