// The main job, through the page: produce, consume, reload, resume.
import { expect, test } from "@playwright/test";
import { openCheck, PlaygroundPage } from "./playground";

test("the flights are loaded, each once, in the input's order per origin", async ({ page }) => {
  const playground = await PlaygroundPage.open(page);
  await playground.loadFlights();
  await expect(page.getByTestId("partition")).toHaveCount(6);
  await openCheck(page);
  const differences = await page.evaluate(async () =>
    check.compare(await check.readTopic("flights")),
  );
  expect(differences).toEqual({ records: 20_000, keys: [], gaps: 0 });
});

test("two members share a topic, and a second group gets all of it again", async ({ page }) => {
  const playground = await PlaygroundPage.open(page);
  await playground.loadFlights();
  await playground.addGroup("analytics");
  await playground.addMember("analytics");
  await playground.stable("analytics", 2);
  await playground.consumed("analytics", 20_000);
  const assignments = playground.group("analytics").getByTestId("assignment");
  const partitions = (
    await Promise.all((await assignments.all()).map((one) => one.getAttribute("data-partitions")))
  ).map((list) => list?.split(",") ?? []);
  expect(partitions.map((list) => list.length)).toEqual([3, 3]);
  expect(partitions.flat().sort()).toEqual(["0", "1", "2", "3", "4", "5"]);
  await playground.shows(playground.group("analytics").getByTestId("total-lag"), 0);

  await playground.addGroup("billing");
  await playground.consumed("billing", 20_000);
  // The first group is not concerned.
  await playground.consumed("analytics", 20_000);
});

test("two members get each record exactly once, in order per origin", async ({ page }) => {
  const playground = await PlaygroundPage.open(page);
  await playground.loadFlights();
  await openCheck(page);
  const { differences, members } = await page.evaluate(async () => {
    const { got } = await check.consume("two-members", "flights", 2);
    const counts = new Map<number, number>();
    for (const { member } of got) counts.set(member, (counts.get(member) ?? 0) + 1);
    return { differences: await check.compare(got), members: [...counts.values()] };
  });
  expect(differences).toEqual({ records: 20_000, keys: [], gaps: 0 });
  expect(members).toHaveLength(2);
});

test("after a reload a third member resumes from the committed offsets", async ({ page }) => {
  const playground = await PlaygroundPage.open(page);
  await playground.loadFlights();
  await playground.addGroup("analytics");
  const group = playground.group("analytics");
  await group.getByTestId("auto-commit").uncheck();
  await group.getByTestId("processing").selectOption("5");
  await playground.addMember("analytics");
  await playground.stable("analytics", 2);
  await expect.poll(() => playground.sum("consumed-count", group)).toBeGreaterThan(200);
  for (const pause of await group.getByTestId("pause-member").all()) await pause.click();
  // What a member had begun when it was paused still counts.
  await page.waitForTimeout(500);
  const positions = await playground.numbers("position", group);
  await group.getByTestId("commit").click();
  await expect.poll(() => playground.numbers("committed", group)).toEqual(positions);
  const committed = await playground.sum("committed", group);
  expect(committed).toBeGreaterThan(200);

  await playground.reload();
  await playground.chooseTopic("flights");
  await expect.poll(() => playground.numbers("committed", group)).toEqual(positions);
  expect(await playground.sum("high-watermark")).toBe(20_000);
  // The two came back with the page, paused as they were.
  await playground.stable("analytics", 2);
  for (const left of [1, 0]) await group.getByTestId("remove-member").nth(left).click();
  await expect(group.getByTestId("no-members")).toBeVisible();
  await group.getByTestId("auto-commit").check();
  await group.getByTestId("processing").selectOption("0");
  await playground.addMember("analytics");
  await playground.consumed("analytics", 20_000 - committed);
  await playground.shows(group.getByTestId("total-lag"), 0);
});

test("a member resumes at exactly the committed offset of each partition", async ({ page }) => {
  const playground = await PlaygroundPage.open(page);
  await playground.loadFlights();
  await playground.addGroup("analytics");
  const group = playground.group("analytics");
  await group.getByTestId("processing").selectOption("5");
  await playground.addMember("analytics");
  await expect.poll(() => playground.sum("committed", group)).toBeGreaterThan(200);
  // The page is gone in the middle of the work; what it had committed is not.
  await openCheck(page);
  const { committedBefore, firsts, gaps, records } = await page.evaluate(async () => {
    const { got, committedBefore } = await check.consume("analytics", "flights", 1);
    const firsts: number[] = [];
    for (const { partition, offset } of got) firsts[partition] ??= offset;
    const { gaps } = await check.compare(got);
    return { committedBefore, firsts, gaps, records: got.length };
  });
  expect(firsts).toEqual(committedBefore);
  expect(gaps).toBe(0);
  expect(records).toBe(20_000 - committedBefore.reduce((sum, offset) => sum + offset, 0));
});

test("topic, groups and offsets are there after a reload", async ({ page }) => {
  const playground = await PlaygroundPage.open(page);
  await playground.createTopic("orders", 3);
  await playground.produce(30, "");
  await expect.poll(() => playground.sum("high-watermark")).toBe(30);
  await playground.addGroup("analytics");
  await playground.consumed("analytics", 30);
  const group = playground.group("analytics");
  await expect.poll(() => playground.sum("committed", group)).toBe(30);
  await playground.reload();
  await expect.poll(() => playground.sum("high-watermark")).toBe(30);
  await expect.poll(() => playground.sum("committed", group)).toBe(30);
});
