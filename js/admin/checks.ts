// What an admin's arguments must be. Each check throws with a sentence that says what is wrong.
import { invalid } from "../errors/refusals.js";
import { objectGiven } from "../options/checks.js";
import {
  ConfigResourceTypes,
  type CreatePartitionsOptions,
  type CreateTopicsOptions,
} from "../types/admin.js";
import type { SeekEntry } from "../types/partition.js";

export function checkTopic(topic: unknown): void {
  if (typeof topic !== "string" || topic === "") throw invalid(`Invalid topic ${String(topic)}`);
}

export function checkGroup(groupId: unknown): void {
  if (typeof groupId !== "string" || groupId === "") {
    throw invalid(`Invalid groupId ${String(groupId)}`);
  }
}

export function checkNames(names: unknown, what: string): void {
  if (!Array.isArray(names)) throw invalid(`Invalid ${what} array ${String(names)}`);
  if (names.some((name) => typeof name !== "string")) {
    throw invalid(`Invalid ${what} array, the names must be a valid string`);
  }
}

export function checkPartitions(partitions: unknown): void {
  if (!Array.isArray(partitions) || partitions.length === 0) throw invalid("Invalid partitions");
  for (const one of partitions as SeekEntry[]) {
    const { partition } = objectGiven(one, "partitions");
    if (!Number.isInteger(partition)) throw invalid(`Invalid partition ${String(partition)}`);
  }
}

export function checkCreateTopics({ topics }: CreateTopicsOptions): void {
  checkEach(topics, "topics");
  for (const { topic, configEntries } of topics) {
    const entries: unknown = configEntries ?? [];
    if (!Array.isArray(entries)) {
      throw invalid(`Invalid configEntries for topic "${topic}", must be an array`, { topic });
    }
    entries.forEach((entry: unknown, index) => {
      const { name, value } = (entry ?? {}) as { name?: unknown; value?: unknown };
      for (const [property, given] of Object.entries({ name, value })) {
        if (typeof given !== "string") {
          throw invalid(
            `Invalid configEntries for topic "${topic}". Entry ${index} must have a valid "${property}" property`,
            { topic },
          );
        }
      }
    });
  }
}

export function checkCreatePartitions({ topicPartitions }: CreatePartitionsOptions): void {
  checkEach(topicPartitions, "topic partitions");
  if (topicPartitions.length === 0) throw invalid("Empty topic partitions array");
}

export function checkResources(resources: unknown): void {
  if (!Array.isArray(resources)) throw invalid(`Invalid resources array ${String(resources)}`);
  if (resources.length === 0) throw invalid("Resources array cannot be empty");
  for (const one of resources as { type: unknown; name: unknown }[]) {
    const { type, name } = objectGiven(one, "resources");
    if (!Object.values(ConfigResourceTypes).includes(type as ConfigResourceTypes)) {
      throw invalid(`Invalid resource type ${String(type)}`);
    }
    if (typeof name !== "string" || name === "") {
      throw invalid(`Invalid resource name ${String(name)}`);
    }
  }
}

/** Each item has a topic, and no topic comes twice. */
function checkEach(items: unknown, what: string): void {
  if (!Array.isArray(items)) throw invalid(`Invalid ${what} array ${String(items)}`);
  const names = (items as { topic: unknown }[]).map((item) => objectGiven(item, what).topic);
  if (names.some((topic) => typeof topic !== "string")) {
    throw invalid(`Invalid ${what} array, the topic names have to be a valid string`);
  }
  if (new Set(names).size < names.length) {
    throw invalid(`Invalid ${what} array, it cannot have multiple entries for the same topic`);
  }
}
