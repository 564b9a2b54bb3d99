import type { Message, Producer } from "tablog";
import { parseHeaders } from "../records/headers.ts";
import { kafkaAs } from "./cluster.ts";

/** Records that one `send` takes. */
const SEND_RECORDS_MAX = 500;

/** What the form says. */
export interface ProduceForm {
  /** Empty: records without a key. */
  key: string;
  /** `{n}` is the record's number, `{time}` the time of day. */
  value: string;
  /** `name=value` after `name=value`, separated by commas. */
  headers: string;
  count: number;
}

/** The producer behind the form. */
export class FormProducer {
  readonly clientId = "producer-1";
  /** Records per second of the steady stream; 0 while it is off. */
  streamRate = 0;
  readonly #producer: Producer = kafkaAs(this.clientId).producer();
  readonly #changed: () => void;
  #connected: Promise<void> | undefined;
  #number = 0;
  #stream: ReturnType<typeof setInterval> | undefined;

  constructor(changed: () => void) {
    this.#changed = changed;
  }

  async send(topic: string, form: ProduceForm): Promise<void> {
    this.#connected ??= this.#producer.connect();
    await this.#connected;
    for (let left = form.count; left > 0; left -= SEND_RECORDS_MAX) {
      const messages = Array.from({ length: Math.min(left, SEND_RECORDS_MAX) }, () =>
        this.#message(form),
      );
      await this.#producer.send({ topic, messages });
    }
  }

  /** Sends `form` again and again until the rate is 0. */
  setStream(rate: number, send: () => void): void {
    clearInterval(this.#stream);
    this.streamRate = rate;
    if (rate > 0) this.#stream = setInterval(send, 1000 / rate);
    this.#changed();
  }

  #message({ key, value, headers }: ProduceForm): Message {
    this.#number += 1;
    const fill = (template: string): string =>
      template
        .replaceAll("{n}", String(this.#number))
        .replaceAll("{user}", `user-${1 + Math.floor(Math.random() * 9)}`)
        .replaceAll("{time}", new Date().toLocaleTimeString());
    return {
      key: key === "" ? null : fill(key),
      value: fill(value),
      headers: parseHeaders(fill(headers)),
    };
  }
}
