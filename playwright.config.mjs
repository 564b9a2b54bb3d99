// The built playground in the system's Chromium: `npm run test:e2e`, or, once it and the page
// beside it are built, `npx playwright test NAME`.
import { defineConfig } from "@playwright/test";
import { chromium } from "./tests/chromium.mjs";

// Two checkouts that are tested at a time need a port each.
const port = process.env.PORT ?? "4174";
const url = `http://127.0.0.1:${port}`;

export default defineConfig({
  testDir: "tests/e2e",
  outputDir: "test-results",
  reporter: "list",
  forbidOnly: true,
  // A test that fails sometimes has found something.
  retries: 0,
  workers: 1,
  timeout: 120_000,
  use: { baseURL: url, launchOptions: chromium, trace: "retain-on-failure" },
  webServer: {
    command: `node_modules/.bin/vite preview www --host 127.0.0.1 --port ${port} --strictPort`,
    url,
    reuseExistingServer: false,
  },
});
