import type { Move } from "./fold.ts";

/** Sums up what moved, for those who hear the page instead of seeing dots. */
export class Activity {
  /** The last sum, in words. */
  text = "";
  readonly #produced = new Map<string, number>();
  readonly #fetched = new Map<string, number>();

  add(moves: readonly Move[]): void {
    for (const { kind, topic, clientId, records } of moves) {
      if (kind === "produced") count(this.#produced, topic, records);
      else count(this.#fetched, clientId, records);
    }
  }

  /** Puts what moved since the last time into words. False when nothing did. */
  sumUp(): boolean {
    const sums = [
      ...Array.from(this.#produced, ([topic, records]) => `${records} records to ${topic}`),
      ...Array.from(this.#fetched, ([clientId, records]) => `${records} to ${clientId}`),
    ];
    this.#produced.clear();
    this.#fetched.clear();
    if (sums.length > 0) this.text = sums.join(", ");
    return sums.length > 0;
  }
}

function count(sums: Map<string, number>, name: string, records: number): void {
  sums.set(name, (sums.get(name) ?? 0) + records);
}
