// The playground with more of everything than fits on a screen.
import { expect, test } from "@playwright/test";
import { openCheck, PlaygroundPage } from "./playground";

const TOPICS = 2_000;
const PARTITIONS = 300;

test("two thousand topics are listed in part, and each is found by its name", async ({ page }) => {
  await page.goto("/");
  await openCheck(page);
  await page.evaluate((topics) => check.createTopics(topics), TOPICS);
  const playground = await PlaygroundPage.open(page);
  const topics = page.getByTestId("topic");
  await expect(topics).toHaveCount(40);
  await playground.shows(page.getByTestId("more-topics"), TOPICS - 40);
  // The offsets of what is listed are known, and nothing was refused.
  await expect(topics.filter({ hasText: "…" })).toHaveCount(0);
  await expect(page.getByTestId("notices")).toBeEmpty();
  await page.getByTestId("search-topics").fill("1999");
  await playground.chooseTopic("topic-1999");
  await expect(page.locator("#topic-title")).toHaveText("Topic topic-1999");
  await playground.produce(10, "");
  await expect.poll(() => playground.sum("high-watermark")).toBe(10);
});

test("a topic with hundreds of partitions is shown in part, and can be turned through", async ({
  page,
}) => {
  await page.goto("/");
  await openCheck(page);
  await page.evaluate((partitions) => check.createTopic("wide", partitions), PARTITIONS);
  const playground = await PlaygroundPage.open(page);
  await expect(page.getByTestId("partition")).toHaveCount(24);
  await expect(page.getByTestId("turn-partitions")).toContainText("1 to 24 of 300 partitions");
  await playground.addGroup("analytics");
  await playground.stable("analytics", 1);
  await playground.produce(3_000, "");
  await playground.consumed("analytics", 3_000);
  await page.getByRole("button", { name: "Behind" }).click();
  await expect(page.getByTestId("turn-partitions")).toContainText("25 to 48 of 300 partitions");
  await playground.shows(page.locator("[data-testid=high-watermark][data-partition='30']"), 10);
});
