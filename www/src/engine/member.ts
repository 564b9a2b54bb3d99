import type { Consumer } from "tablog";
import { Rate } from "../flow/rate.ts";
import { kafkaAs } from "./cluster.ts";

const SESSION_TIMEOUT_MS = 10_000;
const HEARTBEAT_INTERVAL_MS = 1_000;
const AUTO_COMMIT_INTERVAL_MS = 1_000;

/** How the members of a group work. */
export interface GroupSettings {
  autoCommit: boolean;
  /** What a member takes for one record. */
  processingMs: number;
}

/** A consumer of this page: one member of one group, subscribed to one topic. */
export class Member {
  readonly clientId: string;
  readonly topic: string;
  /** Records that it processed. */
  consumed = 0;
  readonly rate = new Rate();
  /** The next offset to process, by partition of the topic. Only of partitions that it has. */
  readonly positions = new Map<number, number>();
  /** The partitions that its group gave it. */
  assigned: ReadonlySet<number> = new Set();
  joined = false;
  paused = false;
  leaving = false;
  /** Why it ended by itself. */
  crash: Error | undefined;
  readonly #consumer: Consumer;
  readonly #settings: GroupSettings;
  readonly #changed: () => void;

  constructor(
    groupId: string,
    clientId: string,
    topic: string,
    settings: GroupSettings,
    changed: () => void,
  ) {
    this.clientId = clientId;
    this.topic = topic;
    this.#settings = settings;
    this.#changed = changed;
    this.#consumer = kafkaAs(clientId).consumer({
      groupId,
      sessionTimeout: SESSION_TIMEOUT_MS,
      heartbeatInterval: HEARTBEAT_INTERVAL_MS,
      // A topic that somebody has deleted does not come back by itself.
      allowAutoTopicCreation: false,
    });
    const { GROUP_JOIN, REBALANCING, CRASH } = this.#consumer.events;
    this.#consumer.on(GROUP_JOIN, ({ payload }) => {
      this.assigned = new Set(payload.memberAssignment[topic] ?? []);
      // Every member begins at the committed offsets again, also where it keeps a partition.
      this.positions.clear();
      this.joined = true;
      if (this.paused) this.#consumer.pause([{ topic }]);
      changed();
    });
    this.#consumer.on(REBALANCING, () => {
      this.joined = false;
      changed();
    });
    this.#consumer.on(CRASH, ({ payload }) => {
      if (!payload.restart) this.crash = payload.error;
      changed();
    });
  }

  async start(): Promise<void> {
    await this.#consumer.connect();
    await this.#consumer.subscribe({ topics: [this.topic], fromBeginning: true });
    await this.#consumer.run({
      autoCommit: this.#settings.autoCommit,
      autoCommitInterval: AUTO_COMMIT_INTERVAL_MS,
      partitionsConsumedConcurrently: 1,
      eachMessage: async ({ partition, message }) => {
        const { processingMs } = this.#settings;
        if (processingMs > 0) await new Promise((resolve) => setTimeout(resolve, processingMs));
        this.consumed += 1;
        this.rate.add(1, Date.now());
        this.positions.set(partition, Number(message.offset) + 1);
        this.#changed();
      },
    });
  }

  /** Commits what it has processed. */
  async commit(): Promise<void> {
    const offsets = [...this.positions].map(([partition, offset]) => ({
      topic: this.topic,
      partition,
      offset: String(offset),
    }));
    if (offsets.length > 0) await this.#consumer.commitOffsets(offsets);
  }

  seek(partition: number, offset: number): void {
    this.#consumer.seek({ topic: this.topic, partition, offset: String(offset) });
    this.positions.set(partition, offset);
    this.#changed();
  }

  togglePause(): void {
    this.paused = !this.paused;
    if (this.paused) this.#consumer.pause([{ topic: this.topic }]);
    else this.#consumer.resume([{ topic: this.topic }]);
    this.#changed();
  }

  /** Leaves the group, as a consumer that shuts down in good order does. */
  async stop(): Promise<void> {
    this.leaving = true;
    this.#changed();
    await this.#consumer.disconnect();
  }
}
