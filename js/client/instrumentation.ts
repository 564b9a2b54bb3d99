// Tells the listeners of a client what happens in it.
import { isError } from "../errors/realm.js";
import { invalid } from "../errors/refusals.js";
import type { InstrumentationEvent } from "../types/events.js";
import type { Logger } from "../types/logger.js";

let nextEventId = 0;

/** What a client's way to its state machine needs of the client's listeners. */
export interface NetworkInstrumentation {
  /** Tells the observer whether anybody listens to the network, now and whenever that changes. */
  observe(observer: (on: boolean) => void): () => void;
  /** Tells an event of the network, such as `network.request`. */
  emitNetwork(name: string, payload: unknown): void;
}

/** The listeners of one client. */
export class Instrumentation<Payloads extends object> implements NetworkInstrumentation {
  readonly #kind: string;
  readonly #names: Record<string, string>;
  readonly #logger: Logger;
  readonly #listeners = new Map<string, Set<(event: InstrumentationEvent<never>) => unknown>>();

  readonly #observers = new Set<(on: boolean) => void>();

  constructor(kind: string, names: Record<string, string>, logger: Logger) {
    this.#kind = kind;
    this.#names = names;
    this.#logger = logger;
  }

  /** Calls `listener` with every such event. Returns what ends it. */
  on<Type extends keyof Payloads & string>(
    type: Type,
    listener: (event: InstrumentationEvent<Payloads[Type]>) => unknown,
  ): () => void {
    if (!Object.values(this.#names).includes(type)) {
      const names = Object.keys(this.#names).map((key) => `${this.#kind}.events.${key}`);
      throw invalid(`Event name should be one of ${names.join(", ")}`);
    }
    const listeners = this.#listeners.get(type) ?? new Set();
    this.#listeners.set(type, listeners);
    // A function of its own, so that the same listener can be added twice.
    const own = (event: InstrumentationEvent<Payloads[Type]>): unknown => listener(event);
    listeners.add(own);
    this.#tellObservers();
    return () => {
      listeners.delete(own);
      this.#tellObservers();
    };
  }

  observe(observer: (on: boolean) => void): () => void {
    this.#observers.add(observer);
    observer(this.#hasNetworkListeners());
    return () => {
      this.#observers.delete(observer);
    };
  }

  emitNetwork(name: string, payload: unknown): void {
    this.emit(`${this.#kind}.${name}` as keyof Payloads & string, payload as never);
  }

  #tellObservers(): void {
    for (const observer of this.#observers) observer(this.#hasNetworkListeners());
  }

  #hasNetworkListeners(): boolean {
    const prefix = `${this.#kind}.network.`;
    return [...this.#listeners].some(([type, own]) => type.startsWith(prefix) && own.size > 0);
  }

  /** Tells the listeners. What they throw is logged: it is not the client's. */
  emit<Type extends keyof Payloads & string>(type: Type, payload: Payloads[Type]): void {
    for (const listener of this.#listeners.get(type) ?? []) {
      const event = { id: String(nextEventId++), type, timestamp: Date.now(), payload };
      void (async () => {
        try {
          await (listener as (event: InstrumentationEvent<Payloads[Type]>) => unknown)(event);
        } catch (error) {
          const message = isError(error) ? error.message : String(error);
          this.#logger.error(`Failed to execute listener: ${message}`, { eventName: type });
        }
      })();
    }
  }
}
