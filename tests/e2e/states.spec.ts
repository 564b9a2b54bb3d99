// What the playground shows when not all is well, and after what was there is gone.
import { expect, test } from "@playwright/test";
import { PlaygroundPage } from "./playground";

/** Room for what is kept back and for a topic, but not for much in it. */
const QUOTA_BYTES = 3 << 20;

test("a second tab says that it waits, and shows everything once it has taken over", async ({
  page,
  context,
}) => {
  const first = await PlaygroundPage.open(page);
  await first.createTopic("orders", 2);
  await first.produce(10, "");
  await expect.poll(() => first.sum("high-watermark")).toBe(10);
  const second = await context.newPage();
  await second.goto("/");
  await expect(second.getByTestId("status")).toHaveText("Broker: waiting for another tab");
  await expect(second.getByTestId("standing")).toContainText("This tab takes over as soon as");
  // What it would be asked now would happen at some later time.
  await expect(second.getByTestId("topic-name")).not.toBeFocused();
  await second.getByTestId("topic-name").focus();
  await expect(second.getByTestId("topic-name")).not.toBeFocused();
  await page.close();
  await expect.poll(() => new PlaygroundPage(second).sum("high-watermark")).toBe(10);
});

test("a browser that denies storage is told of", async ({ page }) => {
  await page.route("**/worker*.js", async (route) => {
    const response = await route.fetch();
    const patch = `IDBFactory.prototype.open = () => {
      throw new DOMException("denied", "SecurityError");
    };`;
    await route.fulfill({ response, body: patch + (await response.text()) });
  });
  await page.goto("/");
  await expect(page.getByTestId("status")).toHaveText("Broker: stopped");
  const told = page.getByTestId("standing");
  await expect(told).toContainText("the browser denies the use of IndexedDB here");
  await expect(told).toContainText("private window");
});

test("a full quota is told of while the producer tries again", async ({ page, baseURL }) => {
  const cdp = await page.context().newCDPSession(page);
  const origin = new URL(baseURL ?? "").origin;
  // Chromium remembers for up to 30 s how much room there is, so it is told before it asks.
  await cdp.send("Storage.overrideQuotaForOrigin", { origin, quotaSize: QUOTA_BYTES });
  const playground = await PlaygroundPage.open(page);
  await playground.createTopic("orders", 1);
  await page.getByTestId("value").fill("x".repeat(QUOTA_BYTES / 50));
  await playground.produce(100, "");
  const told = page.getByTestId("notices");
  await expect(told).toContainText("KAFKA_STORAGE_ERROR: the storage quota is full");
  await cdp.send("Storage.overrideQuotaForOrigin", { origin });
  await expect.poll(() => playground.sum("high-watermark"), { timeout: 60_000 }).toBe(100);
});

test("a topic that is deleted stays away, and its name begins anew", async ({ page }) => {
  const playground = await PlaygroundPage.open(page);
  await playground.createTopic("orders", 2);
  await playground.produce(10, "");
  await playground.addGroup("analytics");
  const group = playground.group("analytics");
  await expect.poll(() => playground.sum("committed", group)).toBe(10);
  await page.getByTestId("stream").selectOption("20");
  await expect.poll(() => playground.sum("high-watermark")).toBeGreaterThan(20);
  page.on("dialog", (dialog) => void dialog.accept());
  await page.getByTestId("delete-topic").click();
  const topic = page.locator("[data-testid=topic][data-topic=orders]");
  await expect(topic).toHaveCount(0);
  await expect(page.getByTestId("stream")).toHaveValue("0");
  await expect(group.getByTestId("member")).toContainText("The topic orders is gone");
  await group.getByTestId("remove-member").click();
  // It tries to commit for a while. The stream, it or the page might bring the topic back.
  await expect(group.getByTestId("no-members")).toBeVisible({ timeout: 60_000 });
  await expect(topic).toHaveCount(0);
  await playground.createTopic("orders", 2);
  await expect.poll(() => playground.numbers("lag", group)).toEqual([0, 0]);
  expect(await playground.sum("high-watermark")).toBe(0);
  expect(await playground.sum("committed", group)).toBe(0);
  await playground.produce(1, "new");
  await expect(page.getByTestId("record")).toHaveAccessibleName("Offset 0, key new");
});

