// When the browser's storage does not do what it should.
import { type CDPSession, expect, type Page, test } from "@playwright/test";
import { openPackage } from "./package_page";

const QUOTA_BYTES = 16 << 20;

/** A producer and a member of a group that are at work. */
function atWork(page: Page, cluster: string) {
  return page.evaluateHandle(async (cluster) => {
    const kafka = app.open(cluster);
    const statuses: string[] = [];
    kafka.on("status", (status) => statuses.push(status));
    const producer = kafka.producer({ deliveryTimeout: 2_000 });
    await producer.connect();
    const send = (key: string, value: string | Uint8Array = key) =>
      app.failure(() =>
        producer.send({ topic: "events", messages: [{ key, value, partition: 0 }] }),
      );
    await send("first");
    const consumer = kafka.consumer({ groupId: "group" });
    const [crashes, consumed]: [string[], string[]] = [[], []];
    consumer.on("consumer.crash", ({ payload }) => crashes.push(payload.error.message));
    await consumer.subscribe({ topics: ["events"], fromBeginning: true });
    await consumer.run({
      eachMessage: ({ message }) => {
        consumed.push(message.key?.toString() ?? "");
        return Promise.resolve();
      },
    });
    return { kafka, send, consumed, crashes, statuses, acknowledged: ["first"] };
  }, cluster);
}

async function devtools(page: Page): Promise<{ cdp: CDPSession; origin: string }> {
  return { cdp: await page.context().newCDPSession(page), origin: new URL(page.url()).origin };
}

test("a full quota fails sends with what it is, and nothing is lost", async ({ page }) => {
  await openPackage(page);
  const { cdp, origin } = await devtools(page);
  // Chromium remembers for up to 30 s how much room there is, so it is told before it asks.
  await cdp.send("Storage.overrideQuotaForOrigin", { origin, quotaSize: QUOTA_BYTES });
  const work = await atWork(page, "quota");
  const refused = await work.evaluate(async ({ send, acknowledged }) => {
    for (let index = 0; index < 200; index += 1) {
      // In pieces, since that is how much getRandomValues gives; it cannot be compressed.
      const value = new Uint8Array(4 << 16);
      for (let at = 0; at < value.length; at += 1 << 16) {
        crypto.getRandomValues(value.subarray(at, at + (1 << 16)));
      }
      const told = await send(String(index), value);
      if (told !== "it succeeded") return told;
      acknowledged.push(String(index));
    }
    return "it never fails";
  });
  expect(refused).toMatchObject({
    type: "KAFKA_STORAGE_ERROR",
    code: 56,
    topic: "events",
    partition: 0,
    message: expect.stringContaining("quota"),
  });
  // Reads go on.
  const acknowledged = await work.evaluate(({ acknowledged }) => acknowledged);
  expect(acknowledged.length).toBeGreaterThan(20);
  await expect.poll(() => work.evaluate(({ consumed }) => consumed)).toEqual(acknowledged);
  const high = await work.evaluate(async ({ kafka }) => {
    const admin = kafka.admin();
    await admin.connect();
    return (await admin.fetchTopicOffsets("events"))[0]?.high;
  });
  expect(high).toBe(String(acknowledged.length));

  await cdp.send("Storage.overrideQuotaForOrigin", { origin });
  expect(await work.evaluate(({ send }) => send("after"))).toBe("it succeeded");
  const all = [...acknowledged, "after"];
  await expect.poll(() => work.evaluate(({ consumed }) => consumed)).toEqual(all);
  expect(await work.evaluate(({ crashes, statuses }) => ({ crashes, statuses }))).toEqual({
    crashes: [],
    statuses: ["running"],
  });
  await page.reload();
  await openPackage(page);
  expect(await page.evaluate(() => app.read(app.open("quota"), "events"))).toHaveLength(all.length);
});

for (const how of ["deleteDatabase", "clear site data"]) {
  test(`databases that are gone by ${how} are not created anew under their owner`, async ({
    page,
  }) => {
    await openPackage(page);
    const work = await atWork(page, "deleted");
    if (how === "deleteDatabase") {
      await page.evaluate(async () => {
        for (const { name = "" } of await indexedDB.databases()) indexedDB.deleteDatabase(name);
      });
    } else {
      const { cdp, origin } = await devtools(page);
      await cdp.send("Storage.clearDataForOrigin", { origin, storageTypes: "all" });
    }
    // At once, though nobody asks for anything.
    await expect.poll(() => work.evaluate(({ kafka }) => kafka.status)).toBe("failed");
    const told = await work.evaluate(({ send }) => send("lost"));
    expect(told).toMatchObject({ type: "DELETED", retriable: false });
    expect(await page.evaluate(() => indexedDB.databases())).toEqual([]);
    // A call that connects by itself is no wish to begin anew.
    const lists = await work.evaluate(async ({ kafka }) => {
      const admin = kafka.admin();
      return [
        await app.failure(() => admin.listTopics()),
        await app.failure(() => kafka.consumer({ groupId: "group" }).describeGroup()),
      ];
    });
    for (const list of lists) expect(list).toMatchObject({ type: "DELETED", retriable: false });
    expect(await page.evaluate(() => indexedDB.databases())).toEqual([]);
    const statuses = await work.evaluate(({ statuses }) => statuses);
    // With the data Chromium may take the worker's lock away, which looks like its death: then it is
    // the successor that finds the databases gone.
    if (how === "clear site data" && statuses[1] === "restarting") statuses.splice(1, 1);
    expect(statuses).toEqual(["running", "failed"]);

    // Who asks for it begins anew.
    const values = await page.evaluate(async () => {
      const kafka = app.open("deleted");
      const producer = kafka.producer();
      await producer.connect();
      await producer.send({ topic: "events", messages: [{ value: "anew" }] });
      return app.read(kafka, "events");
    });
    expect(values).toEqual(["anew"]);
  });
}

test("a database of a newer version is left alone", async ({ page }) => {
  await openPackage(page);
  const told = await page.evaluate(async () => {
    await new Promise((resolve, reject) => {
      const request = indexedDB.open("tablog:newer:broker:1", 2);
      request.onsuccess = resolve;
      request.onerror = reject;
    });
    return app.failure(() => app.open("newer").admin().connect());
  });
  expect(told).toMatchObject({
    type: "STORAGE_TOO_NEW",
    retriable: false,
    message: expect.stringContaining("version"),
  });
});

test("an upgrade that another tab blocks says so", async ({ page, context }) => {
  await openPackage(page);
  // An older tab, which does not give way.
  await page.evaluate(async () => {
    const opened = await new Promise<IDBDatabase>((resolve, reject) => {
      const request = indexedDB.open("tablog:blocked:controller", 1);
      request.onsuccess = () => {
        resolve(request.result);
      };
      request.onerror = reject;
    });
    Object.assign(globalThis, { opened });
  });
  // The next version of the code.
  const newer = await context.newPage();
  await newer.route("**/worker*.js", async (route) => {
    const response = await route.fetch();
    const patch = `{
      const open = IDBFactory.prototype.open;
      IDBFactory.prototype.open = function (name, version) {
        return open.call(this, name, version + 1);
      };
    }`;
    await route.fulfill({ response, body: patch + (await response.text()) });
  });
  await openPackage(newer);
  const connect = () =>
    newer.evaluate(() => app.failure(() => app.open("blocked").admin().connect()));
  expect(await connect()).toMatchObject({
    type: "BLOCKED",
    retriable: true,
    message: expect.stringContaining("another tab"),
  });
  await page.close();
  expect(await connect()).toBe("it succeeded");
});
