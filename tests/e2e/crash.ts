import type { Page } from "@playwright/test";

/**
 * Puts `crashBroker()` and `crashClients()` into every page: each ends such workers, as a crash would.
 * `brokersMade` counts.
 */
export async function withCrash(page: Page): Promise<void> {
  await page.addInitScript(() => {
    const brokers: Worker[] = [];
    const clients: Worker[] = [];
    globalThis.brokersMade = 0;
    globalThis.Worker = new Proxy(Worker, {
      construct(Worker, [url, options]: [string | URL, WorkerOptions?]) {
        const worker = new Worker(url, options);
        if (options?.name?.startsWith("tablog-broker") === true) {
          brokers.push(worker);
          globalThis.brokersMade += 1;
        } else if (options?.name?.startsWith("tablog-client") === true) clients.push(worker);
        return worker;
      },
    });
    globalThis.crashBroker = () => {
      for (const broker of brokers.splice(0)) broker.terminate();
    };
    globalThis.crashClients = () => {
      for (const site of clients.splice(0)) site.terminate();
    };
  });
}
