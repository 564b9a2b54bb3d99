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
  /** The partitions for which the answer is an error. */
  refusals: Refusal[];
}

/** A partition for which a request failed. */
export interface Refusal {
  topic: string;
  partition: number;
  /** Kafka's. */
  errorCode: number;
  /** What the broker says to it, if anything. */
  message?: string;
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
      const exchange: Exchange = { request, response: event, moves: [], refusals: [] };
      this.#exchange(exchange);
      changes.moves.push(...exchange.moves);
      changes.exchanges.push(exchange);
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

  #exchange(exchange: Exchange): void {
    const { request, response } = exchange;
    switch (response.api) {
      case "Metadata":
        this.#metadata(response);
        break;
      case "Produce":
        this.#produce(exchange);
        break;
      case "Fetch":
        this.#fetch(exchange);
        break;
      case "OffsetCommit":
        this.#offsetCommit(exchange);
        break;
      case "OffsetFetch":
        this.#offsetFetch(request, response);
        break;
      case "JoinGroup":
        this.#joinGroup(request, response);
        break;
      case "Heartbeat":
        this.#heartbeat(request, response);
        break;
      case "DeleteTopics":
        this.#deleteTopics(response);
        break;
      case "DeleteGroups":
        this.#deleteGroups(response);
    }
  }

  #metadata(response: TraceEvent): void {
    for (const { name, topicId } of responseBody(response, "Metadata").topics) {
      if (name !== null && topicId !== undefined) this.#topicNames.set(topicId, name);
    }
  }

  #produce({ request, response, moves, refusals }: Exchange): void {
    const counts = new Map<string, number>();
    for (const topic of requestBody(request, "Produce").topicData) {
      for (const { index, records } of topic.partitionData) {
        counts.set(topicPartition(this.#name(topic), index), countRecords(records));
      }
    }
    for (const answered of responseBody(response, "Produce").responses) {
      const topic = this.#name(answered);
      for (const { index, errorCode, errorMessage, baseOffset } of answered.partitionResponses) {
        const records = counts.get(topicPartition(topic, index)) ?? 0;
        if (errorCode !== 0) {
          refusals.push({ topic, partition: index, errorCode, message: errorMessage ?? "" });
        }
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

  #fetch({ request, response, moves, refusals }: Exchange): void {
    const asked = new Map<string, Int64>();
    for (const topic of requestBody(request, "Fetch").topics) {
      for (const { partition, fetchOffset } of topic.partitions) {
        asked.set(topicPartition(this.#name(topic), partition), fetchOffset);
      }
    }
    for (const answered of responseBody(response, "Fetch").responses) {
      const topic = this.#name(answered);
      for (const found of answered.partitions) {
        const { partitionIndex: index, errorCode } = found;
        if (errorCode !== 0) {
          refusals.push({ topic, partition: index, errorCode });
          continue;
        }
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

  #offsetCommit({ request, response, refusals }: Exchange): void {
    const { groupId, topics } = requestBody(request, "OffsetCommit");
    const { committed } = this.#picture.group(groupId);
    const accepted = new Set<string>();
    for (const answered of responseBody(response, "OffsetCommit").topics) {
      const topic = this.#name(answered);
      for (const { partitionIndex: partition, errorCode } of answered.partitions) {
        if (errorCode === 0) accepted.add(topicPartition(topic, partition));
        else refusals.push({ topic, partition, errorCode });
      }
    }
    for (const topic of topics) {
      for (const { partitionIndex, committedOffset } of topic.partitions) {
        const key = topicPartition(this.#name(topic), partitionIndex);
        if (accepted.has(key)) committed.set(key, Number(committedOffset));
      }
    }
  }

  /** Of any client, the page's survey among them: frames come in the broker's order. */
  #offsetFetch(request: TraceEvent, response: TraceEvent): void {
    const asked = requestBody(request, "OffsetFetch");
    const answer = responseBody(response, "OffsetFetch");
    const answers = "groups" in answer ? answer.groups : [answer];
    for (const [index, { groupId, topics }] of ("groups" in asked
      ? asked.groups
      : [asked]
    ).entries()) {
      const answered = answers[index];
      if (answered === undefined || answered.errorCode !== 0) continue;
      const { committed } = this.#picture.group(groupId);
      // Offsets go away too, with their topic for one.
      if (topics === null) committed.clear();
      for (const topic of answered.topics) {
        for (const { partitionIndex, committedOffset, errorCode } of topic.partitions) {
          const key = topicPartition(this.#name(topic), partitionIndex);
          if (errorCode !== 0) continue;
          if (Number(committedOffset) < 0) committed.delete(key);
          else committed.set(key, Number(committedOffset));
        }
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

  #deleteTopics(response: TraceEvent): void {
    for (const { name, errorCode } of responseBody(response, "DeleteTopics").responses) {
      if (errorCode === 0 && name !== null) this.#picture.deleteTopic(name);
    }
  }

  #deleteGroups(response: TraceEvent): void {
    for (const { groupId, errorCode } of responseBody(response, "DeleteGroups").results) {
      if (errorCode === 0) this.#picture.groups.delete(groupId);
    }
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
