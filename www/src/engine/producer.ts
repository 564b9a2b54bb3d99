import type { Message, Producer } from "tablog";
import { parseHeaders } from "../records/headers.ts";
import { kafkaAs } from "./cluster.ts";
import type { Ledger } from "./ledger.ts";
import { SEND_RECORDS_MAX, Stream } from "./stream.ts";

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
  /** What it makes records of. */
  form: ProduceForm = { key: "{user}", value: '{"n": {n}, "at": "{time}"}', headers: "", count: 1 };
  /** The steady stream, while there is one. */
  stream: Stream | undefined;
  readonly #producer: Producer = kafkaAs(this.clientId).producer({
    // A topic that somebody has deleted does not come back by itself.
    allowAutoTopicCreation: false,
  });
  readonly #ledger: Ledger;
  readonly #changed: () => void;
  #number = 0;

  constructor(ledger: Ledger, changed: () => void) {
    this.#ledger = ledger;
    this.#changed = changed;
  }

  /** Sends `count` records of the form. */
  async send(topic: string, count: number): Promise<void> {
    await this.#producer.connect();
    for (let left = count; left > 0; left -= SEND_RECORDS_MAX) {
      const messages = Array.from({ length: Math.min(left, SEND_RECORDS_MAX) }, () =>
        this.#message(this.form),
      );
      await this.#ledger.enter(topic, messages.length, () =>
        this.#producer.send({ topic, messages }),
      );
    }
  }

  /** Sends `rate` records of the form per second, until another rate is set; 0 ends it. */
  setStream(topic: string, rate: number, failed: (error: unknown) => void): void {
    this.stream?.end();
    this.stream = undefined;
    if (rate > 0) {
      this.stream = new Stream(topic, rate, async (records) => {
        try {
          await this.send(topic, records);
        } catch (error) {
          this.endStream(topic);
          failed(error);
        }
      });
    }
    this.#changed();
  }

  /** Ends the stream into `topic`; without a topic, whichever there is. */
  endStream(topic = this.stream?.topic): void {
    if (this.stream === undefined || topic !== this.stream.topic) return;
    this.stream.end();
    this.stream = undefined;
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
