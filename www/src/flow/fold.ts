import type { TraceEvent } from "tablog";
import { type Int64, type RecordsBody, requestBody, responseBody } from "./bodies.ts";
import { type Picture, entry, topicPartition } from "./picture.ts";
import { Rate } from "./rate.ts";

/** Requests whose answer has not passed; older ones are forgotten. */
const PENDING_REQUESTS_MAX = 2000;

const REBALANCE_IN_PROGRESS = 27;

/** Records that went from a producer to a partition, or from a partition to a consumer. */
export interface Move {
  kind: "produced" | "fetched";
  clientId: string;
  topic: string;
  partition: number;
  records: number;
}

/** A request and its answer. */
export interface Exchange {
  request: TraceEvent;
  response: TraceEvent;
  /** The records that they moved. */
  moves: Move[];
}

/** What frames changed beyond the picture. */
export interface Changes {
  moves: Move[];
  exchanges: Exchange[];
  /** True when only the admin client can tell what is so now: topics or groups changed. */
  survey: boolean;
}

/** APIs after whose answer topics or groups are other than before. */
const SURVEYED = new Set([
  "CreateTopics",
  "DeleteTopics",
  "CreatePartitions",
  "DeleteRecords",
  "JoinGroup",
  "SyncGroup",
  "LeaveGroup",
  "DeleteGroups",
  "OffsetDelete",
]);

/** Folds the frames that pass the broker's door into the picture. */
export class Fold {
  readonly #picture: Picture;
  readonly #pending = new Map<string, TraceEvent>();
  readonly #topicNames = new Map<string, string>();

  constructor(picture: Picture) {
    this.#picture = picture;
  }

  apply(events: readonly TraceEvent[]): Changes {
    const changes: Changes = { moves: [], exchanges: [], survey: false };
    for (const event of events) {
      const id = `${event.connection}:${event.correlationId}`;
      if (event.direction === "request") {
        this.#remember(id, event);
        continue;
      }
      const request = this.#pending.get(id);
      if (request === undefined) continue;
      this.#pending.delete(id);
      changes.survey ||= SURVEYED.has(event.api);
      const moves: Move[] = [];
      this.#exchange(request, event, moves);
      changes.moves.push(...moves);
      changes.exchanges.push({ request, response: event, moves });
    }
    return changes;
  }

  #remember(id: string, request: TraceEvent): void {
    for (const oldest of this.#pending.keys()) {
      if (this.#pending.size < PENDING_REQUESTS_MAX) break;
      this.#pending.delete(oldest);
    }
    this.#pending.set(id, request);
  }

