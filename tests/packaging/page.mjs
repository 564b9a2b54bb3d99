// An app's page, opened in Chromium.
import { chromium as browserType } from "@playwright/test";
import { chromium } from "../chromium.mjs";

/**
 * @typedef {object} Opened
 * @property {string} text what the app wrote into the page
 * @property {string[]} workers the URLs of the workers that it started
 * @property {string[]} requests the URLs that it fetched
 */

/** @type {Promise<import("@playwright/test").Browser> | undefined} */
let browser;

/**
 * @param {string} url
 * @returns {Promise<Opened>}
 */
export async function open(url) {
  browser ??= browserType.launch(chromium);
  const context = await (await browser).newContext();
  try {
    const page = await context.newPage();
    /** @type {string[]} */
    const workers = [];
    /** @type {string[]} */
    const requests = [];
    page.on("worker", (worker) => workers.push(worker.url()));
    page.on("console", (message) => {
      console.log(`page: ${message.text()}`);
    });
    page.on("pageerror", (error) => {
      console.log(`page: ${error.message}`);
    });
    context.on("request", (request) => requests.push(request.url()));
    await page.goto(url);
    const output = page.locator("output:not(:empty)");
    const text = (await output.textContent({ timeout: 60_000 })) ?? "";
    return { text, workers, requests };
  } finally {
    await context.close();
  }
}

export async function closeBrowser() {
  await (await browser)?.close();
}
