// Tells the listeners of a client what happens in it.
import { isError } from "../errors/realm.js";
import { invalid } from "../errors/refusals.js";
import type { InstrumentationEvent } from "../types/events.js";
import { Listeners } from "../platform/listeners.js";
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
  readonly #listeners = new Map<string, Listeners<InstrumentationEvent<never>>>();
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
    const listeners = this.#listeners.get(type) ?? this.#listenersOf(type);
    this.#listeners.set(type, listeners);
    const remove = listeners.add(listener);
    this.#tellObservers();
    return () => {
      remove();
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

  #listenersOf(eventName: string): Listeners<InstrumentationEvent<never>> {
    return new Listeners((error) => {
      const message = isError(error) ? error.message : String(error);
      this.#logger.error(`Failed to execute listener: ${message}`, { eventName });
    });
  }

  /** Tells the listeners. */
  emit<Type extends keyof Payloads & string>(type: Type, payload: Payloads[Type]): void {
    const listeners = this.#listeners.get(type);
    if (listeners === undefined || listeners.size === 0) return;
    const event = {
      id: String(nextEventId++),
      type,
      timestamp: Date.now(),
      payload: payload as never,
    };
    listeners.tell(event);
  }
}