  #exchange(request: TraceEvent, response: TraceEvent, moves: Move[]): void {
    switch (response.api) {
      case "Metadata":
        this.#metadata(response);
        break;
      case "Produce":
        this.#produce(request, response, moves);
        break;
      case "Fetch":
        this.#fetch(request, response, moves);
        break;
      case "OffsetCommit":
        this.#offsetCommit(request, response);
        break;
      case "JoinGroup":
        this.#joinGroup(request, response);
        break;
      case "Heartbeat":
        this.#heartbeat(request, response);
    }
  }

  #metadata(response: TraceEvent): void {
    for (const { name, topicId } of responseBody(response, "Metadata").topics) {
      if (name !== null && topicId !== undefined) this.#topicNames.set(topicId, name);
    }
  }

  #produce(request: TraceEvent, response: TraceEvent, moves: Move[]): void {
    const counts = new Map<string, number>();
    for (const topic of requestBody(request, "Produce").topicData) {
      for (const { index, records } of topic.partitionData) {
        counts.set(topicPartition(this.#name(topic), index), countRecords(records));
      }
    }
    for (const answered of responseBody(response, "Produce").responses) {
      const topic = this.#name(answered);
      for (const { index, errorCode, baseOffset } of answered.partitionResponses) {
        const records = counts.get(topicPartition(topic, index)) ?? 0;
        if (errorCode !== 0 || records === 0) continue;
        const partition = this.#picture.partition(topic, index);
        // An acknowledged record is durable, so the high watermark is behind it.
        partition.highWatermark = Math.max(partition.highWatermark, Number(baseOffset) + records);
        partition.appended.add(records, response.atMs);
        this.#count(this.#picture.producers, response, records);
        const { clientId } = response;
        moves.push({ kind: "produced", clientId, topic, partition: index, records });
      }
    }
  }

  #fetch(request: TraceEvent, response: TraceEvent, moves: Move[]): void {
    const asked = new Map<string, Int64>();
    for (const topic of requestBody(request, "Fetch").topics) {
      for (const { partition, fetchOffset } of topic.partitions) {
        asked.set(topicPartition(this.#name(topic), partition), fetchOffset);
      }
    }
    for (const answered of responseBody(response, "Fetch").responses) {
      const topic = this.#name(answered);
      for (const found of answered.partitions) {
        if (found.errorCode !== 0) continue;
        const index = found.partitionIndex;
        const partition = this.#picture.partition(topic, index);
        partition.highWatermark = Math.max(partition.highWatermark, Number(found.highWatermark));
        // A batch is sent whole, though the fetch may begin in its middle.
        const from = asked.get(topicPartition(topic, index)) ?? 0;
        const records = countRecords(found.records, Number(from));
        if (records === 0) continue;
        this.#count(this.#picture.fetchers, response, records);
        const { clientId } = response;
        moves.push({ kind: "fetched", clientId, topic, partition: index, records });
      }
    }
  }

  #offsetCommit(request: TraceEvent, response: TraceEvent): void {
    const { groupId, topics } = requestBody(request, "OffsetCommit");
    const { committed } = this.#picture.group(groupId);
    const accepted = new Set<string>();
    for (const topic of responseBody(response, "OffsetCommit").topics) {
      for (const { partitionIndex, errorCode } of topic.partitions) {
        if (errorCode === 0) accepted.add(topicPartition(this.#name(topic), partitionIndex));
      }
    }
    for (const topic of topics) {
      for (const { partitionIndex, committedOffset } of topic.partitions) {
        const key = topicPartition(this.#name(topic), partitionIndex);
        if (accepted.has(key)) committed.set(key, Number(committedOffset));
      }
    }
  }

  #joinGroup(request: TraceEvent, response: TraceEvent): void {
    const { errorCode, generationId } = responseBody(response, "JoinGroup");
    if (errorCode !== 0 || generationId === undefined) return;
    this.#picture.group(requestBody(request, "JoinGroup").groupId).generation = generationId;
  }

  #heartbeat(request: TraceEvent, response: TraceEvent): void {
    const { groupId, generationId } = requestBody(request, "Heartbeat");
    const { errorCode } = responseBody(response, "Heartbeat");
    const group = this.#picture.group(groupId);
    if (errorCode === 0) group.generation = generationId;
    if (errorCode === REBALANCE_IN_PROGRESS) group.state = "PreparingRebalance";
  }

  #count(clients: Picture["producers"], { clientId, atMs }: TraceEvent, records: number): void {
    const client = entry(clients, clientId, () => ({ records: 0, rate: new Rate() }));
    client.records += records;
    client.rate.add(records, atMs);
  }

  #name({ name, topic, topicId }: { name?: string; topic?: string; topicId?: string }): string {
    return name ?? topic ?? this.#topicNames.get(topicId ?? "") ?? topicId ?? "";
  }
}

function countRecords(records: RecordsBody | null, from = 0): number {
  let count = 0;
  for (const { baseOffset, lastOffset, recordCount } of records?.batches ?? []) {
    if (Number(lastOffset) < from) continue;
    count += Math.min(recordCount, Number(lastOffset) + 1 - Math.max(Number(baseOffset), from));
  }
  return count;
}
