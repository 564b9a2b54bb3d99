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
  /** The steady stream, while there is one. */
  stream: { topic: string; rate: number } | undefined;
  readonly #producer: Producer = kafkaAs(this.clientId).producer({
    // A topic that somebody has deleted does not come back by itself.
    allowAutoTopicCreation: false,
  });
  readonly #changed: () => void;
  #number = 0;
  #streamTimer: ReturnType<typeof setInterval> | undefined;

  constructor(changed: () => void) {
    this.#changed = changed;
  }

  async send(topic: string, form: ProduceForm): Promise<void> {
    await this.#producer.connect();
    for (let left = form.count; left > 0; left -= SEND_RECORDS_MAX) {
      const messages = Array.from({ length: Math.min(left, SEND_RECORDS_MAX) }, () =>
        this.#message(form),
      );
      await this.#producer.send({ topic, messages });
    }
  }

  /** Calls `send` for `topic`, `rate` times per second, until the rate is 0. */
  setStream(topic: string, rate: number, send: () => void): void {
    clearInterval(this.#streamTimer);
    this.stream = rate > 0 ? { topic, rate } : undefined;
    if (rate > 0) this.#streamTimer = setInterval(send, 1000 / rate);
    this.#changed();
  }

  /** Ends the stream into `topic`; without a topic, whichever there is. */
  endStream(topic = this.stream?.topic): void {
    if (topic !== undefined && topic === this.stream?.topic) {
      this.setStream(topic, 0, () => undefined);
    }
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
