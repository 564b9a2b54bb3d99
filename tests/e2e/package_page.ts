import { expect, type Page } from "@playwright/test";

/** Opens the page that has nothing but the package, of the playground's origin. */
export async function openPackage(page: Page): Promise<void> {
  await page.goto("/check/package.html");
  await expect(page.locator("body")).toHaveText("ready");
}
