// When a worker of the package dies, or cannot be had.
import { expect, type Page, test } from "@playwright/test";
import { withCrash } from "./crash";
import { openPackage } from "./package_page";
import type { Who } from "./pages/settling";

test.beforeEach(async ({ page }) => {
  await withCrash(page);
  await openPackage(page);
});

/** A producer, and a consumer that runs. */
function atWork(page: Page, cluster: string) {
  return page.evaluateHandle(async (cluster) => {
    const kafka = app.open(cluster);
    const statuses: string[] = [];
    kafka.on("status", (status) => statuses.push(status));
    const producer = kafka.producer();
    await producer.connect();
    const send = (value: string) =>
      app.failure(() => producer.send({ topic: "events", messages: [{ value }] }));
    await send("first");
    const consumer = kafka.consumer({ groupId: "group", sessionTimeout: 300_000 });
    const crashes: { type: string; restart: boolean }[] = [];
    consumer.on("consumer.crash", ({ payload: { error, restart } }) => {
      crashes.push({ type: (error as { type?: string }).type ?? error.name, restart });
    });
    const consumed: string[] = [];
    await consumer.subscribe({ topics: ["events"], fromBeginning: true });
    await consumer.run({
      eachMessage: ({ message }) => {
        consumed.push(message.value?.toString() ?? "");
        return Promise.resolve();
      },
    });
    return { kafka, producer, send, consumer, consumed, crashes, statuses };
  }, cluster);
}

test("a broker that dies offline is replaced when the network is back", async ({
  context,
  page,
}) => {
  const work = await atWork(page, "offline");
  await context.setOffline(true);
  await page.evaluate(() => {
    globalThis.crashBroker();
  });
  // More often than a worker that runs and dies is replaced.
  await expect.poll(() => page.evaluate(() => globalThis.brokersMade), { timeout: 30_000 }).toBe(8);
  expect(await work.evaluate(({ kafka }) => kafka.status)).toBe("restarting");
  const sent = work.evaluate(({ send }) => send("second"));
  await context.setOffline(false);
  expect(await sent).toBe("it succeeded");
  await expect.poll(() => work.evaluate(({ consumed }) => consumed)).toEqual(["first", "second"]);
  expect(await work.evaluate(({ crashes }) => crashes)).toEqual([]);
  expect(await work.evaluate(({ kafka }) => kafka.status)).toBe("running");
});

test("a worker's script that was never there fails connect() with what it is", async ({
  context,
  page,
}) => {
  const wasm = await page.evaluateHandle(async () => {
    const kafka = app.open("there");
    await kafka.producer().connect();
    const resources = performance.getEntriesByType("resource");
    const url = resources.find(({ name }) => new URL(name).pathname.endsWith(".wasm"))?.name;
    if (url === undefined) throw new Error("the page has loaded no wasm");
    return WebAssembly.compileStreaming(fetch(url));
  });
  await context.setOffline(true);
  const [error, status] = await wasm.evaluate(async (wasm) => {
    const kafka = app.open("missing", { wasm });
    const producer = kafka.producer();
    const error = await app.failure(() => producer.connect());
    return [error, kafka.status] as const;
  });
  expect(error).toMatchObject({ name: "TablogError", type: "WORKER_NOT_FOUND", retriable: true });
  expect((error as { message: string }).message).toContain("could not be loaded");
  expect(status).toBe("closed");
});

