// Tabs of one origin, and one tab that loads itself again.
import { expect, test } from "@playwright/test";
import { openPackage } from "./package_page";

test("a second tab waits, says so, and takes over with all that is there", async ({ context }) => {
  const first = await context.newPage();
  await openPackage(first);
  await first.evaluate(async () => {
    const kafka = app.open("tabs");
    const producer = kafka.producer();
    await producer.connect();
    const messages = Array.from({ length: 100 }, (_, index) => ({ value: String(index) }));
    await producer.send({ topic: "events", messages });
  });

  const second = await context.newPage();
  await openPackage(second);
  const waiting = await second.evaluateHandle(() => {
    const kafka = app.open("tabs");
    const statuses: string[] = [];
    kafka.on("status", (status) => statuses.push(status));
    const admin = kafka.admin();
    return { kafka, admin, statuses, connected: admin.connect() };
  });
  await expect.poll(() => waiting.evaluate(({ kafka }) => kafka.status)).toBe("waiting");
  const gaveUp = await waiting.evaluate(({ kafka }) => {
    const signal = AbortSignal.timeout(500);
    return kafka
      .admin()
      .connect({ signal })
      .catch((error: unknown) => (error as Error).name);
  });
  expect(gaveUp).toBe("TimeoutError");
  expect(await waiting.evaluate(({ statuses }) => statuses)).not.toContain("running");

  await first.close();
  const read = await waiting.evaluate(async ({ kafka, connected }) => {
    await connected;
    return { status: kafka.status, values: await app.read(kafka, "events") };
  });
  expect(read.status).toBe("running");
  expect(read.values).toEqual(Array.from({ length: 100 }, (_, index) => String(index)));
});

test("what was acknowledged is there after a reload at once", async ({ page }) => {
  await openPackage(page);
  for (let round = 0; round < 5; round += 1) {
    await page.evaluate(async (round) => {
      const kafka = app.open("reload");
      const producer = kafka.producer();
      await producer.connect();
      const messages = Array.from({ length: 1_000 }, (_, index) => ({
        value: `${round} ${index}`,
      }));
      await producer.send({
        topic: "events",
        messages: messages.map((it) => ({ ...it, partition: 0 })),
      });
    }, round);
    await page.reload();
    await expect(page.locator("body")).toHaveText("ready");
  }
  const values = await page.evaluate(() => app.read(app.open("reload"), "events"));
  const rounds = [0, 1, 2, 3, 4];
  const expected = rounds.flatMap((round) =>
    Array.from({ length: 1_000 }, (_, i) => `${round} ${i}`),
  );
  expect(values).toEqual(expected);
});

test("after a reload a group goes on at once, without the members of the page before", async ({
  page,
}) => {
  const join = (): Promise<{ waitedMs: number; members: number }> =>
    page.evaluate(async () => {
      const kafka = app.open("departed");
      const admin = kafka.admin();
      await admin.connect();
      await admin.createTopics({ topics: [{ topic: "events", numPartitions: 3 }] });
      const consumer = kafka.consumer({ groupId: "workers" });
      await consumer.connect();
      await consumer.subscribe({ topics: ["events"] });
      const from = performance.now();
      await consumer.run({ eachMessage: () => Promise.resolve() });
      await consumer.ready();
      const waitedMs = performance.now() - from;
      const { groups } = await admin.describeGroups(["workers"]);
      return { waitedMs, members: groups[0]?.members.length ?? 0 };
    });
  await openPackage(page);
  expect((await join()).members).toBe(1);
  await page.reload();
  await expect(page.locator("body")).toHaveText("ready");
  const again = await join();
  expect(again.members).toBe(1);
  // A dead member would hold the group up for its session timeout of 30 s.
  expect(again.waitedMs).toBeLessThan(10_000);
});

test("a tab whose databases were deleted does not go on in those of the next", async ({
  context,
}) => {
  const first = await context.newPage();
  await openPackage(first);
  const work = await first.evaluateHandle(async () => {
    const kafka = app.open("again");
    const producer = kafka.producer();
    await producer.connect();
    const send = () =>
      app.failure(() => producer.send({ topic: "events", messages: [{ value: "first tab's" }] }));
    await send();
    return { kafka, send };
  });
  const second = await context.newPage();
  await openPackage(second);
  const waiting = await second.evaluateHandle(() => {
    const kafka = app.open("again");
    const producer = kafka.producer();
    return { kafka, producer, connected: producer.connect() };
  });
  await expect.poll(() => waiting.evaluate(({ kafka }) => kafka.status)).toBe("waiting");

  // The first tab hears of it at once, and the second tab is the next in turn.
  await second.evaluate(async () => {
    for (const { name = "" } of await indexedDB.databases()) indexedDB.deleteDatabase(name);
    await indexedDB.databases();
  });
  await waiting.evaluate(async ({ producer, connected }) => {
    await connected;
    await producer.send({ topic: "events", messages: [{ value: "second tab's" }] });
  });
  await expect.poll(() => work.evaluate(({ kafka }) => kafka.status)).toBe("failed");
  expect(await work.evaluate(({ send }) => send())).toMatchObject({
    type: "DELETED",
    retriable: false,
  });
  expect(await work.evaluate(({ kafka }) => kafka.status)).toBe("failed");
  await second.close();
  const anew = await first.evaluate(() => app.read(app.open("again"), "events"));
  expect(anew).toEqual(["second tab's"]);
});
