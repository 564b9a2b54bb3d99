// Calls of the application's callbacks, for what is not to wait for the callback that it comes from.

/** As Node's `AsyncLocalStorage`. */
interface Context<Store> {
  run<Result>(store: Store, callback: () => Result): Result;
  getStore(): Store | undefined;
}

interface Call {
  of: Calls;
  isRunning: boolean;
}

/** Made by the first call: nothing runs when the package is imported. */
let context: Context<Call> | undefined;

/** The calls of one client's callbacks. */
export class Calls {
  /** Calls back. */
  async run(callback: () => Promise<void>): Promise<void> {
    const call = { of: this, isRunning: true };
    context ??= newContext();
    try {
      await context.run(call, callback);
    } finally {
      call.isRunning = false;
    }
  }

  /**
   * Whether who asks is called by a callback that has not returned. Browsers cannot tell behind a
   * callback's first `await` (AsyncContext would).
   */
  isInside(): boolean {
    const call = context?.getStore();
    return call?.of === this && call.isRunning;
  }
}

function newContext(): Context<Call> {
  const { process } = globalThis as {
    process?: {
      getBuiltinModule?: (name: string) => { AsyncLocalStorage: new () => Context<Call> };
    };
  };
  const hooks = process?.getBuiltinModule?.("node:async_hooks");
  return hooks === undefined ? new SynchronousContext() : new hooks.AsyncLocalStorage();
}

class SynchronousContext implements Context<Call> {
  #store: Call | undefined;

  run<Result>(store: Call, callback: () => Result): Result {
    const before = this.#store;
    this.#store = store;
    try {
      return callback();
    } finally {
      this.#store = before;
    }
  }

  getStore(): Call | undefined {
    return this.#store;
  }
}
