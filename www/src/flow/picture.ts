import { Rate } from "./rate.ts";

/** Everything the page knows about the broker: folded from frames, completed by the survey. */
export class Picture {
  readonly #topics = new Map<string, TopicPicture>();
  readonly groups = new Map<string, GroupPicture>();
  /** Who produced, by client id. */
  readonly producers = new Map<string, ClientPicture>();
  /** Who fetched, by client id. */
  readonly fetchers = new Map<string, ClientPicture>();
  /** The names in order; made again when a topic comes or goes, not whenever the page is drawn. */
  #names: readonly string[] | undefined;

  get topics(): ReadonlyMap<string, TopicPicture> {
    return this.#topics;
  }

  /** The names of all topics in order, Kafka's own last. */
  get topicNames(): readonly string[] {
    this.#names ??= [...this.#topics.keys()].sort(internalLast);
    return this.#names;
  }

  topic(name: string): TopicPicture {
    return entry(this.#topics, name, () => {
      this.#names = undefined;
      return { name, partitions: [] };
    });
  }

  partition(topic: string, partition: number): PartitionPicture {
    const { partitions } = this.topic(topic);
    while (partitions.length <= partition) {
      partitions.push({ logStartOffset: 0, highWatermark: 0, appended: new Rate() });
    }
    const found = partitions[partition];
    if (found === undefined) throw new RangeError(`no partition ${partition}`);
    return found;
  }

  /** Forgets a topic with all offsets in it: one of the same name that comes later is another. */
  deleteTopic(name: string): void {
    const indexes = [...(this.#topics.get(name)?.partitions.keys() ?? [])];
    for (const { committed } of this.groups.values()) {
      for (const index of indexes) committed.delete(topicPartition(name, index));
    }
    this.#topics.delete(name);
    this.#names = undefined;
  }

  group(groupId: string): GroupPicture {
    return entry(this.groups, groupId, () => ({
      groupId,
      state: "Empty",
      assignor: "",
      members: [],
      committed: new Map<string, number>(),
    }));
  }
}

export interface TopicPicture {
  name: string;
  partitions: PartitionPicture[];
}

export interface PartitionPicture {
  /** The first offset that is still there. */
  logStartOffset: number;
  /** The offset that the next record gets, as far as consumers may see. */
  highWatermark: number;
  appended: Rate;
}

export interface GroupPicture {
  groupId: string;
  /** Kafka's name: Empty, PreparingRebalance, CompletingRebalance, Stable, Dead. */
  state: string;
  /** Kafka's name of the chosen assignor; empty while there is none. */
  assignor: string;
  /** Known once a frame of the group has passed. */
  generation?: number;
  members: MemberPicture[];
  /** Committed offsets by `topicPartition()`. */
  committed: Map<string, number>;
}

export interface MemberPicture {
  memberId: string;
  clientId: string;
  /** Partitions by topic. */
  assignment: Record<string, number[]>;
}

export interface ClientPicture {
  records: number;
  rate: Rate;
}

/** Whether it is one of Kafka's own topics. */
export function isInternal(topic: string): boolean {
  return topic.startsWith("__");
}

function internalLast(a: string, b: string): number {
  return Number(isInternal(a)) - Number(isInternal(b)) || (a < b ? -1 : 1);
}

/** The key of a partition in maps. */
export function topicPartition(topic: string, partition: number): string {
  return `${topic}-${partition}`;
}

/** The value of a key, made when it is missing. */
export function entry<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const found = map.get(key);
  if (found !== undefined) return found;
  const made = make();
  map.set(key, made);
  return made;
}