test("nothing is left of what was there when all data are deleted", async ({ page }) => {
  const playground = await PlaygroundPage.open(page);
  await playground.createTopic("orders", 2);
  await playground.produce(10, "");
  await playground.addGroup("analytics");
  await expect.poll(() => playground.sum("committed")).toBe(10);
  page.on("dialog", (dialog) => void dialog.accept());
  await Promise.all([page.waitForEvent("load"), page.getByTestId("delete-all").click()]);
  await playground.runs();
  await expect(page.locator("#topic-title")).toHaveText("No topic yet");
  await expect(page.getByTestId("topic")).toHaveCount(0);
  await expect(page.getByTestId("group")).toHaveCount(0);
  await playground.createTopic("orders", 1);
  await playground.produce(3, "");
  await expect.poll(() => playground.numbers("high-watermark")).toEqual([3]);
});

test("a topic that is the last leaves an invitation, not Kafka's own topic", async ({ page }) => {
  const playground = await PlaygroundPage.open(page);
  await playground.createTopic("orders", 2);
  await playground.produce(10, "");
  await playground.addGroup("analytics");
  await expect.poll(() => playground.sum("committed")).toBe(10);
  await playground.group("analytics").getByTestId("remove-member").click();
  await expect(page.getByTestId("no-members")).toBeVisible();
  page.on("dialog", (dialog) => void dialog.accept());
  await page.getByTestId("delete-topic").click();
  await expect(page.locator("#topic-title")).toHaveText("No topic yet");
  const offsets = page.locator("[data-testid=topic][data-topic=__consumer_offsets]");
  await expect(offsets).toHaveCount(1);
  await expect(offsets).not.toHaveAttribute("aria-current");
});

test("a reload goes on with the stream, the form, the groups and their members", async ({
  page,
}) => {
  const playground = await PlaygroundPage.open(page);
  await playground.createTopic("orders", 2);
  await page.getByTestId("value").fill("a value of mine");
  await page.getByTestId("stream").selectOption("20");
  await playground.addGroup("analytics");
  await playground.addMember("analytics");
  await playground.stable("analytics", 2);
  const group = playground.group("analytics");
  await group.getByTestId("processing").selectOption("5");
  await group.getByTestId("pause-member").first().click();
  await playground.reload();
  await expect(page.getByTestId("stream")).toHaveValue("20");
  await expect(page.getByTestId("value")).toHaveValue("a value of mine");
  await playground.stable("analytics", 2);
  await expect(group.getByTestId("processing")).toHaveValue("5");
  await expect(group.getByTestId("pause-member").first()).toHaveAttribute("aria-pressed", "true");
  const before = await playground.sum("high-watermark");
  await expect.poll(() => playground.sum("high-watermark")).toBeGreaterThan(before + 20);
});

test("a group that was deleted does not come back", async ({ page }) => {
  const playground = await PlaygroundPage.open(page);
  await playground.createTopic("orders", 2);
  await playground.addGroup("analytics");
  await playground.stable("analytics", 1);
  page.on("dialog", (dialog) => void dialog.accept());
  await playground.group("analytics").getByTestId("delete-group").click();
  await expect(playground.group("analytics")).toHaveCount(0);
  const [passed = 0] = await playground.numbers("frames-passed");
  // Two surveys later it would have.
  await expect
    .poll(async () => (await playground.numbers("frames-passed"))[0])
    .toBeGreaterThan(passed + 6);
  await expect(playground.group("analytics")).toHaveCount(0);
});
