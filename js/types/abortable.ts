/** An `AbortSignal`, without the types of the DOM: not every program has them. */
export interface AbortSignalLike {
  readonly aborted: boolean;
  readonly reason: unknown;
  throwIfAborted(): void;
  addEventListener(type: "abort", listener: () => void, options?: { once?: boolean }): void;
  removeEventListener(type: "abort", listener: () => void): void;
}

/** Ends a wait: the call rejects with the signal's reason. */
export interface Abortable {
  signal?: AbortSignalLike | undefined;
}
