import { expect, test } from "@playwright/test";
import { withCrash } from "./crash";
import { openCheck, PlaygroundPage } from "./playground";

const CRASHES = 50;

/** Loads take about so long here; a crash happens somewhere within. */
const LOAD_MS = 1_500;

test("no acknowledged record is lost when the broker's worker is killed", async ({ page }) => {
  test.setTimeout(CRASHES * 20_000);
  await withCrash(page);
  await page.goto("/");
  await openCheck(page);
  let duringLoad = 0;
  let loadMs = LOAD_MS;
  for (let crash = 0; crash < CRASHES; crash += 1) {
    const afterMs = Math.random() * loadMs;
    const result = await page.evaluate(([topic, ms]) => check.loadAndCrash(topic, ms), [
      `load-${crash}`,
      afterMs,
    ] as const);
    const { failed, records, keys, gaps, acknowledgedAtCrash } = result;
    const told = `crash ${crash}, after ${afterMs.toFixed(0)} ms`;
    expect({ failed, records, keys, gaps }, told).toEqual({
      failed: [],
      records: 20_000,
      keys: [],
      gaps: 0,
    });
    if (acknowledgedAtCrash < 20_000) duringLoad += 1;
    // A load with a recovery in it is longer than one without.
    loadMs = Math.min(loadMs, result.loadMs);
  }
  console.log(`${duringLoad} of ${CRASHES} crashes were within the load`);
  expect(duringLoad).toBeGreaterThan(CRASHES / 2);
});

test("a crash is told step by step, and what was acknowledged is counted in the log", async ({
  page,
}) => {
  const playground = await PlaygroundPage.open(page);
  await playground.createTopic("orders", 3);
  await page.getByTestId("stream").selectOption("100");
  await expect.poll(() => playground.sum("high-watermark")).toBeGreaterThan(50);
  for (let crash = 0; crash < 5; crash += 1) {
    await page.getByTestId("crash").click();
    const recovery = page.getByTestId("recovery");
    await expect(recovery).toContainText("You killed the broker");
    await expect(recovery).toHaveAttribute("data-done", "true", { timeout: 30_000 });
    await expect(recovery.getByTestId("balance")).toContainText("none lost, none twice");
    const [acknowledged = 0] = await playground.numbers("acknowledged", recovery);
    expect(acknowledged).toBeGreaterThan(50);
    expect(await playground.numbers("appended", recovery)).toEqual([acknowledged]);
  }
});

test("a load through the page survives the button that crashes the broker", async ({ page }) => {
  const playground = await PlaygroundPage.open(page);
  await page.getByTestId("load-flights").click();
  await expect.poll(() => playground.sum("acked-count")).toBeGreaterThan(0);
  await page.getByTestId("crash").click();
  await playground.shows(page.getByTestId("acked-count"), 20_000);
  await playground.runs();
  await expect.poll(() => playground.sum("high-watermark")).toBe(20_000);
  await openCheck(page);
  const differences = await page.evaluate(async () =>
    check.compare(await check.readTopic("flights")),
  );
  expect(differences).toEqual({ records: 20_000, keys: [], gaps: 0 });
});
