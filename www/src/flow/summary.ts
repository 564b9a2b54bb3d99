import { type OffsetFetchRequestBody, requestBody, responseBody } from "./bodies.ts";
import { errorName } from "./error_names.ts";
import type { Exchange, Refusal } from "./fold.ts";
import { topicPartition } from "./picture.ts";

/** What a request and its answer did, in a few words. */
export function summarise(exchange: Exchange): string {
  const { request, response } = exchange;
  switch (request.api) {
    case "Produce":
      return moved(exchange, "to");
    case "Fetch":
      return moved(exchange, "from") || "nothing new";
    case "OffsetCommit":
      return offsetCommit(exchange);
    case "JoinGroup":
      return join(exchange);
    case "OffsetFetch":
      return offsetFetch(requestBody(request, "OffsetFetch"));
    case "SyncGroup":
    case "Heartbeat":
    case "LeaveGroup":
      return words(`group ${requestBody(request, request.api).groupId}`, failure(response.body));
    case "CreateTopics":
      return requestBody(request, "CreateTopics")
        .topics.map(({ name }) => name)
        .join(", ");
    default:
      return failure(response.body);
  }
}

function moved({ moves, refusals, response }: Exchange, direction: string): string {
  const count = moves.reduce((sum, move) => sum + move.records, 0);
  const partitions = moves.map(({ topic, partition }) => topicPartition(topic, partition));
  const records = `${count.toLocaleString("en")} record${count === 1 ? "" : "s"}`;
  return [
    count === 0 ? "" : `${records} ${direction} ${partitions.join(", ")}`,
    ...refusals.map(refused),
    failure(response.body),
  ]
    .filter((part) => part !== "")
    .join("; ");
}

function offsetCommit({ request, refusals }: Exchange): string {
  const { groupId, topics } = requestBody(request, "OffsetCommit");
  const failed = new Map(refusals.map((one) => [topicPartition(one.topic, one.partition), one]));
  const offsets = topics.flatMap(({ name = "", partitions }) =>
    partitions.map(({ partitionIndex, committedOffset }) => {
      const key = topicPartition(name, partitionIndex);
      const refusal = failed.get(key);
      return refusal === undefined ? `${key} → ${committedOffset}` : refused(refusal);
    }),
  );
  return words(`group ${groupId}`, offsets.join(", "));
}

function offsetFetch(body: OffsetFetchRequestBody): string {
  const groups = "groups" in body ? body.groups : [body];
  return groups.map(({ groupId }) => `group ${groupId}`).join(", ");
}

function join({ request, response }: Exchange): string {
  const { groupId } = requestBody(request, "JoinGroup");
  const { errorCode, generationId, members } = responseBody(response, "JoinGroup");
  if (errorCode !== 0) return words(`group ${groupId}`, failure(response.body));
  const led = members !== undefined && members.length > 0;
  return `group ${groupId}: generation ${generationId ?? "?"}${led ? ", as leader" : ""}`;
}

function refused({ topic, partition, errorCode }: Refusal): string {
  return `${topicPartition(topic, partition)}: ${errorName(errorCode)}`;
}

/** The error of a whole answer; empty when there is none. */
function failure(body: object): string {
  const code = "errorCode" in body ? body.errorCode : 0;
  return typeof code === "number" && code !== 0 ? errorName(code) : "";
}

function words(subject: string, rest: string): string {
  return rest === "" ? subject : `${subject}: ${rest}`;
}
