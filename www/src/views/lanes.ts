import { html, type TemplateResult } from "lit-html";
import { type PartitionPicture, topicPartition } from "../flow/picture.ts";
import type { Playground } from "../playground.ts";
import { groupBadge, groupColour, groupIds } from "./marks.ts";
import { count } from "./numbers.ts";

/** How far a group is in one partition. */
export interface Progress {
  /** The next offset that its member processes; known of members of this page. */
  position: number | undefined;
  committed: number | undefined;
  lag: number;
}

/** How far `groupId` is in a partition of `topic`; undefined when it never read there. */
export function progress(
  app: Playground,
  groupId: string,
  topic: string,
  index: number,
  { logStartOffset, highWatermark }: PartitionPicture,
): Progress | undefined {
  const committed = app.picture.groups.get(groupId)?.committed.get(topicPartition(topic, index));
  const member = app.groups
    .get(groupId)
    ?.members.find((m) => m.topic === topic && m.assigned.has(index));
  if (committed === undefined && member === undefined) return undefined;
  // A member begins at the committed offset.
  const position = member === undefined ? undefined : (member.positions.get(index) ?? committed);
  return { position, committed, lag: highWatermark - (committed ?? logStartOffset) };
}

/** A lane for each group under a tape, on the tape's own scale while all of it is in view. */
export function lanesView(
  app: Playground,
  topic: string,
  index: number,
  partition: PartitionPicture,
): TemplateResult {
  const { logStartOffset, highWatermark } = partition;
  const records = highWatermark - logStartOffset;
  const cells = app.tapes.capacity;
  // On a tape in full view a mark points at the middle of a cell.
  const percent = (offset: number): number =>
    records < cells
      ? ((offset - logStartOffset + 0.5) / cells) * 100
      : ((offset - logStartOffset) / records) * 100;
  return html`
    <div class="lanes">
      ${groupIds(app).map((groupId, order) => {
        const found = progress(app, groupId, topic, index, partition);
        return found === undefined ? "" : laneView(groupId, order, found, percent);
      })}
    </div>
  `;
}

function laneView(
  groupId: string,
  order: number,
  { position, committed, lag }: Progress,
  percent: (offset: number) => number,
): TemplateResult {
  const width = (offset: number | undefined): number =>
    offset === undefined ? 0 : percent(offset);
  const text = `${groupId}: position ${count(position)}, committed ${count(committed)}, lag ${count(lag)}`;
  return html`
    <div class="lane" style="--group: ${groupColour(order)}" title=${text}>
      ${groupBadge(order)}
      <div class="track" role="img" aria-label=${text}>
        <i class="bar processed" style="width: ${width(position ?? committed)}%"></i>
        <i class="bar safe" style="width: ${width(committed)}%"></i>
        ${
          committed === undefined
            ? ""
            : html`<i class="mark committed" style="left: ${percent(committed)}%"></i>`
        }
        ${
          position === undefined
            ? ""
            : html`<i class="mark position" style="left: ${percent(position)}%"></i>`
        }
      </div>
    </div>
  `;
}
