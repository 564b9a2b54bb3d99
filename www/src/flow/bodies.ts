// Bodies of frames as the tap shows them: Kafka's field names, only those that the page reads.
import type { TraceEvent } from "tablog";

/** Record batches, by their headers. An integer beyond 32 bits comes as a decimal string. */
export interface RecordsBody {
  length: number;
  batches: { baseOffset: string; lastOffset: string; recordCount: number }[];
}

/** A topic is named up to some version of its API, and identified after it. */
interface TopicBody {
  name?: string;
  topic?: string;
  topicId?: string;
}

export type Int64 = number | string;

export interface ProduceRequestBody {
  topicData: (TopicBody & { partitionData: { index: number; records: RecordsBody | null }[] })[];
}

export interface ProduceResponseBody {
  responses: (TopicBody & {
    partitionResponses: {
      index: number;
      errorCode: number;
      errorMessage?: string | null;
      baseOffset: Int64;
    }[];
  })[];
}

export interface FetchRequestBody {
  topics: (TopicBody & { partitions: { partition: number; fetchOffset: Int64 }[] })[];
}

export interface FetchResponseBody {
  errorCode?: number;
  responses: (TopicBody & {
    partitions: {
      partitionIndex: number;
      errorCode: number;
      highWatermark: Int64;
      logStartOffset?: Int64;
      records: RecordsBody | null;
    }[];
  })[];
}

export interface OffsetCommitRequestBody {
  groupId: string;
  generationIdOrMemberEpoch?: number;
  topics: (TopicBody & { partitions: { partitionIndex: number; committedOffset: Int64 }[] })[];
}

export interface OffsetCommitResponseBody {
  topics: (TopicBody & { partitions: { partitionIndex: number; errorCode: number }[] })[];
}

interface OffsetFetchRequestGroup {
  /** Null asks for all topics. */
  topics: unknown[] | null;
}

/** Of one group up to some version, of several after it. */
export type OffsetFetchRequestBody =
  | (OffsetFetchRequestGroup & GroupRequestBody)
  | { groups: (OffsetFetchRequestGroup & GroupRequestBody)[] };

interface OffsetFetchResponseGroup {
  errorCode: number;
  topics: (TopicBody & {
    partitions: { partitionIndex: number; committedOffset: Int64; errorCode: number }[];
  })[];
}

export type OffsetFetchResponseBody =
  OffsetFetchResponseGroup | { groups: (OffsetFetchResponseGroup & GroupRequestBody)[] };

export interface GroupRequestBody {
  groupId: string;
}

export interface GroupResponseBody {
  errorCode: number;
  generationId?: number;
  members?: unknown[];
}

export interface MetadataResponseBody {
  topics: { name: string | null; topicId?: string }[];
}

export interface CreateTopicsRequestBody {
  topics: { name: string }[];
}

export interface DeleteTopicsResponseBody {
  responses: { name: string | null; errorCode: number }[];
}

export interface DeleteGroupsResponseBody {
  results: { groupId: string; errorCode: number }[];
}

interface RequestBodies {
  Produce: ProduceRequestBody;
  Fetch: FetchRequestBody;
  OffsetCommit: OffsetCommitRequestBody;
  OffsetFetch: OffsetFetchRequestBody;
  JoinGroup: GroupRequestBody;
  SyncGroup: GroupRequestBody;
  Heartbeat: GroupRequestBody & { generationId: number };
  LeaveGroup: GroupRequestBody;
  CreateTopics: CreateTopicsRequestBody;
}

interface ResponseBodies {
  Metadata: MetadataResponseBody;
  Produce: ProduceResponseBody;
  Fetch: FetchResponseBody;
  OffsetCommit: OffsetCommitResponseBody;
  JoinGroup: GroupResponseBody;
  Heartbeat: GroupResponseBody;
  OffsetFetch: OffsetFetchResponseBody;
  DeleteTopics: DeleteTopicsResponseBody;
  DeleteGroups: DeleteGroupsResponseBody;
}

/** The body of a request, whose API the caller has looked at. */
export function requestBody<Api extends keyof RequestBodies>(
  { api, body }: TraceEvent,
  expected: Api,
): RequestBodies[Api] {
  if (api !== expected) throw new Error(`${api} is not ${expected}`);
  return body as unknown as RequestBodies[Api];
}

/** The body of a response, whose API the caller has looked at. */
export function responseBody<Api extends keyof ResponseBodies>(
  { api, body }: TraceEvent,
  expected: Api,
): ResponseBodies[Api] {
  if (api !== expected) throw new Error(`${api} is not ${expected}`);
  return body as unknown as ResponseBodies[Api];
}
