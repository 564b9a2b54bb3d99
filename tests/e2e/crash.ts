import type { Page } from "@playwright/test";

/**
 * Puts `crashBroker()` and `crashClients()` into every page: each ends that worker, as a crash would.
 * `brokersMade` counts.
 */
export async function withCrash(page: Page): Promise<void> {
  await page.addInitScript(() => {
    let broker: Worker | undefined;
    let clients: Worker | undefined;
    globalThis.brokersMade = 0;
    globalThis.Worker = new Proxy(Worker, {
      construct(Worker, [url, options]: [string | URL, WorkerOptions?]) {
        const worker = new Worker(url, options);
        if (options?.name?.startsWith("tablog-broker") === true) {
          broker = worker;
          globalThis.brokersMade += 1;
        } else if (options?.name?.startsWith("tablog-client") === true) clients = worker;
        return worker;
      },
    });
    globalThis.crashBroker = () => {
      broker?.terminate();
    };
    globalThis.crashClients = () => {
      clients?.terminate();
    };
  });
}
