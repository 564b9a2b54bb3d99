// Waiting, in pages whose timers may be throttled.

/** Longer than this, and a page drops frames. */
const SLICE_MS = 8;

/** Lets other events of this thread run. No timer: a hidden page's are throttled. */
export function macrotask(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(null);
  });
}

/** Gives a long loop of a page its breaks. */
export class Breather {
  #since = performance.now();

  /** Whether the loop has run for long enough. */
  isDue(): boolean {
    return SLICE_MS <= performance.now() - this.#since;
  }

  async breathe(): Promise<void> {
    await macrotask();
    this.#since = performance.now();
  }
}

/** Waits, unless a signal aborts first. Does not reject. */
export function sleep(ms: number, ...signals: AbortSignal[]): Promise<void> {
  return new Promise((resolve) => {
    const wake = (): void => {
      clearTimeout(timer);
      for (const signal of signals) signal.removeEventListener("abort", wake);
      resolve();
    };
    const timer = setTimeout(wake, ms);
    for (const signal of signals) signal.addEventListener("abort", wake);
    if (signals.some(({ aborted }) => aborted)) wake();
  });
}

/** Whether the promise settles within so many milliseconds. Does not reject. */
export async function settlesWithin(promise: Promise<unknown>, ms: number): Promise<boolean> {
  const settled = new AbortController();
  const settle = (): void => {
    settled.abort();
  };
  void promise.then(settle, settle);
  await sleep(ms, settled.signal);
  return settled.signal.aborted;
}
