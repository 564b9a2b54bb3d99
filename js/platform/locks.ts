// Web Locks: the browser frees them when their holder dies, however it dies.

/** Whether there are Web Locks: not outside of secure contexts, nor in every version of Node. */
export function canHold(): boolean {
  const { navigator } = globalThis as { navigator?: { locks?: LockManager } };
  return navigator?.locks !== undefined;
}

/** Takes a Web Lock and keeps it until the returned function is called, or the context ends. */
export function hold(name: string, onWait?: () => void): Promise<() => void> {
  return new Promise((resolve, reject) => {
    const keep = (): Promise<void> =>
      new Promise((release) => {
        resolve(release);
      });
    void (async () => {
      const got = await navigator.locks.request(name, { ifAvailable: true }, async (lock) => {
        if (lock !== null) await keep();
        return lock !== null;
      });
      if (got) return;
      onWait?.();
      await navigator.locks.request(name, keep);
    })().catch(reject);
  });
}

/** Whether somebody holds the lock, as far as this context can see. */
export async function isHeld(name: string): Promise<boolean> {
  const { held = [] } = await navigator.locks.query();
  return held.some((lock) => lock.name === name);
}
