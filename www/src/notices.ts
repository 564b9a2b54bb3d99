const NOTICES_MAX = 4;
const NOTICE_MS = 8_000;

export interface Notice {
  id: number;
  text: string;
  failed: boolean;
}

/** What the page says to the person, also to those who do not see it. */
export class Notices {
  list: Notice[] = [];
  readonly #changed: () => void;
  #last = 0;

  constructor(changed: () => void) {
    this.#changed = changed;
  }

  say(text: string): void {
    this.#add(text, false);
  }

  fail(error: unknown): void {
    if (this.#add(explain(error), true)) console.warn(error);
  }

  close(id: number): void {
    this.list = this.list.filter((notice) => notice.id !== id);
    this.#changed();
  }

  /** False when it is there already: what fails again and again is told once. */
  #add(text: string, failed: boolean): boolean {
    if (this.list.some((notice) => notice.text === text)) return false;
    this.#last += 1;
    const id = this.#last;
    this.list = [...this.list, { id, text, failed }].slice(-NOTICES_MAX);
    if (!failed) {
      setTimeout(() => {
        this.close(id);
      }, NOTICE_MS);
    }
    this.#changed();
    return true;
  }
}

/** An error in words, with Kafka's name of it. */
export function explain(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return "type" in error ? `${String(error.type)}: ${error.message}` : error.message;
}
