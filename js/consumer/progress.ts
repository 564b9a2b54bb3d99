// How far a consumer has got in each partition, and what of that is committed.
import type { TopicOffsets, TopicPartition, TopicPartitionOffset } from "../types/partition.js";
import { partitionKey } from "./work.js";

interface PartitionProgress extends TopicPartition {
  /** Of the next record to process. */
  resolved: bigint | undefined;
  committed: bigint | undefined;
  /** Records resolved since the last commit. */
  uncommitted: bigint;
}

export class Progress {
  readonly #partitions = new Map<string, PartitionProgress>();
  #lastCommitAtMs = performance.now();

  /** The application has processed the partition from `from` up to `nextOffset`. */
  resolve(partition: TopicPartition, from: string, nextOffset: string): void {
    const progress = this.#partition(partition);
    progress.resolved = BigInt(nextOffset);
    progress.uncommitted = progress.resolved - (progress.committed ?? BigInt(from));
  }

  /** The group's coordinator has these offsets. */
  committed(offsets: readonly TopicPartitionOffset[]): void {
    this.#lastCommitAtMs = performance.now();
    for (const one of offsets) {
      const progress = this.#partition(one);
      progress.committed = BigInt(one.offset);
      progress.uncommitted = (progress.resolved ?? progress.committed) - progress.committed;
    }
  }

  /** The partition is another member's, or was sought elsewhere. */
  forget(partition: TopicPartition): void {
    this.#partitions.delete(partitionKey(partition));
  }

  /** Whether a limit says that it is time to commit. */
  isDue(interval: number | null | undefined, threshold: number | null | undefined): boolean {
    if (typeof interval === "number" && interval <= performance.now() - this.#lastCommitAtMs) {
      return true;
    }
    if (typeof threshold !== "number") return false;
    const counts = Array.from(this.#partitions.values(), ({ uncommitted }) => uncommitted);
    return BigInt(threshold) <= counts.reduce((sum, count) => sum + count, 0n);
  }

  uncommittedOffsets(): { topics: TopicOffsets[] } {
    const topics = new Map<string, TopicOffsets>();
    for (const { topic, partition, resolved, committed } of this.#partitions.values()) {
      if (resolved === undefined || resolved === committed) continue;
      const offsets = topics.get(topic) ?? { topic, partitions: [] };
      offsets.partitions.push({ partition, offset: resolved.toString() });
      topics.set(topic, offsets);
    }
    return { topics: [...topics.values()] };
  }

  #partition({ topic, partition }: TopicPartition): PartitionProgress {
    const key = partitionKey({ topic, partition });
    const progress = this.#partitions.get(key) ?? {
      topic,
      partition,
      resolved: undefined,
      committed: undefined,
      uncommitted: 0n,
    };
    this.#partitions.set(key, progress);
    return progress;
  }
}
