// Whoever wants to hear of something.
import { invalid } from "../errors/refusals.js";

/** What a listener throws is its own affair: it is told, and the others hear all the same. */
export class Listeners<Event> {
  readonly #onError: (error: unknown) => void;
  readonly #listeners = new Set<(event: Event) => unknown>();

  constructor(onError: (error: unknown) => void) {
    this.#onError = onError;
  }

  get size(): number {
    return this.#listeners.size;
  }

  /** Returns what ends it. */
  add(listener: (event: Event) => unknown): () => void {
    if (typeof listener !== "function") throw invalid("A listener must be a function");
    // A function of its own, so that the same listener can be added twice.
    const own = (event: Event): unknown => listener(event);
    this.#listeners.add(own);
    return () => {
      this.#listeners.delete(own);
    };
  }

  tell(event: Event): void {
    for (const listener of [...this.#listeners]) void this.#call(listener, event);
  }

  async #call(listener: (event: Event) => unknown, event: Event): Promise<void> {
    try {
      await listener(event);
    } catch (error) {
      this.#onError(error);
    }
  }
}
