import { expect, test } from "@playwright/test";

test("the playground opens without an error", async ({ page }) => {
  const errors: string[] = [];
  page.on("pageerror", (error) => errors.push(error.message));
  page.on("console", (message) => {
    if (message.type() === "error") errors.push(message.text());
  });
  await page.goto("/");
  await expect(page).toHaveTitle(/tablog/);
  await expect(page.getByTestId("status")).toHaveAttribute("data-status", "running");
  expect(errors).toEqual([]);
});
