// The package offers no way to kill its broker, as no application wants one. The page wants to show
// that nothing acknowledged is lost, so it keeps hold of the broker's worker, which it finds by name.
const BROKER_WORKER_NAME = "tablog-broker";

let broker: Worker | undefined;

/** Keeps hold of the broker's workers from now on. Before the first client connects. */
export function watchBroker(): void {
  globalThis.Worker = new Proxy(Worker, {
    construct(Worker, [url, options]: [string | URL, WorkerOptions?]) {
      const worker = new Worker(url, options);
      if (options?.name?.startsWith(BROKER_WORKER_NAME) === true) broker = worker;
      return worker;
    },
  });
}

/** Ends the broker in the middle of whatever it does. */
export function crashBroker(): void {
  broker?.terminate();
}
