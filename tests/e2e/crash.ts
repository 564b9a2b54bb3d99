import type { Page } from "@playwright/test";

/** Puts `crashBroker()` into every page: it ends the broker's worker, as a crash would. */
export async function withCrash(page: Page): Promise<void> {
  await page.addInitScript(() => {
    let broker: Worker | undefined;
    globalThis.Worker = new Proxy(Worker, {
      construct(Worker, [url, options]: [string | URL, WorkerOptions?]) {
        const worker = new Worker(url, options);
        if (options?.name?.startsWith("tablog-broker") === true) broker = worker;
        return worker;
      },
    });
    globalThis.crashBroker = () => {
      broker?.terminate();
    };
  });
}
