import { Pacer } from "./pacer.ts";

const TICK_MS = 20;
/** Records that one `send` takes. */
export const SEND_RECORDS_MAX = 500;

/** Sends records at a steady rate until it is ended. */
export class Stream {
  readonly topic: string;
  /** Records per second. */
  readonly rate: number;
  readonly #send: (records: number) => Promise<void>;
  readonly #pacer: Pacer;
  readonly #timer: ReturnType<typeof setInterval>;
  #sending = false;

  /** @param send never rejects */
  constructor(topic: string, rate: number, send: (records: number) => Promise<void>) {
    this.topic = topic;
    this.rate = rate;
    this.#send = send;
    this.#pacer = new Pacer(rate, performance.now());
    this.#timer = setInterval(() => void this.tick(performance.now()), TICK_MS);
  }

  /** Sends what is due. While a send is under way what becomes due waits for the next one. */
  async tick(nowMs: number): Promise<void> {
    if (this.#sending) return;
    const due = this.#pacer.take(nowMs, SEND_RECORDS_MAX);
    if (due === 0) return;
    this.#sending = true;
    await this.#send(due);
    this.#sending = false;
  }

  end(): void {
    clearInterval(this.#timer);
  }
}
