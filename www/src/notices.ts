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
    console.warn(error);
    const type = error instanceof Error && "type" in error ? `${String(error.type)}: ` : "";
    this.#add(type + (error instanceof Error ? error.message : String(error)), true);
  }

  close(id: number): void {
    this.list = this.list.filter((notice) => notice.id !== id);
    this.#changed();
  }

  #add(text: string, failed: boolean): void {
    // What fails again and again is told once.
    if (this.list.some((notice) => notice.text === text)) return;
    this.#last += 1;
    const id = this.#last;
    this.list = [...this.list, { id, text, failed }].slice(-NOTICES_MAX);
    if (!failed) {
      setTimeout(() => {
        this.close(id);
      }, NOTICE_MS);
    }
    this.#changed();
  }
}
