import { expect, test } from "@playwright/test";
import { PlaygroundPage } from "./playground";

test("records without a key are spread evenly", async ({ page }) => {
  const playground = await PlaygroundPage.open(page);
  await playground.createTopic("orders", 6);
  await playground.produce(1_200, "");
  await expect.poll(() => playground.sum("high-watermark")).toBe(1_200);
  for (const highWatermark of await playground.numbers("high-watermark")) {
    expect(Math.abs(highWatermark - 200)).toBeLessThanOrEqual(1);
  }
});

test("records with one key go to one partition", async ({ page }) => {
  const playground = await PlaygroundPage.open(page);
  await playground.createTopic("orders", 6);
  await playground.produce(50, "always-the-same");
  await expect.poll(() => playground.sum("high-watermark")).toBe(50);
  expect((await playground.numbers("high-watermark")).filter((end) => end > 0)).toEqual([50]);
});

test("with seven members on six partitions one is idle and says so", async ({ page }) => {
  const playground = await PlaygroundPage.open(page);
  await playground.createTopic("orders", 6);
  await playground.addGroup("analytics");
  for (let members = 1; members < 7; members += 1) await playground.addMember("analytics");
  await playground.stable("analytics", 7);
  const idle = playground.group("analytics").getByTestId("member-idle");
  await expect(idle).toHaveCount(1);
  await expect(idle).toContainText("more members than partitions");
  await playground.produce(60, "");
  await playground.consumed("analytics", 60);
});

test("__consumer_offsets is read as a plain topic and shows the commits", async ({ page }) => {
  const playground = await PlaygroundPage.open(page);
  await playground.createTopic("orders", 1);
  await playground.produce(25, "");
  await playground.addGroup("analytics");
  await playground.consumed("analytics", 25);
  const group = playground.group("analytics");
  await expect.poll(() => playground.sum("committed", group)).toBe(25);
  await playground.chooseTopic("__consumer_offsets");
  // The newest record comes to the page a moment after it is known.
  await expect(async () => {
    await page.locator("[data-testid=record][aria-label*='key P0']").last().click();
    const decoded = await page.getByTestId("record-decoded").textContent();
    await page.keyboard.press("Escape");
    expect(JSON.parse(decoded ?? "")).toEqual({
      key: { group: "analytics", topic: "orders", partition: 0 },
      value: expect.objectContaining({ offset: 25 }) as unknown,
    });
  }).toPass();
});

test("a record shows its key, value, headers, timestamp and bytes", async ({ page }) => {
  const playground = await PlaygroundPage.open(page);
  await playground.createTopic("orders", 1);
  await page.getByTestId("value").fill('{"total": {n}}');
  await page.getByTestId("headers").fill("source=form, trace=abc");
  await playground.produce(3, "user-7");
  const record = page.getByTestId("record").nth(1);
  await expect(record).toBeEnabled();
  await record.click();
  const dialog = page.getByTestId("record-dialog");
  await expect(dialog.getByTestId("record-key")).toHaveText("user-7");
  expect(JSON.parse((await dialog.getByTestId("record-value").textContent()) ?? "")).toEqual({
    total: 2,
  });
  await expect(dialog.getByTestId("record-timestamp")).toContainText(/^\d{4}-\d{2}-\d{2}T/);
  await expect(dialog.getByTestId("record-headers")).toHaveText(/source\s+form\s+trace\s+abc/);
  await expect(dialog).toContainText("75 73 65 72 2d 37");
});

test("a seek makes a member read again", async ({ page }) => {
  const playground = await PlaygroundPage.open(page);
  await playground.createTopic("orders", 1);
  await playground.produce(10, "");
  await playground.addGroup("analytics");
  await playground.consumed("analytics", 10);
  const group = playground.group("analytics");
  await group.getByTestId("seek-to").selectOption("offset");
  await group.getByTestId("seek-offset").fill("4");
  await group.getByTestId("seek").click();
  await playground.consumed("analytics", 16);
  await group.getByTestId("seek-to").selectOption("beginning");
  await group.getByTestId("seek").click();
  await playground.consumed("analytics", 26);
});

test("after a rebalance a member begins at the committed offsets, and the page says so", async ({
  page,
}) => {
  const playground = await PlaygroundPage.open(page);
  await playground.createTopic("orders", 2);
  await playground.addGroup("analytics");
  const group = playground.group("analytics");
  await group.getByTestId("auto-commit").uncheck();
  await playground.stable("analytics", 1);
  await playground.produce(20, "");
  await playground.consumed("analytics", 20);
  await group.getByTestId("commit").click();
  await expect.poll(() => playground.numbers("committed", group)).toEqual([10, 10]);
  await playground.produce(20, "");
  await playground.consumed("analytics", 40);
  expect(await playground.numbers("position", group)).toEqual([20, 20]);
  await group.getByTestId("pause-member").click();
  await playground.addMember("analytics");
  await playground.stable("analytics", 2);
  // The first member keeps a partition, and reads nothing of it while it is paused.
  await expect.poll(() => playground.numbers("position", group)).toEqual([10, 20]);
});

test("a seek beyond the end is refused with what there is", async ({ page }) => {
  const playground = await PlaygroundPage.open(page);
  await playground.createTopic("orders", 1);
  await playground.produce(10, "");
  await playground.addGroup("analytics");
  const group = playground.group("analytics");
  await expect.poll(() => playground.sum("committed", group)).toBe(10);
  await group.getByTestId("seek-to").selectOption("offset");
  await group.getByTestId("seek-offset").fill("11");
  await group.getByTestId("seek").click();
  await expect(page.getByTestId("notices")).toContainText("P0 has offsets from 0 to 10, not 11");
  expect(await playground.numbers("position", group)).toEqual([10]);
});

test("a topic shows all of its partitions, also many and empty ones", async ({ page }) => {
  const playground = await PlaygroundPage.open(page);
  await playground.createTopic("orders", 20);
  await expect(page.getByTestId("partition")).toHaveCount(20);
});
