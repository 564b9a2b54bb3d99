// Which partitions a consumer has paused.
import type { Command } from "../client/command_port.js";
import { invalid } from "../errors/refusals.js";
import type { Assignment, TopicPartition, TopicPartitions } from "../types/partition.js";

/** Partitions of a topic; without a list, all of them. */
export interface PausedTopic {
  topic: string;
  partitions?: number[];
}

interface Pause {
  all: boolean;
  paused: Set<number>;
  /** Exceptions from `all`. */
  resumed: Set<number>;
}

export class Pauses {
  readonly #topics = new Map<string, Pause>();
  #tell: (command: Command) => void = () => undefined;

  /** Tells whoever fetches of what is paused, and of all that changes. */
  tellOf(tell: (command: Command) => void): void {
    this.#tell = tell;
    const paused: PausedTopic[] = [];
    const resumed: PausedTopic[] = [];
    for (const [topic, pause] of this.#topics) {
      paused.push(pause.all ? { topic } : { topic, partitions: [...pause.paused] });
      if (pause.all) resumed.push({ topic, partitions: [...pause.resumed] });
    }
    if (0 < paused.length) tell({ type: "pause", topics: paused });
    if (0 < resumed.length) tell({ type: "resume", topics: resumed });
  }

  pause(topics: readonly PausedTopic[]): void {
    for (const { topic, partitions } of topics) {
      const pause = this.#topic(topic);
      if (partitions === undefined) this.#topics.set(topic, newPause(true));
      for (const partition of partitions ?? []) {
        pause.paused.add(partition);
        pause.resumed.delete(partition);
      }
    }
    this.#tell({ type: "pause", topics });
  }

  resume(topics: readonly PausedTopic[]): void {
    for (const { topic, partitions } of topics) {
      const pause = this.#topic(topic);
      if (partitions === undefined) this.#topics.delete(topic);
      for (const partition of partitions ?? []) {
        pause.paused.delete(partition);
        pause.resumed.add(partition);
      }
    }
    this.#tell({ type: "resume", topics });
  }

  isPaused({ topic, partition }: TopicPartition): boolean {
    const pause = this.#topics.get(topic);
    if (pause === undefined) return false;
    return pause.paused.has(partition) || (pause.all && !pause.resumed.has(partition));
  }

  /** Those of the assignment that are paused. */
  among(assignment: Assignment): TopicPartitions[] {
    return Object.entries(assignment)
      .map(([topic, partitions]) => ({
        topic,
        partitions: partitions.filter((partition) => this.isPaused({ topic, partition })),
      }))
      .filter(({ partitions }) => 0 < partitions.length);
  }

  #topic(topic: string): Pause {
    const pause = this.#topics.get(topic) ?? newPause(false);
    this.#topics.set(topic, pause);
    return pause;
  }
}

function newPause(all: boolean): Pause {
  return { all, paused: new Set(), resumed: new Set() };
}

/** Throws for what names no partitions; `verb` says what was to be done with them. */
export function checkPausedTopics(topics: readonly PausedTopic[], verb: string): void {
  if (!Array.isArray(topics)) throw invalid(`${verb}() takes an array of topics`);
  for (const entry of topics as readonly (Partial<PausedTopic> | null | undefined)[]) {
    if (typeof entry?.topic !== "string" || entry.topic === "") {
      throw invalid(`Invalid topic ${String(entry?.topic)}`);
    }
    const { partitions = [] } = entry;
    if (!Array.isArray(partitions) || !partitions.every(Number.isInteger)) {
      throw invalid(
        `Array of valid partitions required to ${verb} specific partitions instead of ${String(partitions)}`,
      );
    }
  }
}
