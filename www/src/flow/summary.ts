import type { TraceEvent } from "tablog";
import { requestBody, responseBody } from "./bodies.ts";
import type { Exchange, Move } from "./fold.ts";

/** What a request and its answer did, in a few words. */
export function summarise({ request, response, moves }: Exchange): string {
  switch (request.api) {
    case "Produce":
      return `${records(moves)} to ${partitions(moves)}`;
    case "Fetch":
      return moves.length === 0 ? "nothing new" : `${records(moves)} from ${partitions(moves)}`;
    case "OffsetCommit":
      return offsetCommit(request);
    case "JoinGroup":
      return join(request, response);
    case "SyncGroup":
    case "Heartbeat":
    case "LeaveGroup":
      return `group ${requestBody(request, request.api).groupId}${outcome(response.body)}`;
    case "CreateTopics":
      return requestBody(request, "CreateTopics")
        .topics.map(({ name }) => name)
        .join(", ");
    default:
      return outcome(response.body).trim();
  }
}

function records(moves: readonly Move[]): string {
  const count = moves.reduce((sum, move) => sum + move.records, 0);
  return `${count.toLocaleString("en")} record${count === 1 ? "" : "s"}`;
}

function partitions(moves: readonly Move[]): string {
  return moves.map(({ topic, partition }) => `${topic}-${partition}`).join(", ");
}

function offsetCommit(request: TraceEvent): string {
  const { groupId, topics } = requestBody(request, "OffsetCommit");
  const offsets = topics.flatMap((topic) =>
    topic.partitions.map((found) => `P${found.partitionIndex} → ${found.committedOffset}`),
  );
  return `group ${groupId}: ${offsets.join(", ")}`;
}

function join(request: TraceEvent, response: TraceEvent): string {
  const { groupId } = requestBody(request, "JoinGroup");
  const { errorCode, generationId, members } = responseBody(response, "JoinGroup");
  if (errorCode !== 0) return `group ${groupId}${outcome(response.body)}`;
  const led = members !== undefined && members.length > 0;
  return `group ${groupId}, generation ${generationId ?? "?"}${led ? ", as leader" : ""}`;
}

function outcome(body: object): string {
  const code = "errorCode" in body ? body.errorCode : 0;
  return typeof code === "number" && code !== 0 ? `, error ${code}` : "";
}
