import AxeBuilder from "@axe-core/playwright";
import { expect, type Page, test } from "@playwright/test";
import { PlaygroundPage } from "./playground";

/** A playground with something of everything. */
async function busy(page: Page): Promise<PlaygroundPage> {
  const playground = await PlaygroundPage.open(page);
  await playground.createTopic("orders", 3);
  await playground.produce(40, "{user}");
  await playground.addGroup("analytics");
  await playground.consumed("analytics", 40);
  return playground;
}

for (const colorScheme of ["light", "dark"] as const) {
  test(`axe finds nothing in ${colorScheme} colours`, async ({ page }) => {
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    await busy(page);
    await expect(page.getByTestId("record").first()).toBeEnabled();
    const ofPage = await new AxeBuilder({ page }).analyze();
    expect(ofPage.violations).toEqual([]);
    await page.getByTestId("record").first().click();
    await expect(page.getByTestId("record-dialog")).toBeVisible();
    const ofRecord = await new AxeBuilder({ page }).include("dialog").analyze();
    expect(ofRecord.violations).toEqual([]);
  });
}

test("on a phone nothing is wider than the screen", async ({ page }) => {
  await page.setViewportSize({ width: 390, height: 844 });
  await busy(page);
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(390);
});

test("names without spaces are no wider than the screen", async ({ page }) => {
  await page.setViewportSize({ width: 390, height: 844 });
  const playground = await PlaygroundPage.open(page);
  await playground.createTopic("x".repeat(200), 1);
  await playground.addGroup("y".repeat(200));
  await playground.stable("y".repeat(200), 1);
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(390);
});

test("the first stop of the Tab key pauses the view", async ({ page }) => {
  const playground = await busy(page);
  await page.reload();
  await playground.runs();
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await expect(page.getByTestId("pause")).toHaveAttribute("aria-pressed", "true");
  const passed = await playground.numbers("frames-passed");
  // The page surveys the broker all the time; none of it shows.
  await page.waitForTimeout(4_000);
  expect(await playground.numbers("frames-passed")).toEqual(passed);
});

test("arrow keys go along a tape, and Enter opens the record", async ({ page }) => {
  await busy(page);
  const records = page.getByTestId("partition").first().getByTestId("record");
  await expect(records.last()).toBeEnabled();
  await records.last().focus();
  await page.keyboard.press("ArrowLeft");
  await expect(records.nth(-2)).toBeFocused();
  await page.keyboard.press("Enter");
  await expect(page.getByTestId("record-dialog")).toBeVisible();
});

test("a cell keeps the focus while records pass through it", async ({ page }) => {
  const playground = await PlaygroundPage.open(page);
  await playground.createTopic("orders", 1);
  await playground.produce(40, "");
  const cell = page.getByTestId("record").last();
  await expect(cell).toBeEnabled();
  await cell.focus();
  await page.getByTestId("stream").selectOption("100");
  await cell.focus();
  await expect.poll(() => playground.sum("high-watermark")).toBeGreaterThan(200);
  await expect(cell).toBeFocused();
});

test("axe finds nothing while another tab has the broker", async ({ page, context }) => {
  await PlaygroundPage.open(page);
  const second = await context.newPage();
  await second.goto("/");
  await expect(second.getByTestId("standing")).toContainText("takes over");
  const { violations } = await new AxeBuilder({ page: second }).analyze();
  expect(violations).toEqual([]);
});
