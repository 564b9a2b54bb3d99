// What a consumer has subscribed to.
import { isRegExp } from "../errors/realm.js";
import { invalid } from "../errors/refusals.js";
import { checkOptions, SUBSCRIBE_KINDS } from "../options/checks.js";
import type { ConsumerSubscribeTopic, ConsumerSubscribeTopics } from "../types/consumer.js";

/** A topic as the wasm takes it. */
export interface SubscribedTopic {
  topic: string;
  offsetReset: "earliest" | "latest";
}

/**
 * Kafka's own topics, which no pattern means (`exclude.internal.topics` of Kafka's consumer): who
 * commits while reading all topics would feed itself for ever.
 */
const INTERNAL_TOPICS = ["__consumer_offsets", "__transaction_state"];

export class Subscriptions {
  readonly #topics = new Map<string, SubscribedTopic>();
  readonly #patterns: { pattern: RegExp; offsetReset: SubscribedTopic["offsetReset"] }[] = [];

  /** Adds topics; what is named again takes the newer `fromBeginning`. */
  add(subscription: ConsumerSubscribeTopics | ConsumerSubscribeTopic): void {
    checkOptions(subscription, "subscribe()", SUBSCRIBE_KINDS);
    const offsetReset = subscription.fromBeginning === true ? "earliest" : "latest";
    for (const topic of topicsOf(subscription)) {
      if (typeof topic === "string") this.#topics.set(topic, { topic, offsetReset });
      else this.#patterns.push({ pattern: topic, offsetReset });
    }
  }

  get isEmpty(): boolean {
    return this.#topics.size === 0 && !this.hasPatterns;
  }

  get hasPatterns(): boolean {
    return 0 < this.#patterns.length;
  }

  /** The topics, with those of the cluster that match a pattern and are not internal. */
  resolve(clusterTopics: readonly string[]): SubscribedTopic[] {
    const topics = new Map(this.#topics);
    const matchable = clusterTopics.filter((topic) => !INTERNAL_TOPICS.includes(topic));
    for (const { pattern, offsetReset } of this.#patterns) {
      for (const topic of matchable) {
        // `search` takes no notice of a pattern's own position, unlike `test`.
        if (topic.search(pattern) !== -1 && !topics.has(topic))
          topics.set(topic, { topic, offsetReset });
      }
    }
    return [...topics.values()];
  }
}

function topicsOf(
  subscription: ConsumerSubscribeTopics | ConsumerSubscribeTopic,
): (string | RegExp)[] {
  const { topic, topics } = subscription as Partial<
    ConsumerSubscribeTopics & ConsumerSubscribeTopic
  >;
  if (topics !== undefined && !Array.isArray(topics)) {
    throw invalid('Argument "topics" must be an array');
  }
  if ((topics ?? topic) === undefined || topic === "") {
    throw invalid('Missing required argument "topics"');
  }
  const given = topics ?? [topic];
  return given.map((one) => {
    if ((typeof one === "string" && one !== "") || isRegExp(one)) return one;
    throw invalid(
      `Invalid topic ${String(one)} (${typeof one}), the topic name has to be a String or a RegExp`,
    );
  });
}