test("clients whose worker dies fail, and go on with another", async ({ page }) => {
  const work = await atWork(page, "clients");
  await expect.poll(() => work.evaluate(({ consumed }) => consumed)).toEqual(["first"]);
  const lost = await work.evaluate(({ send }) => {
    globalThis.crashClients();
    return send("lost");
  });
  expect(lost).toMatchObject({ name: "TablogError", type: "CLIENT_STOPPED", retriable: true });
  expect((lost as { message: string }).message).toContain("connect()");
  expect(await work.evaluate(({ send }) => send("refused"))).toEqual(lost);
  const after = await work.evaluate(async ({ kafka, producer, send }) => {
    await producer.connect();
    const told = await send("second");
    return { told, status: kafka.status };
  });
  expect(after).toEqual({ told: "it succeeded", status: "running" });
  // The member that died has left: its session goes on for minutes.
  await expect
    .poll(() => work.evaluate(({ consumed }) => consumed), { timeout: 20_000 })
    .toContain("second");
  expect(await work.evaluate(({ crashes }) => crashes)).toEqual([
    { type: "CLIENT_STOPPED", restart: true },
  ]);
  expect(await work.evaluate(({ statuses }) => statuses)).toEqual([
    "running",
    "restarting",
    "running",
  ]);
});

test("clients whose worker dies offline go on when the network is back", async ({
  context,
  page,
}) => {
  const work = await atWork(page, "clients-offline");
  await context.setOffline(true);
  const lost = await work.evaluate(({ send }) => {
    globalThis.crashClients();
    return send("lost");
  });
  expect(lost).toMatchObject({ type: "CLIENT_STOPPED" });
  const connected = work.evaluate(({ producer }) => producer.connect());
  await expect.poll(() => work.evaluate(({ kafka }) => kafka.status)).toBe("restarting");
  await context.setOffline(false);
  await connected;
  expect(await work.evaluate(({ send }) => send("second"))).toBe("it succeeded");
});

test("workers that die before they have said a word are replaced", async ({ page }) => {
  test.setTimeout(120_000);
  const connected = page.evaluate(async () => {
    const kafka = app.open("silent");
    const producer = kafka.producer();
    await producer.connect();
    await producer.send({ topic: "events", messages: [{ value: "first" }] });
    return kafka.status;
  });
  await page.evaluate(async () => {
    while (globalThis.brokersMade === 0) await new Promise((resolve) => setTimeout(resolve));
    globalThis.crashBroker();
    globalThis.crashClients();
  });
  expect(await connected).toBe("running");
  expect(await page.evaluate(() => globalThis.brokersMade)).toBe(2);
});

test("a broker that dies while it waits for another tab's is replaced", async ({
  context,
  page,
}) => {
  await atWork(page, "waiting");
  const second = await context.newPage();
  await withCrash(second);
  await openPackage(second);
  const waiting = await second.evaluateHandle(() => {
    const kafka = app.open("waiting");
    return { kafka, connected: kafka.admin().connect() };
  });
  await expect.poll(() => waiting.evaluate(({ kafka }) => kafka.status)).toBe("waiting");
  await second.evaluate(() => {
    globalThis.crashBroker();
  });
  await expect.poll(() => second.evaluate(() => globalThis.brokersMade)).toBe(2);
  await page.close();
  await waiting.evaluate(({ connected }) => connected);
  expect(await waiting.evaluate(({ kafka }) => kafka.status)).toBe("running");
});

const situations: Who[] = [
  "clients that connect",
  "clients that are connected",
  "a consumer that joins",
  "a consumer that runs",
  "a loop that has a message in hand",
  "a consumer by its handler",
  "a handler's payload",
];

const deaths = [
  { whose: "the broker's worker", storage: "indexeddb", crashes: ["crashBroker"] },
  // With it goes what it kept.
  { whose: "the broker's worker", storage: "memory", crashes: ["crashBroker"] },
  { whose: "the clients' worker", storage: "indexeddb", crashes: ["crashClients"] },
  { whose: "both workers", storage: "indexeddb", crashes: ["crashBroker", "crashClients"] },
] as const;

for (const { whose, storage, crashes } of deaths) {
  for (const who of situations) {
    test(`what is asked of ${who} in ${storage} settles after the death of ${whose}`, async ({
      page,
    }) => {
      const hanging = await page.evaluate(
        async ([who, storage, crashes]) =>
          app.hangingAfter(who, storage, () => {
            for (const crash of crashes) globalThis[crash]();
          }),
        [who, storage, crashes] as const,
      );
      expect(hanging).toEqual([]);
    });
  }
}
