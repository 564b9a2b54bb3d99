import { expect, type Locator, type Page } from "@playwright/test";

/** How long what the broker does may take until the page shows it. */
const SHOWN_MS = 60_000;

/** The playground, as somebody uses it. */
export class PlaygroundPage {
  readonly page: Page;

  constructor(page: Page) {
    this.page = page;
  }

  /** Opens it and waits for the broker. */
  static async open(page: Page): Promise<PlaygroundPage> {
    const playground = new PlaygroundPage(page);
    await page.goto("/");
    await playground.runs();
    return playground;
  }

  async runs(): Promise<void> {
    await expect(this.page.getByTestId("status")).toHaveAttribute("data-status", "running", {
      timeout: SHOWN_MS,
    });
  }

  async reload(): Promise<void> {
    // The page under test loads itself again.
    await Promise.all([this.page.waitForEvent("load"), this.page.getByTestId("reload").click()]);
    await this.runs();
  }

  async loadFlights(): Promise<void> {
    await this.page.getByTestId("load-flights").click();
    await this.shows(this.page.getByTestId("acked-count"), 20_000);
    await expect.poll(() => this.sum("high-watermark"), { timeout: SHOWN_MS }).toBe(20_000);
  }

  async createTopic(topic: string, partitions: number): Promise<void> {
    await this.page.getByTestId("topic-name").fill(topic);
    await this.page.getByTestId("topic-partitions").fill(String(partitions));
    await this.page.getByTestId("create-topic").click();
    await expect(this.page.getByTestId("partition")).toHaveCount(partitions);
  }

  async chooseTopic(topic: string): Promise<void> {
    await this.page.locator(`[data-testid=topic][data-topic="${topic}"]`).click();
  }

  async produce(count: number, key: string): Promise<void> {
    await this.page.getByTestId("key").fill(key);
    await this.page.getByTestId("count").fill(String(count));
    await this.page.getByTestId("produce").click();
  }

  /** Adds a group with one member. */
  async addGroup(groupId: string): Promise<void> {
    await this.page.getByTestId("group-name").fill(groupId);
    await this.page.getByTestId("add-group").click();
    await expect(this.group(groupId)).toBeVisible();
  }

  async addMember(groupId: string): Promise<void> {
    await this.group(groupId).getByTestId("add-member").click();
  }

  group(groupId: string): Locator {
    return this.page.locator(`[data-testid=group][data-group="${groupId}"]`);
  }

  /** Waits until the group is stable with so many members of this page. */
  async stable(groupId: string, members: number): Promise<void> {
    const group = this.group(groupId);
    const joined = group.locator("[data-testid=member][data-joined=true]");
    await expect(joined).toHaveCount(members, { timeout: SHOWN_MS });
    await expect(group.getByTestId("group-state")).toHaveText("Stable", { timeout: SHOWN_MS });
  }

  /** The numbers that elements of that test id show. */
  async numbers(testId: string, within: Page | Locator = this.page): Promise<number[]> {
    const shown = await within.getByTestId(testId).all();
    return Promise.all(shown.map(async (one) => Number(await one.getAttribute("data-value"))));
  }

  async sum(testId: string, within: Page | Locator = this.page): Promise<number> {
    return (await this.numbers(testId, within)).reduce((total, number) => total + number, 0);
  }

  /** Waits until the members of the group have consumed so many records between them. */
  async consumed(groupId: string, records: number): Promise<void> {
    const group = this.group(groupId);
    await expect.poll(() => this.sum("consumed-count", group), { timeout: SHOWN_MS }).toBe(records);
  }

  async shows(locator: Locator, value: number): Promise<void> {
    await expect(locator).toHaveAttribute("data-value", String(value), { timeout: SHOWN_MS });
  }
}

/** Leaves the playground for the page that checks record by record, with the same broker. */
export async function openCheck(page: Page): Promise<void> {
  await page.goto("/check/");
  await expect(page.locator("body")).toHaveText("ready");
}
