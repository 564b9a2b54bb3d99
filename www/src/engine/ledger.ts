import { entry } from "../flow/picture.ts";

/** What the producers of this page were told of a topic. */
interface Account {
  /** The sum of the high watermarks before the page's first record. */
  before: number;
  acknowledged: number;
}

/** What was acknowledged, and what is in the log. */
export interface Balance {
  acknowledged: number;
  appended: number;
}

/** What waits for the broker's answer. */
export interface UnderWay {
  sends: number;
  records: number;
}

/**
 * Counts what was acknowledged to the page's own producers, so that it can be compared with what the
 * log has: after a crash, too, the two are the same.
 */
export class Ledger {
  readonly underWay: UnderWay = { sends: 0, records: 0 };
  readonly #end: (topic: string) => Promise<number>;
  readonly #accounts = new Map<string, Promise<Account>>();
  /** Rises with every send that begins or ends. */
  #turn = 0;
  #onTurn: (() => void)[] = [];
  readonly #acknowledged: () => void;

  /**
   * @param end the sum of a topic's high watermarks, as the broker has it now
   * @param acknowledged is called after every acknowledgement
   */
  constructor(end: (topic: string) => Promise<number>, acknowledged: () => void) {
    this.#end = end;
    this.#acknowledged = acknowledged;
  }

  /** Runs a send of so many records, and counts it. */
  async enter<Result>(
    topic: string,
    records: number,
    send: () => Promise<Result>,
  ): Promise<Result> {
    const account = await this.#account(topic);
    this.underWay.sends += 1;
    this.underWay.records += records;
    this.#turned();
    try {
      const result = await send();
      account.acknowledged += records;
      return result;
    } catch (error) {
      // What failed may be in the log or not: the account begins anew with the next send.
      this.forget(topic);
      throw error;
    } finally {
      this.underWay.sends -= 1;
      this.underWay.records -= records;
      this.#turned();
      this.#acknowledged();
    }
  }

  /** Forgets a topic that is gone; one of the same name that comes later is another. */
  forget(topic: string): void {
    this.#accounts.delete(topic);
  }

  /** Compares the topics that the page produced to, at a moment in which no send is under way. */
  async balance(signal: AbortSignal): Promise<Balance> {
    while (!signal.aborted) {
      if (this.underWay.sends > 0) {
        await new Promise<void>((resolve) => {
          this.#onTurn.push(resolve);
          signal.addEventListener("abort", () => {
            resolve();
          });
        });
        continue;
      }
      const turn = this.#turn;
      const sum: Balance = { acknowledged: 0, appended: 0 };
      for (const [topic, account] of [...this.#accounts]) {
        const { before, acknowledged } = await account;
        sum.acknowledged += acknowledged;
        sum.appended += (await this.#end(topic)) - before;
      }
      if (turn === this.#turn) return sum;
    }
    throw signal.reason as Error;
  }

  #account(topic: string): Promise<Account> {
    return entry(this.#accounts, topic, () => {
      const account = this.#end(topic).then((before) => ({ before, acknowledged: 0 }));
      account.catch(() => {
        this.forget(topic);
      });
      return account;
    });
  }

  #turned(): void {
    this.#turn += 1;
    const waiting = this.#onTurn;
    this.#onTurn = [];
    for (const resolve of waiting) resolve();
  }
}
